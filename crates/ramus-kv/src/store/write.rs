use ramus_core::{IntoPath, Result};

use super::Store;
use super::edit::Edit;
use super::work::{Answer, Work};
use crate::{Commit, Info, Schema, Tree};

impl<S: Schema> Store<S> {
    /// Sets the value at a path, as [`Tree::set`] does; returns the commit, if anything changed.
    ///
    /// # Errors
    ///
    /// Those of [`Store`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn set(
        &self,
        path: impl IntoPath,
        value: impl Into<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, value, info) = (path.into_path()?, value.into(), info.into());
        Ok(self.edit(Edit::Set { path, value }, info).await?.into_commit())
    }

    /// Removes what is at a path, as [`Tree::remove`] does; returns the commit, if anything changed.
    ///
    /// # Errors
    ///
    /// Those of [`Store`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn remove(
        &self,
        path: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::Remove { path }, info).await?.into_commit())
    }

    /// Moves what is at a path to another, as [`Tree::rename`] does; returns the commit, if anything
    /// changed.
    ///
    /// # Errors
    ///
    /// Those of [`Store`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn rename(
        &self,
        from: impl IntoPath,
        to: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (from, to, info) = (from.into_path()?, to.into_path()?, info.into());
        Ok(self.edit(Edit::Rename { from, to }, info).await?.into_commit())
    }

    /// Puts a tree at a path, as [`Tree::set_tree`] does; returns the commit, if anything changed.
    ///
    /// # Errors
    ///
    /// Those of [`Store`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn set_tree(
        &self,
        path: impl IntoPath,
        tree: &Tree<S>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::SetTree { path, tree: tree.clone() }, info).await?.into_commit())
    }

    /// Sets the value at a path to `set` if it is `test`; returns whether it was. Nothing stands for
    /// absent: as the test that there is none, and to remove it.
    ///
    /// The test is made also when `test` and `set` are equal.
    ///
    /// # Errors
    ///
    /// Those of [`Store`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn test_and_set(
        &self,
        path: impl IntoPath,
        test: Option<S::Contents>,
        set: Option<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (path.into_path()?, info.into());
        let edit = Edit::TestAndSet { path, test, set };
        Ok(!matches!(self.edit(edit, info).await?, Answer::NotPassed))
    }

    /// Puts the tree `set` at a path if `test` is there; returns whether it was. Nothing stands for
    /// absent, and so does an empty tree: as the test that nothing is there, neither contents nor a
    /// directory, and to remove what is.
    ///
    /// Directories are compared by their hash, so what lies in them is not read. The test is made also
    /// when `test` and `set` are equal.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::set_tree`].
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn test_and_set_tree(
        &self,
        path: impl IntoPath,
        test: Option<&Tree<S>>,
        set: Option<&Tree<S>>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (path.into_path()?, info.into());
        let test = match test.filter(|test| !test.is_empty()) {
            Some(test) => Some(test.hash().await?),
            None => None,
        };
        let edit = Edit::TestAndSetTree { path, test, set: set.cloned() };
        Ok(!matches!(self.edit(edit, info).await?, Answer::NotPassed))
    }

    pub(super) async fn edit(&self, edit: Edit<S>, info: Info) -> Result<Answer<S>> {
        self.submit(Work::edit(edit, info)).await
    }
}
