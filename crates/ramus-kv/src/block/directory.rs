use bytes::Bytes;
use ramus_core::Step;

/// What a step of a directory names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry<H> {
    /// Contents.
    Contents {
        /// The hash of the block of contents.
        hash: H,
        /// What the entry says about them, at most [`METADATA_MAX`](super::METADATA_MAX) bytes.
        metadata: Bytes,
    },
    /// A directory that is not empty.
    Directory {
        /// The hash of its root block.
        hash: H,
    },
}

/// A directory as it was stored: entries in strictly ascending order of their steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory<H> {
    /// Strictly ascending.
    entries: Vec<(Step, Entry<H>)>,
}

/// The blocks that a directory became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryBlocks<H> {
    /// The hash of the block that the directory begins with.
    pub root: H,
    /// All blocks with their hashes; what a block names comes before it.
    pub blocks: Vec<(H, Bytes)>,
}

impl<H: Copy> Entry<H> {
    /// Returns the hash of what the step names.
    pub fn hash(&self) -> H {
        match self {
            Self::Contents { hash, .. } | Self::Directory { hash } => *hash,
        }
    }
}

impl<H: Clone> Directory<H> {
    /// Wraps entries that a decoder found to ascend strictly.
    pub(crate) fn from_ascending(entries: Vec<(Step, Entry<H>)>) -> Self {
        debug_assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b), "steps that do not ascend");
        Self { entries }
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no entries, as in an empty root.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns what a step names.
    pub fn get(&self, step: &[u8]) -> Option<Entry<H>> {
        let index = self.entries.binary_search_by(|(other, _)| other.as_bytes().cmp(step)).ok()?;
        Some(self.entries[index].1.clone())
    }

    /// Returns the entries in ascending order of their steps.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Step, Entry<H>)> + ExactSizeIterator + Clone {
        self.entries.iter().cloned()
    }

    /// Returns the entries whose steps are `from` or come after it, in ascending order.
    pub fn iter_from(
        &self,
        from: &[u8],
    ) -> impl DoubleEndedIterator<Item = (Step, Entry<H>)> + ExactSizeIterator + Clone {
        let index = self.entries.partition_point(|(step, _)| step.as_bytes() < from);
        self.entries[index..].iter().cloned()
    }
}
