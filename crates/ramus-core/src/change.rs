use bytes::Bytes;

use crate::{Cursor, UpdateId};

/// One applied update: a record of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K, V> {
    /// The place right after this change: its incarnation and its sequence.
    pub cursor: Cursor,
    /// A sequence such that nothing of this view of the log lies between it and this change, such as
    /// that of the change before; 0 if there is none.
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
    /// Returns whether this change is the next one after `cursor`: nothing lies between them, and the
    /// change itself lies after.
    pub fn follows(&self, cursor: Cursor) -> bool {
        self.cursor.incarnation == cursor.incarnation
            && (self.previous..self.cursor.sequence).contains(&cursor.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;

    #[test]
    fn a_change_follows_every_cursor_from_its_previous_up_to_itself() {
        let incarnation = Incarnation::from_bytes([1; 16]);
        let at = |sequence| Cursor { incarnation, sequence };
        let (id, note, keys) = (UpdateId::random(), Bytes::new(), Vec::new());
        let change: Change<String, u64> = Change { cursor: at(7), previous: 4, id, note, keys };
        let followed: Vec<u64> = (0..10).filter(|place| change.follows(at(*place))).collect();
        assert_eq!(followed, [4, 5, 6]);
        let other = Incarnation::from_bytes([2; 16]);
        assert!(!change.follows(Cursor { incarnation: other, sequence: 4 }));
    }
}
