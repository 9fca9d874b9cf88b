use super::varint;

/// As many bytes as are copied without a call.
const AT_ONCE: usize = 32;

/// Puts short pieces one behind the other into room that is there, and starts anew for the next block.
///
/// Most parts of an item are short. Such a one is copied as a piece of fixed length, without a call, and what is too
/// much is written over by the next one.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    room: Vec<u8>,
    /// Where the next piece goes; at most the length of the room.
    at: usize,
}

impl Scratch {
    /// Forgets what was put, and makes room for so many bytes.
    pub(super) fn begin(&mut self, bytes: usize) {
        let length = bytes + AT_ONCE;
        if self.room.len() < length {
            self.room.resize(length, 0);
        }
        self.at = 0;
    }

    /// Returns what was put.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.at]
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.at
    }

    /// Forgets what was put behind so many bytes.
    #[inline]
    pub(super) fn truncate(&mut self, length: usize) {
        self.at = self.at.min(length);
    }

    /// Puts the first of these bytes, so many; nothing if there is no room, or there are not so many.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8], length: usize) -> Option<()> {
        if length <= AT_ONCE
            && let Some(piece) = bytes.first_chunk::<AT_ONCE>()
            && let Some(room) = self.room.get_mut(self.at..)
            && let Some(room) = room.first_chunk_mut()
        {
            *room = *piece;
        } else {
            self.room.get_mut(self.at..)?.get_mut(..length)?.copy_from_slice(bytes.get(..length)?);
        }
        self.at += length;
        Some(())
    }

    /// Puts a number as a varint.
    #[inline]
    pub(super) fn number(&mut self, number: usize) -> Option<()> {
        let mut left = number;
        loop {
            let [group, ..] = left.to_le_bytes();
            left >>= 7;
            *self.room.get_mut(self.at)? = if left > 0 { group | 0x80 } else { group };
            self.at += 1;
            if left == 0 {
                return Some(());
            }
        }
    }

    /// Puts a number in place of a byte that was put.
    pub(super) fn replace_number(&mut self, place: usize, number: usize) -> Option<()> {
        let longer = varint::len(number as u64) - 1;
        let (behind, end) = (place + 1..self.at, self.at + longer);
        if end > self.room.len() {
            return None;
        }
        self.room.copy_within(behind, place + 1 + longer);
        self.at = place;
        self.number(number)?;
        self.at = end;
        Some(())
    }
}
