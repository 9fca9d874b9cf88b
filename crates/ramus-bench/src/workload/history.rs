//! 10 000 commits in a line (quick: 2000), tree {a -> `<i>`}; a fork at half of them with as many more, and
//! one with one more. Lowest common ancestors of main and each fork, first and again, and first once more where it
//! is opened anew, with an index that is kept and without; the whole history as a graph.

use std::collections::BinaryHeap;
use std::hint::black_box;

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Error, RefName, Sha1, Storage as _};
use ramus_kv::{Commit, GraphOptions, Repo, Store};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Place, Texts, info, repo};
use crate::peer::{PeerStore, Skill};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::asked;

/// How often a question is asked that is in the index.
const AGAIN: u64 = 1000;

const COMMIT: &str = "commit";
const FIRST: &str = "lcas, fork, first question";
const FIRST_KEPT: &str = "the same, opened again";
const FIRST_LOADED: &str = "the same, no index kept";
const LCAS: &str = "lcas, fork";
const LCAS_OF_ONE: &str = "lcas, fork1";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("history");
    for subject in context.ramus() {
        let commits = context.size(2000, 10_000);
        ramus(&mut recorder, &context.place(subject)?, (subject, commits)).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, context.size(2000, 10_000));
    }
    for peer in context.skilled(Skill::Ancestors) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        of_peer(&mut recorder, &mut *store, (subject, context.size(2000, 10_000)))?;
    }
    Ok(recorder.records)
}

async fn ramus(
    recorder: &mut Recorder,
    place: &Place,
    (subject, commits): (Subject, usize),
) -> Result<()> {
    let half = commits / 2;
    let storage = place.backend().await?;
    let repo = repo(storage.clone());
    let main = repo.main().await?;
    let start = Start::now();
    grow(&main, 0..half).await?;
    let forked_at = head(&main).await?;
    let fork = main.fork("fork").await?;
    let fork1 = main.fork("fork1").await?;
    grow(&main, half..commits).await?;
    recorder.done(subject, COMMIT, commits as u64, start);
    grow(&fork, commits..commits + half).await?;
    grow(&fork1, commits..=commits).await?;
    let [main, fork, fork1] = [head(&main).await?, head(&fork).await?, head(&fork1).await?];

    let start = Start::now();
    lca(&repo, (&main, &fork), &forked_at).await?;
    recorder.done(subject, FIRST, 1, start);
    first_again(recorder, &storage, subject, [&main, &fork, &forked_at]).await?;
    for (step, fork) in [(LCAS, &fork), (LCAS_OF_ONE, &fork1)] {
        // Both are known from here on.
        lca(&repo, (&main, fork), &forked_at).await?;
        let start = Start::now();
        for _ in 0..AGAIN {
            lca(&repo, (&main, fork), &forked_at).await?;
        }
        recorder.done(subject, step, AGAIN, start);
    }
    let start = Start::now();
    let mut graph = repo.graph(GraphOptions::default()).await?;
    // Not kept, as one text: what a caller keeps is nothing that the store takes.
    while let Some(line) = graph.next().await {
        black_box(line?);
    }
    recorder.done(subject, "graph, per commit", (commits + half + 1) as u64, start);
    place.weigh().await?;
    repo.close().await?;
    Ok(())
}

/// The first question of a repository that is opened once more: with the index, if one is kept, and without.
async fn first_again(
    recorder: &mut Recorder,
    storage: &Backend<Sha1>,
    subject: Subject,
    commits: [&Commit<Texts>; 3],
) -> Result<()> {
    for step in [FIRST_KEPT, FIRST_LOADED] {
        if step == FIRST_LOADED {
            storage.replace_derived(&RefName::internal("history/native")?, Bytes::new()).await?;
        }
        let again = repo(storage.clone());
        let mut found = Vec::new();
        for commit in commits {
            found.push(again.commit(&commit.hash()).await?.ok_or("a commit is gone")?);
        }
        let start = Start::now();
        lca(&again, (&found[0], &found[1]), &found[2]).await?;
        recorder.done(subject, step, 1, start);
    }
    Ok(())
}

fn of_peer(
    recorder: &mut Recorder,
    store: &mut dyn PeerStore,
    (subject, commits): (Subject, usize),
) -> Result<()> {
    let half = commits / 2;
    let start = Start::now();
    grow_peer(store, 0..half)?;
    store.fork("fork")?;
    store.fork("fork1")?;
    grow_peer(store, half..commits)?;
    recorder.done(subject, COMMIT, commits as u64, start);
    store.switch("fork")?;
    grow_peer(store, commits..commits + half)?;
    store.switch("fork1")?;
    grow_peer(store, commits..=commits)?;

    store.forget()?;
    let mut ask = |fork: &str| {
        assert_eq!(store.common("main", fork)?, half as u64, "where the line forks");
        Ok(())
    };
    let start = Start::now();
    ask("fork")?;
    recorder.done(subject, FIRST, 1, start);
    for (step, fork) in [(LCAS, "fork"), (LCAS_OF_ONE, "fork1")] {
        let start = Start::now();
        let asked = asked::for_a_second(AGAIN, || ask(fork))?;
        recorder.done(subject, step, asked, start);
    }
    Ok(())
}

/// Makes a commit of each number, in a peer.
pub(super) fn grow_peer(
    store: &mut dyn PeerStore,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<()> {
    numbers.into_iter().try_for_each(|i| store.set(&[("a".to_owned(), i.to_string())]))
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

async fn lca(
    repo: &Repo<Texts>,
    (one, other): (&Commit<Texts>, &Commit<Texts>),
    expected: &Commit<Texts>,
) -> Result<()> {
    let lcas = repo.lcas(one, other).await?;
    assert!(lcas.len() == 1 && lcas[0].hash() == expected.hash(), "where the line forks");
    Ok(())
}

/// The commits are numbers, and their parents stand in a list: from both heads, the highest is taken
/// until both ways meet.
fn floor(recorder: &mut Recorder, commits: usize) {
    let half = commits / 2;
    let mut parents: Vec<u32> = (0..).take(commits).map(|i: u32| i.saturating_sub(1)).collect();
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let main = number(parents.len() - 1);
    parents.push(number(half - 1));
    let fork1 = number(parents.len() - 1);
    parents.push(number(half - 1));
    parents.extend((number(parents.len() - 1)..).take(half - 1));
    let fork = number(parents.len() - 1);
    for (step, fork) in [(LCAS, fork), (LCAS_OF_ONE, fork1)] {
        let start = Start::now();
        for _ in 0..AGAIN {
            assert_eq!(meet(&parents, main, fork), Some(number(half - 1)));
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
