use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use prollytree::diff::{ConflictResolver, MergeConflict, MergeResult};
use prollytree::git::versioned_store::{GitVersionedKvStore, HistoricalAccess as _};
use ramus_bench::{Peer, PeerStore, Result, Skill};

use crate::MESSAGE;

type Versioned = GitVersionedKvStore<32>;
type Contents = HashMap<Vec<u8>, Vec<u8>>;

/// `prollytree`: a prolly tree whose nodes are Git objects. It calls the program `git` in each commit, and
/// never syncs.
pub(crate) struct Prollytree;

struct Store {
    directory: PathBuf,
    store: Versioned,
    /// The commits in the order in which they were made.
    commits: Vec<String>,
    /// All that one commit held: one key of it cannot be asked for.
    held: Option<(u64, Contents)>,
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
        "prollytree-os"
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

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let made = Command::new("git").args(["init", "-q", "-b", "main"]).current_dir(directory);
        let made = made.status()?;
        if !made.success() {
            return Err(format!("git init: {made}").into());
        }
        // It has to stand below the root of a repository.
        let directory = directory.join("store");
        std::fs::create_dir(&directory)?;
        let store = Versioned::init(&directory)?;
        Ok(Box::new(Store { directory, store, commits: Vec::new(), held: None }))
    }
}

impl Store {
    /// Returns a commit by its number, counted from 1.
    fn numbered(&self, commit: u64) -> Result<&str> {
        let index = usize::try_from(commit)?.checked_sub(1).ok_or("commits are counted from 1")?;
        Ok(self.commits.get(index).ok_or("so many commits there are not")?)
    }
}

impl PeerStore for Store {
    /// By the tree itself: its own `insert` writes all that is staged into a file, for each key again.
    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let edits = edits
            .iter()
            .map(|(path, value)| (path.clone().into_bytes(), Some(value.clone().into_bytes())));
        self.store.tree_mut().apply_changes(edits.collect::<Vec<_>>());
        self.commits.push(self.store.commit(MESSAGE)?.to_string());
        Ok(())
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        Ok(self.store.get(path.as_bytes()).map(String::from_utf8).transpose()?)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        let contents = match self.held.take() {
            Some((held, contents)) if held == commit => contents,
            _ => self.store.get_keys_at_ref(self.numbered(commit)?)?,
        };
        let found = contents.get(path.as_bytes()).cloned();
        self.held = Some((commit, contents));
        Ok(found.map(String::from_utf8).transpose()?)
    }

    fn forget(&mut self) -> Result<()> {
        self.store = Versioned::open(&self.directory)?;
        Ok(())
    }

    fn diff(&mut self, older: u64, newer: u64) -> Result<Vec<String>> {
        let differs = self.store.diff(self.numbered(older)?, self.numbered(newer)?)?;
        differs.into_iter().map(|differs| Ok(String::from_utf8(differs.key)?)).collect()
    }

    fn fork(&mut self, branch: &str) -> Result<()> {
        Ok(self.store.branch(branch)?)
    }

    fn switch(&mut self, branch: &str) -> Result<()> {
        Ok(self.store.checkout(branch)?)
    }

    fn merge(&mut self, other: &str) -> Result<()> {
        self.commits.push(self.store.merge(other, &Refuse)?.to_string());
        Ok(())
    }
}
