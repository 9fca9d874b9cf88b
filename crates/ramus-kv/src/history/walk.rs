//! Walks back through the commit table.
//!
//! Each is a value that goes on for some steps at a time, so that nobody who waits for the table, or
//! for the thread, waits long. Commits are only ever added to a table, so a walk can be left and
//! gone on with.

use std::collections::BinaryHeap;

use ramus_core::Hash;

use super::table::{Ordinal, Table};

/// How many steps a walk makes before others have their turn; a step takes about 0.1 us.
pub(super) const STEPS: usize = 4096;

/// A search for the lowest common ancestors of two sets of commits.
///
/// The commits are taken by generation, the highest first, so that every descendant of a commit is
/// taken before it, and what is marked on it by then is final. What is reached from both sides, and
/// not from behind another that is, is a lowest common ancestor. The search ends when one of the sides
/// has nothing left: from there on all that is common is behind another.
///
/// Between two commits that are taken, a way that leads over commits of one parent is not walked but
/// jumped: nothing else can lead to the commits on it, since all that is left is of lower generations.
pub(super) struct LowestCommon {
    /// By generation; equal ones side by side.
    next: BinaryHeap<(u32, Ordinal, Reached)>,
    /// How many in `next` are reached from one side alone: ours, theirs.
    open: [usize; 2],
    pub(super) found: Vec<Ordinal>,
}

/// From where a commit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Ours,
    Theirs,
    /// From behind a common ancestor.
    Common,
}

impl LowestCommon {
    pub(super) fn of<H: Hash>(table: &Table<H>, ours: &[Ordinal], theirs: &[Ordinal]) -> Self {
        let mut search = Self { next: BinaryHeap::new(), open: [0, 0], found: Vec::new() };
        for (commits, reached) in [(ours, Reached::Ours), (theirs, Reached::Theirs)] {
            for commit in commits {
                search.push(table, *commit, reached);
            }
        }
        search
    }

    /// Goes on for some steps; returns whether it is at its end.
    pub(super) fn advance<H: Hash>(&mut self, table: &Table<H>) -> bool {
        for _ in 0..STEPS {
            if self.open.contains(&0) {
                return true;
            }
            let Some((commit, reached)) = self.pop() else { return true };
            let [ours, theirs, common] = reached;
            if ours && theirs && !common {
                self.found.push(commit);
            }
            let reached = match reached {
                [true, false, false] => Reached::Ours,
                [false, true, false] => Reached::Theirs,
                _ => Reached::Common,
            };
            let generation = self.next.peek().map_or(0, |(generation, ..)| *generation);
            let far = table.along_run(commit, generation);
            if far == commit {
                table.parents(commit).for_each(|parent| self.push(table, parent, reached));
            } else {
                self.push(table, far, reached);
            }
        }
        false
    }

    fn push<H: Hash>(&mut self, table: &Table<H>, commit: Ordinal, reached: Reached) {
        if let Some(open) = self.open.get_mut(reached as usize) {
            *open += 1;
        }
        self.next.push((table.generation(commit), commit, reached));
    }

    /// Takes the next commit, and from where it was reached.
    fn pop(&mut self) -> Option<(Ordinal, [bool; 3])> {
        let (_, commit, _) = *self.next.peek()?;
        let mut all = [false; 3];
        while let Some((_, next, reached)) = self.next.peek().copied()
            && next == commit
        {
            self.next.pop();
            all[reached as usize] = true;
            if let Some(open) = self.open.get_mut(reached as usize) {
                *open -= 1;
            }
        }
        Some((commit, all))
    }
}

/// A search for a way from a commit back to another.
pub(super) struct Ancestry {
    ancestor: Ordinal,
    next: BinaryHeap<(u32, Ordinal)>,
}

impl Ancestry {
    pub(super) fn of<H: Hash>(table: &Table<H>, ancestor: Ordinal, commit: Ordinal) -> Self {
        let next = BinaryHeap::from([(table.generation(commit), commit)]);
        Self { ancestor, next }
    }

    /// Goes on for some steps; returns whether there is a way, once that is known.
    pub(super) fn advance<H: Hash>(&mut self, table: &Table<H>) -> Option<bool> {
        let lowest = table.generation(self.ancestor);
        for _ in 0..STEPS {
            let Some((generation, commit)) = self.next.pop() else { return Some(false) };
            if commit == self.ancestor {
                return Some(true);
            }
            if generation <= lowest {
                // Nor does anything that is left lead there, except the commit itself.
                return Some(self.next.iter().any(|(_, left)| *left == self.ancestor));
            }
            while self.next.peek().is_some_and(|(_, next)| *next == commit) {
                self.next.pop();
            }
            let below = self.next.peek().map_or(lowest, |(next, _)| lowest.max(*next));
            let far = table.along_run(commit, below);
            if far == commit {
                let parents = table.parents(commit);
                self.next.extend(parents.map(|parent| (table.generation(parent), parent)));
            } else {
                self.next.push((table.generation(far), far));
            }
        }
        None
    }
}

/// All ancestors of some commits, themselves included: a bit for each commit of the table.
pub(super) struct Ancestors {
    bits: Vec<u64>,
    /// The parents of commits in words before this one are still to be marked.
    left: usize,
}

impl Ancestors {
    pub(super) fn of(commits: &[Ordinal]) -> Self {
        let words = commits.iter().max().map_or(0, |highest| word(*highest) + 1);
        let mut ancestors = Self { bits: vec![0; words], left: words };
        for commit in commits {
            ancestors.mark(*commit);
        }
        ancestors
    }

    /// Goes on for some steps; returns whether it is at its end. Before that, nothing can be asked.
    pub(super) fn advance<H: Hash>(&mut self, table: &Table<H>) -> bool {
        for _ in 0..STEPS / 8 {
            let Some(index) = self.left.checked_sub(1) else { return true };
            // Parents may be marked in the same word, but only below: their numbers are lower.
            let mut mask = u64::MAX;
            loop {
                let marked = self.bits[index] & mask;
                let Some(highest) = 63_u32.checked_sub(marked.leading_zeros()) else { break };
                mask = (1 << highest) - 1;
                let first = Ordinal::try_from(index * 64).unwrap_or(Ordinal::MAX);
                table.parents(first + highest).for_each(|parent| self.mark(parent));
            }
            self.left = index;
        }
        self.left == 0
    }

    pub(super) fn contains(&self, commit: Ordinal) -> bool {
        let bits = self.bits.get(word(commit)).copied().unwrap_or_default();
        bits >> (commit % 64) & 1 == 1
    }

    fn mark(&mut self, commit: Ordinal) {
        self.bits[word(commit)] |= 1 << (commit % 64);
    }
}

fn word(commit: Ordinal) -> usize {
    commit as usize / 64
}
