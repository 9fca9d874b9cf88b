use parking_lot::Mutex;
use ramus_core::{Error, RefName, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Commit, Schema};

/// What all handles of one branch in this process share.
pub(crate) struct Branch<S: Schema> {
    pub(crate) name: RefName,
    turn: Turn,
    /// The head that was read last, so that it need not be decoded again.
    pub(crate) head: Mutex<Option<Commit<S>>>,
}

impl<S: Schema> Branch<S> {
    pub(crate) fn new(name: RefName) -> Self {
        Self { name, turn: Turn::new(), head: Mutex::new(None) }
    }

    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// The fair queue of the writers of one head: a permit, not a lock on data.
///
/// Who holds it writes; the others wait their turn and then write on top, so that writers of one
/// process do not lose races to one another.
pub(crate) struct Turn(Semaphore);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits for the turn, first come, first served.
    pub(crate) async fn wait(&self) -> Result<SemaphorePermit<'_>> {
        self.0.acquire().await.map_err(|_| Error::closed())
    }
}
