//! Directories: their names, their entries, and what an outdated one does.

use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Hash as _, ReadOnly as _, Sha1, Storage as _};
use ramus_kv::{Kv, ListOptions, Repo, Tree};
use ramus_mem::Mem;

type Texts = Kv<String>;

fn new_repo() -> Repo<Texts> {
    Repo::new(Backend::new(Mem::default()))
}

async fn filled(repo: &Repo<Texts>, paths: &[&str]) -> Tree<Texts> {
    let mut tree = repo.empty_tree();
    for path in paths {
        tree.set(*path, *path).await.expect("the tree is read and written");
    }
    tree
}

async fn steps(tree: &Tree<Texts>, path: &str, options: ListOptions) -> Vec<String> {
    let entries = tree.list_with(path, options).await.expect("the tree is read and written");
    entries.into_iter().map(|entry| entry.step.to_string()).collect()
}

#[tokio::test]
async fn the_hash_of_a_tree_is_the_name_of_the_directory_that_is_stored() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("x", "x", "so that an empty tree is a change").await.unwrap();
    for paths in [&[][..], &["a", "b"], &["a/b", "a/c", "d"], &["a/b/c", "a/d/e"]] {
        let tree = filled(&repo, paths).await;
        let hash = tree.hash().await.unwrap();
        main.set_tree("", &tree, "store it").await.unwrap().unwrap();
        assert_eq!(main.tree().await.unwrap().hash().await.unwrap(), hash);
        for directory in ["", "a", "a/b"] {
            let Some(part) = tree.find_tree(directory).await.unwrap() else { continue };
            let hash = part.hash().await.unwrap();
            assert_eq!(tree.find_hash(directory).await.unwrap(), Some(hash));
            let block = repo.backend().blocks().find(&hash).await.unwrap();
            let block = block.unwrap_or_else(|| panic!("`{directory}` of {paths:?} is not stored"));
            assert_eq!(Sha1::of(&block), hash);
        }
    }
}

#[tokio::test]
async fn adding_and_removing_undo_each_other() {
    let repo = new_repo();
    let mut tree = repo.empty_tree();
    let mut hashes = vec![tree.hash().await.unwrap()];
    for step in ["a", "b", "c", "d", "e"] {
        tree.set(step, step).await.unwrap();
        hashes.push(tree.hash().await.unwrap());
    }
    for step in ["e", "d", "c", "b", "a"] {
        assert_eq!(hashes.pop(), Some(tree.hash().await.unwrap()));
        assert_eq!(tree.take(step).await.unwrap().as_deref(), Some(step));
    }
    assert_eq!(hashes, [tree.hash().await.unwrap()]);
}

#[tokio::test]
async fn no_step_stands_twice_however_it_was_set() {
    let repo = new_repo();
    let contents = filled(&repo, &["a", "b", "c"]).await;
    let part = filled(&repo, &["x"]).await;
    let mut hashes = Vec::new();
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"], ["a", "a", "b"]] {
        let mut tree = contents.clone();
        for step in order {
            tree.set(step, "again").await.unwrap();
            tree.set(step, step).await.unwrap();
            tree.set_tree("dir", &part).await.unwrap();
        }
        let all = steps(&tree, "", ListOptions::default()).await;
        assert_eq!(all, ["a", "b", "c", "dir"]);
        hashes.push(tree.hash().await.unwrap());
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
}

#[tokio::test]
async fn built_along_a_path_or_from_the_bottom_up_a_tree_is_the_same() {
    let repo = new_repo();
    let along = filled(&repo, &["a/b/c/x", "a/b/c/y", "a/d"]).await;
    let mut inner = repo.empty_tree();
    inner.set("x", "a/b/c/x").await.unwrap();
    inner.set("y", "a/b/c/y").await.unwrap();
    let mut middle = repo.empty_tree();
    middle.set("d", "a/d").await.unwrap();
    middle.set_tree("b/c", &inner).await.unwrap();
    let mut up = repo.empty_tree();
    up.set_tree("a", &middle).await.unwrap();
    assert_eq!(up.hash().await.unwrap(), along.hash().await.unwrap());
    assert_eq!(up.find("a/b/c/y").await.unwrap().as_deref(), Some("a/b/c/y"));
}

#[tokio::test]
async fn pages_of_any_size_also_behind_the_last_entry_make_the_whole_list() {
    let repo = new_repo();
    let tree = filled(&repo, &["a", "b", "c", "d", "e"]).await;
    assert_eq!(tree.len("").await.unwrap(), 5);
    assert_eq!(tree.len("a").await.unwrap(), 0, "contents have no entries");
    let all = steps(&tree, "", ListOptions::default()).await;
    for size in 1..7 {
        let mut pages = Vec::new();
        for offset in (0..10).step_by(size) {
            let options = ListOptions::default().with_offset(offset).with_limit(size);
            let page = steps(&tree, "", options).await;
            assert!(page.len() == size || pages.len() + page.len() == 5, "{size} at {offset}");
            pages.extend(page);
        }
        assert_eq!(pages, all, "pages of {size}");
    }
    assert_eq!(steps(&tree, "", ListOptions::default().with_offset(3)).await, ["d", "e"]);
    assert_eq!(steps(&tree, "", ListOptions::default().with_limit(2)).await, ["a", "b"]);
    assert!(steps(&tree, "", ListOptions::default().with_offset(5)).await.is_empty());
}

#[tokio::test]
async fn a_directory_that_has_to_be_read_answers_closed_after_closing() {
    let storage = Mem::default();
    let main = Repo::<Texts>::new(Backend::new(storage.clone())).main().await.unwrap();
    main.set("a/b", "x", "fill").await.unwrap();
    let hash = main.tree().await.unwrap().hash().await.unwrap();
    // Another repository on the same storage has nothing at hand.
    let repo = Repo::<Texts>::new(Backend::new(storage));
    let mut tree = repo.tree(&hash).await.unwrap();
    repo.close().await.unwrap();
    for error in [
        tree.find("a/b").await.unwrap_err(),
        tree.entries("a").await.unwrap_err(),
        tree.stats().await.unwrap_err(),
        tree.to_concrete("").await.unwrap_err(),
        tree.take("a/b").await.unwrap_err(),
        tree.update("a/b", |_| None).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

#[tokio::test]
async fn what_an_outdated_tree_took_back_no_merge_with_an_older_commit_brings_back() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    let first = main.set("dir/a", "x", "first").await.unwrap().unwrap();
    let second = main.set("dir/b", "y", "second").await.unwrap().unwrap();
    main.set_tree("", &first.tree(), "from an outdated tree").await.unwrap().unwrap();
    assert_eq!(main.find("dir/b").await.unwrap(), None);

    let older = repo.branch("older").await.unwrap();
    older.set_head(&second).await.unwrap();
    main.merge(&older, "merge what is older").await.unwrap().clean().unwrap();
    assert_eq!(main.find("dir/b").await.unwrap(), None);
    older.merge(&main, "the other way round").await.unwrap().clean().unwrap();
    assert_eq!(older.find("dir/b").await.unwrap(), None);

    let aside = repo.branch("aside").await.unwrap();
    aside.set_head(&second).await.unwrap();
    aside.set("dir/c", "z", "beside it").await.unwrap();
    main.merge(&aside, "merge what grew on the older one").await.unwrap().clean().unwrap();
    let all = steps(&main.tree().await.unwrap(), "dir", ListOptions::default()).await;
    assert_eq!(all, ["a", "c"]);
}
