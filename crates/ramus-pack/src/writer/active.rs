use std::sync::Arc;

use ramus_core::{Cursor, UpdateId};

use crate::disk::{Disk, DiskFile};
use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::format::segment::SegmentHeader;

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where its last batch ends.
    pub(crate) end: u64,
    /// Its first bytes that are not known to be zero lie before this.
    pub(crate) zeros_end: u64,
    /// How far ahead zeros are written.
    pub(crate) ahead: u64,
    pub(crate) durable_end: u64,
    /// The number of the next batch.
    pub(crate) next_batch: u64,
    /// The checksum that the next batch names.
    pub(crate) chain: u32,
}

/// For so many batches zeros are written ahead, if that is not too much.
const BATCHES_AHEAD: u64 = 4;
/// Zeros that are written ahead, where more are not asked for, in bytes.
const AHEAD_BYTES_MAX: u64 = 1 << 20;

impl Active {
    /// Makes an empty segment, and makes it durable.
    pub(crate) fn create(
        disk: &dyn Disk,
        number: u32,
        first_batch: u64,
        after: Cursor,
        ahead: u64,
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

    /// Writes zeros ahead, for several batches like the last one. Without room for them it goes on
    /// without.
    pub(super) fn extend(&mut self, batch: u64) {
        if self.end < self.zeros_end || self.ahead == 0 {
            return;
        }
        let ahead = self.ahead.max((BATCHES_AHEAD * batch).min(AHEAD_BYTES_MAX));
        let start = self.end.max(self.zeros_end);
        let zeros_end = self.end.next_multiple_of(self.ahead) + ahead;
        let zeros = usize::try_from(zeros_end - start).map(|length| vec![0; length]);
        if zeros.is_ok_and(|zeros| self.file.write_all_at(&zeros, start).is_ok()) {
            self.zeros_end = zeros_end;
        }
    }
}

/// Returns a random number, from where the ids of updates come from.
pub(crate) fn random_salt() -> u64 {
    UpdateId::random().as_bytes().iter().take(8).fold(0, |salt, byte| salt << 8 | u64::from(*byte))
}
