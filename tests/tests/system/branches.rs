//! Branches and tags: made once, renamed and copied whole, removed by a test, listed as of a moment.

use std::error::Error as _;

use ramus_core::erased::Backend;
use ramus_core::{AtomicWrite as _, Cursor, Error, ErrorKind, RefName, Sha1, Storage as _};
use ramus_kv::{BranchesEvent, Commit, Head, RefFault, Repo, RepoOptions, Store, WatchStart};
use tokio::task::JoinSet;

use crate::bed::{Bed, Text, head, put, read, refused, repeats};
use crate::rig::Fate;

on_every_backend!(
    a_branch_is_made_only_if_there_is_none,
    a_refusal_has_written_nothing,
    a_renamed_branch_is_nowhere_else_at_any_moment,
    whoever_lost_a_race_takes_the_head_as_it_is_then,
    handles_and_watches_stay_on_the_name,
    a_copy_goes_its_own_way,
    a_branch_is_found_if_it_exists,
    rename_and_copy_refuse_what_is_not_there_and_what_is_taken,
    a_branch_is_removed_only_from_where_it_was_left,
    heads_are_listed_by_prefix_as_of_one_moment,
    a_tag_never_moves,
    a_tag_whose_commit_is_missing_is_not_one_that_is_not_there,
    tags_and_branches_of_one_name_are_two,
    the_author_of_the_repository_is_in_every_note,
    names_and_commits_are_checked_where_they_come_in,
    a_move_whose_answer_is_lost_is_known_to_be_done,
);

mod races {
    use super::{
        of_several_who_make_a_branch_one_does, of_several_who_make_a_tag_one_does,
        of_several_who_rename_to_one_name_one_does, renaming_goes_on_while_others_write,
    };

    on_every_backend!(
        threads: of_several_who_make_a_branch_one_does,
        of_several_who_make_a_tag_one_does,
        of_several_who_rename_to_one_name_one_does,
        renaming_goes_on_while_others_write,
    );
}

/// Returns the fault that an error has as its source.
fn fault(error: &Error) -> &RefFault<Sha1> {
    error.source().and_then(|source| source.downcast_ref()).expect("a fault of a ref")
}

fn exists(name: &RefName, commit: &Commit<Text>) -> RefFault<Sha1> {
    RefFault::Exists { name: name.clone(), holds: commit.hash() }
}

async fn heads(repo: &Repo<Text>, prefix: &str) -> Vec<(String, Sha1)> {
    let heads = repo.heads(prefix).await.unwrap().collect().await.unwrap();
    heads.into_iter().map(|Head { name, commit }| (name, commit)).collect()
}

async fn tags(repo: &Repo<Text>, prefix: &str) -> Vec<(String, Sha1)> {
    let tags = repo.tags(prefix).await.unwrap().collect().await.unwrap();
    tags.into_iter().map(|Head { name, commit }| (name, commit)).collect()
}

async fn end(bed: &Bed) -> Cursor {
    bed.rig().refs().position().await.unwrap()
}

/// Returns two commits of `main`.
async fn two_commits(repo: &Repo<Text>) -> (Commit<Text>, Commit<Text>) {
    let main = repo.main().await.unwrap();
    (put(&main, "x", "1").await, put(&main, "x", "2").await)
}

async fn a_branch_is_made_only_if_there_is_none(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    let draft = repo.create_branch("draft", &first).await.unwrap();
    assert_eq!((draft.branch_name(), head(&draft).await), (Some("draft"), first.clone()));
    for commit in [&first, &second] {
        let taken = repo.create_branch("draft", commit).await;
        let error = refused(taken, ErrorKind::InvalidInput, "open it and set its head");
        assert_eq!(*fault(&error), exists(&RefName::branch("draft").unwrap(), &first));
    }
    let forked = repo.detached(&second).unwrap().fork("draft").await;
    let error = refused(forked, ErrorKind::InvalidInput, "take another name");
    assert_eq!(*fault(&error), exists(&RefName::branch("draft").unwrap(), &first));
    let forked = repo.empty().fork("draft").await;
    refused(forked, ErrorKind::InvalidInput, "branch `draft` exists");
    assert_eq!(head(&draft).await, first);
}

async fn a_refusal_has_written_nothing(bed: Bed) {
    // The original makes the branch first and then finds out that it may not.
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    repo.create_branch("draft", &first).await.unwrap();
    repo.create_tag("v1", &first).await.unwrap();
    let (_, foreign) = two_commits(&bed.another().await.repo()).await;
    let (before, all) = (end(&bed).await, (heads(&repo, "").await, tags(&repo, "").await));
    repo.create_branch("draft", &second).await.unwrap_err();
    repo.create_branch("bad name", &second).await.unwrap_err();
    repo.create_branch("new", &foreign).await.unwrap_err();
    repo.rename_branch("draft", "main").await.unwrap_err();
    repo.rename_branch("draft", "bad name").await.unwrap_err();
    repo.rename_branch("draft", "draft").await.unwrap_err();
    repo.copy_branch("draft", "main").await.unwrap_err();
    repo.copy_branch("none", "new").await.unwrap_err();
    repo.create_tag("v1", &second).await.unwrap_err();
    repo.create_tag("v2", &foreign).await.unwrap_err();
    repo.detached(&second).unwrap().fork("draft").await.unwrap_err();
    repo.detached(&second).unwrap().fork("bad name").await.unwrap_err();
    repo.detached(&foreign).unwrap_err();
    assert!(!repo.remove_branch_at("draft", &second).await.unwrap());
    repo.create_tag("v1", &first).await.unwrap();
    assert_eq!(end(&bed).await, before);
    assert_eq!((heads(&repo, "").await, tags(&repo, "").await), all);
}

async fn a_renamed_branch_is_nowhere_else_at_any_moment(bed: Bed) {
    let repo = bed.repo();
    let (_, second) = two_commits(&repo).await;
    let mut watch = repo.watch("").await.unwrap();
    let before = end(&bed).await;
    let renamed = repo.rename_branch("main", "trunk").await.unwrap();
    assert_eq!((renamed.branch_name(), head(&renamed).await), (Some("trunk"), second.clone()));
    assert_eq!(heads(&repo, "").await, [("trunk".to_owned(), second.hash())]);
    assert_eq!(end(&bed).await.sequence, before.sequence + 1, "it is one update");
    let event = watch.next().await.unwrap().unwrap();
    let BranchesEvent::Changed { branches, .. } = event else { panic!("one change") };
    let moved: Vec<_> = branches.iter().map(|b| (b.branch.as_str(), &b.old, &b.new)).collect();
    let second = Some(second);
    assert_eq!(moved, [("main", &second, &None), ("trunk", &None, &second)]);
}

async fn whoever_lost_a_race_takes_the_head_as_it_is_then(bed: Bed) {
    tokio::time::pause();
    let repo = bed.repo();
    two_commits(&repo).await;
    let other = bed.repo().main().await.unwrap();
    let moves = |value: &'static str| {
        let other = other.clone();
        async move { drop(put(&other, "x", value).await) }
    };
    bed.rig().before_next_update(moves("before the copy"));
    let copy = repo.copy_branch("main", "copy").await.unwrap();
    assert_eq!(
        (head(&copy).await, read(&copy, "x").await.as_str()),
        (head(&other).await, "before the copy")
    );
    bed.rig().before_next_update(moves("before the renaming"));
    let renamed = repo.rename_branch("main", "trunk").await.unwrap();
    assert_eq!(read(&renamed, "x").await, "before the renaming");
    assert_eq!(repo.branches().await.unwrap(), ["copy", "trunk"]);
    let spare = repo.copy_branch("copy", "spare").await.unwrap();
    let elsewhere = bed.repo().branch("spare").await.unwrap();
    bed.rig().before_next_update(async move { drop(put(&elsewhere, "x", "in vain").await) });
    assert!(repo.remove_branch("spare").await.unwrap());
    assert_eq!(spare.head().await.unwrap(), None);
    // One that is gone by then cannot be taken over, and one that was made is not overwritten.
    let gone = repo.clone();
    bed.rig()
        .before_next_update(async move { assert!(gone.remove_branch("trunk").await.unwrap()) });
    refused(repo.rename_branch("trunk", "x").await, ErrorKind::InvalidInput, "does not exist");
    let (maker, tip) = (repo.clone(), head(&copy).await);
    let make = async move { drop(maker.create_branch("y", &tip).await.unwrap()) };
    bed.rig().before_next_update(make);
    refused(repo.rename_branch("copy", "y").await, ErrorKind::InvalidInput, "`y` exists");
    // One that is moved each time cannot be caught.
    let options = RepoOptions::default().with_attempts_max(1);
    let hasty = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let branch = bed.repo().branch("copy").await.unwrap();
    bed.rig().before_next_update(async move { drop(put(&branch, "x", "again").await) });
    let says = "was moved by others before each of 1 attempts";
    refused(hasty.rename_branch("copy", "z").await, ErrorKind::Contention, says);
    assert_eq!(repo.branches().await.unwrap(), ["copy", "y"]);
}

async fn handles_and_watches_stay_on_the_name(bed: Bed) {
    let repo = bed.repo();
    let (_, second) = two_commits(&repo).await;
    let main = repo.main().await.unwrap();
    let trunk = repo.branch("trunk").await.unwrap();
    let mut watch = main.watch("").await.unwrap();
    repo.rename_branch("main", "trunk").await.unwrap();
    assert_eq!((main.head().await.unwrap(), head(&trunk).await), (None, second.clone()));
    assert_eq!(main.find("x").await.unwrap(), None);
    let anew = put(&main, "y", "1").await;
    assert_eq!((anew.parents(), head(&trunk).await), (&[][..], second.clone()));
    let event = watch.next().await.unwrap().unwrap();
    assert_eq!((event.old, event.new), (Some(second), None));
    let event = watch.next().await.unwrap().unwrap();
    assert_eq!((event.old, event.new), (None, Some(anew)));
}

async fn a_branch_is_found_if_it_exists(bed: Bed) {
    let repo = bed.repo();
    assert!(repo.find_branch("main").await.unwrap().is_none());
    let main = repo.main().await.unwrap();
    assert!(repo.find_branch("main").await.unwrap().is_none(), "a handle makes no branch");
    let commit = put(&main, "x", "1").await;
    let found = repo.find_branch("main").await.unwrap().expect("it has a commit");
    assert_eq!(head(&found).await, commit);
    assert!(repo.find_branch("Main").await.unwrap().is_none());
    refused(repo.find_branch("a..b/../c").await, ErrorKind::InvalidInput, "..");
    // The name of its root directory makes the tree of the commit.
    let tree = repo.tree(&commit.root()).await.unwrap();
    assert_eq!(tree.find("x").await.unwrap().as_deref(), Some("1"));
    repo.flush().await.unwrap();
    repo.close().await.unwrap();
    refused(repo.find_branch("main").await.map(drop), ErrorKind::Closed, "closed");
    refused(repo.flush().await, ErrorKind::Closed, "closed");
}

async fn a_copy_goes_its_own_way(bed: Bed) {
    let repo = bed.repo();
    let (_, second) = two_commits(&repo).await;
    let copy = repo.copy_branch("main", "copy").await.unwrap();
    assert_eq!(head(&copy).await, second);
    put(&copy, "x", "3").await;
    let main = repo.main().await.unwrap();
    assert_eq!((read(&main, "x").await, read(&copy, "x").await), ("2".into(), "3".into()));
}

async fn rename_and_copy_refuse_what_is_not_there_and_what_is_taken(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    repo.create_branch("draft", &first).await.unwrap();
    let (main, none) = (RefName::branch("main").unwrap(), RefName::branch("none").unwrap());
    let invalid = ErrorKind::InvalidInput;
    for answer in [repo.rename_branch("none", "x").await, repo.copy_branch("none", "x").await] {
        let error = refused(answer, invalid, "branch `none` does not exist");
        assert_eq!(*fault(&error), RefFault::Absent { name: none.clone() });
    }
    for from in ["draft", "main"] {
        for answer in [repo.rename_branch(from, "main").await, repo.copy_branch(from, "main").await]
        {
            let error = refused(answer, invalid, "branch `main` exists, on commit");
            assert_eq!(*fault(&error), exists(&main, &second));
        }
    }
    refused(repo.rename_branch("none", "none").await, invalid, "does not exist");
    assert_eq!(repo.branches().await.unwrap(), ["draft", "main"]);
}

async fn a_branch_is_removed_only_from_where_it_was_left(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    assert!(!repo.remove_branch_at("main", &first).await.unwrap());
    assert_eq!(heads(&repo, "").await, [("main".to_owned(), second.hash())]);
    assert!(repo.remove_branch_at("main", &second).await.unwrap());
    assert!(!repo.remove_branch_at("main", &second).await.unwrap());
    assert_eq!(heads(&repo, "").await, []);
}

async fn heads_are_listed_by_prefix_as_of_one_moment(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    for name in ["feature/b", "feature/a", "feature", "features"] {
        repo.create_branch(name, &first).await.unwrap();
    }
    repo.create_tag("feature/tag", &first).await.unwrap();
    let on_first = |names: &[&str]| -> Vec<(String, Sha1)> {
        names.iter().map(|name| ((*name).to_owned(), first.hash())).collect()
    };
    assert_eq!(heads(&repo, "feature/").await, on_first(&["feature/a", "feature/b"]));
    let all = ["feature", "feature/a", "feature/b", "features"];
    assert_eq!(heads(&repo, "feature").await, on_first(&all));
    assert_eq!(heads(&repo, "none").await, []);
    assert_eq!(heads(&repo, "../").await, []);

    // What is done while it is read is not in it, and a watch goes on after it.
    let listing = repo.heads("").await.unwrap();
    assert_eq!(listing.cursor(), end(&bed).await);
    let start = WatchStart::After(listing.cursor());
    repo.rename_branch("feature", "renamed").await.unwrap();
    let names: Vec<_> = listing.collect().await.unwrap().into_iter().map(|h| h.name).collect();
    assert_eq!(names, ["feature", "feature/a", "feature/b", "features", "main"]);
    let mut watch = repo.watch_from("", start).await.unwrap();
    let event = watch.next().await.unwrap().unwrap();
    assert!(matches!(event, BranchesEvent::Changed { branches, .. } if branches.len() == 2));
    assert_eq!(heads(&repo, "main").await, [("main".to_owned(), second.hash())]);
}

async fn a_tag_never_moves(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    repo.create_tag("v1.0", &first).await.unwrap();
    repo.create_tag("v1.0", &first).await.unwrap();
    let moved = repo.create_tag("v1.0", &second).await;
    let error = refused(moved, ErrorKind::InvalidInput, "take another name, or remove it first");
    assert_eq!(*fault(&error), exists(&RefName::tag("v1.0").unwrap(), &first));
    put(&repo.main().await.unwrap(), "x", "3").await;
    assert_eq!(repo.find_tag("v1.0").await.unwrap(), Some(first.clone()));
    assert_eq!(repo.find_tag("v2.0").await.unwrap(), None);
    repo.create_tag("v1.1", &second).await.unwrap();
    let both = [("v1.0".to_owned(), first.hash()), ("v1.1".to_owned(), second.hash())];
    assert_eq!((tags(&repo, "v1.").await, tags(&repo, "v2").await), (both.to_vec(), vec![]));
    assert!(repo.remove_tag("v1.0").await.unwrap());
    assert!(!repo.remove_tag("v1.0").await.unwrap());
    assert_eq!(repo.find_tag("v1.0").await.unwrap(), None);
    repo.create_tag("v1.0", &second).await.unwrap();
    assert_eq!(repo.find_tag("v1.0").await.unwrap(), Some(second));
}

async fn a_tag_whose_commit_is_missing_is_not_one_that_is_not_there(bed: Bed) {
    let repo = bed.repo();
    let (first, _) = two_commits(&repo).await;
    repo.create_tag("v1.0", &first).await.unwrap();
    bed.rig().lose(first.hash());
    refused(repo.find_tag("v1.0").await, ErrorKind::Missing, &first.hash().to_string());
    assert_eq!(tags(&repo, "").await.len(), 1);
}

async fn tags_and_branches_of_one_name_are_two(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    repo.create_tag("main", &first).await.unwrap();
    assert_eq!(head(&repo.main().await.unwrap()).await, second);
    assert!(repo.remove_branch("main").await.unwrap());
    assert_eq!(repo.find_tag("main").await.unwrap(), Some(first));
    assert_eq!(repo.branches().await.unwrap(), Vec::<String>::new());
}

async fn the_author_of_the_repository_is_in_every_note(bed: Bed) {
    let repo = bed.repo_that_counts();
    let (first, _) = two_commits(&repo).await;
    let main = repo.main().await.unwrap();
    repo.create_branch("a", &first).await.unwrap();
    repo.rename_branch("a", "b").await.unwrap();
    repo.copy_branch("b", "c").await.unwrap();
    repo.remove_branch_at("c", &first).await.unwrap();
    repo.remove_branch("b").await.unwrap();
    repo.create_tag("t", &first).await.unwrap();
    repo.remove_tag("t").await.unwrap();
    main.set_head(&first).await.unwrap();
    main.test_and_set_head(Some(&first), None).await.unwrap();
    let mut messages = Vec::new();
    let mut last = i64::MAX;
    for operation in repo.operations().await.unwrap().collect().await.unwrap() {
        let reason = operation.note.reason().expect("a repository wrote it").clone();
        assert_eq!(reason.author, "test");
        assert!(reason.time_ms < last, "each is later than the one before");
        last = reason.time_ms;
        messages.push(reason.message);
    }
    messages.reverse();
    let expected = [
        "set x to 1",
        "set x to 2",
        "create branch a",
        "rename branch a to b",
        "copy branch b to c",
        "remove branch c",
        "remove branch b",
        "create tag t",
        "remove tag t",
        "set head",
        "test and set head",
    ];
    assert_eq!(messages, expected);
}

async fn names_and_commits_are_checked_where_they_come_in(bed: Bed) {
    let repo = bed.repo();
    let (first, _) = two_commits(&repo).await;
    let (bad, invalid) = ("../up", ErrorKind::InvalidInput);
    refused(repo.create_branch(bad, &first).await, invalid, "branch name `../up`");
    refused(repo.rename_branch(bad, "x").await, invalid, "branch name `../up`");
    refused(repo.rename_branch("main", bad).await, invalid, "branch name `../up`");
    refused(repo.copy_branch(bad, "x").await, invalid, "branch name `../up`");
    refused(repo.copy_branch("main", bad).await, invalid, "branch name `../up`");
    refused(repo.remove_branch(bad).await, invalid, "branch name `../up`");
    refused(repo.remove_branch_at(bad, &first).await, invalid, "branch name `../up`");
    refused(repo.create_tag(bad, &first).await, invalid, "tag name `../up`");
    refused(repo.find_tag(bad).await, invalid, "tag name `../up`");
    refused(repo.remove_tag(bad).await, invalid, "tag name `../up`");
    let (_, foreign) = two_commits(&bed.another().await.repo()).await;
    let says = "is of another repository";
    refused(repo.create_branch("new", &foreign).await, invalid, says);
    refused(repo.remove_branch_at("main", &foreign).await, invalid, says);
    refused(repo.create_tag("new", &foreign).await, invalid, says);
}

const WRITERS: usize = 8;

/// Returns a commit for each of several writers, none of which a branch follows.
async fn commits(repo: &Repo<Text>) -> Vec<Commit<Text>> {
    let mut commits = Vec::new();
    for writer in 0..WRITERS {
        commits.push(put(&repo.empty(), "writer", &writer.to_string()).await);
    }
    commits
}

/// Runs one attempt of each writer at once, on repositories of their own and on a shared one; returns
/// the numbers of those who succeeded.
async fn race<T>(bed: &Bed, attempt: impl Fn(Repo<Text>, usize) -> T) -> Vec<usize>
where
    T: Future<Output = Result<(), Error>> + Send + 'static,
{
    let shared = bed.repo();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let repo = if writer % 2 == 0 { bed.repo() } else { shared.clone() };
        let attempt = attempt(repo, writer);
        writers.spawn(async move { (writer, attempt.await) });
    }
    let mut won = Vec::new();
    for (writer, answer) in writers.join_all().await {
        match answer {
            Ok(()) => won.push(writer),
            Err(error) => assert!(matches!(fault(&error), RefFault::Exists { .. })),
        }
    }
    won
}

async fn of_several_who_make_a_branch_one_does(bed: Bed) {
    for _ in 0..repeats() {
        let bed = bed.another().await;
        let hashes: Vec<_> = commits(&bed.repo()).await.iter().map(Commit::hash).collect();
        let won = race(&bed, |repo, writer| {
            let hash = hashes[writer];
            async move {
                let commit = repo.commit(&hash).await?.expect("it was made");
                repo.create_branch("new", &commit).await.map(drop)
            }
        });
        let [won] = won.await[..] else { panic!("one of them makes it") };
        assert_eq!(heads(&bed.repo(), "").await, [("new".to_owned(), hashes[won])]);
    }
}

async fn of_several_who_make_a_tag_one_does(bed: Bed) {
    for _ in 0..repeats() {
        let bed = bed.another().await;
        let hashes: Vec<_> = commits(&bed.repo()).await.iter().map(Commit::hash).collect();
        let won = race(&bed, |repo, writer| {
            // Two of them mean the same commit, so both may succeed.
            let hash = hashes[writer / 2];
            async move {
                let commit = repo.commit(&hash).await?.expect("it was made");
                repo.create_tag("new", &commit).await
            }
        });
        let won = won.await;
        let first = won[0] / 2;
        assert!(won.len() == 2 && won.iter().all(|writer| writer / 2 == first), "{won:?}");
        assert_eq!(tags(&bed.repo(), "").await, [("new".to_owned(), hashes[first])]);
    }
}

async fn of_several_who_rename_to_one_name_one_does(bed: Bed) {
    for _ in 0..repeats() {
        let bed = bed.another().await;
        let repo = bed.repo();
        let commits = commits(&repo).await;
        for (writer, commit) in commits.iter().enumerate() {
            repo.create_branch(&format!("from/{writer}"), commit).await.unwrap();
        }
        let won = race(&bed, |repo, writer| async move {
            repo.rename_branch(&format!("from/{writer}"), "to").await.map(drop)
        });
        let [won] = won.await[..] else { panic!("one of them is renamed") };
        assert_eq!(heads(&repo, "to").await, [("to".to_owned(), commits[won].hash())]);
        assert_eq!(heads(&repo, "from/").await.len(), WRITERS - 1);
    }
}

async fn renaming_goes_on_while_others_write(bed: Bed) {
    // Four write to one branch, which is carried from name to name meanwhile. Each write is either
    // on top of what the branch was, or begins the old name anew; so none of them fails.
    let repo = bed.repo();
    put(&repo.branch("name/0").await.unwrap(), "x", "0").await;
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let store: Store<Text> = bed.repo().branch("name/0").await.unwrap();
        writers.spawn(async move {
            for value in 0..20 {
                put(&store, &format!("writer/{writer}"), &value.to_string()).await;
                tokio::task::yield_now().await;
            }
        });
    }
    for number in 1..=10 {
        while repo.branch("name/0").await.unwrap().head().await.unwrap().is_none() {
            tokio::task::yield_now().await;
            while let Some(done) = writers.try_join_next() {
                done.expect("a writer");
            }
            if writers.is_empty() {
                break;
            }
        }
        match repo.rename_branch("name/0", &format!("name/{number}")).await {
            Ok(_) => {}
            Err(error) => assert!(matches!(fault(&error), RefFault::Absent { .. }), "{error:?}"),
        }
    }
    writers.join_all().await;
    // Every acknowledged write is in the history of exactly one of the names.
    let mut written = Vec::new();
    for name in repo.branches().await.unwrap() {
        let store = repo.branch(&name).await.unwrap();
        for commit in crate::bed::log(&store).await {
            written.push(commit.info().message.clone());
        }
    }
    written.retain(|message| message.contains("writer/"));
    written.sort();
    let mut expected: Vec<_> = (0..4)
        .flat_map(|writer| (0..20).map(move |value| format!("set writer/{writer} to {value}")))
        .collect();
    expected.sort();
    assert_eq!(written, expected);
}

async fn a_move_whose_answer_is_lost_is_known_to_be_done(bed: Bed) {
    let repo = bed.repo();
    let (first, second) = two_commits(&repo).await;
    // Each of these finds an answer lost, twice, after it was done or before.
    for fate in [Fate::Done, Fate::NotDone] {
        let lose = || {
            for _ in 0..2 {
                bed.rig().answer_next_update(fate, ErrorKind::Unavailable);
            }
        };
        lose();
        let draft = repo.create_branch("draft", &first).await.unwrap();
        lose();
        draft.set_head(&second).await.unwrap();
        lose();
        assert!(draft.test_and_set_head(Some(&second), Some(&first)).await.unwrap());
        lose();
        assert!(draft.fast_forward(&second).await.unwrap());
        lose();
        repo.copy_branch("draft", "copy").await.unwrap();
        lose();
        let renamed = repo.rename_branch("draft", "renamed").await.unwrap();
        assert_eq!(head(&renamed).await, second);
        lose();
        assert!(repo.remove_branch("renamed").await.unwrap());
        let removal = repo.operations().await.unwrap().next().await.unwrap().unwrap();
        lose();
        repo.undo(&removal).await.unwrap().done().unwrap();
        lose();
        assert!(repo.remove_branch_at("renamed", &second).await.unwrap());
        lose();
        repo.create_tag("tag", &first).await.unwrap();
        lose();
        assert!(repo.remove_tag("tag").await.unwrap());
        assert!(repo.remove_branch("copy").await.unwrap());
    }
    // One that stays away is told of, after a bounded number of tries.
    tokio::time::pause();
    for _ in 0..1000 {
        bed.rig().answer_next_update(Fate::NotDone, ErrorKind::Unavailable);
    }
    let error = repo.create_branch("draft", &first).await.map(drop);
    refused(error, ErrorKind::Unavailable, "the answer was lost");
}
