use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::{IntoPath, Result, Step};

use super::dir::Node;
use super::range::Range;
use super::{Found, ListOptions, Tree};
use crate::Schema;

/// The entries of one directory, in the order of their steps: a stream of steps and what they lead
/// to.
///
/// What is held at a time is a block for each level of a large directory, however many entries it
/// has.
///
/// ```
/// # use ramus_kv::{Kv, ListOptions, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let tree = repo.main().await?.tree().await?;
/// let options = ListOptions::default().with_prefix("a").with_limit(10);
/// let mut entries = tree.entries_with("users", options).await?;
/// while let Some((step, found)) = entries.next().await.transpose()? {
///     println!("{step}: {:?}", found.contents().await?);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Entries<S: Schema>(BoxStream<'static, Result<(Step, Found<S>)>>);

impl<S: Schema> Tree<S> {
    /// Returns a stream of the entries of the directory at a path; it is empty where there is no
    /// directory.
    pub async fn entries(&self, path: impl IntoPath) -> Result<Entries<S>> {
        let path = path.into_path()?;
        self.entries_with(path, ListOptions::default()).await
    }

    /// Returns a stream of some entries of the directory at a path: those that
    /// [`list_with`](Tree::list_with) lists.
    pub async fn entries_with(
        &self,
        path: impl IntoPath,
        options: ListOptions,
    ) -> Result<Entries<S>> {
        let path = path.into_path()?;
        let Some(Node::Directory(dir)) = self.settled(&path).await? else {
            return Ok(Entries(stream::empty().boxed()));
        };
        let range = Range::open(&self.view(), &dir, options).await?;
        let reader = Reader { tree: Arc::new(self.clone()), range };
        Ok(Entries(stream::try_unfold(reader, Reader::next).boxed()))
    }
}

struct Reader<S: Schema> {
    tree: Arc<Tree<S>>,
    range: Range<S>,
}

impl<S: Schema> Reader<S> {
    async fn next(mut self) -> Result<Option<((Step, Found<S>), Self)>> {
        let next = self.range.next(&self.tree.view()).await?;
        Ok(next.map(|(step, node)| ((step, Found::new(&self.tree, node)), self)))
    }
}

impl<S: Schema> Entries<S> {
    /// Returns the next entry, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; the stream ends with the first.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<(Step, Found<S>)>> {
        self.0.next().await
    }
}

impl<S: Schema> Stream for Entries<S> {
    type Item = Result<(Step, Found<S>)>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for Entries<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}
