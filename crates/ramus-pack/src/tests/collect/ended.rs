//! Collections that were dropped or failed, beside damage, or on a full disk.

use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Epoch, ErrorKind, ReadOnly as _, RefName, Sha1,
    Storage as _, Sweep as _,
};
use ramus_testkit::run;
use tokio::sync::oneshot;

use super::{add, block, blocks_in_segments, bytes, checked, look, name, open, open_with, remove};
use crate::check::check_disk;
use crate::tests::sim::{Failure, SimDisk};
use crate::tests::work::settled;
use crate::writer::core::Job;
use crate::{Depth, Pack, PackSweep};

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
        // The zeros ahead are filled first. The first that finds no room has the block beside it; what is alone may fit.
        let mut refused = 0;
        for _ in 0..1000 {
            let set = pack.refs().set(branch.clone(), name(0)).await;
            drop(pack.refs().remove(branch.clone()).await);
            let is_full = set.is_err_and(|error| error.kind() == ErrorKind::Limit);
            refused = if is_full { refused + 1 } else { 0 };
            if refused == 2 {
                break;
            }
        }
        assert_eq!(refused, 2, "it is full");
        let epoch = sweep.begin().await.expect("begin");
        let names: Vec<_> = (0..200).filter(|number| number % 100 != 0).map(name).collect();
        let removed = sweep.remove_many(epoch, names.clone()).await.expect("remove_many");
        assert!(removed > 150, "of the active segment nothing is removed: {removed}");
        // A merge of indexes that has begun before leaves no file, now that there is no room.
        settled(&pack).await;
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
        sweep
            .finish(epoch)
            .await
            .expect("it is finished, though there is no room for the rest still");
        assert_eq!(bytes(&disk, ".segment"), after);
        disk.fill_segments(false);
        sweep.finish(epoch).await.expect("the rest is copied");
        let rest = bytes(&disk, ".segment");
        assert!(2 * rest < after, "{after} bytes became {rest}");
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
