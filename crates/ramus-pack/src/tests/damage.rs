//! Damage: bytes that are changed, files that are cut, swapped or missing. What is read then is right, or
//! a typed error; never anything else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Error, ErrorKind, Hash as _, ReadOnly as _,
    RefName, Sha1, Storage as _,
};
use ramus_testkit::{Campaign, run};

use super::sim::{Random, SimDisk};
use super::work::{History, open, settings};
use crate::format::manifest::{FileKind, Manifest};
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::SegmentHeader;
use crate::writer::files::MANIFEST;
use crate::writer::tail::{Link, Tail};
use crate::{Compression, Damaged, Durability, Mode, Pack};

/// Trials per unit of scale.
const TRIALS: usize = 500;

#[test]
fn whatever_is_damaged_what_is_read_is_right_or_an_error() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let (mut refused, mut done) = (0, 0);
    while done < campaign.times(TRIALS) {
        // Each has a bound of its own on how long it may take.
        run(async {
            let seed = random.next();
            let (files, history) = some_files(seed).await;
            for _ in 0..100 {
                let mut damaged = files.clone();
                let times = 1 + random.below(2) * random.below(3);
                let what: Vec<_> = (0..times).map(|_| damage(&mut damaged, &mut random)).collect();
                let way = Way::ALL[random.below(Way::ALL.len())];
                let context = format!("seed {seed}, {way:?}: {what:?}");
                // Without it nothing may tell of what was in a last batch that is damaged, too.
                let head_is_lost = what.len() > 1 && what.iter().any(|what| what.contains("head"));
                let names = names(&files);
                let trial = Trial { names, history: &history, head_is_lost, context };
                refused += usize::from(trial.look(damaged, way).await);
                done += 1;
            }
        });
    }
    assert!(refused * 10 > done, "{refused} of {done} were noticed");
}

pub(super) type Files = Vec<(String, Vec<u8>)>;

/// Returns the files of a pack that was worked on, closed or not.
pub(super) async fn some_files(seed: u64) -> (Files, History) {
    let mut random = Random::new(seed);
    let disk = SimDisk::default();
    let mut history = History::new();
    let mut settings = settings(Durability::Sync);
    settings.options.compression = random.once_in(2).then_some(Compression::Zstd);
    let pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
    let things = 20 + random.below(100);
    history.work(&pack, &disk, things, &mut random).await.expect("work");
    if random.once_in(2) {
        pack.close().await.expect("close");
    }
    (disk.files(), history)
}

pub(super) fn damage(files: &mut Files, random: &mut Random) -> String {
    let index = random.below(files.len());
    let (name, bytes) = &mut files[index];
    let name = name.clone();
    match random.below(12) {
        0 => {
            files.remove(index);
            format!("{name} is missing")
        }
        1 => {
            let length = random.below(bytes.len() + 1);
            bytes.truncate(length);
            format!("{name} is cut to {length} bytes")
        }
        2 => {
            let other = random.below(files.len());
            let swapped = files[other].0.clone();
            let bytes = std::mem::take(&mut files[index].1);
            let bytes = std::mem::replace(&mut files[other].1, bytes);
            files[index].1 = bytes;
            format!("{name} and {swapped} are swapped")
        }
        3 if !bytes.is_empty() => {
            let start = random.below(bytes.len());
            let end = bytes.len().min(start + 1 + random.below(600));
            bytes[start..end].fill(0);
            format!("{name} has zeros from {start} to {end}")
        }
        _ if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of {name} at {at} is flipped")
        }
        _ => format!("{name} is empty"),
    }
}

/// How damaged files are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToWrite,
    ToRead,
    /// As they were before the damage.
    AsTheyWere,
}

impl Way {
    const ALL: [Self; 3] = [Self::ToWrite, Self::ToRead, Self::AsTheyWere];

    fn open(self, disk: &SimDisk) -> ramus_core::Result<Pack> {
        let mut settings = settings(Durability::Sync);
        match self {
            Self::ToWrite => {}
            Self::ToRead => settings.options.mode = Mode::Read,
            Self::AsTheyWere => settings.options.damaged = Damaged::Read,
        }
        Pack::open_disk(Arc::new(disk.clone()), settings)
    }
}

fn names(files: &Files) -> Vec<String> {
    files.iter().map(|(name, _)| name.clone()).collect()
}

/// Damaged files, and what they were.
struct Trial<'a> {
    names: Vec<String>,
    history: &'a History,
    /// What tells of the end of the log is damaged beside something else.
    head_is_lost: bool,
    context: String,
}

impl Trial<'_> {
    /// Opens and reads everything; returns whether an error was met.
    async fn look(&self, files: Files, way: Way) -> bool {
        let context = &self.context;
        let disk = SimDisk::of_files(files);
        let pack = match way.open(&disk) {
            Ok(pack) => pack,
            Err(error) => {
                self.is_told(&error);
                return true;
            }
        };
        let checked = async {
            match way {
                Way::ToWrite if !self.head_is_lost => self.history.check(&pack, usize::MAX).await,
                _ => self.history.check_some_moment(&pack).await,
            }
        };
        let checked = AssertUnwindSafe(checked).catch_unwind().await;
        match checked.unwrap_or_else(|_| panic!("{context}")) {
            Ok(()) => {
                pack.close().await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
                false
            }
            Err(error) => {
                self.is_told(&error);
                true
            }
        }
    }

    /// Checks that an error is one of damage, and names the file, and the place if there is one.
    fn is_told(&self, error: &Error) {
        let context = &self.context;
        let shown = format!("{error:?}");
        // Without a manifest nothing tells that it is a repository; a reader says so.
        let kinds = [ErrorKind::Corrupt, ErrorKind::InvalidInput];
        assert!(kinds.contains(&error.kind()), "{context}: {shown}");
        let is_named = self.names.iter().any(|name| shown.contains(name));
        assert!(is_named, "{context}: it names no file: {shown}");
        if shown.contains("is damaged") && !shown.contains("the log of") {
            assert!(shown.contains("damaged at byte"), "{context}: it names no place: {shown}");
        }
    }
}

/// Returns files whose active segment has a batch, and its name.
async fn files_with_an_active_batch() -> (Files, History, String) {
    for seed in 3.. {
        let (files, history) = some_files(seed).await;
        // What was collected is copied into segments of later numbers.
        let manifest = files.iter().find(|(name, _)| name == MANIFEST).expect("a manifest");
        let active = Manifest::decode(&manifest.1).expect("it is sound").active;
        let name = FileKind::Segment.file_name(active);
        let has_batch =
            files.iter().any(|(file, bytes)| *file == name && bytes[64..].starts_with(b"RmBt"));
        if has_batch {
            return (files, history, name);
        }
    }
    unreachable!("most have one")
}

#[test]
fn a_damaged_log_is_refused_with_its_place_and_can_be_read_as_it_was() {
    run(async {
        let (mut files, history, name) = files_with_an_active_batch().await;
        let (_, bytes) = files.iter_mut().find(|(file, _)| *file == name).expect("it is there");
        // The first record of the first batch.
        bytes[64 + 64 + 20] ^= 1;
        let disk = SimDisk::of_files(files);
        let error = open(&disk, Durability::Sync).expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let shown = format!("{error:?}");
        assert!(shown.contains(&format!("{name} is damaged at byte 64")), "{shown}");

        let mut settings = settings(Durability::Sync);
        settings.options.damaged = Damaged::Read;
        let before = disk.files();
        let pack: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let refs = ramus_core::AtomicWrite::snapshot(pack.refs(), b"").await.expect("snapshot");
        let refs: std::collections::BTreeMap<_, _> =
            refs.collect().await.expect("refs").into_iter().collect();
        assert!(history.states.iter().any(|(state, _)| *state == refs));
        let added = ramus_core::ContentAddressable::flush(pack.blocks()).await;
        assert_eq!(added.expect_err("nothing is written").kind(), ErrorKind::Corrupt);
        pack.close().await.expect("close");
        assert_eq!(disk.files(), before, "nothing was written");
    });
}

#[test]
fn swapped_files_of_changes_are_told_by_their_names() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..60 {
            let block = pack.blocks().add(format!("{number:0300}").into()).await.expect("add");
            let main = RefName::branch("main").expect("a name");
            pack.refs().set(main, block).await.expect("set");
        }
        pack.close().await.expect("close");
        let mut files = disk.files();
        // The lengths are in the manifest, so two of one length.
        let is_of_changes = |at: &usize| files[*at].0.ends_with(".changes");
        let found: Vec<_> = (0..files.len()).filter(is_of_changes).collect();
        let first = found[1];
        let is_as_long = |at: &&usize| **at > first && files[**at].1.len() == files[first].1.len();
        let second = *found.iter().find(is_as_long).expect("each holds as many");
        let bytes = std::mem::take(&mut files[first].1);
        files[first].1 = std::mem::replace(&mut files[second].1, bytes);
        let names = [files[first].0.clone(), files[second].0.clone()];
        let disk = SimDisk::of_files(files);
        for way in Way::ALL {
            let error = way.open(&disk).expect_err("they are swapped");
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            let shown = format!("{error:?}");
            assert!(names.iter().any(|name| shown.contains(name)), "{shown}");
        }
    });
}

/// Returns the name and the bytes of the active segment.
fn active_segment(disk: &SimDisk) -> (String, Vec<u8>) {
    let files = disk.files();
    let manifest = files.iter().find(|(name, _)| name == MANIFEST).expect("a manifest");
    let active = Manifest::decode(&manifest.1).expect("it is sound").active;
    let name = FileKind::Segment.file_name(active);
    files.into_iter().find(|(file, _)| *file == name).expect("it is there")
}

#[test]
fn sound_records_that_are_not_those_of_the_batch_are_refused() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        pack.blocks().add("a".repeat(100).into()).await.expect("add");
        pack.blocks().add("b".repeat(100).into()).await.expect("add");
        pack.blocks().flush().await.expect("flush");
        pack.close().await.expect("close");
        let (name, mut bytes) = active_segment(&disk);
        // The two records change places; each is as sound as it was.
        let length = RecordHeader::LENGTH + Sha1::LENGTH + 100;
        let (first, second) = bytes[64 + 64..].split_at_mut(length);
        first.swap_with_slice(&mut second[..length]);
        disk.put(&name, bytes);
        let error = open(&disk, Durability::Sync).expect_err("it is damaged");
        let shown = format!("{error:?}");
        assert!(shown.contains(&name) && shown.contains("the records of a batch"), "{shown}");
    });
}

#[test]
fn a_sound_record_that_cannot_be_is_refused() {
    let disk = SimDisk::default();
    drop(open(&disk, Durability::Sync).expect("open"));
    let (name, mut bytes) = active_segment(&disk);
    let segment = SegmentHeader::decode(bytes.first_chunk().expect("a header")).expect("sound");
    let start = SegmentHeader::LENGTH;
    let mut tail = Tail::new(segment.number, start as u64, segment.first_batch);
    // There is no change 0.
    let change = [0; 64];
    tail.push(&RecordHeader::of(Kind::Change, &change).encode(&[]), &[], &change);
    let link = Link { salt: segment.salt, chain: segment.chain(), durable_end: start as u64 };
    let batch = tail.take(link).bytes;
    bytes.resize(bytes.len().max(start + batch.len()), 0);
    bytes[start..start + batch.len()].copy_from_slice(&batch);
    disk.put(&name, bytes);
    let error = open(&disk, Durability::Sync).expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let shown = format!("{error:?}");
    assert!(shown.contains(&name) && shown.contains("has sequence 0"), "{shown}");
}

/// Spoils the pages of an index that has these bytes.
type Spoil = fn(disk: &SimDisk, name: &str, bytes: Vec<u8>);

#[test]
fn beside_a_damaged_index_it_is_written_and_what_is_not_in_it_is_read() {
    beside_an_index_that(ErrorKind::Corrupt, |disk, name, mut bytes| {
        for page in 0..pages(&bytes) {
            bytes[64 + 4096 * page + 30] ^= 1;
        }
        disk.put(name, bytes);
    });
}

#[test]
fn beside_an_index_that_the_disk_cannot_read_it_is_written_and_what_is_not_in_it_is_read() {
    beside_an_index_that(ErrorKind::Unavailable, |disk, name, bytes| {
        disk.break_sectors(name, 64..64 + 4096 * pages(&bytes) as u64);
    });
}

fn pages(index: &[u8]) -> usize {
    u32::from_le_bytes(index[20..24].try_into().expect("four bytes")) as usize
}

/// Spoils every page of the first index, and works on; blocks of it answer errors of this kind.
fn beside_an_index_that(kind_of_error: ErrorKind, spoil: Spoil) {
    run(async {
        let disk = SimDisk::default();
        let block = |number: u64| bytes::Bytes::from(format!("{number:0300}"));
        let add = async |pack: &Pack, numbers: std::ops::Range<u64>| {
            for number in numbers {
                pack.blocks().add(block(number)).await.expect("add");
            }
            pack.blocks().flush().await.expect("flush");
        };
        let kind = |name: &str| FileKind::of_file_name(name).map(|(kind, _)| kind);
        let is_index = |name: &str| kind(name) == Some(FileKind::Index);
        let pack = open(&disk, Durability::Sync).expect("open");
        add(&pack, 0..100).await;
        let disk = disk.kill();
        drop(pack);
        // One that was just being written does not count.
        let indexes = |(name, bytes): &(String, Vec<u8>)| is_index(name) && !bytes.is_empty();
        for (name, bytes) in disk.files().into_iter().filter(indexes) {
            spoil(&disk, &name, bytes);
        }
        for round in 1..12 {
            let pack = open(&disk, Durability::Sync).expect("open");
            let numbers = 100 * round..100 * (round + 1);
            add(&pack, numbers.clone()).await;
            for number in numbers {
                let found = pack.blocks().find(&Sha1::of(&block(number))).await;
                assert_eq!(found.expect("find"), Some(block(number)), "block {number}");
            }
            let old = pack.blocks().find(&Sha1::of(&block(0))).await.map_err(|error| error.kind());
            assert_eq!(old, Err(kind_of_error));
            drop(pack);
            let runs = disk.files().iter().filter(|(name, _)| is_index(name)).count();
            assert!(runs < 20, "{runs} runs after round {round}");
        }
        // To add it again is always right.
        let pack = open(&disk, Durability::Sync).expect("open");
        add(&pack, 0..1).await;
        let found = pack.blocks().find(&Sha1::of(&block(0))).await.expect("find");
        assert_eq!(found, Some(block(0)));
    });
}
