use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::{Commit, Schema, Store, Tree};

/// Edits that become one commit: a tree of its own, which began as the branch was.
///
/// Everything that a [`Tree`] can do it can do; its own writes are visible to it, and to nobody else
/// before [`Store::commit`]. Dropping it forgets the edits.
///
/// ```
/// # use ramus_kv::{Kv, Store};
/// # async fn example(main: Store<Kv<String>>) -> ramus_core::Result<()> {
/// let mut edit = main.begin().await?;
/// edit.rename("users/ada", "people/ada").await?;
/// edit.set("people/bob", "carpenter").await?;
/// main.commit(edit, "people, not users").await?;
/// # Ok(())
/// # }
/// ```
pub struct Transaction<S: Schema> {
    pub(crate) store: Store<S>,
    pub(crate) base: Option<Commit<S>>,
    pub(crate) tree: Tree<S>,
    pub(crate) options: TransactionOptions,
    /// The parents, if they are not the head alone.
    pub(crate) parents: Option<Vec<Commit<S>>>,
}

/// What a transaction does when it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// What happens when another writer came first.
    pub on_race: OnRace,
    /// Whether a transaction that changed nothing makes a commit.
    pub allow_empty: bool,
}

/// What happens to a transaction when another writer came first.
///
/// The third answer, to run it again, is [`Store::transact_again`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRace {
    /// Its edits are merged with what the other writer did: snapshot isolation. Both having changed
    /// one thing is an error of kind [`Conflict`](ramus_core::ErrorKind::Conflict).
    #[default]
    Merge,
    /// It is refused with [`Contention`](ramus_core::ErrorKind::Contention), and nothing is written.
    Refuse,
}

impl TransactionOptions {
    /// Returns these options with another answer to a lost race.
    #[must_use]
    pub const fn with_on_race(mut self, on_race: OnRace) -> Self {
        self.on_race = on_race;
        self
    }

    /// Returns these options with a commit also when nothing changed.
    #[must_use]
    pub const fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }
}

impl<S: Schema> Transaction<S> {
    /// Returns the commit that the transaction began from; nothing if there was none yet.
    pub const fn base(&self) -> Option<&Commit<S>> {
        self.base.as_ref()
    }

    /// Gives the commit these parents, in this order, in place of the head alone.
    ///
    /// The branch moves to the commit whatever its parents are: one whose parents do not lead back to
    /// the head takes what the head has behind it out of the history of the branch, as a squash does.
    /// So a transaction with parents of its own is never merged: if another writer came first, it is
    /// refused, whatever [`on_race`](TransactionOptions::on_race) says.
    ///
    /// [`Store::commit`] checks that they are commits of this repository, and there.
    pub fn set_parents(&mut self, parents: impl IntoIterator<Item = Commit<S>>) {
        self.parents = Some(parents.into_iter().collect());
    }

    /// Returns the tree as it is with the edits.
    pub const fn tree(&self) -> &Tree<S> {
        &self.tree
    }
}

impl<S: Schema> Deref for Transaction<S> {
    type Target = Tree<S>;

    fn deref(&self) -> &Tree<S> {
        &self.tree
    }
}

impl<S: Schema> DerefMut for Transaction<S> {
    fn deref_mut(&mut self) -> &mut Tree<S> {
        &mut self.tree
    }
}

impl<S: Schema> fmt::Debug for Transaction<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, base, tree, options, parents } = self;
        let mut debug = f.debug_struct("Transaction");
        debug.field("base", base).field("tree", tree).field("options", options);
        debug.field("parents", parents);
        debug.finish_non_exhaustive()
    }
}
