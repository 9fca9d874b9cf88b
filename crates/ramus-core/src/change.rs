use bytes::Bytes;

use crate::{Cursor, UpdateId};

/// One applied update: a record of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K, V> {
    /// The place right after this change: its incarnation and its sequence.
    pub cursor: Cursor,
    /// The sequence of the change before it in this view of the log; 0 if it is the first.
    pub previous: u64,
    /// The id of the update.
    pub id: UpdateId,
    /// Who did it and why, as the update said.
    pub note: Bytes,
    /// The keys whose value changed, in key order; never none in a whole log.
    pub keys: Vec<KeyChange<K, V>>,
}

/// What happened to one key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange<K, V> {
    /// The key.
    pub key: K,
    /// What it held before; nothing if it was not there.
    pub old: Option<V>,
    /// What it holds now; nothing if it was removed.
    pub new: Option<V>,
}

impl<K, V> Change<K, V> {
    /// Returns whether this change is the successor of `cursor`: nothing lies between them.
    pub fn follows(&self, cursor: Cursor) -> bool {
        self.cursor.incarnation == cursor.incarnation && self.previous == cursor.sequence
    }
}
