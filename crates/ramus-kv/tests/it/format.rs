//! The native format: round trips, the canonical law, and golden files.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::{ErrorKind, Hash as _, Sha1, Sha256, Step};
use ramus_kv::block::{CommitBlock, Directory, Entry, METADATA_MAX};
use ramus_kv::{Contents as _, Counter, Format as _, Info, Json, Native, Whole};
use serde_json::json;

type Entries = BTreeMap<Vec<u8>, Entry<Sha1>>;

fn directory_block(entries: &Entries) -> Bytes {
    let steps = entries
        .iter()
        .map(|(step, entry)| (Step::new(step.clone()).expect("a step"), entry.clone()));
    let built = Native::encode_directory(steps).expect("encode");
    let [(hash, block)] = &built.blocks[..] else { panic!("one block, for now") };
    assert_eq!((built.root, *hash), (Sha1::of(block), Sha1::of(block)));
    block.clone()
}

fn decode_directory(block: &Bytes) -> ramus_core::Result<Directory<Sha1>> {
    Native::decode_directory(block)
}

fn encode_again(directory: &Directory<Sha1>) -> Bytes {
    Native::encode_directory(directory.iter()).expect("encode").blocks.remove(0).1
}

fn contents(name: &str, metadata: &'static [u8]) -> Entry<Sha1> {
    Entry::Contents { hash: Sha1::of(name.as_bytes()), metadata: Bytes::from_static(metadata) }
}

fn directory(name: &str) -> Entry<Sha1> {
    Entry::Directory { hash: Sha1::of(name.as_bytes()) }
}

fn sample_entries() -> Entries {
    [
        (&b"a"[..], contents("one", b"")),
        (b"a.b", directory("two")),
        (b"ab", contents("three", b"\x01\x02")),
        (b"\xff", directory("four")),
    ]
    .map(|(step, entry)| (step.to_vec(), entry))
    .into()
}

fn sample_commit() -> CommitBlock<Sha1> {
    let info = Info::new("add Ada")
        .with_author("Charles <charles@example.org>")
        .with_time_ms(1_700_000_000_123)
        .with_header("ticket", "17")
        .with_header("blob", &b"\0\xff"[..]);
    let parents = vec![Sha1::of(b"second"), Sha1::of(b"first")];
    CommitBlock { root: Sha1::of(b"root"), parents, info }
}

/// Checks every truncation of a block, and every change of one byte: it is refused as corrupt, or it
/// is the block of what it decodes to.
fn check_canonical(block: &Bytes, decode_and_encode: impl Fn(&Bytes) -> ramus_core::Result<Bytes>) {
    assert_eq!(decode_and_encode(block).expect("decode"), block);
    let check = |bytes: Vec<u8>| {
        let bytes = Bytes::from(bytes);
        match decode_and_encode(&bytes) {
            Ok(again) => assert_eq!(again, bytes),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}"),
        }
    };
    for place in 0..block.len() {
        check(block[..place].to_vec());
        for byte in 0..=u8::MAX {
            let mut changed = block.to_vec();
            changed[place] = byte;
            check(changed.clone());
            changed.insert(place, byte);
            check(changed);
        }
    }
    check([&block[..], b"\0"].concat());
}

fn recode_directory(block: &Bytes) -> ramus_core::Result<Bytes> {
    Ok(encode_again(&Native::decode_directory::<Sha1>(block)?))
}

fn recode_commit(block: &Bytes) -> ramus_core::Result<Bytes> {
    Native::encode_commit(&Native::decode_commit::<Sha1>(block)?)
}

fn recode_contents(block: &Bytes) -> ramus_core::Result<Bytes> {
    Ok(Native::encode_contents(&Native::decode_contents(block)?))
}

#[test]
fn one_value_has_one_block() {
    check_canonical(&directory_block(&sample_entries()), recode_directory);
    check_canonical(&directory_block(&Entries::new()), recode_directory);
    check_canonical(&Native::encode_commit(&sample_commit()).unwrap(), recode_commit);
    check_canonical(&Native::encode_contents(b"text"), recode_contents);
    check_canonical(&Native::encode_contents(b""), recode_contents);
}

#[test]
fn no_block_is_of_two_kinds() {
    let blocks = [
        Native::encode_contents(b"\x02"),
        directory_block(&sample_entries()),
        Native::encode_commit(&sample_commit()).unwrap(),
    ];
    for (index, block) in blocks.iter().enumerate() {
        let decodes = [
            Native::decode_contents(block).is_ok(),
            decode_directory(block).is_ok(),
            Native::decode_commit::<Sha1>(block).is_ok(),
        ];
        assert_eq!(decodes, [index == 0, index == 1, index == 2]);
    }
    let error = decode_directory(&blocks[2]).unwrap_err();
    assert_eq!(error.to_string(), "expected a directory, found a commit");
    let error = Native::decode_contents(&Bytes::from_static(b"\x70")).unwrap_err();
    assert_eq!(error.to_string(), "expected contents, found a block of no known kind");
}

/// Contents that hold the bytes of a directory or a commit do not become one.
#[test]
fn contents_cannot_be_forged_into_a_directory_or_a_commit() {
    for forged in
        [directory_block(&sample_entries()), Native::encode_commit(&sample_commit()).unwrap()]
    {
        let block = Native::encode_contents(&forged);
        assert_ne!(Sha1::of(&block), Sha1::of(&forged));
        assert_eq!(Native::decode_contents(&block).unwrap(), forged);
        assert!(
            decode_directory(&block).is_err() && Native::decode_commit::<Sha1>(&block).is_err()
        );
    }
}

#[test]
fn contents_and_steps_share_their_block() {
    let shares = |part: &[u8], block: &Bytes| block.as_ptr_range().contains(&part.as_ptr());
    let block = Native::encode_contents(b"text");
    assert!(shares(&Native::decode_contents(&block).unwrap(), &block));
    let block = directory_block(&sample_entries());
    let (step, _) = decode_directory(&block).unwrap().iter().next().unwrap();
    assert!(shares(step.as_bytes(), &block));
}

/// Asserts that a block is refused with this message.
fn assert_refused<T: std::fmt::Debug>(result: ramus_core::Result<T>, message: &str) {
    let error = result.expect_err(message);
    assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Corrupt, message));
}

#[test]
fn a_count_beyond_the_block_is_refused_at_once() {
    let claims_2_to_the_60 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    let block = [&[0x03][..], Sha1::of(b"").as_bytes(), &claims_2_to_the_60].concat();
    assert_refused(
        Native::decode_commit::<Sha1>(&block.into()),
        "the block of a commit has, before byte 30, 1152921504606846976 times 20 bytes or more, \
         where 0 bytes are left",
    );
    let block = [&[0x02][..], &claims_2_to_the_60, b"step"].concat();
    assert!(decode_directory(&block.into()).is_err());
    let block = [&[0x02][..], &[0xff; 9], &[0x02], b"step"].concat();
    assert_refused(
        decode_directory(&block.into()),
        "the block of a directory has, before byte 11, a number of more than 64 bits",
    );
}

#[test]
fn what_the_rules_do_not_allow_is_refused_with_its_place() {
    let entry = |step: &[u8]| {
        let length = u8::try_from(step.len()).unwrap();
        [&[length], step, &[0x02], Sha1::of(step).as_bytes()].concat()
    };
    let decode =
        |parts: &[&[u8]]| decode_directory(&[&[0x02][..], &parts.concat()].concat().into());
    assert_eq!(decode(&[&entry(b"a"), &entry(b"b")]).unwrap().len(), 2);
    let order = "the block of a directory has, before byte 26, a step that does not come after the one before it";
    assert_refused(decode(&[&entry(b"b"), &entry(b"a")]), order);
    assert_refused(decode(&[&entry(b"a"), &entry(b"a")]), order);
    let malformed =
        |length| format!("the block of a directory has, before byte {length}, a malformed step");
    assert_refused(decode(&[&entry(b"")]), &malformed(2));
    assert_refused(decode(&[&entry(b"a/b")]), &malformed(5));
    assert_refused(decode(&[&entry(b"a\0")]), &malformed(4));
    assert_refused(
        decode(&[&[0x81, 0x00], &entry(b"a")[1..]]),
        "the block of a directory has, before byte 3, a number that is not in its shortest form",
    );
    assert_refused(
        decode(&[&[1, b'a', 3], Sha1::of(b"").as_bytes()]),
        "the block of a directory has, before byte 4, an entry that is neither contents nor a directory",
    );
    assert_refused(
        decode(&[&[1, b'a', 1], Sha1::of(b"").as_bytes(), &[0x81, 0x02], &[0; 257]]),
        "the block of a directory has, before byte 26, 257 bytes where at most 256 may stand",
    );
    assert_refused(
        decode(&[&entry(b"a")[..10]]),
        "the block of a directory has, before byte 4, its end, 7 bytes where 20 should follow",
    );
    assert_refused(
        decode_directory(&Bytes::new()),
        "expected a directory, found a block without bytes",
    );
}

#[test]
fn headers_ascend_and_are_there_once() {
    let commit = |names: [&[u8]; 2]| {
        let fixed = [b"\x03", Sha1::of(b"root").as_bytes(), &[0, 0], &[0; 8], &[0]].concat();
        let headers = names.map(|name| [&[1], name, &[0]].concat()).concat();
        Native::decode_commit::<Sha1>(&[fixed, headers].concat().into())
    };
    assert_eq!(commit([b"a", b"b"]).unwrap().info.headers.len(), 2);
    let order = "the block of a commit has, before byte 37, a header that does not come after the \
                 one before it";
    assert_refused(commit([b"b", b"a"]), order);
    assert_refused(commit([b"a", b"a"]), order);
    let not_text = "the block of a commit has, before byte 34, text that is not UTF-8";
    assert_refused(commit([b"\xff", b"a"]), not_text);
}

#[test]
fn a_directory_that_breaks_the_rules_is_not_written() {
    let step = |name: &str| name.parse::<Step>().unwrap();
    let encode = |entries: Vec<(Step, Entry<Sha1>)>| Native::encode_directory(entries).unwrap_err();
    let error = encode(vec![(step("b"), directory("")), (step("a"), directory(""))]);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "step `a` of a directory has to come before `b`, and once");
    let twice = encode(vec![(step("a"), directory("")), (step("a"), directory(""))]);
    assert_eq!(twice.kind(), ErrorKind::InvalidInput);
    let too_long = contents("", &[0; METADATA_MAX + 1]);
    let error = encode(vec![(step("a"), too_long)]);
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(error.to_string(), "the metadata of `a` have 257 bytes, of 256");
    let longest = (step("a"), contents("", &[0; METADATA_MAX]));
    assert_eq!(Native::encode_directory([longest]).unwrap().blocks.len(), 1);
}

#[test]
fn a_commit_without_author_or_time_is_not_written() {
    let mut commit = sample_commit();
    commit.info.time_ms = None;
    assert_eq!(Native::encode_commit(&commit).unwrap_err().kind(), ErrorKind::InvalidInput);
    let mut commit = sample_commit();
    commit.info.author = None;
    assert_eq!(Native::encode_commit(&commit).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_order_of_parents_is_kept_and_counts() {
    let commit = sample_commit();
    let block = Native::encode_commit(&commit).unwrap();
    assert_eq!(Native::decode_commit(&block).unwrap(), commit);
    let mut turned = commit;
    turned.parents.reverse();
    assert_ne!(Native::encode_commit(&turned).unwrap(), block);
}

#[test]
fn a_hash_of_another_length_fits_too() {
    let entry = Entry::Directory { hash: Sha256::of(b"x") };
    let built = Native::encode_directory([("a".parse().unwrap(), entry.clone())]).unwrap();
    let directory: Directory<Sha256> = Native::decode_directory(&built.blocks[0].1).unwrap();
    assert_eq!(directory.get(b"a"), Some(entry));
}

/// Checks a block against the golden file of this name.
fn check_golden(name: &str, block: &Bytes) {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(&path).expect(&path);
    let golden: String = file
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(hex, _)| hex))
        .flat_map(str::split_whitespace)
        .collect();
    let hex: Vec<String> = block.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), golden, "{path}");
}

#[test]
fn blocks_are_those_of_the_golden_files() {
    let json = Json(json!({"b": [1, 1.0, -2.5e-9], "a": "\u{1f}é"}));
    check_golden("contents_text", &Native::encode_contents(&"text".to_owned().encode().unwrap()));
    check_golden("contents_json", &Native::encode_contents(&json.encode().unwrap()));
    check_golden("contents_counter", &Native::encode_contents(&Counter(-2).encode().unwrap()));
    let whole = Whole((300_u16, "x".to_owned(), Some(-1_i32)));
    check_golden("contents_whole", &Native::encode_contents(&whole.encode().unwrap()));
    check_golden("directory_empty", &directory_block(&Entries::new()));
    check_golden("directory", &directory_block(&sample_entries()));
    check_golden("commit", &Native::encode_commit(&sample_commit()).unwrap());
}

fn any_hash() -> impl Strategy<Value = Sha1> {
    any::<u8>().prop_map(|byte| Sha1::of(&[byte]))
}

fn any_entry() -> impl Strategy<Value = Entry<Sha1>> {
    prop_oneof![
        any_hash().prop_map(|hash| Entry::Directory { hash }),
        (any_hash(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(
            |(hash, mut metadata)| {
                metadata.truncate(METADATA_MAX);
                Entry::Contents { hash, metadata: metadata.into() }
            }
        ),
    ]
}

fn any_step() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_map(|byte| if matches!(byte, b'/' | 0) { b'x' } else { byte });
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(&b"ab."[..]), 1..4),
        1 => prop::collection::vec(byte, 1..1025),
    ]
}

fn any_info() -> impl Strategy<Value = Info> {
    let headers = prop::collection::btree_map(
        ".{0,5}",
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
        0..4,
    );
    (".{0,200}", ".{0,9}", any::<i64>(), headers).prop_map(|(message, author, time_ms, headers)| {
        Info { author: Some(author), message, time_ms: Some(time_ms), headers }
    })
}

proptest! {
    #[test]
    fn a_directory_is_its_entries(
        entries in prop::collection::btree_map(any_step(), any_entry(), 0..20),
        from in any_step(),
    ) {
        let block = directory_block(&entries);
        let directory = decode_directory(&block).unwrap();
        prop_assert_eq!(directory.len(), entries.len());
        prop_assert_eq!(directory.is_empty(), entries.is_empty());
        let bytes = |(step, entry): (Step, Entry<Sha1>)| (step.as_bytes().to_vec(), entry);
        prop_assert_eq!(directory.iter().map(bytes).collect::<Entries>(), entries.clone());
        prop_assert!(directory.iter().map(bytes).eq(entries.clone()), "in order");
        prop_assert!(directory.iter_from(&from).map(bytes).eq(entries.clone().split_off(&from)));
        prop_assert_eq!(directory.get(&from), entries.get(&from).cloned());
        for (step, entry) in &entries {
            prop_assert_eq!(directory.get(step), Some(entry.clone()));
        }
        prop_assert_eq!(encode_again(&directory), block);
    }

    #[test]
    fn a_commit_reads_back(
        root in any_hash(),
        parents in prop::collection::vec(any_hash(), 0..200),
        info in any_info(),
    ) {
        let commit = CommitBlock { root, parents, info };
        let block = Native::encode_commit(&commit).unwrap();
        prop_assert_eq!(Native::decode_commit::<Sha1>(&block).unwrap(), commit);
    }

    #[test]
    fn whatever_decodes_is_canonical(kind in 1..4_u8, bytes in prop::collection::vec(0..30_u8, 0..120)) {
        let block = Bytes::from([&[kind][..], &bytes].concat());
        for recode in [recode_contents, recode_directory, recode_commit] {
            if let Ok(again) = recode(&block) {
                prop_assert_eq!(&again, &block);
            }
        }
    }

    #[test]
    fn a_commit_with_a_part_replaced_is_refused_or_canonical(
        info in any_info(),
        place in any::<prop::sample::Index>(),
        part in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let commit = CommitBlock { info, ..sample_commit() };
        let mut block = Native::encode_commit(&commit).unwrap().to_vec();
        let start = place.index(block.len());
        let end = block.len().min(start + part.len());
        block.splice(start..end, part);
        let block = Bytes::from(block);
        if let Ok(again) = recode_commit(&block) {
            prop_assert_eq!(again, block);
        }
    }
}
