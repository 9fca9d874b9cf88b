use std::collections::vec_deque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Change, Cursor, Key, KeyChange, UpdateId, Value};

/// Some changes of the log, one after the other, in as little memory as they need: what is in each and has a length
/// of its own lies in one piece for all of them, and places are not kept.
///
/// A change by itself takes some 230 bytes, of which 80 are what it says; here it takes 100.
#[derive(Debug)]
pub(super) struct Packed<K, V> {
    records: Box<[Record]>,
    keys: Box<[KeyChange<K, V>]>,
    notes: Box<[u8]>,
}

#[derive(Debug)]
struct Record {
    id: UpdateId,
    /// Where its keys and its note end; they begin where those of the one before end.
    keys_end: usize,
    note_end: usize,
}

impl<K: Key, V: Value> Packed<K, V> {
    /// So many changes are packed together.
    pub(super) const CHANGES: usize = 64;

    /// Packs these changes, which stay as they are.
    pub(super) fn new(changes: vec_deque::Iter<'_, Arc<Change<K, V>>>) -> Self {
        let mut records = Vec::with_capacity(Self::CHANGES);
        let mut keys: Vec<KeyChange<K, V>> = Vec::with_capacity(Self::CHANGES);
        let mut notes = Vec::new();
        for change in changes {
            for KeyChange { key, old, new } in &change.keys {
                let (old, new) = (old.clone(), new.clone());
                let key = shared(&keys, key).clone();
                keys.push(KeyChange { key, old, new });
            }
            notes.extend_from_slice(&change.note);
            let (keys_end, note_end) = (keys.len(), notes.len());
            records.push(Record { id: change.id, keys_end, note_end });
        }
        Self { records: records.into(), keys: keys.into(), notes: notes.into() }
    }

    /// Returns the id of one of the changes.
    pub(super) fn id(&self, index: usize) -> Option<UpdateId> {
        self.records.get(index).map(|record| record.id)
    }

    /// Returns one of the changes, which has this place in the log.
    pub(super) fn change(&self, index: usize, cursor: Cursor) -> Option<Arc<Change<K, V>>> {
        let record = self.records.get(index)?;
        let before = index.checked_sub(1).map(|before| &self.records[before]);
        let (keys_begin, note_begin) =
            before.map_or((0, 0), |before| (before.keys_end, before.note_end));
        let note: Range<usize> = note_begin..record.note_end;
        let (note, keys) = (&self.notes[note], &self.keys[keys_begin..record.keys_end]);
        // A reader that holds it must not hold the notes of all of them.
        let (note, keys) = (Bytes::copy_from_slice(note), keys.to_vec());
        let previous = cursor.sequence - 1;
        Some(Arc::new(Change { cursor, previous, id: record.id, note, keys }))
    }
}

/// Returns a key that is equal to this one and was kept before, or the key itself: those who write to a few keys make
/// them anew each time, and a copy of one that was kept shares its bytes.
fn shared<'a, K: Key, V>(keys: &'a [KeyChange<K, V>], key: &'a K) -> &'a K {
    /// So many of the keys before are looked at.
    const LOOK: usize = 8;
    keys.iter().rev().take(LOOK).map(|kept| &kept.key).find(|kept| *kept == key).unwrap_or(key)
}
