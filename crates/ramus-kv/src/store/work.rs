use std::fmt;

use super::edit::Edit;
use super::flight::Stored;
use crate::{Commit, Info, OnRace, Schema, Transaction, Tree};

/// What a writer prepared for whoever leads the round: plain values, and nothing to call.
#[derive(Debug)]
pub(crate) struct Work<S: Schema> {
    pub(super) task: Task<S>,
    pub(super) info: Info,
    /// What was stored of it when it was prepared before, in vain.
    pub(super) stored: Stored<S>,
}

#[derive(Debug)]
pub(super) enum Task<S: Schema> {
    /// An edit of whatever the head is then.
    Edit(Edit<S>),
    /// A tree that was edited.
    Commit(Prepared<S>),
}

/// A tree that was made from a base.
#[derive(Debug)]
pub(crate) struct Prepared<S: Schema> {
    pub(super) base: Option<Commit<S>>,
    pub(super) tree: Tree<S>,
    pub(super) on_race: Race,
    pub(super) allow_empty: bool,
    /// The parents, if they are not the head alone. Perhaps nothing else keeps them from being collected.
    pub(super) parents: Option<Vec<Commit<S>>>,
}

/// What happens if the head is no longer the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Race {
    Merge,
    Refuse,
    /// The owner runs again, in a turn.
    Again,
}

/// What became of a writer's work.
#[derive(Clone)]
pub(crate) enum Answer<S: Schema> {
    /// Its test did not pass.
    NotPassed,
    /// Nothing had to be changed.
    Unchanged,
    /// This commit was made of it.
    Commit(Commit<S>),
}

impl<S: Schema> Work<S> {
    pub(super) fn edit(edit: Edit<S>, info: Info) -> Self {
        Self { task: Task::Edit(edit), info, stored: Stored::default() }
    }

    pub(super) fn commit(prepared: Prepared<S>, info: Info) -> Self {
        Self { task: Task::Commit(prepared), info, stored: Stored::default() }
    }
}

impl<S: Schema> Prepared<S> {
    /// Returns what a transaction comes to; one with parents of its own is never merged, since the
    /// commit would not have the others behind it.
    pub(super) fn of(transaction: Transaction<S>) -> Self {
        let Transaction { store: _, base, tree, options, parents } = transaction;
        let on_race = match options.on_race {
            OnRace::Merge if parents.is_none() => Race::Merge,
            OnRace::Merge | OnRace::Refuse => Race::Refuse,
        };
        Self { base, tree, on_race, allow_empty: options.allow_empty, parents }
    }
}

impl<S: Schema> Answer<S> {
    /// Returns the commit, if one was made.
    pub(super) const fn commit(&self) -> Option<&Commit<S>> {
        match self {
            Self::Commit(commit) => Some(commit),
            Self::NotPassed | Self::Unchanged => None,
        }
    }

    /// Returns the commit, if one was made.
    pub(super) fn into_commit(self) -> Option<Commit<S>> {
        match self {
            Self::Commit(commit) => Some(commit),
            Self::NotPassed | Self::Unchanged => None,
        }
    }
}

impl<S: Schema> fmt::Debug for Answer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPassed => f.write_str("NotPassed"),
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Commit(commit) => f.debug_tuple("Commit").field(commit).finish(),
        }
    }
}
