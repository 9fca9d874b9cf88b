use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gix::actor::SignatureRef;
use gix::bstr::ByteSlice as _;
use gix::merge::blob::builtin_driver::text::Labels;
use gix::merge::commit::Options;
use gix::merge::tree::TreatAsUnresolved;
use gix::object::tree::EntryKind;
use gix::{Commit, ObjectId, Repository, Tree};
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::Sha1;

use crate::{AUTHOR, MESSAGE};

/// `gix`: a bare Git repository of loose objects, in Rust. It never syncs.
pub(crate) struct Gix;

struct Store {
    path: PathBuf,
    repository: Repository,
    /// What blocks are called here, by what they are called elsewhere: Git hashes a header, too.
    names: HashMap<Sha1, ObjectId>,
    /// The branch that is worked on.
    branch: String,
    /// The commits in the order in which they were made.
    commits: Vec<ObjectId>,
}

impl Peer for Gix {
    fn name(&self) -> &'static str {
        "gix-os"
    }

    fn version(&self) -> String {
        crate::version_of("gix")
    }

    fn is_synced(&self) -> bool {
        false
    }

    fn skills(&self) -> &'static [Skill] {
        &[
            Skill::Blocks,
            Skill::Values,
            Skill::Versions,
            Skill::Diff,
            Skill::Merge,
            Skill::Ancestors,
            Skill::Changes,
        ]
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let path = directory.join("git");
        let repository = gix::init_bare(&path)?;
        let (names, branch, commits) = (HashMap::new(), reference("main"), Vec::new());
        Ok(Box::new(Store { path, repository, names, branch, commits }))
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

impl Store {
    fn head(&self) -> Result<Option<ObjectId>> {
        let head = self.repository.try_find_reference(&self.branch)?;
        Ok(head.map(gix::Reference::into_fully_peeled_id).transpose()?.map(gix::Id::detach))
    }

    /// Returns the tree of a commit by its number, counted from 1.
    fn numbered(&self, commit: u64) -> Result<Tree<'_>> {
        let index = usize::try_from(commit)?.checked_sub(1).ok_or("commits are counted from 1")?;
        let commit = self.commits.get(index).ok_or("so many commits there are not")?;
        Ok(self.repository.find_commit(*commit)?.tree()?)
    }

    fn branch_head(&self, branch: &str) -> Result<ObjectId> {
        let head = self.repository.find_reference(&reference(branch))?;
        Ok(head.into_fully_peeled_id()?.detach())
    }

    /// Returns the number of a commit.
    fn number_of(&self, commit: ObjectId) -> Result<u64> {
        let index = self.commits.iter().rposition(|made| *made == commit);
        Ok(index.ok_or("the commit was not made here")? as u64 + 1)
    }

    fn commit(&mut self, tree: ObjectId, parents: Vec<ObjectId>) -> Result<()> {
        let date = format!("{} +0000", self.commits.len() + 1);
        let name = AUTHOR.as_bytes().as_bstr();
        let who = SignatureRef { name, email: name, time: &date };
        let branch = self.branch.as_str();
        let commit = self.repository.commit_as(who, who, branch, MESSAGE, tree, parents)?;
        self.commits.push(commit.detach());
        Ok(())
    }
}

/// Returns the name of what a commit has at a path.
fn id_in(commit: &Commit<'_>, path: &str) -> Result<Option<ObjectId>> {
    let entry = commit.tree()?.lookup_entry_by_path(path)?;
    Ok(entry.map(|entry| entry.object_id()))
}

fn find_in(tree: &Tree<'_>, path: &str) -> Result<Option<String>> {
    let Some(entry) = tree.lookup_entry_by_path(path)? else { return Ok(None) };
    Ok(Some(String::from_utf8(entry.object()?.detach().data)?))
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        for (name, block) in blocks {
            self.names.insert(*name, self.repository.write_blob(block)?.detach());
        }
        Ok(())
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(name) = self.names.get(name) else { return Ok(false) };
        show(&self.repository.find_object(*name)?.data);
        Ok(true)
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let (tree, head) = {
            let (repository, head) = (&self.repository, self.head()?);
            let tree = match head {
                Some(head) => repository.find_commit(head)?.tree()?,
                None => repository.empty_tree(),
            };
            let mut update = tree.edit()?;
            for (path, value) in edits {
                let blob = repository.write_blob(value.as_bytes())?;
                update.upsert(path.as_str(), EntryKind::Blob, blob)?;
            }
            (update.write()?.detach(), head)
        };
        self.commit(tree, head.into_iter().collect())
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let Some(head) = self.head()? else { return Ok(None) };
        find_in(&self.repository.find_commit(head)?.tree()?, path)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        find_in(&self.numbered(commit)?, path)
    }

    fn forget(&mut self) -> Result<()> {
        self.repository = gix::open(&self.path)?;
        Ok(())
    }

    fn diff(&mut self, older: u64, newer: u64) -> Result<Vec<String>> {
        let (older, newer) = (self.numbered(older)?, self.numbered(newer)?);
        let options = gix::diff::Options::default();
        let differs = self.repository.diff_tree_to_tree(&older, &newer, options)?;
        // A directory that changed is told beside what changed in it.
        let values = differs.iter().filter(|differs| differs.entry_mode().is_no_tree());
        Ok(values.map(|differs| differs.location().to_string()).collect())
    }

    fn fork(&mut self, branch: &str) -> Result<()> {
        let head = self.head()?.ok_or("there is no commit to fork")?;
        let new = gix::refs::transaction::PreviousValue::MustNotExist;
        self.repository.reference(reference(branch), head, new, "fork")?;
        Ok(())
    }

    fn switch(&mut self, branch: &str) -> Result<()> {
        self.branch = reference(branch);
        Ok(())
    }

    fn common(&mut self, one: &str, other: &str) -> Result<u64> {
        let base = self.repository.merge_base(self.branch_head(one)?, self.branch_head(other)?)?;
        self.number_of(base.ok_or("they have no commit in common")?.detach())
    }

    fn last_modified(&mut self, path: &str) -> Result<Option<u64>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let mut commit = self.repository.find_commit(head)?;
        let mut is = id_in(&commit, path)?;
        loop {
            let Some(parent) = commit.parent_ids().next() else {
                return is.map(|_| self.number_of(commit.id)).transpose();
            };
            let parent = self.repository.find_commit(parent.detach())?;
            let was = id_in(&parent, path)?;
            if was != is {
                return self.number_of(commit.id).map(Some);
            }
            (commit, is) = (parent, was);
        }
    }

    fn merge(&mut self, other: &str) -> Result<()> {
        let (tree, ours, theirs) = {
            let repository = &self.repository;
            let ours = self.head()?.ok_or("there is no commit to merge into")?;
            let theirs = self.branch_head(other)?;
            let options: Options = repository.tree_merge_options()?.into();
            let merged = repository.merge_commits(ours, theirs, Labels::default(), options)?;
            let mut merged = merged.tree_merge;
            if merged.has_unresolved_conflicts(TreatAsUnresolved::default()) {
                return Err("the branches conflict".into());
            }
            (merged.tree.write()?.detach(), ours, theirs)
        };
        self.commit(tree, vec![ours, theirs])
    }
}
