//! Merges that end before they are in place, or while they are put there.

use std::cell::Cell;
use std::io;

use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, Sha1, Storage as _};
use ramus_testkit::run;

use super::{SEGMENT_BLOCKS, block, close, fill_segment, hold_a_merge, look, open, runs, settle};
use crate::error::PackError;
use crate::format::manifest::FileKind;
use crate::index::merge::merge_newest;
use crate::tests::sim::{Failure, Op, SimDisk};

#[test]
fn a_merged_run_that_comes_while_something_waits_for_room_is_dropped() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = hold_a_merge(&pack, &disk).await;
        let before = runs(&pack);
        disk.fill(true);
        // There may be room for some that was made before.
        let refused = loop {
            pack.blocks().add(block(next)).await.expect("it waits in memory");
            next += 1;
            if let Err(refused) = pack.blocks().flush().await {
                break refused;
            }
        };
        assert_eq!(refused.kind(), ErrorKind::Limit);
        let recording = disk.record();
        let indexes = indexes(&disk);
        disk.release();
        settle(&pack, &disk).await;
        let recording = recording.of(&disk);
        let [Op::SyncFile { .. }, Op::Unlink { .. }] = &recording.log[..] else {
            panic!("its file is synced, and removed: {:?}", recording.log);
        };
        assert_eq!(self::indexes(&disk), indexes - 1);
        assert_eq!(runs(&pack), before);
        disk.fill(false);
        fill_segment(&pack, &mut next).await;
        settle(&pack, &disk).await;
        assert!(runs(&pack) < before, "it was tried again");
        look(&pack, next, |_| true).await;
        close(pack, &disk).await;
        look(&open(&disk), next, |_| true).await;
    });
}

/// Returns how many indexes have a file.
fn indexes(disk: &SimDisk) -> usize {
    let is_index = |name: &str| matches!(FileKind::of_file_name(name), Some((FileKind::Index, _)));
    disk.files().iter().filter(|(name, _)| is_index(name)).count()
}

#[test]
fn whatever_call_fails_when_a_merged_run_is_put_in_place_nothing_is_lost() {
    // How often that ends the writer: by two syncs of the directory; and by the renaming, unless that has said that
    // there was no room.
    for (kind, lasts, ends) in [
        (io::ErrorKind::Other, false, 3),
        (io::ErrorKind::StorageFull, false, 2),
        (io::ErrorKind::StorageFull, true, 2),
    ] {
        let ended = Cell::new(0);
        for at in 1..10 {
            let failure = Failure { at, kind, lasts };
            run(async {
                if ends_the_writer(failure).await {
                    ended.set(ended.get() + 1);
                }
            });
        }
        assert_eq!(ended.get(), ends, "{kind:?}, lasts: {lasts}");
    }
}

/// Lets a call fail from the sync of a merged run on, and returns whether that has ended the writer.
async fn ends_the_writer(failure: Failure) -> bool {
    let disk = SimDisk::default();
    let pack = open(&disk);
    let mut next = hold_a_merge(&pack, &disk).await;
    let before = runs(&pack);
    disk.fail(Some(failure));
    disk.release();
    settle(&pack, &disk).await;
    // How many calls there are behind those that put it in place is for the schedule.
    assert!(disk.failed() || failure.at > 7, "{failure:?}");
    disk.fail(None);
    look(&pack, next, |_| true).await;
    let ended = pack.blocks().flush().await.is_err();
    if ended {
        drop(pack.close().await);
        drop(pack);
    } else {
        if runs(&pack) == before && !failure.lasts {
            assert_eq!(indexes(&disk), before, "it leaves no file: {failure:?}");
        }
        // What could not be removed then is removed now.
        fill_segment(&pack, &mut next).await;
        settle(&pack, &disk).await;
        look(&pack, next, |_| true).await;
        close(pack, &disk).await;
    }
    let pack = open(&disk);
    look(&pack, next, |_| true).await;
    settle(&pack, &disk).await;
    close(pack, &disk).await;
    ended
}

#[test]
fn a_merge_asks_now_and_then_whether_it_is_still_wanted() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk);
        let mut next = 0;
        for _ in 0..12 {
            fill_segment(&pack, &mut next).await;
            settle(&pack, &disk).await;
        }
        let runs = pack.blocks().0.shared.index.runs();
        let asked = Cell::new(0);
        let until = |times: u32| {
            asked.set(0);
            let ensure_wanted = || {
                asked.set(asked.get() + 1);
                if asked.get() < times { Ok(()) } else { Err(PackError::GivenUp) }
            };
            merge_newest(&disk, 99_999, Sha1::LENGTH, &runs, &ensure_wanted)
        };
        assert!(matches!(until(2), Err(PackError::GivenUp)));
        assert_eq!(asked.get(), 2);
        let merged = until(u32::MAX).expect("merge").expect("all of them");
        // The newest blocks may be in no run yet: where a segment ends is for the schedule.
        let entries: u64 = runs.iter().map(|run| run.entries()).sum();
        assert_eq!((merged.0, merged.1.run.entries()), (runs.len(), entries));
        assert!(next - SEGMENT_BLOCKS < entries && entries <= next, "{entries} of {next}");
        pack.close().await.expect("close");
    });
}
