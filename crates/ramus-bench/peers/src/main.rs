//! The benchmarks of Ramus beside other stores, each behind a feature.
//!
//! ```sh
//! cargo run --release --manifest-path crates/ramus-bench/peers/Cargo.toml -- run kvset wide --scale full
//! ```
//!
//! Each peer comes twice: under its name every answer waits for an fsync, and with `-os` none does. What has
//! no versions (`redb`, `fjall`, `sqlite`) keeps the newest value under each path and no more, so it does
//! less than Ramus and `git2` do.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "git2")]
mod git2;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::process::ExitCode;

use ramus_bench::Peer;

fn main() -> ExitCode {
    let peers: &[&'static dyn Peer] = &[
        #[cfg(feature = "redb")]
        &redb::Redb { synced: true },
        #[cfg(feature = "redb")]
        &redb::Redb { synced: false },
        #[cfg(feature = "fjall")]
        &fjall::Fjall { synced: true },
        #[cfg(feature = "fjall")]
        &fjall::Fjall { synced: false },
        #[cfg(feature = "sqlite")]
        &sqlite::Sqlite { synced: true },
        #[cfg(feature = "sqlite")]
        &sqlite::Sqlite { synced: false },
        #[cfg(feature = "git2")]
        &git2::Git2 { synced: true },
        #[cfg(feature = "git2")]
        &git2::Git2 { synced: false },
    ];
    ramus_bench::run(peers)
}

/// Returns the version of a package, as the lock file of this one has it.
fn version_of(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let found = lock.split_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or_else(|| "?".to_owned(), |(version, _)| version.to_owned())
}
