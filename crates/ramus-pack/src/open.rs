use ramus_core::erased::Backend;
use ramus_core::open::Location;
use ramus_core::{Error, Hash, Result};

use crate::{Pack, PackOptions};

/// Opens `pack:DIRECTORY`. Options are the fields of [`PackOptions`], as in `pack:./data?durability=os`.
///
/// # Errors
///
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a location without a path and for an option
/// that is unknown or has a bad value, and those of [`Pack::open`].
///
/// # Cancel safety
///
/// That of [`Pack::open`].
pub async fn open<H: Hash>(location: Location) -> Result<Backend<H>> {
    if location.path().is_empty() {
        return Err(Error::invalid_input(
            "`pack:` needs the path of a directory, as in `pack:./data`",
        ));
    }
    let options: PackOptions = location.options()?;
    Ok(Backend::new(Pack::open(location.path(), &options).await?))
}
