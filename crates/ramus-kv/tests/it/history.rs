//! Graphs of commits: ancestors, the log, the index, and counters on branches that cross.

mod between;
mod graph;
mod index;
mod paths;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, Result, Sha1, Storage as _};
use ramus_kv::block::CommitBlock;
use ramus_kv::{
    Commit, Conflict, Contents, Counter, Format as _, Info, Kv, Merged, Native, Repo, Store,
    TransactionOptions,
};
use ramus_mem::Mem;

use crate::campaign;
use crate::probe::Probe;

type Texts = Kv<String>;

fn new_repo() -> Repo<Texts> {
    Repo::new(Backend::new(Mem::default()))
}

/// A graph of commits: the parents of each, all of them made before, and its time.
#[derive(Clone, Debug)]
struct Graph(Vec<(Vec<usize>, i64)>);

impl Graph {
    fn of(parents: &[&[usize]]) -> Self {
        Self(parents.iter().map(|parents| (parents.to_vec(), 0)).collect())
    }

    /// Returns every ancestor of each commit, itself included.
    fn ancestors(&self) -> Vec<BTreeSet<usize>> {
        let mut all: Vec<BTreeSet<usize>> = Vec::new();
        for (index, (parents, _)) in self.0.iter().enumerate() {
            let behind = parents.iter().flat_map(|parent| all[*parent].iter().copied());
            let with_itself = behind.chain([index]).collect();
            all.push(with_itself);
        }
        all
    }

    async fn make(&self, repo: &Repo<Texts>) -> Result<Vec<Commit<Texts>>> {
        let root = repo.empty_tree().hash().await?;
        // So that the root is there.
        let options = TransactionOptions::default().allow_empty();
        repo.empty().transact_with(options, "empty", async |_| Ok(())).await?;
        let mut commits: Vec<Commit<Texts>> = Vec::new();
        for (index, (parents, time_ms)) in self.0.iter().enumerate() {
            let parents = parents.iter().map(|parent| commits[*parent].hash()).collect();
            let info = Info::new(index.to_string()).with_author("x").with_time_ms(*time_ms);
            let block = Native::encode_commit(&CommitBlock { root, parents, info })?;
            let hash = repo.backend().blocks().add(block).await?;
            commits.push(repo.commit(&hash).await?.expect("it was just added"));
        }
        Ok(commits)
    }
}

fn number(commit: &Commit<Texts>) -> usize {
    commit.info().message.parse().expect("the message is a number")
}

fn any_graph() -> impl Strategy<Value = Graph> {
    let commit = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..4_i64);
    prop::collection::vec(commit, 1..10).prop_map(|commits| {
        let commits = commits.into_iter().enumerate().map(|(index, (parents, time))| {
            let parents: BTreeSet<usize> = match index {
                0 => BTreeSet::new(),
                _ => parents.into_iter().map(|parent| parent.index(index)).collect(),
            };
            // Their order is not that in which they were made.
            (parents.into_iter().rev().collect(), time)
        });
        Graph(commits.collect())
    })
}

/// Asks about every two commits.
async fn check_ancestors(graph: &Graph) -> Result<()> {
    let repo = new_repo();
    let commits = graph.make(&repo).await?;
    check_asked(&repo, graph, &commits).await
}

async fn check_asked(repo: &Repo<Texts>, graph: &Graph, commits: &[Commit<Texts>]) -> Result<()> {
    let ancestors = graph.ancestors();
    for (one, ours) in ancestors.iter().enumerate() {
        for (other, theirs) in ancestors.iter().enumerate() {
            let common: BTreeSet<usize> = ours.intersection(theirs).copied().collect();
            let is_lowest = |candidate: &&usize| {
                !common
                    .iter()
                    .any(|lower| lower != *candidate && ancestors[*lower].contains(candidate))
            };
            let expected: Vec<usize> = common.iter().filter(is_lowest).copied().collect();
            let lcas = repo.lcas(&commits[one], &commits[other]).await?;
            let mut found: Vec<usize> = lcas.iter().map(number).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{one} and {other}");
            let is_ancestor = repo.is_ancestor(&commits[one], &commits[other]).await?;
            assert_eq!(is_ancestor, theirs.contains(&one), "{one} of {other}");
        }
    }
    Ok(())
}

async fn check_log(graph: &Graph) -> Result<()> {
    let repo = new_repo();
    let commits = graph.make(&repo).await?;
    for (head, ancestors) in graph.ancestors().iter().enumerate() {
        let log = repo.detached(&commits[head]).expect("it is here").log().await?.collect().await?;
        let log: Vec<usize> = log.iter().map(number).collect();
        assert_eq!(log[0], head);
        assert_eq!(log.iter().copied().collect::<BTreeSet<_>>(), *ancestors);
        assert_eq!(log.len(), ancestors.len(), "{log:?} has something twice");
        // What could come next are the parents of those before; the newest of them does.
        for (index, next) in log.iter().enumerate().skip(1) {
            let before = &log[..index];
            let could: Vec<usize> =
                before.iter().flat_map(|child| graph.0[*child].0.clone()).collect();
            let open = could.iter().filter(|commit| !before.contains(commit));
            let newest = open.map(|commit| graph.0[*commit].1).max();
            assert!(could.contains(next), "{next} in {log:?} before all that it led to");
            assert_eq!(Some(graph.0[*next].1), newest, "{next} in {log:?} is not the newest");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(campaign::cases(1000))]

    #[test]
    fn ancestors_are_those_of_the_graph(graph in any_graph()) {
        campaign::block_on(check_ancestors(&graph)).unwrap();
    }

    #[test]
    fn the_log_gives_every_ancestor_once_and_the_newest_first(graph in any_graph()) {
        campaign::block_on(check_log(&graph)).unwrap();
    }
}

#[tokio::test]
async fn ancestors_of_well_known_graphs_are_found() {
    for graph in [
        // A common ancestor that is an ancestor of the other one, found first.
        Graph::of(&[&[], &[0], &[1, 0], &[0, 1]]),
        // A diamond.
        Graph::of(&[&[], &[0], &[0], &[1, 2]]),
        // A crossing, and one on top of it.
        Graph::of(&[&[], &[0], &[0], &[1, 2], &[2, 1], &[3, 4], &[4, 3]]),
        // Two beginnings that are joined twice.
        Graph::of(&[&[], &[], &[0, 1], &[1, 0]]),
    ] {
        check_ancestors(&graph).await.unwrap();
        check_log(&graph).await.unwrap();
    }
    let repo = new_repo();
    let commits = Graph::of(&[&[], &[0], &[1, 0], &[0, 1]]).make(&repo).await.unwrap();
    assert_eq!(repo.lcas(&commits[3], &commits[2]).await.unwrap(), [commits[1].clone()]);
}

#[tokio::test]
async fn what_came_later_or_elsewhere_is_no_ancestor() {
    let made = |repo: Repo<Texts>| async move {
        let commits = Graph::of(&[&[], &[0], &[]]).make(&repo).await.unwrap();
        (repo, commits)
    };
    // Each on its own, so that nothing is known before.
    for (ancestor, commit, expected) in [(1, 0, false), (2, 1, false), (0, 1, true)] {
        let (repo, commits) = made(new_repo()).await;
        let is_ancestor = repo.is_ancestor(&commits[ancestor], &commits[commit]).await.unwrap();
        assert_eq!(is_ancestor, expected, "{ancestor} of {commit}");
    }
}

#[tokio::test]
async fn a_history_that_is_not_there_answers_missing() {
    let repo = new_repo();
    let root = repo.empty_tree().hash().await.unwrap();
    let nowhere = Sha1::of(b"nowhere");
    let info = Info::new("child").with_author("x").with_time_ms(0);
    let block = Native::encode_commit(&CommitBlock { root, parents: vec![nowhere], info }).unwrap();
    let hash = repo.backend().blocks().add(block).await.unwrap();
    let child = repo.commit(&hash).await.unwrap().unwrap();
    let other = repo.empty();
    other.set("a", "x", "other").await.unwrap();
    let other_head = other.head().await.unwrap().unwrap();
    let mut log = repo.detached(&child).unwrap().log().await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), child, "it is there, after all");
    for error in [
        log.next().await.unwrap().unwrap_err(),
        repo.lcas(&child, &other_head).await.unwrap_err(),
        repo.is_ancestor(&other_head, &child).await.unwrap_err(),
        other.merge(&repo.detached(&child).unwrap(), "merge").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(error.to_string().contains(&nowhere.to_string()), "{error}");
    }
}

/// What replicas do.
#[derive(Clone, Copy, Debug)]
enum Action {
    Add {
        replica: usize,
        counter: usize,
        count: i64,
    },
    Merge {
        from: usize,
        into: usize,
    },
    /// Each of the two merges what the other one had.
    Cross {
        one: usize,
        other: usize,
    },
}

const REPLICAS: usize = 3;
const COUNTERS: [&str; 3] = ["count", "a/b/count", "a/count"];

fn any_action() -> impl Strategy<Value = Action> {
    let replica = 0..REPLICAS;
    prop_oneof![
        3 => (replica.clone(), 0..COUNTERS.len(), -2..4_i64)
            .prop_map(|(replica, counter, count)| Action::Add { replica, counter, count }),
        1 => (replica.clone(), replica.clone()).prop_map(|(from, into)| Action::Merge { from, into }),
        1 => (replica.clone(), replica).prop_map(|(one, other)| Action::Cross { one, other }),
    ]
}

thread_local! {
    static MERGES: Cell<usize> = const { Cell::new(0) };
}

/// A counter that counts how often such ones were merged, on this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tallied(i64);

impl Contents for Tallied {
    const MERGES_EQUAL_SIDES: bool = true;

    fn encode(&self) -> Result<Bytes> {
        Counter(self.0).encode()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        Counter::decode(bytes).map(|count| Self(count.0))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        MERGES.set(MERGES.get() + 1);
        let count = |tallied: &Self| Counter(tallied.0);
        let (ancestor, ours, theirs) = (ancestor.map(count), ours.map(count), theirs.map(count));
        let merged = Counter::merge(ancestor.as_ref(), ours.as_ref(), theirs.as_ref())?;
        Ok(merged.map(|count| Self(count.0)))
    }
}

/// A handle, and what was added in its history: the counter and the count, by a number for each.
#[derive(Clone)]
struct Replica {
    store: Store<Kv<Tallied>>,
    added: BTreeMap<usize, (usize, i64)>,
}

impl Replica {
    async fn add(&mut self, id: usize, counter: usize, count: i64) -> Result<()> {
        let Tallied(before) = self.store.find(COUNTERS[counter]).await?.unwrap_or_default();
        self.store.set(COUNTERS[counter], Tallied(before + count), format!("{id}")).await?;
        self.added.insert(id, (counter, count));
        Ok(())
    }

    async fn merge(&mut self, other: &Self, head: Option<&Commit<Kv<Tallied>>>) -> Result<()> {
        if let Some(head) = head {
            let info = format!("merge into {:?}", self.store.status());
            let merged =
                self.store.merge_with(head, ramus_kv::MergeOptions::default(), info).await?;
            assert!(
                !matches!(merged, Merged::Conflicts(_)),
                "counters are in conflict: {merged:?}"
            );
        }
        self.added.extend(other.added.iter().map(|(id, added)| (*id, *added)));
        self.check().await
    }

    /// Every counter is the sum of what was added to it in this history.
    async fn check(&self) -> Result<()> {
        for (counter, path) in COUNTERS.into_iter().enumerate() {
            let here = self.added.values().filter(|(other, _)| *other == counter);
            let sum: i64 = here.map(|(_, count)| count).sum();
            let Tallied(found) = self.store.find(path).await?.unwrap_or_default();
            assert_eq!(found, sum, "{path}");
        }
        Ok(())
    }
}

fn new_replicas() -> Vec<Replica> {
    let repo = Repo::<Kv<Tallied>>::new(Backend::new(Mem::default()));
    (0..REPLICAS).map(|_| Replica { store: repo.empty(), added: BTreeMap::new() }).collect()
}

async fn merge(replicas: &mut [Replica], from: usize, into: usize) -> Result<()> {
    let other = replicas[from].clone();
    let head = other.store.head().await?;
    replicas[into].merge(&other, head.as_ref()).await
}

async fn cross(replicas: &mut [Replica], one: usize, other: usize) -> Result<()> {
    let before = [replicas[one].clone(), replicas[other].clone()];
    let heads = [before[0].store.head().await?, before[1].store.head().await?];
    replicas[one].merge(&before[1], heads[1].as_ref()).await?;
    replicas[other].merge(&before[0], heads[0].as_ref()).await
}

async fn count(actions: Vec<Action>) -> Result<()> {
    let mut replicas = new_replicas();
    for (id, action) in actions.into_iter().enumerate() {
        match action {
            Action::Add { replica, counter, count } => {
                replicas[replica].add(id, counter, count).await?;
            }
            Action::Merge { from, into } => merge(&mut replicas, from, into).await?,
            Action::Cross { one, other } => cross(&mut replicas, one, other).await?,
        }
    }
    // Everybody merges everybody, until nobody has anything new.
    for _ in 0..2 {
        for into in 0..REPLICAS {
            for from in 0..REPLICAS {
                merge(&mut replicas, from, into).await?;
            }
        }
    }
    assert!(replicas.iter().all(|replica| replica.added == replicas[0].added));
    Ok(())
}

proptest! {
    #![proptest_config(campaign::cases(200))]

    #[test]
    fn counters_add_up_however_branches_cross(
        actions in prop::collection::vec(any_action(), 0..30),
    ) {
        campaign::block_on(count(actions)).unwrap();
    }
}

#[test]
fn branches_may_cross_often() {
    const CROSSINGS: usize = 500;
    let mut graph = Graph::of(&[&[], &[0], &[0]]);
    for crossing in 0..CROSSINGS {
        let (one, other) = (2 * crossing + 1, 2 * crossing + 2);
        graph.0.extend([(vec![one, other], 0), (vec![other, one], 0)]);
    }
    let run = async move {
        let repo = new_repo();
        let commits = graph.make(&repo).await?;
        let [.., one, other] = &commits[..] else { return Ok(None) };
        let (one, other) = (repo.detached(one).unwrap(), repo.detached(other).unwrap());
        one.set("a", "x", "one").await?;
        other.set("b", "y", "other").await?;
        one.merge(&other, "merge").await?.clean()
    };
    // A merge inside a merge for each crossing does not fit on a small stack.
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let thread = thread.spawn(move || campaign::block_on(run)).unwrap();
    assert!(thread.join().unwrap().unwrap().is_some());
}

/// Lets all replicas merge all others, so many times.
async fn cross_all(rounds: usize) -> Result<()> {
    let mut replicas = new_replicas();
    for round in 0..rounds {
        for (index, replica) in replicas.iter_mut().enumerate() {
            replica.add(REPLICAS * round + index, 0, 1).await?;
        }
        // Clones of a handle move with it, so the heads are taken first.
        let mut before = Vec::new();
        for replica in &replicas {
            before.push((replica.clone(), replica.store.head().await?));
        }
        for into in &mut replicas {
            for (from, head) in &before {
                into.merge(from, head.as_ref()).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn ancestors_of_three_that_cross_are_merged_once() {
    let mut merges = Vec::new();
    for rounds in [4, 8, 16] {
        MERGES.set(0);
        cross_all(rounds).await.unwrap();
        merges.push(MERGES.get());
    }
    // All rounds before are merged again in each round: the square. Merged again for every way that
    // leads there, they would double with every round.
    assert!(merges[0] > 0, "{merges:?}");
    assert!(merges.windows(2).all(|pair| pair[1] <= 6 * pair[0]), "{merges:?}");
}

/// Rounds of four commits, each of which has others of the round before behind it; and two heads. To join
/// some of a round, several sets of the round before have to be joined, and for each of these the same ones
/// of the round before that.
fn rounds_of_four(rounds: usize) -> Graph {
    const PARENTS: [&[usize]; 4] = [&[0, 1, 2], &[0, 1, 2, 3], &[1, 2, 3], &[0, 2, 3]];
    let mut graph = Graph::of(&[&[], &[0], &[0], &[0], &[0]]);
    for round in 0..rounds {
        let before = 4 * round + 1;
        let parents = |of: &[usize]| of.iter().map(|parent| before + parent).collect();
        graph.0.extend(PARENTS.map(|of| (parents(of), 0)));
    }
    let last: Vec<_> = (4 * rounds + 1..4 * rounds + 5).collect();
    graph.0.extend([(last.clone(), 0), (last.into_iter().rev().collect(), 0)]);
    graph
}

#[tokio::test]
async fn ancestors_that_are_needed_in_several_places_are_joined_once() {
    let mut reads = Vec::new();
    for rounds in [6, 12] {
        let probe = Probe::default();
        let repo = Repo::<Texts>::new(probe.backend());
        let commits = rounds_of_four(rounds).make(&repo).await.unwrap();
        let [.., one, other] = &commits[..] else { panic!("there are two heads") };
        let (one, other) = (repo.detached(one).unwrap(), repo.detached(other).unwrap());
        probe.reads();
        one.merge(&other, "merge").await.unwrap().clean().unwrap().unwrap();
        reads.push(probe.reads());
    }
    // Twice as many rounds are twice as many commits to be joined. Joined again wherever they are needed,
    // they would be some thirty times as many.
    assert!(reads[1] <= 3 * reads[0], "{reads:?}");
}

#[tokio::test]
async fn histories_without_a_common_ancestor_merge() {
    let repo = new_repo();
    let (one, other) = (repo.empty(), repo.empty());
    one.set("a/b", "x", "one").await.unwrap();
    one.set("same", "x", "one").await.unwrap();
    other.set("a/c", "y", "other").await.unwrap();
    other.set("same", "x", "other").await.unwrap();
    let merged = one.merge(&other, "unrelated").await.unwrap().clean().unwrap().unwrap();
    assert_eq!(merged.parents().len(), 2);
    assert_eq!(one.list("a").await.unwrap().len(), 2);
    other.set("a/b", "z", "against").await.unwrap();
    let third = repo.empty();
    third.set("a/b", "w", "third").await.unwrap();
    assert!(matches!(third.merge(&other, "unrelated").await.unwrap(), Merged::Conflicts(_)));
}
