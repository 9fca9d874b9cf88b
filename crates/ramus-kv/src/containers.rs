//! Containers: data of a known shape at a path, which several branches change without losing an
//! update.
//!
//! A container is a path and a way to read and write there; it holds no data and no handle, and is the
//! same for every branch. What it writes are ordinary commits, so everything else works on it: forks,
//! merges, watches, history. Each has two ways to write: by a store, which makes one commit, and (`.._in`)
//! in a transaction, together with other edits.
//!
//! ```
//! use ramus_core::erased::Backend;
//! use ramus_kv::containers::{LogAt, LogCursor};
//! use ramus_kv::{Kv, Repo};
//! use ramus_mem::Mem;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let main = Repo::<Kv<String>>::new(Backend::new(Mem::default())).main().await?;
//! let events = LogAt::new("events")?;
//! events.append(&main, "started", "note the start").await?;
//!
//! let draft = main.fork("draft").await?;
//! events.append(&draft, "tried", "note a try").await?;
//! events.append(&main, "went on", "note that it goes on").await?;
//! main.merge(&draft, "merge draft").await?.clean()?;
//!
//! let mut reader = events.read(&main, &LogCursor::start()).await?;
//! assert_eq!(reader.collect().await?.len(), 3);
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Which one to take
//!
//! A value that fits a few kilobytes is best one value, of a [type of contents](trait@crate::Contents) that
//! merges: it is read and written as a whole. What grows is best a directory, with one entry for each
//! part: reading and writing one part costs the logarithm of their number, and a merge what both
//! sides changed.
//!
//! | shape | as one value | as a container |
//! |---|---|---|
//! | count | [`Counter`], or `#[merge(count)]` in a struct | [`CounterAt`]: adds to one |
//! | last writer wins | [`Register`] | [`RegisterAt`]: writes one, by the repository's clock |
//! | set | [`Set`](crate::Set): up to thousands | [`SetAt`]: any number |
//! | map | [`Map`](crate::Map): up to thousands | [`MapAt`]: any number, of any keys |
//! | list, text | `Seq`, `Text` (feature `text`) | |
//! | log | | [`LogAt`]: appends for ever at the same cost, and is read on from a cursor |
//!
//! # Races
//!
//! Each write is a transaction that is merged if another writer came first. So counts add up,
//! registers and sets and logs take both; in a map, two writers of one key merge by the type of its
//! value, and where that is a conflict, the second of them is told so and nothing of his is written.

mod counter;
mod key;
mod log;
mod log_cursor;
mod log_reader;
mod map;
mod register;
mod set;

pub use self::counter::CounterAt;
pub use self::key::StepKey;
pub use self::log::{LogAt, LogEntry, LogKey};
pub use self::log_cursor::LogCursor;
pub use self::log_reader::LogReader;
pub use self::map::MapAt;
pub use self::register::RegisterAt;
pub use self::set::SetAt;
#[cfg(doc)]
use crate::{Counter, Register};
use ramus_core::{Error, Path};

/// Says that a path holds contents that are not of a container.
fn not_of(path: &Path, what: &str) -> Error {
    Error::invalid_input(format!("what is at `{path}` is no {what}"))
}
