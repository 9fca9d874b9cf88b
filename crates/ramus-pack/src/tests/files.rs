//! How many files are open, and what goes on where the process may open few.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, RefName,
    Sha1, Storage as _, Sweep as _,
};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::settings;
use crate::check::check_disk;
use crate::disk::{Access, Disk, DiskFile, Locked, Pool, forward_disk};
use crate::format::manifest::FileKind;
use crate::index::Read;
use crate::index::run::Lookup;
use crate::{Depth, Durability, Pack};

const BLOCKS: u64 = 1600;

/// Besides those of segments: the active one, `head`, at most four runs, and what is written just now.
const OTHERS: usize = 1 + 1 + 4 + 3;

fn block(number: u64) -> Bytes {
    let mut random = Random::new(number);
    (0..200).map(|_| random.byte()).collect()
}

fn name(number: u64) -> Sha1 {
    Sha1::of(&block(number))
}

fn open(disk: &SimDisk, open_files_max: usize) -> ramus_core::Result<Pack> {
    let mut settings = settings(Durability::Sync);
    settings.options = settings.options.with_open_files_max(open_files_max);
    // The writer merges runs itself, so that never more than four are open.
    settings.runs_behind_max = 0;
    Pack::open_disk(Arc::new(disk.clone()), settings)
}

async fn add(pack: &Pack, numbers: impl IntoIterator<Item = u64>) {
    let blocks = numbers.into_iter().map(|number| (name(number), block(number))).collect();
    pack.blocks().unsafe_add_many(blocks).await.expect("add");
    pack.blocks().flush().await.expect("flush");
}

async fn look(pack: &Pack, is_there: impl Fn(u64) -> bool) {
    let mut random = Random::new(7);
    for _ in 0..2 * BLOCKS {
        let number = random.next() % BLOCKS;
        let found = pack.blocks().find(&name(number)).await.expect("find");
        assert_eq!(found, is_there(number).then(|| block(number)), "block {number}");
    }
}

/// Waits until no file is open: the thread of a writer keeps those of its own for a moment longer.
async fn all_closed(disk: &SimDisk) {
    while disk.open_now() > 0 {
        tokio::task::yield_now().await;
    }
}

fn segments(disk: &SimDisk) -> usize {
    let kind = |name: &str| FileKind::of_file_name(name).map(|(kind, _)| kind);
    disk.files().iter().filter(|(name, _)| kind(name) == Some(FileKind::Segment)).count()
}

#[test]
fn of_many_segments_only_so_many_are_open() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, 4).expect("open");
        add(&pack, 0..BLOCKS).await;
        assert!(segments(&disk) > 4 + 2 * OTHERS, "{} segments", segments(&disk));
        look(&pack, |_| true).await;
        let most = |disk: &SimDisk| assert!(disk.open_most() <= 4 + OTHERS, "{}", disk.open_most());
        most(&disk);
        // Readers at once, and a collection that copies what they read.
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let pack = pack.clone();
                tokio::spawn(async move {
                    for round in 0..100 {
                        let number = 4 * ((reader * 31 + round * 7) % (BLOCKS / 4));
                        let found = pack.blocks().find(&name(number)).await.expect("find");
                        assert_eq!(found, Some(block(number)), "block {number}");
                    }
                })
            })
            .collect();
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let garbage = (0..BLOCKS).filter(|number| number % 4 != 0).map(name).collect();
        sweep.remove_many(epoch, garbage).await.expect("remove_many");
        sweep.finish(epoch).await.expect("finish");
        for reader in readers {
            reader.await.expect("no panic");
        }
        look(&pack, |number| number % 4 == 0).await;
        pack.close().await.expect("close");
        drop((pack, sweep));
        all_closed(&disk).await;
        let disk = SimDisk::of_files(disk.files());
        let pack = open(&disk, 4).expect("open");
        look(&pack, |number| number % 4 == 0).await;
        most(&disk);
        pack.close().await.expect("close");
        drop(pack);
        let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
        assert_eq!(report.problems, Vec::<String>::new());
    });
}

#[test]
fn where_the_process_may_open_few_files_others_are_closed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, 1000).expect("open");
        add(&pack, 0..BLOCKS).await;
        look(&pack, |_| true).await;
        let most = OTHERS + 5;
        assert!(disk.open_now() > most, "all of them are open");
        pack.close().await.expect("close");
        drop(pack);
        all_closed(&disk).await;

        disk.open_at_most(Some(most));
        let pack = open(&disk, 1000).expect("open");
        look(&pack, |_| true).await;
        // What is written needs new files, and gets them.
        let branch = RefName::branch("main").expect("a name");
        for number in 0..40 {
            add(&pack, [BLOCKS + 4 * number]).await;
            pack.refs().set(branch.clone(), name(BLOCKS + 4 * number)).await.expect("set");
            look_at_some(&pack, number).await;
        }
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        let garbage = (0..BLOCKS).filter(|number| number % 4 != 0).map(name).collect();
        sweep.remove_many(epoch, garbage).await.expect("remove_many");
        sweep.finish(epoch).await.expect("finish");
        look(&pack, |number| number % 4 == 0).await;
        assert!(disk.open_now() <= most);
        // Where nothing is left to be closed it is told.
        disk.open_at_most(Some(0));
        let mut told = None;
        for number in (0..BLOCKS).step_by(4) {
            told = told.or(pack.blocks().find(&name(number)).await.err());
        }
        let error = told.expect("nothing can be opened");
        assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
        assert!(error.to_string().contains("open_files_max"), "{error}");
        disk.open_at_most(Some(most));
        look(&pack, |number| number % 4 == 0).await;
        drop(sweep);
        pack.close().await.expect("close");
        drop(pack);
        let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
        assert_eq!(report.problems, Vec::<String>::new());
    });
}

async fn look_at_some(pack: &Pack, from: u64) {
    for number in (from..BLOCKS).step_by(37) {
        let found = pack.blocks().find(&name(number)).await.expect("find");
        assert_eq!(found, Some(block(number)), "block {number}");
    }
}

#[test]
fn what_was_read_lately_stays_open() {
    let disk = SimDisk::default();
    for number in 0..4_u8 {
        disk.put(&number.to_string(), vec![number]);
    }
    let pool = Pool::new(Arc::new(disk.clone()), 3);
    let files: Vec<_> = (0..4).map(|number: u8| pool.file(number.to_string())).collect();
    let read = |number: u8| {
        let mut byte = [9];
        assert_eq!(files[usize::from(number)].read_at(&mut byte, 0).expect("read"), 1);
        assert_eq!(byte[0], number);
    };
    let now = |number: usize| files[number].read_now(&mut [9], 0);
    assert_eq!(disk.open_now(), 0, "nothing was read");
    (0..3).for_each(read);
    assert!((0..3).all(now));
    read(3);
    assert_eq!(disk.open_now(), 3);
    // All were read, so it was the first; then the others lose their chance, but for the one that is read.
    assert!(!now(0));
    read(1);
    read(0);
    assert!(now(1) && now(0) && !now(2));
    // Whoever reads a file that is gone is told so.
    disk.unlink("2").expect("unlink");
    let error = files[2].read_at(&mut [0], 0).expect_err("it is gone");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    read(3);
}

/// A disk on which a collection comes to its end just before a file is opened.
#[derive(Debug)]
struct Collecting {
    disk: SimDisk,
    /// Before which file, and of what.
    before: Mutex<Option<(String, Pack)>>,
}

impl Disk for Arc<Collecting> {
    forward_disk!(place create rename unlink set_aside list sync sync_own_name lock);

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let collected = {
            let mut before = self.before.lock();
            before.take_if(|(file, _)| file == name)
        };
        if let Some((_, pack)) = collected {
            let work = std::thread::spawn(move || run(collect_even(pack)));
            work.join().expect("it is collected");
        }
        self.disk.open(name, access)
    }
}

async fn collect_even(pack: Pack) {
    let sweep = pack.sweep().expect("a sweep");
    let epoch = sweep.begin().await.expect("begin");
    let names = (0..100).map(|number| name(2 * number)).collect();
    assert_eq!(sweep.remove_many(epoch, names).await.expect("remove_many"), 100);
    sweep.finish(epoch).await.expect("finish");
}

#[test]
fn what_is_collected_before_its_segment_is_opened_is_looked_up_again() {
    run(async {
        let disk = SimDisk::default();
        let collecting = Arc::new(Collecting { disk: disk.clone(), before: Mutex::new(None) });
        let mut settings = settings(Durability::Sync);
        settings.options = settings.options.with_open_files_max(1);
        let pack = Pack::open_disk(Arc::new(Arc::clone(&collecting)), settings).expect("open");
        add(&pack, 0..200).await;
        add(&pack, 200..260).await;
        let place = |number| {
            let found = pack.blocks().0.shared.index.in_runs(&name(number), Read::Wait);
            match found.expect("the index is sound") {
                Lookup::Found(place) => FileKind::Segment.file_name(place.segment),
                other => panic!("block {number}: {other:?}"),
            }
        };
        let (first, other) = (place(1), (2..200).find(|number| place(*number) != place(1)));
        // So the one of the first is closed.
        pack.blocks().find(&name(other.expect("another segment"))).await.expect("find");
        *collecting.before.lock() = Some((first.clone(), pack.clone()));
        let found = pack.blocks().find(&name(1)).await.expect("find");
        assert_eq!(found, Some(block(1)));
        assert!(collecting.before.lock().is_none(), "it was collected meanwhile");
        assert!(disk.files().iter().all(|(name, _)| *name != first), "the segment is gone");
        pack.close().await.expect("close");
    });
}
