//! Collections: what is given back, when, and what goes on beside it.

mod beside;
mod ended;
mod pace;

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _,
    ReadOnly as _, RefName, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::settings;
use crate::check::check_disk;
use crate::disk::{Access, Disk};
use crate::format::manifest::FileKind;
use crate::options::Settings;
use crate::protection::DROPPED_MAX;
use crate::scan::scan;
use crate::{Depth, Durability, Pack, Report};

fn open_with(disk: &SimDisk, change: impl FnOnce(&mut Settings)) -> Pack {
    let mut settings = settings(Durability::Sync);
    change(&mut settings);
    Pack::open_disk(Arc::new(disk.clone()), settings).expect("open")
}

fn open(disk: &SimDisk) -> Pack {
    open_with(disk, |_| {})
}

/// A block of 200 bytes that no other number has.
fn block(number: u64) -> Bytes {
    let mut random = Random::new(number);
    (0..200).map(|_| random.byte()).collect()
}

fn name(number: u64) -> Sha1 {
    Sha1::of(&block(number))
}

async fn add(pack: &Pack, numbers: impl IntoIterator<Item = u64>) {
    let blocks = numbers.into_iter().map(|number| (name(number), block(number))).collect();
    pack.blocks().unsafe_add_many(blocks).await.expect("add");
}

/// Removes blocks and finishes the collection.
async fn remove(pack: &Pack, numbers: impl IntoIterator<Item = u64>) -> usize {
    let sweep = pack.sweep().expect("a sweep");
    let epoch = sweep.begin().await.expect("begin");
    let names = numbers.into_iter().map(name).collect();
    let removed = sweep.remove_many(epoch, names).await.expect("remove_many");
    sweep.finish(epoch).await.expect("finish");
    removed
}

/// Checks which of the blocks up to `end` are there.
async fn look(pack: &Pack, end: u64, is_there: impl Fn(u64) -> bool) {
    for number in 0..end {
        let found = pack.blocks().find(&name(number)).await.expect("find");
        let expected = is_there(number).then(|| block(number));
        assert_eq!(found, expected, "block {number}");
    }
    let keys: Vec<Sha1> = pack.sweep().expect("a sweep").keys().try_collect().await.expect("keys");
    let expected = (0..end).filter(|number| is_there(*number)).count();
    assert!(keys.len() >= expected);
    for number in (0..end).filter(|number| !is_there(*number)) {
        assert!(!keys.contains(&name(number)), "block {number} is among the keys");
    }
}

fn checked(disk: &SimDisk) -> Report {
    let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
    assert_eq!(report.problems, Vec::<String>::new());
    report
}

/// Returns how many blocks lie in the segments.
pub(super) fn blocks_in_segments(disk: &SimDisk) -> u64 {
    let mut blocks = 0;
    for (name, _) in disk.files() {
        if let Some((FileKind::Segment, number)) = FileKind::of_file_name(&name) {
            let file = Disk::open(disk, &name, Access::Read).expect("open");
            blocks += scan::<Sha1>(&*file, number).expect("it is sound").places.len() as u64;
        }
    }
    blocks
}

/// Returns how many bytes the files have whose names end so.
fn bytes(disk: &SimDisk, end: &str) -> usize {
    let files = disk.files();
    files.iter().filter(|(name, _)| name.ends_with(end)).map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn what_was_removed_gives_back_its_room() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..200).await;
        let before = bytes(&disk, ".segment");
        assert_eq!(remove(&pack, (0..200).filter(|number| number % 4 != 0)).await, 150);
        look(&pack, 200, |number| number % 4 == 0).await;
        let after = bytes(&disk, ".segment");
        assert!(after * 2 < before, "{before} bytes became {after}");
        // What is left is not copied again for nothing.
        let files = disk.files().len();
        assert_eq!(remove(&pack, []).await, 0);
        assert!(disk.files().len() <= files + 1);
        pack.close().await.expect("close");
        let report = checked(&disk);
        assert_eq!((report.blocks, report.collected), (50, 0));
        let pack = open(&disk);
        look(&pack, 200, |number| number % 4 == 0).await;
        // Those that were copied can be removed as well, though nothing was added since.
        assert_eq!(remove(&pack, 0..200).await, 50);
        look(&pack, 200, |_| false).await;
        pack.close().await.expect("close");
        assert_eq!(checked(&disk).blocks, 0);
    });
}

#[test]
fn of_a_segment_that_has_lost_little_it_is_noted_how_much() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_percent = 100;
            settings.segment_bytes = 60_000;
        });
        add(&pack, 0..200).await;
        assert_eq!(remove(&pack, 0..20).await, 20);
        look(&pack, 200, |number| number >= 20).await;
        pack.close().await.expect("close");
        let report = checked(&disk);
        assert_eq!((report.blocks, report.collected), (180, 20));
        // They are gone, and can be added again and be removed again.
        let pack = open_with(&disk, |settings| settings.options.reclaim_percent = 100);
        look(&pack, 200, |number| number >= 20).await;
        add(&pack, 0..10).await;
        look(&pack, 200, |number| !(10..20).contains(&number)).await;
        assert_eq!(remove(&pack, 5..30).await, 15);
        look(&pack, 200, |number| !(5..30).contains(&number)).await;
        pack.close().await.expect("close");
        let report = checked(&disk);
        assert_eq!((report.blocks, report.collected), (175, 35));
    });
}

#[test]
fn what_was_removed_comes_back_if_the_collection_was_not_finished() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..100).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..60).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 60);
        // Segments are sealed and runs merged meanwhile, and what was removed stays removed.
        add(&pack, 100..300).await;
        look(&pack, 300, |number| number >= 60).await;
        add(&pack, 0..5).await;
        look(&pack, 300, |number| !(5..60).contains(&number)).await;
        pack.close().await.expect("close");
        drop((pack, sweep));
        checked(&disk);
        let pack = open(&disk);
        look(&pack, 300, |_| true).await;
        // The next collection leaves nothing over of those that lie there twice.
        assert_eq!(remove(&pack, 0..150).await, 150);
        look(&pack, 300, |number| number >= 150).await;
        pack.close().await.expect("close");
        checked(&disk);
        look(&open(&disk), 300, |number| number >= 150).await;
    });
}

#[test]
fn what_is_removed_for_good_no_ref_names_after_a_power_cut() {
    run(async {
        for durability in [Durability::Sync, Durability::Os] {
            let disk = SimDisk::default();
            let recording = disk.record();
            let pack = super::work::open(&disk, durability).expect("open");
            add(&pack, 0..2).await;
            let branch = RefName::branch("main").expect("a name");
            pack.refs().set(branch.clone(), name(0)).await.expect("set");
            let sweep = pack.sweep().expect("a sweep");
            let epoch = sweep.begin().await.expect("begin");
            pack.refs().set(branch.clone(), name(1)).await.expect("set");
            assert_eq!(sweep.remove_many(epoch, vec![name(0)]).await.expect("remove_many"), 1);
            sweep.finish(epoch).await.expect("finish");
            let operations = disk.recorded();
            let disk = recording.of(&disk).power_cut(operations);
            let pack = super::work::open(&disk, durability).expect("open again");
            let held = pack.refs().find(&branch).await.expect("find").expect("it is set");
            let block = pack.blocks().find(&held).await.expect("find");
            assert!(block.is_some(), "{durability:?}: a ref names what is not there");
        }
    });
}

#[test]
fn a_ref_holds_what_it_names_and_what_is_gone_cannot_be_named() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..50).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let update = async |number| {
            let update = Update::new(pack.refs().position().await.expect("position"));
            let branch = RefName::branch("main").expect("a name");
            pack.refs().update(update.set(branch, name(number))).await
        };
        assert!(update(7).await.expect("update").is_applied());
        let names = (0..50).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 49);
        let kind = update(8).await.map_err(|error| error.kind());
        assert_eq!(kind.map(drop), Err(ErrorKind::Missing));
        sweep.finish(epoch).await.expect("finish");
        look(&pack, 50, |number| number == 7).await;
    });
}

#[test]
fn what_was_read_before_it_was_removed_is_not_found_in_the_cache() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| settings.options.cache_bytes = 1 << 20);
        add(&pack, 0..20).await;
        look(&pack, 20, |_| true).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        look(&pack, 20, |_| true).await;
        let names = (0..10).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 10);
        look(&pack, 20, |number| number >= 10).await;
        let names: Vec<_> = (0..20).map(name).collect();
        let found = pack.blocks().find_many(&names).await.expect("find_many");
        assert_eq!(found.iter().flatten().count(), 10);
        sweep.finish(epoch).await.expect("finish");
        look(&pack, 20, |number| number >= 10).await;
    });
}

#[test]
fn small_segments_are_put_together() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| settings.segment_bytes = 100_000);
        for round in 0..40 {
            add(&pack, [2 * round, 2 * round + 1]).await;
            assert_eq!(remove(&pack, [2 * round]).await, 1, "round {round}");
        }
        let segments = disk.files().iter().filter(|(name, _)| name.ends_with(".segment")).count();
        assert!(segments < 12, "{segments} segments");
        look(&pack, 80, |number| number % 2 == 1).await;
        pack.close().await.expect("close");
        checked(&disk);
    });
}

#[test]
fn many_small_segments_are_put_together_though_nothing_was_removed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| settings.segment_bytes = 100_000);
        for number in 0..40 {
            add(&pack, [number]).await;
            assert_eq!(remove(&pack, []).await, 0);
        }
        let segments = disk.files().iter().filter(|(name, _)| name.ends_with(".segment")).count();
        assert!(segments < 30, "{segments} segments");
        look(&pack, 40, |_| true).await;
        pack.close().await.expect("close");
        checked(&disk);
    });
}

#[test]
fn a_collection_remembers_so_many_names_and_removes_nothing_beyond() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..10).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let pins = DROPPED_MAX as u64;
        drop(sweep.pin((0..pins).map(name).collect()).await.expect("pin"));
        assert_eq!(sweep.pinned(epoch).await.expect("pinned").len(), DROPPED_MAX);
        drop(sweep.pin(vec![name(pins)]).await.expect("pin"));
        let kind = sweep.pinned(epoch).await.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Limit));
        let names = (0..10).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 0);
        sweep.finish(epoch).await.expect("finish");
        assert_eq!(remove(&pack, 0..10).await, 10);
    });
}
