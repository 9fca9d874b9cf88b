use bytes::Bytes;

use super::one_for_each::one_for_each;
use crate::{ContentAddressable, Error, Hash as _, Limits, ReadOnly, Result};

/// Blocks that are hashed again: whatever is added or found has the name it goes by.
///
/// # What is promised
///
/// - `find` and `find_many` answer [`Corrupt`](crate::ErrorKind::Corrupt) for a block that does not
///   have the hash that it was asked for.
/// - `find_many` answers `Corrupt`, too, when there is not one answer for each key.
/// - `add` hashes once, here, and not again in the store below.
/// - `unsafe_add` and `unsafe_add_many` answer [`InvalidInput`](crate::ErrorKind::InvalidInput) for a
///   key that is not the hash of its value, and then store nothing.
///
/// # What is not promised
///
/// `mem` reads no block, so it checks none.
#[derive(Clone, Debug)]
pub struct Verified<B>(B);

impl<B: ContentAddressable<Value = Bytes>> Verified<B> {
    /// Returns `blocks` with every block checked, going in and coming out.
    pub const fn new(blocks: B) -> Self {
        Self(blocks)
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable<Value = Bytes>> ReadOnly for Verified<B> {
    type Key = B::Key;
    type Value = Bytes;

    async fn find(&self, key: &B::Key) -> Result<Option<Bytes>> {
        let found = self.0.find(key).await?;
        found.map(|block| read_back(key, block)).transpose()
    }

    fn find_now(&self, key: &B::Key) -> Option<Result<Option<Bytes>>> {
        let found = self.0.find_now(key)?;
        Some(found.and_then(|found| found.map(|block| read_back(key, block)).transpose()))
    }

    async fn mem(&self, key: &B::Key) -> Result<bool> {
        self.0.mem(key).await
    }

    async fn find_many(&self, keys: &[B::Key]) -> Result<Vec<Option<Bytes>>> {
        let found = one_for_each(keys, self.0.find_many(keys).await?)?;
        let blocks = keys.iter().zip(found);
        blocks.map(|(key, found)| found.map(|block| read_back(key, block)).transpose()).collect()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable<Value = Bytes>> ContentAddressable for Verified<B> {
    fn name(&self, value: &Bytes) -> Result<B::Key> {
        Ok(B::Key::of(value))
    }

    async fn add(&self, value: Bytes) -> Result<B::Key> {
        let key = self.name(&value)?;
        self.0.unsafe_add(key, value).await?;
        Ok(key)
    }

    async fn unsafe_add(&self, key: B::Key, value: Bytes) -> Result<()> {
        check_name(&key, &value)?;
        self.0.unsafe_add(key, value).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(B::Key, Bytes)>) -> Result<()> {
        blocks.iter().try_for_each(|(key, value)| check_name(key, value))?;
        self.0.unsafe_add_many(blocks).await
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }
}

fn read_back<H: crate::Hash>(key: &H, block: Bytes) -> Result<Bytes> {
    let hash = H::of(&block);
    if hash == *key {
        Ok(block)
    } else {
        Err(Error::corrupt(format!("block {key} was read back as {} bytes of {hash}", block.len())))
    }
}

fn check_name<H: crate::Hash>(key: &H, block: &[u8]) -> Result<()> {
    let hash = H::of(block);
    if hash == *key {
        Ok(())
    } else {
        Err(Error::invalid_input(format!("the hash of the block is {hash}, not {key}")))
    }
}
