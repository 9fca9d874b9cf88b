use bytes::Bytes;

use super::Kind;
use crate::directory::varint;

/// Puts the parts of a block one after the other.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Returns a block of this kind, with room for so many bytes behind the kind.
    pub(super) fn with_room(kind: Kind, length: usize) -> Self {
        let mut block = Vec::with_capacity(1 + length);
        block.push(kind as u8);
        Self(block)
    }

    /// Returns the block, without the room that was left for more.
    pub(super) fn finish(self) -> Bytes {
        self.0.into_boxed_slice().into()
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    /// Puts a length or a count as a varint.
    pub(super) fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    pub(super) fn varint(&mut self, number: u64) {
        varint::put(&mut self.0, number);
    }
}

/// Returns how long bytes are with their length before them.
pub(super) fn length_of(bytes: &[u8]) -> usize {
    varint::len(bytes.len() as u64) + bytes.len()
}
