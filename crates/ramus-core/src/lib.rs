//! Contracts and values of the Ramus versioned store.
//!
//! TODO-DOC

mod digest_hasher;
mod error;
pub mod hash;
mod key;
mod random;

mod path;
mod ref_name;
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
