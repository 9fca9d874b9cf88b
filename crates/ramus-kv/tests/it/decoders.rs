//! Every decoder against bytes that are nearly right, changed in a few places.

mod targets;

use bytes::Bytes;
use ramus_core::{Hash as _, Sha1, Step};
use ramus_kv::block::{
    CHUNK_MIN, Child, CommitBlock, ContentsIndex, ContentsPart, DirectoryBlock, Entry, Held,
    INLINE_MAX,
};
use ramus_kv::{Contents as _, Counter, Format as _, Info, Json, Native, Whole};
use serde_json::json;

use self::targets::{TARGETS, with_checksums};
use crate::campaign::number_from_env;
use crate::proof::bytes::Raw;

/// How many inputs each decoder gets at scale 1.
const INPUTS: u64 = 20_000;

#[test]
fn whatever_the_bytes_a_decoder_refuses_them_or_writes_the_same() {
    let (seed, scale) = (number_from_env("RAMUS_SEED", 1), number_from_env("RAMUS_SCALE", 1));
    for (number, (name, target)) in (0..).zip(TARGETS) {
        let mut choices = Choices(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let mut accepted = Vec::new();
        for round in 0..INPUTS * scale {
            // A new one now and then, so that changes also add up.
            if round % 50 == 0 {
                accepted = choices.sound(name);
                target(&accepted);
            }
            let input = choices.changed(&accepted);
            let checked = std::panic::catch_unwind(|| target(&input));
            assert!(checked.is_ok(), "RAMUS_SEED={seed}, {name}, round {round}: {input:02x?}");
        }
    }
}

/// A source of numbers that a seed decides: `SplitMix64`.
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn length(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("less than a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.length(most + 1)).map(|_| self.byte()).collect()
    }

    fn text(&mut self, most: usize) -> String {
        let chars = ['a', 'b', 'é', '\u{1f}', '"', '\\', '語', '\u{10_0000}'];
        (0..self.length(most + 1)).map(|_| chars[self.length(chars.len())]).collect()
    }

    /// Returns bytes that the target of this name takes, with something in every part.
    fn sound(&mut self, name: &str) -> Vec<u8> {
        let encoded = match name {
            "directory" => self.directory().encode(),
            "commit" => Native::encode_commit(&self.commit()),
            "contents" => Ok(Native::encode_contents(&self.bytes(100))),
            "chunk" => {
                let bytes = self.bytes(100);
                Ok(Native::encode_chunk(&[&[0], &bytes[..]].concat()))
            }
            "contents_index" => self.contents_index(),
            "links" => match self.below(4) {
                0 => self.directory().encode(),
                1 => Native::encode_commit(&self.commit()),
                2 => self.contents_index(),
                _ => Ok(Native::encode_contents(&self.bytes(100))),
            },
            "proof" => self.proof(),
            "text" => self.text(40).encode(),
            "bytes" => Ok(self.bytes(40).into()),
            "json" => Json(self.json(3)).encode(),
            "counter" => Counter(self.next().cast_signed()).encode(),
            "whole" => self.whole(),
            "history" => Ok(self.history().into()),
            _ => panic!("no bytes are known for {name}"),
        };
        encoded.expect("it can be written").to_vec()
    }

    fn directory(&mut self) -> DirectoryBlock<Sha1> {
        let mut steps: Vec<Step> = (0..=self.length(40)).map(|_| self.step()).collect();
        steps.sort_unstable();
        steps.dedup();
        if self.below(2) == 0 {
            return DirectoryBlock::Leaf(
                steps.into_iter().map(|step| (step, self.entry())).collect(),
            );
        }
        let level = self.byte() % 15 + 1;
        let children = steps.into_iter().map(|step| (step, self.child())).collect();
        DirectoryBlock::Index { level, children }
    }

    fn contents_index(&mut self) -> ramus_core::Result<Bytes> {
        let level = self.byte() % 10 + 1;
        let shortest = (CHUNK_MIN as u64) << (5 * u32::from(level - 1));
        // At the highest level only a few of the shortest have a length together.
        let count = if level < 9 { self.length(45) } else { 1 };
        let mut parts: Vec<_> = (0..count)
            .map(|_| {
                let hash = Sha1::of(&self.next().to_be_bytes());
                ContentsPart { hash, length: shortest + self.below(shortest) }
            })
            .collect();
        // Some would end the block, and are not taken before its end.
        parts.retain(|part| part.hash.as_bytes()[0] >= 2);
        parts.push(ContentsPart { hash: Sha1::of(&[self.byte()]), length: 1 + self.below(9) });
        Native::encode_contents_index(&ContentsIndex { level, parts })
    }

    fn proof(&mut self) -> ramus_core::Result<Bytes> {
        let root = self.directory().encode()?;
        let mut raw = Raw::of(Raw::name(&root), vec![root.to_vec()]);
        for _ in 0..self.length(4) {
            raw.blocks.push(self.directory().encode()?.to_vec());
            raw.blocks.push([&[0x01], &self.bytes(90)[..]].concat());
        }
        raw.sort();
        raw.blocks.dedup();
        Ok(raw.encode().into())
    }

    fn step(&mut self) -> Step {
        let length = if self.below(8) == 0 { self.length(150) } else { self.length(6) };
        let bytes: Vec<u8> = (0..=length).map(|_| b"ab.\xff"[self.length(4)]).collect();
        Step::new(bytes).expect("a step")
    }

    fn entry(&mut self) -> Entry<Sha1> {
        let hash = Sha1::of(&[self.byte()]);
        let metadata = Bytes::from(if self.below(4) == 0 { self.bytes(20) } else { Vec::new() });
        match self.below(4) {
            0 => Entry::Directory { hash },
            1 => Entry::Conflict { hash },
            2 => Entry::Contents { held: Held::Block(hash), metadata },
            _ => {
                let held = Held::Inline(self.bytes(INLINE_MAX).into());
                Entry::Contents { held, metadata }
            }
        }
    }

    fn child(&mut self) -> Child<Sha1> {
        let (count, weight) = (1 + self.next() % (u64::MAX >> (6 + self.below(50))), self.next());
        Child { hash: Sha1::of(&[self.byte()]), count, weight: weight >> self.below(64) }
    }

    fn commit(&mut self) -> CommitBlock<Sha1> {
        let mut info = Info::new(self.text(20))
            .with_author(self.text(9))
            .with_time_ms(self.next().cast_signed());
        for _ in 0..self.length(4) {
            info = info.with_header(self.text(3), self.bytes(9));
        }
        let parents = (0..self.length(4)).map(|_| Sha1::of(&[self.byte()])).collect();
        CommitBlock { root: Sha1::of(&[self.byte()]), parents, info }
    }

    fn json(&mut self, depth: u32) -> serde_json::Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => json!(self.next().cast_signed() >> self.below(64)),
            1 => json!(f64::from_bits(self.next())),
            2 => json!(self.text(6)),
            3 => json!(self.below(2) == 0),
            4 => json!(null),
            5 => (0..self.length(4)).map(|_| self.json(depth - 1)).collect(),
            _ => (0..self.length(4))
                .map(|_| (self.text(2), self.json(depth - 1)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    fn whole(&mut self) -> ramus_core::Result<Bytes> {
        let [low, high, ..] = self.next().to_le_bytes();
        let first = u16::from_le_bytes([low, high]);
        let third = (self.below(2) == 0).then(|| i32::from(first) << self.below(15));
        let flags: Vec<bool> = (0..self.length(5)).map(|_| self.below(2) == 0).collect();
        let map: std::collections::BTreeMap<_, _> =
            (0..self.length(4)).map(|_| (self.text(2), self.next())).collect();
        let last: Result<char, Vec<u8>> =
            if self.below(2) == 0 { Ok('語') } else { Err(self.bytes(9)) };
        Whole((first, self.text(9), third, flags, map, last)).encode()
    }

    /// Returns a history index of one part or two.
    fn history(&mut self) -> Vec<u8> {
        let (mut bytes, mut commits, mut told) = (vec![0; 22], 0, 0);
        for _ in 0..=self.below(2) {
            let (new, mut body) = (1 + self.length(4), Vec::new());
            body.push(u8::try_from(new).expect("a few"));
            for commit in commits..commits + new {
                body.extend(Sha1::of(&commit.to_le_bytes()).as_bytes());
                let parents = if commit == 0 { 0 } else { self.length(3) };
                body.push(u8::try_from(parents).expect("a few"));
                let distance = |choices: &mut Self| 1 + choices.length(commit);
                body.extend((0..parents).flat_map(|_| u8::try_from(distance(self))));
            }
            commits += new;
            let telling = self.length(commits - told + 1);
            told += telling;
            body.push(u8::try_from(telling).expect("a few"));
            for _ in 0..telling {
                let mut keys: Vec<u64> = (0..self.length(4)).map(|_| self.next()).collect();
                keys.sort_unstable();
                body.push(u8::try_from(keys.len()).expect("a few"));
                body.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
            }
            bytes.extend(u32::try_from(body.len()).expect("small").to_be_bytes());
            bytes.extend(body);
            bytes.extend([0; 8]);
        }
        let bytes = with_checksums(&bytes);
        ramus_kv::HistoryIndex::<Sha1>::decode(&bytes).expect("it is sound");
        bytes
    }

    /// Returns bytes with a few changes.
    fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.length(4) {
            let at = self.length(bytes.len() + 1);
            let until = bytes.len().min(at + self.length(6));
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.byte(),
                2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
                3 => bytes.insert(at, self.byte()),
                4 => drop(bytes.drain(at..until)),
                5 => bytes.truncate(at),
                6 => {
                    let from = self.length(bytes.len() + 1);
                    let copied = bytes[from..bytes.len().min(from + 20)].to_vec();
                    bytes.splice(at..until, copied);
                }
                _ => {
                    let new = self.bytes(9);
                    bytes.splice(at..until, new);
                }
            }
        }
        bytes
    }
}
