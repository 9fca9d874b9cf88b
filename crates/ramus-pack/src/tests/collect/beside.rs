//! What goes on beside a collection.

use std::time::Duration;

use futures::FutureExt as _;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, ErrorKind, ReadOnly as _, RefName, Storage as _,
    Sweep as _, Update,
};
use ramus_testkit::run;

use super::{add, block, checked, look, name, open, open_with, remove};
use crate::index::Read;
use crate::index::run::Lookup;
use crate::tests::sim::{Random, SimDisk};

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
