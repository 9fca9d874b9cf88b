use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use ramus_core::hash::DigestHash;
use ramus_core::{
    ContentAddressable as _, ErrorKind, Hash, Pin, ReadOnly as _, RefUpdate, Result, Storage as _,
};

use super::chain::Chain;
use super::work::Answer;
use super::{Place, Store};
use crate::directory::DirBlock;
use crate::line::Ticket;
use crate::tree::pending::PendingBlock;
use crate::tree::save::Blocks;
use crate::{Commit, Repo, Schema, history};

/// What was sent, or is about to be: anybody can send it again.
#[derive(Debug)]
pub(crate) struct Flight<S: Schema> {
    /// Nothing for a head that is only in memory.
    pub(super) update: Option<RefUpdate<S::Hash>>,
    pub(super) blocks: Blocks<S>,
    /// Where the head was, and where it will be.
    pub(super) head: Option<Commit<S>>,
    pub(super) last: Commit<S>,
    /// What earlier tries left in the store, and is not sent again.
    pub(super) _stored: Stored<S>,
    /// What is to be told when it has arrived.
    pub(super) answers: Mutex<Vec<(Ticket, Result<Answer<S>>)>>,
}

/// A chain whose commits have handles.
pub(super) struct Finished<S: Schema> {
    /// What they were made on.
    pub(super) head: Option<Commit<S>>,
    /// In order, and whose they are.
    pub(super) commits: Vec<(Ticket, Commit<S>)>,
    pub(super) blocks: Blocks<S>,
}

/// Blocks that earlier tries left in the store, kept from being collected.
#[derive(Debug)]
pub(crate) struct Stored<S: Schema>(Vec<Arc<Left<S>>>);

/// What one try left.
#[derive(Debug)]
struct Left<S: Schema> {
    hashes: HashSet<S::Hash, DigestHash>,
    _pin: Option<Pin>,
}

impl<S: Schema> Stored<S> {
    pub(super) fn has(&self, hash: &S::Hash) -> bool {
        self.0.iter().any(|left| left.hashes.contains(hash))
    }

    /// Adds what others left, each once.
    pub(super) fn add_all(&mut self, other: &Self) {
        for left in &other.0 {
            if !self.0.iter().any(|had| Arc::ptr_eq(had, left)) {
                self.0.push(Arc::clone(left));
            }
        }
    }
}

impl<S: Schema> Default for Stored<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Schema> Clone for Stored<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Schema> Store<S> {
    /// Makes handles of the commits of a chain.
    pub(super) async fn finish(&self, chain: Chain<S>) -> Result<Finished<S>> {
        let objects = self.repo().objects();
        // The last commit reaches the others, so one pin is enough for all.
        let pin = match chain.tip().filter(|_| !chain.is_empty()) {
            Some(tip) => objects.pin(tip).await?,
            None => None,
        };
        Ok(chain.finish(|hash, block| Commit::new(hash, block, Arc::clone(objects), pin.clone())))
    }

    /// Sends until it is known what became of it; returns whether the head was where it had to be.
    pub(super) async fn send(&self, flight: &Flight<S>, was_sent: bool) -> Result<bool> {
        let mut was_sent = was_sent;
        let mut attempt = 0;
        loop {
            let error = match self.send_once(flight).await {
                Ok(false) if was_sent => {
                    return self.has_arrived(flight, self.head().await?.as_ref()).await;
                }
                Ok(applied) => return Ok(applied),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Unavailable if attempt < Repo::<S>::RESENDS_MAX => {
                    was_sent = true;
                    attempt += 1;
                    self.back_off(attempt).await;
                }
                ErrorKind::Unavailable => return Err(error),
                kind if was_sent || kind == ErrorKind::Ambiguous => {
                    let head = self.head().await?;
                    let arrived = self.has_arrived(flight, head.as_ref()).await?;
                    return if arrived { Ok(true) } else { Err(error) };
                }
                _ => return Err(error),
            }
        }
    }

    async fn send_once(&self, flight: &Flight<S>) -> Result<bool> {
        let Flight { update, blocks, head, last, .. } = flight;
        let backend = self.repo().backend();
        let bytes = blocks.iter().map(|(hash, block)| (*hash, block.bytes().clone())).collect();
        if let Some(update) = update {
            return Ok(backend.write(bytes, update.clone()).await?.is_applied());
        }
        let hashes = blocks.iter().map(|(hash, _)| *hash).collect();
        let _until_reached = self.repo().objects().pin_all(hashes).await?;
        backend.blocks().unsafe_add_many(bytes).await?;
        Ok(self.test_and_set_detached(head.as_ref(), Some(last.clone())))
    }

    /// Returns whether what was sent is in the history of the head.
    pub(super) async fn has_arrived(
        &self,
        flight: &Flight<S>,
        head: Option<&Commit<S>>,
    ) -> Result<bool> {
        self.has_come(flight.head.as_ref(), &flight.last, head).await
    }

    /// Returns whether a commit that was made on `was` is in the history of the head.
    pub(super) async fn has_come(
        &self,
        was: Option<&Commit<S>>,
        made: &Commit<S>,
        head: Option<&Commit<S>>,
    ) -> Result<bool> {
        match head {
            None => Ok(false),
            Some(head) if Some(head) == was => Ok(false),
            Some(head) => {
                let objects = self.repo().objects();
                history::is_ancestor(objects, &made.hash(), &head.hash()).await
            }
        }
    }

    /// Notes where the head is now, and what was stored for it; the last of the commits is the head.
    pub(super) fn settle(&self, commits: impl IntoIterator<Item = Commit<S>>, blocks: &Blocks<S>) {
        let objects = self.repo().objects();
        let (mut last, mut count) = (None, 0);
        for commit in commits {
            objects.history().note(commit.hash(), commit.parents());
            (last, count) = (Some(commit), count + 1);
        }
        let Some(last) = last else { return };
        for (hash, directory) in worth_keeping(blocks, &last.root(), count) {
            objects.keep_directory(*hash, Arc::clone(directory));
        }
        if let Place::Branch(branch) = &self.0.place {
            *branch.head.lock() = Some(last);
        }
    }

    /// Returns which of the blocks the storage has although the update was refused, kept from being
    /// collected.
    pub(super) async fn keep(&self, flight: &Flight<S>) -> Result<Stored<S>> {
        const AT_ONCE: usize = 16;
        let hashes: Vec<_> = flight.blocks.iter().map(|(hash, _)| *hash).collect();
        let pin = self.repo().objects().pin_all(hashes.clone()).await?;
        let blocks = self.repo().backend().blocks();
        let looks = hashes.into_iter().map(|hash| {
            let blocks = blocks.clone();
            async move { blocks.mem(&hash).await.map(|has| has.then_some(hash)) }
        });
        let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let hashes = found.into_iter().flatten().collect();
        Ok(Stored(vec![Arc::new(Left { hashes, _pin: pin })]))
    }
}

/// Returns the directories that are looked for next among those of so many commits, the last of which has this root.
///
/// Those of many commits are versions of each other, and nobody but their writers knows of those in between: to keep
/// them would push out what others look for.
fn worth_keeping<'a, H: Hash>(
    blocks: &'a [(H, PendingBlock<H>)],
    root: &H,
    commits: usize,
) -> Vec<(&'a H, &'a Arc<DirBlock<H>>)> {
    /// The blocks of fewer commits are kept all: a watcher compares with them, and a merge begins with them.
    const MANY: usize = 8;
    let directories = blocks.iter().filter_map(|(hash, block)| match block {
        PendingBlock::Directory(directory) => Some((hash, directory)),
        PendingBlock::Plain(_) => None,
    });
    if commits < MANY {
        return directories.collect();
    }
    let mut left: HashMap<&H, &Arc<DirBlock<H>>, DigestHash> = directories.collect();
    let mut kept: Vec<_> = left.remove_entry(root).into_iter().collect();
    let mut next = 0;
    while let Some((_, directory)) = kept.get(next) {
        next += 1;
        if !directory.has_links() {
            continue;
        }
        let mut walk = directory.walk();
        // It was made just now, so it is sound.
        while let Ok(true) = walk.advance() {
            kept.extend(walk.directory().ok().flatten().and_then(|name| left.remove_entry(&name)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ramus_core::Sha1;
    use ramus_core::erased::Backend;
    use ramus_mem::Mem;

    use super::worth_keeping;
    use crate::tree::pending::PendingBlock;
    use crate::tree::save::Blocks;
    use crate::{Kv, Repo};

    type Texts = Kv<String>;

    fn directories(blocks: &Blocks<Texts>) -> BTreeSet<Sha1> {
        let blocks = blocks.iter();
        let blocks = blocks.filter(|(_, block)| matches!(block, PendingBlock::Directory(_)));
        blocks.map(|(hash, _)| *hash).collect()
    }

    #[tokio::test]
    async fn of_many_commits_the_directories_of_the_last_are_kept() {
        let repo = Repo::<Texts>::new(Backend::new(Mem::default()));
        let mut tree = repo.empty_tree();
        for number in 0..2000 {
            tree.set(format!("wide/{number:04}"), "some text").await.unwrap();
        }
        let (mut all, mut last) = (Blocks::<Texts>::new(), None);
        for number in 0..20 {
            tree.set(format!("a/{}/{number}", number % 3), "text").await.unwrap();
            tree.set("wide/1000", number.to_string()).await.unwrap();
            let saved = tree.save(&[]).await.unwrap();
            all.extend(saved.blocks.iter().cloned());
            last = Some(saved);
        }
        let last = last.unwrap();
        let kept = |commits| -> BTreeSet<Sha1> {
            let kept = worth_keeping(&all, &last.root, commits);
            kept.into_iter().map(|(hash, _)| *hash).collect()
        };
        // An index and leaves of `wide`, `a` and the three in it, and the root.
        assert!(directories(&last.blocks).len() > 8);
        assert_eq!(kept(20), directories(&last.blocks));
        assert_eq!(kept(2), directories(&all), "few may be compared with each other");
        assert!(directories(&all).len() > directories(&last.blocks).len() + 20);
    }
}
