use std::any::type_name;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::one_for_each::one_for_each;
use crate::{
    AtomicWrite, Change, Changes, ContentAddressable, Cursor, Edit, Error, Expected, KeyChange,
    Limits, Notice, Outcome, Page, ReadOnly, Refusal, Result, Snapshot, Subscription, Update,
    Value,
};

/// Values of any serde type, in a store of bytes.
///
/// The encoding is [postcard](https://postcard.jamesmunns.com)'s. Over blocks, the key of a value is
/// the hash of its encoding.
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::wrap::Typed;
/// use ramus_core::{AtomicWrite, AtomicWriteExt as _};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Account {
///     owner: String,
///     balance: i64,
/// }
///
/// async fn open_account<S>(store: S) -> ramus_core::Result<()>
/// where
///     S: AtomicWrite<Key = String, Value = Bytes>,
/// {
///     let accounts = Typed::<_, Account>::new(store);
///     accounts.set("ada".into(), Account { owner: "Ada".into(), balance: 0 }).await
/// }
/// ```
///
/// # What is promised
///
/// - A value comes back as it was stored, or the answer is [`Corrupt`](crate::ErrorKind::Corrupt):
///   for bytes that do not decode, for bytes that are left over, and for bytes that are not what the
///   value is encoded as (the same number can be written in more bytes than it needs). So one value
///   has one encoding, and one hash.
/// - An encoded value that does not decode becomes [`Lagged`](Notice::Lagged) in a subscription;
///   reading the log then gives the error.
///
/// # What is not promised
///
/// - **A type has to encode equal values equally.** `HashMap` and `HashSet` do not: they are written
///   in the order of the moment, so that equal values get different keys, and a value that is
///   encoded in another order when it is read is `Corrupt`. Take `BTreeMap` and `BTreeSet`.
/// - What an update expects is compared as encoded bytes, not by `PartialEq`: 0.0 is not -0.0, and a
///   NaN is itself.
/// - Postcard does not describe itself: after a change of the type, old bytes may decode as
///   something else. Put a version into the type.
///
/// # Errors
///
/// Those of the store below, `Corrupt` as above, and
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a value that serde or postcard refuses to
/// encode. The messages name the key and the type.
pub struct Typed<S, T> {
    store: S,
    value: PhantomData<fn() -> T>,
}

impl<S, T> Typed<S, T>
where
    S: ReadOnly<Value = Bytes>,
    T: Value + Serialize + DeserializeOwned,
{
    /// Returns `store` as a store of `T`.
    pub const fn new(store: S) -> Self {
        Self { store, value: PhantomData }
    }
}

impl<S: Clone, T> Clone for Typed<S, T> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), value: PhantomData }
    }
}

impl<S: Debug, T> Debug for Typed<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, value: _ } = self;
        f.debug_struct("Typed").field("store", store).field("value", &type_name::<T>()).finish()
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S, T> ReadOnly for Typed<S, T>
where
    S: ReadOnly<Value = Bytes>,
    T: Value + Serialize + DeserializeOwned,
{
    type Key = S::Key;
    type Value = T;

    async fn find(&self, key: &S::Key) -> Result<Option<T>> {
        decode_some(key, self.store.find(key).await?.as_ref())
    }

    fn find_now(&self, key: &S::Key) -> Option<Result<Option<T>>> {
        let found = self.store.find_now(key)?;
        Some(found.and_then(|found| decode_some(key, found.as_ref())))
    }

    async fn mem(&self, key: &S::Key) -> Result<bool> {
        self.store.mem(key).await
    }

    async fn find_many(&self, keys: &[S::Key]) -> Result<Vec<Option<T>>> {
        let found = one_for_each(keys, self.store.find_many(keys).await?)?;
        keys.iter().zip(&found).map(|(key, found)| decode_some(key, found.as_ref())).collect()
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S, T> ContentAddressable for Typed<S, T>
where
    S: ContentAddressable<Value = Bytes>,
    T: Value + Serialize + DeserializeOwned,
{
    fn name(&self, value: &T) -> Result<S::Key> {
        self.store.name(&encode(None::<&S::Key>, value)?)
    }

    async fn add(&self, value: T) -> Result<S::Key> {
        self.store.add(encode(None::<&S::Key>, &value)?).await
    }

    async fn unsafe_add(&self, key: S::Key, value: T) -> Result<()> {
        let block = encode(Some(&key), &value)?;
        self.store.unsafe_add(key, block).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(S::Key, T)>) -> Result<()> {
        let encoded = blocks.into_iter().map(|(key, value)| Ok((key, encode(Some(&key), &value)?)));
        let blocks = encoded.collect::<Result<_>>()?;
        self.store.unsafe_add_many(blocks).await
    }

    async fn flush(&self) -> Result<()> {
        self.store.flush().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S, T> AtomicWrite for Typed<S, T>
where
    S: AtomicWrite<Value = Bytes>,
    T: Value + Serialize + DeserializeOwned,
{
    async fn update(&self, update: Update<S::Key, T>) -> Result<Outcome<S::Key, T>> {
        match self.store.update(encode_update(update)?).await? {
            Outcome::Applied(at) => Ok(Outcome::Applied(at)),
            Outcome::Refused(Refusal { key, holds, at }) => {
                let holds = decode_some(&key, holds.as_ref())?;
                Ok(Outcome::Refused(Refusal { key, holds, at }))
            }
        }
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<S::Key, T>> {
        let snapshot = self.store.snapshot(prefix).await?;
        let cursor = snapshot.cursor();
        let pages = snapshot.into_pages().map(|page| decode_entries(page?));
        Ok(Snapshot::new(cursor, pages.boxed()))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<S::Key, T>> {
        match self.store.changes(after, limit).await? {
            Changes::Page(Page { changes, next, end }) => {
                let changes = changes.iter().map(|change| decode_change(change).map(Arc::new));
                let changes = changes.collect::<Result<_>>()?;
                Ok(Changes::Page(Page { changes, next, end }))
            }
            Changes::Truncated { oldest } => Ok(Changes::Truncated { oldest }),
        }
    }

    async fn position(&self) -> Result<Cursor> {
        self.store.position().await
    }

    fn subscribe(&self) -> Subscription<S::Key, T> {
        Subscription::of_stream(self.store.subscribe().map(|notice| match notice {
            Notice::Change(change) => match decode_change(&change) {
                Ok(change) => Notice::Change(Arc::new(change)),
                // A notice cannot fail; whoever reads the log is told what is wrong.
                Err(_) => Notice::Lagged,
            },
            Notice::Lagged => Notice::Lagged,
        }))
    }
}

fn encode_update<K: Ord + Debug, T: Serialize>(update: Update<K, T>) -> Result<Update<K, Bytes>> {
    let Update { id, seen, note, edits } = update;
    let edits = edits.into_iter().map(|(key, Edit { expected, set })| {
        let expected = match expected {
            Expected::Anything => Expected::Anything,
            Expected::Nothing => Expected::Nothing,
            Expected::Exactly(value) => Expected::Exactly(encode(Some(&key), &value)?),
        };
        let set = set.map(|value| encode(Some(&key), &value)).transpose()?;
        Ok((key, Edit { expected, set }))
    });
    Ok(Update { id, seen, note, edits: edits.collect::<Result<_>>()? })
}

fn decode_change<K, T>(change: &Change<K, Bytes>) -> Result<Change<K, T>>
where
    K: Clone + Debug,
    T: Serialize + DeserializeOwned,
{
    let Change { cursor, previous, id, note, keys } = change;
    let keys = keys.iter().map(|KeyChange { key, old, new }| {
        let (old, new) = (decode_some(key, old.as_ref())?, decode_some(key, new.as_ref())?);
        Ok(KeyChange { key: key.clone(), old, new })
    });
    let (keys, note) = (keys.collect::<Result<_>>()?, note.clone());
    Ok(Change { cursor: *cursor, previous: *previous, id: *id, note, keys })
}

fn decode_entries<K, T>(entries: Vec<(K, Bytes)>) -> Result<Vec<(K, T)>>
where
    K: Debug,
    T: Serialize + DeserializeOwned,
{
    let decoded = entries.into_iter().map(|(key, bytes)| {
        let value = decode(&key, &bytes)?;
        Ok((key, value))
    });
    decoded.collect()
}

fn decode_some<K, T>(key: &K, bytes: Option<&Bytes>) -> Result<Option<T>>
where
    K: Debug,
    T: Serialize + DeserializeOwned,
{
    bytes.map(|bytes| decode(key, bytes)).transpose()
}

fn decode<K: Debug, T: Serialize + DeserializeOwned>(key: &K, bytes: &[u8]) -> Result<T> {
    let name = type_name::<T>();
    let undecodable = |cause| {
        let message = format!("value of key {key:?} does not decode as {name}");
        Error::corrupt(message).with_source(cause)
    };
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(undecodable)?;
    if !rest.is_empty() {
        let (used, rest) = (bytes.len() - rest.len(), rest.len());
        return Err(Error::corrupt(format!(
            "value of key {key:?} is {name} in {used} bytes, and {rest} more are left over"
        )));
    }
    if postcard::to_allocvec(&value).map_err(undecodable)? != bytes {
        return Err(Error::corrupt(format!(
            "value of key {key:?} decodes as {name}, but is not what that is encoded as"
        )));
    }
    Ok(value)
}

fn encode<K: Debug, T: Serialize>(key: Option<&K>, value: &T) -> Result<Bytes> {
    postcard::to_allocvec(value).map(Bytes::from).map_err(|cause| {
        let of_key = key.map(|key| format!(" of key {key:?}")).unwrap_or_default();
        let message = format!("cannot encode the value{of_key} as {}", type_name::<T>());
        Error::invalid_input(message).with_source(cause)
    })
}
