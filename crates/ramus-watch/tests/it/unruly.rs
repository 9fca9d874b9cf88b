//! A store that is as unpleasant as the contract allows.
//!
//! Its log is short, its notices are few, late and out of order, reading it is slow and fails, and
//! it begins new incarnations, in which some of its entries are gone. It keeps its true history.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream;
use parking_lot::Mutex;
use ramus_core::{
    AtomicWrite, Change, Changes, Cursor, Error, ErrorKind, KeyChange, Limits, Notice, Outcome,
    ReadOnly, Result, Snapshot, Subscription, Update,
};
use ramus_watch::Log;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::yield_now;

use crate::history::{Entries, History};
use crate::random::Random;

#[derive(Clone, Debug)]
pub(crate) struct Unruly(Arc<Shared>);

/// How unpleasant it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) log_changes: usize,
    pub(crate) notices: usize,
    /// One in so many readings fails; 0 for none.
    pub(crate) failures: usize,
    /// How often others have a turn before a reading is done, at most.
    pub(crate) slowness: usize,
    /// How many notices may be held back.
    pub(crate) late: usize,
}

/// A polite store.
impl Default for Manners {
    fn default() -> Self {
        Self { log_changes: 100_000, notices: 64, failures: 0, slowness: 0, late: 0 }
    }
}

#[derive(Debug)]
struct Shared {
    manners: Manners,
    state: Mutex<State>,
    notices: broadcast::Sender<Notice<String, u64>>,
    /// Notices that are late.
    held: Mutex<Vec<Arc<Change<String, u64>>>>,
    random: Mutex<Random>,
    readings: AtomicUsize,
}

#[derive(Debug)]
struct State {
    entries: Entries,
    log: Log<String, u64>,
    history: History,
}

impl Unruly {
    pub(crate) fn new(manners: Manners, random: Random) -> Self {
        let log = Log::new(manners.log_changes);
        let mut history = History::default();
        history.begin(log.end(), Entries::new());
        Self(Arc::new(Shared {
            manners,
            state: Mutex::new(State { entries: Entries::new(), log, history }),
            notices: broadcast::Sender::new(manners.notices),
            held: Mutex::default(),
            random: Mutex::new(random),
            readings: AtomicUsize::new(0),
        }))
    }

    /// Begins a new incarnation, in which about half of the entries are gone.
    pub(crate) fn begin_again(&self) {
        {
            let mut state = self.0.state.lock();
            state.log = Log::new(self.0.manners.log_changes);
            let mut random = self.0.random.lock();
            state.entries.retain(|_, _| random.one_in(2));
            let (end, entries) = (state.log.end(), state.entries.clone());
            state.history.begin(end, entries);
        }
        drop(self.0.notices.send(Notice::Lagged));
    }

    /// Gives the notices that are late.
    pub(crate) fn give_held(&self) {
        let mut held = std::mem::take(&mut *self.0.held.lock());
        while !held.is_empty() {
            let index = self.0.random.lock().below(held.len());
            drop(self.0.notices.send(Notice::Change(held.swap_remove(index))));
        }
    }

    pub(crate) fn into_history(self) -> History {
        std::mem::take(&mut self.0.state.lock().history)
    }

    /// How many subscriptions there are.
    pub(crate) fn subscriptions(&self) -> usize {
        self.0.notices.receiver_count()
    }

    /// How often it was read.
    pub(crate) fn readings(&self) -> usize {
        self.0.readings.load(Ordering::SeqCst)
    }

    /// Begins a reading, which may take its time, and may fail.
    async fn begin_reading(&self) -> Result<()> {
        self.0.readings.fetch_add(1, Ordering::SeqCst);
        let turns = self.0.random.lock().below(self.0.manners.slowness + 1);
        for _ in 0..turns {
            yield_now().await;
        }
        let one_in = self.0.manners.failures;
        if one_in > 0 && self.0.random.lock().one_in(one_in) {
            return Err(Error::new(ErrorKind::Unavailable, "not now"));
        }
        Ok(())
    }
}

impl ReadOnly for Unruly {
    type Key = String;
    type Value = u64;

    async fn find(&self, key: &String) -> Result<Option<u64>> {
        Ok(self.0.state.lock().entries.get(key).copied())
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl AtomicWrite for Unruly {
    async fn update(&self, update: Update<String, u64>) -> Result<Outcome<String, u64>> {
        let change = {
            let State { entries, log, history } = &mut *self.0.state.lock();
            let mut keys = Vec::new();
            for (key, edit) in update.edits {
                let old = match edit.set {
                    Some(value) => entries.insert(key.clone(), value),
                    None => entries.remove(&key),
                };
                if old != edit.set {
                    keys.push(KeyChange { key, old, new: edit.set });
                }
            }
            if keys.is_empty() {
                return Ok(Outcome::Applied(log.end()));
            }
            let change = log.append(update.id, Bytes::new(), keys);
            history.change(Arc::clone(&change));
            change
        };
        let cursor = change.cursor;
        let held = {
            let mut held = self.0.held.lock();
            held.push(change);
            held.len()
        };
        let late = self.0.random.lock().below(self.0.manners.late + 1);
        if held > late {
            self.give_held();
        }
        Ok(Outcome::Applied(cursor))
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<String, u64>> {
        self.begin_reading().await?;
        let state = self.0.state.lock();
        let entries = state.entries.iter().filter(|(key, _)| key.as_bytes().starts_with(prefix));
        let entries = entries.map(|(key, value)| (key.clone(), *value)).collect();
        Ok(Snapshot::of_entries(state.log.end(), entries))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<String, u64>> {
        self.begin_reading().await?;
        // Fewer than there are is always allowed.
        let limit = if limit == 0 { 0 } else { 1 + self.0.random.lock().below(limit) };
        Ok(self.0.state.lock().log.after(after, limit))
    }

    async fn position(&self) -> Result<Cursor> {
        Ok(self.0.state.lock().log.end())
    }

    fn subscribe(&self) -> Subscription<String, u64> {
        let receiver = self.0.notices.subscribe();
        Subscription::of_stream(stream::unfold(receiver, async |mut receiver| {
            match receiver.recv().await {
                Ok(notice) => Some((notice, receiver)),
                Err(RecvError::Lagged(_)) => Some((Notice::Lagged, receiver)),
                Err(RecvError::Closed) => None,
            }
        }))
    }
}
