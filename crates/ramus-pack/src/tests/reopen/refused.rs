//! What cannot be opened, and what is said of it.

use std::sync::Arc;

use ramus_core::{
    ContentAddressable as _, Cursor, ErrorKind, Hash as _, Incarnation, Key as _, ReadOnly as _,
    RefName, Sha1, Sha256, Storage as _,
};
use ramus_testkit::run;

use super::{main, set};
use crate::check::check_disk;
use crate::disk::Disk;
use crate::format::checksum;
use crate::format::manifest::{FileKind, Manifest};
use crate::index::run::Lookup;
use crate::index::{Place, Read};
use crate::options::Settings;
use crate::repair::repair_disk;
use crate::tests::sim::SimDisk;
use crate::tests::work::{open, settings};
use crate::writer::active::{Active, Ahead};
use crate::{Depth, Durability, Mode, Pack, PackOptions, RepairOptions};

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

/// A crash while a directory is made leaves a first segment without a batch, and nothing else is taken for that.
#[test]
fn a_first_segment_that_is_not_known_to_be_blank_is_not_removed() {
    run(async {
        let disk = SimDisk::default();
        let after = Cursor { incarnation: Incarnation::random(), sequence: 0 };
        let ahead = Ahead::new(&settings(Durability::Sync));
        drop(Active::create(&disk, 1, 1, after, ahead).expect("make"));
        let name = FileKind::Segment.file_name(1);
        let begun = disk.files();
        let opened = |disk: &SimDisk| {
            let opened = open(disk, Durability::Sync).map(drop).map_err(|error| error.kind());
            (opened, disk.files().into_iter().any(|(other, _)| other == name))
        };
        assert_eq!(opened(&SimDisk::of_files(begun.clone())).0, Ok(()));

        let unreadable = SimDisk::of_files(begun.clone());
        unreadable.break_sectors(&name, 0..512);
        assert_eq!(opened(&unreadable), (Err(ErrorKind::Unavailable), true));

        let mut later = begun.clone();
        with_later_version(&mut later[0].1, 8, 0..60);
        assert_eq!(opened(&SimDisk::of_files(later)), (Err(ErrorKind::Unsupported), true));

        let mut damaged = begun;
        damaged[0].1[20] ^= 1;
        assert_eq!(opened(&SimDisk::of_files(damaged.clone())).0, Ok(()), "it was not synced");
        damaged.push((FileKind::Refs.file_name(2), Vec::new()));
        assert_eq!(opened(&SimDisk::of_files(damaged)), (Err(ErrorKind::Corrupt), true));
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
