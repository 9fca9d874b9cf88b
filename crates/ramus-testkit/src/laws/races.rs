//! The laws of [`AtomicWrite`](ramus_core::AtomicWrite) stores under concurrent readers and writers.
//!
//! They want a runtime with several threads; [`run`](crate::run) makes one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use ramus_core::{AtomicWrite as _, Change, Cursor, Key, ReadOnly, Value};
use tokio::task::JoinHandle;

use super::support::{apply, begin, changes, comes, noticed, page};
use crate::{RefsSubject, SAMPLES};

/// How many updates the writer of a race makes.
const ROUNDS: usize = 400;

/// Of racing updates that test one state, exactly one is applied.
pub async fn one_of_racing_tests_wins<S: RefsSubject>(subject: &S) {
    const TASKS: usize = 4;
    let store = subject.open().await;
    for round in 0..ROUNDS / 4 {
        let test = (round > 0).then(|| subject.value(round % SAMPLES));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (store, key, test) = (store.clone(), subject.key(0), test.clone());
                let set = Some(subject.value((round + 1) % SAMPLES));
                tokio::spawn(async move {
                    let update = begin(&store).await.test_and_set(key, test, set);
                    store.update(update).await.expect("update").is_applied()
                })
            })
            .collect();
        let won = join(tasks).await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1, "updates that were applied in round {round}");
    }
}

/// Racing copies of one update are applied once, and each is answered with its place.
pub async fn racing_copies_of_an_update_apply_once<S: RefsSubject>(subject: &S) {
    const COPIES: usize = 4;
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity()) / 4;
    for round in 0..rounds {
        // With a test, so that a second application would be refused.
        let test = (round > 0).then(|| subject.value((round - 1) % SAMPLES));
        let set = Some(subject.value(round % SAMPLES));
        let update = begin(&store).await.test_and_set(subject.key(0), test, set);
        let tasks: Vec<_> = (0..COPIES)
            .map(|_| {
                let (store, update) = (store.clone(), update.clone());
                tokio::spawn(async move { apply(&store, update).await })
            })
            .collect();
        let places = join(tasks).await;
        assert!(places.iter().all(|place| *place == places[0]), "several places: {places:?}");
    }
    assert_eq!(changes(&store, start).await.len(), rounds);
}

/// A reader of one key never sees an earlier value again.
pub async fn a_reader_never_goes_back<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let order = Order::of(subject);
    let race = Race::begin(writer_of_both(&store, subject));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, order, key) = (store.clone(), order.clone(), subject.key(0));
            let ended = Arc::clone(&race.ended);
            tokio::spawn(async move {
                let mut last = 0;
                while !ended.load(Ordering::Acquire) {
                    for _ in 0..4 {
                        let found = store.find(&key).await.expect("find");
                        let now = order.number(found.as_ref());
                        assert!(now >= last, "{now} read after {last}");
                        last = now;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    join(readers).await;
    race.end().await;
}

/// Of two reads in a row, of different keys, the second never sees less of an update.
pub async fn two_reads_in_a_row_never_go_back<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let order = Order::of(subject);
    let race = Race::begin(writer_of_both(&store, subject));
    let keys = [subject.key(0), subject.key(1)];
    let mut reads = 0_usize;
    while race.goes_on().await || reads < 2 {
        // Both orders: an update may become visible from either end.
        for [first, second] in [[0, 1], [1, 0]] {
            let earlier = store.find(&keys[first]).await.expect("find");
            let later = store.find(&keys[second]).await.expect("find");
            let [earlier, later] = [earlier, later].map(|value| order.number(value.as_ref()));
            assert!(later >= earlier, "{later} read after {earlier}");
        }
        reads += 1;
    }
    race.end().await;
}

/// When a read shows a change, so does the log.
pub async fn what_a_read_shows_is_in_the_log<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut known = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity());
    let race = Race::begin(writer_of_one(&store, subject, 0, rounds));
    let mut last = None;
    while race.goes_on().await {
        let found = store.find(&subject.key(0)).await.expect("find");
        if found == last {
            continue;
        }
        let log = changes(&store, known).await;
        let shown = log.iter().flat_map(|change| &change.keys).any(|key| key.new == found);
        assert!(shown, "{found:?} was read and is not in the log");
        // Not to the end: what was read may have been overwritten and set again since.
        let place = log.iter().rev().find(|change| change.keys.iter().any(|key| key.new == found));
        known = place.map_or(known, |change| change.cursor);
        last = found;
    }
    race.end().await;
}

/// A snapshot sees each update whole, or not at all.
pub async fn a_snapshot_sees_updates_whole<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let race = Race::begin(writer_of_both(&store, subject));
    while race.goes_on().await {
        let snapshot = store.snapshot(b"").await.expect("snapshot");
        let entries = snapshot.collect().await.expect("collect");
        let whole = entries.is_empty() || entries.len() == 2 && entries[0].1 == entries[1].1;
        assert!(whole, "half of an update: {entries:?}");
    }
    race.end().await;
}

/// A snapshot is as of its cursor: the changes up to there make exactly its entries.
pub async fn a_snapshot_is_as_of_its_cursor<S: RefsSubject>(subject: &S) {
    const SNAPSHOTS_MAX: usize = 32;
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity());
    let race = Race::begin(writer_of_one(&store, subject, 0, rounds));
    let mut taken = Vec::new();
    while race.goes_on().await {
        let snapshot = store.snapshot(b"").await.expect("snapshot");
        let cursor = snapshot.cursor();
        taken.push((cursor, snapshot.collect().await.expect("collect")));
        if taken.len() > SNAPSHOTS_MAX {
            taken.remove(0);
        }
    }
    race.end().await;
    let log = changes(&store, start).await;
    for (cursor, entries) in taken {
        assert_eq!(entries, state_at(&log, cursor), "the state at {cursor}");
    }
}

/// The log is the order in which racing updates were applied: it explains every value.
pub async fn the_log_is_the_order_of_updates<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity()) / 4;
    let writers = (0..4).map(|_| writer_of_one(&store, subject, 0, rounds)).collect();
    join(writers).await;
    let log = changes(&store, start).await;
    let mut state = BTreeMap::new();
    for change in &log {
        for key in &change.keys {
            assert_eq!(state.insert(key.key.clone(), key.new.clone()).flatten(), key.old);
        }
    }
    let last = log.last().map_or(start, |change| change.cursor);
    let snapshot = store.snapshot(b"").await.expect("snapshot");
    let entries = snapshot.collect().await.expect("collect");
    assert_eq!(entries, state_at(&log, last));
}

/// A change becomes visible only after all lower ones: who follows the log misses none.
pub async fn a_follower_of_the_log_misses_nothing<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity()) / 4;
    let writers = (0..4).map(|writer| writer_of_one(&store, subject, writer, rounds)).collect();
    let race = Race::begin(tokio::spawn(async move {
        join(writers).await;
    }));
    let (mut cursor, mut followed) = (start, Vec::new());
    while race.goes_on().await {
        let page = page(&store, cursor, 16).await;
        followed.extend_from_slice(&page.changes);
        cursor = page.next;
    }
    race.end().await;
    followed.extend(changes(&store, cursor).await);
    assert_eq!(followed.len(), 4 * rounds, "changes that a follower saw");
    assert_eq!(followed, changes(&store, start).await);
}

/// A subscriber is told every change of racing writers once, or that it lagged.
pub async fn racing_changes_are_all_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let start = store.position().await.expect("position");
    let rounds = ROUNDS.min(subject.log_capacity()) / 4;
    let writers = (0..4).map(|writer| writer_of_one(&store, subject, writer, rounds)).collect();
    let race = Race::begin(tokio::spawn(async move {
        join(writers).await;
    }));
    let mut told = BTreeMap::new();
    while told.len() < 4 * rounds {
        let Some(change) = noticed(&mut subscription).await else { return race.end().await };
        let place = change.cursor.sequence;
        assert!(told.insert(place, change).is_none(), "{place} was told twice");
    }
    race.end().await;
    assert!(told.into_values().eq(changes(&store, start).await), "the notices are the log");
}

/// A task that writes, and whether it has ended.
struct Race {
    writer: JoinHandle<()>,
    ended: Arc<AtomicBool>,
}

impl Race {
    fn begin(writer: JoinHandle<()>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = EndGuard(Arc::clone(&ended));
        let writer = tokio::spawn(async move {
            let _end = end;
            writer.await.expect("the writer ends");
        });
        Self { writer, ended }
    }

    /// Returns whether the writer still writes, and lets it.
    async fn goes_on(&self) -> bool {
        tokio::task::yield_now().await;
        !self.ended.load(Ordering::Acquire)
    }

    async fn end(self) {
        comes("the end of the writer", self.writer).await.expect("the writer ends");
    }
}

/// Tells the end of a writer, also when it panics.
struct EndGuard(Arc<AtomicBool>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sets two keys to the same value, in one update, over and over; the values rise.
fn writer_of_both<S: RefsSubject>(store: &S::Refs, subject: &S) -> JoinHandle<()> {
    let (store, keys) = (store.clone(), [subject.key(0), subject.key(1)]);
    let values: Vec<_> = (0..SAMPLES).map(|number| subject.value(number)).collect();
    tokio::spawn(async move {
        for value in values {
            let update = keys
                .iter()
                .fold(begin(&store).await, |update, key| update.set(key.clone(), value.clone()));
            apply(&store, update).await;
            tokio::task::yield_now().await;
        }
    })
}

/// Sets one key of its own to another value in each of its updates.
fn writer_of_one<S: RefsSubject>(
    store: &S::Refs,
    subject: &S,
    writer: usize,
    rounds: usize,
) -> JoinHandle<()> {
    let (store, key) = (store.clone(), subject.key(writer));
    let values: Vec<_> = (0..SAMPLES).map(|number| subject.value(number)).collect();
    tokio::spawn(async move {
        for round in 0..rounds {
            let update = begin(&store).await.set(key.clone(), values[round % SAMPLES].clone());
            apply(&store, update).await;
            tokio::task::yield_now().await;
        }
    })
}

/// The values in the order in which a writer sets them; nothing comes first.
#[derive(Clone)]
struct Order<V>(Arc<[V]>);

impl<V: Value> Order<V> {
    fn of<S: RefsSubject<Refs: ReadOnly<Value = V>>>(subject: &S) -> Self {
        Self((0..SAMPLES).map(|number| subject.value(number)).collect())
    }

    fn number(&self, value: Option<&V>) -> usize {
        let Some(value) = value else { return 0 };
        let at = self.0.iter().position(|known| known == value);
        at.expect("only values that were set are found") + 1
    }
}

/// Returns the entries that the changes up to a place make.
fn state_at<K: Key, V: Value>(log: &[Arc<Change<K, V>>], end: Cursor) -> Vec<(K, V)> {
    let mut state = BTreeMap::new();
    let seen = log.iter().filter(|change| change.cursor.sequence <= end.sequence);
    for key in seen.flat_map(|change| &change.keys) {
        state.insert(key.key.clone(), key.new.clone());
    }
    state.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

async fn join<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let ended = comes("the end of the tasks", join_all(tasks)).await;
    ended.into_iter().map(|task| task.expect("a task ends")).collect()
}
