mod native;

use std::fmt::Debug;

use bytes::Bytes;
use ramus_core::{Hash, Result};

pub use self::native::Native;
use crate::block::{CommitBlock, ContentsIndex, Link};

/// How contents, directories and commits become blocks.
///
/// The trait is sealed: what it asks for will change when a second format comes. [`Native`] is the one
/// there is.
///
/// # What is promised
///
/// - Encodings are canonical: one value has one byte string, and a decoder refuses any other with
///   [`Corrupt`](ramus_core::ErrorKind::Corrupt).
/// - No block is of two kinds, so contents cannot pass for a directory or a commit.
/// - A decoder does not panic, whatever the bytes are, and allocates no more than a small multiple
///   of what it was given.
/// - The name of a block is the hash of its bytes, all of them.
pub trait Format: sealed::Sealed + Clone + Debug + Send + Sync + 'static {
    /// The name of the format, as it is written in messages.
    const NAME: &'static str;

    /// Returns the block of contents that have this encoding, of at most
    /// [`CHUNK_MAX`](crate::block::CHUNK_MAX) bytes. Longer ones are split, and
    /// [`decode_contents`](Format::decode_contents) refuses a block of them.
    fn encode_contents(encoded: &[u8]) -> Bytes;

    /// Returns the encoding of the contents in this block, shared with it.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of contents.
    fn decode_contents(block: &Bytes) -> Result<Bytes>;

    /// Returns the block of one chunk of large contents: some bytes of their encoding, 1 to
    /// [`CHUNK_MAX`](crate::block::CHUNK_MAX) of them.
    fn encode_chunk(bytes: &[u8]) -> Bytes;

    /// Returns the bytes of the chunk in this block, shared with it.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of a chunk.
    fn decode_chunk(block: &Bytes) -> Result<Bytes>;

    /// Returns an index block of large contents.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if no block may hold this, with what is
    /// wrong.
    fn encode_contents_index<H: Hash>(index: &ContentsIndex<H>) -> Result<Bytes>;

    /// Returns what is in an index block of large contents.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no such block, in any detail.
    fn decode_contents_index<H: Hash>(block: &Bytes) -> Result<ContentsIndex<H>>;

    /// Returns whether the block says of itself that it is an index block of large contents.
    fn is_contents_index(block: &[u8]) -> bool;

    /// Returns the blocks that a block of any kind names, in the order in which it names them.
    ///
    /// Whoever has a block, and what it names, and so on, has all that can be read from it: this is
    /// what collecting and copying go by.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of this format.
    fn links<H: Hash>(block: &Bytes) -> Result<Vec<Link<H>>>;

    /// Returns the block of a commit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if the author or the time is not there:
    /// a stored commit has both.
    fn encode_commit<H: Hash>(commit: &CommitBlock<H>) -> Result<Bytes>;

    /// Returns the commit in this block.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of a commit.
    fn decode_commit<H: Hash>(block: &Bytes) -> Result<CommitBlock<H>>;

    /// Puts the parents of the commit in this block behind what there is, in their order; what does not say what they
    /// are is not looked at.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of a commit, as far as it is looked at.
    fn commit_parents<H: Hash>(block: &Bytes, parents: &mut Vec<H>) -> Result<()>;
}

mod sealed {
    /// Formats are written in this crate alone.
    #[expect(unnameable_types, reason = "a sealed trait is one that cannot be named")]
    pub trait Sealed {}

    impl Sealed for super::Native {}
}
