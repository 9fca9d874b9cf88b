//! What really happened in a store, and whether a watch told exactly that.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ramus_core::{Change, Cursor, KeyChange, UpdateId};
use ramus_watch::{Changed, Mode, Watched};

pub(crate) type Entries = BTreeMap<String, u64>;

/// What a watch told.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Changed { cursor: Cursor, id: Option<UpdateId>, keys: Vec<KeyChange<String, u64>> },
    Resync { cursor: Cursor, entries: Entries },
}

/// Everything that became of a store, in order, over all its incarnations.
#[derive(Debug, Default)]
pub(crate) struct History {
    records: Vec<Record>,
    /// How many records lie before a cursor.
    places: HashMap<Cursor, usize>,
}

#[derive(Clone, Debug)]
enum Record {
    Changed(Arc<Change<String, u64>>),
    /// A new incarnation began, with these entries.
    Began(Entries),
}

/// A place in a history, and what the store held there.
struct Replay<'a> {
    history: &'a History,
    place: usize,
    entries: Entries,
    watched: &'a Watched<String>,
}

impl Seen {
    pub(crate) fn changed(changed: &Changed<String, u64>) -> Self {
        let id = changed.as_change().map(|change| change.id);
        Self::Changed { cursor: changed.cursor(), id, keys: changed.keys().to_vec() }
    }

    pub(crate) fn resync(cursor: Cursor, entries: Vec<(String, u64)>) -> Self {
        assert!(entries.is_sorted_by(|left, right| left.0 < right.0), "a snapshot out of order");
        Self::Resync { cursor, entries: entries.into_iter().collect() }
    }
}

impl History {
    pub(crate) fn change(&mut self, change: Arc<Change<String, u64>>) {
        let cursor = change.cursor;
        self.push(Record::Changed(change), cursor);
    }

    pub(crate) fn begin(&mut self, cursor: Cursor, entries: Entries) {
        self.push(Record::Began(entries), cursor);
    }

    /// Returns the first `count` records.
    pub(crate) fn up_to(mut self, count: usize) -> Self {
        self.records.truncate(count);
        self
    }

    /// Checks that a watch that started after `start` and was read to the end told what happened:
    /// nothing lost, nothing twice, nothing out of order.
    pub(crate) fn check(
        &self,
        start: Cursor,
        seen: &[Seen],
        watched: &Watched<String>,
        mode: Mode,
    ) {
        let mut replay = Replay { history: self, place: 0, entries: Entries::new(), watched };
        replay.go_to(self.place(start));
        for seen in seen {
            match seen {
                Seen::Resync { cursor, entries } => replay.check_resync(*cursor, entries),
                Seen::Changed { cursor, id, keys } => match mode {
                    Mode::Every => replay.check_change(*cursor, *id, keys),
                    Mode::Latest => replay.check_sum(*cursor, keys),
                },
            }
        }
        replay.check_end(mode);
    }

    fn push(&mut self, record: Record, cursor: Cursor) {
        self.records.push(record);
        assert_eq!(self.places.insert(cursor, self.records.len()), None, "{cursor} twice");
    }

    fn place(&self, cursor: Cursor) -> usize {
        *self.places.get(&cursor).unwrap_or_else(|| panic!("{cursor} is no place of the log"))
    }
}

impl Replay<'_> {
    fn check_resync(&mut self, cursor: Cursor, entries: &Entries) {
        let place = self.history.place(cursor);
        assert!(self.place < place, "a snapshot at {cursor}, which is not ahead");
        self.go_to(place);
        let mut expected = self.entries.clone();
        expected.retain(|key, _| self.watches(key));
        assert_eq!(*entries, expected, "the snapshot at {cursor}");
    }

    fn check_change(
        &mut self,
        cursor: Cursor,
        id: Option<UpdateId>,
        keys: &[KeyChange<String, u64>],
    ) {
        loop {
            let Some(Record::Changed(change)) = self.step() else {
                panic!("no change leads to {cursor} in this life of the log");
            };
            let expected: Vec<_> =
                change.keys.iter().filter(|key| self.watches(&key.key)).cloned().collect();
            if !expected.is_empty() {
                assert_eq!((cursor, id), (change.cursor, Some(change.id)), "a change out of turn");
                assert_eq!(keys, expected, "the change at {cursor}");
                return;
            }
        }
    }

    fn check_sum(&mut self, cursor: Cursor, keys: &[KeyChange<String, u64>]) {
        let place = self.history.place(cursor);
        assert!(self.place < place, "a change to {cursor}, which is not ahead");
        assert!(!keys.is_empty(), "an event of nothing at {cursor}");
        assert_eq!(keys, self.sum_to(place), "the changes up to {cursor}");
    }

    fn check_end(&mut self, mode: Mode) {
        let place = self.place;
        while self.place < self.history.records.len() && mode == Mode::Every {
            let record = self.step().expect("a record before the end");
            let Record::Changed(change) = record else { panic!("a new life was not told of") };
            let lost = change.keys.iter().find(|key| self.watches(&key.key));
            assert_eq!(lost, None, "lost at the end, after place {place}");
        }
        assert_eq!(self.sum_to(self.history.records.len()), [], "lost at the end after {place}");
    }

    /// Goes to `place`, which is in the same life of the log, and returns what changed.
    fn sum_to(&mut self, place: usize) -> Vec<KeyChange<String, u64>> {
        let before = self.entries.clone();
        let mut touched = std::collections::BTreeSet::new();
        while self.place < place {
            let Some(Record::Changed(change)) = self.step() else {
                panic!("a sum of changes over two lives of the log");
            };
            touched.extend(change.keys.iter().map(|key| key.key.clone()));
        }
        let now = |entries: &Entries, key: &String| entries.get(key).copied();
        touched
            .into_iter()
            .filter(|key| self.watches(key))
            .map(|key| KeyChange { old: now(&before, &key), new: now(&self.entries, &key), key })
            .filter(|key| key.old != key.new)
            .collect()
    }

    fn go_to(&mut self, place: usize) {
        while self.place < place {
            self.step();
        }
    }

    fn step(&mut self) -> Option<Record> {
        let record = self.history.records.get(self.place)?.clone();
        self.place += 1;
        match &record {
            Record::Began(entries) => self.entries = entries.clone(),
            Record::Changed(change) => {
                for KeyChange { key, new, .. } in &change.keys {
                    match new {
                        Some(value) => self.entries.insert(key.clone(), *value),
                        None => self.entries.remove(key),
                    };
                }
            }
        }
        Some(record)
    }

    fn watches(&self, key: &str) -> bool {
        match self.watched {
            Watched::All => true,
            Watched::Prefix(prefix) => key.as_bytes().starts_with(prefix),
            Watched::Key(watched) => key == watched,
        }
    }
}
