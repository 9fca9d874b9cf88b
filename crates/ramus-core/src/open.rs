//! Opening a storage by its location, such as `mem:` or `pack:./data?durability=os`.
//!
//! A [`Location`] is the text taken apart. [`Openers`] is a plain value that knows which scheme is
//! opened by what; nothing is registered anywhere. A backend that is to be opened this way brings one
//! function:
//!
//! ```
//! use ramus_core::erased::Backend;
//! use ramus_core::open::{Location, Openers};
//! use ramus_core::{Hash, Result, Storage};
//! use serde::Deserialize;
//!
//! #[derive(Debug, Default, Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct CloudOptions {
//!     retries: u32,
//! }
//!
//! # async fn connect<S: Storage>(_: &str, _: CloudOptions) -> Result<S> { unimplemented!() }
//! async fn open_cloud<S: Storage>(location: Location) -> Result<Backend<S::Hash>> {
//!     let options: CloudOptions = location.options()?;
//!     let storage: S = connect(location.path(), options).await?;
//!     Ok(Backend::new(storage))
//! }
//!
//! fn openers<S: Storage>() -> Openers<S::Hash> {
//!     Openers::new().with("cloud", open_cloud::<S>)
//! }
//! ```

mod location;
mod openers;
mod options;

pub use location::Location;
pub use openers::Openers;
