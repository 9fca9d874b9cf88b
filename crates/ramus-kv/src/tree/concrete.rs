use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use ramus_core::{Error, IntoPath, Path, Result, Step};

use super::dir::{Dir, Edited, Node, check_depth};
use super::{Found, Kind, Tree, WalkOptions, WalkOrder};
use crate::objects::Objects;
use crate::{Metadata as _, Schema};

/// A whole tree as a plain value: all of it in memory, nothing to be read.
///
/// `M` are the metadata of the contents. An empty directory can be written down, and is no part of
/// any [`Tree`]: it is left out.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use ramus_kv::{Concrete, Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let users = BTreeMap::from([
///     ("ada".parse()?, Concrete::contents("mathematician".to_owned())),
///     ("bob".parse()?, Concrete::contents("carpenter".to_owned())),
/// ]);
/// let all = Concrete::Directory(BTreeMap::from([("users".parse()?, Concrete::Directory(users))]));
/// let tree = repo.tree_from_concrete(&all)?;
/// assert_eq!(tree.find("users/ada").await?.as_deref(), Some("mathematician"));
/// assert_eq!(tree.to_concrete("").await?, Some(all));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concrete<C, M = ()> {
    /// A value and its metadata.
    Contents(C, M),
    /// What the steps of a directory lead to.
    Directory(BTreeMap<Step, Self>),
}

/// What a tree of a schema is as a plain value.
type Plain<S> = Concrete<<S as Schema>::Contents, <S as Schema>::Metadata>;

impl<C, M> Concrete<C, M> {
    /// Returns a value with the default metadata.
    pub fn contents(value: C) -> Self
    where
        M: Default,
    {
        Self::Contents(value, M::default())
    }

    /// Puts something below a directory. What leads there are directories.
    fn insert(&mut self, path: &Path, below: Self) {
        let mut place = self;
        for step in path.steps() {
            if let Self::Contents(..) = place {
                *place = Self::default();
            }
            let Self::Directory(entries) = place else { return };
            place = entries.entry(step).or_default();
        }
        *place = below;
    }
}

/// An empty directory.
impl<C, M> Default for Concrete<C, M> {
    fn default() -> Self {
        Self::Directory(BTreeMap::new())
    }
}

impl<S: Schema> Tree<S> {
    /// Returns everything at a path and below it as a plain value, or nothing if nothing is there.
    ///
    /// All of it is read, and held in memory. A plain value has no conflicts, so a stored one is an error
    /// of kind [`Conflict`](ramus_core::ErrorKind::Conflict).
    pub async fn to_concrete(
        &self,
        path: impl IntoPath,
    ) -> Result<Option<Concrete<S::Contents, S::Metadata>>> {
        let path = path.into_path()?;
        let Some(node) = self.settled(&path).await? else { return Ok(None) };
        let found = Found::new(&Arc::new(self.clone()), node);
        let Some(tree) = found.tree() else { return concrete_contents(&found).await };
        let mut whole = Concrete::default();
        let mut walk = tree.walk(WalkOptions::default().with_order(WalkOrder::ContentsOnly));
        while let Some(visit) = walk.next().await.transpose()? {
            if let Some(hash) = visit.found.conflict() {
                return Err(tree.in_conflict(&visit.path, hash).await);
            }
            if let Some(contents) = concrete_contents(&visit.found).await? {
                whole.insert(&visit.path, contents);
            }
        }
        Ok(Some(whole))
    }

    /// Puts a plain value at a path: contents with their metadata in place of contents, a directory
    /// in place of the directory that is there. An empty directory removes what is there.
    ///
    /// # Errors
    ///
    /// Those of [`set_with_metadata`](Tree::set_with_metadata) for contents, so they are refused at
    /// the root; those of [`set_tree`](Tree::set_tree) for a directory; and
    /// [`Limit`](ramus_core::ErrorKind::Limit) for what is too large or too deep in it. The message
    /// names its path from there on.
    pub async fn set_concrete(
        &mut self,
        path: impl IntoPath,
        concrete: &Concrete<S::Contents, S::Metadata>,
    ) -> Result<()> {
        let path = path.into_path()?;
        match concrete {
            Concrete::Contents(value, metadata) => {
                self.put_contents(&path, value, Some(metadata)).await
            }
            Concrete::Directory(entries) => {
                let tree = self.of_entries(entries)?;
                self.set_tree(path, &tree).await
            }
        }
    }

    pub(crate) fn from_concrete(objects: &Arc<Objects<S>>, concrete: &Plain<S>) -> Result<Self> {
        match concrete {
            Concrete::Contents(..) => Err(Error::invalid_input(
                "contents cannot be the root of a tree; give a directory that holds them",
            )),
            Concrete::Directory(entries) => Self::empty(Arc::clone(objects)).of_entries(entries),
        }
    }

    /// Returns a new tree of these entries beside this one, made from the inside out without
    /// recursion.
    fn of_entries(&self, entries: &BTreeMap<Step, Plain<S>>) -> Result<Self> {
        let mut open = vec![Making::new(Path::root(), None, entries)];
        let mut root = Dir::empty();
        while let Some(making) = open.last_mut() {
            match making.left.next() {
                Some((step, Concrete::Contents(value, metadata))) => {
                    let path = making.path.child(step);
                    let leaf = self.new_leaf(&path, value, S::Metadata::encode(metadata))?;
                    making.edited.set(step.clone(), Some(Node::Contents(leaf)), None);
                }
                Some((step, Concrete::Directory(entries))) => {
                    let path = making.path.child(step);
                    check_depth(open.len())?;
                    open.push(Making::new(path, Some(step), entries));
                }
                None => {
                    let Some(Making { step, edited, .. }) = open.pop() else { break };
                    let is_empty = edited.is_empty();
                    let dir = Dir::Edited(Arc::new(edited));
                    match (open.last_mut(), step) {
                        (Some(parent), Some(step)) if !is_empty => {
                            parent.edited.set(step.clone(), Some(Node::Directory(dir)), None);
                        }
                        (Some(_), _) => {}
                        (None, _) => root = dir,
                    }
                }
            }
        }
        let mut tree = Self::empty(Arc::clone(&self.objects));
        tree.root = root;
        Ok(tree)
    }
}

/// A directory that is being made.
struct Making<'c, S: Schema> {
    path: Path,
    /// Its step in the directory around it.
    step: Option<&'c Step>,
    /// The entries that are still to come.
    left: btree_map::Iter<'c, Step, Plain<S>>,
    edited: Edited<S>,
}

impl<'c, S: Schema> Making<'c, S> {
    fn new(path: Path, step: Option<&'c Step>, entries: &'c BTreeMap<Step, Plain<S>>) -> Self {
        Self { path, step, left: entries.iter(), edited: Edited::new(None) }
    }
}

async fn concrete_contents<S: Schema>(found: &Found<S>) -> Result<Option<Plain<S>>> {
    debug_assert!(found.kind() == Kind::Contents, "a directory is walked");
    let contents = found.contents().await?.zip(found.metadata()?);
    Ok(contents.map(|(value, metadata)| Concrete::Contents(value, metadata)))
}
