use std::fmt;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ramus_core::{AtomicWrite, Changes, Cursor, Key, Result, Snapshot, Value};

use crate::Follower;

/// Reads a store on behalf of a watch, which does not know its type.
pub(crate) struct Reader<K, V>(Box<dyn Fn(Request) -> Reading<K, V> + Send>);

/// What is read.
pub(crate) enum Request {
    Changes { after: Cursor, limit: usize },
    Snapshot { prefix: Bytes },
}

/// A reading that runs.
pub(crate) type Reading<K, V> = BoxFuture<'static, Answer<K, V>>;

/// What a reading gave.
pub(crate) enum Answer<K, V> {
    Changes(Result<Changes<K, V>>),
    Snapshot(Result<Snapshot<K, V>>),
}

impl<K: Key, V: Value> Reader<K, V> {
    pub(crate) fn new(store: impl AtomicWrite<Key = K, Value = V>) -> Self {
        Self(Box::new(move |request| {
            let store = store.clone();
            let read = async move {
                match request {
                    Request::Changes { after, limit } => {
                        Answer::Changes(store.changes(after, limit).await)
                    }
                    Request::Snapshot { prefix } => Answer::Snapshot(store.snapshot(&prefix).await),
                }
            };
            read.boxed()
        }))
    }

    pub(crate) fn read(&self, request: Request) -> Reading<K, V> {
        (self.0)(request)
    }
}

impl<K: Key, V: Value> Answer<K, V> {
    /// Tells the follower.
    pub(crate) fn tell(self, follower: &mut Follower<K, V>) {
        match self {
            Self::Changes(Ok(changes)) => follower.read(changes),
            Self::Snapshot(Ok(snapshot)) => follower.resync(snapshot),
            Self::Changes(Err(error)) | Self::Snapshot(Err(error)) => follower.failed(error),
        }
    }
}

impl<K, V> fmt::Debug for Reader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
