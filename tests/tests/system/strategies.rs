//! What a transaction does when another writer came first: it merges, runs again, or is refused.
//!
//! The order in which things happen is the tests' own, so that none of them depends on luck. They
//! run five times, and 1000 times by:
//!
//! ```text
//! RAMUS_SCALE=200 cargo test -p ramus-tests --test system strategies
//! ```

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::{Error, ErrorKind, IdSource, UpdateId};
use ramus_kv::{
    Counter, Kv, MergeOptions, OnRace, RebaseOptions, Repo, RepoOptions, SquashOptions, Store,
    SystemClock, TransactionOptions,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backends;
use crate::bed::{Bed, Text, head, log, messages, put, read, refused, repeats};
use crate::combining::poll_once;

on_every_backend!(
    a_transaction_that_lost_a_race_is_merged_into_one_commit_on_the_tip,
    a_transaction_that_lost_a_race_for_the_same_thing_conflicts,
    a_transaction_that_refuses_to_merge_is_refused,
    a_transaction_that_runs_again_sees_what_came_first,
    a_transaction_that_fails_writes_nothing,
    concurrent_transactions_under_each_strategy,
    writers_that_always_come_first_end_in_contention,
    a_transaction_that_holds_its_turn_too_long_does_not_block_others,
    writing_to_the_same_branch_from_inside_a_transaction_ends,
    whoever_moves_a_branch_forward_waits_for_the_turn_of_another,
    a_transaction_that_panics_in_its_turn_delays_nobody,
    a_transaction_of_another_branch_is_refused,
    a_transaction_on_a_branch_that_was_removed_or_made_meanwhile_is_merged,
);

async fn a_transaction_that_lost_a_race_is_merged_into_one_commit_on_the_tip(bed: Bed) {
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        put(&main, "x", "0").await;
        let mut first = main.begin().await.unwrap();
        let mut second = main.begin().await.unwrap();
        first.set("a", "1").await.unwrap();
        second.set("b", "2").await.unwrap();
        let first = main.commit(first, "first").await.unwrap().unwrap();
        let second = main.commit(second, "second").await.unwrap().unwrap();
        assert_eq!(second.parents(), [first.hash()], "the tip is the only parent");
        assert_eq!(messages(&main).await[..2], ["second", "first"]);
        assert_eq!((read(&main, "a").await, read(&main, "b").await), ("1".into(), "2".into()));
    }
}

async fn a_transaction_that_lost_a_race_for_the_same_thing_conflicts(bed: Bed) {
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        put(&main, "x", "0").await;
        let mut edit = main.begin().await.unwrap();
        edit.set("x", "ours").await.unwrap();
        let tip = put(&main, "x", "theirs").await;
        let says = "`x` (both sides changed it";
        refused(main.commit(edit, "late").await, ErrorKind::Conflict, says);
        assert_eq!(head(&main).await, tip);

        // Both having done the same is no conflict, and nothing is left to commit.
        let mut edit = main.begin().await.unwrap();
        edit.set("x", "same").await.unwrap();
        let tip = put(&main, "x", "same").await;
        assert_eq!(main.commit(edit, "late").await.unwrap(), None);
        assert_eq!(head(&main).await, tip);
    }
}

async fn a_transaction_that_refuses_to_merge_is_refused(bed: Bed) {
    let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        let mut edit = main.begin_with(refuse).await.unwrap();
        edit.set("a", "1").await.unwrap();
        main.commit(edit, "nobody came first").await.unwrap().unwrap();

        let mut edit = main.begin_with(refuse).await.unwrap();
        edit.set("a", "2").await.unwrap();
        let tip = put(&main, "b", "elsewhere").await;
        let late = main.commit(edit, "late").await;
        let says = format!("is on {} by now", tip.hash());
        refused(late, ErrorKind::Contention, &says);
        let transacted = main.transact_with(refuse, "late", async |edit| {
            put(&main, "b", "again").await;
            edit.set("a", "2").await
        });
        refused(transacted.await, ErrorKind::Contention, "by now");
        assert_eq!(read(&main, "a").await, "1");
        assert_eq!(messages(&main).await[0], "set b to again");
    }
}

async fn a_transaction_that_runs_again_sees_what_came_first(bed: Bed) {
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        put(&main, "x", "0").await;
        let runs = AtomicUsize::new(0);
        let seen = main
            .transact_again("run again", async |edit| {
                let seen = edit.find("x").await?;
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    // Another writer comes first, once.
                    put(&main, "x", "1").await;
                }
                edit.set("x", "2").await?;
                Ok(seen)
            })
            .await
            .unwrap();
        assert_eq!((seen.as_deref(), runs.into_inner()), (Some("1"), 2));
        assert_eq!(messages(&main).await, ["run again", "set x to 1", "set x to 0"]);
        assert_eq!(read(&main, "x").await, "2");
    }
}

async fn a_transaction_that_fails_writes_nothing(bed: Bed) {
    let main = bed.main().await;
    let tip = put(&main, "x", "0").await;
    let fail = |why: &str| Err(Error::new(ErrorKind::Aborted, why));
    let once = main.transact("fail", async |edit| {
        edit.set("x", "1").await?;
        fail("no, thank you")
    });
    refused::<()>(once.await, ErrorKind::Aborted, "no, thank you");
    let again = main.transact_again("fail", async |edit| {
        edit.set("x", "1").await?;
        fail("not now")
    });
    refused::<()>(again.await, ErrorKind::Aborted, "not now");
    assert_eq!(head(&main).await, tip);
    put(&main, "x", "2").await;
}

async fn concurrent_transactions_under_each_strategy(bed: Bed) {
    for _ in 0..repeats() {
        let repo: Repo<Kv<Counter>> = bed.another().await.repo_of();
        let main = repo.main().await.unwrap();
        let tasks: tokio::task::JoinSet<_> = (0..9)
            .map(|task: usize| {
                let main = main.clone();
                async move {
                    let count = async |edit: &mut ramus_kv::Transaction<_>| {
                        let Counter(last) = edit.find("n").await?.unwrap_or_default();
                        tokio::task::yield_now().await;
                        edit.set("n", last + 1).await
                    };
                    let why = format!("count {task}");
                    match task % 3 {
                        0 => main.transact(why, count).await,
                        1 => main.transact_again(why, count).await,
                        _ => {
                            let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
                            main.transact_with(refuse, why, count).await
                        }
                    }
                    .map(|()| task)
                }
            })
            .collect();
        let mut done: i64 = 0;
        for answer in tasks.join_all().await {
            match answer {
                Ok(_) => done += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Contention, "{error:?}"),
            }
        }
        assert!(done >= 6, "only those that refuse to merge may be refused");
        assert_eq!(main.find("n").await.unwrap(), Some(Counter(done)), "each that was answered");
        assert_eq!(log(&main).await.len(), usize::try_from(done).unwrap());
    }
}

async fn writers_that_always_come_first_end_in_contention(bed: Bed) {
    tokio::time::pause();
    let options = RepoOptions::default().with_attempts_max(3);
    let repo = Repo::<Kv<String>>::with_options(Backend::new(bed.rig().clone()), options);
    let main = repo.main().await.unwrap();
    put(&main, "x", "0").await;
    let other = bed.main().await;
    let runs = AtomicUsize::new(0);
    let always_late = main.transact_again("never", async |edit| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        put(&other, "x", &format!("{}", run + 1)).await;
        edit.set("x", "never").await
    });
    let says = "was moved by other writers before each of 3 attempts";
    refused(always_late.await, ErrorKind::Contention, says);
    assert_eq!((runs.into_inner(), read(&main, "x").await), (3, "3".to_owned()));
    put(&main, "x", "now").await;
}

async fn a_transaction_that_holds_its_turn_too_long_does_not_block_others(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    let (holds, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = tokio::spawn({
        let (main, holds, go_on) = (main.clone(), Arc::clone(&holds), Arc::clone(&go_on));
        async move {
            let runs = Arc::new(AtomicUsize::new(0));
            let rerun = main.clone();
            let answer = main.transact_again("slow", async move |edit| {
                let (store, runs) = (rerun.clone(), Arc::clone(&runs));
                let (holds, go_on) = (Arc::clone(&holds), Arc::clone(&go_on));
                match runs.fetch_add(1, Ordering::SeqCst) {
                    // Loses its first race, and holds the turn when it runs again.
                    0 => drop(store.set("x", "first", "first").await?),
                    1 => {
                        holds.notify_one();
                        go_on.notified().await;
                    }
                    _ => {}
                }
                edit.set("slow", "done").await
            });
            answer.await
        }
    });
    holds.notified().await;
    let began = Instant::now();
    put(&main, "x", "2").await;
    let waited = began.elapsed();
    let turn = Duration::from_millis(RepoOptions::default().turn_ms);
    assert!(waited >= turn && waited < turn + Duration::from_millis(100), "{waited:?}");
    put(&main, "x", "3").await;
    assert!(began.elapsed() < turn + Duration::from_millis(100), "once lost, it is lost");
    assert!(!slow.is_finished());
    go_on.notify_one();
    slow.await.unwrap().unwrap();
    assert_eq!((read(&main, "x").await, read(&main, "slow").await), ("3".into(), "done".into()));
}

async fn writing_to_the_same_branch_from_inside_a_transaction_ends(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    let runs = AtomicUsize::new(0);
    main.transact_again("outer", async |edit| {
        // Twice: on a run without the turn, and on one with it.
        if runs.fetch_add(1, Ordering::SeqCst) < 2 {
            main.set("inner", format!("{}", runs.load(Ordering::SeqCst)), "inner").await?;
        }
        edit.set("outer", "1").await
    })
    .await
    .unwrap();
    assert_eq!(messages(&main).await, ["outer", "inner", "inner"]);
}

async fn a_transaction_that_panics_in_its_turn_delays_nobody(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    let (holds, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let panics = tokio::spawn({
        let (main, holds, go_on) = (main.clone(), Arc::clone(&holds), Arc::clone(&go_on));
        async move {
            let runs = Arc::new(AtomicUsize::new(0));
            let rerun = main.clone();
            let answer = main.transact_again("panics", async move |edit| {
                let (store, runs) = (rerun.clone(), Arc::clone(&runs));
                let (holds, go_on) = (Arc::clone(&holds), Arc::clone(&go_on));
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    // Loses its first race.
                    store.set("x", "first", "first").await?;
                    return edit.set("panics", "done").await;
                }
                holds.notify_one();
                go_on.notified().await;
                panic!("it panics in its turn")
            });
            answer.await
        }
    });
    holds.notified().await;
    let waiting = tokio::spawn({
        let main = main.clone();
        async move { put(&main, "x", "2").await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    go_on.notify_one();
    waiting.await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(messages(&main).await, ["set x to 2", "first", "set x to 0"]);
}

async fn whoever_moves_a_branch_forward_waits_for_the_turn_of_another(bed: Bed) {
    // Nobody takes the turn away, however long this takes.
    let options = RepoOptions::default().with_turn_ms(3_600_000);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let main = repo.main().await.unwrap();
    let first = put(&main, "x", "0").await;
    // What happened is read from the store once, which takes others than who is polled.
    assert!(main.fast_forward(&first).await.unwrap());
    bed.rig().be_slow();
    for mover in ["merge", "fast forward", "rebase", "squash"] {
        let (runs, moving) = (AtomicUsize::new(0), Mutex::new(None));
        main.transact_again(mover, async |edit| {
            match runs.fetch_add(1, Ordering::SeqCst) {
                // Loses its first race, and has the turn when it runs again.
                0 => {
                    put(&main, "x", mover).await;
                    let empty = TransactionOptions::default().allow_empty();
                    main.transact_with(empty, "nothing", async |_| Ok(())).await?;
                }
                1 => {
                    let mut begun = moved(&main, mover).await;
                    for _ in 0..100 {
                        assert!(poll_once(&mut begun).await.is_pending(), "{mover} does not wait");
                    }
                    *moving.lock().unwrap() = Some(begun);
                }
                _ => {}
            }
            edit.set(mover, "done").await
        })
        .await
        .unwrap();
        assert_eq!(runs.into_inner(), 2, "{mover}");
        let moving = moving.into_inner().unwrap().expect("it is begun");
        moving.await.unwrap();
        assert_eq!(read(&main, mover).await, "done");
        let is_there = main.mem(format!("by {mover}")).await.unwrap();
        assert_eq!(is_there, matches!(mover, "merge" | "rebase"), "{mover} is too late or is not");
    }
}

/// Returns what will move the branch to a commit that is ahead of it, or back, if it stays till then.
async fn moved(main: &Store<Text>, by: &str) -> BoxFuture<'static, Result<(), Error>> {
    let (main, before) = (main.clone(), head(main).await);
    let ahead = put(&main.repo().detached(&before).unwrap(), &format!("by {by}"), "1").await;
    match by {
        "merge" => Box::pin(async move {
            main.merge_with(&ahead, MergeOptions::default(), "merge").await?.clean().map(drop)
        }),
        "fast forward" => Box::pin(async move { main.fast_forward(&ahead).await.map(drop) }),
        "rebase" => Box::pin(async move {
            main.rebase(&ahead, RebaseOptions::default()).await?.clean().map(drop)
        }),
        _ => {
            let base = main.repo().commit(&before.parents()[0]).await.unwrap().unwrap();
            let options = SquashOptions::default().with_info("one");
            Box::pin(async move { main.squash(&base, options).await.map(drop) })
        }
    }
}

async fn a_transaction_of_another_branch_is_refused(bed: Bed) {
    let main = bed.main().await;
    let tip = put(&main, "x", "0").await;
    let draft = main.fork("draft").await.unwrap();
    let detached = main.repo().detached(&tip).unwrap();
    let elsewhere = bed.repo().main().await.unwrap();
    for other in [&draft, &detached, &elsewhere] {
        let mut edit = other.begin().await.unwrap();
        edit.set("x", "1").await.unwrap();
        let says = "cannot be committed to branch `main`";
        refused(main.commit(edit, "elsewhere").await, ErrorKind::InvalidInput, says);
    }
    let mut edit = main.repo().main().await.unwrap().begin().await.unwrap();
    edit.set("x", "1").await.unwrap();
    main.commit(edit, "another handle of the same branch").await.unwrap().unwrap();
}

async fn a_transaction_on_a_branch_that_was_removed_or_made_meanwhile_is_merged(bed: Bed) {
    let main = bed.main().await;
    let mut on_nothing = main.begin().await.unwrap();
    on_nothing.set("a", "1").await.unwrap();
    put(&main, "b", "1").await;
    let merged = main.commit(on_nothing, "merged").await.unwrap().unwrap();
    assert_eq!(merged.parents().len(), 1);

    let mut edit = main.begin().await.unwrap();
    edit.set("c", "1").await.unwrap();
    main.repo().remove_branch("main").await.unwrap();
    main.commit(edit, "anew").await.unwrap().unwrap();
    assert_eq!(messages(&main).await, ["anew"]);
    assert_eq!(crate::bed::steps(&main, "").await, ["c"], "what was removed stays so");
}

/// Ids that are never the same, and of which each taken modulo 51 200, or half of that and so on, leaves
/// the same: what a pause is made of.
#[derive(Debug)]
struct Leaves(u64, AtomicU64);

impl IdSource for Leaves {
    fn next_id(&self) -> UpdateId {
        let Self(left, count) = self;
        let count = u128::from(count.fetch_add(1, Ordering::SeqCst));
        UpdateId::from_bytes((count * 51_200 + u128::from(*left)).to_le_bytes())
    }
}

/// Lets another process write before each write that is still to come, and notes when it is.
fn come_first(bed: &Bed, other: Store<Text>, times: Arc<Mutex<Vec<Instant>>>) {
    let next = bed.clone();
    bed.rig().before_next_write(async move {
        let time = {
            let mut times = times.lock().unwrap();
            times.push(Instant::now());
            times.len()
        };
        put(&other, "others", &time.to_string()).await;
        come_first(&next, other, times);
    });
}

/// Returns how long a write paused before each of its attempts but the first, of which all came to nothing.
async fn pauses(left: u64) -> Vec<Duration> {
    let bed = Bed::new(backends::mem).await;
    let (options, backend) =
        (RepoOptions::default().with_attempts_max(13), Backend::new(bed.rig().clone()));
    let ids = Leaves(left, AtomicU64::new(0));
    let main = Repo::<Text>::with_parts(backend, options, SystemClock, ids).main().await.unwrap();
    let times = Arc::default();
    come_first(&bed, bed.main().await, Arc::clone(&times));
    refused(main.set("x", "1", "never").await, ErrorKind::Contention, "each of 13 attempts");
    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 13);
    times.windows(2).map(|two| two[1] - two[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_a_race_waits_longer_each_time_and_not_as_long_as_others() {
    // Timers count in milliseconds, and begin one of them.
    let slack = Duration::from_millis(2);
    let longest = pauses(51_199).await;
    for (index, pause) in longest.iter().enumerate() {
        let doubled = Duration::from_micros(100 << (index + 1).min(9));
        assert!(*pause + Duration::from_micros(1) >= doubled, "{index}: {pause:?} of {doubled:?}");
        assert!(*pause <= doubled + slack, "{index}: {pause:?} of {doubled:?}");
    }
    assert!(longest.is_sorted() && longest[8] == longest[11], "{longest:?}: up to 51.2 ms");
    let shorter = pauses(20_000).await;
    assert!(shorter[11] + slack < longest[11], "{shorter:?}: another source, another pause");
    assert!(pauses(0).await.iter().all(|pause| *pause <= slack), "at best none");
}
