use std::collections::VecDeque;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::blocks::{Blocks, check_child};
use super::dir_block::DirBlock;
use super::item::{Body, Entry, Item};

/// A walk over the entries of a directory, forwards or backwards, a leaf at a time.
#[derive(Debug)]
pub(crate) struct Scan<H> {
    direction: Direction,
    /// The leaf that `items` are of; nothing if that is the root, or if all leaves were read.
    place: Option<Blocks<H>>,
    /// What is left of the leaf, in order.
    items: VecDeque<Item<H>>,
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
}

impl<H: Hash> Scan<H> {
    pub(crate) async fn open(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        direction: Direction,
        from: &From,
    ) -> Result<Self> {
        let (place, skipped) = match (root.level(), from) {
            (0, From::Offset(offset)) => (None, *offset),
            (0, _) => (None, 0),
            (_, From::Step(step)) => {
                (Some(Blocks::locate(nodes, root, 0, step.as_bytes()).await?), 0)
            }
            (_, From::Offset(offset)) => match Self::skip(nodes, root, direction, *offset).await? {
                Some((place, skipped)) => (Some(place), skipped),
                None => return Ok(Self { direction, place: None, items: VecDeque::new() }),
            },
            (_, From::End) => (Some(Self::end(nodes, root, direction).await?), 0),
        };
        let mut scan = Self { direction, place, items: VecDeque::new() };
        match &scan.place {
            Some(place) => scan.items = leaf(nodes, place).await?,
            None => scan.items = root.items()?.into(),
        }
        scan.trim(from, skipped);
        Ok(scan)
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, nodes: &impl Nodes<H>) -> Result<Option<(Step, Entry<H>)>> {
        loop {
            let item = match self.direction {
                Direction::Forwards => self.items.pop_front(),
                Direction::Backwards => self.items.pop_back(),
            };
            match item {
                Some(Item { step, body: Body::Entry(entry) }) => return Ok(Some((step, entry))),
                Some(_) => return Err(Error::corrupt("an index block stands in for a leaf")),
                None => {}
            }
            let Some(place) = &self.place else { return Ok(None) };
            let next = match self.direction {
                Direction::Forwards => place.next(nodes).await?,
                Direction::Backwards => place.previous(nodes).await?,
            };
            if let Some(place) = &next {
                self.items = leaf(nodes, place).await?;
            }
            self.place = next;
        }
    }

    /// Drops what lies before the beginning from the first leaf.
    fn trim(&mut self, from: &From, skipped: u64) {
        let outside = |item: &Item<H>| match (from, self.direction) {
            (From::Step(step), Direction::Forwards) => item.step < *step,
            (From::Step(step), Direction::Backwards) => item.step > *step,
            (From::End | From::Offset(_), _) => false,
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let beside = self.items.iter().filter(|item| outside(item)).count();
        let count = beside.saturating_add(skipped).min(self.items.len());
        match self.direction {
            Direction::Forwards => drop(self.items.drain(..count)),
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

async fn leaf<H: Hash>(nodes: &impl Nodes<H>, place: &Blocks<H>) -> Result<VecDeque<Item<H>>> {
    let block = nodes.node(&place.child.hash).await?;
    check_child(1, &place.child, &block)?;
    Ok(block.items()?.into())
}
