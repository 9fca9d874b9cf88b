//! Blocks that many wait for at once, and that have to be read from the disk.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use ramus_core::{
    ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, Result, Sha1, Storage as _,
    Sweep as _,
};
use ramus_testkit::run;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::sim::{Random, SimDisk};
use super::soon;
use super::work::{settings, settled};
use crate::format::manifest::FileKind;
use crate::index::run::Lookup;
use crate::index::{Place, Read};
use crate::options::Settings;
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
    filled_with(disk, |settings| settings.read_jobs_max = read_jobs_max).await
}

async fn filled_with(disk: &SimDisk, change: impl FnOnce(&mut Settings)) -> Pack {
    let mut settings = settings(Durability::Sync);
    change(&mut settings);
    let pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
    let blocks = (0..BLOCKS).map(|number| (name(number), block(number)));
    pack.blocks().unsafe_add_many(blocks.collect()).await.expect("add");
    pack.blocks().flush().await.expect("flush");
    settled(&pack).await;
    pack
}

fn find(pack: &Pack, number: u64) -> JoinHandle<Option<Bytes>> {
    let pack = pack.clone();
    tokio::spawn(async move { pack.blocks().find(&name(number)).await.expect("find") })
}

/// Waits until so many reads are held.
async fn held(disk: &SimDisk, reads: usize) {
    until("a read that is held", || disk.reads_held() >= reads).await;
}

/// Waits until so many wait behind the reads that are held.
async fn waiting(pack: &Pack, count: usize) {
    until("a find that waits", || pack.blocks().0.shared.cold.waiting() == count).await;
}

async fn until(what: &str, mut has_come: impl FnMut() -> bool) {
    soon(what, async {
        while !has_come() {
            tokio::task::yield_now().await;
        }
    })
    .await;
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
        let ends = || waiting() > before || finding.is_finished();
        until("a find that waits, or that found its block in memory", ends).await;
        finds.push((number, finding));
    }
    finds
}

async fn all_found(finds: Vec<(u64, JoinHandle<Option<Bytes>>)>) {
    for (number, finding) in finds {
        let found = soon("a find that waits", finding).await.expect("no panic");
        assert_eq!(found, Some(block(number)), "block {number}");
    }
}

/// A number whose block is not in memory; a later one lies behind it.
fn cold(pack: &Pack, nth: usize) -> u64 {
    let is_cold = |number: &u64| !place(pack, *number).offset.is_multiple_of(16);
    (0..BLOCKS).filter(is_cold).nth(nth).expect("some are cold")
}

fn place(pack: &Pack, number: u64) -> Place {
    let found = pack.blocks().0.shared.index.in_runs(&name(number), Read::Wait).expect("find");
    let Lookup::Found(place) = found else { panic!("block {number} is in a run") };
    place
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
        assert!(reads[1] > reads[0], "it goes on from where it was: {reads:?}");
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
fn a_find_that_was_dropped_is_not_read_and_keeps_nobody_waiting() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        let numbers: Vec<_> = (0..4).map(|nth| cold(&pack, nth)).collect();
        disk.hold_reads();
        let first = find(&pack, numbers[0]);
        held(&disk, 1).await;
        // Before it is known where it lies.
        let dropped = find(&pack, numbers[2]);
        waiting(&pack, 1).await;
        let second = find(&pack, numbers[1]);
        waiting(&pack, 2).await;
        drop_it(dropped).await;
        // Then where that is known: of the last block one find is dropped and another one stays, of the third
        // one both are.
        let mut later = Vec::new();
        for (count, number) in [(3, 2), (4, 2), (5, 3), (6, 3)] {
            later.push(find(&pack, numbers[number]));
            waiting(&pack, count).await;
        }
        disk.release_a_read();
        until("the second read", || disk.reads().len() == 1 && disk.reads_held() == 1).await;
        let last = later.pop().expect("there are four");
        for dropped in later {
            drop_it(dropped).await;
        }
        disk.release_reads();
        let all = [(numbers[0], first), (numbers[1], second), (numbers[3], last)];
        all_found(all.into()).await;
        assert_eq!(disk.reads().len(), 3, "what nobody waits for is not read");
        // Nothing of it is left.
        all_found(vec![(numbers[2], find(&pack, numbers[2]))]).await;
        waiting(&pack, 0).await;
    });
}

async fn drop_it(finding: JoinHandle<Option<Bytes>>) {
    finding.abort();
    assert!(finding.await.expect_err("it was dropped").is_cancelled());
}

#[test]
fn what_cannot_be_read_is_told_to_those_who_wait_for_it_and_to_nobody_else() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        let numbers: Vec<_> = (0..8).map(|nth| cold(&pack, nth)).collect();
        let broken = numbers[3];
        let Place { segment, offset, .. } = place(&pack, broken);
        let offset = u64::from(offset);
        disk.break_sectors(&FileKind::Segment.file_name(segment), offset..offset + 1);
        disk.hold_reads();
        let mut finds = vec![(numbers[0], find(&pack, numbers[0]))];
        held(&disk, 1).await;
        let (mut failing, mut count) = (Vec::new(), 0);
        for number in numbers[1..].iter().chain(&numbers[1..]) {
            if *number == broken {
                let (pack, key) = (pack.clone(), name(broken));
                failing.push(tokio::spawn(async move { pack.blocks().find(&key).await }));
            } else {
                finds.push((*number, find(&pack, *number)));
            }
            count += 1;
            waiting(&pack, count).await;
        }
        disk.release_reads();
        for failing in failing {
            let found = soon("a find that fails", failing).await.expect("no panic");
            let error = found.expect_err("it cannot be read");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(error.to_string().contains(&name(broken).to_string()), "{error}");
        }
        all_found(finds).await;
    });
}

#[test]
fn a_job_that_panics_keeps_nobody_waiting() {
    run(async {
        let disk = SimDisk::default();
        let pack = filled(&disk, 1).await;
        disk.hold_reads();
        let mut finds = Vec::new();
        for behind in 0..3 {
            let (other, key) = (pack.clone(), name(cold(&pack, behind)));
            finds.push(tokio::spawn(async move { other.blocks().find(&key).await }));
            held(&disk, 1).await;
            waiting(&pack, behind).await;
        }
        disk.panic_in_a_read();
        disk.release_reads();
        for finding in finds {
            let found = soon("the answer that there is none", finding).await.expect("no panic");
            let error = found.expect_err("its job has ended");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
        let again = (0..BLOCKS).map(|number| (number, find(&pack, number))).collect();
        all_found(again).await;
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

/// A job that reads goes on when its runtime ends, and serves whoever waits on another one.
#[test]
fn reads_outlive_the_runtime_that_began_them() {
    let disk = SimDisk::default();
    let other = runtime();
    let pack = other.block_on(filled(&disk, 1));
    disk.hold_reads();
    let (began, stays) = (runtime(), cold(&pack, 1));
    let dropped = {
        let _entered = began.enter();
        find(&pack, cold(&pack, 0))
    };
    other.block_on(held(&disk, 1));
    let finding = {
        let _entered = other.enter();
        find(&pack, stays)
    };
    other.block_on(waiting(&pack, 1));
    began.shutdown_background();
    disk.release_reads();
    other.block_on(all_found(vec![(stays, finding)]));
    drop(dropped);
    other.block_on(pack.blocks().close()).expect("close");
}

/// A runtime that has ended drops what is handed to it, here a job that was counted.
#[test]
fn a_find_in_a_runtime_that_has_ended_gets_a_thread_of_its_own() {
    let disk = SimDisk::default();
    let other = runtime();
    let pack = other.block_on(filled(&disk, 1));
    for nth in 0..2 {
        let number = cold(&pack, nth);
        let found = other.block_on(find_where_a_runtime_has_ended(&pack, number)).expect("find");
        assert_eq!(found, Some(block(number)));
    }
    other.block_on(pack.blocks().close()).expect("close");
}

#[test]
fn a_find_that_gets_no_thread_is_served_by_other_jobs_or_told_to_ask_again() {
    let disk = SimDisk::default();
    let other = runtime();
    let pack = other.block_on(filled_with(&disk, |settings| {
        settings.read_jobs_max = 2;
        settings.begin_thread = |_, _| Err(io::ErrorKind::WouldBlock.into());
    }));
    let (first, second) = (cold(&pack, 0), cold(&pack, 1));
    other.block_on(async {
        let refused = find_where_a_runtime_has_ended(&pack, first).await.expect_err("no thread");
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(refused.to_string().contains("ask again"), "{refused}");
        disk.hold_reads();
        let reading = find(&pack, first);
        held(&disk, 1).await;
        let served = tokio::join!(find_where_a_runtime_has_ended(&pack, second), async {
            waiting(&pack, 1).await;
            disk.release_reads();
        });
        assert_eq!(served.0.expect("find"), Some(block(second)));
        let again = (0..BLOCKS).map(|number| (number, find(&pack, number)));
        all_found(again.chain([(first, reading)]).collect()).await;
        pack.blocks().close().await.expect("close");
    });
}

fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_time().build().expect("a runtime")
}

/// Begins to look for a block where the runtime has ended, and waits for it where one has not.
async fn find_where_a_runtime_has_ended(pack: &Pack, number: u64) -> Result<Option<Bytes>> {
    let ended = runtime();
    let handle = ended.handle().clone();
    ended.shutdown_background();
    let key = name(number);
    let mut finding = pin!(pack.blocks().find(&key));
    let found = {
        let _entered = handle.enter();
        finding.as_mut().now_or_never()
    };
    match found {
        Some(found) => found,
        None => soon("a find where the runtime has ended", finding).await,
    }
}
