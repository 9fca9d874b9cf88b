//! What versions of a large value have in common, and where they are kept.

use std::collections::HashSet;

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Joined, Sha1};
use ramus_kv::{Merged, Repo};
use ramus_mem::MemRefs;
use ramus_testkit::FileBlocks;
use tokio::io::AsyncReadExt as _;

use super::support::{Files, names, noise, repo};
use crate::campaign::number_from_env;

/// Returns how many blocks are new when a value of these bytes is stored beside what is there.
async fn added(repo: &Repo<Files>, bytes: &[u8]) -> usize {
    let before: HashSet<Sha1> = names(repo.backend()).await.into_iter().collect();
    let main = repo.main().await.expect("main");
    main.set_stream("v", bytes, "write").await.expect("a value");
    names(repo.backend()).await.iter().filter(|name| !before.contains(*name)).count()
}

/// One byte more changes less than a hundredth of the blocks, wherever it is: the commit and the
/// directory that name the value included.
#[tokio::test]
async fn a_byte_that_is_inserted_changes_few_blocks() {
    let mib = 64 * usize::try_from(number_from_env("RAMUS_SCALE", 1)).unwrap();
    let repo = repo();
    let mut bytes = noise(mib << 20);
    let all = added(&repo, &bytes).await;
    assert!(all > mib * 10, "{all} blocks");
    for place in [0, bytes.len() / 2, bytes.len()] {
        bytes.insert(place, b'!');
        let new = added(&repo, &bytes).await;
        assert!(new * 100 < all, "{new} of {all} blocks are new after an insert at {place}");
    }
}

/// Chunks that are all the same are one block, and so are the index blocks over them.
#[tokio::test]
async fn zeros_take_no_room() {
    let repo = repo();
    let zeros = vec![0; 300 << 20];
    assert!(added(&repo, &zeros).await <= 12);
    let mut more = b"!".to_vec();
    more.extend_from_slice(&zeros);
    assert!(added(&repo, &more).await <= 12);
}

#[tokio::test]
async fn blocks_in_a_file_are_the_same_as_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = FileBlocks::<Sha1>::create(directory.path().join("blocks")).await.unwrap();
    let filed = Repo::<Files>::new(Backend::new(Joined::new(blocks, MemRefs::default())));
    let (filed, kept) = (filed.main().await.unwrap(), repo().main().await.unwrap());
    let value = noise((24 << 20) + 1);
    filed.set_stream("v", &value[..], "write").await.unwrap();
    kept.set("v", value.clone(), "write").await.unwrap();
    let (one, other) = (filed.tree().await.unwrap(), kept.tree().await.unwrap());
    assert_eq!(one.hash().await.unwrap(), other.hash().await.unwrap());
    let mut reader = one.reader("v").await.unwrap().unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == value);
    assert!(one.find("v").await.unwrap().unwrap() == value);
    let range = reader.read_range(9_000_000..9_000_100).await.unwrap();
    assert!(range == value[9_000_000..9_000_100]);
}

/// Large values are values: they are tested, taken, compared and merged as others are.
#[tokio::test]
async fn large_values_are_edited_and_merged() {
    let repo = repo();
    let main = repo.main().await.unwrap();
    let one = Bytes::from(noise(3 << 20));
    let other = Bytes::from([&b"!"[..], &one].concat());
    main.set("a", one.clone(), "one").await.unwrap();
    main.set("b", one.clone(), "two").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    assert!(draft.test_and_set("a", Some(one.clone()), Some(other.clone()), "a").await.unwrap());
    assert!(!draft.test_and_set("a", Some(one.clone()), None, "a").await.unwrap());
    main.set_stream("b", &other[..], "b").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let mut tree = main.tree().await.unwrap();
    assert_eq!(tree.find_hash("a").await.unwrap(), tree.find_hash("b").await.unwrap());
    let before = main.head().await.unwrap();
    assert!(main.set_stream("a", &other[..], "again").await.unwrap().is_none());
    assert_eq!(main.head().await.unwrap(), before);
    tree.update("a", |old| old.map(|old| old.slice(1..))).await.unwrap();
    assert!(tree.take("a").await.unwrap().unwrap() == one);
    // Both sides change it: a conflict, with the values.
    draft.set("b", one.slice(1..), "draft").await.unwrap();
    let merged = main.merge(&draft, "merge").await.unwrap();
    let Merged::Conflicts(unmerged) = merged else { panic!("both changed it") };
    assert_eq!(unmerged.conflicts().count(), 1);
}
