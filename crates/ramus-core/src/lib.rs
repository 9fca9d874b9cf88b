//! Contracts and values of the Ramus versioned store.
//!
//! A storage keeps two things: *blocks*, immutable bytes that are named by their hash, and *refs*,
//! names that change atomically, with a log of how they changed. This crate says what such a storage
//! promises, as traits, and has the values that go in and out. It does no I/O and knows no runtime.
//! Backends implement the traits; the versioned key-value store stands on nothing else.
//!
//! ```
//! use ramus_core::{
//!     AtomicWrite as _, AtomicWriteExt as _, Changes, ContentAddressable as _, Outcome, ReadOnly as _,
//!     RefName, Storage as _, Update,
//! };
//! use ramus_mem::Mem;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let storage: Mem = Mem::default();
//! let (blocks, refs) = (storage.blocks(), storage.refs());
//! let main = RefName::branch("main")?;
//!
//! // A block is found by its hash, and a ref names it.
//! let hello = blocks.add("hello".into()).await?;
//! refs.set(main.clone(), hello).await?;
//!
//! // Blocks and the update that names them, as one action: only if `main` was not moved meanwhile.
//! let world = blocks.name(&"world".into())?;
//! let seen = refs.position().await?;
//! let update = Update::new(seen).test_and_set(main.clone(), Some(hello), Some(world));
//! let outcome = storage.write(vec![(world, "world".into())], update).await?;
//! assert!(matches!(outcome, Outcome::Applied(_)));
//!
//! // The log tells what happened since.
//! let Changes::Page(page) = refs.changes(seen, 10).await? else { panic!("it is all kept") };
//! assert_eq!(page.changes[0].keys[0].key, main);
//! assert_eq!(page.changes[0].keys[0].new, Some(world));
//! # Ok::<(), ramus_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Contents
//!
//! - **The contracts.** [`ReadOnly`] is what every store can do. [`ContentAddressable`] are blocks,
//!   [`AtomicWrite`] are refs, and a [`Storage`] is both in one place; [`Joined`] makes one of any
//!   two. [`Sweep`] is the part that collects blocks. [`ContentAddressableExt`] and
//!   [`AtomicWriteExt`] have what every store can do besides.
//! - **Updates and the log.** An [`Update`] gives an [`Outcome`]. Every [`Change`] has its place, a
//!   [`Cursor`]; a [`Snapshot`] and a [`Page`] of the log tell what is and what happened, a
//!   [`Subscription`] that there is something to read.
//! - **Names.** A [`Key`] has canonical bytes. A [`Hash`] names a block, a [`RefName`] a ref; a
//!   [`Path`] of [`Step`]s leads into a tree.
//! - **Failures.** One [`Error`], with an [`ErrorKind`] that a caller can act on. [`Limits`] are data.
//! - [`wrap`]: stores over stores, such as a cache, a view below a prefix, or counters.
//! - [`open`]: from `pack:./data?durability=os` to a storage.
//! - [`erased`]: one storage type for code that must not know the backend.
//!
//! # Adding a hash
//!
//! [`hash_type!`] writes a newtype and every trait that a [`Hash`] needs from a length, a name, and a
//! function from bytes to digest. Nothing else has to be told of it.

mod digest_hasher;
mod error;
pub mod hash;
mod id_bytes;
mod id_hash;
mod key;
mod random;

mod path;
mod ref_name;
mod short_bytes;
mod step;

mod change;
mod cursor;
mod id_source;
mod limits;
mod page;
mod snapshot;
mod subscription;
mod update;

mod store {
    pub(crate) mod atomic_write;
    pub(crate) mod content_addressable;
    pub(crate) mod ext;
    pub(crate) mod joined;
    pub(crate) mod read_only;
    pub(crate) mod storage;
    pub(crate) mod sweep;
}
pub mod erased;
pub mod open;
pub mod wrap;

pub use change::{Change, KeyChange};
pub use cursor::{Cursor, Incarnation};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "blake3")]
pub use hash::Blake3;
pub use hash::{Hash, Sha1, Sha256};
pub use id_hash::{IdHash, IdHasher};
pub use id_source::{IdSource, OsRandom};
pub use key::{Key, Value};
pub use limits::{Limits, LogReach};
pub use page::{Changes, Page};
pub use path::{IntoPath, Path};
pub use ref_name::{Namespace, RefName};
pub use snapshot::Snapshot;
pub use step::Step;
pub use store::atomic_write::AtomicWrite;
pub use store::content_addressable::ContentAddressable;
pub use store::ext::{AtomicWriteExt, Batch, ContentAddressableExt};
pub use store::joined::{Joined, JoinedRefs};
pub use store::read_only::ReadOnly;
pub use store::storage::{RefOutcome, RefUpdate, Storage};
pub use store::sweep::{Epoch, NoSweep, Pin, Sweep};
pub use subscription::{Notice, Subscription};
pub use update::{Edit, Expected, Outcome, Refusal, Update, UpdateId};
