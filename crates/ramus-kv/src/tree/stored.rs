//! Conflicts that lie in trees, to be resolved later.
//!
//! An entry of a kind of its own leads to a directory that has the three sides under fixed names, as
//! entries like any others, and the reason as text. So whatever walks over blocks keeps and carries
//! them, equal conflicts have equal names, and a side may itself be a conflict.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use ramus_core::{Error, ErrorKind, IntoPath, Path, Result, Step};

use super::dir::{Dir, Edited, Leaf, Node};
use super::edit::refuse_root;
use super::pending::Pending;
use super::read::At;
use super::three::Three;
use super::{PathConflict, Tree, WalkOptions, WalkOrder};
use crate::directory::{Body, Entry, Held, Item, Nodes as _};
use crate::objects::decode_block;
use crate::{Conflict, ConflictKind, Conflicts, Contents as _, Metadata as _, Resolution, Schema};

const ANCESTOR: &str = "ancestor";
const KIND: &str = "kind";
const OURS: &str = "ours";
const THEIRS: &str = "theirs";
const PLACE: &str = "place";
const REASON: &str = "reason";

/// How many entries the directory of a conflict has at most.
const ENTRIES_MAX: u64 = 6;

/// How many bytes a text has at most.
const TEXT_MAX: usize = Conflict::PLACE_MAX;

/// The conflicts that are stored in a tree, in the order of their paths: a stream.
///
/// What is held at a time is one conflict, and a block or two for each level of the tree.
pub struct StoredConflicts<S: Schema>(BoxStream<'static, Result<PathConflict<S>>>);

impl<S: Schema> Tree<S> {
    /// Returns the conflicts that are stored in the tree.
    ///
    /// All its directories are read for that, and no values but those in conflict: nothing in a directory
    /// says whether there are conflicts below it. In a large tree, look for those of a part of it, by
    /// [`find_tree`](Tree::find_tree).
    pub fn conflicts(&self) -> StoredConflicts<S> {
        let walk = self.walk(WalkOptions::default().with_order(WalkOrder::ContentsOnly));
        let tree = Arc::new(self.clone());
        let conflicts = walk.try_filter_map(move |visit| {
            let tree = Arc::clone(&tree);
            async move {
                match visit.found.conflict() {
                    Some(hash) => tree.read_conflict(&visit.path, hash).await.map(Some),
                    None => Ok(None),
                }
            }
        });
        StoredConflicts(conflicts.boxed())
    }

    /// Returns the conflict that is stored at a path, or nothing if there is none.
    pub async fn find_conflict(&self, path: impl IntoPath) -> Result<Option<PathConflict<S>>> {
        let path = path.into_path()?;
        match self.node(&path).await? {
            Some(Node::Conflict(hash)) => self.read_conflict(&path, hash).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Puts what a stored conflict is resolved to in its place.
    ///
    /// A side that is itself a conflict is one of the tree then.
    ///
    /// ```
    /// # use futures::StreamExt as _;
    /// # use ramus_kv::{Kv, Resolution, Store};
    /// # async fn example(main: Store<Kv<String>>) -> ramus_core::Result<()> {
    /// let mut edit = main.begin().await?;
    /// for conflict in edit.conflicts().collect().await? {
    ///     println!("{}: {}", conflict.path, conflict.conflict);
    ///     edit.resolve(conflict.path, Resolution::Theirs).await?;
    /// }
    /// main.commit(edit, "their side wins").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) at a path that holds no conflict.
    pub async fn resolve(&mut self, path: impl IntoPath, resolution: Resolution<S>) -> Result<()> {
        let path = path.into_path()?;
        let Some(conflict) = self.find_conflict(&path).await? else {
            let message = format!("`{path}` holds no conflict, so there is nothing to be resolved");
            return Err(Error::invalid_input(message));
        };
        if matches!(resolution, Resolution::Later) {
            return Ok(());
        }
        self.settle(&conflict, &resolution, &mut Pending::new()).await
    }

    /// Puts what a conflict is resolved to at its path, whatever is there. The blocks of one that is
    /// stored are added to `made`.
    pub(crate) async fn settle(
        &mut self,
        conflict: &PathConflict<S>,
        resolution: &Resolution<S>,
        made: &mut Pending<S>,
    ) -> Result<()> {
        let PathConflict { path, sides, .. } = conflict;
        let Three { ancestor: _, ours, theirs } = &sides.entries;
        let node = match resolution {
            Resolution::Ours => ours.clone().map(Node::of_entry),
            Resolution::Theirs => theirs.clone().map(Node::of_entry),
            Resolution::Remove => None,
            Resolution::Contents(value) => {
                let metadata = match ours {
                    Some(Entry::Contents { metadata, .. }) => metadata.clone(),
                    _ => S::Metadata::default().encode(),
                };
                Some(Node::Contents(self.make_leaf(path, value.encode()?, metadata).await?))
            }
            Resolution::Later => Some(Node::Conflict(conflict.save(made).await?)),
        };
        refuse_root(path)?;
        let found = self.locate(path).await?;
        found.refuse_contents_in_the_way(path)?;
        if let Some(node) = &node {
            found.check_height(node)?;
        }
        self.share(&sides.tree);
        match node {
            Some(node) => self.put(found, node),
            None if found.node.is_some() => self.cut(found),
            None => {}
        }
        Ok(())
    }

    /// Reads the conflict that is stored at a path, under this name.
    pub(crate) async fn read_conflict(
        &self,
        path: &Path,
        hash: S::Hash,
    ) -> Result<PathConflict<S>> {
        let parts = self.parts_of_conflict(hash).await;
        let parts = parts.map_err(|fault| {
            fault
                .context(format!("block {hash} cannot be read as a conflict, which `{path}` holds"))
        });
        let Parts { sides, kind, place, reason } = parts?;
        let conflict = Conflict::of_parts(place, reason);
        PathConflict::read(path.clone(), kind, conflict, self, sides).await
    }

    /// Returns what a conflict is of, as it is written.
    pub(super) async fn sides_of_conflict(
        &self,
        hash: S::Hash,
    ) -> Result<Three<Option<Entry<S::Hash>>>> {
        Ok(self.parts_of_conflict(hash).await?.sides)
    }

    async fn parts_of_conflict(&self, hash: S::Hash) -> Result<Parts<S>> {
        let block = self.view().node(&hash).await?;
        if block.level() > 0 || block.count() > ENTRIES_MAX {
            return Err(Error::corrupt("it is a directory of more entries than a conflict has"));
        }
        let mut sides = Three::default();
        let (mut kind, mut place, mut reason) = (None, String::new(), None);
        for Item { step, body } in block.items()? {
            let Body::Entry(entry) = body else {
                return Err(Error::corrupt("an index block stands in for a leaf"));
            };
            match step.as_str() {
                Some(ANCESTOR) => sides.ancestor = Some(entry),
                Some(OURS) => sides.ours = Some(entry),
                Some(THEIRS) => sides.theirs = Some(entry),
                Some(KIND) => kind = Some(self.text(entry).await?),
                Some(PLACE) => place = self.text(entry).await?,
                Some(REASON) => reason = Some(self.text(entry).await?),
                _ => {
                    let message = format!("a conflict has no part of the name `{step}`");
                    return Err(Error::corrupt(message));
                }
            }
        }
        let Some(reason) = reason else {
            return Err(Error::corrupt("the conflict has no reason"));
        };
        if !sides.any(Option::is_some) {
            return Err(Error::corrupt("no side of the conflict has anything"));
        }
        let kind = match kind {
            None => ConflictKind::of_sides(&sides),
            Some(name) => ConflictKind::read(&name, &sides).ok_or_else(|| {
                Error::corrupt(format!("a conflict of these sides is not of the kind `{name}`"))
            })?,
        };
        Ok(Parts { sides, kind, place, reason })
    }

    async fn text(&self, entry: Entry<S::Hash>) -> Result<String> {
        let Entry::Contents { held, metadata } = entry else {
            return Err(Error::corrupt("a text of the conflict is no contents"));
        };
        let encoded = match held {
            Held::Inline(encoded) => encoded,
            Held::Block(hash) => decode_block::<S>(&self.view().block(&hash).await?)?,
        };
        if encoded.len() > TEXT_MAX || !metadata.is_empty() {
            return Err(Error::corrupt("a text of the conflict is too long, or has metadata"));
        }
        match std::str::from_utf8(&encoded) {
            Ok(text) => Ok(text.to_owned()),
            Err(cause) => {
                Err(Error::corrupt("a text of the conflict is not UTF-8").with_source(cause))
            }
        }
    }

    /// Returns why nothing can be read or written at a path: it holds a conflict.
    pub(crate) async fn in_conflict(&self, path: &Path, hash: S::Hash) -> Error {
        match self.read_conflict(path, hash).await {
            Ok(conflict) => {
                let message = format!(
                    "`{path}` holds a conflict that was stored; resolve it, or remove it if that is \
                     meant"
                );
                Error::new(ErrorKind::Conflict, message).with_source(Conflicts::new(vec![conflict]))
            }
            Err(error) => error,
        }
    }

    /// Returns the node at a path, and refuses to say what lies at a conflict, or below one.
    pub(super) async fn settled(&self, path: &Path) -> Result<Option<Node<S>>> {
        match self.at(path).await? {
            At::Nothing => Ok(None),
            At::Node(Node::Conflict(hash)) => Err(Box::pin(self.in_conflict(path, hash)).await),
            At::Node(node) => Ok(Some(node)),
            At::BelowConflict(depth, hash) => {
                let above = path.steps().take(depth).collect();
                Err(Box::pin(self.in_conflict(&above, hash)).await)
            }
        }
    }
}

/// A conflict as it is written.
struct Parts<S: Schema> {
    sides: Three<Option<Entry<S::Hash>>>,
    kind: ConflictKind,
    place: String,
    reason: String,
}

impl<S: Schema> PathConflict<S> {
    /// Makes the directory of the conflict, and adds its blocks to `made`; returns its name.
    async fn save(&self, made: &mut Pending<S>) -> Result<S::Hash> {
        let mut directory = Edited::new(None);
        let mut put = |step: &'static str, node| -> Result<()> {
            directory.set(Step::new(step)?, Some(node), None);
            Ok(())
        };
        let Three { ancestor, ours, theirs } = &self.sides.entries;
        for (step, entry) in [(ANCESTOR, ancestor), (OURS, ours), (THEIRS, theirs)] {
            if let Some(entry) = entry {
                put(step, Node::of_entry(entry.clone()))?;
            }
        }
        if let Some(kind) = self.kind.name() {
            put(KIND, Node::Contents(text(kind)?))?;
        }
        let (place, reason) = (self.conflict.place(), self.conflict.reason());
        if !place.is_empty() {
            put(PLACE, Node::Contents(text(place)?))?;
        }
        put(REASON, Node::Contents(text(reason)?))?;
        let tree = self.sides.tree.below(Dir::Edited(Arc::new(directory)));
        tree.save_into(made).await
    }
}

fn text<S: Schema>(text: &str) -> Result<Leaf<S>> {
    let text = text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default();
    Leaf::unsaved(Bytes::copy_from_slice(text.as_bytes()), Bytes::new())
}

impl<S: Schema> StoredConflicts<S> {
    /// Returns the next conflict, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; the stream ends with the first.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<PathConflict<S>>> {
        self.0.next().await
    }

    /// Returns all conflicts that were not read yet.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn collect(self) -> Result<Vec<PathConflict<S>>> {
        self.0.try_collect().await
    }
}

impl<S: Schema> Stream for StoredConflicts<S> {
    type Item = Result<PathConflict<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for StoredConflicts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredConflicts").finish_non_exhaustive()
    }
}
