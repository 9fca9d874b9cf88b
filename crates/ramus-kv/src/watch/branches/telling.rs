use std::collections::VecDeque;

use ramus_core::{Cursor, Error, ErrorKind, Path, Result};

use super::known::{Logged, Move};
use super::{BranchChange, BranchesEvent};
use crate::watch::moved;
use crate::{Commit, Repo, Schema};

/// What is watched.
pub(super) struct Watched<S: Schema> {
    pub(super) repo: Repo<S>,
    /// What the names of the refs begin with.
    pub(super) prefix: String,
    pub(super) path: Path,
}

/// An event before its commits are read.
pub(super) struct Telling<H> {
    pub(super) cursor: Cursor,
    pub(super) what: What,
    pub(super) resync: bool,
    pub(super) moves: Vec<Move<H>>,
    /// Whether no other branch differs from what the reader knows.
    pub(super) is_all: bool,
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What changed.
    Changed,
    /// What is there.
    Existing,
}

/// What came of reading the commits.
pub(super) struct Told<S: Schema> {
    /// Nothing if nothing has changed at the path.
    pub(super) event: Option<BranchesEvent<S>>,
    /// What was told, or never can be.
    pub(super) done: Vec<Move<S::Hash>>,
    /// What could not be read for now.
    pub(super) late: Vec<Move<S::Hash>>,
    pub(super) faults: VecDeque<Error>,
}

impl<S: Schema> Watched<S> {
    /// Reads the commits of an event. A branch whose commit cannot be read keeps no other one from being told;
    /// it is a fault beside the event.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed).
    pub(super) async fn tell(&self, telling: Telling<S::Hash>) -> Result<Told<S>> {
        let Telling { cursor, what, mut resync, moves, is_all: _ } = telling;
        let (mut branches, mut done, mut late) = (Vec::new(), Vec::new(), Vec::new());
        let mut faults = VecDeque::new();
        for one in moves {
            match self.change(&one, what).await {
                Ok(Some((change, is_first_known))) => {
                    resync |= !is_first_known;
                    branches.push(change);
                    done.push(one);
                }
                Ok(None) => done.push(one),
                Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
                Err(error) => {
                    let is_late = error.kind() == ErrorKind::Unavailable;
                    // The storage is one: who was told once that it cannot be reached knows.
                    if !is_late || late.is_empty() {
                        faults.push_back(fault(error, &one.branch));
                    }
                    if is_late { late.push(one) } else { done.push(one) }
                }
            }
        }
        let event = match what {
            What::Existing => {
                let heads = branches.into_iter().filter_map(|one| Some((one.branch, one.new?)));
                let branches = heads.collect();
                Some(BranchesEvent::Existing { branches, cursor, resync })
            }
            What::Changed if branches.is_empty() => None,
            What::Changed => Some(BranchesEvent::Changed { branches, cursor, resync }),
        };
        Ok(Told { event, done, late, faults })
    }

    /// Returns what became of a branch, if anything below the path did, and whether that is all that
    /// happened since what the reader knows.
    async fn change(
        &self,
        one: &Move<S::Hash>,
        what: What,
    ) -> Result<Option<(BranchChange<S>, bool)>> {
        let new = self.repo.existing_or_none(one.new).await?;
        let (old, was, is_whole) = self.beginning(one).await?;
        let resync = old.is_some() && was.is_none();
        let tells = what == What::Existing
            || resync
            || !self.is_the_same(was.as_ref(), new.as_ref()).await?;
        let (branch, path, repo) = (one.branch.clone(), self.path.clone(), self.repo.clone());
        Ok(tells.then(|| (BranchChange { branch, path, old: was, new, resync, repo }, is_whole)))
    }

    /// Returns where the change of a branch begins, its commit if it can be read, and whether the log says all
    /// that happened since what the reader knows.
    ///
    /// That is what the log says, if the reader knows the same or what has the same at the path. Otherwise
    /// it is what the reader knows.
    async fn beginning(
        &self,
        one: &Move<S::Hash>,
    ) -> Result<(Option<S::Hash>, Option<Commit<S>>, bool)> {
        let known = self.readable(one.known).await?;
        let Logged::Was(logged) = one.logged else { return Ok((one.known, known, true)) };
        if logged == one.known {
            return Ok((one.known, known, true));
        }
        let was = self.readable(logged).await?;
        let are_read = known.is_some() == one.known.is_some() && was.is_some() == logged.is_some();
        if are_read && self.is_the_same(known.as_ref(), was.as_ref()).await? {
            return Ok((logged, was, true));
        }
        Ok((one.known, known, false))
    }

    /// Returns a commit, unless it was collected or is damaged.
    async fn readable(&self, hash: Option<S::Hash>) -> Result<Option<Commit<S>>> {
        let Some(hash) = hash else { return Ok(None) };
        match self.repo.commit(&hash).await {
            Err(error) if is_passing(&error) => Err(error),
            read => Ok(read.unwrap_or_default()),
        }
    }

    /// Returns whether two commits have the same at the path; what cannot be read is not known to be.
    async fn is_the_same(&self, old: Option<&Commit<S>>, new: Option<&Commit<S>>) -> Result<bool> {
        match moved::is_the_same(&self.path, old, new).await {
            Err(error) if is_passing(&error) => Err(error),
            same => Ok(same.unwrap_or_default()),
        }
    }
}

/// Returns whether the same may be read later, or nothing at all any more.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Closed)
}

fn fault(error: Error, branch: &str) -> Error {
    error.context(format!("cannot read what branch `{branch}` is on"))
}
