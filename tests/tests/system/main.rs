//! The key-value store on each backend: what it promises, decides and refuses.
//!
//! One file for each subject. A test is a function of a [`Bed`](bed::Bed), and `on_every_backend!`
//! runs it on all backends that are listed in `backends`.
#![expect(clippy::unwrap_used, reason = "all of this is tests")]

#[macro_use]
mod backends;
mod bed;
mod rig;

mod aside;
mod bad_input;
mod basics;
mod branches;
mod broken;
mod cancel;
mod cancel_in_races;
mod collect;
mod combining;
mod concurrency;
mod conflicts;
mod containers;
mod damaged_merges;
mod decisions;
mod documents;
mod dropped;
mod held;
mod history;
mod hot;
mod kept;
mod many;
mod marks;
mod merges;
mod operations;
mod resume;
mod rewrites;
mod spawn;
mod strategies;
mod syncs;
mod together;
mod watches;
