//! Random values and edits, against plain bytes.

use std::io::SeekFrom;

use bytes::Bytes;
use ramus_kv::Tree;
use ramus_kv::block::{CHUNK_MAX, CHUNK_MIN, INLINE_MAX};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::support::{Files, Pieces, Random, noise, repo};
use crate::campaign::{block_on, number_from_env};

/// Says what was chosen, in a failure.
fn again(seed: u64, round: u64) -> String {
    format!("RAMUS_SEED={seed}, round {round}")
}

/// Lengths around everything that changes with the length, and others.
fn length(random: &mut Random) -> usize {
    const EDGES: [usize; 8] = [
        0,
        INLINE_MAX,
        CHUNK_MIN,
        CHUNK_MAX,
        CHUNK_MAX + CHUNK_MIN,
        2 * CHUNK_MAX,
        4 << 20,
        (4 << 20) + CHUNK_MAX,
    ];
    match random.below(3) {
        0 => random.below(3 << 20),
        1 => random.below(CHUNK_MAX * 2),
        _ => (EDGES[random.below(EDGES.len())] + random.below(5)).saturating_sub(2),
    }
}

/// Bytes of a few natures: without a pattern, all the same, repeating, and mixed.
fn value(random: &mut Random) -> Vec<u8> {
    let length = length(random);
    match random.below(5) {
        0 => vec![u8::try_from(random.below(256)).expect("a byte"); length],
        1 => {
            let period = 1 + random.below(5000);
            let unit = random.bytes(period);
            unit.iter().copied().cycle().take(length).collect()
        }
        2 => {
            let mut bytes = vec![0; length];
            for _ in 0..random.below(20) {
                if length > 0 {
                    let at = random.below(length);
                    let long = random.below(length - at).min(30_000);
                    bytes[at..at + long].copy_from_slice(&random.bytes(long));
                }
            }
            bytes
        }
        _ => random.bytes(length),
    }
}

fn edit(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    let until = bytes.len().min(at + random.below(100_000));
    match random.below(4) {
        0 => drop(bytes.drain(at..until)),
        1 => {
            let long = random.below(300_000);
            let new = random.bytes(long);
            drop(bytes.splice(at..at, new));
        }
        2 => bytes.insert(at, 7),
        _ => {
            let copied = bytes[at..until].to_vec();
            let to = random.below(bytes.len() + 1);
            drop(bytes.splice(to..to, copied));
        }
    }
}

/// Reads a value in every way there is.
async fn check_reads(tree: &Tree<Files>, bytes: &[u8], random: &mut Random, what: &str) {
    let found = tree.find("v").await.expect("it can be read").expect("it is there");
    assert!(found == bytes, "{what}: find");
    let mut reader = tree.reader("v").await.expect("it can be read").expect("it is there");
    assert_eq!(reader.len(), bytes.len() as u64, "{what}");
    for _ in 0..6 {
        let start = random.below(bytes.len() + 1);
        let end = start + random.below(bytes.len() - start + 1);
        let range = reader.read_range(start as u64..end as u64).await.expect("a range");
        assert!(range == bytes[start..end], "{what}: {start}..{end}");
        reader.seek(SeekFrom::Start(start as u64)).await.expect("a place");
        let mut some = vec![0; (end - start).min(70_000)];
        reader.read_exact(&mut some).await.expect("so many bytes");
        assert!(some == bytes[start..start + some.len()], "{what}: from {start}");
        assert_eq!(reader.position(), (start + some.len()) as u64, "{what}");
    }
    reader.seek(SeekFrom::Start(0)).await.expect("the beginning");
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.expect("all bytes");
    assert!(all == bytes, "{what}: stream");
}

/// One value has one name, however it is written, and is read as it was written, in every way.
#[test]
fn values_are_read_as_they_were_written_and_have_one_name() {
    let (seed, scale) = (number_from_env("RAMUS_SEED", 1), number_from_env("RAMUS_SCALE", 1));
    for round in 0..24 * scale {
        let what = again(seed, round);
        let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let mut bytes = value(&mut random);
        block_on(async {
            let main = repo().main().await.expect("main");
            for step in 0..3 {
                let whole = Bytes::from(bytes.clone());
                let mut tree = main.repo().empty_tree();
                tree.set("v", whole.clone()).await.expect("a value");
                check_reads(&tree, &bytes, &mut random, &format!("{what}, step {step}, unsaved"))
                    .await;
                let (most, seed) = (1 + random.below(1 << 19), random.next());
                let pieces = Pieces::new(&whole, most, seed);
                main.set_stream("v", pieces, "write").await.expect("a value");
                let stored = main.tree().await.expect("a tree");
                let (one, other) = (tree.find_hash("v").await, stored.find_hash("v").await);
                assert_eq!(one.expect("a name"), other.expect("a name"), "{what}, step {step}");
                assert_eq!(
                    tree.hash().await.expect("a name"),
                    stored.hash().await.expect("a name")
                );
                check_reads(&stored, &bytes, &mut random, &format!("{what}, step {step}")).await;
                // The same from the blocks of a tree that was saved as a whole.
                let beside = main.repo().branch("beside").await.expect("a branch");
                beside.set_tree("t", &tree, "write").await.expect("a tree");
                let below = beside.find_tree("t").await.expect("it can be read").expect("it");
                check_reads(&below, &bytes, &mut random, &format!("{what}, step {step}, saved"))
                    .await;
                edit(&mut random, &mut bytes);
            }
        });
    }
}

/// Differences of one byte in the length around every limit, all of them.
#[tokio::test]
async fn every_length_around_the_limits() {
    let noise = Bytes::from(noise((4 << 20) + CHUNK_MAX + 3));
    let main = repo().main().await.expect("main");
    for edge in [INLINE_MAX, CHUNK_MIN, CHUNK_MAX, CHUNK_MAX + CHUNK_MIN, 4 << 20] {
        for length in edge - 2..=edge + 2 {
            let value = noise.slice(..length);
            let mut tree = main.repo().empty_tree();
            tree.set("v", value.clone()).await.expect("a value");
            let mut streamed = main.repo().empty_tree();
            assert_eq!(streamed.set_stream("v", &value[..]).await.expect("it"), length as u64);
            assert_eq!(tree.hash().await.unwrap(), streamed.hash().await.unwrap(), "{length}");
            assert!(streamed.find("v").await.unwrap().unwrap() == value, "{length}");
        }
    }
}
