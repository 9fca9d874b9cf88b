//! Proofs that are compressed on their way.

use ramus_kv::Proof;

use super::{Text, refused, repo, tree_of, wide};

const MIB: usize = 1 << 20;

const MARK: &[u8] = b"ramus proof\x02";

/// Returns bytes that are no proof, compressed as one.
fn frame_of(bytes: &[u8]) -> Vec<u8> {
    [MARK, &zstd::bulk::compress(bytes, 3).expect("a frame")].concat()
}

#[tokio::test]
async fn a_compressed_proof_is_the_same_and_smaller() {
    let tree = wide(&repo(), 5000).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut ramus_kv::Tree<Text>| tree.find("w/k000017").await;
    let (proof, answer) = tree.prove(run).await.unwrap();
    let (plain, sent) = (proof.encode(), proof.encode_compressed().unwrap());
    assert!(2 * sent.len() < plain.len(), "{} of {} bytes", sent.len(), plain.len());
    let read = Proof::<Text>::decode_compressed(&sent, plain.len()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.verify(&root, run).await.unwrap(), answer);
    let why = refused(Proof::<Text>::decode_compressed(&sent, plain.len() - 1));
    assert!(why.contains(&format!("more than {} bytes", plain.len() - 1)), "{why}");
}

#[tokio::test]
async fn each_reader_says_which_proofs_are_for_the_other() {
    let tree = tree_of(&repo(), &[("a", "1")]).await;
    let (proof, _) = tree.prove(async |tree| tree.find("a").await).await.unwrap();
    let why = refused(Proof::<Text>::decode(proof.encode_compressed().unwrap()));
    assert!(why.contains("`decode_compressed`"), "{why}");
    let why = refused(Proof::<Text>::decode_compressed(&proof.encode(), MIB));
    assert!(why.contains("version 3; a compressed one has version 2"), "{why}");
    for bytes in [&b""[..], b"ramus", b"ramus proof", b"something else"] {
        refused(Proof::<Text>::decode_compressed(bytes, MIB));
    }
}

#[tokio::test]
async fn no_compressed_byte_can_be_lost_or_added() {
    let tree = tree_of(&repo(), &[("a", "1"), ("b/c", &"long ".repeat(40))]).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut ramus_kv::Tree<Text>| tree.find("b/c").await;
    let (proof, answer) = tree.prove(run).await.unwrap();
    let sent = proof.encode_compressed().unwrap();
    for length in 0..sent.len() {
        refused(Proof::<Text>::decode_compressed(&sent[..length], MIB));
    }
    let why = refused(Proof::<Text>::decode_compressed(&[&sent[..], b"x"].concat(), MIB));
    assert!(why.contains("1 bytes are left behind"), "{why}");
    let twice = [&sent[..], &sent[MARK.len()..]].concat();
    refused(Proof::<Text>::decode_compressed(&twice, MIB));
    for place in 0..sent.len() {
        for bit in 0..8 {
            let mut bytes = sent.to_vec();
            bytes[place] ^= 1 << bit;
            // What is decoded after all is another frame of the same proof, or is not verified.
            if let Ok(changed) = Proof::<Text>::decode_compressed(&bytes, MIB) {
                match changed.verify(&root, run).await {
                    Ok(read) => assert_eq!((read, &changed), (answer.clone(), &proof)),
                    Err(fault) => drop(refused::<()>(Err(fault))),
                }
            }
        }
    }
}

#[test]
fn little_memory_is_taken_by_what_would_unpack_to_much() {
    let bomb = frame_of(&vec![0; 64 * MIB]);
    assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
    let why = refused(Proof::<Text>::decode_compressed(&bomb, MIB));
    assert!(why.contains("more than 1048576 bytes"), "{why}");
    // A frame that asks for a window of 128 MiB, and has nothing in it.
    let window = [MARK, &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00]].concat();
    let why = refused(Proof::<Text>::decode_compressed(&window, MIB));
    assert!(why.contains("cannot be decompressed"), "{why}");
    refused(Proof::<Text>::decode_compressed(&frame_of(b"no proof"), MIB));
}
