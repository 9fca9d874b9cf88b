use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use ramus_core::{Cursor, Hash, RefName, Result, Snapshot};

/// Branches, or tags, and the commits that they are on, in the order of their names: a stream.
///
/// All of them are as they were at one place in the change log, [`cursor`](Heads::cursor), whatever
/// is written while it is read. A watch that starts after that place goes on without a gap:
///
/// ```
/// # use ramus_kv::{Kv, Repo, WatchStart};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let mut heads = repo.heads("feature/").await?;
/// let mut changes = repo.watch_from("feature/", WatchStart::After(heads.cursor())).await?;
/// while let Some(head) = heads.next().await {
///     let head = head?;
///     println!("{} is on {}", head.name, head.commit);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What is not promised
///
/// That a storage keeps a snapshot that was not read for long: see
/// [`Snapshot`](ramus_core::Snapshot).
///
/// # Errors
///
/// [`Unavailable`](ramus_core::ErrorKind::Unavailable) when the storage gave the snapshot up,
/// [`Closed`](ramus_core::ErrorKind::Closed), and what reading the storage gives.
pub struct Heads<H> {
    cursor: Cursor,
    heads: BoxStream<'static, Result<Head<H>>>,
}

/// A branch, or a tag, and the commit that it is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head<H> {
    /// The name of the branch or tag.
    pub name: String,
    /// The hash of the commit; [`Repo::commit`](crate::Repo::commit) reads it.
    pub commit: H,
}

impl<H: Hash> Heads<H> {
    pub(crate) fn of_snapshot(snapshot: Snapshot<RefName, H>) -> Self {
        let cursor = snapshot.cursor();
        let page = |page: Vec<(RefName, H)>| {
            let heads = page.into_iter().map(|(name, commit)| {
                let name = name.name().to_owned();
                Ok(Head { name, commit })
            });
            stream::iter(heads)
        };
        Self { cursor, heads: snapshot.into_pages().map_ok(page).try_flatten().boxed() }
    }

    /// Returns the place in the change log as of which the heads are.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Returns the next one, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Head<H>>> {
        self.heads.next().await
    }

    /// Returns all that were not read yet.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn collect(self) -> Result<Vec<Head<H>>> {
        self.heads.try_collect().await
    }
}

impl<H: Hash> Stream for Heads<H> {
    type Item = Result<Head<H>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heads.poll_next_unpin(context)
    }
}

impl<H> fmt::Debug for Heads<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heads").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
