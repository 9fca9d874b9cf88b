//! Writers of one branch that wait for one another: one of them writes for all, and none has to answer
//! for another.
//!
//! The storage waits before and after each call, so that the others come while one writes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures::future::BoxFuture;
use ramus_core::{AtomicWrite as _, Changes, Cursor, Error, ErrorKind, Result, Sha1, Storage as _};
use ramus_kv::{
    BranchesEvent, CollectOptions, Commit, Conflict, Contents, Counter, Kv, Made, MergeOptions,
    Note, OnRace, PickOptions, Repo, Store, Transaction, TransactionOptions, merge,
};
use tokio::runtime::Builder;

use crate::backends;
use crate::bed::{Bed, Text, head, log, long_text, messages, next, put, read, refused, steps};
use crate::rig::Fate;

on_every_backend!(
    writers_that_wait_share_one_update,
    writers_that_come_again_share_the_next_update,
    writers_that_come_again_share_the_next_update_however_many_they_are,
    the_note_of_a_combined_update_says_which_commits_it_carries,
    each_commit_of_an_update_is_on_top_of_the_one_before,
    plain_edits_are_judged_at_the_tip_in_the_order_they_came,
    transactions_of_one_update_are_merged_with_one_another,
    only_the_first_of_those_that_refuse_is_taken,
    a_conflict_is_only_that_of_the_writer_who_has_it,
    a_block_that_is_too_large_is_only_that_of_its_writer,
    a_type_that_panics_aborts_its_own_writer_alone,
    a_merge_or_a_test_that_panics_aborts_its_own_writer_alone,
    what_the_storage_refuses_is_tried_one_by_one,
    a_failure_of_the_storage_is_told_to_all_and_nothing_is_written,
    a_lost_answer_is_recognised,
    an_ambiguous_answer_is_resolved_by_reading,
    a_lost_answer_is_recognised_also_when_others_wrote_since,
    an_update_that_comes_late_is_applied_once,
    an_update_that_comes_after_another_was_made_in_its_place_is_refused,
    blocks_of_a_detached_commit_are_kept_while_they_are_added,
    blocks_that_are_stored_are_not_sent_again_after_a_lost_race,
    what_is_prepared_anew_after_a_lost_race_is_not_sent_again,
    a_transaction_that_is_too_large_to_wait_as_edits_is_sent_once,
    large_transactions_of_one_update_send_each_block_once,
    whoever_is_dropped_at_any_poll_disturbs_nobody,
    a_round_is_bounded_in_bytes,
    a_round_is_bounded_in_writers,
    a_combined_update_is_one_event_of_every_watch,
    writers_of_a_detached_handle_are_combined,
    what_another_writer_deleted_is_not_brought_back_by_an_edit,
    a_tree_in_place_of_the_whole_is_merged_as_a_whole,
);

type Write = BoxFuture<'static, Result<Option<Commit<Text>>>>;

/// Returns a write of one value under its own name.
fn set(store: &Store<Text>, name: impl Into<String>, value: impl Into<String>) -> Write {
    let (store, name, value) = (store.clone(), name.into(), value.into());
    Box::pin(async move { store.set(name.as_str(), value, name.as_str()).await })
}

/// Polls all of these in order again and again until they are done.
async fn all<T>(writes: impl IntoIterator<Item = T>) -> Vec<T::Output>
where
    T: Future,
{
    futures::future::join_all(writes).await
}

/// Polls a future once.
pub(crate) async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Returns the changes of the refs since the beginning: how many, and their notes.
async fn notes(bed: &Bed) -> Vec<Note<Sha1>> {
    let refs = bed.rig().at_once().refs();
    let mut notes = Vec::new();
    let mut cursor = Cursor { sequence: 0, ..refs.position().await.unwrap() };
    loop {
        let Changes::Page(page) = refs.changes(cursor, 1000).await.unwrap() else {
            panic!("the log is short");
        };
        notes.extend(page.changes.iter().map(|change| Note::decode(&change.note)));
        if page.is_last() {
            return notes;
        }
        cursor = page.next;
    }
}

async fn writers_that_wait_share_one_update(bed: Bed) {
    let main = bed.main().await;
    put(&main, "base", "1").await;
    bed.rig().be_slow();
    let before = bed.rig().writes();
    let answers = all((0..50).map(|i| set(&main, format!("w{i}"), "1"))).await;
    assert_eq!(bed.rig().writes() - before, 2, "the first, and one for those who came meanwhile");
    assert_eq!(steps(&main, "").await.len(), 51);
    assert_eq!(log(&main).await.len(), 51, "each keeps its own commit");
    let mut commits: Vec<_> = answers.into_iter().map(|one| one.unwrap().unwrap()).collect();
    assert_eq!(commits.pop(), main.head().await.unwrap());
    assert_eq!(commits[7].info().message, "w7");
}

async fn writers_that_come_again_share_the_next_update(bed: Bed) {
    let sent = come_again(bed, 8, 10).await;
    assert!(sent <= 13, "ten rounds of eight, and the first writer alone, not {sent} updates");
}

/// More than a runtime lets run before it looks after those who gave way to others.
async fn writers_that_come_again_share_the_next_update_however_many_they_are(bed: Bed) {
    let sent = come_again(bed, 130, 3).await;
    assert!(sent <= 5, "three rounds of all, and the first writer alone, not {sent} updates");
}

/// A worker of a runtime of threads looks after who gave way before others that are ready, now and then.
#[test]
fn writers_that_come_again_on_a_worker_share_the_next_update() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let sent = runtime.expect("a runtime").block_on(async {
        let bed = Bed::new(backends::mem).await;
        // On the worker, as all that they spawn.
        tokio::spawn(come_again(bed, 100, 20)).await.expect("the writers")
    });
    assert!(sent <= 26, "twenty rounds of all, and the first writer alone, not {sent} updates");
}

/// Lets writers write so often each, one commit after the other; returns how many updates were sent.
async fn come_again(bed: Bed, writers: usize, each: usize) -> usize {
    let main = bed.main().await;
    put(&main, "base", "1").await;
    bed.rig().be_slow();
    let before = bed.rig().writes();
    let tasks = (0..writers).map(|writer| {
        let main = main.clone();
        tokio::spawn(async move {
            for i in 0..each {
                main.set(format!("w{writer}"), format!("{i}"), "again").await.unwrap();
            }
        })
    });
    all(tasks).await.into_iter().for_each(Result::unwrap);
    assert_eq!(log(&main).await.len(), writers * each + 1);
    bed.rig().writes() - before
}

async fn the_note_of_a_combined_update_says_which_commits_it_carries(bed: Bed) {
    let main = bed.main().await;
    bed.rig().be_slow();
    let commits = all((0..4).map(|i| set(&main, format!("w{i}"), "1"))).await;
    let commits: Vec<_> = commits.into_iter().map(|one| one.unwrap().unwrap().hash()).collect();
    let notes = notes(&bed).await;
    let said: Vec<_> = notes.iter().map(|note| note.reason().expect("a note of ours")).collect();
    assert_eq!((said[0].message.as_str(), said[0].commits), ("w0", Made::One));
    let several = Made::Several { count: 3, first: commits[1], last: commits[3] };
    assert_eq!((said[1].message.as_str(), said[1].commits), ("w3", several));
    assert_eq!(notes.len(), 2);
}

async fn each_commit_of_an_update_is_on_top_of_the_one_before(bed: Bed) {
    let main = bed.main().await;
    bed.rig().be_slow();
    let answers = all((0..10).map(|i| set(&main, format!("w{i}"), long_text("v")))).await;
    let mut before: Vec<_> = Vec::new();
    for (i, answer) in answers.into_iter().enumerate() {
        let commit = answer.unwrap().unwrap();
        assert_eq!(commit.parents(), before);
        assert_eq!(commit.tree().list("").await.unwrap().len(), i + 1);
        assert_eq!(commit.tree().find("w0").await.unwrap(), Some(long_text("v")));
        before = vec![commit.hash()];
    }
    // Another process reads all of it, so all of it is stored.
    let other = bed.main().await;
    assert_eq!(log(&other).await.len(), 10);
    assert_eq!(read(&other, "w9").await, long_text("v"));
}

async fn plain_edits_are_judged_at_the_tip_in_the_order_they_came(bed: Bed) {
    let main = bed.main().await;
    put(&main, "n", "0").await;
    bed.rig().be_slow();
    let step = |from: usize, to: usize| {
        let main = main.clone();
        Box::pin(async move {
            let (from, to) = (Some(format!("{from}")), Some(format!("{to}")));
            main.test_and_set("n", from, to, "step").await
        })
    };
    // In order they pass, each on what the one before wrote; out of order they do not.
    let passed =
        all([step(7, 8), step(0, 1), step(1, 2), step(3, 4), step(2, 3), step(3, 4)]).await;
    let passed: Vec<bool> = passed.into_iter().map(Result::unwrap).collect();
    assert_eq!(passed, [false, true, true, false, true, true]);
    assert_eq!((read(&main, "n").await, log(&main).await.len()), ("4".to_owned(), 5));
    // The test is made also when nothing would change.
    let same = all([step(4, 4), step(4, 5), step(4, 4), step(5, 5)]).await;
    let same: Vec<bool> = same.into_iter().map(Result::unwrap).collect();
    assert_eq!(same, [true, true, false, true]);
    assert_eq!(log(&main).await.len(), 6);
}

async fn transactions_of_one_update_are_merged_with_one_another(bed: Bed) {
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    main.set("n", 0, "zero").await.unwrap();
    let mut edits = Vec::new();
    for i in 0..10 {
        let mut edit = main.begin().await.unwrap();
        edit.set("n", i).await.unwrap();
        edit.set(format!("dir/{i}"), 1).await.unwrap();
        edits.push((main.clone(), edit));
    }
    bed.rig().be_slow();
    let before = bed.rig().writes();
    let commits =
        all(edits.into_iter().map(|(main, edit)| async move { main.commit(edit, "add").await }));
    for commit in commits.await {
        assert_eq!(commit.unwrap().unwrap().parents().len(), 1);
    }
    assert!(bed.rig().writes() - before <= 2);
    assert_eq!(main.find("n").await.unwrap(), Some(Counter(45)));
    assert_eq!(steps(&main, "dir").await.len(), 10);
    assert_eq!(
        log(&main).await.len(),
        11,
        "the one that added nothing to n has an entry of its own"
    );
}

async fn only_the_first_of_those_that_refuse_is_taken(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "0").await;
    let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
    let mut edits = Vec::new();
    for i in 0..10 {
        let mut edit = main.begin_with(refuse).await.unwrap();
        edit.set(format!("{i}"), "1").await.unwrap();
        edits.push((main.clone(), edit));
    }
    bed.rig().be_slow();
    let answers =
        all(edits.into_iter().map(|(main, edit)| async move { main.commit(edit, "one").await }))
            .await;
    let mut answers = answers.into_iter();
    answers.next().unwrap().unwrap().unwrap();
    for late in answers {
        refused(late, ErrorKind::Contention, "by now");
    }
    assert_eq!(steps(&main, "").await, ["0", "x"]);
}

async fn a_conflict_is_only_that_of_the_writer_who_has_it(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "0").await;
    let mut edits = Vec::new();
    for i in 0..6 {
        let mut edit = main.begin().await.unwrap();
        let path = if i % 2 == 0 { "x".to_owned() } else { format!("own/{i}") };
        edit.set(path, format!("by {i}")).await.unwrap();
        edits.push((main.clone(), edit));
    }
    bed.rig().be_slow();
    let answers =
        all(edits.into_iter().map(|(main, edit)| async move { main.commit(edit, "one").await }))
            .await;
    for (i, answer) in answers.into_iter().enumerate() {
        if i == 2 || i == 4 {
            let error = refused(answer, ErrorKind::Conflict, "`x` (both sides changed it");
            let source = std::error::Error::source(&error).expect("a source");
            let conflicts = source.downcast_ref::<ramus_kv::Conflicts<Text>>().expect("conflicts");
            let ours = conflicts.iter().next().unwrap().ours.clone();
            assert!(matches!(ours, Some(ramus_kv::Side::Contents(ours)) if ours == "by 0"));
        } else {
            answer.unwrap().unwrap();
        }
    }
    assert_eq!((read(&main, "x").await, steps(&main, "own").await.len()), ("by 0".to_owned(), 3));
}

async fn a_block_that_is_too_large_is_only_that_of_its_writer(bed: Bed) {
    let main = bed.main().await;
    bed.rig().limit_blocks(2000);
    bed.rig().be_slow();
    let writes = (0..9).map(|i| {
        let value = if i % 3 == 1 { "x".repeat(3000) } else { long_text("x") };
        set(&main, format!("{i}"), value)
    });
    for (i, answer) in all(writes).await.into_iter().enumerate() {
        if i % 3 == 1 {
            refused(answer, ErrorKind::Limit, "at most 2000");
        } else {
            answer.unwrap().unwrap();
        }
    }
    assert_eq!(steps(&main, "").await, ["0", "2", "3", "5", "6", "8"]);
}

/// A text that cannot be encoded if it is `panic`.
#[derive(Clone, Debug, PartialEq)]
struct Touchy(String);

impl Contents for Touchy {
    fn encode(&self) -> Result<bytes::Bytes> {
        assert_ne!(self.0, "panic", "it is touchy");
        Ok(bytes::Bytes::copy_from_slice(self.0.as_bytes()))
    }

    fn decode(encoded: &bytes::Bytes) -> Result<Self> {
        let text = std::str::from_utf8(encoded).map_err(|_| Error::corrupt("no text"))?;
        Ok(Self(text.to_owned()))
    }
}

async fn a_type_that_panics_aborts_its_own_writer_alone(bed: Bed) {
    let main = bed.repo_of::<Kv<Touchy>>().main().await.unwrap();
    bed.rig().be_slow();
    let writes = (0..9).map(|i| {
        let main = main.clone();
        let text = if i % 4 == 0 { "panic" } else { "calm" };
        async move { main.set(format!("{i}"), Touchy(text.to_owned()), "set").await }
    });
    for (i, answer) in all(writes).await.into_iter().enumerate() {
        if i % 4 == 0 {
            refused(answer, ErrorKind::Aborted, "it is touchy");
        } else {
            answer.unwrap().unwrap();
        }
    }
    assert_eq!(steps(&main, "").await, ["1", "2", "3", "5", "6", "7"]);
}

async fn what_the_storage_refuses_is_tried_one_by_one(bed: Bed) {
    let main = bed.main().await;
    bed.rig().be_slow();
    // The second write is that of all who waited; what it refuses is sent by itself, and then the
    // first of those is refused again.
    let mut writes: Vec<Write> = (0..6).map(|i| set(&main, format!("{i}"), "1")).collect();
    while bed.rig().writes() == 0 {
        assert!(poll_once(&mut writes[0]).await.is_pending());
    }
    bed.rig().answer_next_write(Fate::NotDone, ErrorKind::Limit);
    bed.rig().answer_next_write(Fate::NotDone, ErrorKind::Limit);
    let answers = all(writes).await;
    for (i, answer) in answers.into_iter().enumerate() {
        if i == 1 {
            refused(answer, ErrorKind::Limit, "the answer was lost");
        } else {
            answer.unwrap().unwrap();
        }
    }
    assert_eq!(steps(&main, "").await, ["0", "2", "3", "4", "5"]);
}

async fn a_failure_of_the_storage_is_told_to_all_and_nothing_is_written(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    bed.rig().be_slow();
    for _ in 0..18 {
        bed.rig().answer_next_write(Fate::NotDone, ErrorKind::Unavailable);
    }
    for answer in all((0..5).map(|i| set(&main, format!("{i}"), "1"))).await {
        refused(answer, ErrorKind::Unavailable, "the answer was lost");
    }
    assert_eq!(messages(&main).await, ["set x to 0"]);
    put(&main, "x", "1").await;
}

async fn a_lost_answer_is_recognised(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    bed.rig().be_slow();
    for _ in 0..3 {
        bed.rig().answer_next_write(Fate::Done, ErrorKind::Unavailable);
    }
    bed.rig().answer_next_write(Fate::NotDone, ErrorKind::Unavailable);
    for answer in all((0..5).map(|i| set(&main, format!("{i}"), "1"))).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(log(&main).await.len(), 6, "nothing is written twice");
    assert_eq!(notes(&bed).await.len(), 3);
}

async fn an_ambiguous_answer_is_resolved_by_reading(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    bed.rig().be_slow();
    for fate in [Fate::Done, Fate::NotDone, Fate::Done, Fate::NotDone] {
        bed.rig().answer_next_write(fate, ErrorKind::Ambiguous);
    }
    for round in 0..3 {
        let writes = (0..5).map(|i| set(&main, format!("{round}/{i}"), "1"));
        for answer in all(writes).await {
            answer.unwrap().unwrap();
        }
    }
    assert_eq!(log(&main).await.len(), 16, "nothing is written twice");
}

async fn a_lost_answer_is_recognised_also_when_others_wrote_since(bed: Bed) {
    tokio::time::pause();
    let (main, other) = (bed.main().await, bed.main().await);
    put(&main, "x", "0").await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Ambiguous] {
        bed.rig().answer_next_write(Fate::Done, kind);
        let (written, other) = (set(&main, format!("{kind}"), "1"), other.clone());
        let mut written = written;
        bed.rig().be_slow();
        // It is sent and done; then another process writes, before the answer is missed.
        let before = log(&other).await.len();
        while log(&other).await.len() == before {
            assert!(poll_once(&mut written).await.is_pending());
        }
        put(&other, "others", &format!("{kind}")).await;
        let commit = written.await.unwrap().unwrap();
        assert_eq!(head(&main).await.parents(), [commit.hash()]);
    }
    assert_eq!(log(&main).await.len(), 5);
}

async fn an_update_that_comes_late_is_applied_once(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    for (round, kind) in [ErrorKind::Unavailable, ErrorKind::Ambiguous].into_iter().enumerate() {
        // The next attempt finds that it came.
        bed.rig().answer_next_write(Fate::BeforeNext, kind);
        let writes = (0..5).map(|i| set(&main, format!("{round}/{i}"), "1"));
        for answer in all(writes).await {
            answer.unwrap().unwrap();
        }
        assert_eq!(log(&main).await.len(), 1 + 5 * (round + 1), "nothing is written twice");
    }
}

async fn an_update_that_comes_after_another_was_made_in_its_place_is_refused(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "x", "0").await;
    for round in 0..2 {
        bed.rig().answer_next_write(Fate::Later, ErrorKind::Ambiguous);
        let writes = (0..5).map(|i| set(&main, format!("{round}/{i}"), "1"));
        for answer in all(writes).await {
            answer.unwrap().unwrap();
        }
        let now = head(&main).await;
        assert!(!bed.rig().deliver_late().await, "the head is not where it has to be any more");
        assert_eq!(head(&bed.main().await).await, now);
    }
    assert_eq!(log(&main).await.len(), 11);
}

async fn blocks_of_a_detached_commit_are_kept_while_they_are_added(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "x", "0").await;
    if bed.rig().sweep().is_none() {
        return;
    }
    let detached = main.repo().detached(&base).unwrap();
    // Another process collects after each block, when only what it will be part of reaches it.
    let others = Repo::<Text>::new(bed.rig().at_once().clone());
    bed.rig().after_each_block(move || {
        let others = others.clone();
        async move {
            others.collect(CollectOptions::default()).await.unwrap();
        }
    });
    let mut edit = detached.begin().await.unwrap();
    for path in ["a/b", "a/c", "d"] {
        edit.set(path, long_text(path)).await.unwrap();
    }
    detached.commit(edit, "write").await.unwrap().unwrap();
    let elsewhere = bed.repo();
    let commit = elsewhere.commit(&head(&detached).await.hash()).await.unwrap().unwrap();
    for path in ["a/b", "a/c", "d"] {
        assert_eq!(commit.tree().find(path).await.unwrap(), Some(long_text(path)));
    }
}

async fn blocks_that_are_stored_are_not_sent_again_after_a_lost_race(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "base", "0").await;
    for round in 0..3 {
        let mut edit = main.begin().await.unwrap();
        for i in 0..20 {
            edit.set(format!("dir{round}/{i}"), long_text(&format!("{round}/{i}"))).await.unwrap();
        }
        others_come_first(&bed, &format!("{round}")).await;
        main.commit(edit, "many").await.unwrap().unwrap();
        sent_once(&bed);
    }
    assert_eq!(log(&main).await.len(), 7);
}

/// Lets another process write before the next write is judged, and forgets what was sent so far.
async fn others_come_first(bed: &Bed, value: &str) {
    let (other, value) = (bed.main().await, value.to_owned());
    bed.rig().before_next_write(async move { drop(put(&other, "others", &value).await) });
    bed.rig().take_added();
}

/// Checks that many blocks were sent since, and each once.
#[track_caller]
fn sent_once(bed: &Bed) {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for hash in bed.rig().take_added() {
        *counts.entry(hash).or_default() += 1;
    }
    assert!(counts.len() > 20, "{} blocks", counts.len());
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

async fn what_is_prepared_anew_after_a_lost_race_is_not_sent_again(bed: Bed) {
    tokio::time::pause();
    let main = bed.main().await;
    many(&main, "base").await;
    let fork = main.fork("fork").await.unwrap();
    let theirs = many(&fork, "theirs").await;
    put(&main, "ours", "1").await;
    let runs = Arc::new(AtomicUsize::new(0));

    others_come_first(&bed, "again").await;
    let (run, count) = (main.clone(), Arc::clone(&runs));
    run.transact_again("again", async |edit| {
        count.fetch_add(1, Ordering::SeqCst);
        write_many(edit, "again").await
    })
    .await
    .unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2, "the first one lost the race");
    sent_once(&bed);

    others_come_first(&bed, "merge").await;
    let no_ff = MergeOptions::default().no_ff();
    main.merge_with(&theirs, no_ff, "merge").await.unwrap().clean().unwrap();
    sent_once(&bed);

    let picked = many(&fork, "picked").await;
    others_come_first(&bed, "pick").await;
    main.cherry_pick(&picked, PickOptions::default()).await.unwrap().clean().unwrap();
    sent_once(&bed);

    others_come_first(&bed, "revert").await;
    main.revert(&theirs, PickOptions::default()).await.unwrap().clean().unwrap();
    sent_once(&bed);

    assert_eq!(read(&main, "others").await, "revert");
    assert_eq!(read(&main, "dir7/again").await, long_text("7again"));
    assert_eq!(main.find("dir7/theirs").await.unwrap(), None);
    assert_eq!(read(&main, "dir7/picked").await, long_text("7picked"));
}

/// Edits of more than a mebibyte are blocks long before the commit.
async fn a_transaction_that_is_too_large_to_wait_as_edits_is_sent_once(bed: Bed) {
    const COUNT: usize = 15_000;
    tokio::time::pause();
    let main = bed.main().await;
    put(&main, "base", "0").await;
    let begin = async |on_race| {
        let options = TransactionOptions::default().with_on_race(on_race);
        let mut edit = main.begin_with(options).await.unwrap();
        for number in 0..COUNT {
            edit.set(format!("dir{}/{number:05}", number % 3), number.to_string()).await.unwrap();
        }
        edit
    };

    let refused_edit = begin(OnRace::Refuse).await;
    put(&bed.main().await, "others", "refuse").await;
    bed.rig().take_added();
    let answer = main.commit(refused_edit, "refused").await;
    refused(answer, ErrorKind::Contention, "");
    assert_eq!(bed.rig().take_added(), [], "nothing of what was refused");

    let edit = begin(OnRace::Merge).await;
    others_come_first(&bed, "merge").await;
    let merged = main.commit(edit, "many").await.unwrap().unwrap();
    sent_once(&bed);
    let tree = merged.tree();
    assert_eq!((read(&main, "others").await, log(&main).await.len()), ("merge".to_owned(), 4));
    for part in 0..3 {
        assert_eq!(tree.len(format!("dir{part}")).await.unwrap(), COUNT as u64 / 3);
    }
    assert_eq!(read(&main, "dir2/14999").await, "14999");
}

async fn large_transactions_of_one_update_send_each_block_once(bed: Bed) {
    const COUNT: u64 = 8000;
    let main = bed.main().await;
    put(&main, "base", "0").await;
    let mut edits = Vec::new();
    for writer in 0..3 {
        let mut edit = main.begin().await.unwrap();
        for number in 0..COUNT {
            // Other blocks for each.
            let value = format!("{number} of {writer}");
            edit.set(format!("dir{writer}/{number:05}"), value).await.unwrap();
        }
        edits.push((writer, edit));
    }
    bed.rig().be_slow();
    bed.rig().take_added();
    let before = bed.rig().writes();
    let commits = edits.into_iter().map(|(writer, edit)| {
        let main = main.clone();
        async move { main.commit(edit, format!("w{writer}")).await }
    });
    for answer in all(commits).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(bed.rig().writes() - before, 2, "the last two share one");
    sent_once(&bed);
    for writer in 0..3 {
        let len = main.tree().await.unwrap().len(format!("dir{writer}")).await.unwrap();
        assert_eq!(len, COUNT);
    }
}

/// Writes a long value of its own to each of twenty directories.
async fn write_many(edit: &mut Transaction<Text>, name: &str) -> Result<()> {
    for i in 0..20 {
        edit.set(format!("dir{i}/{name}"), long_text(&format!("{i}{name}"))).await?;
    }
    Ok(())
}

async fn many(store: &Store<Text>, name: &str) -> Commit<Text> {
    store.transact(name, async |edit| write_many(edit, name).await).await.unwrap();
    head(store).await
}

/// Returns a write of one value under its own name, of one of five kinds; a merge brings what was
/// prepared for it.
fn write(main: &Store<Text>, i: usize) -> BoxFuture<'static, Result<()>> {
    let (main, name) = (main.clone(), format!("w{i}"));
    Box::pin(async move {
        let why = name.clone();
        match i % 5 {
            0 => main.set(name, "1", why).await.map(drop),
            1 => {
                let mut edit = main.begin().await?;
                edit.set(name, "1").await?;
                main.commit(edit, why).await.map(drop)
            }
            2 => main.transact(why, async |edit| edit.set(name, "1").await).await,
            3 => {
                main.transact_again(why, async move |edit| edit.set(name.as_str(), "1").await).await
            }
            _ => {
                let theirs = main.repo().branch(&name).await?.head().await?.expect("it has a head");
                main.merge_with(&theirs, MergeOptions::default().no_ff(), why).await?.clean()?;
                Ok(())
            }
        }
    })
}

const WRITERS: usize = 7;

/// Lets some write at once, one of which is dropped after so many polls of all; checks that the others
/// go on, and that what they were told is true. Returns whether the one was done before.
async fn drop_one(bed: &Bed, dropped: usize, polls: usize) -> bool {
    let bed = bed.another().await;
    let main = bed.main().await;
    put(&main, "base", "0").await;
    for i in (0..WRITERS).filter(|i| i % 5 == 4) {
        let fork = main.fork(&format!("w{i}")).await.unwrap();
        fork.set(format!("w{i}"), "1", "theirs").await.unwrap();
    }
    bed.rig().be_slow();
    let mut writes: Vec<_> = (0..WRITERS).map(|i| Some(write(&main, i))).collect();
    let mut answered = Vec::new();
    let mut poll = 0;
    poll_fn(|context| {
        if poll == polls {
            writes[dropped] = None;
        }
        poll += 1;
        for (i, slot) in writes.iter_mut().enumerate() {
            let Some(write) = slot else { continue };
            if let Poll::Ready(answer) = write.as_mut().poll(context) {
                answer.unwrap();
                answered.push(i);
                *slot = None;
            }
        }
        if writes.iter().all(Option::is_none) {
            return Poll::Ready(());
        }
        if poll == polls {
            // Whether or not anything goes on: one of them is dropped now.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    let messages = messages(&bed.main().await).await;
    for i in 0..WRITERS {
        let name = format!("w{i}");
        let count = messages.iter().filter(|message| **message == name).count();
        let written = main.mem(&name).await.unwrap();
        assert_eq!(count, usize::from(written), "{name}, dropped {dropped} after {polls}");
        assert!(written || i == dropped, "{name} was disturbed by {dropped} after {polls}");
        assert!(written || !answered.contains(&i), "{name} was told what is not true");
    }
    put(&main, "others", "go on").await;
    answered.contains(&dropped)
}

async fn whoever_is_dropped_at_any_poll_disturbs_nobody(bed: Bed) {
    for dropped in 0..WRITERS {
        let mut polls = 0;
        while !drop_one(&bed, dropped, polls).await {
            polls += 1;
        }
        assert!(polls > 5, "{polls} polls");
    }
}

async fn a_round_is_bounded_in_bytes(bed: Bed) {
    let main = bed.main().await;
    bed.rig().be_slow();
    let before = bed.rig().writes();
    // No part of it is like another, so that nothing of it is shared.
    let part = |number: u32| format!("{:08x}", number.wrapping_mul(2_654_435_761));
    let value = |i: u32| (0..5 << 17).map(|n| part(n * 8 + i)).collect::<String>();
    let answers = all((0..8).map(|i| set(&main, format!("{i}"), value(i)))).await;
    for answer in answers {
        answer.unwrap().unwrap();
    }
    // One alone, and then two at a time.
    assert_eq!(bed.rig().writes() - before, 5);
    assert_eq!(steps(&main, "").await.len(), 8);
}

async fn writers_of_a_detached_handle_are_combined(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "base", "0").await;
    let aside = main.repo().detached(&base).unwrap();
    bed.rig().be_slow();
    let answers = all((0..20).map(|i| set(&aside, format!("{i}"), "1"))).await;
    for answer in answers {
        answer.unwrap().unwrap();
    }
    assert_eq!((steps(&aside, "").await.len(), log(&aside).await.len()), (21, 21));
    assert_eq!(head(&main).await, base);
    let aside = bed.repo().commit(&head(&aside).await.hash()).await.unwrap().unwrap();
    assert_eq!(aside.tree().find("19").await.unwrap().as_deref(), Some("1"));
}

async fn what_another_writer_deleted_is_not_brought_back_by_an_edit(bed: Bed) {
    let main = bed.main().await;
    for path in ["x", "dir/x", "dir/y"] {
        put(&main, path, "0").await;
        let mut edit = main.begin().await.unwrap();
        edit.set(path, "1").await.unwrap();
        main.remove(path, "remove").await.unwrap().unwrap();
        let says = format!("`{path}`");
        refused(main.commit(edit, "late").await, ErrorKind::Conflict, &says);
        assert!(!main.mem(path).await.unwrap());
    }
}

async fn a_tree_in_place_of_the_whole_is_merged_as_a_whole(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    put(&main, "y", "1").await;
    let aside = main.repo().empty();
    put(&aside, "x", "1").await;
    put(&aside, "z", "1").await;
    let mut tree = aside.tree().await.unwrap();
    tree.set("w", "1").await.unwrap();
    let mut edit = main.begin().await.unwrap();
    edit.set_tree("", &tree).await.unwrap();
    put(&main, "v", "1").await;
    main.commit(edit, "replaced").await.unwrap().unwrap();
    assert_eq!(steps(&main, "").await, ["v", "w", "x", "z"], "y went, and v came meanwhile");
}

async fn a_combined_update_is_one_event_of_every_watch(bed: Bed) {
    let main = bed.main().await;
    put(&main, "dir/base", "0").await;
    let repo = main.repo();
    let mut of_one = [main.watch("").await.unwrap(), main.watch("dir").await.unwrap()];
    let mut of_many = [
        repo.watch("").await.unwrap(),
        repo.watch("ma").await.unwrap(),
        repo.watch_path("", "dir").await.unwrap(),
    ];
    bed.rig().be_slow();
    let answers = all((0..50).map(|i| set(&main, format!("dir/w{i}"), "1"))).await;
    let made: Vec<_> = answers.into_iter().map(|one| one.unwrap().unwrap()).collect();
    // The first writer alone, and one update for those who came meanwhile.
    for made in [&made[..1], &made[1..]] {
        let newest_first: Vec<_> = made.iter().rev().cloned().collect();
        for watch in &mut of_one {
            let event = next(watch).await;
            assert_eq!(event.new.as_ref(), made.last());
            assert_eq!(event.commits().collect().await.unwrap(), newest_first);
        }
        for watch in &mut of_many {
            let BranchesEvent::Changed { branches, .. } = watch.next().await.unwrap().unwrap()
            else {
                panic!("a change");
            };
            let [change] = &branches[..] else { panic!("one branch: {branches:?}") };
            assert_eq!(change.new.as_ref(), made.last());
            assert_eq!(change.commits().collect().await.unwrap(), newest_first);
        }
    }
    let last = put(&main, "dir/base", "1").await;
    for watch in &mut of_one {
        assert_eq!(next(watch).await.new, Some(last.clone()), "there was no event between");
    }
}

async fn a_round_is_bounded_in_writers(bed: Bed) {
    let main = bed.main().await;
    bed.rig().be_slow();
    let before = bed.rig().writes();
    for answer in all((0..600).map(|i| set(&main, format!("w{i}"), "1"))).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(bed.rig().writes() - before, 3, "the first, 512 of the others, and the rest");
    let said = notes(&bed).await.into_iter().map(|note| match note.reason().unwrap().commits {
        Made::Several { count, .. } => count,
        Made::One => 1,
        Made::None => 0,
    });
    assert_eq!(said.collect::<Vec<_>>(), [1, 512, 87]);
    let newest_first: Vec<_> = (0..600).rev().map(|i| format!("w{i}")).collect();
    assert_eq!(messages(&main).await, newest_first, "first come, first served");
}

/// A text that panics: where it is merged, if it is `unmergeable`, and where it is compared, if it is
/// `incomparable`.
#[derive(Clone, Debug)]
struct Fragile(String);

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        assert_ne!(self.0, "incomparable", "it will not be compared");
        self.0 == other.0
    }
}

impl Contents for Fragile {
    fn encode(&self) -> Result<bytes::Bytes> {
        self.0.encode()
    }

    fn decode(encoded: &bytes::Bytes) -> Result<Self> {
        String::decode(encoded).map(Self)
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        assert_ne!(
            theirs.map(|theirs| theirs.0.as_str()),
            Some("unmergeable"),
            "it will not merge"
        );
        merge::whole(ancestor, ours, theirs)
    }
}

async fn a_merge_or_a_test_that_panics_aborts_its_own_writer_alone(bed: Bed) {
    let main = bed.repo_of::<Kv<Fragile>>().main().await.unwrap();
    let fragile = |text: &str| Fragile(text.to_owned());
    main.set("x", fragile("0"), "base").await.unwrap();
    main.set("y", fragile("incomparable"), "base").await.unwrap();
    let mut writes: Vec<BoxFuture<'static, Result<bool>>> = Vec::new();
    for i in 0..6 {
        let mut edit = main.begin().await.unwrap();
        match i {
            0 => edit.set("x", fragile("first")).await.unwrap(),
            2 | 4 => edit.set("x", fragile("unmergeable")).await.unwrap(),
            _ => edit.set(format!("own/{i}"), fragile("1")).await.unwrap(),
        }
        let main = main.clone();
        writes.push(Box::pin(async move { Ok(main.commit(edit, "write").await?.is_some()) }));
    }
    for path in ["y", "x"] {
        let main = main.clone();
        writes.push(Box::pin(async move {
            let (test, set) = (Fragile("first".to_owned()), Fragile("last".to_owned()));
            main.test_and_set(path, Some(test), Some(set), "test").await
        }));
    }
    bed.rig().be_slow();
    let before = bed.rig().writes();
    for (i, answer) in all(writes).await.into_iter().enumerate() {
        match i {
            2 | 4 => drop(refused(answer, ErrorKind::Aborted, "it will not merge")),
            6 => drop(refused(answer, ErrorKind::Aborted, "it will not be compared")),
            _ => assert!(answer.unwrap(), "{i}"),
        }
    }
    assert_eq!(bed.rig().writes() - before, 2, "the first, and one round for all others");
    assert_eq!(steps(&main, "own").await, ["1", "3", "5"]);
    assert_eq!(main.find("x").await.unwrap().unwrap().0, "last");
}
