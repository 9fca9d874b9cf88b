//! What protects blocks from a collection.
//!
//! Every block carries the epoch in which it was last added, named by a write, or given back by a pin. A
//! collection begins a new epoch, and removes only what is older than its threshold: the oldest epoch in
//! which a `write` that is still running began, or the new epoch if there is none. What a running write
//! has stored, or found there already, is not older than that. Pinned names are counted besides, and none
//! that has a count is removed; a name is marked with the current epoch when its pin drops while a
//! collection runs, so that this, which may not know what the name became a part of, leaves it. The name
//! is also kept until another collection begins, so that the collector can be told of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use ramus_core::{Epoch, Error, Result};

use ramus_core::hash::DigestHash;

#[derive(Debug)]
pub(crate) struct Protection<H>(Mutex<State<H>>);

#[derive(Debug)]
pub(crate) struct State<H> {
    epoch: u64,
    /// How many pins hold each name; never zero.
    pins: HashMap<H, usize, DigestHash>,
    /// The epoch in which each name was given back that had a pin since `dropped_from`. Bounded by
    /// the names that are pinned between one collection and the next.
    dropped: HashMap<H, u64, DigestHash>,
    /// Where the newest collection begins; nothing if none runs.
    dropped_from: Option<Epoch>,
    /// How many running writes began in each epoch; never zero.
    writes: BTreeMap<u64, usize>,
}

impl<H: ramus_core::Hash> Protection<H> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            epoch: 1,
            pins: HashMap::default(),
            dropped: HashMap::default(),
            dropped_from: None,
            writes: BTreeMap::new(),
        }))
    }

    /// Holds everything as it is: no name is pinned or given back, and no write begins or ends.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<H>> {
        self.0.lock()
    }

    /// Notes that a write runs, until the guard is dropped.
    pub(crate) fn begin_write(self: &Arc<Self>) -> WriteGuard<H> {
        let mut state = self.lock();
        let epoch = state.epoch;
        *state.writes.entry(epoch).or_default() += 1;
        WriteGuard { protection: Arc::clone(self), epoch }
    }
}

impl<H: ramus_core::Hash> State<H> {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins a collection; what is not older than the answer is not for it.
    pub(crate) fn begin_collection(&mut self) -> Epoch {
        self.epoch += 1;
        let oldest_write = self.writes.keys().next();
        let threshold = Epoch::new(oldest_write.map_or(self.epoch, |epoch| *epoch));
        self.dropped.retain(|_, dropped| *dropped >= threshold.get());
        self.dropped_from = Some(threshold);
        threshold
    }

    /// Forgets what was remembered for a collection, if it is the newest.
    pub(crate) fn finish_collection(&mut self, epoch: Epoch) {
        if self.dropped_from == Some(epoch) {
            self.dropped = HashMap::default();
            self.dropped_from = None;
        }
    }

    /// Returns whether a collection runs, as far as is known.
    pub(crate) const fn is_collected(&self) -> bool {
        self.dropped_from.is_some()
    }

    pub(crate) fn is_pinned(&self, key: &H) -> bool {
        self.pins.contains_key(key)
    }

    /// Returns the names that have a pin or had one since `epoch`.
    pub(crate) fn pinned_since(&self, epoch: Epoch) -> Result<Vec<H>> {
        if self.dropped_from.is_none_or(|from| epoch < from) {
            return Err(Error::invalid_input(
                "the collection is over: it was finished, or another has begun since",
            ));
        }
        let dropped = self.dropped.iter().filter(|(_, dropped)| **dropped >= epoch.get());
        let dropped = dropped.map(|(key, _)| *key).filter(|key| !self.is_pinned(key));
        Ok(self.pins.keys().copied().chain(dropped).collect())
    }

    pub(crate) fn pin(&mut self, key: H) {
        *self.pins.entry(key).or_default() += 1;
    }

    pub(crate) fn unpin(&mut self, key: &H) {
        if decrement(self.pins.get_mut(key)) {
            self.pins.remove(key);
            // While no collection runs nobody can ask.
            self.dropped_from.and_then(|_| self.dropped.insert(*key, self.epoch));
        }
    }
}

/// A write that runs.
#[derive(Debug)]
pub(crate) struct WriteGuard<H: ramus_core::Hash> {
    protection: Arc<Protection<H>>,
    epoch: u64,
}

impl<H: ramus_core::Hash> Drop for WriteGuard<H> {
    fn drop(&mut self) {
        let mut state = self.protection.lock();
        decrement(state.writes.get_mut(&self.epoch)).then(|| state.writes.remove(&self.epoch));
    }
}

/// Takes one from a count and returns whether none is left.
fn decrement(count: Option<&mut usize>) -> bool {
    count.is_some_and(|count| {
        *count -= 1;
        *count == 0
    })
}

#[cfg(test)]
mod tests {
    use ramus_core::{Hash as _, Sha1};

    use super::*;

    #[test]
    fn dropped_names_are_kept_from_one_collection_to_the_next_only() {
        let protection = Protection::<Sha1>::new();
        let mut state = protection.lock();
        let kept = |state: &State<_>| state.dropped.len();
        let pin_and_drop = |state: &mut State<_>| {
            for name in 0..100_u8 {
                let name = Sha1::of(&[name]);
                state.pin(name);
                state.unpin(&name);
            }
        };
        pin_and_drop(&mut state);
        assert_eq!(kept(&state), 0, "nobody can ask before the first collection");
        let first = state.begin_collection();
        pin_and_drop(&mut state);
        pin_and_drop(&mut state);
        assert_eq!(kept(&state), 100);
        let second = state.begin_collection();
        assert_eq!(kept(&state), 0);
        pin_and_drop(&mut state);
        state.finish_collection(first);
        assert_eq!(kept(&state), 100, "it is over, and another runs");
        state.finish_collection(second);
        assert_eq!(kept(&state), 0);
        pin_and_drop(&mut state);
        assert_eq!(kept(&state), 0, "nobody can ask after the last collection");
    }
}
