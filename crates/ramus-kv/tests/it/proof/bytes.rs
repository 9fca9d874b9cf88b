//! The encoding of proofs, written anew from its description.

use ramus_core::{Hash as _, Key as _, Sha1};

/// A proof, part by part, for whoever wants to change one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raw {
    pub(crate) version: u8,
    pub(crate) hash: Vec<u8>,
    pub(crate) format: Vec<u8>,
    pub(crate) before: Sha1,
    pub(crate) after: Sha1,
    pub(crate) blocks: Vec<Vec<u8>>,
}

impl Raw {
    /// Returns the proof of a computation that changes nothing.
    pub(crate) fn of(root: Sha1, blocks: Vec<Vec<u8>>) -> Self {
        let (hash, format) = (b"sha1".to_vec(), b"native".to_vec());
        let mut raw = Self { version: 3, hash, format, before: root, after: root, blocks };
        raw.sort();
        raw
    }

    pub(crate) fn name(block: &[u8]) -> Sha1 {
        Sha1::of(block)
    }

    pub(crate) fn sort(&mut self) {
        self.blocks.sort_by_key(|block| Self::name(block));
    }

    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let mut rest = encoded.strip_prefix(b"ramus proof").expect("the mark");
        let version = take(&mut rest, 1)[0];
        let (hash, format) = (take_bytes(&mut rest), take_bytes(&mut rest));
        let before = Sha1::from_bytes(&take(&mut rest, 20)).expect("a hash");
        let after = Sha1::from_bytes(&take(&mut rest, 20)).expect("a hash");
        let blocks = (0..take_varint(&mut rest)).map(|_| take_block(&mut rest)).collect();
        assert!(rest.is_empty());
        let raw = Self { version, hash, format, before, after, blocks };
        assert_eq!(raw.encode(), encoded);
        raw
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.head();
        put_varint(&mut out, self.blocks.len());
        for block in &self.blocks {
            put_block(&mut out, block);
        }
        out
    }

    /// Returns what comes before the number of blocks.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut out = [&b"ramus proof"[..], &[self.version]].concat();
        put_bytes(&mut out, &self.hash);
        put_bytes(&mut out, &self.format);
        out.extend_from_slice(self.before.as_bytes());
        out.extend_from_slice(self.after.as_bytes());
        out
    }
}

/// Puts a block in the shorter of its forms.
pub(crate) fn put_block(out: &mut Vec<u8>, block: &[u8]) {
    match packed(block).filter(|packed| packed.len() < block.len()) {
        Some(packed) => put_form(out, &packed, 1),
        None => put_form(out, block, 0),
    }
}

/// Puts a form of a block: 1 for the packed one.
pub(crate) fn put_form(out: &mut Vec<u8>, bytes: &[u8], form: usize) {
    put_varint(out, 2 * bytes.len() + form);
    out.extend_from_slice(bytes);
}

fn take_block(rest: &mut &[u8]) -> Vec<u8> {
    let number = take_varint(rest);
    let bytes = take(rest, number / 2);
    if number.is_multiple_of(2) { bytes } else { unpacked(&bytes) }
}

/// An item of a block: its step, the numbers and the kind of a body, and the parts that these tell of.
#[derive(Clone, Default)]
struct Item {
    step: Vec<u8>,
    head: Vec<usize>,
    parts: Vec<u8>,
}

/// Returns the packed form of a block, if it has one.
pub(crate) fn packed(block: &[u8]) -> Option<Vec<u8>> {
    let items = items_of(block)?;
    if block_of(block, &items) != block {
        return None;
    }
    let weight: usize = items.iter().map(weight).sum();
    if weight > 8192 && items.len() > 1 {
        return None;
    }
    let mut out = block[..if block[0] == 2 { 1 } else { 2 }].to_vec();
    let mut last: &[u8] = &[];
    let mut runs: Vec<(Vec<usize>, usize, Vec<u8>)> = Vec::new();
    for item in &items {
        let shared = common(last, &item.step);
        let rest = &item.step[shared..];
        if rest.is_empty() {
            return None;
        }
        let head = [&[shared, rest.len()][..], &item.head].concat();
        if runs.last().is_none_or(|run| run.0 != head) {
            runs.push((head, 0, Vec::new()));
        }
        let (_, count, bytes) = runs.last_mut().expect("there is one");
        *count += 1;
        bytes.extend([rest, &item.parts].concat());
        last = &item.step;
    }
    for (head, count, bytes) in runs {
        put_varint(&mut out, count);
        for number in head {
            put_varint(&mut out, number);
        }
        out.extend(bytes);
    }
    Some(out)
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let is_leaf = packed[0] == 2;
    let mut rest = &packed[if is_leaf { 1 } else { 2 }..];
    let (mut items, mut last) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let count = take_varint(&mut rest);
        let (shared, length) = (take_varint(&mut rest), take_varint(&mut rest));
        let mut head = Vec::new();
        if is_leaf {
            head.push(take_varint(&mut rest));
            let numbers = [0, 1, 0, 2, 0][head[0]];
            head.extend((0..numbers).map(|_| take_varint(&mut rest)));
        }
        for _ in 0..count {
            last.truncate(shared);
            last.extend(take(&mut rest, length));
            let parts = if is_leaf {
                let hash = if head[0] == 3 { 0 } else { 20 };
                take(&mut rest, head[1..].iter().sum::<usize>() + hash)
            } else {
                let before = rest;
                take_child(&mut rest).expect("a child");
                before[..before.len() - rest.len()].to_vec()
            };
            items.push(Item { step: last.clone(), head: head.clone(), parts });
        }
    }
    block_of(packed, &items)
}

/// Returns the block of these items, which begins as another one does.
fn block_of(like: &[u8], items: &[Item]) -> Vec<u8> {
    let mut out = like[..if like[0] == 2 { 1 } else { 2 }].to_vec();
    let (mut restarts, mut last): (Vec<u32>, &[u8]) = (Vec::new(), &[]);
    for (index, item) in items.iter().enumerate() {
        let shared = if index % 16 == 0 {
            restarts.push(u32::try_from(out.len()).expect("a small block"));
            0
        } else {
            common(last, &item.step)
        };
        put_varint(&mut out, shared);
        put_bytes(&mut out, &item.step[shared..]);
        put_body(&mut out, item);
        last = &item.step;
    }
    let numbers = restarts.into_iter().chain([u32::try_from(items.len()).expect("few")]);
    out.extend(numbers.flat_map(u32::to_be_bytes));
    out
}

fn put_body(out: &mut Vec<u8>, item: &Item) {
    let mut parts = &item.parts[..];
    let Some((kind, lengths)) = item.head.split_first() else { return out.extend(parts) };
    out.push(u8::try_from(*kind).expect("a byte"));
    for length in lengths {
        put_bytes(out, &take(&mut parts, *length));
    }
    out.extend(parts);
}

fn weight(item: &Item) -> usize {
    let mut body = Vec::new();
    put_body(&mut body, item);
    let mut step = Vec::new();
    put_bytes(&mut step, &item.step);
    1 + step.len() + body.len()
}

/// Returns the items of a block, as far as there are some.
fn items_of(block: &[u8]) -> Option<Vec<Item>> {
    let start = match block {
        [2, ..] => 1,
        [4, 1..=14, ..] => 2,
        _ => return None,
    };
    let len = u32::from_be_bytes(*block.last_chunk()?) as usize;
    let end = block.len().checked_sub(4 * len.div_ceil(16) + 4)?;
    let mut rest = block[..end].get(start..)?;
    let (mut items, mut step) = (Vec::new(), Vec::new());
    for _ in 0..len {
        let shared = try_varint(&mut rest)?;
        let length = try_varint(&mut rest)?;
        step.truncate(shared);
        step.extend(try_take(&mut rest, length)?);
        let (mut head, mut parts) = (Vec::new(), Vec::new());
        if start == 2 {
            let before = rest;
            take_child(&mut rest)?;
            parts.extend(&before[..before.len() - rest.len()]);
        } else {
            let kind = try_take(&mut rest, 1)?[0];
            head.push(usize::from(kind));
            let most: &[usize] = match kind {
                1 => &[256],
                2 | 4 => &[],
                3 => &[256, 128],
                _ => return None,
            };
            for most in most {
                let length = try_varint(&mut rest).filter(|length| length <= most)?;
                head.push(length);
                parts.extend(try_take(&mut rest, length)?);
            }
            if kind != 3 {
                parts.extend(try_take(&mut rest, 20)?);
            }
        }
        items.push(Item { step: step.clone(), head, parts });
    }
    rest.is_empty().then_some(items)
}

/// Takes the hash, the count and the weight of a child.
fn take_child(rest: &mut &[u8]) -> Option<()> {
    try_take(rest, 20)?;
    let count = try_varint(rest)?;
    try_varint(rest)?;
    (count > 0).then_some(())
}

fn try_take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// Takes a number in its shortest form.
fn try_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u128;
    for shift in (0..70).step_by(7) {
        let byte = try_take(rest, 1)?[0];
        number |= u128::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let is_shortest = byte > 0 || shift == 0;
            return usize::try_from(number).ok().filter(|_| is_shortest);
        }
    }
    None
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("seven bits"));
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take(rest: &mut &[u8], length: usize) -> Vec<u8> {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken.to_vec()
}

fn take_varint(rest: &mut &[u8]) -> usize {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = take(rest, 1)[0];
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn take_bytes(rest: &mut &[u8]) -> Vec<u8> {
    let length = take_varint(rest);
    take(rest, length)
}
