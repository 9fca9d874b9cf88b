//! The history index in a directory: found again when that is opened again, and made anew when its file
//! is gone, damaged, old, half written or of another repository.

use std::fs;
use std::path::{Path, PathBuf};

use ramus_core::erased::Backend;
use ramus_core::{Hash as _, Sha1};
use ramus_kv::{Commit, Repo};
use ramus_pack::{Durability, Pack, PackOptions};
use ramus_testkit::{Faults, Faulty, Operation};
use tempfile::TempDir;

use crate::bed::{Text, head, log, put};

/// A directory with a repository in it.
struct Kept {
    directory: TempDir,
}

/// The repository, opened.
struct Opened {
    repo: Repo<Text>,
    faults: Faults,
}

impl Kept {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn open(&self) -> Opened {
        let options = PackOptions::default().with_durability(Durability::Os);
        let pack: Pack = Pack::open(self.path(), &options).await.unwrap();
        let faults = Faults::default();
        let repo = Repo::new(Backend::<Sha1>::new(Faulty::new(pack, faults.clone())));
        Opened { repo, faults }
    }

    /// Returns the file of the index.
    fn file(&self) -> PathBuf {
        let files = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files =
            files.filter(|file| file.extension().is_some_and(|extension| extension == "derived"));
        let file = files.next().expect("the index is kept");
        assert_eq!(files.next(), None, "one repository has one index");
        file
    }
}

impl Opened {
    /// Makes so many more commits on `main` and on `draft`, and a merge of them.
    async fn grow(&self, commits: usize) {
        let main = self.repo.main().await.unwrap();
        put(&main, "begun", &format!("by {commits}")).await;
        self.repo.remove_branch("draft").await.unwrap();
        let draft = main.fork("draft").await.unwrap();
        for commit in 0..commits {
            put(&main, &format!("main/{}", commit % 7), &format!("{commits} {commit}")).await;
            put(&draft, &format!("draft/{}", commit % 5), &format!("{commits} {commit}")).await;
        }
        main.merge(&draft, "merge").await.unwrap().clean().unwrap();
        put(&main, "last", &format!("by {commits}")).await;
    }

    /// Asks about the ancestors of the branches and who changed some paths last; compares the answers
    /// with those of the commits themselves. Returns how many times commits were walked over.
    async fn ask(&self) -> usize {
        let main = self.repo.main().await.unwrap();
        let draft = self.repo.branch("draft").await.unwrap();
        let (newest, other) = (head(&main).await, head(&draft).await);
        let before = self.faults.calls(Operation::FindBlocks);
        let lcas = self.repo.lcas(&newest, &other).await.unwrap();
        let mut last = Vec::new();
        for path in ["begun", "main/3", "draft", "last"] {
            last.push((path, main.last_modified(path).await.unwrap()));
        }
        let walked = self.faults.calls(Operation::FindBlocks) - before;
        assert_eq!(lcas, [other], "draft was merged");
        let history = log(&main).await;
        for (path, last) in last {
            assert_eq!(last, changed_last(&history, path).await, "{path}");
        }
        walked
    }

    async fn close(self) {
        self.repo.close().await.unwrap();
    }
}

/// Returns the newest commit whose value at a path is that of none of its parents.
async fn changed_last(history: &[Commit<Text>], path: &str) -> Option<Commit<Text>> {
    for commit in history {
        let here = at(commit, path).await;
        let mut changed = true;
        for parent in history.iter().filter(|other| commit.parents().contains(&other.hash())) {
            changed &= at(parent, path).await != here;
        }
        if changed && (here.is_some() || !commit.parents().is_empty()) {
            return Some(commit.clone());
        }
    }
    None
}

/// Returns the hash of what is at a path.
async fn at(commit: &Commit<Text>, path: &str) -> Option<Sha1> {
    let tree = commit.tree();
    match tree.find_tree(path).await.unwrap() {
        Some(tree) => Some(tree.hash().await.unwrap()),
        None => tree.find(path).await.unwrap().map(|text| Sha1::of(text.as_bytes())),
    }
}

/// Returns a directory whose index is kept, in two parts, and an older file of it.
async fn kept() -> (Kept, Vec<u8>) {
    let kept = Kept::new();
    let opened = kept.open().await;
    opened.grow(30).await;
    assert!(opened.ask().await > 0, "the index is made by a walk");
    opened.close().await;
    let older = fs::read(kept.file()).unwrap();
    let opened = kept.open().await;
    opened.grow(20).await;
    opened.ask().await;
    opened.close().await;
    let newer = fs::read(kept.file()).unwrap();
    assert!(newer.starts_with(&older) && newer.len() > older.len(), "a part was appended");
    (kept, older)
}

#[tokio::test]
async fn a_repository_that_is_opened_again_answers_without_a_walk() {
    let (kept, _) = kept().await;
    for _ in 0..2 {
        let opened = kept.open().await;
        assert_eq!(opened.ask().await, 0, "everything is in the index");
        opened.close().await;
    }
    // What is new is walked over, and not what was known.
    let opened = kept.open().await;
    opened.grow(1).await;
    opened.close().await;
    let few = kept.open().await;
    let walked = few.ask().await;
    few.close().await;
    fs::remove_file(kept.file()).unwrap();
    let opened = kept.open().await;
    let whole = opened.ask().await;
    assert!(0 < walked && walked * 4 < whole, "{walked} of {whole}");
    opened.close().await;
}

#[tokio::test]
async fn an_index_that_is_not_as_it_was_left_is_made_anew() {
    let (kept, older) = kept().await;
    let sound = fs::read(kept.file()).unwrap();
    let flipped = |place: usize| {
        let mut bytes = sound.clone();
        bytes[place] ^= 4;
        Some(bytes)
    };
    let elsewhere = {
        let (other, _) = self::kept().await;
        fs::read(other.file()).unwrap()
    };
    let states = [
        ("deleted", None),
        ("empty", Some(Vec::new())),
        ("stale", Some(older.clone())),
        ("half written", Some(sound[..sound.len() / 2].to_vec())),
        ("cut within its last part", Some(sound[..sound.len() - 1].to_vec())),
        ("with something behind", Some([&sound[..], b"something"].concat())),
        ("zeros", Some(vec![0; sound.len()])),
        ("damaged at its head", flipped(3)),
        ("damaged in its first part", flipped(older.len() / 2)),
        ("damaged in its last part", flipped(sound.len() - 5)),
        ("of another repository", Some(elsewhere)),
    ];
    let file = kept.file();
    for (state, bytes) in states {
        match bytes {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let opened = kept.open().await;
        let walked = opened.ask().await;
        assert_eq!(walked > 0, state != "with something behind", "{state}: {walked}");
        opened.close().await;
        let opened = kept.open().await;
        assert_eq!(opened.ask().await, 0, "{state}: it is kept again");
        opened.close().await;
    }
}
