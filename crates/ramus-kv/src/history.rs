//! Questions about the graph of commits, answered by walking it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Result};

use crate::objects::Objects;
use crate::tree::merge::{Ancestor, merge};
use crate::{Commit, Schema, Tree};

type Hashes<S> = HashSet<<S as Schema>::Hash, DigestHash>;

/// Returns the lowest common ancestors of two sets of commits: those common ancestors that are no
/// ancestors of another. A commit is an ancestor of itself.
pub(crate) async fn lcas<S: Schema>(
    objects: &Arc<Objects<S>>,
    ours: &[S::Hash],
    theirs: &[S::Hash],
) -> Result<Vec<S::Hash>> {
    if ours == theirs && ours.len() == 1 {
        return Ok(ours.to_vec());
    }
    let our_history = walk(objects, ours, |_| true).await?;
    // Whatever lies behind the first common commit on a way is an ancestor of that one.
    let mut common = Vec::new();
    walk(objects, theirs, |hash| {
        let is_common = our_history.contains(hash);
        if is_common {
            common.push(*hash);
        }
        !is_common
    })
    .await?;
    if common.len() > 1 {
        let mut behind = Vec::new();
        for hash in &common {
            behind.extend(parents(objects, hash).await?);
        }
        let lower = walk(objects, &behind, |_| true).await?;
        common.retain(|hash| !lower.contains(hash));
    }
    Ok(common)
}

/// Returns whether one can get from `commit` to `ancestor` by parents; a commit is its own ancestor.
pub(crate) async fn is_ancestor<S: Schema>(
    objects: &Arc<Objects<S>>,
    ancestor: &S::Hash,
    commit: &S::Hash,
) -> Result<bool> {
    let mut found = false;
    walk(objects, &[*commit], |hash| {
        found |= hash == ancestor;
        !found
    })
    .await?;
    Ok(found)
}

/// Returns what commits that share these lowest common ancestors began from: several ones are merged
/// into one, in memory.
///
/// Those that are merged have common ancestors of their own, and so on, for as long as branches have
/// crossed: so there is no recursion here, and the same ones are merged once. They are sorted, so
/// that ours and theirs begin from the same whoever merges.
pub(crate) async fn ancestor<S: Schema>(
    objects: &Arc<Objects<S>>,
    lcas: Vec<S::Hash>,
) -> Result<Ancestor<S>> {
    let mut known: HashMap<Vec<S::Hash>, Ancestor<S>> = HashMap::new();
    let mut joint = Joint::begin(objects, lcas).await?;
    let mut above = Vec::new();
    loop {
        let Some(shared) = joint.shared(objects).await? else {
            let Some(waiting) = above.pop() else { return Ok(joint.joined) };
            known.insert(joint.commits, joint.joined);
            joint = waiting;
            continue;
        };
        if let Some(base) = known.get(&shared) {
            joint.join_next(objects, base).await?;
        } else {
            let below = Joint::begin(objects, shared).await?;
            above.push(std::mem::replace(&mut joint, below));
        }
    }
}

/// Several commits that are made one.
struct Joint<S: Schema> {
    /// Sorted.
    commits: Vec<S::Hash>,
    /// How many of them are joined.
    count: usize,
    joined: Ancestor<S>,
}

impl<S: Schema> Joint<S> {
    async fn begin(objects: &Arc<Objects<S>>, mut commits: Vec<S::Hash>) -> Result<Self> {
        commits.sort_unstable();
        let joined = match commits.first() {
            Some(first) => tree(objects, first).await?,
            None => Tree::empty(Arc::clone(objects)),
        };
        let count = commits.len().min(1);
        Ok(Self { commits, count, joined: Ancestor::certain(joined) })
    }

    /// Returns what the next commit shares with those that are joined, or nothing if all are.
    async fn shared(&self, objects: &Arc<Objects<S>>) -> Result<Option<Vec<S::Hash>>> {
        let (joined, rest) = self.commits.split_at(self.count);
        let Some(next) = rest.first() else { return Ok(None) };
        let mut shared = lcas(objects, joined, &[*next]).await?;
        shared.sort_unstable();
        Ok(Some(shared))
    }

    async fn join_next(&mut self, objects: &Arc<Objects<S>>, base: &Ancestor<S>) -> Result<()> {
        let next = tree(objects, &self.commits[self.count]).await?;
        let merged = merge(base, &self.joined.tree, &next).await?;
        self.joined.tree = merged.tree;
        let doubtful = merged.conflicts.into_iter().map(|conflict| conflict.path);
        self.joined.doubtful.extend(doubtful);
        self.count += 1;
        Ok(())
    }
}

/// Walks back from some commits, to each commit once; `enter` is asked whether to go on behind one.
/// Returns all that it came to.
async fn walk<S: Schema>(
    objects: &Arc<Objects<S>>,
    from: &[S::Hash],
    mut enter: impl FnMut(&S::Hash) -> bool,
) -> Result<Hashes<S>> {
    let mut seen: Hashes<S> = from.iter().copied().collect();
    let mut todo: Vec<S::Hash> = seen.iter().copied().collect();
    while let Some(hash) = todo.pop() {
        if enter(&hash) {
            let parents = parents(objects, &hash).await?;
            todo.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
    }
    Ok(seen)
}

async fn parents<S: Schema>(objects: &Arc<Objects<S>>, hash: &S::Hash) -> Result<Vec<S::Hash>> {
    match objects.commit(hash).await? {
        Some(commit) => Ok(commit.parents),
        None => Err(Error::missing(hash)),
    }
}

async fn tree<S: Schema>(objects: &Arc<Objects<S>>, hash: &S::Hash) -> Result<Tree<S>> {
    match Commit::load(objects, *hash).await? {
        Some(commit) => Ok(commit.tree()),
        None => Err(Error::missing(hash)),
    }
}

/// The commits that led to a head, newest first: a stream.
///
/// A commit comes after one that it led to, and of several that could come next the newest does.
pub struct Log<S: Schema>(BoxStream<'static, Result<Commit<S>>>);

impl<S: Schema> Log<S> {
    pub(crate) fn new(objects: Arc<Objects<S>>, head: Option<Commit<S>>) -> Self {
        let walk = Walk {
            objects,
            next: BinaryHeap::new(),
            seen: HashSet::default(),
            parents: VecDeque::new(),
            count: 0,
        };
        Self(
            stream::try_unfold((walk, head), |(mut walk, head)| async move {
                if let Some(head) = head {
                    walk.push(head);
                }
                let Some(commit) = walk.pop().await? else { return Ok(None) };
                Ok(Some((commit, (walk, None))))
            })
            .boxed(),
        )
    }

    /// Returns the next commit, or nothing after the first that was made.
    ///
    /// # Errors
    ///
    /// [`Missing`](ramus_core::ErrorKind::Missing) for a parent that is not in the store, and what
    /// reading gives.
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

struct Walk<S: Schema> {
    objects: Arc<Objects<S>>,
    next: BinaryHeap<Ranked<S>>,
    seen: Hashes<S>,
    /// The parents of the commit that was given last.
    parents: VecDeque<S::Hash>,
    /// How many were found; of equally old ones the first found comes first.
    count: u64,
}

impl<S: Schema> Walk<S> {
    fn push(&mut self, commit: Commit<S>) {
        let rank = (commit.info().time_ms, Reverse(self.count));
        self.count += 1;
        self.next.push(Ranked { rank, commit });
    }

    async fn pop(&mut self) -> Result<Option<Commit<S>>> {
        // The parents of a commit are read when the next one is asked for, so that one that cannot
        // be read does not keep the commit back.
        while let Some(parent) = self.parents.pop_front() {
            if self.seen.insert(parent) {
                match Commit::load(&self.objects, parent).await? {
                    Some(parent) => self.push(parent),
                    None => return Err(Error::missing(parent)),
                }
            }
        }
        let Some(Ranked { commit, .. }) = self.next.pop() else { return Ok(None) };
        self.parents.extend(commit.parents());
        Ok(Some(commit))
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
