//! How the index comes to know more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ramus_core::hash::DigestHash;
use ramus_core::{Error, ErrorKind, Result};
use tokio::task::yield_now;

use super::changes::{anything, changed, is_lasting};
use super::driven::driven;
use super::found::{Found, Parent, Slot, found_of};
use super::loading::{COMMITS_AT_ONCE, Loading, load};
use super::postings::PathKey;
use super::table::Ordinal;
use super::walk::STEPS;
use super::{History, HistoryIndex};
use crate::Schema;
use crate::objects::Objects;

/// How many commits are compared with their parents before it is told what they changed.
const COMPARED_AT_ONCE: usize = 64;

type Hash<S> = <S as Schema>::Hash;

/// Returns the numbers of commits, once all of them and all behind them are known.
///
/// # Errors
///
/// [`Missing`](ErrorKind::Missing) for a commit that is named and not there; then nothing is known of
/// those that lead to it, but what was loaded is not loaded again.
///
/// # Cancel safety
///
/// A dropped future leaves a part of it known, and what it loaded to the next one.
pub(super) async fn known<S: Schema>(
    objects: &Arc<Objects<S>>,
    commits: &[Hash<S>],
) -> Result<Vec<Ordinal>> {
    if let Some(known) = objects.history().find_all(commits) {
        return Ok(known);
    }
    // Every write has a future of this in its own, for the rare case that it asks.
    Box::pin(driven(load_and_add(Arc::clone(objects), commits.to_vec()))).await
}

async fn load_and_add<S: Schema>(
    objects: Arc<Objects<S>>,
    commits: Vec<Hash<S>>,
) -> Result<Vec<Ordinal>> {
    let history = objects.history();
    let _turn = history.turn().await?;
    history.open(&objects).await;
    let mut loading = Loading::resume(history);
    absorb(history, &mut loading.found).await?;
    let begin = loading.load(&objects, &commits).await?;
    add(history, &begin, &mut loading.found).await?;
    loading.end()?;
    history.keep_if_due(&objects).await;
    history.find_all(&commits).ok_or_else(|| Error::corrupt("a commit is its own ancestor"))
}

/// Returns the number of a commit, once it is known what it and all behind it changed.
pub(super) async fn known_with_paths<S: Schema>(
    objects: &Arc<Objects<S>>,
    commit: Hash<S>,
) -> Result<Ordinal> {
    let [commit] = known(objects, &[commit]).await?[..] else {
        return Err(Error::missing(commit));
    };
    if objects.history().index.read().postings.commits() > commit {
        return Ok(commit);
    }
    let objects = Arc::clone(objects);
    driven(async move {
        let history = objects.history();
        let mut roots = Roots::<S>::default();
        loop {
            // Given back after each step, so that a question about commits does not wait for all paths.
            let _turn = history.turn().await?;
            let next = to_compare(&history.index.read(), commit);
            if next.is_empty() {
                return Ok(commit);
            }
            roots.load(&objects, &next).await?;
            let mut changes = Vec::with_capacity(next.len());
            for commit in &next {
                changes.push(match roots.of_commit_and_parents(commit) {
                    Some((root, parents)) => changed(&objects, root, &parents).await?,
                    // It was collected, or something it came from was: nobody can say.
                    None => anything::<S>(),
                });
            }
            tell(&mut history.index.write(), &next, &changes)?;
            history.keep_if_due(&objects).await;
        }
    })
    .await
}

/// Adds what this process made, and noted, to what was found: whoever comes to it need not load it.
async fn absorb<H: ramus_core::Hash>(history: &History<H>, found: &mut Found<H>) -> Result<()> {
    let noted = history.noted.take();
    let mut commits = noted.commits();
    found.reserve(noted.len());
    loop {
        {
            let index = history.index.read();
            for _ in 0..STEPS {
                let Some((commit, parents)) = commits.next() else { return Ok(()) };
                if let (Parent::Found(slot), _) = found.come_to(&index.table, commit)? {
                    found.tell(&index.table, slot, parents, |_, _| {})?;
                }
            }
        }
        yield_now().await;
    }
}

/// Adds what was found behind these to the table, parents first.
async fn add<H: ramus_core::Hash>(
    history: &History<H>,
    begin: &[Parent],
    found: &mut Found<H>,
) -> Result<()> {
    // Commits that wait for their parents, and how many of these were seen to.
    let mut waiting: Vec<(Slot, usize)> = found_of(begin).map(|slot| (slot, 0)).collect();
    let waiting_max = waiting.len() + found.len();
    let mut known = Vec::new();
    history.index.write().table.reserve(found.len());
    loop {
        {
            let mut index = history.index.write();
            for _ in 0..STEPS {
                if waiting.len() > waiting_max {
                    return Err(Error::corrupt("a commit is its own ancestor"));
                }
                let Some((slot, seen_to)) = waiting.last_mut() else { return Ok(()) };
                let slot = *slot;
                let parents = found.parents(slot).unwrap_or_default();
                if found.ordinal(Parent::Found(slot)).is_none()
                    && let Some(parent) = parents.get(*seen_to)
                {
                    *seen_to += 1;
                    if let (Parent::Found(parent), None) = (*parent, found.ordinal(*parent)) {
                        waiting.push((parent, 0));
                    }
                    continue;
                }
                let hash = *found.hash(slot);
                known.clear();
                known.extend(parents.iter().filter_map(|parent| found.ordinal(*parent)));
                let ordinal = match found.parents(slot) {
                    Some(parents) if known.len() == parents.len() => {
                        index.table.add(hash, &known)?
                    }
                    // It came into the table while others were loaded.
                    None if let Some(ordinal) = index.table.find(&hash) => ordinal,
                    _ => return Err(Error::corrupt(format!("commit {hash} is its own ancestor"))),
                };
                found.is_in_table(slot, ordinal);
                waiting.pop();
            }
        }
        yield_now().await;
    }
}

/// A commit that is to be compared with its parents.
struct ToCompare<H> {
    commit: Ordinal,
    hash: H,
    parents: Vec<H>,
}

/// Returns the next commits of which it is not known what they changed, up to this one.
fn to_compare<H: ramus_core::Hash>(index: &HistoryIndex<H>, last: Ordinal) -> Vec<ToCompare<H>> {
    let (table, begin) = (&index.table, index.postings.commits());
    let next = (begin..=last).take(COMPARED_AT_ONCE).map(|commit| ToCompare {
        commit,
        hash: *table.hash(commit),
        parents: table.parents(commit).map(|parent| *table.hash(parent)).collect(),
    });
    next.collect()
}

fn tell<H: ramus_core::Hash>(
    index: &mut HistoryIndex<H>,
    compared: &[ToCompare<H>],
    changes: &[Vec<PathKey>],
) -> Result<()> {
    for (commit, keys) in compared.iter().zip(changes) {
        // Only who has the turn tells, so this is the next one.
        debug_assert_eq!(commit.commit, index.postings.commits());
        if !index.postings.has_room(keys.len()) {
            let message = "the history index takes 2^32 - 2 changes of paths at most";
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let generation = index.table.generation(commit.commit);
        index.postings.add(generation, keys);
    }
    Ok(())
}

/// The root directories of the commits that were compared last, and of their parents.
struct Roots<S: Schema>(HashMap<Hash<S>, Option<Hash<S>>, DigestHash>);

impl<S: Schema> Roots<S> {
    /// Reads those that are needed, and forgets others.
    async fn load(&mut self, objects: &Arc<Objects<S>>, next: &[ToCompare<Hash<S>>]) -> Result<()> {
        let mut before = std::mem::take(&mut self.0);
        let mut todo = Vec::new();
        for hash in next.iter().flat_map(|next| next.parents.iter().chain([&next.hash])) {
            if let Entry::Vacant(place) = self.0.entry(*hash) {
                let root = before.remove(hash);
                if root.is_none() {
                    todo.push(*hash);
                }
                place.insert(root.flatten());
            }
        }
        for batch in todo.chunks(COMMITS_AT_ONCE) {
            for (hash, block) in batch.iter().zip(load(objects, batch).await?) {
                let root = match block {
                    Ok(block) => Some(block.root),
                    Err(error) if is_lasting(error.kind()) => None,
                    Err(error) => return Err(error),
                };
                self.0.insert(*hash, root);
            }
        }
        Ok(())
    }

    /// Returns the root of a commit and those of its parents, if all can be read.
    fn of_commit_and_parents(
        &self,
        commit: &ToCompare<Hash<S>>,
    ) -> Option<(Hash<S>, Vec<Hash<S>>)> {
        let root = |hash| self.0.get(hash).copied().flatten();
        let parents: Option<_> = commit.parents.iter().map(root).collect();
        Some((root(&commit.hash)?, parents?))
    }
}

impl<S: Schema> Default for Roots<S> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}
