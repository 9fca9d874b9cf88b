//! The benchmarks of Ramus beside other stores, each behind a feature.
//!
//! ```sh
//! cargo run --release --manifest-path crates/ramus-bench/peers/Cargo.toml -- run kvset wide --scale full
//! ```
//!
//! Under a plain name every answer waits for an fsync, with `-os` none does, and with
//! `-mem` nothing is written to a disk. What has no versions of its
//! own (`redb`, `fjall`, `sqlite`) is made to keep them, in the tables that a user would lay out for that;
//! with `-plain` it keeps the newest value under each path and no more, and does less than the others.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "git2")]
mod git2;
#[cfg(feature = "gix")]
mod gix;
#[cfg(any(feature = "fjall", feature = "redb", feature = "sqlite"))]
mod keeps;
#[cfg(feature = "prollytree")]
mod prollytree;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(feature = "vsdb")]
mod vsdb;

use std::process::ExitCode;

use ramus_bench::Peer;

/// Who makes the commits.
const AUTHOR: &str = "bench";
/// What every commit says.
const MESSAGE: &str = "m";

fn main() -> ExitCode {
    ramus_bench::run(PEERS)
}

const PEERS: &[&dyn Peer] = &[
    #[cfg(feature = "redb")]
    &redb::Redb { name: "redb", keeps: keeps::Keeps::Versions, synced: true },
    #[cfg(feature = "redb")]
    &redb::Redb { name: "redb-os", keeps: keeps::Keeps::Versions, synced: false },
    #[cfg(feature = "redb")]
    &redb::Redb { name: "redb-plain", keeps: keeps::Keeps::Newest, synced: true },
    #[cfg(feature = "redb")]
    &redb::Redb { name: "redb-plain-os", keeps: keeps::Keeps::Newest, synced: false },
    #[cfg(feature = "fjall")]
    &fjall::Fjall { name: "fjall", keeps: keeps::Keeps::Versions, synced: true },
    #[cfg(feature = "fjall")]
    &fjall::Fjall { name: "fjall-os", keeps: keeps::Keeps::Versions, synced: false },
    #[cfg(feature = "fjall")]
    &fjall::Fjall { name: "fjall-plain", keeps: keeps::Keeps::Newest, synced: true },
    #[cfg(feature = "fjall")]
    &fjall::Fjall { name: "fjall-plain-os", keeps: keeps::Keeps::Newest, synced: false },
    #[cfg(feature = "sqlite")]
    &sqlite::Sqlite { name: "sqlite", keeps: keeps::Keeps::Versions, synced: true },
    #[cfg(feature = "sqlite")]
    &sqlite::Sqlite { name: "sqlite-os", keeps: keeps::Keeps::Versions, synced: false },
    #[cfg(feature = "sqlite")]
    &sqlite::Sqlite { name: "sqlite-plain", keeps: keeps::Keeps::Newest, synced: true },
    #[cfg(feature = "sqlite")]
    &sqlite::Sqlite { name: "sqlite-plain-os", keeps: keeps::Keeps::Newest, synced: false },
    #[cfg(feature = "git2")]
    &git2::Git2(git2::Kept::Synced),
    #[cfg(feature = "git2")]
    &git2::Git2(git2::Kept::ByTheKernel),
    #[cfg(feature = "git2")]
    &git2::Git2(git2::Kept::InMemory),
    #[cfg(feature = "gix")]
    &gix::Gix,
    #[cfg(feature = "prollytree")]
    &prollytree::Prollytree,
    #[cfg(feature = "vsdb")]
    &vsdb::Vsdb,
];

/// Returns the version of a package, as the lock file of this one has it: the newest, if there are several.
fn version_of(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let found = lock.rsplit_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or_else(|| "?".to_owned(), |(version, _)| version.to_owned())
}
