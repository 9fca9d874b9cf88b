use std::sync::Arc;

use ramus_core::{Error, Result};

use super::land::{Change, Plan};
use super::{Merged, Store, Unmerged};
use crate::{Commit, Log, LogOptions, Resolution, Schema};

/// How a branch is put onto another commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebaseOptions {
    /// Whether merge commits are taken as changes of the branch, so that what was merged is no longer in
    /// its history but in its trees only. They are refused otherwise.
    pub first_parent: bool,
    /// Whether commits are made that change nothing where they come to.
    pub allow_empty: bool,
    /// What happens where a commit has conflicts.
    pub on_conflict: OnConflict,
}

/// What happens to a rebase where a commit has conflicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It halts, with the branch where it was, for somebody to resolve them and
    /// [go on](Store::continue_rebase).
    #[default]
    Halt,
    /// They are [stored](Resolution::Later) in the commit, to be resolved later. Where a later commit
    /// changes such a path, it changes its own side of the conflict.
    Later,
}

impl RebaseOptions {
    /// Returns these options with merge commits taken as changes of the branch.
    #[must_use]
    pub const fn first_parent(mut self) -> Self {
        self.first_parent = true;
        self
    }

    /// Returns these options with commits that change nothing where they come to.
    #[must_use]
    pub const fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Returns these options with another answer to conflicts.
    #[must_use]
    pub const fn with_on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }
}

/// What a rebase came to.
#[derive(Debug)]
#[must_use = "a rebase that has conflicts has changed nothing"]
pub enum Rebased<S: Schema> {
    /// The branch stands on that commit already.
    Unchanged,
    /// The branch moved to this commit, the last of those that were made.
    Moved(Commit<S>),
    /// A commit has conflicts. The branch is where it was.
    Conflicts(Box<RebaseConflict<S>>),
}

impl<S: Schema> Rebased<S> {
    /// Returns the commit that the branch moved to, or nothing if it stayed.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ramus_core::ErrorKind::Conflict) for a rebase that has conflicts; the source is
    /// [`Conflicts`](crate::Conflicts).
    pub fn clean(self) -> Result<Option<Commit<S>>> {
        match self {
            Self::Unchanged => Ok(None),
            Self::Moved(commit) => Ok(Some(commit)),
            Self::Conflicts(halted) => Err(halted.unmerged.into_conflicts().into()),
        }
    }
}

/// A commit that has conflicts where it is to be put: resolve them, and
/// [go on](Store::continue_rebase).
///
/// What was made so far is in the storage, where nothing but this leads to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RebaseConflict<S: Schema> {
    /// The commit of the branch.
    pub commit: Commit<S>,
    /// Its conflicts: *theirs* is the commit, *ours* what it is put onto.
    pub unmerged: Unmerged<S>,
    rebase: Rebase<S>,
}

/// How far a rebase has got.
#[derive(Clone, Debug)]
struct Rebase<S: Schema> {
    onto: Commit<S>,
    options: RebaseOptions,
    /// The commits of the branch that were put there, the oldest first.
    picked: Vec<S::Hash>,
    /// What they came to.
    tip: Commit<S>,
}

impl<S: Schema> Rebase<S> {
    fn begin(onto: Commit<S>, options: RebaseOptions) -> Self {
        Self { tip: onto.clone(), onto, options, picked: Vec::new() }
    }
}

impl<S: Schema> Store<S> {
    /// Puts the commits of the branch that `onto` does not have on top of it, one after the other, and
    /// moves the branch there, with one update at the end.
    ///
    /// Each commit says what the one before it said, author, time and headers included. One that changes
    /// nothing there is left out, unless the options allow it. Commits that stand there already stay as
    /// they are. A branch that has nothing of its own is moved forward.
    ///
    /// If the branch got commits meanwhile, these are put there, too. If it was moved aside, it is done
    /// again from the beginning, as often as writes are tried.
    ///
    /// What is held at a time is one commit, and a hash for each.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository, and for a
    /// branch with merge commits, unless they are taken as
    /// [changes of the branch](RebaseOptions::first_parent);
    /// [`Aborted`](ramus_core::ErrorKind::Aborted) if the merge of a contents type panicked;
    /// [`Contention`](ramus_core::ErrorKind::Contention) if others moved the branch again and again. A
    /// conflict is no error: see [`Rebased`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn rebase(&self, onto: &Commit<S>, options: RebaseOptions) -> Result<Rebased<S>> {
        self.repo().check_commit(onto)?;
        self.go_on(Rebase::begin(onto.clone(), options)).await
    }

    /// Goes on with a rebase after the conflicts of a commit are resolved.
    ///
    /// If the branch was moved aside since, it begins anew, and asks about these conflicts again.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ramus_core::ErrorKind::Conflict) if a path is not resolved; the source,
    /// [`Conflicts`](crate::Conflicts), holds those; and those of [`rebase`](Store::rebase).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn continue_rebase(&self, halted: &RebaseConflict<S>) -> Result<Rebased<S>> {
        let RebaseConflict { commit, unmerged, rebase } = halted.clone();
        self.repo().check_commit(&commit)?;
        let rebase = self.settle_pick(rebase, &commit, unmerged).await?;
        self.go_on(rebase).await
    }

    async fn go_on(&self, mut rebase: Rebase<S>) -> Result<Rebased<S>> {
        let attempts_max = self.attempts_max();
        let mut seat = None;
        for attempt in 0..attempts_max {
            // A second attempt has the turn.
            self.back_off(attempt.saturating_sub(1)).await;
            let head = self.head().await?;
            let commits = match &head {
                Some(head) => self.own_commits(head, &rebase).await?,
                None => Vec::new(),
            };
            if !commits.starts_with(&rebase.picked) {
                rebase = Rebase::begin(rebase.onto, rebase.options);
            }
            for hash in &commits[rebase.picked.len()..] {
                let commit = self.repo().existing(*hash).await?;
                match self.put(&mut rebase, &commit).await? {
                    None => {}
                    Some(unmerged) if rebase.options.on_conflict == OnConflict::Halt => {
                        let halted = RebaseConflict { commit, unmerged, rebase };
                        return Ok(Rebased::Conflicts(Box::new(halted)));
                    }
                    Some(mut unmerged) => {
                        unmerged.resolve_each(|_| Some(Resolution::Later));
                        rebase = self.settle_pick(rebase, &commit, unmerged).await?;
                    }
                }
            }
            if head.as_ref() == Some(&rebase.tip) {
                return Ok(Rebased::Unchanged);
            }
            self.take_turn(&mut seat).await;
            if self.advance(head.as_ref(), &rebase.tip).await? {
                return Ok(Rebased::Moved(rebase.tip));
            }
        }
        Err(self.contention(attempts_max, self.head().await?.as_ref()))
    }

    /// Returns the commits that lead to the head and that the other side does not have, the oldest first.
    async fn own_commits(&self, head: &Commit<S>, rebase: &Rebase<S>) -> Result<Vec<S::Hash>> {
        let Rebase { onto, options, .. } = rebase;
        let range = LogOptions::default().without(onto.clone()).first_parent();
        let objects = Arc::clone(self.repo().objects());
        let mut log = Log::new(objects, vec![head.clone()], range);
        let mut commits = Vec::new();
        while let Some(commit) = log.next().await.transpose()? {
            if commit.parents().len() > 1 && !options.first_parent {
                return Err(Error::invalid_input(format!(
                    "commit {} is a merge, and what it merged would leave the history of the branch; \
                     say so by the option first_parent, or merge in place of rebasing",
                    commit.hash()
                )));
            }
            commits.push(commit.hash());
        }
        commits.reverse();
        Ok(commits)
    }

    /// Puts a commit on top of the others, or returns its conflicts.
    async fn put(&self, rebase: &mut Rebase<S>, commit: &Commit<S>) -> Result<Option<Unmerged<S>>> {
        if commit.parents() == [rebase.tip.hash()] {
            rebase.tip = commit.clone();
            rebase.picked.push(commit.hash());
            return Ok(None);
        }
        let mainline = (!commit.parents().is_empty()).then_some(0);
        let (from, to) = (self.before(commit, mainline).await?, commit.tree());
        let allow_empty = rebase.options.allow_empty;
        let plan = Plan::Change(Change { from, to, allow_empty });
        let line = Self::detached(self.repo().clone(), Some(rebase.tip.clone()));
        // Boxed, so that the future of a rebase is not as large as those of all its steps.
        match Box::pin(line.land(&plan, commit.info().clone())).await? {
            Merged::Unchanged => {}
            Merged::FastForward(made) | Merged::Commit(made) => rebase.tip = made,
            Merged::Conflicts(unmerged) => return Ok(Some(unmerged)),
        }
        rebase.picked.push(commit.hash());
        Ok(None)
    }

    /// Puts a commit on top of the others whose conflicts are resolved.
    async fn settle_pick(
        &self,
        mut rebase: Rebase<S>,
        commit: &Commit<S>,
        unmerged: Unmerged<S>,
    ) -> Result<Rebase<S>> {
        let line = Self::detached(self.repo().clone(), Some(rebase.tip.clone()));
        let merge = line.commit_resolved(&unmerged, commit.info().clone());
        rebase.tip = Box::pin(merge).await?;
        rebase.picked.push(commit.hash());
        Ok(rebase)
    }
}
