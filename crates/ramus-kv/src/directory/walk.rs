use ramus_core::{Error, Hash, Result, Step};

use super::RESTART_EVERY;
use super::dir_block::{DirBlock, start_of};
use super::item::{Body, Child, Item};
use super::reader::RawBody;

/// A walk over the items of a block: it puts each step together in one place.
#[derive(Debug)]
pub(crate) struct Walk<'a, H> {
    node: &'a DirBlock<H>,
    /// Where the next item begins.
    position: usize,
    /// The index of the next item.
    index: usize,
    /// The step of the item that was come to last.
    step: Vec<u8>,
    /// Where its body begins.
    body: usize,
}

impl<'a, H: Hash> Walk<'a, H> {
    /// Returns a walk over all items.
    pub(super) fn new(node: &'a DirBlock<H>) -> Self {
        let position = start_of(node.level());
        Self { node, position, index: 0, step: Vec::new(), body: position }
    }

    /// Returns a walk that comes to the item of an index next.
    pub(super) fn from(node: &'a DirBlock<H>, index: usize) -> Result<Self> {
        let mut walk = Self::new(node);
        let restart = index.min(node.len().saturating_sub(1)) / RESTART_EVERY;
        if restart > 0 {
            walk.position = node.restart(restart);
            walk.index = restart * RESTART_EVERY;
        }
        while walk.index < index && walk.advance()? {}
        Ok(walk)
    }

    /// Goes to the next item; returns whether there is one.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        if self.index >= self.node.len() {
            return Ok(false);
        }
        let mut reader = self.node.reader(self.position);
        let (shared, rest) = reader.step()?;
        self.step.truncate(usize::try_from(shared).unwrap_or(usize::MAX));
        self.step.extend_from_slice(rest);
        self.body = reader.position();
        reader.skip_body::<H>(self.node.level())?;
        self.position = reader.position();
        self.index += 1;
        Ok(true)
    }

    /// Passes the items of two walks that lie within the same bytes. Both have come to the same step, or begin.
    pub(super) fn pass_same(&mut self, other: &mut Self) -> Result<()> {
        let (position, index) = (self.position, self.index);
        let same = same_at_start(self.bytes_left(), other.bytes_left());
        let end = position + same;
        if index == other.index {
            // What begins within the same bytes begins at the same place in both.
            let restarts = self.node.len().min(other.node.len()).div_ceil(RESTART_EVERY);
            let behind = (index.div_ceil(RESTART_EVERY)..restarts)
                .map(|restart| (restart, self.node.restart(restart)));
            let behind = behind.take_while(|(_, start)| (position..=end).contains(start));
            if let Some((restart, start)) = behind.last() {
                (self.index, self.position) = (restart * RESTART_EVERY, start);
            }
        }
        while self.end_of_next()?.is_some_and(|next| next <= end) {
            self.advance()?;
        }
        other.index += self.index - index;
        other.position += self.position - position;
        other.step.clone_from(&self.step);
        Ok(())
    }

    /// Returns the bytes of the items that were not come to.
    fn bytes_left(&self) -> &'a [u8] {
        self.node.block().get(self.position..self.node.end_of_items()).unwrap_or_default()
    }

    /// Returns where the next item ends, if there is one.
    fn end_of_next(&self) -> Result<Option<usize>> {
        if self.index >= self.node.len() {
            return Ok(None);
        }
        let mut reader = self.node.reader(self.position);
        reader.step()?;
        reader.skip_body::<H>(self.node.level())?;
        Ok(Some(reader.position()))
    }

    /// Returns the item that was come to.
    pub(super) fn item(&self) -> Result<Item<H>> {
        let step = Step::copy_from_slice(&self.step).map_err(no_step)?;
        Ok(Item { step, body: self.body()? })
    }

    /// Returns the step of the item that was come to.
    pub(super) fn step(&self) -> &[u8] {
        &self.step
    }

    /// Returns how many items were come to, counted from the first of the block.
    pub(super) fn passed(&self) -> usize {
        self.index
    }

    /// Returns where the next item begins.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Returns where the body of the item begins that was come to; it ends where the next item begins.
    pub(super) fn body_position(&self) -> usize {
        self.body
    }

    /// Returns the bytes of the body of the item that was come to.
    pub(super) fn raw_body(&self) -> &'a [u8] {
        self.node.block().get(self.body..self.position).unwrap_or_default()
    }

    /// Returns the block that the item names, of whatever kind, if it names one.
    pub(crate) fn named(&self) -> Result<Option<H>> {
        Ok(match self.node.reader(self.body).body(self.node.level())? {
            RawBody::Child(Child { hash, .. })
            | RawBody::Directory { hash }
            | RawBody::Conflict { hash }
            | RawBody::Block { hash, .. } => Some(hash),
            RawBody::Inline { .. } => None,
        })
    }

    /// Returns the block of a directory that the item names, if it names one: a child, or the root
    /// that its entry leads to. What a conflict is of is a directory, too.
    pub(crate) fn directory(&self) -> Result<Option<H>> {
        Ok(match self.node.reader(self.body).body(self.node.level())? {
            RawBody::Child(Child { hash, .. })
            | RawBody::Directory { hash }
            | RawBody::Conflict { hash } => Some(hash),
            RawBody::Block { .. } | RawBody::Inline { .. } => None,
        })
    }

    /// Returns the body of the item that was come to.
    pub(crate) fn body(&self) -> Result<Body<H>> {
        self.node.body_at(self.body)
    }
}

/// Returns the error for an item without a step.
pub(super) fn no_step(fault: Error) -> Error {
    Error::corrupt("an item has no valid step").with_source(fault)
}

/// Bytes are compared so many at a time.
const AT_ONCE: [usize; 3] = [1024, 64, 1];

/// Returns how many bytes are the same.
fn same_at_start(one: &[u8], other: &[u8]) -> usize {
    AT_ONCE.iter().fold(0, |same, size| {
        let chunks = one[same..].chunks_exact(*size).zip(other[same..].chunks_exact(*size));
        same + size * chunks.take_while(|(one, other)| one == other).count()
    })
}
