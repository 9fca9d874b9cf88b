//! What differs between two trees.

use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{Path, Result, Sha1};
use ramus_kv::{Difference, Repo, Tree};
use ramus_mem::Mem;

use crate::campaign;
use crate::mode::Files;
use crate::model::{Model, any_model, any_path, changed};
use crate::probe::Probe;

/// How a tree came to be what it is.
#[derive(Clone, Copy, Debug)]
enum Made {
    /// By edits of the older tree.
    FromOld,
    /// By edits of an empty tree.
    FromNothing,
    /// It was committed, and read back.
    Committed,
}

fn any_made() -> impl Strategy<Value = Made> {
    prop::sample::select(vec![Made::FromOld, Made::FromNothing, Made::Committed])
}

async fn make(
    repo: &Repo<Files>,
    old: &Tree<Files>,
    model: &Model,
    made: Made,
) -> Result<Tree<Files>> {
    let mut tree = match made {
        Made::FromOld => old.clone(),
        Made::FromNothing | Made::Committed => repo.empty_tree(),
    };
    model.edit_to(&mut tree).await?;
    if let Made::Committed = made
        && let Some(commit) = repo.empty().set_tree("", &tree, "made").await?
    {
        return Ok(commit.tree());
    }
    Ok(tree)
}

async fn hash(tree: &Tree<Files>, model: &Model, path: &Path) -> Result<Option<Sha1>> {
    if model.0.contains_key(path) { tree.find_hash(path).await } else { Ok(None) }
}

/// Compares every path with every path.
async fn naive(
    (old_tree, old): (&Tree<Files>, &Model),
    (new_tree, new): (&Tree<Files>, &Model),
) -> Result<Vec<Difference<Files>>> {
    let mut paths: Vec<&Path> = old.0.keys().chain(new.0.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut differences = Vec::new();
    for path in paths {
        if old.0.get(path) != new.0.get(path) {
            let (old, new) = (hash(old_tree, old, path).await?, hash(new_tree, new, path).await?);
            differences.push(Difference { path: path.clone(), old, new });
        }
    }
    Ok(differences)
}

async fn check(old: Model, new: Model, made: (Made, Made), below: Path) -> Result<()> {
    let repo = Repo::new(Backend::new(Mem::default()));
    let old_tree = make(&repo, &repo.empty_tree(), &old, made.0).await?;
    let new_tree = make(&repo, &old_tree, &new, made.1).await?;
    let expected = naive((&old_tree, &old), (&new_tree, &new)).await?;
    assert_eq!(old_tree.diff(&new_tree).collect().await?, expected);
    let lies_below = |one: &Difference<Files>| one.path.starts_with(&below);
    let expected: Vec<_> = expected.into_iter().filter(lies_below).collect();
    assert_eq!(old_tree.diff_below(&new_tree, &below).await?.collect().await?, expected);
    Ok(())
}

fn any_two() -> impl Strategy<Value = (Model, Model)> {
    any_model().prop_flat_map(|old| {
        let new = prop_oneof![3 => changed(&old).boxed(), 1 => any_model().boxed()];
        (Just(old), new)
    })
}

proptest! {
    #![proptest_config(campaign::cases(1000))]

    #[test]
    fn differences_are_those_of_maps(
        (old, new) in any_two(),
        made in (any_made(), any_made()),
        below in any_path(),
    ) {
        campaign::block_on(check(old, new, made, below)).unwrap();
    }
}

#[tokio::test]
async fn what_is_equal_is_not_read() {
    let probe = Probe::default();
    let main = Repo::<Files>::new(probe.backend()).main().await.unwrap();
    for path in ["a/b/c", "d/e/f", "g"] {
        main.set(path, path, "fill").await.unwrap();
    }
    let old = main.tree().await.unwrap().hash().await.unwrap();
    main.set("a/b/new", "x", "change").await.unwrap();
    let new = main.tree().await.unwrap().hash().await.unwrap();
    let repo = Repo::<Files>::new(probe.backend());
    let (old, new) = (repo.tree(&old).await.unwrap(), repo.tree(&new).await.unwrap());
    probe.reads();
    assert_eq!(old.diff(&old.clone()).collect().await.unwrap(), []);
    assert_eq!(probe.reads(), 0);
    assert_eq!(old.diff(&new).collect().await.unwrap().len(), 1);
    assert_eq!(probe.reads(), 6, "the root, `a` and `a/b`, of both");
}

#[tokio::test]
async fn a_change_of_kind_is_one_difference_for_the_contents_and_one_for_each_below() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let mut old = repo.empty_tree();
    old.set("a", "x").await.unwrap();
    let mut new = repo.empty_tree();
    new.set("a/c", "x").await.unwrap();
    new.set("a/b", "y").await.unwrap();
    let differences = old.diff(&new).collect().await.unwrap();
    let paths: Vec<String> = differences.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(paths, ["a", "a/b", "a/c"]);
    assert_eq!((differences[0].new, differences[2].old), (None, None));
    assert_eq!(differences[0].old, differences[2].new, "the same value");
    let back = new.diff(&old).collect().await.unwrap();
    for (there, back) in differences.iter().zip(&back) {
        assert_eq!((&there.path, there.old, there.new), (&back.path, back.new, back.old));
    }
}
