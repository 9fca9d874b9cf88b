//! Random computations on random trees.

use proptest::prelude::*;
use ramus_core::{ErrorKind, Result};
use ramus_kv::{Direction, ListOptions, Proof, Tree};

use super::bytes::Raw;
use super::{Text, repo, stored};
use crate::campaign::cases;

/// One thing that a computation does. What it answers is compared as text.
#[derive(Clone, Debug)]
enum Act {
    Find(String),
    Kind(String),
    Len(String),
    Hash(String),
    List {
        path: String,
        from: Option<String>,
        prefix: String,
        offset: u64,
        limit: usize,
        back: bool,
    },
    Walk(String),
    Set(String, String),
    Remove(String),
    Rename(String, String),
    Graft(String, String),
}

async fn act(tree: &mut Tree<Text>, act: &Act) -> Result<String> {
    Ok(match act {
        Act::Find(path) => format!("{:?}", tree.find(path).await?),
        Act::Kind(path) => format!("{:?}", tree.kind(path).await?),
        Act::Len(path) => tree.len(path).await?.to_string(),
        Act::Hash(path) => format!("{:?}", tree.find_hash(path).await?),
        Act::List { path, from, prefix, offset, limit, back } => {
            let direction = if *back { Direction::Backwards } else { Direction::Forwards };
            let mut options = ListOptions::default()
                .with_prefix(prefix.as_str())
                .with_offset(*offset)
                .with_limit(*limit)
                .with_direction(direction);
            options.from = from.as_ref().map(|step| step.parse().expect("a step"));
            format!("{:?}", tree.list_with(path, options).await?)
        }
        Act::Walk(path) => format!("{:?}", walk(tree, path).await?),
        Act::Set(path, value) => format!("{:?}", tree.set(path, value.as_str()).await?),
        Act::Remove(path) => tree.remove(path).await?.to_string(),
        Act::Rename(from, to) => format!("{:?}", tree.rename(from, to).await?),
        Act::Graft(from, to) => match tree.find_tree(from).await? {
            Some(found) => format!("{:?}", tree.set_tree(to, &found).await?),
            None => "nothing".to_owned(),
        },
    })
}

/// Reads everything below a path, to a depth of three.
async fn walk(tree: &Tree<Text>, path: &str) -> Result<Vec<String>> {
    let mut todo = vec![(path.to_owned(), 0)];
    let mut found = Vec::new();
    while let Some((path, depth)) = todo.pop() {
        found.push(format!("{path}: {:?}", tree.find(&path).await?));
        if depth < 3 {
            for entry in tree.list(&path).await? {
                let step = entry.step.as_str().unwrap_or_default();
                let below =
                    if path.is_empty() { step.to_owned() } else { format!("{path}/{step}") };
                todo.push((below, depth + 1));
            }
        }
    }
    Ok(found)
}

async fn run(tree: &mut Tree<Text>, acts: &[Act]) -> Result<Vec<String>> {
    let mut answers = Vec::new();
    for one in acts {
        answers.push(match act(tree, one).await {
            Err(error) if error.kind() == ErrorKind::InvalidInput => error.to_string(),
            answer => answer?,
        });
    }
    Ok(answers)
}

/// Paths that often meet, some of them in a directory that is wide.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[ab]",
        2 => "[ab]/[abc]",
        1 => "[ab]/[abc]/[ab]",
        4 => (0..1600_u32).prop_map(|number| format!("w/{number:04}")),
        1 => (0..1600_u32).prop_map(|number| format!("w/{number:04}y")),
        1 => (0..8_u32, "[ab]").prop_map(|(number, step)| format!("w/{number:04}/{step}")),
        1 => Just("w".to_owned()),
        1 => Just(String::new()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z]{0,20}", 1 => "[a-z]{60,200}"]
}

fn any_act() -> impl Strategy<Value = Act> {
    let list = (
        path(),
        prop::option::of("[0-9]{1,4}"),
        prop_oneof![2 => Just(String::new()), 1 => "[01][0-9]{0,2}"],
        prop_oneof![2 => Just(0_u64), 1 => 0..2000_u64],
        prop_oneof![3 => 1..40_usize, 1 => Just(usize::MAX)],
        any::<bool>(),
    );
    let list = list.prop_map(|(path, from, prefix, offset, limit, back)| Act::List {
        path,
        from,
        prefix,
        offset,
        limit,
        back,
    });
    prop_oneof![
        4 => path().prop_map(Act::Find),
        1 => path().prop_map(Act::Kind),
        1 => path().prop_map(Act::Len),
        1 => path().prop_map(Act::Hash),
        3 => list,
        1 => "[ab]".prop_map(Act::Walk),
        4 => (path(), value()).prop_map(|(path, value)| Act::Set(path, value)),
        3 => path().prop_map(Act::Remove),
        1 => (path(), path()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| Act::Graft(from, to)),
    ]
}

async fn tree(width: u32, step: u32, values: &[(String, String)]) -> Tree<Text> {
    let repo = repo();
    let mut tree = repo.empty_tree();
    for number in (0..width).step_by(step as usize) {
        tree.set(format!("w/{number:04}"), "x".repeat(100 + number as usize % 60))
            .await
            .expect("set");
    }
    for (path, value) in values {
        // What is in the way of another is left out.
        drop(tree.set(path, value.as_str()).await);
    }
    stored(&repo, &tree).await
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn a_verifier_answers_as_the_store_does(
        width in prop_oneof![1 => 0..1_u32, 1 => 1..100_u32, 3 => 400..1600_u32],
        step in 1..3_u32,
        values in prop::collection::vec((path(), value()), 1..30),
        acts in prop::collection::vec(any_act(), 0..12),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let tree = tree(width, step, &values).await;
            let root = tree.hash().await.unwrap();
            let mut expected = tree.clone();
            let answers = run(&mut expected, &acts).await.unwrap();
            let computation = async |tree: &mut Tree<Text>| run(tree, &acts).await;
            let (proof, proved) = tree.prove(computation).await.unwrap();
            assert_eq!(proved, answers);
            assert_eq!(proof.after(), expected.hash().await.unwrap());
            let encoded = proof.encode();
            let sent = Proof::<Text>::decode(encoded.clone()).unwrap();
            assert_eq!(sent.verify(&root, computation).await.unwrap(), answers);

            let raw = Raw::parse(&encoded);
            for index in 0..raw.blocks.len() {
                let mut forged = raw.clone();
                forged.blocks.remove(index);
                let proof = Proof::<Text>::decode(forged.encode()).unwrap();
                let error = proof.verify(&root, computation).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unproven, "{error:?}");
            }
            for (place, flip) in flips {
                let mut bytes = encoded.to_vec();
                let place = place.index(bytes.len());
                bytes[place] ^= flip;
                let error = match Proof::<Text>::decode(bytes) {
                    Ok(proof) => proof.verify(&root, computation).await.unwrap_err(),
                    Err(error) => error,
                };
                assert_eq!(error.kind(), ErrorKind::Unproven, "byte {place}: {error:?}");
            }
        });
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        head in any::<bool>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        blocks in prop::collection::vec((prop::sample::select(vec![1_u8, 2, 4]), prop::collection::vec(0..30_u8, 0..60)), 0..5),
    ) {
        let blocks: Vec<Vec<u8>> = blocks.into_iter().map(|(kind, rest)| [&[kind][..], &rest].concat()).collect();
        let root = blocks.first().map_or_else(|| Raw::name(b""), |block| Raw::name(block));
        let raw = Raw::of(root, blocks);
        let encoded = if head { [raw.head(), bytes].concat() } else { bytes };
        for bytes in [encoded, raw.encode()] {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            match Proof::<Text>::decode(bytes.clone()) {
                Ok(proof) => {
                    prop_assert_eq!(proof.encode(), bytes);
                    let verified = proof.verify(&root, async |tree| walk(tree, "").await);
                    if let Err(error) = runtime.block_on(verified) {
                        prop_assert_eq!(error.kind(), ErrorKind::Unproven);
                    }
                }
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Unproven),
            }
        }
    }
}
