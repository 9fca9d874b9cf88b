use ramus_core::{ErrorKind, ReadOnly as _, RefName, Result};

use super::{Place, Store};
use crate::branch::Branch;
use crate::{Commit, RefFault, Schema, history};

impl<S: Schema> Store<S> {
    /// Returns the commit that the handle is on, or nothing if there is none yet.
    pub async fn head(&self) -> Result<Option<Commit<S>>> {
        match &self.0.place {
            Place::Branch(branch) => self.head_of(branch).await,
            Place::Detached { head, .. } => {
                self.repo().ensure_open().await?;
                Ok(head.lock().clone())
            }
        }
    }

    /// Moves the handle to a commit, whatever it is on.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has moved the head or not.
    pub async fn set_head(&self, commit: &Commit<S>) -> Result<()> {
        self.repo().check_commit(commit)?;
        match &self.0.place {
            Place::Branch(branch) => {
                let update = self.repo().update("set head").await?;
                let update = update.set(branch.name.clone(), commit.hash());
                // It tests nothing, so it is not refused.
                drop(self.repo().move_refs(update).await?);
            }
            Place::Detached { head, .. } => {
                self.repo().ensure_open().await?;
                *head.lock() = Some(commit.clone());
            }
        }
        Ok(())
    }

    /// Moves the handle to `set` if it is on `test`; returns whether it was. Nothing stands for no
    /// head: as the test that there is none, and to remove the branch.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has moved the head or not.
    pub async fn test_and_set_head(
        &self,
        test: Option<&Commit<S>>,
        set: Option<&Commit<S>>,
    ) -> Result<bool> {
        test.into_iter().chain(set).try_for_each(|commit| self.repo().check_commit(commit))?;
        match &self.0.place {
            Place::Branch(branch) => {
                let (test, set) = (test.map(Commit::hash), set.map(Commit::hash));
                let update = self.repo().update("test and set head").await?;
                let update = update.test_and_set(branch.name.clone(), test, set);
                Ok(self.repo().move_refs(update).await?.is_applied())
            }
            Place::Detached { .. } => {
                self.repo().ensure_open().await?;
                Ok(self.test_and_set_detached(test, set.cloned()))
            }
        }
    }

    /// Moves the handle to a commit that its head is an ancestor of; returns whether it is. A handle
    /// on nothing moves to any commit, and one that is on the commit already stays there.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository;
    /// [`Contention`](ramus_core::ErrorKind::Contention) if others moved the head again and again.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has moved the head or not.
    pub async fn fast_forward(&self, commit: &Commit<S>) -> Result<bool> {
        self.repo().check_commit(commit)?;
        let (mut head, mut seat) = (None, None);
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt.saturating_sub(1)).await;
            head = self.head().await?;
            if let Some(head) = &head
                && !history::is_ancestor(self.repo().objects(), &head.hash(), &commit.hash())
                    .await?
            {
                return Ok(false);
            }
            self.take_turn(&mut seat).await;
            if self.advance(head.as_ref(), commit).await? {
                return Ok(true);
            }
        }
        Err(self.contention(self.attempts_max(), head.as_ref()))
    }

    /// Moves the handle to `to` if it is on `from`; returns whether it was. If the storage cannot tell, the
    /// history of the head does, where the commit was not in it before.
    pub(super) async fn advance(&self, from: Option<&Commit<S>>, to: &Commit<S>) -> Result<bool> {
        let error = match self.test_and_set_head(from, Some(to)).await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => error,
            answer => return answer,
        };
        let objects = self.repo().objects();
        if let Some(from) = from
            && history::is_ancestor(objects, &to.hash(), &from.hash()).await?
        {
            return Err(error);
        }
        match self.head().await? {
            Some(head) if history::is_ancestor(objects, &to.hash(), &head.hash()).await? => {
                Ok(true)
            }
            Some(_) | None => Err(error),
        }
    }

    /// Makes a branch that is where this handle is, and returns a handle on it. A handle on nothing
    /// makes no branch yet: the first commit does.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if a branch of that name exists, with
    /// [`RefFault::Exists`] as its source: open it with [`Repo::branch`](crate::Repo::branch) and
    /// move it with [`set_head`](Store::set_head) if that is meant.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has made the branch or not.
    pub async fn fork(&self, name: &str) -> Result<Self> {
        let name = RefName::branch(name)?;
        if let Some(head) = self.head().await? {
            return self.repo().create_branch(name.name(), &head).await;
        }
        match self.repo().refs().find(&name).await? {
            Some(holds) => {
                let attempted = format!("cannot fork {self} to `{}`", name.name());
                Err(RefFault::Exists { name, holds }.while_doing(attempted))
            }
            None => self.repo().branch(name.name()).await,
        }
    }

    pub(super) fn test_and_set_detached(
        &self,
        test: Option<&Commit<S>>,
        set: Option<Commit<S>>,
    ) -> bool {
        let Place::Detached { head, .. } = &self.0.place else { return false };
        let mut head = head.lock();
        let holds = head.as_ref() == test;
        if holds {
            *head = set;
        }
        holds
    }

    /// Returns the head if it is known and nothing has to be waited for to make sure of it.
    pub(super) fn head_now(&self) -> Result<Option<Commit<S>>> {
        let Place::Branch(branch) = &self.0.place else { return Ok(None) };
        let Some(hash) = self.repo().refs().find_now(&branch.name).transpose()?.flatten() else {
            return Ok(None);
        };
        Ok(branch.head.lock().as_ref().filter(|head| head.hash() == hash).cloned())
    }

    async fn head_of(&self, branch: &Branch<S>) -> Result<Option<Commit<S>>> {
        let Some(hash) = self.repo().refs().find(&branch.name).await? else { return Ok(None) };
        if let Some(head) = &*branch.head.lock()
            && head.hash() == hash
        {
            return Ok(Some(head.clone()));
        }
        let head = self.repo().named(&branch.name).await?;
        branch.head.lock().clone_from(&head);
        Ok(head)
    }
}
