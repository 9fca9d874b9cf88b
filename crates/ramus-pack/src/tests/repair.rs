//! Repairs: what is sound is kept, what is lost is said, and nothing of what was there is destroyed.

mod claims;
mod log;
mod refs;

use std::collections::BTreeMap;
use std::sync::Arc;

use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Cursor, ErrorKind, Hash as _,
    ReadOnly as _, RefName, Sha1, Sha256, Storage as _, Sweep as _,
};
use ramus_testkit::{Campaign, run};

use super::damage::{Files, damage, some_files};
use super::sim::{Op, Random, SimDisk};
use super::work::{History, open, settings, settled};
use crate::check::check_disk;
use crate::disk::Disk;
use crate::format::manifest::{FileKind, Manifest};
use crate::format::record::RecordHeader;
use crate::index::Read;
use crate::index::run::Lookup;
use crate::repair::repair_disk;
use crate::writer::files::MANIFEST;
use crate::{Depth, Durability, Mode, Pack, PackOptions, RepairOptions, Repaired};

/// Trials, and crash states, per unit of scale.
const TRIALS: usize = 300;

const STATES: usize = 300;

fn repair(disk: &SimDisk) -> ramus_core::Result<Repaired<Sha1>> {
    repair_disk(&(Arc::new(disk.clone()) as _), &RepairOptions::default())
}

#[test]
fn whatever_is_damaged_what_is_sound_is_kept_and_the_rest_is_told() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let (mut done, mut repaired) = (0, 0);
    while done < campaign.times(TRIALS) {
        run(async {
            let seed = random.next();
            let (files, history) = some_files(seed).await;
            let sound = Sound::of(&files, &history);
            for _ in 0..50 {
                let mut damaged = files.clone();
                let what = damage(&mut damaged, &mut random);
                let context = format!("seed {seed}: {what}");
                repaired += usize::from(sound.look(&files, &damaged, &context).await);
                done += 1;
            }
        });
    }
    assert!(repaired * 4 > done, "{repaired} of {done} were repaired");
}

/// What a directory held before it was damaged.
struct Sound {
    refs: BTreeMap<RefName, Sha1>,
    /// The blocks that were there and durable, and the record of each: the file and the place.
    blocks: BTreeMap<Sha1, (String, usize, usize)>,
    /// How many blocks there were.
    count: usize,
    /// The blocks that were collected.
    collected: Vec<Sha1>,
}

impl Sound {
    fn of(files: &Files, history: &History) -> Self {
        let disk = SimDisk::of_files(files.clone());
        let mut blocks = BTreeMap::new();
        let pack = open(&disk, Durability::Sync).expect("it is sound");
        let (mut count, mut collected) = (0, Vec::new());
        for (hash, known) in &history.blocks {
            let index = &pack.blocks().0.shared.index;
            let place = index.in_memory(hash).map(Lookup::Found);
            let place = place.map_or_else(|| index.in_runs(hash, Read::Wait), Ok);
            let Lookup::Found(place) = place.expect("it is sound") else {
                collected.push(*hash);
                continue;
            };
            count += 1;
            if known.durable.is_some() {
                let name = FileKind::Segment.file_name(place.segment);
                let start = place.offset as usize;
                let end = start + RecordHeader::LENGTH + Sha1::LENGTH + place.length as usize;
                blocks.insert(*hash, (name, start, end));
            }
        }
        let refs = history.states.last().expect("a state").0.clone();
        Self { refs, blocks, count, collected }
    }

    /// Repairs a damaged directory, and looks; returns whether anything was repaired.
    async fn look(&self, files: &Files, damaged: &Files, context: &str) -> bool {
        let disk = SimDisk::of_files(damaged.clone());
        let dry = RepairOptions::default().with_dry_run(true);
        let would = repair_disk::<Sha1>(&(Arc::new(disk.clone()) as _), &dry);
        assert_eq!(disk.files(), *damaged, "{context}: a dry run changes nothing");
        let report = match repair(&disk) {
            Ok(report) => report,
            Err(error) => {
                // Nothing is left that says what it is.
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{context}: {error:?}");
                assert!(!context.contains("flipped"), "{context}: {error:?}");
                return false;
            }
        };
        let would = would.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(Repaired { set_aside: None, ..report.clone() }, would, "{context}");
        let is_repaired = report.set_aside.is_some();
        assert_eq!(is_repaired, !report.is_sound(), "{context}");
        Self::nothing_is_destroyed(&disk, damaged, &report, context);
        let checked = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full);
        let checked = checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(checked.problems, Vec::<String>::new(), "{context}");
        let pack = open(&disk, Durability::Sync);
        let pack = pack.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        self.refs_are_right_or_told(&pack, &report, context).await;
        let mut lost = 0;
        for (hash, (name, start, end)) in &self.blocks {
            let found = pack.blocks().find(hash).await.expect("find");
            let is_there = found.is_some();
            assert!(found.is_none_or(|found| Sha1::of(&found) == *hash), "{context}: {hash}");
            let record = |file: &Vec<u8>| file.get(*start..*end).map(<[u8]>::to_vec);
            let before = files.iter().find(|(other, _)| other == name);
            let before = record(&before.expect("it is there").1);
            // Segments that were swapped are sound, each by itself.
            let segments = damaged.iter().filter(|(other, _)| other.ends_with(".segment"));
            let untouched = segments.map(|(_, file)| record(file)).any(|after| after == before);
            assert!(is_there || !untouched, "{context}: block {hash} was sound");
            lost += usize::from(!is_there);
        }
        let tells = |name: &str| name == MANIFEST || name.strip_suffix(".index").is_some();
        if !report.damages.iter().any(|damage| tells(&damage.file)) {
            for hash in &self.collected {
                let found = pack.blocks().mem(hash).await.expect("mem");
                assert!(!found, "{context}: block {hash} was collected, and is there: {report:?}");
            }
        }
        let known = report.blocks_lost;
        assert!(known <= self.count as u64, "{context}: {known} blocks lost of {}", self.count);
        assert!(lost == 0 || is_repaired, "{context}: {lost} blocks are gone, and all is well");
        pack.blocks().add("something new".into()).await.expect("add");
        let new = Sha1::of(b"something new");
        pack.refs().set(RefName::branch("new").expect("a name"), new).await.expect("set");
        pack.close().await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        is_repaired
    }

    /// Every file that is not as it was has another name.
    fn nothing_is_destroyed(
        disk: &SimDisk,
        damaged: &Files,
        report: &Repaired<Sha1>,
        context: &str,
    ) {
        let after: BTreeMap<_, _> = disk.files().into_iter().collect();
        for (name, bytes) in damaged.iter().filter(|(name, _)| is_kept(name)) {
            let aside = report.set_aside.as_ref().map(|aside| format!("{aside}/{name}"));
            let aside = aside.and_then(|aside| after.get(&aside));
            let is_there = after.get(name) == Some(bytes) || aside == Some(bytes);
            // A segment without a batch holds nothing.
            let is_blank = name.ends_with(".segment") && is_blank(bytes);
            assert!(is_there || is_blank, "{context}: {name} was destroyed");
        }
    }

    async fn refs_are_right_or_told(&self, pack: &Pack, report: &Repaired<Sha1>, context: &str) {
        let snapshot = pack.refs().snapshot(b"").await.expect("snapshot");
        let refs: BTreeMap<_, _> = snapshot.collect().await.expect("refs").into_iter().collect();
        let unknown =
            report.changes_lost > 0 || report.newest_changes_lost || report.refs_forgotten;
        for (name, hash) in &self.refs {
            let set_back = report.refs_set_back.iter().find(|set_back| set_back.name == *name);
            match refs.get(name) {
                Some(found) if found == hash => {}
                Some(_) => assert!(
                    set_back.is_some() || report.refs_unsure.contains(name),
                    "{context}: {name} has another value, and it is not told: {report:?}"
                ),
                None => assert!(
                    set_back.is_some() || unknown,
                    "{context}: {name} is gone, and it is not told: {report:?}"
                ),
            }
        }
        for (name, hash) in &refs {
            assert!(
                self.refs.contains_key(name) || report.refs_unsure.contains(name),
                "{context}: {name} has come back, and it is not told: {report:?}"
            );
            let block = pack.blocks().find(hash).await.expect("find");
            assert!(block.is_some(), "{context}: {name} names {hash}, which is not there");
        }
        assert_eq!(refs.len(), report.refs, "{context}");
    }
}

/// Returns whether a file of this name is part of what is kept.
fn is_kept(name: &str) -> bool {
    name != "head" && name != "lock"
}

fn is_blank(segment: &[u8]) -> bool {
    segment.iter().skip(64).all(|byte| *byte == 0)
}

#[test]
fn a_repair_that_is_killed_anywhere_can_be_done_again() {
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let mut states = 0;
    while states < campaign.times(STATES) {
        run(async {
            let seed = random.next();
            let (mut files, _) = some_files(seed).await;
            let what = damage(&mut files, &mut random);
            let context = format!("seed {seed}: {what}");
            states += crash_everywhere(files, &mut random, &context).await;
        });
    }
}

async fn crash_everywhere(files: Files, random: &mut Random, context: &str) -> usize {
    let disk = SimDisk::of_files(files.clone());
    let recording = disk.record();
    let Ok(report) = repair(&disk) else { return 0 };
    let recording = recording.of(&disk);
    if report.set_aside.is_none() {
        assert!(recording.log.is_empty(), "{context}: there was nothing to do");
        return 0;
    }
    let expected = contents(&disk).await;
    for operations in 0..=recording.log.len() {
        let context = format!("{context}, a crash after {operations} operations");
        let disk = recording.crash(operations, random);
        let again = repair(&disk).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let after = disk.files();
        for (name, bytes) in files.iter().filter(|(name, _)| is_kept(name)) {
            let aside = |other: &str| other.ends_with(&format!("/{name}"));
            let kept = after
                .iter()
                .any(|(other, found)| (other == name || aside(other)) && found == bytes);
            let is_blank = name.ends_with(".segment") && is_blank(bytes);
            assert!(kept || is_blank, "{context}: {name} was destroyed");
        }
        let checked = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Full);
        let checked = checked.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(checked.problems, Vec::<String>::new(), "{context}");
        assert_eq!(contents(&disk).await, expected, "{context}: {again:?}");
        let left: Vec<_> = disk.files().into_iter().map(|(name, _)| name).collect();
        assert!(!left.iter().any(|name| name.ends_with(".repair")), "{context}: {left:?}");
    }
    recording.log.len() + 1
}

#[test]
fn what_lies_in_the_place_of_a_segment_with_collected_blocks_is_not_taken_for_them() {
    run(async {
        let disk = SimDisk::default();
        let mut settings = settings(Durability::Sync);
        (settings.options.reclaim_percent, settings.segment_bytes) = (100, 60_000);
        let pack: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let mut old = Vec::new();
        for block in 0..40_u8 {
            old.push(pack.blocks().add(vec![block; 200].into()).await.expect("add"));
        }
        let sweep = pack.sweep().expect("a sweep");
        let epoch = sweep.begin().await.expect("begin");
        assert_eq!(sweep.remove_many(epoch, old[..20].to_vec()).await.expect("remove"), 20);
        sweep.finish(epoch).await.expect("finish");
        let mut new = vec![set(&pack, main(), "named").await];
        for block in 100..110_u8 {
            new.push(pack.blocks().add(vec![block; 200].into()).await.expect("add"));
        }
        pack.blocks().flush().await.expect("flush");
        drop((pack, sweep));
        let files: BTreeMap<_, _> = disk.files().into_iter().collect();
        let manifest = Manifest::decode(&files[MANIFEST]).expect("it is sound");
        let sealed = manifest.files(FileKind::Segment).find(|file| file.dead == 20);
        let sealed = sealed.expect("they are counted").name();
        let active = FileKind::Segment.file_name(manifest.active);
        disk.put(&sealed, files[&active].clone());
        disk.put(&active, files[&sealed].clone());

        let report = repair(&disk).expect("repair");
        assert_eq!((report.blocks, report.blocks_lost), (31, 0), "{report:?}");
        let pack = open(&disk, Durability::Sync).expect("open");
        for block in old[20..].iter().chain(&new) {
            assert!(pack.blocks().mem(block).await.expect("mem"), "{block} was sound");
        }
        for block in &old[..20] {
            assert!(!pack.blocks().mem(block).await.expect("mem"), "{block} was collected");
        }
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(new[0]));
        pack.close().await.expect("close");
    });
}

#[test]
fn an_end_that_was_not_synced_is_durable_before_a_repair_lists_it() {
    run(async {
        let damages =
            ["index", MANIFEST].into_iter().flat_map(|damaged| [(damaged, false), (damaged, true)]);
        for (damaged, had_failed) in damages {
            let disk = SimDisk::default();
            let pack = open(&disk, Durability::Os).expect("open");
            for block in 0..40_u8 {
                pack.blocks().add(vec![block; 400].into()).await.expect("add");
            }
            set(&pack, main(), "flushed").await;
            pack.blocks().flush().await.expect("flush");
            // A merge of indexes would put a sound one in place of the damaged one.
            settled(&pack).await;
            let mut files = disk.files().into_iter();
            let (name, mut file) =
                files.find(|(name, _)| name.ends_with(damaged)).expect("it is there");
            file[100] ^= 1;
            disk.put(&name, file);
            let recording = disk.record();
            set(&pack, main(), "written, and not synced").await;
            let disk = disk.kill();
            drop(pack);
            let context = format!("{damaged} is damaged, a sync had failed: {had_failed}");
            let report = repair(&disk).expect("repair");
            assert!(report.set_aside.is_some(), "{context}: {report:?}");
            let mut recording = recording.of(&disk);
            let expected = contents(&disk).await;
            if had_failed {
                // No later sync writes what was written before.
                let killed = recording.log.iter().position(|op| matches!(op, Op::Nothing));
                recording.log[..killed.expect("a kill")].fill(Op::Nothing);
            }
            let cut = recording.power_cut(recording.log.len());
            let checked = check_disk::<Sha1>(&Arc::new(cut.clone()), Depth::Full).expect("check");
            assert_eq!(checked.problems, Vec::<String>::new(), "{context}");
            assert_eq!(contents(&cut).await, expected, "{context}");
        }
    });
}

/// Opens a disk, and returns its refs and how many blocks it has.
async fn contents(disk: &SimDisk) -> (Vec<(RefName, Sha1)>, u64) {
    let blocks = check_disk::<Sha1>(&Arc::new(disk.clone()), Depth::Quick).expect("look").blocks;
    let pack = open(disk, Durability::Sync).expect("open");
    let refs = pack.refs().snapshot(b"").await.expect("snapshot");
    let refs = refs.collect().await.expect("refs");
    pack.close().await.expect("close");
    (refs, blocks)
}

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

async fn set(pack: &Pack, name: RefName, block: &'static str) -> Sha1 {
    let hash = pack.blocks().add(block.into()).await.expect("add");
    pack.refs().set(name, hash).await.expect("set");
    hash
}

#[test]
fn a_repair_needs_the_lock_and_a_repository_of_its_hash() {
    run(async {
        let disk = SimDisk::default();
        let error = repair(&disk).expect_err("there is nothing");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, main(), "a block").await;
        let error = repair(&disk).expect_err("it is open");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        pack.close().await.expect("close");
        let options = RepairOptions::default();
        let other = repair_disk::<Sha256>(&(Arc::new(disk.clone()) as _), &options);
        assert_eq!(other.expect_err("another hash").kind(), ErrorKind::Unsupported);
        let without = disk.files().into_iter().filter(|(name, _)| name != "manifest");
        let without = SimDisk::of_files(without);
        let other = repair_disk::<Sha256>(&(Arc::new(without.clone()) as _), &options);
        let error = other.expect_err("another hash");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        assert!(error.to_string().contains("no block that is named by `sha256`"), "{error}");
        assert_eq!(repair(&without).expect("repair").blocks, 1);
    });
}

#[test]
fn a_reader_beside_a_repair_goes_on_with_what_is_left() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = set(&pack, main(), "the first").await;
        set(&pack, main(), "the second").await;
        let mut settings = settings(Durability::Sync);
        settings.options = PackOptions::default().with_mode(Mode::Read);
        let reader: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
        let before = reader.refs().position().await.expect("position");
        drop(pack);
        // It knows the manifest that the repair replaces.
        reader.refs().0.shared.follow().expect("follow");
        disk.flip(b"the second");
        repair(&disk).expect("repair");
        reader.refs().0.shared.follow().expect("follow");
        assert_eq!(reader.refs().find(&main()).await.expect("find"), Some(first));
        let at = reader.refs().position().await.expect("position");
        assert_eq!(at, Cursor { incarnation: at.incarnation, ..before });
        assert_ne!(at, before);
    });
}

#[test]
fn the_report_outlives_a_repair_that_is_killed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        set(&pack, main(), "the first").await;
        set(&pack, main(), "the second").await;
        drop(pack);
        disk.flip(b"the second");
        let recording = disk.record();
        let report = repair(&disk).expect("repair");
        let recording = recording.of(&disk);
        let is_in_place = |op: &Op| matches!(op, Op::Rename { to, .. } if to == MANIFEST);
        let in_place = recording.log.iter().position(is_in_place).expect("a manifest");
        let cut = recording.power_cut(in_place + 1);
        let text = cut.files().into_iter().find(|(name, _)| name == "damaged-1/report.txt");
        let text = String::from_utf8(text.expect("a report").1).expect("text");
        assert_eq!(text, format!("{report}\n"));
        assert!(text.contains("goes back to"), "{text}");
    });
}

/// Returns the file of a disk whose name ends so, the one with the highest number.
fn newest(disk: &SimDisk, end: &str) -> (String, Vec<u8>) {
    let mut files = disk.files().into_iter().filter(|(name, _)| name.ends_with(end));
    files.next_back().expect("there is one")
}

#[test]
fn files_that_are_sound_and_do_not_fit_each_other_are_repaired() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let (_, old) = newest(&disk, ".refs");
        let mut last = set(&pack, main(), "the first").await;
        for block in ["the second", "the third"] {
            // Each takes the segment over its size.
            pack.blocks().add(block.repeat(900).into()).await.expect("add");
            last = set(&pack, main(), block).await;
        }
        drop(pack);
        let (name, new) = newest(&disk, ".refs");
        assert_ne!(old, new, "a segment was sealed");
        disk.put(&name, old);
        let kind = open(&disk, Durability::Sync).map(drop).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Corrupt));
        let report = repair(&disk).expect("repair");
        assert!(report.damages_count > 0 && report.set_aside.is_some(), "{report:?}");
        let pack = open(&disk, Durability::Sync).expect("open");
        assert_eq!(pack.refs().find(&main()).await.expect("find"), Some(last));
    });
}

#[test]
fn what_only_an_index_knows_of_is_told_to_be_lost() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..100_u8 {
            pack.blocks().add(vec![number; 200].into()).await.expect("add");
        }
        pack.close().await.expect("close");
        let first = disk.files().into_iter().find(|(name, _)| name.ends_with(".segment"));
        let (missing, _) = first.expect("a segment");
        let disk = SimDisk::of_files(disk.files().into_iter().filter(|(name, _)| *name != missing));
        let report = repair(&disk).expect("repair");
        assert_eq!(report.blocks + report.blocks_lost, 100, "{report:?}");
        assert!(report.blocks_lost > 10 && report.blocks > 10, "{report:?}");
    });
}

#[test]
fn a_reader_sees_that_a_lost_manifest_was_replaced() {
    run(async {
        for is_missing in [false, true] {
            let disk = SimDisk::default();
            let pack = open(&disk, Durability::Sync).expect("open");
            set(&pack, main(), "the first").await;
            let mut settings = settings(Durability::Sync);
            // It looks only when it is asked to.
            settings.options = settings.options.with_mode(Mode::Read).with_follow_ms(60_000);
            let reader: Pack = Pack::open_disk(Arc::new(disk.clone()), settings).expect("open");
            let shared = &reader.refs().0.shared;
            let (disk, killed) = (disk.kill(), disk);
            drop(pack);
            let (_, mut manifest) = newest(&disk, MANIFEST);
            let end = manifest.len() - 1;
            manifest[end] ^= 1;
            disk.put(MANIFEST, manifest);
            if is_missing {
                Disk::unlink(&disk, MANIFEST).expect("unlink");
            }
            repair(&disk).expect("repair");
            if !is_missing {
                let before = reader.refs().position().await.expect("position");
                shared.follow().expect("follow");
                assert_ne!(reader.refs().position().await.expect("position"), before);
            }
            let pack = open(&disk, Durability::Sync).expect("open");
            let second = set(&pack, main(), "the second").await;
            shared.follow().expect("follow");
            let found = reader.refs().find(&main()).await.expect("find");
            assert_eq!(found, Some(second), "missing: {is_missing}");
            drop(killed);
        }
    });
}
