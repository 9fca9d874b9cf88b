use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ramus_core::OsRandom;
use ramus_core::erased::Backend;
use ramus_core::wrap::{MeteredStorage, Operation};
use ramus_kv::{Clock, Info, Kv, Repo, RepoOptions};
use ramus_mem::Mem;

/// The schema of all workloads: text, SHA-1.
pub(crate) type Texts = Kv<String>;

/// A repository in memory.
pub(crate) fn mem_repo() -> Repo<Texts> {
    repo(Backend::new(Mem::default()))
}

/// A repository in memory, and what counts the bytes of the blocks that are given to it.
pub(crate) fn metered_repo() -> (Repo<Texts>, impl Fn() -> u64) {
    let storage = MeteredStorage::new(Mem::default());
    let meters = Arc::clone(storage.meters());
    let written = move || meters.read(Operation::Write).bytes_in;
    (repo(Backend::new(storage)), written)
}

/// A repository on a storage.
pub(crate) fn repo(backend: Backend<ramus_core::Sha1>) -> Repo<Texts> {
    let options = RepoOptions::default().with_author("bench").with_cache_bytes(1 << 30);
    Repo::with_parts(backend, options, Counted::default(), OsRandom)
}

/// What every commit says.
pub(crate) fn info() -> Info {
    Info::new("m")
}

/// A clock that counts the commits.
#[derive(Debug, Default)]
struct Counted(AtomicI64);

impl Clock for Counted {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
