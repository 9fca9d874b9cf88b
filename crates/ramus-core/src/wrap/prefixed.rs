use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;

use super::PrefixKey;
use crate::{
    AtomicWrite, Change, Changes, Cursor, Error, Key as _, KeyChange, Limits, Notice, Outcome,
    Page, ReadOnly, Refusal, Result, Snapshot, Subscription, Update, UpdateId,
};

/// The refs whose keys stand below a prefix, seen without it.
///
/// Several views of one store do not disturb one another: each of them has the names of its own.
/// [`PrefixedStorage`](super::PrefixedStorage) is such a view of a whole storage.
///
/// ```
/// use ramus_core::wrap::Prefixed;
/// use ramus_core::{AtomicWrite, AtomicWriteExt as _, Hash, RefName};
///
/// async fn example<H: Hash>(
///     refs: impl AtomicWrite<Key = RefName, Value = H>,
///     commit: H,
/// ) -> ramus_core::Result<()> {
///     let tenant = Prefixed::new(refs.clone(), "tenant-7/")?;
///     tenant.set(RefName::branch("main")?, commit).await?;
///     assert_eq!(refs.find(&RefName::branch("tenant-7/main")?).await?, Some(commit));
///     Ok(())
/// }
/// ```
///
/// # What is promised
///
/// - The view is an atomic-write store of the keys below the prefix, in the same order. Keys outside
///   it can be neither read nor changed, and nothing of them is told: of an update that changed keys
///   inside and outside, the part inside is seen, with the note.
/// - Positions are those of the store below: a cursor of the view is a cursor of that store, and the
///   log of the view can be truncated by what others write.
///
/// # Changes that lie outside
///
/// A position of the view may be that of a change that the view does not show, so a reader must not
/// wait for a change whose `previous` is a change that it was shown. Therefore:
///
/// - A **page** leaves out what lies outside, so it may be empty and not the last; `next` is behind
///   all that was looked at. `previous` links the page without a gap: in the first change it is where
///   the reading began, in every other it is the change before it in the page.
/// - A **subscription** passes on every notice. Of a change that lies outside only the place is told:
///   its cursor and `previous`, no keys, an empty note, an id of zeros. A reader that takes its place
///   from there never falls behind because of what others do, and recognises the next change of its
///   own as the successor of where it is.
/// - So `previous` says that nothing of this view lies between it and the change. The same change may
///   be read with one `previous` from a page and with another from a subscription; both are true.
///
/// # Errors
///
/// Those of the store below, and [`InvalidInput`](crate::ErrorKind::InvalidInput) for a key that is
/// too long for a store of such keys once the prefix is before it.
///
/// # What it costs
///
/// A snapshot of keys whose head is left open, as of all [`RefName`](crate::RefName)s in every
/// namespace, reads through the whole store below; `branch/` reads the branches of the view.
#[derive(Clone, Debug)]
pub struct Prefixed<R> {
    refs: R,
    /// `PrefixKey::check_prefix` of the key has taken it.
    prefix: Arc<str>,
}

impl<R: AtomicWrite<Key: PrefixKey>> Prefixed<R> {
    /// Returns the part of `refs` below `prefix`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the keys cannot have the prefix, or if it
    /// is empty; for a [`RefName`](crate::RefName) it has to end in `/`.
    pub fn new(refs: R, prefix: &str) -> Result<Self> {
        R::Key::check_prefix(prefix)?;
        Ok(Self { refs, prefix: prefix.into() })
    }

    /// Returns what the key of the view is in the store below.
    pub(super) fn below(&self, key: &R::Key) -> Result<R::Key> {
        let bytes = self.bytes_below(&key.to_bytes());
        R::Key::from_bytes(&bytes).map_err(|cause| {
            let prefix = self.prefix.escape_debug();
            let message = format!("key {key:?} cannot stand below the prefix `{prefix}`");
            Error::invalid_input(message).with_source(cause)
        })
    }

    /// Returns what a key of the store below is in the view; nothing if it lies outside.
    fn above(&self, key: &R::Key) -> Option<R::Key> {
        let bytes = key.to_bytes();
        let (head, rest) = bytes.split_at_checked(R::Key::head_length(&bytes)?)?;
        let rest = rest.strip_prefix(self.prefix.as_bytes())?;
        R::Key::from_bytes(&[head, rest].concat()).ok()
    }

    /// Puts the prefix after the head; bytes that end before that stay as they are.
    fn bytes_below(&self, bytes: &[u8]) -> Vec<u8> {
        match R::Key::head_length(bytes).and_then(|length| bytes.split_at_checked(length)) {
            Some((head, rest)) => [head, self.prefix.as_bytes(), rest].concat(),
            None => bytes.to_vec(),
        }
    }

    /// Returns what an update of the view is in the store below.
    pub(super) fn update_below(
        &self,
        update: Update<R::Key, R::Value>,
    ) -> Result<Update<R::Key, R::Value>> {
        let Update { id, seen, note, edits } = update;
        let edits = edits.into_iter().map(|(key, edit)| Ok((self.below(&key)?, edit)));
        Ok(Update { id, seen, note, edits: edits.collect::<Result<_>>()? })
    }

    /// Returns what an answer of the store below is in the view.
    pub(super) fn outcome_above(
        &self,
        outcome: Outcome<R::Key, R::Value>,
    ) -> Result<Outcome<R::Key, R::Value>> {
        match outcome {
            Outcome::Applied(at) => Ok(Outcome::Applied(at)),
            Outcome::Refused(Refusal { key, holds, at }) => match self.above(&key) {
                Some(key) => Ok(Outcome::Refused(Refusal { key, holds, at })),
                None => Err(Error::corrupt(format!(
                    "the store refused an update because of key {key:?}, which is not in it"
                ))),
            },
        }
    }

    /// Returns those of the changed keys that the view shows.
    fn keys_above(&self, keys: &[KeyChange<R::Key, R::Value>]) -> Vec<KeyChange<R::Key, R::Value>> {
        let shown = keys.iter().filter_map(|KeyChange { key, old, new }| {
            Some(KeyChange { key: self.above(key)?, old: old.clone(), new: new.clone() })
        });
        shown.collect()
    }

    /// Returns the changes that the view shows, linked without a gap from `after`.
    fn changes_above(
        &self,
        after: Cursor,
        changes: &[Arc<Change<R::Key, R::Value>>],
    ) -> Vec<Arc<Change<R::Key, R::Value>>> {
        let mut previous = after.sequence;
        let shown = changes.iter().filter_map(|change| {
            let keys = self.keys_above(&change.keys);
            if keys.is_empty() {
                return None;
            }
            let Change { cursor, id, note, .. } = &**change;
            let shown = Change { cursor: *cursor, previous, id: *id, note: note.clone(), keys };
            previous = cursor.sequence;
            Some(Arc::new(shown))
        });
        shown.collect()
    }

    /// Returns what is told of a change to those who subscribed to the view.
    fn notice_above(&self, change: &Change<R::Key, R::Value>) -> Change<R::Key, R::Value> {
        let Change { cursor, previous, id, note, keys } = change;
        let keys = self.keys_above(keys);
        let (id, note) = if keys.is_empty() {
            (UpdateId::from_bytes([0; 16]), Bytes::new())
        } else {
            (*id, note.clone())
        };
        Change { cursor: *cursor, previous: *previous, id, note, keys }
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite<Key: PrefixKey>> ReadOnly for Prefixed<R> {
    type Key = R::Key;
    type Value = R::Value;

    async fn find(&self, key: &R::Key) -> Result<Option<R::Value>> {
        self.refs.find(&self.below(key)?).await
    }

    fn find_now(&self, key: &R::Key) -> Option<Result<Option<R::Value>>> {
        match self.below(key) {
            Ok(below) => self.refs.find_now(&below),
            Err(fault) => Some(Err(fault)),
        }
    }

    async fn mem(&self, key: &R::Key) -> Result<bool> {
        self.refs.mem(&self.below(key)?).await
    }

    async fn find_many(&self, keys: &[R::Key]) -> Result<Vec<Option<R::Value>>> {
        let below: Vec<_> = keys.iter().map(|key| self.below(key)).collect::<Result<_>>()?;
        self.refs.find_many(&below).await
    }

    fn limits(&self) -> Limits {
        self.refs.limits()
    }

    async fn close(&self) -> Result<()> {
        self.refs.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite<Key: PrefixKey>> AtomicWrite for Prefixed<R> {
    async fn update(&self, update: Update<R::Key, R::Value>) -> Result<Outcome<R::Key, R::Value>> {
        let outcome = self.refs.update(self.update_below(update)?).await?;
        self.outcome_above(outcome)
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<R::Key, R::Value>> {
        let snapshot = self.refs.snapshot(&self.bytes_below(prefix)).await?;
        let (cursor, view) = (snapshot.cursor(), self.clone());
        let pages = snapshot.into_pages().map(move |page| {
            let shown = |(key, value)| Some((view.above(&key)?, value));
            Ok(page?.into_iter().filter_map(shown).collect())
        });
        Ok(Snapshot::new(cursor, pages.boxed()))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<R::Key, R::Value>> {
        match self.refs.changes(after, limit).await? {
            Changes::Page(Page { changes, next, end }) => {
                let changes = self.changes_above(after, &changes);
                Ok(Changes::Page(Page { changes, next, end }))
            }
            Changes::Truncated { oldest } => Ok(Changes::Truncated { oldest }),
        }
    }

    async fn position(&self) -> Result<Cursor> {
        self.refs.position().await
    }

    fn subscribe(&self) -> Subscription<R::Key, R::Value> {
        let view = self.clone();
        Subscription::of_stream(self.refs.subscribe().map(move |notice| match notice {
            Notice::Change(change) => Notice::Change(Arc::new(view.notice_above(&change))),
            Notice::Lagged => Notice::Lagged,
        }))
    }
}
