//! The embedded durable backend of Ramus: a repository in a directory, with no server.
//!
//! ```
//! use ramus_core::{AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName, Storage as _};
//! use ramus_pack::{Pack, PackOptions};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let directory = tempfile::tempdir().unwrap();
//! let pack: Pack = Pack::open(directory.path(), &PackOptions::default()).await?;
//! let hello = pack.blocks().add("hello".into()).await?;
//! pack.refs().set(RefName::branch("main")?, hello).await?;
//! pack.close().await?;
//!
//! let pack: Pack = Pack::open(directory.path(), &PackOptions::default()).await?;
//! assert_eq!(pack.refs().find(&RefName::branch("main")?).await?, Some(hello));
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What is promised
//!
//! - An update that was answered survives the end of the process and, with [`Durability::Sync`], a power
//!   cut; so does every block that was added before it.
//! - An update waits for one fsync, and updates that come at the same time share one. To seal a segment, and to make room
//!   behind batches of 64 KiB or more, takes fsyncs of its own.
//! - After a crash the directory is what some moment left that is not before the last answer. What was
//!   acknowledged is never cut off in silence: if it cannot be read, opening answers
//!   [`Corrupt`](ramus_core::ErrorKind::Corrupt), with the file and the place.
//! - Everything that is read is checked: it is what was written, or `Corrupt`.
//! - Cursors and ids outlive the process: the change log keeps at least 65 536 changes on disk.
//! - Blocks that nothing needs can be [collected](PackSweep) beside running writers and readers. What was
//!   removed is gone for good when the collection is finished, all of it at once.
//! - After a write failed, nothing is acknowledged any more until the directory is opened again; reading
//!   goes on. A full disk is no such failure: the update answers
//!   [`Limit`](ramus_core::ErrorKind::Limit), and later ones succeed once there is room. A directory can be
//!   opened on a full disk, also after a crash, and collected.
//!
//! # Several processes
//!
//! One process has the directory open to write, and a second one is refused, naming the first. Any number
//! open it to [read](Mode::Read) beside it: they see what becomes durable, and their watches tell of it.
//!
//! ```
//! use ramus_core::{AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName, Storage as _};
//! use ramus_pack::{Mode, Pack, PackOptions};
//! use ramus_watch::WatchExt as _;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! let writer: Pack = Pack::open(directory.path(), &PackOptions::default()).await?;
//! let options = PackOptions::default().with_mode(Mode::Read);
//! let reader: Pack = Pack::open(directory.path(), &options).await?;
//!
//! let main = RefName::branch("main")?;
//! let mut watch = reader.refs().watch_key(&main).await?;
//! let hello = writer.blocks().add("hello".into()).await?;
//! writer.refs().set(main, hello).await?;
//! let event = watch.next().await.expect("it goes on")?;
//! assert_eq!(reader.blocks().find(&hello).await?, Some("hello".into()));
//! # drop(event);
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What is in the directory
//!
//! An append-only log in segments of 64 MiB, each a chain of batches that hold blocks and changes
//! together; sorted indexes of the segments that are full; the refs and the changes as of the last seal; a
//! manifest that says which files count.
//!
//! | file | what |
//! |---|---|
//! | `manifest` | which files count; replaced atomically |
//! | `NNNNNNNN.segment` | blocks and changes |
//! | `NNNNNNNN.index` | where the blocks of sealed segments lie |
//! | `NNNNNNNN.changes`, `NNNNNNNN.refs` | the changes of a sealed segment, the refs after it |
//! | `head` | how far the active segment is durable |
//! | `….derived` | derived data, such as the history index; can be deleted while nobody has the directory open |
//! | `lock` | held while the directory is open; says by which process |
//!
//! Memory holds the refs, the kept changes, the places of the blocks of the active segment (at most two
//! segments), and of older ones about 11 bits a block.
//!
//! It needs a Unix system: files that are read and written by place, and locks on them.

#[cfg(not(unix))]
compile_error!(
    "ramus-pack needs a Unix system; elsewhere, depend on ramus with default-features = false and the \
     feature mem"
);

mod error;
mod options;

mod blocks;
mod check;
mod open;
mod pack;
mod refs;
mod repair;
mod sweep;

mod disk;
mod format;
mod index;

mod cache;
mod compression;
mod create;
mod derived;
mod protection;
mod read;
mod reader;
mod reclaim;
mod recover;
mod scan;
mod shared;
mod stat;
mod threads;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use blocks::PackBlocks;
pub use check::{Depth, Progress, Report, check, check_with};
pub use open::open;
pub use options::{Compression, Damaged, Durability, Mode, PackOptions, SyncBy};
pub use pack::Pack;
pub use refs::PackRefs;
pub use repair::{Damage, RefSetBack, RepairOptions, Repaired, repair};
pub use stat::{DirectoryState, FileBytes, Stat, stat};
pub use sweep::PackSweep;
