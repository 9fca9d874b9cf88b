use ramus_core::Hash;

use super::item::{Body, Child, Entry, Held, Item};
use super::reader::kind;
use super::{INDEX_TAG, LEAF_TAG, RESTART_EVERY, varint};

/// Returns the bytes of the block that has these items, which ascend strictly and are of this level.
pub(super) fn encode<H: Hash>(level: u8, items: &[Item<H>]) -> Vec<u8> {
    let mut out = if level == 0 { vec![LEAF_TAG] } else { vec![INDEX_TAG, level] };
    let mut restarts = Vec::with_capacity(items.len().div_ceil(RESTART_EVERY));
    let mut last: &[u8] = &[];
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
        last = step;
    }
    for offset in restarts {
        out.extend_from_slice(&to_u32(offset));
    }
    out.extend_from_slice(&to_u32(items.len()));
    out
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
