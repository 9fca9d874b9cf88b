//! Three-way merges of trees, entry by entry.
//!
//! The result begins as our tree, and takes over what their tree changed. What both changed is merged
//! below directories, and by the type of the contents where both sides have contents; everything
//! else is a conflict with its path, for which our side stays in the result.
//!
//! Several lowest common ancestors are merged into one first. Where that merge has a conflict, there
//! is no telling what the ancestor was: the path is *doubtful*, and the outer merge takes no side's
//! word for being unchanged there, so that a value deleted on one side does not come back in silence.
//!
//! A stored conflict is an entry like any other where one side alone changed it. Where both did, see
//! `stored`.

mod leaves;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ramus_core::{Error, Path, Result, Step};

use super::dir::{Base, Dir, Edited, Node, check_depth};
use super::three::Three;
use super::{PathConflict, Tree};
use crate::directory::{DirBlock, Entry, EntryDiff, EntryPair, Nodes as _, find};
use crate::{Conflict, ConflictKind, Contents as _, Schema};
use leaves::{merge_metadata, merge_values, one_says_something_new};
use stored::{Stored, any_stored};

/// A merge of trees: what merged, and what did not.
pub(crate) struct MergedTree<S: Schema> {
    /// With our side at every path in conflict.
    pub(crate) tree: Tree<S>,
    pub(crate) conflicts: Vec<PathConflict<S>>,
}

/// What two sides began from.
pub(crate) struct Ancestor<S: Schema> {
    pub(crate) tree: Tree<S>,
    /// Where it is not known what the ancestor was, and what was in conflict there.
    pub(crate) doubtful: BTreeMap<Path, Entries<S>>,
}

impl<S: Schema> Ancestor<S> {
    pub(crate) fn certain(tree: Tree<S>) -> Self {
        Self { tree, doubtful: BTreeMap::new() }
    }
}

/// Merges two trees that began from an ancestor.
pub(crate) async fn merge<S: Schema>(
    ancestor: &Ancestor<S>,
    ours: &Tree<S>,
    theirs: &Tree<S>,
) -> Result<MergedTree<S>> {
    // Edits become blocks first, so that blocks are all there is to compare. Whatever waits to be stored
    // is found from each of them: a conflict that one side stored has entries of the others.
    let (before, theirs) = (ancestor.tree.frozen().await?, theirs.frozen().await?);
    let mut ours = ours.frozen().await?;
    ours.share(&theirs);
    ours.share(&before);
    let beside = |root: &Dir<S>| ours.below(root.clone());
    let (before, theirs) = (beside(&before.root), beside(&theirs.root));
    let trees = Three { ancestor: before, ours, theirs };
    let roots = Three {
        ancestor: trees.ancestor.root.known_hash(),
        ours: trees.ours.root.known_hash(),
        theirs: trees.theirs.root.known_hash(),
    };
    let mut merger = Merger {
        trees: &trees,
        doubtful: &ancestor.doubtful,
        open: Vec::new(),
        conflicts: Vec::new(),
    };
    let root = merger.root(roots).await?;
    let mut conflicts = merger.conflicts;
    conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(MergedTree { tree: trees.ours.below(root), conflicts })
}

struct Merger<'a, S: Schema> {
    /// Without edits.
    trees: &'a Three<Tree<S>>,
    doubtful: &'a BTreeMap<Path, Entries<S>>,
    /// The directories that are being merged, one in another.
    open: Vec<Open<S>>,
    conflicts: Vec<PathConflict<S>>,
}

/// A directory that is being merged: what their side changed is looked at on our side.
struct Open<S: Schema> {
    path: Path,
    /// What their side changed.
    diff: EntryDiff<S::Hash>,
    /// The root block of their side.
    theirs: Option<Arc<DirBlock<S::Hash>>>,
    /// Our side, with what was merged into it so far.
    merged: Edited<S>,
    /// Steps that are still to be looked at whether their side changed them or not.
    doubtful: BTreeSet<Step>,
    /// The step of a directory that is being merged below this one, and what our side had there.
    below: Option<(Step, Option<Entry<S::Hash>>)>,
}

/// What a path leads to on the three sides.
pub(crate) type Entries<S> = Three<Option<Entry<<S as Schema>::Hash>>>;

/// What a path holds after the merge.
enum Kept<S: Schema> {
    Ours,
    Theirs,
    Node(Option<Node<S>>),
    /// What comes of merging these directories.
    Below(Three<Option<S::Hash>>),
}

impl<S: Schema> Merger<'_, S> {
    async fn root(&mut self, roots: Three<Option<S::Hash>>) -> Result<Dir<S>> {
        let entry = |hash: Option<S::Hash>| hash.map(|hash| Entry::Directory { hash });
        let entries = Three {
            ancestor: entry(roots.ancestor),
            ours: entry(roots.ours),
            theirs: entry(roots.theirs),
        };
        Ok(match self.unless_both_changed(&Path::root(), &entries) {
            Some(Kept::Theirs) => self.trees.theirs.root.clone(),
            Some(_) => self.trees.ours.root.clone(),
            None => self.directories(roots).await?,
        })
    }

    /// Merges directories from the inside out, without recursion: they may lie deep.
    async fn directories(&mut self, roots: Three<Option<S::Hash>>) -> Result<Dir<S>> {
        self.enter(Path::root(), roots).await?;
        let mut made: Option<Edited<S>> = None;
        while let Some(open) = self.open.last_mut() {
            if let (Some((step, was)), Some(made)) = (open.below.take(), made.take()) {
                let node = Node::Directory(Dir::Edited(Arc::new(made)));
                let is_empty = matches!(&node, Node::Directory(Dir::Edited(dir)) if dir.is_empty());
                open.merged.set(step, (!is_empty).then_some(node), was);
            }
            match open.next(self.trees).await? {
                Some(pair) => self.take(pair).await?,
                None => made = self.open.pop().map(|open| open.merged),
            }
        }
        made.map(|root| Dir::Edited(Arc::new(root)))
            .ok_or_else(|| Error::corrupt("a merge has no root"))
    }

    async fn enter(&mut self, path: Path, dirs: Three<Option<S::Hash>>) -> Result<()> {
        check_depth(self.open.len())?;
        let Three { ancestor, ours, theirs } = self.trees;
        // Nobody knows what the ancestor had below a doubtful path: everything there is looked at.
        let is_in_doubt = self.lies_in_doubt(&path);
        let old = load(ancestor, dirs.ancestor.filter(|_| !is_in_doubt)).await?;
        let theirs = load(theirs, dirs.theirs).await?;
        let base = load(ours, dirs.ours).await?;
        let doubtful = match &base {
            Some(base) if is_in_doubt => steps(ours, base).await?,
            _ => self.doubtful_steps(&path),
        };
        let base = base.zip(dirs.ours);
        let merged = Edited::new(base.map(|(root, hash)| Base::new(hash, root)));
        let diff = EntryDiff::new(old.as_ref(), theirs.as_ref())?;
        self.open.push(Open { path, diff, theirs, merged, doubtful, below: None });
        Ok(())
    }

    /// Merges what a step leads to.
    async fn take(&mut self, pair: EntryPair<S::Hash>) -> Result<()> {
        let EntryPair { step, old, new } = pair;
        let Some(open) = self.open.last() else { return Ok(()) };
        let base = open.merged.base().map(|base| &base.root);
        let was = look_up(&self.trees.ours, base, &step).await?;
        let path = open.path.child(&step);
        let entries = Three { ancestor: old, ours: was.clone(), theirs: new.clone() };
        let node = match self.entry(&path, entries).await? {
            Kept::Ours => return Ok(()),
            Kept::Theirs => new.map(Node::of_entry),
            Kept::Node(node) => node,
            Kept::Below(dirs) => {
                if let Some(open) = self.open.last_mut() {
                    open.below = Some((step, was));
                }
                return self.enter(path, dirs).await;
            }
        };
        if let Some(open) = self.open.last_mut() {
            open.merged.set(step, node, was);
        }
        Ok(())
    }

    async fn entry(&mut self, path: &Path, entries: Entries<S>) -> Result<Kept<S>> {
        if let Some(kept) = self.unless_both_changed(path, &entries) {
            return Ok(kept);
        }
        let entries = match self.stored(path, entries).await? {
            Stored::Kept(kept) => return Ok(kept),
            Stored::Conflict(conflict, entries) => {
                return self.conflict(path, conflict, entries).await;
            }
            Stored::Entries(entries) => entries,
        };
        let Three { ancestor, ours, theirs } = &entries;
        let was_contents = matches!(ancestor, Some(Entry::Contents { .. }));
        let was_directory = matches!(ancestor, Some(Entry::Directory { .. }));
        match (ours, theirs) {
            (Some(Entry::Contents { .. }), Some(Entry::Contents { .. })) => {
                self.contents(path, entries).await
            }
            (Some(Entry::Contents { .. }), None) | (None, Some(Entry::Contents { .. }))
                if !was_directory =>
            {
                self.contents(path, entries).await
            }
            (Some(Entry::Contents { .. }), _) | (_, Some(Entry::Contents { .. })) => {
                self.kinds(path, entries).await
            }
            // One of them is a directory, and the other one, too, or gone.
            (None, _) | (_, None) if was_contents => self.kinds(path, entries).await,
            _ => Ok(Kept::Below(Three {
                ancestor: directory::<S>(ancestor.as_ref()),
                ours: directory::<S>(ours.as_ref()),
                theirs: directory::<S>(theirs.as_ref()),
            })),
        }
    }

    /// Takes the side that changed, if only one did or both did the same.
    fn unless_both_changed(&self, path: &Path, entries: &Entries<S>) -> Option<Kept<S>> {
        let Three { ancestor, ours, theirs } = entries;
        let certain = !self.is_doubtful(path) && !self.lies_in_doubt(path);
        if certain && theirs == ancestor {
            Some(Kept::Ours)
        } else if certain && ours == ancestor {
            Some(Kept::Theirs)
        } else if ours == theirs
            && (!S::Contents::MERGES_EQUAL_SIDES || ours.is_none() || any_stored(entries))
        {
            // What counts cannot count on from a conflict.
            Some(Kept::Ours)
        } else {
            None
        }
    }

    /// Returns whether it is doubtful what the ancestor had at this path, or somewhere below it.
    fn is_doubtful(&self, path: &Path) -> bool {
        let mut from_here = self.doubtful.range(path..);
        from_here.next().is_some_and(|(doubtful, _)| doubtful.starts_with(path))
    }

    /// Returns whether it is doubtful what the ancestor had at this path, or somewhere above it.
    fn lies_in_doubt(&self, path: &Path) -> bool {
        let mut above = std::iter::successors(Some(path.clone()), Path::parent);
        !self.doubtful.is_empty() && above.any(|path| self.doubtful.contains_key(&path))
    }

    /// Returns the steps of a directory below which something is doubtful.
    fn doubtful_steps(&self, directory: &Path) -> BTreeSet<Step> {
        let from_here = self.doubtful.range(directory..);
        let below = from_here.map_while(|(path, _)| path.strip_prefix(directory));
        below.filter_map(|path| path.steps().next()).collect()
    }

    async fn contents(&mut self, path: &Path, entries: Entries<S>) -> Result<Kept<S>> {
        if self.lies_in_doubt(path) {
            let conflict = Conflict::new("both sides changed it, and so did their ancestors");
            return self.conflict_of(ConflictKind::Doubtful, path, conflict, entries).await;
        }
        let values = Three {
            ancestor: value(&self.trees.ancestor, entries.ancestor.as_ref()).await?,
            ours: value(&self.trees.ours, entries.ours.as_ref()).await?,
            theirs: value(&self.trees.theirs, entries.theirs.as_ref()).await?,
        };
        let merged = match merge_values::<S>(path, &values)? {
            Ok(Some(merged)) => merged,
            Ok(None) if one_says_something_new::<S>(&entries) => {
                let conflict =
                    Conflict::new("one side deleted it and the other changed its metadata");
                return self.conflict(path, conflict, entries).await;
            }
            Ok(None) => return Ok(Kept::Node(None)),
            Err(conflict) => return self.conflict(path, conflict, entries).await,
        };
        match merge_metadata::<S>(path, &entries)? {
            Ok(metadata) => {
                let leaf = self.trees.ours.make_leaf(path, merged.encode()?, metadata).await?;
                Ok(Kept::Node(Some(Node::Contents(leaf))))
            }
            Err(conflict) => {
                self.conflict_of(ConflictKind::Metadata, path, conflict, entries).await
            }
        }
    }

    /// Says where contents stand against a directory, or a directory in the place of contents against
    /// nothing.
    async fn kinds(&mut self, path: &Path, entries: Entries<S>) -> Result<Kept<S>> {
        let reason = match (&entries.ours, &entries.theirs) {
            (Some(Entry::Contents { .. }), Some(_)) => "we have contents and they have a directory",
            (Some(_), Some(_)) => "we have a directory and they have contents",
            (None, _) => "we deleted it and they changed its kind",
            (_, None) => "we changed its kind and they deleted it",
        };
        self.conflict(path, Conflict::new(reason), entries).await
    }

    /// Notes a conflict of the kind that its sides show.
    async fn conflict(
        &mut self,
        path: &Path,
        conflict: Conflict,
        entries: Entries<S>,
    ) -> Result<Kept<S>> {
        self.conflict_of(ConflictKind::of_sides(&entries), path, conflict, entries).await
    }

    async fn conflict_of(
        &mut self,
        kind: ConflictKind,
        path: &Path,
        conflict: Conflict,
        entries: Entries<S>,
    ) -> Result<Kept<S>> {
        let (path, tree) = (path.clone(), &self.trees.ours);
        self.conflicts.push(PathConflict::read(path, kind, conflict, tree, entries).await?);
        Ok(Kept::Ours)
    }
}

impl<S: Schema> Open<S> {
    /// Returns the next step to be merged: what their side changed, and then what is doubtful beside.
    async fn next(&mut self, trees: &Three<Tree<S>>) -> Result<Option<EntryPair<S::Hash>>> {
        let Three { ancestor, theirs, .. } = trees;
        if let Some(pair) = self.diff.next(&ancestor.view(), &theirs.view()).await? {
            self.doubtful.remove(&pair.step);
            return Ok(Some(pair));
        }
        let Some(step) = self.doubtful.pop_first() else { return Ok(None) };
        let entry = look_up(theirs, self.theirs.as_ref(), &step).await?;
        Ok(Some(EntryPair { step, old: entry.clone(), new: entry }))
    }
}

async fn value<S: Schema>(
    tree: &Tree<S>,
    entry: Option<&Entry<S::Hash>>,
) -> Result<Option<S::Contents>> {
    match entry.cloned().map(Node::of_entry) {
        Some(Node::Contents(leaf)) => Ok(Some(tree.contents(&leaf).await?)),
        Some(Node::Directory(_) | Node::Conflict(_)) | None => Ok(None),
    }
}

async fn load<S: Schema>(
    tree: &Tree<S>,
    dir: Option<S::Hash>,
) -> Result<Option<Arc<DirBlock<S::Hash>>>> {
    match dir {
        Some(hash) => Ok(Some(tree.view().node(&hash).await?)),
        None => Ok(None),
    }
}

/// Returns the steps of a directory.
async fn steps<S: Schema>(tree: &Tree<S>, root: &Arc<DirBlock<S::Hash>>) -> Result<BTreeSet<Step>> {
    let view = tree.view();
    let mut all = EntryDiff::new(None, Some(root))?;
    let mut steps = BTreeSet::new();
    while let Some(pair) = all.next(&view, &view).await? {
        steps.insert(pair.step);
    }
    Ok(steps)
}

async fn look_up<S: Schema>(
    tree: &Tree<S>,
    root: Option<&Arc<DirBlock<S::Hash>>>,
    step: &Step,
) -> Result<Option<Entry<S::Hash>>> {
    match root {
        Some(root) => find(&tree.view(), root, step.as_bytes()).await,
        None => Ok(None),
    }
}

fn directory<S: Schema>(entry: Option<&Entry<S::Hash>>) -> Option<S::Hash> {
    match entry {
        Some(Entry::Directory { hash }) => Some(*hash),
        Some(Entry::Contents { .. } | Entry::Conflict { .. }) | None => None,
    }
}
