//! The laws of reading and closing an [`AtomicWrite`](ramus_core::AtomicWrite) store.

use ramus_core::{AtomicWrite as _, ReadOnly as _};

use super::support::{assert_closed, begin, remove, set};
use crate::RefsSubject;

/// A key that was never set is absent, which is no error.
pub async fn a_key_never_set_is_absent<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let found = store.find(&subject.key(0)).await.expect("find of an absent key");
    assert_eq!(found, None);
}

/// `find` returns what was stored last under the key.
pub async fn finds_what_was_set_last<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for number in [0, 1, 2, 0] {
        set(&store, subject.key(0), subject.value(number)).await;
        let found = store.find(&subject.key(0)).await.expect("find");
        assert_eq!(found, Some(subject.value(number)));
    }
}

/// A key that was removed is absent, until it is set again.
pub async fn a_removed_key_is_absent<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    remove(&store, subject.key(0)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), None);
    set(&store, subject.key(0), subject.value(0)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// Keys do not disturb one another, also where one begins with the other.
pub async fn keys_do_not_disturb_one_another<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..40 {
        set(&store, subject.key(number), subject.value(number)).await;
    }
    remove(&store, subject.key(4)).await;
    for number in (0..40).filter(|number| *number != 4) {
        let found = store.find(&subject.key(number)).await.expect("find");
        assert_eq!(found, Some(subject.value(number)), "{:?}", subject.key(number));
    }
}

/// `mem` says of a key what `find` says.
pub async fn mem_agrees_with_find<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(1), subject.value(0)).await;
    remove(&store, subject.key(1)).await;
    for number in 0..3 {
        let found = store.find(&subject.key(number)).await.expect("find").is_some();
        assert_eq!(store.mem(&subject.key(number)).await.expect("mem"), found, "key {number}");
    }
}

/// What `find_now` answers is what `find` does, of a key that was set, changed or removed, or never set.
pub async fn what_is_found_at_once_is_what_find_gives<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for key in 0..3 {
        set(&store, subject.key(key), subject.value(0)).await;
    }
    set(&store, subject.key(1), subject.value(1)).await;
    remove(&store, subject.key(2)).await;
    for number in 0..4 {
        let key = subject.key(number);
        let found = store.find(&key).await.expect("find");
        if let Some(answer) = store.find_now(&key) {
            assert_eq!(answer.expect("find_now"), found, "key {number}");
        }
    }
}

/// `find_many` gives one answer for each key, also for a key that is asked for twice.
pub async fn find_many_gives_one_answer_for_each_key<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(1), subject.value(1)).await;
    let keys = [0, 0, 1].map(|number| subject.key(number));
    let found = store.find_many(&keys).await.expect("find_many");
    assert_eq!(found, [0, 0, 1].map(|number| Some(subject.value(number))));
    assert_eq!(store.find_many(&[]).await.expect("find_many of nothing"), []);
}

/// The answers of `find_many` stand in the order of the keys, absent ones among them.
pub async fn find_many_keeps_the_order_of_the_keys<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..6 {
        set(&store, subject.key(number), subject.value(number)).await;
    }
    let numbers = [5, 9, 0, 3, 8, 1, 4, 2];
    let keys = numbers.map(|number| subject.key(number));
    let values = numbers.map(|number| (number < 6).then(|| subject.value(number)));
    assert_eq!(store.find_many(&keys).await.expect("find_many"), values);
}

/// Clones of a handle are one store: what one sets, the other finds.
pub async fn clones_share_their_refs<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    set(&store, subject.key(0), subject.value(0)).await;
    assert_eq!(clone.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
    set(&clone, subject.key(0), subject.value(1)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(1)));
}

/// Two stores that were opened apart share nothing.
pub async fn stores_share_no_refs<S: RefsSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    set(&one, subject.key(0), subject.value(0)).await;
    assert_eq!(other.find(&subject.key(0)).await.expect("find"), None, "a ref of another store");
}

/// After `close` every call that reads answers `Closed`.
pub async fn closed_refs_refuse_to_read<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let cursor = store.position().await.expect("position");
    store.close().await.expect("close");
    assert_closed(store.find(&subject.key(0)).await, "find");
    assert_closed(store.mem(&subject.key(0)).await, "mem");
    assert_closed(store.find_many(&[subject.key(0)]).await, "find_many");
    assert_closed(store.snapshot(b"").await, "snapshot");
    assert_closed(store.changes(cursor, 1).await, "changes");
    assert_closed(store.position().await, "position");
}

/// After `close` what `find_now` answers is `Closed`.
pub async fn closed_refs_are_not_found_at_once<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    store.close().await.expect("close");
    if let Some(answer) = store.find_now(&subject.key(0)) {
        assert_closed(answer, "find_now");
    }
}

/// After `close` every update answers `Closed`.
pub async fn closed_refs_refuse_to_write<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await;
    store.close().await.expect("close");
    assert_closed(store.update(update.clone()).await, "update of nothing");
    let update = update.set(subject.key(0), subject.value(0));
    assert_closed(store.update(update).await, "update");
}

/// Closing one clone closes all of them.
pub async fn closing_one_clone_closes_all<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    clone.close().await.expect("close");
    assert_closed(store.find(&subject.key(0)).await, "find through another clone");
}

/// Closing again is fine, through any clone.
pub async fn closing_again_is_fine<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let clone = store.clone();
    for store in [&store, &store, &clone] {
        store.close().await.expect("close");
    }
}

/// Closing a store disturbs no other one.
pub async fn closing_disturbs_no_other_store<S: RefsSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    one.close().await.expect("close");
    set(&other, subject.key(0), subject.value(0)).await;
    assert_eq!(other.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// `limits` answers the same when the store is closed.
pub async fn limits_answer_after_close<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let limits = store.limits();
    store.close().await.expect("close");
    assert_eq!(store.limits(), limits);
}
