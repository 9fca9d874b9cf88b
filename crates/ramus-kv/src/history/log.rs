use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::hash::DigestHash;
use ramus_core::{Error, IntoPath, Path, Result};

use super::extend;
use super::modified::Changes;
use super::walk::Ancestors;
use crate::objects::Objects;
use crate::{Commit, Schema};

/// Which commits a log has: plain data.
///
/// ```
/// # use ramus_kv::{Kv, LogOptions, Store};
/// # async fn example(main: Store<Kv<String>>, released: ramus_kv::Commit<Kv<String>>) -> ramus_core::Result<()> {
/// let options = LogOptions::default().with_path("users")?.without(released).with_limit(20);
/// let mut log = main.log_with(options).await?;
/// while let Some(commit) = log.next().await.transpose()? {
///     println!("{} {}", commit.hash(), commit.info().message);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions<S: Schema> {
    /// Only the commits that changed what is at this path, or below it. All by default.
    pub path: Option<Path>,
    /// These commits and their ancestors are left out. None by default.
    pub without: Vec<Commit<S>>,
    /// How many commits there are at most. All by default.
    pub limit: Option<usize>,
    /// Whether only the first parent of each commit is followed: what a branch was, one commit after the
    /// other, without those that were merged into it. No by default.
    pub first_parent: bool,
}

impl<S: Schema> LogOptions<S> {
    /// Returns these options with only the commits that changed a path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a path that is none.
    pub fn with_path(mut self, path: impl IntoPath) -> Result<Self> {
        self.path = Some(path.into_path()?);
        Ok(self)
    }

    /// Returns these options without a commit and its ancestors, besides those that were named before.
    #[must_use]
    pub fn without(mut self, commit: Commit<S>) -> Self {
        self.without.push(commit);
        self
    }

    /// Returns these options with at most so many commits.
    #[must_use]
    pub const fn with_limit(mut self, commits: usize) -> Self {
        self.limit = Some(commits);
        self
    }

    /// Returns these options with only the first parent of each commit followed.
    #[must_use]
    pub const fn first_parent(mut self) -> Self {
        self.first_parent = true;
        self
    }
}

impl<S: Schema> Default for LogOptions<S> {
    fn default() -> Self {
        Self { path: None, without: Vec::new(), limit: None, first_parent: false }
    }
}

/// The commits that led to a head: a stream.
///
/// No commit comes twice. What it began from is kept from collection until it is dropped, so it can be read
/// to its end also if the branch is gone by then.
///
/// - **All of them**: a commit comes after one that it led to, and of several that could come next the
///   newest does, by the time in its info.
/// - **Those that changed a [path](LogOptions::path)**: a commit comes before all of its ancestors; the
///   one of the highest generation comes next (the generation is the number of commits on the longest way
///   to a beginning), of several such the one with the highest hash. A commit changed a path if what is
///   there differs from what each of its parents has there; where only the first parent is followed, from
///   what that one has. A beginning is compared with the empty tree.
pub struct Log<S: Schema>(BoxStream<'static, Result<Commit<S>>>);

impl<S: Schema> Log<S> {
    pub(crate) fn new(
        objects: Arc<Objects<S>>,
        heads: Vec<Commit<S>>,
        options: LogOptions<S>,
    ) -> Self {
        let limit = options.limit.unwrap_or(usize::MAX);
        let walk = Source::Begin { objects, heads, options };
        let commits = stream::try_unfold(walk, |mut source| async move {
            Ok(source.next().await?.map(|commit| (commit, source)))
        });
        Self(commits.take(limit).boxed())
    }

    /// Returns the next commit, or nothing after the last.
    ///
    /// # Errors
    ///
    /// [`Missing`](ramus_core::ErrorKind::Missing) for a commit that another names and that is not in
    /// the store, and what reading gives.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Commit<S>>> {
        self.0.next().await
    }

    /// Returns all commits that were not read yet.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Log::next).
    pub async fn collect(mut self) -> Result<Vec<Commit<S>>> {
        let mut commits = Vec::new();
        while let Some(commit) = self.next().await {
            commits.push(commit?);
        }
        Ok(commits)
    }
}

/// Where the commits of a log come from.
enum Source<S: Schema> {
    /// Nothing was read yet.
    Begin {
        objects: Arc<Objects<S>>,
        heads: Vec<Commit<S>>,
        options: LogOptions<S>,
    },
    All(Walk<S>),
    OfPath(Changes<S>),
    Nothing,
}

impl<S: Schema> Source<S> {
    async fn next(&mut self) -> Result<Option<Commit<S>>> {
        if let Self::Begin { objects, heads, options } = self {
            *self = Self::begin(objects, heads, options).await?;
        }
        match self {
            Self::Begin { .. } | Self::Nothing => Ok(None),
            Self::All(walk) => walk.pop().await,
            Self::OfPath(changes) => changes.next().await,
        }
    }

    async fn begin(
        objects: &Arc<Objects<S>>,
        heads: &[Commit<S>],
        options: &LogOptions<S>,
    ) -> Result<Self> {
        let LogOptions { path, without, limit: _, first_parent } = options;
        let without: Vec<_> = without.iter().map(Commit::hash).collect();
        match (path, heads) {
            (Some(_), []) => Ok(Self::Nothing),
            (Some(path), [head, ..]) => {
                let path = path.clone();
                let changes = Changes::open(objects, head, path, &without, *first_parent).await?;
                Ok(Self::OfPath(changes))
            }
            (None, heads) => {
                let without = behind(objects, &without).await?;
                let objects = Arc::clone(objects);
                Ok(Self::All(Walk::begin(objects, heads, without, *first_parent)))
            }
        }
    }
}

/// Returns these commits and all of their ancestors, unless there are none.
async fn behind<S: Schema>(
    objects: &Arc<Objects<S>>,
    commits: &[S::Hash],
) -> Result<Option<Ancestors>> {
    if commits.is_empty() {
        return Ok(None);
    }
    let mut ancestors = Ancestors::of(&extend::known(objects, commits).await?);
    objects.history().walk(|index| ancestors.advance(&index.table).then_some(())).await;
    Ok(Some(ancestors))
}

struct Walk<S: Schema> {
    objects: Arc<Objects<S>>,
    /// Everything that is read lies behind these, which keep it from being collected.
    _heads: Vec<Commit<S>>,
    without: Option<Ancestors>,
    first_parent: bool,
    next: BinaryHeap<Ranked<S>>,
    seen: HashSet<S::Hash, DigestHash>,
    /// The parents of the commit that was given last.
    parents: VecDeque<S::Hash>,
    /// How many were found; of equally old ones the first found comes first.
    count: u64,
}

impl<S: Schema> Walk<S> {
    fn begin(
        objects: Arc<Objects<S>>,
        heads: &[Commit<S>],
        without: Option<Ancestors>,
        first_parent: bool,
    ) -> Self {
        let (next, seen, parents) = (BinaryHeap::new(), HashSet::default(), VecDeque::new());
        let mut walk = Self {
            objects,
            _heads: heads.to_vec(),
            without,
            first_parent,
            next,
            seen,
            parents,
            count: 0,
        };
        for head in heads {
            if walk.is_new(head.hash()) {
                walk.push(head.clone());
            }
        }
        walk
    }

    fn push(&mut self, commit: Commit<S>) {
        let rank = (commit.info().time_ms, Reverse(self.count));
        self.count += 1;
        self.next.push(Ranked { rank, commit });
    }

    async fn pop(&mut self) -> Result<Option<Commit<S>>> {
        // The parents of a commit are read when the next one is asked for, so that one that cannot
        // be read does not keep the commit back.
        while let Some(parent) = self.parents.front().copied() {
            if self.is_new(parent) {
                match Commit::load(&self.objects, parent).await? {
                    Some(parent) => self.push(parent),
                    None => return Err(Error::missing(parent)),
                }
            }
            self.parents.pop_front();
        }
        let Some(Ranked { commit, .. }) = self.next.pop() else { return Ok(None) };
        let followed = if self.first_parent { 1 } else { usize::MAX };
        self.parents.extend(commit.parents().iter().take(followed));
        Ok(Some(commit))
    }

    /// Returns whether a commit belongs into the log and was not seen before.
    fn is_new(&mut self, commit: S::Hash) -> bool {
        self.seen.insert(commit) && !self.is_left_out(&commit)
    }

    fn is_left_out(&self, commit: &S::Hash) -> bool {
        let Some(without) = &self.without else { return false };
        let known = self.objects.history().find_all(&[*commit]);
        known.is_some_and(|known| known.iter().all(|commit| without.contains(*commit)))
    }
}

struct Ranked<S: Schema> {
    rank: (Option<i64>, Reverse<u64>),
    commit: Commit<S>,
}

impl<S: Schema> Ord for Ranked<S> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl<S: Schema> PartialOrd for Ranked<S> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S: Schema> PartialEq for Ranked<S> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<S: Schema> Eq for Ranked<S> {}

impl<S: Schema> Stream for Log<S> {
    type Item = Result<Commit<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for Log<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}
