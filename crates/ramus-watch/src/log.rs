mod ids;
mod packed;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    Change, Changes, Cursor, Error, ErrorKind, Incarnation, Key, KeyChange, Page, Result, Update,
    UpdateId, Value,
};

use ids::Ids;
use packed::Packed;

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
///
/// # What it takes
///
/// The newest 16 384 changes are kept as they were given out, so that whoever reads them shares them. Older
/// ones are packed, and made anew for whoever reads them: one of one key takes some 100 bytes besides the bytes of its
/// note, and 18 for its id.
#[derive(Debug)]
pub struct Log<K, V> {
    incarnation: Incarnation,
    /// 1 to `CAPACITY_MAX`.
    capacity: usize,
    /// The older changes. Without a gap, also to those in `recent`: the first that was not forgotten has the sequence
    /// `floor + 1`.
    packed: VecDeque<Packed<K, V>>,
    /// How many of the first of `packed` were forgotten: not all of them; none if there are none.
    forgotten: usize,
    /// The newer changes.
    recent: VecDeque<Arc<Change<K, V>>>,
    /// The lower half of the sequence of every change, by its id.
    ids: Ids,
    /// The sequence of the newest change that is no longer kept.
    floor: u64,
    /// So many changes are kept as they were given out before some are packed; at least a pack.
    recent_max: usize,
}

impl<K: Key, V: Value> Log<K, V> {
    /// The most changes that one page holds.
    pub const PAGE_MAX: usize = 4096;

    /// The most changes that a log keeps.
    pub const CAPACITY_MAX: usize = 1 << 31;

    /// Those that a watch reads which is not far behind, or follows a writer that does not wait: of many watchers each
    /// would have to make them anew, with two allocations, where they share them.
    const RECENT_MAX: usize = 16_384;

    /// Returns an empty log of a new incarnation that keeps the newest `capacity` changes: 1 to
    /// [`CAPACITY_MAX`](Log::CAPACITY_MAX), and what lies outside is taken for the nearest of these.
    pub fn new(capacity: usize) -> Self {
        Self::of_incarnation(Incarnation::random(), capacity)
    }

    /// Returns an empty log of this incarnation, which must be new.
    pub fn of_incarnation(incarnation: Incarnation, capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Self::CAPACITY_MAX);
        let (packed, recent, ids) = (VecDeque::new(), VecDeque::new(), Ids::default());
        let recent_max = Self::RECENT_MAX;
        Self { incarnation, capacity, packed, forgotten: 0, recent, ids, floor: 0, recent_max }
    }

    /// Returns an empty log that goes on after this place, as if what came before had been forgotten:
    /// for a backend that keeps its changes, which [`push`](Log::push)es those that it has read.
    pub fn resume(after: Cursor, capacity: usize) -> Self {
        Self { floor: after.sequence, ..Self::of_incarnation(after.incarnation, capacity) }
    }

    /// Returns the end of the log.
    pub fn end(&self) -> Cursor {
        self.at(self.floor + self.len() as u64)
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
            return update.place_of(&record).map(Some);
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
        while self.floor < sequence && self.len() > 0 {
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
        let changes = self.page(after.sequence, limit.min(Self::PAGE_MAX));
        let next = changes.last().map_or(after, |change| change.cursor);
        Changes::Page(Page { changes, next, end })
    }

    /// Returns what follows this sequence, which is kept or the last that was forgotten.
    fn page(&self, after: u64, count_max: usize) -> Vec<Arc<Change<K, V>>> {
        let packed = self.packed.len() * Packed::<K, V>::CHANGES;
        // It fits the deques, whose lengths are usizes.
        let kept = usize::try_from(after - self.floor).unwrap_or(usize::MAX);
        let begin = self.forgotten.saturating_add(kept);
        let count = count_max.min((packed + self.recent.len()).saturating_sub(begin));
        let unpacked = count.min(packed.saturating_sub(begin));
        let mut changes = Vec::with_capacity(count);
        changes.extend((after + 1..).take(unpacked).filter_map(|next| self.change(next)));
        let recent = (begin + unpacked).saturating_sub(packed);
        changes.extend(self.recent.iter().skip(recent).take(count - unpacked).cloned());
        changes
    }

    fn record(&self, id: UpdateId) -> Option<Arc<Change<K, V>>> {
        let has = |place| self.id(self.sequence(place)) == Some(id);
        let place = self.ids.find(id, has)?;
        self.change(self.sequence(place))
    }

    fn id(&self, sequence: u64) -> Option<UpdateId> {
        match self.find(sequence)? {
            Kept::Packed(pack, index) => pack.id(index),
            Kept::Recent(change) => Some(change.id),
        }
    }

    fn change(&self, sequence: u64) -> Option<Arc<Change<K, V>>> {
        match self.find(sequence)? {
            Kept::Packed(pack, index) => pack.change(index, self.at(sequence)),
            Kept::Recent(change) => Some(Arc::clone(change)),
        }
    }

    /// Returns where the change of this sequence is kept.
    fn find(&self, sequence: u64) -> Option<Kept<'_, K, V>> {
        let kept = sequence.checked_sub(self.floor + 1)?;
        let index = self.forgotten + usize::try_from(kept).ok()?;
        let of_packed = Packed::<K, V>::CHANGES;
        match self.packed.get(index / of_packed) {
            Some(pack) => Some(Kept::Packed(pack, index % of_packed)),
            None => self.recent.get(index - self.packed.len() * of_packed).map(Kept::Recent),
        }
    }

    /// Returns the sequence of a change that is kept, of which this is the lower half: fewer are kept than there are
    /// halves.
    fn sequence(&self, place: u32) -> u64 {
        let oldest = self.floor + 1;
        oldest + u64::from(place.wrapping_sub(lower_half(oldest)))
    }

    fn len(&self) -> usize {
        self.packed.len() * Packed::<K, V>::CHANGES - self.forgotten + self.recent.len()
    }

    fn at(&self, sequence: u64) -> Cursor {
        Cursor { incarnation: self.incarnation, sequence }
    }

    fn keep(&mut self, change: Arc<Change<K, V>>) {
        self.ids.insert(change.id, lower_half(change.cursor.sequence));
        self.recent.push_back(change);
        if self.len() > self.capacity {
            self.forget_oldest();
        }
        // Last, and nothing is taken out before all is packed: code of a key or a value may panic.
        if self.recent.len() >= self.recent_max {
            let oldest = ..Packed::<K, V>::CHANGES;
            self.packed.push_back(Packed::new(self.recent.range(oldest)));
            self.recent.drain(oldest);
        }
    }

    fn forget_oldest(&mut self) {
        let sequence = self.floor + 1;
        let Some(id) = self.id(sequence) else { return };
        self.ids.remove(id, lower_half(sequence));
        self.floor = sequence;
        if self.packed.is_empty() {
            self.recent.pop_front();
            return;
        }
        self.forgotten += 1;
        if self.forgotten == Packed::<K, V>::CHANGES {
            self.forgotten = 0;
            self.packed.pop_front();
        }
    }
}

/// Where a change is kept.
enum Kept<'a, K, V> {
    Packed(&'a Packed<K, V>, usize),
    Recent(&'a Arc<Change<K, V>>),
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
const fn lower_half(sequence: u64) -> u32 {
    sequence as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// What is done to a log.
    #[derive(Clone, Debug)]
    enum Step {
        Append { note: u8, keys: Vec<(u8, Option<u64>)> },
        Forget(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = (0..4_u8, proptest::option::of(any::<u64>()));
        let keys = proptest::collection::vec(key, 1..4);
        let append = (0..4_u8, keys).prop_map(|(note, keys)| Step::Append { note, keys });
        let step = prop_oneof![50 => append, 1 => (0..300_u64).prop_map(Step::Forget)];
        proptest::collection::vec(step, 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The first ones are packed, and so few are recent that some are packed soon.
        #[test]
        fn a_log_gives_what_was_appended_also_when_it_is_packed(
            steps in steps(),
            capacity in 1..300_usize,
            recent_max in 64..100_usize,
        ) {
            let mut log: Log<String, u64> = Log { recent_max, ..Log::new(capacity) };
            let mut model: Vec<Arc<Change<String, u64>>> = Vec::new();
            let mut forgotten = 0;
            for step in steps {
                match step {
                    Step::Append { note, keys } => {
                        let keys = keys.into_iter().map(|(key, new)| entry(&format!("k{key}"), new));
                        let note = "n".repeat(note.into()).into();
                        model.push(log.append(UpdateId::random(), note, keys.collect()));
                        forgotten = forgotten.max(model.len().saturating_sub(capacity));
                    }
                    Step::Forget(up_to) => {
                        log.forget(up_to);
                        forgotten = forgotten.max(usize::try_from(up_to).unwrap().min(model.len()));
                    }
                }
            }
            let end = Cursor { sequence: model.len() as u64, ..log.end() };
            let oldest = Cursor { sequence: forgotten as u64, ..end };
            prop_assert_eq!((log.end(), log.oldest()), (end, oldest));
            prop_assert!(log.recent.len() <= recent_max);
            prop_assert_eq!(log.ids.len(), model.len() - forgotten);
            let Changes::Page(all) = log.after(oldest, usize::MAX) else { panic!("it is kept") };
            prop_assert_eq!(&all.changes[..], &model[forgotten..]);
            prop_assert_eq!((all.next, all.end), (end, end));
            if let Some(middle) = model[forgotten..].get(all.changes.len() / 2) {
                let Changes::Page(page) = log.after(middle.cursor, 7) else { panic!("it is kept") };
                let after = usize::try_from(middle.cursor.sequence).unwrap();
                let until = model.len().min(after + 7);
                prop_assert_eq!(&page.changes[..], &model[after..until]);
                prop_assert_eq!(page.next.sequence, until as u64);
            }
            for change in &model {
                let sent = change.keys.iter().fold(
                    Update::with_id(change.id, oldest),
                    |sent, one| sent.edit(one.key.clone(), ramus_core::Edit {
                        expected: ramus_core::Expected::Anything,
                        set: one.new,
                    }),
                );
                let is_one_of_each = sent.edits.len() == change.keys.len();
                match log.recall(&sent) {
                    Ok(known) => {
                        let kept = change.cursor.sequence > oldest.sequence;
                        prop_assert_eq!(known, kept.then_some(change.cursor));
                    }
                    Err(error) => {
                        prop_assert!(!is_one_of_each, "{}", error);
                        prop_assert_eq!(error.kind(), ErrorKind::InvalidInput);
                    }
                }
            }
        }
    }

    #[test]
    fn an_id_whose_hash_is_that_of_another_is_not_taken_for_it() {
        let mut log = filled(8, 3);
        let update = set(Update::new(log.end()), "a", 1);
        // As if its hash were that of the second change.
        log.ids.insert(update.id, 2);
        assert_eq!(log.recall(&update).unwrap(), None);
    }

    #[test]
    fn old_changes_take_little_and_share_their_keys() {
        let mut log = Log { recent_max: 64, ..Log::new(1000) };
        for number in 0..64 {
            // Each is made anew, as by callers that get their names as text.
            let key: Arc<str> = Arc::from(format!("k{}", number % 8));
            let key = ramus_core::RefName::branch(&key).unwrap();
            log.append(
                UpdateId::random(),
                Bytes::new(),
                vec![KeyChange { key, old: None, new: Some(1) }],
            );
        }
        assert_eq!((log.packed.len(), log.recent.len()), (1, 0));
        let Changes::Page(page) = log.after(log.oldest(), 64) else { panic!("it is kept") };
        let begins = |index: usize| page.changes[index].keys[0].key.as_str().as_ptr();
        assert_eq!(begins(0), begins(56));
        assert_ne!(begins(0), begins(1));
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
