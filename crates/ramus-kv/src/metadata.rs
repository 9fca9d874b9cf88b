use bytes::Bytes;
use ramus_core::{Error, Result, Value};

use crate::{Conflict, merge};

/// What an entry of a directory says about its contents, beside the contents themselves.
///
/// `()` says nothing, and costs nothing. Setting contents keeps the metadata that were there; new
/// contents have the default.
///
/// # What is promised
///
/// - Equal values have equal bytes, different ones different bytes.
/// - The bytes are at most [`METADATA_MAX`](crate::block::METADATA_MAX) long; a write whose
///   metadata are longer fails with [`Limit`](ramus_core::ErrorKind::Limit).
pub trait Metadata: Value + Default {
    /// Returns the canonical bytes.
    fn encode(&self) -> Bytes;

    /// Returns the value that has these canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if no value has them.
    fn decode(bytes: &Bytes) -> Result<Self>;

    /// Merges what both sides say, as a whole unless a type knows better.
    ///
    /// # Errors
    ///
    /// The conflict, if both sides say something new and it does not agree.
    fn merge(ancestor: Option<&Self>, ours: &Self, theirs: &Self) -> Result<Self, Conflict> {
        merge::value(ancestor, ours, theirs)
    }
}

impl Metadata for () {
    fn encode(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len();
        Err(Error::corrupt(format!(
            "an entry has {length} bytes of metadata; this schema has none"
        )))
    }
}
