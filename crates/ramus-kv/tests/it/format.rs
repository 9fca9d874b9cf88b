//! The native format: round trips, the canonical law, and golden files.

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Hash as _, ReadOnly as _, Sha1, Sha256, Step, Storage as _};
use ramus_kv::block::{
    Child, CommitBlock, DirectoryBlock, Entry, Held, INLINE_MAX, Link, METADATA_MAX,
};
use ramus_kv::{
    Contents as _, Counter, Format as _, Info, Json, Kv, Merged, Native, Repo, Resolution, Whole,
};
use ramus_mem::Mem;
use serde_json::json;

use crate::campaign::cases;

type Block = DirectoryBlock<Sha1>;

fn step(bytes: impl AsRef<[u8]>) -> Step {
    Step::new(bytes.as_ref().to_vec()).expect("a step")
}

fn in_block(name: &str, metadata: &[u8]) -> Entry<Sha1> {
    let held = Held::Block(Sha1::of(name.as_bytes()));
    Entry::Contents { held, metadata: Bytes::copy_from_slice(metadata) }
}

fn in_place(value: &[u8], metadata: &[u8]) -> Entry<Sha1> {
    let held = Held::Inline(Bytes::copy_from_slice(value));
    Entry::Contents { held, metadata: Bytes::copy_from_slice(metadata) }
}

fn directory(name: &str) -> Entry<Sha1> {
    Entry::Directory { hash: Sha1::of(name.as_bytes()) }
}

fn child(name: &str, count: u64, weight: u64) -> Child<Sha1> {
    Child { hash: Sha1::of(name.as_bytes()), count, weight }
}

fn empty() -> Block {
    Block::Leaf(Vec::new())
}

/// The leaf of the golden file.
fn sample_leaf() -> Block {
    let mut entries = vec![
        (step("a"), in_block("one", b"")),
        (step("a.b"), directory("two")),
        (step("ab"), in_place(b"three", b"\x01\x02")),
        (step("abc"), in_place(b"", b"")),
        (step("b"), in_place(&[b'v'; INLINE_MAX], b"")),
        (step("long".repeat(40)), in_block("five", &[b'm'; 200])),
    ];
    let number =
        |number: u8| (step(format!("n{number:02}")), in_place(number.to_string().as_bytes(), b""));
    entries.extend((0..12).map(number));
    entries.push((step(b"\xff"), directory("six")));
    Block::Leaf(entries)
}

/// The index block of the golden file.
fn sample_index() -> Block {
    let children = vec![
        (step("a"), child("one", 1, 24)),
        (step("ab"), child("two", 300, 8192)),
        (step("b"), child("three", u64::MAX - 301, u64::MAX)),
    ];
    Block::Index { level: 2, children }
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
    Block::decode(block)?.encode()
}

fn recode_commit(block: &Bytes) -> ramus_core::Result<Bytes> {
    Native::encode_commit(&Native::decode_commit::<Sha1>(block)?)
}

fn recode_contents(block: &Bytes) -> ramus_core::Result<Bytes> {
    Ok(Native::encode_contents(&Native::decode_contents(block)?))
}

#[test]
fn one_value_has_one_block() {
    check_canonical(&empty().encode().unwrap(), recode_directory);
    check_canonical(&sample_leaf().encode().unwrap(), recode_directory);
    check_canonical(&sample_index().encode().unwrap(), recode_directory);
    check_canonical(&Native::encode_commit(&sample_commit()).unwrap(), recode_commit);
    check_canonical(&Native::encode_contents(b"text"), recode_contents);
    check_canonical(&Native::encode_contents(b""), recode_contents);
}

#[test]
fn no_block_is_of_two_kinds() {
    let blocks = [
        Native::encode_contents(b"\x02"),
        sample_leaf().encode().unwrap(),
        sample_index().encode().unwrap(),
        Native::encode_commit(&sample_commit()).unwrap(),
    ];
    for (index, block) in blocks.iter().enumerate() {
        let decodes = [
            Native::decode_contents(block).is_ok(),
            Block::decode(block).is_ok(),
            Native::decode_commit::<Sha1>(block).is_ok(),
        ];
        assert_eq!(decodes, [index == 0, index == 1 || index == 2, index == 3]);
    }
    let refused = |block: &Bytes| Native::decode_contents(block).unwrap_err().to_string();
    assert_eq!(refused(&blocks[1]), "expected contents, found a leaf of a directory");
    assert_eq!(refused(&blocks[2]), "expected contents, found an index block of a directory");
    assert_eq!(refused(&blocks[3]), "expected contents, found a commit");
    let priority = Bytes::from_static(b"\x70");
    assert_eq!(refused(&priority), "expected contents, found a block of no known kind");
    assert_eq!(refused(&Bytes::new()), "expected contents, found a block without bytes");
}

/// Contents that hold the bytes of a directory or a commit do not become one.
#[test]
fn contents_cannot_be_forged_into_a_directory_or_a_commit() {
    for forged in
        [sample_leaf().encode().unwrap(), Native::encode_commit(&sample_commit()).unwrap()]
    {
        let block = Native::encode_contents(&forged);
        assert_ne!(Sha1::of(&block), Sha1::of(&forged));
        assert_eq!(Native::decode_contents(&block).unwrap(), forged);
        assert!(Block::decode(&block).is_err() && Native::decode_commit::<Sha1>(&block).is_err());
    }
}

#[test]
fn contents_and_metadata_share_their_block() {
    let shares = |part: &[u8], block: &Bytes| block.as_ptr_range().contains(&part.as_ptr());
    let block = Native::encode_contents(b"text");
    assert!(shares(&Native::decode_contents(&block).unwrap(), &block));
    let leaf = Block::Leaf(vec![(step("a"), in_place(b"value", b"metadata"))]);
    let block = leaf.encode().unwrap();
    let Block::Leaf(entries) = Block::decode(&block).unwrap() else { panic!("a leaf") };
    let [(_, Entry::Contents { held: Held::Inline(value), metadata })] = &entries[..] else {
        panic!("one entry, with its contents in place")
    };
    assert!([value, metadata].into_iter().all(|part| shares(part, &block)));
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
    let too_short = "the block is too short for its number of items";
    for length in [[0xff; 4], [0, 0, 0, 1], [0x3f, 0xff, 0xff, 0xff]] {
        let block = [&[0x02][..], &length].concat();
        assert_refused(Block::decode(&block.into()), too_short);
    }
    let block = [&[0x02, 0][..], &claims_2_to_the_60, b"step", &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
    let middle = "the block ends in the middle of an item";
    assert_refused(Block::decode(&block.into()), middle);
    let block = [&[0x02, 0][..], &[0xff; 9], &[2], &[0, 0, 0, 1, 0, 0, 0, 1]].concat();
    let bits = "a number of the block has more than 64 bits";
    assert_refused(Block::decode(&block.into()), bits);
}

/// Decodes a leaf of these items, with the offset of the first one and their number behind them.
fn decode_leaf(items: &[&[u8]]) -> ramus_core::Result<Block> {
    let length = u32::try_from(items.len()).expect("a few items");
    let end = [1_u32.to_be_bytes(), length.to_be_bytes()].concat();
    Block::decode(&[&[0x02][..], &items.concat(), &end].concat().into())
}

#[test]
fn what_the_rules_do_not_allow_is_refused() {
    let after = |shared: u8, rest: &[u8]| {
        let length = u8::try_from(rest.len()).unwrap();
        [&[shared, length], rest, &[0x02], Sha1::of(rest).as_bytes()].concat()
    };
    let entry = |step: &[u8]| after(0, step);
    assert_eq!(decode_leaf(&[&entry(b"a"), &entry(b"b")]).unwrap().count(), 2);
    assert_eq!(decode_leaf(&[&entry(b"ab"), &after(1, b"c")]).unwrap().count(), 2);
    let order = "a step does not come after the one before it";
    assert_refused(decode_leaf(&[&entry(b"b"), &entry(b"a")]), order);
    assert_refused(decode_leaf(&[&entry(b"a"), &after(1, b"")]), order);
    assert_refused(decode_leaf(&[&entry(b"ab"), &after(1, b"")]), order);
    let shared = "a step shares another length than it could";
    assert_refused(decode_leaf(&[&entry(b"ab"), &entry(b"ac")]), shared);
    assert_refused(
        decode_leaf(&[&after(1, b"a")]),
        "a step shares more than the one before it has",
    );
    let malformed = "an item has no valid step";
    assert_refused(decode_leaf(&[&entry(b"")]), malformed);
    assert_refused(decode_leaf(&[&entry(b"a/b")]), malformed);
    assert_refused(decode_leaf(&[&entry(b"a\0")]), malformed);
    let hash = Sha1::of(b"");
    let hash = hash.as_bytes();
    assert_refused(
        decode_leaf(&[&[0x80, 0, 1, b'a', 2], hash]),
        "a number of the block is not in its shortest form",
    );
    assert_refused(decode_leaf(&[&[0, 1, b'a', 5], hash]), "there is no entry of kind 5");
    assert_refused(
        decode_leaf(&[&[0, 1, b'a', 1, 0x81, 0x02], &[0; 257], hash]),
        "the metadata of an entry are too long",
    );
    assert_refused(
        decode_leaf(&[&[0, 1, b'a', 3, 0, 0x81, 1], &[0; INLINE_MAX + 1]]),
        "contents that are too long stand in their entry",
    );
    let (longest, longer) = ([0x80, 0x08], [0x81, 0x08]);
    let long = |length: [u8; 2], step: &[u8]| [&[0][..], &length, step, &[0x02], hash].concat();
    assert!(decode_leaf(&[&long(longest, &[b'x'; 1024])]).is_ok());
    assert_refused(decode_leaf(&[&long(longer, &[b'x'; 1025])]), malformed);
}

#[test]
fn the_ends_of_a_block_are_checked() {
    let refused = |block: &[u8], message| {
        assert_refused(Block::decode(&Bytes::copy_from_slice(block)), message);
    };
    refused(b"", "it is no block of a directory");
    refused(b"\x04", "it is no block of a directory");
    refused(b"\x04\0\0\0\0\0", "it is no block of a directory");
    refused(b"\x04\x10\0\0\0\0", "it is no block of a directory");
    refused(b"\x04\x01\0\0\0\0", "an index block has no children");
    refused(b"\x02\0\0\0", "the block ends before its number of items");
    let block = sample_leaf().encode().unwrap();
    let mut elsewhere = block.to_vec();
    let second_restart = block.len() - 5;
    elsewhere[second_restart] += 1;
    refused(&elsewhere, "a restart of the block leads elsewhere");
    let mut left = empty().encode().unwrap().to_vec();
    left.insert(1, 0);
    refused(&left, "bytes are left behind the items of the block");
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
fn a_block_that_breaks_the_rules_is_not_written() {
    let refused = |block: Block, message: &str| {
        let error = block.encode().expect_err(message);
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidInput, message));
    };
    let leaf = |entries: Vec<(&str, Entry<Sha1>)>| {
        Block::Leaf(entries.into_iter().map(|(name, entry)| (step(name), entry)).collect())
    };
    let order = "step `a` has to come before `b`, and once";
    refused(leaf(vec![("b", directory("")), ("a", directory(""))]), order);
    let twice = "step `a` has to come before `a`, and once";
    refused(leaf(vec![("a", directory("")), ("a", directory(""))]), twice);
    let metadata = |length| leaf(vec![("a", in_block("", &vec![0; length]))]);
    assert!(metadata(METADATA_MAX).encode().is_ok());
    refused(metadata(METADATA_MAX + 1), "the metadata of `a` have 257 bytes, of 256");
    let value = |length| leaf(vec![("a", in_place(&vec![0; length], b""))]);
    assert!(value(INLINE_MAX).encode().is_ok());
    refused(value(INLINE_MAX + 1), "the contents in `a` have 129 bytes, of 128");

    let index = |level, children: &[Child<Sha1>]| {
        let steps = (b'a'..).map(|byte| step([byte]));
        Block::Index { level, children: steps.zip(children.iter().copied()).collect() }
    };
    refused(index(1, &[]), "an index block has at least one child");
    let one = [child("", 1, 24)];
    for level in [0, 16] {
        let message = format!("an index block is of level 1 to 15, not of {level}");
        refused(index(level, &one), &message);
    }
    refused(index(1, &[child("", 0, 24)]), "the block of `a` has no entries");
    let many = [child("", u64::MAX, 24), child("", 1, 24)];
    refused(index(1, &many), "the entries below a block are more than 64 bits count");
}

/// Heavier blocks would be cut by the rule, unless they are of the last level or one item.
#[test]
fn several_items_of_a_block_weigh_no_more_than_the_maximum() {
    // 28 bytes each, so that 292 of them fit.
    let index = |level, count| {
        let children = (0..count).map(|number| (step(format!("{number:04}")), child("", 1, 24)));
        Block::Index { level, children: children.collect() }
    };
    let fits = index(14, 292).encode().unwrap();
    assert_eq!(Block::decode(&fits).unwrap(), index(14, 292));
    let error = index(14, 293).encode().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "several items of a block weigh at most 8192 bytes, not 8204");
    let last = index(15, 293).encode().unwrap();
    assert_eq!(Block::decode(&last).unwrap(), index(15, 293));
    let mut lower = last.to_vec();
    lower[1] = 14;
    let message = "the block is too heavy for one of several items";
    assert_refused(Block::decode(&lower.into()), message);
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
    let leaf = DirectoryBlock::Leaf(vec![(step("a"), Entry::Directory { hash: Sha256::of(b"x") })]);
    let block = leaf.encode().unwrap();
    assert_eq!(DirectoryBlock::decode(&block).unwrap(), leaf);
    assert!(Block::decode(&block).is_err());
}

/// Checks a block against the golden file of this name.
pub(crate) fn check_golden(name: &str, block: &Bytes) {
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
    check_golden("directory_empty", &empty().encode().unwrap());
    check_golden("leaf", &sample_leaf().encode().unwrap());
    check_golden("index", &sample_index().encode().unwrap());
    check_golden("commit", &Native::encode_commit(&sample_commit()).unwrap());
}

/// Where a directory is cut is part of the format: its hash depends on it.
#[tokio::test]
async fn a_directory_is_cut_as_the_golden_file_says() {
    let mut tree = Repo::<Kv<String>>::new(Backend::new(Mem::default())).empty_tree();
    for number in 0..60_000_u64 {
        let path = format!("entry-{number:06}");
        tree.set(path, format!("value {}", number * number)).await.unwrap();
    }
    let root = tree.hash().await.unwrap();
    check_golden("directory_of_60000", &Bytes::copy_from_slice(root.as_bytes()));
}

fn any_hash() -> impl Strategy<Value = Sha1> {
    any::<u8>().prop_map(|byte| Sha1::of(&[byte]))
}

fn any_bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn any_entry() -> impl Strategy<Value = Entry<Sha1>> {
    let held = prop_oneof![
        any_hash().prop_map(Held::Block),
        any_bytes(INLINE_MAX).prop_map(Held::Inline),
    ];
    prop_oneof![
        any_hash().prop_map(|hash| Entry::Directory { hash }),
        any_hash().prop_map(|hash| Entry::Conflict { hash }),
        (held, any_bytes(METADATA_MAX))
            .prop_map(|(held, metadata)| Entry::Contents { held, metadata }),
    ]
}

fn any_child() -> impl Strategy<Value = Child<Sha1>> {
    (any_hash(), 1..u64::MAX / 64, any::<u64>()).prop_map(|(hash, count, weight)| Child {
        hash,
        count,
        weight,
    })
}

fn any_block() -> impl Strategy<Value = Block> {
    let with_steps = |(bytes, part): (Vec<u8>, _)| (step(bytes), part);
    let leaf = prop::collection::btree_map(any_step(), any_entry(), 0..40)
        .prop_map(move |entries| Block::Leaf(entries.into_iter().map(with_steps).collect()));
    let with_steps = |(bytes, part): (Vec<u8>, _)| (step(bytes), part);
    let children = prop::collection::btree_map(any_step(), any_child(), 1..40);
    let index = (1..16_u8, children).prop_map(move |(level, children)| Block::Index {
        level,
        children: children.into_iter().map(with_steps).collect(),
    });
    prop_oneof![leaf, index]
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
    #![proptest_config(cases(256))]

    #[test]
    fn a_directory_block_reads_back(value in any_block()) {
        match value.encode() {
            Ok(block) => {
                let read = Block::decode(&block).unwrap();
                prop_assert_eq!(read.encode().unwrap(), block);
                prop_assert_eq!(read, value);
            }
            Err(error) => prop_assert!(error.to_string().contains("weigh at most"), "{}", error),
        }
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
    fn whatever_decodes_is_canonical(kind in 1..5_u8, bytes in prop::collection::vec(0..30_u8, 0..120)) {
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

#[tokio::test]
async fn a_stored_conflict_is_as_the_golden_files_say() {
    let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    main.set("x", "old", "base").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    main.set("x", "a", "ours").await.unwrap();
    draft.set("x", "b", "theirs").await.unwrap();
    let Merged::Conflicts(mut open) = main.merge(&draft, "merge").await.unwrap() else {
        panic!("a conflict");
    };
    open.resolve("x", Resolution::Later).unwrap();
    let tree = main.commit_merge(&open, "merge").await.unwrap().tree();
    let block = |hash: Sha1| {
        let blocks = repo.backend().blocks().clone();
        async move { blocks.find(&hash).await.unwrap().expect("it was stored") }
    };
    let conflict = block(tree.find_hash("x").await.unwrap().unwrap()).await;
    check_golden("conflict", &conflict);
    let root = block(tree.hash().await.unwrap()).await;
    check_golden("leaf_of_conflict", &root);
    assert_eq!(Native::links::<Sha1>(&root).unwrap(), [Link::Directory(Sha1::of(&conflict))]);
}
