//! The ready types of contents that merge by what they are.

use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::ErrorKind;
use ramus_kv::{
    Bag, Contents, Counter, Json, Map, Max, Min, Register, Seq, Set, Text, Whole, laws,
};

use crate::campaign::cases;

/// Checks the laws of all types, and those that all of ours promise besides.
fn check<C: Contents>(samples: &[C]) {
    laws::codec_laws(samples);
    laws::merge_laws(samples);
    laws::the_sides_are_alike(samples);
    laws::deletion_against_change_conflicts(samples);
}

fn vec_of<T: Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(item, 1..4)
}

fn small_bag() -> impl Strategy<Value = Bag<u8>> {
    prop::collection::btree_map(0..3_u8, 1..4_u64, 0..3).prop_map(Bag)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn sets_keep_the_laws(samples in vec_of(prop::collection::btree_set("[ab/\u{0}]{0,2}", 0..4))) {
        let samples: Vec<_> = samples.into_iter().map(Set).collect();
        check(&samples);
        laws::nothing_is_made_up(&samples, |set| set.0.clone());
        laws::what_all_have_is_kept(&samples, |set| set.0.clone());
    }

    #[test]
    fn bags_keep_the_laws(samples in vec_of(small_bag())) {
        check(&samples);
    }

    #[test]
    fn maps_keep_the_laws(
        counts in vec_of(prop::collection::btree_map(0..3_u8, -2..3_i64, 0..3)),
        texts in vec_of(prop::collection::btree_map("[ab]", "[ab]{0,2}", 0..3)),
    ) {
        let counts = counts.into_iter().map(|map| map.into_iter().map(|(k, n)| (k, Counter(n))).collect());
        check(&counts.collect::<Vec<Map<_, _>>>());
        let texts: Vec<_> = texts.into_iter().map(Map).collect();
        check(&texts);
        laws::nothing_is_made_up(&texts, |map| map.0.clone());
        laws::what_all_have_is_kept(&texts, |map| map.0.clone());
    }

    #[test]
    fn extremes_keep_the_laws(samples in vec_of((0..3_u8, "[ab]?"))) {
        let maxima: Vec<_> = samples.iter().cloned().map(Max).collect();
        let minima: Vec<_> = samples.into_iter().map(Min).collect();
        check(&maxima);
        check(&minima);
        laws::nothing_is_made_up(&maxima, |max| [max.clone()]);
        laws::nothing_is_made_up(&minima, |min| [min.clone()]);
    }

    #[test]
    fn registers_keep_the_laws(samples in vec_of((0..3_i64, "[ab]?"))) {
        let register = |(time_ms, value)| Register::new(value, time_ms);
        let samples: Vec<_> = samples.into_iter().map(register).collect();
        check(&samples);
        laws::nothing_is_made_up(&samples, |register| [register.clone()]);
    }

    #[test]
    fn text_and_sequences_keep_the_laws(
        texts in vec_of("([ab]\n){0,5}[ab]?"),
        sequences in vec_of(prop::collection::vec(0..3_u8, 0..6)),
    ) {
        let texts: Vec<_> = texts.into_iter().map(Text).collect();
        let sequences: Vec<_> = sequences.into_iter().map(Seq).collect();
        check(&texts);
        check(&sequences);
        let lines = |text: &Text| text.0.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
        laws::nothing_is_made_up(&texts, lines);
        laws::nothing_is_made_up(&sequences, |sequence| sequence.0.clone());
    }

    #[test]
    fn tuples_keep_the_laws(
        pairs in vec_of((0..3_i64, "[ab]?")),
        triples in vec_of((0..3_i64, small_bag(), any::<Option<u8>>())),
    ) {
        check(&pairs.iter().cloned().map(|(n, text)| (Counter(n), text)).collect::<Vec<_>>());
        check(&triples.into_iter().map(|(n, bag, one)| (Max(n), bag, Whole(one))).collect::<Vec<_>>());
        let plain: Vec<_> = pairs.into_iter().map(|(n, text)| (Whole(n), text)).collect();
        check(&plain);
        laws::nothing_is_made_up(&plain, |(n, text)| [(Some(n.0), None), (None, Some(text.clone()))]);
    }
}

#[test]
fn the_later_writer_wins_and_a_tie_is_decided_by_the_bytes() {
    let register = |value: &str, time_ms| Register::new(value.to_owned(), time_ms);
    let before = register("a", 5);
    let merge = |ours: &Register<String>, theirs: &Register<String>| {
        Register::merge(Some(&before), Some(ours), Some(theirs)).unwrap().unwrap()
    };
    for (one, other, wins) in [
        (register("b", 7), register("c", 6), "b"),
        (register("b", 7), register("c", 7), "c"),
        (register("b", 4), register("c", 3), "b"),
        (register("a", 6), register("c", 5), "a"),
    ] {
        assert_eq!(merge(&one, &other).value, wins);
        assert_eq!(merge(&other, &one).value, wins);
    }
    // As a rule of its own it lets the only side stand that changed, however early that says it was.
    let early = register("b", 1);
    assert_eq!(Register::latest(Some(&before), &before, &early), Ok(early.clone()));
    assert_eq!(Register::latest(Some(&before), &early, &before), Ok(early));
}

#[test]
fn who_has_seen_a_value_writes_after_it_whatever_the_clock_says() {
    let mut register = Register::new("a", 1000);
    register.write("b", 2000);
    assert_eq!(register, Register::new("b", 2000));
    register.write("c", 500);
    assert_eq!(register, Register::new("c", 2001));
    register.time_ms = i64::MAX;
    register.write("d", 0);
    assert_eq!(register, Register::new("d", i64::MAX));
}

#[test]
fn a_collection_out_of_order_is_refused() {
    for bytes in [&[2, 2, 1][..], &[2, 1, 1], &[0x82, 0, 1, 2]] {
        let error = Set::<u8>::decode(&Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes:?}");
    }
    assert_eq!(Set::<u8>::decode(&Bytes::from_static(&[2, 1, 2])).unwrap(), Set([1, 2].into()));
}

#[test]
fn text_has_the_bytes_of_a_string() {
    let text = Text("a\nä".to_owned());
    assert_eq!(text.encode().unwrap(), "a\nä".to_owned().encode().unwrap());
    assert_eq!(Text::decode(&Bytes::from_static(b"\xff")).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_tuple_says_in_which_place_it_conflicts() {
    let json = |n: u8| Json(serde_json::json!({"a/b": {"c": n}}));
    let side = |n: u8| (Counter(1), ("x".to_owned(), json(n)));
    let conflict =
        <(Counter, (String, Json))>::merge(Some(&side(1)), Some(&side(2)), Some(&side(3)))
            .unwrap_err();
    assert_eq!(conflict.to_string(), "at 1/1/a~1b/c: both sides changed it, and differently");
}
