use bytes::Bytes;
use ramus_core::{Hash, Step};

use super::varint;

/// What a step of a directory names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry<H> {
    /// Contents.
    Contents {
        /// The contents, or where they are.
        held: Held<H>,
        /// What the entry says about them, at most [`METADATA_MAX`](super::METADATA_MAX) bytes.
        metadata: Bytes,
    },
    /// A directory that is not empty.
    Directory {
        /// The hash of its root block.
        hash: H,
    },
    /// A conflict that was stored: what two sides have there, in place of what they agree on.
    Conflict {
        /// The hash of the root block of the directory that says what it is of.
        hash: H,
    },
}

/// Contents as an entry holds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Held<H> {
    /// Their encoding itself, which is at most [`INLINE_MAX`](super::INLINE_MAX) bytes long.
    Inline(Bytes),
    /// The hash of their block, for longer ones.
    Block(H),
}

impl<H> Held<H> {
    /// Returns whether contents of this encoding stand in their entry.
    pub(crate) fn is_inline(encoded: &[u8]) -> bool {
        encoded.len() <= super::INLINE_MAX
    }
}

/// One item of a block: an entry of a leaf, or a child of an index block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<H> {
    /// The step of the entry; the first step below the child.
    pub(crate) step: Step,
    pub(crate) body: Body<H>,
}

/// An item without its step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body<H> {
    Entry(Entry<H>),
    Child(Child<H>),
}

/// A block of a directory, as the index block above it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Child<H> {
    /// The hash of the block.
    pub hash: H,
    /// How many entries of the directory lie in and below the block; never none.
    pub count: u64,
    /// What the items of the block weigh together: the lengths that they have on their own.
    pub weight: u64,
}

impl<H: Hash> Item<H> {
    /// Returns the length of the item's encoding on its own, in bytes: with its whole step.
    pub(crate) fn weight(&self) -> u64 {
        step_weight(self.step.as_bytes().len()) + self.body.weight()
    }
}

/// Returns what a step of this length adds to the weight of its item.
pub(super) fn step_weight(length: usize) -> u64 {
    let shared_length = 1;
    (shared_length + varint::len(length as u64) + length) as u64
}

impl<H: Hash> Body<H> {
    pub(super) fn weight(&self) -> u64 {
        let bytes = |bytes: &Bytes| varint::len(bytes.len() as u64) + bytes.len();
        let length = match self {
            Self::Entry(Entry::Contents { held: Held::Inline(value), metadata }) => {
                1 + bytes(metadata) + bytes(value)
            }
            Self::Entry(Entry::Contents { held: Held::Block(_), metadata }) => {
                1 + bytes(metadata) + H::LENGTH
            }
            Self::Entry(Entry::Directory { .. } | Entry::Conflict { .. }) => 1 + H::LENGTH,
            Self::Child(child) => H::LENGTH + varint::len(child.count) + varint::len(child.weight),
        };
        length as u64
    }

    /// Returns whether this names a block of a directory.
    pub(super) fn is_link(&self) -> bool {
        matches!(self, Self::Child(_) | Self::Entry(Entry::Directory { .. }))
    }

    /// Returns whether this names a block of any kind.
    pub(super) fn is_name(&self) -> bool {
        !matches!(self, Self::Entry(Entry::Contents { held: Held::Inline(_), .. }))
    }

    /// Returns how many entries of the directory this stands for.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Entry(_) => 1,
            Self::Child(child) => child.count,
        }
    }
}
