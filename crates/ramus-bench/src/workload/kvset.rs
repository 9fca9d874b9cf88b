//! 10 000 `set`s on main, one commit each: path `a/%02d(i/100)/%03d(i mod 100)`, value `v<i>`; then
//! 10 000 `find`s at the head, seed 9.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::cli::RunOptions;
use crate::fixture::{info, mem_repo};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder, Subject};

const COUNT: u64 = 10_000;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("kvset");
    if options.has(Subject::RamusMem) {
        let main = mem_repo().main().await?;
        let paths: Vec<String> = (0..COUNT).map(path).collect();
        let start = Instant::now();
        for (i, path) in paths.iter().enumerate() {
            main.set(path, format!("v{i}"), info()).await?;
        }
        recorder.done(Subject::RamusMem, "commit", COUNT, start);
        let mut random = SplitMix64::new(9);
        let start = Instant::now();
        for _ in 0..COUNT {
            let i = random.below(COUNT);
            let found = main.find(path(i)).await?;
            assert_eq!(found, Some(format!("v{i}")), "what was set is found");
        }
        recorder.done(Subject::RamusMem, "find", COUNT, start);
    }
    if options.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

fn path(i: u64) -> String {
    format!("a/{:02}/{:03}", i / 100, i % 100)
}

/// A commit hashes three directories and itself, of the sizes that they have here on average, and
/// puts them into a map.
fn floor(recorder: &mut Recorder) {
    const SIZES: [usize; 4] = [30, 50 * 28, 50 * 12, 100];
    let mut map: HashMap<Sha1, Vec<u8>> = HashMap::new();
    let start = Instant::now();
    for i in 0..COUNT {
        for size in SIZES {
            let mut block = vec![0; size];
            block[..8].copy_from_slice(&i.to_le_bytes());
            map.insert(Sha1::of(&block), block);
        }
    }
    recorder.done(Subject::Floor, "commit", COUNT, start);
    let values: HashMap<String, String> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(9);
    let start = Instant::now();
    for _ in 0..COUNT {
        black_box(values.get(&path(random.below(COUNT))).cloned());
    }
    recorder.done(Subject::Floor, "find", COUNT, start);
    black_box(map);
}
