//! Looking at everything that refs reach.

use ramus_core::erased::Backend;
use ramus_core::{
    ContentAddressable as _, ErrorKind, ReadOnly as _, Sha1, Storage as _, Sweep as _,
};
use ramus_kv::{Kv, Repo};
use ramus_mem::Mem;

async fn filled() -> Repo<Kv<String>> {
    let repo = Repo::new(Backend::new(Mem::default()));
    let main = repo.main().await.expect("main");
    for number in 0..300 {
        main.set(&format!("users/{number}"), format!("user {number}"), "add").await.expect("set");
    }
    // Shorter ones stand in the directory, and have no block.
    let note = "a note that is lost; ".repeat(20);
    main.set("notes/today", note, "note").await.expect("set");
    let draft = main.fork("draft").await.expect("fork");
    draft.set("notes/draft", "a draft", "draft").await.expect("set");
    repo
}

/// Removes a block behind the back of everybody.
async fn lose(repo: &Repo<Kv<String>>, block: Sha1) {
    let sweep = repo.backend().sweep().expect("it can be collected");
    let epoch = sweep.begin().await.expect("begin");
    assert_eq!(sweep.remove_many(epoch, vec![block]).await.expect("remove"), 1);
    sweep.finish(epoch).await.expect("finish");
}

#[tokio::test]
async fn what_is_sound_is_counted() {
    let repo = filled().await;
    let mut told = Vec::new();
    let checked = repo.check_with(|blocks| told.push(blocks)).await.expect("check");
    assert!(checked.broken.is_empty(), "{:?}", checked.broken);
    let reached = repo.collect(ramus_kv::CollectOptions::default().with_dry_run(true)).await;
    assert_eq!(checked.blocks, reached.expect("collect").blocks_reached);
    assert!(checked.blocks > 600 && checked.bytes > checked.blocks * 10, "{checked:?}");
    assert_eq!(told.last(), Some(&checked.blocks));
}

#[tokio::test]
async fn what_is_missing_is_told_with_the_way_to_it_and_the_rest_is_looked_at() {
    let repo = filled().await;
    let before = repo.check().await.expect("check").blocks;
    let main = repo.main().await.expect("main");
    let tree = main.tree().await.expect("tree");
    let lost = tree.find_hash("notes/today").await.expect("find").expect("it is there");
    lose(&repo, lost).await;
    let checked = repo.check().await.expect("check");
    let [broken] = &checked.broken[..] else { panic!("{:?}", checked.broken) };
    assert_eq!((broken.path.last(), broken.why.kind()), (Some(&lost), ErrorKind::Missing));
    assert!(broken.path.len() >= 3, "a commit, directories, and the value: {broken}");
    assert!(broken.to_string().starts_with("branch/"), "{broken}");
    assert_eq!(checked.blocks, before - 1);
}

#[tokio::test]
async fn a_block_with_other_bytes_is_told() {
    let repo = filled().await;
    let main = repo.main().await.expect("main");
    let tree = main.tree().await.expect("tree");
    let changed = tree.find_hash("notes/today").await.expect("find").expect("it is there");
    let blocks = repo.backend().blocks();
    let bytes = blocks.find(&changed).await.expect("find").expect("it is there");
    lose(&repo, changed).await;
    blocks.unsafe_add(changed, [&bytes[..], b"!"].concat().into()).await.expect("add");
    let checked = repo.check().await.expect("check");
    let [broken] = &checked.broken[..] else { panic!("{:?}", checked.broken) };
    assert_eq!((broken.path.last(), broken.why.kind()), (Some(&changed), ErrorKind::Corrupt));
    assert!(broken.to_string().contains("has the bytes of"), "{broken}");
}
