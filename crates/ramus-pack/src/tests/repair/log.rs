//! What a repair makes of the log.

use std::sync::Arc;

use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Change, Changes, ContentAddressable as _, Cursor,
    Outcome, RefName, Sha1, Storage as _, Update,
};
use ramus_testkit::run;

use super::{main, repair};
use crate::disk::Disk as _;
use crate::format::manifest::FileKind;
use crate::tests::sim::SimDisk;
use crate::tests::work::open;
use crate::{Durability, Pack};

/// Works, and returns the disk as it is after a close, and the changes that the log keeps then.
async fn with_changes() -> (SimDisk, Cursor, Vec<Arc<Change<RefName, Sha1>>>, Update<RefName, Sha1>)
{
    let disk = SimDisk::default();
    let pack = open(&disk, Durability::Sync).expect("open");
    let filler = "x".repeat(400);
    for number in 0..60 {
        let block = pack.blocks().add(format!("{number}{filler}").into()).await.expect("add");
        pack.refs().set(main(), block).await.expect("set");
    }
    let block = pack.blocks().add("the last".into()).await.expect("add");
    let last = Update::new(pack.refs().position().await.expect("position")).set(main(), block);
    assert!(pack.refs().update(last.clone()).await.expect("update").is_applied());
    let (end, changes) = log(&pack).await;
    pack.close().await.expect("close");
    (disk, end, changes, last)
}

/// Returns the end of the log, and all changes that it has.
async fn log(pack: &Pack) -> (Cursor, Vec<Arc<Change<RefName, Sha1>>>) {
    let end = pack.refs().position().await.expect("position");
    let begin = Cursor { sequence: 0, ..end };
    let oldest = match pack.refs().changes(begin, 1).await.expect("changes") {
        Changes::Page(_) => begin,
        Changes::Truncated { oldest } => oldest,
    };
    match pack.refs().changes(oldest, 1000).await.expect("changes") {
        Changes::Page(page) => (end, page.changes),
        Changes::Truncated { oldest } => panic!("it begins at {oldest}"),
    }
}

#[test]
fn a_log_of_which_nothing_is_lost_goes_on_after_a_repair() {
    run(async {
        // A page of an index, and a block of a sealed segment that no ref names.
        for damaged in [".index", ".segment"] {
            let (disk, end, changes, last) = with_changes().await;
            let files = disk.files();
            let (name, _) = files.iter().find(|(name, _)| name.ends_with(damaged)).expect("one");
            let mut bytes = files.iter().find(|(of, _)| of == name).expect("one").1.clone();
            bytes[64 + 64 + 40] ^= 1;
            disk.put(name, bytes);
            let report = repair(&disk).expect("repair");
            assert!(!report.is_sound(), "{report}");
            assert_eq!((report.changes_lost, report.changes_forgotten), (0, 0), "{report}");
            let pack = open(&disk, Durability::Sync).expect("open");
            assert_eq!(log(&pack).await, (end, changes), "{damaged} was damaged");
            // It was applied, and is known again.
            let again = pack.refs().update(last).await.expect("update");
            assert_eq!(again, Outcome::Applied(end));
            pack.close().await.expect("close");
            assert!(repair(&disk).expect("repair").is_sound());
        }
    });
}

#[test]
fn with_durability_os_the_log_of_a_directory_that_was_not_closed_begins_anew_in_a_repair() {
    run(async {
        for is_closed in [true, false] {
            let disk = SimDisk::default();
            let pack = open(&disk, Durability::Os).expect("open");
            let filler = "x".repeat(400);
            for number in 0..60 {
                let block = pack.blocks().add(format!("{number}{filler}").into()).await;
                pack.refs().set(main(), block.expect("add")).await.expect("set");
            }
            let (end, changes) = log(&pack).await;
            let disk = if is_closed {
                pack.close().await.expect("close");
                disk
            } else {
                disk.kill()
            };
            drop(pack);
            let files = disk.files();
            let is_index =
                |name: &str| matches!(FileKind::of_file_name(name), Some((FileKind::Index, _)));
            let index = files.into_iter().find(|(name, _)| is_index(name));
            let (name, mut bytes) = index.expect("there is one");
            bytes[64 + 40] ^= 1;
            disk.put(&name, bytes);
            let report = repair(&disk).expect("repair");
            // A file has some that the log has forgotten.
            let forgotten = report.changes_forgotten >= changes.len() as u64;
            assert_eq!(forgotten, !is_closed, "{report}");
            assert!(!is_closed || report.changes_forgotten == 0, "{report}");
            let pack = open(&disk, Durability::Os).expect("open");
            let (now, kept) = log(&pack).await;
            assert_eq!(now == end, is_closed, "{now}, and it was {end}");
            assert_eq!(kept.len(), if is_closed { changes.len() } else { 0 });
            pack.close().await.expect("close");
        }
    });
}

#[test]
fn changes_before_a_damaged_file_of_them_are_said_to_be_forgotten() {
    run(async {
        let (disk, end, changes, _) = with_changes().await;
        let mut files: Vec<_> = disk.files();
        files.retain(|(name, _)| name.ends_with(".changes"));
        assert!(files.len() > 3, "{} files of changes", files.len());
        let (name, mut bytes) = files.swap_remove(files.len() / 2);
        let number = FileKind::of_file_name(&name).expect("it is ours").1;
        bytes[40] ^= 1;
        disk.put(&name, bytes);
        // The segment that has these changes, too, is gone as well.
        let segment = FileKind::Segment.file_name(number);
        disk.unlink(&segment).expect("it is there");
        let report = repair(&disk).expect("repair");
        assert!(report.changes_forgotten > 0, "{report}");
        let pack = open(&disk, Durability::Sync).expect("open");
        let (now, kept) = log(&pack).await;
        assert_eq!(now, end, "the end is whole");
        assert!(!kept.is_empty() && changes.ends_with(&kept), "{} are kept", kept.len());
        pack.close().await.expect("close");

        let (disk, end, changes, _) = with_changes().await;
        disk.unlink("manifest").expect("it is there");
        let report = repair(&disk).expect("repair");
        assert!(report.changes_forgotten >= changes.len() as u64, "{report}");
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_ne!(log(&pack).await.0.incarnation, end.incarnation);
    });
}
