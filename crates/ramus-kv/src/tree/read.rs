use bytes::Bytes;
use ramus_core::{Error, IntoPath, Path, Result};

use super::at_hand::KeptContents;
use super::dir::{Dir, Leaf, Node};
use super::range::Range;
use super::{Kind, ListOptions, Listing, Tree};
use crate::directory::{Held, Nodes as _, Spot, find_spot};
use crate::large::Source;
use crate::objects::decode_block;
use crate::{Contents as _, Format as _, Metadata as _, Schema};

impl<S: Schema> Tree<S> {
    /// Returns the value at a path, or nothing if there is none: at a directory, at the root, below
    /// other contents, or where nothing is.
    pub async fn find(&self, path: impl IntoPath) -> Result<Option<S::Contents>> {
        let path = path.into_path()?;
        let leaf = match self.contents_at_hand(&path)? {
            Some(KeptContents::Inline(encoded)) => return S::Contents::decode(&encoded).map(Some),
            Some(KeptContents::Nothing) => return Ok(None),
            Some(KeptContents::Leaf(leaf)) => leaf,
            Some(KeptContents::InConflict) | None => match self.leaf(&path).await? {
                Some(leaf) => leaf,
                None => return Ok(None),
            },
        };
        Ok(Some(self.contents(&leaf).await?))
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
        let path = path.into_path()?;
        Ok(matches!(self.settled(&path).await?, Some(Node::Contents(_))))
    }

    /// Returns what a path leads to, or nothing. The root is a directory.
    pub async fn kind(&self, path: impl IntoPath) -> Result<Option<Kind>> {
        let path = path.into_path()?;
        match self.at(&path).await? {
            At::Node(node) => Ok(Some(node.kind())),
            At::Nothing => Ok(None),
            At::BelowConflict(..) => Ok(self.settled(&path).await?.map(|node| node.kind())),
        }
    }

    /// Returns the hash of what a path leads to, or nothing.
    ///
    /// Of a directory it is that of its root block, of contents that of theirs; a stored conflict has one,
    /// too.
    pub async fn find_hash(&self, path: impl IntoPath) -> Result<Option<S::Hash>> {
        let path = path.into_path()?;
        match self.node(&path).await? {
            Some(Node::Contents(leaf)) => Ok(Some(leaf.hash())),
            Some(Node::Directory(dir)) => Ok(Some(self.below(dir).hash().await?)),
            Some(Node::Conflict(hash)) => Ok(Some(hash)),
            None => Ok(None),
        }
    }

    /// Returns the directory at a path as a tree of its own, or nothing if there is none. The root
    /// gives the whole tree.
    pub async fn find_tree(&self, path: impl IntoPath) -> Result<Option<Self>> {
        let path = path.into_path()?;
        match self.settled(&path).await? {
            Some(Node::Directory(dir)) => Ok(Some(self.below(dir))),
            Some(Node::Contents(_) | Node::Conflict(_)) | None => Ok(None),
        }
    }

    /// Returns the entries of the directory at a path, in the order of their steps; none where there
    /// is no directory.
    pub async fn list(&self, path: impl IntoPath) -> Result<Vec<Listing>> {
        let path = path.into_path()?;
        self.list_with(path, ListOptions::default()).await
    }

    /// Returns some entries of the directory at a path: from a step, with a prefix, behind others, at
    /// most so many, or backwards; none where there is no directory.
    ///
    /// In a directory without unsaved edits, beginning anywhere costs the same.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a prefix that no step can have.
    pub async fn list_with(
        &self,
        path: impl IntoPath,
        options: ListOptions,
    ) -> Result<Vec<Listing>> {
        let path = path.into_path()?;
        let Some(Node::Directory(dir)) = self.settled(&path).await? else { return Ok(Vec::new()) };
        let view = self.view();
        let mut range = Range::open(&view, &dir, options).await?;
        let mut entries = Vec::new();
        while let Some((step, node)) = range.next(&view).await? {
            entries.push(Listing { step, kind: node.kind() });
        }
        Ok(entries)
    }

    /// Returns how many entries the directory at a path has; 0 where there is no directory.
    pub async fn len(&self, path: impl IntoPath) -> Result<u64> {
        let path = path.into_path()?;
        match self.settled(&path).await? {
            Some(Node::Directory(dir)) => self.entry_count(&dir).await,
            Some(Node::Contents(_) | Node::Conflict(_)) | None => Ok(0),
        }
    }

    /// Returns whether the tree has no entries at all. Nothing is read for that.
    pub fn is_empty(&self) -> bool {
        match &self.root {
            Dir::Stored(hash) | Dir::Unchecked(hash) => *hash == self.objects.empty_directory(),
            Dir::Edited(edited) => edited.is_empty(),
        }
    }

    /// Returns the node at a path; the root is a node, too.
    pub(crate) async fn node(&self, path: &Path) -> Result<Option<Node<S>>> {
        match self.at(path).await? {
            At::Node(node) => Ok(Some(node)),
            At::Nothing | At::BelowConflict(..) => Ok(None),
        }
    }

    /// Returns what is at a path; the root is a node, too.
    pub(super) async fn at(&self, path: &Path) -> Result<At<S>> {
        if let Some(at) = self.at_hand(path)? {
            return Ok(at);
        }
        let view = self.view();
        let mut node = Node::Directory(self.root.clone());
        // Where the directory is named that was come to, so that its block is found from there.
        let mut spot: Option<Spot<S::Hash>> = None;
        for (depth, step) in path.steps().enumerate() {
            let dir = match &node {
                Node::Directory(dir) => dir,
                Node::Contents(_) => return Ok(At::Nothing),
                Node::Conflict(hash) => return Ok(At::BelowConflict(depth, *hash)),
            };
            let found = match dir {
                Dir::Stored(hash) | Dir::Unchecked(hash) => {
                    let root = view.root(hash, spot.take()).await?;
                    find_spot(&view, &root, step.as_bytes()).await?
                }
                Dir::Edited(edited) => match (edited.edits().get(&step), edited.base()) {
                    (Some(edit), _) => {
                        let Some(child) = edit.node.clone() else { return Ok(At::Nothing) };
                        (node, spot) = (child, None);
                        continue;
                    }
                    (None, Some(base)) => find_spot(&view, &base.root, step.as_bytes()).await?,
                    (None, None) => None,
                },
            };
            let Some((at, entry)) = found else { return Ok(At::Nothing) };
            (node, spot) = (Node::of_entry(entry), Some(at));
        }
        Ok(At::Node(node))
    }

    pub(crate) async fn contents(&self, leaf: &Leaf<S>) -> Result<S::Contents> {
        let hash = match &leaf.held {
            Held::Inline(encoded) => return S::Contents::decode(encoded),
            Held::Block(hash) => hash,
        };
        let root = self.root_block(leaf, hash).await?;
        let encoded = if S::Format::is_contents_index(&root) {
            Source::new(self.clone(), leaf.unsaved.clone()).read_all(&root).await
        } else {
            decode_block::<S>(&root)
        };
        let decoded = encoded.and_then(|encoded| S::Contents::decode(&encoded));
        decoded.map_err(|fault| self.unreadable(hash, fault))
    }

    /// Returns the block that contents are named by.
    pub(super) async fn root_block(&self, leaf: &Leaf<S>, hash: &S::Hash) -> Result<Bytes> {
        match &leaf.unsaved {
            Some(unsaved) => Ok(unsaved.root().clone()),
            None => self.view().block(hash).await,
        }
    }

    /// Notes that contents could not be read, and returns why.
    pub(super) fn unreadable(&self, hash: &S::Hash, fault: Error) -> Error {
        self.objects.failed(fault.context(format!("block {hash} cannot be read as contents")))
    }

    async fn leaf(&self, path: &Path) -> Result<Option<Leaf<S>>> {
        match self.settled(path).await? {
            Some(Node::Contents(leaf)) => Ok(Some(leaf)),
            Some(Node::Directory(_) | Node::Conflict(_)) | None => Ok(None),
        }
    }

    pub(crate) async fn entry_count(&self, dir: &Dir<S>) -> Result<u64> {
        match dir {
            Dir::Stored(hash) | Dir::Unchecked(hash) => Ok(self.view().node(hash).await?.count()),
            Dir::Edited(edited) => Ok(edited.len()),
        }
    }
}

impl<S: Schema> Node<S> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Contents(_) => Kind::Contents,
            Self::Directory(_) => Kind::Directory,
            Self::Conflict(_) => Kind::Conflict,
        }
    }
}

/// What is at a path.
pub(super) enum At<S: Schema> {
    Nothing,
    Node(Node<S>),
    /// A stored conflict is so many steps down the path, and nobody knows what is below it.
    BelowConflict(usize, S::Hash),
}
