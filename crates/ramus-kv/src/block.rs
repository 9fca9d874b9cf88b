//! What blocks hold, as plain values: the seam between trees and formats.
//!
//! A [`Format`](crate::Format) turns these into blocks and back. Whoever only uses a repository
//! does not meet them.

mod commit;
mod contents;
mod directory;
mod link;

pub use self::commit::CommitBlock;
pub use self::contents::{ContentsIndex, ContentsPart};
pub use self::directory::DirectoryBlock;
pub use self::link::Link;
pub use crate::directory::{Child, Entry, Held, INLINE_MAX, METADATA_MAX};
pub use crate::large::{CHUNK_MAX, CHUNK_MIN};
