use std::panic::resume_unwind;

use ramus_core::{Error, Result};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Does something that others wait for, in a task of its own: so it comes to its end also if whoever asked
/// for it is kept aside, and is not polled any more. A dropped future stops it.
///
/// Without a runtime of Tokio it is done on the spot.
pub(super) async fn driven<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let Ok(runtime) = Handle::try_current() else { return work.await };
    let mut task = Driven(runtime.spawn(work));
    match (&mut task.0).await {
        Ok(done) => done,
        Err(failure) if failure.is_panic() => resume_unwind(failure.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(Error::closed()),
    }
}

struct Driven<T>(JoinHandle<T>);

impl<T> Drop for Driven<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
