//! Transactions of several branches in one update, parents of one's own, and tests of whole
//! directories.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Result};
use ramus_kv::{
    BranchesEvent, Commit, Counter, Kv, Made, OnRace, Repo, RepoOptions, Store, Transaction,
    TransactionOptions, WatchStart,
};

use crate::bed::{Bed, Text, head, log, long_text, messages, put, read, refused, steps};
use crate::cancel::poll_times;
use crate::rig::Fate;

on_every_backend!(
    branches_of_one_update_move_together,
    one_that_fails_leaves_all_branches_as_they_were,
    branches_that_nothing_changed_stay_and_are_tested,
    a_race_of_one_branch_is_met_as_its_options_say,
    an_update_of_branches_that_always_move_ends_in_contention,
    the_branch_that_was_moved_is_the_one_that_is_named,
    blocks_of_several_branches_are_sent_once,
    a_lost_answer_of_several_branches_is_recognised,
    an_update_of_several_branches_that_the_storage_has_forgotten_is_recognised,
    an_update_of_several_branches_that_comes_late_is_applied_once,
    an_update_of_several_branches_that_never_came_is_made_anew,
    those_who_lock_the_same_branches_do_not_block_one_another,
    what_cannot_be_committed_together_is_refused,
    a_commit_has_the_parents_it_is_given_in_their_order,
    a_transaction_with_parents_is_never_merged,
    parents_that_are_not_there_or_elsewhere_are_refused,
    a_directory_is_tested_by_its_hash_and_not_read,
    the_test_of_a_directory_tells_contents_absence_and_emptiness_apart,
);

// In memory, since a future is polled so often that it gets to a certain place.
mod in_memory {
    use super::whoever_is_dropped_among_those_who_write_together_disturbs_nobody;

    on_every_backend!(@backend mem One
        whoever_is_dropped_among_those_who_write_together_disturbs_nobody);
    on_every_backend!(@backend joined One
        whoever_is_dropped_among_those_who_write_together_disturbs_nobody);
}

/// Begins as `begun` does, for a commit with these parents.
async fn with_parents<const N: usize>(
    store: &Store<Text>,
    value: &str,
    parents: [Commit<Text>; N],
) -> Transaction<Text> {
    let mut edit = begun(store, "y", value).await;
    edit.set_parents(parents);
    edit
}

async fn begun(store: &Store<Text>, path: &str, value: &str) -> Transaction<Text> {
    let mut edit = store.begin().await.unwrap();
    edit.set(path, value).await.unwrap();
    edit
}

async fn two(bed: &Bed) -> (Repo<Text>, Store<Text>, Store<Text>) {
    let repo = bed.repo();
    let (a, b) = (repo.branch("a").await.unwrap(), repo.branch("b").await.unwrap());
    put(&a, "x", "0").await;
    put(&b, "x", "0").await;
    (repo, a, b)
}

async fn branches_of_one_update_move_together(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let c = repo.branch("c").await.unwrap();
    let mut watch = repo.watch_from("", WatchStart::Now).await.unwrap();
    let edits = [(&b, "of b"), (&a, "of a"), (&c, "of c")];
    let mut transactions = Vec::new();
    for (store, why) in edits {
        transactions.push((begun(store, "x", why).await, why));
    }
    let commits = repo.commit_all(transactions).await.unwrap();
    for ((store, why), commit) in edits.into_iter().zip(&commits) {
        assert_eq!((Some(head(store).await), read(store, "x").await), (commit.clone(), why.into()));
        assert_eq!(messages(store).await[0], why);
    }
    let BranchesEvent::Changed { branches, .. } = watch.next().await.unwrap().unwrap() else {
        panic!("a change");
    };
    let names: Vec<_> = branches.iter().map(|change| change.branch.clone()).collect();
    assert_eq!(names, ["a", "b", "c"], "one event for all");
    let why = repo.operations().await.unwrap().next().await.unwrap().unwrap().note;
    let why = why.reason().unwrap();
    assert_eq!(why.message, "of b; of a; of c");
    assert_eq!(why.commits, Made::One, "one on each branch");
    let alike = [(begun(&a, "y", "1").await, "why"), (begun(&b, "y", "1").await, "why")];
    repo.commit_all(alike).await.unwrap();
    let why = repo.operations().await.unwrap().next().await.unwrap().unwrap().note;
    assert_eq!(why.reason().unwrap().message, "why", "each message once");
    assert_eq!(repo.commit_all(Vec::<(Transaction<Text>, &str)>::new()).await.unwrap(), []);
}

async fn one_that_fails_leaves_all_branches_as_they_were(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let before = (head(&a).await, head(&b).await);
    let (of_a, of_b) = (begun(&a, "x", "1").await, begun(&b, "x", "1").await);
    let moved = put(&b, "x", "2").await;
    let answer = repo.commit_all([(of_a, "a"), (of_b, "b")]).await;
    refused(answer, ErrorKind::Conflict, "`x` (both sides changed it");
    assert_eq!((head(&a).await, head(&b).await), (before.0, moved));
    put(&a, "others", "go on").await;
    put(&b, "others", "go on").await;
}

async fn branches_that_nothing_changed_stay_and_are_tested(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let still = head(&b).await;
    let (of_a, of_b) = (begun(&a, "x", "1").await, b.begin().await.unwrap());
    let commits = repo.commit_all([(of_a, "a"), (of_b, "b")]).await.unwrap();
    assert_eq!((commits[0].is_some(), commits[1].is_none(), head(&b).await), (true, true, still));
    let nothing = [(a.begin().await.unwrap(), "a"), (b.begin().await.unwrap(), "b")];
    assert_eq!(repo.commit_all(nothing).await.unwrap(), [None, None]);

    // Another process moves the branch that would stay, between the decision and the update.
    let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
    let (of_a, of_b) = (begun(&a, "x", "2").await, b.begin_with(refuse).await.unwrap());
    let other = bed.repo().branch("b").await.unwrap();
    bed.rig().before_next_write(async move { drop(put(&other, "x", "elsewhere").await) });
    let answer = repo.commit_all([(of_a, "a"), (of_b, "b")]).await;
    refused(answer, ErrorKind::Contention, "by now");
    assert_eq!(read(&a, "x").await, "1");
}

async fn a_race_of_one_branch_is_met_as_its_options_say(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let (of_a, of_b) = (begun(&a, "y", "1").await, begun(&b, "y", "1").await);
    put(&a, "z", "1").await;
    let other = bed.repo().branch("b").await.unwrap();
    bed.rig().before_next_write(async move { drop(put(&other, "z", "1").await) });
    let commits = repo.commit_all([(of_a, "a"), (of_b, "b")]).await.unwrap();
    assert!(commits.iter().all(Option::is_some));
    for store in [&a, &b] {
        assert_eq!(steps(store, "").await, ["x", "y", "z"]);
        assert_eq!(log(store).await.len(), 3);
    }
}

async fn an_update_of_branches_that_always_move_ends_in_contention(bed: Bed) {
    tokio::time::pause();
    let options = RepoOptions::default().with_attempts_max(1);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let a = repo.branch("a").await.unwrap();
    let edit = begun(&a, "x", "1").await;
    let other = bed.repo().branch("a").await.unwrap();
    bed.rig().before_next_write(async move { drop(put(&other, "y", "1").await) });
    let error = repo.commit_all([(edit, "a")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert!(format!("{error:?}").contains("before each of 1 attempts"), "{error:?}");
}

async fn the_branch_that_was_moved_is_the_one_that_is_named(bed: Bed) {
    tokio::time::pause();
    let options = RepoOptions::default().with_attempts_max(1);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let (a, b) = (repo.branch("a").await.unwrap(), repo.branch("b").await.unwrap());
    let other = bed.repo().branch("b").await.unwrap();
    put(&a, "x", "0").await;
    // With something to write on the branch that stays, and on none.
    for count in 0..2_usize {
        let mut of_a = a.begin().await.unwrap();
        if count == 1 {
            of_a.set("x", "1").await.unwrap();
        }
        let of_b = b.begin().await.unwrap();
        let (another, value) = (other.clone(), format!("{count}"));
        let first = async move { drop(put(&another, "y", &value).await) };
        if count == 1 {
            bed.rig().before_next_write(first);
        } else {
            bed.rig().before_next_update(first);
        }
        let error = repo.commit_all([(of_a, "a"), (of_b, "b")]).await;
        let says = format!(
            "branch `b` was moved by other writers before each of 1 attempts, at last to {}",
            head(&other).await.hash()
        );
        refused(error, ErrorKind::Contention, &says);
    }
    assert_eq!(read(&a, "x").await, "0");
}

async fn blocks_of_several_branches_are_sent_once(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let long = long_text("shared");
    let (of_a, of_b) = (begun(&a, "d/x", &long).await, begun(&b, "d/x", &long).await);
    let other = bed.repo().branch("b").await.unwrap();
    bed.rig().before_next_write(async move { drop(put(&other, "z", "1").await) });
    bed.rig().take_added();
    repo.commit_all([(of_a, "a"), (of_b, "b")]).await.unwrap();
    let mut added = bed.rig().take_added();
    let count = added.len();
    added.sort();
    added.dedup();
    assert_eq!(added.len(), count, "none is sent twice");
    assert_eq!((read(&a, "d/x").await, read(&b, "d/x").await), (long.clone(), long));
}

async fn a_lost_answer_of_several_branches_is_recognised(bed: Bed) {
    tokio::time::pause();
    let (repo, a, b) = two(&bed).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Ambiguous] {
        bed.rig().answer_next_write(Fate::Done, kind);
        let value = format!("{kind}");
        let edits = [(begun(&a, "x", &value).await, "a"), (begun(&b, "x", &value).await, "b")];
        let commits = repo.commit_all(edits).await.unwrap();
        assert_eq!(commits, [Some(head(&a).await), Some(head(&b).await)]);
    }
    assert_eq!((log(&a).await.len(), log(&b).await.len()), (3, 3));
}

async fn an_update_of_several_branches_that_the_storage_has_forgotten_is_recognised(bed: Bed) {
    tokio::time::pause();
    let (repo, a, b) = two(&bed).await;
    let others = bed.repo();
    for (taken, other) in [("a", "b"), ("b", "a")] {
        bed.rig().answer_next_write(Fate::Done, ErrorKind::Ambiguous);
        let edits = [(begun(&a, "x", taken).await, "a"), (begun(&b, "x", taken).await, "b")];
        let mut written = Box::pin(repo.commit_all(edits));
        bed.rig().be_slow();
        let (taken, other) =
            (others.branch(taken).await.unwrap(), others.branch(other).await.unwrap());
        let before = log(&other).await.len();
        while log(&other).await.len() == before {
            assert!(poll_times(written.as_mut(), 1).await.is_none());
        }
        // It is done; from one branch somebody takes it back before anybody looks.
        let heads = [head(&a).await, head(&b).await];
        let back = head(&taken).await.parents()[0];
        taken.set_head(&others.commit(&back).await.unwrap().unwrap()).await.unwrap();
        assert_eq!(written.await.unwrap(), heads.map(Some));
        assert_eq!(log(&other).await.len(), before + 1, "nothing is written twice");
        assert_eq!(head(&taken).await.hash(), back, "what was taken back stays so");
    }
}

async fn an_update_of_several_branches_that_comes_late_is_applied_once(bed: Bed) {
    tokio::time::pause();
    let (repo, a, b) = two(&bed).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Ambiguous] {
        let (before, value) = (log(&a).await.len(), format!("{kind}"));
        bed.rig().answer_next_write(Fate::BeforeNext, kind);
        let edits = [(begun(&a, "x", &value).await, "a"), (begun(&b, "x", &value).await, "b")];
        let commits = repo.commit_all(edits).await.unwrap();
        assert_eq!(commits, [Some(head(&a).await), Some(head(&b).await)]);
        assert_eq!((log(&a).await.len(), log(&b).await.len()), (before + 1, before + 1));
    }
}

async fn an_update_of_several_branches_that_never_came_is_made_anew(bed: Bed) {
    tokio::time::pause();
    let (repo, a, b) = two(&bed).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Ambiguous] {
        let (before, value) = (log(&a).await.len(), format!("{kind}"));
        bed.rig().answer_next_write(Fate::NotDone, kind);
        let edits = [(begun(&a, "x", &value).await, "a"), (begun(&b, "x", &value).await, "b")];
        let commits = repo.commit_all(edits).await.unwrap();
        assert_eq!(commits, [Some(head(&a).await), Some(head(&b).await)]);
        assert_eq!((log(&a).await.len(), log(&b).await.len()), (before + 1, before + 1));
    }
    // One that changes nothing is asked again, too.
    bed.rig().answer_next_update(Fate::NotDone, ErrorKind::Unavailable);
    let (nothing, same) = (a.begin().await.unwrap(), b.begin().await.unwrap());
    assert_eq!(repo.commit_all([(nothing, "a"), (same, "b")]).await.unwrap(), [None, None]);
}

async fn those_who_lock_the_same_branches_do_not_block_one_another(bed: Bed) {
    let repo = bed.repo_of::<Kv<Counter>>();
    bed.rig().be_slow();
    let tasks: tokio::task::JoinSet<Result<()>> = (0..12)
        .map(|task: usize| {
            let repo = repo.clone();
            async move {
                for round in 0..4 {
                    // Each names the branches in an order of its own.
                    let mut edits = Vec::new();
                    for step in 0..3 {
                        let name = format!("{}", (task + step * (1 + task % 2)) % 3);
                        let mut edit = repo.branch(&name).await?.begin().await?;
                        let Counter(last) = edit.find("n").await?.unwrap_or_default();
                        edit.set("n", last + 1).await?;
                        edits.push((edit, format!("{task}/{round}")));
                    }
                    repo.commit_all(edits).await?;
                    let own = repo.branch(&format!("{}", task % 3)).await?;
                    own.set(format!("own/{task}/{round}"), 1, "own").await?;
                }
                Ok(())
            }
        })
        .collect();
    for answer in tasks.join_all().await {
        answer.unwrap();
    }
    for name in ["0", "1", "2"] {
        let store = repo.branch(name).await.unwrap();
        assert_eq!(store.find("n").await.unwrap(), Some(Counter(48)));
        assert_eq!(log(&store).await.len(), 48 + 16);
    }
}

/// A write that says its name, to these branches.
struct Writer {
    name: &'static str,
    branches: &'static [&'static str],
    write: Option<BoxFuture<'static, Result<()>>>,
}

/// Returns writers of the branches `a`, `b` and `c`, two of several branches and five of one.
async fn writers(repo: &Repo<Text>) -> Vec<Writer> {
    let mut writers = Vec::new();
    for (name, branches) in [
        ("a and b", &["a", "b"][..]),
        ("edit a", &["a"]),
        ("again a", &["a"]),
        ("c, b and a", &["c", "b", "a"]),
        ("merge b", &["b"]),
        ("again b", &["b"]),
        ("edit b", &["b"]),
    ] {
        let mut begun_on = Vec::new();
        for branch in branches {
            begun_on.push((begun(&repo.branch(branch).await.unwrap(), name, "1").await, name));
        }
        let (repo, store) = (repo.clone(), repo.branch(branches[0]).await.unwrap());
        let write: BoxFuture<'static, Result<()>> = match name.split(' ').next().unwrap() {
            "edit" => Box::pin(async move { store.set(name, "1", name).await.map(drop) }),
            "again" => Box::pin(async move {
                let path = name.to_owned();
                store
                    .transact_again(name, async move |edit| edit.set(path.as_str(), "1").await)
                    .await
            }),
            _ => Box::pin(async move { repo.commit_all(begun_on).await.map(drop) }),
        };
        writers.push(Writer { name, branches, write: Some(write) });
    }
    writers
}

/// Polls all writers in turn until all are done, and drops one of them after so many polls; checks what
/// came of each. Returns whether the one was done before.
async fn drop_one(bed: &Bed, dropped: usize, polls: usize) -> bool {
    let bed = bed.another().await;
    let repo = bed.repo();
    for branch in ["a", "b", "c"] {
        put(&repo.branch(branch).await.unwrap(), "base", "0").await;
    }
    let mut writers = writers(&repo).await;
    bed.rig().be_slow();
    let mut was_done = false;
    for poll in 0.. {
        if poll == polls {
            was_done = writers[dropped].write.take().is_none();
        }
        for Writer { name, write, .. } in &mut writers {
            let Some(writing) = write else { continue };
            let polled = poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                *write = None;
            }
        }
        if poll > polls && writers.iter().all(|writer| writer.write.is_none()) {
            break;
        }
        assert!(poll < 1000, "they hang");
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    // Another process reads what there is.
    let repo = bed.repo();
    for (index, Writer { name, branches, .. }) in writers.into_iter().enumerate() {
        let mut written = Vec::new();
        for branch in branches {
            let store = repo.branch(branch).await.unwrap();
            let count = messages(&store).await.iter().filter(|message| *message == name).count();
            assert_eq!(count, usize::from(store.mem(name).await.unwrap()), "{name} on {branch}");
            written.push(count == 1);
        }
        let is_sure = index != dropped || was_done;
        let all_or_none = written.iter().all(|one| *one == written[0]);
        assert!(all_or_none, "{name}: {written:?}, {dropped} dropped after {polls}");
        assert!(written[0] || !is_sure, "{name} was disturbed by {dropped} after {polls}");
    }
    for branch in ["a", "b", "c"] {
        put(&repo.branch(branch).await.unwrap(), "others", "go on").await;
    }
    was_done
}

async fn whoever_is_dropped_among_those_who_write_together_disturbs_nobody(bed: Bed) {
    // Those who lost a race back off.
    tokio::time::pause();
    for dropped in 0..7 {
        let mut polls = 0;
        while !drop_one(&bed, dropped, polls).await {
            polls += 1;
        }
        assert!(polls > 5, "{polls} polls");
    }
}

async fn what_cannot_be_committed_together_is_refused(bed: Bed) {
    let (repo, a, b) = two(&bed).await;
    let twice = [(begun(&a, "x", "1").await, "1"), (begun(&a, "y", "1").await, "2")];
    refused(repo.commit_all(twice).await, ErrorKind::InvalidInput, "two transactions of");
    let aside = repo.detached(&head(&a).await).unwrap();
    let detached = [(begun(&aside, "x", "1").await, "1"), (begun(&b, "y", "1").await, "2")];
    refused(repo.commit_all(detached).await, ErrorKind::InvalidInput, "a detached handle");
    let elsewhere = bed.repo().branch("a").await.unwrap();
    let foreign = [(begun(&elsewhere, "x", "1").await, "1"), (begun(&b, "y", "1").await, "2")];
    refused(repo.commit_all(foreign).await, ErrorKind::InvalidInput, "another repository");
    assert_eq!((read(&a, "x").await, steps(&b, "").await), ("0".to_owned(), vec!["x".to_owned()]));
}

async fn a_commit_has_the_parents_it_is_given_in_their_order(bed: Bed) {
    let (_, a, b) = two(&bed).await;
    let (on_a, on_b) = (head(&a).await, head(&b).await);
    let edit = with_parents(&a, "1", [on_b.clone(), on_a.clone()]).await;
    let commit = a.commit(edit, "both").await.unwrap().unwrap();
    assert_eq!(commit.parents(), [on_b.hash(), on_a.hash()]);
    let edit = with_parents(&a, "2", [on_b.clone()]).await;
    let squashed = a.commit(edit, "squashed").await.unwrap().unwrap();
    assert_eq!((squashed.parents(), log(&a).await.len()), (&[on_b.hash()][..], 2));
    let edit = with_parents(&a, "3", []).await;
    let root = a.commit(edit, "root").await.unwrap().unwrap();
    assert_eq!((root.parents().len(), log(&a).await), (0, vec![root]));
}

async fn a_transaction_with_parents_is_never_merged(bed: Bed) {
    let (repo, a, _) = two(&bed).await;
    let base = head(&a).await;
    let edit = with_parents(&a, "1", [base.clone()]).await;
    put(&a, "z", "1").await;
    refused(a.commit(edit, "late").await, ErrorKind::Contention, "by now");
    let edit = with_parents(&a, "1", [base]).await;
    put(&a, "z", "2").await;
    refused(repo.commit_all([(edit, "late")]).await, ErrorKind::Contention, "by now");
    assert_eq!(
        (read(&a, "z").await, steps(&a, "").await),
        ("2".into(), vec!["x".into(), "z".to_owned()])
    );
}

async fn parents_that_are_not_there_or_elsewhere_are_refused(bed: Bed) {
    let (_, a, _) = two(&bed).await;
    let elsewhere = head(&bed.repo().branch("b").await.unwrap()).await;
    let edit = with_parents(&a, "1", [elsewhere]).await;
    refused(a.commit(edit, "y").await, ErrorKind::InvalidInput, "is of another repository");
    let aside = a.repo().empty();
    let lost: Commit<Text> = put(&aside, "x", "1").await;
    bed.rig().lose(lost.hash());
    let edit = with_parents(&a, "1", [lost.clone()]).await;
    refused(a.commit(edit, "y").await, ErrorKind::Missing, &lost.hash().to_string());
    // A closure puts another transaction in the place of its own.
    let replaced = async |edit: &mut Transaction<Text>| {
        *edit = with_parents(&a, "1", [lost.clone()]).await;
        Ok(())
    };
    let name = lost.hash().to_string();
    refused(a.transact("y", replaced).await, ErrorKind::Missing, &name);
    refused(a.transact_again("y", replaced).await, ErrorKind::Missing, &name);
    assert_eq!(messages(&a).await, ["set x to 0"]);
}

async fn a_directory_is_tested_by_its_hash_and_not_read(bed: Bed) {
    let main = bed.main().await;
    put(&main, "dir/sub/x", &long_text("1")).await;
    put(&main, "other", "1").await;
    let dir = main.find_tree("dir").await.unwrap().unwrap();
    let hash = dir.hash().await.unwrap();
    // A process that has read nothing, on a storage that has lost the directory.
    let fresh = bed.main().await;
    bed.rig().lose(hash);
    let unread = fresh.repo().tree(&hash).await.unwrap();
    let replaced = fresh.repo().empty_tree();
    assert!(fresh.test_and_set_tree("dir", Some(&unread), Some(&unread), "same").await.unwrap());
    assert_eq!(messages(&fresh).await.len(), 2, "nothing has changed");
    let wrong = fresh.tree().await.unwrap();
    assert!(!fresh.test_and_set_tree("dir", Some(&wrong), None, "wrong").await.unwrap());
    assert!(fresh.test_and_set_tree("dir", Some(&unread), Some(&replaced), "gone").await.unwrap());
    assert_eq!(steps(&fresh, "").await, ["other"]);
}

async fn the_test_of_a_directory_tells_contents_absence_and_emptiness_apart(bed: Bed) {
    let main = bed.main().await;
    put(&main, "file", "1").await;
    put(&main, "dir/x", "1").await;
    let (dir, empty) = (main.find_tree("dir").await.unwrap().unwrap(), main.repo().empty_tree());
    let test = async |path: &str, test: Option<&ramus_kv::Tree<Text>>| {
        main.test_and_set_tree(path, test, test, "test").await.unwrap()
    };
    assert!(test("dir", Some(&dir)).await);
    assert!(!test("dir", None).await && !test("dir", Some(&empty)).await);
    assert!(!test("file", Some(&dir)).await && !test("file", None).await);
    assert!(test("nothing", None).await && test("nothing", Some(&empty)).await);
    assert!(!test("nothing", Some(&dir)).await);
    assert!(test("", Some(&main.tree().await.unwrap())).await && !test("", None).await);
    assert_eq!(log(&main).await.len(), 2, "tests alone make no commit");

    assert!(main.test_and_set_tree("copy", None, Some(&dir), "copy").await.unwrap());
    assert_eq!(read(&main, "copy/x").await, "1");
    assert!(main.test_and_set_tree("copy", Some(&dir), None, "remove").await.unwrap());
    assert_eq!(steps(&main, "").await, ["dir", "file"]);
    let onto_contents = main.test_and_set_tree("file/x", None, Some(&dir), "below contents").await;
    refused(onto_contents, ErrorKind::InvalidInput, "`file`");
}
