//! How blocks are added and updates are made: what is known already is left out, the rest is encoded
//! outside of the lock and appended under it.

use std::collections::HashSet;
use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, ErrorKind, Hash, Outcome, RefOutcome, RefUpdate, Result};

use crate::compression::Coding;
use crate::format::record::{Kind, RecordHeader};
use crate::index::Place;
use crate::protection::Pinned;
use crate::read::{BLOCK_NOW_MAX, blocking};
use crate::shared::Shared;
use crate::writer::buffer::Buffer;
use crate::writer::core::{Core, Need, Wait};
use crate::writer::pump;

/// A block that is ready to be appended.
#[derive(Debug)]
struct Prepared<H> {
    key: H,
    header: [u8; RecordHeader::LENGTH],
    /// What is stored of it.
    block: Bytes,
    /// Its record, if that is large and is appended next.
    copy: Option<Buffer>,
}

/// What became of an update that was to be appended.
enum Appended<H: Hash> {
    Judged(RefOutcome<H>, Wait),
    /// The open batch is full: this has to be waited for first. A batch that grew without a bound would
    /// be refused when it is read.
    NoRoom(RefUpdate<H>, Wait),
}

impl<H: Hash> Shared<H> {
    pub(crate) async fn add_many(self: &Arc<Self>, blocks: Vec<(H, Bytes)>) -> Result<()> {
        self.ensure_open()?;
        check_sizes(&blocks)?;
        // Some at a time: what is prepared of a small block takes more than the block.
        let mut left = blocks.into_iter();
        loop {
            let prepared = self.prepare(self.next_blocks(&mut left), None).await?;
            self.feed(prepared).await?;
            if left.as_slice().is_empty() {
                return Ok(());
            }
        }
    }

    /// Takes blocks whose records make as much as is written at once; at least one if any is left.
    fn next_blocks(&self, left: &mut vec::IntoIter<(H, Bytes)>) -> Vec<(H, Bytes)> {
        let head = RecordHeader::LENGTH + H::LENGTH;
        let mut bytes = 0;
        let fits = |(_, block): &&(H, Bytes)| {
            let is_first = bytes == 0;
            bytes += head + block.len();
            is_first || bytes <= self.settings.write_bytes
        };
        let count = left.as_slice().iter().take_while(fits).count();
        left.by_ref().take(count).collect()
    }

    /// Makes durable whatever was added before.
    pub(crate) async fn flush(self: &Arc<Self>) -> Result<()> {
        self.ensure_open()?;
        if self.reader.is_some() {
            // Nothing was added here.
            return Ok(());
        }
        let wait = {
            let mut core = self.core.lock();
            core.ensure_writable()?;
            core.wait_for_all(Need::Synced)
        };
        self.wait(wait).await
    }

    pub(crate) async fn write(
        self: &Arc<Self>,
        blocks: Vec<(H, Bytes)>,
        update: RefUpdate<H>,
    ) -> Result<RefOutcome<H>> {
        self.ensure_open()?;
        update.check(&Self::limits())?;
        check_sizes(&blocks)?;
        // What it relies on without appending it is pinned before it is looked for.
        let mut pins = Vec::new();
        let named = named_elsewhere(&blocks, &update);
        if !named.is_empty() {
            pins.push(self.protection.pin(named.clone()));
        }
        let mut prepared = self.prepare(blocks, Some(&mut pins)).await?;
        let head = RecordHeader::LENGTH + H::LENGTH;
        let bytes: usize = prepared.iter().map(|block| head + block.block.len()).sum();
        if bytes > self.settings.write_bytes {
            // A batch is kept small; the update still waits for one sync.
            pins.push(self.protection.pin(names(&prepared)));
            self.feed(std::mem::take(&mut prepared)).await?;
        }
        let absent = self.first_absent(&named).await?;
        let mut update = update;
        loop {
            match self.append(&mut prepared, update, absent, &mut pins)? {
                Appended::Judged(outcome, wait) => {
                    self.wait(wait).await?;
                    return Ok(outcome);
                }
                Appended::NoRoom(again, wait) => {
                    update = again;
                    self.wait(wait).await?;
                }
            }
        }
    }

    fn append(
        &self,
        blocks: &mut [Prepared<H>],
        update: RefUpdate<H>,
        absent: Option<H>,
        pins: &mut Vec<Pinned<H>>,
    ) -> Result<Appended<H>> {
        let need = self.need();
        let mut core = self.core.lock();
        core.ensure_writable()?;
        let known = match core.under_way(&update, need)? {
            Some(known) => Some(known),
            None => self.visible.lock().log.recall(&update)?.map(|place| (place, None)),
        };
        if let (None, Some(absent)) = (&known, absent) {
            return Err(Error::missing(absent));
        }
        // Who sends one again may bring other blocks.
        let appends = known.is_none() || !blocks.is_empty();
        if appends && core.tail.len() >= self.settings.buffer_bytes {
            return Ok(Appended::NoRoom(update, core.wait_for_all(Need::Written)));
        }
        for block in &mut *blocks {
            self.push(&mut core, block);
        }
        let before = core.end();
        let (outcome, wait) = match known {
            Some((place, wait)) => (Outcome::Applied(place), wait),
            None => core.judge(update, need),
        };
        if core.end() == before && !blocks.is_empty() {
            // No change names them, and they are kept until the answer.
            pins.push(self.protection.pin(names(blocks)));
        }
        Ok(Appended::Judged(outcome, wait))
    }

    /// Appends blocks, some at a time, so that those before are written meanwhile; waits where too many are in
    /// memory.
    async fn feed(self: &Arc<Self>, mut blocks: Vec<Prepared<H>>) -> Result<()> {
        let (most, some) = (self.settings.buffer_bytes, self.settings.write_bytes);
        let mut next = 0;
        loop {
            // One after the other: each takes as much memory again.
            if let Some(block) = blocks.get_mut(next) {
                block.copy_if_large().await?;
            }
            let first = next;
            let (length, wait) = {
                let mut core = self.core.lock();
                core.ensure_writable()?;
                let up_to = most.min(core.tail.len() + some);
                while let Some(block) = blocks.get_mut(next)
                    && block.fits_behind(core.tail.len(), up_to)
                {
                    self.push(&mut core, block);
                    next += 1;
                }
                let length = core.tail.len();
                let fits =
                    |block: &Prepared<H>| block.waits_for_copy() || block.fits_behind(length, most);
                let is_full = length >= most || !blocks.get(next).is_none_or(fits);
                (length, is_full.then(|| core.wait_for_next(Need::Written)).flatten())
            };
            // The batch has their bytes. Not under the lock, since to give back much memory takes long.
            blocks[first..next].iter_mut().for_each(|block| block.block = Bytes::new());
            if length >= some {
                pump::wake(self);
            }
            if wait.is_none() && next == blocks.len() {
                return Ok(());
            }
            self.wait(wait).await?;
        }
    }

    /// Appends a block, if it is not there already.
    fn push(&self, core: &mut Core<H>, block: &mut Prepared<H>) {
        let Prepared { key, header, block, copy } = block;
        let length = u32::try_from(block.len()).expect("the size of a block was checked");
        // Whoever finds it there before it is appended reads the tail, for which they need this lock.
        let place = Place { segment: core.tail.segment(), offset: core.tail.next_offset(), length };
        if self.index.insert_unless_since(*key, self.since(), place) {
            match copy.take() {
                Some(record) => core.tail.push_copied(header, key.as_bytes(), record),
                None => core.tail.push(header, key.as_bytes(), block),
            };
        }
    }

    /// Encodes the blocks that are not there yet, or only where a collection may remove them. Those that
    /// are there are pinned, if there is somewhere to keep pins.
    async fn prepare(
        self: &Arc<Self>,
        blocks: Vec<(H, Bytes)>,
        pins: Option<&mut Vec<Pinned<H>>>,
    ) -> Result<Vec<Prepared<H>>> {
        let mut prepared = Vec::new();
        let there = self.prepare_absent(blocks, &mut prepared).await?;
        if let Some(pins) = pins
            && !there.is_empty()
        {
            pins.push(self.protection.pin(there.iter().map(|(key, _)| *key).collect()));
            // Between the look and the pin they may have been removed.
            self.prepare_absent(there, &mut prepared).await?;
        }
        Ok(prepared)
    }

    /// Encodes those of the blocks that have to be appended, and returns the others.
    async fn prepare_absent(
        self: &Arc<Self>,
        blocks: Vec<(H, Bytes)>,
        prepared: &mut Vec<Prepared<H>>,
    ) -> Result<Vec<(H, Bytes)>> {
        let (mut there, mut unsure) = (Vec::new(), Vec::new());
        let mut fresh = Vec::with_capacity(blocks.len());
        for (key, block) in blocks {
            match self.may_rely_on_now(&key)? {
                Some(true) => there.push((key, block)),
                Some(false) => fresh.push((key, block)),
                None => unsure.push((key, block)),
            }
        }
        if !unsure.is_empty() {
            let keys: Vec<_> = unsure.iter().map(|(key, _)| *key).collect();
            let shared = Arc::clone(self);
            let found = blocking(move || shared.may_rely_on(&keys)).await?;
            for ((key, block), found) in unsure.into_iter().zip(found) {
                if found {
                    there.push((key, block));
                } else {
                    fresh.push((key, block));
                }
            }
        }
        let mut encoded = self.encode(fresh).await?;
        if prepared.is_empty() {
            *prepared = encoded;
        } else {
            prepared.append(&mut encoded);
        }
        Ok(there)
    }

    /// Encodes blocks; where that may take long, elsewhere.
    async fn encode(&self, blocks: Vec<(H, Bytes)>) -> Result<Vec<Prepared<H>>> {
        /// So many bytes are compressed on the spot.
        const COMPRESSED_NOW_MAX: usize = 64 << 10;
        let coding = self.settings.coding;
        let now_max = match coding {
            Coding::Plain => BLOCK_NOW_MAX,
            Coding::Zstd { .. } => COMPRESSED_NOW_MAX,
        };
        let bytes: usize = blocks.iter().map(|(_, block)| block.len()).sum();
        let encode = move || {
            let blocks = blocks.into_iter();
            blocks.map(|(key, block)| Prepared::new(key, block, coding)).collect()
        };
        if bytes <= now_max {
            return Ok(encode());
        }
        blocking(move || Ok(encode())).await
    }

    /// Returns the first of these blocks that is not there.
    async fn first_absent(self: &Arc<Self>, named: &[H]) -> Result<Option<H>> {
        for key in named {
            if !self.mem(*key).await? {
                return Ok(Some(*key));
            }
        }
        Ok(None)
    }
}

/// Returns the blocks that an update names and that are not brought with it.
fn named_elsewhere<H: Hash>(blocks: &[(H, Bytes)], update: &RefUpdate<H>) -> Vec<H> {
    let named = update.edits.values().filter_map(|edit| edit.set);
    if update.edits.len() <= 1 {
        return named.filter(|key| blocks.iter().all(|(brought, _)| brought != key)).collect();
    }
    let brought: HashSet<H, DigestHash> = blocks.iter().map(|(key, _)| *key).collect();
    named.filter(|key| !brought.contains(key)).collect()
}

fn names<H: Hash>(blocks: &[Prepared<H>]) -> Vec<H> {
    blocks.iter().map(|block| block.key).collect()
}

impl<H: Hash> Prepared<H> {
    fn new(key: H, block: Bytes, coding: Coding) -> Self {
        let (stored, block) = coding.encode(block);
        let header = RecordHeader { stored, ..RecordHeader::of(Kind::Block, &block) };
        let header = header.encode(key.as_bytes());
        Self { key, header, block, copy: None }
    }

    /// Copies the record of a large block where blocking is allowed, so that it is not copied under the lock.
    async fn copy_if_large(&mut self) -> Result<()> {
        if self.waits_for_copy() {
            let Self { key, header, block, .. } = self;
            let (key, header, block) = (*key, *header, block.clone());
            let copy = move || Ok(Buffer::of_record([&header, key.as_bytes(), &block]));
            self.copy = Some(blocking(copy).await?);
        }
        Ok(())
    }

    const fn waits_for_copy(&self) -> bool {
        self.block.len() > BLOCK_NOW_MAX && self.copy.is_none()
    }

    /// Returns whether it may be appended to an open batch of this length, which is full with `most`.
    fn fits_behind(&self, length: usize, most: usize) -> bool {
        let most = if self.copy.is_some() { most.min(Buffer::ROOM_BYTES) } else { most };
        length < most && !self.waits_for_copy()
    }
}

fn check_sizes<H: Hash>(blocks: &[(H, Bytes)]) -> Result<()> {
    let max = Shared::<H>::limits().block_bytes_max;
    let Some((key, block)) = blocks.iter().find(|(_, block)| block.len() > max) else {
        return Ok(());
    };
    let size = block.len();
    let message = format!("block {key} has {size} bytes; at most {max} are taken");
    Err(Error::new(ErrorKind::Limit, message))
}
