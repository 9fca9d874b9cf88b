//! One directory `w` with `k%06d(i)` -> `v<i>` of growing size: an update and its commit, a lookup, a
//! page of 100 at a random offset, the diff of a one-key change, and a merge of 100 changes against
//! 100 others.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ramus_core::{Hash as _, Sha1};
use ramus_kv::{ListOptions, Store};

use crate::Result;
use crate::cli::{RunOptions, Scale};
use crate::fixture::{Texts, info, metered_repo};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder, Subject};

const UPDATES: u64 = 1000;
const READS: u64 = 5000;
const PAGES: u64 = 1000;
const DIFFS: u64 = 500;
const MERGES: u64 = 20;
const CHANGES: u64 = 100;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("growth");
    let largest = if options.scale == Scale::Full { 1_000_000 } else { 100_000 };
    for count in [1000, 10_000, 100_000, 1_000_000].into_iter().filter(|count| *count <= largest) {
        let bytes =
            if options.has(Subject::RamusMem) { ramus(&mut recorder, count).await? } else { 0 };
        if options.has(Subject::Floor) {
            floor_of_updates(&mut recorder, &format!("update {count}"), UPDATES, bytes);
        }
    }
    Ok(recorder.records)
}

/// Measures one size; returns the bytes that an update writes.
async fn ramus(recorder: &mut Recorder, count: u64) -> Result<u64> {
    let subject = Subject::RamusMem;
    let (repo, written) = metered_repo();
    let main = repo.main().await?;
    fill(&main, count).await?;
    let mut random = SplitMix64::new(11);

    let (before, start) = (written(), Instant::now());
    for j in 0..UPDATES {
        main.set(key(random.below(count)), format!("u{j}"), info()).await?;
    }
    let bytes = written() - before;
    recorder.add(subject, &format!("update {count}"), UPDATES, start.elapsed(), bytes);

    let start = Instant::now();
    for _ in 0..READS {
        assert!(main.find(key(random.below(count))).await?.is_some(), "it was set");
    }
    recorder.done(subject, &format!("lookup {count}"), READS, start);

    let tree = main.tree().await?;
    let start = Instant::now();
    for _ in 0..PAGES {
        let options = ListOptions::default().with_offset(random.below(count - 100)).with_limit(100);
        assert_eq!(tree.list_with("w", options).await?.len(), 100, "a whole page");
    }
    recorder.done(subject, &format!("page of 100 at {count}"), PAGES, start);

    let mut took = Duration::ZERO;
    for j in 0..DIFFS {
        let old = main.tree().await?;
        main.set(key(random.below(count)), format!("d{j}"), info()).await?;
        let new = main.tree().await?;
        let start = Instant::now();
        assert_eq!(old.diff(&new).collect().await?.len(), 1, "one key differs");
        took += start.elapsed();
    }
    recorder.add(subject, &format!("diff of one key {count}"), DIFFS, took, 0);

    let mut took = Duration::ZERO;
    for j in 0..MERGES {
        let other = main.fork(&format!("other{j}")).await?;
        for (store, parity) in [(&main, 0), (&other, 1)] {
            let mut edit = store.begin().await?;
            for _ in 0..CHANGES {
                // One side changes the even keys, the other one the odd ones.
                let i = random.below(count / 2) * 2 + parity;
                edit.set(key(i), format!("m{j}-{parity}")).await?;
            }
            store.commit(edit, info()).await?;
        }
        let start = Instant::now();
        main.merge(&other, info()).await?.clean()?;
        took += start.elapsed();
    }
    recorder.add(subject, &format!("merge of 100 and 100 {count}"), MERGES, took, 0);
    Ok(bytes / UPDATES)
}

/// Puts entries into the directory, in one commit.
pub(super) async fn fill(main: &Store<Texts>, count: u64) -> Result<()> {
    let mut edit = main.begin().await?;
    for i in 0..count {
        edit.set(key(i), format!("v{i}")).await?;
    }
    main.commit(edit, info()).await?;
    Ok(())
}

pub(super) fn key(i: u64) -> String {
    format!("w/k{i:06}")
}

/// An update hashes the bytes that it writes and puts them into a map.
pub(super) fn floor_of_updates(recorder: &mut Recorder, step: &str, updates: u64, bytes: u64) {
    let size = usize::try_from(bytes).unwrap_or(usize::MAX).max(8);
    let mut map: HashMap<Sha1, Vec<u8>> = HashMap::new();
    let start = Instant::now();
    for i in 0..updates {
        let mut block = vec![0; size];
        block[..8].copy_from_slice(&i.to_le_bytes());
        map.insert(Sha1::of(&block), block);
    }
    recorder.done(Subject::Floor, step, updates, start);
    black_box(map);
}
