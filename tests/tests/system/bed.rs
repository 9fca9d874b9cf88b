//! Where a test keeps its repositories, on any of the backends; and what many tests say.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::{
    ContentAddressable as _, Error, ErrorKind, Hash as _, OsRandom, ReadOnly as _, Sha1,
    Storage as _,
};
use ramus_kv::block::{CommitBlock, INLINE_MAX};
use ramus_kv::{
    BranchEvent, BranchWatch, Clock, Commit, Format as _, Info, Kv, Native, Repo, RepoOptions,
    Schema, Store, Transaction, TransactionOptions,
};

use crate::rig::Rig;

/// The schema of most tests.
pub(crate) type Text = Kv<String>;

/// Opens an empty storage that shares nothing with any other.
pub(crate) type Open = fn() -> BoxFuture<'static, Backend<Sha1>>;

/// A place for repositories: one storage, and a way to get others of its kind.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    open: Open,
    rig: Rig,
}

impl Bed {
    pub(crate) async fn new(open: Open) -> Self {
        Self { open, rig: Rig::new(open().await) }
    }

    /// Returns the same place, where a block is lost, or something else in its stead.
    pub(crate) fn lossy(&self, block: Sha1, instead: Option<&'static str>) -> Self {
        let rig = Rig::new(self.rig.at_once().clone());
        match instead {
            Some(bytes) => rig.replace(block, bytes),
            None => rig.lose(block),
        }
        Self { open: self.open, rig }
    }

    /// Returns an empty place that has nothing to do with this one.
    pub(crate) async fn another(&self) -> Self {
        Self::new(self.open).await
    }

    pub(crate) const fn rig(&self) -> &Rig {
        &self.rig
    }

    /// Returns a repository on the place: each is to the others like that of another process.
    pub(crate) fn repo(&self) -> Repo<Text> {
        self.repo_of()
    }

    pub(crate) fn repo_of<S: Schema<Hash = Sha1>>(&self) -> Repo<S> {
        Repo::new(Backend::new(self.rig.clone()))
    }

    /// Returns a repository whose commits are made at 1, 2, 3 and so on, by `test`.
    pub(crate) fn repo_that_counts(&self) -> Repo<Text> {
        let options = RepoOptions::default().with_author("test");
        let backend = Backend::new(self.rig.clone());
        Repo::with_parts(backend, options, CountingClock::default(), OsRandom)
    }

    pub(crate) async fn main(&self) -> Store<Text> {
        self.repo().main().await.unwrap()
    }

    /// Adds a commit that is put together by hand, and reads it.
    pub(crate) async fn add_commit<S: Schema<Hash = Sha1>>(
        &self,
        repo: &Repo<S>,
        root: Sha1,
        parents: &[Sha1],
        message: &str,
    ) -> Commit<S> {
        let info = Info::new(message).with_author("test").with_time_ms(1);
        let block = CommitBlock { root, parents: parents.to_vec(), info };
        let hash = self.add_block(Native::encode_commit(&block).unwrap()).await;
        repo.commit(&hash).await.unwrap().unwrap()
    }

    pub(crate) async fn add_block(&self, block: Bytes) -> Sha1 {
        self.rig.blocks().add(block).await.unwrap()
    }

    /// Adds the directory of these entries, without a commit, and returns its name.
    pub(crate) async fn add_directory(&self, entries: &[(&str, &str)]) -> Sha1 {
        let elsewhere = self.another().await;
        let repo = elsewhere.repo();
        let options = TransactionOptions::default().allow_empty();
        let store = repo.empty();
        let edit = async |edit: &mut Transaction<Text>| {
            for (path, value) in entries {
                edit.set(*path, *value).await?;
            }
            Ok(())
        };
        store.transact_with(options, "elsewhere", edit).await.unwrap();
        for hash in elsewhere.rig.take_added() {
            if Some(hash) != store.head().await.unwrap().map(|commit| commit.hash()) {
                let block = elsewhere.rig.blocks().find(&hash).await.unwrap().unwrap();
                self.add_block(block).await;
            }
        }
        head(&store).await.tree().hash().await.unwrap()
    }
}

/// A clock that counts how often it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountingClock(Arc<AtomicI64>);

impl Clock for CountingClock {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A text that is too long to lie in its directory: it has a block of its own.
pub(crate) fn long_text(text: &str) -> String {
    text.repeat(INLINE_MAX + 1)
}

/// Returns the name of the block that holds this text.
pub(crate) fn contents_hash(text: &str) -> Sha1 {
    Sha1::of(&Native::encode_contents(text.as_bytes()))
}

/// Checks the kind of an error and what its message says.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Error>,
    kind: ErrorKind,
    says: &str,
) -> Error {
    let error = answer.expect_err("this has to be refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(format!("{error:?}").contains(says), "`{error:?}` does not say `{says}`");
    error
}

/// Returns the messages of the commits that led to the head, newest first.
pub(crate) async fn messages<S: Schema>(store: &Store<S>) -> Vec<String> {
    log(store).await.iter().map(|commit| commit.info().message.clone()).collect()
}

pub(crate) async fn log<S: Schema>(store: &Store<S>) -> Vec<Commit<S>> {
    store.log().await.unwrap().collect().await.unwrap()
}

pub(crate) async fn head<S: Schema>(store: &Store<S>) -> Commit<S> {
    store.head().await.unwrap().unwrap()
}

/// Returns the value at a path, which is there.
pub(crate) async fn read(store: &Store<Text>, path: &str) -> String {
    store.find(path).await.unwrap().unwrap_or_else(|| panic!("nothing is at `{path}`"))
}

/// Returns the steps of a directory.
pub(crate) async fn steps<S: Schema>(store: &Store<S>, path: &str) -> Vec<String> {
    let listed = store.list(path).await.unwrap();
    listed.iter().map(|entry| entry.step.to_string()).collect()
}

/// Sets a value, which changes something.
pub(crate) async fn put(store: &Store<Text>, path: &str, value: &str) -> Commit<Text> {
    let message = format!("set {path} to {value}");
    store.set(path, value, message).await.unwrap().unwrap()
}

/// Returns the next event of a watch.
pub(crate) async fn next<S: Schema>(watch: &mut BranchWatch<S>) -> BranchEvent<S> {
    watch.next().await.expect("the watch goes on").expect("an event")
}

/// Returns the paths that an event says differ.
pub(crate) async fn paths<S: Schema>(event: &BranchEvent<S>) -> Vec<String> {
    let differences = event.diff().await.unwrap().collect().await.unwrap();
    differences.iter().map(|difference| difference.path.to_string()).collect()
}

/// How often the tests run that were not reliable in the model of this project: 5 times at the
/// scale 1.
pub(crate) fn repeats() -> usize {
    let scale = std::env::var("RAMUS_SCALE").unwrap_or_else(|_| "1".to_owned());
    5 * scale.parse::<usize>().expect("RAMUS_SCALE is a number")
}

/// A source of numbers that a seed decides: `SplitMix64`.
#[derive(Debug)]
pub(crate) struct Choices(u64);

impl Choices {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the seed that `RAMUS_SEED` says; 1 if it says nothing.
    pub(crate) fn seed() -> u64 {
        number_from_env("RAMUS_SEED")
    }

    /// Returns how many times as much is done as usual, which `RAMUS_SCALE` says.
    pub(crate) fn scale() -> u64 {
        number_from_env("RAMUS_SCALE")
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        usize::try_from(mixed % bound as u64).expect("less than a usize")
    }
}

fn number_from_env(name: &str) -> u64 {
    let text = std::env::var(name).unwrap_or_else(|_| "1".to_owned());
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

/// Fails a test that hangs: after a minute at scale 1.
pub(crate) async fn within_a_minute<T>(test: impl Future<Output = T>) -> T {
    let minutes = Duration::from_mins(Choices::scale());
    tokio::time::timeout(minutes, test).await.expect("the test hangs")
}
