use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    Change, Changes, Cursor, Error, ErrorKind, IdHash, Incarnation, Key, KeyChange, Page, Result,
    Update, UpdateId, Value,
};

/// A change log that keeps the newest changes and knows their ids: plain data, for a backend without
/// a log of its own.
///
/// A backend keeps it behind the same lock as its refs and calls, in this order: `recall` to find
/// out whether the update was applied before, and `append` once it has applied it.
///
/// # What is promised
///
/// - At most `capacity` changes are kept, and at least one; the memory is bounded by them.
/// - `recall` never takes an id that it may have forgotten for a new one.
/// - `after` gives every change after the cursor, in order, or says that it cannot.
#[derive(Debug)]
pub struct Log<K, V> {
    incarnation: Incarnation,
    /// At least 1.
    capacity: usize,
    /// Without a gap: the first has the sequence `floor + 1`.
    changes: VecDeque<Arc<Change<K, V>>>,
    /// The sequence of every change in `changes`, by its id.
    sequences: HashMap<UpdateId, u64, IdHash>,
    /// The sequence of the newest change that is no longer kept.
    floor: u64,
}

impl<K: Key, V: Value> Log<K, V> {
    /// The most changes that one page holds.
    pub const PAGE_MAX: usize = 4096;

    /// Returns an empty log of a new incarnation that keeps the newest `capacity` changes, or one
    /// if that is 0.
    pub fn new(capacity: usize) -> Self {
        Self::of_incarnation(Incarnation::random(), capacity)
    }

    /// Returns an empty log of this incarnation, which must be new.
    pub fn of_incarnation(incarnation: Incarnation, capacity: usize) -> Self {
        let (changes, sequences) = (VecDeque::new(), HashMap::default());
        Self { incarnation, capacity: capacity.max(1), changes, sequences, floor: 0 }
    }

    /// Returns an empty log that goes on after this place, as if what came before had been forgotten:
    /// for a backend that keeps its changes, which [`push`](Log::push)es those that it has read.
    pub fn resume(after: Cursor, capacity: usize) -> Self {
        Self { floor: after.sequence, ..Self::of_incarnation(after.incarnation, capacity) }
    }

    /// Returns the end of the log.
    pub fn end(&self) -> Cursor {
        self.at(self.floor + self.changes.len() as u64)
    }

    /// Returns the oldest cursor that the log can go on from.
    pub fn oldest(&self) -> Cursor {
        self.at(self.floor)
    }

    /// Returns the place of this update, or nothing if it was never applied.
    ///
    /// # Errors
    ///
    /// - [`Ambiguous`](ErrorKind::Ambiguous) if the id is unknown, and `seen` is older than what is
    ///   kept or of another incarnation: it may have been applied and forgotten.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) if `seen` lies beyond the end, or if the id was
    ///   used for another update.
    pub fn recall(&self, update: &Update<K, V>) -> Result<Option<Cursor>> {
        let (id, seen) = (update.id, update.seen);
        if let Some(record) = self.record(id) {
            return update.place_of(record).map(Some);
        }
        if seen.incarnation != self.incarnation || seen.sequence < self.floor {
            let oldest = self.oldest();
            return Err(Error::new(
                ErrorKind::Ambiguous,
                format!(
                    "cannot tell whether update {id}, last seen at {seen}, was applied: the log is kept from {oldest}"
                ),
            ));
        }
        if seen.sequence > self.end().sequence {
            let end = self.end();
            return Err(Error::invalid_input(format!(
                "update {id} claims to have seen {seen}, but the log ends at {end}"
            )));
        }
        Ok(None)
    }

    /// Adds the record of an applied update and returns it.
    ///
    /// `keys` are the keys whose value changed, in key order; an update that changed none has no
    /// record, and must not be given here.
    pub fn append(
        &mut self,
        id: UpdateId,
        note: Bytes,
        keys: Vec<KeyChange<K, V>>,
    ) -> Arc<Change<K, V>> {
        debug_assert!(!keys.is_empty(), "a change that changes nothing has no record");
        let previous = self.end().sequence;
        let change = Arc::new(Change { cursor: self.at(previous + 1), previous, id, note, keys });
        self.keep(Arc::clone(&change));
        change
    }

    /// Adds a record that was made before: one that was read again, or that has become durable.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if it is not the next one: its `previous` is not the end of this
    /// log, its sequence is not one more, or it is of another incarnation.
    pub fn push(&mut self, change: Arc<Change<K, V>>) -> Result<()> {
        let end = self.end();
        let next = Cursor { sequence: end.sequence + 1, ..end };
        if (change.previous, change.cursor) != (end.sequence, next) {
            let (at, previous) = (change.cursor, change.previous);
            return Err(Error::corrupt(format!(
                "change {at} follows {previous}, and the log ends at {end}"
            )));
        }
        self.keep(change);
        Ok(())
    }

    /// Forgets the changes up to this sequence, as if there had been no room for them; those after it stay.
    pub fn forget(&mut self, sequence: u64) {
        while self.floor < sequence && !self.changes.is_empty() {
            self.forget_oldest();
        }
    }

    /// Returns what was changed after `after`, at most `limit` changes of it and never more than
    /// [`PAGE_MAX`](Log::PAGE_MAX), so that a page is made in a short time under a lock.
    pub fn after(&self, after: Cursor, limit: usize) -> Changes<K, V> {
        let end = self.end();
        let known = after.incarnation == self.incarnation
            && (self.floor..=end.sequence).contains(&after.sequence);
        if !known {
            return Changes::Truncated { oldest: self.oldest() };
        }
        // The range fits the deque, whose length is a usize.
        let start = usize::try_from(after.sequence - self.floor).unwrap_or(usize::MAX);
        let changes: Vec<_> =
            self.changes.iter().skip(start).take(limit.min(Self::PAGE_MAX)).cloned().collect();
        let next = changes.last().map_or(after, |change| change.cursor);
        Changes::Page(Page { changes, next, end })
    }

    fn record(&self, id: UpdateId) -> Option<&Change<K, V>> {
        let index = self.sequences.get(&id)? - self.floor - 1;
        // An index of the deque fits a usize.
        self.changes.get(usize::try_from(index).ok()?).map(|change| &**change)
    }

    fn at(&self, sequence: u64) -> Cursor {
        Cursor { incarnation: self.incarnation, sequence }
    }

    fn keep(&mut self, change: Arc<Change<K, V>>) {
        self.sequences.insert(change.id, change.cursor.sequence);
        self.changes.push_back(change);
        if self.changes.len() > self.capacity {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.changes.pop_front() {
            self.floor = oldest.cursor.sequence;
            self.sequences.remove(&oldest.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = KeyChange<String, u64>;

    fn set(update: Update<String, u64>, key: &str, value: u64) -> Update<String, u64> {
        update.set(key.to_owned(), value)
    }

    fn entry(key: &str, new: Option<u64>) -> Entry {
        KeyChange { key: key.to_owned(), old: Some(0), new }
    }

    #[test]
    fn an_id_that_was_used_for_another_update_is_refused() {
        let mut log = Log::new(8);
        let update = Update::new(log.end());
        let sent = set(set(update.clone(), "a", 1), "unchanged", 2).remove("b".to_owned());
        log.append(update.id, Bytes::new(), vec![entry("a", Some(1)), entry("b", None)]);
        assert_eq!(log.recall(&sent).unwrap(), Some(log.end()));

        let others =
            [set(sent.clone(), "a", 7), set(sent, "b", 7), set(update.clone(), "a", 1), update];
        for other in others {
            let error = log.recall(&other).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("was used for another update"), "{error}");
        }
    }

    #[test]
    fn an_id_is_known_for_as_long_as_its_record_is_kept() {
        let mut log = Log::new(2);
        let updates: Vec<_> = (0..5).map(|_| set(Update::new(log.end()), "a", 1)).collect();
        for update in &updates {
            log.append(update.id, Bytes::new(), vec![entry("a", Some(1))]);
        }
        for (update, place) in updates.iter().zip(1..) {
            match log.recall(update) {
                Ok(found) if place > 3 => assert_eq!(found.unwrap().sequence, place),
                Err(error) if place <= 3 => assert_eq!(error.kind(), ErrorKind::Ambiguous),
                other => panic!("update {place}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_told_and_the_rest_stays() {
        let mut log = filled(8, 5);
        let (begin, end) = (log.oldest(), log.end());
        log.forget(3);
        assert_eq!((log.oldest().sequence, log.end()), (3, end));
        assert!(
            matches!(log.after(begin, 9), Changes::Truncated { oldest } if oldest == log.oldest())
        );
        log.forget(1);
        assert_eq!(log.oldest().sequence, 3, "it is gone already");
        log.forget(u64::MAX);
        assert_eq!((log.oldest(), log.end()), (end, end));
    }

    fn filled(capacity: usize, changes: usize) -> Log<String, u64> {
        let mut log = Log::new(capacity);
        for _ in 0..changes {
            log.append(UpdateId::random(), Bytes::new(), vec![entry("a", Some(1))]);
        }
        log
    }

    #[test]
    fn a_log_that_is_resumed_is_the_one_that_was() {
        let log = filled(8, 20);
        let Changes::Page(page) = log.after(log.oldest(), 100) else { panic!("it is kept") };
        for capacity in [8, 3] {
            let mut resumed = Log::resume(log.oldest(), capacity);
            assert_eq!((resumed.oldest(), resumed.end()), (log.oldest(), log.oldest()));
            for change in &page.changes {
                resumed.push(Arc::clone(change)).unwrap();
            }
            assert_eq!(resumed.end(), log.end());
            let oldest = Cursor { sequence: 20 - capacity as u64, ..log.end() };
            assert_eq!(resumed.oldest(), oldest);
            assert_eq!(resumed.after(oldest, 100), log.after(oldest, 100));
            for change in &page.changes {
                let update = set(Update::with_id(change.id, log.end()), "a", 1);
                let known = resumed.recall(&update).unwrap().is_some();
                assert_eq!(known, change.cursor.sequence > oldest.sequence);
            }
        }
    }

    #[test]
    fn a_record_that_is_not_the_next_one_is_refused() {
        let log = filled(8, 3);
        let Changes::Page(page) = log.after(log.oldest(), 100) else { panic!("it is kept") };
        let next = Change::clone(&page.changes[1]);
        let mut resumed = Log::resume(Cursor { sequence: 1, ..log.end() }, 8);
        let elsewhere = Cursor { incarnation: Incarnation::from_bytes([7; 16]), ..next.cursor };
        let late = Cursor { sequence: 3, ..next.cursor };
        for wrong in [
            Change { cursor: elsewhere, ..next.clone() },
            Change { cursor: late, ..next.clone() },
            Change { previous: 0, ..next.clone() },
        ] {
            let error = resumed.push(Arc::new(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(resumed.end().sequence, 1);
        }
        resumed.push(Arc::new(next)).unwrap();
        assert_eq!(resumed.end().sequence, 2);
    }

    #[test]
    fn a_log_keeps_at_least_one_change() {
        let log = filled(0, 3);
        assert_eq!((log.oldest().sequence, log.end().sequence), (2, 3));
    }

    #[test]
    fn a_page_is_bounded_whatever_its_limit() {
        let log = filled(10_000, 5_000);
        let Changes::Page(page) = log.after(log.oldest(), usize::MAX) else {
            panic!("the log is kept from there");
        };
        assert_eq!((page.changes.len(), page.next.sequence), (Log::<String, u64>::PAGE_MAX, 4096));
        assert!(!page.is_last());
    }
}
