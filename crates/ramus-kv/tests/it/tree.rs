//! Trees: edits, what is shared, what is read, and what is refused.

use std::task::{Context, Waker};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, Sha1, Storage as _, Sweep as _};
use ramus_kv::block::{DirectoryBlock, Entry, Held};
use ramus_kv::{Concrete, Direction, Kind, Kv, ListOptions, Merged, Repo, WalkOptions};
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
async fn a_rename_that_empties_the_directories_it_goes_back_into_leaves_nothing_behind() {
    let repo = new_repo();
    for (from, to) in [("a/x/1", "a/x/2"), ("a/x/y/1", "a/x/y/2"), ("a/x/y/1", "a/x/2")] {
        let main = repo.empty();
        main.set(from, "value", "fill").await.unwrap();
        let mut tree = main.tree().await.unwrap();
        tree.rename(from, to).await.unwrap();
        let mut expected = repo.empty_tree();
        expected.set(to, "value").await.unwrap();
        assert_eq!(tree.to_concrete("").await.unwrap(), expected.to_concrete("").await.unwrap());
        assert_eq!(tree.len("a/x").await.unwrap(), 1);
        assert_eq!(tree.hash().await.unwrap(), expected.hash().await.unwrap());
        assert_eq!(tree.find(from).await.unwrap(), None);
    }
}

#[tokio::test]
async fn many_edits_of_one_large_directory_are_kept_and_committed() {
    const COUNT: usize = 10_000;
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    let mut edit = main.begin().await.unwrap();
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
async fn a_directory_that_is_nowhere_is_refused_also_in_what_a_walk_has_found() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    let mut edit = repo.empty_tree();
    edit.set_tree("a/b/c", &repo.tree(&nowhere()).await.unwrap()).await.unwrap();
    edit.set("a/x", "y").await.unwrap();
    // A walk to each directory once hashes the tree first.
    let options = WalkOptions::default().with_depth_max(2).unique();
    let mut walk = edit.walk(options);
    let mut count = 0;
    while let Some(visit) = walk.next().await.transpose().unwrap() {
        let Some(found) = visit.found.tree() else { continue };
        let mut graft = repo.empty_tree();
        graft.set_tree("d", &found).await.unwrap();
        for tree in [found.clone(), graft.clone(), graft] {
            let error = main.set_tree("", &tree, "found").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Missing, "{}: {error}", visit.path);
        }
        count += 1;
    }
    assert_eq!(count, 3, "the root, `a` and `a/b`");
}

#[tokio::test]
async fn what_a_walk_has_found_is_stored_with_what_it_is_put_into() {
    let storage = Mem::default();
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    let mut edit = repo.empty_tree();
    let long = "z".repeat(200);
    edit.set("a/b/c", long.as_str()).await.unwrap();
    let mut walk = edit.walk(WalkOptions::default().with_depth_min(2).unique());
    let found = walk.next().await.unwrap().unwrap().found.tree().unwrap();
    let mut other = repo.empty_tree();
    other.set_tree("d/e", &found).await.unwrap();
    drop((walk, edit, found));
    let main = repo.main().await.unwrap();
    main.set_tree("", &other, "put").await.unwrap();
    // Another repository has nothing at hand.
    let again = Repo::<Texts>::new(Backend::new(storage)).main().await.unwrap();
    assert_eq!(again.find("d/e/c").await.unwrap(), Some(long));
}

#[tokio::test]
async fn a_directory_that_is_at_hand_and_not_stored_any_more_is_refused() {
    let storage = Mem::default();
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    let store = repo.empty();
    store.set("a/b", "x", "store").await.unwrap();
    let name = store.tree().await.unwrap().find_hash("a").await.unwrap().unwrap();
    assert_eq!(store.find("a/b").await.unwrap().as_deref(), Some("x"), "it was read");
    drop(store);
    let sweep = storage.sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, vec![name]).await.unwrap(), 1);
    let shallow = repo.tree(&name).await.unwrap();
    let error = repo.main().await.unwrap().set_tree("c", &shallow, "graft").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
}

#[tokio::test]
async fn what_lies_at_two_places_is_written_once() {
    let probe = Probe::default();
    let repo = Repo::<Texts>::new(probe.backend());
    let mut part = repo.empty_tree();
    part.set("x", "z".repeat(200)).await.unwrap();
    let mut tree = repo.empty_tree();
    for place in ["a", "b/c", "d/e/f"] {
        tree.set_tree(place, &part).await.unwrap();
    }
    tree.set("y", "z".repeat(200)).await.unwrap();
    let store = repo.empty();
    store.set_tree("", &tree, "store").await.unwrap();
    assert_eq!(probe.writes(), 7, "the value, the part, `b`, `d`, `d/e`, the root, the commit");
    store.set("b/new", "short", "change").await.unwrap();
    assert_eq!(probe.writes(), 3, "`b`, the root, the commit");
}

#[tokio::test]
async fn an_edit_that_is_dropped_half_way_has_changed_nothing() {
    let probe = Probe::default();
    let store = Repo::<Texts>::new(probe.backend()).empty();
    for path in ["a/b/c", "a/b/d", "e/f/g"] {
        store.set(path, path.repeat(200), "fill").await.unwrap();
    }
    let name = store.tree().await.unwrap().hash().await.unwrap();
    let plain = Concrete::contents("plain".to_owned());
    for which in 0..7 {
        let mut polls = 0;
        loop {
            // Nothing is at hand, so every read waits.
            let repo = Repo::<Texts>::new(probe.backend());
            let mut tree = repo.tree(&name).await.unwrap();
            let part = repo.empty_tree();
            let is_done = {
                let edit: BoxFuture<'_, ramus_core::Result<()>> = match which {
                    0 => tree.set("a/b/new", "x").boxed(),
                    1 => tree.update("a/b/c", |_| Some("x".to_owned())).boxed(),
                    2 => tree.take("a/b/c").map_ok(drop).boxed(),
                    3 => tree.remove("e/f/g").map_ok(drop).boxed(),
                    4 => tree.rename("a/b/c", "e/f/c").boxed(),
                    5 => tree.set_tree("a/b", &part).boxed(),
                    _ => tree.set_concrete("e/f/g", &plain).boxed(),
                };
                let mut edit = edit;
                let mut context = Context::from_waker(Waker::noop());
                (0..polls).any(|_| edit.as_mut().poll(&mut context).is_ready())
            };
            if is_done {
                assert_ne!(tree.hash().await.unwrap(), name, "edit {which} does something");
                break;
            }
            assert_eq!(tree.hash().await.unwrap(), name, "edit {which} after {polls} polls");
            polls += 1;
        }
        assert!(polls > 2, "edit {which} never waited");
    }
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
    main.set("a", "x".repeat(200), "first").await.unwrap();
    let contents = main.tree().await.unwrap().find_hash("a").await.unwrap().unwrap();
    let shallow = repo.tree(&contents).await.unwrap();
    let error = main.set_tree("b", &shallow, "no directory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_directory_that_was_added_below_is_grafted_committed_and_read() {
    let (here, there) = (Mem::default(), Mem::default());
    let source = Repo::<Texts>::new(Backend::new(there.clone())).main().await.unwrap();
    let long = "z".repeat(200);
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

/// Stores directories one in another, as another program might, around this value; returns the name
/// of the outermost.
async fn store_nested(storage: &Mem, count: usize, value: &'static str) -> Sha1 {
    let held = Held::Inline(value.into());
    let mut entry = Entry::Contents { held, metadata: Bytes::new() };
    for _ in 1..count {
        let block = DirectoryBlock::Leaf(vec![("d".parse().expect("a step"), entry)]);
        let block = block.encode().expect("a sound block");
        entry = Entry::Directory { hash: storage.blocks().add(block).await.expect("it is added") };
    }
    let block = DirectoryBlock::Leaf(vec![("d".parse().expect("a step"), entry)]);
    storage.blocks().add(block.encode().expect("a sound block")).await.expect("it is added")
}

#[test]
fn what_is_stored_too_deep_is_refused_where_it_is_gone_through() {
    on_a_small_stack(async {
        for (count, is_refused) in [(256, false), (257, true), (3000, true)] {
            let storage = Mem::default();
            let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
            let mut trees = Vec::new();
            for value in ["base", "ours", "theirs"] {
                let name = store_nested(&storage, count, value).await;
                trees.push(repo.tree(&name).await.unwrap());
            }
            let [base, ours, theirs] = &trees[..] else { unreachable!("there are three") };
            assert_eq!(base.find(deep("d", count)).await.unwrap().as_deref(), Some("base"));

            let main = repo.main().await.unwrap();
            main.set_tree("", base, "base").await.unwrap();
            let other = main.fork("other").await.unwrap();
            main.set_tree("", ours, "ours").await.unwrap();
            other.set_tree("", theirs, "theirs").await.unwrap();
            let kind = |fault: ramus_core::Error| fault.kind();
            for (what, answer) in [
                ("statistics", base.stats().await.map(drop).map_err(kind)),
                ("a plain value", base.to_concrete("").await.map(drop).map_err(kind)),
                ("a difference", base.diff(ours).collect().await.map(drop).map_err(kind)),
                ("a merge", main.merge(&other, "merge").await.map(drop).map_err(kind)),
            ] {
                let expected = if is_refused { Err(ErrorKind::Limit) } else { Ok(()) };
                assert_eq!(answer, expected, "{what} of {count} directories");
            }
        }
    });
}

/// Returns the names that are pinned now.
async fn pinned(storage: &Mem) -> Vec<Sha1> {
    let sweep = storage.sweep().expect("memory can be swept");
    sweep.pinned(sweep.begin().await.expect("it begins")).await.expect("it tells")
}

#[tokio::test]
async fn what_a_tree_was_read_from_is_pinned_while_anything_of_it_lives() {
    let storage = Mem::default();
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    let mut whole = repo.empty_tree();
    whole.set("a/b", "x").await.unwrap();
    repo.empty().set_tree("", &whole, "store").await.unwrap();
    let name = whole.hash().await.unwrap();
    drop(whole);
    assert_eq!(pinned(&storage).await, []);

    let read = async || repo.tree(&name).await.unwrap();
    let tree = read().await;
    assert_eq!(pinned(&storage).await, [name]);
    drop(tree.clone());
    assert_eq!(pinned(&storage).await, [name], "the other one still lives");
    drop(tree);
    assert_eq!(pinned(&storage).await, []);

    let part = read().await.find_tree("a").await.unwrap().unwrap();
    assert_eq!(pinned(&storage).await, [name]);
    let mut other = repo.empty_tree();
    other.set_tree("copy", &part).await.unwrap();
    drop(part);
    assert_eq!(pinned(&storage).await, [name], "a graft brings its pins");
    other.set("copy/b", "y").await.unwrap();
    let mut edited = repo.empty_tree();
    edited.set_tree("", &other).await.unwrap();
    drop(other);
    assert_eq!(pinned(&storage).await, [name], "edits over it stand on it");
    drop(edited);
    assert_eq!(pinned(&storage).await, []);

    let walk = read().await.walk(WalkOptions::default());
    assert_eq!(pinned(&storage).await, [name]);
    drop(walk);
    let (_, found) = read().await.entries("").await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(pinned(&storage).await, [name]);
    drop(found);
    let diff = read().await.diff(&repo.empty_tree());
    assert_eq!(pinned(&storage).await, [name]);
    drop(diff);
    assert_eq!(pinned(&storage).await, []);
}

#[tokio::test]
async fn a_merge_keeps_what_both_sides_were_read_from() {
    let storage = Mem::default();
    let repo = Repo::<Texts>::new(Backend::new(storage.clone()));
    let one = repo.empty();
    one.set("a/x", "1", "base").await.unwrap();
    let other = repo.detached(&one.head().await.unwrap().unwrap()).unwrap();
    one.set("a/x", "2", "ours").await.unwrap();
    other.set("a/y", "2", "theirs").await.unwrap();
    let Merged::Conflicts(unmerged) = ({
        other.set("a/x", "3", "against").await.unwrap();
        one.merge(&other, "merge").await.unwrap()
    }) else {
        panic!("two changes of one value merged");
    };
    let theirs = other.head().await.unwrap().unwrap().hash();
    drop((one, other));
    assert!(pinned(&storage).await.contains(&theirs), "their side lies in it");
    drop(unmerged);
    assert_eq!(pinned(&storage).await, []);
}

#[tokio::test]
async fn a_prefix_that_no_step_can_have_is_refused_either_way() {
    let mut tree = new_repo().empty_tree();
    let longest = "x".repeat(1024);
    tree.set(longest.as_str(), "1").await.unwrap();
    tree.set("y", "2").await.unwrap();
    for direction in [Direction::Forwards, Direction::Backwards] {
        let list = async |prefix: &str| {
            let options = ListOptions::default().with_direction(direction).with_prefix(prefix);
            tree.list_with("", options).await.map(|listed| listed.len())
        };
        assert_eq!(list(&longest).await.unwrap(), 1);
        let longer = longest.clone() + "x";
        for no_part_of_a_step in ["a/b", "\0", longer.as_str()] {
            let error = list(no_part_of_a_step).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{direction:?}: {error}");
        }
    }
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
