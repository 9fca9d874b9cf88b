//! Stores over stores.
//!
//! A wrapper is a store again, so wrappers nest, and compose by value:
//!
//! ```
//! use bytes::Bytes;
//! use ramus_core::wrap::{Cached, FrozenStorage, Prefixed, Verified};
//! use ramus_core::{AtomicWrite, ContentAddressable, Hash, Joined, RefName, Storage};
//!
//! fn tenant<H: Hash>(
//!     blocks: impl ContentAddressable<Key = H, Value = Bytes>,
//!     refs: impl AtomicWrite<Key = RefName, Value = H>,
//! ) -> ramus_core::Result<impl Storage<Hash = H>> {
//!     let blocks = Cached::new(Verified::new(blocks), 64 << 20);
//!     Ok(Joined::new(blocks, Prefixed::new(refs, "tenant-7/")?))
//! }
//!
//! fn look_but_do_not_touch<S: Storage>(storage: S) -> impl Storage<Hash = S::Hash> {
//!     FrozenStorage::new(storage)
//! }
//! ```
//!
//! | wrapper | over | what it does |
//! |---|---|---|
//! | [`Typed`] | blocks, refs | any serde type in place of bytes |
//! | [`Verified`] | blocks | hashes again whatever goes in or comes out |
//! | [`Cached`] | blocks | keeps what was read, up to so many bytes |
//! | [`Prefixed`], [`PrefixedStorage`] | refs, storages | the keys under a prefix, seen without it |
//! | [`Frozen`], [`FrozenStorage`] | blocks, refs, storages | reads pass, writes are refused |
//! | [`Metered`], [`MeteredStorage`], [`MeteredSweep`] | blocks, refs, storages | spans and counters |
//! | [`PinsOnly`] | the sweep of a storage | pins pass, collecting is refused |
//!
//! # What every wrapper promises
//!
//! - It keeps the promises of the traits, if the store below does, except where its own page says
//!   what it gives up.
//! - It shares the store below. Closing a wrapper closes that store, for everyone who holds it; to be
//!   done with a wrapper alone, drop it.

mod cached;
mod frozen;
mod frozen_storage;
mod metered;
mod metered_storage;
mod metered_sweep;
mod meters;
mod one_for_each;
mod pins_only;
mod prefix_key;
mod prefixed;
mod prefixed_storage;
mod probe;
mod typed;
mod verified;

pub use cached::Cached;
pub use frozen::Frozen;
pub use frozen_storage::FrozenStorage;
pub use metered::Metered;
pub use metered_storage::MeteredStorage;
pub use metered_sweep::MeteredSweep;
pub use meters::{Meters, Operation, Reading};
pub use pins_only::PinsOnly;
pub use prefix_key::PrefixKey;
pub use prefixed::Prefixed;
pub use prefixed_storage::PrefixedStorage;
pub use typed::Typed;
pub use verified::Verified;
