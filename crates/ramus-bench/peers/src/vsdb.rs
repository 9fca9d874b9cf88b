use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::{Hash as _, Sha1};
use vsdb::versioned::CommitId;
use vsdb::vsdb_core::MapxRaw;
use vsdb::{BranchId, DiffEntry, VerMap};

use crate::{AUTHOR, MESSAGE};

/// Where a commit's author, message and date are kept: it has no place of its own for them.
const INFO: &str = "\0info";

/// `vsdb`: a persistent B+ tree with branches, over a log-structured merge tree. Each commit is synced.
pub(crate) struct Vsdb;

struct Store {
    blocks: MapxRaw,
    map: VerMap<String, String>,
    branches: HashMap<String, BranchId>,
    /// The branch that is worked on.
    branch: BranchId,
    /// The commits in the order in which they were made.
    commits: Vec<CommitId>,
}

impl Peer for Vsdb {
    fn name(&self) -> &'static str {
        "vsdb"
    }

    fn version(&self) -> String {
        crate::version_of("vsdb")
    }

    fn is_synced(&self) -> bool {
        true
    }

    fn skills(&self) -> &'static [Skill] {
        &[Skill::Blocks, Skill::Values, Skill::Versions, Skill::Diff, Skill::Merge]
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        // There is one for each process, and it is never closed.
        vsdb::vsdb_configure(vsdb::VsdbOptions::new(directory.join("vsdb")))?;
        let map = VerMap::new();
        let branch = map.main_branch();
        let branches = HashMap::from([("main".to_owned(), branch)]);
        let blocks = MapxRaw::new();
        Ok(Box::new(Store { blocks, map, branches, branch, commits: Vec::new() }))
    }
}

impl Store {
    /// Returns a commit by its number, counted from 1.
    fn numbered(&self, commit: u64) -> Result<CommitId> {
        let index = usize::try_from(commit)?.checked_sub(1).ok_or("commits are counted from 1")?;
        Ok(*self.commits.get(index).ok_or("so many commits there are not")?)
    }

    fn named(&self, branch: &str) -> Result<BranchId> {
        Ok(*self.branches.get(branch).ok_or("there is no such branch")?)
    }

    fn commit(&mut self) -> Result<()> {
        self.commits.push(self.map.commit(self.branch)?);
        Ok(())
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let new = blocks.iter().filter(|(name, _)| !self.blocks.contains_key(name.as_bytes()));
        let new: Vec<_> = new.collect();
        let mut batch = self.blocks.batch();
        for (name, block) in new {
            batch.insert(name.as_bytes(), block);
        }
        Ok(batch.commit_sync()?)
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        Ok(self.blocks.get(name.as_bytes()).map(|block| show(&block)).is_some())
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        for (path, value) in edits {
            self.map.insert(self.branch, path, value)?;
        }
        let info = format!("{AUTHOR}\n{MESSAGE}\n{}", self.commits.len() + 1);
        self.map.insert(self.branch, &INFO.to_owned(), &info)?;
        self.commit()
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        Ok(self.map.get(self.branch, path)?)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        Ok(self.map.at(self.numbered(commit)?)?.get(path))
    }

    fn diff(&mut self, older: u64, newer: u64) -> Result<Vec<String>> {
        let differs = self.map.diff_commits(self.numbered(older)?, self.numbered(newer)?)?;
        let path = |entry| match entry {
            DiffEntry::Added { key, .. }
            | DiffEntry::Removed { key, .. }
            | DiffEntry::Modified { key, .. } => key,
        };
        Ok(differs.into_iter().map(path).filter(|path: &String| path != INFO).collect())
    }

    fn fork(&mut self, branch: &str) -> Result<()> {
        let id = self.map.create_branch(branch, self.branch)?;
        self.branches.insert(branch.to_owned(), id);
        Ok(())
    }

    fn switch(&mut self, branch: &str) -> Result<()> {
        self.branch = self.named(branch)?;
        Ok(())
    }

    /// What both sides changed is taken from the other one, without a word; the workload has no such key
    /// apart from the info.
    fn merge(&mut self, other: &str) -> Result<()> {
        self.commits.push(self.map.merge(self.named(other)?, self.branch)?);
        Ok(())
    }
}
