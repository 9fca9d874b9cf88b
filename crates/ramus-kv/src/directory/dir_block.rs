//! A block of a directory, read in place.

use std::cmp::Ordering;
use std::marker::PhantomData;

use bytes::Bytes;
use ramus_core::{Error, Hash, Result, Step};

use super::item::{Body, Child, Entry, Held, Item};
use super::rule::LEVEL_MAX;
use super::{INDEX_TAG, INLINE_MAX, LEAF_TAG, METADATA_MAX, RESTART_EVERY, varint};

/// A block of a directory: a leaf of entries, or an index of blocks one level down.
///
/// The block was checked as a whole when it was decoded, so that what is looked up in it can be
/// believed. Nothing is copied out of it but what is asked for.
#[derive(Clone, Debug)]
pub(crate) struct DirBlock<H> {
    block: Bytes,
    level: u8,
    len: usize,
    count: u64,
    weight: u64,
    hash: PhantomData<fn() -> H>,
}

/// The kinds of an entry, as they are written.
mod kind {
    pub(super) const BLOCK: u8 = 0x01;
    pub(super) const DIRECTORY: u8 = 0x02;
    pub(super) const INLINE: u8 = 0x03;
}

impl<H: Hash> DirBlock<H> {
    /// Returns the block of these items, which ascend strictly and are of this level.
    pub(crate) fn encode(level: u8, items: &[Item<H>]) -> Self {
        let mut out = if level == 0 { vec![LEAF_TAG] } else { vec![INDEX_TAG, level] };
        let mut restarts = Vec::with_capacity(items.len().div_ceil(RESTART_EVERY));
        let mut last: &[u8] = &[];
        let (mut count, mut weight) = (0, 0);
        for (index, item) in items.iter().enumerate() {
            let step = item.step.as_bytes();
            if index.is_multiple_of(RESTART_EVERY) {
                restarts.push(out.len());
                last = &[];
            }
            let shared = common(last, step);
            varint::put(&mut out, shared as u64);
            put_bytes(&mut out, &step[shared..]);
            put_body(&mut out, &item.body);
            count += item.body.count();
            weight += item.weight();
            last = step;
        }
        for offset in restarts {
            out.extend_from_slice(&to_u32(offset));
        }
        out.extend_from_slice(&to_u32(items.len()));
        let block = out.into_boxed_slice().into();
        Self { block, level, len: items.len(), count, weight, hash: PhantomData }
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
        let node = Self { block, level, len, count: 0, weight: 0, hash: PhantomData };
        node.checked()
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

    /// Returns the entry of a step, in a leaf.
    pub(crate) fn find(&self, step: &[u8]) -> Result<Option<Entry<H>>> {
        let place = self.seek(step)?;
        let Some(found) = place.filter(|place| place.is_exact) else { return Ok(None) };
        match self.body_at(found.body)? {
            Body::Entry(entry) => Ok(Some(entry)),
            Body::Child(_) => Err(Error::corrupt("an index block stands in for a leaf")),
        }
    }

    /// Returns the index of the last item whose step is not greater, or nothing if there is none.
    pub(crate) fn last_not_after(&self, step: &[u8]) -> Result<Option<usize>> {
        Ok(self.seek(step)?.map(|place| place.index))
    }

    /// Returns the item at an index, which there has to be.
    pub(crate) fn item(&self, index: usize) -> Result<Item<H>> {
        let mut walk = self.walk_from(index)?;
        match walk.next()? {
            Some(item) => Ok(item),
            None => Err(Error::corrupt("an item beyond the end of its block")),
        }
    }

    /// Returns all items.
    pub(crate) fn items(&self) -> Result<Vec<Item<H>>> {
        let mut walk = self.walk();
        let mut items = Vec::with_capacity(self.len);
        while let Some(item) = walk.next()? {
            items.push(item);
        }
        Ok(items)
    }

    /// Returns a walk over all items.
    pub(crate) fn walk(&self) -> Walk<'_, H> {
        Walk { node: self, position: start_of(self.level), index: 0, step: Vec::new(), body: 0 }
    }

    /// Returns a walk that begins at an index.
    pub(crate) fn walk_from(&self, index: usize) -> Result<Walk<'_, H>> {
        let restart = index.min(self.len.saturating_sub(1)) / RESTART_EVERY;
        let mut walk = self.walk();
        if restart > 0 {
            walk.position = self.restart(restart);
            walk.index = restart * RESTART_EVERY;
        }
        while walk.index < index && walk.advance()? {}
        Ok(walk)
    }

    /// Checks everything, and sums up the items.
    fn checked(mut self) -> Result<Self> {
        let restarts = self.len.div_ceil(RESTART_EVERY);
        // Every item has at least as many bytes as a restart, so this bounds their number.
        let room = self.block.len() - start_of(self.level) - 4;
        if restarts.checked_mul(4).is_none_or(|bytes| bytes > room) || self.len > room {
            return Err(Error::corrupt("the block is too short for its number of items"));
        }
        if self.level > 0 && self.len == 0 {
            return Err(Error::corrupt("an index block has no children"));
        }
        let (mut count, mut weight) = (0_u64, 0_u64);
        let mut walk = self.walk();
        let mut last = Vec::new();
        loop {
            let start = walk.position;
            let is_restart = walk.index.is_multiple_of(RESTART_EVERY);
            if is_restart
                && walk.index < self.len
                && self.restart(walk.index / RESTART_EVERY) != start
            {
                return Err(Error::corrupt("a restart of the block leads elsewhere"));
            }
            if !walk.advance()? {
                break;
            }
            let shared = if is_restart { 0 } else { common(&last, &walk.step) };
            if walk.shared_at(start)? != shared as u64 {
                return Err(Error::corrupt("a step shares another length than it could"));
            }
            if !last.is_empty() && last >= walk.step {
                return Err(Error::corrupt("a step does not come after the one before it"));
            }
            let item = walk.item()?;
            count = count.checked_add(item.body.count()).ok_or_else(too_many)?;
            weight = weight.checked_add(item.weight()).ok_or_else(too_many)?;
            last.clone_from(&walk.step);
        }
        if walk.position != self.end_of_items() {
            return Err(Error::corrupt("bytes are left behind the items of the block"));
        }
        (self.count, self.weight) = (count, weight);
        Ok(self)
    }

    fn restart(&self, restart: usize) -> usize {
        let at = self.end_of_items() + 4 * restart;
        let offset = self.block.get(at..).and_then(|rest| rest.first_chunk());
        offset.map_or(usize::MAX, |offset| u32::from_be_bytes(*offset) as usize)
    }

    fn end_of_items(&self) -> usize {
        self.block.len() - 4 - 4 * self.len.div_ceil(RESTART_EVERY)
    }

    /// Finds the last item whose step is not greater.
    ///
    /// Among items between two restarts, a step is compared without being put together: the length
    /// that it shares with the one before it says how it lies to what is sought, unless that is just
    /// the length up to which the one before was equal to it.
    fn seek(&self, sought: &[u8]) -> Result<Option<Place>> {
        let restarts = self.len.div_ceil(RESTART_EVERY);
        let (mut low, mut high) = (0, restarts);
        while low < high {
            let middle = usize::midpoint(low, high);
            let mut reader = self.reader(self.restart(middle));
            reader.varint()?;
            if reader.bytes()? <= sought { low = middle + 1 } else { high = middle }
        }
        let Some(restart) = low.checked_sub(1) else { return Ok(None) };
        let mut reader = self.reader(self.restart(restart));
        let (mut found, mut equal) = (None, 0);
        let first = restart * RESTART_EVERY;
        for index in first..self.len.min(first + RESTART_EVERY) {
            let shared = reader.varint()?;
            let suffix = reader.bytes()?;
            let body = reader.position;
            let mut is_exact = false;
            match shared.cmp(&(equal as u64)) {
                // It left the common part earlier, so it lies behind what is sought.
                Ordering::Less => break,
                // It goes on like the one before, which lies before what is sought.
                Ordering::Greater => {}
                Ordering::Equal => {
                    let rest = &sought[equal..];
                    match suffix.cmp(rest) {
                        Ordering::Less => equal += common(suffix, rest),
                        Ordering::Equal => is_exact = true,
                        Ordering::Greater => break,
                    }
                }
            }
            found = Some(Place { index, body, is_exact });
            if is_exact {
                break;
            }
            self.skip_body(&mut reader)?;
        }
        Ok(found)
    }

    fn reader(&self, position: usize) -> Reader<'_> {
        Reader { bytes: &self.block[..self.end_of_items()], position }
    }

    fn body_at(&self, position: usize) -> Result<Body<H>> {
        self.read_body(&mut self.reader(position))
    }

    fn read_body(&self, reader: &mut Reader<'_>) -> Result<Body<H>> {
        if self.level > 0 {
            let hash = reader.hash()?;
            let (count, weight) = (reader.varint()?, reader.varint()?);
            if count == 0 {
                return Err(Error::corrupt("a child of an index block has no entries"));
            }
            return Ok(Body::Child(Child { hash, count, weight }));
        }
        let entry = match reader.byte()? {
            kind::BLOCK => {
                let metadata = self.metadata(reader)?;
                Entry::Contents { held: Held::Block(reader.hash()?), metadata }
            }
            kind::INLINE => {
                let metadata = self.metadata(reader)?;
                let value = reader.bytes()?;
                if value.len() > INLINE_MAX {
                    return Err(Error::corrupt("contents that are too long stand in their entry"));
                }
                Entry::Contents { held: Held::Inline(self.block.slice_ref(value)), metadata }
            }
            kind::DIRECTORY => Entry::Directory { hash: reader.hash()? },
            other => return Err(Error::corrupt(format!("there is no entry of kind {other}"))),
        };
        Ok(Body::Entry(entry))
    }

    fn metadata(&self, reader: &mut Reader<'_>) -> Result<Bytes> {
        let metadata = reader.bytes()?;
        if metadata.len() > METADATA_MAX {
            return Err(Error::corrupt("the metadata of an entry are too long"));
        }
        Ok(self.block.slice_ref(metadata))
    }

    /// Goes on behind a body that was checked when the block was decoded.
    fn skip_body(&self, reader: &mut Reader<'_>) -> Result<()> {
        if self.level > 0 {
            reader.skip(H::LENGTH)?;
            reader.varint()?;
            reader.varint()?;
            return Ok(());
        }
        match reader.byte()? {
            kind::DIRECTORY => reader.skip(H::LENGTH),
            kind::INLINE => {
                reader.bytes()?;
                reader.bytes().map(drop)
            }
            _ => {
                reader.bytes()?;
                reader.skip(H::LENGTH)
            }
        }
    }
}

/// Where a step was found, or the last one before it.
struct Place {
    index: usize,
    /// Where the body begins.
    body: usize,
    is_exact: bool,
}

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

impl<H: Hash> Walk<'_, H> {
    /// Goes to the next item; returns whether there is one.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        if self.index >= self.node.len {
            return Ok(false);
        }
        let mut reader = self.node.reader(self.position);
        let shared = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let suffix = reader.bytes()?;
        if shared > self.step.len() {
            return Err(Error::corrupt("a step shares more than the one before it has"));
        }
        self.step.truncate(shared);
        self.step.extend_from_slice(suffix);
        self.body = reader.position;
        self.node.read_body(&mut reader)?;
        self.position = reader.position;
        self.index += 1;
        Ok(true)
    }

    /// Returns the rest of the item that was come to.
    pub(crate) fn body(&self) -> Result<Body<H>> {
        self.node.body_at(self.body)
    }

    /// Returns the next item.
    pub(crate) fn next(&mut self) -> Result<Option<Item<H>>> {
        if self.advance()? { Ok(Some(self.item()?)) } else { Ok(None) }
    }

    fn item(&self) -> Result<Item<H>> {
        let step = Step::new(Bytes::copy_from_slice(&self.step))
            .map_err(|fault| Error::corrupt("an item has no valid step").with_source(fault))?;
        Ok(Item { step, body: self.body()? })
    }

    fn shared_at(&self, position: usize) -> Result<u64> {
        self.node.reader(position).varint()
    }
}

fn too_many() -> Error {
    Error::corrupt("the items of the block add up to more than 64 bits hold")
}

const fn start_of(level: u8) -> usize {
    if level == 0 { 1 } else { 2 }
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn to_u32(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a block is shorter than 4 GiB").to_be_bytes()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_body<H: Hash>(out: &mut Vec<u8>, body: &Body<H>) {
    match body {
        Body::Entry(Entry::Contents { held: Held::Block(hash), metadata }) => {
            out.push(kind::BLOCK);
            put_bytes(out, metadata);
            out.extend_from_slice(hash.as_bytes());
        }
        Body::Entry(Entry::Contents { held: Held::Inline(value), metadata }) => {
            out.push(kind::INLINE);
            put_bytes(out, metadata);
            put_bytes(out, value);
        }
        Body::Entry(Entry::Directory { hash }) => {
            out.push(kind::DIRECTORY);
            out.extend_from_slice(hash.as_bytes());
        }
        Body::Child(Child { hash, count, weight }) => {
            out.extend_from_slice(hash.as_bytes());
            varint::put(out, *count);
            varint::put(out, *weight);
        }
    }
}

/// Takes parts of a block; what is missing or malformed is an error.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.position).ok_or_else(too_short)?;
        self.position += 1;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if group << shift >> shift != group || (byte == 0 && shift > 0) {
                return Err(Error::corrupt("a number of the block is not in its shortest form"));
            }
            number |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Error::corrupt("a number of the block has more than 64 bits"))
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).map_err(|_| too_short())?;
        self.take(length)
    }

    fn hash<H: Hash>(&mut self) -> Result<H> {
        H::from_bytes(self.take(H::LENGTH)?)
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(drop)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).ok_or_else(too_short)?;
        let taken = rest.get(..length).ok_or_else(too_short)?;
        self.position += length;
        Ok(taken)
    }
}

fn too_short() -> Error {
    Error::corrupt("the block ends in the middle of an item")
}
