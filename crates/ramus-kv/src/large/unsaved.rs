use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Hash, Result};

use super::rule::CHUNK_MAX;
use super::splitter::Splitter;
use crate::Format;

/// The blocks of contents that are not saved yet. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Unsaved<H> {
    root: Bytes,
    /// The other blocks of large contents.
    below: Option<Arc<HashMap<H, Bytes, DigestHash>>>,
}

impl<H: Hash> Unsaved<H> {
    /// Returns the name of contents of this encoding, and their blocks.
    pub(crate) fn new<F: Format>(encoded: &[u8]) -> Result<(H, Self)> {
        if encoded.len() <= CHUNK_MAX {
            let root = F::encode_contents(encoded);
            return Ok((H::of(&root), Self { root, below: None }));
        }
        let (mut splitter, mut blocks) = (Splitter::new(), Vec::new());
        splitter.push::<F>(encoded, &mut blocks)?;
        splitter.finish::<F>(&mut blocks)?;
        let (hash, root) =
            blocks.pop().ok_or_else(|| Error::corrupt("large contents have no blocks"))?;
        let below = Some(Arc::new(blocks.into_iter().collect()));
        Ok((hash, Self { root, below }))
    }

    pub(crate) const fn root(&self) -> &Bytes {
        &self.root
    }

    /// Returns a block below the root.
    pub(super) fn find(&self, hash: &H) -> Option<&Bytes> {
        self.below.as_ref()?.get(hash)
    }

    /// Returns the blocks below the root.
    pub(crate) fn below(&self) -> impl Iterator<Item = (&H, &Bytes)> {
        self.below.iter().flat_map(|below| below.iter())
    }

    /// Returns how long the longest block is, in bytes.
    pub(crate) fn length_max(&self) -> usize {
        self.below().map(|(_, block)| block.len()).fold(self.root.len(), usize::max)
    }
}
