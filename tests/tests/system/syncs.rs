//! What a commit costs on disk. A batch of the log is written with one call and made durable by one sync,
//! as the tests of `ramus-pack` count on a disk of their own; here batches are counted.

use std::fs;
use std::path::Path;

use ramus_core::Sha1;
use ramus_core::erased::Backend;
use ramus_kv::Repo;
use ramus_pack::{Pack, PackOptions};

use crate::bed::{Text, put};

/// Returns how many batches the segments of a directory have.
fn batches(directory: &Path) -> usize {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|file| file.extension().is_some_and(|end| end == "segment"));
    segments.map(|segment| batches_of(&fs::read(segment).unwrap())).sum()
}

/// Returns how many batches follow each other behind the header of a segment.
fn batches_of(segment: &[u8]) -> usize {
    const HEADER: usize = 64;
    let (mut at, mut count) = (HEADER, 0);
    while segment.get(at..at + 4) == Some(b"RmBt") {
        let length = segment[at + 24..at + 28].try_into().unwrap();
        at += HEADER + u32::from_le_bytes(length) as usize;
        count += 1;
    }
    count
}

#[tokio::test]
async fn every_kind_of_commit_costs_one_batch() {
    let directory = tempfile::tempdir().unwrap();
    let pack: Pack = Pack::open(directory.path(), &PackOptions::default()).await.unwrap();
    let repo: Repo<Text> = Repo::new(Backend::<Sha1>::new(pack));
    let main = repo.main().await.unwrap();
    let mut before = batches(directory.path());
    let mut costs_one = |what: &str| {
        let now = batches(directory.path());
        assert_eq!(now - before, 1, "batches of {what}");
        before = now;
    };
    for number in 0..20 {
        put(&main, &format!("some/directory/{}", number % 7), &format!("{number}")).await;
        costs_one("a set");
    }
    let mut edit = main.begin().await.unwrap();
    for number in 0..300 {
        edit.set(format!("many/{number}"), format!("{number}")).await.unwrap();
    }
    main.commit(edit, "many").await.unwrap();
    costs_one("a transaction");
    let draft = main.fork("draft").await.unwrap();
    costs_one("a branch");
    put(&draft, "ours", "1").await;
    costs_one("a set on another branch");
    put(&main, "theirs", "2").await;
    costs_one("a set");
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    costs_one("a merge");
    repo.remove_branch("draft").await.unwrap();
    costs_one("a branch that is removed");
}
