use std::panic::resume_unwind;

use ramus_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// Does work that takes long where blocking is allowed; on the spot if no runtime is there.
pub(crate) async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let Ok(runtime) = Handle::try_current() else { return work() };
    match runtime.spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) if stopped.is_panic() => resume_unwind(stopped.into_panic()),
        Err(stopped) => {
            let message = "the runtime shut down before the work was done";
            Err(Error::new(ErrorKind::Unavailable, message).with_source(stopped))
        }
    }
}
