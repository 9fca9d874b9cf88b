//! What is there when a directory is opened again, and who may open it.

mod numbers;
mod refused;

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::open::{Location, Openers};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Changes, ContentAddressable as _, ErrorKind, Hash as _,
    Outcome, ReadOnly as _, RefName, Sha1, Storage as _, Update,
};
use ramus_testkit::run;
use ramus_watch::{Event, WatchExt as _, WatchOptions};

use super::sim::SimDisk;
use super::work::open;
use crate::disk::Disk;
use crate::format::manifest::FileKind;
use crate::recover::UNLISTED_FILE_MAX;
use crate::repair::repair_disk;
use crate::{Durability, Pack, RepairOptions};

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

/// Sets `main` to a block of this text.
async fn set(pack: &Pack, text: &str) -> Sha1 {
    let block = pack.blocks().add(text.to_owned().into()).await.expect("add");
    pack.refs().set(main(), block).await.expect("set");
    block
}

fn segments(disk: &SimDisk) -> usize {
    let kind = |name: &str| FileKind::of_file_name(name).map(|(kind, _)| kind);
    disk.files().iter().filter(|(name, _)| kind(name) == Some(FileKind::Segment)).count()
}

#[test]
fn ids_and_cursors_outlive_a_close() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, "first").await;
        let seen = pack.refs().position().await.expect("position");
        let block = pack.blocks().add("second".into()).await.expect("add");
        let update = Update::new(seen).set(main(), block).with_note("why");
        let answer = pack.refs().update(update.clone()).await.expect("update");
        set(&pack, "third").await;
        pack.close().await.expect("close");

        let pack = open(&disk, Durability::Sync).expect("open again");
        assert_eq!(pack.refs().update(update).await.expect("sent again"), answer);
        let Changes::Page(page) = pack.refs().changes(seen, 10).await.expect("changes") else {
            panic!("the log goes on from a cursor of before")
        };
        assert_eq!(page.changes.len(), 2);
        assert_eq!((&page.changes[0].note[..], page.changes[0].previous), (&b"why"[..], 1));
    });
}

/// What a watch tells that goes on after a power cut: after each change the new value of `main`, or that it
/// is told everything anew, and the value then.
async fn after_a_power_cut(durability: Durability) -> (Vec<Sha1>, Vec<(bool, Option<Sha1>)>) {
    const SEEN: usize = 10;
    let disk = SimDisk::default();
    let recording = disk.record();
    let pack = open(&disk, durability).expect("open");
    let mut watch = pack.refs().watch_key(&main()).await.expect("watch");
    let mut set_to = Vec::new();
    for number in 0..30 {
        set_to.push(set(&pack, &format!("{number:0300}")).await);
        if number < SEEN {
            watch.next().await.expect("it goes on").expect("an event");
        }
    }
    let cursor = watch.cursor();
    let recording = recording.of(&disk);
    drop((watch, disk.kill()));
    drop(pack);
    let pack = open(&recording.power_cut(recording.log.len()), durability).expect("open again");
    set_to.push(set(&pack, "after the power cut").await);
    let options = WatchOptions::key(main()).after(cursor);
    let mut watch = pack.refs().watch(options).await.expect("watch");
    let mut told = Vec::new();
    while told.last().is_none_or(|(_, value)| *value != set_to.last().copied()) {
        told.push(match watch.next().await.expect("it goes on").expect("an event") {
            Event::Changed(changed) => (false, changed.keys()[0].new),
            Event::Resync(snapshot) => {
                let refs = snapshot.collect().await.expect("refs");
                (true, refs.first().map(|(_, value)| *value))
            }
        });
    }
    pack.close().await.expect("close");
    (set_to.split_off(SEEN), told)
}

#[test]
fn a_watch_that_goes_on_after_a_power_cut_misses_nothing() {
    run(async {
        let (expected, told) = after_a_power_cut(Durability::Sync).await;
        let expected: Vec<_> = expected.into_iter().map(|value| (false, Some(value))).collect();
        assert_eq!(told, expected);
    });
}

#[test]
fn with_durability_os_a_watch_that_goes_on_after_a_power_cut_is_told_everything_anew() {
    run(async {
        let (expected, told) = after_a_power_cut(Durability::Os).await;
        assert_eq!(told.first(), Some(&(true, expected.last().copied())));
        assert_eq!(told.len(), 1, "{told:?}");
    });
}

#[test]
fn after_a_close_the_segment_is_gone_on_with_and_after_a_kill_it_is_not() {
    run(async {
        let disk = SimDisk::default();
        for round in 0..5 {
            let pack = open(&disk, Durability::Sync).expect("open");
            set(&pack, &format!("round {round}")).await;
            pack.close().await.expect("close");
        }
        assert_eq!(segments(&disk), 1);

        let pack = open(&disk, Durability::Sync).expect("open");
        let block = set(&pack, "before the kill").await;
        let seen = pack.refs().position().await.expect("position");
        let killed = SimDisk::of_files(disk.files());
        let pack = open(&killed, Durability::Sync).expect("open after a kill");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(block));
        assert_eq!(pack.refs().position().await.expect("position"), seen, "the same incarnation");
        assert_eq!(segments(&killed), 2);

        // Nothing was written, so the segment is not kept.
        let again = SimDisk::of_files(killed.files());
        drop(open(&again, Durability::Sync).expect("open after another kill"));
        assert_eq!(segments(&again), 2);
    });
}

#[test]
fn with_durability_os_an_unclean_end_begins_a_new_incarnation() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Os).expect("open");
        let block = set(&pack, "block").await;
        let seen = pack.refs().position().await.expect("position");
        let killed = SimDisk::of_files(disk.files());
        pack.close().await.expect("close");
        let pack = open(&disk, Durability::Os).expect("open after a close");
        assert_eq!(pack.refs().position().await.expect("position"), seen);

        let pack = open(&killed, Durability::Os).expect("open after a kill");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(block));
        let now = pack.refs().position().await.expect("position");
        assert_ne!(now.incarnation, seen.incarnation);
        let changes = pack.refs().changes(seen, 10).await.expect("changes");
        assert_eq!(changes, Changes::Truncated { oldest: now });
        let update = Update::new(seen).set(main(), block);
        let ambiguous = pack.refs().update(update).await.expect_err("it cannot be known");
        assert_eq!(ambiguous.kind(), ErrorKind::Ambiguous);
        set(&pack, "after").await;
        pack.close().await.expect("close");
        let pack = open(&killed, Durability::Os).expect("open once more");
        let end = pack.refs().position().await.expect("position");
        assert_eq!((end.incarnation, end.sequence), (now.incarnation, now.sequence + 1));
    });
}

#[test]
fn blocks_of_many_segments_are_found() {
    const BLOCKS: usize = 3000;
    run(async {
        let disk = SimDisk::default();
        let block = |number: usize| Bytes::from(format!("block {number}").repeat(number % 9));
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..BLOCKS {
            let key = pack.blocks().add(block(number)).await.expect("add");
            assert_eq!(pack.blocks().find(&key).await.expect("find"), Some(block(number)));
        }
        let keys: Vec<_> = (0..2 * BLOCKS).rev().map(|number| Sha1::of(&block(number))).collect();
        let there = |number: usize| number < BLOCKS || number.is_multiple_of(9);
        let expected = (0..2 * BLOCKS).rev().map(|number| there(number).then(|| block(number)));
        let expected: Vec<_> = expected.collect();
        assert_eq!(pack.blocks().find_many(&keys).await.expect("find_many"), expected);
        pack.close().await.expect("close");

        assert!(segments(&disk) > 10);
        let pack = open(&disk, Durability::Sync).expect("open again");
        assert_eq!(pack.blocks().find_many(&keys).await.expect("find_many"), expected);
        for (key, expected) in keys.iter().zip(&expected) {
            assert_eq!(&pack.blocks().find(key).await.expect("find"), expected);
        }
        let size: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
        for number in 0..BLOCKS {
            pack.blocks().add(block(number)).await.expect("add again");
        }
        pack.blocks().flush().await.expect("flush");
        let now: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(size, now, "what is there is not written again");
    });
}

/// What is acknowledged can be opened again, however much it is.
#[test]
fn many_refs_are_there_again() {
    const REFS: usize = 400;
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = pack.blocks().add("block".into()).await.expect("add");
        let name = |number: usize| RefName::branch(&format!("{number:0200}")).expect("a name");
        let seen = pack.refs().position().await.expect("position");
        for numbers in (0..REFS).collect::<Vec<_>>().chunks(50) {
            let set = |update: Update<_, _>, number: &usize| update.set(name(*number), block);
            let update = numbers.iter().fold(Update::new(seen), set);
            assert!(pack.refs().update(update).await.expect("update").is_applied());
        }
        pack.close().await.expect("close");
        let is_of_refs =
            |name: &str| matches!(FileKind::of_file_name(name), Some((FileKind::Refs, _)));
        let size = disk.files().into_iter().filter(|(name, _)| is_of_refs(name));
        let size: usize = size.map(|(_, bytes)| bytes.len()).sum();
        assert!(size as u64 > UNLISTED_FILE_MAX, "the refs have {size} bytes");
        let pack = open(&disk, Durability::Sync).expect("open again");
        for number in 0..REFS {
            let found = pack.refs().find(&name(number)).await.expect("find");
            assert_eq!(found, Some(block), "ref {number}");
        }
        drop(pack);
        let disk = Arc::new(disk) as Arc<dyn Disk>;
        let repaired = repair_disk::<Sha1>(&disk, &RepairOptions::default()).expect("repair");
        assert!(repaired.is_sound(), "{repaired}");
    });
}

#[test]
fn locations_name_a_directory_and_options() {
    run(async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display();
        let openers = Openers::<Sha1>::new().with("pack", crate::open);
        let pack = openers.open(&format!("pack:{path}?durability=os&cache_bytes=0")).await;
        pack.expect("open").close().await.expect("close");
        let refused = async |location: &str| {
            let error = openers.open(location).await.expect_err("it is refused");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            error.to_string()
        };
        let message = refused(&format!("pack:{path}?durability=never")).await;
        assert!(message.contains("`sync`") && message.contains("`os`"), "{message}");
        let message = refused(&format!("pack:{path}?log_changes_max=7")).await;
        assert!(message.contains("at least 65536"), "{message}");
        assert!(refused("pack:").await.contains("`pack:./data`"));
        let nowhere: Location = "pack:/dev/null/x".parse().expect("a location");
        assert!(crate::open::<Sha1>(nowhere).await.is_err());
    });
}

#[test]
fn an_update_that_names_itself_again_while_it_is_under_way_is_one() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = pack.blocks().add("block".into()).await.expect("add");
        let update = Update::new(pack.refs().position().await.expect("position"));
        let update = update.set(main(), block);
        disk.hold();
        let mut sent = Vec::new();
        for _ in 0..3 {
            let (pack, update) = (pack.clone(), update.clone());
            sent.push(tokio::spawn(async move { pack.refs().update(update).await }));
        }
        let held = disk.clone();
        tokio::task::spawn_blocking(move || held.wait_for_sync()).await.expect("it waits");
        disk.release();
        for sent in sent {
            let answer = sent.await.expect("it ends").expect("update");
            assert!(matches!(answer, Outcome::Applied(at) if at.sequence == 1));
        }
    });
}
