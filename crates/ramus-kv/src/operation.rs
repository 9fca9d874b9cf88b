use std::error::Error as StdError;
use std::fmt;

use ramus_core::{
    Change, Cursor, Error, ErrorKind, Hash, KeyChange, Namespace, RefName, Result, UpdateId,
};

use crate::Note;

/// One update of branches and tags, as the change log has it.
///
/// [`Repo::operations`](crate::Repo::operations) reads them, and [`Repo::undo`](crate::Repo::undo)
/// takes one back. What a repository keeps for itself is no part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<H> {
    /// Its place in the change log, which can be kept: [`Repo::operation`](crate::Repo::operation)
    /// finds it again.
    pub cursor: Cursor,
    /// The id of the update.
    pub id: UpdateId,
    /// Who did it, when and why.
    pub note: Note<H>,
    /// The branches and tags that it moved, in the order of their names, with the commits that they
    /// were on before and after; nothing stands for absent. Never none.
    pub moved: Vec<KeyChange<RefName, H>>,
}

/// What became of an undo.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an undo that was refused changed nothing"]
pub enum Undo<H> {
    /// It is undone, by this operation; to undo that one is to do it again.
    Done(Operation<H>),
    /// Something was done to a branch or tag since, so nothing was changed.
    Refused {
        /// The first one, by name, that does not hold what the operation left.
        name: RefName,
        /// What the operation left; nothing if it removed it.
        left: Option<H>,
        /// What it holds now; nothing if it is not there.
        holds: Option<H>,
    },
}

/// The change log is no longer kept from where it is asked for.
///
/// It is the source of an error of kind [`InvalidInput`](ramus_core::ErrorKind::InvalidInput):
///
/// ```
/// use ramus_core::Error;
/// use ramus_kv::Truncated;
///
/// fn is_too_old(error: &Error) -> bool {
///     std::error::Error::source(error).is_some_and(|cause| cause.is::<Truncated>())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// Where it was asked for.
    pub after: Cursor,
    /// The oldest place that the log still goes on from.
    pub oldest: Cursor,
}

impl<H: Hash> Operation<H> {
    /// Returns the operation that a change is, or nothing if it moved neither branch nor tag.
    pub(crate) fn of_change(change: &Change<RefName, H>) -> Option<Self> {
        let Change { cursor, previous: _, id, note, keys } = change;
        let shown = |key: &&KeyChange<RefName, H>| {
            matches!(key.key.namespace(), Namespace::Branch | Namespace::Tag)
        };
        let moved: Vec<_> = keys.iter().filter(shown).cloned().collect();
        let (cursor, id, note) = (*cursor, *id, Note::decode(note));
        (!moved.is_empty()).then_some(Self { cursor, id, note, moved })
    }

    /// Returns whether the operation moved this branch or tag.
    pub(crate) fn has_moved(&self, name: &RefName) -> bool {
        self.moved.binary_search_by(|moved| moved.key.cmp(name)).is_ok()
    }

    /// Refuses what no undo may move.
    pub(crate) fn check_undo(&self) -> Result<()> {
        for KeyChange { key, old, new } in &self.moved {
            let reason = match (key.namespace(), old, new) {
                (Namespace::Internal, ..) => "the library keeps it for itself",
                (Namespace::Tag, Some(_), Some(_)) => {
                    "a tag never moves; remove it, and create it anew where it shall be"
                }
                _ => continue,
            };
            let message = format!("cannot undo the operation at {}: {key}: {reason}", self.cursor);
            return Err(Error::invalid_input(message));
        }
        Ok(())
    }

    /// Returns what an undo does: each branch and tag goes back to what it held.
    pub(crate) fn reversed(&self) -> Vec<KeyChange<RefName, H>> {
        let back = |moved: &KeyChange<RefName, H>| {
            let KeyChange { key, old, new } = moved.clone();
            KeyChange { key, old: new, new: old }
        };
        self.moved.iter().map(back).collect()
    }
}

impl<H: Hash> Undo<H> {
    /// Returns the operation that undid it.
    ///
    /// # Errors
    ///
    /// [`Contention`](ramus_core::ErrorKind::Contention) if it was refused, saying what was found.
    pub fn done(self) -> Result<Operation<H>> {
        let (name, left, holds) = match self {
            Self::Done(operation) => return Ok(operation),
            Self::Refused { name, left, holds } => (name, left, holds),
        };
        let shown = |hash: Option<H>| hash.map_or("nothing".to_owned(), |h| h.to_string());
        let (left, holds) = (shown(left), shown(holds));
        let message = format!(
            "cannot undo: the operation left {name} on {left}, and it is on {holds} now; undo what was done since first"
        );
        Err(Error::new(ErrorKind::Contention, message))
    }
}

impl Truncated {
    pub(crate) fn while_doing(self, attempted: impl Into<String>) -> Error {
        Error::invalid_input(attempted).with_source(self)
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, oldest } = self;
        write!(
            f,
            "the change log does not go on from {after}; the oldest place that it does is {oldest}"
        )
    }
}

impl StdError for Truncated {}
