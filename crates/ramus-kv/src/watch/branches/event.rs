use std::fmt;

use ramus_core::{Cursor, Path, Result};

use crate::watch::commits::Commits;
use crate::watch::moved;
use crate::{Commit, Diff, Repo, Schema};

/// What became of the branches that are watched.
#[derive(Clone, Debug)]
pub enum BranchesEvent<S: Schema> {
    /// One update of the storage moved these branches, or, where the log no longer says it, this is what has
    /// changed since the last event.
    Changed {
        /// The branches, in the order of their names; of a watch of a path, those of which it changed
        /// something there.
        branches: Vec<BranchChange<S>>,
        /// The place in the change log that the event leads to.
        cursor: Cursor,
        /// Whether it cannot be told what lay between: each branch is then told from the commit on which
        /// this watch knew it last to the one that it is on, and there may have been others between.
        resync: bool,
    },
    /// This is what all the branches are on: at the start of a watch of what exists, or because the
    /// log no longer says what happened since the cursor that the watch began from, and nothing else is known.
    Existing {
        /// The branches, in the order of their names, and their heads.
        branches: Vec<(String, Commit<S>)>,
        /// The place in the change log that the event leads to.
        cursor: Cursor,
        /// Whether changes were missed before it.
        resync: bool,
    },
}

/// What became of one branch, at the path that is watched and below it; at the root, the branch
/// itself.
#[derive(Clone)]
pub struct BranchChange<S: Schema> {
    /// Its name.
    pub branch: String,
    /// The path that is watched.
    pub path: Path,
    /// The commit that it was on; nothing if it did not exist, or if that commit cannot be read any more, which
    /// is a [resync](Self::resync).
    pub old: Option<Commit<S>>,
    /// The commit that it is on; nothing if it was removed.
    pub new: Option<Commit<S>>,
    /// Whether it cannot be told what changed, since the commit that it was on was collected or is damaged.
    pub resync: bool,
    pub(super) repo: Repo<S>,
}

impl<S: Schema> BranchesEvent<S> {
    /// Returns the place in the change log that the event leads to.
    pub const fn cursor(&self) -> Cursor {
        match self {
            Self::Changed { cursor, .. } | Self::Existing { cursor, .. } => *cursor,
        }
    }

    /// Returns whether it cannot be told what lay between the last event and this one.
    pub const fn is_resync(&self) -> bool {
        match self {
            Self::Changed { resync, .. } | Self::Existing { resync, .. } => *resync,
        }
    }
}

impl<S: Schema> BranchChange<S> {
    /// Returns what differs at the path and below it, read when it is asked for.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`](crate::Tree).
    pub async fn diff(&self) -> Result<Diff<S>> {
        moved::diff(&self.repo, &self.path, self.old.as_ref(), self.new.as_ref()).await
    }

    /// Returns the commits that the branch got by this, newest first, whatever they changed.
    pub fn commits(&self) -> Commits<S> {
        Commits::between(self.repo.objects(), self.old.as_ref(), self.new.as_ref())
    }
}

impl<S: Schema> fmt::Debug for BranchChange<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch, path, old, new, resync, repo: _ } = self;
        let mut debug = f.debug_struct("BranchChange");
        debug.field("branch", branch).field("path", path);
        debug.field("old", old).field("new", new).field("resync", resync).finish_non_exhaustive()
    }
}
