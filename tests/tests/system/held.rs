//! What streams read on though their branch was removed, and what was on it collected.

use futures::StreamExt as _;
use ramus_core::{ErrorKind, Storage as _};
use ramus_kv::{
    CollectOptions, Commit, GraphOptions, LogOptions, Repo, Store, WatchPlace, WatchStart,
};

use crate::bed::{Bed, Text, long_text, next, put, refused};

on_every_backend!(
    a_log_is_read_to_its_end,
    a_graph_is_read_to_its_end,
    the_commits_of_an_event_are_read_to_their_end,
    a_watch_that_is_read_knows_what_a_branch_was_on,
    a_watch_that_goes_on_from_a_commit_keeps_it,
    a_watch_that_is_behind_says_what_is_gone_and_goes_on,
);

const COMMITS: usize = 5;

/// Returns a branch with some commits, each of which changes `a`; nothing if the storage collects nothing.
async fn branch(repo: &Repo<Text>) -> Option<Store<Text>> {
    repo.backend().sweep()?;
    let store = repo.branch("gone").await.unwrap();
    for number in 0..COMMITS {
        put(&store, "a", &long_text(&number.to_string())).await;
    }
    Some(store)
}

/// Removes the branch, and returns how many blocks were collected then.
async fn remove(store: Store<Text>) -> u64 {
    let repo = store.repo().clone();
    drop(store);
    repo.remove_branch("gone").await.unwrap();
    repo.collect(CollectOptions::default()).await.unwrap().blocks_removed
}

async fn a_log_is_read_to_its_end(bed: Bed) {
    let all = LogOptions::default();
    let of_path = all.clone().with_path("a").unwrap();
    for options in [all.clone(), all.first_parent(), of_path.clone(), of_path.first_parent()] {
        let repo = bed.repo();
        let Some(store) = branch(&repo).await else { return };
        let mut log = store.log_with(options).await.unwrap();
        assert!(log.next().await.unwrap().is_ok());
        assert_eq!(remove(store).await, 0, "the log holds what it has to read");
        assert_eq!(log.collect().await.unwrap().len(), COMMITS - 1);
        // Each has a directory and a text.
        let collected = repo.collect(CollectOptions::default()).await.unwrap();
        assert_eq!(collected.blocks_removed, 3 * COMMITS as u64);
    }
}

async fn a_graph_is_read_to_its_end(bed: Bed) {
    let repo = bed.repo();
    let Some(store) = branch(&repo).await else { return };
    let whole = repo.graph(GraphOptions::default().trees()).await.unwrap().collect().await.unwrap();
    let mut graph = repo.graph(GraphOptions::default().trees()).await.unwrap();
    let mut lines = Vec::new();
    // The two lines of the head, those of the branch, and the first commit.
    for _ in 0..5 {
        lines.push(graph.next().await.unwrap().unwrap());
    }
    assert_eq!(remove(store).await, 0, "the graph holds what it has to read");
    lines.extend(graph.map(Result::unwrap).collect::<Vec<_>>().await);
    assert_eq!(lines, whole.lines().collect::<Vec<_>>());
}

async fn the_commits_of_an_event_are_read_to_their_end(bed: Bed) {
    let repo = bed.repo();
    if repo.backend().sweep().is_none() {
        return;
    }
    let mut watch = repo.branch("gone").await.unwrap().watch("").await.unwrap();
    let Some(store) = branch(&repo).await else { return };
    repo.copy_branch("gone", "copy").await.unwrap();
    let mut copies =
        repo.branch("copy").await.unwrap().watch_from("", WatchStart::Existing).await.unwrap();
    let mut commits = next(&mut copies).await.commits();
    assert!(commits.next().await.unwrap().is_ok());
    drop(copies);
    repo.remove_branch("copy").await.unwrap();
    while next(&mut watch).await.new != store.head().await.unwrap() {}
    drop(watch);
    remove(store).await;
    assert_eq!(commits.collect().await.unwrap().len(), COMMITS - 1);
}

/// What a watch gave last it keeps, until it gives what came of it.
async fn a_watch_that_is_read_knows_what_a_branch_was_on(bed: Bed) {
    let repo = bed.repo();
    let Some(store) = branch(&repo).await else { return };
    let mut watches = [store.watch("").await.unwrap(), store.watch("a").await.unwrap()];
    let last = put(&store, "a", "last").await.hash();
    for watch in &mut watches {
        assert_eq!(next(watch).await.new.unwrap().hash(), last);
    }
    assert_eq!(remove(store).await, 0, "the watches hold the head");
    for watch in &mut watches {
        let event = next(watch).await;
        assert_eq!((event.old.as_ref().map(Commit::hash), &event.new), (Some(last), &None));
        assert_eq!(event.diff().await.unwrap().collect().await.unwrap().len(), 1);
    }
    let collected = repo.collect(CollectOptions::default()).await.unwrap();
    assert_eq!(collected.blocks_removed, 3 * COMMITS as u64 + 2);
}

async fn a_watch_that_goes_on_from_a_commit_keeps_it(bed: Bed) {
    let repo = bed.repo();
    let Some(store) = branch(&repo).await else { return };
    let last = store.head().await.unwrap().unwrap().hash();
    let mut watch = store.watch_after("a", WatchPlace::at_commit(last)).await.unwrap();
    assert_eq!(remove(store).await, 0, "the watch holds the commit");
    let event = next(&mut watch).await;
    assert_eq!((event.old.map(|old| old.hash()), event.new), (Some(last), None));
}

async fn a_watch_that_is_behind_says_what_is_gone_and_goes_on(bed: Bed) {
    let repo = bed.repo();
    if repo.backend().sweep().is_none() {
        return;
    }
    let store = repo.branch("gone").await.unwrap();
    let mut watch = store.watch("").await.unwrap();
    let mut all = repo.watch("").await.unwrap();
    let gone = put(&store, "a", "1").await.hash();
    assert!(remove(store).await > 0, "a watch that was not read holds nothing");
    let store = repo.branch("gone").await.unwrap();
    let last = put(&store, "a", "2").await;
    refused(watch.next().await.unwrap(), ErrorKind::Missing, &gone.to_string());
    refused(all.next().await.unwrap(), ErrorKind::Missing, &gone.to_string());
    let event = next(&mut watch).await;
    assert_eq!((event.old, event.new, event.resync), (None, None, true), "it was removed");
    assert!(all.next().await.unwrap().is_ok());
    let event = next(&mut watch).await;
    assert_eq!((event.old, event.new), (None, Some(last)));
    assert!(all.next().await.unwrap().is_ok());
}
