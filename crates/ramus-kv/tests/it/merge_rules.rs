//! The rules that merges are made of, on tables and by properties.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Range;

use proptest::prelude::*;
use ramus_kv::{Conflict, Contents, Counter, merge};

use crate::campaign::cases;

/// The shape of every rule for a part.
type Rule<T> = fn(Option<&T>, &T, &T) -> Result<T, Conflict>;

/// Checks what every rule keeps to, on three sides.
fn check<T: Clone + PartialEq + Debug>(rule: Rule<T>, counts: bool, sides: &[Option<T>; 3]) {
    let [ancestor, ours, theirs] = sides;
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
    let ancestor = ancestor.as_ref();
    let merged = rule(ancestor, ours, theirs);
    assert_eq!(rule(ancestor, ours, theirs), merged, "the same again: {sides:?}");
    // The place of a conflict is that of our side, so it need not be the same.
    assert_eq!(rule(ancestor, theirs, ours).ok(), merged.clone().ok(), "alike: {sides:?}");
    assert_eq!(rule(Some(ours), ours, theirs).as_ref(), Ok(theirs), "ours unchanged: {sides:?}");
    assert_eq!(rule(Some(theirs), ours, theirs).as_ref(), Ok(ours), "theirs unchanged: {sides:?}");
    if !counts {
        assert_eq!(rule(ancestor, ours, ours).as_ref(), Ok(ours), "equal sides: {sides:?}");
    }
}

fn sides<T: Clone + Debug>(
    side: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = [Option<T>; 3]> {
    let side = side.boxed();
    let present = side.clone().prop_map(Some);
    (prop::option::of(side), present.clone(), present).prop_map(|(a, o, t)| [a, o, t])
}

fn small_map<T: Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = BTreeMap<u8, T>> {
    prop::collection::btree_map(0..5_u8, value, 0..5)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn rules_for_numbers_keep_the_laws(sides in sides(any::<i8>())) {
        check(merge::value, false, &sides);
        check(merge::count, true, &sides);
        check(merge::max, false, &sides);
        check(merge::min, false, &sides);
    }

    #[test]
    fn a_set_loses_what_either_removed_and_has_what_either_added(
        sides in sides(prop::collection::btree_set(0..8_u8, 0..8)),
    ) {
        check(merge::set, false, &sides);
        let [ancestor, ours, theirs] = sides.map(Option::unwrap_or_default);
        let merged = merge::set(Some(&ancestor), &ours, &theirs).unwrap();
        for item in 0..8 {
            let [was, we_have, they_have] =
                [&ancestor, &ours, &theirs].map(|side| side.contains(&item));
            let expected = if was { we_have && they_have } else { we_have || they_have };
            prop_assert_eq!(merged.contains(&item), expected);
        }
    }

    #[test]
    fn a_multiset_adds_up(sides in sides(small_map(1..4_u64))) {
        check(merge::multiset, true, &sides);
        let [ancestor, ours, theirs] = sides.map(Option::unwrap_or_default);
        let of = |side: &BTreeMap<u8, u64>, key| side.get(&key).map_or(0, |n| i64::try_from(*n).unwrap());
        let sum = |key| of(&ours, key) + of(&theirs, key) - of(&ancestor, key);
        match merge::multiset(Some(&ancestor), &ours, &theirs) {
            Ok(merged) => (0..5).for_each(|key| assert_eq!(of(&merged, key), sum(key))),
            Err(_) => prop_assert!((0..5).any(|key| sum(key) < 0)),
        }
    }

    #[test]
    fn a_map_merges_as_its_rule_says_key_by_key(sides in sides(small_map(0..3_i64))) {
        check(|a, o, t| merge::map(a, o, t, merge::whole), false, &sides);
        let counts: Rule<BTreeMap<u8, i64>> =
            |a, o, t| merge::map(a, o, t, |a, o, t| merge::option(a, o, t, merge::count));
        check(counts, true, &sides);
        let [ancestor, ours, theirs] = sides;
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let merged = merge::map(ancestor.as_ref(), &ours, &theirs, merge::whole);
        let entry = |key: &u8| {
            let before = ancestor.as_ref().and_then(|before| before.get(key));
            merge::whole(before, ours.get(key), theirs.get(key))
        };
        match merged {
            Ok(merged) => (0..5).for_each(|key| assert_eq!(entry(&key), Ok(merged.get(&key).copied()))),
            Err(conflict) => {
                let first = (0..5).find(|key| entry(key).is_err()).unwrap();
                prop_assert_eq!(conflict.place(), format!("[{first}]"));
            }
        }
    }

    #[test]
    fn options_and_tuples_keep_the_laws(
        options in sides(prop::option::of(0..3_i64)),
        tuples in sides((0..3_i64, 0..3_u8, prop::collection::btree_set(0..3_u8, 0..3))),
    ) {
        check(|a, o, t| merge::optional(a, o, t, merge::whole), false, &options);
        let count: Rule<Option<i64>> =
            |a, o, t| merge::optional(a, o, t, |a, o, t| merge::option(a, o, t, merge::count));
        check(count, true, &options);
        let parts: Rule<(i64, u8, BTreeSet<u8>)> =
            |a, o, t| merge::triple(a, o, t, merge::value, merge::max, merge::set);
        check(parts, false, &tuples);
        let pairs = tuples.map(|side| side.map(|(a, b, _)| (a, b)));
        check(|a, o, t| merge::pair(a, o, t, merge::count, merge::min), true, &pairs);
    }

    #[test]
    fn lines_keep_the_laws_and_make_up_nothing(
        sides in sides("([ab]\n|c\r\n|\r|d|\n){0,8}"),
    ) {
        check(merge::lines, false, &sides);
        let [ancestor, ours, theirs] = sides.map(Option::unwrap_or_default);
        if let Ok(merged) = merge::lines(Some(&ancestor), &ours, &theirs) {
            let both = [split_lines(&ours), split_lines(&theirs)].concat();
            for line in split_lines(&merged) {
                prop_assert!(both.contains(&line), "{line:?} is of no side: {merged:?}");
            }
        }
    }

    #[test]
    fn sequences_keep_the_laws_and_make_up_nothing(
        sides in sides(prop::collection::vec(0..4_u8, 0..10)),
    ) {
        check(merge::sequence, false, &sides);
        let [ancestor, ours, theirs] = sides.map(Option::unwrap_or_default);
        if let Ok(merged) = merge::sequence(Some(&ancestor), &ours, &theirs) {
            // How many of each there are is not decided by numbers alone: where both sides take one out and
            // each puts one in elsewhere, there is one more.
            for item in 0..4 {
                let [before, ours, theirs, merged] = [&ancestor, &ours, &theirs, &merged]
                    .map(|side| side.iter().copied().filter(|one| *one == item).count());
                let least = ours.max(theirs).saturating_sub(before);
                prop_assert!((least..=ours + theirs).contains(&merged), "{item}: {merged}");
            }
        }
    }

    #[test]
    fn a_sequence_loses_what_either_removed_and_has_what_either_added(
        ours in any_edit(),
        theirs in any_edit(),
    ) {
        let before: Vec<u32> = (0..ITEMS).collect();
        let [ours, theirs] = [edited(&ours, 1000), edited(&theirs, 2000)];
        if let Ok(merged) = merge::sequence(Some(&before), &ours, &theirs) {
            let was_there = |item: &u32| *item < ITEMS;
            let is_kept = |item: &u32| ours.contains(item) && theirs.contains(item);
            let expected: BTreeSet<u32> = (ours.iter().chain(&theirs).copied())
                .filter(|item| !was_there(item) || is_kept(item))
                .collect();
            let items: BTreeSet<u32> = merged.iter().copied().collect();
            prop_assert_eq!((&items, items.len()), (&expected, merged.len()));
            // What stays of a side stays in its order.
            for side in [&ours, &theirs] {
                let in_side = merged.iter().filter(|item| side.contains(item));
                prop_assert!(in_side.eq(side.iter().filter(|item| expected.contains(item))));
            }
        }
    }

    #[test]
    fn runs_of_items_that_do_not_touch_merge(
        before in prop::collection::vec(any::<u16>(), 1..6),
        [first, kept, last] in [1..4_usize, 1..4, 1..4],
        changes in (prop::collection::vec(1000..2000_u32, 0..4), prop::collection::vec(2000..3000_u32, 0..4)),
    ) {
        // All items differ, so there is one way to see what changed.
        let items = |from: usize, count: usize| {
            (from..from + count).map(|item| u32::try_from(item).unwrap()).collect::<Vec<_>>()
        };
        let head = items(0, first);
        let middle = items(10, kept + before.len());
        let tail = items(100, last);
        let (ours_new, theirs_new) = changes;
        let ancestor = [head.clone(), middle.clone(), tail.clone()].concat();
        let ours = [ours_new.clone(), middle.clone(), tail].concat();
        let theirs = [head, middle.clone(), theirs_new.clone()].concat();
        let merged = merge::sequence(Some(&ancestor), &ours, &theirs);
        prop_assert_eq!(merged, Ok([ours_new, middle, theirs_new].concat()));
    }
}

/// How many items there are before an edit.
const ITEMS: u32 = 8;

/// An edit: of each item, how many are put before it, and whether it stays; and how many at the end.
fn any_edit() -> impl Strategy<Value = (Vec<(u32, bool)>, u32)> {
    let few = || prop_oneof![6 => Just(0_u32), 1 => 1..3_u32];
    let item = (few(), prop::bool::weighted(0.8));
    (prop::collection::vec(item, ITEMS as usize), few())
}

/// Returns the items after an edit, which puts in numbers from `first` on.
fn edited((items, at_end): &(Vec<(u32, bool)>, u32), first: u32) -> Vec<u32> {
    let mut edited = Vec::new();
    let mut new = first..;
    for (item, (count, stays)) in (0..ITEMS).zip(items) {
        edited.extend(new.by_ref().take(*count as usize));
        edited.extend(stays.then_some(item));
    }
    edited.extend(new.take(*at_end as usize));
    edited
}

/// Returns the lines, each with its end: a line feed, with a carriage return before it or not, or a
/// carriage return alone.
fn split_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        let length =
            end + if rest.get(end..).is_some_and(|rest| rest.starts_with("\r\n")) { 2 } else { 1 };
        let (line, behind) = rest.split_at(length);
        lines.push(line);
        rest = behind;
    }
    lines.extend((!rest.is_empty()).then_some(rest));
    lines
}

/// Checks what a conflict says, place and reason.
#[track_caller]
fn assert_says<T: Debug>(merged: Result<T, Conflict>, says: &str) {
    assert_eq!(merged.expect_err("a conflict").to_string(), says);
}

#[test]
fn a_count_that_does_not_fit_says_in_what() {
    assert_says(
        merge::count(Some(&0), &200_u8, &100),
        "the sum 300 does not fit in 8 bits without a sign",
    );
    assert_says(
        merge::count(Some(&5), &1_u64, &2),
        "the sum -2 does not fit in 64 bits without a sign",
    );
    assert_says(merge::count(None, &i16::MIN, &-1), "the sum -32769 does not fit in 16 bits");
    assert_eq!(merge::count(Some(&u64::MAX), &(u64::MAX - 1), &u64::MAX), Ok(u64::MAX - 1));
    assert_eq!(merge::count(Some(&i32::MIN), &i32::MAX, &i32::MIN), Ok(i32::MAX));
}

#[test]
fn a_multiset_says_what_was_taken_out_twice() {
    let stock = |apples| BTreeMap::from([("apples", apples)]);
    let merged = merge::multiset(Some(&stock(5)), &stock(1), &stock(2));
    assert_says(merged, r#"at ["apples"]: we took out 4 and they took out 3, of 5"#);
    let merged = merge::multiset(None, &stock(u64::MAX), &stock(1));
    assert_says(
        merged,
        r#"at ["apples"]: the sum 18446744073709551616 does not fit in 64 bits without a sign"#,
    );
    assert_eq!(merge::multiset(Some(&stock(5)), &stock(2), &stock(3)), Ok(BTreeMap::new()));
}

#[test]
fn a_conflict_says_in_which_place_of_a_tuple_it_is() {
    let by_value = merge::value::<u8>;
    for place in 0..3 {
        let side = |value: u8| {
            let mut parts = [0; 3];
            parts[place] = value;
            (parts[0], parts[1], parts[2])
        };
        let [before, ours, theirs] = [0, 1, 2].map(side);
        let merged = merge::triple(Some(&before), &ours, &theirs, by_value, by_value, by_value);
        assert_says(merged, &format!("at {place}: both sides changed it, and differently"));
        if place < 2 {
            let two = |(first, second, _): (u8, u8, u8)| (first, second);
            let [before, ours, theirs] = [before, ours, theirs].map(two);
            let merged = merge::pair(Some(&before), &ours, &theirs, by_value, by_value);
            assert_says(merged, &format!("at {place}: both sides changed it, and differently"));
        }
    }
}

#[test]
fn a_part_that_its_own_merge_deletes_is_a_conflict() {
    #[derive(Clone, Debug, PartialEq)]
    struct Fleeting(u8);

    impl Contents for Fleeting {
        fn encode(&self) -> ramus_core::Result<bytes::Bytes> {
            Ok(vec![self.0].into())
        }

        fn decode(bytes: &bytes::Bytes) -> ramus_core::Result<Self> {
            Ok(Self(bytes[0]))
        }

        fn merge(
            a: Option<&Self>,
            o: Option<&Self>,
            t: Option<&Self>,
        ) -> Result<Option<Self>, Conflict> {
            Ok(merge::whole(a, o, t).unwrap_or_default())
        }
    }

    let merged = merge::contents(Some(&Fleeting(1)), &Fleeting(2), &Fleeting(3));
    assert_says(merged, "its merge deletes it, and here it cannot be absent");
    assert_eq!(merge::contents(Some(&Fleeting(1)), &Fleeting(2), &Fleeting(1)), Ok(Fleeting(2)));
    let sides = [1, 2, 3].map(|number| BTreeMap::from([("x", Fleeting(number))]));
    let merged = merge::map(Some(&sides[0]), &sides[1], &sides[2], Fleeting::merge);
    assert_eq!(merged, Ok(BTreeMap::new()), "in a map it can be absent");
}

#[test]
fn places_inside_each_other_read_as_one_path() {
    let conflict = Conflict::new("no");
    assert_eq!((conflict.place(), conflict.to_string().as_str()), ("", "no"));
    let nested = conflict.at("b").at("a");
    assert_eq!((nested.place(), nested.reason()), ("a/b", "no"));
    assert_eq!(conflict.at_key("b").at("a").place(), r#"a["b"]"#);
    assert_eq!(conflict.at("c").at_key(&7).at("a").at("x").place(), "x/a[7]/c");
    assert_eq!(conflict.at("/json/pointer").at("field").place(), "field/json/pointer");
    assert_eq!(conflict.at_key(&'k').at_key(&(1, 2)).place(), "[(1, 2)]['k']");

    let sides =
        [1, 2, 3].map(|n| BTreeMap::from([("a".to_owned(), BTreeMap::from([(n.min(1), n)]))]));
    let merged = merge::map(Some(&sides[0]), &sides[1], &sides[2], |a, o, t| {
        merge::option(a, o, t, |a, o, t| merge::map(a, o, t, merge::whole))
    });
    assert_says(merged, r#"at ["a"][1]: both sides changed it, and differently"#);
}

#[test]
fn a_place_is_bounded_and_keeps_its_ends() {
    let key = "ä".repeat(10_000);
    let conflict = Conflict::new("no").at_key(&key);
    assert!(
        conflict.place().len() < 200 && conflict.place().ends_with("…]"),
        "{}",
        conflict.place()
    );
    let deep =
        (0..10_000).fold(Conflict::new("no"), |inner, depth| inner.at(format_args!("ä{depth}")));
    assert!(deep.place().len() <= Conflict::PLACE_MAX);
    assert!(deep.place().starts_with("ä9999/ä9998/") && deep.place().ends_with("/ä1/ä0"));
}

#[test]
fn lines_that_meet_are_a_conflict_at_a_line() {
    let check = |sides: [&str; 3], expected: Result<&str, &str>| {
        let [ancestor, ours, theirs] = sides.map(str::to_owned);
        let merged = merge::lines(Some(&ancestor), &ours, &theirs).map_err(|c| c.to_string());
        assert_eq!(merged.as_deref().map_err(String::as_str), expected, "{sides:?}");
    };
    let at = |line| format!("at line {line}: both sides changed it, and differently");
    check(["1\n2\n3\n", "A\n2\n3\n", "1\n2\nB\n"], Ok("A\n2\nB\n"));
    check(["1\n2\n3\n", "1\n3\n", "1\n2\n3\n4\n"], Ok("1\n3\n4\n"));
    check(["1\n2\n3\n", "1\nX\n3\n", "1\nX\n3\n"], Ok("1\nX\n3\n"));
    check(["1\n2\n3\n", "1\nX\n3\nO\n", "1\nX\n3\n"], Ok("1\nX\n3\nO\n"));
    check(["1\n2\n3\n", "1\nX\n3\n", "1\nY\n3\n"], Err(&at(2)));
    check(["1\n2\n", "0\n1\n2\n", "00\n1\n2\n"], Err(&at(1)));
    check(["1\n2\n", "A\n2\n", "1\nB\n"], Err(&at(1)));
    check(["1\n2\n3\n", "1\n3\n", "1\nX\n3\n"], Err(&at(2)));
    check(["1\n2", "1\n2\n3", "0\n1\n2"], Ok("0\n1\n2\n3"));
    check(["2", "2\n3", "1\n2"], Err(&at(1)));
    check(["a", "b", ""], Err(&at(1)));
    let merged = merge::lines(None, &"a".to_owned(), &"b".to_owned());
    assert_says(merged, "both sides added it, and differently");
}

fn lines_of(numbers: Range<usize>) -> String {
    numbers.fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

/// Two insertions and a kept item between each: who comes last has a bound on the work.
#[test]
fn large_texts_that_have_nothing_in_common_merge_or_conflict_in_good_time() {
    let text = |from: usize| lines_of(from..from + 20_000);
    let (before, ours, theirs) = (text(0), text(100_000), text(200_000));
    assert!(merge::lines(Some(&before), &ours, &theirs).is_err());
    let every_other = |keep: usize| {
        (0..20_000)
            .map(|n| if n % 4 == keep { format!("x{n}\n") } else { format!("{n}\n") })
            .collect::<String>()
    };
    let merged = merge::lines(Some(&before), &every_other(0), &every_other(2)).unwrap();
    assert_eq!(merged.lines().filter(|line| line.starts_with('x')).count(), 10_000);
}

#[test]
fn a_counter_in_a_map_counts_by_its_type() {
    let votes = |tea| BTreeMap::from([("tea", Counter(tea))]);
    let merged = merge::map(Some(&votes(1)), &votes(2), &votes(2), Counter::merge);
    assert_eq!(merged, Ok(votes(3)));
    let merged = merge::map(Some(&votes(1)), &votes(2), &BTreeMap::new(), Counter::merge);
    assert_says(merged, r#"at ["tea"]: we changed it and they deleted it"#);
}
