//! How fast a collection may go.

use std::time::{Duration, Instant};

use ramus_core::Storage as _;
use ramus_testkit::run;

use super::{add, look, open_with, remove};
use crate::tests::sim::SimDisk;

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
