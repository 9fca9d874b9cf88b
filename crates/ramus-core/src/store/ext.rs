use crate::{AtomicWrite, ContentAddressable, Error, Outcome, Result, Update};

/// What every atomic-write store can do besides: one key at a time, and lists.
///
/// Each call is one [`update`](AtomicWrite::update) with an id of its own, sent once. Calling again
/// makes a new id, so it is a new update, also after an answer that was lost. Whoever wants to send
/// the same one again makes the [`Update`] and keeps it.
pub trait AtomicWriteExt: AtomicWrite {
    /// Sets `key` to `value`, whatever it holds.
    fn set(&self, key: Self::Key, value: Self::Value) -> impl Future<Output = Result<()>> + Send {
        async { settled(&self.update(Update::new(self.position().await?).set(key, value)).await?) }
    }

    /// Removes `key`, whatever it holds; that it is not there is fine.
    fn remove(&self, key: Self::Key) -> impl Future<Output = Result<()>> + Send {
        async { settled(&self.update(Update::new(self.position().await?).remove(key)).await?) }
    }

    /// Sets `key` to `set` if it holds `test`; returns whether it did. Nothing stands for absent.
    ///
    /// The test is made also when `test` and `set` are equal.
    fn test_and_set(
        &self,
        key: Self::Key,
        test: Option<Self::Value>,
        set: Option<Self::Value>,
    ) -> impl Future<Output = Result<bool>> + Send {
        async {
            let update = Update::new(self.position().await?).test_and_set(key, test, set);
            Ok(self.update(update).await?.is_applied())
        }
    }

    /// Returns the keys that begin with these bytes, in order, all as of one moment.
    fn list(&self, prefix: &[u8]) -> impl Future<Output = Result<Vec<Self::Key>>> + Send {
        async {
            let entries = self.snapshot(prefix).await?.collect().await?;
            Ok(entries.into_iter().map(|(key, _)| key).collect())
        }
    }

    /// Removes every key that is there now, in updates as large as the store takes.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed some of the keys.
    fn clear(&self) -> impl Future<Output = Result<()>> + Send {
        async {
            let keys = self.list(b"").await?;
            for keys in keys.chunks(self.limits().update_keys_max.max(1)) {
                let update = Update::new(self.position().await?);
                let update = keys.iter().cloned().fold(update, Update::remove);
                settled(&self.update(update).await?)?;
            }
            Ok(())
        }
    }
}

impl<S: AtomicWrite> AtomicWriteExt for S {}

/// Takes the outcome of an update that tested nothing.
fn settled<K, V>(outcome: &Outcome<K, V>) -> Result<()> {
    match outcome {
        Outcome::Applied(_) => Ok(()),
        Outcome::Refused(_) => {
            Err(Error::corrupt("the store refused an update that tests nothing"))
        }
    }
}

/// What every content-addressable store can do besides.
pub trait ContentAddressableExt: ContentAddressable {
    /// Returns an empty batch: blocks that are named at once and stored together.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use ramus_core::{ContentAddressable, ContentAddressableExt as _};
    ///
    /// # async fn example<S: ContentAddressable<Value = Bytes>>(store: S) -> ramus_core::Result<()> {
    /// let mut batch = store.batch();
    /// let hello = batch.add("hello".into())?;
    /// let world = batch.add("world".into())?;
    /// batch.write().await?;
    /// assert!(store.mem(&hello).await? && store.mem(&world).await?);
    /// # Ok(())
    /// # }
    /// ```
    fn batch(&self) -> Batch<'_, Self> {
        Batch { store: self, blocks: Vec::new() }
    }
}

impl<S: ContentAddressable> ContentAddressableExt for S {}

/// Blocks that are named at once and stored together. Dropping it stores nothing.
#[derive(Debug)]
#[must_use = "a batch stores nothing until it is written"]
pub struct Batch<'a, S: ContentAddressable> {
    store: &'a S,
    blocks: Vec<(S::Key, S::Value)>,
}

impl<S: ContentAddressable> Batch<'_, S> {
    /// Takes a value and returns its name.
    ///
    /// # Errors
    ///
    /// Those of [`name`](ContentAddressable::name); the value is not taken then.
    pub fn add(&mut self, value: S::Value) -> Result<S::Key> {
        let key = self.store.name(&value)?;
        self.blocks.push((key, value));
        Ok(key)
    }

    /// Stores the values.
    ///
    /// # Errors
    ///
    /// Those of [`unsafe_add_many`](ContentAddressable::unsafe_add_many).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has stored some of the values.
    pub async fn write(self) -> Result<()> {
        self.store.unsafe_add_many(self.blocks).await
    }
}
