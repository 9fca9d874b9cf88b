//! Loading commits that the index does not have, so that nothing is loaded twice.
//!
//! A commit comes into the table after its parents, so of a history that was never asked about all has to be
//! loaded before anything is in the table. What was loaded by a walk that failed, or that was dropped,
//! is kept beside the table; the next walk follows it without loading it, and goes on where it ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ramus_core::hash::DigestHash;
use ramus_core::{Error, Hash, ReadOnly as _, Result, Storage as _};
use tokio::task::yield_now;

use super::History;
use super::walk::STEPS;
use crate::block::CommitBlock;
use crate::objects::Objects;
use crate::{Format as _, Schema};

/// How many commits are asked for at a time.
pub(super) const COMMITS_AT_ONCE: usize = 256;
/// So many loaded commits are kept for the next walk; of more, none. Each takes about 100 bytes.
const KEPT_MAX: usize = 1 << 20;

/// The parents of commits that were loaded, and are not all in the table.
pub(super) type Found<H> = HashMap<H, Vec<H>, DigestHash>;

/// A walk that loads, and leaves what it found to the next one unless it came to its end.
pub(super) struct Loading<'a, H: Hash> {
    history: &'a History<H>,
    pub(super) found: Found<H>,
}

impl<'a, H: Hash> Loading<'a, H> {
    /// Goes on with what was found before, by whoever has the turn.
    pub(super) fn resume(history: &'a History<H>) -> Self {
        Self { history, found: std::mem::take(&mut *history.found.lock()) }
    }

    /// Ends it: what was to be found is in the table. What another one found in vain is left.
    pub(super) fn end(mut self) {
        let index = self.history.index.read();
        self.found.retain(|commit, _| !index.contains(commit));
        self.found.shrink_to_fit();
    }

    /// Loads these commits, and those behind them back to those that are in the table.
    pub(super) async fn load<S: Schema<Hash = H>>(
        &mut self,
        objects: &Arc<Objects<S>>,
        commits: &[H],
    ) -> Result<()> {
        let mut way = Way { reached: HashSet::default(), open: commits.to_vec(), new: Vec::new() };
        loop {
            if !way.follow(self.history, &self.found) {
                yield_now().await;
                continue;
            }
            let rest = way.new.len().saturating_sub(COMMITS_AT_ONCE);
            let batch = way.new.split_off(rest);
            if batch.is_empty() {
                return Ok(());
            }
            let blocks = load(objects, &batch).await?;
            // Those before one that is not there, or that cannot be read, are kept.
            for (hash, block) in batch.into_iter().zip(blocks) {
                let parents = block?.parents;
                way.open.extend_from_slice(&parents);
                self.found.insert(hash, parents);
            }
        }
    }
}

impl<H: Hash> Drop for Loading<'_, H> {
    fn drop(&mut self) {
        if self.found.len() <= KEPT_MAX {
            *self.history.found.lock() = std::mem::take(&mut self.found);
        }
    }
}

/// A way back through commits.
struct Way<H> {
    reached: HashSet<H, DigestHash>,
    /// Those that were come to and not looked at.
    open: Vec<H>,
    /// Those that are neither in the table nor found.
    new: Vec<H>,
}

impl<H: Hash> Way<H> {
    /// Goes some steps, as far as what is known leads; returns whether it came to the end of that.
    fn follow(&mut self, history: &History<H>, found: &Found<H>) -> bool {
        let index = history.index.read();
        for _ in 0..STEPS {
            let Some(commit) = self.open.pop() else { return true };
            if index.contains(&commit) || !self.reached.insert(commit) {
                continue;
            }
            match found.get(&commit) {
                Some(parents) => self.open.extend_from_slice(parents),
                None => self.new.push(commit),
            }
        }
        self.open.is_empty()
    }
}

/// Loads commits; of each the block, or why there is none.
pub(super) async fn load<S: Schema>(
    objects: &Objects<S>,
    hashes: &[S::Hash],
) -> Result<Vec<Result<CommitBlock<S::Hash>>>> {
    let blocks = objects.backend().blocks().find_many(hashes).await?;
    let decoded = hashes.iter().zip(blocks).map(|(hash, block)| {
        let block = block.ok_or_else(|| Error::missing(hash))?;
        let commit = S::Format::decode_commit(&block);
        commit.map_err(|fault| fault.context(format!("block {hash} cannot be read as a commit")))
    });
    Ok(decoded.collect())
}
