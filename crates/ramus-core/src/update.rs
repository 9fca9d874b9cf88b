use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::step::Excerpt;
use crate::{Change, Cursor, Error, ErrorKind, Key, Limits, Result, Value, id_bytes};

/// What the refs must hold, and what they will hold then: of all the keys together, or of none.
///
/// ```
/// use ramus_core::{AtomicWrite, Outcome, Update};
///
/// # async fn example<S: AtomicWrite<Key = String, Value = u64>>(store: S) -> ramus_core::Result<()> {
/// let transfer = Update::new(store.position().await?)
///     .test_and_set("ada".to_owned(), Some(10), Some(7))
///     .test_and_set("bob".to_owned(), None, Some(3))
///     .with_note("three for Bob");
/// match store.update(transfer).await? {
///     Outcome::Applied(at) => println!("applied at {at}"),
///     Outcome::Refused(refusal) => println!("{:?} holds {:?}", refusal.key, refusal.holds),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Sending it again
///
/// When the answer was lost or was [`Unavailable`](ErrorKind::Unavailable), the update was perhaps
/// applied: send *the same* again, with the same `id`, `seen` and edits. If it had been applied, the
/// answer is its place in the log, and nothing happens a second time. If the store can no longer know,
/// the answer is an error of kind [`Ambiguous`](ErrorKind::Ambiguous). That is final: read what the
/// keys hold before deciding.
///
/// A refusal speaks of this sending. An earlier sending of the same id that is still under way, such
/// as one whose future was dropped, may yet be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Update<K, V> {
    /// What the store knows the update by.
    pub id: UpdateId,
    /// A place in the log that was reached before the update was sent for the first time.
    ///
    /// Take it right before that: the older it is, the sooner the log no longer reaches back to it.
    pub seen: Cursor,
    /// Who did it and why: opaque bytes that are kept in the log, at most [`Limits::NOTE_MAX`].
    pub note: Bytes,
    /// What each key must hold, and what it will hold.
    pub edits: BTreeMap<K, Edit<V>>,
}

/// What one key must hold, and what it will hold then.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit<V> {
    /// What the key must hold for the update to be applied.
    pub expected: Expected<V>,
    /// What the key will hold; nothing removes it.
    pub set: Option<V>,
}

/// What a key must hold for an update to be applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected<V> {
    /// Whatever it holds will do.
    Anything,
    /// It must not be there.
    Nothing,
    /// It must hold this value.
    Exactly(V),
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an update that was refused changed nothing"]
pub enum Outcome<K, V> {
    /// It was applied; this is the place of its record in the log. If it changed nothing, there is
    /// no record, and this is the end of the log as it was judged.
    ///
    /// That end may be the place of somebody else's change. So to tell one's own change from others
    /// compare [`Change::id`], never the cursor.
    Applied(Cursor),
    /// A key did not hold what it must. This sending changed nothing, and the store keeps no trace
    /// of it.
    Refused(Refusal<K, V>),
}

/// Why an update was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal<K, V> {
    /// The first key, in key order, that did not hold what it must.
    pub key: K,
    /// What it holds.
    pub holds: Option<V>,
    /// The end of the log as the update was judged.
    pub at: Cursor,
}

impl<K: Key, V: Value> Update<K, V> {
    /// Returns an update of nothing yet, with a random id.
    ///
    /// `seen` is a place that the store had reached before: from
    /// [`position`](crate::AtomicWrite::position) right before the update is sent, or from a late
    /// answer or event.
    pub fn new(seen: Cursor) -> Self {
        Self::with_id(UpdateId::random(), seen)
    }

    /// Returns an update of nothing yet, with this id, which must not have been used before.
    pub fn with_id(id: UpdateId, seen: Cursor) -> Self {
        Self { id, seen, note: Bytes::new(), edits: BTreeMap::new() }
    }

    /// Says in the log who did it and why.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<Bytes>) -> Self {
        self.note = note.into();
        self
    }

    /// The key will hold `value`, whatever it holds.
    #[must_use]
    pub fn set(self, key: K, value: V) -> Self {
        self.edit(key, Edit { expected: Expected::Anything, set: Some(value) })
    }

    /// The key will be gone, whatever it holds.
    #[must_use]
    pub fn remove(self, key: K) -> Self {
        self.edit(key, Edit { expected: Expected::Anything, set: None })
    }

    /// The key must hold `test` and will hold `set`; nothing stands for absent.
    #[must_use]
    pub fn test_and_set(self, key: K, test: Option<V>, set: Option<V>) -> Self {
        self.edit(key, Edit { expected: test.into(), set })
    }

    /// The key must hold `test`, and is left as it is.
    #[must_use]
    pub fn test(self, key: K, test: Option<V>) -> Self {
        self.test_and_set(key, test.clone(), test)
    }

    /// Adds the edit of one key, in place of an earlier one of the same key.
    #[must_use]
    pub fn edit(mut self, key: K, edit: Edit<V>) -> Self {
        self.edits.insert(key, edit);
        self
    }

    /// Refuses an update that is larger than the store takes.
    ///
    /// # Errors
    ///
    /// [`Limit`](ErrorKind::Limit), saying what is too large and what would be allowed.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        let over = |what: &str, has: usize, max: usize| {
            Error::new(
                ErrorKind::Limit,
                format!("update has {has} {what}; at most {max} are taken"),
            )
        };
        if self.edits.len() > limits.update_keys_max {
            return Err(over("keys", self.edits.len(), limits.update_keys_max));
        }
        if self.note.len() > Limits::NOTE_MAX {
            return Err(over("bytes of note", self.note.len(), Limits::NOTE_MAX));
        }
        Ok(())
    }

    /// Returns the place of `record`, which has the id of this update, as the answer to it.
    ///
    /// For stores that find the id in their log.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if this update cannot have made the record, because
    /// it would not have set a key to what is recorded: its id was used for another update.
    pub fn place_of(&self, record: &Change<K, V>) -> Result<Cursor> {
        let made = |key, new: &Option<V>| self.edits.get(key).is_some_and(|edit| edit.set == *new);
        if record.keys.iter().all(|change| made(&change.key, &change.new)) {
            return Ok(record.cursor);
        }
        let (id, at) = (self.id, record.cursor);
        Err(Error::invalid_input(format!(
            "update id {id} was used for another update, which is at {at}; an update that differs needs an id of its own"
        )))
    }
}

impl<V: PartialEq> Expected<V> {
    /// Returns whether a key that holds this holds what it must.
    pub fn accepts(&self, holds: Option<&V>) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => holds.is_none(),
            Self::Exactly(value) => holds == Some(value),
        }
    }
}

/// Nothing stands for absent.
impl<V> From<Option<V>> for Expected<V> {
    fn from(test: Option<V>) -> Self {
        test.map_or(Self::Nothing, Self::Exactly)
    }
}

impl<K, V> Outcome<K, V> {
    /// Returns whether the update was applied.
    pub const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }

    /// Returns the place in the log that the answer speaks of.
    pub const fn cursor(&self) -> Cursor {
        match self {
            Self::Applied(at) => *at,
            Self::Refused(refusal) => refusal.at,
        }
    }
}

/// What a store knows an update by: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UpdateId(#[serde(with = "crate::id_bytes")] [u8; 16]);

impl UpdateId {
    /// Returns a new one, from the operating system's randomness.
    pub fn random() -> Self {
        Self(crate::random::bits128())
    }

    /// Returns the id that has these bytes. Two updates must never share one.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&id_bytes::to_hex(&self.0))
    }
}

impl fmt::Debug for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UpdateId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        id_bytes::from_hex(text).map(Self).ok_or_else(|| {
            let text = Excerpt(text.as_bytes());
            Error::invalid_input(format!("`{text}` is no update id: 32 hex digits are"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_update_id_is_refused() {
        let error = "x".repeat(10_000).parse::<UpdateId>().unwrap_err().to_string();
        assert!(error.ends_with("is no update id: 32 hex digits are"), "{error}");
        assert!(error.len() < 200, "{error}");
        let id = UpdateId::random();
        assert_eq!(id.to_string().parse::<UpdateId>().unwrap(), id);
    }
}
