//! The index as it is kept: found again, deleted, damaged, stale, of another storage.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{
    ErrorKind, Hash as _, RefName, RefOutcome, RefUpdate, Result, Sha1, Sha256, Storage, Sweep as _,
};
use ramus_kv::{Commit, HistoryIndex, LogOptions, Repo};
use ramus_mem::Mem;
use ramus_testkit::{Faults, Faulty, Mishap, Operation};

use tokio::task::yield_now;
use tokio::time::timeout;

use crate::probe::Probe;

use super::paths::{check_paths_up_to, tangled as tangled_paths};
use super::{Graph, Texts, check_asked, new_repo, number};

fn name() -> RefName {
    RefName::internal("history/native").expect("a name")
}

/// A storage in memory that stays open.
#[derive(Clone, Debug)]
struct Lasting(Mem);

impl Storage for Lasting {
    type Hash = Sha1;
    type Blocks = <Mem as Storage>::Blocks;
    type Refs = <Mem as Storage>::Refs;
    type Sweep = <Mem as Storage>::Sweep;

    fn blocks(&self) -> &Self::Blocks {
        self.0.blocks()
    }

    fn refs(&self) -> &Self::Refs {
        self.0.refs()
    }

    fn sweep(&self) -> Option<Self::Sweep> {
        self.0.sweep()
    }

    async fn write(
        &self,
        blocks: Vec<(Sha1, Bytes)>,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        self.0.write(blocks, update).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.0.load_derived(name).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        self.0.append_derived(name, at, bytes).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        self.0.replace_derived(name, bytes).await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// A storage, and repositories on it that are opened and closed.
struct Bed {
    storage: Lasting,
    faults: Faults,
}

impl Bed {
    fn new() -> Self {
        Self { storage: Lasting(Mem::default()), faults: Faults::default() }
    }

    fn open(&self) -> Repo<Texts> {
        Repo::new(Backend::new(Faulty::new(self.storage.clone(), self.faults.clone())))
    }

    async fn kept(&self) -> Bytes {
        self.storage.load_derived(&name()).await.expect("an open storage").expect("it is kept")
    }

    async fn keep(&self, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        let kept = self.storage.replace_derived(&name(), bytes).await;
        assert!(kept.expect("an open storage"));
    }

    /// How often commits were looked for to extend the index.
    fn extended(&self) -> usize {
        self.faults.calls(Operation::FindBlocks)
    }
}

/// Crossing merges, redundant edges, two beginnings.
fn tangled() -> Graph {
    let parents: [&[usize]; 11] =
        [&[], &[0], &[1, 0], &[0, 1], &[], &[2, 4], &[3, 2], &[6, 5], &[5, 6], &[7], &[9, 8]];
    Graph::of(&parents)
}

fn line(length: usize) -> Graph {
    Graph((0..length).map(|commit| (commit.checked_sub(1).into_iter().collect(), 0)).collect())
}

async fn reopened(repo: &Repo<Texts>, commits: &[Commit<Texts>]) -> Vec<Commit<Texts>> {
    let mut again = Vec::new();
    for commit in commits {
        let found = repo.commit(&commit.hash()).await.expect("it can be read");
        again.push(found.expect("it is there"));
    }
    again
}

/// Asks about every two commits, and when the root was last modified.
async fn ask_all(repo: &Repo<Texts>, graph: &Graph, commits: &[Commit<Texts>]) {
    check_asked(repo, graph, commits).await.expect("answers");
    for commit in commits {
        let last =
            repo.detached(commit).expect("it is here").last_modified("").await.expect("an answer");
        assert_eq!(last, None, "all trees are empty");
    }
}

#[tokio::test]
async fn an_index_that_was_kept_is_found_again() {
    let (bed, graph) = (Bed::new(), tangled());
    let repo = bed.open();
    let commits = graph.make(&repo).await.unwrap();
    ask_all(&repo, &graph, &commits).await;
    repo.close().await.unwrap();
    let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
    assert_eq!((index.commits(), index.commits_with_paths()), (11, 11));
    assert!(commits.iter().all(|commit| index.contains(&commit.hash())));
    assert!(!index.contains(&Sha1::of(b"nowhere")));

    let (repo, extended) = (bed.open(), bed.extended());
    let again = reopened(&repo, &commits).await;
    ask_all(&repo, &graph, &again).await;
    assert_eq!(bed.extended(), extended, "no commit is loaded for the index again");
    repo.close().await.unwrap();
    assert_eq!(bed.faults.calls(Operation::ReplaceDerived), 1, "nothing new is kept");
}

#[tokio::test]
async fn what_is_new_is_appended() {
    let bed = Bed::new();
    let repo = bed.open();
    let graph = line(40);
    let commits = graph.make(&repo).await.unwrap();
    for round in 1..5 {
        let repo = bed.open();
        let again = reopened(&repo, &commits[..round * 10]).await;
        let (first, last) = (&again[0], &again[round * 10 - 1]);
        assert!(repo.is_ancestor(first, last).await.unwrap());
        if round == 3 {
            repo.detached(last).unwrap().last_modified("a").await.unwrap();
        }
        repo.close().await.unwrap();
        let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
        assert_eq!(index.commits(), round * 10);
        assert_eq!(index.commits_with_paths(), if round < 3 { 0 } else { 30 });
        let once_more = HistoryIndex::<Sha1>::decode(&index.encode().unwrap()).unwrap();
        assert_eq!(once_more.encode().unwrap(), index.encode().unwrap());
    }
    assert_eq!(bed.faults.calls(Operation::ReplaceDerived), 1);
    assert_eq!(bed.faults.calls(Operation::AppendDerived), 3);
}

#[tokio::test]
async fn an_index_is_kept_without_closing_once_there_is_much() {
    let bed = Bed::new();
    let repo = bed.open();
    let commits = line(5000).make(&repo).await.unwrap();
    let [first, .., last] = &commits[..] else { panic!("there are many") };
    assert!(repo.is_ancestor(first, last).await.unwrap());
    let again = bed.open();
    let ends = reopened(&again, &[first.clone(), last.clone()]).await;
    let extended = bed.extended();
    assert!(again.is_ancestor(&ends[0], &ends[1]).await.unwrap());
    assert_eq!(bed.extended(), extended);
}

#[tokio::test]
async fn an_index_that_was_deleted_or_damaged_is_made_anew() {
    let (bed, graph) = (Bed::new(), tangled());
    let repo = bed.open();
    let commits = graph.make(&repo).await.unwrap();
    // In two parts.
    repo.is_ancestor(&commits[0], &commits[6]).await.unwrap();
    repo.close().await.unwrap();
    let repo = bed.open();
    let again = reopened(&repo, &commits).await;
    ask_all(&repo, &graph, &again).await;
    repo.close().await.unwrap();
    let sound = bed.kept().await;
    let mut damaged = vec![Vec::new(), b"something else".to_vec(), [&sound[..], b"x"].concat()];
    damaged.extend((0..sound.len()).map(|length| sound[..length].to_vec()));
    for place in 0..sound.len() {
        for bit in [0, 7] {
            let mut bytes = sound.to_vec();
            bytes[place] ^= 1 << bit;
            damaged.push(bytes);
        }
    }
    for bytes in damaged {
        bed.keep(&bytes).await;
        let read = HistoryIndex::<Sha1>::decode(&bytes);
        // What ends where a part does is sound, and stale.
        assert!(read.is_err() || sound.starts_with(&bytes), "{read:?} of {bytes:02x?}");
        let repo = bed.open();
        let again = reopened(&repo, &commits).await;
        ask_all(&repo, &graph, &again).await;
        repo.close().await.unwrap();
        let index = HistoryIndex::<Sha1>::decode(&bed.kept().await);
        assert_eq!(index.expect("it is sound again").commits(), 11);
    }
}

#[tokio::test]
async fn what_changed_a_path_is_told_right_whatever_became_of_the_index() {
    let bed = Bed::new();
    let repo = bed.open();
    let made = tangled_paths(&repo).await.unwrap();
    // In two parts.
    repo.detached(&made[3].commit).unwrap().last_modified("a").await.unwrap();
    repo.close().await.unwrap();
    let ask = async |part: &[u8], places: std::ops::Range<usize>| {
        let repo = bed.open();
        let commits: Vec<_> = made.iter().map(|made| made.commit.clone()).collect();
        let again = reopened(&repo, &commits).await;
        let again = made.iter().zip(again).map(|(made, commit)| made.again(commit));
        let again: Vec<_> = again.collect();
        for head in places {
            let asked = check_paths_up_to(&repo, &again, head).await;
            asked.unwrap_or_else(|error| panic!("{error:?}, by {part:02x?}"));
        }
        repo.close().await.unwrap();
    };
    ask(&[], 0..made.len()).await;
    let sound = bed.kept().await;
    let index = HistoryIndex::<Sha1>::decode(&sound).unwrap();
    assert_eq!((index.commits(), index.commits_with_paths()), (made.len(), made.len()));
    let last = made.len() - 1..made.len();
    for place in 0..sound.len() {
        let mut flipped = sound.to_vec();
        flipped[place] ^= 1 << (place % 8);
        for bytes in [&sound[..place], &flipped] {
            bed.keep(bytes).await;
            ask(bytes, last.clone()).await;
        }
    }
    bed.keep(&sound).await;
    ask(&sound, 0..made.len()).await;
}

#[tokio::test]
async fn an_index_of_another_storage_is_dropped() {
    let (bed, other) = (Bed::new(), Bed::new());
    let elsewhere = other.open();
    let foreign = line(50).make(&elsewhere).await.unwrap();
    assert!(elsewhere.is_ancestor(&foreign[0], &foreign[49]).await.unwrap());
    elsewhere.close().await.unwrap();
    bed.keep(&other.kept().await).await;

    let (repo, graph) = (bed.open(), tangled());
    let commits = graph.make(&repo).await.unwrap();
    ask_all(&repo, &graph, &commits).await;
    repo.close().await.unwrap();
    let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
    assert_eq!(index.commits(), 11);
}

#[tokio::test]
async fn an_index_of_which_most_was_collected_is_dropped() {
    let bed = Bed::new();
    let repo = bed.open();
    let commits = line(50).make(&repo).await.unwrap();
    let other = repo.empty();
    other.set("a", "x", "another beginning").await.unwrap();
    let kept = other.head().await.unwrap().unwrap();
    assert_eq!(repo.lcas(&commits[49], &kept).await.unwrap(), []);
    repo.close().await.unwrap();
    let collected: Vec<Sha1> = commits.iter().map(Commit::hash).collect();
    drop(commits);
    let sweep = bed.storage.sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, collected).await.unwrap(), 50);

    let repo = bed.open();
    let [kept] = &reopened(&repo, &[kept]).await[..] else { panic!("there is one") };
    assert_eq!(repo.detached(kept).unwrap().last_modified("a").await.unwrap().as_ref(), Some(kept));
    repo.close().await.unwrap();
    let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
    assert_eq!(index.commits(), 1);
}

#[tokio::test]
async fn two_that_keep_one_index_do_not_mix_it() {
    let bed = Bed::new();
    let (one, other) = (bed.open(), bed.open());
    let commits = line(20).make(&one).await.unwrap();
    let same = reopened(&other, &commits).await;
    for (repo, commits) in [(&one, &commits), (&other, &same)] {
        assert!(repo.is_ancestor(&commits[0], &commits[9]).await.unwrap());
        repo.close().await.unwrap();
    }
    assert!(one.is_ancestor(&commits[0], &commits[19]).await.unwrap());
    one.close().await.unwrap();
    assert!(other.is_ancestor(&same[0], &same[14]).await.unwrap());
    other.close().await.unwrap();
    let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
    assert_eq!(index.commits(), 15, "the second one's own, in place of the first one's");
}

#[tokio::test]
async fn a_kept_index_is_looked_for_once() {
    let (bed, graph) = (Bed::new(), line(20));
    let repo = bed.open();
    let commits = graph.make(&repo).await.unwrap();
    assert!(repo.is_ancestor(&commits[0], &commits[4]).await.unwrap());
    repo.close().await.unwrap();
    let repo = bed.open();
    let again = reopened(&repo, &commits).await;
    let before = bed.faults.calls(Operation::LoadDerived);
    for last in [9, 14, 19] {
        assert!(repo.is_ancestor(&again[0], &again[last]).await.unwrap());
    }
    assert_eq!(bed.faults.calls(Operation::LoadDerived), before + 1);
    check_asked(&repo, &graph, &again).await.unwrap();
}

#[tokio::test]
async fn the_log_of_a_path_is_the_same_by_a_kept_index() {
    let bed = Bed::new();
    let repo = bed.open();
    let main = repo.main().await.unwrap();
    main.set("d/x", "0", "first").await.unwrap();
    // Few commits of a branch, which come behind many of the other one.
    let side = main.fork("side").await.unwrap();
    for number in 1..10 {
        main.set("d/x", number.to_string(), "main").await.unwrap();
    }
    for number in 1..3 {
        side.set("d/y", number.to_string(), "side").await.unwrap();
    }
    main.merge(&side, "merge").await.unwrap().clean().unwrap().unwrap();
    let mut logs = Vec::new();
    for _ in 0..2 {
        let repo = bed.open();
        let options = LogOptions::default().with_path("d").unwrap();
        let log = repo.main().await.unwrap().log_with(options).await.unwrap();
        let log = log.collect().await.unwrap();
        logs.push(log.iter().map(Commit::hash).collect::<Vec<_>>());
        repo.close().await.unwrap();
    }
    assert_eq!(logs[0].len(), 13);
    assert_eq!(logs[0], logs[1]);
}

#[tokio::test]
async fn what_lies_far_behind_is_left_out() {
    let mut graph = line(150);
    graph.0.extend([(vec![10], 0), (vec![149, 150], 0)]);
    let repo = new_repo();
    let commits = graph.make(&repo).await.unwrap();
    for first_parent in [false, true] {
        let mut options = LogOptions::default().without(commits[148].clone());
        options.first_parent = first_parent;
        let log = repo.detached(&commits[151]).unwrap().log_with(options).await.unwrap();
        let log = log.collect().await.unwrap();
        let expected = if first_parent { vec![149, 151] } else { vec![149, 150, 151] };
        let mut found: Vec<_> = log.iter().map(number).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_storage_that_fails_to_keep_the_index_hinders_nobody() {
    let (bed, graph) = (Bed::new(), tangled());
    let unavailable = Mishap::Fail(ErrorKind::Unavailable);
    for operation in [Operation::LoadDerived, Operation::ReplaceDerived, Operation::AppendDerived] {
        bed.faults.always(operation, unavailable);
    }
    let repo = bed.open();
    let commits = graph.make(&repo).await.unwrap();
    ask_all(&repo, &graph, &commits).await;
    repo.close().await.unwrap();
    assert_eq!(bed.storage.load_derived(&name()).await.unwrap(), None);
}

#[tokio::test]
async fn a_question_that_failed_can_be_asked_again() {
    let (bed, graph) = (Bed::new(), tangled());
    let repo = bed.open();
    let commits = graph.make(&repo).await.unwrap();
    for failed in 1..4 {
        bed.faults.at(Operation::FindBlocks, failed, Mishap::Fail(ErrorKind::Unavailable));
        let asked = repo.lcas(&commits[10], &commits[8]).await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
        bed.faults.clear();
    }
    check_asked(&repo, &graph, &commits).await.unwrap();
    bed.faults.at(Operation::FindBlocks, 1, Mishap::Fail(ErrorKind::Unavailable));
    let asked = repo.detached(&commits[10]).unwrap().last_modified("a").await;
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    ask_all(&repo, &graph, &commits).await;
}

/// Returns a line of commits, and a storage that counts what is read of it.
async fn counted_line(count: usize) -> (Probe, Vec<Commit<Texts>>) {
    let probe = Probe::default();
    let made = line(count).make(&Repo::new(probe.backend())).await.expect("memory answers");
    (probe, made)
}

/// Polls a future until so many blocks were read, or it is ready.
async fn until_read<T>(
    probe: &Probe,
    reads: usize,
    question: impl Future<Output = T>,
) -> Option<T> {
    let mut question = pin!(question);
    let mut read = 0;
    poll_fn(|context| {
        if let Poll::Ready(answer) = question.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        read += probe.reads();
        if read < reads {
            // It is read in a task of its own, so this one is not woken by what is read.
            context.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    })
    .await
}

#[tokio::test]
async fn what_a_dropped_question_loaded_is_not_loaded_again() {
    const COUNT: usize = 3000;
    let (probe, line) = counted_line(COUNT).await;
    let repo = Repo::<Texts>::new(probe.backend());
    let line = reopened(&repo, &line).await;
    let (first, last) = (&line[0], &line[COUNT - 1]);
    // Each is dropped after 700 reads, so the fifth comes to the end.
    let mut answers = Vec::new();
    for _ in 0..6 {
        probe.reads();
        answers.push(until_read(&probe, 700, repo.is_ancestor(first, last)).await);
    }
    let answers: Vec<_> =
        answers.into_iter().map(|answer| answer.map(|found| found.unwrap())).collect();
    assert!(answers[..4].iter().all(Option::is_none), "{answers:?}");
    assert_eq!(answers[5], Some(true), "{answers:?}");
    probe.reads();
    assert_eq!(repo.lcas(&line[COUNT / 2], last).await.unwrap(), [line[COUNT / 2].clone()]);
    assert!(probe.reads() <= 1, "only the answer itself");
}

#[tokio::test]
async fn what_a_question_loaded_that_failed_is_not_loaded_again() {
    const COUNT: usize = 3000;
    let (probe, line) = counted_line(COUNT).await;
    let repo = Repo::<Texts>::new(probe.backend());
    let line = reopened(&repo, &line).await;
    let (first, last) = (&line[0], &line[COUNT - 1]);
    probe.lose(Some(line[1000].hash()));
    probe.reads();
    for most in [COUNT - 1000, 1, 1] {
        let error = repo.is_ancestor(first, last).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(error.to_string().contains(&line[1000].hash().to_string()), "{error}");
        let reads = probe.reads();
        assert!(reads <= most, "{reads} of {most}");
    }
    // What does not come from there is answered, and does not come to what is lost.
    assert!(repo.is_ancestor(first, &line[500]).await.unwrap());
    let reads = probe.reads();
    assert!(reads <= 501, "{reads}");
    probe.lose(None);
    assert!(repo.is_ancestor(first, last).await.unwrap());
    let reads = probe.reads();
    assert!(reads <= 501, "{reads}");
    assert!(!repo.is_ancestor(last, first).await.unwrap());
    assert_eq!(probe.reads(), 0);
}

#[tokio::test]
async fn commits_that_this_process_makes_are_not_loaded_again() {
    let bed = Bed::new();
    let repo = bed.open();
    let main = repo.main().await.unwrap();
    main.set("a", "x", "first").await.unwrap();
    let first = main.head().await.unwrap().unwrap();
    let draft = main.fork("draft").await.unwrap();
    draft.set("b", "x", "draft").await.unwrap();
    main.set("c", "x", "second").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let extended = bed.extended();
    for round in 0..5 {
        main.set("a", format!("{round}"), "more").await.unwrap();
        draft.set("b", format!("{round}"), "more").await.unwrap();
        main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    }
    let head = main.head().await.unwrap().unwrap();
    assert!(repo.is_ancestor(&first, &head).await.unwrap());
    assert_eq!(bed.extended(), extended, "the index was told of them");
}

#[tokio::test]
async fn the_first_question_about_what_this_process_made_loads_none_of_it() {
    let bed = Bed::new();
    let repo = bed.open();
    let main = repo.main().await.unwrap();
    main.set("a", "x", "first").await.unwrap();
    let first = main.head().await.unwrap().unwrap();
    let draft = main.fork("draft").await.unwrap();
    for round in 0..5 {
        main.set("a", format!("{round}"), "more").await.unwrap();
        draft.set("b", format!("{round}"), "more").await.unwrap();
    }
    repo.empty().set("a", "x", "what nobody asks about").await.unwrap();
    let [head, draft] = [main.head().await.unwrap().unwrap(), draft.head().await.unwrap().unwrap()];
    let extended = bed.extended();
    assert!(repo.is_ancestor(&first, &head).await.unwrap());
    assert_eq!(repo.lcas(&head, &draft).await.unwrap(), [first]);
    assert_eq!(bed.extended(), extended);
    repo.close().await.unwrap();
    let index = HistoryIndex::<Sha1>::decode(&bed.kept().await).unwrap();
    assert_eq!(index.commits(), 1 + 2 * 5, "those that the questions came to");
}

#[tokio::test]
async fn what_was_there_before_this_process_is_loaded_and_what_it_made_is_not() {
    const BEFORE: usize = 20;
    let bed = Bed::new();
    let main = bed.open().main().await.unwrap();
    for number in 0..BEFORE {
        main.set("a", format!("{number}"), "before").await.unwrap();
    }
    let repo = bed.open();
    let main = repo.main().await.unwrap();
    let before = main.head().await.unwrap().unwrap();
    for number in 0..7 {
        main.set("b", format!("{number}"), "made here").await.unwrap();
    }
    let head = main.head().await.unwrap().unwrap();
    let extended = bed.extended();
    assert!(repo.is_ancestor(&before, &head).await.unwrap());
    assert_eq!(bed.extended() - extended, BEFORE);
    assert!(!repo.is_ancestor(&head, &before).await.unwrap());
    // Of what is made from here on the index is told.
    main.set("b", "last", "made here").await.unwrap();
    let last = main.head().await.unwrap().unwrap();
    assert!(repo.is_ancestor(&before, &last).await.unwrap());
    assert_eq!(bed.extended() - extended, BEFORE);
}

#[tokio::test]
async fn many_who_ask_at_once_are_all_answered() {
    let repo = new_repo();
    let graph = line(300);
    let commits = graph.make(&repo).await.unwrap();
    let asking: Vec<_> = (0..40)
        .map(|asker| {
            let (repo, commits) = (repo.clone(), commits.clone());
            tokio::spawn(async move {
                let (low, high) = (asker * 7, 299 - asker);
                let (one, other) = (&commits[low.min(high)], &commits[low.max(high)]);
                let lcas = repo.lcas(other, one).await?;
                let last = repo.detached(other).unwrap().last_modified("a").await?;
                Ok::<_, ramus_core::Error>((lcas == [one.clone()], last))
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap(), (true, None));
    }
}

#[tokio::test]
async fn questions_may_be_dropped() {
    let bed = Bed::new();
    let repo = bed.open();
    let graph = tangled();
    let commits = graph.make(&repo).await.unwrap();
    bed.faults.always(Operation::FindBlocks, Mishap::Delay(1));
    let store = repo.detached(&commits[10]).unwrap();
    for polls in 1..40 {
        let mut asked = Box::pin(store.last_modified("a"));
        for _ in 0..polls {
            if futures::FutureExt::now_or_never(&mut asked).is_some() {
                break;
            }
            yield_now().await;
        }
        drop(asked);
    }
    ask_all(&repo, &graph, &commits).await;
    let options = LogOptions::default().with_path("").unwrap();
    assert_eq!(store.log_with(options).await.unwrap().collect().await.unwrap(), []);
}

/// Whoever asks, and then looks at something else, may hold what others wait for; or be the next to get it.
#[tokio::test]
async fn a_question_that_is_kept_aside_hinders_nobody() {
    let limit = std::time::Duration::from_mins(1);
    for polls in 1..30 {
        let bed = Bed::new();
        let repo = bed.open();
        let graph = tangled();
        let commits = graph.make(&repo).await.unwrap();
        let repo = bed.open();
        let commits = reopened(&repo, &commits).await;
        bed.faults.always(Operation::FindBlocks, Mishap::Delay(1));
        let options = LogOptions::default().with_path("").unwrap();
        let mut aside = repo.detached(&commits[10]).unwrap().log_with(options).await.unwrap();
        let mut other = Box::pin(repo.lcas(&commits[9], &commits[8]));
        for _ in 0..polls {
            if futures::FutureExt::now_or_never(aside.next()).is_some()
                || futures::FutureExt::now_or_never(&mut other).is_some()
            {
                break;
            }
            yield_now().await;
        }
        let asked = repo.lcas(&commits[10], &commits[7]);
        timeout(limit, asked).await.expect("it does not wait for those aside").unwrap();
        let store = repo.detached(&commits[6]).unwrap();
        let asked = store.last_modified("a");
        timeout(limit, asked).await.expect("it does not wait for those aside").unwrap();
        timeout(limit, repo.close()).await.expect("it does not wait for those aside").unwrap();
        drop((aside, other));
    }
}

#[tokio::test]
async fn the_bytes_are_those_that_are_documented() {
    let bed = Bed::new();
    let repo = bed.open();
    let main = repo.main().await.unwrap();
    main.set("a/b", "x", ramus_kv::Info::new("1").with_author("x").with_time_ms(1)).await.unwrap();
    main.set("c", "y", ramus_kv::Info::new("2").with_author("x").with_time_ms(2)).await.unwrap();
    let head = main.head().await.unwrap().unwrap();
    assert_eq!(main.last_modified("c").await.unwrap(), Some(head.clone()));
    assert_eq!(number(&head), 2);
    repo.close().await.unwrap();

    let key = |path: &str| {
        let mut key = Sha1::of(path.as_bytes()).as_bytes()[..8].to_vec();
        key[7] &= 0xfe;
        key
    };
    let sorted = |paths: &[&str]| {
        let mut keys: Vec<_> = paths.iter().map(|path| key(path)).collect();
        keys.sort();
        keys.concat()
    };
    let sum = |parts: &[&[u8]]| Sha1::of(&parts.concat()).as_bytes()[..8].to_vec();
    let head_bytes = [&b"ramusidx\x01\x04sha1"[..]].concat();
    let head_sum = sum(&[&head_bytes]);
    let (first, second) = (head.parents()[0], head.hash());
    let commits = [&[2][..], first.as_bytes(), &[0], second.as_bytes(), &[1, 1]].concat();
    let postings = [&[2, 3][..], &sorted(&["", "a", "a/b"]), &[2], &sorted(&["", "c"])].concat();
    let body = [commits, postings].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let body_sum = sum(&[&head_sum, &length, &body]);
    let expected = [&head_bytes[..], &head_sum, &length, &body, &body_sum].concat();
    let kept = bed.kept().await;
    assert_eq!(kept, expected);
    let twice = [&[2][..], first.as_bytes(), &[0], first.as_bytes(), &[0, 0]].concat();
    let length = u32::try_from(twice.len()).unwrap().to_be_bytes();
    let twice_sum = sum(&[&head_sum, &length, &twice]);
    let twice = [&head_bytes[..], &head_sum, &length, &twice, &twice_sum].concat();
    let refused = HistoryIndex::<Sha1>::decode(&twice).unwrap_err();
    assert!(refused.to_string().contains("stands twice"), "{refused}");
    let other_hash = HistoryIndex::<Sha256>::decode(&kept).unwrap_err();
    assert_eq!(other_hash.kind(), ErrorKind::Corrupt);
    assert!(other_hash.to_string().contains("sha256"), "{other_hash}");
}

#[test]
fn the_golden_file_is_read_and_written() {
    let path = format!("{}/tests/golden/history_index.hex", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(&path).expect(&path);
    let digits: String = file
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(hex, _)| hex))
        .flat_map(str::split_whitespace)
        .collect();
    let value = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    let bytes = digits.as_bytes().chunks(2);
    let golden: Vec<u8> = bytes.map(|pair| value(pair[0]) << 4 | value(pair[1])).collect();
    let index = HistoryIndex::<Sha1>::decode(&golden).unwrap();
    assert_eq!((index.commits(), index.commits_with_paths()), (3, 2));
    assert!((1..=3).all(|number| index.contains(&Sha1::of(format!("commit {number}").as_bytes()))));
    // The same in one part is written otherwise, and once only.
    let one_part = index.encode().unwrap();
    assert!(one_part.len() < golden.len());
    let again = HistoryIndex::<Sha1>::decode(&one_part).unwrap();
    assert_eq!(again.encode().unwrap(), one_part);
}
