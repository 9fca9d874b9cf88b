//! Under construction.

mod conflict;
mod contents;

pub mod codec;
pub mod merge;

pub use conflict::Conflict;
pub use contents::{Contents, Counter, Json, Whole};
