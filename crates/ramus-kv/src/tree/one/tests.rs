use std::collections::BTreeMap;

use bytes::Bytes;
use futures::FutureExt as _;
use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{Error, Path, Result};
use ramus_mem::Mem;

use crate::tree::save::Saved;
use crate::{Kv, Repo, Schema, Tree};

type Texts = Kv<String>;

/// Does something that has to wait for nothing.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("nothing has to be waited for")
}

/// What is stored for an edit: the root, and the blocks by name.
type Stored = (<Texts as Schema>::Hash, BTreeMap<<Texts as Schema>::Hash, Bytes>);

fn stored(saved: Result<Saved<Texts>>) -> std::result::Result<Stored, String> {
    let Saved { root, blocks, unchecked } = saved.map_err(|error: Error| error.to_string())?;
    assert!(unchecked.is_empty());
    let count = blocks.len();
    let blocks: BTreeMap<_, _> =
        blocks.into_iter().map(|(hash, block)| (hash, block.bytes().clone())).collect();
    assert_eq!(blocks.len(), count, "each block once");
    Ok((root, blocks))
}

/// An edit of a tree as it is done where there may be others.
fn among_others(tree: &Tree<Texts>, path: &Path, value: Option<&String>) -> Result<Saved<Texts>> {
    let mut tree = tree.clone();
    at_once(async {
        match value {
            Some(value) => tree.set(path, value.clone()).await?,
            None => drop(tree.remove(path).await?),
        }
        tree.save(&[]).await
    })
}

fn alone(tree: &Tree<Texts>, path: &Path, value: Option<&String>) -> Result<Saved<Texts>> {
    match value {
        Some(value) => at_once(tree.clone().save_set(path, value, &[])),
        None => at_once(tree.clone().save_remove(path, &[])),
    }
}

/// Returns the tree of these values as it is stored. A directory `w` has more than fit in a block.
fn tree_of(values: &[(Path, String)], wide: usize) -> Tree<Texts> {
    let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    at_once(async {
        for number in 0..wide {
            let path = format!("w/{number:04}");
            tree.set(path, "some text that is written into its entry").await.expect("set");
        }
        for (path, value) in values {
            // What lies in the way of one another is left out.
            drop(tree.set(path, value.clone()).await);
        }
        let main = repo.main().await.expect("a branch");
        main.set_tree("", &tree, "all").await.expect("set tree");
        main.tree().await.expect("a tree")
    })
}

fn any_path() -> impl Strategy<Value = Path> {
    let step = prop_oneof!["[ab]", "[a-c]{2}", Just("w".to_owned()), "0[0-4]{3}"];
    prop::collection::vec(step, 0..4).prop_map(|steps| steps.join("/").parse().expect("a path"))
}

fn any_value() -> impl Strategy<Value = String> {
    // In its entry, in a block, and in several.
    prop_oneof![20 => "[xy]{1,3}", 3 => Just("long ".repeat(40)), 1 => Just("longer ".repeat(40_000))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_edit_stores_what_it_stores_among_others(
        values in prop::collection::vec((any_path(), any_value()), 0..8),
        wide in prop_oneof![4 => Just(0_usize), 1 => Just(400), 1 => 200..230_usize],
        edits in prop::collection::vec((any_path(), prop::option::weighted(0.6, any_value())), 1..12),
    ) {
        let tree = tree_of(&values, wide);
        for (path, value) in &edits {
            let (one, other) = (alone(&tree, path, value.as_ref()), among_others(&tree, path, value.as_ref()));
            prop_assert_eq!(stored(one), stored(other), "{:?} at {}", value, path);
        }
        // What is there is set again, and removed.
        for (path, value) in &values {
            for value in [Some(value), None] {
                let (one, other) = (alone(&tree, path, value), among_others(&tree, path, value));
                prop_assert_eq!(stored(one), stored(other), "{:?} at {}", value, path);
            }
        }
    }
}
