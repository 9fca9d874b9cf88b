//! What a look through a directory finds.

use std::sync::Arc;

use ramus_core::{AtomicWrite as _, ErrorKind, Hash as _, Sha1, Sha256, Storage as _};
use ramus_testkit::run;

use super::sim::{Random, SimDisk};
use super::work::{History, open};
use crate::check::{Report, check_disk, check_disk_with};
use crate::format::manifest::FileKind;
use crate::index::Place;
use crate::index::run::Run;
use crate::index::write::write;
use crate::stat::stat_disk;
use crate::{Depth, DirectoryState, Durability};

fn look(disk: &SimDisk, depth: Depth) -> Report {
    check_disk::<Sha1>(&Arc::new(disk.clone()), depth).expect("it can be looked at")
}

/// Returns a disk that was worked on and closed.
async fn worked_on() -> (SimDisk, History) {
    let disk = SimDisk::default();
    let mut history = History::new();
    let pack = open(&disk, Durability::Sync).expect("open");
    history.work(&pack, &disk, 250, &mut Random::new(5)).await.expect("work");
    pack.close().await.expect("close");
    (disk, history)
}

#[test]
fn a_sound_directory_is_counted_and_has_no_problem() {
    run(async {
        let (disk, history) = worked_on().await;
        let before = disk.files();
        for depth in [Depth::Quick, Depth::Full] {
            let report = look(&disk, depth);
            assert_eq!(report.problems, Vec::<String>::new());
            // A block that was added again while a collection ran lies there twice.
            assert!(report.blocks >= history.live() as u64, "{report:?}");
            let (refs, _) = history.states.last().expect("a state");
            assert_eq!(report.refs, refs.len());
            assert!(report.changes >= 40 && report.segments > 1, "{report:?}");
            assert!((1..=4).contains(&report.runs), "{report:?}");
        }
        assert_eq!(disk.files(), before, "nothing was written");
    });
}

/// Writes the runs anew, with other entries.
fn with_entries(disk: &SimDisk, mut other: impl FnMut(&mut Vec<u8>, &mut Place)) {
    let names = disk.files().into_iter().map(|(name, _)| name);
    let runs = names.filter_map(|name| FileKind::of_file_name(&name));
    for (_, number) in runs.filter(|(kind, _)| *kind == FileKind::Index) {
        let run = Run::open(disk, number, Sha1::LENGTH).expect("it is sound");
        let pages = (0..run.pages()).flat_map(|page| run.page(page).expect("it is sound"));
        let mut entries: Vec<_> = pages.map(|entry| (entry.key, entry.place)).collect();
        for (key, place) in &mut entries {
            other(key, place);
        }
        entries.sort_unstable();
        let (count, entries) = (entries.len(), entries.into_iter().map(Ok));
        write(disk, number, Sha1::LENGTH, count, entries).expect("write");
    }
}

#[test]
fn an_index_that_names_another_place_or_another_block_is_found() {
    run(async {
        let (disk, _) = worked_on().await;
        let copy = || SimDisk::of_files(disk.files());
        let same = copy();
        with_entries(&same, |_, _| {});
        assert_eq!(look(&same, Depth::Full).problems, Vec::<String>::new());

        let (moved, mut places) = (copy(), 0);
        with_entries(&moved, |_, place| {
            places += 1;
            place.offset += if places == 5 { 8 } else { 0 };
        });
        let problems = look(&moved, Depth::Full).problems;
        // A ref may name it, too.
        assert!(!problems.is_empty(), "it is found");
        let is_of_it = |text: &String| text.contains(".segment is damaged at byte");
        assert!(problems.iter().all(is_of_it), "{problems:?}");

        let (renamed, mut names) = (copy(), 0);
        with_entries(&renamed, |key, _| {
            names += 1;
            key[19] ^= u8::from(names == 5);
        });
        let problems = look(&renamed, Depth::Full).problems;
        assert!(
            problems.iter().any(|text| text.contains("an index names 1 block")),
            "{problems:?}"
        );
    });
}

#[test]
fn every_flipped_bit_that_matters_is_found() {
    run(async {
        let (disk, _) = worked_on().await;
        let files = disk.files();
        let mut random = Random::new(6);
        for index in 0..files.len() {
            let name = files[index].0.clone();
            // These two are no part of what is kept.
            if name == "head" || name == "lock" {
                continue;
            }
            for _ in 0..20 {
                let mut files = files.clone();
                let bytes = &mut files[index].1;
                // A segment ends with zeros that nobody reads.
                let end = bytes.iter().rposition(|byte| *byte != 0).expect("some byte") + 1;
                let at = random.below(end);
                bytes[at] ^= 1 << random.below(8);
                let report = look(&SimDisk::of_files(files), Depth::Full);
                assert!(!report.problems.is_empty(), "a bit of {name} at {at}");
            }
        }
    });
}

#[test]
fn a_block_under_a_wrong_name_is_found() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let blocks = pack.blocks();
        let wrong = Sha1::of(b"another");
        ramus_core::ContentAddressable::unsafe_add(blocks, wrong, "block".into())
            .await
            .expect("add");
        pack.close().await.expect("close");
        assert_eq!(look(&disk, Depth::Quick).problems, Vec::<String>::new());
        let problems = look(&disk, Depth::Full).problems;
        assert!(matches!(&problems[..], [one] if one.contains("has the bytes of")), "{problems:?}");
    });
}

#[test]
fn what_cannot_be_looked_at_is_an_error() {
    run(async {
        let nothing = check_disk::<Sha1>(&Arc::new(SimDisk::default()), Depth::Quick);
        let error = nothing.expect_err("there is nothing");
        assert_eq!(error.to_string(), "the disk is no repository: it has no `manifest`");
        let (disk, _) = worked_on().await;
        let other = check_disk::<Sha256>(&Arc::new(disk.clone()), Depth::Quick);
        assert_eq!(other.expect_err("another hash").kind(), ErrorKind::Unsupported);
        let _open = open(&disk, Durability::Sync).expect("open");
        let used = check_disk::<Sha1>(&Arc::new(disk), Depth::Quick);
        assert_eq!(used.expect_err("it is open").kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn it_is_told_how_far_a_look_is() {
    run(async {
        let (disk, _) = worked_on().await;
        let mut before = 1;
        for depth in [Depth::Quick, Depth::Full] {
            let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
            let keep = Arc::clone(&told);
            let tell = Box::new(move |progress| keep.lock().push(progress));
            let report = check_disk_with::<Sha1>(&Arc::new(disk.clone()), depth, tell);
            let bytes = report.expect("look").bytes;
            let last = *told.lock().last().expect("it ends");
            assert_eq!(last.bytes_done, last.bytes_total);
            assert!(last.bytes_total >= before, "more is looked at than before: {last:?}");
            assert!(depth == Depth::Quick || last.bytes_total > bytes, "{last:?} of {bytes}");
            before = last.bytes_total;
        }
    });
}

#[test]
fn a_stat_counts_what_a_look_does_also_beside_a_writer() {
    run(async {
        let (disk, history) = worked_on().await;
        let stat =
            |disk: &SimDisk| stat_disk::<Sha1>(&(Arc::new(disk.clone()) as _)).expect("stat");
        let report = look(&disk, Depth::Quick);
        let before = stat(&disk);
        assert_eq!(before.state, DirectoryState::Closed);
        assert_eq!((before.segments, before.runs), (report.segments, report.runs));
        assert_eq!((before.blocks, before.collected), (report.blocks, report.collected));
        assert_eq!(before.refs, history.states.last().expect("a state").0.len());
        let changes = before.log.1.sequence - before.log.0.sequence;
        assert_eq!(changes, report.changes as u64);
        assert_eq!(before.durable_end, before.valid_end);
        let pack = open(&disk, Durability::Sync).expect("open");
        let end = pack.refs().position().await.expect("position");
        let beside = stat(&disk);
        assert_eq!((beside.state, beside.log.1), (DirectoryState::InUseSync, end));
        assert!(beside.generation > before.generation);
    });
}
