//! The Cartesian rule: where the items of one level are cut into blocks.
//!
//! Between two items lies a *gap*, which belongs to the item behind it and has that item's priority.
//! A gap is a *boundary* if and only if the longest run of items around it that contains no gap of
//! higher priority weighs more than [`WEIGHT_MAX`]. In other words: a run that is too heavy is cut at
//! its highest gap, and so are the two pieces, until each is light enough or a single item.
//!
//! # What follows
//!
//! The boundaries of a level are the one set for which three things hold:
//!
//! 1. no block weighs more than the maximum, unless it is a single item;
//! 2. every gap inside a block is lower than the boundaries at both ends of the block (the ends of the
//!    level count as higher than every gap);
//! 3. of two blocks that share a boundary which is lower than the boundaries at their other ends, the
//!    weights add up to more than the maximum.
//!
//! They hold for the rule: a block is what is left of runs that were cut at their highest gaps, so
//! its inner gaps are lower than both ends; and the boundary in the third case has just these two
//! blocks for its run. And they hold for no other set: let a run of whole blocks, more than one, end
//! at gaps that are higher than every gap in it. Its highest gap is a boundary by the second, and the
//! run is too heavy by the third, which holds for the lowest boundary in it; so the rule cuts it at
//! that gap, and the same is true of the two pieces.
//!
//! Hence an edit needs to look at a few blocks only: it cuts what it changed so that 1 and 2 hold,
//! more often than necessary if that is easier, and then joins blocks for which 3 does not hold,
//! which keeps 1 and 2. What it ends with is what the rule says, whatever was there before.

use ramus_core::{Hash, Step};

use super::item::Item;

/// What a block may weigh, unless it is a single item.
pub(crate) const WEIGHT_MAX: u64 = 8192;

/// The level that is one block whatever it weighs.
pub(crate) const LEVEL_MAX: u8 = 15;

/// The first byte of what is hashed for a priority; no block begins with it.
const PRIORITY_TAG: u8 = 0x70;

/// How high a gap is. Of equal priorities that of the smaller step is higher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    priority: u64,
    step: Step,
}

/// The end of a level, or a boundary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Boundary(Gap),
    /// Higher than every gap.
    OfLevel,
}

impl Gap {
    /// Returns the gap before the item of this step.
    pub(crate) fn before<H: Hash>(level: u8, step: &Step) -> Self {
        Self { priority: Self::priority::<H>(level, step.as_bytes()), step: step.clone() }
    }

    /// Returns how high the gap before the item of this step is.
    pub(crate) fn priority<H: Hash>(level: u8, step: &[u8]) -> u64 {
        let hash = H::of_parts(&[&[PRIORITY_TAG, level], step]);
        let mut priority = [0; 8];
        for (to, from) in priority.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        u64::from_be_bytes(priority)
    }

    /// Returns whether this gap is higher than one of the ends.
    pub(crate) fn is_above_either(&self, left: &End, right: &End) -> bool {
        let lower = left.min(right);
        matches!(lower, End::Boundary(gap) if self > gap)
    }
}

impl Ord for Gap {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.priority.cmp(&other.priority).then_with(|| other.step.cmp(&self.step))
    }
}

impl PartialOrd for Gap {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Cuts a run that lies between two ends, so that 1 and 2 hold for its blocks; returns where each
/// block begins. Between ends of the level that is what the rule says.
///
/// A gap is cut if the run around it is too heavy, or if it is higher than one of the ends.
pub(crate) fn cut<H: Hash>(level: u8, items: &[Item<H>], left: &End, right: &End) -> Vec<usize> {
    if items.is_empty() {
        return Vec::new();
    }
    if level == LEVEL_MAX {
        return vec![0];
    }
    let weights = weights(items);
    let total = weights[items.len()];
    if total <= WEIGHT_MAX && (left, right) == (&End::OfLevel, &End::OfLevel) {
        return vec![0];
    }
    cut_at(&priorities(level, items), items, &weights, left, right)
}

/// Returns how high the gap before each item is; that before the first is the left end.
pub(super) fn priorities<H: Hash>(level: u8, items: &[Item<H>]) -> Vec<u64> {
    items.iter().map(|item| Gap::priority::<H>(level, item.step.as_bytes())).collect()
}

/// Returns what the items before each weigh together, and at the end what all of them do.
pub(super) fn weights<H: Hash>(items: &[Item<H>]) -> Vec<u64> {
    let mut total = 0;
    let sums = items.iter().map(|item| {
        total += item.weight();
        total
    });
    std::iter::once(0).chain(sums).collect()
}

/// Cuts a run of items, not none, whose gaps are this high and that weigh this much, as [`cut`] does on
/// a level that is not the last.
pub(super) fn cut_at<H: Hash>(
    priorities: &[u64],
    items: &[Item<H>],
    weights: &[u64],
    left: &End,
    right: &End,
) -> Vec<usize> {
    let runs = runs(priorities);
    let lower = left.min(right);
    let is_above_either = |index: usize| match lower {
        End::OfLevel => false,
        End::Boundary(gap) => {
            let (priority, step): (u64, &Step) = (priorities[index], &items[index].step);
            (priority, &gap.step) > (gap.priority, step)
        }
    };
    let is_cut = |index: usize| {
        let (start, end) = runs[index];
        weights[end] - weights[start] > WEIGHT_MAX || is_above_either(index)
    };
    std::iter::once(0).chain((1..items.len()).filter(|index| is_cut(*index))).collect()
}

/// Returns, for each gap but the first, the longest run around it without a higher gap: the index of
/// its first item, and that behind its last. Of equal gaps the first is higher, since steps ascend.
fn runs(priorities: &[u64]) -> Vec<(usize, usize)> {
    let mut runs = vec![(0, priorities.len()); priorities.len()];
    // Indexes of gaps that no gap since was higher than, each lower than the one before.
    let mut open: Vec<usize> = Vec::new();
    for index in 1..priorities.len() {
        while let Some(lower) = open.pop_if(|last| priorities[*last] < priorities[index]) {
            runs[lower].1 = index;
        }
        runs[index].0 = open.last().copied().unwrap_or(0);
        open.push(index);
    }
    runs
}
