use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ramus_core::{
    Change, Cursor, Epoch, Error, Hash, IdHash, KeyChange, Outcome, RefName, RefOutcome, RefUpdate,
    Refusal, Result, UpdateId,
};
use ramus_watch::Log;
use tokio::sync::oneshot;

use super::begun::Begun;
use super::files::Files;
use super::merge::MergedRun;
use super::tail::Tail;
use crate::format::change::{self, RefChange};
use crate::format::files::Table;
use crate::format::record::{Kind, RecordHeader};
use crate::reclaim::{Planned, Reclaimed};

/// What readers of the refs see.
#[derive(Debug)]
pub(crate) struct Visible<H: Hash> {
    pub(crate) table: Table<H>,
    pub(crate) log: Log<RefName, H>,
}

impl<H: Hash> Visible<H> {
    /// Makes a change visible, which is the next one.
    pub(crate) fn push(&mut self, change: &Arc<RefChange<H>>) -> Result<()> {
        self.log.push(Arc::clone(change))?;
        for KeyChange { key, new, .. } in &change.keys {
            match new {
                Some(value) => self.table.insert_mut(key.clone(), *value),
                None => drop(self.table.remove_mut(key)),
            }
        }
        Ok(())
    }
}

/// What those who write share, under one lock.
#[derive(Debug)]
pub(crate) struct Core<H: Hash> {
    pub(crate) tail: Tail,
    /// What the refs hold once everything that was appended is visible.
    newest: Table<H>,
    /// The end of the log then.
    end: Cursor,
    /// The changes that were appended and are not visible, in order and without a gap.
    pending: VecDeque<Pending<H>>,
    /// Their sequences, by the ids of their updates.
    ids: HashMap<UpdateId, u64, IdHash>,
    pub(crate) waiting: Vec<Waiter>,
    /// What others ask the writer to do.
    pub(crate) jobs: VecDeque<Job<H>>,
    /// The number of the last batch that is in the file, and of the last that is durable.
    pub(crate) written: u64,
    pub(crate) synced: u64,
    /// Why nothing is written any more.
    pub(crate) failed: Option<Error>,
    /// Nothing was to be written from the beginning.
    pub(crate) read_only: bool,
    /// There was no room the last time.
    pub(crate) full: bool,
    /// No more is taken.
    pub(crate) stop: bool,
    /// The writer has ended, so.
    pub(crate) ended: Option<Result<()>>,
    /// What the writer has, while it has nothing to do.
    pub(crate) idle: Option<Box<Files<H>>>,
    pub(crate) closers: Vec<oneshot::Sender<Result<()>>>,
}

#[derive(Debug)]
pub(crate) struct Pending<H: Hash> {
    /// The batch that holds it.
    batch: u64,
    change: Arc<RefChange<H>>,
}

/// What a collection, or a merge of runs, asks the writer to do between two batches.
#[derive(Debug)]
pub(crate) enum Job<H: Hash> {
    /// Begin a collection, and with it a new segment.
    Begin(Answer<Begun<H>>),
    Remove(Epoch, Vec<H>, Answer<usize>),
    /// End a collection, and say what is to be reclaimed, if anything is.
    Plan(Epoch, Answer<Planned>),
    /// Put what was reclaimed in place.
    Switch(Box<Reclaimed>, Answer<()>),
    /// Put a merged run in place.
    Merged(Box<MergedRun>),
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T>>;

/// Somebody who waits for a batch.
#[derive(Debug)]
pub(crate) struct Waiter {
    batch: u64,
    need: Need,
    answer: oneshot::Sender<Result<()>>,
}

/// What has to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Written,
    Synced,
}

/// What is to be waited for before an answer is given; nothing if it can be given now.
pub(crate) type Wait = Option<oneshot::Receiver<Result<()>>>;

impl<H: Hash> Core<H> {
    /// Returns the state that begins with what is visible; the batch before the open one is durable.
    pub(crate) fn new(tail: Tail, visible: &Visible<H>) -> Self {
        let durable = tail.last_number();
        Self {
            tail,
            newest: visible.table.clone(),
            end: visible.log.end(),
            pending: VecDeque::new(),
            ids: HashMap::default(),
            waiting: Vec::new(),
            jobs: VecDeque::new(),
            written: durable,
            synced: durable,
            failed: None,
            read_only: false,
            full: false,
            stop: false,
            ended: None,
            idle: None,
            closers: Vec::new(),
        }
    }

    pub(crate) fn ensure_writable(&self) -> Result<()> {
        if self.stop {
            return Err(Error::closed());
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Takes nothing more. What was taken is written, for which there may be room by now.
    pub(crate) const fn stop(&mut self) {
        self.stop = true;
        self.full = false;
    }

    /// Waits for the last batch that has a record.
    pub(crate) fn wait_for_all(&mut self, need: Need) -> Wait {
        self.wait(self.tail.last_number(), need)
    }

    /// Waits for the next batch that is written, or synced: the open one, if none is under way.
    pub(crate) fn wait_for_next(&mut self, need: Need) -> Wait {
        let done = match need {
            Need::Written => self.written,
            Need::Synced => self.synced,
        };
        self.wait(done + 1, need)
    }

    fn wait(&mut self, batch: u64, need: Need) -> Wait {
        let done = match need {
            Need::Written => self.written,
            Need::Synced => self.synced,
        };
        (batch > done).then(|| {
            let (answer, wait) = oneshot::channel();
            self.waiting.push(Waiter { batch, need, answer });
            wait
        })
    }

    /// Takes out everyone whose batch has what it needs.
    pub(crate) fn satisfied(&mut self) -> Vec<Waiter> {
        let (written, synced) = (self.written, self.synced);
        let done = |waiter: &mut Waiter| match waiter.need {
            Need::Written => waiter.batch <= written,
            Need::Synced => waiter.batch <= synced,
        };
        self.waiting.extract_if(.., done).collect()
    }

    /// Returns whether somebody waits for a sync.
    pub(crate) fn wants_sync(&self) -> bool {
        self.waiting.iter().any(|waiter| waiter.need == Need::Synced)
    }

    /// Returns the place of an update that is under way, and what to wait for.
    pub(crate) fn under_way(
        &mut self,
        update: &RefUpdate<H>,
        need: Need,
    ) -> Result<Option<(Cursor, Wait)>> {
        let first = self.pending.front().map_or(0, |first| first.change.cursor.sequence);
        let index = self.ids.get(&update.id).and_then(|at| usize::try_from(at - first).ok());
        let Some(pending) = index.and_then(|index| self.pending.get(index)) else {
            return Ok(None);
        };
        let (place, batch) = (update.place_of(&pending.change)?, pending.batch);
        Ok(Some((place, self.wait(batch, need))))
    }

    /// Judges an update that is not known yet, appends its record if it changes something, and says
    /// what to wait for before the outcome is told.
    pub(crate) fn judge(&mut self, update: RefUpdate<H>, need: Need) -> (RefOutcome<H>, Wait) {
        let refusal = update.edits.iter().find_map(|(key, edit)| {
            let holds = self.newest.get(key);
            let refused = !edit.expected.accepts(holds);
            refused.then(|| Refusal { key: key.clone(), holds: holds.copied(), at: self.end })
        });
        if let Some(refusal) = refusal {
            return (Outcome::Refused(refusal), self.wait_for_pending(need));
        }
        let keys: Vec<_> = update
            .edits
            .into_iter()
            .map(|(key, edit)| KeyChange {
                old: self.newest.get(&key).copied(),
                new: edit.set,
                key,
            })
            .filter(|change| change.old != change.new)
            .collect();
        if keys.is_empty() {
            return (Outcome::Applied(self.end), self.wait_for_pending(need));
        }
        let previous = self.end.sequence;
        let cursor = Cursor { sequence: previous + 1, ..self.end };
        let change = Change { cursor, previous, id: update.id, note: update.note, keys };
        self.append(Arc::new(change));
        (Outcome::Applied(cursor), self.wait_for_all(need))
    }

    /// Takes back every change that is not visible: as if it had never been appended.
    pub(crate) fn roll_back(&mut self, visible: &Visible<H>) {
        self.newest = visible.table.clone();
        self.end = visible.log.end();
        self.pending.clear();
        self.ids.clear();
        self.tail.void_changes(H::LENGTH);
    }

    /// Takes out the changes whose batch is durable.
    pub(crate) fn take_visible(&mut self, need: Need) -> Vec<Arc<RefChange<H>>> {
        let done = if need == Need::Synced { self.synced } else { self.written };
        let count = self.pending.partition_point(|pending| pending.batch <= done);
        let changes = self.pending.drain(..count).map(|pending| {
            self.ids.remove(&pending.change.id);
            pending.change
        });
        changes.collect()
    }

    /// Returns the place of the last change that was appended.
    pub(crate) const fn end(&self) -> Cursor {
        self.end
    }

    fn wait_for_pending(&mut self, need: Need) -> Wait {
        let batch = self.pending.back().map(|pending| pending.batch)?;
        self.wait(batch, need)
    }

    fn append(&mut self, change: Arc<RefChange<H>>) {
        let body = change::encode(&change);
        let header = RecordHeader::of(Kind::Change, &body).encode(&[]);
        self.tail.push(&header, &[], &body);
        for KeyChange { key, new, .. } in &change.keys {
            match new {
                Some(value) => self.newest.insert_mut(key.clone(), *value),
                None => drop(self.newest.remove_mut(key)),
            }
        }
        self.end = change.cursor;
        self.ids.insert(change.id, change.cursor.sequence);
        self.pending.push_back(Pending { batch: self.tail.last_number(), change });
    }
}

impl<H: Hash> Job<H> {
    /// Tells why it was not done.
    pub(crate) fn refuse(self, error: Error) {
        // That nobody waits any more is fine.
        match self {
            Self::Begin(answer) => drop(answer.send(Err(error))),
            Self::Remove(_, _, answer) => drop(answer.send(Err(error))),
            Self::Plan(_, answer) => drop(answer.send(Err(error))),
            Self::Switch(_, answer) => drop(answer.send(Err(error))),
            Self::Merged(merged) => drop(merged),
        }
    }
}

impl Waiter {
    /// Tells what came of it; that nobody waits any more is fine.
    pub(crate) fn tell(self, result: Result<()>) {
        drop(self.answer.send(result));
    }
}
