//! What no collection may remove: names that are pinned, or were while it ran.
//!
//! What was *added* since a collection began needs nothing here. A collection begins with a new segment,
//! and removes blocks of older ones only; an `add` of a block that lies only in these appends it again. A
//! running `write` pins what it relies on without appending it: see [`write`](crate::write).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use ramus_core::hash::DigestHash;
use ramus_core::{Epoch, Error, ErrorKind, Hash, Result};

/// So many names are remembered that were pinned and given back while a collection runs: about 200 MB of
/// memory for a hash of 20 bytes.
#[cfg(not(test))]
const DROPPED_MAX: usize = 1 << 22;
#[cfg(test)]
pub(crate) const DROPPED_MAX: usize = 1000;

#[derive(Debug)]
pub(crate) struct Protection<H>(Mutex<State<H>>);

#[derive(Debug)]
pub(crate) struct State<H> {
    /// Of the newest collection; 0 before the first.
    epoch: u64,
    /// It has not been finished.
    runs: bool,
    /// How many pins hold each name; never zero.
    pins: HashMap<H, usize, DigestHash>,
    /// The names whose last pin was dropped while the collection ran.
    dropped: HashSet<H, DigestHash>,
    /// There were more than are remembered, so all names count as pinned.
    overflowed: bool,
}

impl<H: Hash> Protection<H> {
    pub(crate) fn new() -> Self {
        let (pins, dropped) = (HashMap::default(), HashSet::default());
        Self(Mutex::new(State { epoch: 0, runs: false, pins, dropped, overflowed: false }))
    }

    /// Holds everything as it is: no name is pinned or given back meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<H>> {
        self.0.lock()
    }

    pub(crate) fn pin(self: &Arc<Self>, names: Vec<H>) -> Pinned<H> {
        {
            let mut state = self.lock();
            for name in &names {
                *state.pins.entry(*name).or_default() += 1;
            }
        }
        Pinned { protection: Arc::clone(self), names }
    }
}

impl<H: Hash> State<H> {
    /// Begins a collection; the one before is over.
    pub(crate) fn begin(&mut self) -> Epoch {
        self.epoch += 1;
        self.runs = true;
        self.overflowed = false;
        self.dropped.clear();
        Epoch::new(self.epoch)
    }

    /// Ends a collection, if it runs, and returns whether it did.
    pub(crate) fn finish(&mut self, epoch: Epoch) -> bool {
        let runs = self.is_running(epoch);
        if runs {
            self.runs = false;
            self.overflowed = false;
            self.dropped = HashSet::default();
        }
        runs
    }

    pub(crate) const fn is_running(&self, epoch: Epoch) -> bool {
        self.runs && self.epoch == epoch.get()
    }

    /// Returns whether no collection has begun after this one.
    pub(crate) const fn is_newest(&self, epoch: Epoch) -> bool {
        self.epoch == epoch.get()
    }

    pub(crate) fn protects(&self, name: &H) -> bool {
        self.overflowed || self.pins.contains_key(name) || self.dropped.contains(name)
    }

    /// Returns the names that are pinned, and those that were since the collection began.
    pub(crate) fn pinned_since(&self, epoch: Epoch) -> Result<Vec<H>> {
        if !self.is_running(epoch) {
            return Err(Error::invalid_input(
                "the collection is over: it was finished, or another has begun since",
            ));
        }
        if self.overflowed {
            let message = format!(
                "more than {DROPPED_MAX} names were pinned and given back while the collection ran; begin another one, and finish it sooner"
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let dropped = self.dropped.iter().filter(|name| !self.pins.contains_key(*name));
        Ok(self.pins.keys().chain(dropped).copied().collect())
    }

    fn unpin(&mut self, name: &H) {
        let Some(pins) = self.pins.get_mut(name) else { return };
        *pins -= 1;
        if *pins == 0 {
            self.pins.remove(name);
            if self.runs && !self.overflowed {
                self.dropped.insert(*name);
                if self.dropped.len() > DROPPED_MAX {
                    self.overflowed = true;
                    self.dropped = HashSet::default();
                }
            }
        }
    }
}

/// Protects names until it is dropped.
#[derive(Debug)]
pub(crate) struct Pinned<H: Hash> {
    protection: Arc<Protection<H>>,
    names: Vec<H>,
}

impl<H: Hash> Drop for Pinned<H> {
    fn drop(&mut self) {
        if !self.names.is_empty() {
            let mut state = self.protection.lock();
            for name in &self.names {
                state.unpin(name);
            }
        }
    }
}
