//! When a path was last changed.

use std::sync::Arc;

use ramus_core::{Error, Path, Result};

use super::candidates::{Candidates, Step};
use super::extend;
use crate::directory::Entry;
use crate::objects::Objects;
use crate::tree::dir::Node;
use crate::{Commit, Schema};

/// The commits behind a head that changed a path, one after the other.
pub(super) struct Changes<S: Schema> {
    objects: Arc<Objects<S>>,
    /// Everything that is read lies behind it, and it keeps that from being collected.
    _head: Commit<S>,
    path: Path,
    first_parent: bool,
    candidates: Candidates<S::Hash>,
}

/// Returns the last commit up to `head` that changed a path.
pub(crate) async fn last_modified<S: Schema>(
    objects: &Arc<Objects<S>>,
    head: &Commit<S>,
    path: Path,
) -> Result<Option<Commit<S>>> {
    Changes::open(objects, head, path, &[], false).await?.next().await
}

impl<S: Schema> Changes<S> {
    pub(super) async fn open(
        objects: &Arc<Objects<S>>,
        head: &Commit<S>,
        path: Path,
        excluded: &[S::Hash],
        first_parent: bool,
    ) -> Result<Self> {
        let excluded = extend::known(objects, excluded).await?;
        let last = extend::known_with_paths(objects, head.hash()).await?;
        let candidates = {
            let index = objects.history().index.read();
            Candidates::of(&index, &path, last, &excluded, first_parent)
        };
        let (objects, head) = (Arc::clone(objects), head.clone());
        Ok(Self { objects, _head: head, path, first_parent, candidates })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Commit<S>>> {
        loop {
            let candidates = &mut self.candidates;
            let found = self.objects.history().walk(|index| match candidates.advance(index) {
                Step::Found(commit) => Some(Some(*index.table.hash(commit))),
                Step::End => Some(None),
                Step::More => None,
            });
            let Some(hash) = found.await else { return Ok(None) };
            let commit = self.load(hash).await?;
            if self.is_change(&commit).await? {
                return Ok(Some(commit));
            }
        }
    }

    /// Looks whether what the index says of the commit is so of the path.
    async fn is_change(&self, commit: &Commit<S>) -> Result<bool> {
        let here = self.entry(commit).await?;
        let Some((first, others)) = commit.parents().split_first() else {
            // The root of the empty tree is there, and nothing else is.
            let hash = self.objects.empty_directory();
            let before = self.path.is_root().then_some(Entry::Directory { hash });
            return Ok(here != before);
        };
        let others = if self.first_parent { &[] } else { others };
        for parent in [first].into_iter().chain(others) {
            if self.entry(&self.load(*parent).await?).await? == here {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn entry(&self, commit: &Commit<S>) -> Result<Option<Entry<S::Hash>>> {
        let node = commit.tree().node(&self.path).await?;
        Ok(node.as_ref().and_then(Node::known_entry))
    }

    async fn load(&self, hash: S::Hash) -> Result<Commit<S>> {
        Commit::load(&self.objects, hash).await?.ok_or_else(|| Error::missing(hash))
    }
}
