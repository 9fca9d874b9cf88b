//! What takes long is done where blocking is allowed, and not by whoever polls.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;

use ramus_core::{ContentAddressable as _, ReadOnly as _, Result, Storage as _, Sweep as _};

use super::sim::SimDisk;
use super::work::open;
use crate::options::Settings;
use crate::read::BLOCK_NOW_MAX;
use crate::{Durability, Pack, PackOptions};

/// Calls `work` on a runtime that has one thread where blocking is allowed.
fn run_with_one_thread(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(work);
}

/// Polls once while the thread is taken; returns whether it was ready, and what it comes to.
async fn is_done_here<T>(future: impl Future<Output = Result<T>>) -> (bool, T) {
    let (release, released) = mpsc::channel::<()>();
    let taken = tokio::task::spawn_blocking(move || released.recv().is_ok());
    let mut future = pin!(future);
    let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    drop(release);
    taken.await.expect("it ends");
    match polled {
        Poll::Ready(done) => (true, done.expect("it is done")),
        Poll::Pending => (false, future.await.expect("it is done")),
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
