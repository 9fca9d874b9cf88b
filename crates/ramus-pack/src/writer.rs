//! How blocks and changes get into the segments.
//!
//! Whoever adds or updates appends records to the *open batch* in memory, under one short lock, and
//! waits for it if need be. The *writer* takes the open batch as soon as somebody waits for it or it is
//! large, writes it with one call, syncs the file once if anybody wants that, and then tells everyone who
//! waited. What is appended meanwhile is the next batch. So writers that come at the same time share a
//! sync, and one that comes alone gets its own.
//!
//! There is one writer at a time: whoever has the [`files`]. While there is nothing to do they lie in the
//! shared state. Whoever makes work takes them out, if they are there, and lets the writer run where
//! blocking is allowed until there is none left; so nothing runs in an idle store. A runtime that ends may
//! drop it before it runs; then it takes a thread of its own, since those of another runtime may wait.
//! A small batch that needs no sync is written on the spot: to copy it into the memory of the kernel takes a
//! fraction of what it takes to wake a thread for it, and to be woken by that.
//!
//! # What is promised
//!
//! - A record is readable as soon as it is appended: from the open batch, then from the one that is
//!   being written (the *flight*), then from the file.
//! - Updates are judged against the newest state, in the order in which they are appended, and become
//!   visible in that order once their batch is durable. An answer that speaks of a state comes once
//!   that state is durable.
//! - After a write or a sync failed, nothing is acknowledged any more. Lack of room, or of another open
//!   file, is the exception, if the write said so before anything was synced: the updates that wait are
//!   taken back (their records become void) and answer `Limit`, the blocks stay, and the next write tries
//!   again. Until then nothing is written or synced but what somebody asks for; see [`merge`].
//! - When a batch takes the segment over its size, the next batch belongs to a new segment. The writer
//!   seals the old one before it writes that batch; see [`files`].

pub(crate) mod active;
pub(crate) mod begun;
pub(crate) mod buffer;
mod collect;
pub(crate) mod copied;
pub(crate) mod core;
pub(crate) mod files;
pub(crate) mod forget;
pub(crate) mod merge;
pub(crate) mod pump;
pub(crate) mod tail;
