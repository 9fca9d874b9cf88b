use ramus_core::Hash;

use super::item::{Body, Child, Entry, Held, Item};
use super::reader::kind;
use super::{INDEX_TAG, LEAF_TAG, RESTART_EVERY, varint};

/// Puts the items of a block one after the other.
pub(super) struct Encoder {
    out: Vec<u8>,
    /// Where the items begin that are written in full.
    restarts: Vec<usize>,
    len: usize,
}

impl Encoder {
    /// Returns an encoder for a block of a level, which will have about so many items and bytes.
    pub(super) fn new(level: u8, items: usize, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        if level == 0 {
            out.push(LEAF_TAG);
        } else {
            out.extend_from_slice(&[INDEX_TAG, level]);
        }
        Self { out, restarts: Vec::with_capacity(items.div_ceil(RESTART_EVERY)), len: 0 }
    }

    /// Returns how many items were put.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the next item is one that is written in full.
    pub(super) fn is_at_restart(&self) -> bool {
        self.len.is_multiple_of(RESTART_EVERY)
    }

    /// Puts the step of an item; its body has to follow. `last` is the step of the item before.
    pub(super) fn step(&mut self, last: &[u8], step: &[u8]) {
        let common = if self.is_at_restart() { 0 } else { common(last, step) };
        self.step_like_last(common, step);
    }

    /// Puts the step of an item, which begins like the step of the item before, for so many bytes.
    pub(super) fn step_like_last(&mut self, common: usize, step: &[u8]) {
        let shared = if self.begin() { 0 } else { common };
        varint::put(&mut self.out, shared as u64);
        put_bytes(&mut self.out, &step[shared..]);
    }

    /// Puts the body of an item.
    pub(super) fn body<H: Hash>(&mut self, body: &Body<H>) {
        put_body(&mut self.out, body);
    }

    /// Puts the body of an entry of contents.
    pub(super) fn contents<H: Hash>(&mut self, held: &Held<H>, metadata: &[u8]) {
        put_contents(&mut self.out, held, metadata);
    }

    /// Returns how many bytes were put.
    pub(super) fn position(&self) -> usize {
        self.out.len()
    }

    /// Puts bytes of a block that are what should be written here: the step of an item, its body, or
    /// both. Only what begins an item counts as one.
    pub(super) fn raw(&mut self, bytes: &[u8], begins_an_item: bool) {
        if begins_an_item {
            self.begin();
        }
        self.out.extend_from_slice(bytes);
    }

    /// Puts a run of items that lie in a block as they should lie here; `restarts` says where in
    /// those bytes the items begin that are written in full.
    pub(super) fn run(&mut self, bytes: &[u8], len: usize, restarts: impl Iterator<Item = usize>) {
        let start = self.out.len();
        self.restarts.extend(restarts.map(|offset| start + offset));
        self.out.extend_from_slice(bytes);
        self.len += len;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let Self { mut out, restarts, len } = self;
        out.reserve_exact(4 * restarts.len() + 4);
        for offset in restarts {
            out.extend_from_slice(&to_u32(offset));
        }
        out.extend_from_slice(&to_u32(len));
        out
    }

    /// Counts an item that begins here; returns whether it is one that is written in full.
    fn begin(&mut self) -> bool {
        let is_restart = self.is_at_restart();
        if is_restart {
            self.restarts.push(self.out.len());
        }
        self.len += 1;
        is_restart
    }
}

/// Returns the bytes of the block that has these items, which ascend strictly and are of this level.
pub(super) fn encode<H: Hash>(level: u8, items: &[Item<H>]) -> Vec<u8> {
    let bytes: usize = items.iter().map(|item| item.step.as_bytes().len() + H::LENGTH).sum();
    let mut encoder = Encoder::new(level, items.len(), bytes);
    let mut last: &[u8] = &[];
    for item in items {
        let step = item.step.as_bytes();
        encoder.step(last, step);
        encoder.body(&item.body);
        last = step;
    }
    encoder.finish()
}

/// Returns how many bytes two steps have in common from their beginning.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
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
        Body::Entry(Entry::Contents { held, metadata }) => put_contents(out, held, metadata),
        Body::Entry(Entry::Directory { hash }) => {
            out.push(kind::DIRECTORY);
            out.extend_from_slice(hash.as_bytes());
        }
        Body::Entry(Entry::Conflict { hash }) => {
            out.push(kind::CONFLICT);
            out.extend_from_slice(hash.as_bytes());
        }
        Body::Child(Child { hash, count, weight }) => {
            out.extend_from_slice(hash.as_bytes());
            varint::put(out, *count);
            varint::put(out, *weight);
        }
    }
}

fn put_contents<H: Hash>(out: &mut Vec<u8>, held: &Held<H>, metadata: &[u8]) {
    match held {
        Held::Block(hash) => {
            out.push(kind::BLOCK);
            put_bytes(out, metadata);
            out.extend_from_slice(hash.as_bytes());
        }
        Held::Inline(value) => {
            out.push(kind::INLINE);
            put_bytes(out, metadata);
            put_bytes(out, value);
        }
    }
}
