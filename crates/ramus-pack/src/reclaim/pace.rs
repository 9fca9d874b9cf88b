use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::options::Settings;

/// Says how long to wait so that no more than so many bytes go in a second.
pub(super) struct Pace {
    bytes_per_second: Option<u64>,
    began: Instant,
    done: Cell<u64>,
}

impl Pace {
    pub(super) fn new(settings: &Settings) -> Self {
        let bytes_per_second = settings.options.reclaim_bytes_per_second.filter(|rate| *rate > 0);
        Self { bytes_per_second, began: Instant::now(), done: Cell::new(0) }
    }

    pub(super) fn count(&self, bytes: u64) {
        self.done.set(self.done.get() + bytes);
    }

    /// Returns how long to wait before the next bytes.
    pub(super) fn wait(&self) -> Option<Duration> {
        let rate = self.bytes_per_second?;
        let due = u128::from(self.done.get()) * 1_000_000 / u128::from(rate);
        let due = Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX));
        due.checked_sub(self.began.elapsed()).filter(|wait| !wait.is_zero())
    }
}
