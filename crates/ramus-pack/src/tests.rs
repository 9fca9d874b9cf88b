//! Tests that need what only this crate sees: small segments, and disks that crash.

mod adopt;
mod beside;
mod check;
mod cold;
mod collect;
mod compression;
mod crash;
mod damage;
mod derived;
mod elsewhere;
mod errors;
mod files;
mod forget;
mod golden;
mod kill;
mod laws;
mod lies;
mod merge;
#[cfg(target_os = "linux")]
mod notify;
mod places;
mod processes;
mod reader;
mod reopen;
mod repair;
mod sim;
mod syncs;
mod work;
