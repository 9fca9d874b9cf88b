//! Many writers of one branch, by each strategy: nothing is lost, nobody is refused for good, and
//! nobody waits longer than is promised.
//!
//! At scale 1 there are 24 writers of 5 transactions each; from scale 20 on 256 writers of 40:
//!
//! ```text
//! RAMUS_SCALE=20 cargo test --release -p ramus-tests --test system hot
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Result};
use ramus_kv::{Counter, Kv, OnRace, Repo, RepoOptions, Store, TransactionOptions};
use tokio::task::JoinSet;

use crate::bed::{Bed, log, repeats};

on_every_backend!(
    synced: writers_that_edit_wait_for_two_rounds_at_most,
    writers_that_merge_wait_for_two_rounds_at_most,
    writers_that_merge_the_same_key_lose_nothing,
    writers_that_refuse_get_through_by_trying_again,
    writers_that_run_again_do_so_once_at_most,
    writers_that_run_again_on_keys_of_their_own_do_so_once_at_most,
    writers_of_all_kinds_at_once_lose_nothing,
);

// Writers that run at the same moment: how many rounds one waits for cannot be told from outside then.
mod at_once {
    use super::{
        writers_of_all_kinds_on_threads_lose_nothing,
        writers_that_merge_the_same_key_on_threads_lose_nothing,
        writers_that_run_again_on_threads_do_so_once_at_most,
    };

    on_every_backend!(
        synced: threads: writers_that_run_again_on_threads_do_so_once_at_most,
        writers_that_merge_the_same_key_on_threads_lose_nothing,
        writers_of_all_kinds_on_threads_lose_nothing,
    );
}

type Count = Kv<Counter>;

/// A crowd of writers on one branch.
#[derive(Clone)]
struct Crowd {
    bed: Bed,
    main: Store<Count>,
    writers: usize,
    each: usize,
}

impl Crowd {
    async fn on(bed: &Bed) -> Self {
        // No turn is taken away, however long the machine makes it.
        let options = RepoOptions::default().with_turn_ms(3_600_000);
        let repo = Repo::<Count>::with_options(Backend::new(bed.rig().clone()), options);
        let main = repo.main().await.unwrap();
        main.set("n", 0, "zero").await.unwrap();
        bed.rig().be_slow();
        let scale = repeats() / 5;
        let (writers, each) = ((24 * scale).min(256), (5 * scale).min(40));
        Self { bed: bed.clone(), main, writers, each }
    }

    /// Runs all transactions of all writers; each is told its number and what its commit shall say.
    async fn write<F>(&self, transaction: impl Fn(usize, String) -> F + Clone + Send + 'static)
    where
        F: Future<Output = Result<()>> + Send,
    {
        let mut tasks = JoinSet::new();
        for writer in 0..self.writers {
            let (transaction, each) = (transaction.clone(), self.each);
            tasks.spawn(async move {
                for round in 0..each {
                    transaction(writer, format!("{writer}/{round}")).await?;
                }
                Ok::<_, ramus_core::Error>(())
            });
        }
        for answer in tasks.join_all().await {
            answer.unwrap();
        }
        self.each_is_in_the_history_once().await;
    }

    async fn each_is_in_the_history_once(&self) {
        let log = log(&self.main).await;
        let count = self.writers * self.each;
        assert_eq!(log.len(), count + 1);
        let said: BTreeSet<_> = log.iter().map(|commit| commit.info().message.clone()).collect();
        assert_eq!(said.len(), count + 1);
        // Another process reads all of it.
        let other = self.bed.repo_of::<Count>().main().await.unwrap();
        assert_eq!(other.head().await.unwrap().unwrap().hash(), log[0].hash());
    }

    async fn counted(&self) -> i64 {
        self.main.find("n").await.unwrap().expect("it is there").0
    }

    fn count(&self) -> i64 {
        i64::try_from(self.writers * self.each).unwrap()
    }

    /// Returns a function that does something that writes, and notes for how many rounds it waited.
    fn timed(&self) -> (Arc<AtomicUsize>, impl Fn() -> usize + Clone + Send + 'static) {
        let rig = self.bed.rig().clone();
        (Arc::new(AtomicUsize::new(0)), move || rig.writes())
    }
}

async fn writers_that_edit_wait_for_two_rounds_at_most(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let (longest, rounds) = crowd.timed();
    let (main, noted) = (crowd.main.clone(), Arc::clone(&longest));
    let write = move |writer: usize, why: String| {
        let (main, noted, rounds) = (main.clone(), Arc::clone(&noted), rounds.clone());
        async move {
            // Every fourth writer shares its key with others.
            let path = if writer.is_multiple_of(4) {
                "shared".to_owned()
            } else {
                format!("own/{writer}")
            };
            let before = rounds();
            let number = i64::try_from(before * 1000 + writer).unwrap();
            main.set(path, number, why).await?.expect("it changes something");
            noted.fetch_max(rounds() - before, Ordering::SeqCst);
            Ok(())
        }
    };
    crowd.write(write).await;
    let longest = longest.load(Ordering::SeqCst);
    assert!((1..=2).contains(&longest), "{longest} rounds");
    assert_eq!(crowd.main.list("own").await.unwrap().len(), crowd.writers - crowd.writers / 4);
}

/// Runs transactions that merge; returns for how many rounds they waited at most.
async fn merge(
    crowd: &Crowd,
    path: impl Fn(usize) -> String + Clone + Send + Sync + 'static,
) -> usize {
    let (longest, rounds) = crowd.timed();
    let (main, noted) = (crowd.main.clone(), Arc::clone(&longest));
    let write = move |writer: usize, why: String| {
        let (main, noted, rounds) = (main.clone(), Arc::clone(&noted), rounds.clone());
        let path = path(writer);
        async move {
            let mut edit = main.begin().await?;
            let Counter(last) = edit.find(&path).await?.unwrap_or_default();
            tokio::task::yield_now().await;
            edit.set(&path, last + 1).await?;
            let before = rounds();
            main.commit(edit, why).await?.expect("it changes something");
            noted.fetch_max(rounds() - before, Ordering::SeqCst);
            Ok(())
        }
    };
    crowd.write(write).await;
    longest.load(Ordering::SeqCst)
}

async fn writers_that_merge_wait_for_two_rounds_at_most(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let longest = merge(&crowd, |writer| format!("own/{}/{writer}", writer % 7)).await;
    assert!((1..=2).contains(&longest), "{longest} rounds");
    for writer in 0..crowd.writers {
        let counted = crowd.main.find(format!("own/{}/{writer}", writer % 7)).await.unwrap();
        assert_eq!(counted, Some(Counter(i64::try_from(crowd.each).unwrap())));
    }
}

async fn writers_that_merge_the_same_key_lose_nothing(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let longest = merge(&crowd, |_| "n".to_owned()).await;
    assert!((1..=2).contains(&longest), "{longest} rounds");
    assert_eq!(crowd.counted().await, crowd.count());
}

async fn writers_that_merge_the_same_key_on_threads_lose_nothing(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    merge(&crowd, |_| "n".to_owned()).await;
    assert_eq!(crowd.counted().await, crowd.count());
}

async fn writers_that_refuse_get_through_by_trying_again(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let (longest, rounds) = crowd.timed();
    let (main, noted) = (crowd.main.clone(), Arc::clone(&longest));
    let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
    let write = move |writer: usize, why: String| {
        let (main, noted, rounds) = (main.clone(), Arc::clone(&noted), rounds.clone());
        let path = if writer.is_multiple_of(2) { "n".to_owned() } else { format!("own/{writer}") };
        async move {
            loop {
                let mut edit = main.begin_with(refuse).await?;
                let Counter(last) = edit.find(&path).await?.unwrap_or_default();
                edit.set(&path, last + 1).await?;
                let before = rounds();
                let answer = main.commit(edit, why.as_str()).await;
                noted.fetch_max(rounds() - before, Ordering::SeqCst);
                match answer {
                    Err(late) if late.kind() == ErrorKind::Contention => {}
                    answer => return answer.map(drop),
                }
            }
        }
    };
    crowd.write(write).await;
    let longest = longest.load(Ordering::SeqCst);
    assert!((1..=2).contains(&longest), "{longest} rounds");
    assert_eq!(crowd.counted().await, crowd.count() / 2);
}

/// Runs transactions again and again; returns how often one ran at most.
async fn run_again(
    crowd: &Crowd,
    path: impl Fn(usize) -> String + Clone + Send + Sync + 'static,
) -> usize {
    let most = Arc::new(AtomicUsize::new(0));
    let (main, noted) = (crowd.main.clone(), Arc::clone(&most));
    let write = move |writer: usize, why: String| {
        let (main, noted, path) = (main.clone(), Arc::clone(&noted), path(writer));
        async move {
            let runs = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&runs);
            main.transact_again(why, async move |edit| {
                counted.fetch_add(1, Ordering::SeqCst);
                let Counter(last) = edit.find(&path).await?.unwrap_or_default();
                tokio::task::yield_now().await;
                edit.set(&path, last + 1).await
            })
            .await?;
            noted.fetch_max(runs.load(Ordering::SeqCst), Ordering::SeqCst);
            Ok(())
        }
    };
    crowd.write(write).await;
    most.load(Ordering::SeqCst)
}

async fn writers_that_run_again_do_so_once_at_most(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let runs = run_again(&crowd, |_| "n".to_owned()).await;
    assert_eq!(runs, 2, "each ran at most twice, and some did");
    assert_eq!(crowd.counted().await, crowd.count());
}

async fn writers_that_run_again_on_threads_do_so_once_at_most(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let runs = run_again(&crowd, |_| "n".to_owned()).await;
    assert!(runs <= 2, "{runs} runs");
    assert_eq!(crowd.counted().await, crowd.count());
}

async fn writers_that_run_again_on_keys_of_their_own_do_so_once_at_most(bed: Bed) {
    let crowd = Crowd::on(&bed).await;
    let runs = run_again(&crowd, |writer| format!("own/{writer}")).await;
    assert_eq!(runs, 2, "each ran at most twice, and some did");
    assert_eq!(crowd.main.list("own").await.unwrap().len(), crowd.writers);
}

async fn writers_of_all_kinds_at_once_lose_nothing(bed: Bed) {
    let longest = all_kinds(&Crowd::on(&bed).await).await;
    // The round that runs, the turn that is ahead with a round of its own, and one's own.
    assert!((1..=2).contains(&longest), "{longest} rounds");
}

async fn writers_of_all_kinds_on_threads_lose_nothing(bed: Bed) {
    all_kinds(&Crowd::on(&bed).await).await;
}

/// Runs transactions of three kinds; returns for how many rounds those waited at most that do not run again.
async fn all_kinds(crowd: &Crowd) -> usize {
    let (longest, rounds) = crowd.timed();
    let (main, noted) = (crowd.main.clone(), Arc::clone(&longest));
    let write = move |writer: usize, why: String| {
        let (main, noted, rounds) = (main.clone(), Arc::clone(&noted), rounds.clone());
        async move {
            match writer % 3 {
                0 => {
                    main.transact_again(why, async move |edit| {
                        let Counter(last) = edit.find("n").await?.unwrap_or_default();
                        edit.set("n", last + 1).await
                    })
                    .await?;
                }
                1 => {
                    let mut edit = main.begin().await?;
                    let Counter(last) = edit.find("n").await?.unwrap_or_default();
                    edit.set("n", last + 1).await?;
                    let before = rounds();
                    main.commit(edit, why).await?.expect("it changes something");
                    noted.fetch_max(rounds() - before, Ordering::SeqCst);
                }
                _ => {
                    let before = rounds();
                    let commit = main.set(format!("own/{why}"), 1, why).await?;
                    commit.expect("it changes something");
                    noted.fetch_max(rounds() - before, Ordering::SeqCst);
                }
            }
            Ok(())
        }
    };
    crowd.write(write).await;
    let two_thirds = (0..crowd.writers).filter(|writer| writer % 3 != 2).count() * crowd.each;
    assert_eq!(crowd.counted().await, i64::try_from(two_thirds).unwrap());
    longest.load(Ordering::SeqCst)
}
