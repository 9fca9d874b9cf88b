//! Three replicas that change values of types which can conflict, cross and merge; what conflicts is stored,
//! resolved on one of them, and all converge.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Result};
use ramus_kv::{
    Bag, Commit, Contents, Json, Kv, Max, MergeOptions, Merged, Min, Repo, Resolution, Seq, Store,
    Text,
};
use ramus_mem::Mem;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::campaign::{block_on, cases};

/// A value of one of these types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
enum Held {
    Bag(#[merge(contents)] Bag<u8>),
    Max(#[merge(contents)] Max<u8>),
    Min(#[merge(contents)] Min<u8>),
    Text(#[merge(contents)] Text),
    Seq(#[merge(contents)] Seq<u8>),
}

const PATHS: [&str; 5] = ["bag", "max", "min", "d/text", "d/seq"];

/// Contents that can be changed at random.
trait Changing: Contents {
    /// Returns what the value at a path becomes by one more change.
    fn changed(path: &str, was: Option<Self>, by: u8) -> Self;
}

impl Changing for Json {
    fn changed(_: &str, was: Option<Self>, by: u8) -> Self {
        let Self(mut value) = was.unwrap_or_else(|| Self(json!({})));
        value[format!("k{}", by % 3)] = json!({ "by": by });
        Self(value)
    }
}

impl Changing for Held {
    fn changed(path: &str, was: Option<Self>, by: u8) -> Self {
        match (path, was) {
            ("bag", Some(Self::Bag(Bag(mut bag)))) => {
                *bag.entry(by % 3).or_default() += 1;
                Self::Bag(Bag(bag))
            }
            ("bag", _) => Self::Bag(Bag([(by % 3, 1)].into())),
            ("max", Some(Self::Max(Max(was)))) => Self::Max(Max(was.max(by))),
            ("max", _) => Self::Max(Max(by)),
            ("min", Some(Self::Min(Min(was)))) => Self::Min(Min(was.min(by))),
            ("min", _) => Self::Min(Min(by)),
            ("d/text", Some(Self::Text(Text(text)))) => {
                let at = usize::from(by) % (text.lines().count() + 1);
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.insert(at, by.to_string());
                Self::Text(Text(lines.join("\n") + "\n"))
            }
            ("d/text", _) => Self::Text(Text("a\nb\nc\n".to_owned())),
            ("d/seq", Some(Self::Seq(Seq(mut items)))) => {
                items.insert(usize::from(by) % (items.len() + 1), by);
                Self::Seq(Seq(items))
            }
            _ => Self::Seq(Seq(vec![1, 2, 3])),
        }
    }
}

type Stores<C> = [Store<Kv<C>>; 3];

#[derive(Clone, Debug)]
enum Action {
    Change(usize, usize, u8),
    Cross(usize, usize),
    Merge(usize, usize),
}

fn any_action() -> impl Strategy<Value = Action> {
    let pair = || (0..3_usize, 1..3_usize).prop_map(|(at, by)| (at, (at + by) % 3));
    prop_oneof![
        6 => (0..3_usize, 0..PATHS.len(), 0..20_u8).prop_map(|(at, path, by)| Action::Change(at, path, by)),
        2 => pair().prop_map(|(one, other)| Action::Cross(one, other)),
        1 => pair().prop_map(|(one, other)| Action::Merge(one, other)),
    ]
}

/// Merges a commit, and stores what conflicts.
async fn merge<C: Contents>(store: &Store<Kv<C>>, theirs: &Commit<Kv<C>>) -> Result<()> {
    if let Merged::Conflicts(mut open) =
        store.merge_with(theirs, MergeOptions::default(), "merge").await?
    {
        open.resolve_each(|_| Some(Resolution::Later));
        store.commit_merge(&open, "stored").await?;
    }
    Ok(())
}

async fn cross<C: Contents>(one: &Store<Kv<C>>, other: &Store<Kv<C>>) -> Result<()> {
    let (ours, theirs) = (one.head().await?, other.head().await?);
    for (store, head) in [(one, theirs), (other, ours)] {
        if let Some(head) = head {
            merge(store, &head).await?;
        }
    }
    Ok(())
}

/// Merges until all have the same.
async fn converge<C: Contents>(stores: &Stores<C>) -> Result<()> {
    for _ in 0..4 {
        for [one, other] in [[0, 1], [1, 2], [2, 0]] {
            cross(&stores[one], &stores[other]).await?;
        }
        let mut trees = Vec::new();
        for store in stores {
            trees.push(store.tree().await?.hash().await?);
        }
        if trees.iter().all(|tree| *tree == trees[0]) {
            return Ok(());
        }
    }
    panic!("they do not converge")
}

/// What came of the actions.
struct Outcome<C: Contents> {
    stores: Stores<C>,
    /// Where it was changed, and by what.
    changed: Vec<(&'static str, u8)>,
    /// How many conflicts were stored when all had the same.
    conflicts: usize,
}

/// Does all of it.
async fn run<C: Changing>(actions: &[Action]) -> Result<Outcome<C>> {
    let repo = Repo::<Kv<C>>::new(Backend::new(Mem::default()));
    let base = repo.main().await?;
    for path in PATHS {
        base.set(path, C::changed(path, None, 10), "base").await?;
    }
    let stores = [base.fork("a").await?, base.fork("b").await?, base.fork("c").await?];
    let mut changed = Vec::new();
    for action in actions {
        match *action {
            Action::Change(at, path, by) => {
                let (store, path) = (&stores[at], PATHS[path]);
                match store.find(path).await {
                    Ok(was) => {
                        store.set(path, C::changed(path, was, by), "change").await?;
                        changed.push((path, by));
                    }
                    // There is a stored conflict.
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
            Action::Cross(one, other) => cross(&stores[one], &stores[other]).await?,
            Action::Merge(one, other) => {
                if let Some(theirs) = stores[other].head().await? {
                    merge(&stores[one], &theirs).await?;
                }
            }
        }
    }
    converge(&stores).await?;
    let conflicts = stores[0].tree().await?.conflicts().collect().await?.len();
    resolve_all(&stores[0]).await?;
    converge(&stores).await?;
    for store in &stores {
        let left = store.tree().await?.conflicts().collect().await?;
        assert!(left.is_empty(), "all is resolved everywhere, but {left:?}");
    }
    Ok(Outcome { stores, changed, conflicts })
}

async fn resolve_all<C: Contents>(store: &Store<Kv<C>>) -> Result<()> {
    // One side of a conflict may be another one.
    for _ in 0..16 {
        let conflicts = store.tree().await?.conflicts().collect().await?;
        if conflicts.is_empty() {
            return Ok(());
        }
        let mut edit = store.begin().await?;
        for conflict in conflicts {
            edit.resolve(conflict.path, Resolution::Ours).await?;
        }
        store.commit(edit, "resolve").await?;
    }
    panic!("a conflict in a conflict, and so on")
}

/// Checks that nothing is lost of what never conflicts.
async fn check(Outcome { stores, changed, .. }: &Outcome<Held>) -> Result<()> {
    let of =
        |path: &'static str| changed.iter().filter(move |(at, _)| *at == path).map(|(_, by)| *by);
    for store in stores {
        let tree = store.tree().await?;
        let Some(Held::Bag(Bag(bag))) = tree.find("bag").await? else { panic!("a bag") };
        assert_eq!(bag.values().sum::<u64>(), 1 + of("bag").count() as u64, "each is in it once");
        let most = of("max").max().unwrap_or(0).max(10);
        assert_eq!(tree.find("max").await?, Some(Held::Max(Max(most))));
        let least = of("min").min().unwrap_or(10).min(10);
        assert_eq!(tree.find("min").await?, Some(Held::Min(Min(least))));
    }
    Ok(())
}

#[test]
fn replicas_that_store_their_conflicts_converge_once_one_resolved_them() {
    let (held, json) = (Cell::new(0), Cell::new(0));
    let actions = prop::collection::vec(any_action(), 1..25);
    let tried = TestRunner::new(cases(40)).run(&actions, |actions| {
        block_on(async {
            let outcome = run::<Held>(&actions).await.unwrap();
            check(&outcome).await.unwrap();
            held.set(held.get() + outcome.conflicts);
            json.set(json.get() + run::<Json>(&actions).await.unwrap().conflicts);
        });
        Ok(())
    });
    tried.unwrap();
    // Otherwise nothing of what this is about has happened.
    let conflicts = (held.get(), json.get());
    assert!(conflicts.0 >= 10 && conflicts.1 >= 10, "{conflicts:?} conflicts were stored");
}
