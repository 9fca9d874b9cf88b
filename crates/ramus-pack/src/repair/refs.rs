//! What the refs name, by what is left of the log.
//!
//! Each ref gets the newest value of which anything sound tells: the file of the refs, and the changes after
//! it. Behind changes that are lost the later ones count all the same, because each of them says what its
//! refs name from then on; and every ref that none of them tells of is *unsure*. (The other way would be to
//! stop where the first change is lost. Then one damaged batch would take back everything that was done
//! after it, and the user would have to find it again.)
//!
//! A ref whose block is lost goes back to the newest value of which a change tells that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ramus_core::{Cursor, Hash, RefName};

use super::report::{RefSetBack, Repaired};
use crate::format::change::RefChange;
use crate::format::files::Table;

/// What is left of the log.
#[derive(Debug)]
pub(super) struct History<H: Hash> {
    /// What the newest sound file of the refs says.
    base: Option<(Table<H>, Cursor)>,
    /// The newest changes, by sequence.
    changes: BTreeMap<u64, Arc<RefChange<H>>>,
    /// Changes may be missing after these.
    holes: Vec<u64>,
    /// Older changes are left out from here on.
    left_out: Option<u64>,
    changes_max: usize,
}

/// What the refs name, and the last change that is known.
#[derive(Debug)]
pub(super) struct Newest<H: Hash> {
    pub(super) table: Table<H>,
    pub(super) sequence: u64,
}

impl<H: Hash> History<H> {
    /// The most changes that are looked at, the newest ones: four times as many as a log keeps.
    const CHANGES_MAX: usize = 1 << 18;

    pub(super) fn new() -> Self {
        let (base, changes, holes) = (None, BTreeMap::new(), Vec::new());
        Self { base, changes, holes, left_out: None, changes_max: Self::CHANGES_MAX }
    }

    pub(super) fn add_refs(&mut self, table: Table<H>, at: Cursor) {
        let newest = self.base.as_ref().map_or(0, |(_, at)| at.sequence);
        if self.base.is_none() || at.sequence > newest {
            self.base = Some((table, at));
        }
    }

    pub(super) fn has_refs(&self) -> bool {
        self.base.is_some()
    }

    /// Returns the place of the last change that is in the file of the refs.
    pub(super) fn base(&self) -> Option<Cursor> {
        self.base.as_ref().map(|(_, at)| *at)
    }

    pub(super) fn add_changes(&mut self, changes: impl IntoIterator<Item = Arc<RefChange<H>>>) {
        for change in changes {
            self.changes.insert(change.cursor.sequence, change);
            if self.changes.len() > self.changes_max
                && let Some((left_out, _)) = self.changes.pop_first()
            {
                self.left_out = self.left_out.max(Some(left_out));
            }
        }
    }

    pub(super) fn add_hole(&mut self, after: u64) {
        self.holes.push(after);
    }

    /// Returns what the refs name, wherever their blocks are, and notes what is not sure.
    pub(super) fn newest(&self, report: &mut Repaired<H>) -> Newest<H> {
        report.changes_left_out = self.left_out.is_some();
        let (mut table, mut sequence) = match &self.base {
            Some((table, at)) => (table.clone(), at.sequence),
            None => (Table::new_sync(), 0),
        };
        let mut unsure: BTreeSet<RefName> = BTreeSet::new();
        for (next, change) in self.changes.range(sequence.saturating_add(1)..) {
            let lost = next - sequence - 1;
            if lost > 0 && self.base.is_none() && sequence == 0 {
                report.refs_forgotten = true;
            } else if lost > 0 {
                report.changes_lost += lost;
                unsure.extend(table.keys().cloned());
            }
            for key in &change.keys {
                unsure.remove(&key.key);
                match key.new {
                    Some(value) => table.insert_mut(key.key.clone(), value),
                    None => drop(table.remove_mut(&key.key)),
                }
            }
            sequence = *next;
        }
        if self.base.is_none() && sequence == 0 {
            report.refs_forgotten = true;
        }
        if self.holes.iter().any(|after| *after >= sequence) {
            report.newest_changes_lost = true;
            unsure.extend(table.keys().cloned());
        }
        unsure.retain(|name| table.contains_key(name));
        report.refs_unsure = unsure.into_iter().collect();
        Newest { table, sequence }
    }

    /// Returns the newest changes without a gap, of this incarnation and after one that the log begins with,
    /// and how many others are known.
    pub(super) fn kept(&self, end: Cursor, after: u64) -> (Vec<Arc<RefChange<H>>>, u64) {
        let newest = self.changes.range(after.saturating_add(1)..).rev();
        let mut kept: Vec<Arc<RefChange<H>>> = Vec::new();
        for (sequence, change) in newest.clone() {
            let follows = *sequence == end.sequence - kept.len() as u64;
            if !follows || change.cursor.incarnation != end.incarnation {
                break;
            }
            kept.push(Arc::clone(change));
        }
        kept.reverse();
        let others = newest.count() - kept.len();
        (kept, others as u64)
    }

    /// Sets back the refs whose blocks are not there.
    pub(super) fn set_back(
        &self,
        table: &mut Table<H>,
        is_there: impl Fn(&H) -> bool,
        report: &mut Repaired<H>,
    ) {
        let broken = table.iter().filter(|(_, value)| !is_there(value));
        let mut broken: BTreeMap<RefName, H> =
            broken.map(|(name, value)| (name.clone(), *value)).collect();
        let mut set_back = Vec::new();
        for change in self.changes.values().rev() {
            if broken.is_empty() {
                break;
            }
            for key in &change.keys {
                let values = [key.new, key.old].into_iter().flatten();
                if let Some(to) = values.filter(|_| broken.contains_key(&key.key)).find(&is_there)
                    && let Some(from) = broken.remove(&key.key)
                {
                    table.insert_mut(key.key.clone(), to);
                    set_back.push(RefSetBack { name: key.key.clone(), from, to: Some(to) });
                }
            }
        }
        for (name, from) in broken {
            table.remove_mut(&name);
            set_back.push(RefSetBack { name, from, to: None });
        }
        set_back.sort_by(|left, right| left.name.cmp(&right.name));
        report.refs_set_back = set_back;
        report.refs = table.size();
    }
}

#[cfg(test)]
mod tests {
    use ramus_core::{Change, Hash as _, Incarnation, KeyChange, Sha1, UpdateId};

    use super::*;

    fn change(sequence: u64, old: Option<Sha1>, new: Sha1) -> Arc<RefChange<Sha1>> {
        let cursor = Cursor { incarnation: Incarnation::from_bytes([0; 16]), sequence };
        let key = RefName::branch("main").expect("a name");
        let (id, note) = (UpdateId::random(), Vec::new().into());
        let keys = vec![KeyChange { key, old, new: Some(new) }];
        Arc::new(Change { cursor, previous: sequence - 1, id, note, keys })
    }

    #[test]
    fn the_refs_of_the_latest_change_count_whatever_their_file_is_called() {
        let (old, new) = (Sha1::of(b"old"), Sha1::of(b"new"));
        let at = |sequence| change(sequence, None, new).cursor;
        let main = RefName::branch("main").expect("a name");
        let refs = |hash| Table::new_sync().insert(main.clone(), hash);
        for order in [[(new, 9), (old, 3)], [(old, 3), (new, 9)]] {
            let mut history = History::new();
            for (hash, sequence) in order {
                history.add_refs(refs(hash), at(sequence));
            }
            let newest = history.newest(&mut Repaired::nothing());
            assert_eq!((newest.table.get(&main), newest.sequence), (Some(&new), 9));
        }
    }

    #[test]
    fn a_ref_goes_back_to_what_a_change_set_also_if_the_one_after_it_is_lost() {
        let [first, second, third] = [b"1", b"2", b"3"].map(|text| Sha1::of(text));
        let mut history = History::new();
        history.add_changes([change(1, None, first), change(3, Some(second), third)]);
        let mut report = Repaired::nothing();
        let Newest { mut table, .. } = history.newest(&mut report);
        history.set_back(&mut table, |hash| *hash == first, &mut report);
        assert_eq!(report.refs_set_back[0].to, Some(first));
    }

    #[test]
    fn of_more_changes_than_are_looked_at_it_is_told() {
        let values = [b"1", b"2", b"3", b"4"].map(|text| Sha1::of(text));
        for (changes_max, to) in [(4, Some(values[0])), (2, Some(values[1])), (1, None)] {
            let mut history = History { changes_max, ..History::new() };
            let mut old = None;
            for (value, sequence) in values.iter().zip(1..) {
                history.add_changes([change(sequence, old, *value)]);
                old = (changes_max > 1).then_some(*value);
            }
            let mut report = Repaired::nothing();
            let Newest { mut table, sequence } = history.newest(&mut report);
            assert_eq!((sequence, report.changes_left_out), (4, changes_max < 4));
            assert_eq!(report.refs_forgotten, changes_max < 4, "nothing tells what was before");
            // All that the first ones tell of is there, and the newest value is not.
            let is_there = |hash: &Sha1| values[..2].contains(hash);
            history.set_back(&mut table, is_there, &mut report);
            let expected = if changes_max == 4 { Some(values[1]) } else { to };
            assert_eq!(report.refs_set_back[0].to, expected, "{changes_max} changes");
            assert_eq!(report.to_string().contains("not looked at"), changes_max < 4);
        }
    }
}
