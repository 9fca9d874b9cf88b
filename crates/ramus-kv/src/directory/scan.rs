use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::blocks::{Blocks, check_child};
use super::dir_block::DirBlock;
use super::find::Spot;
use super::item::{Body, Entry, Item};
use super::{Nodes, RESTART_EVERY};

/// A walk over the entries of a directory, forwards or backwards. Of a leaf those items are read that
/// are come to, as many at a time as stand between two restarts.
#[derive(Debug)]
pub(crate) struct Scan<H> {
    direction: Direction,
    /// The leaf that `items` are of; nothing if that is the root, or if all leaves were read.
    place: Option<Blocks<H>>,
    leaf: Arc<DirBlock<H>>,
    /// Which items of the leaf are not read yet.
    rest: Range<usize>,
    /// What was read and not taken, in order: it stands beside `rest`, on the side that the walk begins at.
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
        scan.rest = rest(&leaf, direction, from, skipped)?;
        Ok(scan)
    }

    fn new(direction: Direction, place: Option<Blocks<H>>, leaf: &Arc<DirBlock<H>>) -> Self {
        Self { direction, place, leaf: Arc::clone(leaf), rest: 0..0, items: VecDeque::new() }
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, nodes: &impl Nodes<H>) -> Result<Option<Scanned<H>>> {
        loop {
            match self.take()? {
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
                self.rest = 0..self.leaf.len();
            }
            self.place = next;
        }
    }

    /// Takes the next item of the leaf, with its index.
    fn take(&mut self) -> Result<Option<(usize, Item<H>)>> {
        if self.items.is_empty() && !self.rest.is_empty() {
            self.read()?;
        }
        let count = self.items.len();
        Ok(match self.direction {
            Direction::Forwards => {
                self.items.pop_front().map(|item| (self.rest.start - count, item))
            }
            Direction::Backwards => {
                self.items.pop_back().map(|item| (self.rest.end + count - 1, item))
            }
        })
    }

    /// Reads the next items, up to a restart.
    fn read(&mut self) -> Result<()> {
        let Range { start, end } = self.rest;
        let (restart, read) = match self.direction {
            Direction::Forwards => {
                let restart = start / RESTART_EVERY * RESTART_EVERY;
                (restart, start..end.min(restart + RESTART_EVERY))
            }
            Direction::Backwards => {
                let restart = (end - 1) / RESTART_EVERY * RESTART_EVERY;
                (restart, start.max(restart)..end)
            }
        };
        self.items = self.leaf.items_in(restart..read.end)?.into();
        self.items.drain(..read.start - restart);
        match self.direction {
            Direction::Forwards => self.rest.start = read.end,
            Direction::Backwards => self.rest.end = read.start,
        }
        Ok(())
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

/// Returns which items of the first leaf a walk comes to.
fn rest<H: Hash>(
    leaf: &DirBlock<H>,
    direction: Direction,
    from: &From,
    skipped: u64,
) -> Result<Range<usize>> {
    let (mut start, mut end) = (0, leaf.len());
    if let From::Step(step) = from {
        match (direction, leaf.seek(step.as_bytes())?) {
            (Direction::Forwards, Some(at)) => start = at.index + usize::from(!at.is_exact),
            (Direction::Backwards, Some(at)) => end = at.index + 1,
            (Direction::Forwards, None) => {}
            (Direction::Backwards, None) => end = 0,
        }
    }
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    match direction {
        Direction::Forwards => start = start.saturating_add(skipped).min(end),
        Direction::Backwards => end = end.saturating_sub(skipped).max(start),
    }
    Ok(start..end)
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
