//! The bytes of a batch.
//!
//! To copy a large block into the open batch, under the lock that everybody needs who writes, would keep them waiting.
//! So it is copied before, into a buffer of its own with room in front. Under the lock what the open batch has is
//! copied into that room, which is little, and the buffer becomes that of the batch.

use std::ops::{Deref, DerefMut};

/// Bytes that grow at their end, and may begin behind room that they do not need.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// Where they begin; not behind the end.
    begin: usize,
}

impl Buffer {
    /// There is room for so many bytes in front of a record.
    pub(crate) const ROOM_BYTES: usize = 1 << 20;
    /// There is room for so many more behind it, so that it need not grow when its batch is filled up.
    const SPARE_BYTES: usize = 256;

    /// Copies a record, which consists of these parts, behind room.
    pub(crate) fn of_record(parts: [&[u8]; 3]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(Self::ROOM_BYTES + length + Self::SPARE_BYTES);
        bytes.resize(Self::ROOM_BYTES, 0);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        Self { bytes, begin: Self::ROOM_BYTES }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.begin
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes of memory it has.
    pub(crate) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.begin = 0;
    }

    /// Appends zeros, so that it has so many bytes.
    pub(crate) fn pad(&mut self, length: usize) {
        self.bytes.resize(self.begin + length, 0);
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// Puts bytes in front, if there is room for them; returns whether there was.
    pub(crate) fn put_before(&mut self, before: &[u8]) -> bool {
        let Some(begin) = self.begin.checked_sub(before.len()) else { return false };
        self.bytes[begin..self.begin].copy_from_slice(before);
        self.begin = begin;
        true
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begin..]
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, begin: 0 }
    }
}
