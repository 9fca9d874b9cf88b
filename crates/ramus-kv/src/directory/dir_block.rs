//! A block of a directory, read in place.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, Hash, Result, Step};

use super::blocks::check_child;
use super::check::Sum;
use super::encode::{Encoder, encode};
use super::fences::Fences;
use super::item::{Body, Child, Entry, Held, Item, step_weight};
use super::links::Links;
use super::reader::{RawBody, Reader, kind};
use super::rule::{LEVEL_MAX, WEIGHT_MAX};
use super::walk::{Walk, no_step};
use super::{INDEX_TAG, LEAF_TAG, RESTART_EVERY};

/// About how many bytes an entry of contents takes: room for so many is made beforehand.
const CONTENTS_BYTES: usize = 16;

/// A block of a directory: a leaf of entries, or an index of blocks one level down.
///
/// The block was checked as a whole when it was decoded, so that what is looked up in it can be
/// believed. Nothing is copied out of it but what is asked for.
#[derive(Clone, Debug)]
pub(crate) struct DirBlock<H> {
    block: Bytes,
    /// Where the items end.
    end: usize,
    level: u8,
    len: usize,
    count: u64,
    weight: u64,
    /// Whether an item may name a block of a directory.
    has_links: bool,
    /// Whether an item may name a block of any kind.
    has_names: bool,
    links: Links<H>,
    fences: Fences,
    hash: PhantomData<fn() -> H>,
}

impl<H: Hash> DirBlock<H> {
    /// Returns the block of these items, which ascend strictly and are of this level.
    pub(crate) fn encode(level: u8, items: &[Item<H>]) -> Self {
        let mut sum = Sum::default();
        for item in items {
            sum.count += item.body.count();
            sum.weight += item.weight();
            sum.has_links |= item.body.is_link();
            sum.has_names |= item.body.is_name();
        }
        Self::of_parts(encode(level, items), level, items.len(), &sum)
    }

    /// Returns the leaf of these contents and metadata, whose steps ascend strictly; nothing if one of them is
    /// missing, or if they are too heavy for one block.
    pub(crate) fn of_contents<'a>(
        entries: impl ExactSizeIterator<Item = (&'a Step, Option<(&'a Held<H>, &'a Bytes)>)>,
    ) -> Option<Self> {
        let len = entries.len();
        let mut encoder = Encoder::new(0, len, len * CONTENTS_BYTES);
        let mut sum = Sum { count: len as u64, ..Sum::default() };
        let mut last: &[u8] = &[];
        for (step, contents) in entries {
            let (held, metadata) = contents?;
            sum.has_names |= matches!(held, Held::Block(_));
            let step = step.as_bytes();
            encoder.step(last, step);
            let start = encoder.position();
            encoder.contents(held, metadata);
            sum.weight += step_weight(step.len()) + (encoder.position() - start) as u64;
            if sum.weight > WEIGHT_MAX {
                return None;
            }
            last = step;
        }
        Some(Self::of_parts(encoder.finish(), 0, len, &sum))
    }

    /// Returns the block of these bytes, which were encoded just now, of as many items.
    pub(super) fn of_parts(block: Vec<u8>, level: u8, len: usize, sum: &Sum) -> Self {
        Self::new(finished(block), level, len, sum)
    }

    fn new(block: Bytes, level: u8, len: usize, sum: &Sum) -> Self {
        let Sum { count, weight, has_links, has_names } = *sum;
        let (links, fences, hash) = (Links::new(), Fences::default(), PhantomData);
        // The number may be wrong before the block is checked.
        let behind_items = len.div_ceil(RESTART_EVERY).saturating_mul(4).saturating_add(4);
        let end = block.len().saturating_sub(behind_items);
        Self { block, end, level, len, count, weight, has_links, has_names, links, fences, hash }
    }

    /// Returns the node that this block is.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if it is none, in any detail.
    pub(crate) fn decode(block: Bytes) -> Result<Self> {
        let level = match (block.first(), block.get(1)) {
            (Some(&LEAF_TAG), _) => 0,
            (Some(&INDEX_TAG), Some(level)) if (1..=LEVEL_MAX).contains(level) => *level,
            _ => return Err(Error::corrupt("it is no block of a directory")),
        };
        let len = match block.last_chunk() {
            Some(len) if block.len() >= start_of(level) + 4 => u32::from_be_bytes(*len) as usize,
            _ => return Err(Error::corrupt("the block ends before its number of items")),
        };
        let node = Self::new(block, level, len, &Sum::default());
        let sum = node.check()?;
        Ok(Self::new(node.block, level, len, &sum))
    }

    pub(crate) fn block(&self) -> &Bytes {
        &self.block
    }

    /// Returns the level: 0 for a leaf.
    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// Returns how many items there are in this block.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns how many entries of the directory lie in and below this block.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns what the items weigh together.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// Returns how many bytes the block takes in memory, with all the links and fences that it may get.
    pub(crate) fn memory(&self) -> usize {
        let links = if self.has_links { self.len * Links::<H>::BYTES } else { 0 };
        let fences = Fences::bytes(self.len);
        self.block.len() + size_of::<Self>() + links + fences
    }

    pub(super) fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Returns whether an item may name a block of a directory.
    pub(crate) fn has_links(&self) -> bool {
        self.has_links
    }

    /// Returns whether an item may name a block: of a directory, or of contents.
    pub(crate) fn has_names(&self) -> bool {
        self.has_names
    }

    /// Returns the block that an item names, if that is known and the block is kept.
    pub(crate) fn follow(&self, index: usize) -> Option<Arc<Self>> {
        self.links.follow(index)
    }

    /// Remembers the block that an item names, for as long as that is kept.
    pub(crate) fn link(&self, index: usize, block: &Arc<Self>) {
        self.links.link(index, self.len, block);
    }

    /// Returns whether the block is no heavier than one may be.
    pub(super) fn is_light(&self) -> bool {
        self.weight <= WEIGHT_MAX || self.len <= 1 || self.level == LEVEL_MAX
    }

    /// Returns the entry of a step, in a leaf, and its index.
    pub(crate) fn find(&self, step: &[u8]) -> Result<Option<(usize, Entry<H>)>> {
        let place = self.seek(step)?;
        let Some(found) = place.filter(|place| place.is_exact) else { return Ok(None) };
        match self.body_at(found.body)? {
            Body::Entry(entry) => Ok(Some((found.index, entry))),
            Body::Child(_) => Err(Error::corrupt("an index block stands in for a leaf")),
        }
    }

    /// Returns the child that a step belongs below, in an index block, and its index: nothing if it
    /// comes before the first.
    pub(crate) fn find_child(&self, step: &[u8]) -> Result<Option<(usize, Child<H>)>> {
        let Some(found) = self.seek(step)? else { return Ok(None) };
        match self.body_at(found.body)? {
            Body::Child(child) => Ok(Some((found.index, child))),
            Body::Entry(_) => Err(Error::corrupt("a leaf stands in for an index block")),
        }
    }

    /// Returns the index of the entry of a step, in a leaf, and where its body begins.
    pub(crate) fn entry_of(&self, step: &[u8]) -> Result<Option<(usize, usize)>> {
        let place = self.seek(step)?.filter(|place| place.is_exact);
        Ok(place.map(|place| (place.index, place.body)))
    }

    /// Returns the index of the child that a step belongs below, in an index block, and where its body begins:
    /// nothing if the step comes before the first.
    pub(crate) fn child_of(&self, step: &[u8]) -> Result<Option<(usize, usize)>> {
        Ok(self.seek(step)?.map(|place| (place.index, place.body)))
    }

    /// Returns the entry whose body begins there.
    pub(crate) fn entry_at(&self, body: usize) -> Result<Entry<H>> {
        match self.body_at(body)? {
            Body::Entry(entry) => Ok(entry),
            Body::Child(_) => Err(Error::corrupt("an index block stands in for a leaf")),
        }
    }

    /// Returns the encoding of the contents whose entry's body begins there, if they stand in it.
    pub(crate) fn inline_at(&self, body: usize) -> Result<Option<Bytes>> {
        let value = self.reader(body).inline()?;
        Ok(value.map(|value| self.block.slice_ref(value)))
    }

    /// Returns whether the entry whose body begins there, in a leaf, is a directory.
    pub(crate) fn is_directory_at(&self, body: usize) -> bool {
        self.block.get(body) == Some(&kind::DIRECTORY)
    }

    /// Returns the block of a directory that an item names, whose body begins there.
    pub(crate) fn named_at(&self, body: usize) -> Result<H> {
        match self.reader(body).body(self.level)? {
            RawBody::Child(Child { hash, .. }) | RawBody::Directory { hash } => Ok(hash),
            RawBody::Block { .. } | RawBody::Inline { .. } | RawBody::Conflict { .. } => {
                Err(Error::corrupt("an entry that is no directory stands in for one"))
            }
        }
    }

    /// Refuses a block that is not what a child says of it, whose body begins there in this index block.
    pub(crate) fn check_child_at(&self, body: usize, below: &Self) -> Result<()> {
        let (count, weight) = self.reader(body).sum_of_child::<H>()?;
        if (self.level, count, weight) == (below.level + 1, below.count, below.weight) {
            return Ok(());
        }
        match self.body_at(body)? {
            Body::Child(child) => check_child(self.level, &child, below),
            Body::Entry(_) => Err(Error::corrupt("a leaf stands in for an index block")),
        }
    }

    /// Returns the child at an index of an index block, and how many entries lie before it there.
    pub(super) fn child_and_before(&self, index: usize) -> Result<(u64, Child<H>)> {
        let (mut walk, mut before) = (self.walk(), 0);
        for _ in 0..=index {
            walk.advance()?;
            match walk.body()? {
                Body::Child(child) if walk.passed() > index => return Ok((before, child)),
                Body::Child(child) => before += child.count,
                Body::Entry(_) => break,
            }
        }
        Err(Error::corrupt("an index block holds entries, or fewer children than it says"))
    }

    /// Returns the index of the last item whose step is not greater, or nothing if there is none.
    pub(crate) fn last_not_after(&self, step: &[u8]) -> Result<Option<usize>> {
        Ok(self.seek(step)?.map(|place| place.index))
    }

    /// Returns the item at an index, which there has to be.
    pub(crate) fn item(&self, index: usize) -> Result<Item<H>> {
        let mut walk = Walk::from(self, index)?;
        if walk.advance()? {
            walk.item()
        } else {
            Err(Error::corrupt("an item beyond the end of its block"))
        }
    }

    /// Returns all items.
    pub(crate) fn items(&self) -> Result<Vec<Item<H>>> {
        self.items_from(start_of(self.level), self.len)
    }

    /// Returns the items of these indices, of which the first stands in full.
    pub(super) fn items_in(&self, range: Range<usize>) -> Result<Vec<Item<H>>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.items_from(self.restart(range.start / RESTART_EVERY), range.len())
    }

    fn items_from(&self, position: usize, count: usize) -> Result<Vec<Item<H>>> {
        let mut items: Vec<Item<H>> = Vec::with_capacity(count);
        let (mut reader, mut last) = (self.reader(position), Vec::<u8>::new());
        while items.len() < count {
            let (shared, rest) = reader.step()?;
            last.truncate(usize::try_from(shared).unwrap_or(usize::MAX));
            last.extend_from_slice(rest);
            let step = Step::copy_from_slice(&last).map_err(no_step)?;
            let body = reader.body(self.level)?.into_body(&self.block);
            items.push(Item { step, body });
        }
        Ok(items)
    }

    /// Returns a walk over all items.
    pub(crate) fn walk(&self) -> Walk<'_, H> {
        Walk::new(self)
    }

    pub(super) fn restart(&self, restart: usize) -> usize {
        let at = self.end_of_items() + 4 * restart;
        let offset = self.block.get(at..).and_then(|rest| rest.first_chunk());
        offset.map_or(usize::MAX, |offset| u32::from_be_bytes(*offset) as usize)
    }

    #[inline]
    pub(super) fn end_of_items(&self) -> usize {
        self.end
    }

    #[inline]
    pub(super) fn reader(&self, position: usize) -> Reader<'_> {
        Reader::new(&self.block[..self.end_of_items()], position)
    }

    pub(super) fn body_at(&self, position: usize) -> Result<Body<H>> {
        Ok(self.reader(position).body(self.level)?.into_body(&self.block))
    }
}

/// Returns where the items of a block begin.
pub(super) const fn start_of(level: u8) -> usize {
    if level == 0 { 1 } else { 2 }
}

/// Returns the bytes of a block. Room that was left for more is given back where it is worth a call of
/// the allocator.
fn finished(block: Vec<u8>) -> Bytes {
    const LEFT_MAX: usize = 64;
    let left = block.capacity() - block.len();
    if left > LEFT_MAX { block.into_boxed_slice().into() } else { block.into() }
}
