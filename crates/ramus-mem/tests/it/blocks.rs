use futures::FutureExt as _;
use ramus_core::{
    ContentAddressable as _, ContentAddressableExt as _, ErrorKind, ReadOnly as _, Sha1,
    Storage as _, Sweep as _,
};
use ramus_mem::{Mem, MemBlocks};

use crate::hooked::{Hooked, when_hashed};

#[tokio::test]
async fn a_name_is_what_add_and_a_batch_give() {
    let blocks = MemBlocks::<Sha1, String>::new();
    let name = blocks.name(&"hello".to_owned()).unwrap();
    assert!(!blocks.mem(&name).await.unwrap(), "a name stores nothing");
    let mut batch = blocks.batch();
    assert_eq!(batch.add("hello".to_owned()).unwrap(), name);
    batch.write().await.unwrap();
    assert_eq!(blocks.find(&name).await.unwrap().as_deref(), Some("hello"));
    assert_eq!(blocks.add("hello".to_owned()).await.unwrap(), name);
}

/// Returns a store, and the name of a block in it that closes the store when it is next looked up.
async fn closing() -> (MemBlocks<Hooked>, Hooked) {
    let blocks = MemBlocks::new();
    let key = blocks.add("block".into()).await.expect("add");
    let closed = blocks.clone();
    when_hashed(move || closed.close().now_or_never().expect("at once").expect("close"));
    (blocks, key)
}

#[tokio::test]
async fn a_block_is_never_absent_because_the_store_is_being_closed() {
    let (blocks, key) = closing().await;
    assert_eq!(blocks.find(&key).await.unwrap_err().kind(), ErrorKind::Closed);
    let (blocks, key) = closing().await;
    assert_eq!(blocks.mem(&key).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn an_add_in_which_a_collection_begins_is_kept_by_it() {
    for there_before in [false, true] {
        let mem = Mem::<Hooked>::default();
        if there_before {
            mem.blocks().add("block".into()).await.unwrap();
        }
        let sweep = mem.sweep().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        when_hashed(move || {
            let epoch = sweep.begin().now_or_never().expect("at once");
            sender.send(epoch).expect("the test waits");
        });
        let key = mem.blocks().add("block".into()).await.unwrap();
        let epoch = receiver.try_recv().expect("it began within the add").unwrap();
        let sweep = mem.sweep().unwrap();
        assert_eq!(sweep.remove_many(epoch, vec![key]).await.unwrap(), 0, "{there_before}");
    }
}
