use ramus_core::{IntoPath, Path, Result};

use super::Repo;
use crate::Schema;
use crate::watch::{BranchesPlace, BranchesWatch, WatchStart};

/// # Watches
///
/// One stream for many branches. [`Store::watch`](crate::Store::watch) is one for a branch.
///
/// ```
/// # use ramus_kv::{BranchesEvent, Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let mut watch = repo.watch_path("users/", "settings").await?; // of every branch below `users/`
/// while let Some(event) = watch.next().await {
///     let BranchesEvent::Changed { branches, .. } = event? else { continue };
///     for change in branches {
///         println!("{}: {} commits", change.branch, change.commits().collect().await?.len());
///         let mut differences = change.diff().await?;
///         while let Some(difference) = differences.next().await {
///             println!("  {}", difference?.path);
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
impl<S: Schema> Repo<S> {
    /// Returns a watch of every branch whose name begins with `prefix`; one event for every update
    /// of the storage, however many branches it moved.
    pub async fn watch(&self, prefix: &str) -> Result<BranchesWatch<S>> {
        self.watch_from(prefix, WatchStart::Now).await
    }

    /// Returns a watch of branches that starts somewhere else than now.
    pub async fn watch_from(&self, prefix: &str, start: WatchStart) -> Result<BranchesWatch<S>> {
        BranchesWatch::open(self, prefix, Path::root(), start).await
    }

    /// Returns a watch of what lies at a path and below it, on every branch whose name begins with
    /// `prefix`; one event for every update of the storage that changed something there.
    pub async fn watch_path(&self, prefix: &str, path: impl IntoPath) -> Result<BranchesWatch<S>> {
        self.watch_path_from(prefix, path, WatchStart::Now).await
    }

    /// Returns a watch of a path on branches that starts somewhere else than now.
    ///
    /// An event that says what exists has all the branches, also those that have nothing at the path.
    pub async fn watch_path_from(
        &self,
        prefix: &str,
        path: impl IntoPath,
        start: WatchStart,
    ) -> Result<BranchesWatch<S>> {
        let path = path.into_path()?;
        BranchesWatch::open(self, prefix, path, start).await
    }

    /// Returns a watch of branches that goes on from a place that was kept, such as that of a watch in an
    /// earlier process, of the same prefix or a shorter one.
    ///
    /// If the change log goes back to its cursor, every change after it is given. If not, or if there is no
    /// cursor, the first event says what has changed by now, as a
    /// [resync](crate::BranchesEvent::Changed::resync): each branch that is on another commit than the place says, from
    /// that commit to its head, and those that came or went. Every change after that follows without a gap.
    ///
    /// ```
    /// # use ramus_kv::{BranchesPlace, Kv, Repo};
    /// # use ramus_core::Sha1;
    /// # async fn example(repo: Repo<Kv<String>>, kept: BranchesPlace<Sha1>) -> ramus_core::Result<()> {
    /// let mut watch = repo.watch_after("users/", kept).await?;
    /// while let Some(event) = watch.next().await {
    ///     println!("{:?}", event?);
    ///     let kept = watch.place(); // for the next time
    /// #   let _: Option<BranchesPlace<Sha1>> = kept;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn watch_after(
        &self,
        prefix: &str,
        place: BranchesPlace<S::Hash>,
    ) -> Result<BranchesWatch<S>> {
        BranchesWatch::resume(self, prefix, Path::root(), place).await
    }

    /// Returns a watch of a path on branches that goes on from a place that was kept, as
    /// [`watch_after`](Repo::watch_after) does; of what has changed by now, it gives those branches that
    /// have something else at the path.
    pub async fn watch_path_after(
        &self,
        prefix: &str,
        path: impl IntoPath,
        place: BranchesPlace<S::Hash>,
    ) -> Result<BranchesWatch<S>> {
        let path = path.into_path()?;
        BranchesWatch::resume(self, prefix, path, place).await
    }
}
