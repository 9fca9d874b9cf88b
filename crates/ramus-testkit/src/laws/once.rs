//! The laws of *exactly once*: an update that is sent again is not applied again.

use std::fmt::Debug;

use ramus_core::{
    AtomicWrite as _, Changes, Cursor, ErrorKind, Incarnation, ReadOnly as _, Result, Update,
    UpdateId,
};

use super::support::{apply, begin, changes, refusal_kind, refuse, set, write};
use crate::RefsSubject;

/// An update that is sent again is not applied again, also when others came between.
pub async fn an_update_sent_again_is_not_applied_again<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    apply(&store, update.clone()).await;
    set(&store, subject.key(0), subject.value(1)).await;
    apply(&store, update).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(1)));
    assert_eq!(changes(&store, start).await.len(), 2);
}

/// An update that is sent again is answered with the place of its record.
pub async fn an_update_sent_again_is_answered_with_its_place<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let at = apply(&store, update.clone()).await;
    assert_eq!(apply(&store, update.clone()).await, at);
    set(&store, subject.key(0), subject.value(1)).await;
    assert_eq!(apply(&store, update).await, at);
}

/// An update that is sent again does not fail its own test: its success is no conflict.
pub async fn an_update_sent_again_is_not_tested_again<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.test_and_set(subject.key(0), None, Some(subject.value(0)));
    let at = apply(&store, update.clone()).await;
    assert_eq!(apply(&store, update).await, at);
}

/// Another id is another update, though it asks for the same.
pub async fn another_id_is_another_update<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let seen = store.position().await.expect("position");
    for number in [0, 1, 0, 1] {
        let update = Update::new(seen).set(subject.key(0), subject.value(number));
        apply(&store, update).await;
        let found = store.find(&subject.key(0)).await.expect("find");
        assert_eq!(found, Some(subject.value(number)));
    }
}

/// An update that was refused is judged anew when it is sent again.
pub async fn a_refused_update_is_judged_anew<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let [test, new] = [0, 1].map(|number| Some(subject.value(number)));
    let update = begin(&store).await.test_and_set(subject.key(0), test, new.clone());
    refuse(&store, update.clone()).await;
    set(&store, subject.key(0), subject.value(0)).await;
    apply(&store, update).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), new);
}

/// An update that changed nothing is judged anew when it is sent again.
pub async fn an_update_that_changed_nothing_is_judged_anew<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    apply(&store, update.clone()).await;
    let end = set(&store, subject.key(0), subject.value(1)).await;
    let at = apply(&store, update).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
    assert!(at.sequence > end.sequence, "{at} after {end}");
}

/// An id that is known to be that of another update is refused with `InvalidInput`.
pub async fn an_id_of_another_update_is_refused<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let at = apply(&store, update.clone()).await;
    let others = [
        update.clone().set(subject.key(0), subject.value(1)),
        update.clone().remove(subject.key(0)),
        Update { edits: [].into(), ..update.clone() }.set(subject.key(1), subject.value(0)),
    ];
    for other in others {
        let kind = refusal_kind(store.update(other).await, "an id of another update");
        assert_eq!(kind, ErrorKind::InvalidInput);
    }
    assert_eq!(changes(&store, at).await, []);
    assert_eq!(apply(&store, update).await, at);
}

/// An id that is known is answered with its place, whatever the update says to have seen.
pub async fn a_known_id_is_answered_whatever_was_seen<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut update = begin(&store).await.set(subject.key(0), subject.value(0));
    let at = apply(&store, update.clone()).await;
    update.seen.incarnation = Incarnation::random();
    assert_eq!(apply(&store, update).await, at);
}

/// An id is known for as long as the log keeps its record.
pub async fn an_id_is_known_while_its_record_is_kept<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let at = apply(&store, update.clone()).await;
    write(&store, subject, 2, subject.log_capacity() - 1).await;
    assert_eq!(apply(&store, update).await, at);
}

/// An unknown id whose `seen` is older than the log answers `Ambiguous`.
pub async fn a_seen_older_than_the_log_is_ambiguous<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let seen = store.position().await.expect("position");
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    apply(&store, update.clone()).await;
    write(&store, subject, 2, subject.log_capacity() * 2).await;
    if let Changes::Page(_) = store.changes(seen, 1).await.expect("changes") {
        // The log keeps more than it said; it then knows the update.
        apply(&store, update).await;
        return;
    }
    assert_ambiguous(store.update(update.clone()).await);
    let update = Update { id: UpdateId::random(), ..update };
    assert_ambiguous(store.update(update).await);
}

/// An unknown id whose `seen` is of another incarnation answers `Ambiguous`.
pub async fn a_seen_of_another_incarnation_is_ambiguous<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    for sequence in [0, 1, 1 << 40] {
        let mut update = begin(&store).await.set(subject.key(0), subject.value(1));
        update.seen = Cursor { incarnation: Incarnation::random(), sequence };
        assert_ambiguous(store.update(update).await);
    }
}

/// After an answer of `Ambiguous`, `position` is a place from which an update is judged.
pub async fn position_is_of_use_after_ambiguous<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut update = begin(&store).await.set(subject.key(0), subject.value(1));
    update.seen.incarnation = Incarnation::random();
    // What it answers is another law.
    drop(store.update(update).await);
    set(&store, subject.key(0), subject.value(2)).await;
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(2)));
}

/// An update that is answered with `Ambiguous` is not applied.
pub async fn an_ambiguous_update_is_not_applied<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let end = set(&store, subject.key(0), subject.value(0)).await;
    let mut update = begin(&store).await.set(subject.key(0), subject.value(1));
    update.seen.incarnation = Incarnation::random();
    // What it answers is another law.
    drop(store.update(update).await);
    assert_eq!(changes(&store, end).await, []);
    assert_eq!(store.find(&subject.key(0)).await.expect("find"), Some(subject.value(0)));
}

/// An unknown id whose `seen` the log goes on from is judged: the oldest such place, too.
pub async fn a_seen_that_the_log_goes_on_from_is_judged<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    write(&store, subject, 2, 2).await;
    let seen = store.position().await.expect("position");
    write(&store, subject, 2, subject.log_capacity()).await;
    let update = Update::new(seen).set(subject.key(1), subject.value(0));
    apply(&store, update).await;
    assert_eq!(store.find(&subject.key(1)).await.expect("find"), Some(subject.value(0)));
}

fn assert_ambiguous<T: Debug>(answer: Result<T>) {
    let kind = refusal_kind(answer, "an update that nobody can know");
    assert_eq!(kind, ErrorKind::Ambiguous);
}
