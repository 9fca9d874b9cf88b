use bytes::Bytes;
use ramus_core::{ContentAddressable, Error, ErrorKind, Hash as _, Limits, ReadOnly, Result, Sha1};

use super::{BLOCK_BYTES_MAX, Block, Fault, Handle, KEYS_MAX, Shared, State};

/// The blocks of a broken storage.
#[derive(Clone, Debug)]
pub(crate) struct BrokenBlocks(pub(super) Handle);

impl BrokenBlocks {
    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    fn ensure_open_for(&self, fault: Fault) -> Result<()> {
        if self.0.has(fault) { Ok(()) } else { self.0.ensure_open(|state| state.blocks_closed) }
    }

    fn name_of(&self, value: &[u8]) -> Sha1 {
        let salt = self.shared().state.lock().salt;
        let reversed: Vec<u8> = value.iter().rev().copied().collect();
        match self.shared().fault {
            Some(Fault::NamesAreSalted) => Sha1::of_parts(&[value, &salt.to_be_bytes()]),
            Some(Fault::NamesAreOfOtherBytes) => Sha1::of(&reversed),
            _ => Sha1::of(value),
        }
    }
}

impl ReadOnly for BrokenBlocks {
    type Key = Sha1;
    type Value = Bytes;

    async fn find(&self, key: &Sha1) -> Result<Option<Bytes>> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        let found = self.shared().state.lock().blocks.get(key).map(|block| block.value.clone());
        match found {
            None if self.0.has(Fault::AbsentIsAnError) => Err(Error::missing(key)),
            Some(value) if value.is_empty() && self.0.has(Fault::EmptyIsAbsent) => Ok(None),
            found => Ok(found),
        }
    }

    fn find_now(&self, key: &Sha1) -> Option<Result<Option<Bytes>>> {
        if let Err(closed) = self.ensure_open_for(Fault::ClosedBlocksFindNow) {
            return Some(Err(closed));
        }
        if self.0.has(Fault::FindNowSaysAbsent) {
            return Some(Ok(None));
        }
        let state = self.shared().state.lock();
        state.blocks.get(key).map(|block| Ok(Some(block.value.clone())))
    }

    async fn mem(&self, key: &Sha1) -> Result<bool> {
        Ok(self.find(key).await?.is_some() && !self.0.has(Fault::MemSaysNo))
    }

    async fn find_many(&self, keys: &[Sha1]) -> Result<Vec<Option<Bytes>>> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        let mut found = Vec::new();
        for key in keys {
            found.push(self.find(key).await?);
        }
        Ok(spoil_many(&self.0, found))
    }

    fn limits(&self) -> Limits {
        limits(&self.0, |state| state.blocks_closed)
    }

    async fn close(&self) -> Result<()> {
        self.0.close(|state| state.blocks_closed = true)
    }
}

impl ContentAddressable for BrokenBlocks {
    fn name(&self, value: &Bytes) -> Result<Sha1> {
        if self.0.has(Fault::NameRefusesClosed) {
            self.ensure_open_for(Fault::ClosedStoresRead)?;
        }
        let key = self.name_of(value);
        if self.0.has(Fault::NameStores) {
            self.shared().state.lock().put(key, value.clone(), self.shared());
        }
        Ok(if self.0.has(Fault::NameIsOfOtherBytes) { Sha1::of(b"other") } else { key })
    }

    async fn add(&self, value: Bytes) -> Result<Sha1> {
        self.ensure_open_for(Fault::ClosedBlocksWrite)?;
        let key = self.name_of(&value);
        if self.0.has(Fault::AddStoresNothing) {
            return Ok(key);
        }
        let known = self.shared().state.lock().blocks.contains_key(&key);
        check_block(&self.0, &value)?;
        if known && self.0.has(Fault::AddingAgainFails) {
            return Err(Error::invalid_input(format!("block {key} is there already")));
        }
        if self.0.has(Fault::RacingAddsFail) {
            if !self.shared().state.lock().adding.insert(key) {
                return Err(Error::new(ErrorKind::Unavailable, "somebody else adds it"));
            }
            self.shared().window().await;
            self.shared().state.lock().adding.remove(&key);
        }
        if self.0.has(Fault::AddsOverwriteEachOther) {
            let mut copy = self.shared().state.lock().blocks.clone();
            self.shared().window().await;
            copy.insert(key, Block { value, epoch: 1 });
            self.shared().state.lock().blocks = copy;
            return Ok(key);
        }
        self.shared().state.lock().put(key, value, self.shared());
        Ok(key)
    }

    async fn unsafe_add(&self, key: Sha1, value: Bytes) -> Result<()> {
        self.ensure_open_for(Fault::ClosedBlocksWrite)?;
        check_block(&self.0, &value)?;
        if !self.0.has(Fault::UnsafeAddStoresNothing) {
            self.shared().state.lock().put(key, value, self.shared());
        }
        Ok(())
    }

    async fn unsafe_add_many(&self, mut blocks: Vec<(Sha1, Bytes)>) -> Result<()> {
        self.ensure_open_for(Fault::ClosedBlocksWrite)?;
        blocks.iter().try_for_each(|(_, value)| check_block(&self.0, value))?;
        if blocks.is_empty() && self.0.has(Fault::NothingAtOnceFails) {
            return Err(Error::invalid_input("no blocks"));
        }
        let mut state = self.shared().state.lock();
        let known = blocks.iter().any(|(key, _)| state.blocks.contains_key(key));
        if known && self.0.has(Fault::KnownAmongManyFails) {
            return Err(Error::invalid_input("one of the blocks is there already"));
        }
        if self.0.has(Fault::LastOfManyIsLost) {
            blocks.pop();
        }
        for (key, value) in blocks {
            state.put(key, value, self.shared());
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.ensure_open_for(Fault::ClosedBlocksWrite)?;
        if self.0.has(Fault::FlushDropsBlocks) {
            self.shared().state.lock().blocks.clear();
        }
        Ok(())
    }
}

impl State {
    /// Stores a block, and marks it with the current epoch.
    pub(super) fn put(&mut self, key: Sha1, mut value: Bytes, shared: &Shared) {
        if self.removed.contains(&key) && shared.has(Fault::RemovedStaysRemoved) {
            return;
        }
        if shared.has(Fault::LongBlocksAreCut) {
            value.truncate(127);
        }
        self.ever_added.insert(key);
        let epoch = if shared.has(Fault::NewBlocksAreRemoved) { 0 } else { self.epoch };
        match self.blocks.get_mut(&key) {
            Some(_) if shared.has(Fault::AddingAgainLeavesNoMark) => {}
            Some(block) => block.epoch = self.epoch,
            None => drop(self.blocks.insert(key, Block { value, epoch })),
        }
    }
}

/// Refuses a block that is too large.
pub(super) fn check_block(handle: &Handle, value: &[u8]) -> Result<()> {
    let over = match handle.shared.fault {
        Some(Fault::BlockLimitIsNotKept) => false,
        Some(Fault::BlockLimitIsOneLess) => value.len() >= BLOCK_BYTES_MAX,
        _ => value.len() > BLOCK_BYTES_MAX,
    };
    if !over {
        return Ok(());
    }
    let length = value.len();
    let message = format!("block has {length} bytes; at most {BLOCK_BYTES_MAX} are taken");
    Err(Error::new(ErrorKind::Limit, message))
}

/// Does to the answers of `find_many` what the fault says.
pub(super) fn spoil_many<V: Clone + PartialEq>(
    handle: &Handle,
    mut found: Vec<Option<V>>,
) -> Vec<Option<V>> {
    if handle.has(Fault::FindManyAnswersOnce) {
        found.dedup();
    }
    if handle.has(Fault::FindManyPutsAbsentLast) {
        found.sort_by_key(Option::is_none);
    }
    found
}

pub(super) fn limits(handle: &Handle, closed: impl FnOnce(&State) -> bool) -> Limits {
    let limits = Limits::default().with_update_keys_max(KEYS_MAX);
    let limits = limits.with_block_bytes_max(BLOCK_BYTES_MAX);
    if handle.has(Fault::LimitsGoWithClose) && closed(&handle.shared.state.lock()) {
        return limits.with_block_bytes_max(0).with_update_keys_max(0);
    }
    limits
}
