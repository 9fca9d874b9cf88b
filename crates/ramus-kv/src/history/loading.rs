//! Loading commits that the index does not have, so that nothing is loaded twice.
//!
//! A commit comes into the table after its parents, so of a history that was never asked about all has to be
//! loaded before anything is in the table. What was loaded by a walk that failed, or that was dropped,
//! is kept beside the table; the next walk follows it without loading it, and goes on where it ends.

use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, Hash, ReadOnly as _, Result, Storage as _};
use tokio::task::yield_now;

use super::History;
use super::found::{Found, Parent, Slot, found_of};
use super::walk::STEPS;
use crate::block::CommitBlock;
use crate::objects::Objects;
use crate::{Format as _, Schema};

/// How many commits are asked for at a time.
pub(super) const COMMITS_AT_ONCE: usize = 256;
/// How many commits that are in memory are read before others have their turn; one takes about 0.3 us.
const AT_HAND_MAX: usize = STEPS / 4;
/// So many commits that were found are kept for the next walk; of more, none. Each takes about 45 bytes.
const KEPT_MAX: usize = 1 << 20;

/// A walk that loads, and leaves what it found to the next one unless it came to its end.
pub(super) struct Loading<'a, H: Hash> {
    history: &'a History<H>,
    pub(super) found: Found<H>,
}

impl<'a, H: Hash> Loading<'a, H> {
    /// Goes on with what was found before, by whoever has the turn.
    pub(super) fn resume(history: &'a History<H>) -> Self {
        let found = std::mem::replace(&mut *history.found.lock(), Found::new());
        Self { history, found }
    }

    /// Ends it: what was to be found is in the table. What another one found in vain is left.
    pub(super) fn end(mut self) -> Result<()> {
        if self.found.is_mostly_in_table() {
            let found = std::mem::replace(&mut self.found, Found::new());
            self.found = found.without(&self.history.index.read().table)?;
        }
        Ok(())
    }

    /// Loads these commits, and those behind them back to those that are in the table; returns where they stand.
    pub(super) async fn load<S: Schema<Hash = H>>(
        &mut self,
        objects: &Arc<Objects<S>>,
        commits: &[H],
    ) -> Result<Vec<Parent>> {
        let mut way = Way::default();
        let begin = way.begin(self.history, &mut self.found, commits)?;
        let (mut hashes, mut at_hand) = (Vec::new(), 0);
        loop {
            if !way.follow(self.history, &self.found) {
                yield_now().await;
                continue;
            }
            if way.new.is_empty() {
                return Ok(begin);
            }
            let rest = way.new.len().saturating_sub(COMMITS_AT_ONCE);
            way.asked.extend(way.new.drain(rest..));
            at_hand += way.asked.len();
            self.read_at_hand(objects, &mut way)?;
            if !way.asked.is_empty() {
                hashes.clear();
                hashes.extend(way.asked.iter().map(|slot| *self.found.hash(*slot)));
                let blocks = objects.backend().blocks().find_many(&hashes).await?;
                // Those before one that is not there, or that cannot be read, are kept.
                for (slot, block) in std::mem::take(&mut way.asked).into_iter().zip(blocks) {
                    self.tell::<S>(&mut way, slot, block)?;
                }
            }
            if at_hand > AT_HAND_MAX {
                at_hand = 0;
                yield_now().await;
            }
        }
    }

    /// Reads those that are asked for and that the storage has at hand; the others are left.
    fn read_at_hand<S: Schema<Hash = H>>(
        &mut self,
        objects: &Objects<S>,
        way: &mut Way<H>,
    ) -> Result<()> {
        let blocks = objects.backend().blocks();
        let mut asked = std::mem::take(&mut way.asked);
        let mut left = 0;
        for at in 0..asked.len() {
            let slot = asked[at];
            if let Some(found) = blocks.find_now(self.found.hash(slot)) {
                self.tell::<S>(way, slot, found?)?;
            } else {
                asked[left] = slot;
                left += 1;
            }
        }
        asked.truncate(left);
        way.asked = asked;
        Ok(())
    }

    /// Notes what a commit was made from.
    fn tell<S: Schema<Hash = H>>(
        &mut self,
        way: &mut Way<H>,
        slot: Slot,
        block: Option<Bytes>,
    ) -> Result<()> {
        let hash = self.found.hash(slot);
        let block = block.ok_or_else(|| Error::missing(hash))?;
        let Way { reached, open, new, parents, .. } = way;
        parents.clear();
        S::Format::commit_parents(&block, parents).map_err(|fault| not_a_commit(hash, fault))?;
        let index = self.history.index.read();
        self.found.tell(&index.table, slot, parents, |parent, is_new| {
            if is_new {
                reached.mark(parent);
                new.push(parent);
            } else {
                open.push(parent);
            }
        })
    }
}

impl<H: Hash> Drop for Loading<'_, H> {
    fn drop(&mut self) {
        if self.found.len() <= KEPT_MAX {
            *self.history.found.lock() = std::mem::replace(&mut self.found, Found::new());
        }
    }
}

/// A way back through commits.
struct Way<H> {
    reached: Reached,
    /// Those that were come to and not looked at.
    open: Vec<Slot>,
    /// Those that are neither in the table nor told of.
    new: Vec<Slot>,
    /// Those of them that are asked for.
    asked: Vec<Slot>,
    /// Of the commit that is looked at; kept for its room.
    parents: Vec<H>,
}

impl<H: Hash> Way<H> {
    fn begin(
        &mut self,
        history: &History<H>,
        found: &mut Found<H>,
        commits: &[H],
    ) -> Result<Vec<Parent>> {
        let index = history.index.read();
        let stand = commits.iter().map(|commit| Ok(found.come_to(&index.table, commit)?.0));
        let stand: Vec<_> = stand.collect::<Result<_>>()?;
        self.open.extend(found_of(&stand));
        Ok(stand)
    }

    /// Goes some steps, as far as what is known leads; returns whether it came to the end of that.
    fn follow(&mut self, history: &History<H>, found: &Found<H>) -> bool {
        for _ in 0..STEPS {
            let Some(slot) = self.open.pop() else { return true };
            if !self.reached.mark(slot) || found.ordinal(Parent::Found(slot)).is_some() {
                continue;
            }
            match found.parents(slot) {
                Some(parents) => self.open.extend(found_of(parents)),
                // It may have come into the table since it was found.
                None if history.index.read().contains(found.hash(slot)) => {}
                None => self.new.push(slot),
            }
        }
        self.open.is_empty()
    }
}

impl<H> Default for Way<H> {
    fn default() -> Self {
        let (open, new, asked, parents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { reached: Reached::default(), open, new, asked, parents }
    }
}

/// Which commits were come to: a bit for each.
#[derive(Default)]
struct Reached(Vec<u64>);

impl Reached {
    /// Returns whether it was not come to before.
    fn mark(&mut self, slot: Slot) -> bool {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
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
        S::Format::decode_commit(&block).map_err(|fault| not_a_commit(hash, fault))
    });
    Ok(decoded.collect())
}

fn not_a_commit<H: Hash>(hash: &H, fault: Error) -> Error {
    fault.context(format!("block {hash} cannot be read as a commit"))
}
