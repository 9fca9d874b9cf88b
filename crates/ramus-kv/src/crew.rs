//! Work that is shared among several cores, where there is enough of it.

use std::num::NonZero;
use std::thread::available_parallelism;

use ramus_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// Less work than this, in bytes that are encoded and hashed, is done on the spot.
///
/// To wake a thread and to wait for it has to cost little beside the work: see
/// `docs/design/performance.md`.
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Numbers each job, and says which thread did it.
    fn work(job: usize) -> (usize, std::thread::ThreadId) {
        (job * 2, std::thread::current().id())
    }

    #[tokio::test]
    async fn jobs_are_shared_and_their_results_stay_in_order() {
        let here = std::thread::current().id();
        for size in [2, 3, 16, 1000] {
            let jobs: Vec<usize> = (0..1000).collect();
            let done = Crew::of(size).map(jobs, |_| 1000, work).await.unwrap();
            assert!(done.iter().map(|(result, _)| *result).eq((0..1000).map(|job| job * 2)));
            assert!(done.iter().all(|(_, thread)| *thread != here), "{size}");
        }
    }

    #[tokio::test]
    async fn small_work_and_work_of_one_is_done_on_the_spot() {
        let here = std::thread::current().id();
        for (crew, bytes) in [(Crew::of(4), WORTH_BYTES / 10 - 1), (Crew::alone(), WORTH_BYTES)] {
            let done = crew.map((0..10).collect(), |_| bytes, work).await.unwrap();
            assert!(done.iter().all(|(_, thread)| *thread == here));
        }
    }

    #[tokio::test]
    #[should_panic(expected = "job 7")]
    async fn a_job_that_panics_panics_here() {
        let work = |job: usize| assert!(job != 7, "job {job}");
        drop(Crew::of(4).map((0..10).collect(), |_| WORTH_BYTES, work).await);
    }

    #[test]
    fn without_a_runtime_it_is_done_on_the_spot() {
        let done = Crew::of(4).map((0..10).collect(), |_| WORTH_BYTES, work);
        let done = done.now_or_never().expect("nothing to wait for").unwrap();
        assert!(done.iter().all(|(_, thread)| *thread == std::thread::current().id()));
    }

    #[tokio::test]
    async fn there_are_no_more_parts_than_are_in_the_crew() {
        for count in [1, 2, 7, 100] {
            for size in 1..9_usize {
                let worth = |job: &usize| job * 37 % 11 + 1;
                let all: usize = (0..count).map(|job| worth(&job)).sum();
                let parts = parts((0..count).collect(), worth, all.div_ceil(size));
                assert!(parts.len() <= size, "{} parts for {size}", parts.len());
                assert!(parts.concat().into_iter().eq(0..count));
            }
        }
    }
}
