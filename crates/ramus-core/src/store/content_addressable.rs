use crate::{Hash, ReadOnly, Result};

/// Blocks: immutable values, each named by its own hash.
///
/// # What is promised
///
/// - `name` returns the hash of the value's bytes, so equal values have equal names. Stores that turn
///   values into the same bytes give them the same names.
/// - `add` stores the value under that name, and returns it.
/// - A block can be found as soon as the call that added it returns.
/// - Adding what is already there changes nothing and succeeds.
/// - `flush` returns when every block added before it is as durable as the store makes blocks.
///
/// # What is not promised
///
/// - The `unsafe_` calls do not hash: they believe the caller. A wrong key there is a store that
///   answers wrongly; [`Verified`](crate::wrap::Verified) checks. (Nothing in them is `unsafe` to the
///   compiler.)
/// - `unsafe_add_many` is not atomic: after an error some of the blocks may be there.
/// - A block that nothing reaches may be collected, see [`Sweep`](crate::Sweep).
///
/// # Errors
///
/// Those of [`ReadOnly`], and
/// - [`Limit`](crate::ErrorKind::Limit) for a block over
///   [`block_bytes_max`](crate::Limits::block_bytes_max) or when there is no room;
/// - [`InvalidInput`](crate::ErrorKind::InvalidInput) for a value that has no bytes, in a store that
///   has to encode it.
///
/// # Cancel safety
///
/// A dropped future may have added none, some or all of its blocks; each is there whole or not.
pub trait ContentAddressable: ReadOnly<Key: Hash> {
    /// Returns the name that `add` gives this value.
    ///
    /// It reads and stores nothing, so it answers when the store is closed, too.
    fn name(&self, value: &Self::Value) -> Result<Self::Key>;

    /// Stores `value` and returns its name.
    fn add(&self, value: Self::Value) -> impl Future<Output = Result<Self::Key>> + Send {
        async move {
            let key = self.name(&value)?;
            self.unsafe_add(key, value).await?;
            Ok(key)
        }
    }

    /// Stores `value` under `key`, which the caller knows to be its name.
    fn unsafe_add(
        &self,
        key: Self::Key,
        value: Self::Value,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Stores each block under its key, which the caller knows to be its name.
    fn unsafe_add_many(
        &self,
        blocks: Vec<(Self::Key, Self::Value)>,
    ) -> impl Future<Output = Result<()>> + Send {
        async {
            for (key, value) in blocks {
                self.unsafe_add(key, value).await?;
            }
            Ok(())
        }
    }

    /// Makes every block that was added before durable.
    fn flush(&self) -> impl Future<Output = Result<()>> + Send;
}
