use std::sync::Arc;

use bytes::Bytes;

use super::metered::{outcome_came, update_size};
use super::probe::{Probe, ok};
use super::{Metered, MeteredSweep, Meters, Operation};
use crate::{Hash as _, RefName, RefOutcome, RefUpdate, Result, Storage};

/// A storage whose calls are counted and traced, as those of a [`Metered`] store are.
///
/// Its parts are `blocks`, `refs`, `sweep`, and `storage` for `write`, `close` and
/// derived data; each has counters
/// of its own. What a storage does on the way, such as the look at a block before an update names it,
/// is not a call from outside and not counted.
#[derive(Clone, Debug)]
pub struct MeteredStorage<S: Storage> {
    storage: S,
    blocks: Metered<S::Blocks>,
    refs: Metered<S::Refs>,
    sweep: Probe,
    probe: Probe,
}

impl<S: Storage> MeteredStorage<S> {
    /// Returns `storage` with its calls measured.
    pub fn new(storage: S) -> Self {
        let blocks = Metered::blocks(storage.blocks().clone());
        let refs = Metered::refs(storage.refs().clone());
        Self { storage, blocks, refs, sweep: Probe::new("sweep"), probe: Probe::new("storage") }
    }

    /// Returns the counters of `write`, `close` and derived data; each part has its own.
    pub const fn meters(&self) -> &Arc<Meters> {
        self.probe.meters()
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Storage> Storage for MeteredStorage<S> {
    type Hash = S::Hash;
    type Blocks = Metered<S::Blocks>;
    type Refs = Metered<S::Refs>;
    type Sweep = MeteredSweep<S::Sweep>;

    fn blocks(&self) -> &Metered<S::Blocks> {
        &self.blocks
    }

    fn refs(&self) -> &Metered<S::Refs> {
        &self.refs
    }

    fn sweep(&self) -> Option<MeteredSweep<S::Sweep>> {
        let sweep = self.storage.sweep()?;
        Some(MeteredSweep::with_probe(sweep, self.sweep.clone()))
    }

    async fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        update: RefUpdate<S::Hash>,
    ) -> Result<RefOutcome<S::Hash>> {
        let block_bytes: usize = blocks.iter().map(|(_, block)| block.len()).sum();
        let bytes_in = block_bytes + update_size(&update, |_| S::Hash::LENGTH);
        let call = self.probe.call(Operation::Write, blocks.len(), bytes_in);
        let came = |outcome: &_| outcome_came(outcome, |_| S::Hash::LENGTH);
        call.run(self.storage.write(blocks, update), came).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        let call = self.probe.call_of(Operation::LoadDerived, name, 0);
        let came = |found: &Option<Bytes>| match found {
            Some(bytes) => ("found", bytes.len()),
            None => ("absent", 0),
        };
        call.run(self.storage.load_derived(name), came).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        let call = self.probe.call_of(Operation::AppendDerived, name, bytes.len());
        call.run(self.storage.append_derived(name, at, bytes), ok).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        let call = self.probe.call_of(Operation::ReplaceDerived, name, bytes.len());
        call.run(self.storage.replace_derived(name, bytes), ok).await
    }

    async fn close(&self) -> Result<()> {
        self.probe.call(Operation::Close, 0, 0).run(self.storage.close(), ok).await
    }
}
