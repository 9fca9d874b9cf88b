//! The types of contents, by the laws and by what only each of them promises.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::ErrorKind;
use ramus_kv::{Conflict, Contents, Counter, Json, Whole, codec, laws, merge};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::campaign::cases;

/// Checks the laws of all types, and those that only some promise; all of ours do.
fn check<C: Contents>(samples: &[C]) {
    laws::codec_laws(samples);
    laws::merge_laws(samples);
    laws::the_sides_are_alike(samples);
    laws::deletion_against_change_conflicts(samples);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle { radius: u32 },
    Named(String, BTreeMap<u8, Vec<Self>>),
}

#[test]
fn every_type_keeps_the_laws() {
    check(&["", "a", "b", "ab", "Ä", "\0"].map(str::to_owned));
    check(&[&b""[..], b"a", b"\xff", b"\0\0"].map(Bytes::from_static));
    check(&[0, 1, -1, 700, i64::MIN, i64::MAX].map(Counter));
    let named = Shape::Named("x".to_owned(), [(1, vec![Shape::Circle { radius: 300 }])].into());
    check(&[Shape::Nothing, Shape::Circle { radius: 7 }, named].map(Whole));
    check(&json_samples());
}

fn json_samples() -> [Json; 12] {
    [
        json!(null),
        json!(true),
        json!(0),
        json!(0.0),
        json!(-1.5e-9),
        json!(u64::MAX),
        json!("a\"\\\u{1f}\n\u{7f}Ä"),
        json!([1, [2], {}]),
        json!({}),
        json!({"a": 1}),
        json!({"a": {"b": 1, "c": [1]}, "": null}),
        json!({"a": {"b": 2, "d": 1.0}, "": null}),
    ]
    .map(Json)
}

/// Asserts that a merge is a conflict for this reason.
fn assert_conflict<C: Contents>([ancestor, ours, theirs]: [Option<&C>; 3], reason: &str) {
    let conflict = C::merge(ancestor, ours, theirs).expect_err("a conflict");
    assert_eq!(conflict.to_string(), reason);
}

#[test]
fn a_conflict_says_what_both_sides_did() {
    let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    let [a, b, c] = [Some(&a), Some(&b), Some(&c)];
    assert_conflict([a, b, c], "both sides changed it, and differently");
    assert_conflict([None, b, c], "both sides added it, and differently");
    assert_conflict([a, None, c], "we deleted it and they changed it");
    assert_conflict([a, b, None], "we changed it and they deleted it");
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let error = String::decode(&Bytes::from_static(b"\xff")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn bytes_share_the_block_that_they_came_from() {
    let block = Bytes::from(vec![7; 100]);
    assert_eq!(Bytes::decode(&block).unwrap().as_ptr(), block.as_ptr());
}

#[test]
fn what_both_sides_counted_adds_up() {
    let merge = |ancestor: Option<i64>, ours, theirs| {
        Counter::merge(ancestor.map(Counter).as_ref(), Some(&Counter(ours)), Some(&Counter(theirs)))
    };
    assert_eq!(merge(Some(5), 6, 6), Ok(Some(Counter(7))), "two sides that counted one each");
    assert_eq!(merge(Some(5), 2, 9), Ok(Some(Counter(6))));
    assert_eq!(merge(None, 3, 4), Ok(Some(Counter(7))), "nobody had it: it began at zero");
    assert_eq!(
        merge(Some(i64::MAX), i64::MAX - 1, 0),
        Ok(Some(Counter(-1))),
        "no overflow between"
    );
    let conflict = merge(Some(0), i64::MAX, 1).unwrap_err();
    assert_eq!(conflict.reason(), "the sum 9223372036854775808 does not fit in 64 bits");
    assert!(merge(Some(i64::MAX), i64::MIN, 0).is_err());
}

#[test]
fn a_counter_of_another_length_is_refused() {
    let error = Counter::decode(&Bytes::from_static(&[0; 7])).unwrap_err();
    assert_eq!(error.to_string(), "a counter has 8 bytes, not 7");
}

#[test]
fn an_unordered_collection_is_refused_and_not_lost() {
    // A map of many keys has the same order twice only once in a blue moon.
    let map: HashMap<u32, u32> = (0..64).map(|key| (key, key)).collect();
    let error = Whole(map).encode().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("store ordered collections"), "{error}");
}

#[test]
fn a_field_that_is_not_written_but_read_is_refused() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Lopsided {
        #[serde(skip_serializing)]
        number: u64,
    }
    let error = Whole(Lopsided { number: 1 }).encode().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_length_beyond_the_bytes_is_refused_at_once() {
    let claims_2_to_the_60 =
        Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let error = codec::decode::<Vec<u64>>(&claims_2_to_the_60).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// Checks the canonical text of a value, and that it reads back.
fn check_text(value: Value, text: &str) {
    let encoded = Json(value.clone()).encode().expect("encode");
    assert_eq!(std::str::from_utf8(&encoded).expect("text"), text);
    assert_eq!(Json::decode(&encoded).expect("decode"), Json(value));
}

#[test]
fn json_has_one_text() {
    check_text(
        json!({"b": [1, null, true, false], "a": "x", "": {}}),
        r#"{"":{},"a":"x","b":[1,null,true,false]}"#,
    );
    check_text(json!({"Z": 1, "a": 2, "é": 3, "😀": 4}), r#"{"Z":1,"a":2,"é":3,"😀":4}"#);
    check_text(
        json!("\u{8}\u{9}\n\u{c}\r\"\\/\u{1f}\u{7f}é"),
        "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u001f\u{7f}é\"",
    );
    check_text(json!(i64::MIN), "-9223372036854775808");
    check_text(json!(u64::MAX), "18446744073709551615");
}

#[test]
fn a_float_has_one_text() {
    check_text(json!(1.0), "1.0");
    check_text(json!(-0.0), "0.0");
    check_text(json!(0.1), "0.1");
    check_text(json!(-12.5), "-12.5");
    check_text(json!(123_456.75), "123456.75");
    check_text(json!(1e-6), "0.000001");
    check_text(json!(1.5e-6), "0.0000015");
    check_text(json!(1e-7), "1e-7");
    check_text(json!(1.25e-7), "1.25e-7");
    check_text(json!(1e20), "100000000000000000000.0");
    check_text(json!(1e21), "1e+21");
    check_text(json!(-1.25e300), "-1.25e+300");
    check_text(json!(18_446_744_073_709_551_616.0), "18446744073709552000.0");
    check_text(json!(f64::MAX), "1.7976931348623157e+308");
    check_text(json!(5e-324), "5e-324");
    check_text(json!(f64::MIN_POSITIVE), "2.2250738585072014e-308");
}

#[test]
fn another_text_of_the_same_json_is_refused() {
    let others = [
        " 1",
        "1 ",
        "-0",
        "-0.0",
        "1.00",
        "1e0",
        "1E+21",
        "1e21",
        "0.10",
        "1.0e+21",
        "0.0000001",
        "18446744073709551616",
        "1000000000000000000000.0",
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a": 1}"#,
        r#""\u0041""#,
        r#""\/""#,
        r#""\u000a""#,
        r#""\u001F""#,
        "[1,]",
        "[1] []",
        "",
        "nul",
        r#""\ud800""#,
        "1e999",
        "NaN",
        "'a'",
        "\u{feff}1",
    ];
    for other in others {
        let error = Json::decode(&Bytes::from_static(other.as_bytes())).expect_err(other);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{other}");
    }
    let error = Json::decode(&Bytes::from_static(b"[1,2, 3]")).unwrap_err();
    assert_eq!(error.to_string(), "the JSON is not canonical from byte 5 on");
}

#[test]
fn json_that_nests_too_deeply_is_refused_both_ways() {
    let nested = |depth| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    let deepest = Json(nested(Json::DEPTH_MAX));
    assert_eq!(Json::decode(&deepest.encode().unwrap()).unwrap(), deepest);
    let deeper = Json(nested(Json::DEPTH_MAX + 1));
    assert_eq!(deeper.encode().unwrap_err().kind(), ErrorKind::Limit);
    for depth in [Json::DEPTH_MAX + 1, 127, 128, 1_000_000] {
        let text = ["[".repeat(depth), "]".repeat(depth)].concat();
        assert_eq!(Json::decode(&text.into()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

/// Merges three JSON values that are there.
fn merge_json(sides: [Value; 3]) -> Result<Value, Conflict> {
    let [ancestor, ours, theirs] = sides.map(Json);
    let merged = Json::merge(Some(&ancestor), Some(&ours), Some(&theirs))?;
    Ok(merged.expect("no side deleted it").0)
}

#[test]
fn json_objects_merge_key_by_key() {
    let check = |sides, expected| assert_eq!(merge_json(sides), Ok(expected));
    check(
        [
            json!({"a": 1, "b": 2, "c": 3}),
            json!({"a": 9, "b": 2}),
            json!({"a": 1, "b": 8, "c": 3, "d": 7}),
        ],
        json!({"a": 9, "b": 8, "d": 7}),
    );
    check(
        [json!({"x": {"y": {}}}), json!({"x": {"y": {"l": 1}}}), json!({"x": {"y": {"r": 1}}})],
        json!({"x": {"y": {"l": 1, "r": 1}}}),
    );
    check(
        [json!({}), json!({"new": {"l": 1}}), json!({"new": {"r": 2}})],
        json!({"new": {"l": 1, "r": 2}}),
    );
    check([json!({"a": 1, "b": 1}), json!({"b": 1}), json!({"a": 1})], json!({}));
}

#[test]
fn a_conflict_in_json_names_the_place() {
    let check = |sides, says: &str| assert_eq!(merge_json(sides).unwrap_err().to_string(), says);
    let changed = "both sides changed it, and differently";
    check([json!(1), json!(2), json!(3)], changed);
    check([json!([1]), json!([1, 2]), json!([1, 3])], changed);
    check([json!(1), json!({"a": 1}), json!({"b": 1})], changed);
    check(
        [json!({"a/b": {"~": 1}}), json!({"a/b": {"~": 2}}), json!({"a/b": {"~": 3}})],
        "at /a~1b/~0: both sides changed it, and differently",
    );
    check(
        [json!({"k": {}}), json!({"k": {"a": 1}}), json!({"k": [1]})],
        "at /k: both sides changed it, and differently",
    );
    check(
        [json!({"a": {"b": 1}}), json!({}), json!({"a": {"b": 2}})],
        "at /a: we deleted it and they changed it",
    );
    check(
        [json!({"a": {"b": {}}}), json!({"a": {"b": {"c": 1}}}), json!({"a": {}})],
        "at /a/b: we changed it and they deleted it",
    );
    check(
        [json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2}), json!({"a": 1, "b": 3})],
        "at /b: both sides changed it, and differently",
    );
    check(
        [json!({}), json!({"a": 1}), json!({"a": 2})],
        "at /a: both sides added it, and differently",
    );
}

/// Says whether the merge of what both sides have is asked.
fn is_asked<C: Contents>([ancestor, ours, theirs]: [Option<&C>; 3]) -> bool {
    let mut is_asked = false;
    let merged = merge::both(ancestor, ours, theirs, |_, ours, _| {
        is_asked = true;
        Ok(ours.clone())
    });
    is_asked && merged.is_ok()
}

#[test]
fn a_merge_of_ones_own_is_asked_for_what_both_sides_changed() {
    let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    let [a, b, c] = [Some(&a), Some(&b), Some(&c)];
    assert!(is_asked([a, b, c]) && is_asked([None, b, c]));
    for unchanged in [[a, a, b], [a, b, a], [a, a, a], [None, None, b], [None, b, None]] {
        assert!(!is_asked(unchanged), "{unchanged:?}");
    }
    for absent in [[a, None, None], [a, None, b], [a, b, None], [None, None, None]] {
        assert!(!is_asked(absent), "{absent:?}");
    }
    assert!(!is_asked([a, b, b]) && !is_asked([None, b, b]), "equal sides agree");
    let [one, two] = [Some(&Counter(1)), Some(&Counter(2))];
    assert!(is_asked([one, two, two]) && is_asked([None, two, two]), "unless the type counts");
    assert!(!is_asked([one, one, one]));
}

#[test]
fn a_type_of_ones_own_counts_what_equal_sides_counted() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        title: String,
        visits: i64,
    }

    impl Contents for Page {
        const MERGES_EQUAL_SIDES: bool = true;

        fn encode(&self) -> ramus_core::Result<Bytes> {
            codec::encode(self)
        }

        fn decode(bytes: &Bytes) -> ramus_core::Result<Self> {
            codec::decode(bytes)
        }

        fn merge(
            ancestor: Option<&Self>,
            ours: Option<&Self>,
            theirs: Option<&Self>,
        ) -> Result<Option<Self>, Conflict> {
            merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
                let title = merge::value(ancestor.map(|a| &a.title), &ours.title, &theirs.title);
                let visits =
                    merge::count(ancestor.map(|a| &a.visits), &ours.visits, &theirs.visits);
                Ok(Self { title: title.map_err(|conflict| conflict.at("title"))?, visits: visits? })
            })
        }
    }

    let page = |title: &str, visits| Page { title: title.to_owned(), visits };
    check(&[page("a", 1), page("b", 1), page("b", -500)]);
    let (before, after) = (page("a", 1), page("b", 2));
    assert_eq!(Page::merge(Some(&before), Some(&after), Some(&after)), Ok(Some(page("b", 3))));
    let other = page("c", 2);
    let conflict = Page::merge(Some(&before), Some(&after), Some(&other)).unwrap_err();
    assert_eq!(conflict.to_string(), "at title: both sides changed it, and differently");
}

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| {
            serde_json::Number::from_f64(float).map(Value::Number)
        }),
        (-30_000..30_000_i32, -30..30_i32)
            .prop_map(|(digits, exponent)| json!(f64::from(digits) * 10_f64.powi(exponent))),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_number(),
        ".{0,4}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[ab\u{0}-é]{0,2}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    value.prop_map(Json)
}

/// Objects over few keys, so that their sides meet.
fn small_object() -> impl Strategy<Value = BTreeMap<String, u8>> {
    prop::collection::btree_map("[a-e]", 0..3_u8, 0..5)
}

/// The option rule, key by key, on plain maps.
fn model_merge(sides: [&BTreeMap<String, u8>; 3]) -> Option<BTreeMap<String, u8>> {
    let mut merged = BTreeMap::new();
    for key in ["a", "b", "c", "d", "e"] {
        let [before, ours, theirs] = sides.map(|side| side.get(key));
        let value = match () {
            () if ours == theirs || theirs == before => ours,
            () if ours == before => theirs,
            () => return None,
        };
        merged.extend(value.map(|value| (key.to_owned(), *value)));
    }
    Some(merged)
}

/// The values in JSON that are no objects, and where they lie.
fn leaves(Json(value): &Json) -> Vec<(Vec<String>, Value)> {
    let (mut leaves, mut open) = (Vec::new(), vec![(Vec::new(), value)]);
    while let Some((place, value)) = open.pop() {
        let Value::Object(members) = value else {
            leaves.push((place, value.clone()));
            continue;
        };
        for (key, member) in members {
            let mut below = place.clone();
            below.push(key.clone());
            open.push((below, member));
        }
    }
    leaves
}

/// Objects in objects over few keys, so that their sides meet.
fn nested_object() -> impl Strategy<Value = Json> {
    let leaf = (0..3_u8).prop_map(Value::from);
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        prop::collection::btree_map("[ab]", inner, 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    });
    value.prop_map(Json)
}

/// Counters near one another, and at the ends.
fn any_counter() -> impl Strategy<Value = Counter> {
    prop_oneof![4 => -3..4_i64, 1 => any::<i64>(), 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
        .prop_map(Counter)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn json_keeps_the_laws(
        samples in prop::collection::vec(any_json(), 1..5),
        nested in prop::collection::vec(nested_object(), 1..4),
    ) {
        check(&samples);
        laws::nothing_is_made_up(&samples, leaves);
        check(&nested);
        laws::nothing_is_made_up(&nested, leaves);
    }

    #[test]
    fn texts_and_bytes_keep_the_laws(
        texts in prop::collection::vec("[ab]?|.{0,3}", 1..5),
        bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..5),
    ) {
        check(&texts);
        laws::nothing_is_made_up(&texts, |text| [text.clone()]);
        let bytes: Vec<_> = bytes.into_iter().map(Bytes::from).collect();
        check(&bytes);
        laws::nothing_is_made_up(&bytes, |bytes| [bytes.clone()]);
    }

    #[test]
    fn counters_keep_the_laws_and_add_up(
        counters in prop::collection::vec(any_counter(), 1..5),
        sides in prop::array::uniform3(any_counter()),
    ) {
        check(&counters);
        let [ancestor, ours, theirs] = &sides;
        for (ancestor, before) in [(Some(ancestor), i128::from(ancestor.0)), (None, 0)] {
            let sum = i128::from(ours.0) + i128::from(theirs.0) - before;
            let merged = Counter::merge(ancestor, Some(ours), Some(theirs));
            let expected = i64::try_from(sum).ok().map(Counter);
            prop_assert_eq!(merged.ok().flatten(), expected);
        }
    }

    #[test]
    fn the_text_of_json_means_the_same_to_others(value in any_json()) {
        let text = value.encode().unwrap();
        let read: Value = serde_json::from_slice(&text).unwrap();
        prop_assert_eq!(&read, &value.0);
        // The standard library reads floats without rounding twice.
        if let Some(float) = value.0.as_f64().filter(|_| value.0.is_f64()) {
            let read: f64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), (float + 0.0).to_bits());
        }
    }

    #[test]
    fn flat_json_merges_as_the_model_says(
        ancestor in small_object(),
        ours in small_object(),
        theirs in small_object(),
    ) {
        let json = |map: &BTreeMap<String, u8>| Json(json!(map));
        let merged = Json::merge(Some(&json(&ancestor)), Some(&json(&ours)), Some(&json(&theirs)));
        let expected = model_merge([&ancestor, &ours, &theirs]);
        prop_assert_eq!(merged.ok().flatten(), expected.as_ref().map(json));
    }

    #[test]
    fn any_serde_type_keeps_the_laws(samples in prop::collection::vec(any::<(u64, String, Option<i16>)>(), 1..4)) {
        let samples: Vec<_> = samples.into_iter().map(Whole).collect();
        check(&samples);
        laws::nothing_is_made_up(&samples, |whole| [whole.clone()]);
    }
}
