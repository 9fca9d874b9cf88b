use bytes::Bytes;

use super::Kind;

/// Puts the parts of a block one after the other.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(kind: Kind) -> Self {
        Self(vec![kind as u8])
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
    pub(super) fn length(&mut self, mut length: usize) {
        loop {
            let [group, ..] = length.to_le_bytes();
            length >>= 7;
            if length == 0 {
                // The high bit of the last group is clear: the number was below 128.
                return self.0.push(group);
            }
            self.0.push(group | 0x80);
        }
    }
}
