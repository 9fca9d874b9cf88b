//! The derive of contents: what it makes of structs, enums and their rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::marker::PhantomData;

use proptest::prelude::*;
use ramus_core::ErrorKind;
use ramus_kv::{Conflict, Contents, Counter, Json, Set, codec, laws, merge};
use serde::{Deserialize, Serialize};

use crate::campaign::cases;

/// A type with a field for each rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
struct Everything {
    whole: String,
    #[merge(value)]
    also_whole: u8,
    #[merge(count)]
    count: u32,
    #[merge(max)]
    max: i16,
    #[merge(min)]
    min: i16,
    #[merge(set)]
    set: BTreeSet<u8>,
    #[merge(multiset)]
    multiset: BTreeMap<u8, u64>,
    #[merge(map(value))]
    map: BTreeMap<u8, u8>,
    #[merge(map(count))]
    counts: BTreeMap<u8, i64>,
    #[merge(option(count))]
    option: Option<i64>,
    #[merge(tuple(max, option(set), contents))]
    tuple: (u8, Option<BTreeSet<u8>>, Counter),
    #[merge(contents)]
    contents: Set<u8>,
    #[merge(map(contents))]
    inner: BTreeMap<u8, Inner>,
    #[merge(lines)]
    lines: String,
    #[merge(sequence)]
    sequence: Vec<u8>,
    #[merge(with = shorter)]
    with: String,
    #[merge(map(tuple(count, map(option(max)))))]
    r#type: BTreeMap<u8, (i64, BTreeMap<u8, Option<u8>>)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
struct Inner(#[merge(count)] i64, u8);

/// A rule of one's own.
fn shorter(ancestor: Option<&String>, ours: &String, theirs: &String) -> Result<String, Conflict> {
    let by_length = |text: &String| (text.len(), text.clone());
    merge::value(ancestor, ours, theirs)
        .or_else(|_| Ok(if by_length(ours) < by_length(theirs) { ours } else { theirs }.clone()))
}

impl Default for Everything {
    fn default() -> Self {
        let nothing = (0, None, Counter(0));
        Self {
            whole: String::new(),
            also_whole: 0,
            count: 10,
            max: 0,
            min: 0,
            set: BTreeSet::new(),
            multiset: BTreeMap::new(),
            map: BTreeMap::new(),
            counts: BTreeMap::new(),
            option: None,
            tuple: nothing,
            contents: Set::default(),
            inner: BTreeMap::new(),
            lines: String::new(),
            sequence: Vec::new(),
            with: String::new(),
            r#type: BTreeMap::new(),
        }
    }
}

/// Merges what two edits make of a value.
fn merged<C: Contents>(
    before: &C,
    ours: impl Fn(&mut C),
    theirs: impl Fn(&mut C),
) -> Result<C, String> {
    let edited = |edit: &dyn Fn(&mut C)| {
        let mut side = before.clone();
        edit(&mut side);
        side
    };
    let (ours, theirs) = (edited(&ours), edited(&theirs));
    match C::merge(Some(before), Some(&ours), Some(&theirs)) {
        Ok(merged) => Ok(merged.expect("no side deleted it")),
        Err(conflict) => Err(conflict.to_string()),
    }
}

/// Checks what two edits of everything merge to, by an edit that makes it of the default.
#[track_caller]
fn check(
    ours: impl Fn(&mut Everything),
    theirs: impl Fn(&mut Everything),
    expected: impl Fn(&mut Everything),
) {
    let mut of_default = Everything::default();
    expected(&mut of_default);
    assert_eq!(merged(&Everything::default(), ours, theirs), Ok(of_default));
}

/// Checks the conflict of two edits of everything.
#[track_caller]
fn conflicts(ours: impl Fn(&mut Everything), theirs: impl Fn(&mut Everything), says: &str) {
    assert_eq!(merged(&Everything::default(), ours, theirs), Err(says.to_owned()));
}

#[test]
fn every_field_merges_by_its_rule() {
    check(
        |a| a.whole = "x".into(),
        |b| b.also_whole = 1,
        |m| (m.whole, m.also_whole) = ("x".into(), 1),
    );
    check(|a| a.count = 11, |b| b.count = 11, |m| m.count = 12);
    check(|a| a.max = 2, |b| b.max = 3, |m| m.max = 3);
    check(|a| a.min = 2, |b| b.min = 3, |m| m.min = 2);
    check(|a| a.set = [1].into(), |b| b.set = [2].into(), |m| m.set = [1, 2].into());
    check(
        |a| a.multiset = [(1, 2)].into(),
        |b| b.multiset = [(1, 3)].into(),
        |m| m.multiset = [(1, 5)].into(),
    );
    check(
        |a| a.map = [(1, 1)].into(),
        |b| b.map = [(2, 2)].into(),
        |m| m.map = [(1, 1), (2, 2)].into(),
    );
    check(
        |a| a.counts = [(1, 1)].into(),
        |b| b.counts = [(1, 1)].into(),
        |m| m.counts = [(1, 2)].into(),
    );
    check(|a| a.option = Some(1), |b| b.option = Some(1), |m| m.option = Some(2));
    check(
        |a| a.tuple = (1, Some([1].into()), Counter(1)),
        |b| b.tuple = (2, Some([2].into()), Counter(1)),
        |m| m.tuple = (2, Some([1, 2].into()), Counter(2)),
    );
    check(
        |a| a.contents.0 = [1].into(),
        |b| b.contents.0 = [2].into(),
        |m| m.contents.0 = [1, 2].into(),
    );
    check(
        |a| a.inner = [(1, Inner(1, 5))].into(),
        |b| b.inner = [(1, Inner(1, 5))].into(),
        |m| m.inner = [(1, Inner(2, 5))].into(),
    );
    check(|a| a.with = "ab".into(), |b| b.with = "abc".into(), |m| m.with = "ab".into());
    check(
        |a| a.r#type = [(1, (1, [(1, Some(1))].into()))].into(),
        |b| b.r#type = [(1, (1, [(1, Some(2))].into()))].into(),
        |m| m.r#type = [(1, (2, [(1, Some(2))].into()))].into(),
    );
}

#[test]
fn a_conflict_says_in_which_field_it_is() {
    let added = "both sides added it, and differently";
    let changed = "both sides changed it, and differently";
    conflicts(|a| a.whole = "x".into(), |b| b.whole = "y".into(), &format!("at whole: {changed}"));
    conflicts(
        |a| a.map = [(7, 1)].into(),
        |b| b.map = [(7, 2)].into(),
        &format!("at map[7]: {added}"),
    );
    conflicts(
        |a| a.inner = [(1, Inner(1, 5))].into(),
        |b| b.inner = [(1, Inner(1, 6))].into(),
        &format!("at inner[1]/1: {added}"),
    );
    conflicts(
        |a| a.lines = "x\n".into(),
        |b| b.lines = "y\n".into(),
        &format!("at lines/line 1: {changed}"),
    );
    conflicts(
        |a| a.sequence = vec![1],
        |b| b.sequence = vec![2],
        &format!("at sequence[0]: {changed}"),
    );
    conflicts(
        |a| a.count = u32::MAX,
        |b| b.count = u32::MAX,
        "at count: the sum 8589934580 does not fit in 32 bits without a sign",
    );
    conflicts(
        |a| a.r#type = [(1, (i64::MAX, BTreeMap::new()))].into(),
        |b| b.r#type = [(1, (1, BTreeMap::new()))].into(),
        "at type[1]/0: the sum 9223372036854775808 does not fit in 64 bits",
    );
}

#[test]
fn a_type_merges_equal_sides_if_a_part_counts() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
    #[merge(crate = ramus_kv)]
    struct Plain(
        #[merge(max)] u8,
        #[merge(map(option(tuple(set))))] BTreeMap<u8, Option<(BTreeSet<u8>,)>>,
    );

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
    #[merge(crate = ramus_kv)]
    enum Deep {
        Nothing,
        Counts {
            #[merge(map(option(tuple(value, contents))))]
            deep: BTreeMap<u8, Option<(u8, Inner)>>,
        },
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
    #[merge(crate = ramus_kv)]
    struct Own(#[merge(with = add + counts)] u8);

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form of a rule of a field")]
    fn add(ancestor: Option<&u8>, ours: &u8, theirs: &u8) -> Result<u8, Conflict> {
        merge::count(ancestor, ours, theirs)
    }

    const { assert!(!Plain::MERGES_EQUAL_SIDES && Deep::MERGES_EQUAL_SIDES && Own::MERGES_EQUAL_SIDES) };
    const { assert!(Everything::MERGES_EQUAL_SIDES && Inner::MERGES_EQUAL_SIDES) };
    assert_eq!(Own::merge(Some(&Own(1)), Some(&Own(2)), Some(&Own(2))), Ok(Some(Own(3))));
    let deep = |count| Deep::Counts { deep: [(1, Some((1, Inner(count, 0))))].into() };
    assert_eq!(Deep::merge(Some(&deep(1)), Some(&deep(2)), Some(&deep(2))), Ok(Some(deep(3))));
    assert_eq!(
        Deep::merge(Some(&deep(1)), Some(&Deep::Nothing), Some(&deep(1))),
        Ok(Some(Deep::Nothing))
    );
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
enum Shape {
    Nothing,
    Circle {
        radius: u32,
        #[merge(count)]
        seen: i64,
    },
    Named(String, #[merge(set)] BTreeSet<u8>),
    Json(#[merge(with = json)] String),
}

fn json(ancestor: Option<&String>, ours: &String, theirs: &String) -> Result<String, Conflict> {
    let read = |text: &String| Json(text.as_str().into());
    let merged = Json::merge(ancestor.map(read).as_ref(), Some(&read(ours)), Some(&read(theirs)))?;
    Ok(merged.and_then(|json| json.0.as_str().map(str::to_owned)).unwrap_or_default())
}

#[test]
fn an_enum_merges_by_variant() {
    let circle = |radius, seen| Shape::Circle { radius, seen };
    let merge = |a: &Shape, o: &Shape, t: &Shape| {
        Shape::merge(Some(a), Some(o), Some(t)).map_err(|conflict| conflict.to_string())
    };
    assert_eq!(merge(&circle(1, 1), &circle(2, 2), &circle(1, 2)), Ok(Some(circle(2, 3))));
    assert_eq!(merge(&circle(1, 1), &Shape::Nothing, &circle(1, 1)), Ok(Some(Shape::Nothing)));
    assert_eq!(
        merge(&circle(1, 1), &Shape::Nothing, &circle(1, 2)).unwrap_err(),
        "we made it `Nothing` and they made it `Circle`"
    );
    assert_eq!(
        merge(&circle(1, 1), &circle(2, 1), &circle(3, 1)).unwrap_err(),
        "at Circle/radius: both sides changed it, and differently"
    );
    // From another variant both made it anew.
    assert_eq!(merge(&Shape::Nothing, &circle(1, 1), &circle(1, 1)), Ok(Some(circle(1, 2))));
    let named = |items: &[u8]| Shape::Named("x".into(), items.iter().copied().collect());
    assert_eq!(merge(&Shape::Nothing, &named(&[1]), &named(&[2])), Ok(Some(named(&[1, 2]))));
    let text = |text: &str| Shape::Json(text.to_owned());
    assert_eq!(
        merge(&text("a"), &text("b"), &text("c")).unwrap_err(),
        "at Json: both sides changed it, and differently"
    );
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
struct NewType(#[merge(map(value))] BTreeMap<u8, u8>);

/// Generic in every way: a part, a part that merges by its own merge, a bound, a size, a marker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
#[serde(bound(
    deserialize = "T: Deserialize<'de>, C: Deserialize<'de>, K: Ord + Deserialize<'de>"
))]
#[merge(crate = ramus_kv)]
#[merge(bound = "K: Ord")]
struct Generic<T, C, K, M, const N: u8>
where
    T: Eq,
{
    part: T,
    #[merge(option(contents))]
    contents: Option<C>,
    #[merge(set)]
    keys: BTreeSet<K>,
    marker: PhantomData<M>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
#[merge(max)]
struct LastVersion {
    version: u32,
    text: String,
}

#[test]
fn structs_of_every_form_keep_the_laws() {
    type Full = Generic<String, Counter, u8, u64, 3>;
    laws_of(&[Unit]);
    laws_of(&[[].into(), [(1, 1)].into(), [(1, 2), (3, 4)].into()].map(NewType));
    let version = |version, text: &str| LastVersion { version, text: text.to_owned() };
    laws_of(&[version(1, "a"), version(2, "b"), version(2, "c")]);
    laws_of(&[Inner(1, 2), Inner(2, 2), Inner(-700, 3)]);
    let full = |part: &str, contents, keys: &[u8]| Full {
        part: part.to_owned(),
        contents,
        keys: keys.iter().copied().collect(),
        marker: PhantomData,
    };
    const { assert!(Full::MERGES_EQUAL_SIDES && !Generic::<u8, Set<u8>, u8, u8, 1>::MERGES_EQUAL_SIDES) };
    laws_of(&[
        full("a", None, &[]),
        full("b", Some(Counter(1)), &[1]),
        full("b", Some(Counter(3)), &[2, 3]),
    ]);
}

fn laws_of<C: Contents>(samples: &[C]) {
    laws::codec_laws(samples);
    laws::merge_laws(samples);
    laws::the_sides_are_alike(samples);
    laws::deletion_against_change_conflicts(samples);
}

#[test]
fn a_rule_on_the_type_merges_it_as_one_part() {
    let version = |version, text: &str| LastVersion { version, text: text.to_owned() };
    let (before, ours, theirs) = (version(1, "a"), version(2, "b"), version(3, "a"));
    let merged = LastVersion::merge(Some(&before), Some(&ours), Some(&theirs));
    assert_eq!(merged, Ok(Some(theirs)));
}

#[test]
fn a_field_of_a_newtype_has_no_place_of_its_own() {
    let sides = [1, 2, 3].map(|value| NewType([(9, value)].into()));
    let conflict = NewType::merge(Some(&sides[0]), Some(&sides[1]), Some(&sides[2])).unwrap_err();
    assert_eq!(conflict.place(), "[9]");
}

#[test]
fn the_encoding_is_that_of_the_codec() {
    let shape = Shape::Named("x".into(), [1, 2].into());
    let bytes = shape.encode().unwrap();
    assert_eq!(bytes, codec::encode(&shape).unwrap());
    assert_eq!(Shape::decode(&bytes).unwrap(), shape);
    let error = Shape::decode(&[&bytes[..], &[0]].concat().into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

fn any_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Nothing),
        (0..3_u32, 0..3_i64).prop_map(|(radius, seen)| Shape::Circle { radius, seen }),
        ("[ab]?", prop::collection::btree_set(0..3_u8, 0..3))
            .prop_map(|(name, set)| Shape::Named(name, set)),
        "[ab]?".prop_map(Shape::Json),
    ]
}

fn any_everything() -> impl Strategy<Value = Everything> {
    let map = || prop::collection::btree_map(0..3_u8, 0..3_u8, 0..3);
    let set = || prop::collection::btree_set(0..3_u8, 0..3);
    let numbers = ("[ab]?", 0..2_u8, 0..3_u32, -1..2_i16, -1..2_i16);
    let collections = (set(), map(), map(), map(), prop::option::of(0..3_i64));
    let texts = ("([ab]\n){0,4}", prop::collection::vec(0..3_u8, 0..4), "[ab]{0,2}");
    let rest = ((0..3_u8, prop::option::of(set()), 0..3_i64), set(), map());
    (numbers, collections, texts, rest).prop_map(|(numbers, collections, texts, rest)| Everything {
        whole: numbers.0,
        also_whole: numbers.1,
        count: numbers.2,
        max: numbers.3,
        min: numbers.4,
        set: collections.0,
        multiset: collections.1.into_iter().map(|(key, n)| (key, u64::from(n) + 1)).collect(),
        map: collections.2,
        counts: collections.3.into_iter().map(|(key, n)| (key, i64::from(n))).collect(),
        option: collections.4,
        lines: texts.0,
        sequence: texts.1,
        with: texts.2,
        tuple: (rest.0.0, rest.0.1, Counter(rest.0.2)),
        contents: Set(rest.1),
        inner: rest.2.iter().map(|(key, n)| (*key, Inner(i64::from(*n), n % 2))).collect(),
        r#type: rest
            .2
            .iter()
            .map(|(key, n)| (*key, (i64::from(*n), [(*n, Some(*n))].into())))
            .collect(),
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn what_is_derived_keeps_the_laws(
        shapes in prop::collection::vec(any_shape(), 1..4),
        everything in prop::collection::vec(any_everything(), 1..3),
    ) {
        laws::merge_laws(&shapes);
        laws::the_sides_are_alike(&shapes);
        laws::merge_laws(&everything);
        laws::the_sides_are_alike(&everything);
        laws::deletion_against_change_conflicts(&everything);
    }
}
