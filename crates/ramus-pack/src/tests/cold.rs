//! Blocks that many wait for at once, and that have to be read from the disk.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    ContentAddressable as _, Hash as _, ReadOnly as _, Sha1, Storage as _, Sweep as _,
};
use ramus_testkit::run;
use tokio::task::JoinHandle;

use super::sim::{Random, SimDisk};
use super::work::settings;
use crate::index::Read;
use crate::index::run::Lookup;
use crate::{Durability, Pack};

const BLOCKS: u64 = 200;

/// A block of 201 bytes that no other number has, so that few lie where the simulated disk has them in memory.
fn block(number: u64) -> Bytes {
    let mut random = Random::new(number);
    (0..201).map(|_| random.byte()).collect()
}

fn name(number: u64) -> Sha1 {
    Sha1::of(&block(number))
}

/// Opens a pack with many segments, which so many jobs read.
async fn filled(disk: &SimDisk, read_jobs_max: usize) -> Pack {
    let mut settings = settings(Durability::Sync);
    settings.read_jobs_max = read_jobs_max;
    let pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
    let blocks = (0..BLOCKS).map(|number| (name(number), block(number)));
    pack.blocks().unsafe_add_many(blocks.collect()).await.expect("add");
    pack.blocks().flush().await.expect("flush");
    while pack.blocks().0.shared.core.lock().idle.is_none()
        || pack.blocks().0.shared.building.is_merging()
    {
        tokio::task::yield_now().await;
    }
    pack
}

fn find(pack: &Pack, number: u64) -> JoinHandle<Option<Bytes>> {
    let pack = pack.clone();
    tokio::spawn(async move { pack.blocks().find(&name(number)).await.expect("find") })
}

/// Waits until so many reads are held.
async fn held(disk: &SimDisk, reads: usize) {
    while disk.reads_held() < reads {
        tokio::task::yield_now().await;
    }
}

/// Asks for blocks until so many have to wait behind those that are being read; returns which were asked for.
async fn wait_behind(pack: &Pack, count: usize) -> Vec<(u64, JoinHandle<Option<Bytes>>)> {
    let mut random = Random::new(1);
    let mut finds = Vec::new();
    let waiting = || pack.blocks().0.shared.cold.waiting();
    while waiting() < count {
        let number = random.next() % BLOCKS;
        let before = waiting();
        let finding = find(pack, number);
        // It waits, or was in memory.
        while waiting() == before && !finding.is_finished() {
            tokio::task::yield_now().await;
        }
        finds.push((number, finding));
    }
    finds
}

async fn all_found(finds: Vec<(u64, JoinHandle<Option<Bytes>>)>) {
    for (number, finding) in finds {
        assert_eq!(finding.await.expect("no panic"), Some(block(number)), "block {number}");
    }
}

/// A number whose block is not in memory.
fn cold(pack: &Pack, nth: usize) -> u64 {
    let shared = &pack.blocks().0.shared;
    let is_cold = |number: &u64| {
        let place = shared.index.in_runs(&name(*number), Read::Wait).expect("find");
        matches!(place, Lookup::Found(place) if place.offset % 16 != 0)
    };
    (0..BLOCKS).filter(is_cold).nth(nth).expect("some are cold")
}

#[test]
fn what_many_wait_for_is_read_in_the_order_in_which_it_lies() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        disk.hold_reads();
        let first = find(&pack, cold(&pack, 40));
        held(&disk, 1).await;
        let finds = wait_behind(&pack, 60).await;
        assert_eq!(disk.reads_held(), 1, "one job reads");
        disk.release_reads();
        assert!(first.await.expect("no panic").is_some());
        all_found(finds).await;
        let reads = disk.reads();
        assert!(reads.len() > 30, "{} reads", reads.len());
        // From where it was to the last place, and from the first one to there. (Files have numbers in the order in
        // which they were made, as their names have.)
        let turns = reads.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert_eq!(turns, 1, "{reads:?}");
        let mut waited = reads[1..].to_vec();
        waited.sort_unstable();
        waited.dedup();
        assert_eq!(waited.len() + 1, reads.len(), "a block is read once for all who wait for it");
    });
}

#[test]
fn however_many_wait_so_many_jobs_read() {
    const JOBS: usize = 3;
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, JOBS).await;
        disk.hold_reads();
        let mut finds: Vec<_> = (0..JOBS)
            .map(|nth| {
                let number = cold(&pack, nth);
                (number, find(&pack, number))
            })
            .collect();
        held(&disk, JOBS).await;
        finds.extend(wait_behind(&pack, 100).await);
        assert_eq!(disk.reads_held(), JOBS);
        disk.release_reads();
        all_found(finds).await;
        // It is as before when nobody waits.
        assert_eq!(pack.blocks().0.shared.cold.waiting(), 0);
        let again = (0..BLOCKS).map(|number| (number, find(&pack, number))).collect();
        all_found(again).await;
    });
}

#[test]
fn a_find_that_was_dropped_is_not_read() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        let (first, dropped, last) = (cold(&pack, 0), cold(&pack, 1), cold(&pack, 2));
        disk.hold_reads();
        let first = find(&pack, first);
        held(&disk, 1).await;
        let waiting = || pack.blocks().0.shared.cold.waiting();
        let dropping = find(&pack, dropped);
        while waiting() < 1 {
            tokio::task::yield_now().await;
        }
        let finding = find(&pack, last);
        while waiting() < 2 {
            tokio::task::yield_now().await;
        }
        dropping.abort();
        assert!(dropping.await.expect_err("it was dropped").is_cancelled());
        disk.release_reads();
        assert!(first.await.expect("no panic").is_some());
        assert_eq!(finding.await.expect("no panic"), Some(block(last)));
        assert_eq!(disk.reads().len(), 2);
    });
}

#[test]
fn what_is_collected_while_it_is_waited_for_is_found_or_not_there() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        disk.hold_reads();
        let first = find(&pack, cold(&pack, 0));
        held(&disk, 1).await;
        let finds = wait_behind(&pack, 40).await;
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..BLOCKS / 2).map(|number| name(2 * number)).collect();
        sweep.remove_many(epoch, names).await.expect("remove_many");
        disk.release_reads();
        assert!(first.await.expect("no panic").is_some());
        sweep.finish(epoch).await.expect("finish");
        for (number, finding) in finds {
            let found = finding.await.expect("no panic");
            assert!(found.is_none() || found == Some(block(number)), "block {number}");
            assert!(found.is_some() || number % 2 == 0, "block {number} was not removed");
        }
        for number in 0..BLOCKS {
            let found = pack.blocks().find(&name(number)).await.expect("find");
            assert_eq!(found, (number % 2 == 1).then(|| block(number)), "block {number}");
        }
    });
}

/// Whoever waits on another runtime is served.
#[test]
fn reads_outlive_the_runtime_that_began_them() {
    let disk = SimDisk::default();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let other = runtime().expect("a runtime");
    let pack = other.block_on(filled(&disk, 1));
    disk.hold_reads();
    let (began, stays) = (runtime().expect("a runtime"), cold(&pack, 1));
    let dropped = {
        let _entered = began.enter();
        find(&pack, cold(&pack, 0))
    };
    other.block_on(held(&disk, 1));
    let finding = {
        let _entered = other.enter();
        find(&pack, stays)
    };
    began.shutdown_background();
    disk.release_reads();
    assert_eq!(other.block_on(finding).expect("no panic"), Some(block(stays)));
    drop(dropped);
    other.block_on(pack.blocks().close()).expect("close");
}
