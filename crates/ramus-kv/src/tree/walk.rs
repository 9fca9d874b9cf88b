use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use ramus_core::{Path, Result};

use super::dir::{Dir, Node, check_depth};
use super::scan::{DirScan, Next};
use super::{Found, Kind, Tree};
use crate::Schema;
use crate::directory::{Direction, From, Spot};

/// Everything in a tree, in the order of the paths: a stream of visits.
///
/// What is held at a time is a block or two for each level, however large the tree is. A directory is
/// read when the visit after it is asked for, so who stops early has not paid for the rest.
///
/// There is no walk of only what is loaded: what is at hand is kept for all trees of a repository
/// together, and may be forgotten at any moment, so what such a walk saw would be luck.
///
/// ```
/// # use ramus_kv::{Kind, Kv, Repo, WalkOptions};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let tree = repo.main().await?.tree().await?;
/// let mut walk = tree.walk(WalkOptions::default().with_depth_max(2));
/// while let Some(visit) = walk.next().await.transpose()? {
///     match visit.found.kind() {
///         Kind::Directory => println!("{}/", visit.path),
///         Kind::Contents => println!("{} = {:?}", visit.path, visit.found.contents().await?),
///         Kind::Conflict => println!("{} is in conflict", visit.path),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Walk<S: Schema>(BoxStream<'static, Result<Visit<S>>>);

/// One place that a [`Walk`] comes to.
#[derive(Clone, Debug)]
pub struct Visit<S: Schema> {
    /// The path, from the root of the tree that is walked.
    pub path: Path,
    /// How many steps that has.
    pub depth: usize,
    /// What is there.
    pub found: Found<S>,
}

/// What a walk visits.
///
/// ```
/// use ramus_kv::{WalkOptions, WalkOrder};
///
/// // What lies exactly two steps deep.
/// let two_deep = WalkOptions::default().with_depth_min(2).with_depth_max(2);
/// let values = WalkOptions::default().with_order(WalkOrder::ContentsOnly).unique();
/// # drop((two_deep, values));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Where directories come.
    pub order: WalkOrder,
    /// The fewest steps that lead to what is visited; what lies above is only passed.
    pub depth_min: usize,
    /// The most steps that lead to what is visited; what lies below is not read.
    pub depth_max: Option<usize>,
    /// Whether a directory that equals one before it is passed over, with everything in it.
    ///
    /// Limits of depth cut equal directories differently at different depths, so with them each is
    /// visited once at each depth. The tree is hashed first, and a hash is kept for every directory
    /// that was met.
    pub unique: bool,
}

/// Where a walk visits directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WalkOrder {
    /// Before what is in them, beginning with the root.
    #[default]
    DirectoriesFirst,
    /// After what is in them, ending with the root.
    DirectoriesLast,
    /// Nowhere: only contents are visited, and stored conflicts, which take their place.
    ContentsOnly,
}

impl<S: Schema> Tree<S> {
    /// Returns a walk through the tree as it is now.
    ///
    /// To walk a part of it, take that [first](Tree::find_tree).
    pub fn walk(&self, options: WalkOptions) -> Walk<S> {
        let walker = Walker {
            tree: Arc::new(self.clone()),
            options,
            has_begun: false,
            open: Vec::new(),
            seen: HashSet::new(),
        };
        Walk(stream::try_unfold(walker, Walker::next).boxed())
    }
}

impl<S: Schema> Walk<S> {
    /// Returns the next visit, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; the stream ends with the first.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Visit<S>>> {
        self.0.next().await
    }
}

impl WalkOptions {
    /// Returns these options with another order.
    #[must_use]
    pub const fn with_order(mut self, order: WalkOrder) -> Self {
        self.order = order;
        self
    }

    /// Returns these options with the fewest steps that lead to what is visited.
    #[must_use]
    pub const fn with_depth_min(mut self, depth: usize) -> Self {
        self.depth_min = depth;
        self
    }

    /// Returns these options with the most steps that lead to what is visited.
    #[must_use]
    pub const fn with_depth_max(mut self, depth: usize) -> Self {
        self.depth_max = Some(depth);
        self
    }

    /// Returns these options for equal directories once.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    fn has_limits(&self) -> bool {
        self.depth_min > 0 || self.depth_max.is_some()
    }
}

/// Where a walk has got to.
struct Walker<S: Schema> {
    tree: Arc<Tree<S>>,
    options: WalkOptions,
    has_begun: bool,
    /// The directories that are being walked, one in another; there are as many as the steps that
    /// lead to what comes next.
    open: Vec<Open<S>>,
    /// The directories that were met, if equal ones are passed over, and how deep if that matters.
    seen: HashSet<(S::Hash, usize)>,
}

/// A directory that is being walked.
struct Open<S: Schema> {
    path: Path,
    dir: Dir<S>,
    /// Where the directory is named, until its first entry is asked for.
    spot: Option<Spot<S::Hash>>,
    /// Nothing until its first entry is asked for.
    scan: Option<DirScan<S>>,
}

impl<S: Schema> Walker<S> {
    async fn next(mut self) -> Result<Option<(Visit<S>, Self)>> {
        let mut visit = self.begin().await?;
        while visit.is_none() {
            let Some(open) = self.open.last_mut() else { return Ok(None) };
            let view = self.tree.view();
            let scan = match &mut open.scan {
                Some(scan) => scan,
                scan @ None => {
                    let (dir, spot) = (&open.dir, open.spot.take());
                    let way = Direction::Forwards;
                    scan.insert(DirScan::open(&view, dir, spot, way, From::End).await?)
                }
            };
            visit = match scan.next(&view).await? {
                Some(Next { step, node, spot }) => {
                    let path = open.path.child(&step);
                    self.enter(path, node, spot)?
                }
                None => self.leave(),
            };
        }
        Ok(visit.map(|visit| (visit, self)))
    }

    async fn begin(&mut self) -> Result<Option<Visit<S>>> {
        if self.has_begun {
            return Ok(None);
        }
        self.has_begun = true;
        if self.options.unique {
            // Only what has a name can be known again.
            self.tree = Arc::new(self.tree.frozen().await?);
        }
        self.enter(Path::root(), Node::Directory(self.tree.root.clone()), None)
    }

    /// Comes to an entry; a directory is opened, unless it is not to be gone into.
    fn enter(
        &mut self,
        path: Path,
        node: Node<S>,
        spot: Option<Spot<S::Hash>>,
    ) -> Result<Option<Visit<S>>> {
        let depth = self.open.len();
        if let Node::Directory(dir) = &node {
            if !self.is_new(dir, depth) {
                return Ok(None);
            }
            if self.options.depth_max.is_none_or(|max| depth < max) {
                check_depth(depth)?;
                self.open.push(Open { path: path.clone(), dir: dir.clone(), spot, scan: None });
                if self.options.order == WalkOrder::DirectoriesLast {
                    return Ok(None);
                }
            }
        }
        Ok(self.visit(path, depth, node))
    }

    /// Leaves the innermost directory, all of whose entries were visited.
    fn leave(&mut self) -> Option<Visit<S>> {
        let Open { path, dir, .. } = self.open.pop()?;
        if self.options.order != WalkOrder::DirectoriesLast {
            return None;
        }
        self.visit(path, self.open.len(), Node::Directory(dir))
    }

    /// Returns a visit, if what is there is wanted.
    fn visit(&self, path: Path, depth: usize, node: Node<S>) -> Option<Visit<S>> {
        let is_wanted = match node.kind() {
            Kind::Contents | Kind::Conflict => true,
            Kind::Directory => self.options.order != WalkOrder::ContentsOnly,
        };
        let is_wanted = is_wanted && depth >= self.options.depth_min;
        is_wanted.then(|| Visit { path, depth, found: Found::new(&self.tree, node) })
    }

    fn is_new(&mut self, dir: &Dir<S>, depth: usize) -> bool {
        let depth = if self.options.has_limits() { depth } else { 0 };
        match dir.known_hash() {
            Some(hash) if self.options.unique => self.seen.insert((hash, depth)),
            _ => true,
        }
    }
}

impl<S: Schema> Stream for Walk<S> {
    type Item = Result<Visit<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for Walk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").finish_non_exhaustive()
    }
}
