//! Questions about the graph of commits, answered by an index of it.
//!
//! The index is made when it is asked something: a question about a commit that it does not have loads
//! that commit and those behind it, up to the ones it has. What paths a commit changed is looked up in
//! its directories when somebody asks about a path. `docs/design/history.md` says why.

mod bytes;
mod candidates;
mod changes;
mod driven;
mod extend;
mod found;
mod graph;
mod index;
mod joint;
mod keep;
mod loading;
mod log;
mod modified;
mod noted;
mod postings;
mod table;
mod walk;

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use ramus_core::{Error, Hash, Result};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

pub use self::graph::{Graph, GraphOptions};
pub use self::index::HistoryIndex;
pub(crate) use self::joint::ancestor;
pub(crate) use self::keep::keep_all;
pub use self::log::{Log, LogOptions};
pub(crate) use self::modified::last_modified;

use self::found::Found;
use self::keep::Keeping;
use self::noted::Noted;
use self::table::Ordinal;
use self::walk::{Ancestry, LowestCommon};
use crate::Schema;
use crate::objects::Objects;

#[cfg(test)]
mod tests;

/// The history index of a repository, and how it is kept.
pub(crate) struct History<H> {
    /// Held for some thousand steps at a time, and never across an await.
    index: RwLock<HistoryIndex<H>>,
    /// Who extends the index: one at a time, so that nothing is loaded twice.
    turn: Semaphore,
    /// What was loaded in vain so far, for whoever has the turn next.
    found: Mutex<Found<H>>,
    /// What was made meanwhile, for the next question that has to load.
    noted: Noted<H>,
    keeping: Mutex<Keeping>,
}

impl<H: Hash> History<H> {
    pub(crate) fn new() -> Self {
        let index = RwLock::new(HistoryIndex::new());
        let (found, noted) = (Mutex::new(Found::new()), Noted::new());
        Self { index, turn: Semaphore::new(1), found, noted, keeping: Mutex::default() }
    }

    /// Tells of a commit that was just made, so that it need not be loaded.
    ///
    /// It never waits. Before anybody asked about the history, and where the index is in use or does not have what
    /// the commit was made from, it is noted for the next question that has to load. Whatever there is no room to
    /// note is loaded when it is needed.
    pub(crate) fn note(&self, commit: H, parents: &[H]) {
        if let Some(mut index) = self.index.try_write()
            && index.commits() > 0
        {
            let known = parents.iter().map(|parent| index.table.find(parent));
            if let Some(known) = known.collect::<Option<Vec<_>>>() {
                // A table that is full is told of by the next question.
                drop(index.table.add(commit, &known));
                return;
            }
        }
        self.noted.note(commit, parents);
    }

    /// Returns the numbers of commits, if all are known.
    fn find_all(&self, commits: &[H]) -> Option<Vec<Ordinal>> {
        let index = self.index.read();
        commits.iter().map(|commit| index.table.find(commit)).collect()
    }

    /// Goes on with a walk until it comes to an answer, and lets others have their turn between.
    async fn walk<T>(&self, mut advance: impl FnMut(&HistoryIndex<H>) -> Option<T> + Send) -> T {
        loop {
            let answer = {
                let index = self.index.read();
                advance(&index)
            };
            match answer {
                Some(answer) => return answer,
                None => yield_now().await,
            }
        }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.turn.acquire().await.map_err(|_| Error::closed())
    }
}

/// Returns the lowest common ancestors of two sets of commits: those common ancestors that are no
/// ancestors of another. A commit is an ancestor of itself. The highest generation comes first, of equal
/// ones the highest hash.
pub(crate) async fn lcas<S: Schema>(
    objects: &Arc<Objects<S>>,
    ours: &[S::Hash],
    theirs: &[S::Hash],
) -> Result<Vec<S::Hash>> {
    if ours == theirs && ours.len() == 1 {
        return Ok(ours.to_vec());
    }
    let known = extend::known(objects, &[ours, theirs].concat()).await?;
    let (ours, theirs) = known.split_at(ours.len());
    let history = objects.history();
    let mut search = LowestCommon::of(&history.index.read().table, ours, theirs);
    history.walk(|index| search.advance(&index.table).then_some(())).await;
    let index = history.index.read();
    let ranked = |commit: Ordinal| (index.table.generation(commit), *index.table.hash(commit));
    let mut found: Vec<_> = search.found.into_iter().map(ranked).collect();
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, hash)| hash).collect())
}

/// Returns whether one can get from `commit` to `ancestor` by parents; a commit is its own ancestor.
pub(crate) async fn is_ancestor<S: Schema>(
    objects: &Arc<Objects<S>>,
    ancestor: &S::Hash,
    commit: &S::Hash,
) -> Result<bool> {
    if ancestor == commit {
        return Ok(true);
    }
    extend::known(objects, &[*commit]).await?;
    let history = objects.history();
    // All that lies behind the commit is known by now.
    let Some(known) = history.find_all(&[*ancestor, *commit]) else { return Ok(false) };
    let [ancestor, commit] = known[..] else { return Ok(false) };
    let mut search = {
        let index = history.index.read();
        if index.table.is_on_first_parents(ancestor, commit) {
            return Ok(true);
        }
        Ancestry::of(&index.table, ancestor, commit)
    };
    Ok(history.walk(|index| search.advance(&index.table)).await)
}

impl<H: Hash> fmt::Debug for History<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}
