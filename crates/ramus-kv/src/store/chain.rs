use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash as _, Result};

use super::Store;
use super::flight::Finished;
use crate::block::CommitBlock;
use crate::line::Ticket;
use crate::note::{Made, note};
use crate::tree::pending::{Pending, PendingBlock};
use crate::tree::save::{Blocks, Saved};
use crate::{Commit, Format as _, Info, Schema, Tree};

/// Commits one on top of the other, and on a head, that are not stored yet.
pub(super) struct Chain<S: Schema> {
    head: Option<Commit<S>>,
    links: Vec<Link<S>>,
    /// Each once, those of the commits included.
    blocks: Blocks<S>,
    /// The same blocks, to be read by those who build on them.
    pending: Vec<Arc<Pending<S>>>,
    bytes: usize,
}

/// A commit, and whose it is.
struct Link<S: Schema> {
    ticket: Ticket,
    hash: S::Hash,
    commit: CommitBlock<S::Hash>,
}

/// A commit that is to come next.
pub(super) struct Next<S: Schema> {
    pub(super) ticket: Ticket,
    pub(super) saved: Saved<S>,
    pub(super) parents: Option<Vec<S::Hash>>,
    pub(super) info: Info,
}

impl<S: Schema> Chain<S> {
    pub(super) fn on(head: Option<Commit<S>>) -> Self {
        Self {
            head,
            // Most have one.
            links: Vec::with_capacity(1),
            blocks: Vec::new(),
            pending: Vec::new(),
            bytes: 0,
        }
    }

    /// Returns the commit that is stored, below the others.
    pub(super) const fn head(&self) -> Option<&Commit<S>> {
        self.head.as_ref()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Returns how many bytes the blocks have.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the name of the last commit, or of the head.
    pub(super) fn tip(&self) -> Option<S::Hash> {
        let last = self.links.last().map(|link| link.hash);
        last.or_else(|| self.head.as_ref().map(Commit::hash))
    }

    /// Returns the blocks that need not be stored again.
    pub(super) fn pending(&self) -> &[Arc<Pending<S>>] {
        &self.pending
    }

    /// Returns the root directory of the last commit, or of the head.
    pub(super) fn root(&self) -> Option<S::Hash> {
        let last = self.links.last().map(|link| link.commit.root);
        last.or_else(|| self.head.as_ref().map(Commit::root))
    }

    /// Returns the tree of the last commit, or of the head.
    pub(super) fn tree(&self, store: &Store<S>) -> Tree<S> {
        let mut tree = store.tree_of(self.head());
        if let Some(link) = self.links.last() {
            tree.move_to(link.commit.root, &self.pending);
        }
        tree
    }

    /// Puts a commit on top; another one may follow it if `more`.
    ///
    /// # Errors
    ///
    /// [`Limit`](ErrorKind::Limit) for a block that the storage would not take, so that it does not
    /// refuse those of others.
    pub(super) fn push(&mut self, next: Next<S>, block_bytes_max: usize, more: bool) -> Result<()> {
        let Next { ticket, saved, parents, info } = next;
        let Saved { root, blocks: mut new, unchecked: _ } = saved;
        let parents = parents.unwrap_or_else(|| self.tip().into_iter().collect());
        let commit = CommitBlock { root, parents, info };
        let encoded = S::Format::encode_commit(&commit)?;
        let hash = S::Hash::of(&encoded);
        let sizes = new.iter().map(|(hash, block)| (*hash, block.bytes().len()));
        self.bytes += check_sizes(sizes.chain([(hash, encoded.len())]), block_bytes_max)?;
        if more {
            self.overlay(&new);
        }
        new.push((hash, PendingBlock::Plain(encoded)));
        if self.blocks.is_empty() {
            self.blocks = new;
        } else {
            self.blocks.append(&mut new);
        }
        self.links.push(Link { ticket, hash, commit });
        Ok(())
    }

    /// Takes the chain apart; `commit` makes a handle.
    pub(super) fn finish(
        self,
        commit: impl Fn(S::Hash, CommitBlock<S::Hash>) -> Commit<S>,
    ) -> Finished<S> {
        let Self { head, links, blocks, pending: _, bytes: _ } = self;
        // A link is much larger than a handle, so the links' own room is not taken for the handles.
        let mut commits = Vec::with_capacity(links.len());
        commits.extend(links.into_iter().map(|link| (link.ticket, commit(link.hash, link.commit))));
        Finished { head, commits, blocks }
    }

    /// Returns what the change log says about these commits: how many they are, the first and the
    /// last, and who made the last one, when and why.
    pub(super) fn note(&self) -> Bytes {
        let made = match self.links.as_slice() {
            [] => return Bytes::new(),
            [_] => Made::One,
            [first, .., last] => {
                Made::Several { count: self.links.len() as u64, first: first.hash, last: last.hash }
            }
        };
        self.info().map_or_else(Bytes::new, |info| note(info, &made))
    }

    /// Returns the info of the last commit, if there is one.
    pub(super) fn info(&self) -> Option<&Info> {
        self.links.last().map(|link| &link.commit.info)
    }

    fn overlay(&mut self, new: &[(S::Hash, PendingBlock<S::Hash>)]) {
        // A conflict keeps what it was read from; then what comes next stands beside it.
        let last = self.pending.last_mut().and_then(Arc::get_mut);
        if let Some(last) = last {
            last.add_all(new);
        } else {
            let mut pending = Pending::new();
            pending.add_all(new);
            self.pending.push(Arc::new(pending));
        }
    }
}

/// Returns how many bytes blocks have together.
fn check_sizes<H: ramus_core::Hash>(
    mut sizes: impl Iterator<Item = (H, usize)>,
    max: usize,
) -> Result<usize> {
    sizes.try_fold(0, |sum, (hash, size)| {
        if size <= max {
            return Ok(sum + size);
        }
        let message = format!("block {hash} has {size} bytes; at most {max} are taken");
        Err(Error::new(ErrorKind::Limit, message))
    })
}
