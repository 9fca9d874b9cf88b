//! Crashes: every moment of some random work, with what a disk may lose then.

use std::sync::Arc;

use ramus_core::{Sha1, Storage as _};
use ramus_testkit::{Campaign, run};

use super::sim::{Random, Recording, SimDisk};
use super::work::{History, Manner, open};
use crate::check::check_disk;
use crate::{Depth, Durability};

/// Crash states per unit of scale.
const STATES: usize = 400;

#[test]
fn after_a_crash_every_answer_holds_and_nothing_is_half_there() {
    crash_often(Durability::Sync);
}

#[test]
fn with_durability_os_what_a_crash_leaves_is_whole_and_what_was_flushed_is_there() {
    crash_often(Durability::Os);
}

fn crash_often(durability: Durability) {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let mut states = 0;
    while states < campaign.times(STATES) {
        states += crash_everywhere(durability, random.next());
    }
}

#[test]
fn a_crash_while_a_directory_is_made_once_more_does_not_make_it_unusable() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let disk = SimDisk::default();
    let recording = disk.record();
    drop(open(&disk, Durability::Sync).expect("open"));
    let recording = recording.of(&disk);
    for operations in 0..=recording.log.len() {
        let disk = recording.crash(operations, &mut random);
        let again = disk.record();
        drop(open(&disk, Durability::Sync).expect("open"));
        let again = again.of(&disk);
        for crashed in 0..=again.log.len() {
            for _ in 0..campaign.times(10) {
                let disk = again.crash(crashed, &mut random);
                let opened = open(&disk, Durability::Sync);
                opened.unwrap_or_else(|error| panic!("{operations}, then {crashed}: {error:?}"));
            }
        }
    }
}

/// Does some work and crashes at each operation of it; returns how many states that were.
fn crash_everywhere(durability: Durability, seed: u64) -> usize {
    /// So many states have a bound of their own on how long they may take.
    const AT_ONCE: usize = 25;
    let mut random = Random::new(seed);
    let mut recorded_work = None;
    run(async { recorded_work = Some(recorded(durability, &mut random).await) });
    let (recording, history) = recorded_work.expect("it has worked");
    let all: Vec<_> = (0..=recording.log.len()).collect();
    for some in all.chunks(AT_ONCE) {
        run(async {
            for operations in some {
                crash_once(&recording, *operations, &history, &mut random, seed).await;
            }
        });
    }
    all.len()
}

/// Works three times, and closes the pack or is killed after each.
pub(super) async fn recorded(durability: Durability, random: &mut Random) -> (Recording, History) {
    let mut disk = SimDisk::default();
    let mut history = History::new();
    let recording = disk.record();
    for _ in 0..3 {
        history.manner = Manner::any(durability, random);
        let pack = history.manner.open(&disk).expect("open");
        history.opened(&pack, &disk).await.expect("read");
        let things = 10 + random.below(30);
        history.work(&pack, &disk, things, random).await.expect("work");
        if random.once_in(2) {
            pack.close().await.expect("close");
        } else {
            disk = disk.kill();
        }
    }
    (recording.of(&disk), history)
}

/// Crashes, perhaps once more while that is mended, and looks.
pub(super) async fn crash_once(
    recording: &Recording,
    operations: usize,
    history: &History,
    random: &mut Random,
    seed: u64,
) {
    let context = || format!("seed {seed}, a crash after {operations} operations");
    let mut disk = recording.crash(operations, random);
    if random.once_in(3) {
        let again = disk.record();
        let opened = history.manner.open(&disk);
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
        drop(opened);
        let again = again.of(&disk);
        let crashed = random.below(again.log.len() + 1);
        disk = again.crash(crashed, random);
    }
    for _ in 0..2 {
        let pack =
            history.manner.open(&disk).unwrap_or_else(|error| panic!("{}: {error:?}", context()));
        let checked = history.check(&pack, operations).await;
        checked.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
        pack.close().await.expect("close");
    }
    let report = check_disk::<Sha1>(&Arc::new(disk), Depth::Full);
    let report = report.unwrap_or_else(|error| panic!("{}: {error:?}", context()));
    assert_eq!(report.problems, Vec::<String>::new(), "{}", context());
}
