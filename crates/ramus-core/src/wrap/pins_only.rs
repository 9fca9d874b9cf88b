use futures::stream::BoxStream;

use crate::{Epoch, Error, ErrorKind, Pin, Result, Sweep};

/// The sweep of a view of a storage: blocks can be pinned and listed, and not collected.
///
/// Whoever sees a part of the refs only, or may not write, cannot know what is garbage, and still has
/// to protect what it reads.
///
/// # What is promised
///
/// - `keys`, `pinned` and `pin` are those of the sweep below.
/// - `begin`, `remove_many` and `finish` answer [`Permission`](ErrorKind::Permission) and do nothing; of a
///   closed store, [`Closed`](ErrorKind::Closed).
#[derive(Clone, Debug)]
pub struct PinsOnly<S>(S);

impl<S: Sweep> PinsOnly<S> {
    /// Returns `sweep` without its power to collect.
    pub const fn new(sweep: S) -> Self {
        Self(sweep)
    }

    /// Asks the sweep below to pin nothing: for the error that it gives once it is closed.
    async fn ensure_open(&self) -> Result<()> {
        self.0.pin(Vec::new()).await.map(drop)
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Sweep> Sweep for PinsOnly<S> {
    type Key = S::Key;

    async fn begin(&self) -> Result<Epoch> {
        self.ensure_open().await?;
        Err(refused("begin a collection"))
    }

    fn keys(&self) -> BoxStream<'static, Result<S::Key>> {
        self.0.keys()
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<S::Key>> {
        self.0.pinned(epoch).await
    }

    async fn remove_many(&self, _epoch: Epoch, keys: Vec<S::Key>) -> Result<usize> {
        self.ensure_open().await?;
        Err(refused(&format!("remove {} blocks", keys.len())))
    }

    async fn finish(&self, _epoch: Epoch) -> Result<()> {
        self.ensure_open().await?;
        Err(refused("finish a collection"))
    }

    async fn pin(&self, keys: Vec<S::Key>) -> Result<Pin> {
        self.0.pin(keys).await
    }
}

fn refused(attempt: &str) -> Error {
    let message = format!("cannot {attempt} through this view; collect in the storage itself");
    Error::new(ErrorKind::Permission, message)
}
