//! What blocks hold, as plain values: the seam between trees and formats.
//!
//! A [`Format`](crate::Format) turns these into blocks and back. Whoever only uses a repository
//! does not meet them.

mod commit;
mod directory;

pub use self::commit::CommitBlock;
pub use self::directory::DirectoryBlock;
pub use crate::directory::{Child, Entry, Held, INLINE_MAX, METADATA_MAX};
