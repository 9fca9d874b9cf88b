//! `a/%03d(i/100)/%02d(i mod 100)` -> `v<i>`, i < 100 000: built as one tree in memory, then saved as
//! one commit; then found at the head at random, seed 5.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::cli::{RunOptions, Scale};
use crate::fixture::{info, mem_repo};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder, Subject};

const COUNT: u64 = 100_000;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let finds = if options.scale == Scale::Full { 200_000 } else { 50_000 };
    let mut recorder = Recorder::new("tree");
    if options.has(Subject::RamusMem) {
        let main = mem_repo().main().await?;
        let start = Instant::now();
        let mut edit = main.begin().await?;
        for i in 0..COUNT {
            edit.set(path(i), format!("v{i}")).await?;
        }
        main.commit(edit, info()).await?;
        recorder.done(Subject::RamusMem, "build and commit, per entry", COUNT, start);
        let mut random = SplitMix64::new(5);
        let start = Instant::now();
        for _ in 0..finds {
            let i = random.below(COUNT);
            let found = main.find(path(i)).await?;
            assert!(found.is_some(), "what was set is found");
        }
        recorder.done(Subject::RamusMem, "find at the head", finds, start);
    }
    if options.has(Subject::Floor) {
        floor(&mut recorder, finds);
    }
    Ok(recorder.records)
}

fn path(i: u64) -> String {
    format!("a/{:03}/{:02}", i / 100, i % 100)
}

/// The entries are written into a thousand blocks, which are hashed and put into a map; a find reads
/// a map.
fn floor(recorder: &mut Recorder, finds: u64) {
    let start = Instant::now();
    let mut map: HashMap<Sha1, Vec<u8>> = HashMap::new();
    for block in 0..COUNT / 100 {
        let mut bytes = Vec::new();
        for i in block * 100..block * 100 + 100 {
            bytes.extend_from_slice(path(i).as_bytes());
            bytes.extend_from_slice(format!("v{i}").as_bytes());
        }
        map.insert(Sha1::of(&bytes), bytes);
    }
    recorder.done(Subject::Floor, "build and commit, per entry", COUNT, start);
    black_box(map);
    let values: HashMap<String, String> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(5);
    let start = Instant::now();
    for _ in 0..finds {
        black_box(values.get(&path(random.below(COUNT))).cloned());
    }
    recorder.done(Subject::Floor, "find at the head", finds, start);
}
