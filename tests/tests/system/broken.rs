//! What a repository says of a directory whose files are damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Sha1};
use ramus_kv::{Checked, CollectOptions, Repo};
use ramus_pack::{Depth, Pack, PackOptions, RepairOptions};
use tempfile::TempDir;

use crate::bed::Text;

/// Stands in every value that can be damaged.
const MARK: &[u8] = b"@@ to be damaged @@";

async fn open(directory: &Path) -> Repo<Text> {
    let pack = Pack::<Sha1>::open(directory, &PackOptions::default()).await.unwrap();
    Repo::new(Backend::new(pack))
}

/// Makes a repository with so many values that can be damaged, all in a segment that is sealed, and some that
/// cannot; returns the names of the blocks of the former by their paths, and how many blocks there are.
async fn filled(values: usize) -> (TempDir, BTreeMap<String, Sha1>, u64) {
    let directory = tempfile::tempdir().unwrap();
    let repo = open(directory.path()).await;
    let main = repo.main().await.unwrap();
    let mut edit = main.begin().await.unwrap();
    let mark = str::from_utf8(MARK).unwrap();
    // Shorter ones stand in the directory, and have no block.
    let text = |number: usize| format!("{number} {mark} ") + &"and so on, ".repeat(30);
    for number in 0..values {
        edit.set(format!("values/{number:04}"), text(number)).await.unwrap();
        let sound = text(number).replace(mark, "sound");
        edit.set(format!("sound/{number:04}"), sound).await.unwrap();
    }
    main.commit(edit, "fill").await.unwrap();
    let tree = main.tree().await.unwrap();
    let mut names = BTreeMap::new();
    for number in 0..values {
        let path = format!("values/{number:04}");
        let name = tree.find_hash(path.as_str()).await.unwrap().unwrap();
        names.insert(path, name);
    }
    let checked = repo.check().await.unwrap();
    assert_eq!((checked.broken_count, checked.broken.len()), (0, 0));
    // That begins with a new segment.
    repo.collect(CollectOptions::default().with_dry_run(true)).await.unwrap();
    drop((tree, main));
    repo.close().await.unwrap();
    (directory, names, checked.blocks)
}

/// Damages every value that can be.
fn damage(directory: &Path) {
    for (path, mut bytes) in files(directory) {
        let found: Vec<_> = bytes.windows(MARK.len()).enumerate().collect();
        let found = found.into_iter().filter(|(_, window)| *window == MARK);
        let places: Vec<_> = found.map(|(at, _)| at).collect();
        for at in &places {
            bytes[*at] = b'!';
        }
        if !places.is_empty() {
            fs::write(directory.join(path), bytes).unwrap();
        }
    }
}

/// Returns the segments and indexes of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let counts =
        |path: &Path| path.extension().is_some_and(|kind| kind == "segment" || kind == "index");
    let named = entries.filter(|path| counts(path)).map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    named.collect()
}

fn broken(checked: &Checked<Sha1>, kind: ErrorKind) -> BTreeSet<Sha1> {
    for broken in &checked.broken {
        assert_eq!(broken.why.kind(), kind, "{broken}");
        assert_eq!(broken.root.to_string(), "branch/main");
        assert!(broken.path.len() >= 4, "a commit, two directories, and the value: {broken}");
    }
    checked.broken.iter().map(|broken| *broken.path.last().unwrap()).collect()
}

#[tokio::test]
async fn what_is_damaged_in_a_directory_is_told_with_the_way_to_it() {
    let (directory, names, blocks) = filled(40).await;
    let path = directory.path();
    damage(path);
    let expected: BTreeSet<_> = names.values().copied().collect();
    let repo = open(path).await;
    let checked = repo.check().await.unwrap();
    assert_eq!(broken(&checked, ErrorKind::Corrupt), expected);
    assert_eq!((checked.broken_count, checked.blocks), (40, blocks - 40));
    for broken in &checked.broken {
        assert!(broken.to_string().contains(".segment is damaged at byte"), "{broken}");
    }
    // The values themselves answer the same, and the others are read.
    let tree = repo.main().await.unwrap().tree().await.unwrap();
    for name in names.keys() {
        let found = tree.find(name.as_str()).await.map(drop).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::Corrupt), "{name}");
        assert!(tree.find(name.replace("values", "sound").as_str()).await.unwrap().is_some());
    }
    drop(tree);
    repo.close().await.unwrap();

    // A repair drops them, so they are missing then, and the directory is sound by itself.
    let repaired = ramus_pack::repair::<Sha1>(path, &RepairOptions::default()).await.unwrap();
    assert_eq!((repaired.blocks, repaired.blocks_lost), (blocks - 40, 40));
    let report = ramus_pack::check::<Sha1>(path, Depth::Full).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    let repo = open(path).await;
    let checked = repo.check().await.unwrap();
    assert_eq!(broken(&checked, ErrorKind::Missing), expected);
    assert_eq!((checked.broken_count, checked.blocks), (40, blocks - 40));
    repo.close().await.unwrap();
}

#[tokio::test]
async fn more_than_a_thousand_damages_are_counted_and_the_first_are_named() {
    let (directory, names, blocks) = filled(1100).await;
    damage(directory.path());
    let repo = open(directory.path()).await;
    let checked = repo.check().await.unwrap();
    let told = broken(&checked, ErrorKind::Corrupt);
    assert_eq!((told.len(), checked.broken_count), (1000, 1100));
    let names: BTreeSet<_> = names.into_values().collect();
    assert!(told.is_subset(&names), "nothing else is broken");
    assert_eq!(checked.blocks, blocks - 1100);
    repo.close().await.unwrap();
}

#[tokio::test]
async fn a_dry_run_and_a_question_leave_nothing_behind() {
    let (directory, names, blocks) = filled(20).await;
    let path = directory.path();
    let repo = open(path).await;
    repo.main().await.unwrap().fork("gone").await.unwrap();
    let gone = repo.branch("gone").await.unwrap();
    gone.set("gone", "only here, ".repeat(50), "gone").await.unwrap();
    let absent = gone.tree().await.unwrap().find_hash("gone").await.unwrap().unwrap();
    drop(gone);
    repo.remove_branch("gone").await.unwrap();
    let dry = CollectOptions::default().with_dry_run(true);
    // The first one seals what was written.
    let would = repo.collect(dry.clone()).await.unwrap();
    assert!(would.blocks_removed >= 3, "{would:?}");
    let before = files(path);
    for _ in 0..20 {
        assert_eq!(repo.collect(dry.clone()).await.unwrap(), would);
        assert!(repo.why(&absent).await.unwrap().is_none());
        let first = names.values().next().unwrap();
        assert!(repo.why(first).await.unwrap().is_some());
    }
    assert!(files(path) == before, "files were written, or removed");
    assert_eq!(repo.check().await.unwrap().blocks, blocks);
    // What a collection would remove is found still, and an `add` may rely on it.
    repo.main().await.unwrap().set("gone", "only here, ".repeat(50), "again").await.unwrap();
    let collected = repo.collect(CollectOptions::default()).await.unwrap();
    assert!(collected.blocks_removed < would.blocks_removed, "{collected:?}");
    repo.close().await.unwrap();
    let report = ramus_pack::check::<Sha1>(path, Depth::Full).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}
