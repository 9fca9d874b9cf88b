mod native;

use std::fmt::Debug;

use bytes::Bytes;
use ramus_core::{Hash, Result};

pub use self::native::Native;
use crate::block::CommitBlock;

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

    /// Returns the block of contents that have this encoding.
    fn encode_contents(encoded: &[u8]) -> Bytes;

    /// Returns the encoding of the contents in this block, shared with it.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is no block of contents.
    fn decode_contents(block: &Bytes) -> Result<Bytes>;

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
}

mod sealed {
    /// Formats are written in this crate alone.
    #[expect(unnameable_types, reason = "a sealed trait is one that cannot be named")]
    pub trait Sealed {}

    impl Sealed for super::Native {}
}
