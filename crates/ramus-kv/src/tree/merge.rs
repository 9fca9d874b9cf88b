//! Three-way merges of trees, entry by entry.
//!
//! The result begins as our tree, and takes over what their tree changed. What both changed is merged
//! below directories, and by the type of the contents where both sides have contents; everything
//! else is a conflict with its path, for which our side stays in the result.
//!
//! Several lowest common ancestors are merged into one first. Where that merge has a conflict, there
//! is no telling what the ancestor was: the path is *doubtful*, and the outer merge takes no side's
//! word for being unchanged there, so that a value deleted on one side does not come back in silence.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Path, Result, Step};

use super::Tree;
use super::diff::side_by_side;
use super::dir::{Dir, Edited, Leaf, Node, check_depth};
use super::save::save;
use crate::Format as _;
use crate::{Conflict, Contents as _, Metadata as _, Schema};

/// A path at which two sides do not merge.
#[derive(Clone, Debug)]
pub struct PathConflict<S: Schema> {
    /// The path.
    pub path: Path,
    /// Why.
    pub conflict: Conflict,
    /// What the ancestor had there; nothing if it had none, or if there is no ancestor.
    pub ancestor: Option<Side<S>>,
    /// What our side has there.
    pub ours: Option<Side<S>>,
    /// What their side has there.
    pub theirs: Option<Side<S>>,
}

/// What one side of a conflict has at the path.
#[derive(Clone, Debug)]
pub enum Side<S: Schema> {
    /// A value.
    Contents(S::Contents),
    /// A directory.
    Directory(Tree<S>),
}

/// A merge of trees: what merged, and what did not.
pub(crate) struct MergedTree<S: Schema> {
    /// With our side at every path in conflict.
    pub(crate) tree: Tree<S>,
    pub(crate) conflicts: Vec<PathConflict<S>>,
}

/// What two sides began from.
pub(crate) struct Ancestor<S: Schema> {
    pub(crate) tree: Tree<S>,
    /// Where it is not known what the ancestor was.
    pub(crate) doubtful: BTreeSet<Path>,
}

impl<S: Schema> Ancestor<S> {
    pub(crate) fn certain(tree: Tree<S>) -> Self {
        Self { tree, doubtful: BTreeSet::new() }
    }
}

/// Merges two trees that began from an ancestor.
pub(crate) async fn merge<S: Schema>(
    ancestor: &Ancestor<S>,
    ours: &Tree<S>,
    theirs: &Tree<S>,
) -> Result<MergedTree<S>> {
    let mut merger = Merger { ancestor, ours, theirs, conflicts: Vec::new() };
    let dirs = Three {
        ancestor: ancestor.tree.root.clone(),
        ours: ours.root.clone(),
        theirs: theirs.root.clone(),
    };
    let root = merger.root(dirs).await?;
    let conflicts = merger.conflicts;
    let mut tree = ours.below(root);
    tree.share_pins(theirs);
    Ok(MergedTree { tree, conflicts })
}

struct Merger<'a, S: Schema> {
    ancestor: &'a Ancestor<S>,
    ours: &'a Tree<S>,
    theirs: &'a Tree<S>,
    conflicts: Vec<PathConflict<S>>,
}

/// The three sides of something.
struct Three<T> {
    ancestor: T,
    ours: T,
    theirs: T,
}

/// What becomes of a path.
enum Fate<S: Schema> {
    Ours,
    Theirs,
    Node(Option<Node<S>>),
    /// What lies in these directories is merged.
    Below(Three<Dir<S>>),
}

/// A directory that is being merged.
struct Level<S: Schema> {
    path: Path,
    /// What it has become so far; it began as ours.
    merged: Arc<Edited<S>>,
    todo: std::vec::IntoIter<(Step, Three<Option<Node<S>>>)>,
}

impl<S: Schema> Level<S> {
    fn put(&mut self, step: Step, node: Option<Node<S>>) {
        match node {
            Some(node) => Arc::make_mut(&mut self.merged).put(step, node),
            None => Arc::make_mut(&mut self.merged).remove(&step),
        }
    }
}

impl<S: Schema> Merger<'_, S> {
    /// Merges the roots and everything below, without recursion: a stack is short, and trees are
    /// deep.
    async fn root(&mut self, dirs: Three<Dir<S>>) -> Result<Dir<S>> {
        let mut level = self.level(Path::root(), dirs).await?;
        let mut above: Vec<(Level<S>, Step)> = Vec::new();
        loop {
            let Some((step, nodes)) = level.todo.next() else {
                let merged = Dir::Edited(level.merged);
                let Some((parent, step)) = above.pop() else { return Ok(merged) };
                level = parent;
                level.put(step, unless_empty(merged));
                continue;
            };
            let path = level.path.child(&step);
            let theirs = nodes.theirs.clone();
            match self.node(&path, nodes).await? {
                Fate::Ours => {}
                Fate::Theirs => level.put(step, theirs),
                Fate::Node(node) => level.put(step, node),
                Fate::Below(dirs) => {
                    check_depth(above.len() + 1)?;
                    let below = self.level(path, dirs).await?;
                    above.push((std::mem::replace(&mut level, below), step));
                }
            }
        }
    }

    async fn level(&self, path: Path, dirs: Three<Dir<S>>) -> Result<Level<S>> {
        let ancestor = self.ancestor.tree.entries(&dirs.ancestor).await?;
        let ours = self.ours.entries(&dirs.ours).await?;
        let theirs = self.theirs.entries(&dirs.theirs).await?;
        let merged = self.ours.loaded(&dirs.ours).await?;
        Ok(Level { path, merged, todo: three_by_three(ancestor, ours, theirs).into_iter() })
    }

    async fn node(&mut self, path: &Path, nodes: Three<Option<Node<S>>>) -> Result<Fate<S>> {
        if let Some(fate) = self.unless_both_changed(path, &nodes) {
            return Ok(fate);
        }
        let is_contents = |node: &Option<Node<S>>| matches!(node, Some(Node::Contents(_)));
        let is_directory = |node: &Option<Node<S>>| matches!(node, Some(Node::Directory(_)));
        let Three { ancestor, ours, theirs } = &nodes;
        let one_is_gone = ours.is_none() || theirs.is_none();
        if is_directory(ours) || is_directory(theirs) {
            if is_contents(ours) || is_contents(theirs) || (is_contents(ancestor) && one_is_gone) {
                return self.kinds(path, nodes).await;
            }
            return Ok(Fate::Below(Three {
                ancestor: directory_or_empty(nodes.ancestor),
                ours: directory_or_empty(nodes.ours),
                theirs: directory_or_empty(nodes.theirs),
            }));
        }
        if is_directory(ancestor) && one_is_gone {
            return self.kinds(path, nodes).await;
        }
        self.contents(path, nodes).await
    }

    /// Takes the side that changed, if only one did or both did the same.
    fn unless_both_changed(&self, path: &Path, nodes: &Three<Option<Node<S>>>) -> Option<Fate<S>> {
        let same = |a: &Option<Node<S>>, b: &Option<Node<S>>| match (a, b) {
            (Some(a), Some(b)) => a.is_known_same(b),
            (None, None) => true,
            _ => false,
        };
        let certain = !self.is_doubtful(path) && !self.lies_in_doubt(path);
        if certain && same(&nodes.theirs, &nodes.ancestor) {
            Some(Fate::Ours)
        } else if certain && same(&nodes.ours, &nodes.ancestor) {
            Some(Fate::Theirs)
        } else if same(&nodes.ours, &nodes.theirs)
            && (!S::Contents::MERGES_EQUAL_SIDES || nodes.ours.is_none())
        {
            Some(Fate::Ours)
        } else {
            None
        }
    }

    /// Returns whether it is doubtful what the ancestor had at this path, or somewhere below it.
    fn is_doubtful(&self, path: &Path) -> bool {
        let mut from_here = self.ancestor.doubtful.range(path..);
        from_here.next().is_some_and(|doubtful| doubtful.starts_with(path))
    }

    /// Returns whether it is doubtful what the ancestor had at this path, or somewhere above it.
    fn lies_in_doubt(&self, path: &Path) -> bool {
        let doubtful = &self.ancestor.doubtful;
        let mut above = std::iter::successors(Some(path.clone()), Path::parent);
        !doubtful.is_empty() && above.any(|path| doubtful.contains(&path))
    }

    async fn contents(&mut self, path: &Path, nodes: Three<Option<Node<S>>>) -> Result<Fate<S>> {
        if self.lies_in_doubt(path) {
            let conflict = Conflict::new("both sides changed it, and so did their ancestors");
            return self.conflict(path, conflict, nodes).await;
        }
        let values = Three {
            ancestor: value(&self.ancestor.tree, nodes.ancestor.as_ref()).await?,
            ours: value(self.ours, nodes.ours.as_ref()).await?,
            theirs: value(self.theirs, nodes.theirs.as_ref()).await?,
        };
        let merged = match merge_values::<S>(path, &values)? {
            Ok(Some(merged)) => merged,
            Ok(None) if one_says_something_new(&nodes) => {
                let conflict =
                    Conflict::new("one side deleted it and the other changed its metadata");
                return self.conflict(path, conflict, nodes).await;
            }
            Ok(None) => return Ok(Fate::Node(None)),
            Err(conflict) => return self.conflict(path, conflict, nodes).await,
        };
        match merge_metadata(path, &nodes)? {
            Ok(metadata) => {
                let block = S::Format::encode_contents(&merged.encode()?);
                Ok(Fate::Node(Some(Node::Contents(Leaf::unsaved(block, metadata)))))
            }
            Err(conflict) => self.conflict(path, conflict, nodes).await,
        }
    }

    /// Decides where contents stand against a directory, or a directory in the place of contents
    /// against nothing.
    ///
    /// An edited directory may be equal to a stored one without being known to be: it is hashed
    /// before anything is called a conflict.
    async fn kinds(&mut self, path: &Path, nodes: Three<Option<Node<S>>>) -> Result<Fate<S>> {
        let ancestor = exact(nodes.ancestor.as_ref())?;
        if !self.is_doubtful(path) && !self.lies_in_doubt(path) {
            if exact(nodes.theirs.as_ref())? == ancestor {
                return Ok(Fate::Ours);
            }
            if exact(nodes.ours.as_ref())? == ancestor {
                return Ok(Fate::Theirs);
            }
        }
        let reason = match (&nodes.ours, &nodes.theirs) {
            (Some(Node::Contents(_)), Some(_)) => "we have contents and they have a directory",
            (Some(_), Some(_)) => "we have a directory and they have contents",
            (None, _) => "we deleted it and they changed its kind",
            (_, None) => "we changed its kind and they deleted it",
        };
        self.conflict(path, Conflict::new(reason), nodes).await
    }

    async fn conflict(
        &mut self,
        path: &Path,
        conflict: Conflict,
        nodes: Three<Option<Node<S>>>,
    ) -> Result<Fate<S>> {
        let path = path.clone();
        let ancestor = side(&self.ancestor.tree, nodes.ancestor).await?;
        let ours = side(self.ours, nodes.ours).await?;
        let theirs = side(self.theirs, nodes.theirs).await?;
        self.conflicts.push(PathConflict { path, conflict, ancestor, ours, theirs });
        Ok(Fate::Ours)
    }
}

/// Merges values by their type.
fn merge_values<S: Schema>(
    path: &Path,
    values: &Three<Option<S::Contents>>,
) -> Result<Result<Option<S::Contents>, Conflict>> {
    let Three { ancestor, ours, theirs } = values;
    let merge = || S::Contents::merge(ancestor.as_ref(), ours.as_ref(), theirs.as_ref());
    catch("contents", path, merge)
}

fn merge_metadata<S: Schema>(
    path: &Path,
    nodes: &Three<Option<Node<S>>>,
) -> Result<Result<Bytes, Conflict>> {
    let read =
        |node: &Option<Node<S>>| metadata(node.as_ref()).map(S::Metadata::decode).transpose();
    let ancestor = read(&nodes.ancestor)?;
    Ok(match (read(&nodes.ours)?, read(&nodes.theirs)?) {
        (Some(ours), Some(theirs)) => {
            let merge = || S::Metadata::merge(ancestor.as_ref(), &ours, &theirs);
            catch("metadata", path, merge)?.map(|merged| merged.encode())
        }
        (Some(one), None) | (None, Some(one)) => Ok(one.encode()),
        (None, None) => Ok(S::Metadata::default().encode()),
    })
}

/// Returns whether a side that is alone has other metadata than the ancestor had.
fn one_says_something_new<S: Schema>(nodes: &Three<Option<Node<S>>>) -> bool {
    let [ancestor, ours, theirs] =
        [&nodes.ancestor, &nodes.ours, &nodes.theirs].map(|node| metadata(node.as_ref()));
    let alone = ours.xor(theirs);
    alone.is_some() && ancestor.is_some() && alone != ancestor
}

fn metadata<S: Schema>(node: Option<&Node<S>>) -> Option<&Bytes> {
    match node {
        Some(Node::Contents(leaf)) => Some(&leaf.metadata),
        Some(Node::Directory(_)) | None => None,
    }
}

/// Runs a merge that others wrote. One that panics aborts, and disturbs nobody else.
fn catch<T>(what: &str, path: &Path, merge: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(merge)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        let said = said.unwrap_or_else(|| "without a message".to_owned());
        let message = format!("the merge of the {what} at `{path}` panicked");
        Error::new(ErrorKind::Aborted, message).with_source(said)
    })
}

async fn value<S: Schema>(tree: &Tree<S>, node: Option<&Node<S>>) -> Result<Option<S::Contents>> {
    match node {
        Some(Node::Contents(leaf)) => Ok(Some(tree.contents(leaf).await?)),
        Some(Node::Directory(_)) | None => Ok(None),
    }
}

async fn side<S: Schema>(tree: &Tree<S>, node: Option<Node<S>>) -> Result<Option<Side<S>>> {
    Ok(match node {
        Some(Node::Contents(leaf)) => Some(Side::Contents(tree.contents(&leaf).await?)),
        Some(Node::Directory(dir)) => Some(Side::Directory(tree.below(dir))),
        None => None,
    })
}

/// Returns what tells a node from every other: kind, hash, metadata.
fn exact<S: Schema>(node: Option<&Node<S>>) -> Result<Option<(bool, S::Hash, Bytes)>> {
    Ok(match node {
        Some(Node::Contents(leaf)) => Some((true, leaf.hash, leaf.metadata.clone())),
        Some(Node::Directory(dir)) => Some((false, save(dir)?.root, Bytes::new())),
        None => None,
    })
}

fn directory_or_empty<S: Schema>(node: Option<Node<S>>) -> Dir<S> {
    match node {
        Some(Node::Directory(dir)) => dir,
        Some(Node::Contents(_)) | None => Dir::empty(),
    }
}

fn unless_empty<S: Schema>(dir: Dir<S>) -> Option<Node<S>> {
    match &dir {
        Dir::Edited(edited) if edited.is_empty() => None,
        _ => Some(Node::Directory(dir)),
    }
}

type Entries<S> = Vec<(Step, Node<S>)>;

/// Returns the entries of three directories, step by step.
fn three_by_three<S: Schema>(
    ancestor: Entries<S>,
    ours: Entries<S>,
    theirs: Entries<S>,
) -> Vec<(Step, Three<Option<Node<S>>>)> {
    let sides = side_by_side(ours, theirs);
    let sides = sides.into_iter().map(|(step, ours, theirs)| (step, (ours, theirs))).collect();
    let all = side_by_side(ancestor, sides);
    let three = all.into_iter().map(|(step, ancestor, sides)| {
        let (ours, theirs) = sides.unwrap_or_default();
        (step, Three { ancestor, ours, theirs })
    });
    three.collect()
}
