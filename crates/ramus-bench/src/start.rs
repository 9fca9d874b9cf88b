use std::time::{Duration, Instant};

use crate::{cpu, io};

/// Where a step began: in time, in processor time, and in bytes written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    at: Instant,
    cpu: Duration,
    written: u64,
}

impl Start {
    pub(crate) fn now() -> Self {
        let (written, cpu) = (io::written_bytes(), cpu::used());
        Self { at: Instant::now(), cpu, written }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    /// Returns the time, the processor time and the bytes that were written since.
    pub(crate) fn since(self) -> (Duration, Duration, u64) {
        let took = self.at.elapsed();
        (took, cpu::used().saturating_sub(self.cpu), io::written_bytes() - self.written)
    }
}
