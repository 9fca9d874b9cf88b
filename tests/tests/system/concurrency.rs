//! Many tasks on one branch, through one repository and through two: nothing is lost.
//!
//! The storage waits before and after each call, so that others come between.

use std::collections::{BTreeMap, BTreeSet};

use ramus_core::{Result, Sha1};
use ramus_kv::{Commit, Counter, Kv, Repo, Schema, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, Text, head, log, put, read, steps};

on_every_backend!(
    synced: threads: twenty_writers_and_twenty_readers_see_nothing_else,
    two_handles_with_ten_writers_each_lose_no_write_of_one_path,
    two_handles_with_ten_writers_each_lose_no_write_of_ten_paths,
    two_handles_with_five_writers_each_move_the_head_by_comparison,
    two_handles_with_ten_writers_each_fork_edit_and_merge_back,
    transactions_that_run_again_count_exactly,
    transactions_that_merge_count_exactly,
    writers_of_two_processes_lose_nothing_and_never_end_in_contention,
    processes_that_merge_into_one_branch_lose_nothing,
);

/// Runs one task for each item, and returns what they answered.
async fn spawn_all<I, F, T>(items: I, task: impl Fn(I::Item) -> F) -> Vec<T>
where
    I: IntoIterator,
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let tasks: JoinSet<Result<T>> = items.into_iter().map(task).collect();
    tasks.join_all().await.into_iter().collect::<Result<_>>().unwrap()
}

/// Checks that each of these commits led to the head, once, and that nothing else did.
async fn each_is_in_the_log_once<S: Schema>(store: &Store<S>, acknowledged: &[Commit<S>]) {
    let mut counts: BTreeMap<Sha1, usize> = BTreeMap::new();
    let log = log_of_hashes(store).await;
    for hash in &log {
        *counts.entry(*hash).or_default() += 1;
    }
    for commit in acknowledged {
        let hash: Sha1 = commit.hash().to_string().parse().unwrap();
        assert_eq!(counts.remove(&hash), Some(1), "{commit:?}");
    }
    assert!(counts.is_empty(), "nobody made {counts:?}");
}

async fn log_of_hashes<S: Schema>(store: &Store<S>) -> Vec<Sha1> {
    log(store).await.iter().map(|commit| commit.hash().to_string().parse().unwrap()).collect()
}

async fn twenty_writers_and_twenty_readers_see_nothing_else(bed: Bed) {
    bed.rig().be_slow();
    let main = bed.main().await;
    put(&main, "x", "w0").await;
    let first = head(&main).await.hash();
    let written: BTreeSet<String> = (0..=20).map(|writer| format!("w{writer}")).collect();
    let reader = main.clone();
    let readers = spawn_all(0..20, move |_| {
        let store = reader.clone();
        async move {
            let mut seen = Vec::new();
            for _ in 0..20 {
                seen.push(store.find("x").await?);
                let commit = store.head().await?;
                seen.push(commit.expect("there is a head").tree().find("x").await?);
                tokio::task::yield_now().await;
            }
            Ok(seen)
        }
    });
    let writer = main.clone();
    let writers = spawn_all(1..=20, move |number| {
        let store = writer.clone();
        async move { store.set("x", format!("w{number}"), format!("by {number}")).await }
    });
    let (seen, commits) = tokio::join!(readers, writers);
    for value in seen.into_iter().flatten() {
        let value = value.expect("it is there all the time");
        assert!(written.contains(&value), "{value} was never written");
    }
    let mut commits: Vec<_> = commits.into_iter().map(|commit| commit.unwrap()).collect();
    commits.push(main.repo().commit(&first).await.unwrap().unwrap());
    each_is_in_the_log_once(&main, &commits).await;
    assert_eq!(read(&main, "x").await, head(&main).await.tree().find("x").await.unwrap().unwrap());
}

/// Returns two handles on `main`, as of two processes.
async fn two_handles(bed: &Bed) -> [Store<Text>; 2] {
    [bed.main().await, bed.main().await]
}

async fn two_handles_with_ten_writers_each_lose_no_write_of_one_path(bed: Bed) {
    bed.rig().be_slow();
    let handles = two_handles(&bed).await;
    let stores = handles.clone();
    let commits = spawn_all(0..20, move |writer| {
        let store = stores[writer % 2].clone();
        async move { store.set("x", format!("{writer}"), format!("by {writer}")).await }
    })
    .await;
    let commits: Vec<_> = commits.into_iter().map(|commit| commit.unwrap()).collect();
    each_is_in_the_log_once(&handles[0], &commits).await;
    let values: BTreeSet<String> = {
        let mut values = BTreeSet::new();
        for commit in &commits {
            values.insert(commit.tree().find("x").await.unwrap().unwrap());
        }
        values
    };
    assert_eq!(values.len(), 20);
    assert_eq!(read(&handles[0], "x").await, read(&handles[1], "x").await);
}

async fn two_handles_with_ten_writers_each_lose_no_write_of_ten_paths(bed: Bed) {
    bed.rig().be_slow();
    let handles = two_handles(&bed).await;
    let stores = handles.clone();
    let commits = spawn_all(0..20, move |writer| {
        let store = stores[writer % 2].clone();
        let path = format!("{}/{}", writer % 2, writer / 2);
        async move { store.set(path, format!("{writer}"), format!("by {writer}")).await }
    })
    .await;
    let commits: Vec<_> = commits.into_iter().map(|commit| commit.unwrap()).collect();
    each_is_in_the_log_once(&handles[0], &commits).await;
    for writer in 0..20 {
        let path = format!("{}/{}", writer % 2, writer / 2);
        assert_eq!(read(&handles[1 - writer % 2], &path).await, format!("{writer}"));
    }
}

async fn two_handles_with_five_writers_each_move_the_head_by_comparison(bed: Bed) {
    bed.rig().be_slow();
    let handles = two_handles(&bed).await;
    put(&handles[0], "base", "1").await;
    let stores = handles.clone();
    spawn_all(0..10, move |writer| {
        let store = stores[writer % 2].clone();
        async move {
            loop {
                let head = store.head().await?.expect("there is a head");
                let aside = store.repo().detached(&head).unwrap();
                let commit = aside.set(format!("{writer}"), "1", format!("by {writer}")).await?;
                if store.test_and_set_head(Some(&head), commit.as_ref()).await? {
                    return Ok(());
                }
            }
        }
    })
    .await;
    assert_eq!(steps(&handles[0], "").await.len(), 11);
    assert_eq!(log(&handles[1]).await.len(), 11);
}

async fn two_handles_with_ten_writers_each_fork_edit_and_merge_back(bed: Bed) {
    bed.rig().be_slow();
    let handles = two_handles(&bed).await;
    put(&handles[0], "base", "1").await;
    let stores = handles.clone();
    spawn_all(0..20, move |writer| {
        let store = stores[writer % 2].clone();
        async move {
            let draft = store.fork(&format!("draft/{writer}")).await?;
            draft.set(format!("{writer}"), "1", format!("by {writer}")).await?;
            tokio::task::yield_now().await;
            store.merge(&draft, format!("merge {writer}")).await?.clean()
        }
    })
    .await;
    assert_eq!(steps(&handles[1], "").await.len(), 21);
    assert_eq!(handles[0].repo().branches().await.unwrap().len(), 21);
}

async fn transactions_that_run_again_count_exactly(bed: Bed) {
    bed.rig().be_slow();
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    let store = main.clone();
    let drawn = spawn_all(0..64, move |_| {
        let store = store.clone();
        async move {
            let mut drawn = Vec::new();
            for _ in 0..20 {
                let number = store.transact_again("count", async move |edit| {
                    let Counter(last) = edit.find("n").await?.unwrap_or_default();
                    edit.set("n", last + 1).await?;
                    Ok(last + 1)
                });
                drawn.push(number.await?);
            }
            Ok(drawn)
        }
    })
    .await;
    let mut drawn: Vec<i64> = drawn.into_iter().flatten().collect();
    drawn.sort_unstable();
    assert_eq!(drawn, (1..=1280).collect::<Vec<i64>>(), "nobody draws what another drew");
    assert_eq!(main.find("n").await.unwrap(), Some(Counter(1280)));
    assert_eq!(log(&main).await.len(), 1280);
}

async fn transactions_that_merge_count_exactly(bed: Bed) {
    bed.rig().be_slow();
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    let store = main.clone();
    spawn_all(0..16, move |task| {
        let store = store.clone();
        async move {
            for round in 0..10 {
                let why = format!("count {task}/{round}");
                let mut edit = store.begin().await?;
                let Counter(last) = edit.find("n").await?.unwrap_or_default();
                edit.set("n", last + 1).await?;
                tokio::task::yield_now().await;
                store.commit(edit, why).await?;
            }
            Ok(())
        }
    })
    .await;
    assert_eq!(main.find("n").await.unwrap(), Some(Counter(160)));
    assert_eq!(log(&main).await.len(), 160);
}

async fn writers_of_two_processes_lose_nothing_and_never_end_in_contention(bed: Bed) {
    bed.rig().be_slow();
    let repos: [Repo<Kv<Counter>>; 2] = [bed.repo_of(), bed.repo_of()];
    let shared = repos.clone();
    spawn_all(0..12, move |task: usize| {
        let repo = shared[task % 2].clone();
        async move {
            let main = repo.main().await?;
            for round in 0..5 {
                let why = format!("{task}/{round}");
                match task % 3 {
                    0 => {
                        main.transact_again(why, async move |edit| {
                            let Counter(last) = edit.find("n").await?.unwrap_or_default();
                            edit.set("n", last + 1).await
                        })
                        .await?;
                    }
                    1 => {
                        main.transact(why, async |edit| {
                            let Counter(last) = edit.find("n").await?.unwrap_or_default();
                            edit.set("n", last + 1).await
                        })
                        .await?;
                    }
                    _ => drop(main.set(format!("own/{task}/{round}"), 1, why).await?),
                }
            }
            Ok(())
        }
    })
    .await;
    for repo in &repos {
        let main = repo.main().await.unwrap();
        assert_eq!(main.find("n").await.unwrap(), Some(Counter(40)));
        let mut own = 0;
        for task in main.list("own").await.unwrap() {
            own += main.list(format!("own/{}", task.step)).await.unwrap().len();
        }
        assert_eq!(own, 20);
        assert_eq!(log(&main).await.len(), 60, "each write is one commit");
    }
}

async fn processes_that_merge_into_one_branch_lose_nothing(bed: Bed) {
    bed.rig().be_slow();
    let repos: [Repo<Text>; 2] = [bed.repo(), bed.repo()];
    let shared = repos.clone();
    spawn_all(0..8, move |task: usize| {
        let repo = shared[task % 2].clone();
        async move {
            let own = repo.branch(&format!("own-{task}")).await?;
            let main = repo.main().await?;
            for round in 0..4 {
                own.set(format!("{task}/{round}"), "1", format!("{task}/{round}")).await?;
                main.merge(&own, "merge").await?.clean()?;
            }
            Ok(())
        }
    })
    .await;
    let main = bed.main().await;
    for task in 0..8 {
        assert_eq!(steps(&main, &format!("{task}")).await.len(), 4);
    }
}
