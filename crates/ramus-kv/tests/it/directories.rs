//! Directories: their names, their entries, and what an outdated one does.

use std::collections::BTreeSet;

use ramus_core::erased::Backend;
use ramus_core::{
    ContentAddressable as _, ErrorKind, Hash as _, Path, ReadOnly as _, Sha1, Step, Storage as _,
};
use ramus_kv::block::{Child, DirectoryBlock, INLINE_MAX};
use ramus_kv::{Direction, Kv, ListOptions, Repo, Tree};
use ramus_mem::Mem;

use crate::probe::Probe;

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

#[tokio::test]
async fn short_contents_have_the_name_of_the_block_that_longer_ones_would_have() {
    let repo = new_repo();
    let mut tree = repo.empty_tree();
    for length in [0, 1, INLINE_MAX, INLINE_MAX + 1, 1000] {
        let value = "v".repeat(length);
        tree.set("a", value.as_str()).await.unwrap();
        let name = Sha1::of(&[b"\x01", value.as_bytes()].concat());
        assert_eq!(tree.find_hash("a").await.unwrap(), Some(name), "{length} bytes");
    }
}

#[tokio::test]
async fn a_directory_is_one_block_up_to_8192_bytes() {
    let storage = Mem::default();
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    // With a step of 1000 bytes in front of it, an entry weighs 1006 bytes and its value.
    let entry = |number: usize| format!("{number:01000}");
    let is_one_block = async |tree: &Tree<Texts>| {
        let store = repo.empty();
        store.set_tree("", tree, "store").await.unwrap();
        let name = tree.hash().await.unwrap();
        let block = storage.blocks().find(&name).await.unwrap().unwrap();
        (block[0] == 2, store.tree().await.unwrap())
    };
    let mut tree = repo.empty_tree();
    for number in 0..8 {
        tree.set(entry(number), "v".repeat(18)).await.unwrap();
    }
    let (is_one, mut full) = is_one_block(&tree).await;
    assert!(is_one, "it weighs 8192 bytes");
    full.set(entry(3), "v".repeat(19)).await.unwrap();
    let (is_one, mut heavy) = is_one_block(&full).await;
    assert!(!is_one, "it weighs 8193 bytes");
    heavy.set(entry(3), "v".repeat(18)).await.unwrap();
    assert_eq!(heavy.hash().await.unwrap(), tree.hash().await.unwrap());
    // Blocks that come to weigh just as much together are joined.
    for more in 0..8 {
        let mut nine = tree.clone();
        nine.set(entry(more) + "x", "v").await.unwrap();
        let (is_one, mut nine) = is_one_block(&nine).await;
        assert!(!is_one);
        nine.remove(entry(more) + "x").await.unwrap();
        assert_eq!(nine.hash().await.unwrap(), tree.hash().await.unwrap());
    }
}

/// Stores a directory of many blocks; the longer the steps, the more levels it has.
async fn large(storage: &Mem, count: usize, step_length: usize) -> Sha1 {
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    let mut tree = repo.empty_tree();
    for number in 0..count {
        tree.set(format!("{number:0step_length$}"), "v").await.expect("it is set");
    }
    repo.empty().set_tree("", &tree, "store").await.expect("it is stored");
    tree.hash().await.expect("it was read")
}

#[tokio::test]
async fn an_index_block_that_lies_about_a_child_is_corrupt_to_whoever_goes_there() {
    for (count, step_length, level) in [(3000, 6, 1), (300, 1000, 2)] {
        let storage = Mem::default();
        let name = large(&storage, count, step_length).await;
        let block = storage.blocks().find(&name).await.unwrap().unwrap();
        let sound = DirectoryBlock::<Sha1>::decode(&block).unwrap();
        let DirectoryBlock::Index { level: is, children } = &sound else { panic!("no index") };
        assert!(*is >= level, "it has {is} levels above the leaves");
        let middle = children.len() / 2;
        let (first, child) = &children[middle];
        let before: u64 = children[..middle].iter().map(|(_, child)| child.count).sum();
        for (what, lie) in [
            ("count", Child { count: child.count + 1, ..*child }),
            ("weight", Child { weight: child.weight - 1, ..*child }),
            ("hash", Child { hash: children[0].1.hash, ..*child }),
        ] {
            let mut children = children.clone();
            children[middle].1 = lie;
            let lying = DirectoryBlock::Index { level: *is, children }.encode().unwrap();
            let lying = storage.blocks().add(lying).await.unwrap();
            let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
            let (tree, sound) = (repo.tree(&lying).await.unwrap(), repo.tree(&name).await.unwrap());
            let empty = repo.empty_tree();
            let list = async |options: ListOptions| tree.list_with("", options).await;
            let from = ListOptions::default().from(first.clone()).with_limit(1);
            let back = from.clone().with_direction(Direction::Backwards);
            let first = first.as_str().unwrap();
            for (asked, error) in [
                ("find", tree.find(first).await.unwrap_err()),
                ("find what is kept", tree.find(first).await.unwrap_err()),
                ("list", tree.list("").await.unwrap_err()),
                ("from", list(from).await.unwrap_err()),
                ("back", list(back).await.unwrap_err()),
                ("offset", list(ListOptions::default().with_offset(before)).await.unwrap_err()),
                ("to", sound.diff(&tree).collect().await.unwrap_err()),
                ("of", tree.diff(&empty).collect().await.unwrap_err()),
            ] {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}, {asked}: {error}");
                assert!(error.to_string().contains("is not what the index block above says"));
            }
            assert!(tree.find("0").await.unwrap().is_none(), "{what}: elsewhere it is right");
        }
    }
}

#[tokio::test]
async fn a_difference_reads_no_block_that_both_have() {
    let probe = Probe::default();
    let new_repo = || Repo::<Texts>::new(probe.backend());
    let (storage, repo) = (probe.backend(), new_repo());
    let steps: Vec<String> = (0..3000).map(|number| format!("{number:020}")).collect();
    let mut tree = repo.empty_tree();
    for step in &steps {
        tree.set(step.as_str(), "v").await.unwrap();
    }
    repo.empty().set_tree("", &tree, "store").await.unwrap();
    let old = tree.hash().await.unwrap();
    let children = async |name: &Sha1| {
        let block = storage.blocks().find(name).await.unwrap().unwrap();
        match DirectoryBlock::<Sha1>::decode(&block).unwrap() {
            DirectoryBlock::Index { level: 1, children } => children,
            other => panic!("two levels are expected: {other:?}"),
        }
    };
    let names = async |root: &Sha1| -> BTreeSet<Sha1> {
        let below = children(root).await.into_iter().map(|(_, child)| child.hash);
        below.chain([*root]).collect()
    };
    let old_names = names(&old).await;
    assert!(old_names.len() > 5, "{} blocks", old_names.len());
    // One more entry, the last one of a block or the second.
    for (first, _) in &children(&old).await[1..] {
        let index = steps.iter().position(|step| first.as_str() == Some(step)).unwrap();
        for before in [&steps[index - 1], &steps[index]] {
            let repo = new_repo();
            let mut tree = repo.tree(&old).await.unwrap();
            tree.set(format!("{before}x"), "new").await.unwrap();
            repo.empty().set_tree("", &tree, "one more").await.unwrap();
            let new = tree.hash().await.unwrap();
            let differ = old_names.symmetric_difference(&names(&new).await).count();
            for (one, other) in [(&old, &new), (&new, &old)] {
                let repo = new_repo();
                let (one, other) = (repo.tree(one).await.unwrap(), repo.tree(other).await.unwrap());
                probe.reads();
                assert_eq!(one.diff(&other).collect().await.unwrap().len(), 1);
                assert_eq!(probe.reads(), differ, "behind {before}");
            }
        }
    }
}

#[tokio::test]
async fn a_prefix_may_end_with_any_byte_of_a_step() {
    let repo = new_repo();
    let mut tree = repo.empty_tree();
    let step = |bytes: &[u8]| Step::new(bytes.to_vec()).unwrap();
    let names: [&[u8]; 8] =
        [b"v", b"v-1", b"v.", b"v.1", b"v0", b"v\xff", b"v\xff\xff", b"\xff\xff1"];
    for name in names {
        tree.set(Path::root().child(&step(name)), "x").await.unwrap();
    }
    for prefix in [&b"v"[..], b"v.", b"v-", b"v\xff", b"\xff", b"\xff\xff", b"v\xff\xff\xff"] {
        let mut expected: Vec<Step> =
            names.iter().filter(|name| name.starts_with(prefix)).map(|name| step(name)).collect();
        expected.sort();
        for direction in [Direction::Forwards, Direction::Backwards] {
            let options = ListOptions::default().with_prefix(prefix).with_direction(direction);
            let listed = tree.list_with("", options).await.unwrap();
            let listed: Vec<Step> = listed.into_iter().map(|entry| entry.step).collect();
            assert_eq!(listed, expected, "{direction:?} {}", prefix.escape_ascii());
            expected.reverse();
        }
    }
}
