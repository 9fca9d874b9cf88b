//! Files of others, and numbers that are never given.

use std::sync::Arc;

use ramus_core::{ContentAddressable as _, ErrorKind, ReadOnly as _, Sha1, Storage as _};
use ramus_testkit::run;

use super::{main, set};
use crate::format::manifest::{FileKind, Manifest};
use crate::repair::repair_disk;
use crate::tests::sim::SimDisk;
use crate::tests::work::{open, settings};
use crate::{Durability, Mode, Pack, RepairOptions};

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
