use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, Error, Result, Sha1, Storage as _, Sweep as _};
use ramus_mem::Mem;

use super::{DIRECTORY_BYTES, Waiting};
use crate::{Kv, Metadata, Native, Repo, Schema, Tree};

type Texts = Kv<String>;

/// Does something that has to wait for nothing.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("nothing has to be waited for")
}

/// Two trees of the same edits: one makes blocks of them whenever it can, the other never.
#[derive(Clone)]
struct Pair {
    eager: Tree<Texts>,
    never: Tree<Texts>,
}

#[derive(Clone, Debug)]
enum Step {
    Set(String, String),
    Remove(String),
    Rename(String, String),
    /// Puts a directory of one of the trees that were kept at a path.
    Graft(usize, String, String),
    Hash,
    /// Keeps the tree as it is.
    Keep,
    /// Goes on from a tree that was kept.
    Return(usize),
}

fn relieved_at<S: Schema>(mut tree: Tree<S>, bytes: usize) -> Tree<S> {
    tree.waiting.bytes_min = bytes;
    tree
}

impl Pair {
    fn new(repo: &Repo<Texts>, bytes: usize) -> Self {
        let [eager, never] = [bytes, usize::MAX].map(|bytes| relieved_at(repo.empty_tree(), bytes));
        Self { eager, never }
    }

    /// Does the same to both trees, and returns whether they answer the same.
    async fn does(&mut self, step: &Step, kept: &[Self]) -> Result<()> {
        let of = |index: &usize| &kept[index % kept.len()];
        let (eager, never) = (&mut self.eager, &mut self.never);
        let answers = match step {
            Step::Set(path, value) => {
                [eager.set(path, value.as_str()).await, never.set(path, value.as_str()).await]
            }
            Step::Remove(path) => {
                [eager.remove(path).await.map(drop), never.remove(path).await.map(drop)]
            }
            Step::Rename(from, to) => [eager.rename(from, to).await, never.rename(from, to).await],
            Step::Graft(index, from, to) => {
                let Self { eager: one, never: other } = of(index);
                match (one.find_tree(from).await?, other.find_tree(from).await?) {
                    (Some(one), Some(other)) => {
                        [eager.set_tree(to, &one).await, never.set_tree(to, &other).await]
                    }
                    (one, other) => {
                        assert_eq!(one.is_some(), other.is_some(), "{from}");
                        return Ok(());
                    }
                }
            }
            Step::Hash => {
                assert_eq!(eager.hash().await?, never.hash().await?);
                return Ok(());
            }
            Step::Keep => return Ok(()),
            Step::Return(index) => {
                *self = of(index).clone();
                return Ok(());
            }
        };
        let [one, other] = answers.map(|answer| answer.map_err(|error| error.to_string()));
        assert_eq!(one, other, "{step:?}");
        Ok(())
    }

    /// Makes sure that both are the same, as they are and when they were stored.
    async fn check(&self) -> Result<()> {
        let whole = self.never.to_concrete("").await?;
        assert_eq!(self.eager.to_concrete("").await?, whole);
        let backend = Backend::new(Mem::<Sha1>::default());
        let repo = Repo::<Texts>::new(backend.clone());
        // Into an empty storage, where nothing is but what the save gives.
        let (one, other) = (self.eager.save(&[]).await?, self.never.save(&[]).await?);
        assert_eq!(one.root, other.root);
        let blocks = one.blocks.iter().map(|(hash, block)| (*hash, block.bytes().clone()));
        backend.blocks().unsafe_add_many(blocks.collect()).await?;
        if !self.never.is_empty() {
            let stored = repo.tree(&one.root).await?;
            assert_eq!(stored.to_concrete("").await?, whole);
        }
        Ok(())
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let step = prop_oneof![4 => "[ab]", 2 => "[a-c]{2}", 3 => "0[0-9]{2}"];
    prop::collection::vec(step, 1..4).prop_map(|steps| steps.join("/"))
}

fn any_step() -> impl Strategy<Value = Step> {
    // In its entry, in a block, and in several.
    let value = prop_oneof![
        20 => "[xy]{1,3}",
        3 => Just("long ".repeat(40)),
        1 => Just("longer ".repeat(40_000)),
    ];
    prop_oneof![
        20 => (any_path(), value).prop_map(|(path, value)| Step::Set(path, value)),
        5 => any_path().prop_map(Step::Remove),
        2 => (any_path(), any_path()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (any::<usize>(), any_path(), any_path())
            .prop_map(|(index, from, to)| Step::Graft(index, from, to)),
        1 => Just(Step::Hash),
        2 => Just(Step::Keep),
        1 => any::<usize>().prop_map(Step::Return),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_is_the_same_whenever_blocks_are_made_of_its_edits(
        bytes in prop_oneof![Just(1), 1..3000_usize],
        wide in prop_oneof![3 => Just(0), 1 => Just(600)],
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        at_once(async {
            let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
            let mut pair = Pair::new(&repo, bytes);
            for number in 0..wide {
                let step = Step::Set(format!("b/{number:03}"), "some more text".to_owned());
                pair.does(&step, &[]).await?;
            }
            let mut kept = vec![pair.clone()];
            for step in &steps {
                pair.does(step, &kept).await?;
                if matches!(step, Step::Keep) {
                    kept.push(pair.clone());
                }
            }
            // What was kept is what it was, whatever was done since.
            for pair in kept.iter().chain([&pair]) {
                pair.check().await?;
            }
            Ok::<_, Error>(())
        })
        .expect("memory answers");
    }
}

#[test]
fn many_edits_become_blocks_and_those_that_were_replaced_are_forgotten() {
    let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
    let mut tree = relieved_at(repo.empty_tree(), 20_000);
    for round in 0..20 {
        for number in 0..500 {
            let path = format!("a/{:02}/{:02}", number / 50, number % 50);
            at_once(tree.set(path, format!("{round}"))).expect("memory answers");
            assert!(tree.waiting.bytes <= tree.waiting.block_bytes.max(20_000) + 1000);
        }
        let Some(blocks) = &tree.waiting.blocks else { continue };
        assert!(matches!(&tree.pending[..], [one] if Arc::ptr_eq(one, blocks)), "one for all");
        assert!(blocks.len() <= 12, "{} blocks of 12 directories", blocks.len());
    }
    assert!(tree.waiting.blocks.is_some(), "10 000 edits are much");
}

#[test]
fn a_dropped_edit_leaves_the_tree_what_it_is_and_edits_are_not_stored() {
    let mem = Mem::<Sha1>::default();
    let repo = Repo::<Texts>::new(Backend::new(mem.clone()));
    let mut tree = relieved_at(repo.empty_tree(), 1);
    at_once(tree.set("a/b", "c")).expect("memory answers");
    drop(tree.set("a/d", "e"));
    assert_eq!(at_once(tree.len("a")).expect("memory answers"), 1);
    at_once(tree.set("a/d", "e")).expect("memory answers");
    assert!(tree.waiting.blocks.is_some());
    let sweep = mem.sweep().expect("memory sweeps");
    assert!(at_once(sweep.keys().next()).is_none(), "nothing is stored before a commit");
}

#[test]
fn what_another_tree_waits_for_stays_when_blocks_are_made() {
    at_once(async {
        let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
        let mut eager = relieved_at(repo.empty_tree(), 1);
        let mut never = relieved_at(repo.empty_tree(), usize::MAX);
        for number in 0..20 {
            eager.set(format!("a/sub/{number}"), "x").await?;
            never.set(format!("kept/sub/{number}"), "x").await?;
        }
        // Blocks of its own, one of which names one of those that wait already.
        let mut other = eager.clone();
        other.set("a/new", "z").await?;
        let below = other.frozen().await?.find_tree("a").await?.expect("a directory");
        never.set("kept/new", "z").await?;
        eager.remove("a").await?;
        eager.set_tree("kept", &below).await?;
        for path in ["b/c", "b/d", "b/e"] {
            eager.set(path, "y").await?;
            never.set(path, "y").await?;
        }
        Pair { eager, never }.check().await
    })
    .expect("memory answers");
}

#[test]
fn edits_of_a_mebibyte_become_blocks_and_fewer_do_not() {
    let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    let mut count = 0;
    while tree.waiting.blocks.is_none() {
        at_once(tree.set(format!("dir/{count:05}"), "x")).expect("memory answers");
        count += 1;
        assert!(tree.waiting.bytes < (1 << 20) + 1000, "{count} edits are no blocks yet");
    }
    // The last one found that those before it, and their directory, are much.
    let bytes = (count - 1) * Waiting::<Texts>::EDIT_BYTES + DIRECTORY_BYTES;
    assert!(bytes >= 1 << 20, "{count} edits became blocks");
    assert_eq!(at_once(tree.len("dir")).expect("memory answers"), count as u64);
}

#[test]
fn blocks_are_made_anew_as_edits_come_to_what_the_blocks_take() {
    const BYTES_MIN: usize = 4000;
    let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
    let mut tree = relieved_at(repo.empty_tree(), BYTES_MIN);
    let (mut made, mut last, mut before) = (0, None, 0);
    for number in 0..4000 {
        let bytes = tree.waiting.bytes;
        at_once(tree.set(format!("{number:05}"), "x")).expect("memory answers");
        let Some(blocks) = &tree.waiting.blocks else { continue };
        if last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, blocks)) {
            assert!(bytes >= BYTES_MIN.max(before), "{bytes} bytes, behind blocks of {before}");
            (made, before) = (made + 1, tree.waiting.block_bytes);
            last = Some(Arc::clone(blocks));
        }
    }
    // An edit takes some twenty times what it takes in a block.
    assert!((10..=80).contains(&made), "{made} times");
    assert!(before > 5 * BYTES_MIN, "{before} bytes of blocks");
}

/// Texts with a mark.
#[derive(Clone, Debug, PartialEq)]
struct Marked;

#[derive(Clone, Debug, Default, PartialEq)]
struct Mark(Vec<u8>);

impl Schema for Marked {
    type Hash = Sha1;
    type Contents = String;
    type Metadata = Mark;
    type Format = Native;
}

impl Metadata for Mark {
    fn encode(&self) -> Bytes {
        self.0.clone().into()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        Ok(Self(bytes.to_vec()))
    }
}

#[test]
fn metadata_stay_where_blocks_are_made_of_edits() {
    at_once(async {
        let repo = Repo::<Marked>::new(Backend::new(Mem::default()));
        let [mut eager, mut never] =
            [1, usize::MAX].map(|bytes| relieved_at(repo.empty_tree(), bytes));
        for number in 0..600_usize {
            for tree in [&mut eager, &mut never] {
                // Each path comes back again and again, and not in the same part.
                let (path, value) = (format!("{}/{}", number % 7, number % 50), number.to_string());
                match number % 11 {
                    0..4 => {
                        let mark = Mark(number.to_be_bytes().to_vec());
                        tree.set_with_metadata(path, value, mark).await?;
                    }
                    4..9 => tree.set(path, value).await?,
                    9 => drop(tree.remove(path).await?),
                    _ if tree.mem(&path).await? => {
                        tree.rename(path, format!("moved/{number}")).await?;
                    }
                    _ => {}
                }
            }
            if number % 50 == 0 {
                assert_eq!(eager.to_concrete("").await?, never.to_concrete("").await?);
            }
        }
        assert!(eager.waiting.blocks.is_some() && never.waiting.blocks.is_none());
        assert_eq!(eager.to_concrete("").await?, never.to_concrete("").await?);
        assert_eq!(eager.hash().await?, never.hash().await?);
        Ok::<_, Error>(())
    })
    .expect("memory answers");
}
