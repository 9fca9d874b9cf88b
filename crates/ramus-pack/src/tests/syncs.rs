//! What is written and synced, counted on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::join_all;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Hash as _, Outcome,
    ReadOnly as _, RefName, Result, Sha1, Storage as _, Update,
};
use ramus_testkit::run;

use super::sim::{Failure, Op, SimDisk};
use crate::options::Settings;
use crate::{Durability, Pack, PackOptions};

fn open(disk: &SimDisk, durability: Durability) -> Pack {
    let options = PackOptions::default().with_durability(durability);
    let pack = Pack::open_disk(Arc::new(disk.clone()), Settings::new(options));
    pack.expect("open")
}

fn branch(number: usize) -> RefName {
    RefName::branch(&format!("b{number}")).expect("a name")
}

fn syncs(log: &[Op]) -> usize {
    log.iter().filter(|op| matches!(op, Op::SyncFile { .. } | Op::SyncDirectory)).count()
}

/// Polls a future once; returns whether it waits.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    let polled = std::future::poll_fn(|context| Poll::Ready(future.poll_unpin(context)));
    polled.await.is_pending()
}

async fn write(pack: &Pack, number: usize) {
    let block = format!("block {number}");
    let key = ramus_core::Hash::of(block.as_bytes());
    let seen = ramus_core::AtomicWrite::position(pack.refs()).await.expect("position");
    let update = Update::new(seen).set(branch(number % 7), key);
    let outcome = pack.write(vec![(key, block.into())], update).await.expect("write");
    assert!(outcome.is_applied());
}

#[test]
fn a_commit_costs_one_sync_and_two_writes() {
    const COMMITS: usize = 200;
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        disk.record();
        for number in 0..COMMITS {
            write(&pack, number).await;
        }
        let log = disk.log();
        assert_eq!(syncs(&log), COMMITS);
        // The batch, the head, and now and then zeros ahead.
        assert!((2 * COMMITS..2 * COMMITS + 4).contains(&(log.len() - COMMITS)), "{}", log.len());
    });
}

/// Makes a commit of a long block, and waits until the writer rests.
async fn write_long(pack: &Pack, number: u8) -> Result<()> {
    let block = Bytes::from(vec![number; 100 << 10]);
    let key = Sha1::of(&block);
    let seen = pack.refs().position().await.expect("position");
    let update = Update::new(seen).set(branch(1), key);
    assert!(pack.write(vec![(key, block)], update).await?.is_applied());
    super::work::settled(pack).await;
    Ok(())
}

/// So many zeros are synced on their own.
const ZEROS_MIN: usize = 256 << 10;

/// Returns how many zeros were written before each of these operations and not synced before it, and what it was.
fn with_zeros(log: Vec<Op>) -> Vec<(usize, Op)> {
    let mut zeros = 0;
    let each = log.into_iter().map(|op| {
        let before = zeros;
        match &op {
            Op::Write { bytes, .. } if bytes.iter().all(|byte| *byte == 0) => zeros += bytes.len(),
            Op::SyncFile { .. } => zeros = 0,
            _ => {}
        }
        (before, op)
    });
    each.collect()
}

/// Who waits for the next batch does not wait for the zeros, too.
#[test]
fn many_zeros_are_synced_on_their_own() {
    const COMMITS: u8 = 80;
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        disk.record();
        for number in 0..COMMITS {
            write_long(&pack, number).await.expect("write");
        }
        let log = with_zeros(disk.log());
        let most = log.iter().filter_map(|(zeros, op)| match op {
            Op::Write { bytes, .. } if bytes.starts_with(b"RmBt") => Some(*zeros),
            _ => None,
        });
        let most = most.max().expect("batches were written");
        assert!(most < ZEROS_MIN, "a commit syncs {most} bytes of zeros beside its own");
        let alone =
            |(zeros, op): &&(usize, Op)| *zeros >= ZEROS_MIN && matches!(op, Op::SyncFile { .. });
        let alone = log.iter().filter(alone).count();
        // Of 8 MB, half a megabyte at a time.
        assert!((8..20).contains(&alone), "{alone} syncs of zeros alone");
        assert_eq!(syncs(&disk.log()), usize::from(COMMITS) + alone);
    });
}

/// What the disk has lost then is not known.
#[test]
fn nothing_is_acknowledged_after_a_sync_of_zeros_that_failed() {
    run(async {
        let found = SimDisk::default();
        let pack = open(&found, Durability::Sync);
        found.record();
        let first = |log: Vec<Op>| {
            let mut log = with_zeros(log).into_iter();
            log.position(|(zeros, op)| zeros >= ZEROS_MIN && matches!(op, Op::SyncFile { .. }))
        };
        let (mut done, mut at) = (0, None);
        while at.is_none() && done < u8::MAX {
            write_long(&pack, done).await.expect("write");
            (done, at) = (done + 1, first(found.log()));
        }
        let at = at.expect("zeros are synced on their own") as u64 + 1;
        // The same once more, where that call fails.
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        disk.fail(Some(Failure { at, kind: std::io::ErrorKind::Other, lasts: false }));
        for number in 0..done {
            write_long(&pack, number).await.expect("it is durable before the zeros are synced");
        }
        assert!(disk.failed());
        write_long(&pack, done).await.expect_err("the disk may have lost something");
        write_long(&pack, done).await.expect_err("so it stays");
    });
}

#[test]
fn however_small_its_blocks_a_write_makes_no_large_batch() {
    const BLOCKS: usize = 500;
    run(async {
        let disk = SimDisk::default();
        let pack = super::work::open(&disk, Durability::Sync).expect("open");
        disk.record();
        // Names are not compared with what they name.
        let key = |number: usize| Sha1::of(&number.to_le_bytes());
        let blocks: Vec<_> = (0..BLOCKS).map(|number| (key(number), Bytes::new())).collect();
        let seen = pack.refs().position().await.expect("position");
        let update = Update::new(seen).set(branch(1), key(0));
        assert!(pack.write(blocks, update).await.expect("write").is_applied());
        let largest = disk.log().into_iter().map(|op| match op {
            Op::Write { bytes, .. } if bytes.starts_with(b"RmBt") => bytes.len(),
            _ => 0,
        });
        let largest = largest.max().expect("it has written");
        // A buffer that is full, one record more, and the header.
        let max = super::work::settings(Durability::Sync).buffer_bytes + 200;
        assert!(largest <= max, "a batch of {largest} bytes");
        for number in 0..BLOCKS {
            assert!(pack.blocks().mem(&key(number)).await.expect("mem"), "block {number}");
        }
    });
}

#[test]
fn with_durability_os_a_commit_costs_no_sync_and_flush_costs_one() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Os);
        disk.record();
        for number in 0..50 {
            write(&pack, number).await;
        }
        assert_eq!(syncs(&disk.log()), 0);
        pack.blocks().flush().await.expect("flush");
        assert_eq!(syncs(&disk.log()), 1);
        pack.blocks().flush().await.expect("flush again");
        assert_eq!(syncs(&disk.log()), 1, "there is nothing to make durable");
    });
}

#[test]
fn adding_blocks_costs_no_sync() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        disk.record();
        for number in 0..3000 {
            pack.blocks().add(vec![7; number].into()).await.expect("add");
        }
        assert_eq!(syncs(&disk.log()), 0);
    });
}

#[test]
fn writers_that_come_at_the_same_time_share_a_sync() {
    const WRITERS: usize = 64;
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        disk.record();
        disk.hold();
        let first = tokio::spawn({
            let pack = pack.clone();
            async move { write(&pack, 0).await }
        });
        let held = disk.clone();
        tokio::task::spawn_blocking(move || held.wait_for_sync()).await.expect("it waits");
        let others = join_all((1..=WRITERS).map(|number| write(&pack, number)));
        let mut others = std::pin::pin!(others);
        // Every one has appended its record when it is polled once, and none is answered.
        assert!(is_pending(&mut others).await);
        assert_eq!(pack.refs().find(&branch(0)).await.expect("find"), None, "it is not durable");
        disk.release();
        others.await;
        first.await.expect("the first writer");
        assert_eq!(syncs(&disk.log()), 2);
    });
}

#[test]
fn what_is_not_durable_is_not_seen() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        let block = pack.blocks().add("block".into()).await.expect("add");
        disk.hold();
        let mut update = std::pin::pin!(pack.refs().set(branch(0), block));
        assert!(is_pending(&mut update).await);
        let held = disk.clone();
        tokio::task::spawn_blocking(move || held.wait_for_sync()).await.expect("it waits");
        assert_eq!(pack.refs().find(&branch(0)).await.expect("find"), None);
        // A refusal speaks of the state that is not durable yet, so it is not given either.
        let refused = pack.refs().test_and_set(branch(0), None, Some(block));
        let mut refused = std::pin::pin!(refused);
        assert!(is_pending(&mut refused).await);
        disk.release();
        update.await.expect("update");
        assert!(!refused.await.expect("a refusal"));
        assert_eq!(pack.refs().find(&branch(0)).await.expect("find"), Some(block));
    });
}

#[test]
fn a_batch_stays_small_however_many_write_at_once() {
    const WRITERS: usize = 64;
    const BUFFER: usize = 5000;
    run(async {
        let disk = SimDisk::default();
        let options = PackOptions::default();
        let settings = Settings { buffer_bytes: BUFFER, ..Settings::new(options) };
        let pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let block: Sha1 = pack.blocks().add("block".into()).await.expect("add");
        disk.record();
        disk.hold();
        let seen = ramus_core::AtomicWrite::position(pack.refs()).await.expect("position");
        let update = |number| Update::new(seen).set(branch(number), block).with_note(vec![0; 1000]);
        let updates = join_all((0..WRITERS).map(|number| pack.write(Vec::new(), update(number))));
        let mut updates = std::pin::pin!(updates);
        assert!(is_pending(&mut updates).await);
        disk.release();
        for outcome in updates.await {
            assert!(outcome.expect("write").is_applied());
        }
        let lengths = disk.log().into_iter().filter_map(|op| match op {
            Op::Write { bytes, .. } if bytes.iter().any(|byte| *byte != 0) => Some(bytes.len()),
            _ => None,
        });
        assert!(lengths.max().expect("something was written") < BUFFER + 2000);
    });
}

#[test]
fn a_dropped_writer_disturbs_nobody() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync);
        let block: Sha1 = pack.blocks().add("block".into()).await.expect("add");
        disk.hold();
        {
            let mut update = std::pin::pin!(pack.refs().set(branch(0), block));
            assert!(is_pending(&mut update).await);
        }
        disk.release();
        write(&pack, 1).await;
        assert_eq!(pack.refs().find(&branch(0)).await.expect("find"), Some(block));
    });
}

#[test]
fn the_name_of_a_new_directory_is_durable_whoever_made_it() {
    run(async {
        let disk = SimDisk::default();
        open(&disk, Durability::Sync).close().await.expect("close");
        assert!(disk.has_name(), "it was made by somebody who was killed");
        let disk = SimDisk::of_files(disk.files());
        open(&disk, Durability::Sync).close().await.expect("close");
        assert!(!disk.has_name(), "there is a repository already, so it is durable");
    });
}

/// Between the sync and the moment at which all see it nobody is judged.
#[test]
fn what_a_refusal_tells_of_can_be_seen() {
    const UPDATES: usize = 3000;
    /// As many as there are threads, so that one is judged all the time.
    const REFUSED: usize = 4;
    run(async {
        let pack = open(&SimDisk::default(), Durability::Sync);
        let block = pack.blocks().add("block".into()).await.expect("add");
        let is_written = Arc::new(AtomicBool::new(false));
        let refused: Vec<_> = (0..REFUSED)
            .map(|_| {
                let (pack, is_written) = (pack.clone(), Arc::clone(&is_written));
                tokio::spawn(async move {
                    let never = Some(Sha1::of(b"never"));
                    while !is_written.load(Ordering::Relaxed) {
                        let update = Update::new(pack.refs().position().await.expect("position"));
                        let update = update.test_and_set(branch(0), never, Some(block));
                        let outcome = pack.refs().update(update).await.expect("update");
                        let Outcome::Refused(refusal) = outcome else { panic!("it holds that") };
                        let seen = pack.refs().position().await.expect("position");
                        let told = refusal.at;
                        assert!(seen.sequence >= told.sequence, "{seen} is seen, {told} was told");
                    }
                })
            })
            .collect();
        for _ in 0..UPDATES {
            pack.refs().set(branch(0), block).await.expect("set");
            pack.refs().remove(branch(0)).await.expect("remove");
        }
        is_written.store(true, Ordering::Relaxed);
        for refused in refused {
            refused.await.expect("what it is told can be seen");
        }
    });
}
