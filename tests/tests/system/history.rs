//! History on every backend: what lies between commits, the log of a path, and the graph.

use std::collections::BTreeSet;

use ramus_core::ErrorKind;
use ramus_kv::{Commit, GraphOptions, Info, LogOptions, Repo, Store};

use crate::bed::{Bed, Text, head, put, refused};

on_every_backend!(
    what_lies_between_commits_is_exactly_that,
    a_graph_is_walked_once_and_backwards_it_begins_with_the_oldest,
    the_log_of_a_path_has_what_changed_it,
    the_last_change_of_a_path_is_found_over_merges,
    ancestors_are_told_from_others,
    a_graph_shows_branches_tags_and_commits,
);

/// Makes a commit for each of these, whose parents come before it; each changes the path of its number.
async fn graph(repo: &Repo<Text>, parents: &[&[usize]]) -> Vec<Commit<Text>> {
    let mut commits: Vec<Commit<Text>> = Vec::new();
    for (number, parents) in parents.iter().enumerate() {
        let store = repo.empty();
        if let Some(first) = parents.first() {
            store.set_head(&commits[*first]).await.unwrap();
        }
        let mut edit = store.begin().await.unwrap();
        edit.set(number.to_string(), "x").await.unwrap();
        edit.set_parents(parents.iter().map(|parent| commits[*parent].clone()));
        let time_ms = i64::try_from(number).unwrap();
        let info = Info::new(number.to_string()).with_author("x").with_time_ms(time_ms);
        commits.push(store.commit(edit, info).await.unwrap().unwrap());
    }
    commits
}

/// Returns the numbers of the commits that lead to one and not to others, as the log gives them.
async fn between(
    repo: &Repo<Text>,
    commits: &[Commit<Text>],
    from: &[usize],
    end: usize,
) -> Vec<usize> {
    let without = |options: LogOptions<_>, one: &usize| options.without(commits[*one].clone());
    let options = from.iter().fold(LogOptions::default(), without);
    let store = repo.detached(&commits[end]).unwrap();
    let log = store.log_with(options).await.unwrap().collect().await.unwrap();
    log.iter().map(|commit| commit.info().message.parse().unwrap()).collect()
}

async fn what_lies_between_commits_is_exactly_that(bed: Bed) {
    let repo = bed.repo();
    // A line of five with a branch that was merged, and three that have nothing to do with it; the
    // last brings both together.
    let commits = graph(&repo, &[&[], &[0], &[1], &[1], &[2, 3], &[], &[5], &[6], &[4, 7]]).await;
    for (from, end, expected) in [
        (&[1][..], 2, &[2][..]),
        (&[0], 4, &[1, 2, 3, 4]),
        (&[2, 5], 8, &[3, 4, 6, 7, 8]),
        (&[], 8, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        // A beginning that the end does not come from takes nothing away.
        (&[6], 3, &[0, 1, 3]),
        (&[4], 4, &[]),
        (&[4], 8, &[5, 6, 7, 8]),
    ] {
        let found = between(&repo, &commits, from, end).await;
        let once: BTreeSet<_> = found.iter().copied().collect();
        assert_eq!(found.len(), once.len(), "{from:?} to {end}: nobody comes twice");
        assert_eq!(once, expected.iter().copied().collect(), "{from:?} to {end}");
    }
}

async fn a_graph_is_walked_once_and_backwards_it_begins_with_the_oldest(bed: Bed) {
    let repo = bed.repo();
    let shape: &[&[usize]] = &[&[], &[0], &[0], &[1, 2], &[2, 1], &[3, 4], &[4], &[5, 6]];
    let commits = graph(&repo, shape).await;
    let walked = between(&repo, &commits, &[], 7).await;
    assert_eq!(walked.len(), shape.len(), "nobody is visited twice: {walked:?}");
    let place = |commit| walked.iter().position(|one| *one == commit).unwrap();
    for (commit, parents) in shape.iter().enumerate() {
        assert!(parents.iter().all(|parent| place(*parent) > place(commit)), "{walked:?}");
    }
    assert_eq!((walked[0], walked[7]), (7, 0));
    // By first parents alone it is a line.
    let line = repo.detached(&commits[7]).unwrap();
    let log = line.log_with(LogOptions::default().first_parent()).await.unwrap();
    let line = log.map_numbers().await;
    assert_eq!(line, [7, 5, 3, 1, 0]);
    let limited = repo.detached(&commits[7]).unwrap();
    let log = limited.log_with(LogOptions::default().with_limit(3)).await.unwrap();
    assert_eq!(log.map_numbers().await, walked[..3]);
}

/// Reads a log to its end, as numbers.
trait MapNumbers {
    async fn map_numbers(self) -> Vec<usize>;
}

impl MapNumbers for ramus_kv::Log<Text> {
    async fn map_numbers(self) -> Vec<usize> {
        let commits = self.collect().await.unwrap();
        commits.iter().map(|commit| commit.info().message.parse().unwrap()).collect()
    }
}

/// Returns the log of a path.
async fn of_path(store: &Store<Text>, path: &str, options: LogOptions<Text>) -> Vec<Commit<Text>> {
    store.log_with(options.with_path(path).unwrap()).await.unwrap().collect().await.unwrap()
}

async fn the_log_of_a_path_has_what_changed_it(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "d/x", "1").await;
    put(&main, "d/y", "1").await;
    let second = put(&main, "d/x", "2").await;
    let draft = main.fork("draft").await.unwrap();
    let theirs = put(&draft, "d/x", "3").await;
    put(&main, "e", "1").await;
    let merged = main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap();
    put(&main, "e", "2").await;
    let removed = main.remove("d/x", "remove").await.unwrap().unwrap();
    let all = of_path(&main, "d/x", LogOptions::default()).await;
    assert_eq!(all, [removed.clone(), theirs, second.clone(), first.clone()], "and not the merge");
    // By first parents it was the merge that brought the change.
    let line = of_path(&main, "d/x", LogOptions::default().first_parent()).await;
    assert_eq!(line, [removed.clone(), merged, second.clone(), first]);
    let since = of_path(&main, "d/x", LogOptions::default().without(second)).await;
    assert_eq!(since.len(), 2);
    assert_eq!(of_path(&main, "nothing", LogOptions::default()).await, []);
    // Another process asks the same, with what is kept of the answers.
    drop((main, draft));
    let again = bed.main().await;
    assert_eq!(of_path(&again, "d/x", LogOptions::default()).await, all);
    assert_eq!(again.last_modified("d/x").await.unwrap(), Some(removed));
}

async fn the_last_change_of_a_path_is_found_over_merges(bed: Bed) {
    let main = bed.main().await;
    let begun = put(&main, "a/b", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let theirs = put(&draft, "a/c", "1").await;
    let ours = put(&main, "z", "1").await;
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let last = async |path: &str| main.last_modified(path).await.unwrap();
    assert_eq!(last("a/b").await, Some(begun));
    assert_eq!((last("a/c").await, last("z").await), (Some(theirs.clone()), Some(ours)));
    // That of a directory, of which the merge has all from one side, is what that side did.
    assert_eq!(last("a").await, Some(theirs));
    assert_eq!(last("nothing").await, None);
    assert_eq!(bed.repo().empty().last_modified("a").await.unwrap(), None);
}

async fn ancestors_are_told_from_others(bed: Bed) {
    let repo = bed.repo();
    // Two merges that crossed.
    let commits = graph(&repo, &[&[], &[0], &[0], &[1, 2], &[2, 1], &[]]).await;
    let is_ancestor = async |one: usize, other: usize| {
        repo.is_ancestor(&commits[one], &commits[other]).await.unwrap()
    };
    assert!(is_ancestor(0, 4).await && is_ancestor(2, 3).await && is_ancestor(3, 3).await);
    assert!(!is_ancestor(3, 4).await && !is_ancestor(4, 0).await && !is_ancestor(5, 3).await);
    let lcas = repo.lcas(&commits[3], &commits[4]).await.unwrap();
    let lcas: BTreeSet<_> = lcas.iter().map(Commit::hash).collect();
    assert_eq!(lcas, [commits[1].hash(), commits[2].hash()].into());
    assert_eq!(repo.lcas(&commits[3], &commits[5]).await.unwrap(), []);
}

async fn a_graph_shows_branches_tags_and_commits(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let theirs = put(&draft, "b", "1").await;
    let merged = {
        put(&main, "c", "1").await;
        main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap()
    };
    repo.create_tag("v1", &first).await.unwrap();
    let graph = repo.graph(GraphOptions::default()).await.unwrap().collect().await.unwrap();
    assert!(graph.starts_with("digraph ramus {\n") && graph.ends_with("}\n"), "{graph}");
    for (name, commit) in [("branch/main", &merged), ("branch/draft", &theirs), ("tag/v1", &first)]
    {
        let line = format!("\"{name}\" -> \"{}\" [style=dashed];\n", commit.hash());
        assert_eq!(graph.matches(&line).count(), 1, "{graph}");
    }
    for commit in main.log().await.unwrap().collect().await.unwrap() {
        let hash = commit.hash();
        assert_eq!(graph.matches(&format!("  \"{hash}\" [label=")).count(), 1, "{graph}");
        for parent in commit.parents() {
            assert_eq!(graph.matches(&format!("\"{hash}\" -> \"{parent}\";\n")).count(), 1);
        }
    }
    bed.rig().lose(first.hash());
    let repo = bed.repo();
    let answer = match repo.graph(GraphOptions::default()).await {
        Ok(graph) => graph.collect().await.map(drop),
        Err(error) => Err(error),
    };
    refused(answer, ErrorKind::Missing, &first.hash().to_string());
    assert_eq!(head(&main).await, merged);
}
