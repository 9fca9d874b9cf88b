use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, Error, Limits, Outcome, ReadOnly as _, RefName, RefOutcome, RefUpdate,
    Result, Sha1, Storage, UpdateId,
};

use super::blocks::{BrokenBlocks, check_block};
use super::derived::BrokenDerived;
use super::refs::BrokenRefs;
use super::sweep::BrokenSweep;
use super::{Fault, Handle, Shared};

/// A storage with one fault, or none.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    blocks: BrokenBlocks,
    refs: BrokenRefs,
}

impl Broken {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let blocks = BrokenBlocks(Handle::new(Arc::clone(&shared)));
        Self { blocks, refs: BrokenRefs(Handle::new(shared)) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.refs.0.shared
    }

    fn has(&self, fault: Fault) -> bool {
        self.refs.0.has(fault)
    }

    /// Changes the update as the fault of `write` says.
    fn spoil(&self, mut update: RefUpdate<Sha1>) -> RefUpdate<Sha1> {
        if self.has(Fault::WriteTakesANewId) {
            update.id = UpdateId::random();
        }
        if self.has(Fault::WriteDropsTheNote) {
            update.note = Bytes::new();
        }
        if self.has(Fault::WriteKeepsNoLimits) {
            update.note.truncate(Limits::NOTE_MAX);
        }
        if self.has(Fault::WriteIgnoresTests) {
            for edit in update.edits.values_mut() {
                edit.expected = ramus_core::Expected::Anything;
            }
        }
        update
    }

    fn store(&self, blocks: &[(Sha1, Bytes)]) {
        let mut state = self.shared().state.lock();
        let stored = if self.has(Fault::WriteStoresOneBlock) { 1 } else { blocks.len() };
        for (key, value) in blocks.iter().take(stored) {
            if state.blocks.contains_key(key) && self.has(Fault::WritesLeaveNoMark) {
                continue;
            }
            state.put(*key, value.clone(), self.shared());
        }
    }

    fn check(&self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        if !self.has(Fault::ClosedStoragesWrite) {
            self.refs.0.ensure_open(|state| state.refs_closed || state.blocks_closed)?;
        }
        let state = self.shared().state.lock();
        let known = blocks.iter().all(|(key, _)| state.blocks.contains_key(key));
        drop(state);
        if known && self.has(Fault::WriteWantsNewBlocks) {
            return Err(Error::invalid_input("nothing to store"));
        }
        if self.has(Fault::WriteKeepsNoLimits) {
            return Ok(());
        }
        blocks.iter().try_for_each(|(_, value)| check_block(&self.refs.0, value))
    }
}

impl Storage for Broken {
    type Hash = Sha1;
    type Blocks = BrokenBlocks;
    type Refs = BrokenRefs;
    type Sweep = BrokenSweep;

    fn blocks(&self) -> &BrokenBlocks {
        &self.blocks
    }

    fn refs(&self) -> &BrokenRefs {
        &self.refs
    }

    fn sweep(&self) -> Option<BrokenSweep> {
        Some(BrokenSweep(self.blocks.0.clone()))
    }

    async fn write(
        &self,
        blocks: Vec<(Sha1, Bytes)>,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        self.check(&blocks)?;
        let split = self.has(Fault::WritesAreSplit) || self.has(Fault::WritesLeaveNoMark);
        let names = blocks.iter().map(|(key, _)| *key).filter(|_| !split).collect();
        let _pin = BrokenSweep(self.blocks.0.same()).protect(names);
        let mut blocks = blocks;
        if self.has(Fault::KnownWritesStoreNothing)
            && self.shared().state.lock().ids.contains_key(&update.id)
        {
            blocks.clear();
        }
        let update = self.spoil(update);
        if self.has(Fault::WriteForgetsTheUpdate) {
            self.store(&blocks);
            self.refs.check_missing(&update)?;
            return Ok(Outcome::Applied(self.refs.position().await?));
        }
        if self.has(Fault::RefComesBeforeItsBlocks) {
            let is_new = |key: &Sha1| blocks.iter().any(|(name, _)| name == key);
            let mut known = update.clone();
            known.edits.retain(|_, edit| edit.set.is_some_and(|value| !is_new(&value)));
            self.refs.check_missing(&known)?;
            let storage = Self {
                blocks: BrokenBlocks(self.blocks.0.same()),
                refs: BrokenRefs(self.refs.0.same()),
            };
            let task = tokio::spawn(async move {
                let applied = storage.refs.update_unchecked(update).await;
                storage.shared().window().await;
                storage.store(&blocks);
                applied
            });
            return task.await.expect("a write ends");
        }
        let mut guard = DropGuard { storage: self, update: None };
        if self.has(Fault::DroppedWriteMovesItsRef) {
            guard.update = Some(update.clone());
            self.shared().window().await;
            guard.update = None;
        }
        drop(guard);
        self.store(&blocks);
        self.shared().window_if(Fault::WritesAreSplit).await;
        if !self.has(Fault::DanglingWritesAreTaken) {
            self.refs.check_missing(&update)?;
        }
        if self.has(Fault::ClosedStoragesWrite) {
            self.shared().state.lock().refs_closed = false;
        }
        self.refs.send(update, !self.has(Fault::WritesAreNotNoticed)).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        BrokenDerived(&self.refs.0).load(name)
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        BrokenDerived(&self.refs.0).append(name, at, &bytes).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        BrokenDerived(&self.refs.0).replace(name, &bytes)
    }

    async fn close(&self) -> Result<()> {
        self.refs.close().await?;
        if self.has(Fault::CloseForgetsTheBlocks) { Ok(()) } else { self.blocks.close().await }
    }
}

/// Moves the refs of a write that is dropped: what no store must do.
struct DropGuard<'a> {
    storage: &'a Broken,
    update: Option<RefUpdate<Sha1>>,
}

impl Drop for DropGuard<'_> {
    fn drop(&mut self) {
        if let Some(update) = self.update.take() {
            let mut state = self.storage.shared().state.lock();
            for (key, edit) in update.edits {
                edit.set.map(|value| state.refs.insert(key, value));
            }
        }
    }
}
