use std::cmp::Ordering;

use ramus_core::{Hash, Result};

use super::RESTART_EVERY;
use super::dir_block::DirBlock;
use super::encode::common;

/// Where a step was found, or the last one before it.
pub(super) struct Place {
    pub(super) index: usize,
    /// Where the body begins.
    pub(super) body: usize,
    pub(super) is_exact: bool,
    /// How many bytes the step has in common with what was sought, from the beginning.
    pub(super) common: usize,
}

impl<H: Hash> DirBlock<H> {
    /// Finds the last item whose step is not greater.
    ///
    /// Among items between two restarts, a step is compared without being put together: the length
    /// that it shares with the one before it says how it lies to what is sought, unless that is just
    /// the length up to which the one before was equal to it.
    pub(super) fn seek(&self, sought: &[u8]) -> Result<Option<Place>> {
        let restarts = self.len().div_ceil(RESTART_EVERY);
        let (mut low, mut high) = (0, restarts);
        while low < high {
            let middle = usize::midpoint(low, high);
            let mut reader = self.reader(self.restart(middle));
            reader.varint()?;
            if reader.bytes()? <= sought { low = middle + 1 } else { high = middle }
        }
        let Some(restart) = low.checked_sub(1) else { return Ok(None) };
        let mut reader = self.reader(self.restart(restart));
        let (mut found, mut equal) = (None, 0);
        let first = restart * RESTART_EVERY;
        for index in first..self.len().min(first + RESTART_EVERY) {
            let shared = reader.varint()?;
            let suffix = reader.bytes()?;
            let body = reader.position();
            let mut is_exact = false;
            match shared.cmp(&(equal as u64)) {
                // It left the common part earlier, so it lies behind what is sought.
                Ordering::Less => break,
                // It goes on like the one before, which lies before what is sought.
                Ordering::Greater => {}
                Ordering::Equal => {
                    let rest = &sought[equal..];
                    match suffix.cmp(rest) {
                        Ordering::Less => equal += common(suffix, rest),
                        Ordering::Equal => is_exact = true,
                        Ordering::Greater => break,
                    }
                }
            }
            let common = if is_exact { sought.len() } else { equal };
            found = Some(Place { index, body, is_exact, common });
            if is_exact {
                break;
            }
            reader.skip_body::<H>(self.level())?;
        }
        Ok(found)
    }
}
