//! The laws of a [`Storage`]: blocks and refs in one place.

use bytes::Bytes;
use futures::FutureExt as _;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Cursor, ErrorKind, Hash, Limits, Outcome,
    ReadOnly as _, RefUpdate, Storage,
};

use super::support::{assert_closed, begin, changes, noticed, refusal_kind, set};
use crate::StorageSubject;
use crate::subject::{sample_block, sample_ref};

/// A ref can be set to a block that was added before.
pub async fn a_ref_can_name_an_added_block<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let key = storage.blocks().add(sample_block(0)).await.expect("add");
    set(storage.refs(), sample_ref(0), key).await;
    assert_eq!(storage.refs().find(&sample_ref(0)).await.expect("find"), Some(key));
}

/// An update of the refs to a block that is absent is refused with `Missing`.
pub async fn a_ref_to_an_absent_block_is_refused<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    let kind = refusal_kind(storage.refs().update(update).await, "a ref to an absent block");
    assert_eq!(kind, ErrorKind::Missing);
}

/// A `write` whose update names a block that is absent is refused with `Missing`.
pub async fn a_write_to_an_absent_block_is_refused<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    let kind = refusal_kind(storage.write(named(1..2), update).await, "a write to a missing block");
    assert_eq!(kind, ErrorKind::Missing);
}

/// An update that names an absent block beside others changes nothing.
pub async fn a_missing_block_changes_nothing<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let start = storage.refs().position().await.expect("position");
    let there = storage.blocks().add(sample_block(0)).await.expect("add");
    let update = |update: RefUpdate<HashOf<S>>| {
        update.set(sample_ref(0), there).set(sample_ref(1), name(1)).set(sample_ref(2), there)
    };
    drop(storage.refs().update(update(begin(storage.refs()).await)).await);
    drop(storage.write(named(2..3), update(begin(storage.refs()).await)).await);
    let keys = [0, 1, 2].map(sample_ref);
    let found = storage.refs().find_many(&keys).await.expect("find_many");
    assert_eq!(found, [None, None, None]);
    assert_eq!(changes(storage.refs(), start).await, []);
}

/// A test may name an absent block: the update is then refused, as any whose test fails.
pub async fn a_test_may_name_an_absent_block<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let there = storage.blocks().add(sample_block(0)).await.expect("add");
    let update = begin(storage.refs()).await;
    let update = update.test_and_set(sample_ref(0), Some(name(1)), Some(there));
    let outcome = storage.refs().update(update).await.expect("a test of an absent block");
    assert!(!outcome.is_applied());
}

/// `write` stores the blocks.
pub async fn a_write_stores_its_blocks<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    write(&storage, 0..5, |update| update.set(sample_ref(0), name(0))).await;
    for (key, block) in named(0..5) {
        assert_eq!(storage.blocks().find(&key).await.expect("find"), Some(block));
    }
}

/// `write` applies the update.
pub async fn a_write_applies_its_update<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    write(&storage, 0..2, |update| update.set(sample_ref(0), name(0)).set(sample_ref(1), name(1)))
        .await;
    let keys = [0, 1].map(sample_ref);
    let found = storage.refs().find_many(&keys).await.expect("find_many");
    assert_eq!(found, [0, 1].map(|number| Some(name(number))));
}

/// `write` takes blocks that are already there, and none at all.
pub async fn a_write_may_bring_nothing_new<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    storage.blocks().add(sample_block(0)).await.expect("add");
    write(&storage, 0..1, |update| update.set(sample_ref(0), name(0))).await;
    write(&storage, 0..0, |update| update.set(sample_ref(1), name(0))).await;
    assert_eq!(storage.refs().find(&sample_ref(1)).await.expect("find"), Some(name(0)));
}

/// `write` judges its update: when a test fails, no ref moves.
pub async fn a_write_is_judged<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    write(&storage, 0..2, |update| update.set(sample_ref(0), name(0))).await;
    let update = begin(storage.refs()).await.test_and_set(sample_ref(0), None, Some(name(1)));
    let outcome = storage.write(named(1..2), update).await.expect("write");
    let Outcome::Refused(refusal) = outcome else { panic!("the test fails: {outcome:?}") };
    assert_eq!((refusal.key, refusal.holds), (sample_ref(0), Some(name(0))));
    assert_eq!(storage.refs().find(&sample_ref(0)).await.expect("find"), Some(name(0)));
}

/// A `write` that is sent again is not applied again, and answers with its place.
pub async fn a_write_sent_again_is_not_applied_again<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    let first = storage.write(named(0..2), update.clone()).await.expect("write");
    set(storage.refs(), sample_ref(0), name(1)).await;
    assert_eq!(storage.write(named(0..2), update.clone()).await.expect("write again"), first);
    // Whichever way it is sent again, it is the same update.
    assert_eq!(storage.refs().update(update).await.expect("update again"), first);
    assert_eq!(storage.refs().find(&sample_ref(0)).await.expect("find"), Some(name(1)));
}

/// A `write` that is answered because its update is known stores its blocks, too, also if they are others.
pub async fn a_write_sent_again_stores_its_blocks<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    for numbers in [0..1, 1..3] {
        let outcome = storage.write(named(numbers.clone()), update.clone()).await.expect("write");
        assert!(outcome.is_applied());
        for (key, block) in named(numbers) {
            assert_eq!(storage.blocks().find(&key).await.expect("find"), Some(block));
        }
    }
}

/// A `write` is one record of the log, with its id and its note.
pub async fn a_write_is_one_record<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let start = storage.refs().position().await.expect("position");
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0)).with_note("why");
    let update = update.set(sample_ref(1), name(1));
    let id = update.id;
    assert!(storage.write(named(0..2), update).await.expect("write").is_applied());
    let log = changes(storage.refs(), start).await;
    let [change] = &log[..] else { panic!("one record: {log:?}") };
    assert_eq!((change.id, &change.note[..], change.keys.len()), (id, &b"why"[..], 2));
}

/// A `write` is told to subscribers of the refs.
pub async fn a_write_is_noticed<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let mut subscription = storage.refs().subscribe();
    let at = write(&storage, 0..1, |update| update.set(sample_ref(0), name(0))).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
    }
}

/// `write` keeps to the limits of updates and of blocks.
pub async fn a_write_keeps_to_the_limits<S: StorageSubject>(subject: &S) {
    const TRIED_BYTES_MAX: usize = 128 << 20;
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    let noted = update.clone().with_note(vec![0; Limits::NOTE_MAX + 1]);
    let kind = refusal_kind(storage.write(named(0..1), noted).await, "too long a note");
    assert_eq!(kind, ErrorKind::Limit);
    let over = storage.blocks().limits().block_bytes_max.saturating_add(1);
    if over <= TRIED_BYTES_MAX {
        let block = Bytes::from(vec![0; over]);
        let key = HashOf::<S>::of(&block);
        let update = begin(storage.refs()).await.set(sample_ref(0), key);
        let written = storage.write(vec![(key, block)], update).await;
        assert_eq!(refusal_kind(written, "too large a block"), ErrorKind::Limit);
    }
    assert_eq!(storage.refs().find(&sample_ref(0)).await.expect("find"), None);
}

/// When a reader sees the ref of a `write`, it finds its blocks.
pub async fn a_ref_comes_after_its_blocks<S: StorageSubject>(subject: &S) {
    const ROUNDS: usize = 200;
    let storage = subject.open().await;
    let writer = {
        let storage = storage.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let at = [2 * round, 2 * round + 2];
                write(&storage, at[0]..at[1], |update| update.set(sample_ref(0), name(at[0])))
                    .await;
            }
        })
    };
    while !writer.is_finished() {
        let Some(key) = storage.refs().find(&sample_ref(0)).await.expect("find") else {
            tokio::task::yield_now().await;
            continue;
        };
        let block = storage.blocks().find(&key).await.expect("find");
        assert!(block.is_some(), "the ref names {key}, which is not there");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer ends");
}

/// A `write` that is dropped before it answers left nothing, some blocks, or all of it.
pub async fn a_dropped_write_leaves_no_ref_without_its_blocks<S: StorageSubject>(subject: &S) {
    const POLLS_MAX: usize = 12;
    for polls in 1..POLLS_MAX {
        let storage = subject.open().await;
        let update = begin(storage.refs()).await;
        let update = update.set(sample_ref(0), name(0)).set(sample_ref(1), name(2));
        let mut sent = Box::pin(storage.write(named(0..3), update));
        futures::future::poll_fn(|context| {
            let answered = (0..polls).any(|_| sent.poll_unpin(context).is_ready());
            std::task::Poll::Ready(answered)
        })
        .await;
        drop(sent);
        let entries = storage.refs().snapshot(b"").await.expect("snapshot");
        let entries = entries.collect().await.expect("collect");
        assert!(matches!(entries.len(), 0 | 2), "half of an update: {entries:?}");
        for (_, key) in entries {
            assert!(storage.blocks().mem(&key).await.expect("mem"), "{key} is named and not there");
        }
    }
}

/// Closing the storage closes its blocks and its refs, for all clones.
pub async fn closing_closes_blocks_and_refs<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let (clone, blocks, refs) = (storage.clone(), storage.blocks().clone(), storage.refs().clone());
    storage.close().await.expect("close");
    assert_closed(blocks.find(&name(0)).await, "find of blocks");
    assert_closed(clone.blocks().add(sample_block(0)).await, "add");
    assert_closed(refs.find(&sample_ref(0)).await, "find of refs");
    assert_closed(clone.refs().position().await, "position");
    storage.close().await.expect("close again");
}

/// After `close` a `write` answers `Closed`.
pub async fn a_closed_storage_refuses_to_write<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let update = begin(storage.refs()).await.set(sample_ref(0), name(0));
    storage.close().await.expect("close");
    assert_closed(storage.write(named(0..1), update.clone()).await, "write");
    assert_closed(storage.write(Vec::new(), update).await, "write of no blocks");
}

type HashOf<S> = <<S as StorageSubject>::Storage as Storage>::Hash;

/// Writes the blocks of some numbers and an update that must be applied.
async fn write<S: Storage>(
    storage: &S,
    numbers: std::ops::Range<usize>,
    edit: impl FnOnce(RefUpdate<S::Hash>) -> RefUpdate<S::Hash>,
) -> Cursor {
    let update = edit(begin(storage.refs()).await);
    match storage.write(named(numbers), update).await.expect("write") {
        Outcome::Applied(at) => at,
        Outcome::Refused(refusal) => panic!("a write that must be applied: {refusal:?}"),
    }
}

/// Returns the name of the block of a number.
fn name<H: Hash>(number: usize) -> H {
    H::of(&sample_block(number))
}

/// Returns the blocks of some numbers, each with its name.
fn named<H: Hash>(numbers: std::ops::Range<usize>) -> Vec<(H, Bytes)> {
    numbers.map(|number| (name(number), sample_block(number))).collect()
}
