use std::sync::Arc;

use ramus_core::{IntoPath, Path, Result, Step};

use super::dir::{Dir, Edited, Leaf, Node};
use super::{Kind, Listing, Tree};
use crate::objects::decode_contents;
use crate::{Format as _, Metadata as _, Schema};

impl<S: Schema> Tree<S> {
    /// Returns the value at a path, or nothing if there is none: at a directory, at the root, below
    /// other contents, or where nothing is.
    pub async fn find(&self, path: impl IntoPath) -> Result<Option<S::Contents>> {
        let path = path.into_path()?;
        match self.leaf(&path).await? {
            Some(leaf) => Ok(Some(self.contents(&leaf).await?)),
            None => Ok(None),
        }
    }

    /// Returns the value at a path with its metadata, as `find` does.
    pub async fn find_with_metadata(
        &self,
        path: impl IntoPath,
    ) -> Result<Option<(S::Contents, S::Metadata)>> {
        let path = path.into_path()?;
        let Some(leaf) = self.leaf(&path).await? else { return Ok(None) };
        let metadata = S::Metadata::decode(&leaf.metadata)?;
        Ok(Some((self.contents(&leaf).await?, metadata)))
    }

    /// Returns whether there is a value at a path.
    pub async fn mem(&self, path: impl IntoPath) -> Result<bool> {
        Ok(self.kind(path).await? == Some(Kind::Contents))
    }

    /// Returns what a path leads to, or nothing. The root is a directory.
    pub async fn kind(&self, path: impl IntoPath) -> Result<Option<Kind>> {
        let path = path.into_path()?;
        Ok(self.node(&path).await?.map(|node| node.kind()))
    }

    /// Returns the hash of what a path leads to, or nothing.
    ///
    /// Of a directory it is that of its root block, of contents that of theirs.
    pub async fn find_hash(&self, path: impl IntoPath) -> Result<Option<S::Hash>> {
        let path = path.into_path()?;
        match self.node(&path).await? {
            Some(Node::Contents(leaf)) => Ok(Some(leaf.hash)),
            Some(Node::Directory(dir)) => Ok(Some(self.below(dir).hash()?)),
            None => Ok(None),
        }
    }

    /// Returns the directory at a path as a tree of its own, or nothing if there is none. The root
    /// gives the whole tree.
    pub async fn find_tree(&self, path: impl IntoPath) -> Result<Option<Self>> {
        let path = path.into_path()?;
        match self.node(&path).await? {
            Some(Node::Directory(dir)) => Ok(Some(self.below(dir))),
            Some(Node::Contents(_)) | None => Ok(None),
        }
    }

    /// Returns the entries of the directory at a path, in the order of their steps; none where there
    /// is no directory.
    pub async fn list(&self, path: impl IntoPath) -> Result<Vec<Listing>> {
        let path = path.into_path()?;
        let Some(Node::Directory(dir)) = self.node(&path).await? else { return Ok(Vec::new()) };
        let entries = self.entries(&dir).await?;
        Ok(entries.into_iter().map(|(step, node)| Listing { step, kind: node.kind() }).collect())
    }

    /// Returns how many entries the directory at a path has; 0 where there is no directory.
    pub async fn len(&self, path: impl IntoPath) -> Result<usize> {
        let path = path.into_path()?;
        match self.node(&path).await? {
            Some(Node::Directory(dir)) => self.entry_count(&dir).await,
            Some(Node::Contents(_)) | None => Ok(0),
        }
    }

    /// Returns whether the tree has no entries at all. Nothing is read for it.
    #[expect(clippy::unused_async, reason = "a tree that is far away may have to be asked")]
    pub async fn is_empty(&self) -> Result<bool> {
        match &self.root {
            // Only one block is the empty directory.
            Dir::Stored(hash) | Dir::Unchecked(hash) => Ok(*hash == Self::empty_root()?),
            Dir::Edited(edited) => Ok(edited.is_empty()),
        }
    }

    fn empty_root() -> Result<S::Hash> {
        Ok(S::Format::encode_directory([])?.root)
    }

    /// Returns the node at a path; the root is a node, too.
    pub(crate) async fn node(&self, path: &Path) -> Result<Option<Node<S>>> {
        let mut node = Node::Directory(self.root.clone());
        for step in path.iter() {
            let Node::Directory(dir) = &node else { return Ok(None) };
            match self.child(dir, step).await? {
                Some(child) => node = child,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    pub(crate) async fn entries(&self, dir: &Dir<S>) -> Result<Vec<(Step, Node<S>)>> {
        match dir {
            Dir::Stored(hash) | Dir::Unchecked(hash) => {
                let directory = self.objects.directory(hash).await?;
                Ok(directory.iter().map(|(step, entry)| (step, Node::of_entry(entry))).collect())
            }
            Dir::Edited(edited) => Ok(edited.entries().collect()),
        }
    }

    pub(crate) async fn contents(&self, leaf: &Leaf<S>) -> Result<S::Contents> {
        match &leaf.unsaved {
            Some(block) => decode_contents::<S>(block),
            None => self.objects.contents(&leaf.hash).await,
        }
    }

    /// Returns the directory with its block loaded, ready to be edited.
    pub(crate) async fn loaded(&self, dir: &Dir<S>) -> Result<Arc<Edited<S>>> {
        match dir {
            Dir::Stored(hash) | Dir::Unchecked(hash) => {
                Ok(Arc::new(Edited::over(*hash, self.objects.directory(hash).await?)))
            }
            Dir::Edited(edited) => Ok(Arc::clone(edited)),
        }
    }

    async fn leaf(&self, path: &Path) -> Result<Option<Leaf<S>>> {
        match self.node(path).await? {
            Some(Node::Contents(leaf)) => Ok(Some(leaf)),
            Some(Node::Directory(_)) | None => Ok(None),
        }
    }

    async fn child(&self, dir: &Dir<S>, step: &[u8]) -> Result<Option<Node<S>>> {
        match dir {
            Dir::Stored(hash) | Dir::Unchecked(hash) => {
                Ok(self.objects.directory(hash).await?.get(step).map(Node::of_entry))
            }
            Dir::Edited(edited) => Ok(edited.get(step)),
        }
    }

    async fn entry_count(&self, dir: &Dir<S>) -> Result<usize> {
        Ok(self.loaded(dir).await?.len())
    }
}

impl<S: Schema> Node<S> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Contents(_) => Kind::Contents,
            Self::Directory(_) => Kind::Directory,
        }
    }
}
