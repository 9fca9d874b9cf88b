//! 10 000 `set`s on main, one commit each: path `a/%02d(i/100)/%03d(i mod 100)`, value `v<i>`; then
//! 10 000 `find`s at the head, seed 9; then some at earlier commits.

use std::collections::HashMap;
use std::hint::black_box;

use ramus_core::hash::DigestHash;
use ramus_core::{Hash as _, Sha1};

use crate::context::{Context, Measured};
use crate::fixture::info;
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::floors;
use crate::workload::versions::Versions;

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let count = context.size(1000, 10_000);
    let mut recorder = Recorder::new("kvset");
    let paths: Vec<String> = (0..count).map(path).collect();
    let mut versions = Versions::default();
    for (i, path) in paths.iter().enumerate() {
        versions.commit([(path.clone(), format!("v{i}"))]);
    }
    for subject in context.ramus_alone() {
        let place = context.place(subject)?;
        let repo = place.repo().await?;
        let main = repo.main().await?;
        let start = Start::now();
        for (i, path) in paths.iter().enumerate() {
            main.set(path, format!("v{i}"), info()).await?;
        }
        recorder.done(subject, "commit", count, start);
        recorder.result(&main.tree().await?.hash().await?);
        let mut random = SplitMix64::new(9);
        let start = Start::now();
        for _ in 0..count {
            let i = random.below(count);
            let found = main.find(path(i)).await?;
            assert_eq!(found, Some(format!("v{i}")), "what was set is found");
        }
        recorder.done(subject, "find", count, start);
        versions.ask(&mut recorder, subject, (&repo, &main)).await?;
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, count);
        floors::on_disk(
            context,
            &mut recorder,
            ("commit", count),
            (0..count).map(|i| blocks(i, count)),
        )?;
    }
    for peer in context.skilled(Skill::Values) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        let start = Start::now();
        for (i, path) in paths.iter().enumerate() {
            store.set(&[(path.clone(), format!("v{i}"))])?;
        }
        recorder.done(subject, "commit", count, start);
        let mut random = SplitMix64::new(9);
        let start = Start::now();
        for _ in 0..count {
            let i = random.below(count);
            assert_eq!(store.find(&path(i))?, Some(format!("v{i}")), "what was set is found");
        }
        recorder.done(subject, "find", count, start);
        versions.ask_peer(&mut recorder, peer, &mut *store)?;
    }
    Ok(recorder.records)
}

fn path(i: u64) -> String {
    format!("a/{:02}/{:03}", i / 100, i % 100)
}

/// Returns what a commit writes: three directories and itself, of the sizes that they have here on average;
/// the middle one has an entry for every hundred commits.
fn blocks(i: u64, count: u64) -> floors::Blocks {
    let middle = usize::try_from(count).map_or(0, |count| count / 200 * 28);
    let block = |size: usize| {
        let mut block = vec![0; size];
        block[..8].copy_from_slice(&i.to_le_bytes());
        block
    };
    [30, middle, 50 * 12, 100].map(block).to_vec()
}

/// A commit hashes its blocks, and puts them into a map.
fn floor(recorder: &mut Recorder, count: u64) {
    let mut map: HashMap<Sha1, Vec<u8>, DigestHash> = HashMap::default();
    let start = Start::now();
    for i in 0..count {
        for block in blocks(i, count) {
            map.insert(Sha1::of(&block), block);
        }
    }
    recorder.done(Subject::Floor, "commit", count, start);
    let values: HashMap<String, String> = (0..count).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(9);
    let start = Start::now();
    for _ in 0..count {
        black_box(values.get(&path(random.below(count))).cloned());
    }
    recorder.done(Subject::Floor, "find", count, start);
    black_box(map);
}
