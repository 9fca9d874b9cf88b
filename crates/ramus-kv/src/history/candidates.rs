//! The commits that may have changed a path.

use std::collections::BinaryHeap;

use ramus_core::{Hash, Path};

use super::HistoryIndex;
use super::postings::{PathKey, Place};
use super::table::Ordinal;
use super::walk::{Ancestors, STEPS};

/// The commits behind a head that may have changed a path, from the highest generation down; of equal
/// ones the highest hash first.
///
/// Of each list only as much is read as may come before what is already found. Whether a commit lies
/// behind the head is told by the way of first parents; only where that does not tell, all ancestors
/// are marked, once.
pub(super) struct Candidates<H> {
    head: Ordinal,
    /// Where each list is read on.
    lists: Vec<Place>,
    /// On the way of first parents: the next merge, which may have brought a change from elsewhere.
    merges: Option<Ordinal>,
    ready: BinaryHeap<(u32, H, Ordinal)>,
    last: Option<Ordinal>,
    of_head: Behind,
    /// What is left out, with all that lies behind it.
    excluded: Ancestors,
}

/// Which commits lie behind the head.
enum Behind {
    /// Those on the way of first parents.
    FirstParents,
    /// All ancestors, not marked yet.
    All,
    Marked(Ancestors),
}

/// How far it got.
pub(super) enum Step {
    Found(Ordinal),
    End,
    /// There is more to do.
    More,
}

impl<H: Hash> Candidates<H> {
    pub(super) fn of(
        index: &HistoryIndex<H>,
        path: &Path,
        head: Ordinal,
        excluded: &[Ordinal],
        first_parent: bool,
    ) -> Self {
        let keys = PathKey::all_of::<H>(path);
        let lists = keys.into_iter().filter_map(|key| index.postings.end_of(key)).collect();
        let mut candidates = Self {
            head,
            lists,
            merges: None,
            ready: BinaryHeap::new(),
            last: None,
            of_head: if first_parent { Behind::FirstParents } else { Behind::All },
            excluded: Ancestors::of(excluded),
        };
        if first_parent {
            candidates.merges = next_merge(index, Some(head));
        }
        candidates
    }

    /// Goes on for some steps, or to the next commit.
    pub(super) fn advance(&mut self, index: &HistoryIndex<H>) -> Step {
        if !self.excluded.advance(&index.table) {
            return Step::More;
        }
        if let Behind::Marked(ancestors) = &mut self.of_head
            && !ancestors.advance(&index.table)
        {
            return Step::More;
        }
        for _ in 0..STEPS {
            let highest = self.highest(index);
            if let Some((generation, _, commit)) = self.ready.peek().copied()
                && highest.is_none_or(|highest| highest < generation)
            {
                self.ready.pop();
                if self.last.replace(commit) != Some(commit) {
                    return Step::Found(commit);
                }
                continue;
            }
            let Some(highest) = highest else { return Step::End };
            if !self.take(index, highest) {
                return Step::More;
            }
        }
        Step::More
    }

    /// Returns the highest generation of what is still to be read.
    fn highest(&self, index: &HistoryIndex<H>) -> Option<u32> {
        let lists = self.lists.iter().map(|place| index.postings.highest(*place));
        lists.chain(self.merges.map(|merge| index.table.generation(merge))).max()
    }

    /// Takes a commit from a list in which one of this generation may stand; returns whether it could
    /// be told if that lies behind the head.
    fn take(&mut self, index: &HistoryIndex<H>, highest: u32) -> bool {
        let found = self.lists.iter().position(|place| index.postings.highest(*place) == highest);
        let Some(list) = found else {
            if let Some(merge) = self.merges {
                self.merges = next_merge(index, index.table.first_parent(merge));
                self.push(index, merge);
            }
            return true;
        };
        let (commit, before) = index.postings.read(self.lists[list]);
        let Some(is_behind) = self.is_behind(index, commit) else { return false };
        match before {
            Some(before) => self.lists[list] = before,
            None => drop(self.lists.swap_remove(list)),
        }
        if is_behind {
            self.push(index, commit);
        }
        true
    }

    fn push(&mut self, index: &HistoryIndex<H>, commit: Ordinal) {
        if !self.excluded.contains(commit) {
            let table = &index.table;
            self.ready.push((table.generation(commit), *table.hash(commit), commit));
        }
    }

    fn is_behind(&mut self, index: &HistoryIndex<H>, commit: Ordinal) -> Option<bool> {
        let table = &index.table;
        if commit > self.head {
            return Some(false);
        }
        match &self.of_head {
            Behind::Marked(ancestors) => Some(ancestors.contains(commit)),
            _ if table.is_on_first_parents(commit, self.head) => Some(true),
            Behind::FirstParents => Some(false),
            Behind::All => {
                self.of_head = Behind::Marked(Ancestors::of(&[self.head]));
                None
            }
        }
    }
}

/// Returns the next merge on the way of first parents, this commit included.
fn next_merge<H: Hash>(index: &HistoryIndex<H>, from: Option<Ordinal>) -> Option<Ordinal> {
    let end = index.table.along_run(from?, 0);
    index.table.is_merge(end).then_some(end)
}
