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
pub(crate) struct Unsaved<H>(Arc<Blocks<H>>);

#[derive(Debug)]
struct Blocks<H> {
    root: Bytes,
    /// The other blocks of large contents.
    below: HashMap<H, Bytes, DigestHash>,
}

impl<H: Hash> Unsaved<H> {
    /// Returns the name of contents of this encoding, and their blocks.
    pub(crate) fn new<F: Format>(encoded: &[u8]) -> Result<(H, Self)> {
        if encoded.len() <= CHUNK_MAX {
            let root = F::encode_contents(encoded);
            let hash = H::of(&root);
            return Ok((hash, Self(Arc::new(Blocks { root, below: HashMap::default() }))));
        }
        let (mut splitter, mut blocks) = (Splitter::new(), Vec::new());
        splitter.push::<F>(encoded, &mut blocks)?;
        splitter.finish::<F>(&mut blocks)?;
        let (hash, root) =
            blocks.pop().ok_or_else(|| Error::corrupt("large contents have no blocks"))?;
        let below = blocks.into_iter().collect();
        Ok((hash, Self(Arc::new(Blocks { root, below }))))
    }

    pub(crate) fn root(&self) -> &Bytes {
        &self.0.root
    }

    /// Returns a block below the root.
    pub(super) fn find(&self, hash: &H) -> Option<&Bytes> {
        self.0.below.get(hash)
    }

    /// Returns the blocks below the root.
    pub(crate) fn below(&self) -> impl Iterator<Item = (&H, &Bytes)> {
        self.0.below.iter()
    }

    /// Returns how long the longest block is, in bytes.
    pub(crate) fn length_max(&self) -> usize {
        self.below().map(|(_, block)| block.len()).fold(self.root().len(), usize::max)
    }
}
