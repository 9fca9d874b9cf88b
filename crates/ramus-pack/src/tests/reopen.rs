//! What is there when a directory is opened again, and who may open it.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::open::{Location, Openers};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Changes, ContentAddressable as _, ErrorKind, Hash as _,
    Key as _, Outcome, ReadOnly as _, RefName, Sha1, Sha256, Storage as _, Update,
};
use ramus_testkit::run;
use ramus_watch::{Event, WatchExt as _, WatchOptions};

use super::sim::SimDisk;
use super::work::{open, settings};
use crate::check::check_disk;
use crate::disk::Disk;
use crate::format::checksum;
use crate::format::manifest::{FileKind, Manifest};
use crate::index::run::Lookup;
use crate::index::{Place, Read};
use crate::options::Settings;
use crate::recover::UNLISTED_FILE_MAX;
use crate::repair::repair_disk;
use crate::{Depth, Durability, Mode, Pack, PackOptions, RepairOptions};

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

#[test]
fn a_second_opening_is_refused_naming_the_process() {
    run(async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b");
        let options = PackOptions::default();
        let pack = Pack::<Sha1>::open(&path, &options).await.expect("open");
        let error = Pack::<Sha1>::open(&path, &options).await.expect_err("it is open");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("is open already, in this process"), "{error}");
        pack.close().await.expect("close");
        let pack = Pack::<Sha1>::open(&path, &options).await.expect("open after a close");
        let block = set(&pack, "block").await;
        drop(pack);
        let pack = Pack::<Sha1>::open(&path, &options).await.expect("open after a drop");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(block));

        let disk = SimDisk::default();
        let _open = open(&disk, Durability::Sync).expect("open");
        let error = open(&disk, Durability::Sync).expect_err("it is open");
        assert!(error.to_string().contains("is open already, in process 7"), "{error}");
    });
}

#[test]
fn files_of_others_are_left_alone() {
    let disk = SimDisk::default();
    drop(open(&disk, Durability::Sync).expect("open"));
    let theirs =
        ["notes.repair", "1.segment.repair", "head.repair", "x.segment", "00000001.SEGMENT"];
    let ours = ["00000009.segment.repair", "0000000a.index.repair", "0000000b.index"];
    for name in theirs.into_iter().chain(ours) {
        disk.put(name, vec![1]);
    }
    drop(open(&disk, Durability::Sync).expect("open again"));
    let names: Vec<_> = disk.files().into_iter().map(|(name, _)| name).collect();
    let is_left = |name: &&str| names.iter().any(|left| left == name);
    assert!(theirs.iter().all(is_left), "{names:?}");
    assert!(!ours.iter().any(is_left), "{names:?}");

    let foreign = SimDisk::of_files([("notes.repair".to_owned(), vec![1])]);
    let error = open(&foreign, Durability::Sync).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
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
fn what_cannot_be_opened_says_why() {
    run(async {
        let refused = |disk: &SimDisk| open(disk, Durability::Sync).expect_err("it is refused");
        let foreign = SimDisk::of_files([("notes.txt".to_owned(), vec![1])]);
        let error = refused(&foreign);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "the disk is no repository: it has no `manifest`, and it is not empty (there is `notes.txt`); take a directory of its own"
        );

        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, "block").await;
        pack.close().await.expect("close");
        let other = Pack::<Sha256>::open_disk(Arc::new(disk.clone()), settings(Durability::Sync));
        let error = other.expect_err("another hash");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "the blocks of the disk are named by `sha1`, and `sha256` was asked for; open it with a schema of that hash"
        );

        let mut files = disk.files();
        let manifest = files.iter_mut().find(|(name, _)| name == "manifest").expect("a manifest");
        manifest.1[8] = 2;
        let body = manifest.1.len() - 4;
        let sum = checksum(&[&manifest.1[..body]]);
        manifest.1[body..].copy_from_slice(&sum.to_le_bytes());
        assert!(Manifest::decode(&manifest.1).is_err());
        let error = refused(&SimDisk::of_files(files.clone()));
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let shown = format!("{error:?}");
        assert!(shown.contains("its format has version 2, and this program knows"), "{shown}");

        files.retain(|(name, _)| name != "manifest");
        let error = refused(&SimDisk::of_files(files));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("the manifest was lost"), "{error}");
    });
}

/// Raises the version in a file to 2, and puts right the checksum of what carries it.
fn with_later_version(bytes: &mut [u8], version_at: usize, checked: std::ops::Range<usize>) {
    bytes[version_at] = 2;
    let sum = checksum(&[&bytes[checked.clone()]]);
    bytes[checked.end..checked.end + 4].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn a_later_version_of_any_file_is_refused() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..40 {
            set(&pack, &format!("{number:0300}")).await;
        }
        let derived = RefName::internal("index").expect("a name");
        assert!(pack.replace_derived(&derived, "derived".into()).await.expect("replace"));
        pack.close().await.expect("close");
        let files = disk.files();
        let manifest = files.iter().find(|(name, _)| name == "manifest").expect("a manifest");
        let active = Manifest::decode(&manifest.1).expect("it is sound").active;
        let active = FileKind::Segment.file_name(active);
        let name_of = |end: &str| {
            let name = files.iter().map(|(name, _)| name).find(|name| name.ends_with(end));
            name.expect("there is one").clone()
        };
        let length_of = |name: &str| {
            files.iter().find(|(of, _)| of == name).map_or(0, |(_, bytes)| bytes.len())
        };
        let (index, changes, refs) = (name_of(".index"), name_of(".changes"), name_of(".refs"));
        let all_of = |name: &str| 0..length_of(name) - 4;
        let cases = [
            (active.clone(), 8, 0..60),
            (active, 64 + 4, 64..64 + 60),
            (index, 8, 0..60),
            (changes.clone(), 8, all_of(&changes)),
            (refs.clone(), 8, all_of(&refs)),
        ];
        for (name, version_at, checked) in cases {
            let context = format!("{name}, byte {version_at}");
            let mut files = files.clone();
            let file = files.iter_mut().find(|(of, _)| *of == name).expect("it is there");
            with_later_version(&mut file.1, version_at, checked);
            let read = PackOptions::default().with_mode(Mode::Read);
            for options in [PackOptions::default(), read] {
                let disk = SimDisk::of_files(files.clone());
                let settings = Settings { options, ..settings(Durability::Sync) };
                let opened = Pack::<Sha1>::open_disk(Arc::new(disk.clone()), settings);
                let error = opened.expect_err(&context);
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{context}: {error:?}");
                let shown = format!("{error:?}");
                assert!(shown.contains(&name) && shown.contains("has version 2"), "{shown}");
            }
            let disk = SimDisk::of_files(files);
            let checked = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full);
            let kind = checked.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unsupported), "{context}: check");
            let disk = Arc::new(disk) as Arc<dyn Disk>;
            let repaired = repair_disk::<Sha1>(&disk, &RepairOptions::default());
            let kind = repaired.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unsupported), "{context}: repair");
        }

        // They can be made anew, so they are no reason to refuse anything.
        let name = name_of(".derived");
        let mut files = files.clone();
        let file = files.iter_mut().find(|(of, _)| *of == name).expect("it is there");
        let head = 24 + derived.to_bytes().len();
        with_later_version(&mut file.1, 8, 0..head);
        let pack = open(&SimDisk::of_files(files), Durability::Sync).expect("open");
        assert_eq!(pack.load_derived(&derived).await.expect("load"), None);
        pack.close().await.expect("close");
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

/// Names of the kinds that are ours, with numbers that are never given.
const FOREIGN: [&str; 10] = [
    "ffffffff.segment",
    "ffffffff.index",
    "ffffffff.changes",
    "ffffffff.refs",
    "fffffffe.segment",
    "f0000000.index",
    "00000000.segment",
    "ABCDEF01.segment",
    "1.segment",
    "00000009.segment.bak",
];

#[test]
fn files_of_numbers_that_are_never_given_are_left_alone() {
    run(async {
        let disk = SimDisk::default();
        let first = set(&open(&disk, Durability::Sync).expect("open"), "first").await;
        let foreign = || FOREIGN.map(|name| (name.to_owned(), b"foreign".to_vec()));
        for (name, bytes) in foreign() {
            disk.put(&name, bytes);
        }
        disk.put("efffff00.segment", b"ours, by its name".to_vec());
        for round in 0..3_u8 {
            let disk = disk.kill();
            let pack = open(&disk, Durability::Sync).expect("open");
            for block in 0..100_u8 {
                pack.blocks().add(vec![block; 190 + usize::from(round)].into()).await.expect("add");
            }
            set(&pack, &format!("round {round}")).await;
            assert!(pack.blocks().mem(&first).await.expect("mem"), "round {round}");
        }
        let files = disk.files();
        for file in foreign() {
            assert!(files.contains(&file), "{} was touched", file.0);
        }
        assert!(!files.iter().any(|(name, _)| name == "efffff00.segment"), "it does not count");
        let ours = files.iter().filter_map(|(name, _)| FileKind::of_file_name(name));
        assert!(
            ours.map(|(_, number)| number).all(|number| !(100..=0xefff_ff00).contains(&number))
        );

        // A repair does not take them for what was lost, and has numbers for what it makes.
        disk.put("manifest", b"damaged".to_vec());
        disk.put("damaged-4294967295/x", Vec::new());
        let repaired =
            repair_disk::<Sha1>(&(Arc::new(disk.kill()) as _), &RepairOptions::default());
        let repaired = repaired.expect("repair");
        assert_eq!((repaired.damages_count, repaired.set_aside.as_deref()), (1, Some("damaged-1")));
        let pack = open(&disk.kill(), Durability::Sync).expect("open");
        assert!(pack.blocks().mem(&first).await.expect("mem"));

        let disk = SimDisk::of_files(foreign());
        let error = open(&disk, Durability::Sync).expect_err("it is not empty");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    });
}

#[test]
fn a_directory_whose_numbers_are_used_up_can_be_read_and_says_so() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = set(&pack, "block").await;
        pack.close().await.expect("close");
        let put = |change: fn(&mut Manifest)| {
            let files = disk.files();
            let (_, manifest) = files.iter().find(|(name, _)| name == "manifest").expect("one");
            let mut manifest = Manifest::decode(manifest).expect("it is sound");
            change(&mut manifest);
            let changed = SimDisk::of_files(files);
            changed.put("manifest", manifest.encode());
            changed
        };
        let used_up = put(|manifest| manifest.next_file = u32::MAX);
        let error = open(&used_up, Durability::Sync).expect_err("no number is left");
        assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
        assert!(error.to_string().contains("used up the numbers"), "{error}");
        let mut to_read = settings(Durability::Sync);
        to_read.options = to_read.options.with_mode(Mode::Read);
        let reader: Pack = Pack::open_disk(Arc::new(used_up), to_read).expect("it can be read");
        assert_eq!(reader.refs().find(&main()).await.expect("find"), Some(block));

        let reused = put(|manifest| manifest.next_file = manifest.active);
        let error = open(&reused, Durability::Sync).expect_err("it would write over a segment");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    });
}

#[test]
fn a_length_in_an_index_that_cannot_be_is_refused_before_room_is_made() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = pack.blocks().add(vec![1; 7000].into()).await.expect("add");
        set(&pack, "the segment is sealed").await;
        let Lookup::Found(place) =
            pack.blocks().0.shared.index.in_runs(&block, Read::Wait).expect("find")
        else {
            panic!("it is in a run")
        };
        drop(pack);
        let files = disk.files();
        let mut ours = files.iter().filter_map(|(name, _)| FileKind::of_file_name(name));
        let index = ours.find(|(kind, _)| *kind == FileKind::Index);
        let (_, number) = index.expect("an index");
        let entry = Ok((block.as_bytes(), Place { length: u32::MAX, ..place }));
        let entries = std::iter::once(entry);
        crate::index::write::write(&disk, number, Sha1::LENGTH, 1, entries).expect("write");
        let pack = open(&disk.kill(), Durability::Sync).expect("open");
        let error = pack.blocks().find(&block).await.expect_err("no block is so long");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(format!("{error:?}").contains("a length that no block has"), "{error:?}");
    });
}
