use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ramus_core::erased::Backend;
use ramus_core::wrap::{MeteredStorage, Operation};
use ramus_core::{OsRandom, Sha1};
use ramus_kv::{Clock, Info, Kv, Repo, RepoOptions};
use ramus_mem::Mem;
use ramus_pack::{Durability, Pack, PackOptions, SyncBy};
use tempfile::TempDir;

use crate::Result;
use crate::memory::{self, Caches};
use crate::subject::Subject;

/// The schema of all workloads: text, SHA-1.
pub(crate) type Texts = Kv<String>;

/// Where a subject keeps its data: in memory, or in a directory that is removed with this.
#[derive(Debug)]
pub(crate) struct Place {
    subject: Subject,
    directory: Option<TempDir>,
    /// The memory backend, which is opened once.
    mem: Mem,
}

impl Place {
    /// Returns a new place; directories are made in the given one, or where temporary files are.
    pub(crate) fn new(subject: Subject, above: Option<&Path>) -> Result<Self> {
        memory::begin();
        let in_memory = subject == Subject::RamusMem;
        let directory = match above {
            _ if in_memory => None,
            Some(above) => Some(TempDir::new_in(above)?),
            None => Some(TempDir::new()?),
        };
        Ok(Self { subject, directory, mem: Mem::default() })
    }

    pub(crate) fn directory(&self) -> Result<&Path> {
        Ok(self.directory.as_ref().ok_or("memory has no directory")?.path())
    }

    /// Returns the options of the durable backend.
    pub(crate) fn pack_options(&self) -> PackOptions {
        let durability = match self.subject {
            Subject::RamusPackOs => Durability::Os,
            _ => Durability::Sync,
        };
        let sync_by = match self.subject {
            Subject::RamusPackCaller => SyncBy::Caller,
            _ => SyncBy::Pool,
        };
        let cache_bytes = Caches::of_this_process().pack_bytes;
        let options = PackOptions::default().with_durability(durability).with_sync_by(sync_by);
        options.with_cache_bytes(cache_bytes)
    }

    /// Returns the memory backend.
    pub(crate) const fn mem(&self) -> &Mem {
        &self.mem
    }

    /// Notes how much is held here. A store in memory is weighed before it is closed.
    pub(crate) async fn weigh(&self) -> Result<()> {
        match &self.directory {
            Some(directory) => memory::weigh_directory(directory.path()),
            None => memory::weigh(&self.mem).await,
        }
    }

    pub(crate) async fn pack(&self) -> Result<Pack> {
        Ok(Pack::open(self.directory()?, &self.pack_options()).await?)
    }

    pub(crate) async fn backend(&self) -> Result<Backend<Sha1>> {
        Ok(match self.subject {
            Subject::RamusMem => Backend::new(self.mem.clone()),
            _ => Backend::new(self.pack().await?),
        })
    }

    /// Opens the repository.
    pub(crate) async fn repo(&self) -> Result<Repo<Texts>> {
        Ok(repo(self.backend().await?))
    }

    /// Opens the repository, with what counts the bytes of the blocks that are given to it.
    pub(crate) async fn metered_repo(&self) -> Result<(Repo<Texts>, impl Fn() -> u64 + use<>)> {
        let storage = MeteredStorage::new(self.backend().await?);
        let meters = Arc::clone(storage.meters());
        let written = move || meters.read(Operation::Write).bytes_in;
        Ok((repo(Backend::new(storage)), written))
    }
}

/// A repository on a storage.
pub(crate) fn repo(backend: Backend<Sha1>) -> Repo<Texts> {
    let cache_bytes = Caches::of_this_process().repo_bytes;
    let options = RepoOptions::default().with_author("bench").with_cache_bytes(cache_bytes);
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
