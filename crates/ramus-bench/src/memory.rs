//! What a process may take in memory: what it took before it opened a store, twice the bytes of blocks, refs
//! and log that the store holds, and its caches.
//!
//! A process measures one workload, so what it took before and what it holds are of the process.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt as _;
use ramus_core::{
    AtomicWrite as _, Changes, Cursor, Hash as _, Key as _, KeyChange, ReadOnly as _, RefName,
    Sha1, Storage, Sweep as _,
};
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::table::mib;
use crate::{Result, rss};

static BARE: OnceLock<u64> = OnceLock::new();
static HELD: AtomicU64 = AtomicU64::new(0);
static CACHES: OnceLock<Caches> = OnceLock::new();

/// How large the caches are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caches {
    /// That of a repository, for what it decodes.
    pub(crate) repo_bytes: u64,
    /// That of the durable backend.
    pub(crate) pack_bytes: usize,
}

impl Caches {
    /// Where times are measured: those that a user has who says nothing.
    const USUAL: Self = Self { repo_bytes: 64 << 20, pack_bytes: 32 << 20 };
    /// Where memory is measured: so little that what else is taken shows.
    const SMALL: Self = Self { repo_bytes: 8 << 20, pack_bytes: 4 << 20 };

    /// Chooses those of this process, before any is made.
    pub(crate) fn choose(small: bool) {
        let _chosen = CACHES.set(if small { Self::SMALL } else { Self::USUAL });
    }

    /// Returns those of this process.
    pub(crate) fn of_this_process() -> Self {
        *CACHES.get_or_init(|| Self::USUAL)
    }
}

/// What a workload may take, and why; all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The resident size before a store was opened, with what the workload is about to give it.
    pub(crate) bare: u64,
    /// The largest size of blocks, refs and log; on disk that of the files.
    pub(crate) held: u64,
    /// The sizes of the caches.
    pub(crate) caches: u64,
}

impl Memory {
    /// Returns what was noted in this process; nothing if no store was weighed.
    pub(crate) fn of_this_process(on_disk: bool) -> Option<Self> {
        let held = HELD.load(Ordering::Relaxed);
        let caches = Caches::of_this_process();
        let pack_bytes = if on_disk { caches.pack_bytes as u64 } else { 0 };
        let caches = caches.repo_bytes + pack_bytes;
        let bare = *BARE.get()?;
        (held > 0).then_some(Self { bare, held, caches })
    }

    /// Returns the most that may be taken, in bytes.
    pub(crate) const fn max_bytes(self) -> u64 {
        self.bare + 2 * self.held + self.caches
    }
}

/// Notes what the process takes before the first store is opened.
pub(crate) fn begin() {
    BARE.get_or_init(rss::now_bytes);
}

/// Weighs a store whose files are in a directory.
pub(crate) fn weigh_directory(directory: &Path) -> Result<()> {
    let mut bytes = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                left.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    HELD.fetch_max(bytes, Ordering::Relaxed);
    Ok(())
}

/// Weighs a store in memory: the names and bytes of the blocks, the names and values of the refs, and of each
/// change in the log its place, its id, its note, and its refs with their old and new values.
pub(crate) async fn weigh<S: Storage<Hash = Sha1>>(storage: &S) -> Result<()> {
    HELD.fetch_max(bytes_of(storage).await? as u64, Ordering::Relaxed);
    Ok(())
}

async fn bytes_of<S: Storage<Hash = Sha1>>(storage: &S) -> Result<usize> {
    let mut bytes = 0;
    if let Some(sweep) = storage.sweep() {
        let mut names = sweep.keys();
        while let Some(name) = names.try_next().await? {
            let block = storage.blocks().find(&name).await?;
            bytes += Sha1::LENGTH + block.map_or(0, |block| block.len());
        }
    }
    let mut refs = storage.refs().snapshot(&[]).await?.into_pages();
    while let Some(page) = refs.try_next().await? {
        bytes += page.iter().map(|(name, _)| name.to_bytes().len() + Sha1::LENGTH).sum::<usize>();
    }
    Ok(bytes + log_bytes(storage).await?)
}

async fn log_bytes<S: Storage<Hash = Sha1>>(storage: &S) -> Result<usize> {
    const PAGE: usize = 1000;
    const PLACE_AND_ID: usize = 8 + 8 + 16;
    let of_key = |one: &KeyChange<RefName, Sha1>| {
        let values = [one.old, one.new].iter().flatten().count();
        one.key.to_bytes().len() + values * Sha1::LENGTH
    };
    let mut bytes = 0;
    let mut after = Cursor { sequence: 0, ..storage.refs().position().await? };
    loop {
        match storage.refs().changes(after, PAGE).await? {
            Changes::Truncated { oldest } => after = oldest,
            Changes::Page(page) => {
                for change in &page.changes {
                    let keys = change.keys.iter().map(of_key).sum::<usize>();
                    bytes += PLACE_AND_ID + change.note.len() + keys;
                }
                if page.is_last() {
                    return Ok(bytes);
                }
                after = page.next;
            }
        }
    }
}

/// Prints what each workload took beside what it may take; returns the workloads that took more.
pub(crate) fn print(records: &[Record]) -> Vec<String> {
    println!("\nmemory, in MiB: at most what was taken before, twice what is held, and the caches");
    println!(
        "  {:14} {:14} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "workload", "subject", "before", "held", "caches", "at most", "peak", "of it"
    );
    let mut above = Vec::new();
    for record in records {
        let Some(memory) = record.memory else { continue };
        let (peak, max) = (record.peak_rss_bytes, memory.max_bytes());
        #[expect(clippy::cast_precision_loss, reason = "a percentage does not need 53 bits")]
        let share = 100.0 * peak as f64 / max as f64;
        let [bare, held] = [memory.bare, memory.held].map(mib);
        let [caches, at_most, taken] = [memory.caches, max, peak].map(mib);
        println!(
            "  {:14} {:14} {bare:>8} {held:>8} {caches:>8} {at_most:>8} {taken:>8} {share:>7.0}%{}",
            record.workload,
            record.subject.name(),
            if peak > max { "  ABOVE" } else { "" }
        );
        if peak > max {
            above.push(format!("{} of {}", record.workload, record.subject.name()));
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use ramus_core::{AtomicWriteExt as _, ContentAddressable as _};
    use ramus_kv::RepoOptions;
    use ramus_mem::Mem;
    use ramus_pack::PackOptions;

    use super::*;

    #[test]
    fn the_usual_caches_are_those_of_a_user_who_says_nothing() {
        let (repo, pack) = (RepoOptions::default(), PackOptions::default());
        let usual = Caches::USUAL;
        assert_eq!((usual.repo_bytes, usual.pack_bytes), (repo.cache_bytes, pack.cache_bytes));
    }

    #[test]
    fn what_is_held_counts_twice_and_the_rest_once() {
        let memory = Memory { bare: 10, held: 200, caches: 3000 };
        assert_eq!(memory.max_bytes(), 3410);
    }

    #[test]
    fn a_store_weighs_its_blocks_its_refs_and_its_log() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(small_store());
    }

    async fn small_store() {
        let mem: Mem = Mem::default();
        let [one, other] = [b"one", b"two"].map(|bytes| bytes.as_slice().into());
        let one = mem.blocks().add(one).await.expect("add");
        let other = mem.blocks().add(other).await.expect("add");
        mem.blocks().add(b"two".as_slice().into()).await.expect("again, which adds nothing");
        let name = RefName::branch("x").expect("a name");
        let named = name.to_bytes().len();
        mem.refs().set(name.clone(), one).await.expect("set");
        mem.refs().set(name, other).await.expect("set");
        let (blocks, refs) = (2 * (20 + 3), named + 20);
        // The first change has no old value.
        let log = 2 * (32 + named) + 20 + 40;
        assert_eq!(bytes_of(&mem).await.expect("weigh"), blocks + refs + log);
    }
}
