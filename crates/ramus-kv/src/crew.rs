//! Work that is shared among several cores, where there is enough of it.

use std::num::NonZero;
use std::thread::available_parallelism;

use ramus_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// Less work than this, in bytes that are encoded and hashed, is done on the spot.
///
/// To hand work over and to wait for it costs some 20 to 50 us, in which about as much is done: see
/// `docs/design/performance.md` for the measurement.
pub(crate) const WORTH_BYTES: usize = 64 << 10;

/// The most threads that work on one thing.
const SIZE_MAX: usize = 16;

/// Those who share the work: threads of the runtime that may block. Without a runtime everything is
/// done on the spot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crew {
    /// How many threads, at least one.
    size: usize,
}

impl Crew {
    /// Returns a crew of one, who does everything on the spot.
    pub(crate) const fn alone() -> Self {
        Self { size: 1 }
    }

    /// Returns a crew of as many as there are cores.
    pub(crate) fn of_machine() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get))
    }

    /// Returns a crew of so many, within a bound.
    pub(crate) fn of(size: usize) -> Self {
        Self { size: size.clamp(1, SIZE_MAX) }
    }

    /// Returns whether work on so many bytes is shared.
    pub(crate) fn shares(self, bytes: usize) -> bool {
        self.size > 1 && bytes >= WORTH_BYTES
    }

    /// Does jobs, of which each is worth so many bytes, and returns what came of them, in their order.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the runtime shuts down meanwhile.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves jobs that run to their end and are forgotten; they touch nothing but
    /// what they were given.
    pub(crate) async fn map<T, R>(
        self,
        jobs: Vec<T>,
        worth: impl Fn(&T) -> usize,
        work: impl Fn(T) -> R + Clone + Send + 'static,
    ) -> Result<Vec<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let bytes = jobs.iter().map(&worth).sum();
        let runtime = if self.shares(bytes) { Handle::try_current().ok() } else { None };
        let Some(runtime) = runtime else { return Ok(jobs.into_iter().map(work).collect()) };
        let count = jobs.len();
        let parts = parts(jobs, worth, bytes.div_ceil(self.size));
        let spawn = |part: Vec<T>| {
            let work = work.clone();
            runtime.spawn_blocking(move || part.into_iter().map(work).collect::<Vec<R>>())
        };
        let running: Vec<_> = parts.into_iter().map(spawn).collect();
        let mut results = Vec::with_capacity(count);
        for part in running {
            match part.await {
                Ok(part) => results.extend(part),
                Err(lost) => match lost.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(lost) => return Err(shut_down().with_source(lost)),
                },
            }
        }
        Ok(results)
    }
}

/// Parts jobs into runs that are worth about as much each.
fn parts<T>(jobs: Vec<T>, worth: impl Fn(&T) -> usize, share: usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for job in jobs {
        bytes += worth(&job);
        part.push(job);
        if bytes >= share {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn shut_down() -> Error {
    Error::new(ErrorKind::Unavailable, "the runtime shut down in the middle of a save")
}
