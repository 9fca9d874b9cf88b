//! The laws of [`Sweep`]: collecting blocks while writers go on.

use futures::StreamExt as _;
use futures::TryStreamExt as _;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Epoch, ErrorKind, Hash, ReadOnly as _, Storage,
    Sweep,
};

use super::support::{assert_closed, begin, refusal_kind, remove, set};
use crate::StorageSubject;
use crate::subject::{sample_block, sample_ref};

/// A block that nothing protects is removed, and not found any more.
pub async fn what_nothing_protects_is_removed<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let epoch = sweep.begin().await.expect("begin");
    assert_eq!(sweep.remove_many(epoch, vec![key]).await.expect("remove_many"), 1);
}

/// A block that was removed is not found any more.
pub async fn what_was_removed_is_absent<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let epoch = sweep.begin().await.expect("begin");
    sweep.remove_many(epoch, vec![key]).await.expect("remove_many");
    assert_eq!(storage.blocks().find(&key).await.expect("find"), None);
    assert!(!storage.blocks().mem(&key).await.expect("mem"));
}

/// Only the blocks that were named are removed.
pub async fn what_was_not_named_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let (named, other) = (add(&storage, 0).await, add(&storage, 1).await);
    let epoch = sweep.begin().await.expect("begin");
    sweep.remove_many(epoch, vec![named]).await.expect("remove_many");
    assert!(storage.blocks().mem(&other).await.expect("mem"), "a block that was not named");
}

/// A pinned block is not removed.
pub async fn a_pinned_block_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let pin = sweep.pin(vec![key]).await.expect("pin");
    for _ in 0..3 {
        collect(&sweep, key).await;
        assert!(storage.blocks().mem(&key).await.expect("mem"), "a pinned block was removed");
    }
    drop(pin);
}

/// `remove_many` counts what it removed: not what was protected, nor what was not there.
pub async fn remove_many_counts_what_it_removed<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let mut keys = vec![add(&storage, 0).await, add(&storage, 1).await, add(&storage, 2).await];
    let pin = sweep.pin(vec![keys[1]]).await.expect("pin");
    keys.push(name(3));
    let epoch = sweep.begin().await.expect("begin");
    let removed = sweep.remove_many(epoch, keys).await.expect("remove_many");
    assert_eq!(removed, 2);
    drop(pin);
}

/// A removed block can be added again.
pub async fn a_removed_block_can_be_added_again<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    collect(&sweep, key).await;
    assert_eq!(add(&storage, 0).await, key);
    assert_eq!(storage.blocks().find(&key).await.expect("find"), Some(sample_block(0)));
}

/// A ref cannot be set to a block that was removed.
pub async fn a_ref_to_a_removed_block_is_refused<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    set(storage.refs(), sample_ref(0), key).await;
    remove(storage.refs(), sample_ref(0)).await;
    collect(&sweep, key).await;
    let update = begin(storage.refs()).await.set(sample_ref(0), key);
    let kind = refusal_kind(storage.refs().update(update).await, "a ref to a removed block");
    assert_eq!(kind, ErrorKind::Missing);
}

/// `keys` gives every block that is there.
pub async fn keys_give_every_block<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let mut missing = Vec::new();
    for number in 0..50 {
        missing.push(add(&storage, number).await);
    }
    sweep.begin().await.expect("begin");
    let keys: Vec<_> = sweep.keys().try_collect().await.expect("keys");
    missing.retain(|key| !keys.contains(key));
    assert_eq!(missing, [], "blocks that `keys` left out");
}

/// A block that is pinned twice stays until its last pin drops.
pub async fn a_block_stays_until_its_last_pin_drops<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let first = sweep.pin(vec![key]).await.expect("pin");
    let last = sweep.pin(vec![key, key]).await.expect("pin");
    drop(first);
    collect(&sweep, key).await;
    assert!(storage.blocks().mem(&key).await.expect("mem"), "one of two pins still holds");
    drop(last);
}

/// A pin that was dropped protects nothing from the next collection.
pub async fn a_dropped_pin_protects_no_more<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let pins =
        [sweep.pin(vec![key]).await.expect("pin"), sweep.pin(vec![key, key]).await.expect("pin")];
    drop(pins);
    collect(&sweep, key).await;
    assert!(!storage.blocks().mem(&key).await.expect("mem"), "no pin is left");
}

/// A block can be pinned before it is added, and is then protected from its first moment.
pub async fn a_block_can_be_pinned_before_it_is_added<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let pin = sweep.pin(vec![name(0)]).await.expect("pin of an absent block");
    let key = add(&storage, 0).await;
    collect(&sweep, key).await;
    assert!(storage.blocks().mem(&key).await.expect("mem"), "it was pinned before it was added");
    drop(pin);
}

/// A block that was first added since `begin` is not removed by that collection.
pub async fn a_block_added_since_begin_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let epoch = sweep.begin().await.expect("begin");
    let key = add(&storage, 0).await;
    assert_stays(&storage, epoch, key).await;
}

/// A block that was added again since `begin`, by any call, is not removed by that collection.
pub async fn a_block_added_again_since_begin_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let keys = [add(&storage, 0).await, add(&storage, 1).await, add(&storage, 2).await];
    let epoch = sweep.begin().await.expect("begin");
    let blocks = storage.blocks();
    blocks.add(sample_block(0)).await.expect("add");
    blocks.unsafe_add(keys[1], sample_block(1)).await.expect("unsafe_add");
    let many = vec![(keys[2], sample_block(2))];
    blocks.unsafe_add_many(many).await.expect("unsafe_add_many");
    for key in keys {
        assert_stays(&storage, epoch, key).await;
    }
}

/// A block that was pinned since `begin` is not removed by that collection, though the pin is gone.
pub async fn a_block_pinned_since_begin_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let epoch = sweep.begin().await.expect("begin");
    drop(sweep.pin(vec![key]).await.expect("pin"));
    assert_stays(&storage, epoch, key).await;
}

/// A block that was pinned at `begin` is not removed by that collection, though the pin is gone.
pub async fn a_block_pinned_at_begin_stays<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let pin = sweep.pin(vec![key]).await.expect("pin");
    let epoch = sweep.begin().await.expect("begin");
    drop(pin);
    assert_stays(&storage, epoch, key).await;
}

/// The blocks of a `write` since `begin`, new or there before, are not removed by that collection.
pub async fn blocks_written_since_begin_stay<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let key = add(&storage, 0).await;
    let epoch = sweep.begin().await.expect("begin");
    let update = begin(storage.refs()).await.set(sample_ref(0), key);
    let blocks = vec![(key, sample_block(0)), (name(1), sample_block(1))];
    assert!(storage.write(blocks, update).await.expect("write").is_applied());
    assert_stays(&storage, epoch, key).await;
    assert_stays(&storage, epoch, name(1)).await;
}

/// A collection spares what was added since it began, also when another has begun after that.
pub async fn a_later_collection_changes_nothing_for_an_earlier<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let epoch = sweep.begin().await.expect("begin");
    let key = add(&storage, 0).await;
    sweep.begin().await.expect("begin again");
    assert_stays(&storage, epoch, key).await;
}

/// `pinned` tells every name that is pinned, also of blocks that are not there.
pub async fn pinned_tells_every_pin<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let mut keys = vec![add(&storage, 0).await, name(1), name(2)];
    let before = sweep.pin(vec![keys[0], keys[1]]).await.expect("pin");
    let epoch = sweep.begin().await.expect("begin");
    let since = sweep.pin(vec![keys[2]]).await.expect("pin");
    let pinned = sweep.pinned(epoch).await.expect("pinned");
    keys.retain(|key| !pinned.contains(key));
    assert_eq!(keys, [], "pinned names that `pinned` left out");
    drop((before, since));
}

/// `pinned` tells the names whose pins have dropped since `begin`, too.
pub async fn pinned_tells_pins_that_dropped_since<S: StorageSubject>(subject: &S) {
    let (_storage, sweep) = open(subject).await;
    let before = sweep.pin(vec![name(0)]).await.expect("pin");
    let epoch = sweep.begin().await.expect("begin");
    drop(before);
    drop(sweep.pin(vec![name(1)]).await.expect("pin"));
    let pinned = sweep.pinned(epoch).await.expect("pinned");
    assert!(pinned.contains(&name(0)), "pinned at `begin`");
    assert!(pinned.contains(&name(1)), "pinned since `begin`");
}

/// `pinned` tells nothing of a pin that had dropped before `begin`.
pub async fn pinned_forgets_pins_that_dropped_before<S: StorageSubject>(subject: &S) {
    let (_storage, sweep) = open(subject).await;
    sweep.begin().await.expect("begin");
    drop(sweep.pin(vec![name(0)]).await.expect("pin"));
    let epoch = sweep.begin().await.expect("begin");
    assert_eq!(sweep.pinned(epoch).await.expect("pinned"), []);
}

/// `pinned` gives a name once, however often it is and was pinned.
pub async fn pinned_gives_each_name_once<S: StorageSubject>(subject: &S) {
    let (_storage, sweep) = open(subject).await;
    let epoch = sweep.begin().await.expect("begin");
    drop(sweep.pin(vec![name(0)]).await.expect("pin"));
    let pins = [
        sweep.pin(vec![name(0), name(0)]).await.expect("pin"),
        sweep.pin(vec![name(0)]).await.expect("pin"),
    ];
    assert_eq!(sweep.pinned(epoch).await.expect("pinned"), [name(0)]);
    drop(pins);
}

/// A block that is added under a pin is found for as long as the pin lives, beside collections.
pub async fn a_pinned_block_stays_beside_collections<S: StorageSubject>(subject: &S) {
    const ROUNDS: usize = 300;
    const BLOCKS: usize = 4;
    let (storage, sweep) = open(subject).await;
    let adder = {
        let (storage, sweep) = (storage.clone(), sweep.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let number = round % BLOCKS;
                let pin = sweep.pin(vec![name(number)]).await.expect("pin");
                let key = add(&storage, number).await;
                for _ in 0..=round % 5 {
                    tokio::task::yield_now().await;
                    let there = storage.blocks().mem(&key).await.expect("mem");
                    assert!(there, "a pinned block was removed in round {round}");
                }
                drop(pin);
            }
        })
    };
    while !adder.is_finished() {
        let epoch = sweep.begin().await.expect("begin");
        sweep.remove_many(epoch, (0..BLOCKS).map(name).collect()).await.expect("remove_many");
        tokio::task::yield_now().await;
    }
    adder.await.expect("no pinned block is removed");
}

/// A collection beside writers removes no block of a `write`, also of one that had not answered.
pub async fn a_collection_beside_writers_breaks_no_ref<S: StorageSubject>(subject: &S) {
    const ROUNDS: usize = 300;
    const BLOCKS: usize = 4;
    let (storage, sweep) = open(subject).await;
    let writer = {
        let storage = storage.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let number = round % BLOCKS;
                let update = begin(storage.refs()).await.set(sample_ref(0), name(number));
                let blocks = vec![(name(number), sample_block(number))];
                let written = storage.write(blocks, update).await.expect("write");
                assert!(written.is_applied());
                let there = storage.blocks().mem(&name(number)).await.expect("mem");
                assert!(there, "the block of the ref was removed in round {round}");
            }
        })
    };
    while !writer.is_finished() {
        let epoch = sweep.begin().await.expect("begin");
        let held = storage.refs().find(&sample_ref(0)).await.expect("find");
        let pinned = sweep.pinned(epoch).await.expect("pinned");
        let keys: Vec<_> = sweep.keys().try_collect().await.expect("keys");
        let reached = |key: &_| held.as_ref() == Some(key) || pinned.contains(key);
        let rest = keys.into_iter().filter(|key| !reached(key)).collect();
        sweep.remove_many(epoch, rest).await.expect("remove_many");
        tokio::task::yield_now().await;
    }
    writer.await.expect("no block of a ref is removed");
}

/// What can be found stays when a collection is finished: what was not named, and what was protected.
pub async fn what_is_found_stays_when_a_collection_is_finished<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let keys =
        [add(&storage, 0).await, add(&storage, 1).await, add(&storage, 2).await, name(3), name(4)];
    let epoch = sweep.begin().await.expect("begin");
    let update = begin(storage.refs()).await.set(sample_ref(0), keys[3]);
    let blocks = vec![(keys[3], sample_block(3))];
    assert!(storage.write(blocks, update).await.expect("write").is_applied());
    add(&storage, 4).await;
    let pin = sweep.pin(vec![keys[1]]).await.expect("pin");
    let named = vec![keys[0], keys[1], keys[3], keys[4]];
    assert_eq!(sweep.remove_many(epoch, named).await.expect("remove_many"), 1);
    sweep.finish(epoch).await.expect("finish");
    for (number, key) in keys.iter().enumerate().skip(1) {
        let found = storage.blocks().find(key).await.expect("find");
        assert_eq!(found, Some(sample_block(number)), "block {number}");
    }
    drop(pin);
}

/// What was removed stays absent when the collection is finished, and can be added again.
pub async fn what_was_removed_stays_absent_when_a_collection_is_finished<S: StorageSubject>(
    subject: &S,
) {
    let (storage, sweep) = open(subject).await;
    let (key, again) = (add(&storage, 0).await, add(&storage, 1).await);
    let epoch = sweep.begin().await.expect("begin");
    assert_eq!(sweep.remove_many(epoch, vec![key, again]).await.expect("remove_many"), 2);
    add(&storage, 1).await;
    sweep.finish(epoch).await.expect("finish");
    assert_eq!(storage.blocks().find(&key).await.expect("find"), None);
    assert_eq!(storage.blocks().find(&again).await.expect("find"), Some(sample_block(1)));
    assert_eq!(add(&storage, 0).await, key);
    assert_eq!(storage.blocks().find(&key).await.expect("find"), Some(sample_block(0)));
}

/// A collection that was finished removes nothing that was added since it began.
pub async fn a_finished_collection_spares_what_came_since<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let epoch = sweep.begin().await.expect("begin");
    let before = add(&storage, 0).await;
    sweep.finish(epoch).await.expect("finish");
    let after = add(&storage, 1).await;
    assert_stays(&storage, epoch, before).await;
    assert_stays(&storage, epoch, after).await;
}

/// A collection that is over can be finished: one that was finished, or after which another began.
pub async fn finishing_again_is_fine<S: StorageSubject>(subject: &S) {
    let (_storage, sweep) = open(subject).await;
    let first = sweep.begin().await.expect("begin");
    let second = sweep.begin().await.expect("begin again");
    for epoch in [first, second, second] {
        sweep.finish(epoch).await.expect("finish");
    }
}

/// After `close` every call of the sweep answers `Closed`.
pub async fn a_closed_sweep_refuses<S: StorageSubject>(subject: &S) {
    let (storage, sweep) = open(subject).await;
    let epoch = sweep.begin().await.expect("begin");
    storage.close().await.expect("close");
    assert_closed(sweep.begin().await, "begin");
    assert_closed(sweep.pinned(epoch).await, "pinned");
    assert_closed(sweep.remove_many(epoch, vec![name(0)]).await, "remove_many");
    assert_closed(sweep.finish(epoch).await, "finish");
    assert_closed(sweep.pin(vec![name(0)]).await, "pin");
    let first = sweep.keys().next().await.expect("`keys` of a closed store says so");
    assert_closed(first, "keys");
}

/// Opens a storage, which has to offer a sweep.
async fn open<S: StorageSubject>(subject: &S) -> (S::Storage, <S::Storage as Storage>::Sweep) {
    let storage = subject.open().await;
    let sweep = storage.sweep().expect("these laws are for storages that offer a sweep");
    (storage, sweep)
}

async fn add<S: Storage>(storage: &S, number: usize) -> S::Hash {
    storage.blocks().add(sample_block(number)).await.expect("add")
}

/// Removes a block in a collection of its own, if nothing protects it.
async fn collect<W: Sweep>(sweep: &W, key: W::Key) {
    let epoch = sweep.begin().await.expect("begin");
    sweep.remove_many(epoch, vec![key]).await.expect("remove_many");
}

/// Fails if the collection of `epoch` removes the block.
async fn assert_stays<S: Storage>(storage: &S, epoch: Epoch, key: S::Hash) {
    let sweep = storage.sweep().expect("a sweep");
    assert_eq!(sweep.remove_many(epoch, vec![key]).await.expect("remove_many"), 0);
    assert!(storage.blocks().mem(&key).await.expect("mem"), "a protected block was removed");
}

/// Returns the name of the block of a number.
fn name<H: Hash>(number: usize) -> H {
    H::of(&sample_block(number))
}
