use ramus_core::Cursor;
use serde::{Deserialize, Serialize};

/// A place in the life of a branch, which can be kept and come back to, also in a later process and
/// when the change log no longer goes back to it.
///
/// It is what an event leads to, [`BranchEvent::place`](crate::BranchEvent::place), and
/// [`Store::watch_after`](crate::Store::watch_after) goes on from it. The cursor alone says what
/// happened since for as long as the log is kept; the commit says what has changed since for as long
/// as the commit is there. A commit that no ref and no handle reaches can be collected: a tag keeps
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WatchPlace<H> {
    /// The place in the change log; nothing if it is not known.
    pub cursor: Option<Cursor>,
    /// The commit that the branch was on there; nothing if there was no such branch.
    pub commit: Option<H>,
}

impl<H> WatchPlace<H> {
    /// Returns the place where a branch was on this commit, whenever that was.
    pub const fn at_commit(commit: H) -> Self {
        Self { cursor: None, commit: Some(commit) }
    }
}
