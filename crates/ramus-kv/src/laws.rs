//! The laws of contents types, for everyone who writes one (feature `testkit`).
//!
//! A law panics, naming the samples, if a type breaks it. Give a handful of samples that differ
//! from each other in the ways that matter to the type; every law is tried on all pairs or triples
//! of them, so twenty are many.
//!
//! ```
//! use ramus_kv::{Counter, laws};
//!
//! let samples = [Counter(0), Counter(1), Counter(-7), Counter(1 << 40)];
//! laws::codec_laws(&samples);
//! laws::merge_laws(&samples);
//! // What only some types promise, law by law:
//! laws::the_sides_are_alike(&samples);
//! laws::deletion_against_change_conflicts(&samples);
//! ```
//!
//! Of a type that has parts (the members of a set, the lines of a text, or the value itself where a
//! merge chooses a side) two more can be asked:
//!
//! ```
//! use ramus_kv::{Set, laws};
//!
//! let samples = [vec![], vec![1], vec![1, 2], vec![2, 3]].map(|items| Set::from_iter(items));
//! laws::nothing_is_made_up(&samples, |set| set.0.clone());
//! laws::what_all_have_is_kept(&samples, |set| set.0.clone());
//! ```

use std::fmt::Debug;

use bytes::Bytes;

use crate::{Conflict, Contents};

/// Checks every law of encoding and decoding.
pub fn codec_laws<C: Contents>(samples: &[C]) {
    what_was_encoded_decodes(samples);
    equal_values_alone_have_equal_bytes(samples);
    other_bytes_are_refused(samples);
}

/// Checks every law of merging that holds for all types.
pub fn merge_laws<C: Contents>(samples: &[C]) {
    where_one_side_is_unchanged_the_other_stands(samples);
    equal_sides_agree(samples);
    merging_again_gives_the_same(samples);
    what_was_merged_can_be_stored(samples);
}

/// Checks that a value decodes from its own encoding.
pub fn what_was_encoded_decodes<C: Contents>(samples: &[C]) {
    for value in samples {
        assert_eq!(C::decode(&encode(value)).as_ref().ok(), Some(value), "law: it decodes");
    }
}

/// Checks that equal values have equal bytes, and different ones different bytes.
pub fn equal_values_alone_have_equal_bytes<C: Contents>(samples: &[C]) {
    for (a, b) in pairs(samples) {
        let equal_bytes = encode(a) == encode(b);
        assert_eq!(equal_bytes, a == b, "law: equal bytes mean equal values: {a:?}, {b:?}");
    }
}

/// Checks that the encodings of the samples, with one byte less, one more, or one changed, are
/// refused, or are the encoding of what they decode to; and that nothing panics over them.
///
/// Of a long encoding about a thousand places are tried.
pub fn other_bytes_are_refused<C: Contents>(samples: &[C]) {
    for value in samples {
        for bytes in neighbours(&encode(value)) {
            if let Ok(other) = C::decode(&bytes) {
                assert_eq!(encode(&other), bytes, "law: one value, one encoding: {other:?}");
            }
        }
    }
}

/// Checks that where one side is as the ancestor, the merge is the other side, absence included.
pub fn where_one_side_is_unchanged_the_other_stands<C: Contents>(samples: &[C]) {
    for (ancestor, side) in pairs(&sides(samples)) {
        let (ancestor, side) = (ancestor.as_ref(), side.as_ref());
        let stands = Ok(side.cloned());
        for (ours, theirs) in [(ancestor, side), (side, ancestor)] {
            let merged = C::merge(ancestor, ours, theirs);
            assert_eq!(merged, stands, "law: {}", case(ancestor, ours, theirs));
        }
    }
}

/// Checks that the merge of equal sides is what they are, unless the type says that
/// [they have to be merged](Contents::MERGES_EQUAL_SIDES); and that what both deleted is gone.
pub fn equal_sides_agree<C: Contents>(samples: &[C]) {
    for (ancestor, side) in pairs(&sides(samples)) {
        let (ancestor, side) = (ancestor.as_ref(), side.as_ref());
        if side.is_none() || !C::MERGES_EQUAL_SIDES {
            let merged = C::merge(ancestor, side, side);
            assert_eq!(merged, Ok(side.cloned()), "law: {}", case(ancestor, side, side));
        }
    }
}

/// Checks that a merge depends on its three arguments alone.
pub fn merging_again_gives_the_same<C: Contents>(samples: &[C]) {
    for_each_merge(samples, |ancestor, ours, theirs, merged| {
        let again = C::merge(ancestor, ours, theirs);
        assert_eq!(again, merged, "law: the same again: {}", case(ancestor, ours, theirs));
    });
}

/// Checks that what a merge gives encodes, and decodes again.
pub fn what_was_merged_can_be_stored<C: Contents>(samples: &[C]) {
    for_each_merge(samples, |ancestor, ours, theirs, merged| {
        if let Ok(Some(merged)) = merged {
            let stored = merged.encode().and_then(|bytes| C::decode(&bytes));
            let case = case(ancestor, ours, theirs);
            assert_eq!(stored.ok(), Some(merged), "law: it can be stored: {case}");
        }
    });
}

/// Checks that it does not matter which side is which: the merge is the same, or both conflict.
pub fn the_sides_are_alike<C: Contents>(samples: &[C]) {
    for_each_merge(samples, |ancestor, ours, theirs, merged| {
        let swapped = C::merge(ancestor, theirs, ours);
        assert_eq!(swapped.ok(), merged.ok(), "law: alike: {}", case(ancestor, ours, theirs));
    });
}

/// Checks that a value that one side deleted and the other changed is a conflict.
pub fn deletion_against_change_conflicts<C: Contents>(samples: &[C]) {
    for (ancestor, changed) in pairs(samples).filter(|(ancestor, changed)| ancestor != changed) {
        let (ancestor, changed) = (Some(ancestor), Some(changed));
        for (ours, theirs) in [(changed, None), (None, changed)] {
            let merged = C::merge(ancestor, ours, theirs);
            assert!(merged.is_err(), "law: a conflict: {}", case(ancestor, ours, theirs));
        }
    }
}

/// Checks that what is in a merge was in one of its sides: each of its parts is a part of ours or of
/// theirs.
pub fn nothing_is_made_up<C: Contents, P: PartialEq + Debug, I: IntoIterator<Item = P>>(
    samples: &[C],
    parts: impl Fn(&C) -> I,
) {
    let parts = |side: Option<&C>| side.map(&parts).into_iter().flatten().collect::<Vec<P>>();
    for_each_merge(samples, |ancestor, ours, theirs, merged| {
        let (our_parts, their_parts) = (parts(ours), parts(theirs));
        for part in parts(merged.ok().flatten().as_ref()) {
            let is_of_a_side = our_parts.contains(&part) || their_parts.contains(&part);
            let case = case(ancestor, ours, theirs);
            assert!(is_of_a_side, "law: made up: {part:?}: {case}");
        }
    });
}

/// Checks that what the ancestor and both sides have is in their merge.
///
/// That is promised by types whose parts are what they are, such as the members of a set. Where parts
/// can be equal (the lines of a text), each side may remove another of them.
pub fn what_all_have_is_kept<C: Contents, P: PartialEq + Debug, I: IntoIterator<Item = P>>(
    samples: &[C],
    parts: impl Fn(&C) -> I,
) {
    let parts = |side: &C| parts(side).into_iter().collect::<Vec<P>>();
    for_each_merge(samples, |ancestor, ours, theirs, merged| {
        let (Some(before), Some(one), Some(other)) = (ancestor, ours, theirs) else { return };
        let Ok(Some(merged)) = merged else { return };
        let (one, other, merged) = (parts(one), parts(other), parts(&merged));
        for part in parts(before) {
            let all_have_it = one.contains(&part) && other.contains(&part);
            let case = case(ancestor, ours, theirs);
            assert!(!all_have_it || merged.contains(&part), "law: lost: {part:?}: {case}");
        }
    });
}

fn encode<C: Contents>(value: &C) -> Bytes {
    match value.encode() {
        Ok(bytes) => bytes,
        Err(error) => panic!("law: samples can be stored: {value:?}: {error:?}"),
    }
}

/// Returns byte strings that are nearly `bytes`.
fn neighbours(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let stride = bytes.len() / 1000 + 1;
    (0..=bytes.len()).step_by(stride).flat_map(|place| {
        let (before, after) = bytes.split_at(place);
        let inserted = [0x00, b' ', 0xff].map(|byte| [before, &[byte], after].concat());
        let cut = [before.to_vec(), after.to_vec()];
        let changed = after.split_first().into_iter().flat_map(move |(byte, after)| {
            let flipped = (0..8).map(move |bit| [before, &[byte ^ 1 << bit], after].concat());
            flipped.chain([[before, after].concat()])
        });
        inserted.into_iter().chain(cut).chain(changed).map(Bytes::from)
    })
}

/// Returns the samples, and their absence.
fn sides<C: Contents>(samples: &[C]) -> Vec<Option<C>> {
    samples.iter().cloned().map(Some).chain([None]).collect()
}

fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().flat_map(move |a| items.iter().map(move |b| (a, b)))
}

/// Merges every three sides, and hands them over with what came of it.
fn for_each_merge<C: Contents>(
    samples: &[C],
    mut check: impl FnMut(Option<&C>, Option<&C>, Option<&C>, Result<Option<C>, Conflict>),
) {
    let sides = sides(samples);
    for ancestor in &sides {
        for (ours, theirs) in pairs(&sides) {
            let (ancestor, ours, theirs) = (ancestor.as_ref(), ours.as_ref(), theirs.as_ref());
            check(ancestor, ours, theirs, C::merge(ancestor, ours, theirs));
        }
    }
}

fn case<C: Debug>(ancestor: Option<&C>, ours: Option<&C>, theirs: Option<&C>) -> String {
    format!("ancestor {ancestor:?}, ours {ours:?}, theirs {theirs:?}")
}
