//! One directory `w` with `k%06d(i)` -> `v<i>`, one commit; then 1000 commits j, each setting
//! k(below(N)) to `u<j>`, seed 11; then 1000 finds.

use std::time::Instant;

use crate::Result;
use crate::cli::{RunOptions, Scale};
use crate::fixture::{info, metered_repo};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder, Subject};
use crate::workload::growth;

const COMMITS: u64 = 1000;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let count = if options.scale == Scale::Full { 100_000 } else { 10_000 };
    let mut recorder = Recorder::new("wide");
    let mut bytes_per_commit = 0;
    if options.has(Subject::RamusMem) {
        let (repo, written) = metered_repo();
        let main = repo.main().await?;
        let start = Instant::now();
        growth::fill(&main, count).await?;
        recorder.done(Subject::RamusMem, "first commit, per entry", count, start);
        let mut random = SplitMix64::new(11);
        let (before, start) = (written(), Instant::now());
        for j in 0..COMMITS {
            let key = growth::key(random.below(count));
            main.set(key, format!("u{j}"), info()).await?;
        }
        let bytes = written() - before;
        bytes_per_commit = bytes / COMMITS;
        recorder.add(Subject::RamusMem, "update and commit", COMMITS, start.elapsed(), bytes);
        let start = Instant::now();
        for _ in 0..COMMITS {
            let found = main.find(growth::key(random.below(count))).await?;
            assert!(found.is_some(), "what was set is found");
        }
        recorder.done(Subject::RamusMem, "find", COMMITS, start);
    }
    if options.has(Subject::Floor) {
        growth::floor_of_updates(&mut recorder, "update and commit", COMMITS, bytes_per_commit);
    }
    Ok(recorder.records)
}
