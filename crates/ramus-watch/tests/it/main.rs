//! What is promised of watches, tried on the memory store, on an unruly one, and on the bare parts.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod history;
mod random;
mod unruly;

mod campaign;
mod follower;
mod interleavings;
mod schedules;
mod watch;
