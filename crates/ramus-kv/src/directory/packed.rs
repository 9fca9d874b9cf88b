//! Blocks of directories in the shorter form in which proofs have them.
//!
//! What the items of a block look like is the same for most of those that stand beside each other: how long their
//! steps and values are, of what kind they are. So that is said once for a run of them. Where items stand in full, and
//! how many there are, follows from the items. The documentation of [`Proof`](crate::Proof) has the form.
//!
//! It is a matter of bytes alone: whether steps ascend, or are steps at all, is seen when the block is decoded.

use std::ops::Range;

use ramus_core::{Error, Hash, Result};

use super::dir_block::start_of;
use super::encode::common;
use super::item::step_weight;
use super::reader::{RawBody, Reader, kind};
use super::rule::{LEVEL_MAX, WEIGHT_MAX};
use super::scratch::Scratch;
use super::{INDEX_TAG, INLINE_MAX, LEAF_TAG, METADATA_MAX, RESTART_EVERY};

/// The longest part of an item that is packed: no block of several items has a longer one.
const PART_MAX: usize = 8192;
const _: () = assert!(PART_MAX as u64 == WEIGHT_MAX);

/// More than a block has that has a packed form: its items, one of which may be too much, and its restarts.
const BLOCK_MAX: usize = 3 * PART_MAX;

/// Packs blocks and unpacks them, one after the other in the same room.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    out: Scratch,
    /// The step of the last item.
    last: Scratch,
    /// Where items begin that stand in full.
    restarts: Vec<usize>,
}

/// What the items of a run have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    /// How many bytes a step shares with the one before it.
    shared: usize,
    /// How many others it has.
    rest: usize,
    /// The kind of an entry; 0 of a child.
    kind: u8,
    /// How many bytes of metadata there are.
    metadata: usize,
    /// How long the contents are that stand in the entry.
    value: usize,
}

impl Packer {
    /// Returns the packed form of a block, if it has one that is shorter.
    pub(crate) fn pack<H: Hash>(&mut self, block: &[u8]) -> Option<&[u8]> {
        self.pack_items::<H>(block)?;
        Some(self.out.bytes()).filter(|packed| packed.len() < block.len())
    }

    fn pack_items<H: Hash>(&mut self, block: &[u8]) -> Option<()> {
        let level = packable_level(block)?;
        let len = u32::from_be_bytes(*block.last_chunk()?) as usize;
        let end = block.len().checked_sub(4 * len.div_ceil(RESTART_EVERY) + 4)?;
        let (start, (items, restarts)) = (start_of(level), block.split_at(end));
        // What takes more than the block itself is not shorter.
        self.begin(block.len());
        self.out.put(items.get(..start)?, start)?;
        let (mut reader, mut weight) = (Reader::new(items, start), 0);
        let (mut run, mut head_before) = (Run::default(), Head::default());
        for index in 0..len {
            let position = reader.position();
            let (shared, mut rest) = reader.step().ok()?;
            let mut shared = usize::try_from(shared).ok()?;
            if index.is_multiple_of(RESTART_EVERY) {
                let restart = restarts.get(index / RESTART_EVERY * 4..)?.first_chunk()?;
                if shared != 0 || u32::from_be_bytes(*restart) as usize != position {
                    return None;
                }
                shared = common(self.last.bytes(), rest);
                rest = &rest[shared..];
            }
            let body = reader.position();
            let rest_from = &block[body - rest.len()..];
            self.goes_on(shared, (rest_from, rest.len()))?;
            let (kind, metadata, content) = parts_of_body::<H>(level, &mut reader)?;
            let behind = reader.position();
            weight += step_weight(self.last.len()) + (behind - body) as u64;
            if weight > WEIGHT_MAX && len > 1 {
                return None;
            }
            let value = if kind == kind::INLINE { content } else { 0 };
            let head = Head { shared, rest: rest.len(), kind, metadata: metadata.len(), value };
            if head != head_before {
                run.end(&mut self.out)?;
                run = Run { begin: self.out.len(), count: 0 };
                self.out.number(0)?;
                head.put(&mut self.out)?;
                head_before = head;
            }
            run.count += 1;
            self.out.put(rest_from, rest.len())?;
            if !metadata.is_empty() {
                self.out.put(metadata, metadata.len())?;
            }
            self.out.put(&block[behind - content..], content)?;
        }
        run.end(&mut self.out)?;
        (reader.position() == end).then_some(())
    }

    /// Returns the block of which this is the packed form.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) if no block has this packed form, or a shorter one of its own.
    pub(crate) fn unpack<H: Hash>(&mut self, packed: &[u8]) -> Result<&[u8]> {
        let level = packable_level(packed).ok_or_else(|| {
            Error::corrupt("a packed block is none of a directory below level 15")
        })?;
        let start = start_of(level);
        self.begin(BLOCK_MAX);
        self.out.put(packed, start).ok_or_else(too_heavy)?;
        let (mut reader, mut head_before) = (Reader::new(packed, start), Head::default());
        let mut sum = Sum { len: 0, weight: 0 };
        while reader.position() < packed.len() {
            let count = reader.varint()?;
            let (head, written) = Head::read(level, &mut reader)?;
            if count == 0 || head == head_before {
                let message = "a run of a packed block is empty, or goes on as the one before";
                return Err(Error::corrupt(message));
            }
            head_before = head;
            // Each item takes a byte at least, so a wrong number comes to the end of the bytes.
            for _ in 0..count {
                self.unpack_item::<H>((level, &head, &written), (packed, &mut reader), &mut sum)?;
            }
        }
        self.unpack_end(sum.len).ok_or_else(too_heavy)?;
        if packed.len() < self.out.len() {
            Ok(self.out.bytes())
        } else {
            Err(Error::corrupt("a block is packed, and not shorter for it"))
        }
    }

    #[inline]
    fn unpack_item<H: Hash>(
        &mut self,
        (level, head, written): (u8, &Head, &Written),
        (packed, reader): (&[u8], &mut Reader<'_>),
        sum: &mut Sum,
    ) -> Result<()> {
        let rest = &packed[reader.position()..];
        reader.take(head.rest)?;
        self.goes_on(head.shared, (rest, head.rest))
            .ok_or_else(|| Error::corrupt("a step of a packed block does not go on as it says"))?;
        if sum.len.is_multiple_of(RESTART_EVERY) {
            self.step_in_full().ok_or_else(too_heavy)?;
        } else {
            self.out
                .put(&packed[written.step.start..], written.step.len())
                .ok_or_else(too_heavy)?;
            self.out.put(rest, head.rest).ok_or_else(too_heavy)?;
        }
        let (body, at) = (self.out.len(), reader.position());
        let content = match head.kind {
            kind::INLINE => head.value,
            0 => {
                reader.body::<H>(level)?;
                reader.position() - at
            }
            _ => H::LENGTH,
        };
        if level == 0 {
            reader.take(head.metadata)?;
            reader.take(content)?;
        }
        self.body(head, written, (packed, at, content)).ok_or_else(too_heavy)?;
        sum.len += 1;
        sum.weight += step_weight(self.last.len()) + (self.out.len() - body) as u64;
        if sum.weight > WEIGHT_MAX && sum.len > 1 { Err(too_heavy()) } else { Ok(()) }
    }

    /// Puts the step of the last item, in full.
    fn step_in_full(&mut self) -> Option<()> {
        self.restarts.push(self.out.len());
        let step = self.last.bytes();
        self.out.number(0)?;
        self.out.number(step.len())?;
        self.out.put(step, step.len())
    }

    /// Puts the body of an item. Its metadata stand there in the packed form, and behind them so much content.
    #[inline]
    fn body(
        &mut self,
        head: &Head,
        written: &Written,
        (packed, at, content): (&[u8], usize, usize),
    ) -> Option<()> {
        let Written { kind, value, .. } = written;
        if head.metadata == 0 {
            self.out.put(&packed[kind.start..], value.end - kind.start)?;
        } else {
            self.out.put(&packed[kind.start..], kind.len())?;
            self.out.put(&packed[at..], head.metadata)?;
            self.out.put(&packed[value.start..], value.len())?;
        }
        self.out.put(&packed[at + head.metadata..], content)
    }

    /// Puts what stands behind the items of a block.
    fn unpack_end(&mut self, len: usize) -> Option<()> {
        for number in self.restarts.iter().copied().chain([len]) {
            self.out.put(&u32::try_from(number).ok()?.to_be_bytes(), 4)?;
        }
        Some(())
    }

    fn begin(&mut self, bytes: usize) {
        self.out.begin(bytes);
        // A step of a full length, which goes on for as much again.
        self.last.begin(2 * PART_MAX);
        self.restarts.clear();
    }

    /// Makes the next step of the last one, unless they share more than that, or there is no rest.
    ///
    /// The rest is so many of these bytes.
    #[inline]
    fn goes_on(&mut self, shared: usize, (rest, length): (&[u8], usize)) -> Option<()> {
        let last = self.last.bytes();
        let is_part = 0 < length && length <= PART_MAX && shared <= last.len();
        if !is_part || last.get(shared) == rest.first() {
            return None;
        }
        self.last.truncate(shared);
        self.last.put(rest, length)
    }
}

/// A run that is being packed.
#[derive(Default)]
struct Run {
    /// Where it begins: there its number of items is to stand.
    begin: usize,
    count: usize,
}

impl Run {
    fn end(&self, out: &mut Scratch) -> Option<()> {
        if self.count > 0 { out.replace_number(self.begin, self.count) } else { Some(()) }
    }
}

/// What was unpacked of a block.
struct Sum {
    len: usize,
    weight: u64,
}

impl Head {
    fn put(&self, out: &mut Scratch) -> Option<()> {
        let Self { shared, rest, kind, metadata, value } = *self;
        out.number(shared)?;
        out.number(rest)?;
        if kind != 0 {
            out.number(kind.into())?;
        }
        if matches!(kind, kind::BLOCK | kind::INLINE) {
            out.number(metadata)?;
        }
        if kind == kind::INLINE {
            out.number(value)?;
        }
        Some(())
    }

    /// Takes the head of a run; returns it, and where it stands.
    fn read(level: u8, reader: &mut Reader<'_>) -> Result<(Self, Written)> {
        let begin = reader.position();
        let mut head = Self { shared: length(reader)?, rest: length(reader)?, ..Self::default() };
        let kind = reader.position();
        if level == 0 {
            head.kind = reader.byte()?;
            if matches!(head.kind, kind::BLOCK | kind::INLINE) {
                head.metadata = length(reader)?;
            }
        }
        let value = reader.position();
        if head.kind == kind::INLINE {
            head.value = length(reader)?;
        }
        if level == 0 && !(kind::BLOCK..=kind::CONFLICT).contains(&head.kind) {
            return Err(Error::corrupt(format!("there is no entry of kind {}", head.kind)));
        }
        if head.metadata > METADATA_MAX || head.value > INLINE_MAX {
            return Err(Error::corrupt("metadata or contents are too long to stand in an entry"));
        }
        let value_end = reader.position();
        Ok((head, Written { step: begin..kind, kind: kind..value, value: value..value_end }))
    }
}

/// Where the parts of a head stand. They are written as in each item of the block, so they are copied from there.
struct Written {
    /// The lengths of a step that does not stand in full.
    step: Range<usize>,
    /// The kind and the length of the metadata, as far as there are any.
    kind: Range<usize>,
    /// The length of the contents.
    value: Range<usize>,
}

/// Takes a length, which is no longer than a block of one item may be.
fn length(reader: &mut Reader<'_>) -> Result<usize> {
    let length = usize::try_from(reader.varint()?).ok().filter(|length| *length <= PART_MAX);
    length.ok_or_else(|| Error::corrupt("a part of a packed block is longer than a block may be"))
}

/// Takes the body of an item; returns its kind, its metadata, and how long what stands behind those is.
#[inline]
fn parts_of_body<'a, H: Hash>(level: u8, reader: &mut Reader<'a>) -> Option<(u8, &'a [u8], usize)> {
    if level == 0
        && let Some(value) = reader.plain_inline()
    {
        return Some((kind::INLINE, &[], value));
    }
    let body = reader.position();
    Some(match reader.body::<H>(level).ok()? {
        RawBody::Inline { metadata, value } => (kind::INLINE, metadata, value.len()),
        RawBody::Block { metadata, .. } => (kind::BLOCK, metadata, H::LENGTH),
        RawBody::Directory { .. } => (kind::DIRECTORY, &[], H::LENGTH),
        RawBody::Conflict { .. } => (kind::CONFLICT, &[], H::LENGTH),
        RawBody::Child(_) => (0, &[], reader.position() - body),
    })
}

/// Returns the level of a block that can be packed: at level 15, nothing bounds how long a block is.
fn packable_level(block: &[u8]) -> Option<u8> {
    match *block {
        [LEAF_TAG, ..] => Some(0),
        [INDEX_TAG, level, ..] if (1..LEVEL_MAX).contains(&level) => Some(level),
        _ => None,
    }
}

fn too_heavy() -> Error {
    Error::corrupt("a packed block is heavier than a block may be")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use ramus_core::{Sha1, Step};

    use super::*;
    use crate::directory::dir_block::DirBlock;
    use crate::directory::item::{Body, Child, Entry, Held, Item};

    fn entries() -> impl Strategy<Value = Vec<u8>> {
        let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
        let hash = || Sha1::of(b"x");
        let held = prop_oneof![
            4 => prop::sample::select(vec![0, 1, 5, 5, 5, 127, 128]).prop_map(|length| Held::Inline(vec![b'v'; length].into())),
            1 => Just(Held::Block(hash())),
        ];
        let metadata = prop_oneof![4 => Just(Vec::new()), 1 => bytes(40), 1 => Just(vec![7; 256])];
        let entry = prop_oneof![
            4 => (held, metadata).prop_map(|(held, metadata)| Entry::Contents { held, metadata: metadata.into() }),
            1 => Just(Entry::Directory { hash: hash() }),
            1 => Just(Entry::Conflict { hash: hash() }),
        ];
        let step = prop_oneof!["[0-9]{2}", "[ab]{1,4}", "[a-c]{40,150}", "k[0-9]{6}"];
        prop::collection::btree_map(step, entry, 0..60).prop_map(|entries| {
            let items: Vec<_> =
                entries.into_iter().map(|(step, entry)| item(&step, Body::Entry(entry))).collect();
            DirBlock::encode(0, &items).block().to_vec()
        })
    }

    fn children() -> impl Strategy<Value = Vec<u8>> {
        let child = (1..300_u64, any::<u16>(), any::<u8>()).prop_map(|(count, weight, of)| Child {
            hash: Sha1::of(&[of]),
            count,
            weight: weight.into(),
        });
        (1..=LEVEL_MAX, prop::collection::btree_map("[0-9]{1,7}", child, 1..50)).prop_map(
            |(level, children)| {
                let items: Vec<_> = children
                    .into_iter()
                    .map(|(step, child)| item(&step, Body::Child(child)))
                    .collect();
                DirBlock::encode(level, &items).block().to_vec()
            },
        )
    }

    fn item(step: &str, body: Body<Sha1>) -> Item<Sha1> {
        Item { step: Step::new(Bytes::copy_from_slice(step.as_bytes())).expect("a step"), body }
    }

    fn packed(block: &[u8]) -> Option<Vec<u8>> {
        Packer::default().pack::<Sha1>(block).map(<[u8]>::to_vec)
    }

    fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
        Packer::default().unpack::<Sha1>(packed).ok().map(<[u8]>::to_vec)
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(block in prop_oneof![entries(), children()]) {
            // Level 15, more than a block may have, and items that are all different have none.
            if let Some(packed) = packed(&block) {
                prop_assert_eq!(unpacked(&packed), Some(block));
            }
        }

        #[test]
        fn a_block_has_one_packed_form(
            block in prop_oneof![entries(), children()],
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..4),
        ) {
            let Some(mut packed_form) = packed(&block) else { return Ok(()) };
            for (place, change, byte) in changes {
                let place = place.index(packed_form.len());
                match change {
                    0 => packed_form[place] = byte & 0x0f,
                    1 => packed_form.insert(place, byte & 0x83),
                    _ => drop(packed_form.remove(place)),
                }
                if packed_form.is_empty() {
                    return Ok(());
                }
            }
            if let Some(other) = unpacked(&packed_form) {
                prop_assert_eq!(packed(&other), Some(packed_form));
            }
        }

        #[test]
        fn a_block_that_is_written_otherwise_has_no_packed_form(
            block in entries(),
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut changed = block;
            let place = place.index(changed.len());
            changed[place] = byte;
            if let Some(packed_form) = packed(&changed) {
                prop_assert_eq!(unpacked(&packed_form), Some(changed));
            }
        }
    }

    /// The number of the items of a run takes two bytes.
    #[test]
    fn a_long_run_is_said_once() {
        let (held, metadata) = (Held::Inline(Bytes::new()), Bytes::new());
        let body: Body<Sha1> = Body::Entry(Entry::Contents { held, metadata });
        let steps = (1..=u8::MAX).filter(|byte| *byte != b'/');
        let step = |byte| Step::new(vec![byte]).expect("a step");
        let items: Vec<_> =
            steps.map(|byte| Item { step: step(byte), body: body.clone() }).collect();
        let block = DirBlock::encode(0, &items).block().to_vec();
        let form = packed(&block).expect("it is shorter");
        assert_eq!(form[..8], [LEAF_TAG, 0xfe, 1, 0, 1, kind::INLINE, 0, 0]);
        assert_eq!(form.len(), 8 + items.len());
        assert_eq!(unpacked(&form), Some(block));
    }

    /// Returns the leaf of these steps, with empty contents.
    fn leaf(steps: impl IntoIterator<Item = String>) -> Vec<u8> {
        let contents =
            || Entry::Contents { held: Held::Inline(Bytes::new()), metadata: Bytes::new() };
        let items = steps.into_iter().map(|step| item(&step, Body::Entry(contents())));
        DirBlock::encode(0, &items.collect::<Vec<_>>()).block().to_vec()
    }

    #[test]
    fn what_is_not_shorter_is_not_packed() {
        // Each is of another length than the one before.
        let block = leaf((0..40_u8).map(|index| {
            format!("{}{}", char::from(b'A' + index), "x".repeat(usize::from(index % 2)))
        }));
        let mut packer = Packer::default();
        packer.pack_items::<Sha1>(&block).expect("it has a packed form");
        let form = packer.out.bytes().to_vec();
        assert!(form.len() >= block.len(), "{} of {}", form.len(), block.len());
        assert_eq!((packed(&block), unpacked(&form)), (None, None));
    }

    #[test]
    fn what_is_written_otherwise_has_no_packed_form() {
        let block = leaf((0..60).map(|number| format!("{number:02}")));
        assert!(packed(&block).is_some());
        let restarts = block.len() - 4 * 4 - 4;
        for place in restarts..block.len() {
            let mut changed = block.clone();
            changed[place] ^= 1;
            assert_eq!(packed(&changed), None, "{place} of {}", block.len());
        }
        for place in [restarts, block.len()] {
            let mut longer = block.clone();
            longer.insert(place, 0);
            assert_eq!(packed(&longer), None, "{place} of {}", block.len());
        }
        // More than a block may have.
        let heavy = leaf(('a'..='j').map(|step| step.to_string().repeat(1000)));
        assert_eq!(packed(&heavy), None);
    }

    #[test]
    fn what_a_run_cannot_say_is_refused() {
        let items = |head: &[u8], items: &[u8]| unpacked(&[&[LEAF_TAG], head, items].concat());
        let plain = [2, 0, 1, kind::INLINE, 0, 1];
        assert!(items(&plain, b"a1b2").is_some());
        // A run of nothing, of another head.
        assert_eq!(items(&[&[0, 0, 1, kind::INLINE, 0, 2], &plain[..]].concat(), b"a1b2"), None);
        // As long as metadata and contents may be, and longer.
        for (head, length, is_right) in [
            (&[1, 0, 1, kind::INLINE, 0x80, 2, 1][..], 256 + 1, true),
            (&[1, 0, 1, kind::INLINE, 0x81, 2, 0], 257, false),
            (&[1, 0, 1, kind::INLINE, 0, 0x80, 1], 128, true),
            (&[1, 0, 1, kind::INLINE, 0, 0x81, 1], 129, false),
        ] {
            assert_eq!(items(head, &vec![b'x'; 1 + length]).is_some(), is_right, "{head:?}");
        }
    }

    #[test]
    fn what_is_too_heavy_is_not_unpacked() {
        // Steps that share a thousand bytes, each of one more.
        let (mut form, long) =
            (vec![LEAF_TAG, 1, 0, 0xe8, 0x07, kind::INLINE, 0, 0], vec![b'x'; 1000]);
        form.extend(&long);
        form.extend([200, 1, 0xe7, 0x07, 1, kind::INLINE, 0, 0]);
        form.extend((0..200).map(|index: u8| b'a' + index % 2));
        let mut packer = Packer::default();
        let refused = packer.unpack::<Sha1>(&form).expect_err("two hundred thousand bytes");
        assert!(refused.to_string().contains("heavier"), "{refused}");
    }
}
