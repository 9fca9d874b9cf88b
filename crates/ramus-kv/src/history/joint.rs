//! What a merge begins from, where branches have crossed.

use std::collections::HashMap;
use std::sync::Arc;

use ramus_core::{Error, Result};

use super::lcas;
use crate::objects::Objects;
use crate::tree::merge::{Ancestor, merge};
use crate::tree::three::Three;
use crate::{Commit, Schema, Tree};

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
        for conflict in merged.conflicts {
            // Of a path that is in conflict once more, nobody can say what it is of.
            let entries = if self.joined.doubtful.contains_key(&conflict.path) {
                Three::default()
            } else {
                conflict.sides.entries
            };
            self.joined.doubtful.insert(conflict.path, entries);
        }
        self.count += 1;
        Ok(())
    }
}

async fn tree<S: Schema>(objects: &Arc<Objects<S>>, hash: &S::Hash) -> Result<Tree<S>> {
    match Commit::load(objects, *hash).await? {
        Some(commit) => Ok(commit.tree()),
        None => Err(Error::missing(hash)),
    }
}
