//! Blocks that somebody waits for and that have to be read from the disk.
//!
//! Those who wait at the same time are served by a few jobs, where blocking is allowed. A job first finds out where
//! the blocks lie, and then reads the one that lies next after what was read last, and so on to the last one, and
//! from the first one again: the order of an elevator (P. J. Denning, "Effects of Scheduling on File Memory
//! Operations", 1967). So a disk that seeks goes over its files once for all of them, and one that does not has a few reads at
//! once to do. Those who wait for one block get it by one read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::{Error, ErrorKind, Hash, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Loaded;
use crate::index::{Place, Read};
use crate::shared::Shared;

/// So many places are looked up before a block is read, if more who wait keep coming.
const PLACED_AT_ONCE: usize = 64;

/// Who waits for blocks, and how many jobs read them.
#[derive(Debug)]
pub(crate) struct ColdReads<H: Hash>(Mutex<State<H>>);

#[derive(Debug)]
struct State<H: Hash> {
    /// It is not known yet where these lie.
    unplaced: VecDeque<Request<H>>,
    placed: BTreeMap<Place, Vec<Request<H>>>,
    /// How many places were looked up since a block was read.
    placed_since: usize,
    /// What was read last.
    at: Option<Place>,
    jobs: usize,
}

/// Somebody who waits.
#[derive(Debug)]
struct Request<H: Hash> {
    key: H,
    /// How often blocks had been removed before its place was looked up.
    removals: u64,
    answer: oneshot::Sender<Result<Option<Bytes>>>,
}

/// What a job does next.
enum Next<H: Hash> {
    Place(Request<H>),
    Read(Place, Vec<Request<H>>),
}

impl<H: Hash> ColdReads<H> {
    pub(crate) fn new() -> Self {
        let (unplaced, placed) = (VecDeque::new(), BTreeMap::new());
        Self(Mutex::new(State { unplaced, placed, placed_since: 0, at: None, jobs: 0 }))
    }

    /// Lets somebody wait, and returns whether another job is to begin.
    fn push(&self, request: Request<H>, jobs_max: usize) -> bool {
        let mut state = self.0.lock();
        state.unplaced.push_back(request);
        let begins = state.jobs < jobs_max;
        state.jobs += usize::from(begins);
        begins
    }

    /// Notes where a block lies that somebody waits for.
    fn placed(&self, place: Place, request: Request<H>) {
        self.0.lock().placed.entry(place).or_default().push(request);
    }

    /// Returns what is to be done; if nothing is, a job ends.
    fn next(&self) -> Option<Next<H>> {
        let mut state = self.0.lock();
        let state = &mut *state;
        if (state.placed_since < PLACED_AT_ONCE || state.placed.is_empty())
            && let Some(request) = state.unplaced.pop_front()
        {
            state.placed_since += 1;
            return Some(Next::Place(request));
        }
        let after = state.at.map_or(Bound::Unbounded, Bound::Excluded);
        let ahead = state.placed.range((after, Bound::Unbounded)).next();
        let next = ahead.or_else(|| state.placed.first_key_value()).map(|(place, _)| *place);
        let Some((place, requests)) = next.and_then(|place| state.placed.remove_entry(&place))
        else {
            state.jobs -= 1;
            return None;
        };
        (state.placed_since, state.at) = (0, Some(place));
        Some(Next::Read(place, requests))
    }

    /// Ends a job that cannot go on; if it was the last one, nobody who waits is served any more.
    fn give_up(&self) {
        let (unplaced, placed) = {
            let mut state = self.0.lock();
            state.jobs -= 1;
            if state.jobs > 0 {
                return;
            }
            (std::mem::take(&mut state.unplaced), std::mem::take(&mut state.placed))
        };
        // Whoever waits is told so by that.
        drop((unplaced, placed));
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let state = self.0.lock();
        state.unplaced.len() + state.placed.values().map(Vec::len).sum::<usize>()
    }
}

impl<H: Hash> Shared<H> {
    /// Finds a block that has to be read; waits among others who do.
    pub(super) async fn find_cold(self: &Arc<Self>, key: H) -> Result<Option<Bytes>> {
        let Ok(runtime) = Handle::try_current() else { return self.find_waiting(&key) };
        let (answer, answered) = oneshot::channel();
        let request = Request { key, removals: 0, answer };
        if self.cold.push(request, self.settings.read_jobs_max) {
            let job = Job(Some(Arc::clone(self)));
            // Nobody awaits it: whoever waits is told, and it ends when nobody does.
            drop(runtime.spawn_blocking(move || job.run()));
        }
        let stopped = || Error::new(ErrorKind::Unavailable, "the read was stopped; ask again");
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Serves those who wait until nobody does.
    fn read_cold(&self) {
        while let Some(next) = self.cold.next() {
            match next {
                Next::Place(request) => self.place_cold(request),
                Next::Read(place, requests) => self.load_cold(place, requests),
            }
        }
    }

    fn place_cold(&self, request: Request<H>) {
        if request.answer.is_closed() {
            return;
        }
        let removals = self.removals();
        match self.locate_waiting(&request.key) {
            Ok(Some(place)) => self.cold.placed(place, Request { removals, ..request }),
            absent => drop(request.answer.send(absent.map(|_| None))),
        }
    }

    /// Reads a block for all who wait for it.
    fn load_cold(&self, place: Place, requests: Vec<Request<H>>) {
        let waiting = requests.into_iter().filter(|request| !request.answer.is_closed());
        let mut loaded: Option<(H, Bytes)> = None;
        for Request { key, removals, answer } in waiting {
            let found = match &loaded {
                Some((name, block)) if *name == key => Ok(Some(block.clone())),
                _ => match self.load(&key, place, Read::Wait, removals) {
                    Ok(Loaded::Block(block)) => Ok(Some(block)),
                    Ok(Loaded::NotNow | Loaded::Moved) => self.find_waiting(&key),
                    Err(error) => Err(error.into()),
                },
            };
            if let Ok(Some(block)) = &found {
                loaded = Some((key, block.clone()));
            }
            // That nobody waits any more is fine.
            drop(answer.send(found));
        }
    }
}

/// A job that was counted. If the runtime gives it no thread, because it ends, it takes one of its own: others
/// may wait for it.
struct Job<H: Hash>(Option<Arc<Shared<H>>>);

impl<H: Hash> Job<H> {
    fn run(mut self) {
        if let Some(shared) = self.0.take() {
            work(&shared);
        }
    }
}

impl<H: Hash> Drop for Job<H> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let again = Arc::clone(&shared);
            let begun =
                (shared.settings.begin_thread)("ramus-pack-read", Box::new(move || work(&again)));
            if begun.is_err() {
                shared.cold.give_up();
            }
        }
    }
}

fn work<H: Hash>(shared: &Arc<Shared<H>>) {
    let _panicked = Panicked(shared);
    shared.read_cold();
}

/// Ends the job if it panics.
struct Panicked<'a, H: Hash>(&'a Shared<H>);

impl<H: Hash> Drop for Panicked<'_, H> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.cold.give_up();
        }
    }
}
