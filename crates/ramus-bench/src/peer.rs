use std::path::Path;

use bytes::Bytes;
use ramus_core::Sha1;

use crate::Result;

/// A store that is not Ramus and can do some of the work.
pub trait Peer: Sync {
    /// Returns what tables call it: a name, followed by `-os` if an answer does not wait for an fsync.
    fn name(&self) -> &'static str;

    /// Returns its version.
    fn version(&self) -> String;

    /// Returns whether an answer waits for an fsync.
    fn is_synced(&self) -> bool;

    /// Returns what it can do.
    fn skills(&self) -> &'static [Skill];

    /// Opens a new store in a directory that is empty.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>>;
}

/// What a [`Peer`] can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skill {
    /// Keep blocks under their names: [`PeerStore::add`] and [`PeerStore::block`].
    Blocks,
    /// Keep the newest value under each path: [`PeerStore::set`] and [`PeerStore::find`].
    Values,
    /// Keep the values of every commit: [`PeerStore::find_at`].
    Versions,
    /// Make several commits durable at once: [`PeerStore::set_each`].
    Group,
    /// Say which paths differ between two commits: [`PeerStore::diff`].
    Diff,
    /// Fork branches and merge them: [`PeerStore::fork`], [`PeerStore::switch`] and [`PeerStore::merge`].
    Merge,
    /// Say where two branches part: [`PeerStore::common`]; and it can [fork](PeerStore::fork).
    Ancestors,
    /// Say which commit changed a path last: [`PeerStore::last_modified`].
    Changes,
}

/// A store of a [`Peer`], opened.
///
/// It is asked for what its peer is [skilled](Peer::skills) in; for the rest there are answers that refuse.
pub trait PeerStore {
    /// Stores blocks under their names, as one transaction.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn add(&mut self, _blocks: &[(Sha1, Bytes)]) -> Result<()> {
        refused("blocks")
    }

    /// Shows a block, if it is there, as it lies in the store: without a copy, where there can be none. Returns
    /// whether it is there.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn block(&mut self, _name: &Sha1, _show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        refused("blocks")
    }

    /// Sets values under paths, as one transaction: the next commit, where there are versions. The first
    /// one is number 1, and they are counted over all branches.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn set(&mut self, _edits: &[(String, String)]) -> Result<()> {
        refused("values")
    }

    /// Makes a commit of each of these lists, all of them as one transaction.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn set_each(&mut self, _commits: &[Vec<(String, String)>]) -> Result<()> {
        refused("groups of commits")
    }

    /// Returns the value under a path, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn find(&mut self, _path: &str) -> Result<Option<String>> {
        refused("values")
    }

    /// Returns the value that a path had as of a commit, if it had one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn find_at(&mut self, _commit: u64, _path: &str) -> Result<Option<String>> {
        refused("versions")
    }

    /// Forgets what it remembers decoded, where it can.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn forget(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the paths that differ between two commits, in order.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn diff(&mut self, _older: u64, _newer: u64) -> Result<Vec<String>> {
        refused("diffs")
    }

    /// Makes a branch of the head.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn fork(&mut self, _branch: &str) -> Result<()> {
        refused("branches")
    }

    /// Goes on with another branch: what is set and found from now on is there.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn switch(&mut self, _branch: &str) -> Result<()> {
        refused("branches")
    }

    /// Returns the number of the last commit that two branches have in common, of which there is one.
    ///
    /// # Errors
    ///
    /// Those of the store; and that they have none is one.
    fn common(&mut self, _one: &str, _other: &str) -> Result<u64> {
        refused("ancestors")
    }

    /// Returns the number of the last commit of this branch that changed what is at a path, in a history
    /// without merges. Below a path who can tell [ancestors](Skill::Ancestors) looks, too.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn last_modified(&mut self, _path: &str) -> Result<Option<u64>> {
        refused("changes of a path")
    }

    /// Merges another branch into this one, three ways, with a commit.
    ///
    /// # Errors
    ///
    /// Those of the store; and a conflict is one.
    fn merge(&mut self, _other: &str) -> Result<()> {
        refused("branches")
    }
}

fn refused<T>(what: &str) -> Result<T> {
    Err(format!("this peer has no {what}: it should not have been asked").into())
}
