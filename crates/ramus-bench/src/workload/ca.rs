//! Value i of length L is L/8 little-endian outputs of SplitMix64(1000000007 + i). N of them are added in
//! one batch; N `find`s on `keys[below(N)]`, seed 7; all are added again.
//!
//! Where answers wait for an fsync, the batch ends in a flush, and its floor is a plain sequential write
//! of the same bytes that ends in one fdatasync. Else the floor hashes the bytes and puts them into a map.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::hash::DigestHash;
use ramus_core::{
    ContentAddressable, ContentAddressableExt as _, Hash as _, ReadOnly as _, Result as CoreResult,
    Sha1, Storage as _,
};

use crate::Result;
use crate::context::{Context, Measured};
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const ADD: &str = "add";
const ADD_SYNCED: &str = "add and sync";
const FIND: &str = "find";
const ERASED: &str = "find, erased";
const AGAIN: &str = "add again";

struct Work {
    values: Vec<Bytes>,
    recorder: Recorder,
}

pub(super) async fn run(context: &Context<'_>, name: &str, length: u64) -> Measured {
    let quick = if length > 1000 { 20_000 } else { 100_000 };
    let count = context.size(quick, 200_000);
    let values = (0..count).map(|i| value(i, length)).collect();
    let mut work = Work { values, recorder: Recorder::new(name) };
    for subject in context.ramus() {
        let place = context.place(subject)?;
        if subject == Subject::RamusMem {
            work.ramus(subject, place.mem().blocks()).await?;
            work.erased(&place.backend().await?).await?;
            place.weigh().await?;
        } else {
            let pack = place.pack().await?;
            work.ramus(subject, pack.blocks()).await?;
            place.weigh().await?;
            pack.blocks().close().await?;
        }
    }
    if context.has(Subject::Floor) {
        work.floor_in_memory();
        work.floor_on_disk(context)?;
    }
    for peer in context.skilled(Skill::Blocks) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        let step = if peer.is_synced() { ADD_SYNCED } else { ADD };
        let (values, recorder) = (&work.values, &mut work.recorder);
        let start = Start::now();
        let blocks: Vec<_> = values.iter().map(|value| (Sha1::of(value), value.clone())).collect();
        store.add(&blocks)?;
        recorder.done(subject, step, values.len() as u64, start);
        let start = Start::now();
        for index in places(values.len()) {
            let mut same = false;
            let found =
                store.block(&blocks[index].0, &mut |block| same = *block == *values[index])?;
            assert!(found && same, "what was added is found");
        }
        recorder.done(subject, FIND, values.len() as u64, start);
        let start = Start::now();
        let blocks: Vec<_> = values.iter().map(|value| (Sha1::of(value), value.clone())).collect();
        store.add(&blocks)?;
        recorder.done(subject, AGAIN, values.len() as u64, start);
    }
    Ok(work.recorder.records)
}

fn value(i: u64, length: u64) -> Bytes {
    let mut random = SplitMix64::new(1_000_000_007 + i);
    (0..length / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// Returns which values are looked for.
fn places(count: usize) -> impl Iterator<Item = usize> {
    let mut random = SplitMix64::new(7);
    let below = move |_| usize::try_from(random.below(count as u64)).unwrap_or(0);
    (0..count).map(below)
}

impl Work {
    async fn ramus<B>(&mut self, subject: Subject, blocks: &B) -> Result<()>
    where
        B: ContentAddressable<Key = Sha1, Value = Bytes>,
    {
        let step = if subject == Subject::RamusPack { ADD_SYNCED } else { ADD };
        let count = self.values.len() as u64;
        let start = Start::now();
        let mut keys = Vec::with_capacity(self.values.len());
        self.add(blocks, step == ADD_SYNCED, |key| keys.push(key)).await?;
        self.recorder.done(subject, step, count, start);
        self.find(blocks, subject, FIND, &keys).await?;
        let start = Start::now();
        // They are not kept again: what a caller keeps is nothing that the store takes.
        let mut again = keys.iter();
        let same = |key| assert_eq!(again.next(), Some(&key), "the names are the same");
        self.add(blocks, step == ADD_SYNCED, same).await?;
        self.recorder.done(subject, AGAIN, count, start);
        Ok(())
    }

    /// Finds what was added before, by way of the erased type.
    async fn erased(&mut self, backend: &Backend<Sha1>) -> Result<()> {
        let keys: Vec<Sha1> = self.values.iter().map(|value| Sha1::of(value)).collect();
        self.find(backend.blocks(), Subject::RamusMem, ERASED, &keys).await
    }

    /// Adds all values in one batch, and tells their names in order.
    async fn add<B>(&self, blocks: &B, flushed: bool, mut name: impl FnMut(Sha1)) -> CoreResult<()>
    where
        B: ContentAddressable<Key = Sha1, Value = Bytes>,
    {
        let mut batch = blocks.batch();
        for value in &self.values {
            name(batch.add(value.clone())?);
        }
        batch.write().await?;
        if flushed {
            blocks.flush().await?;
        }
        Ok(())
    }

    async fn find<B>(
        &mut self,
        blocks: &B,
        subject: Subject,
        step: &str,
        keys: &[Sha1],
    ) -> Result<()>
    where
        B: ContentAddressable<Key = Sha1, Value = Bytes>,
    {
        let start = Start::now();
        for index in places(keys.len()) {
            let found = blocks.find(&keys[index]).await?;
            assert_eq!(found.as_ref(), Some(&self.values[index]), "what was added is found");
        }
        self.recorder.done(subject, step, keys.len() as u64, start);
        Ok(())
    }

    fn floor_in_memory(&mut self) {
        let count = self.values.len() as u64;
        let mut map: HashMap<Sha1, Bytes, DigestHash> = HashMap::default();
        let start = Start::now();
        let keys: Vec<Sha1> = self.values.iter().map(|value| Sha1::of(value)).collect();
        for (key, value) in keys.iter().zip(&self.values) {
            map.insert(*key, value.clone());
        }
        self.recorder.done(Subject::Floor, ADD, count, start);
        for step in [FIND, ERASED] {
            let start = Start::now();
            for index in places(keys.len()) {
                let found = map.get(&keys[index]).cloned();
                assert_eq!(found.as_ref(), Some(&self.values[index]), "what was put in is found");
            }
            self.recorder.done(Subject::Floor, step, count, start);
        }
        let start = Start::now();
        for value in &self.values {
            black_box(map.contains_key(&Sha1::of(value)));
        }
        self.recorder.done(Subject::Floor, AGAIN, count, start);
    }

    fn floor_on_disk(&mut self, context: &Context<'_>) -> Result<()> {
        /// So much is written at once.
        const PART: usize = 1 << 20;
        let place = context.place(Subject::Floor)?;
        let bytes = self.values.concat();
        let start = Start::now();
        let mut file = File::create(place.directory()?.join("floor"))?;
        for part in bytes.chunks(PART) {
            file.write_all(part)?;
        }
        file.sync_data()?;
        self.recorder.done(Subject::Floor, ADD_SYNCED, self.values.len() as u64, start);
        Ok(())
    }
}
