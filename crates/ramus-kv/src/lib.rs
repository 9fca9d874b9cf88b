//! Under construction.

mod conflict;
mod contents;
mod format;
mod info;
mod metadata;
mod schema;

pub mod block;
pub mod codec;
#[cfg(feature = "testkit")]
pub mod laws;
pub mod merge;

pub use conflict::Conflict;
pub use contents::{Contents, Counter, Json, Whole};
pub use format::{Format, Native};
pub use info::Info;
pub use metadata::Metadata;
pub use schema::{Kv, Schema};
