//! What blocks hold, as plain values: the seam between trees and formats.
//!
//! A [`Format`](crate::Format) turns these into blocks and back. Whoever only uses a repository
//! does not meet them.

mod commit;

pub use self::commit::CommitBlock;
pub use crate::directory::{Entry, Held, INLINE_MAX, METADATA_MAX};
