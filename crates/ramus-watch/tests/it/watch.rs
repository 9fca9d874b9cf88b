//! Watches of the memory store, as their users see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ErrorKind, KeyChange, ReadOnly as _, Update,
};
use ramus_mem::{MemOptions, MemRefs};
use ramus_watch::{Changed, Event, Mode, Watch, WatchExt as _, WatchOptions};

use crate::random::Random;
use crate::unruly::{Manners, Unruly};

type Store = MemRefs<String, u64>;

fn store() -> Store {
    MemRefs::new(&MemOptions::default())
}

fn key(number: usize) -> String {
    format!("key/{number}")
}

async fn set(store: &Store, key: &str, value: u64) {
    store.set(key.to_owned(), value).await.unwrap();
}

async fn remove(store: &Store, key: &str) {
    store.remove(key.to_owned()).await.unwrap();
}

/// Returns what the watch gives next, which has to come in a reasonable time.
async fn next(watch: &mut Watch<String, u64>) -> Option<ramus_core::Result<Event<String, u64>>> {
    let in_time = tokio::time::timeout(Duration::from_secs(10), watch.next());
    in_time.await.expect("the watch gives nothing")
}

/// Returns the next event, which has to be a change.
async fn changed(watch: &mut Watch<String, u64>) -> Changed<String, u64> {
    match next(watch).await.unwrap().unwrap() {
        Event::Changed(changed) => changed,
        Event::Resync(snapshot) => panic!("{snapshot:?}"),
    }
}

/// Returns the entries of the next event, which has to be a resync.
async fn resync(watch: &mut Watch<String, u64>) -> Vec<(String, u64)> {
    match next(watch).await.unwrap().unwrap() {
        Event::Resync(snapshot) => snapshot.collect().await.unwrap(),
        Event::Changed(changed) => panic!("{changed:?}"),
    }
}

/// Says what changed: `a 0-1, b 1-2`, with 0 for nothing.
fn text(changed: &Changed<String, u64>) -> String {
    let key = |KeyChange { key, old, new }: &KeyChange<String, u64>| {
        format!("{key} {}-{}", old.unwrap_or(0), new.unwrap_or(0))
    };
    changed.keys().iter().map(key).collect::<Vec<_>>().join(", ")
}

async fn next_text(watch: &mut Watch<String, u64>) -> String {
    text(&changed(watch).await)
}

fn nothing_more(watch: &mut Watch<String, u64>) -> bool {
    watch.next().now_or_never().is_none()
}

#[tokio::test]
async fn a_watch_from_now_gives_what_comes_after() {
    let store = store();
    set(&store, "a", 1).await;
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    assert!(nothing_more(&mut watch));
    set(&store, "a", 2).await;
    set(&store, "b", 3).await;
    remove(&store, "a").await;
    assert_eq!(next_text(&mut watch).await, "a 1-2");
    assert_eq!(next_text(&mut watch).await, "b 0-3");
    assert_eq!(next_text(&mut watch).await, "a 2-0");
    assert!(nothing_more(&mut watch));
}

#[tokio::test]
async fn a_watch_from_now_begins_at_the_end_of_a_long_log() {
    // The position may be older than what is kept.
    let store: Store = MemRefs::new(&MemOptions::default().with_log_changes_max(1));
    for value in 1..=5 {
        set(&store, "a", value).await;
    }
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    set(&store, "a", 6).await;
    assert_eq!(next_text(&mut watch).await, "a 5-6");
}

#[tokio::test]
async fn an_update_of_several_keys_is_one_event() {
    let store = store();
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    let update = Update::new(store.position().await.unwrap()).with_note("why");
    let update = update.set("b".to_owned(), 2).set("a".to_owned(), 1);
    let id = update.id;
    let applied = store.update(update).await.unwrap().cursor();
    let changed = changed(&mut watch).await;
    assert_eq!(text(&changed), "a 0-1, b 0-2");
    let change = changed.as_change().unwrap();
    assert_eq!((change.id, &change.note[..], change.cursor), (id, &b"why"[..], applied));
    assert_eq!((changed.cursor(), watch.cursor()), (applied, applied));
}

#[tokio::test]
async fn what_changes_nothing_is_no_event() {
    let store = store();
    set(&store, "a", 1).await;
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    set(&store, "a", 1).await;
    remove(&store, "b").await;
    assert!(!store.test_and_set("a".to_owned(), Some(7), Some(8)).await.unwrap());
    assert!(nothing_more(&mut watch));
    set(&store, "a", 2).await;
    assert_eq!(next_text(&mut watch).await, "a 1-2");
}

#[tokio::test]
async fn one_key_a_prefix_or_all_keys_are_watched() {
    let store = store();
    let mut one = store.watch_key(&"a/b".to_owned()).await.unwrap();
    let mut below = store.watch(WatchOptions::prefix("a/")).await.unwrap();
    let mut all = store.watch(WatchOptions::default()).await.unwrap();
    for key in ["a", "a/b", "a/b/c", "b"] {
        set(&store, key, 1).await;
    }
    let both = Update::new(store.position().await.unwrap());
    drop(store.update(both.set("a/b".to_owned(), 2).remove("b".to_owned())).await.unwrap());
    for expected in ["a/b 0-1", "a/b 1-2"] {
        assert_eq!(next_text(&mut one).await, expected);
    }
    for expected in ["a/b 0-1", "a/b/c 0-1", "a/b 1-2"] {
        assert_eq!(next_text(&mut below).await, expected);
    }
    for expected in ["a 0-1", "a/b 0-1", "a/b/c 0-1", "b 0-1", "a/b 1-2, b 1-0"] {
        assert_eq!(next_text(&mut all).await, expected);
    }
    for watch in [&mut one, &mut below, &mut all] {
        assert!(nothing_more(watch));
        assert_eq!(watch.cursor(), store.position().await.unwrap());
    }
}

#[tokio::test]
async fn a_watch_goes_on_after_a_cursor_that_was_kept() {
    let store = store();
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    for value in 1..=3 {
        set(&store, "a", value).await;
    }
    assert_eq!(next_text(&mut watch).await, "a 0-1");
    let kept = watch.cursor().to_string();
    drop(watch);
    let options = WatchOptions::all().after(kept.parse().unwrap());
    let mut watch = store.watch(options).await.unwrap();
    assert_eq!(next_text(&mut watch).await, "a 1-2");
    assert_eq!(next_text(&mut watch).await, "a 2-3");
    set(&store, "a", 4).await;
    assert_eq!(next_text(&mut watch).await, "a 3-4");
}

#[tokio::test]
async fn a_cursor_of_another_incarnation_gives_a_resync() {
    let (earlier, store) = (store(), store());
    set(&earlier, "a", 1).await;
    let cursor = earlier.position().await.unwrap();
    set(&store, "b", 2).await;
    for mode in [Mode::Every, Mode::Latest] {
        let options = WatchOptions::all().with_mode(mode).after(cursor);
        let mut watch = store.watch(options).await.unwrap();
        assert_eq!(resync(&mut watch).await, [("b".to_owned(), 2)]);
        assert_eq!(watch.cursor(), store.position().await.unwrap());
        assert!(nothing_more(&mut watch));
    }
}

#[tokio::test]
async fn a_cursor_that_was_never_reached_gives_a_resync() {
    let store = store();
    let mut cursor = store.position().await.unwrap();
    cursor.sequence += 5;
    let mut watch = store.watch(WatchOptions::all().after(cursor)).await.unwrap();
    assert_eq!(resync(&mut watch).await, []);
    set(&store, "a", 1).await;
    assert_eq!(next_text(&mut watch).await, "a 0-1");
}

#[tokio::test]
async fn the_snapshot_of_a_resync_is_read_while_the_watch_goes_on() {
    let store: Store = MemRefs::new(&MemOptions::default().with_log_changes_max(2));
    let mut watch = store.watch(WatchOptions::prefix("key/")).await.unwrap();
    set(&store, "other", 1).await;
    // More than a page of entries.
    for number in 0..600 {
        set(&store, &key(number), 1).await;
    }
    let Event::Resync(mut snapshot) = next(&mut watch).await.unwrap().unwrap() else {
        panic!("nothing was forgotten");
    };
    let first = snapshot.next_page().await.unwrap().unwrap();
    set(&store, &key(599), 2).await;
    remove(&store, &key(598)).await;
    assert_eq!(next_text(&mut watch).await, "key/599 1-2");
    assert_eq!(next_text(&mut watch).await, "key/598 1-0");
    let rest = snapshot.collect().await.unwrap();
    assert_eq!(first.len() + rest.len(), 600);
    assert!(first.iter().chain(&rest).all(|entry| entry.1 == 1));
}

#[tokio::test]
async fn a_snapshot_and_its_watch_leave_no_gap() {
    let store = store();
    set(&store, "a", 1).await;
    set(&store, "a/b", 1).await;
    for (options, entries, expected) in [
        (WatchOptions::key("a".to_owned()), &["a"][..], "a 1-2"),
        (WatchOptions::prefix("a/"), &["a/b"], "a/b 1-2"),
        (WatchOptions::all(), &["a", "a/b"], "a 1-2, a/b 1-2"),
    ] {
        let set_both = |value| {
            let (store, at) = (store.clone(), store.position());
            async move {
                let update = Update::new(at.await.unwrap());
                let update = update.set("a".to_owned(), value).set("a/b".to_owned(), value);
                store.update(update).await.unwrap()
            }
        };
        let (snapshot, mut watch) = store.snapshot_and_watch(options).await.unwrap();
        assert_eq!(watch.cursor(), snapshot.cursor());
        drop(set_both(2).await);
        let held = snapshot.collect().await.unwrap();
        let held: Vec<&str> = held.iter().map(|entry| entry.0.as_str()).collect();
        assert_eq!(held, entries);
        assert_eq!(next_text(&mut watch).await, expected);
        drop(set_both(1).await);
    }
}

#[tokio::test]
async fn options_that_no_watch_can_follow_are_refused() {
    let store = store();
    let cursor = store.position().await.unwrap();
    let refused = |result: ramus_core::Result<Watch<String, u64>>, expected: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(store.watch(WatchOptions::all().with_page_size(0)).await, "1 to 65536");
    refused(store.watch(WatchOptions::all().with_page_size(65_537)).await, "of 65537 changes");
    let both = store.snapshot_and_watch(WatchOptions::all().after(cursor)).await;
    refused(both.map(|both| both.1), "not both");
}

#[tokio::test]
async fn a_watcher_far_behind_is_given_every_change_once() {
    let store: Store = MemRefs::new(&MemOptions::default().with_notices_max(1));
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    for value in 1..=2000 {
        set(&store, "a", value).await;
    }
    for value in 1..=2000 {
        assert_eq!(next_text(&mut watch).await, format!("a {}-{value}", value - 1));
    }
    assert!(nothing_more(&mut watch));
}

#[tokio::test]
async fn latest_gives_a_slow_reader_what_the_changes_come_to() {
    let store = store();
    let options = WatchOptions::all().with_mode(Mode::Latest);
    let mut watch = store.watch(options).await.unwrap();
    for value in 1..=50 {
        set(&store, "a", value).await;
        set(&store, "b", value).await;
    }
    remove(&store, "b").await;
    assert_eq!(next_text(&mut watch).await, "a 0-50");
    assert!(nothing_more(&mut watch));
    assert_eq!(watch.cursor(), store.position().await.unwrap());
    // Further behind than the notices go, and than one page does.
    for value in 1..=1000 {
        set(&store, "a", value).await;
    }
    let mut holds = 50;
    let mut events = 0;
    while holds != 1000 {
        let changed = changed(&mut watch).await;
        assert_eq!(changed.keys()[0].old, Some(holds));
        holds = changed.keys()[0].new.unwrap();
        events += 1;
    }
    assert!(events <= 5, "{events} events for 1000 changes");
    assert!(nothing_more(&mut watch));
}

#[tokio::test]
async fn a_closed_store_is_drained_and_then_the_watch_ends() {
    for mode in [Mode::Every, Mode::Latest] {
        let store = store();
        let mut watch = store.watch(WatchOptions::all().with_mode(mode)).await.unwrap();
        set(&store, "a", 1).await;
        set(&store, "a", 2).await;
        store.close().await.unwrap();
        let expected: &[&str] = if mode == Mode::Every { &["a 0-1", "a 1-2"] } else { &["a 0-2"] };
        for expected in expected {
            assert_eq!(next_text(&mut watch).await, *expected);
        }
        assert_eq!(next(&mut watch).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(next(&mut watch).await.is_none());
        assert!(next(&mut watch).await.is_none());
    }
}

#[tokio::test]
async fn a_watcher_that_is_waiting_is_told_that_the_store_was_closed() {
    let store = store();
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    let waiting =
        tokio::spawn(async move { (next(&mut watch).await, next(&mut watch).await.is_none()) });
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let (told, ended) = waiting.await.unwrap();
    assert_eq!(told.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(ended);
}

#[tokio::test]
async fn a_watcher_behind_a_closed_store_is_never_led_over_a_gap() {
    let store: Store = MemRefs::new(&MemOptions::default().with_notices_max(2));
    let mut watch = store.watch(WatchOptions::all()).await.unwrap();
    for value in 1..=9 {
        set(&store, "a", value).await;
    }
    store.close().await.unwrap();
    assert_eq!(next(&mut watch).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(next(&mut watch).await.is_none());
}

#[tokio::test]
async fn a_closed_store_cannot_be_watched() {
    let store = store();
    let cursor = store.position().await.unwrap();
    store.close().await.unwrap();
    for options in [WatchOptions::all(), WatchOptions::all().after(cursor)] {
        let error = store.watch(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    let error = store.snapshot_and_watch(WatchOptions::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn closing_a_store_leaves_the_watches_of_another_alone() {
    let (closed, open) = (store(), store());
    let mut watch = open.watch(WatchOptions::all()).await.unwrap();
    closed.close().await.unwrap();
    set(&open, "a", 1).await;
    assert_eq!(next_text(&mut watch).await, "a 0-1");
}

#[tokio::test]
async fn the_store_is_called_from_inside_the_loop() {
    let store = store();
    let mut watch = store.watch(WatchOptions::key("a".to_owned())).await.unwrap();
    set(&store, "a", 1).await;
    let mut count = 0;
    while let Some(event) = next(&mut watch).await {
        let Ok(Event::Changed(changed)) = event else {
            assert_eq!(event.unwrap_err().kind(), ErrorKind::Closed);
            break;
        };
        let value = changed.keys()[0].new.unwrap();
        assert_eq!(store.find(&"a".to_owned()).await.unwrap(), Some(value), "visible by then");
        drop(store.list(b"").await.unwrap());
        drop(store.watch_key(&"b".to_owned()).await.unwrap());
        count += 1;
        match count {
            1000 => store.close().await.unwrap(),
            _ => set(&store, "a", value + 1).await,
        }
    }
    assert_eq!(count, 1000);
}

#[tokio::test]
async fn dropping_a_watch_unsubscribes() {
    let store = Unruly::new(Manners::default(), Random::new(1));
    let first = store.watch(WatchOptions::all()).await.unwrap();
    let second = store.watch(WatchOptions::all()).await.unwrap();
    assert_eq!(store.subscriptions(), 2);
    drop(first);
    assert_eq!(store.subscriptions(), 1);
    drop(second);
    assert_eq!(store.subscriptions(), 0);
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Outside of tokio, whose turns would be counted, too.
#[test]
fn an_idle_watch_does_nothing_and_a_notice_saves_the_reading() {
    let store = Unruly::new(Manners::default(), Random::new(1));
    let mut watch = store.watch(WatchOptions::all()).now_or_never().unwrap().unwrap();
    let wakes = Arc::new(Wakes::default());
    let task = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&task);
    assert!(watch.poll_next_unpin(&mut context).is_pending());
    let readings = store.readings();
    for value in 1..=3 {
        let update = Update::new(watch.cursor()).set("a".to_owned(), value);
        drop(store.update(update).now_or_never().unwrap().unwrap());
        assert_eq!(wakes.0.swap(0, Ordering::SeqCst), 1, "one change, one wake");
        assert!(matches!(watch.poll_next_unpin(&mut context), Poll::Ready(Some(Ok(_)))));
        assert!(watch.poll_next_unpin(&mut context).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    }
    assert_eq!(store.readings(), readings);
}

#[test]
fn a_watch_that_finds_nothing_of_its_own_lets_others_have_their_turn() {
    let store = Unruly::new(Manners::default(), Random::new(1));
    let options = WatchOptions::key("a".to_owned()).with_page_size(1);
    let mut watch = store.watch(options).now_or_never().unwrap().unwrap();
    let start = watch.cursor().sequence;
    for value in 1..=1000 {
        let update = Update::new(watch.cursor()).set("b".to_owned(), value);
        drop(store.update(update).now_or_never().unwrap().unwrap());
    }
    let wakes = Arc::new(Wakes::default());
    let task = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&task);
    assert!(watch.poll_next_unpin(&mut context).is_pending());
    assert!(watch.cursor().sequence < start + 200, "too much at once");
    let mut polls = 1;
    while wakes.0.swap(0, Ordering::SeqCst) > 0 {
        assert!(watch.poll_next_unpin(&mut context).is_pending());
        polls += 1;
        assert!(polls < 100, "woken for nothing");
    }
    assert!(polls >= 5, "{polls} polls read everything");
    assert_eq!(watch.cursor().sequence, start + 1000);
}

#[tokio::test]
async fn a_dropped_future_loses_nothing() {
    let manners = Manners { slowness: 3, notices: 1, ..Manners::default() };
    let store = Unruly::new(manners, Random::new(1));
    let mut watch = store.watch(WatchOptions::all().with_page_size(4)).await.unwrap();
    for value in 1..=100 {
        let update = Update::new(watch.cursor()).set("a".to_owned(), value);
        drop(store.update(update).await.unwrap());
    }
    let (mut holds, mut dropped) = (0, 0);
    while holds < 100 {
        let Some(event) = watch.next().now_or_never() else {
            dropped += 1;
            tokio::task::yield_now().await;
            continue;
        };
        let Event::Changed(changed) = event.unwrap().unwrap() else { panic!("nothing is lost") };
        assert_eq!(changed.keys()[0].old.unwrap_or(0), holds);
        holds = changed.keys()[0].new.unwrap();
    }
    assert!(dropped > 10, "only {dropped} were dropped");
    // Each but the first two has given a change: none was begun anew because its future was dropped.
    assert!(store.readings() <= 102, "{} readings", store.readings());
}

/// What callers do with a watch: keep it in a struct, send it to a task, combine it as a stream.
#[tokio::test]
async fn a_watch_is_a_stream_that_can_be_kept_and_sent() {
    struct Service {
        watch: Watch<String, u64>,
    }
    fn is_plain<T: futures::Stream + Send + Unpin + std::fmt::Debug + 'static>(_: &T) {}
    let store = store();
    let mut service = Service { watch: store.watch(WatchOptions::all()).await.unwrap() };
    is_plain(&service.watch);
    set(&store, "a", 1).await;
    store.close().await.unwrap();
    let events = tokio::spawn(async move { service.watch.by_ref().count().await });
    assert_eq!(events.await.unwrap(), 2, "the change and the end");
}

/// Every public future can be spawned, with what it borrows moved along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_future_can_be_spawned() {
    let store = store();
    let spawned = tokio::spawn({
        let store = store.clone();
        async move {
            let borrowed = "a".to_owned();
            let mut one = store.watch_key(&borrowed).await?;
            let mut all = store.watch(WatchOptions::all()).await?;
            let (snapshot, mut from) = store.snapshot_and_watch(WatchOptions::all()).await?;
            drop(snapshot.collect().await?);
            set(&store, "a", 1).await;
            for watch in [&mut one, &mut all, &mut from] {
                assert_eq!(next_text(watch).await, "a 0-1");
            }
            Ok::<(), ramus_core::Error>(())
        }
    });
    spawned.await.unwrap().unwrap();
}

/// Adds, changes and removals by many tasks, before 50 watchers of each of two stores; half of them
/// leave in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_watchers_are_told_of_each_change() {
    const WATCHERS: usize = 50;
    const KEYS: usize = 100;
    let stores = [store(), store()];
    let mut watches = Vec::new();
    for store in &stores {
        for _ in 0..WATCHERS {
            watches.push(store.watch(WatchOptions::prefix("key/")).await.unwrap());
        }
    }
    let write = |value: Option<u64>| {
        let tasks = (0..KEYS).flat_map(|number| {
            stores.iter().cloned().map(move |store| {
                tokio::spawn(async move {
                    match value {
                        Some(value) => store.set(key(number), value).await.unwrap(),
                        None => store.remove(key(number)).await.unwrap(),
                    }
                })
            })
        });
        join_all(tasks.collect::<Vec<_>>())
    };
    for (round, (old, new)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        let writing = write(Some(new).filter(|value| *value > 0));
        let reading = watches.into_iter().map(|mut watch| {
            tokio::spawn(async move {
                let mut told: Vec<String> = Vec::new();
                for _ in 0..KEYS {
                    told.push(next_text(&mut watch).await);
                }
                told.sort();
                (watch, told)
            })
        });
        let reading: Vec<_> = reading.collect();
        drop(writing.await);
        let mut expected: Vec<String> =
            (0..KEYS).map(|number| format!("key/{number} {old}-{new}")).collect();
        expected.sort();
        watches = Vec::new();
        for (index, reading) in reading.into_iter().enumerate() {
            let (mut watch, told) = reading.await.unwrap();
            assert_eq!(told, expected);
            assert!(nothing_more(&mut watch));
            if round > 0 || index % 2 == 0 {
                watches.push(watch);
            }
        }
    }
    assert_eq!(watches.len(), WATCHERS);
}

/// A watcher that never reads costs the writers nothing; later it still gets what is kept.
#[tokio::test]
async fn a_watcher_that_does_not_read_holds_up_nobody() {
    let store: Store = MemRefs::new(&MemOptions::default().with_log_changes_max(10));
    let mut behind = store.watch(WatchOptions::all()).await.unwrap();
    for value in 1..=5000 {
        let writing = store.set("a".to_owned(), value).now_or_never();
        writing.expect("a writer had to wait").unwrap();
    }
    assert_eq!(resync(&mut behind).await, [("a".to_owned(), 5000)]);
    set(&store, "a", 5001).await;
    assert_eq!(next_text(&mut behind).await, "a 5000-5001");
}
