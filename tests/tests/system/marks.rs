//! What a collection marks late: what is named, added or pinned while it is under way; and what it counts.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures::TryStreamExt as _;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Epoch, ErrorKind, Hash as _, ReadOnly as _,
    RefName, Sha1, Storage as _, Sweep as _,
};
use ramus_kv::block::{CommitBlock, ContentsIndex, ContentsPart, Link};
use ramus_kv::{
    CollectOptions, Collected, Collection, CollectionPhase, Format as _, Info, Native, Repo, Undo,
};

use crate::bed::{Bed, Text, contents_hash, head, long_text, put, read, refused};
use crate::resume::short_log;

on_every_backend!(
    a_dry_run_counts_every_block_that_would_go,
    what_a_ref_comes_to_name_meanwhile_is_kept,
    what_a_pinned_name_reaches_once_it_is_there_is_kept,
    what_was_sent_in_vain_is_kept_for_the_next_attempt,
    what_an_undo_goes_back_to_is_kept_until_it_is_done,
    a_tree_that_was_asked_for_by_its_hash_is_kept,
    the_empty_directory_need_not_be_there,
    what_a_tag_and_an_internal_ref_name_is_kept,
    every_level_of_a_large_value_is_kept,
    a_collection_that_another_one_ended_says_so,
    a_step_that_is_dropped_forgets_nothing,
    the_shortest_way_is_told,
    a_directory_that_was_collected_is_not_read_from_the_cache,
    a_finished_collection_lets_the_storage_forget,
);

fn collects(bed: &Bed) -> bool {
    bed.rig().at_once().sweep().is_some()
}

async fn collect(bed: &Bed) -> Collected {
    bed.repo().collect(CollectOptions::default()).await.unwrap()
}

/// Makes a commit that nothing holds, of a text with a block of its own, and returns both names.
async fn lost(bed: &Bed, text: &str) -> (Sha1, Sha1) {
    let repo = bed.repo();
    let store = repo.branch("lost").await.unwrap();
    let hash = put(&store, "a", &long_text(text)).await.hash();
    drop(store);
    repo.remove_branch("lost").await.unwrap();
    (hash, contents_hash(&long_text(text)))
}

async fn is_there(bed: &Bed, block: &Sha1) -> bool {
    bed.rig().at_once().blocks().mem(block).await.unwrap()
}

/// Returns how many steps a collection takes until it begins to remove.
async fn steps_of_marking(repo: &Repo<Text>) -> usize {
    let dry = CollectOptions::default().with_dry_run(true);
    let mut collection = repo.collection(dry).await.unwrap();
    let mut steps = 0;
    while collection.step().await.unwrap().unwrap().phase == CollectionPhase::Mark {
        steps += 1;
    }
    steps
}

async fn finish(mut collection: Collection<Text>) -> Collected {
    while collection.step().await.unwrap().is_some() {}
    collection.collected()
}

async fn a_dry_run_counts_every_block_that_would_go(bed: Bed) {
    const GONE: u64 = 500;
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    put(&repo.main().await.unwrap(), "a", &long_text("kept")).await;
    let mut bytes = 0;
    for number in 0..GONE {
        let text = long_text(&number.to_string());
        let block = Native::encode_contents(text.as_bytes());
        bytes += block.len() as u64;
        bed.rig().blocks().add(block).await.unwrap();
    }
    let _nowhere = repo.tree(&contents_hash("a directory that is nowhere")).await.unwrap();
    let dry = CollectOptions::default().with_dry_run(true);
    let mut collection = repo.collection(dry).await.unwrap();
    let mut last = collection.step().await.unwrap().unwrap();
    assert_eq!(last.phase, CollectionPhase::Mark);
    while let Some(progress) = collection.step().await.unwrap() {
        last = progress;
    }
    assert_eq!((last.blocks_removed, last.blocks_seen), (GONE, GONE + 3));
    let would = collection.collected();
    assert_eq!((would.blocks_reached, would.blocks_removed), (3, GONE), "one of them is absent");
    assert_eq!(would.bytes_removed, Some(bytes));
    drop(collection);
    let did = repo.collect(CollectOptions::default()).await.unwrap();
    assert_eq!((did.blocks_reached, did.blocks_removed), (3, GONE));
}

async fn what_a_ref_comes_to_name_meanwhile_is_kept(bed: Bed) {
    // Once the log tells, in more than a page; and once it was cut off.
    for (bed, changes) in [(bed, 300), (Bed::new(short_log).await, 10)] {
        if !collects(&bed) {
            continue;
        }
        let repo = bed.repo();
        put(&repo.main().await.unwrap(), "a", "1").await;
        let (commit, text) = lost(&bed, "named again").await;
        let (gone, _) = lost(&bed, "gone").await;
        let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
        assert_eq!(collection.step().await.unwrap().unwrap().phase, CollectionPhase::Mark);
        for number in 0..changes {
            let name = RefName::branch(&format!("again/{number}")).unwrap();
            bed.rig().at_once().refs().set(name, commit).await.unwrap();
        }
        finish(collection).await;
        assert!(is_there(&bed, &text).await && !is_there(&bed, &gone).await);
        let again = bed.repo().branch("again/0").await.unwrap();
        assert_eq!(read(&again, "a").await, long_text("named again"));
    }
}

async fn what_a_pinned_name_reaches_once_it_is_there_is_kept(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let (old, text) = lost(&bed, "old").await;
    let root = bed.repo().commit(&old).await.unwrap().unwrap().tree().hash().await.unwrap();
    let info = Info::new("later").with_author("test").with_time_ms(1);
    let block = Native::encode_commit(&CommitBlock { root, parents: Vec::new(), info }).unwrap();
    let name = Sha1::of(&block);
    let pin = bed.rig().at_once().sweep().unwrap().pin(vec![name]).await.unwrap();
    let repo = bed.repo();
    put(&repo.main().await.unwrap(), "a", "1").await;
    let steps = steps_of_marking(&repo).await;
    let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
    // The name was looked for in vain by then; the changes and the pins are to be looked at once more.
    for _ in 1..steps {
        assert_eq!(collection.step().await.unwrap().unwrap().phase, CollectionPhase::Mark);
    }
    assert_eq!(bed.add_block(block).await, name);
    finish(collection).await;
    assert!(is_there(&bed, &text).await && !is_there(&bed, &old).await);
    drop(pin);
    collect(&bed).await;
    assert!(!is_there(&bed, &text).await);
}

async fn what_was_sent_in_vain_is_kept_for_the_next_attempt(bed: Bed) {
    tokio::time::pause();
    if !collects(&bed) {
        return;
    }
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let (other, rig, collector) = (bed.main().await, bed.rig().clone(), bed.repo());
    bed.rig().before_next_write(async move {
        put(&other, "others", "1").await;
        rig.before_next_write(async move {
            collector.collect(CollectOptions::default()).await.unwrap();
        });
    });
    put(&main, "b", &long_text("sent once")).await;
    assert_eq!(read(&bed.main().await, "b").await, long_text("sent once"));
    assert_eq!(head(&main).await.parents().len(), 1);
}

async fn what_an_undo_goes_back_to_is_kept_until_it_is_done(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    put(&repo.branch("draft").await.unwrap(), "a", &long_text("precious")).await;
    repo.remove_branch("draft").await.unwrap();
    let removal = repo.operations().await.unwrap().next().await.unwrap().unwrap();
    let collector = bed.repo();
    bed.rig().before_next_update(async move {
        assert_eq!(collector.collect(CollectOptions::default()).await.unwrap().blocks_removed, 0);
    });
    assert!(matches!(repo.undo(&removal).await.unwrap(), Undo::Done(_)));
    assert_eq!(read(&repo.branch("draft").await.unwrap(), "a").await, long_text("precious"));
}

async fn a_tree_that_was_asked_for_by_its_hash_is_kept(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let (hash, text) = lost(&bed, "by its hash").await;
    let repo: Repo<Text> = bed.repo();
    let root = repo.commit(&hash).await.unwrap().unwrap().tree().hash().await.unwrap();
    let tree = repo.tree(&root).await.unwrap();
    assert_eq!(collect(&bed).await.blocks_removed, 1, "the commit");
    assert_eq!(tree.find("a").await.unwrap(), Some(long_text("by its hash")));
    drop(tree);
    assert_eq!(collect(&bed).await.blocks_removed, 2);
    assert!(!is_there(&bed, &text).await);
}

async fn the_empty_directory_need_not_be_there(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    let root = repo.empty_tree().hash().await.unwrap();
    let commit = bed.add_commit(&repo, root, &[], "of nothing").await;
    repo.create_branch("empty", &commit).await.unwrap();
    assert!(!is_there(&bed, &root).await);
    lost(&bed, "gone").await;
    assert_eq!(collect(&bed).await.blocks_removed, 3);
    let left: Vec<Sha1> = bed.rig().at_once().sweep().unwrap().keys().try_collect().await.unwrap();
    assert_eq!(left, [commit.hash()]);
    let block = bed.rig().blocks().find(&commit.hash()).await.unwrap().unwrap();
    let links: Vec<Sha1> = Native::links(&block).unwrap().iter().map(Link::hash).collect();
    assert_eq!(links, [root], "it is named all the same");
}

async fn what_a_tag_and_an_internal_ref_name_is_kept(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    let mut texts = Vec::new();
    for name in [RefName::tag("v1").unwrap(), RefName::internal("mine").unwrap()] {
        let (commit, text) = lost(&bed, name.name()).await;
        bed.rig().at_once().refs().set(name, commit).await.unwrap();
        texts.push(text);
    }
    lost(&bed, "gone").await;
    assert_eq!(collect(&bed).await.blocks_removed, 3);
    for text in &texts {
        assert!(is_there(&bed, text).await);
    }
    assert!(repo.remove_tag("v1").await.unwrap());
    assert_eq!(collect(&bed).await.blocks_removed, 3);
    assert!(!is_there(&bed, &texts[0]).await && is_there(&bed, &texts[1]).await);
}

/// Chunks are looked for and not read; what lies above them has to be.
async fn every_level_of_a_large_value_is_kept(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let mut blocks = vec![bed.add_block(Native::encode_chunk(b"x")).await];
    for level in 1..4 {
        let parts = vec![ContentsPart { hash: blocks[blocks.len() - 1], length: 1 }];
        let index = Native::encode_contents_index(&ContentsIndex { level, parts }).unwrap();
        blocks.push(bed.add_block(index).await);
    }
    lost(&bed, "gone").await;
    let options = CollectOptions::default().with_roots([blocks[3]]);
    assert_eq!(bed.repo().collect(options).await.unwrap().blocks_removed, 3);
    for block in &blocks {
        assert!(is_there(&bed, block).await);
    }
}

async fn a_collection_that_another_one_ended_says_so(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    put(&repo.main().await.unwrap(), "a", "1").await;
    let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
    // The other one removes what a branch was on since, so that the first one cannot find it.
    lost(&bed, "gone").await;
    assert_eq!(collect(&bed).await.blocks_removed, 3);
    let mut answer = collection.step().await;
    while answer.as_ref().is_ok_and(Option::is_some) {
        answer = collection.step().await;
    }
    refused(answer, ErrorKind::InvalidInput, "the collection is over");
}

async fn a_step_that_is_dropped_forgets_nothing(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    for number in 0..3 {
        put(&repo.main().await.unwrap(), "a/b", &long_text(&number.to_string())).await;
    }
    bed.rig().be_slow();
    let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
    let mut polls = 0;
    // Each step is dropped after as many polls as it takes to come a little further than the last time.
    loop {
        polls += 1;
        let mut left = polls;
        let mut step = pin!(collection.step());
        let stepped = poll_fn(|context| {
            left -= 1;
            match step.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match stepped.await.map(Result::unwrap) {
            Some(None) => break,
            Some(Some(_)) => polls = 0,
            None => {}
        }
    }
    let collected = collection.collected();
    assert_eq!((collected.blocks_reached, collected.blocks_removed), (12, 0));
}

async fn the_shortest_way_is_told(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let mut edit = main.begin().await.unwrap();
    // Among so many others that it is not found by one read of several blocks.
    for number in 0..200 {
        edit.set(format!("b/{number}/x"), long_text(&number.to_string())).await.unwrap();
        edit.set(format!("c{number}/x"), long_text(&format!("c{number}"))).await.unwrap();
    }
    for path in ["a/here", "z/z/there"] {
        edit.set(path, long_text("twice")).await.unwrap();
    }
    main.commit(edit, "everything").await.unwrap();
    let why = repo.why(&contents_hash(&long_text("twice"))).await.unwrap().unwrap();
    assert_eq!(why.path.len(), 4, "the head, its root, `a`, and the text: {why}");
}

async fn a_directory_that_was_collected_is_not_read_from_the_cache(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let repo = bed.repo();
    let store = repo.branch("gone").await.unwrap();
    let root = put(&store, "a", &long_text("gone")).await.tree().hash().await.unwrap();
    assert_eq!(read(&store, "a").await, long_text("gone"));
    drop(store);
    repo.remove_branch("gone").await.unwrap();
    assert_eq!(repo.collect(CollectOptions::default()).await.unwrap().blocks_removed, 3);
    let tree = repo.tree(&root).await.unwrap();
    refused(tree.list("").await, ErrorKind::Missing, &root.to_string());
}

async fn a_finished_collection_lets_the_storage_forget(bed: Bed) {
    if !collects(&bed) {
        return;
    }
    let sweep = bed.rig().at_once().sweep().unwrap();
    put(&bed.main().await, "a", "1").await;
    let before = sweep.begin().await.unwrap();
    sweep.finish(before).await.unwrap();
    collect(&bed).await;
    // The storage counts its collections, and the next one was the repository's.
    let of_repository = Epoch::new(before.get() + 1);
    refused(sweep.pinned(of_repository).await, ErrorKind::InvalidInput, "over");
}
