//! Chunks and index blocks: what they say, and what is refused.

use bytes::Bytes;
use ramus_core::{ErrorKind, Hash as _, Sha1};
use ramus_kv::block::{CHUNK_MAX, CHUNK_MIN, ContentsIndex, ContentsPart, Link};
use ramus_kv::{Format as _, Native};

use super::support::{names, noise, repo};
use crate::format::check_golden;

fn part(name: &str, length: u64) -> ContentsPart<Sha1> {
    ContentsPart { hash: Sha1::of(name.as_bytes()), length }
}

fn index(level: u8, parts: Vec<ContentsPart<Sha1>>) -> ContentsIndex<Sha1> {
    ContentsIndex { level, parts }
}

/// Parts of which none ends a block but, if it is said, one.
fn parts(count: usize, end_at: Option<usize>) -> Vec<ContentsPart<Sha1>> {
    let mut names = (0_u64..).map(|number| Sha1::of(&number.to_be_bytes()));
    let ends = |hash: &Sha1| hash.as_bytes()[0] < 2;
    let part = |at: usize| {
        let hash = names.by_ref().find(|hash| ends(hash) == (Some(at) == end_at));
        ContentsPart { hash: hash.expect("one of many"), length: CHUNK_MIN as u64 }
    };
    (0..count).map(part).collect()
}

#[test]
fn blocks_are_those_of_the_golden_files() {
    check_golden("chunk", &Native::encode_chunk(b"the end"));
    let (most, least) = (CHUNK_MAX as u64, CHUNK_MIN as u64);
    let sample = index(1, vec![part("one", most), part("two", least), part("three", 7)]);
    check_golden("contents_index", &Native::encode_contents_index(&sample).unwrap());
    let high = index(5, vec![part("one", 1 << 40), part("two", 1)]);
    check_golden("contents_index_high", &Native::encode_contents_index(&high).unwrap());
}

/// Where contents are cut is part of the format: their hash depends on it.
#[tokio::test]
async fn contents_are_cut_as_the_golden_files_say() {
    let values = [
        ("large_of_noise", noise((24 << 20) + 1)),
        ("large_of_zeros", vec![0; (3 << 20) + 1]),
        ("large_least", noise(CHUNK_MAX + 1)),
    ];
    for (name, value) in values {
        let mut tree = repo().empty_tree();
        tree.set("v", value).await.unwrap();
        let hash = tree.find_hash("v").await.unwrap().unwrap();
        check_golden(name, &Bytes::copy_from_slice(hash.as_bytes()));
    }
}

#[test]
fn one_index_has_one_block() {
    let sample = index(1, vec![part("one", CHUNK_MAX as u64), part("two", 5)]);
    let block = Native::encode_contents_index(&sample).unwrap();
    let decoded = Native::decode_contents_index::<Sha1>(&block).unwrap();
    assert_eq!((decoded.length(), &decoded), (CHUNK_MAX as u64 + 5, &sample));
    for bit in 0..block.len() * 8 {
        let mut changed = block.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = Bytes::from(changed);
        if let Ok(other) = Native::decode_contents_index::<Sha1>(&changed) {
            assert_ne!(other, sample);
            assert_eq!(Native::encode_contents_index(&other).unwrap(), changed);
        }
    }
    for length in 0..block.len() {
        let cut = Native::decode_contents_index::<Sha1>(&block.slice(..length));
        let is_whole = length == 2 + 20 + 3;
        assert_eq!(cut.is_ok(), is_whole, "{length}");
    }
}

#[test]
fn an_index_that_no_writer_makes_is_refused() {
    let (most, least) = (CHUNK_MAX as u64, CHUNK_MIN as u64);
    let two = |first, last| vec![part("one", first), part("two", last)];
    let refused = [
        ("level 0", index(0, two(most, 1))),
        ("level 11", index(11, two(u64::MAX / 2, 1))),
        ("no parts", index(1, Vec::new())),
        ("513 parts", index(1, parts(513, None))),
        ("a short chunk before others", index(1, two(least - 1, 1))),
        ("a long chunk before others", index(1, two(most + 1, 1))),
        ("an empty last chunk", index(1, two(most, 0))),
        ("a long last chunk", index(1, two(most, most + 1))),
        ("a short block before others", index(2, two(32 * least - 1, 1))),
        ("a long block before others", index(2, two(512 * most + 1, 1))),
        ("more than 64 bits", index(10, vec![part("one", 1 << 63), part("two", 1 << 63)])),
        ("an end at the 32nd part of 33", index(1, parts(33, Some(31)))),
        ("an end at the 500th part of 512", index(1, parts(512, Some(499)))),
    ];
    for (what, index) in refused {
        let fault = Native::encode_contents_index(&index).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidInput, "{what}");
        let fault = Native::decode_contents_index::<Sha1>(&forged(&index)).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Corrupt, "{what}");
    }
    let taken = [
        ("an end before the 32nd part", index(1, parts(33, Some(30)))),
        ("an end at the last part", index(1, parts(33, Some(32)))),
        ("512 parts", index(1, parts(512, None))),
        ("one part, of the last block of its level", index(1, vec![part("one", 1)])),
        ("the highest level", index(10, vec![part("one", 1 << 62), part("two", 1)])),
    ];
    for (what, index) in taken {
        let block = Native::encode_contents_index(&index).expect(what);
        assert_eq!(block, forged(&index), "{what}");
        assert_eq!(Native::decode_contents_index::<Sha1>(&block).expect(what), index);
    }
}

/// Writes an index block whatever is in it.
pub(super) fn forged(index: &ContentsIndex<Sha1>) -> Bytes {
    let mut block = vec![0x06, index.level];
    for ContentsPart { hash, length } in &index.parts {
        block.extend_from_slice(hash.as_bytes());
        let mut length = *length;
        while length >= 0x80 {
            block.push(length.to_le_bytes()[0] | 0x80);
            length >>= 7;
        }
        block.push(length.to_le_bytes()[0]);
    }
    block.into()
}

#[test]
fn chunks_and_contents_are_as_long_as_they_may_be() {
    let chunk = |length| Native::decode_chunk(&Native::encode_chunk(&vec![0; length]));
    assert_eq!(chunk(1).unwrap(), &[0][..]);
    assert_eq!(chunk(CHUNK_MAX).unwrap().len(), CHUNK_MAX);
    assert_eq!(chunk(0).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(chunk(CHUNK_MAX + 1).unwrap_err().kind(), ErrorKind::Corrupt);
    let contents = |length| Native::decode_contents(&Native::encode_contents(&vec![0; length]));
    assert_eq!(contents(CHUNK_MAX).unwrap().len(), CHUNK_MAX);
    assert_eq!(contents(CHUNK_MAX + 1).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_chunk_and_an_index_are_nothing_else() {
    let sample = index(1, vec![part("one", CHUNK_MAX as u64), part("two", 5)]);
    let index = Native::encode_contents_index(&sample).unwrap();
    let blocks = [Native::encode_contents(b"x"), Native::encode_chunk(b"x"), index];
    for (number, block) in blocks.iter().enumerate() {
        let decodes = [
            Native::decode_contents(block).is_ok(),
            Native::decode_chunk(block).is_ok(),
            Native::decode_contents_index::<Sha1>(block).is_ok(),
        ];
        assert_eq!(decodes, [number == 0, number == 1, number == 2]);
        assert_eq!(Native::is_contents_index(block), number == 2);
    }
}

/// From the head of a branch every block that was stored for it is come to by links, and no other.
#[tokio::test]
async fn the_links_of_blocks_lead_to_all_of_them() {
    let repo = repo();
    let main = repo.main().await.unwrap();
    let value = noise(30 << 20);
    main.set("a/large", value.clone(), "one").await.unwrap();
    main.set("a/small", noise(200), "two").await.unwrap();
    main.set("b", b"in place".to_vec(), "three").await.unwrap();
    main.set_stream("c", &value[1..], "four").await.unwrap();
    let head = main.head().await.unwrap().unwrap();
    let (mut todo, mut seen) = (vec![Link::Commit(head.hash())], Vec::new());
    while let Some(link) = todo.pop() {
        if seen.contains(&link.hash()) {
            continue;
        }
        let block = super::support::block(repo.backend(), &link.hash()).await;
        let kind = match link {
            Link::Commit(_) => &[0x03][..],
            Link::Directory(_) => &[0x02, 0x04],
            Link::Contents(_) => &[0x01, 0x05, 0x06],
        };
        assert!(kind.contains(&block[0]), "{link:?}");
        seen.push(link.hash());
        todo.extend(Native::links::<Sha1>(&block).unwrap());
    }
    let mut names = names(repo.backend()).await;
    names.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, names);
    let fault = Native::links::<Sha1>(&Bytes::from_static(b"\x70")).unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::Corrupt);
}

/// Where a chunk comes behind index blocks that are full, it is no root, though it is alone on its level.
#[tokio::test]
async fn a_chunk_alone_behind_a_full_index_block_is_the_last_of_many() {
    let repo = repo();
    let main = repo.main().await.unwrap();
    let value = noise(20 << 20);
    main.set("v", value.clone(), "long").await.unwrap();
    let name = main.tree().await.unwrap().find_hash("v").await.unwrap().unwrap();
    let root = super::support::block(repo.backend(), &name).await;
    let root = Native::decode_contents_index::<Sha1>(&root).unwrap();
    assert_eq!(root.level, 2);
    let end = usize::try_from(root.parts[0].length).unwrap();
    // One byte more may still be part of the chunk before.
    for length in [end - 1, end, end + 1, end + 100] {
        main.set("v", value[..length].to_vec(), "cut").await.unwrap();
        assert!(main.find("v").await.unwrap().unwrap() == value[..length], "{length} bytes");
    }
}
