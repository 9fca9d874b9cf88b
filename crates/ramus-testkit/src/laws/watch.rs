//! The laws of watching an [`AtomicWrite`] store through [`WatchExt`](ramus_watch::WatchExt).
//!
//! How a watch follows a log is the business of `ramus-watch`; these are the laws by which a store
//! can fail it.

use std::sync::Arc;

use futures::future::join;
use ramus_core::{
    AtomicWrite, Change, Cursor, ErrorKind, Incarnation, Key, KeyChange, ReadOnly, Value,
};
use ramus_watch::{Event, Mode, Watch, WatchExt as _, WatchOptions};

use super::support::{apply, begin, changes, comes, refuse, remove, set};
use crate::{RefsSubject, SAMPLES};

/// A watch gives a change of a key that was there, to a watcher that waits.
pub async fn a_watch_gives_a_change<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    let later = async {
        // The watcher has read everything by then, and waits for a notice.
        tokio::task::yield_now().await;
        set(&store, subject.key(0), subject.value(1)).await
    };
    let (given, at) = join(change(&mut watch), later).await;
    assert_eq!(given.cursor, at);
}

/// A watch after a saved cursor gives exactly what came after it.
pub async fn a_watch_goes_on_after_a_cursor<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let first = set(&store, subject.key(0), subject.value(0)).await;
    let mut later = Vec::new();
    for number in 1..6 {
        later.push(set(&store, subject.key(0), subject.value(number)).await);
    }
    let mut watch = watch(&store, WatchOptions::all().after(first)).await;
    for at in later {
        assert_eq!(change(&mut watch).await.cursor, at);
    }
}

/// A watch of one key gives that the key was removed.
pub async fn a_watch_gives_a_removal<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut watch = store.watch_key(&subject.key(0)).await.expect("watch_key");
    remove(&store, subject.key(0)).await;
    let (key, old) = (subject.key(0), Some(subject.value(0)));
    assert_eq!(change(&mut watch).await.keys, [KeyChange { key, old, new: None }]);
}

/// An update of several keys is one event.
pub async fn an_update_of_many_keys_is_one_event<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    let update = (0..3).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update).await;
    assert_eq!(change(&mut watch).await.keys.len(), 3);
}

/// A watch of one key gives no event for an update that only tested it.
pub async fn a_tested_key_is_no_event<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut watch = store.watch_key(&subject.key(0)).await.expect("watch_key");
    let update = begin(&store).await.test(subject.key(0), Some(subject.value(0)));
    apply(&store, update.set(subject.key(1), subject.value(1))).await;
    let at = set(&store, subject.key(0), subject.value(2)).await;
    assert_eq!(change(&mut watch).await.cursor, at);
}

/// An update that was refused is no event.
pub async fn a_refused_update_is_no_event<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    let update = begin(&store).await.test_and_set(subject.key(0), None, Some(subject.value(1)));
    refuse(&store, update).await;
    let at = set(&store, subject.key(0), subject.value(2)).await;
    assert_eq!(change(&mut watch).await.cursor, at);
}

/// An update that is sent again is no second event.
pub async fn an_update_sent_again_is_no_second_event<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let first = apply(&store, update.clone()).await;
    let second = set(&store, subject.key(0), subject.value(1)).await;
    apply(&store, update).await;
    let third = set(&store, subject.key(1), subject.value(1)).await;
    for at in [first, second, third] {
        assert_eq!(change(&mut watch).await.cursor, at);
    }
}

/// Between a snapshot and the watch that was opened with it lies no gap.
pub async fn a_snapshot_and_its_watch_leave_no_gap<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let opened = store.snapshot_and_watch(WatchOptions::all()).await;
    let (snapshot, mut watch) = opened.expect("snapshot_and_watch");
    let at = set(&store, subject.key(0), subject.value(1)).await;
    let entries = snapshot.collect().await.expect("collect");
    assert_eq!(entries, [(subject.key(0), subject.value(0))]);
    assert_eq!(change(&mut watch).await.cursor, at);
}

/// A watch that was not read for long gives every change, in order.
pub async fn a_slow_watch_misses_nothing<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut watch = watch(&store, WatchOptions::all().with_page_size(7)).await;
    let mut places = Vec::new();
    for number in 0..subject.log_capacity().min(5000) {
        places.push(set(&store, subject.key(0), subject.value(number % SAMPLES)).await);
    }
    for at in places {
        assert_eq!(change(&mut watch).await.cursor, at);
    }
}

/// Where the log was truncated, a watch gives the state that it resumes from: never silence.
pub async fn a_watch_of_what_is_truncated_resyncs<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    for number in 0..=subject.log_capacity() * 2 {
        set(&store, subject.key(number % 2), subject.value(number % SAMPLES)).await;
    }
    let mut watch = watch(&store, WatchOptions::all().after(start)).await;
    let Event::Resync(snapshot) = event(&mut watch).await else {
        // The log keeps more than it said; then it has to give all of it.
        assert_eq!(changes(&store, start).await.len(), subject.log_capacity() * 2 + 1);
        return;
    };
    let now = store.snapshot(b"").await.expect("snapshot").collect().await;
    assert_eq!(snapshot.collect().await.expect("collect"), now.expect("collect"));
}

/// After a cursor of another incarnation a watch gives the state that it resumes from.
pub async fn a_watch_of_another_incarnation_resyncs<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let end = store.position().await.expect("position");
    let elsewhere = Cursor { incarnation: Incarnation::random(), ..end };
    let mut watch = watch(&store, WatchOptions::all().after(elsewhere)).await;
    let Event::Resync(snapshot) = event(&mut watch).await else {
        panic!("a watch after {elsewhere} has to resync");
    };
    assert_eq!(snapshot.cursor(), end);
    let entries = snapshot.collect().await.expect("collect");
    assert_eq!(entries, [(subject.key(0), subject.value(0))]);
}

/// What a watch gives is visible to readers.
pub async fn what_a_watch_gives_is_visible<S: RefsSubject>(subject: &S) {
    const CHANGES: usize = 60;
    let store = subject.open().await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    let (writer, key) = (store.clone(), subject.key(0));
    let values: Vec<_> = (0..CHANGES).map(|number| subject.value(number)).collect();
    let writing = tokio::spawn(async move {
        for value in values {
            set(&writer, key.clone(), value).await;
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..CHANGES {
        let at = change(&mut watch).await.cursor;
        let seen = store.snapshot(b"").await.expect("snapshot").cursor();
        assert!(seen.sequence >= at.sequence, "{at} is not visible");
    }
    comes("the end of the writer", writing).await.expect("the writer ends");
}

/// A watch in `Latest` mode ends at the last state, with each `old` the `new` before it.
pub async fn the_latest_state_is_never_skipped<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let options = WatchOptions::key(subject.key(0)).with_mode(Mode::Latest);
    let mut watch = watch(&store, options).await;
    let rounds = subject.log_capacity().min(SAMPLES);
    let (writer, key) = (store.clone(), subject.key(0));
    let values: Vec<_> = (0..rounds).map(|number| subject.value(number)).collect();
    let last = values.last().cloned();
    let writing = tokio::spawn(async move {
        for value in values {
            set(&writer, key.clone(), value).await;
            tokio::task::yield_now().await;
        }
    });
    let mut holds = None;
    while holds != last {
        let Event::Changed(changed) = event(&mut watch).await else { break };
        let [key] = changed.keys() else { panic!("one key: {changed:?}") };
        assert_eq!(key.old, holds);
        holds.clone_from(&key.new);
    }
    comes("the end of the writer", writing).await.expect("the writer ends");
}

/// A watch beside racing writers gives every change once, in the order of the log.
pub async fn a_watch_beside_writers_gives_the_log<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let mut watch = watch(&store, WatchOptions::all().with_page_size(5)).await;
    let rounds = subject.log_capacity().min(SAMPLES) / 4;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, key) = (store.clone(), subject.key(writer));
            let values: Vec<_> = (0..rounds).map(|number| subject.value(number)).collect();
            tokio::spawn(async move {
                for value in values {
                    set(&store, key.clone(), value).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut given = Vec::new();
    while given.len() < 4 * rounds {
        given.push(change(&mut watch).await);
    }
    for writer in writers {
        comes("the end of a writer", writer).await.expect("a writer ends");
    }
    assert_eq!(given, changes(&store, start).await);
}

/// When the store is closed, a watch gives `Closed` once, and then ends.
pub async fn a_watch_of_a_closed_store_ends<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut watch = watch(&store, WatchOptions::all()).await;
    store.close().await.expect("close");
    let last = comes("the end of the watch", watch.next()).await.expect("an error first");
    assert_eq!(last.expect_err("the store is closed").kind(), ErrorKind::Closed);
    assert!(comes("the end of the watch", watch.next()).await.is_none());
}

type WatchOf<S> = Watch<<S as ReadOnly>::Key, <S as ReadOnly>::Value>;

async fn watch<S: AtomicWrite>(store: &S, options: WatchOptions<S::Key>) -> WatchOf<S> {
    store.watch(options).await.expect("watch")
}

async fn event<K: Key, V: Value>(watch: &mut Watch<K, V>) -> Event<K, V> {
    let event = comes("an event", watch.next()).await;
    event.expect("a watch goes on while its store is open").expect("an event")
}

/// Returns the next event, which must be one change.
async fn change<K: Key, V: Value>(watch: &mut Watch<K, V>) -> Arc<Change<K, V>> {
    match event(watch).await {
        Event::Changed(changed) => Arc::clone(changed.as_change().expect("one change")),
        Event::Resync(snapshot) => panic!("a change has to come, not {snapshot:?}"),
    }
}
