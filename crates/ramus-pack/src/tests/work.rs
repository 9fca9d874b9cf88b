//! Random work on a pack, and what has to be true of it after whatever happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, Change, Changes, ContentAddressable as _, Cursor, Hash as _, Outcome,
    ReadOnly as _, RefName, Sha1, Storage as _, Update,
};

use super::sim::{Random, SimDisk};
use crate::options::Settings;
use crate::{Durability, Pack, PackOptions};

/// Small, so that little work fills segments and merges runs.
pub(super) fn settings(durability: Durability) -> Settings {
    let options = PackOptions::default().with_durability(durability).with_cache_bytes(0);
    Settings {
        log_changes: 40,
        segment_bytes: 6000,
        ahead_bytes: 1024,
        write_bytes: 1500,
        buffer_bytes: 4000,
        ..Settings::new(options)
    }
}

pub(super) fn open(disk: &SimDisk, durability: Durability) -> ramus_core::Result<Pack> {
    Pack::open_disk(Arc::new(disk.clone()), settings(durability))
}

/// What was done, and when it was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The refs after each change, the first before any; and the number of the operation of the disk
    /// after which the change was answered.
    pub(super) states: Vec<(BTreeMap<RefName, Sha1>, usize)>,
    pub(super) changes: Vec<Arc<Change<RefName, Sha1>>>,
    /// What every name of a block stands for, and after which operation it was flushed or named.
    pub(super) blocks: BTreeMap<Sha1, (Bytes, Option<usize>)>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { states: vec![(BTreeMap::new(), 0)], ..Self::default() }
    }

    /// Does so many random things, each after the one before was answered.
    pub(super) async fn work(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        things: usize,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        for _ in 0..things {
            match random.below(8) {
                0 => {
                    let block = self.block(random);
                    pack.blocks().add(block).await?;
                }
                1 => {
                    pack.blocks().flush().await?;
                    self.all_durable(disk.recorded());
                }
                _ => self.update(pack, disk, random).await?,
            }
        }
        Ok(())
    }

    async fn update(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        let mut update = Update::new(pack.refs().position().await?).with_note("note");
        let mut blocks = Vec::new();
        for _ in 0..=random.below(3) {
            let name = RefName::branch(&format!("b{}", random.below(6)))?;
            if random.once_in(6) {
                update = update.remove(name);
            } else {
                let block = self.block(random);
                let hash = Sha1::of(&block);
                blocks.push((hash, block));
                update = update.set(name, hash);
            }
        }
        let id = update.id;
        let Outcome::Applied(at) = pack.write(blocks, update).await? else {
            panic!("nothing is tested, so nothing is refused")
        };
        let before = Cursor { sequence: at.sequence.saturating_sub(1), ..at };
        let Changes::Page(page) = pack.refs().changes(before, 1).await? else {
            panic!("the newest change is kept")
        };
        let Some(change) = page.changes.first().filter(|change| change.id == id) else {
            // It changed nothing.
            return Ok(());
        };
        self.changes.push(Arc::clone(change));
        let mut refs = self.states.last().expect("there is a first state").0.clone();
        for key in &change.keys {
            match key.new {
                Some(hash) => refs.insert(key.key.clone(), hash),
                None => refs.remove(&key.key),
            };
        }
        self.all_durable(disk.recorded());
        self.states.push((refs, disk.recorded()));
        Ok(())
    }

    /// Looks which of the blocks that were not durable a kill left: they are durable once the pack is
    /// open again. The others are gone.
    pub(super) async fn opened(&mut self, pack: &Pack, disk: &SimDisk) -> ramus_core::Result<()> {
        let unsure = self.blocks.iter().filter(|(_, (_, durable))| durable.is_none());
        let unsure: Vec<_> = unsure.map(|(hash, _)| *hash).collect();
        for hash in unsure {
            if pack.blocks().mem(&hash).await? {
                self.blocks.entry(hash).and_modify(|(_, durable)| *durable = Some(disk.recorded()));
            } else {
                self.blocks.remove(&hash);
            }
        }
        Ok(())
    }

    /// Lets a check ask no more than that what is there is whole.
    pub(super) fn forget_answers(&mut self) {
        let nothing_done = usize::MAX;
        for (_, answer) in &mut self.states {
            *answer = nothing_done;
        }
        for (_, durable) in self.blocks.values_mut() {
            *durable = None;
        }
    }

    /// Notes that every block that was added is durable after so many operations.
    fn all_durable(&mut self, operations: usize) {
        for (_, durable) in self.blocks.values_mut() {
            durable.get_or_insert(operations);
        }
    }

    fn block(&mut self, random: &mut Random) -> Bytes {
        let length = if random.once_in(10) { random.below(3000) } else { random.below(200) };
        let seed = random.next();
        let mut bytes = Random::new(seed);
        let block: Bytes = (0..length).map(|_| bytes.byte()).collect();
        self.blocks.entry(Sha1::of(&block)).or_insert((block.clone(), None));
        block
    }

    /// Checks that a pack is what this history left after a crash after so many operations: some state
    /// that is not before the last answer, with all blocks that it names and all that were durable.
    pub(super) async fn check(&self, pack: &Pack, operations: usize) -> ramus_core::Result<()> {
        let snapshot = pack.refs().snapshot(b"").await?;
        let at = snapshot.cursor();
        let refs: BTreeMap<_, _> = snapshot.collect().await?.into_iter().collect();
        let answered = self.states.iter().rposition(|(_, answer)| *answer <= operations);
        let sequence = usize::try_from(at.sequence).unwrap();
        assert!(
            sequence >= answered.unwrap_or(0),
            "change {answered:?} was answered, and the log ends at {sequence}"
        );
        // What was under way may be there, too; it is the next one then.
        if let Some((expected, _)) = self.states.get(sequence) {
            assert_eq!(&refs, expected, "the refs after change {sequence}");
        } else {
            assert_eq!(sequence, self.states.len(), "one change was under way, at the most");
        }
        for (name, hash) in &refs {
            let block = pack.blocks().find(hash).await?;
            assert!(block.is_some(), "{name} names {hash}, which is not there");
            assert_eq!(Sha1::of(&block.unwrap_or_default()), *hash, "{name}");
        }
        for (hash, (block, durable)) in &self.blocks {
            let found = pack.blocks().find(hash).await?;
            match durable {
                Some(durable) if *durable <= operations => {
                    assert_eq!(found.as_ref(), Some(block), "block {hash} was durable");
                }
                _ => assert!(found.is_none_or(|found| found == *block), "block {hash}"),
            }
        }
        self.check_log(pack, at).await
    }

    async fn check_log(&self, pack: &Pack, end: Cursor) -> ramus_core::Result<()> {
        let nothing = Cursor { sequence: 0, ..end };
        let oldest = match pack.refs().changes(nothing, 1).await? {
            Changes::Page(_) => nothing,
            Changes::Truncated { oldest } => oldest,
        };
        let mut at = oldest;
        while let Changes::Page(page) = pack.refs().changes(at, 7).await? {
            for change in &page.changes {
                let index = usize::try_from(change.cursor.sequence - 1).unwrap();
                if let Some(expected) = self.changes.get(index) {
                    assert_eq!((change.id, &change.keys), (expected.id, &expected.keys));
                }
            }
            at = page.next;
            if page.is_last() {
                break;
            }
        }
        assert_eq!(at, end, "the log goes on from its beginning to its end");
        Ok(())
    }
}
