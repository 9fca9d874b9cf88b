//! Proofs of parts of large values.

use ::bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Error, Result};
use ramus_kv::{Kv, Proof, Repo, Tree};
use ramus_mem::Mem;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::bytes::Raw;
use super::refused;
use crate::large::support::{names, noise};

type Data = Kv<Bytes>;

const LENGTH: usize = 8 << 20;

async fn tree_of(value: &[u8]) -> (Repo<Data>, Tree<Data>) {
    let repo = Repo::<Data>::new(Backend::new(Mem::default()));
    let main = repo.main().await.expect("main");
    main.set_stream("v", value, "write").await.expect("a value");
    let tree = main.tree().await.expect("a tree");
    (repo, tree)
}

async fn range(tree: &Tree<Data>, from: u64, to: u64) -> Result<Bytes> {
    tree.reader("v").await?.expect("it is there").read_range(from..to).await
}

/// A proof of a range has the directory, the index, and the chunks that the range touches.
#[tokio::test]
async fn a_range_is_proved_by_its_chunks() {
    let value = noise(LENGTH);
    let (_repo, tree) = tree_of(&value).await;
    let root = tree.hash().await.unwrap();
    let (proof, answer) =
        tree.prove(async |tree| range(tree, 4_000_000, 4_000_100).await).await.unwrap();
    assert!(answer == value[4_000_000..4_000_100]);
    let raw = Raw::parse(&proof.encode());
    assert!(raw.blocks.len() <= 4, "{} blocks", raw.blocks.len());
    let proof = Proof::<Data>::decode(proof.encode()).unwrap();
    let verified = proof.verify(&root, async |tree| range(tree, 4_000_000, 4_000_100).await).await;
    assert!(verified.unwrap() == value[4_000_000..4_000_100]);
    // Elsewhere in the value it does not reach.
    refused(proof.verify(&root, async |tree| range(tree, 0, 1).await).await);
    refused(proof.verify(&root, async |tree| tree.find("v").await).await);
    // How long the value is needs no chunk, so those are too much.
    let length = async |tree: &mut Tree<Data>| Ok(tree.reader("v").await?.map(|it| it.len()));
    refused(proof.verify(&root, length).await);
    let (proof, answer) = tree.prove(length).await.unwrap();
    assert_eq!(answer, Some(LENGTH as u64));
    assert_eq!(Raw::parse(&proof.encode()).blocks.len(), 2);
    assert_eq!(proof.verify(&root, length).await.unwrap(), answer);
}

/// What a stream reads is proved, and nothing that it would have read ahead.
#[tokio::test]
async fn a_stream_is_proved_as_far_as_it_was_read() {
    let value = noise(LENGTH);
    let (_repo, tree) = tree_of(&value).await;
    let root = tree.hash().await.unwrap();
    let read = async |tree: &mut Tree<Data>| {
        let mut reader = tree.reader("v").await?.expect("it is there");
        let mut bytes = vec![0; 10];
        reader.seek(std::io::SeekFrom::Start(5_000_000)).await.expect("a place");
        reader
            .read_exact(&mut bytes)
            .await
            .map_err(|fault| fault.downcast::<Error>().expect("it is of the store"))?;
        Ok(bytes)
    };
    let (proof, _) = tree.prove(read).await.unwrap();
    assert!(Raw::parse(&proof.encode()).blocks.len() <= 4);
    assert!(proof.verify(&root, read).await.unwrap() == value[5_000_000..5_000_010]);
}

/// A chunk that was changed, or an index, is refused; so is a chunk that lacks.
#[tokio::test]
async fn forged_chunks_are_refused() {
    let value = noise(LENGTH);
    let (_repo, tree) = tree_of(&value).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Data>| range(tree, 1000, 2000).await;
    let (proof, _) = tree.prove(run).await.unwrap();
    let raw = Raw::parse(&proof.encode());
    for number in 0..raw.blocks.len() {
        let mut lacking = raw.clone();
        lacking.blocks.remove(number);
        let mut changed = raw.clone();
        let last = changed.blocks[number].len() - 1;
        changed.blocks[number][last] ^= 1;
        changed.sort();
        for forged in [lacking, changed] {
            let proof = Proof::<Data>::decode(forged.encode());
            let answer = match proof {
                Ok(proof) => proof.verify(&root, run).await,
                Err(fault) => Err(fault),
            };
            refused(answer);
        }
    }
}

/// An update by a stream is proved like any other, and nothing is stored for it.
#[tokio::test]
async fn a_stream_that_is_written_for_a_proof_is_not_stored() {
    let (repo, tree) = tree_of(&noise(LENGTH)).await;
    let root = tree.hash().await.unwrap();
    let blocks = names(repo.backend()).await.len();
    let other = noise(LENGTH / 2);
    let run = async |tree: &mut Tree<Data>| tree.set_stream("w", &other[..]).await;
    let (proof, length) = tree.prove(run).await.unwrap();
    assert_eq!(length, other.len() as u64);
    assert_eq!(names(repo.backend()).await.len(), blocks);
    assert_eq!(proof.verify(&root, run).await.unwrap(), length);
    let mut edited = tree.clone();
    edited.set_stream("w", &other[..]).await.unwrap();
    assert_eq!(proof.after(), edited.hash().await.unwrap());
}
