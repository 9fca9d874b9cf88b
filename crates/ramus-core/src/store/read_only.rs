use crate::{Key, Limits, Result, Value};

/// What every store can do: find a value by its key.
///
/// # What is promised
///
/// - Clones of a handle are one store: they share their data, and closing one closes all.
/// - `find` returns what was stored last under the key; absence is `None`, never an error.
/// - `mem`, `find_many` and what `find_now` answers agree with `find`; the answers of `find_many` stand in the order of the
///   keys, one for each.
/// - After `close` every operation answers [`Closed`](crate::ErrorKind::Closed). Closing again is
///   fine, and other stores are not disturbed.
///
/// # What is not promised
///
/// That two reads, or the parts of one `find_many`, are as of one moment. An atomic-write store
/// promises more: see [`AtomicWrite`](crate::AtomicWrite).
///
/// # Errors
///
/// [`Closed`](crate::ErrorKind::Closed) after `close`, and perhaps for a call that was under
/// way then; [`Corrupt`](crate::ErrorKind::Corrupt) when what was read is not what was written;
/// [`Unavailable`](crate::ErrorKind::Unavailable) when the store cannot be reached now.
///
/// # Cancel safety
///
/// Reading leaves nothing behind. A dropped `close` may or may not have closed the store.
pub trait ReadOnly: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// What values are found by.
    type Key: Key;
    /// What is found.
    type Value: Value;

    /// Returns the value of `key`, or nothing if it has none.
    fn find(&self, key: &Self::Key) -> impl Future<Output = Result<Option<Self::Value>>> + Send;

    /// Returns what `find` would answer, if nothing has to be waited for; else nothing, and `find` is to be
    /// asked.
    ///
    /// A store that has values in memory answers for those, so that whoever asks needs no future. It does
    /// not look at length before it gives nothing.
    fn find_now(&self, _key: &Self::Key) -> Option<Result<Option<Self::Value>>> {
        None
    }

    /// Returns whether `key` has a value.
    fn mem(&self, key: &Self::Key) -> impl Future<Output = Result<bool>> + Send {
        async { Ok(self.find(key).await?.is_some()) }
    }

    /// Returns the values of `keys`, in their order.
    fn find_many(
        &self,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Vec<Option<Self::Value>>>> + Send {
        async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.find(key).await?);
            }
            Ok(values)
        }
    }

    /// Returns what the store can take; it answers when the store is closed, too.
    fn limits(&self) -> Limits;

    /// Closes the store, for all clones of the handle.
    fn close(&self) -> impl Future<Output = Result<()>> + Send;
}
