use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use ramus_core::{Error, ErrorKind, Result};

use super::check::check_cut;
use super::chunks::chunks;
use super::compute::compute;
use super::unsaved::Unsaved;
use crate::block::ContentsIndex;
use crate::{Format as _, Schema, Tree};

/// Where the blocks of large contents are read: as the tree that they are in is.
pub(crate) struct Source<S: Schema> {
    /// It keeps what is read from being collected.
    tree: Tree<S>,
    /// Blocks that were not saved when the contents were found.
    unsaved: Option<Unsaved<S::Hash>>,
}

impl<S: Schema> Source<S> {
    pub(crate) fn new(tree: Tree<S>, unsaved: Option<Unsaved<S::Hash>>) -> Arc<Self> {
        Arc::new(Self { tree, unsaved })
    }

    /// Returns the root of large contents.
    pub(super) fn root(&self, block: &Bytes) -> Result<Arc<ContentsIndex<S::Hash>>> {
        let index = S::Format::decode_contents_index(block);
        let checked = index.and_then(|index| index.check_root().map(|()| index));
        Ok(Arc::new(checked.map_err(|fault| self.failed(fault))?))
    }

    /// Returns the whole encoding of the contents whose root is this block.
    ///
    /// Whoever has all the bytes can cut them again; so wrong cuts are refused here.
    pub(crate) async fn read_all(self: Arc<Self>, block: &Bytes) -> Result<Bytes> {
        let root = self.root(block)?;
        let length = root.length();
        let (encoded, lengths) = self.gather(&root, 0..length).await?;
        let checked = compute(move || check_cut(&encoded, &lengths).map(|()| encoded.into()));
        checked.await.map_err(|fault| self.failed(fault))
    }

    /// Returns a part of the encoding.
    pub(super) async fn read_range(
        self: &Arc<Self>,
        root: &Arc<ContentsIndex<S::Hash>>,
        range: Range<u64>,
    ) -> Result<Bytes> {
        Ok(self.gather(root, range).await?.0.into())
    }

    /// Returns a part of the encoding, and how long the pieces of it are that lie in one chunk each.
    async fn gather(
        self: &Arc<Self>,
        root: &Arc<ContentsIndex<S::Hash>>,
        range: Range<u64>,
    ) -> Result<(Vec<u8>, Vec<usize>)> {
        // The length is what a block claims, so room is made as the bytes come.
        if usize::try_from(range.end - range.start).is_err() {
            let length = range.end - range.start;
            let message = format!("{length} bytes do not fit into memory; read them as a stream");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let mut pieces = chunks(Arc::clone(self), Arc::clone(root), range);
        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
            lengths.push(piece.len());
        }
        Ok((bytes, lengths))
    }

    pub(super) async fn block(&self, hash: &S::Hash) -> Result<Bytes> {
        match self.unsaved.as_ref().and_then(|unsaved| unsaved.find(hash)) {
            Some(block) => Ok(block.clone()),
            None => self.tree.view().block(hash).await,
        }
    }

    /// Notes that something could not be read, and returns why.
    pub(super) fn failed(&self, fault: Error) -> Error {
        self.tree.objects.failed(fault)
    }

    /// Returns whether it matters which blocks are read.
    pub(super) fn is_traced(&self) -> bool {
        self.tree.objects.is_traced()
    }
}

impl<S: Schema> fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("tree", &self.tree).finish_non_exhaustive()
    }
}
