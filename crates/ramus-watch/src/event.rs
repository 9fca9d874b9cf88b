use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ramus_core::{Change, Cursor, Key, KeyChange, Snapshot, Value};

use crate::Watched;

/// What a watch tells.
#[derive(Debug)]
pub enum Event<K, V> {
    /// Watched keys changed.
    Changed(Changed<K, V>),
    /// The log no longer says what happened since the last event: what was missed was forgotten, or
    /// it happened in another life of the log. This is what the watched keys hold instead, and the
    /// watch goes on after it.
    ///
    /// The snapshot is the receiver's own: it can be read at leisure, also while the watch goes on.
    /// What is not in it is gone.
    Resync(Snapshot<K, V>),
}

/// What became of watched keys: one change of the log, or, in [`Latest`](crate::Mode::Latest) mode,
/// what several of them come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed<K, V>(Sum<K, V>);

#[derive(Clone, Debug, PartialEq)]
enum Sum<K, V> {
    One(Arc<Change<K, V>>),
    Several { cursor: Cursor, keys: Vec<KeyChange<K, V>> },
}

impl<K: Key, V: Value> Event<K, V> {
    /// Returns the place in the log that the event leads to.
    pub fn cursor(&self) -> Cursor {
        match self {
            Self::Changed(changed) => changed.cursor(),
            Self::Resync(snapshot) => snapshot.cursor(),
        }
    }
}

impl<K, V> Changed<K, V> {
    /// Returns the watched keys that changed, in key order; never none.
    pub fn keys(&self) -> &[KeyChange<K, V>] {
        match &self.0 {
            Sum::One(change) => &change.keys,
            Sum::Several { keys, .. } => keys,
        }
    }

    /// Returns the place right after the newest change in this.
    pub fn cursor(&self) -> Cursor {
        match &self.0 {
            Sum::One(change) => change.cursor,
            Sum::Several { cursor, .. } => *cursor,
        }
    }

    /// Returns the change of the log with its id and its note, without the keys that are not
    /// watched; nothing if this is what several changes come to.
    ///
    /// In [`Every`](crate::Mode::Every) mode it is always there.
    pub const fn as_change(&self) -> Option<&Arc<Change<K, V>>> {
        match &self.0 {
            Sum::One(change) => Some(change),
            Sum::Several { .. } => None,
        }
    }

    pub(crate) const fn one(change: Arc<Change<K, V>>) -> Self {
        Self(Sum::One(change))
    }
}

impl<K: Key, V: Value> Changed<K, V> {
    /// Returns what these changes, oldest first, come to for the watched keys; nothing if each key
    /// holds what it held.
    pub(crate) fn sum(changes: &VecDeque<Arc<Change<K, V>>>, watched: &Watched<K>) -> Option<Self> {
        let cursor = changes.back()?.cursor;
        let mut ends: BTreeMap<&K, (Option<&V>, Option<&V>)> = BTreeMap::new();
        for KeyChange { key, old, new } in changes.iter().flat_map(|one| watched.of(&one.keys)) {
            ends.entry(key).or_insert((old.as_ref(), None)).1 = new.as_ref();
        }
        let keys: Vec<_> = ends
            .into_iter()
            .filter(|(_, (old, new))| old != new)
            .map(|(key, (old, new))| KeyChange {
                key: key.clone(),
                old: old.cloned(),
                new: new.cloned(),
            })
            .collect();
        (!keys.is_empty()).then_some(Self(Sum::Several { cursor, keys }))
    }
}
