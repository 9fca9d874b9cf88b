use std::collections::BTreeMap;

use ramus_core::{Cursor, Hash};
use serde::{Deserialize, Serialize};

use super::BranchesEvent;
use crate::{Commit, Schema};

/// A place in the life of many branches, which can be kept and come back to, also in a later process and
/// when the change log no longer goes back to it.
///
/// It is what [`BranchesWatch::place`](crate::BranchesWatch::place) says, and
/// [`Repo::watch_after`](crate::Repo::watch_after) goes on from it. The cursor alone says what happened since
/// for as long as the log is kept; the heads say what has changed since, for each branch whose commit is still
/// there. A commit that no ref and no handle reaches can be collected: a tag keeps it.
///
/// The default is the place where there were no branches: who goes on from it is first told of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchesPlace<H> {
    /// The place in the change log; nothing if it is not known.
    pub cursor: Option<Cursor>,
    /// The commit that each branch was on there, by its name.
    pub heads: BTreeMap<String, H>,
}

impl<H: Hash> BranchesPlace<H> {
    /// Moves on to where an event leads, which is the next after this place.
    ///
    /// This costs what the event holds, and [`BranchesWatch::place`](crate::BranchesWatch::place) what all
    /// branches do. An event of a path leaves out what changed nothing there, so a branch can stay at an
    /// older commit, with the same at the path: going on from it tells the same, unless that commit is collected.
    /// An error of a watch is no event: after one, take the place from the watch, which knows what it did not tell.
    pub fn advance<S: Schema<Hash = H>>(&mut self, event: &BranchesEvent<S>) {
        self.cursor = Some(event.cursor());
        match event {
            BranchesEvent::Changed { branches, .. } => {
                for change in branches {
                    let head = change.new.as_ref().map(Commit::hash);
                    set_head(&mut self.heads, &change.branch, head);
                }
            }
            BranchesEvent::Existing { branches, .. } => {
                let heads = branches.iter().map(|(name, head)| (name.clone(), head.hash()));
                self.heads = heads.collect();
            }
        }
    }
}

impl<H> Default for BranchesPlace<H> {
    fn default() -> Self {
        Self { cursor: None, heads: BTreeMap::new() }
    }
}

/// Notes what a branch is on.
pub(super) fn set_head<H>(heads: &mut BTreeMap<String, H>, name: &str, head: Option<H>) {
    match (head, heads.get_mut(name)) {
        (Some(head), Some(at)) => *at = head,
        (Some(head), None) => drop(heads.insert(name.to_owned(), head)),
        (None, _) => drop(heads.remove(name)),
    }
}
