//! A directory of a tree: as it is stored, or with edits over it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, Hash as _, Result, Step};

use crate::Schema;
use crate::block::{Directory, Entry};

/// A directory. Cloning is cheap, and an edit of the clone is not seen in the original.
#[derive(Debug)]
pub(crate) enum Dir<S: Schema> {
    /// Exactly what this block holds.
    Stored(S::Hash),
    /// The same, but nobody has seen yet whether there is such a block.
    Unchecked(S::Hash),
    /// What a block holds, if there is one, and edits over it.
    Edited(Arc<Edited<S>>),
}

#[derive(Debug)]
pub(crate) struct Edited<S: Schema> {
    /// Loaded, so that an edit never has to wait.
    base: Option<Base<S>>,
    /// What differs from the base: a node put, or an entry removed. None of them says what the base
    /// says already.
    edits: BTreeMap<Step, Option<Node<S>>>,
    /// How many entries there are with the edits.
    len: usize,
    /// How many edited directories lie in one another from here on, or less.
    height_max: usize,
}

/// A stored directory: its name, and what its block holds.
type Base<S> = (<S as Schema>::Hash, Arc<Directory<<S as Schema>::Hash>>);

/// What a step leads to.
#[derive(Debug)]
pub(crate) enum Node<S: Schema> {
    Contents(Leaf<S>),
    Directory(Dir<S>),
}

/// Contents and their metadata.
#[derive(Debug)]
pub(crate) struct Leaf<S: Schema> {
    pub(crate) hash: S::Hash,
    pub(crate) metadata: Bytes,
    /// The block, if it was not saved yet.
    pub(crate) unsaved: Option<Bytes>,
}

impl<S: Schema> Leaf<S> {
    pub(crate) fn unsaved(block: Bytes, metadata: Bytes) -> Self {
        Self { hash: S::Hash::of(&block), metadata, unsaved: Some(block) }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.metadata == other.metadata
    }
}

impl<S: Schema> Dir<S> {
    /// Returns a directory of nothing.
    pub(crate) fn empty() -> Self {
        Self::Edited(Arc::new(Edited::new(None, 0)))
    }

    /// Returns the block that holds exactly this, if it is known without hashing.
    pub(crate) fn known_hash(&self) -> Option<S::Hash> {
        match self {
            Self::Stored(hash) | Self::Unchecked(hash) => Some(*hash),
            Self::Edited(edited) if edited.edits.is_empty() => {
                edited.base.as_ref().map(|(h, _)| *h)
            }
            Self::Edited(_) => None,
        }
    }

    /// Returns whether the two are known to be equal, without hashing.
    pub(crate) fn is_known_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Edited(a), Self::Edited(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.known_hash().is_some_and(|hash| other.known_hash() == Some(hash)),
        }
    }

    /// Returns the directory to be edited; `loaded` is what the block of a stored one holds.
    pub(crate) fn edit(
        &mut self,
        loaded: impl FnOnce() -> Arc<Directory<S::Hash>>,
    ) -> &mut Edited<S> {
        if let Self::Stored(hash) | Self::Unchecked(hash) = *self {
            *self = Self::Edited(Arc::new(Edited::over(hash, loaded())));
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
    pub(crate) fn over(hash: S::Hash, directory: Arc<Directory<S::Hash>>) -> Self {
        let len = directory.len();
        Self::new(Some((hash, directory)), len)
    }

    fn new(base: Option<Base<S>>, len: usize) -> Self {
        Self { base, edits: BTreeMap::new(), len, height_max: 1 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what the block below the edits holds.
    pub(crate) fn loaded(&self) -> Option<Arc<Directory<S::Hash>>> {
        self.base.as_ref().map(|(_, directory)| Arc::clone(directory))
    }

    pub(crate) fn get(&self, step: &[u8]) -> Option<Node<S>> {
        match self.edits.get(step) {
            Some(edit) => edit.clone(),
            None => self.base_entry(step),
        }
    }

    /// Takes a directory out for an edit; it has to be put again.
    ///
    /// So the edits below it are not shared with the map, and need not be copied.
    pub(crate) fn take_directory(&mut self, step: &[u8]) -> Option<Dir<S>> {
        if let Some(Some(Node::Directory(dir))) = self.edits.get_mut(step) {
            return Some(std::mem::replace(dir, Dir::empty()));
        }
        match self.get(step)? {
            Node::Directory(dir) => Some(dir),
            Node::Contents(_) => None,
        }
    }

    pub(crate) fn put(&mut self, step: Step, node: Node<S>) {
        let base = self.base_entry(step.as_bytes());
        if !self.has(step.as_bytes()) {
            self.len += 1;
        }
        if let Node::Directory(Dir::Edited(child)) = &node {
            self.height_max = self.height_max.max(child.height_max + 1);
        }
        if base.is_some_and(|base| base.is_known_same(&node)) {
            self.edits.remove(&step);
        } else {
            self.edits.insert(step, Some(node));
        }
    }

    pub(crate) fn remove(&mut self, step: &Step) {
        if !self.has(step.as_bytes()) {
            return;
        }
        self.len -= 1;
        if self.base_entry(step.as_bytes()).is_some() {
            self.edits.insert(step.clone(), None);
        } else {
            self.edits.remove(step);
        }
    }

    /// Returns the entries, in the order of their steps.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Step, Node<S>)> {
        let base = self.base.as_ref().map(|(_, directory)| directory.iter());
        let mut base = base.into_iter().flatten().peekable();
        let mut edits = self.edits.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let order = match (base.peek(), edits.peek()) {
                    (Some((left, _)), Some((right, _))) => left.cmp(right),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => return None,
                };
                if order == Ordering::Less {
                    return base.next().map(|(step, entry)| (step, Node::of_entry(entry)));
                }
                if order == Ordering::Equal {
                    base.next();
                }
                if let Some((step, Some(node))) = edits.next() {
                    return Some((step.clone(), node.clone()));
                }
            }
        })
    }

    /// Returns how many edited directories lie in one another from here on.
    fn height(&self) -> usize {
        let below = self.edits.values().map(|edit| match edit {
            Some(Node::Directory(Dir::Edited(child))) => child.height(),
            _ => 0,
        });
        1 + below.max().unwrap_or(0)
    }

    fn has(&self, step: &[u8]) -> bool {
        match self.edits.get(step) {
            Some(edit) => edit.is_some(),
            None => self.base.as_ref().is_some_and(|(_, base)| base.get(step).is_some()),
        }
    }

    fn base_entry(&self, step: &[u8]) -> Option<Node<S>> {
        let (_, base) = self.base.as_ref()?;
        base.get(step).map(Node::of_entry)
    }
}

impl<S: Schema> Node<S> {
    pub(crate) fn of_entry(entry: Entry<S::Hash>) -> Self {
        match entry {
            Entry::Contents { hash, metadata } => {
                Self::Contents(Leaf { hash, metadata, unsaved: None })
            }
            Entry::Directory { hash } => Self::Directory(Dir::Stored(hash)),
        }
    }

    /// Returns whether the two are known to be equal, without hashing a directory.
    pub(crate) fn is_known_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Contents(a), Self::Contents(b)) => a.is_same(b),
            (Self::Directory(a), Self::Directory(b)) => a.is_known_same(b),
            _ => false,
        }
    }
}

/// The most directories that may lie one in another.
///
/// Saving and merging go down by recursion; so many levels fit twice on a stack of 1 MiB, without
/// optimisation, too.
pub(crate) const DEPTH_MAX: usize = 256;

/// Refuses a tree whose directories lie too deep in one another to be walked.
pub(crate) fn check_depth(depth: usize) -> Result<()> {
    if depth < DEPTH_MAX {
        return Ok(());
    }
    let message = format!("the tree is more than {DEPTH_MAX} directories deep");
    Err(Error::new(ramus_core::ErrorKind::Limit, message))
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
        let Self { base, edits, len, height_max } = self;
        Self { base: base.clone(), edits: edits.clone(), len: *len, height_max: *height_max }
    }
}

impl<S: Schema> Clone for Node<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Contents(leaf) => Self::Contents(leaf.clone()),
            Self::Directory(dir) => Self::Directory(dir.clone()),
        }
    }
}

impl<S: Schema> Clone for Leaf<S> {
    fn clone(&self) -> Self {
        let Self { hash, metadata, unsaved } = self;
        Self { hash: *hash, metadata: metadata.clone(), unsaved: unsaved.clone() }
    }
}
