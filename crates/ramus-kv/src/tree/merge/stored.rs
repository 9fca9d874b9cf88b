//! What becomes of stored conflicts that both sides of a merge changed.
//!
//! - The same conflict, stored by replicas of which each took itself for ours, is one: every replica
//!   keeps the same of the two.
//! - What the lowest common ancestors conflict about, as a side stored it, is what that side began
//!   from; so the other side, which has resolved it, is right.
//! - A side that changed what is a side of the stored conflict, has changed that: it takes its place
//!   there, and what is a conflict no more is none.
//! - Everything else is a conflict, of which the stored one is a side.

use ramus_core::{Path, Result};

use super::{Entries, Kept, Merger, Three};
use crate::directory::Entry;
use crate::tree::dir::Node;
use crate::{Conflict, Schema};

/// What comes of stored conflicts among the sides of a path that both changed.
pub(super) enum Stored<S: Schema> {
    Kept(Kept<S>),
    /// These have to be merged in their place; none is a stored conflict.
    Entries(Entries<S>),
    Conflict(Conflict, Entries<S>),
}

/// How often a side takes its place in a conflict in a conflict, and so on.
const NESTED_MAX: usize = 64;

impl<S: Schema> Merger<'_, S> {
    pub(super) async fn stored(&self, path: &Path, entries: Entries<S>) -> Result<Stored<S>> {
        if !any_stored(&entries) {
            return Ok(Stored::Entries(entries));
        }
        let mut now = entries.clone();
        for _ in 0..NESTED_MAX {
            let ours = self.sides(now.ours.as_ref()).await?;
            let theirs = self.sides(now.theirs.as_ref()).await?;
            if let Some(kept) = self.same_conflict(path, &now, ours.as_ref(), theirs.as_ref()) {
                return Ok(Stored::Kept(Kept::Node(kept.map(Node::of_entry))));
            }
            let Some(next) = taken_in(&now, ours, theirs) else { break };
            let settled = self.unless_both_changed(path, &next);
            let settled = settled.map(|kept| match kept {
                Kept::Theirs => next.theirs.clone(),
                _ => next.ours.clone(),
            });
            if let Some(entry) = settled {
                return Ok(Stored::Kept(Kept::Node(entry.map(Node::of_entry))));
            }
            if !any_stored(&next) {
                return Ok(Stored::Entries(next));
            }
            now = next;
        }
        let conflict = Conflict::new(reason(&now));
        Ok(Stored::Conflict(conflict, now))
    }

    /// Returns what a stored conflict is of, if the entry is one.
    async fn sides(&self, entry: Option<&Entry<S::Hash>>) -> Result<Option<Entries<S>>> {
        match entry {
            Some(Entry::Conflict { hash }) => {
                self.trees.ours.sides_of_conflict(*hash).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns what a path holds whose conflict is the same on both sides, or that of the ancestors.
    #[expect(clippy::option_option, reason = "nothing is something that a path may hold")]
    fn same_conflict(
        &self,
        path: &Path,
        entries: &Entries<S>,
        ours: Option<&Entries<S>>,
        theirs: Option<&Entries<S>>,
    ) -> Option<Option<Entry<S::Hash>>> {
        let is_same =
            |one: &Entries<S>, other: &Entries<S>| one == other || *one == other.clone().mirrored();
        if let (Some(one), Some(other)) = (ours, theirs)
            && is_same(one, other)
        {
            let name = |entry: &Option<Entry<S::Hash>>| match entry {
                Some(Entry::Conflict { hash }) => Some(*hash),
                _ => None,
            };
            let ours_is_less = name(&entries.ours) <= name(&entries.theirs);
            return Some(if ours_is_less { entries.ours.clone() } else { entries.theirs.clone() });
        }
        let began = self.doubtful.get(path)?;
        if ours.is_some_and(|ours| is_same(ours, began)) {
            return Some(entries.theirs.clone());
        }
        theirs.is_some_and(|theirs| is_same(theirs, began)).then(|| entries.ours.clone())
    }
}

/// Returns whether one of the sides is a stored conflict.
pub(super) fn any_stored<H>(entries: &Three<Option<Entry<H>>>) -> bool {
    entries.any(|entry| is_stored(entry.as_ref()))
}

const fn is_stored<H>(entry: Option<&Entry<H>>) -> bool {
    matches!(entry, Some(Entry::Conflict { .. }))
}

/// Returns the sides of a stored conflict with what the other side made of one of them. What we have is
/// ours then, whoever stored the conflict.
fn taken_in<H: PartialEq + Clone>(
    entries: &Three<Option<Entry<H>>>,
    ours: Option<Three<Option<Entry<H>>>>,
    theirs: Option<Three<Option<Entry<H>>>>,
) -> Option<Three<Option<Entry<H>>>> {
    let before = &entries.ancestor;
    let left_of = |sides: Option<Three<Option<Entry<H>>>>| {
        let Three { ancestor, ours, theirs } = sides?;
        if theirs == *before {
            Some((ancestor, ours))
        } else if ours == *before {
            Some((ancestor, theirs))
        } else {
            None
        }
    };
    if let Some((ancestor, left)) = left_of(ours) {
        return Some(Three { ancestor, ours: left, theirs: entries.theirs.clone() });
    }
    let (ancestor, left) = left_of(theirs)?;
    Some(Three { ancestor, ours: entries.ours.clone(), theirs: left })
}

fn reason<H>(entries: &Three<Option<Entry<H>>>) -> &'static str {
    match (is_stored(entries.ours.as_ref()), is_stored(entries.theirs.as_ref())) {
        (true, true) => "both sides have a stored conflict, and not the same",
        (true, false) => "we have a stored conflict, and they changed it",
        (false, true) => "they have a stored conflict, and we changed it",
        (false, false) => "both sides resolved a stored conflict, and differently",
    }
}
