//! Calls of the file system that fail, each of them once.

use std::io;

use ramus_core::{ErrorKind, Hash as _, ReadOnly as _, Sha1, Storage as _};
use ramus_testkit::{Campaign, run};

use super::sim::{Failure, Random, SimDisk};
use super::work::{History, open};
use crate::Durability;

/// Runs per unit of scale, each with a failure at every call.
const RUNS: usize = 1;

#[test]
fn whatever_call_fails_no_answer_is_lost() {
    check(io::ErrorKind::Other);
}

#[test]
fn when_the_disk_is_full_no_answer_is_lost_and_writing_resumes() {
    check(io::ErrorKind::StorageFull);
}

fn check(kind: io::ErrorKind) {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    for _ in 0..campaign.times(RUNS) {
        let seed = random.next();
        let (mut at, mut reached) = (1, true);
        while reached {
            // Each has a bound of its own on how long it may take.
            run(async {
                let failure = Failure { at, kind, lasts: at.is_multiple_of(2) };
                reached = fail_at(seed, failure).await;
            });
            at += 1;
        }
    }
}

/// Works until the call fails; returns whether it was reached.
async fn fail_at(seed: u64, failure: Failure) -> bool {
    let mut random = Random::new(seed);
    let disk = SimDisk::default();
    let mut history = History::new();
    disk.fail(Some(failure));
    let context = format!("seed {seed}, {failure:?}");
    if let Ok(pack) = open(&disk, Durability::Sync) {
        let worked = history.work(&pack, &disk, 60, &mut random).await;
        disk.fail(None);
        let refused = worked.err().map(|error| error.kind());
        // What was answered can be read, whatever happened.
        let checked = history.check(&pack, usize::MAX).await;
        checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        if refused == Some(ErrorKind::Limit) {
            let resumed = history.work(&pack, &disk, 60, &mut random).await;
            resumed.unwrap_or_else(|error| panic!("{context}, resumed: {error:?}"));
        }
        // After a failure there may be something that could not be written.
        drop(pack.close().await);
        let closed = pack.blocks().find(&Sha1::of(b"")).await.expect_err("it is closed");
        assert_eq!(closed.kind(), ErrorKind::Closed);
    }
    let reached = disk.failed();
    disk.fail(None);
    let pack = open(&disk, Durability::Sync);
    let pack = pack.unwrap_or_else(|error| panic!("{context}, opened again: {error:?}"));
    let checked = history.check(&pack, usize::MAX).await;
    checked.unwrap_or_else(|error| panic!("{context}, opened again: {error:?}"));
    pack.close().await.expect("close");
    reached
}

#[test]
fn without_another_open_file_no_answer_is_lost_and_writing_resumes() {
    run(async {
        let mut random = Random::new(5);
        let disk = SimDisk::default();
        let mut history = History::new();
        let pack = open(&disk, Durability::Sync).expect("open");
        let mut refused = 0;
        for round in 0..40 {
            disk.open_nothing(round % 2 == 1);
            let worked = history.work(&pack, &disk, 20, &mut random).await;
            disk.open_nothing(false);
            if let Err(error) = worked {
                assert_eq!(round % 2, 1, "{error:?}");
                refused += 1;
            }
            history.check(&pack, usize::MAX).await.expect("check");
        }
        assert!(refused > 3, "{refused} were refused");
        pack.close().await.expect("close");
        let pack = open(&disk, Durability::Sync).expect("open again");
        history.check(&pack, usize::MAX).await.expect("check");
    });
}
