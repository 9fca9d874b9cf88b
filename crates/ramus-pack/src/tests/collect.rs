//! Collections: what is given back, when, and what goes on beside it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{FutureExt as _, TryStreamExt as _};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Epoch, ErrorKind, Hash as _,
    ReadOnly as _, RefName, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_testkit::run;
use tokio::sync::oneshot;

use super::sim::{Failure, Random, SimDisk};
use super::work::settings;
use crate::check::check_disk;
use crate::disk::{Access, Disk};
use crate::format::manifest::FileKind;
use crate::index::Read;
use crate::index::run::Lookup;
use crate::options::Settings;
use crate::protection::DROPPED_MAX;
use crate::scan::scan;
use crate::writer::core::Job;
use crate::{Depth, Durability, Pack, PackSweep, Report};

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
fn blocks_in_segments(disk: &SimDisk) -> u64 {
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
fn a_collection_that_is_overtaken_while_it_copies_brings_nothing_back() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(50_000);
        });
        add(&pack, 0..100).await;
        let sweep = pack.sweep().expect("a sweep");
        let first = sweep.begin().await.expect("begin");
        let names = (0..50).map(|number| name(2 * number)).collect();
        assert_eq!(sweep.remove_many(first, names).await.expect("remove_many"), 50);
        let segments = |disk: &SimDisk| {
            disk.files().iter().filter(|(name, _)| name.ends_with(".segment")).count()
        };
        let before = segments(&disk);
        let finishing = tokio::spawn({
            let sweep = sweep.clone();
            async move { sweep.finish(first).await }
        });
        while segments(&disk) == before {
            tokio::task::yield_now().await;
        }
        // It copies now what the next one removes.
        let second = sweep.begin().await.expect("begin");
        let names = (0..30).map(|number| name(2 * number + 1)).collect();
        assert_eq!(sweep.remove_many(second, names).await.expect("remove_many"), 30);
        finishing.await.expect("no panic").expect("finish");
        look(&pack, 100, |number| number % 2 == 1 && number > 60).await;
        sweep.finish(second).await.expect("finish");
        look(&pack, 100, |number| number % 2 == 1 && number > 60).await;
        pack.close().await.expect("close");
        drop((pack, sweep));
        assert_eq!(checked(&disk).blocks, 20);
        look(&open(&disk), 100, |number| number % 2 == 1 && number > 60).await;
    });
}

#[test]
fn a_write_holds_what_was_there_already_while_it_waits() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..5).await;
        remove(&pack, []).await;
        // A sync is under way, and as much is waiting as is kept in memory.
        disk.hold();
        let flushing = {
            let pack = pack.clone();
            tokio::spawn(async move {
                add(&pack, [5]).await;
                pack.blocks().flush().await
            })
        };
        disk.wait_for_sync();
        let adding = {
            let pack = pack.clone();
            tokio::spawn(async move { add(&pack, 100..150).await })
        };
        let shared = &pack.blocks().0.shared;
        let waiting = || shared.core.lock().waiting.len();
        while waiting() < 2 {
            tokio::task::yield_now().await;
        }
        // So this has to wait, and the block that it names is there.
        let update = Update::new(pack.refs().position().await.expect("position"));
        let update = update.set(RefName::branch("main").expect("a name"), name(3));
        let mut written = pack.write(vec![(name(3), block(3))], update).boxed();
        while waiting() < 3 {
            assert!((&mut written).now_or_never().is_none(), "there is no room");
            tokio::task::yield_now().await;
        }
        disk.release();
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..5).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 4);
        sweep.finish(epoch).await.expect("finish");
        assert!(written.await.expect("write").is_applied());
        flushing.await.expect("no panic").expect("flush");
        adding.await.expect("no panic");
        look(&pack, 5, |number| number == 3).await;
    });
}

#[test]
fn a_large_write_holds_what_it_has_brought_while_it_waits() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        disk.hold();
        let flushing = {
            let pack = pack.clone();
            tokio::spawn(async move {
                add(&pack, [99]).await;
                pack.blocks().flush().await
            })
        };
        disk.wait_for_sync();
        // Some of its blocks find room, and the others wait for it.
        let update = Update::new(pack.refs().position().await.expect("position"));
        let update = update.set(RefName::branch("main").expect("a name"), name(0));
        let blocks = (0..40).map(|number| (name(number), block(number))).collect();
        let mut writing = pack.write(blocks, update).boxed();
        let shared = &pack.blocks().0.shared;
        while shared.core.lock().waiting.len() < 2 {
            assert!((&mut writing).now_or_never().is_none(), "there is no room");
            tokio::task::yield_now().await;
        }
        disk.release();
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..40).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 0);
        sweep.finish(epoch).await.expect("finish");
        assert!(writing.await.expect("write").is_applied());
        flushing.await.expect("no panic").expect("flush");
        look(&pack, 40, |_| true).await;
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
fn a_collection_copies_no_faster_than_it_may() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(50_000);
        });
        add(&pack, 0..100).await;
        let begun = Instant::now();
        // 50 records of 236 bytes; what comes last is not waited for.
        remove(&pack, (0..100).filter(|number| number % 2 == 0)).await;
        assert!(begun.elapsed() >= Duration::from_millis(200));
        look(&pack, 100, |number| number % 2 == 1).await;
    });
}

#[test]
fn the_indexes_that_a_collection_reads_and_writes_count_where_it_has_to_be_slow() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(20_000);
        });
        add(&pack, 0..100).await;
        let begun = Instant::now();
        // Nothing is copied. 100 entries of 32 bytes are read when it is counted.
        remove(&pack, 0..100).await;
        assert!(begun.elapsed() >= Duration::from_millis(100));
        look(&pack, 100, |_| false).await;
        add(&pack, 0..100).await;
        let begun = Instant::now();
        // Nothing is copied, either, and the 99 that are left are read once more and written.
        remove(&pack, [50]).await;
        assert!(begun.elapsed() >= Duration::from_millis(300));
        look(&pack, 100, |number| number != 50).await;
    });
}

#[test]
fn a_collection_that_has_to_be_slow_needs_no_timer_of_the_runtime() {
    // With a single thread where blocking is allowed, which the writer needs, too.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(100_000);
        });
        add(&pack, 0..100).await;
        remove(&pack, (0..100).filter(|number| number % 2 == 0)).await;
        look(&pack, 100, |number| number % 2 == 1).await;
        pack.close().await.expect("close");
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
fn what_is_sealed_and_merged_while_a_collection_copies_stays() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(50_000);
        });
        add(&pack, 0..100).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..50).map(|number| name(2 * number)).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 50);
        let segments = |disk: &SimDisk| {
            disk.files().iter().filter(|(name, _)| name.ends_with(".segment")).count()
        };
        let before = segments(&disk);
        let finishing = tokio::spawn(async move { sweep.finish(epoch).await });
        while segments(&disk) == before {
            tokio::task::yield_now().await;
        }
        // It copies now: new segments are sealed meanwhile, their runs merged, and strays removed.
        add(&pack, 100..300).await;
        pack.blocks().flush().await.expect("flush");
        look(&pack, 300, |number| number >= 100 || number % 2 == 1).await;
        finishing.await.expect("no panic").expect("finish");
        look(&pack, 300, |number| number >= 100 || number % 2 == 1).await;
        pack.close().await.expect("close");
        drop(pack);
        checked(&disk);
        look(&open(&disk), 300, |number| number >= 100 || number % 2 == 1).await;
    });
}

#[test]
fn closing_ends_a_collection_that_copies() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| {
            settings.options.reclaim_bytes_per_second = Some(1);
        });
        add(&pack, 0..100).await;
        let removing = {
            let pack = pack.clone();
            tokio::spawn(async move {
                let sweep = pack.sweep().expect("a sweep");
                let epoch = sweep.begin().await.expect("begin");
                let names = (0..50).map(|number| name(2 * number)).collect();
                sweep.remove_many(epoch, names).await.expect("remove_many");
                sweep.finish(epoch).await.map_err(|error| error.kind())
            })
        };
        // It copies as soon as there is a segment with a number that no other has.
        while pack.blocks().mem(&name(0)).await.expect("mem") {
            tokio::task::yield_now().await;
        }
        pack.close().await.expect("close");
        assert_eq!(removing.await.expect("no panic"), Err(ErrorKind::Closed));
        drop(pack);
        checked(&disk);
        look(&open(&disk), 100, |_| true).await;
    });
}

#[test]
fn a_finish_that_is_dropped_gives_nothing_back_and_the_next_one_does() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..100).await;
        let sweep = pack.sweep().expect("a sweep");
        for polls in 0..4 {
            let epoch = sweep.begin().await.expect("begin");
            let names = (0..=polls).map(name).collect();
            sweep.remove_many(epoch, names).await.expect("remove_many");
            let mut finishing = sweep.finish(epoch).boxed();
            for _ in 0..polls {
                if (&mut finishing).now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(finishing);
            look(&pack, 100, |number| number > polls).await;
        }
        assert_eq!(remove(&pack, [50]).await, 1);
        look(&pack, 100, |number| number > 3 && number != 50).await;
        pack.close().await.expect("close");
        drop((pack, sweep));
        checked(&disk);
        look(&open(&disk), 100, |number| number > 3 && number != 50).await;
    });
}

#[test]
fn readers_and_writers_beside_collections_miss_nothing() {
    const ROUNDS: u64 = 30;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| settings.options.cache_bytes = 20_000);
        add(&pack, 0..100).await;
        let reader = {
            let pack = pack.clone();
            tokio::spawn(async move {
                let mut random = Random::new(3);
                for _ in 0..3000 {
                    // Every tenth is never removed.
                    let number = 10 * (random.next() % 10);
                    let found = pack.blocks().find(&name(number)).await.expect("find");
                    assert_eq!(found, Some(block(number)), "block {number}");
                    let some: Vec<_> = (0..10).map(|number| name(10 * number)).collect();
                    let found = pack.blocks().find_many(&some).await.expect("find_many");
                    assert!(found.iter().all(Option::is_some));
                    tokio::task::yield_now().await;
                }
            })
        };
        let writer = {
            let pack = pack.clone();
            tokio::spawn(async move {
                let branch = RefName::branch("main").expect("a name");
                for number in (100..).take_while(|number| *number < 100 + 10 * ROUNDS) {
                    let update = Update::new(pack.refs().position().await.expect("position"));
                    let update = update.set(branch.clone(), name(number % 200));
                    let blocks = vec![(name(number % 200), block(number % 200))];
                    assert!(pack.write(blocks, update).await.expect("write").is_applied());
                    let there = pack.blocks().find(&name(number % 200)).await.expect("find");
                    assert_eq!(there, Some(block(number % 200)), "a ref names {number}");
                }
            })
        };
        let sweep = pack.sweep().expect("a sweep");
        let mut round = 0;
        while !(reader.is_finished() && writer.is_finished()) || round < ROUNDS {
            let epoch = sweep.begin().await.expect("begin");
            let branch = RefName::branch("main").expect("a name");
            let held = pack.refs().find(&branch).await.expect("find");
            let all = (0..200).filter(|number| number % 10 != 0).map(name);
            let garbage: Vec<_> = all.filter(|name| Some(*name) != held).collect();
            sweep.remove_many(epoch, garbage).await.expect("remove_many");
            if round % 3 != 0 {
                sweep.finish(epoch).await.expect("finish");
            }
            round += 1;
            if round % 5 == 0 {
                add(&pack, (0..100).filter(|number| number % 3 == 0)).await;
            }
        }
        reader.await.expect("the reader misses nothing");
        writer.await.expect("the writer misses nothing");
        pack.close().await.expect("close");
        drop((pack, sweep));
        checked(&disk);
    });
}

#[test]
fn a_collection_that_did_not_begin_is_over() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..10).await;
        let sweep = pack.sweep().expect("a sweep");
        // The new segment cannot be made.
        disk.fail(Some(Failure { at: 1, kind: io::ErrorKind::Other, lasts: true }));
        let kind = sweep.begin().await.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        disk.fail(None);
        assert_eq!(sweep.0.shared.since(), 0, "an `add` may rely on what is there");
        assert!(sweep.pinned(Epoch::new(1)).await.is_err(), "nothing is remembered for it");

        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..10).await;
        let sweep = pack.sweep().expect("a sweep");
        // As of a future that was dropped when it had asked.
        let (answer, answered) = oneshot::channel();
        drop(answered);
        sweep.0.shared.core.lock().jobs.push_back(Job::Begin(answer));
        // It comes after what was asked for before.
        sweep.finish(Epoch::new(0)).await.expect("it is over");
        assert_eq!(sweep.0.shared.since(), 0, "nobody knows of it");
        assert_eq!(remove(&pack, 0..5).await, 5);
        look(&pack, 10, |number| number >= 5).await;
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

/// Makes a pack of a hundred blocks, and removes half of them.
async fn half_removed(disk: &SimDisk) -> (Pack, PackSweep, Epoch) {
    let pack = open(disk);
    add(&pack, 0..100).await;
    let sweep = pack.sweep().expect("a sweep");
    let epoch = sweep.begin().await.expect("begin");
    let names = (0..50).map(name).collect();
    assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 50);
    (pack, sweep, epoch)
}

/// Finishes a collection that was not finished, twice, and looks what is left.
async fn finish_again(disk: &SimDisk, pack: Pack, sweep: PackSweep, epoch: Epoch) {
    sweep.finish(epoch).await.expect("finish again");
    sweep.finish(epoch).await.expect("it is finished");
    pack.close().await.expect("close");
    drop((pack, sweep));
    checked(disk);
    look(&open(disk), 100, |number| number >= 50).await;
}

#[test]
fn a_finish_that_failed_can_be_called_again() {
    run(async {
        // Which of the calls is the first that fails: when it copies, or makes the switch.
        for at in 1.. {
            let disk = SimDisk::default();
            let (pack, sweep, epoch) = half_removed(&disk).await;
            disk.fail(Some(Failure { at, kind: io::ErrorKind::StorageFull, lasts: false }));
            let failed = sweep.finish(epoch).await.map_err(|error| error.kind());
            let reached = disk.failed();
            disk.fail(None);
            if failed.is_err() && failed != Err(ErrorKind::Limit) {
                // A sync: the writer has ended.
                continue;
            }
            finish_again(&disk, pack, sweep, epoch).await;
            if !reached {
                assert!(at > 5, "it copies");
                return;
            }
        }
    });
}

#[test]
fn a_finish_that_was_dropped_can_be_called_again() {
    run(async {
        for polls in 0..6 {
            let disk = SimDisk::default();
            let (pack, sweep, epoch) = half_removed(&disk).await;
            let mut finishing = sweep.finish(epoch).boxed();
            for _ in 0..polls {
                if (&mut finishing).now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(finishing);
            finish_again(&disk, pack, sweep, epoch).await;
        }
    });
}

#[test]
fn a_damaged_block_keeps_its_segment_and_the_rest_is_given_back() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..200).await;
        let before = bytes(&disk, ".segment");
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..200).filter(|number| number % 4 != 0).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 150);
        let damaged = disk.flip(&block(100));
        let error = sweep.finish(epoch).await.expect_err("a block cannot be read");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains(&damaged) && text.contains("is finished"), "{text}");
        sweep.finish(epoch).await.expect("it is finished");
        let after = bytes(&disk, ".segment");
        assert!(after < before, "{before} bytes became {after}");
        assert!(disk.files().iter().any(|(name, _)| *name == damaged), "it stays");
        for _ in 0..2 {
            for number in (0..200).filter(|number| *number != 100) {
                let found = pack.blocks().find(&name(number)).await.expect("find");
                assert_eq!(found, (number % 4 == 0).then(|| block(number)), "block {number}");
            }
            let found = pack.blocks().find(&name(100)).await.map_err(|error| error.kind());
            assert_eq!(found, Err(ErrorKind::Corrupt));
            // The next one goes on with the rest, too.
            let epoch = sweep.begin().await.expect("begin");
            assert_eq!(sweep.remove_many(epoch, vec![name(0)]).await.expect("remove"), 1);
            add(&pack, [0]).await;
            let finished = sweep.finish(epoch).await.map_err(|error| error.kind());
            assert_eq!(finished, Err(ErrorKind::Corrupt));
        }
        pack.close().await.expect("close");
        drop((pack, sweep));
        let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
        // Each block that was written counts, or does not: also those that were copied out of what stays.
        let sound = SimDisk::of_files(disk.files());
        let mut flipped = block(100).to_vec();
        flipped[0] ^= 1;
        sound.flip(&flipped);
        assert_eq!(report.blocks + report.collected, blocks_in_segments(&sound), "{report:?}");
        assert!(report.problems.iter().all(|problem| problem.contains(&damaged)), "{report:?}");
        assert!(!report.problems.is_empty(), "it is damaged still");
        let repaired = crate::repair::repair_disk::<Sha1>(
            &(Arc::new(disk.clone()) as _),
            &crate::RepairOptions::default(),
        );
        let repaired = repaired.expect("repair");
        assert_eq!((repaired.blocks, repaired.blocks_lost), (49, 1), "{repaired:?}");
        checked(&disk);
    });
}

#[test]
fn on_a_full_disk_what_is_wholly_removed_gives_back_its_room() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..200).await;
        pack.blocks().flush().await.expect("flush");
        let before = bytes(&disk, ".segment");
        let sweep = pack.sweep().expect("a sweep");
        // There is no room for another segment, nor for what is added.
        disk.fill(true);
        add(&pack, [200]).await;
        let branch = RefName::branch("main").expect("a name");
        for _ in 0..40 {
            let set = pack.refs().set(branch.clone(), name(0)).await;
            drop(pack.refs().remove(branch.clone()).await);
            if set.is_err_and(|error| error.kind() == ErrorKind::Limit) {
                break;
            }
        }
        assert!(pack.refs().set(branch.clone(), name(0)).await.is_err(), "it is full");
        let epoch = sweep.begin().await.expect("begin");
        let names: Vec<_> = (0..200).filter(|number| number % 100 != 0).map(name).collect();
        let removed = sweep.remove_many(epoch, names.clone()).await.expect("remove_many");
        assert!(removed > 150, "of the active segment nothing is removed: {removed}");
        let names = |disk: &SimDisk| disk.files().into_iter().map(|(name, _)| name);
        let before_it: Vec<_> = names(&disk).collect();
        let full = sweep.finish(epoch).await.map_err(|error| error.kind());
        assert_eq!(full, Err(ErrorKind::Limit), "there is no room for an index");
        assert_eq!(names(&disk).collect::<Vec<_>>(), before_it, "what it made is gone");
        // There is some, and not for copies.
        disk.fill(false);
        disk.fill_segments(true);
        sweep.finish(epoch).await.expect("finish");
        let after = bytes(&disk, ".segment");
        assert!(after < before, "{before} bytes became {after}");
        disk.fill_segments(false);
        pack.refs().set(branch.clone(), name(0)).await.expect("there is room");
        let mut left = Vec::new();
        for number in 0..=200 {
            let found = pack.blocks().find(&name(number)).await.expect("find");
            assert!(found.is_some() || number % 100 != 0, "block {number}");
            left.extend(found.is_some().then_some(number));
        }
        assert_eq!(left.len(), 201 - removed);
        let rest = left.iter().filter(|number| **number % 100 != 0).count();
        assert_eq!(remove(&pack, left.iter().copied().filter(|it| it % 100 != 0)).await, rest);
        look(&pack, 201, |number| number % 100 == 0).await;
        pack.close().await.expect("close");
        drop((pack, sweep));
        assert_eq!(checked(&disk).blocks, 3);
    });
}

#[test]
fn what_was_copied_is_read_without_the_lock_of_the_writer() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        add(&pack, 0..100).await;
        remove(&pack, (0..100).filter(|number| number % 2 == 0)).await;
        let place = pack.blocks().0.shared.index.in_runs(&name(1), Read::Wait).expect("find");
        let Lookup::Found(place) = place else { panic!("it is in a run") };
        // What is being written comes before the copies.
        add(&pack, [100]).await;
        let new = pack.blocks().0.shared.index.in_memory(&name(100)).expect("it is in memory");
        assert!(place.segment > new.segment);
        let (told, answered) = std::sync::mpsc::channel();
        let shared = &pack.blocks().0.shared;
        let writer = shared.core.lock();
        let reading = tokio::spawn({
            let pack = pack.clone();
            async move {
                let found = pack.blocks().find(&name(1)).await.expect("find");
                // Nobody may wait any more.
                drop(told.send(found));
            }
        });
        let found = answered.recv_timeout(Duration::from_secs(20));
        drop(writer);
        assert_eq!(found.expect("it waits for the writer"), Some(block(1)));
        reading.await.expect("no panic");
    });
}

#[test]
fn what_waits_to_be_sealed_stays_when_room_is_given_back_on_a_full_disk() {
    run(async {
        let disk = SimDisk::default();
        let pack = open_with(&disk, |settings| settings.segment_bytes = 100_000);
        add(&pack, 0..200).await;
        // That begins with a new segment.
        remove(&pack, []).await;
        add(&pack, 200..203).await;
        pack.blocks().flush().await.expect("flush");
        let (disk, killed) = (disk.kill(), disk);
        drop(pack);
        let before = bytes(&disk, ".segment");
        // There is room for an index, and not for the segment that an opening begins.
        disk.fill_segments(true);
        let pack = open(&disk);
        let sealing = || pack.blocks().0.shared.index.sealing().len();
        assert_eq!(sealing(), 3, "they wait");
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..200).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 200);
        sweep.finish(epoch).await.expect("finish");
        assert!(bytes(&disk, ".segment") < before);
        assert_eq!(sealing(), 3, "they wait still");
        for number in 200..203 {
            let found = pack.blocks().find(&name(number)).await.expect("find");
            assert_eq!(found, Some(block(number)), "block {number}");
        }
        disk.fill_segments(false);
        add(&pack, 203..206).await;
        pack.close().await.expect("close");
        drop((pack, sweep, killed));
        assert_eq!(checked(&disk).blocks, 6);
        let pack = open(&disk);
        for number in 200..206 {
            assert!(pack.blocks().mem(&name(number)).await.expect("mem"), "block {number}");
        }
    });
}
