//! Large contents whose blocks are missing, wrong, or cut where no writer cuts.

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{
    ContentAddressable as _, Error, ErrorKind, Hash as _, Sha1, Storage as _, Sweep as _,
};
use ramus_kv::block::{CHUNK_MAX, ContentsIndex, ContentsPart, DirectoryBlock, Entry, Held};
use ramus_kv::{Format as _, Native, Repo, Tree};
use ramus_mem::Mem;
use tokio::io::AsyncReadExt as _;

use super::format::forged;
use super::support::{Files, block, noise, repo};

/// Stores blocks, and returns the tree in which `v` has the contents whose root is the last of them.
async fn tree_of(blocks: Vec<Bytes>) -> Tree<Files> {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let root = Sha1::of(blocks.last().expect("a root"));
    let entry = Entry::Contents { held: Held::Block(root), metadata: Bytes::new() };
    let leaf = DirectoryBlock::Leaf(vec![("v".parse().expect("a step"), entry)]);
    let leaf = leaf.encode().expect("a leaf");
    let mut named: Vec<_> = blocks.into_iter().map(|block| (Sha1::of(&block), block)).collect();
    named.push((Sha1::of(&leaf), leaf.clone()));
    repo.backend().blocks().unsafe_add_many(named).await.expect("they are added");
    repo.tree(&Sha1::of(&leaf)).await.expect("a tree")
}

/// The parts of an index, level 1, that cuts bytes at these lengths; the index comes last.
fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let (mut rest, mut blocks, mut parts) = (bytes, Vec::new(), Vec::new());
    for length in lengths {
        let block = Native::encode_chunk(&rest[..*length]);
        parts.push(ContentsPart { hash: Sha1::of(&block), length: *length as u64 });
        blocks.push(block);
        rest = &rest[*length..];
    }
    assert!(rest.is_empty());
    blocks.push(forged(&ContentsIndex { level: 1, parts }));
    blocks
}

/// Returns the bytes of a chunk that ends an index block.
fn ending(length: usize) -> Vec<u8> {
    let chunk = |number: u32| [&number.to_be_bytes()[..], &noise(length - 4)].concat();
    let ends = |chunk: &Vec<u8>| Sha1::of(&Native::encode_chunk(chunk)).as_bytes()[0] < 2;
    (0..100_000).map(chunk).find(ends).expect("one of many")
}

/// Returns why a value cannot be read as a whole, and why not as a stream.
async fn faults(tree: &Tree<Files>) -> (Option<ErrorKind>, Option<ErrorKind>) {
    let whole = tree.find("v").await.err().map(|fault| fault.kind());
    let read = async {
        let mut reader = tree.reader("v").await?.expect("it is there");
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .await
            .map_err(|fault| fault.downcast::<Error>().expect("what the store says is inside"))
    };
    (whole, read.await.err().map(|fault| fault.kind()))
}

const CORRUPT: Option<ErrorKind> = Some(ErrorKind::Corrupt);

#[tokio::test]
async fn what_cannot_be_is_refused_by_every_read() {
    let bytes = noise(CHUNK_MAX + 40_000);
    let most = CHUNK_MAX;
    let small = noise(CHUNK_MAX);
    let mut longer = cut(&bytes, &[most, 40_000]);
    longer[0] = Native::encode_chunk(&bytes[..most - 1]);
    let of_this = |blocks: &[Bytes], change: &dyn Fn(&mut ContentsIndex<Sha1>)| {
        let mut index = Native::decode_contents_index::<Sha1>(blocks.last().unwrap()).unwrap();
        change(&mut index);
        let mut blocks = blocks[..blocks.len() - 1].to_vec();
        blocks.push(forged(&index));
        blocks
    };
    let sound = cut(&bytes, &[most, 40_000]);
    let high = |parts: Vec<ContentsPart<Sha1>>, below: Vec<Bytes>| {
        let mut blocks = below;
        blocks.push(forged(&ContentsIndex { level: 2, parts }));
        blocks
    };
    let of_block = |block: &Bytes, length: u64| ContentsPart { hash: Sha1::of(block), length };
    let index = sound.last().unwrap().clone();
    let mut wrong = vec![
        ("a small value split", cut(&small, &[most / 2, most / 2])),
        ("one part in the root", cut(&small, &[most])),
        ("a wrong length of a chunk", of_this(&sound, &|index| index.parts[1].length -= 1)),
        (
            "an index in the place of a chunk",
            of_this(&sound, &|index| {
                index.parts[0].hash = index.parts[1].hash;
            }),
        ),
        (
            "an index of one block as the root",
            high(vec![of_block(&index, bytes.len() as u64)], sound.clone()),
        ),
        // Below a higher level, what is not the last block of its level has at least 32 parts.
        (
            "a short block before another",
            high(
                vec![of_block(&index, 32 << 14), of_block(&index, bytes.len() as u64)],
                sound.clone(),
            ),
        ),
    ];
    let level_1 = |blocks: &Vec<Bytes>| blocks.last().unwrap().clone();
    let below = cut(&noise(40 * 20_000), &[20_000; 40]);
    let part = of_block(&level_1(&below), 40 * 20_000);
    // 40 parts that do not end by the rule, and another block behind them.
    wrong.push(("a block that ends early", high(vec![part, part], below)));
    // The first block of level 1 is as full as one can be, and the last may be of any length.
    let full = cut(&vec![0; 512 * 20_000], &[20_000; 512]);
    let last = cut(&noise(50_000), &[20_000, 30_000]);
    let parts = [of_block(&level_1(&full), 512 * 20_000), of_block(&level_1(&last), 50_000 - 1)];
    let both = [full, last].concat();
    wrong.push(("a wrong length of an index block", high(parts.to_vec(), both.clone())));
    let [first, last] = parts;
    let last = ContentsPart { length: 50_000, ..last };
    assert_eq!(faults(&tree_of(high(vec![first, last], both.clone())).await).await.1, None);
    let level_2 = ContentsIndex { level: 2, parts: vec![last] };
    let level_2 = Native::encode_contents_index(&level_2).unwrap();
    let parts = vec![first, of_block(&level_2, 50_000)];
    wrong.push(("a wrong level", high(parts, [both, vec![level_2]].concat())));
    // Blocks whose last part ends them, but which have too few or too short ones for that.
    let last = of_block(&level_1(&sound), bytes.len() as u64);
    for (what, count, length, end) in
        [("few parts", 20, 25_000, 25_000), ("a short part", 39, 20_000, 9_000)]
    {
        let bytes = [noise(count * length), ending(end)].concat();
        let mut lengths = vec![length; count];
        lengths.push(end);
        let first = cut(&bytes, &lengths);
        let parts = vec![of_block(&level_1(&first), bytes.len() as u64), last];
        wrong.push((what, high(parts, [first, sound.clone()].concat())));
    }
    for (what, blocks) in wrong {
        assert_eq!(faults(&tree_of(blocks).await).await, (CORRUPT, CORRUPT), "{what}");
    }
}

/// The last block of one that is not the last is not the last of its level either.
#[tokio::test]
async fn a_block_that_ends_early_is_refused_also_at_the_end_of_the_one_above() {
    let mut blocks = cut(&noise(40 * 20_000), &[20_000; 40]);
    let short = Sha1::of(blocks.last().unwrap());
    let part = |hash, length| ContentsPart { hash, length };
    let elsewhere = part(Sha1::of(b"elsewhere"), 40 * 20_000);
    let mut parts = vec![elsewhere; 511];
    parts.push(part(short, 40 * 20_000));
    let above = ContentsIndex { level: 2, parts };
    let length = above.length();
    blocks.push(Native::encode_contents_index(&above).unwrap());
    let parts = vec![part(Sha1::of(blocks.last().unwrap()), length), elsewhere];
    blocks.push(forged(&ContentsIndex { level: 3, parts }));
    let reader = tree_of(blocks).await.reader("v").await.unwrap().unwrap();
    let fault = reader.read_range(length - 1..length).await.unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::Corrupt, "{fault}");
}

/// A reader that sees a chunk at a time cannot tell; whoever has all of it does.
#[tokio::test]
async fn a_value_that_is_cut_elsewhere_is_refused_as_a_whole() {
    let bytes = noise(CHUNK_MAX + 40_000);
    let blocks = cut(&bytes, &[150_000, 152_144]);
    assert_eq!(faults(&tree_of(blocks).await).await, (CORRUPT, None));
}

#[tokio::test]
async fn a_missing_block_is_missing_and_the_reader_can_go_on_when_it_is_back() {
    let repo = repo();
    let main = repo.main().await.unwrap();
    let value = noise(2 << 20);
    main.set_stream("v", &value[..], "write").await.unwrap();
    let tree = main.tree().await.unwrap();
    let root = tree.find_hash("v").await.unwrap().unwrap();
    let root_block = block(repo.backend(), &root).await;
    let index = Native::decode_contents_index::<Sha1>(&root_block).unwrap();
    let name = index.parts[5].hash;
    let lost = block(repo.backend(), &name).await;
    // Nothing but a storage without pins lets go of it.
    let other = Repo::<Files>::new(Backend::new(Mem::default()));
    let sweep = other.backend().sweep().unwrap();
    let mut blocks = Vec::new();
    for hash in super::support::names(repo.backend()).await {
        blocks.push((hash, block(repo.backend(), &hash).await));
    }
    other.backend().blocks().unsafe_add_many(blocks).await.unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, vec![name]).await.unwrap(), 1);
    let tree = other.tree(&tree.hash().await.unwrap()).await.unwrap();
    let missing = Some(ErrorKind::Missing);
    assert_eq!(faults(&tree).await, (missing, missing));

    let start: u64 = index.parts[..5].iter().map(|part| part.length).sum();
    let mut reader = tree.reader("v").await.unwrap().unwrap();
    assert!(reader.read_range(..start).await.unwrap() == value[..usize::try_from(start).unwrap()]);
    assert_eq!(reader.read_range(..=start).await.unwrap_err().kind(), ErrorKind::Missing);
    let mut read = Vec::new();
    let fault = reader.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(fault.kind(), std::io::ErrorKind::NotFound);
    assert!(fault.to_string().contains(&name.to_string()), "{fault}");
    assert_eq!(reader.position(), read.len() as u64);
    other.backend().blocks().add(lost).await.unwrap();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == value);
}

/// What a block claims to be long is not made room for.
#[tokio::test]
async fn a_length_that_is_only_claimed_takes_no_memory() {
    let part = |name: &[u8], length| ContentsPart { hash: Sha1::of(name), length };
    let index = ContentsIndex { level: 10, parts: vec![part(b"a", 1 << 62), part(b"b", 1)] };
    let tree = tree_of(vec![forged(&index)]).await;
    let reader = tree.reader("v").await.unwrap().unwrap();
    assert_eq!(reader.len(), (1 << 62) + 1);
    assert_eq!(faults(&tree).await, (Some(ErrorKind::Missing), Some(ErrorKind::Missing)));
    assert_eq!(reader.read_range(..).await.unwrap_err().kind(), ErrorKind::Missing);
}
