use std::ops::Range;
use std::sync::Arc;

use ramus_core::{Hash, Result, Step};

use super::dir_block::DirBlock;
use super::item::{Body, Child, Item};
use super::rule::{End, LEVEL_MAX, cut, cut_at, priorities, weights};
use crate::crew::Crew;

/// A directory whose blocks are not all stored yet.
#[derive(Debug)]
pub(crate) struct Built<H> {
    pub(crate) hash: H,
    pub(crate) root: Arc<DirBlock<H>>,
    /// The new blocks below the root, children before parents; not the root.
    pub(crate) below: Vec<(H, Arc<DirBlock<H>>)>,
}

/// Returns the directory that has these items on this level, in order and all of them.
pub(crate) fn build<H: Hash>(mut level: u8, mut items: Vec<Item<H>>) -> Built<H> {
    let mut below = Vec::new();
    loop {
        let starts = cut(level, &items, &End::OfLevel, &End::OfLevel);
        if starts.len() <= 1 {
            return Built::of_root(Arc::new(DirBlock::encode(level, &items)), below);
        }
        let blocks = ranges(&starts, items.len()).map(|block| child(level, &items[block]));
        let above = part(blocks, &mut below);
        (items, level) = (above, level + 1);
    }
}

/// Returns the directory that [`build`] returns, made by a crew.
pub(crate) async fn build_by<H: Hash>(
    crew: Crew,
    level: u8,
    items: Vec<Item<H>>,
) -> Result<Built<H>> {
    let sums = weights(&items);
    let weight = sums.last().copied().unwrap_or(0);
    let is_shared = crew.shares(usize::try_from(weight).unwrap_or(usize::MAX));
    if !is_shared || level == LEVEL_MAX {
        return Ok(build(level, items));
    }
    let items = Arc::new(items);
    let worth = {
        let sums = sums.clone();
        move |range: &Range<usize>| {
            usize::try_from(sums[range.end] - sums[range.start]).unwrap_or(0)
        }
    };
    let runs: Vec<_> = (0..items.len().div_ceil(RUN))
        .map(|run| run * RUN..((run + 1) * RUN).min(items.len()))
        .collect();
    let shared = Arc::clone(&items);
    let gaps = crew.map(runs, &worth, move |run| priorities(level, &shared[run])).await?.concat();
    let starts = cut_at(&gaps, &items, &sums, &End::OfLevel, &End::OfLevel);
    let blocks = ranges(&starts, items.len()).collect();
    let shared = Arc::clone(&items);
    let made = crew.map(blocks, &worth, move |block| child(level, &shared[block])).await?;
    let mut below = Vec::with_capacity(made.len() + made.len() / 16);
    let above = part(made, &mut below);
    // The levels above that are small beside it.
    let mut built = build(level + 1, above);
    below.append(&mut built.below);
    Ok(Built { below, ..built })
}

/// How many priorities of gaps are one job.
const RUN: usize = 512;

impl<H: Hash> Built<H> {
    /// Returns the directory of a root block, and of new blocks below it.
    pub(crate) fn of_root(root: Arc<DirBlock<H>>, below: Vec<(H, Arc<DirBlock<H>>)>) -> Self {
        Self { hash: H::of(root.block()), root, below }
    }
}

/// Makes a block of items, which are not none; returns it and what the level above says of it.
pub(crate) fn child<H: Hash>(level: u8, items: &[Item<H>]) -> (Item<H>, Arc<DirBlock<H>>) {
    named(items[0].step.clone(), Arc::new(DirBlock::encode(level, items)))
}

/// Returns what the level above says of a block that begins with a step, and the block.
pub(super) fn named<H: Hash>(step: Step, node: Arc<DirBlock<H>>) -> (Item<H>, Arc<DirBlock<H>>) {
    let hash = H::of(node.block());
    let child = Child { hash, count: node.count(), weight: node.weight() };
    (Item { step, body: Body::Child(child) }, node)
}

/// Parts blocks from what the level above says of them.
fn part<H: Hash>(
    made: impl IntoIterator<Item = (Item<H>, Arc<DirBlock<H>>)>,
    below: &mut Vec<(H, Arc<DirBlock<H>>)>,
) -> Vec<Item<H>> {
    let made = made.into_iter();
    let mut above = Vec::with_capacity(made.size_hint().0);
    for (item, node) in made {
        below.push((item.hash(), node));
        above.push(item);
    }
    above
}

fn ranges(starts: &[usize], end: usize) -> impl Iterator<Item = Range<usize>> {
    let ends = starts.iter().skip(1).copied().chain([end]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end)
}

impl<H: Copy> Item<H> {
    /// Returns the name of the block that this stands for.
    fn hash(&self) -> H {
        match &self.body {
            Body::Child(child) => child.hash,
            Body::Entry(_) => unreachable!("levels above the leaves hold children"),
        }
    }
}
