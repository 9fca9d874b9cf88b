use ramus_core::{Path, Result};

use crate::{Schema, Tree, Upload};

/// One edit of a tree, as a plain value: it can be tried on one head after the other.
#[derive(Debug)]
pub(super) enum Edit<S: Schema> {
    Set { path: Path, value: S::Contents },
    SetUpload { path: Path, upload: Upload<S> },
    SetTree { path: Path, tree: Tree<S> },
    Remove { path: Path },
    Rename { from: Path, to: Path },
    TestAndSet { path: Path, test: Option<S::Contents>, set: Option<S::Contents> },
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
        }
        Ok(true)
    }
}
