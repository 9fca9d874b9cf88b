//! Tests that need what only this crate sees: small segments, and disks that crash.

use std::time::Duration;

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

/// So long it takes at the most, in a slow test on a slow machine, until something comes that comes soon.
const SOON: Duration = Duration::from_secs(20);

/// Waits for something that comes soon, and says what did not.
pub(crate) async fn soon<T>(what: &str, comes: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(SOON, comes).await;
    came.unwrap_or_else(|_| panic!("{what}: that has not come after {SOON:?}"))
}
