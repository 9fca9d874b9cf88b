//! The laws of the Ramus contracts, for everyone who writes a backend.
//!
//! A backend keeps the contracts of [`ramus_core`] if it passes their laws. A law is a function that
//! opens a store, uses it, and panics where the store breaks one promise; a macro makes a test of
//! each. This is the whole test file of a storage (an async closure that opens an empty one):
//!
//! ```
//! use ramus_core::Sha1;
//! use ramus_mem::{Mem, MemOptions};
//! use ramus_testkit::OpenStorage;
//!
//! ramus_testkit::storage_laws!(
//!     OpenStorage::new(async || Mem::<Sha1>::new(&MemOptions::default().with_log_changes_max(200)))
//!         .with_log_capacity(200)
//! );
//! ```
//!
//! `cargo test` then runs `blocks::finds_what_was_added` and all the others by name. What the macros
//! need is in this crate: add `ramus-testkit` to the dev-dependencies, and nothing else.
//!
//! | you have | macro | subject |
//! |---|---|---|
//! | a [`Storage`](ramus_core::Storage) | [`storage_laws!`] | [`OpenStorage`] |
//! | one that offers a [`Sweep`](ramus_core::Sweep) | [`sweep_laws!`], besides | [`OpenStorage`] |
//! | one that keeps [derived data](ramus_core::Storage#derived-data) | [`derived_laws!`], besides | [`OpenStorage`] |
//! | a [`ContentAddressable`](ramus_core::ContentAddressable) store, of any values | [`blocks_laws!`] | [`OpenBlocks`] |
//! | an [`AtomicWrite`](ramus_core::AtomicWrite) store, of any keys and values | [`refs_laws!`] | [`OpenRefs`] |
//!
//! A *subject* opens stores, and gives them keys and values; what needs more than a closure, such as
//! a directory that has to be made, implements [`StorageSubject`], [`BlocksSubject`] or
//! [`RefsSubject`].
//!
//! # Beyond the laws
//!
//! - [`follows_the_model`] does random operations and compares every answer with a plain model.
//! - [`linear`] records concurrent calls and checks that some order of them explains the answers.
//! - [`Faulty`] is a storage over another one that fails as [`Faults`] say: an error at the n-th call, an
//!   answer that is lost, calls that wait, notices that are dropped or out of order.
//! - [`FileBlocks`] keeps its blocks in a file, for values larger than the memory.
//!
//! # What a backend has to do for it
//!
//! - Every `open` gives an empty store that shares nothing with the others.
//! - Say with `with_log_capacity` how many changes the log keeps. The laws write twice as many; where
//!   the bound is an option of the backend, open the stores with a small one.
//! - The laws wait up to 20 seconds for a notice, and none of them sleeps.

mod macros;
mod run;
mod subject;

mod campaign;
pub mod linear;
mod model;

mod faulty;
mod file_blocks;

pub mod laws {
    //! The laws, by contract: one promise each, as a function that panics where it is broken.
    //!
    //! The macros ([`storage_laws!`](crate::storage_laws) and its kin) make one test of each; they
    //! can also be called one at a time.

    pub mod blocks;
    pub mod derived;
    pub mod log;
    pub mod notices;
    pub mod once;
    pub mod races;
    pub mod refs;
    pub mod snapshot;
    pub mod storage;
    mod support;
    pub mod sweep;
    pub mod update;
    pub mod watch;
}

pub use campaign::Campaign;
pub use faulty::{Faults, Faulty, FaultyBlocks, FaultyRefs, FaultySweep, Mishap, Operation};
pub use file_blocks::FileBlocks;
pub use model::follows_the_model;
pub use run::run;
pub use subject::{
    BlocksOf, BlocksSubject, OpenBlocks, OpenRefs, OpenStorage, RefsOf, RefsSubject, SAMPLES,
    StorageSubject,
};
