use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use prollytree::config::TreeConfig;
use prollytree::diff::{ConflictResolver, MergeConflict, MergeResult};
use prollytree::digest::ValueDigest;
use prollytree::node::ProllyNode;
use prollytree::storage::{InMemoryNodeStorage, NodeStorage as _};
use prollytree::tree::{ProllyTree, Tree as _};
use ramus_bench::{Peer, PeerStore, Result, Skill};

use crate::{AUTHOR, MESSAGE};

type Root = ValueDigest<32>;

/// `prollytree`: a prolly tree in memory. What it offers on disk calls the program `git` for each commit.
pub(crate) struct Prollytree;

struct Store {
    /// All nodes, and the root of the branch that is worked on.
    tree: ProllyTree<32, InMemoryNodeStorage<32>>,
    branch: String,
    /// The newest commit of each branch.
    heads: HashMap<String, usize>,
    commits: Vec<Commit>,
}

/// What makes a commit: it has none of its own without `git`.
struct Commit {
    root: Root,
    parents: Vec<usize>,
    _info: (&'static str, &'static str, usize),
}

/// Refuses: the workloads have no conflicts.
struct Refuse;

impl ConflictResolver for Refuse {
    fn resolve_conflict(&self, _conflict: &MergeConflict) -> Option<MergeResult> {
        None
    }
}

impl Peer for Prollytree {
    fn name(&self) -> &'static str {
        "prollytree-mem"
    }

    fn version(&self) -> String {
        crate::version_of("prollytree")
    }

    fn is_synced(&self) -> bool {
        false
    }

    fn skills(&self) -> &'static [Skill] {
        &[Skill::Values, Skill::Versions, Skill::Diff, Skill::Merge]
    }

    fn open(&self, _directory: &Path) -> Result<Box<dyn PeerStore>> {
        let tree = ProllyTree::new(InMemoryNodeStorage::new(), TreeConfig::default());
        let (branch, heads, commits) = ("main".to_owned(), HashMap::new(), Vec::new());
        Ok(Box::new(Store { tree, branch, heads, commits }))
    }
}

impl Store {
    /// Returns the root of a commit, which is counted from 1.
    fn root(&self, commit: u64) -> Result<&Root> {
        let index = usize::try_from(commit)?.checked_sub(1).ok_or("commits are counted from 1")?;
        Ok(&self.commits.get(index).ok_or("so many commits there are not")?.root)
    }

    fn head(&self, branch: &str) -> Result<usize> {
        Ok(*self.heads.get(branch).ok_or("there is no such branch")?)
    }

    fn node(&self, root: &Root) -> Result<Arc<ProllyNode<32>>> {
        Ok(self.tree.storage.get_node_by_hash(root).ok_or("a root is gone")?)
    }

    fn commit(&mut self, parents: Vec<usize>) -> Result<()> {
        let root = self.tree.get_root_hash().ok_or("it has no root")?;
        let info = (AUTHOR, MESSAGE, self.commits.len() + 1);
        self.heads.insert(self.branch.clone(), self.commits.len());
        self.commits.push(Commit { root, parents, _info: info });
        Ok(())
    }

    /// Returns where two lines that fork once meet.
    fn base(&self, one: usize, other: usize) -> Result<&Root> {
        let (mut one, mut other) = (one, other);
        while one != other {
            // A parent has a lower number than its child.
            let younger = if one > other { &mut one } else { &mut other };
            *younger = *self.commits[*younger].parents.first().ok_or("they have no ancestor")?;
        }
        Ok(&self.commits[one].root)
    }
}

impl PeerStore for Store {
    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let edits = edits
            .iter()
            .map(|(path, value)| (path.clone().into_bytes(), Some(value.clone().into_bytes())));
        self.tree.apply_changes(edits.collect::<Vec<_>>());
        let parents = self.heads.get(&self.branch).copied().into_iter().collect();
        self.commit(parents)
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let Some(leaf) = self.tree.find(path.as_bytes()) else { return Ok(None) };
        let place = leaf.keys.iter().position(|key| **key == *path.as_bytes());
        let value = place.map(|place| leaf.values[place].clone());
        Ok(value.map(String::from_utf8).transpose()?)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        let root = Arc::unwrap_or_clone(self.node(self.root(commit)?)?);
        let head = std::mem::replace(&mut self.tree.root, root);
        let found = self.find(path);
        self.tree.root = head;
        found
    }

    /// By what a merge would take over: its own difference of trees looks at their roots alone.
    fn diff(&mut self, older: u64, newer: u64) -> Result<Vec<String>> {
        let (older, newer) = (self.root(older)?, self.root(newer)?);
        let path = |change| match change {
            MergeResult::Added(key, _)
            | MergeResult::Removed(key)
            | MergeResult::Modified(key, _) => Ok(String::from_utf8(key)?),
            MergeResult::Conflict(_) => Err("a difference has no conflict".into()),
        };
        self.tree.merge(newer, older, older).into_iter().map(path).collect()
    }

    fn fork(&mut self, branch: &str) -> Result<()> {
        self.heads.insert(branch.to_owned(), self.head(&self.branch)?);
        Ok(())
    }

    fn switch(&mut self, branch: &str) -> Result<()> {
        let root = &self.commits[self.head(branch)?].root;
        self.tree.root = Arc::unwrap_or_clone(self.node(root)?);
        branch.clone_into(&mut self.branch);
        Ok(())
    }

    fn merge(&mut self, other: &str) -> Result<()> {
        let (ours, theirs) = (self.head(&self.branch)?, self.head(other)?);
        let base = self.base(ours, theirs)?;
        let [from, into] = [theirs, ours].map(|commit| &self.commits[commit].root);
        let merged = self.tree.merge_trees(from, into, base, &Refuse);
        self.tree = merged.map_err(|_conflicts| "the branches conflict")?;
        self.commit(vec![ours, theirs])
    }
}
