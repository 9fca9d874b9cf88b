use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use ramus_core::{Error, ErrorKind, Result};

use super::Store;
use super::chain::{Chain, Next};
use super::work::{Answer, Prepared, Race, Task, Work};
use crate::line::Ticket;
use crate::tree::merge::{Ancestor, merge};
use crate::tree::replay::replay;
use crate::tree::save::Saved;
use crate::{Commit, Conflicts, Info, Schema, Tree};

/// What was decided on a writer's work.
pub(super) enum Verdict<S: Schema> {
    /// Its commit is on top of the chain.
    Committed,
    /// Nothing is to be written.
    Answer(Answer<S>),
    /// Its owner has to run again.
    Again,
}

/// What a tree came to, and how it is to be committed.
struct Made<S: Schema> {
    saved: Saved<S>,
    allow_empty: bool,
    parents: Option<Vec<S::Hash>>,
}

impl<S: Schema> Store<S> {
    /// Decides on a writer's work at the tip of the chain; another one may follow it if `more`.
    ///
    /// Types of contents are code of others. One that panics aborts the work that called it, and
    /// disturbs nobody else: the chain is touched when everything has been called.
    pub(super) async fn judge(
        &self,
        chain: &mut Chain<S>,
        ticket: Ticket,
        work: &Work<S>,
        more: bool,
    ) -> Result<Verdict<S>> {
        let judged = AssertUnwindSafe(self.judge_unguarded(chain, ticket, work, more));
        judged.catch_unwind().await.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().map(ToString::to_string);
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            let said = said.unwrap_or_else(|| "without a message".to_owned());
            let message = format!("a type of contents panicked in a write to {self}");
            Err(Error::new(ErrorKind::Aborted, message).with_source(said))
        })
    }

    async fn judge_unguarded(
        &self,
        chain: &mut Chain<S>,
        ticket: Ticket,
        work: &Work<S>,
        more: bool,
    ) -> Result<Verdict<S>> {
        let Work { task, info, stored: _ } = work;
        let made = match task {
            Task::Edit(edit) => match edit.save(chain.tree(self), chain.pending()).await? {
                Some(saved) => Made { saved, allow_empty: false, parents: None },
                None => return Ok(Verdict::Answer(Answer::NotPassed)),
            },
            Task::Commit(prepared) => match self.raced(chain, prepared).await? {
                Some(made) => made,
                None => return Ok(Verdict::Again),
            },
        };
        self.make(chain, ticket, made, info, more).await
    }

    /// Returns the tree as it has to be at the tip, or nothing if its owner has to run again.
    async fn raced(&self, chain: &Chain<S>, prepared: &Prepared<S>) -> Result<Option<Made<S>>> {
        let Prepared { base, tree, on_race, allow_empty, parents } = prepared;
        let at_the_tip = base.as_ref().map(Commit::hash) == chain.tip();
        let tree = match on_race {
            _ if at_the_tip => tree.clone(),
            Race::Again => return Ok(None),
            Race::Refuse => return Err(self.lost_race(base.as_ref(), chain.tip())),
            Race::Merge => self.merge_onto(&chain.tree(self), base.as_ref(), tree).await?,
        };
        let saved = tree.save(chain.pending()).await?;
        let parents = parents.as_ref().map(|all| all.iter().map(Commit::hash).collect());
        Ok(Some(Made { saved, allow_empty: *allow_empty, parents }))
    }

    async fn make(
        &self,
        chain: &mut Chain<S>,
        ticket: Ticket,
        made: Made<S>,
        info: &Info,
        more: bool,
    ) -> Result<Verdict<S>> {
        let Made { saved, allow_empty, parents } = made;
        let objects = self.repo().objects();
        let before = chain.root().unwrap_or_else(|| objects.empty_directory());
        if saved.root == before && !allow_empty {
            return Ok(Verdict::Answer(Answer::Unchanged));
        }
        let Saved { unchecked, .. } = &saved;
        for directory in unchecked {
            objects.check_directory(directory).await?;
        }
        let next = Next { ticket, saved, parents, info: self.filled(info) };
        chain.push(next, objects.block_bytes_max(), more)?;
        Ok(Verdict::Committed)
    }

    /// Merges a tree that was made from `base` with the one at the tip.
    async fn merge_onto(
        &self,
        tip: &Tree<S>,
        base: Option<&Commit<S>>,
        tree: &Tree<S>,
    ) -> Result<Tree<S>> {
        if let Some(base) = base
            && let Some(replayed) = replay(&base.root(), tip, tree).await?
        {
            return Ok(replayed);
        }
        let ancestor = Ancestor::certain(self.tree_of(base));
        let merged = merge(&ancestor, tip, tree).await?;
        if merged.conflicts.is_empty() {
            return Ok(merged.tree);
        }
        Err(Conflicts::new(merged.conflicts).into())
    }

    /// Returns the info with author and time.
    fn filled(&self, info: &Info) -> Info {
        let mut info = info.clone();
        self.repo().tell_apart(&mut info);
        info.author.get_or_insert_with(|| self.repo().author().to_owned());
        info.time_ms.get_or_insert_with(|| self.repo().now_ms());
        info
    }

    fn lost_race(&self, base: Option<&Commit<S>>, tip: Option<S::Hash>) -> Error {
        let name = |hash: Option<S::Hash>| {
            hash.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string())
        };
        let (base, tip) = (name(base.map(Commit::hash)), name(tip));
        let message = format!(
            "the transaction began on {base}, and {self} is on {tip} by now; begin it again"
        );
        Error::new(ErrorKind::Contention, message)
    }
}
