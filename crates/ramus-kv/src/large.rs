//! Large contents: cut by what they hold into chunks, below a tree of index blocks.

mod check;
mod chunks;
mod compute;
mod reader;
mod rule;
mod source;
mod splitter;
mod streamable;
mod unsaved;
mod upload;

pub(crate) use self::compute::compute;
pub use self::reader::ContentsReader;
pub use self::rule::{CHUNK_MAX, CHUNK_MIN};
pub(crate) use self::rule::{LEVEL_MAX, Rule};
pub(crate) use self::source::Source;
pub use self::streamable::{AnyBytes, StreamCheck, Streamable, Utf8};
pub(crate) use self::unsaved::Unsaved;
pub use self::upload::Upload;
pub(crate) use self::upload::{check_whole, stream_failed};
