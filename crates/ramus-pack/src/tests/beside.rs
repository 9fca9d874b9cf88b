//! Readers in other processes beside a collection: what they see while blocks are removed, and what not.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _, Sweep as _, Update,
};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::settings;
use crate::disk::{Access, Disk, DiskFile, Locked, forward_disk};
use crate::options::Settings;
use crate::{Durability, Mode, Pack};

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

fn write(disk: &SimDisk) -> Pack {
    Pack::open_disk(Arc::new(disk.clone()), settings(Durability::Sync)).expect("open")
}

/// Opens a reader that looks for news when it is told to, and otherwise once a minute.
fn read(disk: Arc<dyn Disk>, cache_bytes: usize) -> Pack {
    let settings = settings(Durability::Sync);
    let options = settings.options.clone().with_mode(Mode::Read).with_follow_ms(60_000);
    let options = options.with_cache_bytes(cache_bytes);
    Pack::open_disk(disk, Settings { options, ..settings }).expect("read")
}

fn follow(reader: &Pack) {
    reader.blocks().0.shared.follow().expect("follow");
}

fn block(number: u64) -> Bytes {
    let mut random = Random::new(number);
    (0..200).map(|_| random.byte()).collect()
}

fn name(number: u64) -> Sha1 {
    Sha1::of(&block(number))
}

/// Adds a block, and sets the ref to it.
async fn set(pack: &Pack, number: u64) {
    let update = Update::new(pack.refs().position().await.expect("position"));
    let blocks = vec![(name(number), block(number))];
    let written = pack.write(blocks, update.set(main(), name(number))).await;
    assert!(written.expect("write").is_applied());
}

/// Removes blocks, and gives back their room.
async fn remove(pack: &Pack, numbers: impl IntoIterator<Item = u64>) -> usize {
    let sweep = pack.sweep().expect("a sweep");
    let epoch = sweep.begin().await.expect("begin");
    let names = numbers.into_iter().map(name).collect();
    let removed = sweep.remove_many(epoch, names).await.expect("remove_many");
    sweep.finish(epoch).await.expect("finish");
    removed
}

/// Returns which of the blocks up to `end` are there, each with the right bytes.
async fn there(pack: &Pack, end: u64) -> Vec<u64> {
    let mut there = Vec::new();
    for number in 0..end {
        if let Some(found) = pack.blocks().find(&name(number)).await.expect("find") {
            assert_eq!(found, block(number), "block {number}");
            there.push(number);
        }
    }
    there
}

#[test]
fn a_reader_offers_no_sweep() {
    let disk = SimDisk::default();
    let writer = write(&disk);
    assert!(writer.sweep().is_some());
    assert!(read(Arc::new(disk), 0).sweep().is_none());
}

#[test]
fn what_was_removed_is_found_by_a_reader_until_it_follows_a_finished_collection() {
    run(async {
        let disk = SimDisk::default();
        let pack = write(&disk);
        for number in 0..100 {
            set(&pack, number).await;
        }
        let reader = read(Arc::new(disk.clone()), 0);
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let names = (0..90).map(name).collect();
        assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 90);
        follow(&reader);
        let late = read(Arc::new(disk.clone()), 0);
        assert_eq!(there(&pack, 100).await.len(), 10);
        // It is removed in the memory of the writer, and would be found after a crash.
        assert_eq!(there(&reader, 100).await.len(), 100);
        assert_eq!(there(&late, 100).await.len(), 100);
        sweep.finish(epoch).await.expect("finish");
        // What it has open is unlinked, and stays readable.
        assert_eq!(there(&reader, 100).await.len(), 100);
        follow(&reader);
        for reader in [&reader, &read(Arc::new(disk.clone()), 0)] {
            assert_eq!(there(reader, 100).await, (90..100).collect::<Vec<_>>());
        }
        // What is added again is found again.
        set(&pack, 3).await;
        follow(&reader);
        assert!(there(&reader, 100).await.contains(&3));
        assert!(there(&late, 100).await.contains(&3), "it is in the files of before");
    });
}

/// A disk on which, before each file is opened, a reader is asked whether all that its refs name is there.
#[derive(Debug)]
struct Looking {
    disk: SimDisk,
    reader: OnceLock<Pack>,
    looked: AtomicUsize,
}

impl Looking {
    fn look(&self) {
        let Some(reader) = self.reader.get().cloned() else { return };
        let look = std::thread::spawn(move || {
            run(async {
                let named = reader.refs().find(&main()).await.expect("find").expect("it is set");
                let found = reader.blocks().find(&named).await;
                assert!(found.expect("find").is_some(), "a ref names {named}, which is not there");
            });
        });
        look.join().expect("what a ref names is there");
        self.looked.fetch_add(1, Ordering::SeqCst);
    }
}

impl Disk for Arc<Looking> {
    forward_disk!(place create rename unlink set_aside list sync sync_own_name lock);

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.look();
        self.disk.open(name, access)
    }
}

#[test]
fn at_every_moment_what_the_refs_of_a_reader_name_is_there() {
    run(async {
        let disk = SimDisk::default();
        let pack = write(&disk);
        set(&pack, 0).await;
        let (reader, looked) = (OnceLock::new(), AtomicUsize::new(0));
        let looking = Arc::new(Looking { disk: disk.clone(), reader, looked });
        let reader = read(Arc::new(Arc::clone(&looking)), 0);
        looking.reader.set(reader.clone()).expect("it is set once");
        let sweep = pack.sweep().expect("a sweep");
        for number in 1..40 {
            let epoch = sweep.begin().await.expect("begin");
            if number % 2 == 0 {
                // The collection then changes only files; or it comes with the next segment.
                follow(&reader);
            }
            set(&pack, number).await;
            if number % 3 == 0 {
                // It is read on; or everything comes at once.
                follow(&reader);
            }
            let names = (0..number).map(name).collect();
            assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 1);
            sweep.finish(epoch).await.expect("finish");
            follow(&reader);
            assert_eq!(there(&reader, 40).await, [number]);
        }
        assert!(looking.looked.load(Ordering::SeqCst) > 100);
        // What it looks with is the reader itself.
        looking.reader.get().expect("it is set").close().await.expect("close");
    });
}

#[test]
fn who_reads_the_refs_again_never_misses_what_they_name() {
    const SETS: u64 = 60;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    runtime.expect("a runtime").block_on(async {
        for cache_bytes in [0, 4000] {
            let disk = SimDisk::default();
            let pack = write(&disk);
            set(&pack, 0).await;
            let reader = read(Arc::new(disk.clone()), cache_bytes);
            let reading = {
                let reader = reader.clone();
                tokio::spawn(async move {
                    let mut seen = name(0);
                    while seen != name(SETS) {
                        follow(&reader);
                        let refs = reader.refs();
                        let named = refs.find(&main()).await.expect("find").expect("it is set");
                        if let Some(found) = reader.blocks().find(&named).await.expect("find") {
                            assert_eq!(Sha1::of(&found), named);
                        } else {
                            let now = refs.find(&main()).await.expect("find");
                            assert_ne!(now, Some(named), "it is named, and is not there");
                        }
                        seen = named;
                        tokio::task::yield_now().await;
                    }
                })
            };
            let following = {
                let (reader, reading) = (reader.clone(), reading.abort_handle());
                tokio::spawn(async move {
                    while !reading.is_finished() {
                        follow(&reader);
                        tokio::task::yield_now().await;
                    }
                })
            };
            for number in 1..=SETS {
                set(&pack, number).await;
                remove(&pack, number - 1..number).await;
            }
            reading.await.expect("it misses nothing");
            following.await.expect("it follows");
        }
    });
}

#[test]
fn what_a_reader_has_cached_is_right_though_it_was_removed() {
    run(async {
        let disk = SimDisk::default();
        let pack = write(&disk);
        set(&pack, 0).await;
        set(&pack, 1).await;
        let reader = read(Arc::new(disk.clone()), 1 << 20);
        assert_eq!(there(&reader, 2).await, [0, 1]);
        assert_eq!(remove(&pack, 0..1).await, 1);
        follow(&reader);
        // That it is removed need not be noticed; `mem` does not ask the cache.
        let found = reader.blocks().find(&name(0)).await.expect("find");
        assert!(found.is_none_or(|found| found == block(0)));
        assert!(!reader.blocks().mem(&name(0)).await.expect("mem"));
        assert_eq!(reader.blocks().find(&name(1)).await.expect("find"), Some(block(1)));
        let refused = reader.blocks().add(block(0)).await.expect_err("it only reads");
        assert_eq!(refused.kind(), ErrorKind::Permission);
    });
}
