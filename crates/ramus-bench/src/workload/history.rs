//! 10 000 commits in a line, tree {a -> `<i>`}; a fork at the 5000th commit with 5000 more, and one with
//! one more. Lowest common ancestors of main and each fork, first and again; the whole history as a
//! graph.

use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Instant;

use ramus_core::Error;
use ramus_kv::{Commit, GraphOptions, Repo, Store};

use crate::Result;
use crate::cli::RunOptions;
use crate::fixture::{Texts, info, mem_repo};
use crate::record::{Record, Recorder, Subject};

const COMMITS: usize = 10_000;
const FORK: usize = 5000;
/// How often a question is asked that is in the index.
const AGAIN: u64 = 1000;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("history");
    if options.has(Subject::RamusMem) {
        ramus(&mut recorder).await?;
    }
    if options.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

async fn ramus(recorder: &mut Recorder) -> Result<()> {
    let subject = Subject::RamusMem;
    let repo = mem_repo();
    let main = repo.main().await?;
    let start = Instant::now();
    grow(&main, 0..FORK).await?;
    let fork = main.fork("fork").await?;
    let fork1 = main.fork("fork1").await?;
    grow(&main, FORK..COMMITS).await?;
    recorder.done(subject, "commit", COMMITS as u64, start);
    grow(&fork, COMMITS..COMMITS + FORK).await?;
    grow(&fork1, COMMITS..=COMMITS).await?;
    let [main, fork, fork1] = [head(&main).await?, head(&fork).await?, head(&fork1).await?];

    let start = Instant::now();
    lca(&repo, &main, &fork).await?;
    recorder.done(subject, "lcas, fork, first question", 1, start);
    for (step, fork) in [("lcas, fork", &fork), ("lcas, fork1", &fork1)] {
        // Both are known from here on.
        lca(&repo, &main, fork).await?;
        let start = Instant::now();
        for _ in 0..AGAIN {
            lca(&repo, &main, fork).await?;
        }
        recorder.done(subject, step, AGAIN, start);
    }
    let start = Instant::now();
    let graph = repo.graph(GraphOptions::default()).await?.collect().await?;
    recorder.done(subject, "graph, per commit", (COMMITS + FORK + 1) as u64, start);
    black_box(graph);
    Ok(())
}

/// Makes a commit of each number.
pub(super) async fn grow(
    store: &Store<Texts>,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<()> {
    for i in numbers {
        store.set("a", i.to_string(), info()).await?;
    }
    Ok(())
}

pub(super) async fn head(store: &Store<Texts>) -> ramus_core::Result<Commit<Texts>> {
    store.head().await?.ok_or_else(|| Error::invalid_input("a branch without commits"))
}

async fn lca(repo: &Repo<Texts>, one: &Commit<Texts>, other: &Commit<Texts>) -> Result<()> {
    let lcas = repo.lcas(one, other).await?;
    assert_eq!(lcas.len(), 1, "a line that forks once");
    Ok(())
}

/// The commits are numbers, and their parents stand in a list: from both heads, the highest is taken
/// until both ways meet.
fn floor(recorder: &mut Recorder) {
    let mut parents: Vec<u32> = (0..).take(COMMITS).map(|i: u32| i.saturating_sub(1)).collect();
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let main = number(parents.len() - 1);
    parents.push(number(FORK - 1));
    let fork1 = number(parents.len() - 1);
    parents.push(number(FORK - 1));
    parents.extend((number(parents.len() - 1)..).take(FORK - 1));
    let fork = number(parents.len() - 1);
    for (step, fork) in [("lcas, fork", fork), ("lcas, fork1", fork1)] {
        let start = Instant::now();
        for _ in 0..AGAIN {
            assert_eq!(meet(&parents, main, fork), Some(number(FORK - 1)));
        }
        recorder.done(Subject::Floor, step, AGAIN, start);
    }
}

/// Returns where two lines meet.
pub(super) fn meet(parents: &[u32], one: u32, other: u32) -> Option<u32> {
    let mut next = BinaryHeap::from([one, other]);
    while let Some(highest) = next.pop() {
        if next.peek() == Some(&highest) {
            return Some(highest);
        }
        next.push(*parents.get(highest as usize)?);
    }
    None
}
