//! A directory of a tree: as it is stored, or with edits over it.

mod few;
mod put;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash as _, Result, Step};

use self::few::Few;
use super::edit_map::EditMap;
use crate::directory::{DirBlock, Entry, Held};
use crate::large::Unsaved;
use crate::{Format as _, Schema};

/// A directory. Cloning is cheap, and an edit of the clone is not seen in the original.
#[derive(Debug)]
pub(crate) enum Dir<S: Schema> {
    /// Exactly what lies below this root block.
    Stored(S::Hash),
    /// The same, but nobody has seen yet whether there is such a block.
    Unchecked(S::Hash),
    /// What is stored, if anything is, and edits over it.
    Edited(Arc<Edited<S>>),
}

#[derive(Debug)]
pub(crate) struct Edited<S: Schema> {
    base: Option<Base<S>>,
    /// None of them says what the base says already.
    edits: EditMap<S>,
    /// How many entries there are with the edits.
    len: u64,
    /// How many edited directories lie in one another from here on, or less.
    height_max: usize,
}

/// A stored directory, with its root block.
#[derive(Debug)]
pub(crate) struct Base<S: Schema> {
    pub(crate) hash: S::Hash,
    pub(crate) root: Arc<DirBlock<S::Hash>>,
    /// The last step of a wide one, once somebody asked.
    last: OnceLock<Step>,
}

impl<S: Schema> Base<S> {
    pub(crate) const fn new(hash: S::Hash, root: Arc<DirBlock<S::Hash>>) -> Self {
        Self { hash, root, last: OnceLock::new() }
    }
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct Edit<S: Schema> {
    /// What it leads to now; nothing if it was removed.
    pub(crate) node: Option<Node<S>>,
    /// What it leads to in the base. In a box, since most edits put what was not there.
    was: Option<Box<Entry<S::Hash>>>,
}

/// What a step leads to.
#[derive(Debug)]
pub(crate) enum Node<S: Schema> {
    Contents(Leaf<S>),
    Directory(Dir<S>),
    /// A stored conflict, by the root of the directory that says what it is of.
    Conflict(S::Hash),
}

/// Contents and their metadata.
#[derive(Debug)]
pub(crate) struct Leaf<S: Schema> {
    pub(crate) held: Held<S::Hash>,
    pub(crate) metadata: Few,
    /// Their blocks, if they have some that were not saved yet.
    pub(crate) unsaved: Option<Unsaved<S::Hash>>,
}

impl<S: Schema> Leaf<S> {
    /// Returns contents of this encoding, which are not saved yet.
    pub(crate) fn unsaved(encoded: Bytes, metadata: Bytes) -> Result<Self> {
        let metadata = metadata.into();
        if Held::<S::Hash>::is_inline(&encoded) {
            return Ok(Self { held: Held::Inline(encoded), metadata, unsaved: None });
        }
        let (hash, unsaved) = Unsaved::new::<S::Format>(&encoded)?;
        Ok(Self { held: Held::Block(hash), metadata, unsaved: Some(unsaved) })
    }

    /// Returns the name of the contents, whether they have a block of their own or not.
    pub(crate) fn hash(&self) -> S::Hash {
        hash_of::<S>(&self.held)
    }

    pub(crate) fn to_entry(&self) -> Entry<S::Hash> {
        Entry::Contents { held: self.held.clone(), metadata: Bytes::clone(&self.metadata) }
    }
}

/// Returns the name that contents have: that of their block, or of the block that they would have.
pub(crate) fn hash_of<S: Schema>(held: &Held<S::Hash>) -> S::Hash {
    match held {
        Held::Block(hash) => *hash,
        Held::Inline(encoded) => S::Hash::of(&S::Format::encode_contents(encoded)),
    }
}

impl<S: Schema> Dir<S> {
    /// Returns a directory of nothing.
    pub(crate) fn empty() -> Self {
        Self::Edited(Arc::new(Edited::new(None)))
    }

    /// Returns the root block below which exactly this lies, if it is known without hashing.
    pub(crate) fn known_hash(&self) -> Option<S::Hash> {
        match self {
            Self::Stored(hash) | Self::Unchecked(hash) => Some(*hash),
            Self::Edited(edited) if edited.edits.is_empty() => {
                edited.base.as_ref().map(|base| base.hash)
            }
            Self::Edited(_) => None,
        }
    }

    /// Returns the directory to be edited; `loaded` is the root block of a stored one.
    pub(crate) fn edit(
        &mut self,
        loaded: impl FnOnce() -> Arc<DirBlock<S::Hash>>,
    ) -> &mut Edited<S> {
        if let Self::Stored(hash) | Self::Unchecked(hash) = *self {
            *self = Self::Edited(Arc::new(Edited::new(Some(Base::new(hash, loaded())))));
        }
        match self {
            Self::Edited(edited) => Arc::make_mut(edited),
            Self::Stored(_) | Self::Unchecked(_) => unreachable!("it was just made an edited one"),
        }
    }

    /// Refuses a directory that cannot be put below so many steps without lying too deep.
    ///
    /// What is stored below it is not looked at, nor does it lie on anybody's stack.
    pub(crate) fn check_height(&self, depth: usize) -> Result<()> {
        match self {
            Self::Edited(edited) if depth + edited.height_max > DEPTH_MAX => {
                check_depth(depth + edited.height() - 1)
            }
            _ => Ok(()),
        }
    }
}

impl<S: Schema> Edited<S> {
    pub(crate) fn new(base: Option<Base<S>>) -> Self {
        let len = base.as_ref().map_or(0, |base| base.root.count());
        Self { base, edits: EditMap::new(), len, height_max: 1 }
    }

    pub(crate) const fn base(&self) -> Option<&Base<S>> {
        self.base.as_ref()
    }

    pub(crate) const fn edits(&self) -> &EditMap<S> {
        &self.edits
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a directory out for an edit; it has to be set again. `was` is what its step leads to in
    /// the base.
    ///
    /// So the edits below it are not shared with the map, and need not be copied.
    pub(crate) fn take_directory(
        &mut self,
        step: &Step,
        was: Option<&Entry<S::Hash>>,
    ) -> Option<Dir<S>> {
        match (self.edits.get_mut(step), was) {
            (Some(Edit { node: Some(Node::Directory(dir)), .. }), _) => {
                Some(std::mem::replace(dir, Dir::empty()))
            }
            (None, Some(Entry::Directory { hash })) if self.base.is_some() => {
                Some(Dir::Stored(*hash))
            }
            _ => None,
        }
    }

    /// Says what a step leads to; `was` is what it leads to in the base.
    pub(crate) fn set(&mut self, step: Step, node: Option<Node<S>>, was: Option<Entry<S::Hash>>) {
        // A directory that was emptied and made anew has no base any more.
        let was = was.filter(|_| self.base.is_some());
        let says_something = match (&node, &was) {
            (Some(node), Some(was)) => !node.is_known_as(was),
            (node, was) => node.is_some() || was.is_some(),
        };
        if let Some(Node::Directory(Dir::Edited(child))) = &node {
            self.height_max = self.height_max.max(child.height_max + 1);
        }
        let (has, was_there) = (node.is_some(), was.is_some());
        let before = if says_something {
            self.edits.insert(step, Edit { node, was: was.map(Box::new) })
        } else {
            self.edits.remove(&step)
        };
        let had = before.map_or(was_there, |before| before.node.is_some());
        self.len = self.len + u64::from(has) - u64::from(had);
    }

    /// Returns how many edited directories lie in one another from here on.
    fn height(&self) -> usize {
        let below = self.edits.iter().map(|(_, edit)| match &edit.node {
            Some(Node::Directory(Dir::Edited(child))) => child.height(),
            _ => 0,
        });
        1 + below.max().unwrap_or(0)
    }
}

impl<S: Schema> Edit<S> {
    /// Returns an edit that puts what was not there.
    pub(super) const fn new(node: Node<S>) -> Self {
        Self { node: Some(node), was: None }
    }

    pub(crate) fn was(&self) -> Option<&Entry<S::Hash>> {
        self.was.as_deref()
    }
}

impl<S: Schema> Node<S> {
    pub(crate) fn of_entry(entry: Entry<S::Hash>) -> Self {
        match entry {
            Entry::Contents { held, metadata } => {
                Self::Contents(Leaf { held, metadata: metadata.into(), unsaved: None })
            }
            Entry::Directory { hash } => Self::Directory(Dir::Stored(hash)),
            Entry::Conflict { hash } => Self::Conflict(hash),
        }
    }

    /// Returns what it is, for a message.
    pub(crate) const fn noun(&self) -> &'static str {
        match self {
            Self::Contents(_) => "contents",
            Self::Directory(_) => "a directory",
            Self::Conflict(_) => "a conflict",
        }
    }

    /// Returns whether this is known to be what an entry stands for, without hashing a directory.
    fn is_known_as(&self, entry: &Entry<S::Hash>) -> bool {
        match (self, entry) {
            (Self::Contents(leaf), Entry::Contents { held, metadata }) => {
                (&leaf.held, &*leaf.metadata) == (held, metadata)
            }
            (Self::Directory(dir), Entry::Directory { hash }) => dir.known_hash() == Some(*hash),
            (Self::Conflict(is), Entry::Conflict { hash }) => is == hash,
            _ => false,
        }
    }

    /// Returns the entry that stands for this, if it is known without hashing a directory.
    pub(crate) fn known_entry(&self) -> Option<Entry<S::Hash>> {
        match self {
            Self::Contents(leaf) => Some(leaf.to_entry()),
            Self::Directory(dir) => dir.known_hash().map(|hash| Entry::Directory { hash }),
            Self::Conflict(hash) => Some(Entry::Conflict { hash: *hash }),
        }
    }
}

/// The most directories that may lie one in another.
///
/// Edits and drops go down by recursion; so many levels fit on a stack of 1 MiB.
pub(crate) const DEPTH_MAX: usize = 256;

/// Refuses a tree whose directories lie too deep in one another to be walked.
pub(crate) fn check_depth(depth: usize) -> Result<()> {
    if depth < DEPTH_MAX {
        return Ok(());
    }
    let message = format!("the tree is more than {DEPTH_MAX} directories deep");
    Err(Error::new(ErrorKind::Limit, message))
}

// Written out, because a derive would ask the schema to be cloned.

impl<S: Schema> Clone for Dir<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Stored(hash) => Self::Stored(*hash),
            Self::Unchecked(hash) => Self::Unchecked(*hash),
            Self::Edited(edited) => Self::Edited(Arc::clone(edited)),
        }
    }
}

impl<S: Schema> Clone for Edited<S> {
    fn clone(&self) -> Self {
        #[cfg(test)]
        tests::note_copy();
        let Self { base, edits, len, height_max } = self;
        let (base, edits) = (base.clone(), edits.clone());
        Self { base, edits, len: *len, height_max: *height_max }
    }
}

impl<S: Schema> Clone for Base<S> {
    fn clone(&self) -> Self {
        Self { hash: self.hash, root: Arc::clone(&self.root), last: self.last.clone() }
    }
}

impl<S: Schema> Clone for Edit<S> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), was: self.was.clone() }
    }
}

impl<S: Schema> Clone for Node<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Contents(leaf) => Self::Contents(leaf.clone()),
            Self::Directory(dir) => Self::Directory(dir.clone()),
            Self::Conflict(hash) => Self::Conflict(*hash),
        }
    }
}

impl<S: Schema> Clone for Leaf<S> {
    fn clone(&self) -> Self {
        let Self { held, metadata, unsaved } = self;
        Self { held: held.clone(), metadata: metadata.clone(), unsaved: unsaved.clone() }
    }
}
