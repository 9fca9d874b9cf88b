use std::sync::Arc;

use ramus_core::{IntoPath, Result};

use super::Store;
use crate::watch::{BranchWatch, WatchPlace, WatchStart};
use crate::{
    Commit, Kind, Listing, Log, LogOptions, Schema, Transaction, TransactionOptions, Tree, history,
};

impl<S: Schema> Store<S> {
    /// Returns the tree of the head; an empty one if there is no head.
    pub async fn tree(&self) -> Result<Tree<S>> {
        Ok(self.tree_of(self.head().await?.as_ref()))
    }

    /// Returns the value at a path, as [`Tree::find`] does.
    pub async fn find(&self, path: impl IntoPath) -> Result<Option<S::Contents>> {
        let path = path.into_path()?;
        let head = match self.head_now()? {
            Some(head) => head,
            None => match self.head().await? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        head.find(&path).await
    }

    /// Returns whether there is a value at a path.
    pub async fn mem(&self, path: impl IntoPath) -> Result<bool> {
        let path = path.into_path()?;
        self.tree().await?.mem(path).await
    }

    /// Returns what a path leads to, or nothing. The root is a directory.
    pub async fn kind(&self, path: impl IntoPath) -> Result<Option<Kind>> {
        let path = path.into_path()?;
        self.tree().await?.kind(path).await
    }

    /// Returns the entries of the directory at a path, as [`Tree::list`] does.
    pub async fn list(&self, path: impl IntoPath) -> Result<Vec<Listing>> {
        let path = path.into_path()?;
        self.tree().await?.list(path).await
    }

    /// Returns the directory at a path as a tree, as [`Tree::find_tree`] does.
    pub async fn find_tree(&self, path: impl IntoPath) -> Result<Option<Tree<S>>> {
        let path = path.into_path()?;
        self.tree().await?.find_tree(path).await
    }

    /// Returns the commits that led to the head, newest first.
    pub async fn log(&self) -> Result<Log<S>> {
        self.log_with(LogOptions::default()).await
    }

    /// Returns those of the commits that led to the head that options name: those that changed a path,
    /// those since another commit, the first few, those of the branch itself.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository.
    pub async fn log_with(&self, options: LogOptions<S>) -> Result<Log<S>> {
        options.without.iter().try_for_each(|commit| self.repo().check_commit(commit))?;
        let head = self.head().await?;
        Ok(Log::new(Arc::clone(self.repo().objects()), head.into_iter().collect(), options))
    }

    /// Returns the last commit up to the head that changed what is at a path, or below it; nothing if
    /// none did. It is the first one of the [log](Store::log_with) of that path.
    ///
    /// The first question about a path looks what each commit changed, and later ones what the commits
    /// since then did.
    pub async fn last_modified(&self, path: impl IntoPath) -> Result<Option<Commit<S>>> {
        let path = path.into_path()?;
        match self.head().await? {
            Some(head) => history::last_modified(self.repo().objects(), &head, path).await,
            None => Ok(None),
        }
    }

    /// Begins a transaction on the head.
    pub async fn begin(&self) -> Result<Transaction<S>> {
        self.begin_with(TransactionOptions::default()).await
    }

    /// Begins a transaction on the head, with another answer to a lost race or to empty commits.
    pub async fn begin_with(&self, options: TransactionOptions) -> Result<Transaction<S>> {
        let base = self.head().await?;
        let tree = self.tree_of(base.as_ref());
        Ok(Transaction { store: self.clone(), base, tree, options, parents: None })
    }

    /// Returns a watch of what lies at a path and below it, from now.
    ///
    /// A watch of the root is one of the branch itself: it sees every move of the head, also one
    /// that changes no entry.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ramus_core::ErrorKind::Unsupported) for a detached handle.
    pub async fn watch(&self, path: impl IntoPath) -> Result<BranchWatch<S>> {
        self.watch_from(path, WatchStart::Now).await
    }

    /// Returns a watch that starts somewhere else than now.
    ///
    /// # Errors
    ///
    /// Those of [`watch`](Store::watch).
    pub async fn watch_from(
        &self,
        path: impl IntoPath,
        start: WatchStart,
    ) -> Result<BranchWatch<S>> {
        let path = path.into_path()?;
        BranchWatch::open(self, path, start).await
    }

    /// Returns a watch that goes on from a place that was kept, such as that of the last event that
    /// an earlier process has dealt with.
    ///
    /// If the change log goes back to its cursor, every change after it is given. If not, or if there
    /// is no cursor, the first event says what has changed by now since its commit, as a
    /// [`resync`](crate::BranchEvent::resync) from that commit to the head, unless it is the same at
    /// the path; every change after that follows without a gap.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Store, WatchPlace};
    /// # use ramus_core::Sha1;
    /// # async fn example(main: Store<Kv<String>>, kept: WatchPlace<Sha1>) -> ramus_core::Result<()> {
    /// let mut watch = main.watch_after("users", kept).await?;
    /// while let Some(event) = watch.next().await {
    ///     let event = event?;
    ///     let mut commits = event.commits(); // newest first
    ///     while let Some(commit) = commits.next().await {
    ///         println!("{}", commit?.info().message);
    ///     }
    ///     let kept = event.place(); // for the next time
    /// #   let _: WatchPlace<Sha1> = kept;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`watch`](Store::watch); [`Missing`](ramus_core::ErrorKind::Missing) if the commit
    /// of the place is not in the store any more: watch from
    /// [what exists](WatchStart::Existing) then.
    pub async fn watch_after(
        &self,
        path: impl IntoPath,
        place: WatchPlace<S::Hash>,
    ) -> Result<BranchWatch<S>> {
        let path = path.into_path()?;
        BranchWatch::resume(self, path, place).await
    }

    /// Returns the tree of a commit; an empty one if there is none.
    pub(super) fn tree_of(&self, commit: Option<&Commit<S>>) -> Tree<S> {
        commit.map_or_else(|| self.repo().empty_tree(), Commit::tree)
    }
}
