//! `a/%03d(i/100)/%02d(i mod 100)` -> `v<i>`, i < 100 000: built as one tree in memory, then saved as
//! one commit; then found at the head at random, seed 5.

use std::collections::HashMap;
use std::hint::black_box;

use ramus_core::hash::DigestHash;
use ramus_core::{Hash as _, Sha1};
use ramus_kv::Store;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Texts, info};
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::floors;
use crate::workload::versions::Versions;

pub(super) const COUNT: u64 = 100_000;
const BUILD: &str = "build and commit, per entry";
const FIND: &str = "find at the head";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let finds = context.size(50_000, 200_000);
    let mut recorder = Recorder::new("tree");
    let mut versions = Versions::default();
    versions.commit(edits(0..COUNT));
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let repo = place.repo().await?;
        let main = repo.main().await?;
        let start = Start::now();
        commit(&main, 0..COUNT).await?;
        recorder.done(subject, BUILD, COUNT, start);
        recorder.result(&main.tree().await?.hash().await?);
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        for _ in 0..finds {
            let i = random.below(COUNT);
            assert!(main.find(path(i)).await?.is_some(), "what was set is found");
        }
        recorder.done(subject, FIND, finds, start);
        versions.ask(&mut recorder, subject, (&repo, &main)).await?;
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, finds);
        floors::on_disk(context, &mut recorder, (BUILD, COUNT), std::iter::once_with(blocks))?;
    }
    for peer in context.skilled(Skill::Values) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        let start = Start::now();
        store.set(&edits(0..COUNT))?;
        recorder.done(subject, BUILD, COUNT, start);
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        for _ in 0..finds {
            let i = random.below(COUNT);
            assert!(store.find(&path(i))?.is_some(), "what was set is found");
        }
        recorder.done(subject, FIND, finds, start);
        versions.ask_peer(&mut recorder, peer, &mut *store)?;
    }
    Ok(recorder.records)
}

pub(super) fn path(i: u64) -> String {
    format!("a/{:03}/{:02}", i / 100, i % 100)
}

/// Returns the entries of these numbers.
pub(super) fn edits(numbers: impl IntoIterator<Item = u64>) -> Vec<(String, String)> {
    numbers.into_iter().map(|i| (path(i), format!("v{i}"))).collect()
}

/// Commits the entries of these numbers.
pub(super) async fn commit(
    main: &Store<Texts>,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<()> {
    let mut edit = main.begin().await?;
    for i in numbers {
        edit.set(path(i), format!("v{i}")).await?;
    }
    main.commit(edit, info()).await?;
    Ok(())
}

/// Returns the entries, written into a thousand blocks.
fn blocks() -> floors::Blocks {
    let directory = |block| {
        let mut bytes = Vec::new();
        for i in block * 100..block * 100 + 100 {
            bytes.extend_from_slice(path(i).as_bytes());
            bytes.extend_from_slice(format!("v{i}").as_bytes());
        }
        bytes
    };
    (0..COUNT / 100).map(directory).collect()
}

/// The blocks are hashed and put into a map; a find reads a map.
fn floor(recorder: &mut Recorder, finds: u64) {
    let start = Start::now();
    let mut map: HashMap<Sha1, Vec<u8>, DigestHash> = HashMap::default();
    for block in blocks() {
        map.insert(Sha1::of(&block), block);
    }
    recorder.done(Subject::Floor, BUILD, COUNT, start);
    black_box(map);
    let values: HashMap<String, String> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(5);
    let start = Start::now();
    for _ in 0..finds {
        black_box(values.get(&path(random.below(COUNT))).cloned());
    }
    recorder.done(Subject::Floor, FIND, finds, start);
}
