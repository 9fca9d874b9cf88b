use ramus_core::{IntoPath, Result};

use super::Store;
use super::advance::{Advance, Advanced};
use super::edit::Edit;
use crate::{Commit, Info, Schema, Tree};

impl<S: Schema> Store<S> {
    /// Sets the value at a path, as [`Tree::set`] does; returns the commit, if anything changed.
    pub async fn set(
        &self,
        path: impl IntoPath,
        value: impl Into<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, value, info) = (path.into_path()?, value.into(), info.into());
        Ok(self.edit(Edit::Set { path, value }, &info).await?.commit)
    }

    /// Removes what is at a path, as [`Tree::remove`] does; returns the commit, if anything changed.
    pub async fn remove(
        &self,
        path: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::Remove { path }, &info).await?.commit)
    }

    /// Moves what is at a path to another, as [`Tree::rename`] does; returns the commit, if anything
    /// changed.
    pub async fn rename(
        &self,
        from: impl IntoPath,
        to: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (from, to, info) = (from.into_path()?, to.into_path()?, info.into());
        Ok(self.edit(Edit::Rename { from, to }, &info).await?.commit)
    }

    /// Puts a tree at a path, as [`Tree::set_tree`] does; returns the commit, if anything changed.
    pub async fn set_tree(
        &self,
        path: impl IntoPath,
        tree: &Tree<S>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::SetTree { path, tree: tree.clone() }, &info).await?.commit)
    }

    /// Sets the value at a path to `set` if it is `test`; returns whether it was. Nothing stands for
    /// absent: as the test that there is none, and to remove it.
    ///
    /// The test is made also when `test` and `set` are equal.
    pub async fn test_and_set(
        &self,
        path: impl IntoPath,
        test: Option<S::Contents>,
        set: Option<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::TestAndSet { path, test, set }, &info).await?.passed)
    }

    /// Applies one edit to the head and commits it; to the new head, if another process comes first.
    pub(super) async fn edit(&self, edit: Edit<S>, info: &Info) -> Result<Edited<S>> {
        let _turn = self.turn().wait().await?;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            let head = self.head().await?;
            let mut tree = self.tree_of(head.as_ref());
            if !edit.apply(&mut tree).await? {
                return Ok(Edited { passed: false, commit: None });
            }
            let commit = match self.advance(head.as_ref(), &tree, info, Advance::default()).await? {
                Advanced::Lost => continue,
                Advanced::Unchanged => None,
                Advanced::To(commit) => Some(commit),
            };
            return Ok(Edited { passed: true, commit });
        }
        Err(self.contention(self.attempts_max()))
    }
}

/// What became of an edit.
pub(super) struct Edited<S: Schema> {
    /// Whether its test passed, if it has one.
    passed: bool,
    /// The commit, if anything changed.
    pub(super) commit: Option<Commit<S>>,
}
