//! Derived data: kept without a sync, and never wrong, whatever happens to their files.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, RefName, Sha1, Storage as _,
};
use ramus_testkit::{Campaign, run};

use super::sim::{Failure, Op, Random, SimDisk};
use super::work::open;
use crate::check::check_disk;
use crate::derived::DERIVED_NEW;
use crate::format::derived::{SUFFIX, file_name};
use crate::format::manifest::FileKind;
use crate::{Damaged, Depth, Durability, Pack};

fn name(number: usize) -> RefName {
    RefName::internal(&format!("index/{number}")).expect("a name")
}

async fn load(pack: &Pack, number: usize) -> Option<Bytes> {
    pack.load_derived(&name(number)).await.expect("load")
}

async fn append(pack: &Pack, number: usize, at: usize, text: &str) -> bool {
    let bytes = text.to_owned().into();
    pack.append_derived(&name(number), at as u64, bytes).await.expect("append")
}

async fn replace(pack: &Pack, number: usize, text: &str) -> bool {
    pack.replace_derived(&name(number), text.to_owned().into()).await.expect("replace")
}

/// Returns the names and bytes of the files of derived data.
fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let derived = |name: &str| name.ends_with(SUFFIX) || name == DERIVED_NEW;
    disk.files().into_iter().filter(|(name, _)| derived(name)).collect()
}

/// Returns the same disk with another file of derived data, or none.
fn with_file(disk: &SimDisk, name: &str, bytes: Option<Vec<u8>>) -> SimDisk {
    let others = disk.files().into_iter().filter(|(other, _)| other != name);
    SimDisk::of_files(others.chain(bytes.map(|bytes| (name.to_owned(), bytes))))
}

/// Returns a closed disk with the parts `one `, `two ` and `three` of a name.
async fn three_parts() -> SimDisk {
    let disk = SimDisk::default();
    let pack = open(&disk, Durability::Sync).expect("open");
    assert!(replace(&pack, 0, "one ").await);
    assert!(append(&pack, 0, 4, "two ").await);
    assert!(append(&pack, 0, 8, "three").await);
    pack.close().await.expect("close");
    disk
}

#[test]
fn they_are_there_when_the_directory_is_opened_again_and_go_on() {
    run(async {
        let mut disk = three_parts().await;
        for (length, text) in [(13, "four"), (17, "five"), (21, "")] {
            let pack = open(&disk, Durability::Sync).expect("open");
            let whole = "one two threefourfive";
            assert_eq!(load(&pack, 0).await.as_deref(), whole.as_bytes().get(..length));
            assert!(!append(&pack, 0, length - 1, text).await, "that is not the end");
            assert!(append(&pack, 0, length, text).await);
            // Without a close, too: they need none.
            disk = disk.kill();
        }
        let pack = open(&disk, Durability::Sync).expect("open");
        assert!(append(&pack, 0, 21, "!").await, "also where they were not loaded before");
        assert_eq!(load(&pack, 0).await.as_deref(), Some(&b"one two threefourfive!"[..]));
        assert_eq!(files(&disk).len(), 1);
    });
}

#[test]
fn nothing_of_them_is_synced_and_check_does_not_mind_them() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let recording = disk.record();
        replace(&pack, 0, "one ").await;
        append(&pack, 0, 4, "two").await;
        append(&pack, 1, 0, "other").await;
        let recording = recording.of(&disk);
        let syncs = |op: &Op| matches!(op, Op::SyncFile { .. } | Op::SyncDirectory);
        assert!(!recording.log.iter().any(syncs), "{:?}", recording.log);
        pack.close().await.expect("close");
        let report = check_disk::<Sha1>(&Arc::new(disk), Depth::Full).expect("check");
        assert_eq!(report.problems, Vec::<String>::new());
    });
}

#[test]
fn a_damaged_file_gives_what_was_once_there_or_nothing_and_is_written_anew() {
    run(async {
        let disk = three_parts().await;
        let [(file, sound)] = &files(&disk)[..] else { panic!("one file") };
        let once = ["one ", "one two ", "one two three"];
        let mut damaged = vec![None];
        damaged.extend((0..sound.len()).map(|length| Some(sound[..length].to_vec())));
        damaged.extend((0..sound.len()).map(|place| {
            let mut bytes = sound.clone();
            bytes[place] ^= 1 << (place % 8);
            Some(bytes)
        }));
        damaged.push(Some([&sound[..], b"what another program left there"].concat()));
        damaged.push(Some(vec![0; sound.len()]));
        for bytes in damaged {
            let context = format!("{bytes:?}");
            let disk = with_file(&disk, file, bytes);
            let pack = open(&disk, Durability::Sync).expect("open");
            let found = load(&pack, 0).await.unwrap_or_default();
            let text = std::str::from_utf8(&found).expect(&context);
            assert!(text.is_empty() || once.contains(&text), "{text}: {context}");
            assert!(append(&pack, 0, found.len(), "more").await, "{context}");
            let pack = open(&disk.kill(), Durability::Sync).expect("open");
            let more = format!("{text}more");
            assert_eq!(load(&pack, 0).await.as_deref(), Some(more.as_bytes()), "{context}");
        }
    });
}

#[test]
fn a_file_that_is_changed_while_the_store_is_open_gives_nothing() {
    run(async {
        // A part of it would be wrong: this process was told that all of it is kept.
        for length in [0, 50, 70] {
            let disk = three_parts().await;
            let pack = open(&disk, Durability::Sync).expect("open");
            assert_eq!(load(&pack, 0).await.as_deref(), Some(&b"one two three"[..]));
            let [(file, sound)] = &files(&disk)[..] else { panic!("one file") };
            disk.put(file, sound[..length].to_vec());
            assert_eq!(load(&pack, 0).await, None);
            assert!(!append(&pack, 0, 13, "more").await, "there is nothing any more");
            assert!(append(&pack, 0, 0, "anew").await);
            assert_eq!(load(&pack, 0).await.as_deref(), Some(&b"anew"[..]));
        }
    });
}

#[test]
fn a_file_of_another_name_does_not_count() {
    run(async {
        let disk = three_parts().await;
        let [(_, sound)] = &files(&disk)[..] else { panic!("one file") };
        disk.put(&file_name::<Sha1>(&name(1)), sound.clone());
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(load(&pack, 1).await, None);
        assert_eq!(load(&pack, 0).await.as_deref(), Some(&b"one two three"[..]));
    });
}

/// What derived data of one name were, one after the other.
#[derive(Default)]
struct Kept {
    texts: Vec<String>,
}

/// Crash states per unit of scale.
const STATES: usize = 300;

#[test]
fn after_a_crash_they_are_what_they_once_were_or_nothing() {
    run(async {
        let campaign = Campaign::from_env();
        let mut random = Random::new(campaign.seed);
        let mut states = 0;
        while states < campaign.times(STATES) {
            states += crash_everywhere(random.next()).await;
        }
    });
}

async fn crash_everywhere(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::default();
    let recording = disk.record();
    let mut kept: [Kept; 2] = Default::default();
    for _ in 0..3 {
        let pack = open(&disk, Durability::Sync).expect("open");
        for step in 0..10 {
            let (number, text) = (random.below(2), "0123456789".repeat(random.below(80)));
            let text = format!("{step}:{text}");
            let last = load(&pack, number).await.unwrap_or_default();
            let last = String::from_utf8(last.to_vec()).expect("it was text");
            let text = if random.once_in(4) {
                assert!(replace(&pack, number, &text).await);
                text
            } else {
                assert!(append(&pack, number, last.len(), &text).await);
                last + &text
            };
            kept[number].texts.push(text);
            if random.once_in(3) {
                let block = pack.blocks().add(format!("{seed} {step}").into()).await.expect("add");
                pack.refs().set(name(9), block).await.expect("set");
            }
        }
        disk = disk.kill();
    }
    let recording = recording.of(&disk);
    for operations in 0..=recording.log.len() {
        let disk = recording.crash(operations, &mut random);
        let context = format!("seed {seed}, a crash after {operations} operations");
        let pack = open(&disk, Durability::Sync).expect(&context);
        for (number, kept) in kept.iter().enumerate() {
            let Some(found) = load(&pack, number).await else { continue };
            let text = std::str::from_utf8(&found).expect(&context);
            let once = kept.texts.iter().any(|once| once == text);
            assert!(once || text.is_empty(), "{text}: {context}");
            assert!(append(&pack, number, found.len(), "more").await, "{context}");
        }
    }
    recording.log.len() + 1
}

#[test]
fn whatever_call_fails_they_are_what_was_answered_or_nothing() {
    run(async {
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
            let mut at = 1;
            while fail_at(Failure { at, kind, lasts: false }).await {
                at += 1;
            }
            assert!(at > 8, "{at} calls");
        }
    });
}

/// Keeps data while one call fails; returns whether it was reached.
async fn fail_at(failure: Failure) -> bool {
    let disk = SimDisk::default();
    let pack = open(&disk, Durability::Sync).expect("open");
    disk.fail(Some(failure));
    let mut kept = String::new();
    for step in 0..6 {
        let text = format!("{step} ");
        let answer = if step % 3 == 2 {
            kept = String::new();
            pack.replace_derived(&name(0), text.clone().into()).await
        } else {
            pack.append_derived(&name(0), kept.len() as u64, text.clone().into()).await
        };
        match answer {
            Ok(true) => kept += &text,
            Ok(false) => kept = String::new(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{failure:?}: {error:?}");
                assert_ne!(failure.kind, io::ErrorKind::StorageFull, "that is no failure");
                kept = String::new();
            }
        }
        let found = load(&pack, 0).await.unwrap_or_default();
        assert_eq!(found, kept.as_bytes(), "{failure:?}");
    }
    // The log has nothing to do with it.
    disk.fail(None);
    let block = pack.blocks().add("block".into()).await.expect("add");
    pack.refs().set(name(9), block).await.expect("set");
    pack.close().await.expect("close");
    disk.failed()
}

#[test]
fn a_directory_that_is_damaged_keeps_none_anew() {
    run(async {
        let disk = three_parts().await;
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = pack.blocks().add("block".into()).await.expect("add");
        pack.refs().set(name(9), block).await.expect("set");
        pack.close().await.expect("close");
        let segment =
            |name: &str| matches!(FileKind::of_file_name(name), Some((FileKind::Segment, _)));
        let (file, mut bytes) = disk.files().into_iter().rfind(|(name, _)| segment(name)).unwrap();
        bytes[100] ^= 1;
        disk.put(&file, bytes);
        let mut settings = super::work::settings(Durability::Sync);
        settings.options = settings.options.with_damaged(Damaged::Read);
        let pack: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("to be read");
        assert_eq!(load(&pack, 0).await.as_deref(), Some(&b"one two three"[..]));
        let replaced = pack.replace_derived(&name(0), Bytes::new()).await;
        let appended = pack.append_derived(&name(0), 13, Bytes::new()).await;
        for refused in [replaced, appended] {
            assert_eq!(refused.expect_err("it is damaged").kind(), ErrorKind::Corrupt);
        }
    });
}

#[test]
fn a_directory_that_has_nothing_else_is_no_empty_one() {
    let disk = SimDisk::of_files([(file_name::<Sha1>(&name(0)), vec![1])]);
    let error = open(&disk, Durability::Sync).expect_err("its manifest was lost");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("manifest was lost"), "{error}");
}

#[test]
fn more_names_than_are_kept_are_refused() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..1024 {
            assert!(replace(&pack, number, "x").await);
        }
        assert!(!replace(&pack, 1024, "x").await);
        assert!(!append(&pack, 1024, 0, "x").await);
        assert_eq!((load(&pack, 1024).await, files(&disk).len()), (None, 1024));
        assert!(append(&pack, 1023, 1, "x").await);
    });
}
