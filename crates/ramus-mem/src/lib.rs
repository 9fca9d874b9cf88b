//! The memory backend of Ramus: for tests, caches, and as the reference for every law.
//!
//! ```
//! use ramus_core::{AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName, Storage as _};
//! use ramus_mem::Mem;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let mem: Mem = Mem::default();
//! let hello = mem.blocks().add("hello".into()).await?;
//! mem.refs().set(RefName::branch("main")?, hello).await?;
//! assert_eq!(mem.refs().find(&RefName::branch("main")?).await?, Some(hello));
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! Blocks lie in a sharded map. Refs, their log and the ids that were applied lie behind one short
//! lock, so that no reader sees one part of an update and not the other. Nothing is global: two
//! stores know nothing of one another, clones of one are the same store.

mod blocks;
mod open;
mod options;
mod protection;
mod refs;
mod storage;
mod storage_refs;
mod sweep;

pub use blocks::MemBlocks;
pub use open::open;
pub use options::MemOptions;
pub use refs::MemRefs;
pub use storage::Mem;
pub use storage_refs::MemStorageRefs;
pub use sweep::MemSweep;
