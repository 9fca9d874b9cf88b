use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ramus_core::erased::Backend;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Pin, ReadOnly as _, Result, Storage as _, Sweep as _};

use crate::Format as _;
use crate::Schema;
use crate::block::CommitBlock;
use crate::crew::Crew;
use crate::directory::{DirBlock, Held, build};
use crate::history::History;
use crate::proof::Trace;

/// Reads what a schema's blocks mean, with a cache of decoded directories.
///
/// The cache lies above the erased backend, so that its boxed calls are paid for on a miss only. A
/// block never changes, so nothing in it is ever stale.
pub(crate) struct Objects<S: Schema> {
    backend: Backend<S::Hash>,
    directories: Arc<Directories<S::Hash>>,
    empty_directory: S::Hash,
    /// Who shares the work of large saves.
    crew: Crew,
    history: Arc<History<S::Hash>>,
    /// Where it is noted what is read, if a proof is made or verified.
    trace: Option<Arc<Trace<S::Hash>>>,
}

type Directories<H> = Cache<H, Arc<DirBlock<H>>, ByBytes, DigestHash>;

#[derive(Clone)]
struct ByBytes;

impl<H: ramus_core::Hash> Weighter<H, Arc<DirBlock<H>>> for ByBytes {
    fn weight(&self, _key: &H, directory: &Arc<DirBlock<H>>) -> u64 {
        directory.memory() as u64 + 64
    }
}

impl<S: Schema> Objects<S> {
    pub(crate) fn new(backend: Backend<S::Hash>, cache_bytes: u64) -> Self {
        let items = usize::try_from(cache_bytes / 1024).unwrap_or(usize::MAX);
        let lifecycle = quick_cache::sync::DefaultLifecycle::default();
        let hasher = DigestHash::default();
        let directories = Arc::new(Cache::with(items, cache_bytes, ByBytes, hasher, lifecycle));
        let empty_directory = build(0, Vec::new()).hash;
        let history = Arc::new(History::new());
        let crew = Crew::of_machine();
        Self { backend, directories, empty_directory, crew, history, trace: None }
    }

    /// Returns the same objects, with a note of what is read through them from now on.
    pub(crate) fn traced(&self) -> (Arc<Self>, Arc<Trace<S::Hash>>) {
        let Self { backend, directories, empty_directory, crew, history, trace } = self;
        let trace = Arc::new(Trace::new(trace.clone()));
        let traced = Self {
            backend: backend.clone(),
            directories: Arc::clone(directories),
            empty_directory: *empty_directory,
            crew: *crew,
            history: Arc::clone(history),
            trace: Some(Arc::clone(&trace)),
        };
        (Arc::new(traced), trace)
    }

    /// Returns whether it is noted what is read.
    pub(crate) const fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    pub(crate) fn backend(&self) -> &Backend<S::Hash> {
        &self.backend
    }

    /// Returns what is known of the graph of commits.
    pub(crate) fn history(&self) -> &History<S::Hash> {
        &self.history
    }

    /// Returns the name of the directory without entries.
    pub(crate) fn empty_directory(&self) -> S::Hash {
        self.empty_directory
    }

    /// Returns who shares the work where many blocks are made.
    pub(crate) fn crew(&self) -> Crew {
        self.crew
    }

    /// Returns how large a block may be, in bytes.
    pub(crate) fn block_bytes_max(&self) -> usize {
        self.backend.blocks().limits().block_bytes_max
    }

    /// Returns a directory that something names.
    pub(crate) async fn directory(&self, hash: &S::Hash) -> Result<Arc<DirBlock<S::Hash>>> {
        if let Some(directory) = self.kept_directory(hash) {
            return Ok(directory);
        }
        let directory = self.read_directory(hash).await?;
        self.keep_directory(*hash, Arc::clone(&directory));
        Ok(directory)
    }

    /// Returns a directory that something names, if it is kept.
    pub(crate) fn kept_directory(&self, hash: &S::Hash) -> Option<Arc<DirBlock<S::Hash>>> {
        let directory = self.directories.get(hash)?;
        self.note_directory(hash, &directory);
        Some(directory)
    }

    /// Notes in a proof, if one is made, that a block was read that was at hand.
    pub(crate) fn note_directory(&self, hash: &S::Hash, directory: &DirBlock<S::Hash>) {
        if let Some(trace) = &self.trace {
            trace.note(*hash, directory.block());
        }
    }

    /// Notes a directory block that was just stored, so that it need not be read.
    pub(crate) fn keep_directory(&self, hash: S::Hash, directory: Arc<DirBlock<S::Hash>>) {
        self.directories.insert(hash, directory);
    }

    /// Forgets which directories were read, since some may be in the store no more.
    pub(crate) fn forget_directories(&self) {
        self.directories.clear();
    }

    /// Refuses a name that no directory in the store has; one that is only cached does not count.
    pub(crate) async fn check_directory(&self, hash: &S::Hash) -> Result<()> {
        self.read_directory(hash).await.map(drop)
    }

    async fn read_directory(&self, hash: &S::Hash) -> Result<Arc<DirBlock<S::Hash>>> {
        let block = self.block(hash).await?;
        let directory = DirBlock::decode(block).map_err(|fault| {
            self.failed(fault.context(format!("block {hash} cannot be read as a directory")))
        })?;
        Ok(Arc::new(directory))
    }

    /// Returns a commit, or nothing if there is no such block.
    pub(crate) async fn commit(&self, hash: &S::Hash) -> Result<Option<CommitBlock<S::Hash>>> {
        let Some(block) = self.backend.blocks().find(hash).await? else { return Ok(None) };
        let commit = S::Format::decode_commit(&block)
            .map_err(|fault| fault.context(format!("block {hash} cannot be read as a commit")))?;
        Ok(Some(commit))
    }

    /// Protects a block, and whatever it reaches, from collection for as long as the pin lives;
    /// nothing to do in a storage that collects nothing.
    pub(crate) async fn pin(&self, hash: S::Hash) -> Result<Option<Arc<Pin>>> {
        match self.backend.sweep() {
            Some(sweep) => Ok(Some(Arc::new(sweep.pin(vec![hash]).await?))),
            None => Ok(None),
        }
    }

    /// Protects blocks that are about to be added.
    pub(crate) async fn pin_all(&self, hashes: Vec<S::Hash>) -> Result<Option<Pin>> {
        match self.backend.sweep() {
            Some(sweep) => Ok(Some(sweep.pin(hashes).await?)),
            None => Ok(None),
        }
    }

    /// Returns a block that something names.
    pub(crate) async fn block(&self, hash: &S::Hash) -> Result<Bytes> {
        let found = self.backend.blocks().find(hash).await;
        let block = found.and_then(|found| found.ok_or_else(|| Error::missing(hash)));
        let block = block.map_err(|fault| self.failed(fault))?;
        if let Some(trace) = &self.trace {
            trace.note(*hash, &block);
        }
        Ok(block)
    }

    /// Notes that something could not be read, and returns why.
    pub(crate) fn failed(&self, fault: Error) -> Error {
        if let Some(trace) = &self.trace {
            trace.fail(&fault);
        }
        fault
    }
}

/// Returns the encoding of the contents that a block holds as a whole.
pub(crate) fn decode_block<S: Schema>(block: &Bytes) -> Result<Bytes> {
    let encoded = S::Format::decode_contents(block)?;
    if Held::<S::Hash>::is_inline(&encoded) {
        let length = encoded.len();
        let message =
            format!("contents of {length} bytes have a block, and should stand in their entry");
        return Err(Error::corrupt(message));
    }
    Ok(encoded)
}

impl<S: Schema> std::fmt::Debug for Objects<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("backend", &self.backend).finish_non_exhaustive()
    }
}
