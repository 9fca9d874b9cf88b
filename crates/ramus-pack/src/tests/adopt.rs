//! A tail that is adopted: what a killed process had written and not synced is durable before the next
//! one serves it.

use std::io;

use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, ReadOnly as _, RefName, Sha1,
    Storage as _,
};
use ramus_testkit::run;

use super::sim::{Failure, Op, Recording, SimDisk};
use super::work::open;
use crate::{Durability, Pack};

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

async fn set(pack: &Pack, text: &str) -> Sha1 {
    let block = pack.blocks().add(text.to_owned().into()).await.expect("add");
    pack.refs().set(main(), block).await.expect("set");
    block
}

/// Returns what was done on a disk from the first process on; the number of operations after which the
/// second one served what the first had written and not synced; and that.
async fn served(second: Durability) -> (Recording, usize, Sha1) {
    let disk = SimDisk::default();
    let recording = disk.record();
    let pack = open(&disk, Durability::Os).expect("open");
    set(&pack, "flushed").await;
    pack.blocks().flush().await.expect("flush");
    let written = set(&pack, "written, and not synced").await;
    let disk = disk.kill();
    drop(pack);
    let pack = open(&disk, second).expect("open");
    assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(written));
    assert!(pack.blocks().find(&written).await.expect("find").is_some());
    let operations = disk.recorded();
    (recording.of(&disk), operations, written)
}

/// Returns what `main` names after a power cut that took all that was not synced; or why the
/// directory cannot be opened.
async fn after_a_power_cut(
    recording: &Recording,
    operations: usize,
) -> Result<Option<Sha1>, ErrorKind> {
    let disk = recording.power_cut(operations);
    let pack = open(&disk, Durability::Sync).map_err(|error| error.kind())?;
    let found = pack.refs().find(&main()).await.expect("find");
    if let Some(block) = found {
        let block = pack.blocks().find(&block).await.map_err(|error| error.kind())?;
        assert!(block.is_some(), "a ref names what is not there");
    }
    Ok(found)
}

#[test]
fn what_was_adopted_is_there_after_a_power_cut() {
    run(async {
        for second in [Durability::Sync, Durability::Os] {
            let (recording, operations, written) = served(second).await;
            let found = after_a_power_cut(&recording, operations).await;
            assert_eq!(found, Ok(Some(written)), "{second:?}");
        }
    });
}

#[test]
fn it_would_not_be_without_the_sync() {
    run(async {
        let (mut recording, operations, written) = served(Durability::Sync).await;
        let names = recording.names();
        let killed = recording.log.iter().position(|op| matches!(op, Op::Nothing));
        let before = recording.log[..killed.expect("a kill")].iter().rev();
        let mut written_to = before.filter_map(|op| match op {
            Op::Write { file, .. } if names[file].ends_with(".segment") => Some(*file),
            _ => None,
        });
        let adopted = written_to.next().expect("it was written");
        let syncs = |op: &Op| matches!(op, Op::SyncFile { file } if *file == adopted);
        let at = recording.log.iter().rposition(syncs).expect("it is synced");
        assert!(at > killed.expect("a kill"), "it was synced before it was adopted");
        recording.log[at] = Op::Nothing;
        let found = after_a_power_cut(&recording, operations).await;
        assert_ne!(found, Ok(Some(written)), "the crash is aimed at that");
    });
}

#[test]
fn what_was_adopted_after_a_sync_that_failed_is_there_after_a_power_cut() {
    run(async {
        let disk = SimDisk::default();
        let recording = disk.record();
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, "synced").await;
        let block = pack.blocks().add("written, and not synced".into()).await.expect("add");
        // The write of the batch, then its sync.
        disk.fail(Some(Failure { at: 2, kind: io::ErrorKind::Other, lasts: false }));
        let refused = pack.refs().set(main(), block).await.map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::Unavailable));
        assert!(matches!(disk.log().last(), Some(Op::FailedSync { .. })), "it was the sync");
        disk.fail(None);
        drop(pack);
        let pack = open(&disk, Durability::Sync).expect("open");
        let served = pack.refs().find(&main()).await.expect("find");
        let operations = disk.recorded();
        let found = after_a_power_cut(&recording.of(&disk), operations).await;
        assert_eq!(found, Ok(served));
    });
}
