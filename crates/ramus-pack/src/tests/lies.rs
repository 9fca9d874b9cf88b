//! Seeded faults: each leaves out one of the syncs, or changes the order of two operations, and the
//! crash tests have to notice it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use ramus_testkit::run;

use super::crash::{crash_once, recorded};
use super::sim::{Op, Random, Recording};
use super::work::History;
use crate::Durability;

/// What is done to a recording.
type Change = fn(&mut Recording, &BTreeMap<usize, String>);

/// What is left out: an operation, by its index.
type Lie = fn(&Recording, &BTreeMap<usize, String>, usize) -> bool;

/// Seeds that are tried until a fault is noticed.
const SEEDS: u64 = 12;

fn is_noticed(lie: Lie) {
    noticed(|recording, names| {
        let dropped: Vec<_> =
            (0..recording.log.len()).filter(|at| lie(recording, names, *at)).collect();
        // Times are numbers of operations, so something has to stay in its place.
        for at in dropped {
            recording.log[at] = Op::Nothing;
        }
    });
}

fn is_noticed_if(change: Change) {
    noticed(change);
}

fn noticed(change: impl Fn(&mut Recording, &BTreeMap<usize, String>)) {
    run(async {
        for seed in 1..=SEEDS {
            let mut random = Random::new(seed);
            let (mut recording, history) = recorded(Durability::Sync, &mut random).await;
            let names = recording.names();
            change(&mut recording, &names);
            if fails(&recording, &history, &mut random, seed).await {
                return;
            }
        }
        panic!("the fault was not noticed");
    });
}

/// Returns whether any crash shows that something is wrong.
async fn fails(recording: &Recording, history: &History, random: &mut Random, seed: u64) -> bool {
    for operations in 0..=recording.log.len() {
        let crash = crash_once(recording, operations, history, random, seed);
        if AssertUnwindSafe(crash).catch_unwind().await.is_err() {
            return true;
        }
    }
    false
}

/// Returns whether the operation is a sync of a file of such a name.
fn syncs(recording: &Recording, names: &BTreeMap<usize, String>, at: usize, end: &str) -> bool {
    matches!(&recording.log[at], Op::SyncFile { file } if names[file].ends_with(end))
}

/// Returns whether the file of a sync was made since the last sync of it: it is a new one.
fn is_new(recording: &Recording, at: usize) -> bool {
    let Op::SyncFile { file: synced } = recording.log[at] else { return false };
    let last = recording.log[..at].iter().rev().find(|op| match op {
        Op::Create { file, .. } | Op::SyncFile { file } => *file == synced,
        _ => false,
    });
    matches!(last, Some(Op::Create { .. }))
}

#[test]
fn a_batch_that_is_published_before_it_is_synced() {
    is_noticed(|recording, names, at| {
        syncs(recording, names, at, ".segment") && !is_new(recording, at)
    });
}

#[test]
fn a_new_segment_that_is_not_synced() {
    is_noticed(|recording, names, at| {
        syncs(recording, names, at, ".segment") && is_new(recording, at)
    });
}

#[test]
fn an_index_that_is_not_synced() {
    is_noticed(|recording, names, at| syncs(recording, names, at, ".index"));
}

#[test]
fn changes_that_are_not_synced() {
    is_noticed(|recording, names, at| syncs(recording, names, at, ".changes"));
}

#[test]
fn refs_that_are_not_synced() {
    is_noticed(|recording, names, at| syncs(recording, names, at, ".refs"));
}

#[test]
fn a_manifest_that_is_not_synced_before_it_is_renamed() {
    is_noticed(|recording, names, at| syncs(recording, names, at, "manifest.new"));
}

#[test]
fn a_directory_that_is_not_synced_before_the_manifest() {
    is_noticed(|recording, _, at| {
        let renamed = at > 0 && matches!(recording.log[at - 1], Op::Rename { .. });
        matches!(recording.log[at], Op::SyncDirectory) && !renamed
    });
}

#[test]
fn a_directory_that_is_not_synced_after_the_manifest() {
    is_noticed(|recording, _, at| {
        let renamed = at > 0 && matches!(recording.log[at - 1], Op::Rename { .. });
        matches!(recording.log[at], Op::SyncDirectory) && renamed
    });
}

/// Returns whether the file of a sync was filled before it was synced for the first time: a collection
/// copied blocks into it.
fn is_copy(recording: &Recording, at: usize) -> bool {
    let Op::SyncFile { file: synced } = recording.log[at] else { return false };
    let mut writes = recording.log[..at].iter().filter_map(|op| match op {
        Op::Write { file, bytes, .. } if *file == synced => Some(bytes),
        _ => None,
    });
    is_new(recording, at) && writes.any(|bytes| bytes.starts_with(b"RmBt"))
}

#[test]
fn a_copied_segment_that_is_not_synced() {
    is_noticed(|recording, names, at| {
        syncs(recording, names, at, ".segment") && is_copy(recording, at)
    });
}

#[test]
fn files_that_are_removed_before_the_manifest_is_in_place() {
    is_noticed_if(|recording, _| {
        for at in 0..recording.log.len() {
            let before = recording.log[..at].iter();
            let renamed = before.clone().rposition(|op| matches!(op, Op::Rename { .. }));
            if let (Op::Unlink { .. }, Some(renamed)) = (&recording.log[at], renamed) {
                recording.log[renamed..=at].rotate_right(1);
            }
        }
    });
}
