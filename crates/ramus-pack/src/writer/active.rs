use std::sync::Arc;

use ramus_core::{Cursor, UpdateId};

use crate::disk::{Disk, DiskFile};
use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::format::segment::SegmentHeader;
use crate::options::{Durability, Settings};

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where its last batch ends.
    pub(crate) end: u64,
    /// Its first bytes that are not known to be zero lie before this.
    pub(crate) zeros_end: u64,
    pub(crate) ahead: Ahead,
    pub(crate) durable_end: u64,
    /// The number of the next batch.
    pub(crate) next_batch: u64,
    /// The checksum that the next batch names.
    pub(crate) chain: u32,
}

/// How far ahead of the last batch zeros are written, in bytes.
///
/// A sync of a file that grows costs a commit of the file system's own log, too. And a write into a file that grows
/// makes pages one by one; what lies in a page that is there already takes half the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// In a segment that has just begun; 0 writes none.
    least: u64,
    /// At once, in one that holds much.
    most: u64,
    /// Where segments are full: hardly anything is written behind that.
    full: u64,
}

/// What is given to one call, so that the pages are of that size at most: what is synced then goes through each page
/// that it lies in.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl Ahead {
    /// With syncs, zeros are written for so much at once in a segment that holds much: what takes no longer to sync
    /// than many writers take for their next batch.
    const BYTES_MAX: u64 = 512 << 10;
    /// They are so much of what the segment holds.
    const SHARE: u64 = 4;
    /// A batch that is longer is not written twice: that takes as long as that commit, or longer.
    const BATCH_BYTES_MAX: u64 = 256 << 10;

    pub(crate) const fn new(settings: &Settings) -> Self {
        let most = match settings.options.durability {
            Durability::Sync => Self::BYTES_MAX,
            Durability::Os => 0,
        };
        Self { least: settings.ahead_bytes, most, full: settings.segment_bytes }
    }

    /// Returns where the zeros have to end after a batch of this length that ends here, if they end at `zeros` and
    /// that is too near.
    fn end(self, batch: u64, end: u64, zeros: u64) -> Option<u64> {
        let next = end + batch;
        if self.least == 0 || batch > Self::BATCH_BYTES_MAX || next < zeros {
            return None;
        }
        let step = (end / Self::SHARE).min(self.most).min(self.full.saturating_sub(next));
        Some((next + step).next_multiple_of(self.least) + self.least)
    }
}

impl Active {
    /// Makes an empty segment, and makes it durable.
    pub(crate) fn create(
        disk: &dyn Disk,
        number: u32,
        first_batch: u64,
        after: Cursor,
        ahead: Ahead,
    ) -> PackResult<Self> {
        let name = FileKind::Segment.file_name(number);
        let header = SegmentHeader { number, salt: random_salt(), first_batch, after };
        let file = disk.create(&name).map_err(PackError::io(format!("make {name}")))?;
        let written = file.write_all_at(&header.encode(), 0);
        written.map_err(PackError::io(format!("write {name}")))?;
        let end = SegmentHeader::LENGTH as u64;
        let chain = header.chain();
        let (zeros_end, durable_end, next_batch) = (end, end, first_batch);
        let mut active =
            Self { header, file, end, zeros_end, ahead, durable_end, next_batch, chain };
        active.extend(0);
        active.sync()?;
        Ok(active)
    }

    pub(crate) fn name(&self) -> String {
        FileKind::Segment.file_name(self.header.number)
    }

    pub(super) fn sync(&mut self) -> PackResult<()> {
        self.file.sync().map_err(PackError::sync(format!("sync {}", self.name())))?;
        self.durable_end = self.end;
        Ok(())
    }

    /// Writes zeros ahead, if the next batch would not find any, should it be like this one; returns how many bytes.
    /// Without room for them it goes on without.
    pub(super) fn extend(&mut self, batch: u64) -> u64 {
        let zeros_end = self.zeros_end.max(self.end);
        let Some(until) = self.ahead.end(batch, self.end, zeros_end) else { return 0 };
        self.zeros_end = zeros_end;
        while self.zeros_end < until {
            let call = ZEROS.len() as u64 - self.zeros_end % ZEROS.len() as u64;
            let length = call.min(until - self.zeros_end);
            let zeros = usize::try_from(length).ok().and_then(|length| ZEROS.get(..length));
            let zeros = zeros.expect("no more than there are");
            if self.file.write_all_at(zeros, self.zeros_end).is_err() {
                break;
            }
            self.zeros_end += length;
        }
        self.zeros_end - zeros_end
    }
}

/// Returns a random number, from where the ids of updates come from.
pub(crate) fn random_salt() -> u64 {
    UpdateId::random().as_bytes().iter().take(8).fold(0, |salt, byte| salt << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::Ahead;

    const FULL: u64 = 64 << 20;
    const LEAST: u64 = 64 << 10;
    const AHEAD: Ahead = Ahead { least: LEAST, most: Ahead::BYTES_MAX, full: FULL };

    /// Writes batches of this length until the segment is full; returns how often zeros were written, and where they
    /// ended at last.
    fn steps(batch: u64, ahead: Ahead) -> (u64, u64) {
        let (mut end, mut zeros, mut steps) = (64, 64, 0);
        while end < FULL {
            end += batch;
            zeros = zeros.max(end);
            let Some(until) = ahead.end(batch, end, zeros) else { continue };
            assert!(until >= end + batch, "the next batch finds zeros");
            assert!(until - end <= batch + ahead.most + 2 * LEAST, "{until} after {end}");
            (zeros, steps) = (until, steps + 1);
        }
        (steps, zeros)
    }

    #[test]
    fn zeros_are_written_in_steps_that_grow_with_the_segment() {
        for batch in [32, 300, 1100, 9000, 64 << 10, 128 << 10, 256 << 10] {
            let (steps, zeros) = steps(batch, AHEAD);
            assert!((80..200).contains(&steps), "{steps} steps for batches of {batch} bytes");
            assert!(zeros <= FULL + 2 * LEAST + 2 * batch, "{zeros} bytes for batches of {batch}");
        }
    }

    #[test]
    fn where_nothing_is_synced_they_are_few() {
        let (steps, _) = steps(300, Ahead { most: 0, ..AHEAD });
        assert!((FULL / LEAST / 2..=FULL / LEAST).contains(&steps), "{steps} steps");
    }

    #[test]
    fn a_long_batch_is_not_written_twice() {
        assert_eq!(steps(Ahead::BATCH_BYTES_MAX + 1, AHEAD).0, 0);
        assert_eq!(steps(300, Ahead { least: 0, ..AHEAD }).0, 0);
    }
}
