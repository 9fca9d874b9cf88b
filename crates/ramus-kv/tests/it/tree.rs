//! Trees: edits, what is shared, what is read, and what is refused.

use std::time::{Duration, Instant};

use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, Sha1, Storage as _};
use ramus_kv::{Kind, Kv, Repo};
use ramus_mem::Mem;

use crate::mode::{Files, Mode};
use crate::probe::Probe;

type Texts = Kv<String>;

fn new_repo() -> Repo<Texts> {
    Repo::new(Backend::new(Mem::default()))
}

/// A name that no block has.
fn nowhere() -> Sha1 {
    Sha1::of(b"nowhere")
}

#[tokio::test]
async fn metadata_that_are_too_long_are_refused_when_they_are_set() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    tree.set_with_metadata("a", "x", Mode(256)).await.unwrap();
    let before = tree.hash().await.unwrap();
    let error = tree.set_with_metadata("a", "y", Mode(257)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(error.to_string(), "the metadata of `a` have 257 bytes; at most 256 are taken");
    assert_eq!(tree.hash().await.unwrap(), before);
}

#[tokio::test]
async fn set_keeps_metadata_and_rename_moves_them() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    tree.set_with_metadata("a", "x", Mode(3)).await.unwrap();
    tree.set("a", "y").await.unwrap();
    tree.rename("a", "b/c").await.unwrap();
    assert_eq!(tree.find_with_metadata("b/c").await.unwrap(), Some(("y".to_owned(), Mode(3))));
    tree.remove("b/c").await.unwrap();
    tree.set("b/c", "z").await.unwrap();
    assert_eq!(tree.find_with_metadata("b/c").await.unwrap(), Some(("z".to_owned(), Mode(0))));
}

#[tokio::test]
async fn a_rename_that_cannot_be_says_why_and_changes_nothing() {
    let mut tree = new_repo().empty_tree();
    for path in ["dir/x", "dir/y", "file"] {
        tree.set(path, path).await.unwrap();
    }
    let before = tree.hash().await.unwrap();
    for (from, to, why) in [
        ("none", "new", "nothing is there to be renamed"),
        ("none", "none", "nothing is there to be renamed"),
        ("file/x", "new", "nothing is there to be renamed"),
        ("dir", "dir/z", "one lies below the other"),
        ("dir/x", "dir", "one lies below the other"),
        ("", "all", "one lies below the other"),
        ("dir/x", "dir/y", "something has that name already; remove it first"),
        ("dir", "file", "something has that name already; remove it first"),
    ] {
        let error = tree.rename(from, to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), format!("cannot rename `{from}` to `{to}`: {why}"));
    }
    let error = tree.rename("dir", "file/dir").await.unwrap_err();
    assert!(error.to_string().contains("`file` holds contents"), "{error}");
    tree.rename("dir", "dir").await.unwrap();
    assert_eq!(tree.hash().await.unwrap(), before);
}

#[tokio::test]
async fn edits_of_one_large_directory_cost_what_they_change() {
    const COUNT: usize = 30_000;
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    let mut edit = main.begin().await.unwrap();
    let begun = Instant::now();
    for number in 0..COUNT {
        edit.set(format!("dir/{number}"), "x").await.unwrap();
    }
    for number in 0..COUNT {
        edit.rename(format!("dir/{number}"), format!("dir/new{number}")).await.unwrap();
        edit.set(format!("dir/new{number}"), "y").await.unwrap();
    }
    for number in 0..COUNT / 2 {
        edit.remove(format!("dir/new{number}")).await.unwrap();
    }
    // A directory that is copied for every edit takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(edit.len("dir").await.unwrap(), COUNT as u64 / 2);
    main.commit(edit, "half of them").await.unwrap();
    assert_eq!(main.tree().await.unwrap().len("dir").await.unwrap(), COUNT as u64 / 2);
}

#[tokio::test]
async fn a_tree_that_is_nowhere_answers_missing_when_it_is_read() {
    let repo = new_repo();
    let mut tree = repo.tree(&nowhere()).await.unwrap();
    let mut errors = vec![
        tree.find("a").await.unwrap_err(),
        tree.list("").await.unwrap_err(),
        tree.len("").await.unwrap_err(),
        tree.kind("a/b").await.unwrap_err(),
        tree.find_hash("a").await.unwrap_err(),
        tree.set("a", "x").await.unwrap_err(),
        tree.remove("a").await.unwrap_err(),
    ];
    let other = repo.empty_tree();
    errors.push(tree.diff(&other).collect().await.unwrap_err());
    errors.push(other.diff(&tree).collect().await.unwrap_err());
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Missing);
        assert!(error.to_string().contains(&nowhere().to_string()), "{error}");
    }
    assert_eq!(tree.hash().await.unwrap(), nowhere());
}

#[tokio::test]
async fn a_tree_that_is_nowhere_is_hashed_and_grafted_without_being_read() {
    let (here, there) = (new_repo(), new_repo());
    let mut part = there.empty_tree();
    part.set("x", "y").await.unwrap();
    let mut whole = there.empty_tree();
    whole.set_tree("a/b", &part).await.unwrap();
    whole.set("c", "d").await.unwrap();

    let shallow = here.tree(&part.hash().await.unwrap()).await.unwrap();
    assert!(!shallow.is_empty());
    let mut tree = here.empty_tree();
    tree.set("c", "d").await.unwrap();
    tree.set_tree("a/b", &shallow).await.unwrap();
    assert_eq!(tree.kind("a/b").await.unwrap(), Some(Kind::Directory));
    assert_eq!(tree.hash().await.unwrap(), whole.hash().await.unwrap());
}

#[tokio::test]
async fn an_empty_tree_that_is_nowhere_is_known_to_be_empty() {
    let repo = new_repo();
    let hash = repo.empty_tree().hash().await.unwrap();
    let empty = repo.tree(&hash).await.unwrap();
    assert!(empty.is_empty());
    let mut tree = repo.empty_tree();
    tree.set("a/b", "x").await.unwrap();
    tree.set_tree("a", &empty).await.unwrap();
    assert_eq!(tree.kind("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_of_a_directory_that_is_nowhere_is_refused() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("a", "x", "first").await.unwrap();
    let head = main.head().await.unwrap();
    let shallow = repo.tree(&nowhere()).await.unwrap();
    let mut edit = main.begin().await.unwrap();
    edit.set_tree("b/c", &shallow).await.unwrap();
    // Found again, and moved, it is still what it was.
    let again = edit.find_tree("b/c").await.unwrap().unwrap();
    edit.set_tree("d", &again).await.unwrap();
    edit.remove("b").await.unwrap();
    edit.rename("d", "e").await.unwrap();
    for error in [
        main.set_tree("", &shallow, "root").await.unwrap_err(),
        main.set_tree("b/c", &shallow, "below").await.unwrap_err(),
        main.commit(edit, "transaction").await.unwrap_err(),
        repo.branch("new").await.unwrap().set_tree("", &shallow, "first").await.unwrap_err(),
        repo.empty().set_tree("", &shallow, "detached").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
        assert!(error.to_string().contains(&nowhere().to_string()), "{error}");
    }
    assert_eq!(main.head().await.unwrap(), head);
}

#[tokio::test]
async fn a_directory_that_is_nowhere_is_refused_also_after_a_lost_race() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("a", "x", "first").await.unwrap();
    let mut edit = main.begin().await.unwrap();
    edit.set_tree("b/c", &repo.tree(&nowhere()).await.unwrap()).await.unwrap();
    main.set("a", "y", "another writer came first").await.unwrap();
    let error = main.commit(edit, "merged").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert_eq!(main.kind("b").await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_of_a_directory_that_is_none_is_refused() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("a", "x".repeat(100), "first").await.unwrap();
    let contents = main.tree().await.unwrap().find_hash("a").await.unwrap().unwrap();
    let shallow = repo.tree(&contents).await.unwrap();
    let error = main.set_tree("b", &shallow, "no directory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_directory_that_was_added_below_is_grafted_committed_and_read() {
    let (here, there) = (Mem::default(), Mem::default());
    let source = Repo::<Texts>::new(Backend::new(there.clone())).main().await.unwrap();
    let long = "z".repeat(100);
    source.set("x/y", long.as_str(), "make").await.unwrap();
    let tree = source.tree().await.unwrap();
    let names = [
        tree.hash().await.unwrap(),
        tree.find_hash("x").await.unwrap().unwrap(),
        tree.find_hash("x/y").await.unwrap().unwrap(),
    ];
    for name in &names {
        let block = ramus_core::ReadOnly::find(there.blocks(), name).await.unwrap().unwrap();
        here.blocks().add(block).await.unwrap();
    }
    let repo = Repo::<Texts>::new(Backend::new(here));
    let main = repo.main().await.unwrap();
    let shallow = repo.tree(&names[0]).await.unwrap();
    main.set_tree("copy", &shallow, "graft").await.unwrap().unwrap();
    assert_eq!(main.find("copy/x/y").await.unwrap(), Some(long));
}

#[tokio::test]
async fn a_tree_of_another_repository_is_refused() {
    let (here, there) = (new_repo(), new_repo());
    let mut foreign = there.empty_tree();
    foreign.set("a", "x").await.unwrap();
    let main = here.main().await.unwrap();
    let error = main.set_tree("b", &foreign, "graft").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let mut edit = main.begin().await.unwrap();
    *edit = foreign;
    let error = main.commit(edit, "swapped in").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn what_an_edit_does_not_touch_is_not_read() {
    let probe = Probe::default();
    let main = Repo::<Texts>::new(probe.backend()).main().await.unwrap();
    for path in ["a/b/c", "d/e/f", "g/h/i", "j"] {
        main.set(path, path, "fill").await.unwrap();
    }
    // Another repository on the same blocks has cached nothing.
    let hash = main.tree().await.unwrap().hash().await.unwrap();
    let repo = Repo::<Texts>::new(probe.backend());
    let main = repo.main().await.unwrap();
    probe.reads();

    let mut tree = repo.tree(&hash).await.unwrap();
    assert_eq!(probe.reads(), 0);
    tree.set("a/b/new", "x").await.unwrap();
    assert_eq!(probe.reads(), 3, "the root, `a` and `a/b`");
    tree.set("a/b/new", "y").await.unwrap();
    tree.rename("a/b/new", "a/other").await.unwrap();
    tree.remove("d").await.unwrap();
    tree.rename("g", "moved").await.unwrap();
    tree.hash().await.unwrap();
    let copy = tree.find_tree("moved").await.unwrap().unwrap();
    tree.set_tree("copy", &copy).await.unwrap();
    assert_eq!(probe.reads(), 0);
    main.set_tree("", &tree, "edited").await.unwrap();
    assert_eq!(probe.reads(), 0);
    assert_eq!(main.find("copy/h/i").await.unwrap().as_deref(), Some("g/h/i"));
    assert_eq!(probe.reads(), 2, "what was moved, and `h`; what was committed is at hand");
}

#[tokio::test]
async fn an_edit_that_changes_nothing_gives_the_same_tree_and_no_commit() {
    let main = new_repo().main().await.unwrap();
    let first = main.set("a/b", "x", "first").await.unwrap();
    let hash = main.tree().await.unwrap().hash().await.unwrap();
    assert_eq!(main.set("a/b", "x", "again").await.unwrap(), None);
    assert_eq!(main.remove("none", "nothing").await.unwrap(), None);
    assert_eq!(main.rename("a", "a", "itself").await.unwrap(), None);
    let whole = main.tree().await.unwrap();
    assert_eq!(main.set_tree("", &whole, "itself").await.unwrap(), None);
    let mut edit = main.begin().await.unwrap();
    edit.set("a/c/d", "y").await.unwrap();
    edit.set("a/b", "y").await.unwrap();
    assert_ne!(edit.hash().await.unwrap(), hash);
    edit.remove("a/c").await.unwrap();
    edit.set("a/b", "x").await.unwrap();
    assert_eq!(edit.hash().await.unwrap(), hash);
    assert_eq!(format!("{:?}", edit.tree()), format!("Tree({hash})"), "nothing is left of it");
    assert_eq!(main.commit(edit, "and back").await.unwrap(), None);
    assert_eq!(main.head().await.unwrap(), first);
}

#[test]
fn a_tree_is_as_deep_as_is_allowed_and_no_deeper() {
    on_a_small_stack(async {
        let main = new_repo().main().await.unwrap();
        let deepest = deep("d", 256);
        main.set(&deepest, "x", "deep").await.unwrap();
        assert_eq!(main.find(&deepest).await.unwrap().as_deref(), Some("x"));
        let error = main.set(deep("d", 257), "x", "deeper").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);

        let other = main.fork("other").await.unwrap();
        let below = deep("d", 255);
        let before = main.tree().await.unwrap();
        main.set(format!("{below}/ours"), "y", "ours").await.unwrap();
        other.set(format!("{below}/theirs"), "z", "theirs").await.unwrap();
        main.merge(&other, "deep").await.unwrap().clean().unwrap();
        let after = main.tree().await.unwrap();
        assert_eq!(before.diff(&after).collect().await.unwrap().len(), 2);
    });
}

#[test]
fn directories_are_not_moved_deeper_than_is_allowed() {
    on_a_small_stack(async {
        let mut tree = new_repo().empty_tree();
        tree.set(deep("a", 200), "x").await.unwrap();
        let mut whole = tree.clone();
        for error in [
            tree.rename("a", deep("b", 58)).await.unwrap_err(),
            tree.set_tree(deep("b", 57), &whole).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert_eq!(error.to_string(), "the tree is more than 256 directories deep");
        }
        tree.rename("a", deep("b", 57)).await.unwrap();
        let path = deep("b", 57) + "/" + &deep("a", 199);
        assert_eq!(tree.find(path).await.unwrap().as_deref(), Some("x"));
        tree.hash().await.unwrap();
        whole.set_tree(deep("b", 56), &whole.clone()).await.unwrap();
        whole.hash().await.unwrap();
    });
}

#[test]
fn what_was_deep_once_is_not_in_the_way() {
    on_a_small_stack(async {
        let mut tree = new_repo().empty_tree();
        tree.set(deep("a", 200), "x").await.unwrap();
        tree.set("a/b", "y").await.unwrap();
        tree.remove("a/a").await.unwrap();
        tree.rename("a", deep("c", 255)).await.unwrap();
        assert_eq!(tree.find(deep("c", 255) + "/b").await.unwrap().as_deref(), Some("y"));
    });
}

fn deep(step: &str, count: usize) -> String {
    vec![step; count].join("/")
}

/// Runs it on half of the stack that a thread usually has.
fn on_a_small_stack(test: impl Future<Output = ()> + Send + 'static) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(test);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run);
    thread.expect("a thread can be started").join().expect("the test passes");
}
