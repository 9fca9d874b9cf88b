use bytes::Bytes;
use ramus_core::wrap::{Frozen, FrozenStorage};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Epoch, ErrorKind, Hash as _,
    ReadOnly as _, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_mem::{Mem, MemBlocks, MemRefs};

use crate::support::{branch, closed, refused};

const WHY: &str = "the store is open for reading only";

#[tokio::test]
async fn blocks_are_read_and_not_added() {
    let below = MemBlocks::<Sha1>::new();
    let frozen = Frozen::new(below.clone());
    let there = below.add("there".into()).await.unwrap();
    let (block, key) = (Bytes::from("new"), Sha1::of(b"new"));
    assert_eq!(frozen.find(&there).await.unwrap(), Some("there".into()));
    assert_eq!(frozen.find_many(&[key, there]).await.unwrap(), [None, Some("there".into())]);
    assert!(frozen.mem(&there).await.unwrap());
    frozen.flush().await.unwrap();
    let permission = ErrorKind::Permission;
    let added = frozen.add(block.clone()).await;
    refused(added, permission, &format!("cannot add a block: {WHY}"));
    let added = frozen.unsafe_add(key, block.clone()).await;
    refused(added, permission, &format!("cannot add block {key}: {WHY}"));
    let added = frozen.unsafe_add_many(vec![(key, block.clone()); 3]).await;
    refused(added, permission, &format!("cannot add 3 blocks: {WHY}"));
    assert!(!below.mem(&key).await.unwrap());
    frozen.close().await.unwrap();
    closed(frozen.add(block.clone()).await);
    closed(frozen.unsafe_add(key, block).await);
    closed(frozen.unsafe_add_many(Vec::new()).await);
}

#[tokio::test]
async fn refs_are_read_and_not_updated() {
    let below = MemRefs::<String, u64>::default();
    let frozen = Frozen::new(below.clone());
    below.set("a".to_owned(), 1).await.unwrap();
    let at = frozen.position().await.unwrap();
    assert_eq!(frozen.find(&"a".to_owned()).await.unwrap(), Some(1));
    assert_eq!(frozen.list(b"").await.unwrap(), ["a"]);
    let permission = ErrorKind::Permission;
    let answer = frozen.set("a".to_owned(), 2).await;
    refused(answer, permission, &format!("cannot update [\"a\"]: {WHY}"));
    let changes_nothing = Update::new(at).test("a".to_owned(), Some(1));
    refused(
        frozen.update(changes_nothing).await,
        permission,
        &format!("cannot update [\"a\"]: {WHY}"),
    );
    let update = ["e", "d", "c", "b", "a"];
    let update = update.into_iter().fold(Update::new(at), |update, key| update.remove(key.into()));
    let message = format!("cannot update [\"a\", \"b\", \"c\"] and 2 more: {WHY}");
    refused(frozen.update(update.clone()).await, permission, &message);
    assert_eq!((below.position().await.unwrap(), below.list(b"").await.unwrap().len()), (at, 1));
    below.close().await.unwrap();
    closed(frozen.update(update).await);
}

#[tokio::test]
async fn a_frozen_storage_pins_and_neither_writes_nor_collects() {
    let below = Mem::<Sha1>::default();
    let frozen = FrozenStorage::new(below.clone());
    let block = below.blocks().add("block".into()).await.unwrap();
    let update = || async { Update::new(below.refs().position().await.unwrap()) };
    let permission = ErrorKind::Permission;
    let set = update().await.set(branch("main"), block);
    let message = format!("cannot update [\"branch/main\"]: {WHY}");
    let new = (Sha1::of(b"new"), Bytes::from("new"));
    refused(frozen.write(vec![new.clone()], set.clone()).await, permission, &message);
    refused(frozen.refs().update(set.clone()).await, permission, &message);
    let message = format!("cannot add a block: {WHY}");
    refused(frozen.blocks().add("new".into()).await, permission, &message);
    assert!(!below.blocks().mem(&new.0).await.unwrap());

    let name = branch("index");
    assert!(below.replace_derived(&name, "kept".into()).await.unwrap());
    assert_eq!(frozen.load_derived(&name).await.unwrap(), Some("kept".into()));
    let message = format!("cannot keep derived data branch/index: {WHY}");
    refused(frozen.append_derived(&name, 4, "x".into()).await, permission, &message);
    refused(frozen.replace_derived(&name, "x".into()).await, permission, &message);
    assert_eq!(below.load_derived(&name).await.unwrap(), Some("kept".into()));

    let sweep = frozen.sweep().unwrap();
    let collect = "through this view; collect in the storage itself";
    let begun = sweep.begin().await;
    refused(begun, permission, &format!("cannot begin a collection {collect}"));
    let removed = sweep.remove_many(Epoch::new(u64::MAX), vec![block]).await;
    refused(removed, permission, &format!("cannot remove 1 blocks {collect}"));
    let finished = sweep.finish(Epoch::new(u64::MAX)).await;
    refused(finished, permission, &format!("cannot finish a collection {collect}"));
    let pin = sweep.pin(vec![block]).await.unwrap();
    let collector = below.sweep().unwrap();
    let epoch = collector.begin().await.unwrap();
    assert_eq!(sweep.pinned(epoch).await.unwrap(), [block]);
    assert_eq!(collector.remove_many(epoch, vec![block]).await.unwrap(), 0);
    drop(pin);
    let epoch = collector.begin().await.unwrap();
    assert_eq!(collector.remove_many(epoch, vec![block]).await.unwrap(), 1);

    frozen.close().await.unwrap();
    closed(frozen.write(Vec::new(), set).await);
    closed(frozen.append_derived(&name, 4, "x".into()).await);
    closed(frozen.replace_derived(&name, "x".into()).await);
    closed(sweep.begin().await);
    closed(sweep.remove_many(epoch, Vec::new()).await);
    closed(sweep.finish(epoch).await);
    closed(below.refs().position().await);
}
