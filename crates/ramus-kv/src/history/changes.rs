//! Which paths a commit changed.

use std::collections::VecDeque;
use std::sync::Arc;

use ramus_core::{ErrorKind, Path, Result};

use super::postings::PathKey;
use crate::Schema;
use crate::directory::{DirBlock, Entry, EntryDiff, Nodes as _, find};
use crate::objects::Objects;
use crate::tree::dir::check_depth;
use crate::tree::pending::View;

/// How many paths of a commit are told one by one, before the rest is told by directory.
pub(super) const PATHS_MAX: usize = 1024;

type Hash<S> = <S as Schema>::Hash;

/// Returns the keys of what differs in `root` from each of `parents`, the root directories of the
/// commits before; without any, from the empty tree. They are sorted.
///
/// Directories are compared level by level, so that of a commit that changed more than can be told one
/// by one the upper levels are still exact. It reads what differs from the first parent, up to about as
/// many entries as are told.
///
/// What cannot be read, because it is not there or damaged, counts as changed anyhow: who asks about
/// the commit then sees for himself.
pub(super) async fn changed<S: Schema>(
    objects: &Arc<Objects<S>>,
    root: Hash<S>,
    parents: &[Hash<S>],
) -> Result<Vec<PathKey>> {
    let mut keys = match compare(objects, root, parents).await {
        Ok(keys) => keys,
        Err(error) if is_lasting(error.kind()) => anything::<S>(),
        Err(error) => return Err(error),
    };
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// Returns the keys of a commit that may have changed anything.
pub(super) fn anything<S: Schema>() -> Vec<PathKey> {
    let root = Path::root();
    vec![PathKey::at::<S::Hash>(&root), PathKey::below::<S::Hash>(&root)]
}

/// Returns whether asking again would be answered alike.
pub(super) fn is_lasting(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Missing | ErrorKind::Corrupt | ErrorKind::Limit)
}

/// A directory that differs from that of each parent.
struct Differing<S: Schema> {
    path: Path,
    depth: usize,
    new: Option<Hash<S>>,
    /// Those of the parents; there is a first one.
    old: Vec<Option<Hash<S>>>,
}

async fn compare<S: Schema>(
    objects: &Arc<Objects<S>>,
    root: Hash<S>,
    parents: &[Hash<S>],
) -> Result<Vec<PathKey>> {
    // Nobody needs to have stored the empty directory.
    let is_empty = parents.is_empty() && root == objects.empty_directory();
    if is_empty || parents.contains(&root) {
        return Ok(Vec::new());
    }
    let old =
        if parents.is_empty() { vec![None] } else { parents.iter().copied().map(Some).collect() };
    let mut keys = vec![PathKey::at::<S::Hash>(&Path::root())];
    let mut next =
        VecDeque::from([Differing::<S> { path: Path::root(), depth: 0, new: Some(root), old }]);
    while let Some(differing) = next.pop_front() {
        check_depth(differing.depth)?;
        if keys.len() >= PATHS_MAX || !differing.list(objects, &mut keys, &mut next).await? {
            keys.push(PathKey::below::<S::Hash>(&differing.path));
        }
    }
    Ok(keys)
}

impl<S: Schema> Differing<S> {
    /// Adds the keys of the entries that differ from those of each parent, and the directories among
    /// them to `next`; returns whether there was room for all.
    async fn list(
        &self,
        objects: &Arc<Objects<S>>,
        keys: &mut Vec<PathKey>,
        next: &mut VecDeque<Self>,
    ) -> Result<bool> {
        let view = View { objects, pending: &[] };
        let new = load(&view, self.new).await?;
        let mut old = Vec::with_capacity(self.old.len());
        for hash in &self.old {
            old.push(load(&view, *hash).await?);
        }
        let Some((first, others)) = old.split_first() else { return Ok(true) };
        let mut diff = EntryDiff::new(first.as_ref(), new.as_ref())?;
        while let Some(pair) = diff.next(&view, &view).await? {
            let mut entries = vec![pair.old];
            for other in others {
                entries.push(match other {
                    Some(root) => find(&view, root, pair.step.as_bytes()).await?,
                    None => None,
                });
            }
            if entries.contains(&pair.new) {
                continue;
            }
            if keys.len() >= PATHS_MAX {
                return Ok(false);
            }
            let path = self.path.child(&pair.step);
            keys.push(PathKey::at::<S::Hash>(&path));
            let new = directory(pair.new.as_ref());
            let old: Vec<_> = entries.iter().map(|entry| directory(entry.as_ref())).collect();
            if new.is_some() || old.iter().any(Option::is_some) {
                next.push_back(Self { path, depth: self.depth + 1, new, old });
            }
        }
        Ok(true)
    }
}

async fn load<S: Schema>(
    view: &View<'_, S>,
    directory: Option<Hash<S>>,
) -> Result<Option<Arc<DirBlock<Hash<S>>>>> {
    match directory {
        Some(hash) => view.node(&hash).await.map(Some),
        None => Ok(None),
    }
}

fn directory<H: Copy>(entry: Option<&Entry<H>>) -> Option<H> {
    match entry {
        Some(Entry::Directory { hash }) => Some(*hash),
        Some(Entry::Contents { .. } | Entry::Conflict { .. }) | None => None,
    }
}
