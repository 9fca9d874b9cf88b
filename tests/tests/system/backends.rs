//! The backends that every test runs on, chosen when the tests run: each test is compiled once.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};
use ramus_core::erased::Backend;
use ramus_core::wrap::Verified;
use ramus_core::{Joined, RefName, RefOutcome, RefUpdate, Result, Sha1, Storage};
use ramus_mem::{Mem, MemBlocks, MemOptions, MemRefs};
use ramus_pack::{Durability, Pack, PackOptions};
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::bed::{Bed, Open, within_a_minute};

/// Memory, as it comes.
pub(crate) fn mem() -> BoxFuture<'static, Backend<Sha1>> {
    async { Backend::new(Mem::default()) }.boxed()
}

/// Blocks that are checked and refs that know nothing of them, joined: no collection.
pub(crate) fn joined() -> BoxFuture<'static, Backend<Sha1>> {
    async {
        let refs = MemRefs::<RefName, Sha1>::new(&MemOptions::default());
        Backend::new(Joined::new(Verified::new(MemBlocks::<Sha1, Bytes>::new()), refs))
    }
    .boxed()
}

/// A directory, without an fsync for each commit: that changes how long an answer takes, and not what
/// it says.
pub(crate) fn pack() -> BoxFuture<'static, Backend<Sha1>> {
    directory(Durability::Os).boxed()
}

/// A directory, as it comes: with an fsync for each commit.
pub(crate) fn synced() -> BoxFuture<'static, Backend<Sha1>> {
    directory(Durability::Sync).boxed()
}

async fn directory(durability: Durability) -> Backend<Sha1> {
    let directory = tempfile::tempdir().expect("a directory for tests");
    let options = PackOptions::default().with_durability(durability);
    let pack = Pack::open(directory.path(), &options).await.expect("a new directory opens");
    Backend::new(InDirectory { pack, _directory: Arc::new(directory) })
}

/// A pack whose directory goes with it.
#[derive(Clone, Debug)]
struct InDirectory {
    pack: Pack,
    _directory: Arc<TempDir>,
}

#[deny(clippy::missing_trait_methods, reason = "the tests are to meet every method of a pack")]
impl Storage for InDirectory {
    type Hash = Sha1;
    type Blocks = <Pack as Storage>::Blocks;
    type Refs = <Pack as Storage>::Refs;
    type Sweep = <Pack as Storage>::Sweep;

    fn blocks(&self) -> &Self::Blocks {
        self.pack.blocks()
    }

    fn refs(&self) -> &Self::Refs {
        self.pack.refs()
    }

    fn sweep(&self) -> Option<Self::Sweep> {
        self.pack.sweep()
    }

    async fn write(
        &self,
        blocks: Vec<(Sha1, Bytes)>,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        self.pack.write(blocks, update).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.pack.load_derived(name).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        self.pack.append_derived(name, at, bytes).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        self.pack.replace_derived(name, bytes).await
    }

    async fn close(&self) -> Result<()> {
        self.pack.close().await
    }
}

/// How a test runs: on the thread that calls it, or on several.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Threads {
    One,
    Several,
}

/// Runs a test on a new storage of a backend.
pub(crate) fn run(open: Open, threads: Threads, test: fn(Bed) -> LocalBoxFuture<'static, ()>) {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::Several => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        }
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bed = Bed::new(open).await;
        within_a_minute(test(bed)).await;
    });
}

/// Makes of each function of a [`Bed`](crate::bed::Bed) one test for each backend. After `threads:`
/// they run on several threads; after `synced:` also on a directory with an fsync for each commit.
macro_rules! on_every_backend {
    (threads: $($test:ident),+ $(,)?) => {
        on_every_backend!(@backends Several $($test),+);
    };
    (synced: threads: $($test:ident),+ $(,)?) => {
        on_every_backend!(@backends Several $($test),+);
        on_every_backend!(@backend synced Several $($test),+);
    };
    (@backends $threads:ident $($test:ident),+) => {
        on_every_backend!(@backend mem $threads $($test),+);
        on_every_backend!(@backend joined $threads $($test),+);
        on_every_backend!(@backend pack $threads $($test),+);
    };
    (@backend $backend:ident $threads:ident $($test:ident),+) => {
        mod $backend {
            $(
                #[test]
                fn $test() {
                    use crate::backends::{self, Threads};

                    backends::run(backends::$backend, Threads::$threads, |bed| {
                        Box::pin(super::$test(bed))
                    });
                }
            )+
        }
    };
    (synced: $($test:ident),+ $(,)?) => {
        on_every_backend!(@backends One $($test),+);
        on_every_backend!(@backend synced One $($test),+);
    };
    ($($test:ident),+ $(,)?) => {
        on_every_backend!(@backends One $($test),+);
    };
}
