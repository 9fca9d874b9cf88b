use std::collections::VecDeque;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::blocks::{Blocks, check_child};
use super::dir_block::DirBlock;
use super::find::Spot;
use super::item::{Body, Entry, Item};

/// A walk over the entries of a directory, forwards or backwards, a leaf at a time.
#[derive(Debug)]
pub(crate) struct Scan<H> {
    direction: Direction,
    /// The leaf that `items` are of; nothing if that is the root, or if all leaves were read.
    place: Option<Blocks<H>>,
    /// The leaf, and which of its items the first of `items` is.
    leaf: Arc<DirBlock<H>>,
    first: usize,
    /// What is left of the leaf, in order.
    items: VecDeque<Item<H>>,
}

/// An entry that a walk has come to.
#[derive(Debug)]
pub(crate) struct Scanned<H> {
    pub(crate) step: Step,
    pub(crate) entry: Entry<H>,
    /// Where it stands, if it is a directory.
    pub(crate) spot: Option<Spot<H>>,
}

/// Which way a walk goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest step to the greatest.
    #[default]
    Forwards,
    /// From the greatest step to the smallest.
    Backwards,
}

/// Where a walk begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// At the first entry that way.
    End,
    /// At this step, or the first entry behind it that way.
    Step(Step),
    /// Behind as many entries as this, counted that way.
    Offset(u64),
    /// Behind as many entries as this, counted that way from this step on.
    StepOffset(Step, u64),
}

impl<H: Hash> Scan<H> {
    pub(crate) async fn open(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        direction: Direction,
        from: &From,
    ) -> Result<Self> {
        let counted;
        let from = match from {
            From::StepOffset(step, offset) => {
                let before = before(nodes, root, direction, step).await?;
                counted = From::Offset(before.saturating_add(*offset));
                &counted
            }
            from => from,
        };
        let (place, skipped) = match (root.level(), from) {
            (0, From::Offset(offset)) => (None, *offset),
            (0, _) => (None, 0),
            (_, From::Step(step)) => {
                (Some(Blocks::locate(nodes, root, 0, step.as_bytes()).await?), 0)
            }
            (_, From::Offset(offset)) => match Self::skip(nodes, root, direction, *offset).await? {
                Some((place, skipped)) => (Some(place), skipped),
                None => return Ok(Self::new(direction, None, root)),
            },
            (_, From::End | From::StepOffset(..)) => {
                (Some(Self::end(nodes, root, direction).await?), 0)
            }
        };
        let leaf = match &place {
            Some(place) => place.load(nodes).await?,
            None => Arc::clone(root),
        };
        let mut scan = Self::new(direction, place, &leaf);
        scan.items = leaf.items()?.into();
        scan.trim(from, skipped);
        Ok(scan)
    }

    fn new(direction: Direction, place: Option<Blocks<H>>, leaf: &Arc<DirBlock<H>>) -> Self {
        Self { direction, place, leaf: Arc::clone(leaf), first: 0, items: VecDeque::new() }
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, nodes: &impl Nodes<H>) -> Result<Option<Scanned<H>>> {
        loop {
            match self.take() {
                Some((index, Item { step, body: Body::Entry(entry) })) => {
                    let is_directory = matches!(entry, Entry::Directory { .. });
                    let spot = is_directory.then(|| Spot::new(&self.leaf, index));
                    return Ok(Some(Scanned { step, entry, spot }));
                }
                Some(_) => return Err(Error::corrupt("an index block stands in for a leaf")),
                None => {}
            }
            let Some(place) = &self.place else { return Ok(None) };
            let next = match self.direction {
                Direction::Forwards => place.next(nodes).await?,
                Direction::Backwards => place.previous(nodes).await?,
            };
            if let Some(place) = &next {
                self.leaf = place.load(nodes).await?;
                (self.first, self.items) = (0, self.leaf.items()?.into());
            }
            self.place = next;
        }
    }

    /// Takes the next item of the leaf, with its index.
    fn take(&mut self) -> Option<(usize, Item<H>)> {
        match self.direction {
            Direction::Forwards => {
                self.first += 1;
                self.items.pop_front().map(|item| (self.first - 1, item))
            }
            Direction::Backwards => {
                self.items.pop_back().map(|item| (self.first + self.items.len(), item))
            }
        }
    }

    /// Drops what lies before the beginning from the first leaf.
    fn trim(&mut self, from: &From, skipped: u64) {
        let outside = |item: &Item<H>| match (from, self.direction) {
            (From::Step(step), Direction::Forwards) => item.step < *step,
            (From::Step(step), Direction::Backwards) => item.step > *step,
            (From::End | From::Offset(_) | From::StepOffset(..), _) => false,
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let beside = self.items.iter().filter(|item| outside(item)).count();
        let count = beside.saturating_add(skipped).min(self.items.len());
        match self.direction {
            Direction::Forwards => {
                self.first = count;
                self.items.drain(..count);
            }
            Direction::Backwards => self.items.truncate(self.items.len() - count),
        }
    }

    async fn end(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        direction: Direction,
    ) -> Result<Blocks<H>> {
        match direction {
            Direction::Forwards => Blocks::first(nodes, root, 0).await,
            Direction::Backwards => Blocks::last(nodes, root, 0).await,
        }
    }

    /// Returns the leaf that the entry of an offset lies in, and its offset there.
    async fn skip(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        direction: Direction,
        offset: u64,
    ) -> Result<Option<(Blocks<H>, u64)>> {
        let Some(last) = root.count().checked_sub(1).filter(|last| offset <= *last) else {
            return Ok(None);
        };
        let from_start = match direction {
            Direction::Forwards => offset,
            Direction::Backwards => last - offset,
        };
        let (place, before) = Blocks::at_offset(nodes, root, from_start).await?;
        let within = from_start - before;
        Ok(Some(match direction {
            Direction::Forwards => (place, within),
            Direction::Backwards => {
                let behind = (place.child.count - 1).saturating_sub(within);
                (place, behind)
            }
        }))
    }
}

/// Returns how many entries a walk passes before it comes to a step, or to where that would be.
async fn before<H: Hash>(
    nodes: &impl Nodes<H>,
    root: &Arc<DirBlock<H>>,
    direction: Direction,
    step: &Step,
) -> Result<u64> {
    let (mut block, mut smaller) = (Arc::clone(root), 0);
    loop {
        let Some(place) = block.seek(step.as_bytes())? else { break };
        if block.level() == 0 {
            let is_counted = !place.is_exact || direction == Direction::Backwards;
            smaller += place.index as u64 + u64::from(is_counted);
            break;
        }
        let (passed, child) = block.child_and_before(place.index)?;
        smaller += passed;
        let below = nodes.below(&block, place.index, &child.hash).await?;
        check_child(block.level(), &child, &below)?;
        block = below;
    }
    Ok(match direction {
        Direction::Forwards => smaller,
        Direction::Backwards => root.count().saturating_sub(smaller),
    })
}
