mod branches;
mod named;
mod operations;
mod send;
mod tags;
mod watches;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use ramus_core::erased::Backend;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, Error, IdSource, OsRandom, ReadOnly as _, RefName,
    Result, Storage as _,
};
use tokio::sync::Semaphore;

use crate::branch::Branch;
use crate::objects::Objects;
use crate::{
    Clock, Commit, Concrete, Contents as _, Graph, GraphOptions, Info, RepoOptions, Schema, Store,
    SystemClock, Tree, history,
};

/// A storage and a schema: branches of commits of trees.
///
/// Cloning is cheap and shares the repository.
///
/// # Errors
///
/// Every call answers what the backend answers; [`Closed`](ramus_core::ErrorKind::Closed) after
/// `close`. A branch name that is none is [`InvalidInput`](ramus_core::ErrorKind::InvalidInput).
///
/// # Runtime
///
/// A write that meets another one waits, and has a deadline for that: so a Tokio runtime with its timer
/// enabled has to be there.
///
/// ```
/// use ramus_core::erased::Backend;
/// use ramus_kv::{Kv, Repo};
/// use ramus_mem::Mem;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
/// let main = repo.main().await?;
/// main.set("users/ada", "mathematician", "add Ada").await?;
/// assert_eq!(main.find("users/ada").await?.as_deref(), Some("mathematician"));
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Repo<S: Schema>(Arc<Shared<S>>, Option<Arc<str>>);

struct Shared<S: Schema> {
    objects: Arc<Objects<S>>,
    options: RepoOptions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    /// One collection at a time.
    collecting: Arc<Semaphore>,
    /// The branches that handles are out for, so that those of one branch share its turns.
    branches: Mutex<HashMap<RefName, Weak<Branch<S>>>>,
}

impl<S: Schema> Repo<S> {
    /// Returns the repository on a storage, set up as usual.
    pub fn new(backend: Backend<S::Hash>) -> Self {
        Self::with_options(backend, RepoOptions::default())
    }

    /// Returns the repository on a storage.
    pub fn with_options(backend: Backend<S::Hash>, options: RepoOptions) -> Self {
        Self::with_parts(backend, options, SystemClock, OsRandom)
    }

    /// Returns the repository on a storage, with a clock and a source of update ids of one's own.
    pub fn with_parts(
        backend: Backend<S::Hash>,
        options: RepoOptions,
        clock: impl Clock,
        ids: impl IdSource + 'static,
    ) -> Self {
        let objects = Arc::new(Objects::new(backend, options.cache_bytes));
        let (clock, ids) = (Arc::new(clock), Arc::new(ids));
        let (collecting, branches) = (Arc::new(Semaphore::new(1)), Mutex::default());
        Self(Arc::new(Shared { objects, options, clock, ids, collecting, branches }), None)
    }

    /// Returns the same repository for somebody else: what is written through it, and through handles
    /// that it gives, has this author where an [`Info`] names none. So have the moves of branches and
    /// tags, and undo: the [log of operations](Repo::operations) says who did it.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Repo};
    /// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
    /// let repo = repo.with_author("ada");
    /// let main = repo.main().await?;
    /// let commit = main.set("motto", "begin", "first").await?.expect("it changes something");
    /// assert_eq!(commit.info().author.as_deref(), Some("ada"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_author(&self, author: &str) -> Self {
        Self(Arc::clone(&self.0), Some(Arc::from(author)))
    }

    /// Returns a handle on the branch `main`, which need not exist yet.
    pub async fn main(&self) -> Result<Store<S>> {
        self.branch("main").await
    }

    /// Returns a handle on a branch, which need not exist yet: its first commit makes it. One that has
    /// to exist is opened by [`find_branch`](Repo::find_branch).
    #[expect(clippy::unused_async, reason = "a store that is far away may have to be asked")]
    pub async fn branch(&self, name: &str) -> Result<Store<S>> {
        let name = RefName::branch(name)?;
        Ok(self.store(name))
    }

    /// Returns a handle on a branch that exists, or nothing if there is none of that name: so that a name
    /// that was mistyped does not read as an empty branch.
    pub async fn find_branch(&self, name: &str) -> Result<Option<Store<S>>> {
        let name = RefName::branch(name)?;
        Ok(self.refs().mem(&name).await?.then(|| self.store(name)))
    }

    /// Returns a handle on a commit that no branch follows: its own commits move this handle alone.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository.
    pub fn detached(&self, commit: &Commit<S>) -> Result<Store<S>> {
        self.check_commit(commit)?;
        Ok(Store::detached(self.clone(), Some(commit.clone())))
    }

    /// Returns a detached handle on nothing yet.
    pub fn empty(&self) -> Store<S> {
        Store::detached(self.clone(), None)
    }

    /// Returns a commit, or nothing if there is no such block.
    ///
    /// A hash alone keeps nothing from being collected. A commit that nothing else holds (no ref, no
    /// handle) can be under collection while it is read: then parts of it may be missing.
    pub async fn commit(&self, hash: &S::Hash) -> Result<Option<Commit<S>>> {
        Commit::load(self.objects(), *hash).await
    }

    /// Returns the tree whose root directory has this name, unchecked until it is committed.
    ///
    /// Reading it answers [`Missing`](ramus_core::ErrorKind::Missing) where a block is not there.
    /// Hashing it, and putting it into another tree, reads nothing. A commit that it is part of looks
    /// for that root directory, and is refused if it is not there; for what lies below, nobody looks.
    ///
    /// As with [`commit`](Repo::commit), what nothing else holds can be under collection meanwhile.
    pub async fn tree(&self, root: &S::Hash) -> Result<Tree<S>> {
        let pin = self.objects().pin(*root).await?;
        Ok(Tree::unchecked(Arc::clone(self.objects()), *root, pin))
    }

    /// Returns a tree of nothing, to be filled and put into a branch.
    pub fn empty_tree(&self) -> Tree<S> {
        Tree::empty(Arc::clone(self.objects()))
    }

    /// Returns the tree that a plain value stands for, to be put into a branch. Empty directories are
    /// left out.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for contents at the root;
    /// [`Limit`](ramus_core::ErrorKind::Limit) for what is too large or too deep.
    pub fn tree_from_concrete(
        &self,
        concrete: &Concrete<S::Contents, S::Metadata>,
    ) -> Result<Tree<S>> {
        Tree::from_concrete(self.objects(), concrete)
    }

    /// Returns the lowest common ancestors of two commits: those common ancestors that are no
    /// ancestors of another one. There are none if their histories have nothing in common, and
    /// several after merges that crossed; the one of the highest generation comes first.
    ///
    /// The histories are looked up in an index. What it does not have is loaded once, back to the
    /// beginnings, and must be there. What it has it knows for good, also of commits that were collected
    /// since.
    ///
    /// # Errors
    ///
    /// [`Missing`](ramus_core::ErrorKind::Missing) for a commit that a history names and that is not
    /// there; [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another
    /// repository.
    pub async fn lcas(&self, one: &Commit<S>, other: &Commit<S>) -> Result<Vec<Commit<S>>> {
        self.check_commit(one)?;
        self.check_commit(other)?;
        let hashes = history::lcas(self.objects(), &[one.hash()], &[other.hash()]).await?;
        let mut commits = Vec::with_capacity(hashes.len());
        for hash in hashes {
            commits.push(self.existing(hash).await?);
        }
        Ok(commits)
    }

    /// Returns whether one can get from `commit` to `ancestor` by parents. A commit is its own
    /// ancestor.
    ///
    /// # Errors
    ///
    /// Those of [`lcas`](Repo::lcas).
    pub async fn is_ancestor(&self, ancestor: &Commit<S>, commit: &Commit<S>) -> Result<bool> {
        self.check_commit(ancestor)?;
        self.check_commit(commit)?;
        history::is_ancestor(self.objects(), &ancestor.hash(), &commit.hash()).await
    }

    /// Returns the branches and the commits that led to them as text for Graphviz, line by line.
    ///
    /// # Errors
    ///
    /// [`Missing`](ramus_core::ErrorKind::Missing) for a branch whose commit is not there, also if the
    /// branch was moved away from it or removed just now, and the commit collected: ask again then.
    pub async fn graph(&self, options: GraphOptions) -> Result<Graph> {
        Graph::open(self, options).await
    }

    /// Returns the storage that the repository stands on.
    pub fn backend(&self) -> &Backend<S::Hash> {
        self.objects().backend()
    }

    /// Waits until everything that was written before is durable, in the sense of an fsync. It is for storages
    /// that answer earlier, if they were told to.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing: what was written may become durable all the same.
    pub async fn flush(&self) -> Result<()> {
        self.backend().blocks().flush().await
    }

    /// Closes the storage, for all handles: every operation answers `Closed` then. Closing again is
    /// fine.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has closed the storage, or a part of it, or nothing.
    pub async fn close(&self) -> Result<()> {
        history::keep_all(self.objects()).await;
        self.backend().close().await
    }

    pub(crate) fn objects(&self) -> &Arc<Objects<S>> {
        &self.0.objects
    }

    pub(crate) fn options(&self) -> &RepoOptions {
        &self.0.options
    }

    /// Returns who writes where nobody is named.
    pub(crate) fn author(&self) -> &str {
        self.1.as_deref().unwrap_or(&self.options().author)
    }

    pub(crate) fn collecting(&self) -> &Arc<Semaphore> {
        &self.0.collecting
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(crate) fn refs(&self) -> &ramus_core::erased::Refs<S::Hash> {
        self.backend().refs()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Refuses to go on in a closed storage, where nothing else would ask it.
    pub(crate) async fn ensure_open(&self) -> Result<()> {
        self.refs().position().await.map(drop)
    }

    /// Refuses a commit that is not in this repository.
    pub(crate) fn check_commit(&self, commit: &Commit<S>) -> Result<()> {
        if commit.is_of(self.objects()) {
            return Ok(());
        }
        let hash = commit.hash();
        Err(Error::invalid_input(format!(
            "commit {hash} is of another repository (two that were made on one storage are two, too); \
             look it up here by its hash"
        )))
    }

    /// Returns a random number below `bound`, which is not zero.
    pub(crate) fn random_below(&self, bound: u64) -> u64 {
        let random = u128::from_le_bytes(*self.0.ids.next_id().as_bytes());
        u64::try_from(random % u128::from(bound)).unwrap_or_default()
    }

    /// Makes a commit one of its own, where the contents count.
    ///
    /// Two branches that each count one, in the same millisecond and for the same reason, would make
    /// one commit of one name; a merge of the two would find nothing to merge, and one count would be
    /// lost.
    pub(crate) fn tell_apart(&self, info: &mut Info) {
        if S::Contents::MERGES_EQUAL_SIDES {
            let random = self.random_below(u64::MAX);
            info.headers.entry(Info::UNIQUE.to_owned()).or_insert(format!("{random:016x}").into());
        }
    }

    pub(crate) fn attempts_max(&self) -> u32 {
        self.options().attempts_max.max(1)
    }

    /// Returns how long one may keep other writers of a branch waiting.
    pub(crate) fn turn(&self) -> Duration {
        // Longer than anybody waits, and short enough to be added to any time.
        const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1000;
        Duration::from_millis(self.options().turn_ms.min(LONGEST_MS))
    }

    /// Returns a handle on a ref.
    fn store(&self, name: RefName) -> Store<S> {
        Store::on_branch(self.clone(), self.shared_branch(name))
    }

    /// Returns what the handles of a branch share.
    fn shared_branch(&self, name: RefName) -> Arc<Branch<S>> {
        let mut branches = self.0.branches.lock();
        if let Some(branch) = branches.get(&name).and_then(Weak::upgrade) {
            return branch;
        }
        // Those that nobody holds any more go when the map would grow.
        if branches.len() == branches.capacity() {
            branches.retain(|_, branch| branch.strong_count() > 0);
        }
        let branch = Arc::new(Branch::new(name.clone(), self.turn()));
        branches.insert(name, Arc::downgrade(&branch));
        branch
    }
}

impl<S: Schema> Clone for Repo<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl<S: Schema> fmt::Debug for Repo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo").field("backend", self.backend()).finish_non_exhaustive()
    }
}
