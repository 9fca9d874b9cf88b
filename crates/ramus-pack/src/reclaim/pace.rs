use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Says how much is read or copied before others get their turn, and how long to wait then.
pub(super) struct Pace {
    bytes_per_second: Option<NonZeroU64>,
    /// When the first bytes were done with; asked only if there is a rate.
    began: Option<Instant>,
    done: u64,
}

impl Pace {
    /// So many bytes are done with at once, at the most.
    const SLICE_BYTES: u64 = 4 << 20;

    /// A rate of 0 is taken for 1.
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        let rate = bytes_per_second.map(|rate| NonZeroU64::new(rate).unwrap_or(NonZeroU64::MIN));
        Self { bytes_per_second: rate, began: None, done: 0 }
    }

    /// Returns how many bytes are to be done with at once: those of a tenth of a second.
    pub(super) fn slice(&self) -> u64 {
        let tenth = self.bytes_per_second.map_or(u64::MAX, |rate| rate.get() / 10);
        tenth.clamp(1, Self::SLICE_BYTES)
    }

    /// Counts bytes that were read or copied, and returns how long to wait before the next ones.
    pub(super) fn worked(&mut self, bytes: u64) -> Duration {
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let began = *self.began.get_or_insert_with(Instant::now);
        self.done += bytes;
        let due = u128::from(self.done) * 1_000_000 / u128::from(rate.get());
        let due = Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX));
        due.saturating_sub(began.elapsed())
    }
}
