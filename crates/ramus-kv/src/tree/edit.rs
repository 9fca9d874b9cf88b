//! Edits: what is needed is read first, then everything changes at once.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, IntoPath, Path, Result, Step};

use super::Tree;
use super::dir::{DEPTH_MAX, Dir, Leaf, Node};
use super::pending::View;
use crate::block::CHUNK_MAX;
use crate::directory::{DirBlock, Entry, METADATA_MAX, Spot, find_spot};
use crate::large::{Unsaved, compute};
use crate::{Contents as _, Metadata as _, Schema};

impl<S: Schema> Tree<S> {
    /// Sets the value at a path; metadata that are there stay, new contents have the default.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) at the root, at a directory, and below other
    /// contents, naming the path that is in the way;
    /// [`Limit`](ErrorKind::Limit) for a path of more than 256 steps, and for a value that the storage
    /// takes no block of.
    pub async fn set(&mut self, path: impl IntoPath, value: impl Into<S::Contents>) -> Result<()> {
        let (path, value) = (path.into_path()?, value.into());
        self.put_contents(&path, &value, None).await
    }

    /// Sets the value at a path and its metadata.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Tree::set), and [`Limit`](ErrorKind::Limit) for metadata that are too long.
    pub async fn set_with_metadata(
        &mut self,
        path: impl IntoPath,
        value: impl Into<S::Contents>,
        metadata: S::Metadata,
    ) -> Result<()> {
        let (path, value) = (path.into_path()?, value.into());
        self.put_contents(&path, &value, Some(&metadata)).await
    }

    /// Puts a whole tree at a path, in place of the directory that is there; at the root it replaces
    /// everything. An empty tree removes what is there.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) at contents and below contents, naming the path, and
    /// for a tree of another repository; [`Limit`](ErrorKind::Limit) for a tree that would lie too
    /// deep.
    pub async fn set_tree(&mut self, path: impl IntoPath, tree: &Self) -> Result<()> {
        let path = path.into_path()?;
        if !tree.is_of(&self.objects) {
            return Err(Error::invalid_input(format!(
                "the tree for `{path}` is of another repository; its blocks are not in this one"
            )));
        }
        if path.is_root() {
            self.share(tree);
            self.root = tree.root.clone();
            return Ok(());
        }
        let found = self.locate(&path).await?;
        self.refuse_conflict(&path, &found).await?;
        found.refuse_contents_in_the_way(&path)?;
        if let Some(Node::Contents(_)) = found.node {
            return Err(refuse_kind(&path, "contents", "a directory"));
        }
        if tree.is_empty() {
            self.cut(found);
        } else {
            let node = Node::Directory(tree.root.clone());
            found.check_height(&node)?;
            self.share(tree);
            self.put(found, node);
        }
        Ok(())
    }

    /// Removes what is at a path, contents or a whole directory, and every directory that is empty
    /// then; returns whether anything was there. Removing the root empties the tree.
    pub async fn remove(&mut self, path: impl IntoPath) -> Result<bool> {
        let path = path.into_path()?;
        if path.is_root() {
            let had_entries = !self.is_empty();
            self.root = Dir::empty();
            return Ok(had_entries);
        }
        self.relieve().await;
        let found = self.locate(&path).await?;
        if found.is_blocked() {
            self.refuse_conflict(&path, &found).await?;
        }
        let was_there = found.node.is_some();
        if was_there {
            self.cut(found);
        }
        Ok(was_there)
    }

    /// Moves contents or a directory to another path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if nothing is at `from`, if something is at `to`, if
    /// contents are in the way of `to`, or if one of the two lies below the other;
    /// [`Limit`](ErrorKind::Limit) for a directory that would lie too deep.
    pub async fn rename(&mut self, from: impl IntoPath, to: impl IntoPath) -> Result<()> {
        let (from, to) = (from.into_path()?, to.into_path()?);
        let refuse =
            |why: &str| Error::invalid_input(format!("cannot rename `{from}` to `{to}`: {why}"));
        let source = self.locate(&from).await?;
        if source.is_blocked() {
            self.refuse_conflict(&from, &source).await?;
        }
        let Some(node) = source.node.clone() else {
            return Err(refuse("nothing is there to be renamed"));
        };
        if from == to {
            return Ok(());
        }
        if from.starts_with(&to) || to.starts_with(&from) {
            return Err(refuse("one lies below the other"));
        }
        let target = self.locate(&to).await?;
        self.refuse_conflict(&to, &target).await?;
        target.refuse_contents_in_the_way(&to)?;
        if target.node.is_some() {
            return Err(refuse("something has that name already; remove it first"));
        }
        target.check_height(&node)?;
        self.cut(source);
        // A cut can make a directory what it was stored as; that is loaded, too.
        self.put(target, node);
        Ok(())
    }

    pub(super) async fn put_contents(
        &mut self,
        path: &Path,
        value: &S::Contents,
        metadata: Option<&S::Metadata>,
    ) -> Result<()> {
        refuse_root(path)?;
        let encoded = value.encode()?;
        self.relieve().await;
        let view = View { objects: &self.objects, pending: &self.pending };
        if metadata.is_none()
            && let Some(directories) = self.root.put_at_hand(&view, path, &encoded)
        {
            self.waiting.count_edit(directories);
            return Ok(());
        }
        self.put_encoded(path, encoded, metadata).await
    }

    pub(super) async fn put_encoded(
        &mut self,
        path: &Path,
        encoded: Bytes,
        metadata: Option<&S::Metadata>,
    ) -> Result<()> {
        let (found, metadata) = self.locate_contents(path, metadata).await?;
        let leaf = self.make_leaf(path, encoded, metadata).await?;
        self.put(found, Node::Contents(leaf));
        Ok(())
    }

    /// Finds where contents may be put, and says which metadata they have there: those that are given,
    /// or those that are there.
    pub(super) async fn locate_contents(
        &self,
        path: &Path,
        metadata: Option<&S::Metadata>,
    ) -> Result<(Located<S>, Bytes)> {
        refuse_root(path)?;
        let found = self.locate(path).await?;
        self.refuse_conflict(path, &found).await?;
        found.refuse_contents_in_the_way(path)?;
        let kept = match &found.node {
            Some(Node::Contents(leaf)) => Some(Bytes::clone(&leaf.metadata)),
            Some(node) => return Err(refuse_kind(path, node.noun(), "contents")),
            None => None,
        };
        let given = metadata.map(S::Metadata::encode);
        let metadata = given.or(kept).unwrap_or_else(|| S::Metadata::default().encode());
        Ok((found, metadata))
    }

    /// Returns a value as it lies in a directory, for a path that messages name.
    pub(super) fn new_leaf(
        &self,
        path: &Path,
        value: &S::Contents,
        metadata: Bytes,
    ) -> Result<Leaf<S>> {
        check_metadata(path, metadata.len())?;
        let leaf = Leaf::unsaved(value.encode()?, metadata)?;
        self.check_blocks(path, &leaf)?;
        Ok(leaf)
    }

    /// Returns a value as `new_leaf` does; a large one is cut and hashed where that disturbs nobody.
    pub(super) async fn make_leaf(
        &self,
        path: &Path,
        encoded: Bytes,
        metadata: Bytes,
    ) -> Result<Leaf<S>> {
        check_metadata(path, metadata.len())?;
        let leaf = if encoded.len() > CHUNK_MAX {
            compute(move || Leaf::unsaved(encoded, metadata)).await?
        } else {
            Leaf::unsaved(encoded, metadata)?
        };
        self.check_blocks(path, &leaf)?;
        Ok(leaf)
    }

    /// Refuses a value of blocks that are too long for the storage.
    pub(super) fn check_blocks(&self, path: &Path, leaf: &Leaf<S>) -> Result<()> {
        let max = self.objects.block_bytes_max();
        let length = leaf.unsaved.as_ref().map_or(0, Unsaved::length_max);
        if length <= max {
            return Ok(());
        }
        let message =
            format!("the value at `{path}` has a block of {length} bytes; at most {max} are taken");
        Err(Error::new(ErrorKind::Limit, message))
    }

    /// Finds what is at a path, and loads every directory that an edit there changes.
    pub(super) async fn locate(&self, path: &Path) -> Result<Located<S>> {
        let steps: Vec<Step> = path.steps().collect();
        if steps.len() > DEPTH_MAX {
            let (has, max) = (steps.len(), DEPTH_MAX);
            let message = format!("a path of {has} steps is too deep; at most {max} are taken");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let view = self.view();
        let mut levels = Vec::with_capacity(steps.len());
        let mut node = Some(Node::Directory(self.root.clone()));
        let mut spot: Option<Spot<S::Hash>> = None;
        for step in &steps {
            let Some(Node::Directory(dir)) = &node else { break };
            let (block, edit) = match dir {
                Dir::Stored(hash) | Dir::Unchecked(hash) => {
                    (Some(view.root(hash, spot.take()).await?), None)
                }
                Dir::Edited(edited) => {
                    let block = edited.base().map(|base| Arc::clone(&base.root));
                    (block, edited.edits().get(step))
                }
            };
            spot = None;
            let was = match (edit, &block) {
                (Some(edit), _) => edit.was().cloned(),
                (None, Some(block)) => {
                    find_spot(&view, block, step.as_bytes()).await?.map(|(at, entry)| {
                        spot = Some(at);
                        entry
                    })
                }
                (None, None) => None,
            };
            let child = match edit {
                Some(edit) => edit.node.clone(),
                None => was.clone().map(Node::of_entry),
            };
            levels.push(Level { block, was });
            node = child;
        }
        let depth = levels.len();
        let blocked_at = (depth < steps.len() && node.is_some()).then_some(depth);
        let conflict = match &node {
            Some(Node::Conflict(hash)) => Some((depth, *hash)),
            _ => None,
        };
        let node = if depth == steps.len() { node } else { None };
        Ok(Located { steps, levels, node, blocked_at, conflict })
    }

    /// Refuses to go on at a stored conflict, or below one.
    pub(super) async fn refuse_conflict(&self, path: &Path, found: &Located<S>) -> Result<()> {
        let Some((depth, hash)) = found.conflict else { return Ok(()) };
        let path = path.steps().take(depth).collect();
        Err(Box::pin(self.in_conflict(&path, hash)).await)
    }

    pub(super) fn put(&mut self, found: Located<S>, node: Node<S>) {
        // Nothing else may hold what is edited, or it would have to be copied.
        let Located { steps, mut levels, node: replaced, .. } = found;
        drop(replaced);
        self.waiting.count_edit(steps.len() - levels.len());
        apply(&mut self.root, &steps, &mut levels, Some(node));
    }

    pub(super) fn cut(&mut self, found: Located<S>) {
        let Located { steps, mut levels, node: removed, .. } = found;
        drop(removed);
        self.waiting.count_edit(0);
        apply(&mut self.root, &steps, &mut levels, None);
    }
}

/// A path, what is there, and what has to be at hand to edit it.
pub(super) struct Located<S: Schema> {
    pub(super) steps: Vec<Step>,
    /// The directories on the way that are there.
    pub(super) levels: Vec<Level<S>>,
    /// What is at the path.
    pub(super) node: Option<Node<S>>,
    /// How many steps lead to contents or a conflict, if those are in the way.
    blocked_at: Option<usize>,
    /// How many steps lead to a stored conflict, at the path or in the way.
    conflict: Option<(usize, S::Hash)>,
}

/// A directory on the way to a path.
pub(super) struct Level<S: Schema> {
    /// Its root block as it is stored, if it is.
    pub(super) block: Option<Arc<DirBlock<S::Hash>>>,
    /// What the next step leads to in that.
    pub(super) was: Option<Entry<S::Hash>>,
}

impl<S: Schema> Located<S> {
    pub(super) fn refuse_contents_in_the_way(&self, path: &Path) -> Result<()> {
        let Some(depth) = self.blocked_at else { return Ok(()) };
        let in_the_way: Path = self.steps[..depth].iter().cloned().collect();
        Err(Error::invalid_input(format!(
            "cannot set `{path}`: `{in_the_way}` holds contents; remove it first if that is meant"
        )))
    }

    /// Returns whether contents or a conflict are in the way.
    pub(super) const fn is_blocked(&self) -> bool {
        self.blocked_at.is_some()
    }

    /// Returns whether a node would not lie too deep here.
    pub(super) fn fits(&self, node: &Node<S>) -> bool {
        self.check_height(node).is_ok()
    }

    /// Refuses a node that would lie too deep here.
    pub(super) fn check_height(&self, node: &Node<S>) -> Result<()> {
        match node {
            Node::Directory(dir) => dir.check_height(self.steps.len()),
            Node::Contents(_) | Node::Conflict(_) => Ok(()),
        }
    }
}

fn check_metadata(path: &Path, size: usize) -> Result<()> {
    if size <= METADATA_MAX {
        return Ok(());
    }
    let message =
        format!("the metadata of `{path}` have {size} bytes; at most {METADATA_MAX} are taken");
    Err(Error::new(ErrorKind::Limit, message))
}

pub(super) fn refuse_root(path: &Path) -> Result<()> {
    if !path.is_root() {
        return Ok(());
    }
    let message = "contents cannot be set at the root; give a path of at least one step";
    Err(Error::invalid_input(message))
}

pub(super) fn refuse_kind(path: &Path, holds: &str, wanted: &str) -> Error {
    Error::invalid_input(format!(
        "cannot put {wanted} at `{path}`, which holds {holds}; remove it first if that is meant"
    ))
}

/// Puts a node below a directory, or removes what is there; returns whether that left it empty.
///
/// `levels` is what [`Tree::locate`] found on the way.
fn apply<S: Schema>(
    dir: &mut Dir<S>,
    steps: &[Step],
    levels: &mut [Level<S>],
    node: Option<Node<S>>,
) -> bool {
    let (block, was, below) = match levels {
        [Level { block, was }, below @ ..] => (block.take(), was.take(), below),
        [] => (None, None, &mut [][..]),
    };
    let edited = dir.edit(|| block.expect("every stored directory on the way was loaded"));
    match steps {
        [] => {}
        [step] => edited.set(step.clone(), node, was),
        [step, rest @ ..] => {
            let mut child = edited.take_directory(step, was.as_ref()).unwrap_or_else(Dir::empty);
            let is_empty = apply(&mut child, rest, below, node);
            let child = (!is_empty).then_some(Node::Directory(child));
            edited.set(step.clone(), child, was);
        }
    }
    edited.is_empty()
}
