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
        let mut raw = Self { version: 1, hash, format, before: root, after: root, blocks };
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
        let blocks = (0..take_varint(&mut rest)).map(|_| take_bytes(&mut rest)).collect();
        assert!(rest.is_empty());
        let raw = Self { version, hash, format, before, after, blocks };
        assert_eq!(raw.encode(), encoded);
        raw
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = self.head();
        put_varint(&mut out, self.blocks.len());
        for block in &self.blocks {
            put_bytes(&mut out, block);
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
