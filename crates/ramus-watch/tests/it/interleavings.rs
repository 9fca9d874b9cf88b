//! The follower, the log and a channel that drops, under every interleaving that `shuttle` finds.
//!
//! Tokio's broadcast does not run under `shuttle`. What it does is modelled here: a bounded queue for
//! each receiver, which forgets its oldest notice when it is full and then says so once. Writers do
//! what a backend does: append under the lock of the refs, release it, publish. A reader that should
//! have been woken and was not is found as a deadlock.

use std::collections::VecDeque;

use ramus_core::{Error, KeyChange, Notice, Snapshot, UpdateId};
use ramus_watch::{Event, Follower, Log, Mode, Next, WatchOptions, Watched};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{Runner, thread};

use crate::history::{Entries, History, Seen};
use crate::random::number_from_env;

struct Store {
    refs: Mutex<Refs>,
    channels: Mutex<Vec<Arc<Channel>>>,
}

struct Refs {
    entries: Entries,
    log: Log<String, u64>,
    capacity: usize,
    history: History,
    closed: bool,
}

/// What one receiver has not taken yet.
struct Channel {
    queue: Mutex<Queue>,
    woken: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice<String, u64>>,
    lagged: bool,
    closed: bool,
}

impl Store {
    fn new(capacity: usize) -> Self {
        let log = Log::new(capacity);
        let mut history = History::default();
        history.begin(log.end(), Entries::new());
        let refs = Refs { entries: Entries::new(), log, capacity, history, closed: false };
        Self { refs: Mutex::new(refs), channels: Mutex::default() }
    }

    fn subscribe(&self, capacity: usize) -> Arc<Channel> {
        let channel = Channel { queue: Mutex::default(), woken: Condvar::new(), capacity };
        let channel = Arc::new(channel);
        self.channels.lock().unwrap().push(Arc::clone(&channel));
        channel
    }

    fn write(&self, edits: &[(&str, Option<u64>)]) {
        let change = {
            let Refs { entries, log, history, .. } = &mut *self.refs.lock().unwrap();
            let mut keys = Vec::new();
            for (key, new) in edits {
                let key = (*key).to_owned();
                let old = match new {
                    Some(value) => entries.insert(key.clone(), *value),
                    None => entries.remove(&key),
                };
                if old != *new {
                    keys.push(KeyChange { key, old, new: *new });
                }
            }
            if keys.is_empty() {
                return;
            }
            // Distinct, and the same in every run of one schedule.
            let id = UpdateId::from_bytes((u128::from(log.end().sequence) + 1).to_be_bytes());
            let change = log.append(id, "".into(), keys);
            history.change(Arc::clone(&change));
            change
        };
        self.publish(&Notice::Change(change));
    }

    fn begin_again(&self) {
        {
            let refs = &mut *self.refs.lock().unwrap();
            refs.log = Log::new(refs.capacity);
            refs.entries.pop_first();
            refs.history.begin(refs.log.end(), refs.entries.clone());
        }
        self.publish(&Notice::Lagged);
    }

    fn publish(&self, notice: &Notice<String, u64>) {
        let channels: Vec<_> = self.channels.lock().unwrap().clone();
        for channel in channels {
            let mut queue = channel.queue.lock().unwrap();
            if queue.notices.len() == channel.capacity {
                queue.notices.pop_front();
                queue.lagged = true;
            }
            queue.notices.push_back(notice.clone());
            drop(queue);
            channel.woken.notify_one();
        }
    }

    fn close(&self) {
        self.refs.lock().unwrap().closed = true;
        for channel in self.channels.lock().unwrap().iter() {
            channel.queue.lock().unwrap().closed = true;
            channel.woken.notify_one();
        }
    }
}

struct Reader {
    follower: Follower<String, u64>,
    channel: Arc<Channel>,
    seen: Vec<Seen>,
}

impl Reader {
    fn new(store: &Store, options: WatchOptions<String>, notices: usize) -> Self {
        let channel = store.subscribe(notices);
        let start = store.refs.lock().unwrap().log.end();
        Self { follower: Follower::new(options, start), channel, seen: Vec::new() }
    }

    /// Follows until it was told of `last`, or until the store is closed.
    fn run(mut self, store: &Store, last: Option<u64>) -> Self {
        loop {
            match self.follower.step() {
                Next::Give(Ok(event)) => {
                    let (seen, is_last) = self.take(event, last);
                    self.seen.push(seen);
                    if is_last {
                        return self;
                    }
                }
                Next::Give(Err(error)) => assert_eq!(error.kind(), ramus_core::ErrorKind::Closed),
                Next::End => return self,
                Next::Wait => self.wait(),
                Next::Read { after, limit } => {
                    let refs = store.refs.lock().unwrap();
                    if refs.closed {
                        self.follower.failed(Error::closed());
                    } else {
                        self.follower.read(refs.log.after(after, limit));
                    }
                }
                Next::TakeSnapshot { .. } => {
                    let refs = store.refs.lock().unwrap();
                    if refs.closed {
                        self.follower.failed(Error::closed());
                    } else {
                        let entries = refs.entries.clone().into_iter().collect();
                        self.follower.resync(Snapshot::of_entries(refs.log.end(), entries));
                    }
                }
            }
        }
    }

    fn wait(&mut self) {
        let mut queue = self.channel.queue.lock().unwrap();
        loop {
            if std::mem::take(&mut queue.lagged) {
                return self.follower.notice(Notice::Lagged);
            }
            if let Some(notice) = queue.notices.pop_front() {
                return self.follower.notice(notice);
            }
            if queue.closed {
                return self.follower.ended();
            }
            if self.follower.idle() {
                return;
            }
            queue = self.channel.woken.wait(queue).unwrap();
        }
    }

    fn take(&self, event: Event<String, u64>, last: Option<u64>) -> (Seen, bool) {
        assert_eq!(event.cursor(), self.follower.cursor(), "everything is watched");
        match event {
            Event::Changed(changed) => {
                let is_last = changed.keys().iter().any(|key| key.new.is_some() && key.new == last);
                (Seen::changed(&changed), is_last)
            }
            Event::Resync(snapshot) => {
                let cursor = snapshot.cursor();
                let entries = futures::FutureExt::now_or_never(snapshot.collect());
                let entries = entries.unwrap().unwrap();
                let is_last = entries.iter().any(|entry| Some(entry.1) == last);
                (Seen::resync(cursor, entries), is_last)
            }
        }
    }
}

/// How a scene is set up.
#[derive(Clone, Copy)]
struct Scene {
    mode: Mode,
    log: usize,
    notices: usize,
    page: usize,
    begins_again: bool,
}

const LAST: u64 = u64::MAX;

/// Two writers and two readers; the last change comes after all others.
fn play(scene: Scene) {
    let store = Arc::new(Store::new(scene.log));
    let options = WatchOptions::all().with_mode(scene.mode).with_page_size(scene.page);
    let read = || {
        let reader = Reader::new(&store, options.clone(), scene.notices);
        let (start, store) = (reader.follower.cursor(), Arc::clone(&store));
        (start, thread::spawn(move || reader.run(&store, Some(LAST)).seen))
    };
    let first = read();
    let writers = [1, 2].map(|writer| {
        let store = Arc::clone(&store);
        thread::spawn(move || write(&store, writer, scene.begins_again && writer == 2))
    });
    // Another one starts in the midst of it.
    let second = read();
    for writer in writers {
        writer.join().unwrap();
    }
    store.write(&[("c", Some(LAST))]);
    let told = [first, second].map(|(start, reader)| (start, reader.join().unwrap()));
    let history = std::mem::take(&mut store.refs.lock().unwrap().history);
    for (start, seen) in told {
        history.check(start, &seen, &Watched::All, scene.mode);
    }
}

fn write(store: &Store, writer: u64, begins_again: bool) {
    store.write(&[("a", Some(writer * 10)), ("b", Some(writer * 10))]);
    store.write(&[("a", None)]);
    if begins_again {
        store.begin_again();
    }
    store.write(&[("a", Some(writer * 10 + 1))]);
}

/// A writer, a reader, and a store that is closed while both are at it: what was told is how it
/// began, and then the end comes.
fn play_close() {
    let store = Arc::new(Store::new(10));
    let start = store.refs.lock().unwrap().log.end();
    let reader = Reader::new(&store, WatchOptions::all().with_page_size(1), 2);
    let reader = {
        let store = Arc::clone(&store);
        thread::spawn(move || reader.run(&store, None).seen)
    };
    for value in 1..=3 {
        store.write(&[("a", Some(value))]);
    }
    store.close();
    let seen = reader.join().unwrap();
    let history = std::mem::take(&mut store.refs.lock().unwrap().history);
    // The first record is the beginning.
    history.up_to(1 + seen.len()).check(start, &seen, &Watched::All, Mode::Every);
}

/// Tries a scene under random schedules, and under those that few well placed switches make.
fn check(scene: impl Fn() + Clone + Send + Sync + 'static) {
    let (seed, scale) = (number_from_env("RAMUS_SEED", 1), number_from_env("RAMUS_SCALE", 1));
    let scale = usize::try_from(scale).unwrap();
    let random = RandomScheduler::new_from_seed(seed, 2_000 * scale);
    Runner::new(random, shuttle::Config::new()).run(scene.clone());
    let switches = PctScheduler::new_from_seed(seed, 3, 500 * scale);
    Runner::new(switches, shuttle::Config::new()).run(scene);
}

#[test]
fn every_change_is_told_when_notices_are_dropped() {
    let scene = Scene { mode: Mode::Every, log: 100, notices: 1, page: 2, begins_again: false };
    check(move || play(scene));
}

#[test]
fn every_change_is_told_when_notices_come_out_of_order() {
    let scene = Scene { mode: Mode::Every, log: 100, notices: 16, page: 256, begins_again: false };
    check(move || play(scene));
}

#[test]
fn latest_comes_to_the_last_state() {
    let scene = Scene { mode: Mode::Latest, log: 100, notices: 2, page: 2, begins_again: false };
    check(move || play(scene));
}

#[test]
fn a_truncation_is_told() {
    let scene = Scene { mode: Mode::Every, log: 1, notices: 1, page: 2, begins_again: false };
    check(move || play(scene));
}

#[test]
fn a_new_incarnation_is_told() {
    let scene = Scene { mode: Mode::Every, log: 100, notices: 2, page: 2, begins_again: true };
    check(move || play(scene));
}

#[test]
fn a_close_ends_the_watch_and_leaves_no_gap() {
    check(play_close);
}
