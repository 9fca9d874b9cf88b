//! Calls of the file system that fail, each of them once.

use std::io;
use std::sync::Arc;

use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, RefName,
    Sha1, Storage as _, Sweep as _,
};
use ramus_testkit::{Campaign, run};

use super::sim::{Failure, Random, SimDisk};
use super::work::{History, Manner, open, settings};
use crate::check::check_disk;
use crate::disk::Disk;
use crate::options::Settings;
use crate::repair::repair_disk;
use crate::{Damaged, Depth, Durability, Mode, Pack, RepairOptions};

/// Workloads per unit of scale, with a failure at every call that writes.
const RUNS: usize = 1;

#[test]
fn whatever_call_fails_no_answer_is_lost() {
    check(Durability::Sync, Calls::Writing, io::ErrorKind::Other);
}

#[test]
fn with_durability_os_whatever_call_fails_no_answer_is_lost() {
    check(Durability::Os, Calls::Writing, io::ErrorKind::Other);
}

#[test]
fn when_the_disk_is_full_no_answer_is_lost_and_writing_resumes() {
    check(Durability::Sync, Calls::Writing, io::ErrorKind::StorageFull);
}

#[test]
fn with_durability_os_when_the_disk_is_full_no_answer_is_lost_and_writing_resumes() {
    check(Durability::Os, Calls::Writing, io::ErrorKind::StorageFull);
}

#[test]
fn whatever_cannot_be_read_no_answer_is_lost() {
    check(Durability::Sync, Calls::Reading, io::ErrorKind::Other);
}

#[test]
fn with_durability_os_whatever_cannot_be_read_no_answer_is_lost() {
    check(Durability::Os, Calls::Reading, io::ErrorKind::Other);
}

/// Calls that read are so many that at scale 1 one in so many fails, in so many workloads. A larger scale first
/// takes more of them, and then, once each call fails, more workloads.
const READS_APART: usize = 69;
const RUNS_TO_READ: usize = 3;

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    Writing,
    Reading,
}

impl Calls {
    fn fail(self, disk: &SimDisk, failure: Option<Failure>) {
        match self {
            Self::Writing => disk.fail(failure),
            Self::Reading => disk.fail_reads(failure),
        }
    }
}

/// Fails calls, each in a run of its own.
fn check(durability: Durability, calls: Calls, kind: io::ErrorKind) {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let (apart, runs) = match calls {
        Calls::Writing => (1, campaign.times(RUNS)),
        Calls::Reading => {
            // Odd, so that every other failure lasts.
            let apart = (READS_APART / campaign.scale.max(1)) | 1;
            (apart as u64, RUNS_TO_READ * (campaign.scale / READS_APART).max(1))
        }
    };
    for _ in 0..runs {
        let seed = random.next();
        let (mut at, mut reached) = (1 + seed % apart, true);
        while reached {
            // Each has a bound of its own on how long it may take.
            run(async {
                let failure = Failure { at, kind, lasts: at.is_multiple_of(2) };
                reached = fail_at(seed, durability, calls, failure).await;
            });
            at += apart;
        }
    }
}

/// Works until the call fails, and then opens it again with failures; returns whether it was reached.
async fn fail_at(seed: u64, durability: Durability, calls: Calls, failure: Failure) -> bool {
    let mut random = Random::new(seed);
    let disk = SimDisk::default();
    let manner = Manner::any(durability, &mut random);
    let mut history = History::of(manner);
    calls.fail(&disk, Some(failure));
    let context = format!("seed {seed}, {manner:?}, {calls:?}, {failure:?}");
    if let Ok(pack) = manner.open(&disk) {
        let worked = history.work(&pack, &disk, 60, &mut random).await;
        calls.fail(&disk, None);
        let refused = worked.err().map(|error| error.kind());
        // What was answered can be read, whatever happened.
        let checked = history.check(&pack, usize::MAX).await;
        checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        // Who cannot read what was just written has ended the writer, too.
        let goes_on = calls == Calls::Reading && pack.blocks().flush().await.is_ok();
        if refused == Some(ErrorKind::Limit) || (refused.is_some() && goes_on) {
            let resumed = history.work(&pack, &disk, 60, &mut random).await;
            resumed.unwrap_or_else(|error| panic!("{context}, resumed: {error:?}"));
        }
        // After a failure there may be something that could not be written.
        drop(pack.close().await);
        let closed = pack.blocks().find(&Sha1::of(b"")).await.expect_err("it is closed");
        assert_eq!(closed.kind(), ErrorKind::Closed);
    }
    let reached = disk.failed();
    calls.fail(&disk, None);
    let disk = SimDisk::of_files(disk.files());
    let again = Failure { at: 1 + random.next() % 60, ..failure };
    calls.fail(&disk, Some(again));
    if let Ok(pack) = manner.open(&disk) {
        drop(pack.close().await);
    }
    calls.fail(&disk, None);
    let context = format!("{context}, opened with {again:?}");
    let pack = manner.open(&disk);
    let pack = pack.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    let checked = history.check(&pack, usize::MAX).await;
    checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    pack.close().await.expect("close");
    reached
}

/// What `head` alone tells of is not cut off because it could not be read at some time.
#[test]
fn a_head_that_cannot_be_read_now_is_no_lost_one() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..3 {
            let block = pack.blocks().add(format!("block {number}").into()).await.expect("add");
            pack.refs().set(main(), block).await.expect("set");
        }
        let disk = disk.kill();
        drop(pack);
        // The last batch is damaged, and no later one tells of it.
        disk.flip(b"block 2");
        let files = disk.files();
        for damaged in [Damaged::Refuse, Damaged::Read] {
            for at in 1..40 {
                let disk = SimDisk::of_files(files.clone());
                disk.fail_reads(Some(Failure { at, kind: io::ErrorKind::Other, lasts: false }));
                let mut settings = settings(Durability::Sync);
                settings.options.damaged = damaged;
                let opened = Pack::<Sha1>::open_disk(Arc::new(disk.clone()), settings);
                let dry_run = RepairOptions::default().with_dry_run(true);
                drop(opened);
                disk.fail_reads(Some(Failure { at, kind: io::ErrorKind::Other, lasts: false }));
                let disk_to_repair = Arc::new(disk.clone()) as Arc<dyn Disk>;
                let report = repair_disk::<Sha1>(&disk_to_repair, &dry_run);
                assert!(report.is_err() || report.is_ok_and(|it| !it.is_sound()), "read {at}");
                disk.fail_reads(None);
                let refused = open(&disk, Durability::Sync).map_err(|error| error.kind());
                let kind = refused.map(drop).expect_err("it is damaged");
                assert_eq!(kind, ErrorKind::Corrupt, "read {at} failed");
            }
        }
    });
}

#[test]
fn what_was_removed_before_a_read_fails_is_not_found() {
    run(async {
        let disk = SimDisk::default();
        let settings = settings(Durability::Sync);
        let options = settings.options.clone().with_cache_bytes(1 << 20);
        let settings = Settings { options, ..settings };
        let pack: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let mut names = Vec::new();
        for number in 0..200 {
            names.push(pack.blocks().add(format!("{number:0100}").into()).await.expect("add"));
        }
        let sweep = pack.sweep().expect("it can be collected");
        let epoch = sweep.begin().await.expect("begin");
        for name in &names {
            assert!(pack.blocks().find(name).await.expect("find").is_some(), "it is in the cache");
        }
        disk.fail_reads(Some(Failure { at: 30, kind: io::ErrorKind::Other, lasts: true }));
        sweep.remove_many(epoch, names.clone()).await.expect_err("it cannot be read");
        disk.fail_reads(None);
        let mut removed = 0;
        for name in &names {
            let there = pack.blocks().mem(name).await.expect("mem");
            let found = pack.blocks().find(name).await.expect("find").is_some();
            assert_eq!(there, found, "block {name}");
            removed += usize::from(!there);
        }
        assert!((1..names.len()).contains(&removed), "{removed} were removed");
        sweep.finish(epoch).await.expect("finish");
        assert_eq!(check_disk_of(pack, disk).await, names.len() - removed);
    });
}

/// Returns how many blocks a closed pack has.
async fn check_disk_of(pack: Pack, disk: SimDisk) -> usize {
    pack.close().await.expect("close");
    let report = check_disk::<Sha1>(&Arc::new(disk), Depth::Full).expect("check");
    assert_eq!(report.problems, Vec::<String>::new());
    usize::try_from(report.blocks).expect("they are few")
}

#[test]
fn what_waits_for_room_is_written_when_the_last_handle_is_dropped() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = pack.blocks().add("first".into()).await.expect("add");
        disk.fail(Some(Failure { at: 1, kind: io::ErrorKind::StorageFull, lasts: true }));
        let refused = pack.refs().set(main(), first).await.expect_err("there is no room");
        assert_eq!(refused.kind(), ErrorKind::Limit);
        disk.fail(None);
        let second = pack.blocks().add("second".into()).await.expect("add");
        drop(pack);
        let pack = open(&disk, Durability::Sync).expect("open again");
        for block in [first, second] {
            assert!(pack.blocks().mem(&block).await.expect("mem"), "block {block}");
        }
        assert_eq!(pack.refs().find(&main()).await.expect("find"), None, "it was refused");
    });
}

#[test]
fn without_room_a_close_says_what_is_lost() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        pack.blocks().add("first".into()).await.expect("add");
        disk.fail(Some(Failure { at: 1, kind: io::ErrorKind::StorageFull, lasts: true }));
        let refused = pack.blocks().flush().await.expect_err("there is no room");
        assert_eq!(refused.kind(), ErrorKind::Limit);
        let lost = pack.close().await.expect_err("there is no room");
        assert_eq!(lost.kind(), ErrorKind::Limit);
        assert!(lost.to_string().contains("were lost"), "{lost}");
    });
}

#[test]
fn without_another_open_file_no_answer_is_lost_and_writing_resumes() {
    run(async {
        let mut random = Random::new(5);
        let disk = SimDisk::default();
        let mut history = History::new();
        let pack = open(&disk, Durability::Sync).expect("open");
        let mut refused = 0;
        for round in 0..40 {
            disk.open_nothing(round % 2 == 1);
            let worked = history.work(&pack, &disk, 20, &mut random).await;
            disk.open_nothing(false);
            if let Err(error) = worked {
                assert_eq!(round % 2, 1, "{error:?}");
                refused += 1;
            }
            history.check(&pack, usize::MAX).await.expect("check");
        }
        assert!(refused > 3, "{refused} were refused");
        pack.close().await.expect("close");
        let pack = open(&disk, Durability::Sync).expect("open again");
        history.check(&pack, usize::MAX).await.expect("check");
    });
}

/// A directory that was left with the newest value of `main` written, and not by a sync of its own.
async fn left(durability: Durability, is_closed: bool) -> (SimDisk, Sha1) {
    let disk = SimDisk::default();
    let pack = open(&disk, durability).expect("open");
    for text in ["first", "second", "third"] {
        let block = pack.blocks().add(text.into()).await.expect("add");
        pack.refs().set(main(), block).await.expect("set");
    }
    if is_closed {
        pack.close().await.expect("close");
    }
    (disk.kill(), Sha1::of(b"third"))
}

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

#[test]
fn on_a_full_disk_a_directory_can_be_read_and_is_written_once_there_is_room() {
    run(async {
        let cases = [Durability::Sync, Durability::Os].into_iter();
        for (durability, is_closed) in cases.flat_map(|of| [(of, false), (of, true)]) {
            let context = format!("{durability:?}, closed: {is_closed}");
            let (disk, third) = left(durability, is_closed).await;
            let before = disk.files();
            disk.fill(true);
            let read = settings(durability);
            let read = Settings { options: read.options.with_mode(Mode::Read), ..read };
            let reader: Pack = Pack::open_disk(Arc::new(disk.clone()), read).expect("open to read");
            assert_eq!(reader.refs().find(&main()).await.expect("find"), Some(third), "{context}");
            for _ in 0..2 {
                let pack = open(&disk, durability).unwrap_or_else(|e| panic!("{context}: {e:?}"));
                assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(third));
                let found = pack.blocks().find(&third).await.expect("find");
                assert_eq!(found.as_deref(), Some(&b"third"[..]), "{context}");
                assert!(pack.blocks().mem(&Sha1::of(b"first")).await.expect("mem"));
                let refused = pack.refs().remove(main()).await.expect_err("it is full");
                assert_eq!(refused.kind(), ErrorKind::Limit, "{context}: {refused:?}");
                assert!(refused.to_string().contains("make some"), "{refused}");
                assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(third));
                pack.close().await.unwrap_or_else(|e| panic!("{context}: {e:?}"));
            }
            // It is left as it was found, but for what is not needed.
            for (name, bytes) in before.iter().filter(|(name, _)| name != "head") {
                let after = disk.files();
                let after = after.iter().find(|(other, _)| other == name);
                assert_eq!(after.map(|(_, bytes)| bytes), Some(bytes), "{context}: {name}");
            }
            let pack = open(&disk, durability).expect("open");
            let fourth = pack.blocks().add("fourth".into()).await.expect("it waits in memory");
            assert!(pack.refs().set(main(), fourth).await.is_err(), "{context}");
            disk.fill(false);
            pack.refs().set(main(), fourth).await.unwrap_or_else(|e| panic!("{context}: {e:?}"));
            pack.close().await.expect("close");
            drop(pack);
            let report = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full).expect("check");
            assert_eq!(report.problems, Vec::<String>::new(), "{context}");
            let pack = open(&disk, durability).expect("open");
            assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(fourth), "{context}");
            assert!(pack.blocks().mem(&third).await.expect("mem"), "{context}");
        }
    });
}

#[test]
fn what_waits_for_room_is_written_when_the_directory_is_closed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        disk.fill(true);
        let block = pack.blocks().add(vec![7; 3000].into()).await.expect("it waits in memory");
        let kind = pack.blocks().flush().await.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Limit));
        let full = SimDisk::default();
        let other = open(&full, Durability::Sync).expect("open");
        full.fill(true);
        other.blocks().add(vec![7; 3000].into()).await.expect("it waits in memory");
        let kind = other.close().await.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Limit), "there is none");
        disk.fill(false);
        pack.close().await.expect("there is room");
        drop(pack);
        let pack = open(&disk, Durability::Sync).expect("open");
        assert!(pack.blocks().mem(&block).await.expect("mem"));
    });
}

#[test]
fn what_is_served_on_a_full_disk_outlives_a_power_cut() {
    run(async {
        let disk = SimDisk::default();
        let recording = disk.record();
        let pack = open(&disk, Durability::Os).expect("open");
        let block = pack.blocks().add("written, and not synced".into()).await.expect("add");
        pack.refs().set(main(), block).await.expect("set");
        let disk = disk.kill();
        drop(pack);
        disk.fill(true);
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(block));
        let cut = recording.of(&disk).power_cut(disk.recorded());
        let pack = open(&cut, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(block));
    });
}

#[test]
fn whenever_the_disk_is_full_no_answer_is_lost_and_writing_resumes() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let (runs, mut refused) = (campaign.times(10), 0);
    for _ in 0..runs {
        let seed = random.next();
        run(async { refused += full_now_and_then(seed).await });
    }
    assert!(refused > runs, "{refused} refusals in {runs} runs: it was hardly ever full");
}

/// Works on a disk that is full now and then, also when a process is killed, and another one opens it; returns
/// how often there was no room.
async fn full_now_and_then(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::default();
    let manner = Manner::any(Durability::Sync, &mut random);
    let mut history = History::of(manner);
    let mut pack = manner.open(&disk).expect("open");
    let mut refused = 0;
    for round in 0..12 {
        let context = format!("seed {seed}, round {round}");
        let is_full = random.once_in(2);
        disk.fill(is_full);
        if random.once_in(3) {
            disk = disk.kill();
            drop(pack);
            pack = manner.open(&disk).unwrap_or_else(|e| panic!("{context}: {e:?}"));
            history.opened(&pack, &disk).await.expect("look");
        }
        if let Err(error) = history.work(&pack, &disk, 20, &mut random).await {
            assert!(is_full && error.kind() == ErrorKind::Limit, "{context}: {error:?}");
            refused += 1;
        }
        let checked = history.check(&pack, usize::MAX).await;
        checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
    }
    disk.fill(false);
    pack.close().await.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    let pack = open(&disk, Durability::Sync).expect("open again");
    history.check(&pack, usize::MAX).await.expect("check");
    refused
}
