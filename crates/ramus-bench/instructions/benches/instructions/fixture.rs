use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Cursor, Hash as _, OsRandom, Storage as _};
use ramus_kv::{Clock, Commit, Kv, Repo, RepoOptions, Store, Tree};
use ramus_mem::Mem;
use tokio::runtime::{Builder, Runtime};

use crate::hash::Trivial;

pub(crate) type Texts = Kv<String, Trivial>;

/// How often each operation is done: what is counted is all of them.
pub(crate) const TIMES: u64 = 100;

/// A repository in memory with a tree of 10 000 values, and what works on it.
pub(crate) struct Fixture {
    pub(crate) runtime: Runtime,
    pub(crate) mem: Mem<Trivial>,
    pub(crate) repo: Repo<Texts>,
    pub(crate) main: Store<Texts>,
}

/// `a/<i / 100>/<i % 100>`
pub(crate) fn path(i: u64) -> String {
    format!("a/{:03}/{:02}", i / 100, i % 100)
}

/// A path of those that are there, spread over all.
pub(crate) fn some_path(i: u64) -> String {
    path(i * 7919 % 10_000)
}

/// A block of 64 bytes.
pub(crate) fn block(i: u64) -> (Trivial, Bytes) {
    let bytes = Bytes::from(i.to_le_bytes().repeat(8));
    (Trivial::of(&bytes), bytes)
}

impl Fixture {
    pub(crate) fn empty() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mem = Mem::default();
        let options = RepoOptions::default().with_author("bench");
        let backend = Backend::new(mem.clone());
        let repo = Repo::with_parts(backend, options, Counted::default(), OsRandom);
        let main = runtime.block_on(repo.main()).expect("a branch");
        Self { runtime, mem, repo, main }
    }

    /// With the tree, read once.
    pub(crate) fn full() -> Self {
        let fixture = Self::empty();
        fixture.runtime.block_on(async {
            let mut edit = fixture.main.begin().await.expect("a transaction");
            for i in 0..10_000 {
                edit.set(path(i), format!("v{i}")).await.expect("set");
            }
            fixture.main.commit(edit, "all").await.expect("commit");
            for i in 0..10_000 {
                fixture.main.find(path(i)).await.expect("find");
            }
        });
        fixture
    }

    /// With a branch beside main: each changed values of its own.
    pub(crate) fn forked() -> (Self, Store<Texts>) {
        let fixture = Self::full();
        let other = fixture.runtime.block_on(async {
            let other = fixture.main.fork("other").await.expect("a branch");
            for i in 0..TIMES {
                fixture.main.set(path(i * 100), "ours", "ours").await.expect("set");
                other.set(path(i * 100 + 50), "theirs", "theirs").await.expect("set");
            }
            other
        });
        (fixture, other)
    }

    /// With a line of so many commits.
    pub(crate) fn line(count: u64) -> Self {
        let fixture = Self::empty();
        fixture.runtime.block_on(async {
            for i in 0..count {
                fixture.main.set("a", i.to_string(), "next").await.expect("set");
            }
        });
        fixture
    }

    pub(crate) fn head(&self) -> Commit<Texts> {
        self.runtime.block_on(self.main.head()).expect("the head").expect("a commit")
    }

    pub(crate) fn tree(&self) -> Tree<Texts> {
        self.head().tree()
    }

    pub(crate) fn position(&self) -> Cursor {
        use ramus_core::AtomicWrite as _;
        self.runtime.block_on(self.mem.refs().position()).expect("a position")
    }
}

/// A clock that counts, so that no two runs differ.
#[derive(Debug, Default)]
struct Counted(AtomicI64);

impl Clock for Counted {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
