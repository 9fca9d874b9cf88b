//! The laws of the change log: [`changes`](ramus_core::AtomicWrite::changes) and
//! [`position`](ramus_core::AtomicWrite::position).

use ramus_core::{AtomicWrite, Changes, Cursor, Incarnation, KeyChange};

use super::support::{apply, begin, changes, last_change, page, refuse, remove, set, write};
use crate::RefsSubject;

/// `position` is at or after every answer that the store gave.
pub async fn position_is_not_before_an_answer<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..4 {
        let at = set(&store, subject.key(0), subject.value(number)).await;
        let position = store.position().await.expect("position");
        assert_eq!(position.incarnation, at.incarnation);
        assert!(position.sequence >= at.sequence, "{position} after the answer {at}");
    }
}

/// `position` is never beyond the end of the log.
pub async fn position_is_not_beyond_the_end<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    for number in 0..4 {
        let position = store.position().await.expect("position");
        let end = page(&store, position, 0).await.end;
        assert!(position.sequence <= end.sequence, "{position} beyond {end}");
        set(&store, subject.key(0), subject.value(number)).await;
    }
}

/// What comes after a cursor does not hold the record of the cursor, nor one before it.
pub async fn changes_begin_after_the_cursor<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 8).await;
    for cursor in changes(&store, start).await.iter().map(|change| change.cursor) {
        let later = changes(&store, cursor).await;
        assert!(later.iter().all(|change| change.cursor.sequence > cursor.sequence));
    }
}

/// What comes after a cursor begins with its successor: nothing is left out.
pub async fn changes_leave_nothing_out<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 8).await;
    let all = changes(&store, start).await;
    assert_eq!(all.len(), 8);
    for (number, change) in all.iter().enumerate() {
        assert_eq!(changes(&store, change.cursor).await, all[number + 1..]);
    }
}

/// Every update that changed something is one record, however many keys it has.
pub async fn every_update_is_one_record<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let update = (0..4).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update).await;
    set(&store, subject.key(0), subject.value(1)).await;
    assert_eq!(changes(&store, start).await.len(), 2);
}

/// A record tells of a key what it held before and what it holds now.
pub async fn a_record_tells_the_old_and_the_new_value<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let (key, [first, second]) = (subject.key(0), [0, 1].map(|number| subject.value(number)));
    set(&store, key.clone(), first.clone()).await;
    let created = last_change(&store, start).await;
    let wanted = KeyChange { key: key.clone(), old: None, new: Some(first.clone()) };
    assert_eq!(created.keys, [wanted]);
    set(&store, key.clone(), second.clone()).await;
    let changed = last_change(&store, start).await;
    assert_eq!(changed.keys, [KeyChange { key, old: Some(first), new: Some(second) }]);
}

/// A removal is recorded, with what the key held.
pub async fn a_removal_is_recorded<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let set = set(&store, subject.key(0), subject.value(0)).await;
    remove(&store, subject.key(0)).await;
    let change = last_change(&store, set).await;
    let wanted = KeyChange { key: subject.key(0), old: Some(subject.value(0)), new: None };
    assert_eq!(change.keys, [wanted]);
}

/// A record lists only the keys whose value changed, not those that were tested or stayed.
pub async fn a_record_leaves_out_keys_that_stayed<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(1), subject.value(1)).await;
    let update = begin(&store).await.test(subject.key(0), Some(subject.value(0)));
    let update = update.set(subject.key(1), subject.value(1)).remove(subject.key(2));
    apply(&store, update.set(subject.key(3), subject.value(3))).await;
    let keys: Vec<_> = last_change(&store, start).await.keys.iter().map(key_of).collect();
    assert_eq!(keys, [subject.key(3)]);
}

/// A record lists its keys in key order.
pub async fn a_record_lists_its_keys_in_order<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let update = (0..20).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update).await;
    let keys: Vec<_> = last_change(&store, start).await.keys.iter().map(key_of).collect();
    assert_eq!(keys.len(), 20);
    assert!(keys.is_sorted(), "out of order: {keys:?}");
}

/// An update that changes nothing adds no record.
pub async fn an_update_that_changes_nothing_adds_no_record<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let end = set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(0), subject.value(0)).await;
    remove(&store, subject.key(1)).await;
    apply(&store, begin(&store).await.test(subject.key(0), Some(subject.value(0)))).await;
    apply(&store, begin(&store).await).await;
    assert_eq!(changes(&store, end).await, []);
}

/// An update that changes nothing answers with the end of the log.
pub async fn an_update_that_changes_nothing_answers_the_end<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    set(&store, subject.key(0), subject.value(0)).await;
    let end = set(&store, subject.key(1), subject.value(0)).await;
    assert_eq!(set(&store, subject.key(0), subject.value(0)).await, end);
    assert_eq!(remove(&store, subject.key(2)).await, end);
}

/// A refused update adds no record.
pub async fn a_refused_update_adds_no_record<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let end = set(&store, subject.key(0), subject.value(0)).await;
    let update = begin(&store).await.test_and_set(subject.key(0), None, Some(subject.value(1)));
    refuse(&store, update).await;
    assert_eq!(changes(&store, end).await, []);
}

/// A record keeps the note of its update, byte for byte.
pub async fn a_record_keeps_the_note<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    apply(&store, update.with_note(&b"who\0 and why \xff"[..])).await;
    assert_eq!(last_change(&store, start).await.note, &b"who\0 and why \xff"[..]);
}

/// A record keeps the id of its update.
pub async fn a_record_keeps_the_id<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let id = update.id;
    apply(&store, update).await;
    assert_eq!(last_change(&store, start).await.id, id);
}

/// An applied update is answered with the place of its record.
pub async fn the_answer_is_the_place_of_the_record<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    for number in 0..3 {
        let at = set(&store, subject.key(0), subject.value(number)).await;
        assert_eq!(last_change(&store, start).await.cursor, at);
    }
}

/// The first record of a log has no sequence before it: its `previous` is 0.
pub async fn the_first_record_follows_zero<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let incarnation = store.position().await.expect("position").incarnation;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(0), subject.value(1)).await;
    let all = changes(&store, Cursor { incarnation, sequence: 0 }).await;
    assert_eq!(all.first().map(|change| change.previous), Some(0));
}

/// Sequences rise from record to record.
pub async fn sequences_rise<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let mut last = start;
    for number in 0..24 {
        let at = set(&store, subject.key(0), subject.value(number)).await;
        assert_eq!(at.incarnation, last.incarnation, "a store stays in its incarnation");
        assert!(at.sequence > last.sequence, "{at} after {last}");
        last = at;
    }
}

/// Between the `previous` of a record and the record lies no other one.
pub async fn nothing_lies_between_previous_and_the_record<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 12).await;
    let mut before = start.sequence;
    for change in changes(&store, start).await {
        let (previous, place) = (change.previous, change.cursor.sequence);
        assert!(before <= previous, "{before} lies between {previous} and {place}");
        assert!(previous < place, "{place} says that it comes after {previous}");
        before = place;
    }
}

/// A page holds at most as many changes as were asked for.
pub async fn a_page_keeps_to_its_limit<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 8).await;
    for limit in 0..10 {
        let held = page(&store, start, limit).await.changes.len();
        assert!(held <= limit, "{held} changes where {limit} were asked for");
    }
}

/// A page of no changes says where the log ends, and that one goes on where one was.
pub async fn a_page_of_nothing_tells_the_end<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 8).await;
    let page = page(&store, start, 0).await;
    assert_eq!((page.changes.len(), page.next), (0, start));
    assert_eq!(page.end, store.position().await.expect("position"));
}

/// A page that is cut says where the log ends, and is not the last.
pub async fn a_page_says_where_the_log_ends<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 8).await;
    let end = store.position().await.expect("position");
    for limit in 1..8 {
        let page = page(&store, start, limit).await;
        assert_eq!(page.end, end, "the end as a page of {limit} tells it");
        assert!(!page.is_last(), "a page of {limit} of 8 is not the last");
    }
    assert!(page(&store, end, 1).await.is_last());
}

/// Reading on from each page's `next` gives the whole log.
pub async fn pages_make_the_whole_log<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 10).await;
    let all = changes(&store, start).await;
    for limit in 1..5 {
        let (mut cursor, mut read) = (start, Vec::new());
        for _ in 0..=all.len() {
            let page = page(&store, cursor, limit).await;
            read.extend_from_slice(&page.changes);
            cursor = page.next;
        }
        assert_eq!(read, all, "by pages of {limit}");
    }
}

/// A cursor of another incarnation cannot be gone on from.
pub async fn another_incarnation_is_truncated<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    write(&store, subject, 0, 4).await;
    let cursor = Cursor { incarnation: Incarnation::random(), ..start };
    assert_truncated(&store, cursor).await;
    let end = store.position().await.expect("position");
    assert_truncated(&store, Cursor { incarnation: Incarnation::random(), ..end }).await;
}

/// A cursor beyond the end of the log cannot be gone on from.
pub async fn a_cursor_beyond_the_end_is_truncated<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let end = set(&store, subject.key(0), subject.value(0)).await;
    assert_truncated(&store, Cursor { sequence: end.sequence + 1000, ..end }).await;
}

/// The log keeps as many changes as it should.
pub async fn the_log_keeps_its_capacity<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let start = *write(&store, subject, 0, 3).await.last().expect("a place");
    write(&store, subject, 0, subject.log_capacity()).await;
    assert_eq!(changes(&store, start).await.len(), subject.log_capacity());
}

/// Where the log can no longer go on from a cursor, it says so: never a page with a gap.
pub async fn what_is_no_longer_kept_is_truncated<S: RefsSubject>(subject: &S) {
    let (store, start) = open(subject).await;
    let written = write(&store, subject, 0, subject.log_capacity() * 2 + 1).await;
    for (number, cursor) in [start, written[0], written[1]].into_iter().enumerate() {
        if let Changes::Page(_) = store.changes(cursor, 1).await.expect("changes") {
            let places = places(&store, cursor).await;
            assert!(places == written[number..], "a gap after {cursor}");
        }
    }
}

/// A truncated log tells the oldest cursor that it goes on from.
pub async fn truncation_tells_where_to_go_on<S: RefsSubject>(subject: &S) {
    let (store, _) = open(subject).await;
    let written = write(&store, subject, 0, subject.log_capacity() * 2 + 1).await;
    let elsewhere = Cursor { incarnation: Incarnation::random(), sequence: 0 };
    let Changes::Truncated { oldest } = store.changes(elsewhere, 1).await.expect("changes") else {
        panic!("a cursor of another incarnation cannot be gone on from");
    };
    let places = places(&store, oldest).await;
    assert!(places.len() >= subject.log_capacity(), "only {} are kept", places.len());
    assert!(written.ends_with(&places), "a gap after {oldest}");
}

/// Stores that were opened apart are of different incarnations.
pub async fn stores_share_no_incarnation<S: RefsSubject>(subject: &S) {
    let (one, other) = (subject.open().await, subject.open().await);
    let one = one.position().await.expect("position");
    assert_ne!(one.incarnation, other.position().await.expect("position").incarnation);
}

/// Opens a store, and says where its log begins.
async fn open<S: RefsSubject>(subject: &S) -> (S::Refs, Cursor) {
    let store = subject.open().await;
    let start = store.position().await.expect("position");
    (store, start)
}

/// Returns the places of all changes after a cursor.
async fn places<S: AtomicWrite>(store: &S, after: Cursor) -> Vec<Cursor> {
    changes(store, after).await.iter().map(|change| change.cursor).collect()
}

async fn assert_truncated<S: AtomicWrite>(store: &S, cursor: Cursor) {
    let answer = store.changes(cursor, 8).await.expect("changes");
    let Changes::Truncated { oldest } = answer else {
        panic!("the log cannot go on from {cursor}: {answer:?}");
    };
    page(store, oldest, 1).await;
}

fn key_of<K: Clone, V>(change: &KeyChange<K, V>) -> K {
    change.key.clone()
}
