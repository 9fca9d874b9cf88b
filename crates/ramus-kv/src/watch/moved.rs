//! What lies between the two commits of a move of a branch.

use ramus_core::{Path, Result};

use crate::tree::dir::Node;
use crate::{Commit, Diff, Repo, Schema};

/// Returns what differs at a path and below it; where there is no commit, there is nothing.
pub(super) async fn diff<S: Schema>(
    repo: &Repo<S>,
    path: &Path,
    old: Option<&Commit<S>>,
    new: Option<&Commit<S>>,
) -> Result<Diff<S>> {
    let tree = |commit: Option<&Commit<S>>| commit.map_or_else(|| repo.empty_tree(), Commit::tree);
    tree(old).diff_below(&tree(new), path).await
}

/// Returns whether two commits hold the same at a path, metadata included. At the root, these are
/// the commits themselves.
pub(super) async fn is_the_same<S: Schema>(
    path: &Path,
    old: Option<&Commit<S>>,
    new: Option<&Commit<S>>,
) -> Result<bool> {
    if path.is_root() {
        return Ok(old == new);
    }
    let (old, new) = (node(path, old), node(path, new));
    Ok(match (old.await?, new.await?) {
        (Some(Node::Contents(old)), Some(Node::Contents(new))) => old.to_entry() == new.to_entry(),
        (Some(Node::Directory(old)), Some(Node::Directory(new))) => {
            old.known_hash().is_some_and(|hash| new.known_hash() == Some(hash))
        }
        (Some(Node::Conflict(old)), Some(Node::Conflict(new))) => old == new,
        (None, None) => true,
        _ => false,
    })
}

/// Returns what a commit has at a path.
async fn node<S: Schema>(path: &Path, commit: Option<&Commit<S>>) -> Result<Option<Node<S>>> {
    match commit {
        Some(commit) => commit.tree().node(path).await,
        None => Ok(None),
    }
}
