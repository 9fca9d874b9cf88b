//! Blocks in a file keep the laws.

use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_core::{ContentAddressable as _, ErrorKind, Joined, ReadOnly as _, Sha1};
use ramus_mem::MemRefs;
use ramus_testkit::{
    BlocksOf, BlocksSubject, Campaign, FileBlocks, OpenStorage, StorageSubject, follows_the_model,
};
use tempfile::TempDir;

fn storage() -> impl StorageSubject {
    let directory = tempfile::tempdir().expect("a directory");
    let opened = AtomicUsize::new(0);
    OpenStorage::new(move || {
        let number = opened.fetch_add(1, Ordering::SeqCst);
        let path = directory.path().join(number.to_string());
        async move {
            let blocks = FileBlocks::<Sha1>::create(path).await.expect("a file");
            Joined::new(blocks, MemRefs::default())
        }
    })
}

fn blocks() -> impl BlocksSubject {
    BlocksOf(storage())
}

mod laws {
    ramus_testkit::each_law!(blocks, [ramus_testkit::law_tests], super::super::blocks);
    ramus_testkit::each_law!(storage, [ramus_testkit::law_tests], super::super::storage);
}

#[test]
fn random_operations_follow_the_model() {
    ramus_testkit::run(follows_the_model(&storage(), Campaign::from_env(), 400));
}

#[tokio::test]
async fn a_file_that_is_there_is_not_overwritten() {
    let directory: TempDir = tempfile::tempdir().unwrap();
    let path = directory.path().join("blocks");
    let blocks = FileBlocks::<Sha1>::create(&path).await.unwrap();
    let key = blocks.add("kept".into()).await.unwrap();
    let error = FileBlocks::<Sha1>::create(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(blocks.find(&key).await.unwrap(), Some("kept".into()));
}

#[tokio::test]
async fn a_block_lies_in_the_file_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blocks");
    let blocks = FileBlocks::<Sha1>::create(&path).await.unwrap();
    for _ in 0..3 {
        blocks.add(vec![1; 1000].into()).await.unwrap();
    }
    blocks.flush().await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 1000);
}
