use std::sync::Arc;

use ramus_core::{Path, Result};

use crate::tree::pending::Pending;
use crate::tree::save::Saved;
use crate::{Kind, Schema, Tree, Upload};

/// One edit of a tree, as a plain value: it can be tried on one head after the other.
#[derive(Debug)]
pub(super) enum Edit<S: Schema> {
    Set { path: Path, value: S::Contents },
    SetUpload { path: Path, upload: Upload<S> },
    SetTree { path: Path, tree: Tree<S> },
    Remove { path: Path },
    Rename { from: Path, to: Path },
    TestAndSet { path: Path, test: Option<S::Contents>, set: Option<S::Contents> },
    TestAndSetTree { path: Path, test: Option<S::Hash>, set: Option<Tree<S>> },
}

impl<S: Schema> Edit<S> {
    /// Returns what a tree comes to by the edit, but for blocks that are `known` to be on their way;
    /// nothing if the edit has a test and that did not pass.
    pub(super) async fn save(
        &self,
        mut tree: Tree<S>,
        known: &[Arc<Pending<S>>],
    ) -> Result<Option<Saved<S>>> {
        match self {
            Self::Set { path, value } => return tree.save_set(path, value, known).await.map(Some),
            Self::SetUpload { path, upload } => tree.set_upload(path, upload).await?,
            Self::SetTree { path, tree: graft } => tree.set_tree(path, graft).await?,
            Self::Remove { path } => return tree.save_remove(path, known).await.map(Some),
            Self::Rename { from, to } => tree.rename(from, to).await?,
            Self::TestAndSet { path, test, set } => {
                if tree.find(path).await? != *test {
                    return Ok(None);
                }
                match set {
                    Some(set) => return tree.save_set(path, set, known).await.map(Some),
                    // What the test found to be absent may be a directory, which stays.
                    None if test.is_some() => {
                        return tree.save_remove(path, known).await.map(Some);
                    }
                    None => {}
                }
            }
            Self::TestAndSetTree { path, test, set } => {
                if !holds(&tree, path, test.as_ref()).await? {
                    return Ok(None);
                }
                match set {
                    Some(set) => tree.set_tree(path, set).await?,
                    None => return tree.save_remove(path, known).await.map(Some),
                }
            }
        }
        tree.save(known).await.map(Some)
    }
}

/// Returns whether a path holds the directory of this name, or nothing. Nothing below it is read.
async fn holds<S: Schema>(tree: &Tree<S>, path: &Path, test: Option<&S::Hash>) -> Result<bool> {
    if tree.kind(path).await? == Some(Kind::Contents) {
        return Ok(false);
    }
    let held = match tree.find_tree(path).await? {
        Some(held) if !held.is_empty() => Some(held.hash().await?),
        _ => None,
    };
    Ok(held.as_ref() == test)
}
