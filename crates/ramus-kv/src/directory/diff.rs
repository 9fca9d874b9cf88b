//! What differs between two directories: two ordered walks that skip the blocks they share.

use std::cmp::Ordering;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::{Body, Child, Entry, Item};

/// The steps at which two directories differ, in order, with the entry of each side.
///
/// Equal blocks are skipped without being read, also where other blocks begin and end elsewhere.
/// What is held at a time are the items behind the two places on each level: a block each.
#[derive(Debug)]
pub(crate) struct EntryDiff<H> {
    old: Row<H>,
    new: Row<H>,
}

/// One step at which two directories differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryPair<H> {
    pub(crate) step: Step,
    pub(crate) old: Option<Entry<H>>,
    pub(crate) new: Option<Entry<H>>,
}

impl<H: Hash> EntryDiff<H> {
    /// Compares two directories; nothing stands for one that is not there.
    pub(crate) fn new(
        old: Option<&Arc<DirBlock<H>>>,
        new: Option<&Arc<DirBlock<H>>>,
    ) -> Result<Self> {
        Ok(Self { old: Row::new(old)?, new: Row::new(new)? })
    }

    /// Returns the next step at which they differ.
    pub(crate) async fn next(
        &mut self,
        old_nodes: &impl Nodes<H>,
        new_nodes: &impl Nodes<H>,
    ) -> Result<Option<EntryPair<H>>> {
        loop {
            match (self.old.peek(), self.new.peek()) {
                (None, None) => return Ok(None),
                (Some((level, old)), Some((other, new))) => {
                    if level == other && old == new {
                        self.old.skip();
                        self.new.skip();
                        continue;
                    }
                    // The higher block, or of equally high ones the first, may hold the other.
                    let order = old.step.cmp(&new.step);
                    let opens_old =
                        level > 0 && (level > other || (level == other && order.is_le()));
                    let opens_new =
                        other > 0 && (other > level || (level == other && order.is_ge()));
                    if !opens_old && !opens_new {
                        return self.pair(order).map(Some);
                    }
                    // An entry before the first of a block is not in the block.
                    if other == 0 && order.is_gt() {
                        return self.pair(Ordering::Greater).map(Some);
                    }
                    if level == 0 && order.is_lt() {
                        return self.pair(Ordering::Less).map(Some);
                    }
                    if opens_old {
                        self.old.open(old_nodes).await?;
                    }
                    if opens_new {
                        self.new.open(new_nodes).await?;
                    }
                }
                (Some((0, _)), None) => return self.pair(Ordering::Less).map(Some),
                (None, Some((0, _))) => return self.pair(Ordering::Greater).map(Some),
                (Some(_), None) => self.old.open(old_nodes).await?,
                (None, Some(_)) => self.new.open(new_nodes).await?,
            }
        }
    }

    /// Takes the next entry of the side that comes first, or of both.
    fn pair(&mut self, order: Ordering) -> Result<EntryPair<H>> {
        let old = if order.is_le() { self.old.take()? } else { None };
        let new = if order.is_ge() { self.new.take()? } else { None };
        let step = old.as_ref().or(new.as_ref()).map(|(step, _)| step.clone());
        let step = step.ok_or_else(|| Error::corrupt("a directory ends before its last entry"))?;
        Ok(EntryPair { step, old: old.map(|(_, entry)| entry), new: new.map(|(_, entry)| entry) })
    }
}

/// The items of a directory that are still to come, of the levels that were opened so far.
#[derive(Debug)]
struct Row<H> {
    /// The level of each opened block and what is left of it, backwards; the last comes first.
    open: Vec<(u8, Vec<Item<H>>)>,
}

impl<H: Hash> Row<H> {
    fn new(root: Option<&Arc<DirBlock<H>>>) -> Result<Self> {
        let mut row = Self { open: Vec::new() };
        if let Some(root) = root {
            row.push(root)?;
        }
        Ok(row)
    }

    /// Returns the next item and the level that it is the name of: 0 for an entry.
    fn peek(&self) -> Option<(u8, &Item<H>)> {
        let (level, items) = self.open.last()?;
        Some((*level, items.last()?))
    }

    fn skip(&mut self) {
        if let Some((_, items)) = self.open.last_mut() {
            items.pop();
        }
        self.close();
    }

    fn take(&mut self) -> Result<Option<(Step, Entry<H>)>> {
        let item = self.open.last_mut().and_then(|(_, items)| items.pop());
        self.close();
        match item {
            Some(Item { step, body: Body::Entry(entry) }) => Ok(Some((step, entry))),
            Some(_) => Err(Error::corrupt("a child of an index block stands among entries")),
            None => Ok(None),
        }
    }

    /// Puts the items of the next block in its place.
    async fn open(&mut self, nodes: &impl Nodes<H>) -> Result<()> {
        let Some((level, items)) = self.open.last_mut() else { return Ok(()) };
        let level = *level;
        let Some(Item { body: Body::Child(child), .. }) = items.pop() else {
            return Err(Error::corrupt("an entry stands among the children of an index block"));
        };
        let child: Child<H> = child;
        self.close();
        let block = nodes.node(&child.hash).await?;
        check_child(level, &child, &block)?;
        self.push(&block)
    }

    fn push(&mut self, block: &DirBlock<H>) -> Result<()> {
        let mut items = block.items()?;
        items.reverse();
        if !items.is_empty() {
            self.open.push((block.level(), items));
        }
        Ok(())
    }

    fn close(&mut self) {
        while self.open.pop_if(|(_, items)| items.is_empty()).is_some() {}
    }
}
