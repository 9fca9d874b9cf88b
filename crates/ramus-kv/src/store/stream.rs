//! Values as streams of bytes.

use ramus_core::{IntoPath, Result};
use tokio::io::AsyncRead;

use super::Store;
use super::edit::Edit;
use crate::large::{ContentsReader, Streamable};
use crate::{Commit, Info, Schema};

impl<S: Schema> Store<S>
where
    S::Contents: Streamable,
{
    /// Returns a reader of the value at a path, as [`Tree::reader`](crate::Tree::reader) does.
    pub async fn reader(&self, path: impl IntoPath) -> Result<Option<ContentsReader<S>>> {
        let path = path.into_path()?;
        self.tree().await?.reader(path).await
    }

    /// Sets the value at a path to what a stream holds, up to its end; returns the commit, if anything
    /// changed.
    ///
    /// The value is [uploaded](crate::Repo::upload) first, so that it is never in memory as a whole and
    /// keeps no other writer waiting; then it is set as [`set`](Store::set) does.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Store::set) and of [`Repo::upload`](crate::Repo::upload).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has made its whole commit or none; of the stream and its blocks it leaves what
    /// [`Repo::upload`](crate::Repo::upload) says.
    pub async fn set_stream(
        &self,
        path: impl IntoPath,
        stream: impl AsyncRead + Send,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        let upload = self.repo().upload(stream).await?;
        Ok(self.edit(Edit::SetUpload { path, upload }, info).await?.into_commit())
    }
}
