//! How something that was worked out on a head gets to be the next commit there: if the head moves
//! meanwhile, it is worked out anew.

use ramus_core::Result;

use super::round::Offered;
use super::squash::Squash;
use super::work::{Answer, Prepared, Work};
use super::{MergeOptions, Merged, Store, Unmerged};
use crate::{Commit, Info, PathConflict, Schema, Tree};

/// What is to be brought onto a head, wherever that is.
pub(super) enum Plan<S: Schema> {
    Merge { theirs: Commit<S>, options: MergeOptions },
    Change(Change<S>),
    Squash(Squash<S>),
}

/// What differs from one tree to another.
pub(super) struct Change<S: Schema> {
    pub(super) from: Tree<S>,
    pub(super) to: Tree<S>,
    pub(super) allow_empty: bool,
}

/// What a plan comes to on a head, if that stays.
pub(super) enum Tried<S: Schema> {
    Done(Merged<S>),
    /// The head can be moved to this commit.
    Move(Commit<S>),
    /// This is to be committed; with this info, if the plan says which.
    Make(Prepared<S>, Option<Info>),
}

impl<S: Schema> Tried<S> {
    /// Returns what a tree of this handle comes to in which there are these conflicts.
    pub(super) fn of(
        store: &Store<S>,
        prepared: Prepared<S>,
        conflicts: Vec<PathConflict<S>>,
        info: Option<Info>,
    ) -> Self {
        if conflicts.is_empty() {
            Self::Make(prepared, info)
        } else {
            Self::Done(Merged::Conflicts(Unmerged::new(store, prepared, conflicts)))
        }
    }
}

impl<S: Schema> Store<S> {
    /// Makes a commit of a plan, on whatever the head is then.
    pub(super) async fn land(&self, plan: &Plan<S>, info: Info) -> Result<Merged<S>> {
        let mut seat = None;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt.saturating_sub(1)).await;
            let head = self.head().await?;
            let tried = self.try_plan(plan, head.as_ref()).await?;
            let (prepared, own) = match tried {
                Tried::Done(Merged::Conflicts(unmerged)) => {
                    return Ok(Merged::Conflicts(unmerged.with_info(info)));
                }
                Tried::Done(merged) => return Ok(merged),
                Tried::Move(commit) => {
                    self.take_turn(&mut seat).await;
                    if self.advance(head.as_ref(), &commit).await? {
                        return Ok(Merged::FastForward(commit));
                    }
                    continue;
                }
                Tried::Make(prepared, own) => (prepared, own),
            };
            let work = Work::commit(prepared, own.unwrap_or_else(|| info.clone()));
            match self.offer(&mut seat, work).await? {
                Offered::Done(Answer::Commit(commit)) => return Ok(Merged::Commit(commit)),
                Offered::Done(_) => return Ok(Merged::Unchanged),
                Offered::Again => {}
            }
        }
        Err(self.contention(self.attempts_max(), self.head().await?.as_ref()))
    }

    async fn try_plan(&self, plan: &Plan<S>, head: Option<&Commit<S>>) -> Result<Tried<S>> {
        match plan {
            Plan::Merge { theirs, options } => self.try_merge(head, theirs, *options).await,
            Plan::Change(change) => self.try_change(head, change).await,
            Plan::Squash(squash) => self.try_squash(head, squash).await,
        }
    }
}
