//! The laws of [`ContentAddressable`](ramus_core::ContentAddressable) stores, and of [`ReadOnly`] as far as they are that.

use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, ReadOnly};

use super::support::{assert_closed, refusal_kind};
use crate::BlocksSubject;

/// The most bytes that a law stores to try a limit.
const TRIED_BYTES_MAX: usize = 128 << 20;

/// After `add` returns a name, `find` returns the value.
pub async fn finds_what_was_added<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    for value in (0..8).map(|n| subject.value(n)) {
        let key = store.add(value.clone()).await.expect("add");
        assert_eq!(store.find(&key).await.expect("find"), Some(value), "{key}");
    }
}

/// A block that was never added is absent, which is no error.
pub async fn a_block_never_added_is_absent<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.add(subject.value(0)).await.expect("add");
    let absent = name(subject, 1);
    assert_eq!(store.find(&absent).await.expect("find of an absent block"), None);
}

/// Equal values have equal names, in every store.
pub async fn equal_values_have_equal_names<S: BlocksSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    for number in 0..8 {
        let key = one.add(subject.value(number)).await.expect("add");
        assert_eq!(other.add(subject.value(number)).await.expect("add"), key);
    }
}

/// `add` returns the hash of the value's bytes.
pub async fn add_names_by_the_hash_of_the_bytes<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..8 {
        let key = store.add(subject.value(number)).await.expect("add");
        assert_eq!(key, name(subject, number));
    }
}

/// `name` says under which name `add` stores a value.
pub async fn name_tells_what_add_returns<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..8 {
        let key = store.name(&subject.value(number)).expect("name");
        assert_eq!(store.add(subject.value(number)).await.expect("add"), key);
        assert_eq!(store.name(&subject.value(number)).expect("name"), key);
    }
}

/// `name` stores nothing.
pub async fn name_stores_nothing<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let key = store.name(&subject.value(0)).expect("name");
    assert!(!store.mem(&key).await.expect("mem"), "a value that was only named");
}

/// `name` answers when the store is closed, too.
pub async fn name_answers_after_close<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let key = store.name(&subject.value(0)).expect("name");
    store.close().await.expect("close");
    assert_eq!(store.name(&subject.value(0)).expect("name of a closed store"), key);
}

/// Adding what is already there succeeds, with the same name.
pub async fn adding_again_succeeds<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let key = store.add(subject.value(0)).await.expect("add");
    assert_eq!(store.add(subject.value(0)).await.expect("add again"), key);
    store.unsafe_add(key, subject.value(0)).await.expect("unsafe_add again");
    assert_eq!(store.find(&key).await.expect("find"), Some(subject.value(0)));
}

/// After `unsafe_add` returns, `find` returns the value.
pub async fn finds_what_was_added_unsafely<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..4 {
        let key = name(subject, number);
        store.unsafe_add(key, subject.value(number)).await.expect("unsafe_add");
        assert_eq!(store.find(&key).await.expect("find"), Some(subject.value(number)));
    }
}

/// After `unsafe_add_many` returns, each of its blocks is found.
pub async fn finds_all_that_was_added_at_once<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(batch(subject, 0..20)).await.expect("unsafe_add_many");
    for (key, value) in batch(subject, 0..20) {
        assert_eq!(store.find(&key).await.expect("find"), Some(value), "{key}");
    }
}

/// `unsafe_add_many` of no blocks succeeds.
pub async fn no_blocks_can_be_added_at_once<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(Vec::new()).await.expect("unsafe_add_many of nothing");
}

/// `unsafe_add_many` takes blocks that are already there, and one block twice.
pub async fn blocks_added_at_once_may_be_there_already<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.add(subject.value(1)).await.expect("add");
    let blocks = [batch(subject, 0..4), batch(subject, 2..5)].concat();
    store.unsafe_add_many(blocks).await.expect("unsafe_add_many of known blocks");
    for (key, value) in batch(subject, 0..5) {
        assert_eq!(store.find(&key).await.expect("find"), Some(value), "{key}");
    }
}

/// `mem` says of a block what `find` says.
pub async fn mem_agrees_with_find<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(batch(subject, 0..4)).await.expect("unsafe_add_many");
    for number in 0..8 {
        let key = name(subject, number);
        let found = store.find(&key).await.expect("find").is_some();
        assert_eq!(store.mem(&key).await.expect("mem"), found, "block {number}");
    }
}

/// What `find_now` answers is what `find` does, of a block that is there and of one that is absent.
pub async fn what_is_found_at_once_is_what_find_gives<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(batch(subject, 0..4)).await.expect("unsafe_add_many");
    for number in 0..8 {
        let key = name(subject, number);
        let before = store.find_now(&key);
        let found = store.find(&key).await.expect("find");
        // It may have been read into a cache by then.
        for answer in [before, store.find_now(&key)].into_iter().flatten() {
            assert_eq!(answer.expect("find_now"), found, "block {number}");
        }
    }
}

/// `find_many` gives one answer for each key, also for a key that is asked for twice.
pub async fn find_many_gives_one_answer_for_each_key<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(batch(subject, 0..2)).await.expect("unsafe_add_many");
    let keys = [0, 0, 1].map(|number| name(subject, number));
    let found = store.find_many(&keys).await.expect("find_many");
    assert_eq!(found, [0, 0, 1].map(|number| Some(subject.value(number))));
    assert_eq!(store.find_many(&[]).await.expect("find_many of nothing"), []);
}

/// The answers of `find_many` stand in the order of the keys, absent ones among them.
pub async fn find_many_keeps_the_order_of_the_keys<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.unsafe_add_many(batch(subject, 0..6)).await.expect("unsafe_add_many");
    let numbers = [5, 9, 0, 3, 8, 1, 4, 2];
    let keys = numbers.map(|number| name(subject, number));
    let values = numbers.map(|number| (number < 6).then(|| subject.value(number)));
    assert_eq!(store.find_many(&keys).await.expect("find_many"), values);
}

/// Clones of a handle are one store: what one adds, the other finds.
pub async fn clones_share_their_blocks<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    let key = store.add(subject.value(0)).await.expect("add");
    assert_eq!(clone.find(&key).await.expect("find"), Some(subject.value(0)));
    let key = clone.add(subject.value(1)).await.expect("add");
    assert_eq!(store.find(&key).await.expect("find"), Some(subject.value(1)));
}

/// Two stores that were opened apart share nothing.
pub async fn stores_share_no_blocks<S: BlocksSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    let key = one.add(subject.value(0)).await.expect("add");
    assert_eq!(other.find(&key).await.expect("find"), None, "a block of another store");
}

/// After `flush`, every block that was added before is still found.
pub async fn flush_keeps_every_block<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.flush().await.expect("flush of an empty store");
    store.unsafe_add_many(batch(subject, 0..8)).await.expect("unsafe_add_many");
    store.flush().await.expect("flush");
    for (key, value) in batch(subject, 0..8) {
        assert_eq!(store.find(&key).await.expect("find"), Some(value), "{key}");
    }
}

/// A block of no bytes is a block, and not absent.
pub async fn an_empty_block_is_a_block<S: BlocksSubject>(subject: &S) {
    let Some(empty) = subject.value_of_size(0) else { return };
    let store = subject.open().await;
    let key = store.add(empty.clone()).await.expect("add");
    assert_eq!(store.find(&key).await.expect("find"), Some(empty));
    assert!(store.mem(&key).await.expect("mem"), "the empty block is there");
}

/// A block of exactly `block_bytes_max` is taken.
pub async fn a_block_at_the_limit_is_taken<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let max = store.limits().block_bytes_max;
    let tried = (max <= TRIED_BYTES_MAX).then(|| subject.value_of_size(max)).flatten();
    let Some(value) = tried else { return };
    let key = store.add(value).await.expect("add of the largest block");
    assert!(store.mem(&key).await.expect("mem"));
}

/// Blocks of every size within the limit come back whole.
pub async fn blocks_come_back_whole<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let max = store.limits().block_bytes_max;
    for size in [1, 127, 128, 4095, 4096, 65_535, 65_537, 1 << 20] {
        let Some(value) = subject.value_of_size(size.min(max)) else { return };
        let key = store.add(value.clone()).await.expect("add");
        // Compared outside of the assertion: a message with the block in it would be unreadable.
        let whole = store.find(&key).await.expect("find").as_ref() == Some(&value);
        assert!(whole, "a block of {} bytes has to come back whole", size.min(max));
    }
}

/// A block over `block_bytes_max` is refused with `Limit`, by each call that adds, and not stored.
pub async fn a_block_over_the_limit_is_refused<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let over = store.limits().block_bytes_max.saturating_add(1);
    let tried = (over <= TRIED_BYTES_MAX).then(|| subject.value_of_size(over)).flatten();
    let Some(value) = tried else { return };
    let key = <S::Blocks as ReadOnly>::Key::of(&subject.bytes(&value));
    let added = store.add(value.clone()).await;
    assert_eq!(refusal_kind(added, "add of too large a block"), ErrorKind::Limit);
    let added = store.unsafe_add(key, value.clone()).await;
    assert_eq!(refusal_kind(added, "unsafe_add of too large a block"), ErrorKind::Limit);
    let added = store.unsafe_add_many(vec![(key, value)]).await;
    assert_eq!(refusal_kind(added, "unsafe_add_many of too large a block"), ErrorKind::Limit);
    assert!(!store.mem(&key).await.expect("mem"), "a refused block is not stored");
}

/// After `close` every call that reads answers `Closed`.
pub async fn closed_blocks_refuse_to_read<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let key = store.add(subject.value(0)).await.expect("add");
    store.close().await.expect("close");
    assert_closed(store.find(&key).await, "find");
    assert_closed(store.mem(&key).await, "mem");
    assert_closed(store.find_many(&[key]).await, "find_many");
}

/// After `close` what `find_now` answers is `Closed`.
pub async fn closed_blocks_are_not_found_at_once<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let key = store.add(subject.value(0)).await.expect("add");
    store.find(&key).await.expect("find");
    store.close().await.expect("close");
    if let Some(answer) = store.find_now(&key) {
        assert_closed(answer, "find_now");
    }
}

/// After `close` every call that writes answers `Closed`.
pub async fn closed_blocks_refuse_to_write<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    store.close().await.expect("close");
    let key = name(subject, 0);
    assert_closed(store.add(subject.value(0)).await, "add");
    assert_closed(store.unsafe_add(key, subject.value(0)).await, "unsafe_add");
    assert_closed(store.unsafe_add_many(batch(subject, 0..2)).await, "unsafe_add_many");
    assert_closed(store.flush().await, "flush");
}

/// Closing one clone closes all of them.
pub async fn closing_one_clone_closes_all<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    clone.close().await.expect("close");
    assert_closed(store.find(&name(subject, 0)).await, "find through another clone");
}

/// Closing again is fine, through any clone.
pub async fn closing_again_is_fine<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    for store in [&store, &store, &clone] {
        store.close().await.expect("close");
    }
}

/// Closing a store disturbs no other one.
pub async fn closing_disturbs_no_other_store<S: BlocksSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    let key = other.add(subject.value(0)).await.expect("add");
    one.close().await.expect("close");
    assert_eq!(other.find(&key).await.expect("find"), Some(subject.value(0)));
    other.add(subject.value(1)).await.expect("add");
}

/// `limits` answers the same when the store is closed.
pub async fn limits_answer_after_close<S: BlocksSubject>(subject: &S) {
    let store = subject.open().await;
    let limits = store.limits();
    store.close().await.expect("close");
    assert_eq!(store.limits(), limits);
}

/// Adding one value from many tasks at once succeeds in each, with one name.
pub async fn racing_adds_of_one_value_all_succeed<S: BlocksSubject>(subject: &S) {
    const ROUNDS: usize = 100;
    const TASKS: usize = 4;
    let store = subject.open().await;
    for round in 0..ROUNDS {
        let value = subject.value(round);
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (store, value) = (store.clone(), value.clone());
                tokio::spawn(async move { store.add(value).await })
            })
            .collect();
        for task in tasks {
            let key = task.await.expect("an adder ends").expect("add");
            assert_eq!(store.find(&key).await.expect("find").as_ref(), Some(&value));
        }
    }
}

/// A block can be found as soon as its `add` returns, and stays, while others add.
pub async fn a_block_stays_found_beside_writers<S: BlocksSubject>(subject: &S) {
    const TASKS: usize = 4;
    const BLOCKS: usize = 100;
    let store = subject.open().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let values = (0..BLOCKS).map(|n| subject.value(task * BLOCKS + n)).collect::<Vec<_>>();
            let store = store.clone();
            tokio::spawn(async move {
                let mut keys = Vec::new();
                for value in values {
                    keys.push(store.add(value.clone()).await.expect("add"));
                    let last = keys.last().expect("a key");
                    assert_eq!(store.find(last).await.expect("find"), Some(value));
                }
                keys
            })
        })
        .collect();
    let mut keys = Vec::new();
    for task in tasks {
        keys.extend(task.await.expect("what was added is found at once"));
    }
    let found = store.find_many(&keys).await.expect("find_many");
    assert!(found.iter().all(Option::is_some), "a block was lost");
}

/// Returns the name of the value of a number.
fn name<S: BlocksSubject>(subject: &S, number: usize) -> <S::Blocks as ReadOnly>::Key {
    <S::Blocks as ReadOnly>::Key::of(&subject.bytes(&subject.value(number)))
}

type Named<B> = (<B as ReadOnly>::Key, <B as ReadOnly>::Value);

/// Returns the values of some numbers, each with its name.
fn batch<S: BlocksSubject>(subject: &S, numbers: std::ops::Range<usize>) -> Vec<Named<S::Blocks>> {
    numbers.map(|number| (name(subject, number), subject.value(number))).collect()
}
