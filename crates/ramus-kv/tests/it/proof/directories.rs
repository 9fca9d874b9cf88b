//! Directories that no honest writer makes, written by hand. Their roots are trusted, and they are
//! refused all the same.

use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, Sha1, Storage as _};
use ramus_kv::block::INLINE_MAX;
use ramus_kv::{Proof, Repo, Tree};
use ramus_mem::Mem;

use super::bytes::{Raw, put_bytes, put_varint};
use super::{Text, refused, repo, stored};

/// An item of a block by hand: its step, and the rest of it.
type Item = (Vec<u8>, Vec<u8>);

/// What an index block says of a child.
#[derive(Clone, Debug)]
struct Says {
    first: Vec<u8>,
    hash: Sha1,
    count: usize,
    weight: usize,
}

fn block(head: &[u8], items: &[Item]) -> Vec<u8> {
    assert!(items.len() <= 16, "one restart");
    let mut out = head.to_vec();
    let mut last: &[u8] = &[];
    for (step, body) in items {
        let shared = last.iter().zip(step).take_while(|(a, b)| a == b).count();
        put_varint(&mut out, shared);
        put_bytes(&mut out, &step[shared..]);
        out.extend_from_slice(body);
        last = step;
    }
    if !items.is_empty() {
        out.extend_from_slice(&u32::try_from(head.len()).expect("a small block").to_be_bytes());
    }
    out.extend_from_slice(&u32::try_from(items.len()).expect("a small block").to_be_bytes());
    out
}

fn leaf(items: &[Item]) -> Vec<u8> {
    block(&[0x02], items)
}

fn index(level: u8, children: &[Says]) -> Vec<u8> {
    let item = |says: &Says| {
        let mut body = says.hash.as_bytes().to_vec();
        put_varint(&mut body, says.count);
        put_varint(&mut body, says.weight);
        (says.first.clone(), body)
    };
    let items: Vec<Item> = children.iter().map(item).collect();
    block(&[0x04, level], &items)
}

/// An entry with its value in place.
fn value(step: &[u8], text: &str) -> Item {
    let mut body = vec![0x03, 0];
    put_bytes(&mut body, text.as_bytes());
    (step.to_vec(), body)
}

fn contents(step: &str, hash: Sha1) -> Item {
    (step.into(), [&[0x01, 0], hash.as_bytes()].concat())
}

fn directory(step: &str, hash: Sha1) -> Item {
    (step.into(), [&[0x02], hash.as_bytes()].concat())
}

fn weight(items: &[Item]) -> usize {
    items
        .iter()
        .map(|(step, body)| 1 + if step.len() < 0x80 { 1 } else { 2 } + step.len() + body.len())
        .sum()
}

fn says(items: &[Item]) -> Says {
    let hash = Raw::name(&leaf(items));
    Says { first: items[0].0.clone(), hash, count: items.len(), weight: weight(items) }
}

fn priority(step: &[u8]) -> Vec<u8> {
    priority_on(0, step).to_vec()
}

fn priority_on(level: u8, step: &[u8]) -> [u8; 8] {
    let hash = Sha1::of(&[&[0x70, level], step].concat());
    hash.as_bytes()[..8].try_into().expect("eight bytes")
}

/// Returns an entry with a long step that begins like this, and whose gap is of this rank among the
/// entries: one of a higher rank, 0 to 15, is higher. On the level above it is high or low.
fn ranked(begin: &str, rank: u8, is_high_above: bool) -> Item {
    let steps = (0_u32..).map(|filler| format!("{begin}{filler:0999}").into_bytes());
    let fits = |step: &Vec<u8>| {
        priority_on(0, step)[0] >> 4 == rank && (priority_on(1, step)[0] >= 0x80) == is_high_above
    };
    let step = steps.into_iter().find(fits).expect("one in 32 fits");
    value(&step, "v")
}

/// A directory of three levels: eight leaves below two index blocks.
struct Tall {
    leaves: Vec<Vec<Item>>,
}

impl Tall {
    /// The ranks are those of the gaps before the leaves. Each leaf is a single entry, but for those
    /// that are to be heavy: two of them, side by side, weigh too much for one block.
    fn new(ranks: [u8; 8], heavy: &[usize]) -> Self {
        let leaf = |(index, rank): (usize, u8)| {
            let letter = ["a", "b", "c", "d", "e", "f", "g", "h"][index];
            let mut items = vec![ranked(&format!("{letter}-"), rank, index == 4)];
            if heavy.contains(&index) {
                let more =
                    ["0", "1", "2", "3"].map(|more| ranked(&format!("{letter}{more}"), 0, false));
                items.extend(more);
            }
            items
        };
        Self { leaves: ranks.into_iter().enumerate().map(leaf).collect() }
    }

    /// Returns the index block over some of the leaves, and what the root says of it.
    fn half(&self, leaves: std::ops::Range<usize>) -> (Vec<u8>, Says) {
        let below: Vec<Says> = self.leaves[leaves].iter().map(|leaf| says(leaf)).collect();
        let block = index(1, &below);
        let weight = below
            .iter()
            .map(|says| {
                let numbers =
                    [says.count, says.weight].map(|number| if number < 0x80 { 1 } else { 2 });
                3 + says.first.len() + 20 + numbers[0] + numbers[1]
            })
            .sum();
        let count = below.iter().map(|says| says.count).sum();
        let says = Says { first: below[0].first.clone(), hash: Raw::name(&block), count, weight };
        (block, says)
    }

    /// Returns its blocks; the root comes first.
    fn blocks(&self) -> Vec<Vec<u8>> {
        let (left, says_left) = self.half(0..4);
        let (right, says_right) = self.half(4..8);
        let mut blocks = vec![index(2, &[says_left, says_right]), left, right];
        blocks.extend(self.leaves.iter().map(|items| leaf(items)));
        blocks
    }
}

/// Returns the items of two leaves, five in each, that are a directory: too heavy for one, and the
/// highest gap is that in the middle.
fn halves() -> (Vec<Item>, Vec<Item>) {
    for filler in 0_u32.. {
        let step = |letter: u8| [&[letter], format!("{filler:01000}").as_bytes()].concat();
        let mut items: Vec<Item> = (b'a'..=b'j').map(|letter| value(&step(letter), "v")).collect();
        let highest = items[1..].iter().map(|(step, _)| priority(step)).max();
        if highest == Some(priority(&items[5].0)) {
            let right = items.split_off(5);
            return (items, right);
        }
    }
    unreachable!("one in nine fits")
}

/// Checks that a tree of these blocks, of which the first is the root, is refused for this reason.
async fn check(blocks: Vec<Vec<u8>>, reason: &str) {
    let root = Raw::name(&blocks[0]);
    let proof = Proof::<Text>::decode(Raw::of(root, blocks).encode()).expect("decode");
    let why = refused(proof.verify(&root, read_all).await);
    assert!(why.contains(reason), "`{reason}` is not in: {why}");
}

/// Reads every block that there is.
async fn read_all(tree: &mut Tree<Text>) -> ramus_core::Result<usize> {
    let mut todo = vec![String::new()];
    let mut count = 0;
    while let Some(path) = todo.pop() {
        for entry in tree.list(path.as_str()).await? {
            let below = format!("{path}/{}", entry.step.as_str().unwrap_or_default());
            let below = below.trim_start_matches('/').to_owned();
            tree.find(below.as_str()).await?;
            todo.push(below);
            count += 1;
        }
    }
    Ok(count)
}

#[tokio::test]
async fn directories_by_hand_are_those_of_the_store() {
    let (left, right) = halves();
    let root = index(1, &[says(&left), says(&right)]);
    let repo = repo();
    let mut tree = repo.empty_tree();
    for (step, _) in left.iter().chain(&right) {
        tree.set(std::str::from_utf8(step).unwrap(), "v").await.unwrap();
    }
    let tree = stored(&repo, &tree).await;
    assert_eq!(tree.hash().await.unwrap(), Raw::name(&root));
    let raw = Raw::of(Raw::name(&root), vec![root.clone(), leaf(&left), leaf(&right)]);
    let proof = Proof::<Text>::decode(raw.encode()).unwrap();
    assert_eq!(proof.verify(&raw.before, read_all).await.unwrap(), 10);
    assert_eq!(tree.prove(read_all).await.unwrap().0, proof);
}

#[tokio::test]
async fn what_an_index_block_says_has_to_be_so() {
    let (left, right) = halves();
    let (a, b) = (says(&left), says(&right));
    let cases: [(&str, Says, &str); 4] = [
        ("count", Says { count: 6, ..b.clone() }, "is not what the index block above says"),
        ("weight", Says { weight: b.weight + 1, ..b.clone() }, "is not what the index block above"),
        ("first step", Says { first: right[1].0.clone(), ..b.clone() }, "does not begin with"),
        ("hash", Says { hash: Raw::name(&leaf(&left)), ..b.clone() }, "does not begin with"),
    ];
    for (_, wrong, reason) in cases {
        let root = index(1, &[a.clone(), wrong]);
        check(vec![root, leaf(&left), leaf(&right)], reason).await;
    }
    let root = index(2, &[a.clone(), b.clone()]);
    check(vec![root, leaf(&left), leaf(&right)], "is not what the index block above says").await;
}

#[tokio::test]
async fn a_block_ends_where_the_next_begins() {
    let (mut left, right) = halves();
    left.push(value(&[&right[0].0[..1], b"z"].concat(), "behind"));
    let root = index(1, &[says(&left), says(&right)]);
    check(vec![root, leaf(&left), leaf(&right)], "a block goes on behind").await;
}

#[tokio::test]
async fn a_directory_is_cut_where_the_rule_says() {
    let (left, right) = halves();
    let all: Vec<Item> = left.iter().chain(&right).cloned().collect();
    check(vec![leaf(&all)], "too heavy for one of several items").await;
    let (a, b) = (&all[..4], &all[4..]);
    let root = index(1, &[says(a), says(b)]);
    check(vec![root, leaf(a), leaf(b)], "holds a gap that is cut before").await;
    // The rule would be content with the middle.
    let (a, b, c) = (&all[..2], &all[2..5], &all[5..]);
    let root = index(1, &[says(a), says(b), says(c)]);
    check(vec![root, leaf(a), leaf(b), leaf(c)], "light enough for one").await;
}

#[tokio::test]
async fn directories_of_three_levels_by_hand_are_those_of_the_store() {
    let tall = Tall::new([3, 8, 7, 6, 5, 6, 7, 8], &[3, 4]);
    let (blocks, repo) = (tall.blocks(), repo());
    let mut tree = repo.empty_tree();
    for (step, _) in tall.leaves.iter().flatten() {
        tree.set(std::str::from_utf8(step).unwrap(), "v").await.unwrap();
    }
    let tree = stored(&repo, &tree).await;
    assert_eq!(tree.hash().await.unwrap(), Raw::name(&blocks[0]));
    let raw = Raw::of(Raw::name(&blocks[0]), blocks);
    let proof = Proof::<Text>::decode(raw.encode()).unwrap();
    assert_eq!(proof.verify(&raw.before, read_all).await.unwrap(), 16);
    assert_eq!(tree.prove(read_all).await.unwrap().0, proof);
}

#[tokio::test]
async fn light_blocks_are_not_parted_wherever_they_lie() {
    for (what, ranks) in [
        ("at the beginning of the directory", [3, 4, 5, 6, 7, 8, 9, 10]),
        ("in the middle of an index block", [3, 8, 4, 5, 6, 7, 8, 9]),
        ("on both sides of an index boundary", [3, 8, 7, 6, 5, 6, 7, 8]),
        ("in the middle of the last index block", [3, 10, 9, 8, 7, 6, 5, 6]),
        ("at the end of the directory", [3, 10, 9, 8, 7, 6, 5, 4]),
    ] {
        let blocks = Tall::new(ranks, &[]).blocks();
        let root = Raw::name(&blocks[0]);
        let proof = Proof::<Text>::decode(Raw::of(root, blocks).encode()).expect("decode");
        let why = refused(proof.verify(&root, read_all).await);
        assert!(why.contains("light enough for one"), "{what}: {why}");
    }
}

#[tokio::test]
async fn a_block_has_to_be_right_in_each_of_its_places() {
    // As a part it is right; as a directory of its own it ends with two leaves that should be one.
    let tall = Tall::new([3, 10, 9, 8, 5, 12, 13, 14], &[3, 4]);
    for (part, whole) in [("a", "b"), ("b", "a")] {
        let (mut blocks, (half, _)) = (tall.blocks(), tall.half(0..4));
        let mut names =
            vec![directory(part, Raw::name(&half)), directory(whole, Raw::name(&blocks[0]))];
        names.sort();
        blocks.insert(0, leaf(&names));
        let root = Raw::name(&blocks[0]);
        let proof = Proof::<Text>::decode(Raw::of(root, blocks).encode()).expect("decode");
        let why = refused(proof.verify(&root, read_all).await);
        assert!(why.contains("light enough for one"), "{why}");
    }
}

#[tokio::test]
async fn what_a_step_cannot_be_is_refused_before_anything_is_answered() {
    let (long, longest) = (b"x".repeat(1025), b"y".repeat(1024));
    let steps: [&[u8]; 5] = [b"", b"a/b", b"a\0b", &long, &[&longest[..], b"z"].concat()];
    for step in steps {
        // The last of them shares all but one byte with the one before.
        let before = step.starts_with(b"y").then(|| value(&longest, "v"));
        let items: Vec<Item> = before.into_iter().chain([value(step, "v")]).collect();
        let blocks = vec![leaf(&items)];
        let root = Raw::name(&blocks[0]);
        let proof = Proof::<Text>::decode(Raw::of(root, blocks).encode()).expect("decode");
        // The number of entries stands in the block: no step is looked at for it.
        let answer = proof.verify(&root, async |tree: &mut Tree<Text>| tree.len("").await).await;
        let why = refused(answer);
        assert!(why.contains("an item has no valid step") || step.is_empty(), "{why}");
    }
}

#[tokio::test]
async fn contents_and_metadata_that_cannot_be_decoded_are_unproven() {
    let text = (b"a".to_vec(), vec![0x03, 0, 2, 0xff, 0xff]);
    check(vec![leaf(&[text])], "has blocks that cannot be read").await;
    let with_metadata = (b"a".to_vec(), vec![0x03, 1, b'm', 1, b'v']);
    let blocks = vec![leaf(&[with_metadata])];
    let root = Raw::name(&blocks[0]);
    let proof = Proof::<Text>::decode(Raw::of(root, blocks).encode()).expect("decode");
    let read = async |tree: &mut Tree<Text>| tree.find_with_metadata("a").await;
    let why = refused(proof.verify(&root, read).await);
    assert!(why.contains("has blocks that cannot be read"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_decoded_cannot_be_proved_even_if_nobody_minds() {
    let garbage = [&[0x01][..], &[0xff; INLINE_MAX + 1]].concat();
    let name = Raw::name(&garbage);
    for root in [leaf(&[contents("x", name)]), leaf(&[directory("x", name)])] {
        let storage = Mem::<Sha1>::default();
        for block in [&root, &garbage] {
            storage.blocks().add(block.clone().into()).await.unwrap();
        }
        let repo = Repo::<Text>::new(Backend::new(storage));
        let tree = repo.tree(&Raw::name(&root)).await.unwrap();
        let careless = async |tree: &mut Tree<Text>| {
            drop(tree.find("x").await);
            drop(tree.find("x/y").await);
            Ok(())
        };
        assert_eq!(tree.prove(careless).await.unwrap_err().kind(), ErrorKind::Corrupt);
        let raw = Raw::of(Raw::name(&root), vec![root, garbage.clone()]);
        let proof = Proof::<Text>::decode(raw.encode()).unwrap();
        refused(proof.verify(&raw.before, careless).await);
    }
}

#[tokio::test]
async fn a_directory_has_no_needless_level() {
    let (left, right) = halves();
    let middle = index(1, &[says(&left), says(&right)]);
    let first = left[0].0.clone();
    let only = Says { first, hash: Raw::name(&middle), count: 10, weight: 2048 };
    check(vec![index(2, &[only]), middle, leaf(&left), leaf(&right)], "a single child").await;
    let light = [value(b"a", "1")];
    check(vec![index(1, &[says(&light)]), leaf(&light)], "a single child").await;
    let (a, b) = ([value(b"a", "1")], [value(b"b", "2")]);
    let root = index(1, &[says(&a), says(&b)]);
    check(vec![root, leaf(&a), leaf(&b)], "light enough for one").await;
}

#[tokio::test]
async fn blocks_that_are_not_canonical_are_refused() {
    let (a, b) = (value(b"a", "1"), value(b"b", "2"));
    check(vec![leaf(&[b.clone(), a.clone()])], "does not come after the one before").await;
    check(vec![leaf(&[a.clone(), a.clone()])], "does not come after the one before").await;
    let sound = leaf(&[a.clone(), b]);
    check(vec![[&sound[..], b"x"].concat()], "cannot be read as a directory").await;
    let mut long = sound.clone();
    // The step's length, 1, in two bytes.
    long.splice(2..3, [0x81, 0x00]);
    check(vec![long], "cannot be read as a directory").await;
    check(vec![leaf(&[(b"a".to_vec(), vec![0x09])])], "no entry of kind 9").await;
    check(vec![index(1, &[])], "has no children").await;
    check(vec![b"\x01contents".to_vec()], "no block of a directory").await;
}

#[tokio::test]
async fn what_an_entry_names_has_to_be_of_its_kind() {
    let long = [&[0x01][..], &[b'x'; INLINE_MAX + 1]].concat();
    let short = [&[0x01][..], &[b'x'; INLINE_MAX]].concat();
    let below = leaf(&[value(b"a", "1")]);
    let root = leaf(&[contents("c", Raw::name(&short))]);
    check(vec![root, short], "should stand in their entry").await;
    let root = leaf(&[contents("c", Raw::name(&below))]);
    check(vec![root, below], "cannot be read as contents").await;
    let root = leaf(&[directory("d", Raw::name(&long))]);
    check(vec![root, long], "cannot be read as a directory").await;
    let none = leaf(&[]);
    let root = leaf(&[directory("d", Raw::name(&none))]);
    check(vec![root.clone(), none], "without entries").await;
    check(vec![root], "without entries").await;
    let garbage = [&[0x01][..], &[0xff; INLINE_MAX + 1]].concat();
    let root = leaf(&[contents("c", Raw::name(&garbage))]);
    check(vec![root, garbage], "cannot be read as contents").await;
}
