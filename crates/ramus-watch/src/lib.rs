//! Lossless watch streams over a change log.

mod hub;
mod log;

pub use hub::Hub;
pub use log::Log;
