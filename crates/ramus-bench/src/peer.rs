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

    /// Opens a new store in a directory that is empty.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn open(&self, directory: &Path) -> Result<Box<dyn PeerStore>>;
}

/// A store of a [`Peer`]: named blocks, and values under paths.
///
/// Where the peer has versions, a `set` is a commit; where it has none, it is a transaction, and the
/// peer does less than Ramus does.
pub trait PeerStore {
    /// Stores blocks under their names, as one transaction.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn add(&mut self, blocks: &[(Sha1, Bytes)]) -> Result<()>;

    /// Returns a block, if it is there.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn block(&mut self, name: &Sha1) -> Result<Option<Vec<u8>>>;

    /// Sets values under paths, as one transaction.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn set(&mut self, edits: &[(String, String)]) -> Result<()>;

    /// Returns the value under a path, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn find(&mut self, path: &str) -> Result<Option<String>>;
}
