//! How many blocks are read and written, and never one without need.

use ramus_core::ErrorKind;
use ramus_kv::{Direction, Kv, ListOptions, Repo, Tree, WalkOptions};

use crate::probe::Probe;

type Texts = Kv<String>;

const COUNT: u64 = 20_000;

fn step(number: u64) -> String {
    format!("k{number:06}")
}

/// Returns the blocks of a tree with one wide directory, how many those are, and a tree of them that
/// nothing was read of yet each time it is called for.
async fn wide() -> (Probe, usize, impl AsyncFn() -> Tree<Texts>) {
    let probe = Probe::default();
    let repo = Repo::<Texts>::new(probe.backend());
    let mut tree = repo.empty_tree();
    for number in 0..COUNT {
        tree.set(format!("wide/{}", step(number)), number.to_string())
            .await
            .expect("memory answers");
    }
    let root = tree.hash().await.expect("memory answers");
    repo.empty()
        .set_tree("", &tree, "fill")
        .await
        .expect("a commit")
        .expect("it changed something");
    let blocks = probe.writes() - 1;
    probe.reads();
    let fresh = {
        let probe = probe.clone();
        async move || Repo::<Texts>::new(probe.backend()).tree(&root).await.expect("memory answers")
    };
    (probe, blocks, fresh)
}

#[tokio::test]
async fn a_listing_reads_the_way_there_and_what_it_gives() {
    let (probe, blocks, fresh) = wide().await;
    assert!(blocks > 50, "{blocks} blocks are too few to tell");
    let page = |limit| ListOptions::default().with_limit(limit);
    let from = |number| ListOptions::default().from(step(number).parse().unwrap()).with_limit(50);
    let back = |options: ListOptions| options.with_direction(Direction::Backwards);
    for (options, count) in [
        (page(50), 50),
        (page(50).with_offset(10_000), 50),
        (page(50).with_offset(COUNT - 7), 7),
        (page(50).with_offset(COUNT), 0),
        (from(0), 50),
        (from(12_345), 50),
        (from(12_345).with_offset(5000), 50),
        (from(COUNT), 0),
        (ListOptions::default().with_prefix("k0123"), 100),
        (ListOptions::default().with_prefix("k0123").with_offset(70), 30),
        (ListOptions::default().with_prefix("k01234567"), 0),
        (page(20).with_prefix("k01"), 20),
        (page(20).with_prefix("k01").with_offset(9000), 20),
        (page(20).with_prefix("k"), 20),
        (page(20).with_prefix("z"), 0),
        (page(20).with_prefix("a"), 0),
        (from(12_345).with_prefix("k0123"), 50),
    ] {
        for options in [options.clone(), back(options)] {
            let tree = fresh().await;
            probe.reads();
            let listed = tree.list_with("wide", options.clone()).await.unwrap();
            // The same page backwards can begin elsewhere.
            let is_forwards = options.direction == Direction::Forwards;
            assert!(!is_forwards || listed.len() == count, "{options:?}: {}", listed.len());
            // The root, the directory's, two leaves, and one that was looked into to know the end.
            let reads = probe.reads();
            assert!(reads <= 5, "{options:?} read {reads} blocks of {blocks}");
        }
    }
}

#[tokio::test]
async fn backwards_with_a_prefix_and_an_offset_gives_the_same_entries_turned_round() {
    let (_, _, fresh) = wide().await;
    let tree = fresh().await;
    for prefix in ["k", "k0", "k0123", "k019999", "k5"] {
        let options = ListOptions::default().with_prefix(prefix);
        let mut forwards = tree.list_with("wide", options.clone()).await.unwrap();
        forwards.reverse();
        for offset in [0, 1, 99, 100, 101] {
            let options = options.clone().with_direction(Direction::Backwards).with_offset(offset);
            let backwards = tree.list_with("wide", options).await.unwrap();
            let skipped = usize::try_from(offset).unwrap().min(forwards.len());
            assert_eq!(backwards, forwards[skipped..], "{prefix}, {offset}");
        }
    }
}

#[tokio::test]
async fn a_prefix_that_no_step_has_is_refused_both_ways() {
    let (_, _, fresh) = wide().await;
    let tree = fresh().await;
    for prefix in [&b"a/b"[..], b"/", b"a\0", &[b'x'; 1025]] {
        for direction in [Direction::Forwards, Direction::Backwards] {
            let options = ListOptions::default().with_prefix(prefix).with_direction(direction);
            let error = tree.list_with("wide", options.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains("no step has the prefix"), "{message}");
            let error = tree.entries_with("wide", options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
    let longest = ListOptions::default().with_prefix([b'x'; 1024]);
    assert_eq!(tree.list_with("wide", longest).await.unwrap(), []);
}

#[tokio::test]
async fn a_walk_and_the_entries_of_a_directory_read_each_block_once() {
    let (probe, blocks, fresh) = wide().await;
    let tree = fresh().await;
    let mut walk = tree.walk(WalkOptions::default());
    let mut count = 0;
    while walk.next().await.transpose().unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, probe.reads()), (COUNT + 2, blocks));

    let tree = fresh().await;
    let mut entries = tree.entries("wide").await.unwrap();
    let mut count = 0;
    while entries.next().await.transpose().unwrap().is_some() {
        count += 1;
        if count == 1 {
            let reads = probe.reads();
            assert!(reads <= 4, "the first entry read {reads} blocks");
        }
    }
    assert_eq!(count, COUNT);
    let reads = probe.reads();
    assert!(reads < blocks, "{reads} of {blocks}");
    // All of them are at hand now.
    assert_eq!(tree.stats().await.unwrap().contents, COUNT);
    assert_eq!(probe.reads(), 0);
}

#[tokio::test]
async fn what_was_loaded_is_not_loaded_again() {
    let probe = Probe::default();
    let repo = Repo::<Texts>::new(probe.backend());
    let mut tree = repo.empty_tree();
    for path in ["a/b/c", "a/b/d", "a/e", "f/g", "h"] {
        tree.set(path, path).await.unwrap();
    }
    tree.set("long", "x".repeat(1000)).await.unwrap();
    let root = tree.hash().await.unwrap();
    repo.empty().set_tree("", &tree, "fill").await.unwrap().unwrap();

    let mut tree = Repo::<Texts>::new(probe.backend()).tree(&root).await.unwrap();
    probe.reads();
    for (path, reads) in [
        // The root, and two directories.
        ("a/b/c", 3),
        ("a/b/c", 0),
        ("a/b/d", 0),
        ("a/e", 0),
        ("a/none", 0),
        ("h", 0),
        ("f/g", 1),
    ] {
        tree.find(path).await.unwrap();
        assert_eq!(probe.reads(), reads, "{path}");
    }
    for _ in 0..200 {
        assert!(tree.mem("a/b/d").await.unwrap());
        assert_eq!(tree.list("a").await.unwrap().len(), 2);
        assert_eq!(tree.stats().await.unwrap().directories, 4);
    }
    assert_eq!(probe.reads(), 0);
    // Of contents with a block of their own the kind is known without it, and the value is not kept.
    assert!(tree.mem("long").await.unwrap());
    assert_eq!(probe.reads(), 0);
    tree.find("long").await.unwrap().unwrap();
    assert_eq!(probe.reads(), 1);
    // An edit reads nothing that is at hand, nor does what is read of it after that.
    let clone = tree.clone();
    tree.set("a/b/c", "new").await.unwrap();
    tree.remove("f/g").await.unwrap();
    tree.hash().await.unwrap();
    assert_eq!(clone.find("a/b/c").await.unwrap().as_deref(), Some("a/b/c"));
    assert_eq!(tree.find("a/b/c").await.unwrap().as_deref(), Some("new"));
    assert_eq!((probe.reads(), probe.writes() > 0), (0, true));
}

#[tokio::test]
async fn a_tree_is_encoded_when_it_is_committed_and_only_what_changed() {
    let probe = Probe::default();
    let repo = Repo::<Texts>::new(probe.backend());
    let main = repo.main().await.unwrap();
    let mut tree = repo.empty_tree();
    for path in ["a/b/c", "a/b/d", "a/e", "f/g", "h"] {
        tree.set(path, path).await.unwrap();
        assert!(tree.find(path).await.unwrap().is_some());
    }
    // Nothing is stored for reading or hashing a tree, however often.
    assert_eq!(tree.hash().await.unwrap(), tree.clone().hash().await.unwrap());
    assert_eq!((probe.reads(), probe.writes()), (0, 0));
    // The root, three directories, and the commit.
    main.set_tree("", &tree, "fill").await.unwrap().unwrap();
    assert_eq!(probe.writes(), 5);
    // What was written is at hand.
    assert_eq!(main.find("a/b/c").await.unwrap().as_deref(), Some("a/b/c"));
    assert_eq!(probe.reads(), 0);
    // Nothing changed, so nothing is written.
    assert!(main.set_tree("", &tree, "again").await.unwrap().is_none());
    assert!(main.set("h", "h", "the same").await.unwrap().is_none());
    let mut edit = main.begin().await.unwrap();
    edit.set("a/b/c", "other").await.unwrap();
    edit.set("a/b/c", "a/b/c").await.unwrap();
    edit.set("new", "x").await.unwrap();
    edit.remove("new").await.unwrap();
    assert!(main.commit(edit, "there and back").await.unwrap().is_none());
    assert_eq!((probe.reads(), probe.writes()), (0, 0));
    // An edit writes the directories on its way, and the commit.
    main.set("f/g", "new", "two directories").await.unwrap().unwrap();
    assert_eq!(probe.writes(), 3);
    main.set("a/b/c", "new", "three directories").await.unwrap().unwrap();
    assert_eq!(probe.writes(), 4);
    // A value that is too long for its entry has a block as well.
    main.set("h", "x".repeat(1000), "a block").await.unwrap().unwrap();
    assert_eq!(probe.writes(), 3);
    // A directory that moves is not written again, and no more if it was hashed before.
    main.rename("a/b", "moved", "only what lies around").await.unwrap().unwrap();
    assert_eq!(probe.writes(), 3);
    let mut edit = main.begin().await.unwrap();
    edit.set("x/y", "z").await.unwrap();
    edit.hash().await.unwrap();
    edit.set("x/z", "z").await.unwrap();
    edit.hash().await.unwrap();
    main.commit(edit, "hashed in between").await.unwrap().unwrap();
    assert_eq!((probe.reads(), probe.writes()), (0, 3));
}
