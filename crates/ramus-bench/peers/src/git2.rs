use std::path::Path;

use bytes::Bytes;
use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Oid, Repository, Signature, Time};
use ramus_bench::{Peer, PeerStore, Result};
use ramus_core::Sha1;

const HEAD: &str = "refs/heads/main";

/// `libgit2`, by `git2`: a bare repository of loose objects.
pub(crate) struct Git2 {
    pub(crate) synced: bool,
}

struct Store {
    repository: Repository,
    /// What blocks are called here, by what they are called elsewhere: Git hashes a header, too.
    names: std::collections::HashMap<Sha1, Oid>,
    commits: i64,
}

impl Peer for Git2 {
    fn name(&self) -> &'static str {
        if self.synced { "git2" } else { "git2-os" }
    }

    fn version(&self) -> String {
        let (major, minor, patch) = git2::Version::get().libgit2_version();
        format!("{}, libgit2 {major}.{minor}.{patch}", crate::version_of("git2"))
    }

    fn is_synced(&self) -> bool {
        self.synced
    }

    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>> {
        let path = directory.join("git");
        let repository = Repository::init_bare(&path)?;
        repository.config()?.set_bool("core.fsyncObjectFiles", self.synced)?;
        // The setting is read when it is opened.
        let repository = Repository::open_bare(&path)?;
        Ok(Box::new(Store { repository, names: std::collections::HashMap::new(), commits: 0 }))
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

    fn block(&mut self, name: &Sha1) -> Result<Option<Vec<u8>>> {
        let Some(name) = self.names.get(name) else { return Ok(None) };
        Ok(Some(self.repository.odb()?.read(*name)?.data().to_vec()))
    }

    fn set(&mut self, edits: &[(String, String)]) -> Result<()> {
        let repository = &self.repository;
        let head = repository.find_reference(HEAD).and_then(|head| head.peel_to_commit()).ok();
        let tree = match &head {
            Some(head) => head.tree()?,
            None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, value) in edits {
            update.upsert(path.as_str(), repository.blob(value.as_bytes())?, FileMode::Blob);
        }
        let tree = repository.find_tree(update.create_updated(repository, &tree)?)?;
        self.commits += 1;
        let who = Signature::new("bench", "bench", &Time::new(self.commits, 0))?;
        let parents: Vec<_> = head.iter().collect();
        repository.commit(Some(HEAD), &who, &who, "m", &tree, &parents)?;
        Ok(())
    }

    fn find(&mut self, path: &str) -> Result<Option<String>> {
        let tree = self.repository.find_reference(HEAD)?.peel_to_commit()?.tree()?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let blob = self.repository.find_blob(entry.id())?;
        Ok(Some(String::from_utf8(blob.content().to_vec())?))
    }
}
