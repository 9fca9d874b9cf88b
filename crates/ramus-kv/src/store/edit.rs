use ramus_core::{Path, Result};

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
    /// Applies the edit; returns whether its test passed, if it has one.
    pub(super) async fn apply(&self, tree: &mut Tree<S>) -> Result<bool> {
        match self {
            Self::Set { path, value } => tree.set(path, value.clone()).await?,
            Self::SetUpload { path, upload } => tree.set_upload(path, upload).await?,
            Self::SetTree { path, tree: graft } => tree.set_tree(path, graft).await?,
            Self::Remove { path } => drop(tree.remove(path).await?),
            Self::Rename { from, to } => tree.rename(from, to).await?,
            Self::TestAndSet { path, test, set } => {
                if tree.find(path).await? != *test {
                    return Ok(false);
                }
                match set {
                    Some(set) => tree.set(path, set.clone()).await?,
                    // What the test found to be absent may be a directory, which stays.
                    None if test.is_some() => drop(tree.remove(path).await?),
                    None => {}
                }
            }
            Self::TestAndSetTree { path, test, set } => {
                if !holds(tree, path, test.as_ref()).await? {
                    return Ok(false);
                }
                match set {
                    Some(set) => tree.set_tree(path, set).await?,
                    None => drop(tree.remove(path).await?),
                }
            }
        }
        Ok(true)
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
