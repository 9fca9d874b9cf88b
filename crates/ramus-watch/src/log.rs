use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    Change, Changes, Cursor, Error, ErrorKind, Incarnation, Key, KeyChange, Page, Result, UpdateId,
    Value,
};

/// A change log that keeps the newest changes and knows their ids: plain data, for a backend without
/// a log of its own.
///
/// A backend keeps it behind the same lock as its refs and calls, in this order: `recall` to find
/// out whether the update was applied before, and `append` once it has applied it.
///
/// # What is promised
///
/// - At most `capacity` changes are kept; the memory is bounded by them.
/// - `recall` never takes an id that it may have forgotten for a new one.
/// - `after` gives every change after the cursor, in order, or says that it cannot.
#[derive(Debug)]
pub struct Log<K, V> {
    incarnation: Incarnation,
    capacity: usize,
    /// Without a gap: the first has the sequence `floor + 1`.
    changes: VecDeque<Arc<Change<K, V>>>,
    /// The sequence of every change in `changes`, by its id.
    sequences: HashMap<UpdateId, u64>,
    /// The sequence of the newest change that is no longer kept.
    floor: u64,
}

impl<K: Key, V: Value> Log<K, V> {
    /// Returns an empty log of a new incarnation that keeps the newest `capacity` changes.
    pub fn new(capacity: usize) -> Self {
        Self::of_incarnation(Incarnation::random(), capacity)
    }

    /// Returns an empty log of this incarnation, which must be new.
    pub fn of_incarnation(incarnation: Incarnation, capacity: usize) -> Self {
        let (changes, sequences) = (VecDeque::new(), HashMap::new());
        Self { incarnation, capacity, changes, sequences, floor: 0 }
    }

    /// Returns the end of the log.
    pub fn end(&self) -> Cursor {
        self.at(self.floor + self.changes.len() as u64)
    }

    /// Returns the oldest cursor that the log can go on from.
    pub fn oldest(&self) -> Cursor {
        self.at(self.floor)
    }

    /// Returns the place of the update that has this id, or nothing if it was never applied.
    ///
    /// # Errors
    ///
    /// - [`Ambiguous`](ErrorKind::Ambiguous) if the id is unknown, and `seen` is older than what is
    ///   kept or of another incarnation: it may have been applied and forgotten.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) if `seen` lies beyond the end.
    pub fn recall(&self, id: UpdateId, seen: Cursor) -> Result<Option<Cursor>> {
        if let Some(sequence) = self.sequences.get(&id) {
            return Ok(Some(self.at(*sequence)));
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
        self.changes.push_back(Arc::clone(&change));
        self.sequences.insert(id, change.cursor.sequence);
        if self.changes.len() > self.capacity {
            self.forget_oldest();
        }
        change
    }

    /// Returns what was changed after `after`, at most `limit` changes of it.
    pub fn after(&self, after: Cursor, limit: usize) -> Changes<K, V> {
        let end = self.end();
        let known = after.incarnation == self.incarnation
            && (self.floor..=end.sequence).contains(&after.sequence);
        if !known {
            return Changes::Truncated { oldest: self.oldest() };
        }
        // The range fits the deque, whose length is a usize.
        let start = usize::try_from(after.sequence - self.floor).unwrap_or(usize::MAX);
        let changes: Vec<_> = self.changes.iter().skip(start).take(limit).cloned().collect();
        let next = changes.last().map_or(after, |change| change.cursor);
        Changes::Page(Page { changes, next, end })
    }

    fn at(&self, sequence: u64) -> Cursor {
        Cursor { incarnation: self.incarnation, sequence }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.changes.pop_front() {
            self.floor = oldest.cursor.sequence;
            self.sequences.remove(&oldest.id);
        }
    }
}
