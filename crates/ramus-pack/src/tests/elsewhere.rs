//! What takes long is done where blocking is allowed, and not by whoever polls.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;

use futures::FutureExt as _;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Result, Sha1,
    Storage as _, Sweep as _, Update,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::sim::{Op, SimDisk};
use super::work::open;
use crate::options::Settings;
use crate::read::BLOCK_NOW_MAX;
use crate::{Durability, Pack, PackOptions, SyncBy};

/// Calls `work` on a runtime that has one thread where blocking is allowed.
fn run_with_one_thread(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(work);
}

/// Polls once while the thread is taken; returns whether it was ready, and what it comes to.
async fn is_done_here<T>(future: impl Future<Output = Result<T>>) -> (bool, T) {
    let thread = TakenThread::take().await;
    let mut future = pin!(future);
    let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    thread.give_back().await;
    match polled {
        Poll::Ready(done) => (true, done.expect("it is done")),
        Poll::Pending => (false, future.await.expect("it is done")),
    }
}

/// The one thread where blocking is allowed, with nothing else on it.
struct TakenThread {
    job: JoinHandle<bool>,
    release: mpsc::Sender<()>,
}

impl TakenThread {
    /// Waits until the jobs before it have ended: one that has given its answer may still hold something.
    async fn take() -> Self {
        let (start, started) = oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let job = tokio::task::spawn_blocking(move || {
            start.send(()).expect("it is waited for");
            released.recv().is_ok()
        });
        started.await.expect("it starts");
        Self { job, release }
    }

    async fn give_back(self) {
        drop(self.release);
        self.job.await.expect("it ends");
    }
}

#[test]
fn a_large_block_is_neither_encoded_nor_read_by_whoever_polls() {
    run_with_one_thread(async {
        // With room for both, so that nothing else is waited for.
        let options = PackOptions::default().with_cache_bytes(0);
        let disk = Arc::new(SimDisk::default());
        let pack: Pack = Pack::open_disk(disk, Settings::new(options)).expect("open");
        for (length, expected) in [(92, true), (BLOCK_NOW_MAX + 1, false)] {
            let block = bytes::Bytes::from(vec![7; length]);
            let blocks = pack.blocks();
            let (added_here, key) = is_done_here(blocks.add(block.clone())).await;
            assert_eq!(added_here, expected, "a block of {length} bytes is added");
            let (found_here, found) = is_done_here(blocks.find(&key)).await;
            assert_eq!(found_here, expected, "a block of {length} bytes is found");
            assert_eq!(found, Some(block));
        }
        pack.close().await.expect("close");
    });
}

#[test]
fn the_names_that_are_pinned_are_not_gathered_by_whoever_polls() {
    run_with_one_thread(async {
        let pack = open(&SimDisk::default(), Durability::Sync).expect("open");
        let sweep = pack.sweep().expect("it can be collected");
        let block = pack.blocks().add("block".into()).await.expect("add");
        let epoch = sweep.begin().await.expect("begin");
        let _pin = sweep.pin(vec![block]).await.expect("pin");
        let (gathered_here, pinned) = is_done_here(sweep.pinned(epoch)).await;
        assert_eq!((gathered_here, pinned), (false, vec![block]));
        pack.close().await.expect("close");
    });
}

#[test]
fn whoever_waits_syncs_a_small_batch_if_so_chosen() {
    run_with_one_thread(async {
        for (sync_by, small_here) in [(SyncBy::Pool, false), (SyncBy::Caller, true)] {
            let (disk, options) =
                (SimDisk::default(), PackOptions::default().with_sync_by(sync_by));
            let opened = Pack::open_disk(Arc::new(disk.clone()), Settings::new(options));
            let pack: Pack = opened.expect("open");
            let key = RefName::branch("x").expect("a name");
            disk.record();
            for (length, expected) in [(300, small_here), (100 << 10, false), (300, small_here)] {
                let block = bytes::Bytes::from(vec![7; length]);
                let name = Sha1::of(&block);
                let update = Update::new(pack.refs().position().await.expect("position"));
                let update = update.set(key.clone(), name);
                let (here, outcome) = is_done_here(pack.write(vec![(name, block)], update)).await;
                assert!(outcome.is_applied());
                assert_eq!(here, expected, "{sync_by:?} syncs a block of {length} bytes");
            }
            let syncs = disk.log().iter().filter(|op| matches!(op, Op::SyncFile { .. })).count();
            assert_eq!(syncs, 3);
            pack.close().await.expect("close");
        }
    });
}

/// What was added before may be much, and a sync takes it, too.
#[test]
fn what_was_written_before_is_not_synced_by_whoever_waits() {
    run_with_one_thread(async {
        let options = PackOptions::default().with_sync_by(SyncBy::Caller);
        let settings = Settings { write_bytes: 1000, ..Settings::new(options) };
        let pack: Pack = Pack::open_disk(Arc::new(SimDisk::default()), settings).expect("open");
        let key = pack.blocks().add(vec![1; 2000].into()).await.expect("add");
        let update = Update::new(pack.refs().position().await.expect("position"));
        let update = update.set(RefName::branch("x").expect("a name"), key);
        let (here, _) = is_done_here(pack.write(Vec::new(), update)).await;
        assert!(!here);
        let (here, ()) = is_done_here(pack.blocks().flush()).await;
        assert!(here, "there is nothing to make durable");
        pack.close().await.expect("close");
    });
}

#[test]
fn beside_a_block_of_the_largest_size_nobody_waits_for_its_write() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let disk = SimDisk::default();
        let settings = Settings::new(PackOptions::default().with_cache_bytes(0));
        let pack: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let first = pack.blocks().add("before it".into()).await.expect("add");
        disk.hold();
        let blocks = pack.blocks().clone();
        let large = bytes::Bytes::from(vec![7; blocks.limits().block_bytes_max]);
        let stored = large.clone();
        let adding = tokio::spawn(async move {
            let key = blocks.add(large).await?;
            blocks.flush().await.map(|()| key)
        });
        disk.wait_for_sync();
        let added = pack.blocks().add("beside it".into()).now_or_never();
        let last = added.expect("it waits for nothing").expect("add");
        disk.release();
        let key = adding.await.expect("no panic").expect("add and flush");
        pack.close().await.expect("close");
        drop(pack);
        let settings = Settings::new(PackOptions::default().with_cache_bytes(0));
        let pack: Pack = Pack::open_disk(Arc::new(disk), settings).expect("open");
        assert_eq!(pack.blocks().find(&key).await.expect("find"), Some(stored));
        for small in [first, last] {
            assert!(pack.blocks().mem(&small).await.expect("mem"));
        }
    });
}

#[test]
fn a_large_block_is_not_copied_by_whoever_polls() {
    run_with_one_thread(async {
        let settings = Settings::new(PackOptions::default());
        let disk = Arc::new(SimDisk::default());
        let pack: Pack = Pack::open_disk(disk, settings).expect("open");
        let mut adding = pin!(pack.blocks().add(vec![7; BLOCK_NOW_MAX + 1].into()));
        let thread = TakenThread::take().await;
        assert!(adding.as_mut().now_or_never().is_none(), "it is encoded elsewhere");
        thread.give_back().await;
        // That is done when the thread comes to this.
        tokio::task::spawn_blocking(|| ()).await.expect("it ends");
        let (is_copied_here, key) = is_done_here(adding).await;
        assert!(!is_copied_here);
        assert!(pack.blocks().mem(&key).await.expect("mem"));
        pack.close().await.expect("close");
    });
}
