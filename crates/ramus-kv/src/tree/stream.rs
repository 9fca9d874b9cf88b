//! Values as streams of bytes.

use ramus_core::{Error, IntoPath, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Tree;
use super::dir::{Leaf, Node};
use crate::directory::Held;
use crate::large::{ContentsReader, Source, Streamable, Upload};
use crate::{Format as _, Schema};

impl<S: Schema> Tree<S>
where
    S::Contents: Streamable,
{
    /// Returns a reader of the value at a path, or nothing where [`find`](Tree::find) finds nothing.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Tree};
    /// # async fn example(tree: Tree<Kv<String>>) -> Result<(), Box<dyn std::error::Error>> {
    /// if let Some(mut film) = tree.reader("films/metropolis").await? {
    ///     let beginning = film.read_range(..film.len().min(1024)).await?;
    ///     tokio::io::copy(&mut film, &mut tokio::io::sink()).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reader(&self, path: impl IntoPath) -> Result<Option<ContentsReader<S>>> {
        let path = path.into_path()?;
        match self.settled(&path).await? {
            Some(Node::Contents(leaf)) => Ok(Some(self.reader_of(&leaf).await?)),
            Some(Node::Directory(_) | Node::Conflict(_)) | None => Ok(None),
        }
    }

    /// Sets the value at a path to what a stream holds, up to its end; returns how many bytes that are.
    ///
    /// A large value is stored as it comes, as [`Repo::upload`](crate::Repo::upload) says, so that it is
    /// never in memory as a whole; it belongs to the tree, and to nothing else before that is committed.
    /// The stream is read before the path is looked at.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Tree::set), and of [`Repo::upload`](crate::Repo::upload).
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the tree as it was, and of the stream what
    /// [`Repo::upload`](crate::Repo::upload) says.
    pub async fn set_stream(
        &mut self,
        path: impl IntoPath,
        stream: impl AsyncRead + Send,
    ) -> Result<u64> {
        let path = path.into_path()?;
        if self.objects.is_traced() {
            // Nothing is stored for a proof.
            let value = read_value::<S>(stream).await?;
            let length = value.len() as u64;
            self.put_encoded(&path, value.into(), None).await?;
            return Ok(length);
        }
        let upload = Upload::read(&self.objects, stream).await?;
        self.set_upload(path, &upload).await?;
        Ok(upload.len())
    }

    pub(super) async fn reader_of(&self, leaf: &Leaf<S>) -> Result<ContentsReader<S>> {
        let hash = match &leaf.held {
            Held::Inline(encoded) => return Ok(ContentsReader::of_small(encoded.clone())),
            Held::Block(hash) => hash,
        };
        let root = self.root_block(leaf, hash).await?;
        let reader = if S::Format::is_contents_index(&root) {
            ContentsReader::of_large(Source::new(self.clone(), leaf.unsaved.clone()), &root)
        } else {
            crate::objects::decode_block::<S>(&root).map(ContentsReader::of_small)
        };
        reader.map_err(|fault| self.unreadable(hash, fault))
    }
}

impl<S: Schema> Tree<S> {
    /// Sets the value at a path to one that was uploaded.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Tree::set); [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for an upload
    /// to another repository.
    pub async fn set_upload(&mut self, path: impl IntoPath, upload: &Upload<S>) -> Result<()> {
        let path = path.into_path()?;
        if !upload.is_of(&self.objects) {
            return Err(Error::invalid_input(format!(
                "the value for `{path}` was uploaded to another repository; its blocks are not in \
                 this one"
            )));
        }
        let (found, metadata) = self.locate_contents(&path, None).await?;
        let leaf = Leaf {
            held: upload.held().clone(),
            metadata: metadata.into(),
            unsaved: upload.unsaved().cloned(),
        };
        self.check_blocks(&path, &leaf)?;
        if let Some(pin) = upload.pin() {
            self.keep(pin);
        }
        self.put(found, Node::Contents(leaf));
        Ok(())
    }
}

/// Reads a value into memory.
async fn read_value<S: Schema>(stream: impl AsyncRead + Send) -> Result<Vec<u8>>
where
    S::Contents: Streamable,
{
    let mut stream = std::pin::pin!(stream);
    let mut value = Vec::new();
    stream.read_to_end(&mut value).await.map_err(crate::large::stream_failed)?;
    crate::large::check_whole::<S::Contents>(&value)?;
    Ok(value)
}
