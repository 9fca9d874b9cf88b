//! Merges of index runs: what goes on beside them, and what comes of one that does not end well.

mod ended;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    ContentAddressable as _, Hash as _, ReadOnly as _, Sha1, Storage as _, Sweep as _,
};
use ramus_testkit::{Campaign, run};
use tokio::sync::oneshot;

use super::collect::blocks_in_segments;
use super::sim::{Failure, Op, Random, SimDisk};
use super::work::settings;
use crate::check::check_disk;
use crate::format::manifest::FileKind;
use crate::options::Settings;
use crate::reclaim::Building;
use crate::recover::read_manifest;
use crate::writer::core::Job;
use crate::{Depth, Durability, Mode, Pack, PackOptions, Report};

/// An index of more than this was merged: one of a single segment has one page.
const MERGED_BYTES: usize = 8000;
/// So many blocks fill a segment.
const SEGMENT_BLOCKS: u64 = 30;
/// So many runs are left when nothing has to be merged.
const RUNS_MAX: usize = 4;

fn open(disk: &SimDisk) -> Pack {
    Pack::open_disk(Arc::new(disk.clone()), settings(Durability::Sync)).expect("open")
}

/// A block of 200 bytes that no other number has.
fn block(number: u64) -> Bytes {
    let mut random = Random::new(number);
    (0..200).map(|_| random.byte()).collect()
}

fn name(number: u64) -> Sha1 {
    Sha1::of(&block(number))
}

/// Adds the next blocks, as many as fill a segment, makes them durable, and waits until the writer has sealed it.
async fn fill_segment(pack: &Pack, next: &mut u64) {
    let blocks = (*next..*next + SEGMENT_BLOCKS).map(|number| (name(number), block(number)));
    pack.blocks().unsafe_add_many(blocks.collect()).await.expect("add");
    *next += SEGMENT_BLOCKS;
    pack.blocks().flush().await.expect("flush");
    while !is_idle(pack) {
        tokio::task::yield_now().await;
    }
}

fn is_idle(pack: &Pack) -> bool {
    pack.blocks().0.shared.core.lock().idle.is_some()
}

fn runs(pack: &Pack) -> usize {
    pack.blocks().0.shared.index.runs().len()
}

/// Waits until no runs are merged and the writer has nothing to do, or a merge is held.
async fn settle(pack: &Pack, disk: &SimDisk) {
    let building = &pack.blocks().0.shared.building;
    // The writer begins the next merge before it rests.
    while !disk.is_holding() && (!is_idle(pack) || building.is_merging()) {
        tokio::task::yield_now().await;
    }
}

/// Fills segments until a merge is held, and returns how many blocks there are.
async fn hold_a_merge(pack: &Pack, disk: &SimDisk) -> u64 {
    disk.hold_a_long_index(MERGED_BYTES);
    let mut next = 0;
    while !disk.is_holding() {
        fill_segment(pack, &mut next).await;
        settle(pack, disk).await;
        assert!(next < 100 * SEGMENT_BLOCKS, "no runs are merged");
    }
    next
}

/// Checks which of the blocks up to `end` are there.
async fn look(pack: &Pack, end: u64, is_there: impl Fn(u64) -> bool) {
    for number in 0..end {
        let found = pack.blocks().find(&name(number)).await.expect("find");
        assert_eq!(found, is_there(number).then(|| block(number)), "block {number}");
    }
}

/// Closes, and checks that the directory is whole and holds nothing that does not count.
async fn close(pack: Pack, disk: &SimDisk) -> Report {
    pack.close().await.expect("close");
    drop(pack);
    let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
    assert_eq!(report.problems, Vec::<String>::new());
    let manifest = read_manifest(disk).expect("a manifest");
    for (name, _) in disk.files() {
        if let Some((FileKind::Index, number)) = FileKind::of_file_name(&name) {
            let mut listed = manifest.files(FileKind::Index);
            assert!(listed.any(|file| file.number == number), "{name} does not count");
        }
    }
    report
}

#[test]
fn a_commit_beside_a_merge_waits_for_none_of_it() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = hold_a_merge(&pack, &disk).await;
        let before = runs(&pack);
        // Segments are sealed meanwhile, too.
        for _ in 0..5 {
            fill_segment(&pack, &mut next).await;
        }
        assert!(disk.is_holding(), "it is not done yet");
        assert!(runs(&pack) >= before + 5, "the writer does not merge");
        look(&pack, next, |_| true).await;
        disk.release();
        settle(&pack, &disk).await;
        assert!(runs(&pack) <= RUNS_MAX);
        look(&pack, next, |_| true).await;
        close(pack, &disk).await;
        look(&open(&disk), next, |_| true).await;
    });
}

#[test]
fn where_runs_come_faster_than_they_are_merged_the_writer_merges_them() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = hold_a_merge(&pack, &disk).await;
        let max = runs(&pack) + settings(Durability::Sync).runs_behind_max;
        for _ in 0..50 {
            fill_segment(&pack, &mut next).await;
            assert!(runs(&pack) <= max);
        }
        assert!(disk.is_holding());
        look(&pack, next, |_| true).await;
        disk.release();
        settle(&pack, &disk).await;
        fill_segment(&pack, &mut next).await;
        settle(&pack, &disk).await;
        assert!(runs(&pack) <= RUNS_MAX);
        look(&pack, next, |_| true).await;
        close(pack, &disk).await;
        look(&open(&disk), next, |_| true).await;
    });
}

#[test]
fn what_is_removed_while_runs_are_merged_stays_removed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let next = hold_a_merge(&pack, &disk).await;
        let before = runs(&pack);
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let removed = Building::REMOVED_BYTES_MAX as u64 / 20;
        let names = (0..removed).map(name).collect();
        let count = sweep.remove_many(epoch, names).await.expect("remove_many");
        assert_eq!(count as u64, removed);
        disk.release();
        settle(&pack, &disk).await;
        assert!(runs(&pack) < before, "the merge was put in place");
        look(&pack, next, |number| number >= removed).await;
        // Until it is finished, nothing of it is for good.
        close(pack.clone(), &disk).await;
        drop((pack, sweep));
        look(&open(&disk), next, |_| true).await;
    });
}

#[test]
fn what_is_removed_when_a_merged_run_waits_for_the_writer_stays_removed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let next = hold_a_merge(&pack, &disk).await;
        let before = runs(&pack);
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let shared = &pack.blocks().0.shared;
        let (answer, removed) = oneshot::channel();
        // The writer is not told, so it comes to that when the run is there, which is behind it.
        let job = Job::Remove(epoch, (0..20).map(name).collect(), answer);
        shared.core.lock().jobs.push_back(job);
        disk.release();
        assert_eq!(removed.await.expect("an answer").expect("remove_many"), 20);
        settle(&pack, &disk).await;
        assert!(runs(&pack) < before, "the merge was put in place");
        look(&pack, next, |number| number >= 20).await;
        sweep.finish(epoch).await.expect("finish");
        close(pack.clone(), &disk).await;
        drop((pack, sweep));
        look(&open(&disk), next, |number| number >= 20).await;
    });
}

/// Fills a segment with blocks that are there already, and are written again since a collection has begun.
async fn fill_again(pack: &Pack) {
    pack.sweep().expect("a sweep").begin().await.expect("begin");
    fill_segment(pack, &mut 0).await;
}

#[test]
fn what_a_merged_run_leaves_out_is_counted() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        for _ in 0..12 {
            fill_again(&pack).await;
            settle(&pack, &disk).await;
        }
        assert!(runs(&pack) <= RUNS_MAX);
        let report = close(pack, &disk).await;
        assert!(report.collected > 4 * SEGMENT_BLOCKS, "{report:?}");
        assert_eq!(report.blocks + report.collected, blocks_in_segments(&disk), "{report:?}");
        look(&open(&disk), SEGMENT_BLOCKS, |_| true).await;
    });
}

#[test]
fn what_the_writer_leaves_out_where_it_merges_is_counted() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let next = hold_a_merge(&pack, &disk).await;
        for _ in 0..12 {
            fill_again(&pack).await;
        }
        assert!(disk.is_holding(), "no other merge has left them out");
        disk.release();
        settle(&pack, &disk).await;
        let report = close(pack, &disk).await;
        assert!(report.collected > 4 * SEGMENT_BLOCKS, "{report:?}");
        assert_eq!(report.blocks + report.collected, blocks_in_segments(&disk), "{report:?}");
        look(&open(&disk), next, |_| true).await;
    });
}

#[test]
fn a_merge_is_given_up_beside_which_too_much_is_removed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = hold_a_merge(&pack, &disk).await;
        let before = runs(&pack);
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let removed = Building::REMOVED_BYTES_MAX as u64 / 20 + 1;
        let names = (0..removed).map(name).collect();
        sweep.remove_many(epoch, names).await.expect("remove_many");
        disk.release();
        settle(&pack, &disk).await;
        assert!(runs(&pack) >= before, "it was not put in place");
        look(&pack, next, |number| number >= removed).await;
        // The next one finds it removed.
        fill_segment(&pack, &mut next).await;
        settle(&pack, &disk).await;
        assert!(runs(&pack) < before);
        look(&pack, next, |number| number >= removed).await;
        sweep.finish(epoch).await.expect("finish");
        close(pack.clone(), &disk).await;
        drop((pack, sweep));
        look(&open(&disk), next, |number| number >= removed).await;
    });
}

#[test]
fn a_collection_that_copies_comes_before_a_merge() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = hold_a_merge(&pack, &disk).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        // Not so many that the merge is given up for that.
        let removed = 80;
        let names = (0..removed / 2).map(|number| name(2 * number)).collect();
        sweep.remove_many(epoch, names).await.expect("remove_many");
        assert!(!pack.blocks().0.shared.building.is_given_up());
        let finishing = tokio::spawn(async move { sweep.finish(epoch).await });
        while !pack.blocks().0.shared.building.is_given_up() {
            tokio::task::yield_now().await;
        }
        disk.release();
        finishing.await.expect("no panic").expect("finish");
        let is_there = |number| number >= removed || number % 2 == 1;
        look(&pack, next, is_there).await;
        for _ in 0..8 {
            fill_segment(&pack, &mut next).await;
            settle(&pack, &disk).await;
        }
        assert!(runs(&pack) <= RUNS_MAX);
        close(pack, &disk).await;
        look(&open(&disk), next, is_there).await;
    });
}

#[test]
fn closing_ends_a_merge() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let next = hold_a_merge(&pack, &disk).await;
        let closing = tokio::spawn({
            let pack = pack.clone();
            async move { pack.close().await }
        });
        while !pack.blocks().0.shared.building.is_closing() {
            tokio::task::yield_now().await;
        }
        assert!(!closing.is_finished(), "somebody writes a file");
        disk.release();
        closing.await.expect("no panic").expect("close");
        close(pack, &disk).await;
        look(&open(&disk), next, |_| true).await;
    });
}

#[test]
fn a_merge_that_fails_costs_nothing_and_is_tried_again() {
    run(async {
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
            let disk = SimDisk::default();
            let pack = open(&disk);
            let mut next = hold_a_merge(&pack, &disk).await;
            let before = runs(&pack);
            disk.fail(Some(Failure { at: 1, kind, lasts: false }));
            disk.release();
            settle(&pack, &disk).await;
            assert!(disk.failed(), "its sync failed");
            assert_eq!(runs(&pack), before);
            look(&pack, next, |_| true).await;
            fill_segment(&pack, &mut next).await;
            settle(&pack, &disk).await;
            assert!(runs(&pack) < before, "it was tried again");
            look(&pack, next, |_| true).await;
            close(pack, &disk).await;
            look(&open(&disk), next, |_| true).await;
        }
    });
}

#[test]
fn a_crash_at_any_moment_of_a_merge_loses_nothing() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    for _ in 0..campaign.times(1) {
        // Each has a bound of its own on how long it may take.
        run(crash_anywhere_in_a_merge(&mut random));
    }
}

async fn crash_anywhere_in_a_merge(random: &mut Random) {
    let disk = SimDisk::default();
    let recording = disk.record();
    let pack = open(&disk);
    let (mut next, mut answered) = (0, Vec::new());
    for _ in 0..5 {
        fill_segment(&pack, &mut next).await;
        // The next ones are filled while runs are merged.
        answered.push((disk.recorded(), next));
    }
    settle(&pack, &disk).await;
    let recording = recording.of(&disk);
    let kind = |name: &str| FileKind::of_file_name(name).map(|(kind, _)| kind);
    let is_index = |name: &str| kind(name) == Some(FileKind::Index);
    let removes = |op: &&Op| matches!(op, Op::Unlink { name } if is_index(name));
    assert!(recording.log.iter().filter(removes).count() > 2, "runs were merged");
    for operations in 0..=recording.log.len() {
        // Before the directory is synced a manifest may be in place, and what it lists not.
        let renamed = matches!(recording.log[..operations].last(), Some(Op::Rename { .. }));
        let crashes = if renamed { 10 } else { 1 };
        let crashes = (0..crashes).map(|_| recording.crash(operations, random));
        for disk in crashes.chain([recording.power_cut(operations)]) {
            let pack = open(&disk);
            let durable = answered.iter().rfind(|(at, _)| *at <= operations);
            for number in 0..durable.map_or(0, |(_, end)| *end) {
                let found = pack.blocks().find(&name(number)).await.expect("find");
                assert_eq!(found, Some(block(number)), "{number}, crash at {operations}");
            }
            settle(&pack, &disk).await;
            close(pack, &disk).await;
        }
    }
}

#[test]
fn a_reader_finds_everything_while_runs_are_merged() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let next = hold_a_merge(&pack, &disk).await;
        let read = || {
            let options = PackOptions::default().with_mode(Mode::Read).with_cache_bytes(0);
            let options = options.with_follow_ms(60_000);
            Pack::<Sha1>::open_disk(Arc::new(disk.clone()), Settings::new(options)).expect("open")
        };
        let reader = read();
        look(&reader, next, |_| true).await;
        let before = runs(&reader);
        disk.release();
        settle(&pack, &disk).await;
        // The files that it has open have no names any more.
        look(&reader, next, |_| true).await;
        let shared = &reader.blocks().0.shared;
        shared.follow().expect("follow");
        assert!(runs(&reader) < before);
        look(&reader, next, |_| true).await;
        look(&read(), next, |_| true).await;
    });
}

#[test]
fn runs_stay_few_however_often_a_process_is_killed() {
    run(async {
        let mut disk = SimDisk::default();
        let max = RUNS_MAX + settings(Durability::Sync).runs_behind_max;
        for number in 0..60 {
            let pack = open(&disk);
            assert!(runs(&pack) <= max);
            settle(&pack, &disk).await;
            assert!(runs(&pack) <= RUNS_MAX, "an opening has them merged");
            pack.blocks().add(block(number)).await.expect("add");
            pack.blocks().flush().await.expect("flush");
            disk = disk.kill();
        }
        look(&open(&disk), 60, |_| true).await;
    });
}
