//! Forged proofs, each of which is refused before it answers anything.

use ramus_core::{ErrorKind, Hash as _, Result, Sha1};
use ramus_kv::{ListOptions, Proof, Tree};

use super::bytes::{Raw, packed, put_block, put_form, put_varint};
use super::{Text, refused, repo, wide};

/// Reads and changes a little of everything.
async fn run(tree: &mut Tree<Text>) -> Result<(Option<String>, Option<String>, usize)> {
    let found = tree.find("users/grace").await?;
    let absent = tree.find("w/k004711x").await?;
    let page = ListOptions::default().with_prefix("k00200").with_limit(20);
    let listed = tree.list_with("w", page).await?.len();
    tree.set("w/k009000", "changed").await?;
    Ok((found, absent, listed))
}

struct Honest {
    root: Sha1,
    raw: Raw,
    /// The same computation on a tree with other values.
    other: Raw,
}

impl Honest {
    async fn new() -> Self {
        let repo = repo();
        let tree = wide(&repo, 12_000).await;
        let mut changed = tree.clone();
        for path in ["w/k004711", "w/k009001", "users/grace", "w/k002003"] {
            changed.set(path, "something else").await.expect("a sound tree");
        }
        changed.set("w/k004711x", "no absence here").await.expect("a sound tree");
        changed.remove("w/k002004").await.expect("a sound tree");
        let changed = super::stored(&repo, &changed).await;
        let (root, proof) = (
            tree.hash().await.expect("a sound tree"),
            tree.prove(run).await.expect("a sound tree").0,
        );
        proof.verify(&root, run).await.expect("a sound tree");
        let raw = Raw::parse(&proof.encode());
        assert!(raw.blocks.len() > 6, "{} blocks", raw.blocks.len());
        let other = Raw::parse(&changed.prove(run).await.expect("a sound tree").0.encode());
        Self { root, raw, other }
    }

    /// Checks that bytes are refused as a proof of the root.
    async fn check_bytes(&self, what: &str, bytes: Vec<u8>) -> String {
        let proof = match Proof::<Text>::decode(bytes) {
            Ok(proof) => proof,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unproven, "{what}: {error:?}");
                return format!("{error:?}");
            }
        };
        let answer = proof.verify(&self.root, run).await;
        assert!(answer.is_err(), "{what} passes");
        refused(answer)
    }

    async fn check(&self, what: &str, forge: impl FnOnce(&mut Raw)) -> String {
        let mut raw = self.raw.clone();
        forge(&mut raw);
        self.check_bytes(what, raw.encode()).await
    }

    /// The index of the block that is the root.
    fn root_index(&self) -> usize {
        self.raw
            .blocks
            .iter()
            .position(|block| Raw::name(block) == self.root)
            .expect("a sound tree")
    }
}

#[tokio::test]
async fn a_proof_of_something_else_is_refused() {
    let honest = Honest::new().await;
    let why = honest.check("another root", |raw| *raw = honest.other.clone()).await;
    assert!(why.contains("begins with root"), "{why}");
    // The blocks of another tree, with this one's root above them.
    let why = honest
        .check("another root, renamed", |raw| raw.blocks.clone_from(&honest.other.blocks))
        .await;
    assert!(why.contains("the root is missing"), "{why}");
    let why = honest.check("another root after", |raw| raw.after = honest.other.after).await;
    assert!(why.contains("and the computation with"), "{why}");
    honest.check("nothing changed", |raw| raw.after = raw.before).await;
    honest
        .check("before and after swapped", |raw| (raw.before, raw.after) = (raw.after, raw.before))
        .await;
    let proof = Proof::<Text>::decode(honest.raw.encode()).unwrap();
    refused(proof.verify(&honest.other.before, run).await);
    refused(proof.verify(&proof.after(), run).await);
}

#[tokio::test]
async fn blocks_cannot_be_left_out_put_in_or_replaced() {
    let honest = Honest::new().await;
    let count = honest.raw.blocks.len();
    honest.check("no blocks", |raw| raw.blocks.clear()).await;
    for index in 0..count {
        honest.check("a block missing", |raw| drop(raw.blocks.remove(index))).await;
        let why = honest
            .check("a block repeated", |raw| raw.blocks.insert(index, raw.blocks[index].clone()))
            .await;
        assert!(why.contains("does not come after"), "{why}");
        honest
            .check("a block changed, and moved to where it belongs", |raw| {
                let middle = raw.blocks[index].len() / 2;
                raw.blocks[index][middle] ^= 1;
                raw.sort();
            })
            .await;
        honest
            .check("a block cut off", |raw| {
                raw.blocks[index].pop();
                raw.sort();
            })
            .await;
        honest
            .check("a block of another tree in its place", |raw| {
                if let Some(block) =
                    honest.other.blocks.iter().find(|block| !honest.raw.blocks.contains(*block))
                {
                    raw.blocks[index].clone_from(block);
                }
                raw.sort();
            })
            .await;
        honest.check("an empty block", |raw| raw.blocks[index].clear()).await;
    }
    for index in 1..count {
        let why = honest.check("two blocks swapped", |raw| raw.blocks.swap(index - 1, index)).await;
        assert!(why.contains("does not come after"), "{why}");
    }
    let why = honest.check("reversed", |raw| raw.blocks.reverse()).await;
    assert!(why.contains("does not come after"), "{why}");
    let why = honest
        .check("a block without bytes, where it belongs", |raw| {
            raw.blocks.push(Vec::new());
            raw.sort();
        })
        .await;
    assert!(why.contains("a block without bytes"), "{why}");
    let padding: [&[u8]; 2] = [b"\x01padding", b"\x02\0\0\0\0"];
    for padding in padding {
        let why = honest
            .check("padded by a block that nothing names", |raw| {
                raw.blocks.push(padding.to_vec());
                raw.sort();
            })
            .await;
        assert!(why.contains("does not need"), "{why}");
    }
}

#[tokio::test]
async fn a_block_of_the_tree_that_is_not_needed_is_refused() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let root = tree.hash().await.unwrap();
    let (small, _) = tree.prove(async |tree| tree.find("w/k000100").await).await.unwrap();
    let (large, _) = tree.prove(async |tree| tree.list("w").await).await.unwrap();
    let mut raw = Raw::parse(&small.encode());
    let extra = Raw::parse(&large.encode()).blocks;
    raw.blocks.push(extra.into_iter().find(|block| !raw.blocks.contains(block)).unwrap());
    raw.sort();
    let proof = Proof::<Text>::decode(raw.encode()).unwrap();
    let why = refused(proof.verify(&root, async |tree| tree.find("w/k000100").await).await);
    assert!(why.contains("does not need"), "{why}");
}

#[tokio::test]
async fn absence_and_the_end_of_a_range_cannot_be_feigned() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let root = tree.hash().await.unwrap();
    let find = async |tree: &mut Tree<Text>| tree.find("w/k004711").await;
    let raw = Raw::parse(&tree.prove(find).await.unwrap().0.encode());
    let holds =
        |block: &[u8], text: &str| block.windows(text.len()).any(|part| part == text.as_bytes());
    let leaf = raw.blocks.iter().position(|block| block[0] == 2 && holds(block, "v4711")).unwrap();
    // The leaf without the value, alone, or with everything above it renamed.
    let mut without = tree.clone();
    without.remove("w/k004711").await.unwrap();
    let without = super::stored(&repo, &without).await;
    let absent = Raw::parse(&without.prove(find).await.unwrap().0.encode());
    let feigned = absent.blocks.iter().find(|block| holds(block, "v4712")).unwrap();
    let mut forged = raw.clone();
    forged.blocks[leaf].clone_from(feigned);
    forged.sort();
    let proof = Proof::<Text>::decode(forged.encode()).unwrap();
    refused(proof.verify(&root, find).await);
    let mut forged = absent.clone();
    (forged.before, forged.after) = (root, root);
    refused(Proof::<Text>::decode(forged.encode()).unwrap().verify(&root, find).await);
    // A leaf from elsewhere in the directory, which does not hold the step either.
    let other = async |tree: &mut Tree<Text>| tree.find("w/k010000").await;
    let elsewhere = Raw::parse(&tree.prove(other).await.unwrap().0.encode());
    refused(Proof::<Text>::decode(elsewhere.encode()).unwrap().verify(&root, find).await);

    let all = async |tree: &mut Tree<Text>| tree.list("w").await;
    let raw = Raw::parse(&tree.prove(all).await.unwrap().0.encode());
    let end = raw.blocks.iter().position(|block| holds(block, "v11999")).unwrap();
    let mut forged = raw.clone();
    forged.blocks.remove(end);
    refused(Proof::<Text>::decode(forged.encode()).unwrap().verify(&root, all).await);
    // A page that ends early: the leaves up to there, and no more.
    let page = async |tree: &mut Tree<Text>| {
        tree.list_with("w", ListOptions::default().with_limit(100)).await
    };
    let early = tree.prove(page).await.unwrap().0;
    refused(early.verify(&root, all).await);
    let until_failure = async |tree: &mut Tree<Text>| {
        let mut steps = Vec::new();
        for offset in (0..12_000).step_by(100) {
            let options = ListOptions::default().with_offset(offset).with_limit(100);
            let Ok(page) = tree.list_with("w", options).await else { break };
            steps.extend(page);
        }
        Ok(steps)
    };
    refused(early.verify(&root, until_failure).await);
}

#[tokio::test]
async fn only_the_one_encoding_is_read() {
    let honest = Honest::new().await;
    let encoded = honest.raw.encode();
    for length in (0..200.min(encoded.len())).chain((200..encoded.len()).step_by(61)) {
        honest.check_bytes("truncated", encoded[..length].to_vec()).await;
    }
    let why = honest.check_bytes("a byte behind", [&encoded[..], b"\0"].concat()).await;
    assert!(why.contains("1 bytes are left"), "{why}");
    honest.check_bytes("twice", [&encoded[..], &encoded[..]].concat()).await;
    honest.check_bytes("a byte before", [b"\0", &encoded[..]].concat()).await;
    for version in [0, 1, 4, 255] {
        let why = honest.check("another version", |raw| raw.version = version).await;
        assert!(why.contains("version 3 can be read"), "{why}");
    }
    for hash in ["sha256", "SHA1", "sha", "", "sha1 "] {
        honest.check("another hash", |raw| raw.hash = hash.into()).await;
    }
    let why = honest.check("another format", |raw| raw.format = b"git\x1b[2J".to_vec()).await;
    assert!(why.contains(r"`git\x1b[2J`"), "{why}");

    let head = honest.raw.head();
    let blocks = &encoded[head.len() + 1..];
    let count = honest.raw.blocks.len();
    let with_count = |count: &[u8]| [&head[..], count, blocks].concat();
    let [low] = [u8::try_from(count).unwrap()];
    assert_eq!(with_count(&[low]), encoded);
    honest.check_bytes("a count in a longer form", with_count(&[low | 0x80, 0])).await;
    honest.check_bytes("a count that never ends", with_count(&[0xff; 12])).await;
    honest
        .check_bytes(
            "more than 64 bits",
            with_count(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]),
        )
        .await;
    // The same number, if what is beyond 64 bits is lost.
    let beyond = [&[low | 0x80][..], &[0x80; 8], &[0x02]].concat();
    honest.check_bytes("the same count beyond 64 bits", with_count(&beyond)).await;
    for wrong in [count - 1, count + 1, encoded.len(), usize::MAX / 64, usize::MAX] {
        let mut number = Vec::new();
        put_varint(&mut number, wrong);
        honest.check_bytes("another count", with_count(&number)).await;
    }
    let mut long = Vec::new();
    put_varint(&mut long, usize::MAX);
    honest.check_bytes("a block longer than all", [&head[..], &[1], &long].concat()).await;
    // The length of the first block in a longer form.
    let mut first = Vec::new();
    put_block(&mut first, &honest.raw.blocks[0]);
    let end = first.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    first.truncate(end);
    let mut longer = first.clone();
    *longer.last_mut().unwrap() |= 0x80;
    longer.push(0);
    let rest = &blocks[first.len()..];
    let bytes = [&head[..], &[low], &longer, rest].concat();
    honest.check_bytes("a length in a longer form", bytes).await;
}

/// Each block is in the other form, or in a packed form that is not the one.
#[tokio::test]
async fn a_block_stands_in_the_shorter_of_its_forms_and_in_no_other() {
    let honest = Honest::new().await;
    let count = u8::try_from(honest.raw.blocks.len()).unwrap();
    let with = |index: usize, bytes: &[u8], form: usize| {
        let mut out = [&honest.raw.head()[..], &[count]].concat();
        for (at, block) in honest.raw.blocks.iter().enumerate() {
            if at == index {
                put_form(&mut out, bytes, form);
            } else {
                put_block(&mut out, block);
            }
        }
        out
    };
    let mut packed_ones = 0;
    for (index, block) in honest.raw.blocks.iter().enumerate() {
        let Some(packed) = packed(block) else {
            let why =
                honest.check_bytes("packed, and has no such form", with(index, block, 1)).await;
            assert!(why.contains("cannot be unpacked"), "{why}");
            continue;
        };
        if packed.len() >= block.len() {
            let why = honest.check_bytes("packed and longer", with(index, &packed, 1)).await;
            assert!(why.contains("not shorter for it"), "{why}");
            continue;
        }
        packed_ones += 1;
        assert_eq!(with(index, &packed, 1), honest.raw.encode());
        let why = honest.check_bytes("not packed", with(index, block, 0)).await;
        assert!(why.contains("is not packed"), "{why}");
        let why = honest.check_bytes("cut off", with(index, &packed[..packed.len() - 1], 1)).await;
        assert!(why.contains("cannot be unpacked"), "{why}");
        // This may be the form of another block.
        let start = if packed[0] == 2 { 1 } else { 2 };
        let mut longer = packed.clone();
        longer[start] += 1;
        honest.check_bytes("a run too long", with(index, &longer, 1)).await;
        for (what, wrong) in other_forms(&packed) {
            let why = honest.check_bytes(what, with(index, &wrong, 1)).await;
            assert!(why.contains("cannot be unpacked"), "{what}: {why}");
        }
    }
    assert!(packed_ones > 4, "{packed_ones}");
}

/// Returns packed forms of which none is right, made of one that is.
fn other_forms(packed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let start = if packed[0] == 2 { 1 } else { 2 };
    let (head, runs) = packed.split_at(start);
    let with = |runs: &[&[u8]]| [head, &runs.concat()[..]].concat();
    let (count, fields) = (runs[0], if start == 1 { 4 } else { 3 });
    let mut wrong = vec![
        ("a run of nothing", with(&[&[0], &runs[1..]])),
        ("a run in a longer form", with(&[&[count | 0x80, 0], &runs[1..]])),
        ("a first step that shares", with(&[&[count, 1], &runs[2..]])),
        ("a step without a rest", with(&[&[count, runs[1], 0], &runs[3..]])),
        ("level 15", [&[4, 15], runs].concat()),
        ("level 0 of an index", [&[4, 0], runs].concat()),
        ("contents", [&[1], runs].concat()),
        ("a run at the end", [packed, &[1]].concat()),
    ];
    if start == 1 {
        for kind in [0, 5, 0xff] {
            wrong.push(("no kind", with(&[&runs[..3], &[kind], &runs[fields..]])));
        }
    }
    wrong
}

#[tokio::test]
async fn a_run_that_goes_on_as_the_one_before_is_refused() {
    let repo = repo();
    let tree = super::tree_of(&repo, &[("aa", "1"), ("bb", "2"), ("cc", "3")]).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Text>| tree.find("bb").await;
    let raw = Raw::parse(&tree.prove(run).await.unwrap().0.encode());
    let [block] = &raw.blocks[..] else { panic!("one block") };
    let packed = packed(block).unwrap();
    let encoded = |packed: &[u8]| {
        let mut out = [&raw.head()[..], &[1]].concat();
        put_form(&mut out, packed, 1);
        out
    };
    assert_eq!(encoded(&packed), raw.encode());
    assert!(Proof::<Text>::decode(raw.encode()).unwrap().verify(&root, run).await.is_ok());
    // Kind, three items: 0 shared, 2 others, contents in place, no metadata, one byte.
    let (head, items) = (&packed[2..7], &packed[7..]);
    assert_eq!((&packed[..2], head), (&[2, 3][..], &[0, 2, 3, 0, 1][..]));
    let split = [&[2, 1][..], head, &items[..3], &[2], head, &items[3..]].concat();
    let why = refused(Proof::<Text>::decode(encoded(&split)));
    assert!(why.contains("cannot be unpacked"), "{why}");
    // A step that shares more with the one before than is said.
    let shares = [&[2, 3][..], head, b"aa1ab2cc3"].concat();
    let why = refused(Proof::<Text>::decode(encoded(&shares)));
    assert!(why.contains("cannot be unpacked"), "{why}");
    // Values, metadata and steps that are too long to be there.
    for field in [1, 3, 4] {
        for length in [&[0x81, 0x02][..], &[0x80, 0x80, 0x01], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
            let long =
                [&[2, 1], &head[..field], length, &head[field + 1..], &vec![b'x'; 20_000]].concat();
            refused(Proof::<Text>::decode(encoded(&long)));
        }
    }
}

#[tokio::test]
async fn no_byte_can_be_changed() {
    let repo = repo();
    let tree = super::tree_of(&repo, &[("a", "1"), ("b/c", &"long ".repeat(40)), ("d", "2")]).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Text>| {
        tree.set("e", "3").await?;
        Ok((tree.find("b/c").await?, tree.find("x").await?))
    };
    let encoded = tree.prove(run).await.unwrap().0.encode();
    for place in 0..encoded.len() {
        for bit in 0..8 {
            let mut bytes = encoded.to_vec();
            bytes[place] ^= 1 << bit;
            match Proof::<Text>::decode(bytes) {
                Ok(proof) => drop(refused(proof.verify(&root, run).await)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unproven, "{error:?}"),
            }
        }
        for changed in [
            [&encoded[..place], &encoded[place + 1..]].concat(),
            [&encoded[..place], b"\0", &encoded[place..]].concat(),
        ] {
            match Proof::<Text>::decode(changed) {
                Ok(proof) => drop(refused(proof.verify(&root, run).await)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unproven, "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_proof_with_its_root_alone_proves_what_the_root_holds() {
    let honest = Honest::new().await;
    let root = honest.raw.blocks[honest.root_index()].clone();
    let mut raw = Raw::of(honest.root, vec![root]);
    let list = async |tree: &mut Tree<Text>| Ok(tree.list("").await?.len());
    let proof = Proof::<Text>::decode(raw.encode()).unwrap();
    assert_eq!(proof.verify(&honest.root, list).await.unwrap(), 2);
    refused(proof.verify(&honest.root, async |tree| tree.len("w").await).await);
    raw.after = Sha1::of(b"");
    refused(Proof::<Text>::decode(raw.encode()).unwrap().verify(&honest.root, list).await);
}
