use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use git2::build::TreeUpdateBuilder;
use git2::{Commit, ErrorCode, FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};
use ramus_bench::{Peer, PeerStore, Result, Skill};
use ramus_core::Sha1;

use crate::{AUTHOR, MESSAGE};

/// `libgit2`, by `git2`: a bare repository of loose objects, or of objects in memory.
pub(crate) struct Git2(pub(crate) Kept);

/// Where its objects are when it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Synced,
    ByTheKernel,
    InMemory,
}

struct Store {
    kept: Kept,
    /// The newest commits of the branches, where references are in memory, too.
    heads: HashMap<String, Oid>,
    path: PathBuf,
    repository: Repository,
    /// What blocks are called here, by what they are called elsewhere: Git hashes a header, too.
    names: HashMap<Sha1, Oid>,
    /// The branch that is worked on.
    branch: String,
    /// The commits in the order in which they were made.
    commits: Vec<Oid>,
}

impl Peer for Git2 {
    fn name(&self) -> &'static str {
        match self.0 {
            Kept::Synced => "git2",
            Kept::ByTheKernel => "git2-os",
            Kept::InMemory => "git2-mem",
        }
    }

    fn version(&self) -> String {
        let (major, minor, patch) = git2::Version::get().libgit2_version();
        format!("{}, libgit2 {major}.{minor}.{patch}", crate::version_of("git2"))
    }

    fn is_synced(&self) -> bool {
        self.0 == Kept::Synced
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
        let repository = Repository::init_bare(&path)?;
        repository.config()?.set_bool("core.fsyncObjectFiles", self.is_synced())?;
        // The setting is read when it is opened.
        let repository = Repository::open_bare(&path)?;
        let kept = self.0;
        if kept == Kept::InMemory {
            /// Before the objects in files.
            const FIRST: i32 = 1000;
            repository.odb()?.add_new_mempack_backend(FIRST)?;
        }
        let (names, branch, commits) = (HashMap::new(), reference("main"), Vec::new());
        let heads = HashMap::new();
        Ok(Box::new(Store { kept, heads, path, repository, names, branch, commits }))
    }
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

impl Store {
    fn head(&self) -> Option<Commit<'_>> {
        self.head_of(&self.branch)
    }

    fn head_of(&self, branch: &str) -> Option<Commit<'_>> {
        if self.kept == Kept::InMemory {
            return self.repository.find_commit(*self.heads.get(branch)?).ok();
        }
        self.repository.find_reference(branch).and_then(|head| head.peel_to_commit()).ok()
    }

    /// Returns a commit by its number, counted from 1.
    fn numbered(&self, commit: u64) -> Result<Commit<'_>> {
        let index = usize::try_from(commit)?.checked_sub(1).ok_or("commits are counted from 1")?;
        let commit = self.commits.get(index).ok_or("so many commits there are not")?;
        Ok(self.repository.find_commit(*commit)?)
    }

    /// Returns the number of a commit.
    fn number_of(&self, commit: Oid) -> Result<u64> {
        let index = self.commits.iter().rposition(|made| *made == commit);
        Ok(index.ok_or("the commit was not made here")? as u64 + 1)
    }

    fn commit(&self, tree: &Tree<'_>, parents: &[&Commit<'_>]) -> Result<Oid> {
        let date = Time::new(i64::try_from(self.commits.len())? + 1, 0);
        let who = Signature::new(AUTHOR, AUTHOR, &date)?;
        let branch = (self.kept != Kept::InMemory).then_some(&*self.branch);
        Ok(self.repository.commit(branch, &who, &who, MESSAGE, tree, parents)?)
    }

    fn made(&mut self, commit: Oid) {
        self.commits.push(commit);
        if self.kept == Kept::InMemory {
            self.heads.insert(self.branch.clone(), commit);
        }
    }

    fn find_in(&self, tree: &Tree<'_>, path: &str) -> Result<Option<String>> {
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let blob = self.repository.find_blob(entry.id())?;
        Ok(Some(String::from_utf8(blob.content().to_vec())?))
    }
}

/// Returns the name of what a commit has at a path.
fn id_in(commit: &Commit<'_>, path: &str) -> Result<Option<Oid>> {
    match commit.tree()?.get_path(Path::new(path)) {
        Ok(entry) => Ok(Some(entry.id())),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl PeerStore for Store {
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        let objects = self.repository.odb()?;
        for (name, block) in blocks {
            self.names.insert(*name, objects.write(ObjectType::Blob, block)?);
        }
        Ok(())
    }

    fn block(&mut self, name: &Sha1, show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(name) = self.names.get(name) else { return Ok(false) };
        show(self.repository.odb()?.read(*name)?.data());
        Ok(true)
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let commit = {
            let (repository, head) = (&self.repository, self.head());
            let tree = match &head {
                Some(head) => head.tree()?,
                None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
            };
            let mut update = TreeUpdateBuilder::new();
            for (path, value) in edits {
                update.upsert(path.as_str(), repository.blob(value.as_bytes())?, FileMode::Blob);
            }
            let tree = repository.find_tree(update.create_updated(repository, &tree)?)?;
            let parents: Vec<_> = head.iter().collect();
            self.commit(&tree, &parents)?
        };
        self.made(commit);
        Ok(())
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let tree = self.head().ok_or("there is no commit")?.tree()?;
        self.find_in(&tree, path)
    }

    fn find_at(&mut self, commit: u64, path: &str) -> Result<Option<String>> {
        self.find_in(&self.numbered(commit)?.tree()?, path)
    }

    fn forget(&mut self) -> Result<()> {
        if self.kept != Kept::InMemory {
            self.repository = Repository::open_bare(&self.path)?;
        }
        Ok(())
    }

    fn diff(&mut self, older: u64, newer: u64) -> Result<Vec<String>> {
        let (older, newer) = (self.numbered(older)?.tree()?, self.numbered(newer)?.tree()?);
        let diff = self.repository.diff_tree_to_tree(Some(&older), Some(&newer), None)?;
        let path = |delta: git2::DiffDelta<'_>| {
            let path = delta.new_file().path().or_else(|| delta.old_file().path());
            Ok(path.ok_or("a difference has no path")?.to_string_lossy().into_owned())
        };
        diff.deltas().map(path).collect()
    }

    fn fork(&mut self, branch: &str) -> Result<()> {
        let head = self.head().ok_or("there is no commit to fork")?.id();
        if self.kept == Kept::InMemory {
            self.heads.insert(reference(branch), head);
        } else {
            self.repository.branch(branch, &self.repository.find_commit(head)?, false)?;
        }
        Ok(())
    }

    fn switch(&mut self, branch: &str) -> Result<()> {
        self.branch = reference(branch);
        Ok(())
    }

    fn common(&mut self, one: &str, other: &str) -> Result<u64> {
        let head = |branch| self.head_of(&reference(branch)).ok_or("there is no such branch");
        let base = self.repository.merge_base(head(one)?.id(), head(other)?.id())?;
        self.number_of(base)
    }

    fn last_modified(&mut self, path: &str) -> Result<Option<u64>> {
        let Some(mut commit) = self.head() else { return Ok(None) };
        let mut is = id_in(&commit, path)?;
        loop {
            let Some(parent) = commit.parents().next() else {
                return is.map(|_| self.number_of(commit.id())).transpose();
            };
            let was = id_in(&parent, path)?;
            if was != is {
                return self.number_of(commit.id()).map(Some);
            }
            (commit, is) = (parent, was);
        }
    }

    fn merge(&mut self, other: &str) -> Result<()> {
        let commit = {
            let repository = &self.repository;
            let ours = self.head().ok_or("there is no commit to merge into")?;
            let theirs = self.head_of(&reference(other)).ok_or("there is no commit to merge")?;
            let base = repository.find_commit(repository.merge_base(ours.id(), theirs.id())?)?;
            let trees = [base.tree()?, ours.tree()?, theirs.tree()?];
            let mut index = repository.merge_trees(&trees[0], &trees[1], &trees[2], None)?;
            if index.has_conflicts() {
                return Err("the branches conflict".into());
            }
            let tree = repository.find_tree(index.write_tree_to(repository)?)?;
            self.commit(&tree, &[&ours, &theirs])?
        };
        self.made(commit);
        Ok(())
    }
}
