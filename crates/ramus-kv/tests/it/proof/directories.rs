//! Directories that no honest writer makes, written by hand. Their roots are trusted, and they are
//! refused all the same.

use ramus_core::{Hash as _, Sha1};
use ramus_kv::{Proof, Tree};

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
    Sha1::of(&[&[0x70, 0], step].concat()).as_bytes()[..8].to_vec()
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
    let long = [&[0x01][..], &[b'x'; 65]].concat();
    let short = [&[0x01][..], &[b'x'; 64]].concat();
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
    let garbage = [&[0x01][..], &[0xff; 65]].concat();
    let root = leaf(&[contents("c", Raw::name(&garbage))]);
    check(vec![root, garbage], "cannot be read as contents").await;
}
