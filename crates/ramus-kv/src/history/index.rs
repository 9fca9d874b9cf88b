use std::fmt;

use ramus_core::Hash;

use super::postings::Postings;
use super::table::Table;

/// The history index: what is known of a graph of commits without loading them.
///
/// It is local to a storage, made from its commits, and in no hash: a repository makes it when it is
/// asked something, keeps it as [derived data](ramus_core::Storage#derived-data) where the storage
/// keeps some, and makes it anew when it is not there, damaged, or of other commits. This type is for
/// whoever wants to look at what is kept.
///
/// # What is kept
///
/// A *commit table*: of each commit its hash and its parents. Commits are numbered, the parents of one
/// before itself. And *postings*: of each commit, from the first number on as far as it was asked for,
/// the keys of the paths that it changed.
///
/// - A commit changed a path if what is there differs from what each of its parents has there; one
///   without parents is compared with the empty tree. A directory that holds a changed path is changed.
/// - The *key* of a path is the first eight bytes of its hash (as text, `a/b/c`; the root is empty), big
///   endian, with a last bit of 0; the hash is the schema's, and a shorter one is filled up with zeros.
/// - A commit that changed more than 1024 paths, or a directory that cannot be read, is told of by the
///   key with a last bit of 1 of a directory that it may have changed anything below.
///
/// # Bytes
///
/// A head, and parts behind it. A part is only ever appended. *varint* and *bytes* are those of
/// [`Native`](crate::Native); a *checksum* is the first eight bytes of a hash.
///
/// | head | form |
/// |---|---|
/// | magic | `ramusidx` |
/// | version | one byte: `0x01` |
/// | hash | bytes: the name of the hash, such as `sha1` |
/// | checksum | of all that stands before it |
///
/// | part | form |
/// |---|---|
/// | length | four bytes, big endian: of the body, at most 2^30 |
/// | body | as below |
/// | checksum | of the checksum before it in the data, the length and the body |
///
/// | body | form |
/// |---|---|
/// | commits | varint: how many; and each, numbered from where the part before ended: |
/// | hash | the digest |
/// | parents | varint: how many; and of each a varint: how much lower than the commit's its number is, not 0 |
/// | postings | varint: of how many commits, from where the part before ended; and of each: |
/// | keys | varint: how many; and each, eight bytes, big endian, in strictly ascending order |
///
/// A part tells of a commit or of postings at least. No commit stands twice, and postings tell of commits that stand in this part or before. The head,
/// and a part behind what stands before it, have one form each; where parts end depends on when they
/// were appended. [`encode`](HistoryIndex::encode) writes as few as it can.
///
/// A reader that finds a damaged part keeps what stands before it. Another magic, version or hash is
/// refused.
pub struct HistoryIndex<H> {
    pub(super) table: Table<H>,
    pub(super) postings: Postings,
}

impl<H: Hash> HistoryIndex<H> {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), postings: Postings::new() }
    }

    /// Returns how many commits are known.
    pub fn commits(&self) -> usize {
        self.table.len()
    }

    /// Returns of how many commits it is known which paths they changed.
    pub fn commits_with_paths(&self) -> usize {
        self.postings.commits() as usize
    }

    /// Returns whether a commit is known, and so all of its ancestors.
    pub fn contains(&self, commit: &H) -> bool {
        self.table.find(commit).is_some()
    }
}

impl<H: Hash> fmt::Debug for HistoryIndex<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryIndex")
            .field("commits", &self.commits())
            .field("commits_with_paths", &self.commits_with_paths())
            .finish()
    }
}
