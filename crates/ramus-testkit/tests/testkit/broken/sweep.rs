use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ramus_core::{Epoch, Error, Pin, Result, Sha1, Sweep};

use super::{Fault, Handle, Shared, State};

/// The sweep of a broken storage.
#[derive(Clone, Debug)]
pub(crate) struct BrokenSweep(pub(super) Handle);

impl BrokenSweep {
    fn ensure_open(&self) -> Result<()> {
        if self.0.has(Fault::ClosedSweepsAnswer) {
            return Ok(());
        }
        self.0.ensure_open(|state| state.blocks_closed)
    }

    pub(super) fn protect(&self, mut keys: Vec<Sha1>) -> Pin {
        let mut state = self.0.shared.state.lock();
        if self.0.has(Fault::PinsNeedABlock) {
            keys.retain(|key| state.blocks.contains_key(key));
        }
        for key in &keys {
            *state.pins.entry(*key).or_default() += 1;
            if !self.0.has(Fault::PinsLeaveNoMark) {
                state.mark(key);
            }
        }
        Pin::new(Pinned { shared: Arc::clone(&self.0.shared), keys })
    }
}

impl Sweep for BrokenSweep {
    type Key = Sha1;

    async fn begin(&self) -> Result<Epoch> {
        self.ensure_open()?;
        let mut state = self.0.shared.state.lock();
        state.epoch += 1;
        let epoch = state.epoch;
        if !self.0.has(Fault::PinnedRemembersAll) {
            state.dropped.retain(|_, dropped| *dropped >= epoch);
        }
        Ok(Epoch::new(epoch))
    }

    fn keys(&self) -> BoxStream<'static, Result<Sha1>> {
        if let Err(closed) = self.ensure_open() {
            return stream::iter([Err(closed)]).boxed();
        }
        let mut keys: Vec<_> = self.0.shared.state.lock().blocks.keys().copied().collect();
        if self.0.has(Fault::KeysLeaveOneOut) {
            keys.pop();
        }
        stream::iter(keys).map(Ok).boxed()
    }

    async fn pinned(&self, _epoch: Epoch) -> Result<Vec<Sha1>> {
        self.ensure_open()?;
        let state = self.0.shared.state.lock();
        let mut pinned: Vec<_> = state.pins.keys().copied().collect();
        if !self.0.has(Fault::PinnedForgetsDropped) {
            pinned.extend(state.dropped.keys());
        }
        if self.0.has(Fault::PinnedLeavesOutAbsent) {
            pinned.retain(|key| state.blocks.contains_key(key));
        }
        if !self.0.has(Fault::PinnedRepeats) {
            pinned.sort();
            pinned.dedup();
        }
        Ok(pinned)
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<Sha1>) -> Result<usize> {
        self.ensure_open()?;
        let named = keys.len();
        let (has, shared) = (|fault| self.0.has(fault), &self.0.shared);
        if has(Fault::SweepRemovesNothing) {
            return Ok(0);
        }
        let victims: Vec<_> = {
            let state = shared.state.lock();
            let epoch =
                if has(Fault::OnlyTheLastCollectionCounts) { state.epoch } else { epoch.get() };
            let all = state.blocks.keys().copied().collect();
            let tried = if has(Fault::SweepRemovesEverything) { all } else { keys };
            let is_victim = |key: &Sha1| state.is_victim(key, epoch, shared);
            tried.into_iter().filter(is_victim).collect()
        };
        shared.window_if(Fault::PinsRaceWithRemoval).await;
        let mut state = shared.state.lock();
        for key in &victims {
            if !has(Fault::RemovedIsStillFound) {
                let block = state.blocks.remove(key);
                state.lost.extend(block.map(|block| (*key, block)));
                state.removed.insert(*key);
            }
        }
        Ok(if has(Fault::CountIsOfTheNamed) { named } else { victims.len() })
    }

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        self.ensure_open()?;
        let mut state = self.0.shared.state.lock();
        if self.0.has(Fault::FinishRemovesTheRest) {
            let keys: Vec<_> = state.blocks.keys().copied().collect();
            for key in keys {
                if state.is_victim(&key, epoch.get(), &self.0.shared) {
                    state.blocks.remove(&key);
                }
            }
        }
        if self.0.has(Fault::FinishBringsBack) {
            let lost = std::mem::take(&mut state.lost);
            state.blocks.extend(lost);
        }
        if self.0.has(Fault::FinishForgetsTheMarks) {
            state.blocks.values_mut().for_each(|block| block.epoch = 0);
        }
        if self.0.has(Fault::FinishesOnce) && std::mem::replace(&mut state.finished, true) {
            return Err(Error::invalid_input("the collection is over"));
        }
        Ok(())
    }

    async fn pin(&self, keys: Vec<Sha1>) -> Result<Pin> {
        self.ensure_open()?;
        Ok(self.protect(keys))
    }
}

impl State {
    fn is_victim(&self, key: &Sha1, epoch: u64, shared: &Shared) -> bool {
        let pinned = self.pins.contains_key(key) && !shared.has(Fault::PinsAreIgnored);
        !pinned && self.blocks.get(key).is_some_and(|block| block.epoch < epoch)
    }

    fn mark(&mut self, key: &Sha1) {
        let epoch = self.epoch;
        if let Some(block) = self.blocks.get_mut(key) {
            block.epoch = epoch;
        }
    }
}

struct Pinned {
    shared: Arc<Shared>,
    keys: Vec<Sha1>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let has = |fault| self.shared.has(fault);
        if has(Fault::PinsLeak) {
            return;
        }
        let mut state = self.shared.state.lock();
        let epoch = state.epoch;
        for key in &self.keys {
            if !has(Fault::PinsLeaveNoMark) && !has(Fault::DroppedPinsLeaveNoMark) {
                state.mark(key);
            }
            state.dropped.insert(*key, epoch);
            let left = state.pins.get_mut(key).map_or(0, |pins| {
                *pins -= 1;
                *pins
            });
            if left == 0 || has(Fault::FirstDropUnpins) {
                state.pins.remove(key);
            }
        }
    }
}
