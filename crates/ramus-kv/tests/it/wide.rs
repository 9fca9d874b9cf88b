//! One directory of 500 000 entries.

use ramus_core::erased::Backend;
use ramus_kv::{Kind, Kv, ListOptions, Repo, Store, Tree, WalkOptions, WalkOrder};
use ramus_mem::Mem;

type Texts = Kv<String>;

const COUNT: u64 = 500_000;

/// Returns a repository with a directory of that many entries that is not saved yet.
async fn wide() -> (Store<Texts>, Tree<Texts>) {
    let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    for number in 0..COUNT {
        tree.set(format!("wide/{number:06}"), number.to_string())
            .await
            .expect("the tree is read and written");
    }
    (repo.main().await.expect("the tree is read and written"), tree)
}

#[tokio::test]
async fn a_directory_of_500_000_entries_is_committed_and_listed() {
    let (main, tree) = wide().await;
    main.set_tree("", &tree, "wide").await.unwrap().unwrap();
    let stored = main.tree().await.unwrap();
    let listed = stored.list("wide").await.unwrap();
    assert_eq!(listed.len() as u64, COUNT);
    for (number, entry) in listed.iter().enumerate() {
        assert_eq!(entry.kind, Kind::Contents);
        assert_eq!(entry.step.as_str(), Some(format!("{number:06}").as_str()));
    }
    let page = ListOptions::default().with_offset(COUNT - 3).with_limit(10);
    let page = stored.list_with("wide", page).await.unwrap();
    assert_eq!(page, listed[listed.len() - 3..]);
}

#[tokio::test]
async fn a_directory_of_500_000_entries_is_counted_and_edited_and_put_back() {
    let (main, tree) = wide().await;
    assert_eq!(tree.len("wide").await.unwrap(), COUNT);
    let hash = tree.hash().await.unwrap();
    main.set_tree("", &tree, "wide").await.unwrap().unwrap();

    let mut stored = main.tree().await.unwrap();
    assert_eq!(stored.hash().await.unwrap(), hash);
    assert_eq!(stored.len("wide").await.unwrap(), COUNT);
    let mut walk = stored.walk(WalkOptions::default().with_order(WalkOrder::ContentsOnly));
    let mut count = 0;
    while let Some(visit) = walk.next().await.transpose().unwrap() {
        assert_eq!(visit.depth, 2);
        count += 1;
    }
    assert_eq!(count, COUNT);

    let value = stored.take("wide/250000").await.unwrap().unwrap();
    assert_eq!(value, "250000");
    assert_ne!(stored.hash().await.unwrap(), hash);
    main.set_tree("", &stored, "one less").await.unwrap().unwrap();
    assert_eq!(main.find("wide/250000").await.unwrap(), None);
    assert_eq!(main.tree().await.unwrap().len("wide").await.unwrap(), COUNT - 1);
    main.set("wide/250000", value, "and back").await.unwrap().unwrap();
    assert_eq!(main.tree().await.unwrap().hash().await.unwrap(), hash);
    assert_eq!(main.find("wide/250000").await.unwrap().as_deref(), Some("250000"));
}
