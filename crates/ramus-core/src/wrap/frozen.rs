use std::fmt::Display;

use crate::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Error, ErrorKind, Hash as _, Limits, Outcome,
    ReadOnly, Result, Snapshot, Subscription, Update,
};

/// A store that can be read and not written.
///
/// [`FrozenStorage`](super::FrozenStorage) does the same to a whole storage.
///
/// ```
/// use ramus_core::wrap::Frozen;
/// use ramus_core::{AtomicWrite, AtomicWriteExt as _, ErrorKind};
///
/// async fn example<S: AtomicWrite<Key = String, Value = u64>>(store: S) {
///     let frozen = Frozen::new(store);
///     let error = frozen.set("ada".to_owned(), 7).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::Permission);
///     assert_eq!(error.to_string(), "cannot update [\"ada\"]: the store is open for reading only");
/// }
/// ```
///
/// # What is promised
///
/// - Reads are those of the store below, and see what others write there. `flush` is passed on.
/// - Whatever would write answers [`Permission`](ErrorKind::Permission) and says what was attempted;
///   so does an update that would only test, or change nothing. Of a closed store the answer is
///   [`Closed`](ErrorKind::Closed).
#[derive(Clone, Debug)]
pub struct Frozen<S>(S);

impl<S: ReadOnly> Frozen<S> {
    /// Returns `store` for reading only.
    pub const fn new(store: S) -> Self {
        Self(store)
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: ReadOnly> ReadOnly for Frozen<S> {
    type Key = S::Key;
    type Value = S::Value;

    async fn find(&self, key: &S::Key) -> Result<Option<S::Value>> {
        self.0.find(key).await
    }

    fn find_now(&self, key: &S::Key) -> Option<Result<Option<S::Value>>> {
        self.0.find_now(key)
    }

    async fn mem(&self, key: &S::Key) -> Result<bool> {
        self.0.mem(key).await
    }

    async fn find_many(&self, keys: &[S::Key]) -> Result<Vec<Option<S::Value>>> {
        self.0.find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable> ContentAddressable for Frozen<B> {
    fn name(&self, value: &B::Value) -> Result<B::Key> {
        self.0.name(value)
    }

    async fn add(&self, _value: B::Value) -> Result<B::Key> {
        self.ensure_open().await?;
        Err(refused("add a block"))
    }

    async fn unsafe_add(&self, key: B::Key, _value: B::Value) -> Result<()> {
        self.ensure_open().await?;
        Err(refused(format_args!("add block {key}")))
    }

    async fn unsafe_add_many(&self, blocks: Vec<(B::Key, B::Value)>) -> Result<()> {
        self.ensure_open().await?;
        Err(refused(format_args!("add {} blocks", blocks.len())))
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }
}

impl<B: ContentAddressable> Frozen<B> {
    /// Asks the store below for any block at all: for the error that it gives once it is closed.
    async fn ensure_open(&self) -> Result<()> {
        self.0.mem(&B::Key::of(b"")).await.map(drop)
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite> AtomicWrite for Frozen<R> {
    async fn update(&self, update: Update<R::Key, R::Value>) -> Result<Outcome<R::Key, R::Value>> {
        // For the error that the store below gives once it is closed.
        self.0.position().await?;
        Err(refused_update(&update))
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<R::Key, R::Value>> {
        self.0.snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<R::Key, R::Value>> {
        self.0.changes(after, limit).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.0.position().await
    }

    fn subscribe(&self) -> Subscription<R::Key, R::Value> {
        self.0.subscribe()
    }
}

/// Returns the answer to an update of a store that is frozen; names some of its keys.
pub(super) fn refused_update<K: std::fmt::Debug, V>(update: &Update<K, V>) -> Error {
    const NAMED: usize = 3;
    let named: Vec<_> = update.edits.keys().take(NAMED).collect();
    match update.edits.len() - named.len() {
        0 => refused(format_args!("update {named:?}")),
        others => refused(format_args!("update {named:?} and {others} more")),
    }
}

pub(super) fn refused(attempt: impl Display) -> Error {
    let message = format!("cannot {attempt}: the store is open for reading only");
    Error::new(ErrorKind::Permission, message)
}
