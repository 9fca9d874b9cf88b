use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::slice;

use ramus_core::Step;

use super::dir::Edit;
use crate::Schema;

/// What became of the steps of a directory, in their order.
///
/// Steps mostly come in their order: then they stand in a row, and one that comes behind all others, or is the
/// last once more, is compared with one step alone. Those before the row lie in a map, and what falls into the
/// midst of the row moves that into the map.
#[derive(Debug)]
pub(crate) struct EditMap<S: Schema> {
    map: BTreeMap<Step, Edit<S>>,
    /// In order, and behind all that the map has.
    row: Vec<(Step, Edit<S>)>,
}

/// Where a step belongs.
enum Place {
    Map,
    /// In the row, at this index; whether it is there.
    Row(usize, bool),
}

impl<S: Schema> EditMap<S> {
    pub(crate) const fn new() -> Self {
        Self { map: BTreeMap::new(), row: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty() && self.row.is_empty()
    }

    pub(crate) fn get(&self, step: &Step) -> Option<&Edit<S>> {
        match self.place(step) {
            Place::Map => self.map.get(step),
            Place::Row(index, is_there) => is_there.then(|| &self.row[index].1),
        }
    }

    pub(crate) fn get_mut(&mut self, step: &Step) -> Option<&mut Edit<S>> {
        match self.place(step) {
            Place::Map => self.map.get_mut(step),
            Place::Row(index, is_there) => is_there.then(|| &mut self.row[index].1),
        }
    }

    /// Says what became of a step; returns what was said before.
    pub(crate) fn insert(&mut self, step: Step, edit: Edit<S>) -> Option<Edit<S>> {
        match self.place(&step) {
            Place::Row(index, true) => Some(std::mem::replace(&mut self.row[index].1, edit)),
            Place::Row(index, false) if index == self.row.len() => {
                self.row.push((step, edit));
                None
            }
            Place::Row(_, false) => {
                self.settle();
                self.map.insert(step, edit)
            }
            Place::Map => self.map.insert(step, edit),
        }
    }

    /// Forgets what became of a step; returns what was said.
    pub(crate) fn remove(&mut self, step: &Step) -> Option<Edit<S>> {
        match self.place(step) {
            Place::Row(index, true) if index + 1 == self.row.len() => {
                self.row.pop().map(|(_, edit)| edit)
            }
            Place::Row(_, false) => None,
            Place::Row(_, true) => {
                self.settle();
                self.map.remove(step)
            }
            Place::Map => self.map.remove(step),
        }
    }

    pub(crate) fn iter(&self) -> Iter<'_, S> {
        Iter { map: self.map.iter(), row: self.row.iter() }
    }

    /// Returns the first of those that lie between bounds.
    pub(crate) fn first_in(
        &self,
        bounds: (Bound<&Step>, Bound<&Step>),
    ) -> Option<(&Step, &Edit<S>)> {
        self.map.range::<Step, _>(bounds).next().or_else(|| self.row_in(bounds).first().map(parts))
    }

    /// Returns the last of those that lie between bounds.
    pub(crate) fn last_in(
        &self,
        bounds: (Bound<&Step>, Bound<&Step>),
    ) -> Option<(&Step, &Edit<S>)> {
        let last = self.row_in(bounds).last().map(parts);
        last.or_else(|| self.map.range::<Step, _>(bounds).next_back())
    }

    fn row_in(&self, (start, end): (Bound<&Step>, Bound<&Step>)) -> &[(Step, Edit<S>)] {
        let count = |is_before: &dyn Fn(&Step) -> bool| {
            self.row.partition_point(|(step, _)| is_before(step))
        };
        let start = match start {
            Bound::Included(start) => count(&|step| step < start),
            Bound::Excluded(start) => count(&|step| step <= start),
            Bound::Unbounded => 0,
        };
        let end = match end {
            Bound::Included(end) => count(&|step| step <= end),
            Bound::Excluded(end) => count(&|step| step < end),
            Bound::Unbounded => self.row.len(),
        };
        self.row.get(start..end).unwrap_or_default()
    }

    /// Looks at the last of all first: steps come in order.
    fn place(&self, step: &Step) -> Place {
        let Some(((last, _), before)) = self.row.split_last() else {
            let is_behind = self.map.last_key_value().is_none_or(|(last, _)| last < step);
            return if is_behind { Place::Row(0, false) } else { Place::Map };
        };
        match last.cmp(step) {
            Ordering::Less => Place::Row(self.row.len(), false),
            Ordering::Equal => Place::Row(before.len(), true),
            Ordering::Greater => match before.binary_search_by(|(one, _)| one.cmp(step)) {
                Ok(index) => Place::Row(index, true),
                Err(0) => Place::Map,
                Err(index) => Place::Row(index, false),
            },
        }
    }

    fn settle(&mut self) {
        self.map.extend(self.row.drain(..));
    }
}

fn parts<S: Schema>((step, edit): &(Step, Edit<S>)) -> (&Step, &Edit<S>) {
    (step, edit)
}

/// Edits, in the order of their steps.
#[derive(Debug)]
pub(crate) struct Iter<'a, S: Schema> {
    map: btree_map::Iter<'a, Step, Edit<S>>,
    row: slice::Iter<'a, (Step, Edit<S>)>,
}

impl<'a, S: Schema> Iterator for Iter<'a, S> {
    type Item = (&'a Step, &'a Edit<S>);

    fn next(&mut self) -> Option<Self::Item> {
        self.map.next().or_else(|| self.row.next().map(parts))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.map.len() + self.row.len();
        (len, Some(len))
    }
}

impl<S: Schema> ExactSizeIterator for Iter<'_, S> {}

impl<'a, S: Schema> IntoIterator for &'a EditMap<S> {
    type Item = (&'a Step, &'a Edit<S>);
    type IntoIter = Iter<'a, S>;

    fn into_iter(self) -> Iter<'a, S> {
        self.iter()
    }
}

// Written out, because a derive would ask the schema to be cloned.

impl<S: Schema> Clone for EditMap<S> {
    fn clone(&self) -> Self {
        Self { map: self.map.clone(), row: self.row.clone() }
    }
}

#[cfg(test)]
mod tests;
