use ramus_core::{ContentAddressable as _, ContentAddressableExt as _, ReadOnly as _, Sha1};
use ramus_mem::MemBlocks;

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
