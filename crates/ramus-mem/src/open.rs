use ramus_core::erased::Backend;
use ramus_core::open::Location;
use ramus_core::{Error, Hash, Result};

use crate::{Mem, MemOptions};

/// Opens `mem:`: a storage that is always new. Options are the fields of [`MemOptions`], as in
/// `mem:?log_changes_max=1000`.
///
/// ```
/// use ramus_core::Sha1;
/// use ramus_core::open::Openers;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let openers = Openers::<Sha1>::new().with("mem", ramus_mem::open);
/// let storage = openers.open("mem:?log_changes_max=1000").await?;
/// # drop(storage);
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a path, since memory has no places, and
/// for an option that is unknown or has a bad value.
pub async fn open<H: Hash>(location: Location) -> Result<Backend<H>> {
    if !location.path().is_empty() {
        let path = location.path().escape_debug();
        return Err(Error::invalid_input(format!(
            "`mem:` takes no path, and `{path}` was given: a memory storage is always new; write \
             `mem:`, or `mem:?log_changes_max=1000` with options"
        )));
    }
    let options: MemOptions = location.options()?;
    Ok(Backend::new(Mem::new(&options)))
}
