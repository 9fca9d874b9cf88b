//! From edits to blocks, bottom-up: each edited directory once.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Result, Step};

use super::Tree;
use super::dir::{Dir, Edit, Edited, Leaf, Node, check_depth};
use super::edit_map;
use super::pending::{Pending, PendingBlock, View};
use crate::block::Link;
use crate::crew::WORTH_BYTES;
use crate::directory::{
    Body, Built, DirBlock, Edits, Entry, Held, Item, Nodes as _, build_by, edit, edit_leaf,
};
use crate::{Format as _, Schema};

/// Blocks by name.
pub(crate) type Blocks<S> = Vec<(<S as Schema>::Hash, PendingBlock<<S as Schema>::Hash>)>;

/// The blocks of a tree that are not stored yet.
#[derive(Debug)]
pub(crate) struct Saved<S: Schema> {
    pub(crate) root: S::Hash,
    /// Each once, in no order.
    pub(crate) blocks: Blocks<S>,
    /// The directories that nobody has seen yet.
    pub(crate) unchecked: Vec<S::Hash>,
}

impl<S: Schema> Saved<S> {
    /// Returns what a tree comes to that is stored already.
    pub(super) const fn unchanged(root: S::Hash) -> Self {
        Self { root, blocks: Vec::new(), unchecked: Vec::new() }
    }
}

impl<H: ramus_core::Hash> PendingBlock<H> {
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Directory(block) => block.block(),
            Self::Plain(block) => block,
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

    /// Returns the blocks of the tree that are not stored yet, without those that are known to be on
    /// their way, and what lies below them.
    pub(crate) async fn save(&self, known: &[Arc<Pending<S>>]) -> Result<Saved<S>> {
        let Frozen { root, made, mut unchecked } = self.freeze().await?;
        unchecked.extend(&self.unchecked);
        if self.awaits_only(known) {
            // What was made just now is what the tree needs, all of it.
            return Ok(Saved { root, blocks: made.into_blocks(), unchecked });
        }
        let mut pending = self.pending.clone();
        pending.push(Arc::new(made));
        let view = View { objects: &self.objects, pending: &pending };
        let blocks = reached(&view, known, root)?;
        Ok(Saved { root, blocks, unchecked })
    }

    /// Returns whether what waits beside the tree to be stored is known to be on its way.
    pub(super) fn awaits_only(&self, known: &[Arc<Pending<S>>]) -> bool {
        self.pending.iter().all(|one| known.iter().any(|known| Arc::ptr_eq(one, known)))
    }

    /// Adds the blocks that the edits of the tree make, and returns the name of its root.
    pub(super) async fn save_into(&self, made: &mut Pending<S>) -> Result<S::Hash> {
        let Frozen { root, made: new, unchecked: _ } = self.freeze().await?;
        made.add_all(&new.into_blocks());
        Ok(root)
    }

    async fn freeze(&self) -> Result<Frozen<S>> {
        let mut freezer = Freezer::new(self);
        let root = freezer.run().await?;
        let Freezer { made, unchecked, .. } = freezer;
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
    /// Directories that can be made at any time, together.
    ready: Vec<Ready<S::Hash>>,
    /// What those are worth, in bytes.
    ready_bytes: usize,
    made: Pending<S>,
    unchecked: Vec<S::Hash>,
}

/// An edited directory that is being made.
struct Open<'t, S: Schema> {
    directory: &'t Edited<S>,
    /// The edits that are still to come.
    left: edit_map::Iter<'t, S>,
    /// What became of those before; nothing for a directory that has no name yet.
    edits: Edits<S::Hash>,
    /// About how many bytes they are.
    bytes: usize,
    /// Whether a directory in it has no name yet.
    waits: bool,
}

/// A directory of at most one leaf, with edits of which each is known.
struct Ready<H> {
    /// Which open directory it lies in, and which edit there puts it.
    parent: usize,
    index: usize,
    /// What it is worth.
    bytes: usize,
    unmade: Unmade<H>,
}

enum Unmade<H> {
    /// Edits of a leaf, or of nothing.
    Edits(Option<Arc<DirBlock<H>>>, Edits<H>),
    /// A block that has to be hashed.
    Block(DirBlock<H>),
}

impl<'t, S: Schema> Freezer<'t, S> {
    fn new(tree: &'t Tree<S>) -> Self {
        let (open, ready, made, unchecked) = (Vec::new(), Vec::new(), Pending::new(), Vec::new());
        Self { tree, open, ready, ready_bytes: 0, made, unchecked }
    }

    /// Makes the directories from the inside out, without recursion: they may lie deep.
    async fn run(&mut self) -> Result<S::Hash> {
        if let Some(hash) = self.enter(&self.tree.root)? {
            return Ok(hash);
        }
        loop {
            let Some(open) = self.open.last_mut() else {
                return Err(Error::corrupt("a tree has no root"));
            };
            if let Some((step, edit)) = open.left.next() {
                self.take(step, edit)?;
                self.make_many_ready().await?;
            } else if let Some(root) = self.close().await? {
                return Ok(root);
            }
        }
    }

    fn take(&mut self, step: &'t Step, edit: &'t Edit<S>) -> Result<()> {
        let parent = self.open.len() - 1;
        let entry = match &edit.node {
            None => None,
            Some(Node::Contents(leaf)) => {
                self.add_blocks(leaf);
                Some(leaf.to_entry())
            }
            // It has a name, or was opened and gets one.
            Some(Node::Directory(dir)) => self.enter(dir)?.map(|hash| Entry::Directory { hash }),
            // Its blocks wait beside the tree, or are stored.
            Some(Node::Conflict(hash)) => Some(Entry::Conflict { hash: *hash }),
        };
        let open = &mut self.open[parent];
        open.bytes += step.as_bytes().len() + ENTRY_BYTES;
        open.edits.push((step.clone(), entry.map(Body::Entry)));
        Ok(())
    }

    /// Adds the blocks of contents that were not saved yet.
    fn add_blocks(&mut self, leaf: &Leaf<S>) {
        if let (Some(unsaved), Held::Block(hash)) = (&leaf.unsaved, &leaf.held) {
            self.made.add_contents(*hash, unsaved.root().clone());
            for (hash, block) in unsaved.below() {
                self.made.add_contents(*hash, block.clone());
            }
        }
    }

    /// Opens a directory, unless its name is known already or it is made of what is at hand.
    fn enter(&mut self, dir: &'t Dir<S>) -> Result<Option<S::Hash>> {
        check_depth(self.open.len())?;
        if let Dir::Unchecked(hash) = dir {
            self.unchecked.push(*hash);
        }
        match (dir.known_hash(), dir) {
            (Some(hash), _) => Ok(Some(hash)),
            (None, Dir::Edited(directory)) => {
                if self.encode(directory) {
                    return Ok(None);
                }
                let left = directory.edits().iter();
                let edits = Edits::with_capacity(left.len());
                self.open.push(Open { directory, left, edits, bytes: 0, waits: false });
                Ok(None)
            }
            (None, Dir::Stored(hash) | Dir::Unchecked(hash)) => Ok(Some(*hash)),
        }
    }

    /// Encodes a new directory of contents alone that is one block, and notes that it can be hashed; returns
    /// whether it is such a directory. The root is opened all the same.
    fn encode(&mut self, directory: &'t Edited<S>) -> bool {
        let Some(parent) = self.open.len().checked_sub(1) else { return false };
        if directory.base().is_some() {
            return false;
        }
        let entries = directory.edits().iter().map(|(step, edit)| match &edit.node {
            Some(Node::Contents(leaf)) => (step, Some((&leaf.held, &*leaf.metadata))),
            Some(Node::Directory(_) | Node::Conflict(_)) | None => (step, None),
        });
        let Some(block) = DirBlock::of_contents(entries) else { return false };
        for (_, edit) in directory.edits() {
            if let Some(Node::Contents(leaf)) = &edit.node {
                self.add_blocks(leaf);
            }
        }
        let (index, bytes) = (self.open[parent].edits.len(), block.block().len());
        self.note_ready(Ready { parent, index, bytes, unmade: Unmade::Block(block) });
        true
    }

    fn note_ready(&mut self, ready: Ready<S::Hash>) {
        self.open[ready.parent].waits = true;
        self.ready_bytes += ready.bytes;
        self.ready.push(ready);
    }

    /// Makes the innermost directory, all of whose edits were taken, or notes that it can be made;
    /// returns the name of the root.
    async fn close(&mut self) -> Result<Option<S::Hash>> {
        if self.open.last().is_some_and(|open| open.waits) {
            self.make_ready().await?;
        }
        let Some(Open { directory, edits, bytes, .. }) = self.open.pop() else { return Ok(None) };
        let base = directory.base().map(|base| &base.root);
        let is_small = base.is_none_or(|base| base.level() == 0) && bytes < WORTH_BYTES;
        if let (true, Some(parent)) = (is_small, self.open.len().checked_sub(1)) {
            let bytes = bytes + base.map_or(0, |base| base.block().len());
            let (base, index) = (base.cloned(), self.open[parent].edits.len() - 1);
            self.note_ready(Ready { parent, index, bytes, unmade: Unmade::Edits(base, edits) });
            self.make_many_ready().await?;
            return Ok(None);
        }
        let view = self.tree.view();
        let built = match base {
            Some(base) => edit(&view, base, edits).await?,
            None => build_by(view.crew(), 0, items(edits)).await?,
        };
        let hash = self.keep(built);
        let Some(above) = self.open.last_mut() else { return Ok(Some(hash)) };
        above.name_last(hash);
        Ok(None)
    }

    /// Makes the directories that can be made, if they are many.
    async fn make_many_ready(&mut self) -> Result<()> {
        if self.ready_bytes >= READY_BYTES_MAX { self.make_ready().await } else { Ok(()) }
    }

    /// Makes the directories that can be made, and tells those that they lie in.
    async fn make_ready(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        self.ready_bytes = 0;
        let made = if let [_] = &ready[..] {
            ready.into_iter().map(Ready::make).collect()
        } else {
            self.tree.view().crew().map(ready, |one| one.bytes, Ready::make).await?
        };
        for (parent, index, built) in made {
            let hash = self.keep(built?);
            self.open[parent].name(index, hash);
        }
        for open in &mut self.open {
            open.waits = false;
        }
        Ok(())
    }

    fn keep(&mut self, built: Built<S::Hash>) -> S::Hash {
        for (hash, block) in built.below {
            self.made.add_directory(hash, block);
        }
        self.made.add_directory(built.hash, built.root);
        built.hash
    }
}

/// What an entry is worth beside its step, about.
const ENTRY_BYTES: usize = 24;

/// How much is made together at most, but for a single directory that is larger: enough for a crew,
/// and no more than can lie in memory beside the tree.
const READY_BYTES_MAX: usize = 16 * WORTH_BYTES;

impl<S: Schema> Open<'_, S> {
    fn name_last(&mut self, hash: S::Hash) {
        self.name(self.edits.len() - 1, hash);
    }

    /// Puts the name of a directory, which the edit of that index puts.
    fn name(&mut self, index: usize, hash: S::Hash) {
        self.edits[index].1 = Some(Body::Entry(Entry::Directory { hash }));
    }
}

impl<H: ramus_core::Hash> Ready<H> {
    fn make(self) -> (usize, usize, Result<Built<H>>) {
        let Self { parent, index, bytes: _, unmade } = self;
        let built = match unmade {
            Unmade::Edits(base, edits) => edit_leaf(base.as_deref(), edits),
            Unmade::Block(block) => Ok(Built::of_root(Arc::new(block), Vec::new())),
        };
        (parent, index, built)
    }
}

fn items<H>(edits: Edits<H>) -> Vec<Item<H>> {
    edits.into_iter().filter_map(|(step, body)| Some(Item { step, body: body? })).collect()
}

/// Returns the blocks that wait to be stored and that can be come to from a root.
///
/// Others wait, too, if the tree was hashed in the middle of its edits.
pub(super) fn reached<S: Schema>(
    view: &View<'_, S>,
    known: &[Arc<Pending<S>>],
    root: S::Hash,
) -> Result<Blocks<S>> {
    let mut seen: HashSet<S::Hash, DigestHash> = HashSet::default();
    let (mut todo, mut blocks) = (vec![root], Vec::new());
    while let Some(hash) = todo.pop() {
        let Some(block) = view.find(&hash) else { continue };
        if known.iter().any(|known| known.get(&hash).is_some()) || !seen.insert(hash) {
            continue;
        }
        match block {
            PendingBlock::Directory(directory) if directory.has_names() => {
                let mut walk = directory.walk();
                while walk.advance()? {
                    todo.extend(walk.named()?);
                }
            }
            PendingBlock::Directory(_) => {}
            PendingBlock::Plain(block) => {
                let links = S::Format::links::<S::Hash>(block)?;
                todo.extend(links.iter().map(Link::hash));
            }
        }
        blocks.push((hash, block.clone()));
    }
    Ok(blocks)
}
