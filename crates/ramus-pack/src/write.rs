//! How blocks are added and updates are made: what is known already is left out, the rest is encoded
//! outside of the lock and appended under it.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, ErrorKind, Hash, Outcome, RefOutcome, RefUpdate, Result};

use crate::format::record::{Kind, RecordHeader};
use crate::index::Place;
use crate::read::blocking;
use crate::shared::Shared;
use crate::writer::core::{Core, Need, Wait};
use crate::writer::pump;

/// A block that is ready to be appended.
#[derive(Debug)]
struct Prepared<H> {
    key: H,
    header: [u8; RecordHeader::LENGTH],
    block: Bytes,
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
        let prepared = self.prepare(blocks).await?;
        self.feed(&prepared).await
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
        let mut prepared = self.prepare(blocks).await?;
        let bytes: usize = prepared.iter().map(|block| block.block.len()).sum();
        if bytes > self.settings.write_bytes {
            // A batch is kept small; the update still waits for one sync.
            self.feed(&prepared).await?;
            prepared.clear();
        }
        let absent = self.first_absent(&prepared, &update).await?;
        let mut update = update;
        loop {
            match self.append(&prepared, update, absent)? {
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
        blocks: &[Prepared<H>],
        update: RefUpdate<H>,
        absent: Option<H>,
    ) -> Result<Appended<H>> {
        let need = self.need();
        let mut core = self.core.lock();
        core.ensure_writable()?;
        if let Some((place, wait)) = core.under_way(&update, need)? {
            return Ok(Appended::Judged(Outcome::Applied(place), wait));
        }
        if let Some(place) = self.visible.lock().log.recall(&update)? {
            return Ok(Appended::Judged(Outcome::Applied(place), None));
        }
        if let Some(absent) = absent {
            return Err(Error::missing(absent));
        }
        if core.tail.len() >= self.settings.buffer_bytes {
            return Ok(Appended::NoRoom(update, core.wait_for_all(Need::Written)));
        }
        for block in blocks {
            self.push(&mut core, block);
        }
        let (outcome, wait) = core.judge(update, need);
        Ok(Appended::Judged(outcome, wait))
    }

    /// Appends blocks, and waits where too many are in memory.
    async fn feed(self: &Arc<Self>, blocks: &[Prepared<H>]) -> Result<()> {
        let mut blocks = blocks.iter();
        loop {
            let wait = {
                let mut core = self.core.lock();
                core.ensure_writable()?;
                while core.tail.len() < self.settings.buffer_bytes
                    && let Some(block) = blocks.next()
                {
                    self.push(&mut core, block);
                }
                let length = core.tail.len();
                if length < self.settings.buffer_bytes {
                    drop(core);
                    if length >= self.settings.write_bytes {
                        pump::wake(self);
                    }
                    return Ok(());
                }
                core.wait_for_all(Need::Written)
            };
            self.wait(wait).await?;
        }
    }

    /// Appends a block, if it is not there already.
    fn push(&self, core: &mut Core<H>, block: &Prepared<H>) {
        let Prepared { key, header, block } = block;
        if self.index.in_memory(key).is_none() {
            let offset = core.tail.push(header, key.as_bytes(), block);
            let length = u32::try_from(block.len()).expect("the size of a block was checked");
            self.index.insert(*key, Place { segment: core.tail.segment(), offset, length });
        }
    }

    /// Encodes the blocks that are not there yet.
    async fn prepare(self: &Arc<Self>, blocks: Vec<(H, Bytes)>) -> Result<Vec<Prepared<H>>> {
        let mut prepared = Vec::with_capacity(blocks.len());
        let mut unsure = Vec::new();
        for (key, block) in blocks {
            match self.mem_now(&key)? {
                Some(true) => {}
                Some(false) => prepared.push(Prepared::new(key, block)),
                None => unsure.push((key, block)),
            }
        }
        if !unsure.is_empty() {
            let keys: Vec<_> = unsure.iter().map(|(key, _)| *key).collect();
            let shared = Arc::clone(self);
            let there = blocking(move || shared.mem_waiting(&keys)).await?;
            let fresh = unsure.into_iter().zip(there).filter(|(_, there)| !there);
            prepared.extend(fresh.map(|((key, block), _)| Prepared::new(key, block)));
        }
        Ok(prepared)
    }

    /// Returns the first block that the update names and that is neither there nor among these.
    async fn first_absent(
        self: &Arc<Self>,
        blocks: &[Prepared<H>],
        update: &RefUpdate<H>,
    ) -> Result<Option<H>> {
        let brought: HashSet<H, DigestHash> = blocks.iter().map(|block| block.key).collect();
        for key in update.edits.values().filter_map(|edit| edit.set) {
            if !brought.contains(&key) && !self.mem(key).await? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

impl<H: Hash> Prepared<H> {
    fn new(key: H, block: Bytes) -> Self {
        let header = RecordHeader::of(Kind::Block, &block).encode(key.as_bytes());
        Self { key, header, block }
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
