//! The laws of [`update`](ramus_core::AtomicWrite::update): how it is judged, and what it takes.

use futures::FutureExt as _;
use ramus_core::{AtomicWrite as _, Cursor, ErrorKind, Limits, ReadOnly as _, Update};

use super::support::{apply, begin, changes, refusal_kind, refuse, set};
use crate::RefsSubject;

/// An update whose keys hold what they must is applied.
pub async fn a_test_that_holds_lets_the_update_pass<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let (key, values) = (subject.key(0), [0, 1].map(|number| subject.value(number)));
    set(&store, key.clone(), values[0].clone()).await;
    let update = begin(&store).await;
    let [old, new] = values.map(Some);
    apply(&store, update.test_and_set(key.clone(), old, new.clone())).await;
    assert_eq!(store.find(&key).await.expect("find"), new);
}

/// An update is refused when a key holds another value than it must.
pub async fn a_test_that_fails_refuses_the_update<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let [test, new] = [1, 2].map(|number| Some(subject.value(number)));
    refuse(&store, begin(&store).await.test_and_set(subject.key(0), test, new)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// A key of which nothing is expected must be absent: absent it passes, present it refuses.
pub async fn absence_can_be_tested<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let create =
        |update: Update<_, _>| update.test_and_set(subject.key(0), None, Some(subject.value(1)));
    apply(&store, create(begin(&store).await)).await;
    set(&store, subject.key(0), subject.value(0)).await;
    refuse(&store, create(begin(&store).await)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// A key that must hold a value refuses the update when it is absent.
pub async fn an_absent_key_holds_no_value<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let [test, new] = [0, 1].map(|number| Some(subject.value(number)));
    refuse(&store, begin(&store).await.test_and_set(subject.key(0), test, new)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), None);
}

/// The test is judged also when the key would be set to what it holds.
pub async fn a_test_is_judged_when_nothing_would_change<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let [holds, other] = [0, 1].map(|number| Some(subject.value(number)));
    let update = begin(&store).await.test_and_set(subject.key(0), other, holds.clone());
    refuse(&store, update).await;
    refuse(&store, begin(&store).await.test_and_set(subject.key(0), None, holds)).await;
}

/// An update of several keys is applied to all of them: it sets some and removes others.
pub async fn an_update_is_applied_to_all_its_keys<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(3), subject.value(9)).await;
    let update = (0..3).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update.remove(subject.key(3))).await;
    for number in 0..4 {
        let value = (number < 3).then(|| subject.value(number));
        assert_eq!(store.find(&subject.key(number)).await.expect("find"), value, "key {number}");
    }
}

/// An update that is refused for one of its keys changes none of them.
pub async fn a_refused_update_changes_nothing<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for failing in 0..3 {
        let update = (0..3).fold(begin(&store).await, |update, number| {
            let test = (number == failing).then(|| subject.value(9));
            update.test_and_set(subject.key(number), test, Some(subject.value(number)))
        });
        refuse(&store, update).await;
        for number in 0..3 {
            let found = store.find(&subject.key(number)).await.expect("find");
            assert_eq!(found, None, "key {number} after a refusal for key {failing}");
        }
    }
}

/// A refusal names the first key, in key order, that did not hold what it must.
pub async fn a_refusal_names_the_first_key<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut keys: Vec<_> = (0..4).map(|number| subject.key(number)).collect();
    keys.sort();
    set(&store, keys[0].clone(), subject.value(0)).await;
    let test = |update: Update<_, _>, at: usize| {
        update.test_and_set(keys[at].clone(), Some(subject.value(0)), Some(subject.value(1)))
    };
    let update = [3, 2, 0, 1].into_iter().fold(begin(&store).await, test);
    assert_eq!(refuse(&store, update).await.key, keys[1]);
}

/// A refusal says what the key holds: a value, or nothing.
pub async fn a_refusal_says_what_the_key_holds<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    for (number, holds) in [(0, Some(subject.value(0))), (1, None)] {
        let test = Some(subject.value(5));
        let update = begin(&store).await.test_and_set(subject.key(number), test, None);
        assert_eq!(refuse(&store, update).await.holds, holds);
    }
}

/// A refusal says where the log ended as the update was judged.
pub async fn a_refusal_says_where_the_log_ends<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let end = set(&store, subject.key(1), subject.value(0)).await;
    let update = begin(&store).await.test_and_set(subject.key(0), None, None);
    assert_eq!(refuse(&store, update).await.at, end);
}

/// Removing a key that is not there is applied.
pub async fn removing_an_absent_key_is_applied<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    apply(&store, begin(&store).await.remove(subject.key(0))).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), None);
}

/// Setting a key to what it holds is applied.
pub async fn setting_what_is_there_is_applied<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(0), subject.value(0)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// An update of no key is applied.
pub async fn an_update_of_no_key_is_applied<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    apply(&store, begin(&store).await).await;
}

/// More keys than `update_keys_max` are refused with `Limit`, and change nothing.
pub async fn too_many_keys_are_refused<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let many = store.limits().update_keys_max + 1;
    let update = (0..many).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(0))
    });
    let kind = refusal_kind(store.update(update).await, "an update of too many keys");
    assert_eq!(kind, ErrorKind::Limit);
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), None);
}

/// As many keys as `update_keys_max` are taken.
pub async fn as_many_keys_as_allowed_are_taken<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let many = store.limits().update_keys_max;
    let update = (0..many).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(0))
    });
    apply(&store, update).await;
    let last = store.find(&subject.key(many - 1)).await.expect("find");
    assert_eq!(last, Some(subject.value(0)));
}

/// A note longer than `NOTE_MAX` is refused with `Limit`, and its update changes nothing.
pub async fn too_long_a_note_is_refused<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let update = update.with_note(vec![b'n'; Limits::NOTE_MAX + 1]);
    let kind = refusal_kind(store.update(update).await, "an update with too long a note");
    assert_eq!(kind, ErrorKind::Limit);
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), None);
}

/// A note of exactly `NOTE_MAX` bytes is taken.
pub async fn the_longest_note_is_taken<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    apply(&store, update.with_note(vec![b'n'; Limits::NOTE_MAX])).await;
}

/// An update that has seen a place beyond the end of the log is refused with `InvalidInput`.
pub async fn a_seen_beyond_the_end_is_refused<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let end = set(&store, subject.key(0), subject.value(0)).await;
    let mut update = begin(&store).await.set(subject.key(0), subject.value(1));
    update.seen = Cursor { sequence: end.sequence + 1000, ..end };
    let kind = refusal_kind(store.update(update).await, "an update that has seen the future");
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// An update that is dropped before it answers was applied whole, with its record, or not at all.
pub async fn a_dropped_update_is_whole_or_nothing<S: RefsSubject>(subject: &S) {
    const POLLS_MAX: usize = 12;
    for polls in 1..POLLS_MAX {
        let store = subject.open().await;
        let start = store.position().await.expect("position");
        let update = (0..4).fold(begin(&store).await, |update, number| {
            update.set(subject.key(number), subject.value(number))
        });
        let mut sent = Box::pin(store.update(update.clone()));
        let answered = futures::future::poll_fn(|context| {
            let done = (0..polls).any(|_| sent.poll_unpin(context).is_ready());
            std::task::Poll::Ready(done)
        });
        let answered = answered.await;
        drop(sent);
        // The update may still become visible after it was dropped: one snapshot, then the log.
        let snapshot = store.snapshot(b"").await.expect("snapshot");
        let keys = snapshot.collect().await.expect("collect").len();
        assert!(keys == 0 || keys == 4, "{keys} of 4 keys of an update that was dropped");
        assert!(keys == 4 || !answered, "an update that answered was applied");
        let records = changes(&store, start).await.len();
        assert!(records == 1 || keys == 0, "{records} records of an update that was applied");
        apply(&store, update).await;
        assert_eq!(changes(&store, start).await.len(), 1, "records after sending it again");
        let last = store.find(&subject.key(3)).await.expect("find");
        assert_eq!(last, Some(subject.value(3)));
    }
}
