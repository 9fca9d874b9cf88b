//! Random work on a pack, and what has to be true of it after whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use ramus_core::{
    AtomicWrite as _, Change, Changes, ContentAddressable as _, Cursor, Epoch, ErrorKind,
    Hash as _, Outcome, ReadOnly as _, RefName, Sha1, Storage as _, Sweep as _, Update,
};

use super::sim::{Random, SimDisk};
use crate::index::Read;
use crate::index::run::Lookup;
use crate::options::Settings;
use crate::{Compression, Durability, Pack, PackOptions, SyncBy};

/// Small, so that little work fills segments and merges runs.
pub(super) fn settings(durability: Durability) -> Settings {
    let options = PackOptions::default().with_durability(durability).with_cache_bytes(0);
    Settings {
        log_changes: 40,
        segment_bytes: 6000,
        ahead_bytes: 1024,
        write_bytes: 1500,
        buffer_bytes: 4000,
        runs_behind_max: 6,
        ..Settings::new(options)
    }
}

pub(super) fn open(disk: &SimDisk, durability: Durability) -> ramus_core::Result<Pack> {
    Manner { durability, ..Manner::default() }.open(disk)
}

/// How a pack is opened for random work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    pub(super) durability: Durability,
    sync_by: SyncBy,
    compression: Option<Compression>,
}

impl Manner {
    /// Chooses who syncs, and how blocks are stored.
    pub(super) fn any(durability: Durability, random: &mut Random) -> Self {
        let sync_by = if random.once_in(4) { SyncBy::Caller } else { SyncBy::Pool };
        let compression = match random.below(6) {
            0 => Some(Compression::None),
            1 | 2 => Some(Compression::Zstd),
            // As the directory records it.
            _ => None,
        };
        Self { durability, sync_by, compression }
    }

    pub(super) fn open(self, disk: &SimDisk) -> ramus_core::Result<Pack> {
        let Self { durability, sync_by, compression } = self;
        let mut settings = settings(durability);
        settings.options.sync_by = sync_by;
        settings.options.compression = compression;
        Pack::open_disk(Arc::new(disk.clone()), settings)
    }
}

/// Waits until the writer has nothing to do and no runs are merged.
pub(super) async fn settled(pack: &Pack) {
    let shared = &pack.blocks().0.shared;
    // The writer begins the next merge before it rests.
    while shared.core.lock().idle.is_none() || shared.building.is_merging() {
        tokio::task::yield_now().await;
    }
}

/// Returns whether a block lies where the collection that runs removes nothing.
fn is_new(pack: &Pack, name: &Sha1) -> bool {
    let shared = &pack.blocks().0.shared;
    let in_runs = || match shared.index.in_runs(name, Read::Wait).expect("the index is sound") {
        Lookup::Found(place) => Some(place),
        Lookup::Absent | Lookup::NotNow => None,
    };
    let place = shared.index.in_memory(name).or_else(in_runs);
    place.is_some_and(|place| place.segment >= shared.since())
}
/// So many updates are sent at the same time, at the most.
const AT_ONCE_MAX: usize = 4;

/// After this operation something is durable that is not yet. Whoever looks without a crash looks then.
const NOT_YET: usize = usize::MAX;

/// An update, and the blocks that it brings.
type Write = (Vec<(Sha1, Bytes)>, Update<RefName, Sha1>);

/// What was done, and when it was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The refs after each change, the first before any; and the number of the operation of the disk
    /// after which the change was answered.
    pub(super) states: Vec<(BTreeMap<RefName, Sha1>, usize)>,
    pub(super) changes: Vec<Arc<Change<RefName, Sha1>>>,
    /// What every name of a block stands for.
    pub(super) blocks: BTreeMap<Sha1, Known>,
    /// How many collections have removed something.
    removals: usize,
    /// Those that failed: what they have removed need not be all.
    partial: BTreeSet<usize>,
    /// The collection that runs.
    collection: Option<Collection>,
    /// How the pack is opened, and so what an answer promises.
    pub(super) manner: Manner,
}

/// What is known of a block.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) bytes: Bytes,
    /// After which operation it was flushed or named.
    pub(super) durable: Option<usize>,
    /// By which removal it was removed, and at which operation that began.
    removed: Option<(usize, usize)>,
}

/// A collection that runs.
#[derive(Clone, Debug)]
struct Collection {
    epoch: Epoch,
    /// What it will try to remove.
    names: Vec<Sha1>,
    /// What was added or named since it began: that has to stay.
    since: BTreeSet<Sha1>,
    has_removed: bool,
}

impl History {
    pub(super) fn new() -> Self {
        Self::of(Manner::default())
    }

    /// Begins with nothing in a pack that is opened so.
    pub(super) fn of(manner: Manner) -> Self {
        Self { states: vec![(BTreeMap::new(), 0)], manner, ..Self::default() }
    }

    /// Returns how many blocks were not removed.
    pub(super) fn live(&self) -> usize {
        self.blocks.values().filter(|known| known.removed.is_none()).count()
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
            match random.below(11) {
                0 => {
                    let block = self.block(random);
                    pack.blocks().add(block).await?;
                }
                1 => {
                    pack.blocks().flush().await?;
                    self.all_durable(disk.recorded());
                }
                2..=4 => self.collect(pack, disk, random).await?,
                5 => self.name_again(pack, disk, random).await?,
                6 => self.update_at_once(pack, disk, random).await?,
                _ => self.update(pack, disk, random).await?,
            }
        }
        Ok(())
    }

    /// Does the next part of a collection.
    async fn collect(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        let sweep = pack.sweep().expect("it can be collected");
        let Some(mut collection) = self.collection.take() else {
            let epoch = sweep.begin().await?;
            // It has synced what was there, unless the disk was full.
            let is_full = pack.blocks().0.shared.core.lock().full;
            if !is_full {
                self.all_durable(disk.recorded());
            }
            let refs = &self.states.last().expect("there is a first state").0;
            let held: BTreeSet<_> = refs.values().copied().collect();
            let garbage = self.blocks.iter().filter(|(hash, known)| {
                known.removed.is_none() && !held.contains(hash) && !random.once_in(4)
            });
            let names = garbage.map(|(hash, _)| *hash).collect();
            let (mut since, has_removed) = (BTreeSet::new(), false);
            if is_full {
                since.extend(self.blocks.keys().filter(|name| is_new(pack, name)));
            }
            self.collection = Some(Collection { epoch, names, since, has_removed });
            return Ok(());
        };
        if collection.has_removed {
            // Now and then it is left as it is, and another one begins.
            if !random.once_in(4) {
                sweep.finish(collection.epoch).await?;
            }
            return Ok(());
        }
        let removal = (self.removals, disk.recorded());
        self.removals += 1;
        let expected: Vec<_> =
            collection.names.iter().filter(|name| !collection.since.contains(name)).collect();
        for name in &expected {
            self.blocks.entry(**name).and_modify(|known| known.removed = Some(removal));
        }
        self.partial.insert(removal.0);
        let removed = sweep.remove_many(collection.epoch, collection.names.clone()).await?;
        self.partial.remove(&removal.0);
        assert_eq!(removed, expected.len(), "what was not added or named since");
        for name in &collection.names {
            let there = pack.blocks().mem(name).await?;
            assert_eq!(there, collection.since.contains(name), "block {name} after a removal");
        }
        collection.has_removed = true;
        self.collection = Some(collection);
        Ok(())
    }

    /// Sets a ref to a block that was added at some time, without bringing it; if it was removed, that is
    /// refused.
    async fn name_again(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let at = random.below(self.blocks.len());
        let (name, removed) =
            self.blocks.iter().nth(at).map(|(name, known)| (*name, known.removed)).unwrap();
        if removed.is_some_and(|(removal, _)| self.partial.contains(&removal)) {
            // Nobody knows whether it is there.
            return Ok(());
        }
        let update = Update::new(pack.refs().position().await?).with_note("again");
        let update = update.set(RefName::branch(&format!("b{}", random.below(6)))?, name);
        if removed.is_some() {
            let kind = pack.refs().update(update).await.map(drop).map_err(|error| error.kind());
            // Or the disk fails just then.
            assert!(kind != Ok(()), "block {name} was removed, and can be named");
            return if kind == Err(ErrorKind::Missing) {
                Ok(())
            } else {
                Err(ramus_core::Error::new(ErrorKind::Unavailable, "as it was told"))
            };
        }
        self.keep(name);
        self.apply(pack, disk, Vec::new(), update).await
    }

    /// Notes that a block has to stay in the collection that runs.
    fn keep(&mut self, name: Sha1) {
        if let Some(collection) = &mut self.collection {
            collection.since.insert(name);
        }
    }

    async fn update(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        let (blocks, update) = self.some_update(pack, random).await?;
        self.apply(pack, disk, blocks, update).await
    }

    /// Sends some updates at the same time, so that they may share a batch.
    async fn update_at_once(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        random: &mut Random,
    ) -> ramus_core::Result<()> {
        let mut updates = Vec::new();
        for _ in 0..2 + random.below(AT_ONCE_MAX - 1) {
            updates.push(self.some_update(pack, random).await?);
        }
        self.apply_all(pack, disk, updates).await
    }

    async fn some_update(&mut self, pack: &Pack, random: &mut Random) -> ramus_core::Result<Write> {
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
        Ok((blocks, update))
    }

    async fn apply(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        blocks: Vec<(Sha1, Bytes)>,
        update: Update<RefName, Sha1>,
    ) -> ramus_core::Result<()> {
        self.apply_all(pack, disk, vec![(blocks, update)]).await
    }

    /// Sends updates at the same time, and notes what came of each.
    async fn apply_all(
        &mut self,
        pack: &Pack,
        disk: &SimDisk,
        updates: Vec<Write>,
    ) -> ramus_core::Result<()> {
        let (begun, sent) = (pack.refs().position().await?, updates.len());
        let mut changes = 0;
        let updates = updates.into_iter().map(async |(blocks, update)| {
            let id = update.id;
            let brought: Vec<_> = blocks.iter().map(|(name, _)| *name).collect();
            (pack.write(blocks, update).await, id, disk.recorded(), brought)
        });
        let (mut applied, mut failed) = (Vec::new(), None);
        for (answer, id, answered, brought) in join_all(updates).await {
            match answer {
                Ok(Outcome::Applied(at)) => applied.push((at, id, answered)),
                Ok(Outcome::Refused(_)) => panic!("nothing is tested, so nothing is refused"),
                Err(error) => {
                    self.forget_absent(pack, &brought).await;
                    failed = Some(error);
                }
            }
        }
        applied.sort_unstable_by_key(|(at, _, answered)| (at.sequence, *answered));
        // What answers with where the log ended has changed nothing; there need not be a change before it.
        for (at, id, answered) in applied.into_iter().filter(|(at, ..)| *at != begun) {
            let before = Cursor { sequence: at.sequence.saturating_sub(1), ..at };
            let Changes::Page(page) = pack.refs().changes(before, 1).await? else {
                panic!("the newest changes are kept")
            };
            // Otherwise it changed nothing.
            if let Some(change) = page.changes.first().filter(|change| change.id == id) {
                changes += 1;
                self.applied(Arc::clone(change), answered);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // One that changed nothing does not wait for the blocks that it brought.
        if self.manner.durability == Durability::Sync && changes == sent {
            self.all_durable(disk.recorded());
        }
        Ok(())
    }

    /// Forgets blocks that an update brought in vain, if they are not there: it need not have come so far.
    async fn forget_absent(&mut self, pack: &Pack, brought: &[Sha1]) {
        for name in brought {
            let known = self.blocks.get(name).is_some_and(|known| known.durable.is_none());
            if known && matches!(pack.blocks().mem(name).await, Ok(false)) {
                self.blocks.remove(name);
                if let Some(collection) = &mut self.collection {
                    collection.names.retain(|other| other != name);
                    collection.since.remove(name);
                }
            }
        }
    }

    /// Notes the next change, and after which operation it was answered.
    fn applied(&mut self, change: Arc<Change<RefName, Sha1>>, answered: usize) {
        let mut refs = self.states.last().expect("there is a first state").0.clone();
        let is_durable = self.manner.durability == Durability::Sync;
        for key in &change.keys {
            match key.new {
                Some(hash) => {
                    refs.insert(key.key.clone(), hash);
                    let known = self.blocks.entry(hash);
                    known.and_modify(|known| {
                        if is_durable {
                            known.durable.get_or_insert(answered);
                        }
                    });
                }
                None => {
                    refs.remove(&key.key);
                }
            }
        }
        self.changes.push(change);
        self.states.push((refs, if is_durable { answered } else { NOT_YET }));
    }

    /// Looks which of the blocks that were not durable a kill left: they are durable once the pack is
    /// open again. The others are gone. And what was removed is found again, if that was not finished.
    pub(super) async fn opened(&mut self, pack: &Pack, disk: &SimDisk) -> ramus_core::Result<()> {
        self.collection = None;
        self.all_answers_hold(disk.recorded());
        let mut gone = Vec::new();
        for (hash, known) in &mut self.blocks {
            if known.durable.is_some() && known.removed.is_none() {
                continue;
            }
            let there = pack.blocks().mem(hash).await?;
            match (there, known.removed) {
                (true, _) => {
                    known.removed = None;
                    known.durable.get_or_insert(disk.recorded());
                }
                (false, None) => gone.push(*hash),
                (false, Some(_)) => {}
            }
        }
        for hash in gone {
            self.blocks.remove(&hash);
        }
        Ok(())
    }

    /// Lets a check ask no more than that what is there is whole.
    pub(super) fn forget_answers(&mut self) {
        for (_, answer) in &mut self.states {
            *answer = NOT_YET;
        }
        for known in self.blocks.values_mut() {
            (known.durable, known.removed) = (None, None);
        }
    }

    /// Notes that every change that was answered is durable after so many operations.
    fn all_answers_hold(&mut self, operations: usize) {
        for (_, answer) in self.states.iter_mut().filter(|(_, answer)| *answer == NOT_YET) {
            *answer = operations;
        }
    }

    /// Notes that everything that was answered, and every block that was added, is durable after so many
    /// operations.
    fn all_durable(&mut self, operations: usize) {
        self.all_answers_hold(operations);
        for known in self.blocks.values_mut() {
            known.durable.get_or_insert(operations);
        }
    }

    /// Returns a block that is about to be added: a new one, or one that was there before.
    fn block(&mut self, random: &mut Random) -> Bytes {
        let bytes = if !self.blocks.is_empty() && random.once_in(3) {
            let at = random.below(self.blocks.len());
            self.blocks.values().nth(at).expect("there are more").bytes.clone()
        } else {
            let length = if random.once_in(10) { random.below(3000) } else { random.below(200) };
            let mut random = Random::new(random.next());
            // Some can be compressed.
            let mask = if random.once_in(2) { 3 } else { u8::MAX };
            (0..length).map(|_| random.byte() & mask).collect()
        };
        let name = Sha1::of(&bytes);
        let known = Known { bytes: bytes.clone(), durable: None, removed: None };
        let known = self.blocks.entry(name).or_insert(known);
        // Chance gives short blocks twice, too.
        if known.removed.take().is_some() {
            known.durable = None;
        }
        self.keep(name);
        bytes
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
        // What was under way may be there, too; they are the next ones then.
        if let Some((expected, _)) = self.states.get(sequence) {
            assert_eq!(&refs, expected, "the refs after change {sequence}");
        } else {
            let under_way = sequence + 1 - self.states.len();
            assert!(under_way <= AT_ONCE_MAX, "{under_way} changes were under way");
        }
        for (name, hash) in &refs {
            let block = pack.blocks().find(hash).await?;
            assert!(block.is_some(), "{name} names {hash}, which is not there");
            assert_eq!(Sha1::of(&block.unwrap_or_default()), *hash, "{name}");
        }
        let mut removals: BTreeMap<usize, BTreeSet<bool>> = BTreeMap::new();
        for (hash, Known { bytes, durable, removed }) in &self.blocks {
            let found = pack.blocks().find(hash).await?;
            let there = found.is_some();
            assert!(found.is_none_or(|found| found == *bytes), "block {hash}");
            match removed {
                Some((removal, begun)) if *begun <= operations => {
                    removals.entry(*removal).or_default().insert(there);
                }
                _ if durable.is_some_and(|durable| durable <= operations) => {
                    assert!(there, "block {hash} was durable");
                }
                _ => {}
            }
        }
        // What was removed comes back as a whole or not at all.
        let is_split = |(removal, there): &(&usize, &BTreeSet<bool>)| {
            there.len() > 1 && !self.partial.contains(removal)
        };
        let split: Vec<_> = removals.iter().filter(is_split).collect();
        assert!(split.is_empty(), "removals of which a part is there: {split:?}");
        self.check_log(pack, at).await
    }

    /// Checks that a pack shows the refs of some moment, and of the blocks what was added or nothing. What the
    /// refs named then may have been collected since.
    pub(super) async fn check_some_moment(&self, pack: &Pack) -> ramus_core::Result<()> {
        let snapshot = pack.refs().snapshot(b"").await?;
        let at = snapshot.cursor();
        let refs: BTreeMap<_, _> = snapshot.collect().await?.into_iter().collect();
        let moment = usize::try_from(at.sequence).ok().and_then(|at| self.states.get(at));
        let (expected, _) = moment.expect("it is a moment that was");
        assert_eq!(&refs, expected, "the refs after change {}", at.sequence);
        for (hash, Known { bytes, .. }) in &self.blocks {
            let found = pack.blocks().find(hash).await?;
            assert!(found.is_none_or(|found| found == *bytes), "block {hash}");
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
