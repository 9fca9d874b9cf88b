//! Writes that are kept aside: polled for a while, and then neither polled nor dropped. They delay the
//! others of their branch by a turn at most; when they are polled again, they go on.
//!
//! Time is paused, so it goes on exactly as far as somebody waits for it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Result};
use ramus_kv::{Repo, RepoOptions, Store, Transaction};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::bed::{Bed, Text, head, log, messages, put, read, refused, steps};

// In memory, since a future is polled so often that it gets to a certain place: where files are read, nobody
// can say how often that is.
on_every_backend!(
    @backend mem One
    a_transaction_that_is_kept_aside_in_its_turn_delays_others_by_one_turn,
    a_turn_is_over_for_a_writer_that_comes_late,
    several_that_are_kept_aside_delay_others_by_one_turn_each_at_most,
    each_turn_lasts_as_long_as_any_other,
    a_transaction_that_loses_its_turn_each_time_ends_in_contention,
    a_write_that_was_to_write_for_others_delays_them_by_one_turn,
    a_write_that_was_to_write_for_others_delays_nobody_who_comes_later,
    an_update_of_several_branches_that_is_kept_aside_anywhere_delays_others_by_two_turns,
    a_turn_of_any_length_can_be_set
);
on_every_backend!(
    @backend joined One
    a_transaction_that_is_kept_aside_in_its_turn_delays_others_by_one_turn,
    a_turn_is_over_for_a_writer_that_comes_late,
    several_that_are_kept_aside_delay_others_by_one_turn_each_at_most,
    each_turn_lasts_as_long_as_any_other,
    a_transaction_that_loses_its_turn_each_time_ends_in_contention,
    a_write_that_was_to_write_for_others_delays_them_by_one_turn,
    a_write_that_was_to_write_for_others_delays_nobody_who_comes_later,
    an_update_of_several_branches_that_is_kept_aside_anywhere_delays_others_by_two_turns,
    a_turn_of_any_length_can_be_set
);

type Write<T = ()> = BoxFuture<'static, Result<T>>;

const TURN: Duration = Duration::from_secs(1);

/// Checks how long something took; a timer may be late by a millisecond.
#[track_caller]
fn took(began: Instant, expected: Duration) {
    let took = began.elapsed();
    assert!(took >= expected && took < expected + Duration::from_millis(5), "{took:?}");
}

/// Polls a future once, and does not hear when it wakes.
fn poll_aside<T>(write: &mut Write<T>) -> Poll<Result<T>> {
    Pin::new(write).poll(&mut Context::from_waker(Waker::noop()))
}

/// Returns a transaction that runs again, and waits in its second run until it is told to go on.
fn waits_in_its_turn(main: &Store<Text>, go_on: &Arc<Notify>, runs: &Arc<AtomicUsize>) -> Write {
    let (main, go_on, runs) = (main.clone(), Arc::clone(go_on), Arc::clone(runs));
    let rerun = main.clone();
    Box::pin(async move {
        main.transact_again("aside", async move |edit| {
            let (main, go_on) = (rerun.clone(), Arc::clone(&go_on));
            match runs.fetch_add(1, Ordering::SeqCst) {
                0 => drop(put(&main, "x", "first").await),
                1 => go_on.notified().await,
                _ => {}
            }
            let seen = edit.find("x").await?.unwrap_or_default();
            edit.set("aside", format!("saw {seen}")).await
        })
        .await
    })
}

async fn a_transaction_that_is_kept_aside_in_its_turn_delays_others_by_one_turn(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    let (go_on, runs) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let mut aside = waits_in_its_turn(&main, &go_on, &runs);
    assert!(poll_aside(&mut aside).is_pending());
    assert_eq!(runs.load(Ordering::SeqCst), 2, "it has the turn");
    let began = Instant::now();
    put(&main, "x", "2").await;
    took(began, TURN);
    // Once lost, it is lost.
    put(&main, "x", "3").await;
    took(began, TURN);
    // It goes on without the turn, and queues for another one.
    go_on.notify_one();
    aside.await.unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), read(&main, "aside").await), (3, "saw 3".into()));
    assert_eq!(log(&main).await.len(), 4);
}

async fn a_turn_is_over_for_a_writer_that_comes_late(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    let (go_on, runs) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let mut aside = waits_in_its_turn(&main, &go_on, &runs);
    assert!(poll_aside(&mut aside).is_pending());
    tokio::time::advance(Duration::from_millis(990)).await;
    // The turn began before.
    let began = Instant::now();
    put(&main, "x", "2").await;
    took(began, Duration::from_millis(10));
    drop(aside);

    // Nobody waits, so nobody takes it away: it is done in the turn, however late.
    let runs = Arc::new(AtomicUsize::new(0));
    let mut slow = waits_in_its_turn(&main, &go_on, &runs);
    assert!(poll_aside(&mut slow).is_pending());
    tokio::time::advance(TURN * 100).await;
    go_on.notify_one();
    slow.await.unwrap();
    assert_eq!((runs.load(Ordering::SeqCst), read(&main, "aside").await), (2, "saw first".into()));
}

async fn several_that_are_kept_aside_delay_others_by_one_turn_each_at_most(bed: Bed) {
    const EACH: usize = 3;
    tokio::time::pause();
    let main = bed.main().await;
    let (go_on, runs) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let mut aside = vec![waits_in_its_turn(&main, &go_on, &runs)];
    for i in 0..EACH {
        let (store, other) = (main.clone(), main.clone());
        aside.push(Box::pin(async move {
            let count = async move |edit: &mut Transaction<Text>| {
                let seen = edit.find("n").await?.unwrap_or_default();
                edit.set("n", seen + "I").await
            };
            store.transact_again(format!("again {i}"), count).await
        }));
        aside.push(Box::pin(
            async move { other.set(format!("edit {i}"), "1", "edit").await.map(drop) },
        ));
    }
    for write in &mut aside {
        assert!(poll_aside(write).is_pending(), "it waits, for the turn or in it");
    }
    // The one in its turn, and all but one of those that run again, for they are refused their first
    // run: each of them holds up whoever comes, once.
    let began = Instant::now();
    let mut turns = Vec::new();
    for i in 0..2 * EACH {
        put(&main, "live", &format!("{i}")).await;
        turns.push(began.elapsed().as_millis() / TURN.as_millis());
    }
    assert_eq!(turns, [1, 2, 3, 3, 3, 3], "turns that had to be waited for");
    assert_eq!(log(&main).await.len(), 1 + 1 + EACH + 2 * EACH, "edits are made by others");
    go_on.notify_one();
    for answer in futures::future::join_all(aside).await {
        answer.unwrap();
    }
    assert_eq!(read(&main, "n").await, "III");
    assert_eq!(read(&main, "aside").await, "saw first");
    assert_eq!(log(&main).await.len(), 1 + 1 + 2 * EACH + 2 * EACH, "each is there once");
    assert_eq!(steps(&main, "").await.len(), 4 + EACH);
}

/// Returns a transaction that stays in its second run until it is told to go on.
fn stays_in_its_turn(main: &Store<Text>, go_on: &Arc<Notify>, runs: &Arc<AtomicUsize>) -> Write {
    let (main, go_on, runs) = (main.clone(), Arc::clone(go_on), Arc::clone(runs));
    Box::pin(async move {
        main.transact_again("stays", async move |edit| {
            let go_on = Arc::clone(&go_on);
            if runs.fetch_add(1, Ordering::SeqCst) == 1 {
                go_on.notified().await;
            }
            let before = edit.find("n").await?.unwrap_or_default();
            edit.set("n", before + "I").await
        })
        .await
    })
}

async fn each_turn_lasts_as_long_as_any_other(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    let (go_on, runs) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let mut first = waits_in_its_turn(&main, &go_on, &runs);
    assert!(poll_aside(&mut first).is_pending());
    let told = Arc::new(Notify::new());
    let runs: Vec<_> = (0..3).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let mut others: Vec<_> =
        runs.iter().map(|runs| stays_in_its_turn(&main, &told, runs)).collect();
    for write in &mut others {
        assert!(poll_aside(write).is_pending());
    }
    tokio::time::advance(TURN * 9 / 10).await;
    go_on.notify_one();
    first.await.unwrap();
    // They came too late for its commit, so they run again one after the other.
    let began = Instant::now();
    let others: Vec<_> = others.into_iter().map(tokio::spawn).collect();
    let began_their_turn = || runs.iter().filter(|runs| runs.load(Ordering::SeqCst) > 1).count();
    // Their alarms were set for the end of the first turn, and that is over by now.
    for (twentieths, expected) in [(1, 1), (18, 1), (21, 2), (38, 2), (41, 3)] {
        tokio::time::sleep_until(began + TURN * twentieths / 20).await;
        assert_eq!(began_their_turn(), expected, "after {twentieths} twentieths");
    }
    told.notify_waiters();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(read(&main, "n").await, "III");
}

async fn a_transaction_that_loses_its_turn_each_time_ends_in_contention(bed: Bed) {
    tokio::time::pause();
    let options = RepoOptions::default().with_attempts_max(4).with_turn_ms(50);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let main = repo.main().await.unwrap();
    let (runs, began) = (AtomicUsize::new(0), Instant::now());
    let late = main.transact_again("late", async |edit| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        // From inside, it waits until the turn is over; the first run has none.
        put(&main, "inner", &format!("{run}")).await;
        edit.set("outer", "never").await
    });
    let error = refused(late.await, ErrorKind::Contention, "before each of 4 attempts");
    assert!(format!("{error:?}").contains(&head(&main).await.hash().to_string()), "{error:?}");
    assert_eq!(runs.into_inner(), 4);
    assert!((150..200).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(messages(&main).await[0], "set inner to 3");
    let after = Instant::now();
    put(&main, "x", "others go on").await;
    took(after, Duration::ZERO);
}

/// Returns a write that writes, in the middle of it, and one that waits for it.
async fn one_writes_and_one_waits(bed: &Bed) -> (Store<Text>, Write, Write) {
    let main = bed.main().await;
    put(&main, "x", "0").await;
    bed.rig().be_slow();
    let set = |path: &'static str| -> Write {
        let main = main.clone();
        Box::pin(async move { main.set(path, "1", path).await.map(drop) })
    };
    let (mut first, mut waits) = (set("first"), set("aside"));
    let before = bed.rig().writes();
    while bed.rig().writes() == before {
        assert!(poll_aside(&mut first).is_pending());
    }
    assert!(poll_aside(&mut waits).is_pending());
    (main, first, waits)
}

async fn a_write_that_was_to_write_for_others_delays_them_by_one_turn(bed: Bed) {
    tokio::time::pause();
    let (main, first, aside) = one_writes_and_one_waits(&bed).await;
    let live = tokio::spawn({
        let main = main.clone();
        async move { put(&main, "live", "1").await }
    });
    // The live one waits behind the other, which is told to write for both, and does not hear.
    tokio::task::yield_now().await;
    let began = Instant::now();
    first.await.unwrap();
    live.await.unwrap();
    took(began, TURN);
    assert_eq!(steps(&main, "").await, ["aside", "first", "live", "x"]);
    aside.await.unwrap();
    assert_eq!(log(&main).await.len(), 4);
}

async fn a_write_that_was_to_write_for_others_delays_nobody_who_comes_later(bed: Bed) {
    tokio::time::pause();
    let (main, first, aside) = one_writes_and_one_waits(&bed).await;
    first.await.unwrap();
    let began = Instant::now();
    put(&main, "live", "1").await;
    took(began, Duration::ZERO);
    assert_eq!(messages(&main).await[..2], ["set live to 1", "aside"], "in the order they came");
    aside.await.unwrap();
}

async fn an_update_of_several_branches_that_is_kept_aside_anywhere_delays_others_by_two_turns(
    bed: Bed,
) {
    tokio::time::pause();
    for polls in 1.. {
        let bed = bed.another().await;
        let repo = bed.repo();
        let (a, b) = (repo.branch("a").await.unwrap(), repo.branch("b").await.unwrap());
        let mut transactions = Vec::new();
        for store in [&a, &b] {
            put(store, "x", "0").await;
            let mut edit = store.begin().await.unwrap();
            edit.set("together", "1").await.unwrap();
            transactions.push((edit, "together"));
        }
        bed.rig().be_slow();
        let mut aside: Write<Vec<_>> = Box::pin(async move { repo.commit_all(transactions).await });
        if (0..polls).any(|_| poll_aside(&mut aside).is_ready()) {
            assert!(polls > 5, "{polls} polls");
            return;
        }
        let began = Instant::now();
        let (on_b, on_a) = (put(&b, "y", "1").await, put(&a, "y", "1").await);
        assert!(began.elapsed() <= TURN * 2 + Duration::from_millis(100), "{:?}", began.elapsed());
        // It goes on, and lost nothing: both branches have its commit once.
        let commits = aside.await.unwrap();
        assert!(commits.iter().all(Option::is_some));
        for (store, other) in [(&a, on_a), (&b, on_b)] {
            let log = log(store).await;
            assert_eq!(log.len(), 3, "{polls} polls");
            assert!(log.contains(&other) && commits.iter().flatten().any(|one| log.contains(one)));
            assert_eq!(steps(store, "").await, ["together", "x", "y"]);
        }
    }
}

async fn a_turn_of_any_length_can_be_set(bed: Bed) {
    tokio::time::pause();
    for turn_ms in [0, 1, u64::MAX] {
        let options = RepoOptions::default().with_turn_ms(turn_ms);
        let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
        let main = repo.main().await.unwrap();
        let writes = (0..9).map(|i| {
            let main = main.clone();
            tokio::spawn(async move {
                main.transact_again("count", async move |edit| {
                    tokio::task::yield_now().await;
                    edit.set(format!("{turn_ms}/{i}"), "1").await
                })
                .await
            })
        });
        for answer in futures::future::join_all(writes).await {
            answer.unwrap().unwrap();
        }
        assert_eq!(steps(&main, &format!("{turn_ms}")).await.len(), 9);
    }
}
