//! What differs between two directories: two ordered walks that skip the blocks they share.

use std::cmp::Ordering;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::{Body, Child, Entry, Item};
use super::shared::differing;

/// The steps at which two directories differ, in order, with the entry of each side.
///
/// Equal blocks are skipped without being read, also where other blocks begin and end elsewhere. Of two
/// blocks that begin at one step only what differs is decoded. What is held at a time are the items behind the two places on each level: a block each.
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
        let mut diff = Self { old: Row { open: Vec::new() }, new: Row { open: Vec::new() } };
        match (old, new) {
            (Some(old), Some(new)) => diff.push_both(old, new)?,
            (Some(old), None) => diff.old.push(old)?,
            (None, Some(new)) => diff.new.push(new)?,
            (None, None) => {}
        }
        Ok(diff)
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
                    match (opens_old, opens_new) {
                        (true, true) => {
                            let old = self.old.load(old_nodes).await?;
                            let new = self.new.load(new_nodes).await?;
                            self.push_both(&old, &new)?;
                        }
                        (true, false) => self.old.open(old_nodes).await?,
                        (false, _) => self.new.open(new_nodes).await?,
                    }
                }
                (Some((0, _)), None) => return self.pair(Ordering::Less).map(Some),
                (None, Some((0, _))) => return self.pair(Ordering::Greater).map(Some),
                (Some(_), None) => self.old.open(old_nodes).await?,
                (None, Some(_)) => self.new.open(new_nodes).await?,
            }
        }
    }

    /// Puts the items of two blocks in front that come next on both sides, without those that both have: both
    /// sides would skip them.
    fn push_both(&mut self, old: &DirBlock<H>, new: &DirBlock<H>) -> Result<()> {
        if old.level() == new.level() {
            let (of_old, of_new) = differing(old, new)?;
            self.old.push_items(old.level(), of_old);
            self.new.push_items(new.level(), of_new);
            return Ok(());
        }
        self.old.push(old)?;
        self.new.push(new)
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
        let block = self.load(nodes).await?;
        self.push(&block)
    }

    /// Takes the next block, and returns it.
    async fn load(&mut self, nodes: &impl Nodes<H>) -> Result<Arc<DirBlock<H>>> {
        let next = self.open.last_mut().and_then(|(level, items)| Some((*level, items.pop()?)));
        let Some((level, Item { body: Body::Child(child), .. })) = next else {
            return Err(Error::corrupt("an entry stands among the children of an index block"));
        };
        let child: Child<H> = child;
        self.close();
        let block = nodes.node(&child.hash).await?;
        check_child(level, &child, &block)?;
        Ok(block)
    }

    fn push(&mut self, block: &DirBlock<H>) -> Result<()> {
        self.push_items(block.level(), block.items()?);
        Ok(())
    }

    fn push_items(&mut self, level: u8, mut items: Vec<Item<H>>) {
        items.reverse();
        if !items.is_empty() {
            self.open.push((level, items));
        }
    }

    fn close(&mut self) {
        while self.open.pop_if(|(_, items)| items.is_empty()).is_some() {}
    }
}
