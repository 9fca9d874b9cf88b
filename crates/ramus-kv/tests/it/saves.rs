//! Saves that are shared among cores, with a runtime and without.

use std::sync::Arc;

use futures::FutureExt as _;
use ramus_core::erased::Backend;
use ramus_core::{ReadOnly as _, Result, Storage as _};
use ramus_kv::{Kv, Repo, Tree};
use ramus_mem::Mem;

use crate::campaign::block_on;

type Texts = Kv<String>;

fn new_repo() -> Repo<Texts> {
    Repo::new(Backend::new(Mem::default()))
}

/// Runs a future that has nothing to wait for, where there is no runtime.
fn now<T>(future: impl Future<Output = Result<T>>) -> T {
    future.now_or_never().expect("no waiting").expect("memory answers")
}

/// Puts much into a tree: a wide directory, and many small ones that lie in one another.
async fn fill(tree: &mut Tree<Texts>) {
    for number in 0..15_000 {
        tree.set(format!("wide/{number}"), number.to_string()).await.expect("memory answers");
        tree.set(format!("deep/{}/{}/{number}", number % 31, number % 1009), "x")
            .await
            .expect("memory answers");
    }
}

#[test]
fn a_tree_has_the_same_hash_with_a_runtime_and_without() {
    let alone = {
        let mut tree = new_repo().empty_tree();
        fill(&mut tree).now_or_never().expect("nothing to read");
        now(tree.hash())
    };
    block_on(async {
        let mut tree = new_repo().empty_tree();
        fill(&mut tree).await;
        assert_eq!(tree.hash().await.unwrap(), alone);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let repo = new_repo();
        let main = repo.main().await.unwrap();
        let mut tree = repo.empty_tree();
        fill(&mut tree).await;
        main.set_tree("", &tree, "fill").await.unwrap().unwrap();
        let stored = main.tree().await.unwrap();
        assert_eq!(stored.hash().await.unwrap(), alone);
        // Every block is there.
        assert_eq!(stored.stats().await.unwrap().contents, 30_000);
        // Many edits of what is stored.
        let mut edited = stored.clone();
        for number in (0..15_000).step_by(3) {
            edited.set(format!("wide/{number}"), "new").await.unwrap();
            edited
                .remove(format!("deep/{}/{}/{number}", number % 31, number % 1009))
                .await
                .unwrap();
        }
        let mut anew = repo.empty_tree();
        for number in 0..15_000 {
            let value = if number % 3 == 0 { "new".to_owned() } else { number.to_string() };
            anew.set(format!("wide/{number}"), value).await.unwrap();
            if number % 3 != 0 {
                let path = format!("deep/{}/{}/{number}", number % 31, number % 1009);
                anew.set(path, "x").await.unwrap();
            }
        }
        assert_eq!(edited.hash().await.unwrap(), anew.hash().await.unwrap());
    });
}

#[tokio::test]
async fn a_save_that_is_dropped_leaves_the_tree_and_the_store_as_they_were() {
    let storage = Backend::new(Mem::default());
    let repo = Repo::<Texts>::new(storage.clone());
    let main = repo.main().await.unwrap();
    let mut tree = repo.empty_tree();
    fill(&mut tree).await;
    for _ in 0..20 {
        // Where there is one core alone the first poll is the last.
        drop(tree.hash().now_or_never());
        drop(main.set_tree("", &tree, "dropped").now_or_never());
        tokio::task::yield_now().await;
    }
    let hash = tree.hash().await.unwrap();
    if main.head().await.unwrap().is_none() {
        assert_eq!(storage.blocks().find(&hash).await.unwrap(), None);
        main.set_tree("", &tree, "whole").await.unwrap().unwrap();
    }
    let stored = main.tree().await.unwrap();
    assert_eq!(stored.hash().await.unwrap(), hash);
    assert_eq!(stored.stats().await.unwrap().contents, 30_000);
}

#[tokio::test]
async fn many_saves_at_a_time_do_not_disturb_one_another() {
    let repo = new_repo();
    let mut tree = repo.empty_tree();
    fill(&mut tree).await;
    let (tree, hash) = (Arc::new(tree.clone()), tree.hash().await.unwrap());
    let saves: Vec<_> = (0..8)
        .map(|_| {
            let tree = Arc::clone(&tree);
            tokio::spawn(async move { tree.hash().await })
        })
        .collect();
    for save in saves {
        assert_eq!(save.await.unwrap().unwrap(), hash);
    }
}
