//! From edits to blocks, bottom-up: each edited directory once.

use std::collections::{BTreeMap, HashSet, btree_map};
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Result, Step};

use super::Tree;
use super::dir::{Dir, Edit, Edited, Node, check_depth};
use super::pending::{Pending, PendingBlock, View};
use crate::Schema;
use crate::directory::{Body, Entry, Held, Item, build, edit};

/// Blocks by name.
type Blocks<S> = Vec<(<S as Schema>::Hash, PendingBlock<<S as Schema>::Hash>)>;

/// The blocks of a tree that are not stored yet.
#[derive(Debug)]
pub(crate) struct Saved<S: Schema> {
    pub(crate) root: S::Hash,
    /// Each once, in no order.
    pub(crate) blocks: Blocks<S>,
    /// The directories that nobody has seen yet.
    pub(crate) unchecked: Vec<S::Hash>,
}

impl<H> PendingBlock<H>
where
    H: ramus_core::Hash,
{
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Directory(block) => block.block().clone(),
            Self::Contents(block) => block.clone(),
        }
    }
}

impl<S: Schema> Tree<S> {
    /// Returns the hash that the root directory has when the tree is saved.
    ///
    /// Nothing is stored by it.
    ///
    /// # Errors
    ///
    /// Those of reading: what lies beside an edit may decide where a directory is split.
    pub async fn hash(&self) -> Result<S::Hash> {
        match self.root.known_hash() {
            Some(hash) => Ok(hash),
            None => Ok(self.freeze().await?.root),
        }
    }

    /// Returns the same tree with its edits as blocks, which wait beside it to be stored.
    pub(crate) async fn frozen(&self) -> Result<Self> {
        let Frozen { root, made, unchecked } = self.freeze().await?;
        let mut frozen = self.below(Dir::Stored(root));
        frozen.unchecked.extend(unchecked);
        if !made.is_empty() {
            frozen.pending.push(Arc::new(made));
        }
        Ok(frozen)
    }

    /// Returns the blocks of the tree that are not stored yet.
    pub(crate) async fn save(&self) -> Result<Saved<S>> {
        let Frozen { root, made, mut unchecked } = self.freeze().await?;
        unchecked.extend(&self.unchecked);
        let mut pending = self.pending.clone();
        pending.push(Arc::new(made));
        let view = View { objects: &self.objects, pending: &pending };
        let blocks = reached(&view, root)?;
        Ok(Saved { root, blocks, unchecked })
    }

    async fn freeze(&self) -> Result<Frozen<S>> {
        let mut freezer =
            Freezer { tree: self, open: Vec::new(), made: Pending::new(), unchecked: Vec::new() };
        let root = freezer.run().await?;
        let Freezer { tree: _, open: _, made, unchecked } = freezer;
        Ok(Frozen { root, made, unchecked })
    }
}

/// A tree as blocks.
struct Frozen<S: Schema> {
    root: S::Hash,
    made: Pending<S>,
    unchecked: Vec<S::Hash>,
}

struct Freezer<'t, S: Schema> {
    tree: &'t Tree<S>,
    /// The directories that are being made, one in another.
    open: Vec<Open<'t, S>>,
    made: Pending<S>,
    unchecked: Vec<S::Hash>,
}

/// An edited directory that is being made.
struct Open<'t, S: Schema> {
    directory: &'t Edited<S>,
    /// The edits that are still to come.
    left: btree_map::Iter<'t, Step, Edit<S>>,
    /// What became of those before.
    entries: BTreeMap<Step, Option<Entry<S::Hash>>>,
    /// The step of a directory that is being made below this one.
    below: Option<&'t Step>,
}

impl<'t, S: Schema> Freezer<'t, S> {
    /// Makes the directories from the inside out, without recursion: they may lie deep.
    async fn run(&mut self) -> Result<S::Hash> {
        let tree = self.tree;
        let mut made = self.enter(&tree.root)?;
        while let Some(open) = self.open.last_mut() {
            if let (Some(step), Some(hash)) = (open.below.take(), made.take()) {
                open.entries.insert(step.clone(), Some(Entry::Directory { hash }));
            }
            made = match open.left.next() {
                Some((step, edit)) => self.take(step, edit)?,
                None => self.close().await?,
            };
        }
        made.ok_or_else(|| Error::corrupt("a tree has no root"))
    }

    /// Takes one edit; returns the name of the directory that it puts, if it puts one that is known.
    fn take(&mut self, step: &'t Step, edit: &'t Edit<S>) -> Result<Option<S::Hash>> {
        let entry = match &edit.node {
            None => None,
            Some(Node::Contents(leaf)) => {
                if let (Some(block), Held::Block(hash)) = (&leaf.unsaved, &leaf.held) {
                    self.made.add_contents(*hash, block.clone());
                }
                Some(leaf.to_entry())
            }
            Some(Node::Directory(dir)) => {
                if let Some(open) = self.open.last_mut() {
                    open.below = Some(step);
                }
                return self.enter(dir);
            }
        };
        if let Some(open) = self.open.last_mut() {
            open.entries.insert(step.clone(), entry);
        }
        Ok(None)
    }

    /// Opens a directory, unless its name is known already.
    fn enter(&mut self, dir: &'t Dir<S>) -> Result<Option<S::Hash>> {
        check_depth(self.open.len())?;
        if let Dir::Unchecked(hash) = dir {
            self.unchecked.push(*hash);
        }
        match (dir.known_hash(), dir) {
            (Some(hash), _) => Ok(Some(hash)),
            (None, Dir::Edited(directory)) => {
                let (left, entries) = (directory.edits().iter(), BTreeMap::new());
                self.open.push(Open { directory, left, entries, below: None });
                Ok(None)
            }
            (None, Dir::Stored(hash) | Dir::Unchecked(hash)) => Ok(Some(*hash)),
        }
    }

    /// Makes the innermost directory, all of whose edits were taken.
    async fn close(&mut self) -> Result<Option<S::Hash>> {
        let Some(Open { directory, entries, .. }) = self.open.pop() else { return Ok(None) };
        let built = match directory.base() {
            Some(base) => edit(&self.tree.view(), &base.root, entries).await?,
            None => build(0, items(entries)),
        };
        for (hash, block) in built.below {
            self.made.add_directory(hash, block);
        }
        self.made.add_directory(built.hash, built.root);
        Ok(Some(built.hash))
    }
}

fn items<H>(entries: BTreeMap<Step, Option<Entry<H>>>) -> Vec<Item<H>> {
    let item =
        |(step, entry): (Step, Option<Entry<H>>)| Some(Item { step, body: Body::Entry(entry?) });
    entries.into_iter().filter_map(item).collect()
}

/// Returns the blocks that wait to be stored and that can be come to from a root.
///
/// Others wait, too, if the tree was hashed in the middle of its edits.
fn reached<S: Schema>(view: &View<'_, S>, root: S::Hash) -> Result<Blocks<S>> {
    let mut seen: HashSet<S::Hash, DigestHash> = HashSet::default();
    let (mut todo, mut blocks) = (vec![root], Vec::new());
    while let Some(hash) = todo.pop() {
        let Some(block) = view.find(&hash) else { continue };
        if !seen.insert(hash) {
            continue;
        }
        if let PendingBlock::Directory(directory) = block {
            let mut walk = directory.walk();
            while walk.advance()? {
                match walk.body()? {
                    Body::Child(child) => todo.push(child.hash),
                    Body::Entry(
                        Entry::Directory { hash } | Entry::Contents { held: Held::Block(hash), .. },
                    ) => todo.push(hash),
                    Body::Entry(Entry::Contents { held: Held::Inline(_), .. }) => {}
                }
            }
        }
        blocks.push((hash, block.clone()));
    }
    Ok(blocks)
}
