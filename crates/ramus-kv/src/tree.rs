//! Trees: immutable values that are read when they are needed and saved when they are committed.

pub(crate) mod at_hand;
mod concrete;
mod conflict_kind;
mod diff;
pub(crate) mod dir;
mod edit;
mod edit_map;
mod entries;
mod entry;
mod found;
pub(crate) mod merge;
mod one;
mod path_conflict;
pub(crate) mod pending;
mod range;
mod read;
pub(crate) mod replay;
pub(crate) mod save;
mod scan;
mod stats;
mod stored;
mod stream;
pub(crate) mod three;
mod update;
mod waiting;
mod walk;

use std::fmt;
use std::sync::Arc;

use ramus_core::Pin;

pub use self::concrete::Concrete;
pub use self::conflict_kind::ConflictKind;
pub use self::diff::{Diff, Difference};
pub use self::entries::Entries;
pub use self::entry::{Kind, ListOptions, Listing};
pub use self::found::Found;
pub use self::path_conflict::{PathConflict, Side, StoredConflict};
pub use self::stats::Stats;
pub use self::stored::StoredConflicts;
pub use self::walk::{Visit, Walk, WalkOptions, WalkOrder};
use crate::Schema;
use crate::objects::Objects;
use dir::Dir;
use pending::{Pending, View};
use waiting::Waiting;

/// A directory with everything below it: a value that is edited in place and cloned for free.
///
/// A tree reads what it needs when it needs it. Edits are kept beside what they change, and become
/// blocks when the tree is committed. A clone is a tree of its own: what is done to one is not seen
/// in the other.
///
/// # What is promised
///
/// - Trees of the same entries have the same [`hash`](Tree::hash), whatever edits made them.
/// - Empty directories are never part of a tree, but for the root itself.
/// - `set` never replaces a directory by contents, nor contents by a directory: that is
///   [`InvalidInput`](ramus_core::ErrorKind::InvalidInput), naming the path in the way, and
///   [`remove`](Tree::remove) first says that it is meant.
/// - Where a [conflict is stored](crate::Resolution::Later), nothing is read or set, at its path or
///   below it: that is [`Conflict`](ramus_core::ErrorKind::Conflict), with
///   [`Conflicts`](crate::Conflicts) as its source, until it is [resolved](Tree::resolve). It is listed,
///   counted, compared and walked over as an entry of its own kind, and can be removed and renamed.
/// - After an error the tree is as it was before.
/// - What a tree was read from is not collected while it lives.
///
/// # Errors
///
/// Every call that reads can answer [`Missing`](ramus_core::ErrorKind::Missing) for a block that is
/// not in the store (never an empty directory in its place),
/// [`Corrupt`](ramus_core::ErrorKind::Corrupt) for one that cannot be read, and what the backend
/// answers. A path that is none is [`InvalidInput`](ramus_core::ErrorKind::InvalidInput).
///
/// # Cancel safety
///
/// A dropped future leaves the tree as it was.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # use ramus_core::erased::Backend;
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let mut tree = repo.empty_tree();
/// tree.set("users/ada", "mathematician").await?;
/// let before = tree.clone();
/// tree.rename("users", "people").await?;
/// assert_eq!(tree.find("people/ada").await?.as_deref(), Some("mathematician"));
/// assert!(before.mem("users/ada").await?);
/// # Ok(())
/// # }
/// ```
pub struct Tree<S: Schema> {
    pub(crate) objects: Arc<Objects<S>>,
    pub(crate) root: Dir<S>,
    /// What keeps it from being collected that the tree was read from.
    pin: Option<Arc<Pin>>,
    /// The same for what was put into it.
    grafted: Vec<Arc<Pin>>,
    /// What was hashed and not stored yet, of this tree and of those that were put into it.
    pub(crate) pending: Vec<Arc<Pending<S>>>,
    /// What its edits take in memory.
    waiting: Waiting<S>,
    /// Directories in it that nobody has seen yet, besides those that its root says.
    unchecked: Vec<S::Hash>,
}

impl<S: Schema> Tree<S> {
    pub(crate) fn empty(objects: Arc<Objects<S>>) -> Self {
        Self::of(objects, Dir::empty(), None)
    }

    pub(crate) fn stored(objects: Arc<Objects<S>>, root: S::Hash, pin: Option<Arc<Pin>>) -> Self {
        Self::of(objects, Dir::Stored(root), pin)
    }

    /// Returns the tree of a directory that need not be there.
    pub(crate) fn unchecked(
        objects: Arc<Objects<S>>,
        root: S::Hash,
        pin: Option<Arc<Pin>>,
    ) -> Self {
        Self::of(objects, Dir::Unchecked(root), pin)
    }

    fn of(objects: Arc<Objects<S>>, root: Dir<S>, pin: Option<Arc<Pin>>) -> Self {
        let (grafted, pending, unchecked) = (Vec::new(), Vec::new(), Vec::new());
        Self { objects, root, pin, grafted, pending, waiting: Waiting::default(), unchecked }
    }

    /// Returns the tree of the same root, read through other objects of the same storage.
    ///
    /// What waits to be stored is left behind.
    pub(crate) fn read_through(&self, objects: Arc<Objects<S>>, root: S::Hash) -> Self {
        let grafted = self.grafted.clone();
        Self { grafted, ..Self::stored(objects, root, self.pin.clone()) }
    }

    /// Moves a tree without edits to another root, which is among blocks that are not stored yet.
    pub(crate) fn move_to(&mut self, root: S::Hash, pending: &[Arc<Pending<S>>]) {
        self.root = Dir::Stored(root);
        self.pending = pending.to_vec();
        self.waiting = Waiting::default();
    }

    /// Returns whether the tree is read from there.
    pub(crate) fn is_of(&self, objects: &Arc<Objects<S>>) -> bool {
        Arc::ptr_eq(&self.objects, objects)
    }

    pub(crate) fn view(&self) -> View<'_, S> {
        View { objects: &self.objects, pending: &self.pending }
    }

    /// Returns a tree of another directory that was found in this one.
    fn below(&self, root: Dir<S>) -> Self {
        let Self { objects, root: _, pin, grafted, pending, waiting, unchecked } = self;
        Self {
            objects: Arc::clone(objects),
            root,
            pin: pin.clone(),
            grafted: grafted.clone(),
            pending: pending.clone(),
            waiting: waiting.clone(),
            unchecked: unchecked.clone(),
        }
    }

    /// Keeps what a pin protects.
    fn keep(&mut self, pin: &Arc<Pin>) {
        add_new(&mut self.grafted, [pin]);
    }

    /// Takes over what another tree needs: what keeps it from being collected, and what waits to be
    /// stored.
    fn share(&mut self, other: &Self) {
        add_new(&mut self.grafted, other.pin.iter().chain(&other.grafted));
        add_new(&mut self.pending, &other.pending);
        self.waiting.count(other.waiting.bytes());
        self.unchecked.extend(&other.unchecked);
    }
}

fn add_new<'a, T: 'a>(known: &mut Vec<Arc<T>>, others: impl IntoIterator<Item = &'a Arc<T>>) {
    for other in others {
        if !known.iter().any(|one| Arc::ptr_eq(one, other)) {
            known.push(Arc::clone(other));
        }
    }
}

impl<S: Schema> Clone for Tree<S> {
    fn clone(&self) -> Self {
        self.below(self.root.clone())
    }
}

impl<S: Schema> fmt::Debug for Tree<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root.known_hash() {
            Some(hash) => write!(f, "Tree({hash})"),
            None => f.write_str("Tree(edited)"),
        }
    }
}
