use bytes::Bytes;
use ramus_core::wrap::Verified;
use ramus_core::{ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, Sha1};
use ramus_mem::MemBlocks;

use crate::support::refused;

fn stores() -> (MemBlocks, Verified<MemBlocks>) {
    let below = MemBlocks::new();
    (below.clone(), Verified::new(below))
}

#[tokio::test]
async fn a_block_that_is_not_what_its_name_says_is_corrupt_when_it_is_found() {
    let (below, verified) = stores();
    let (good, bad) = (Sha1::of(b"good"), Sha1::of(b"bad"));
    below.unsafe_add(good, "good".into()).await.unwrap();
    below.unsafe_add(bad, "other".into()).await.unwrap();
    let message = format!("block {bad} was read back as 5 bytes of {}", Sha1::of(b"other"));
    assert_eq!(verified.find(&good).await.unwrap(), Some(Bytes::from("good")));
    refused(verified.find(&bad).await, ErrorKind::Corrupt, &message);
    refused(verified.find_many(&[good, bad]).await, ErrorKind::Corrupt, &message);
    assert!(verified.mem(&bad).await.unwrap(), "nothing is read to know that it is there");
}

#[tokio::test]
async fn find_many_checks_each_block_against_its_own_name() {
    let (_, verified) = stores();
    let a = verified.add("a".into()).await.unwrap();
    let b = verified.add("b".into()).await.unwrap();
    let found = verified.find_many(&[b, Sha1::of(b"none"), a]).await.unwrap();
    assert_eq!(found, [Some("b".into()), None, Some("a".into())]);
}

#[tokio::test]
async fn a_wrong_name_is_refused_and_nothing_is_stored() {
    let (below, verified) = stores();
    let (good, wrong) = (Sha1::of(b"block"), Sha1::of(b"wrong"));
    let message = format!("the hash of the block is {good}, not {wrong}");
    let answer = verified.unsafe_add(wrong, "block".into()).await;
    refused(answer, ErrorKind::InvalidInput, &message);
    let blocks = vec![(good, "block".into()), (wrong, "block".into())];
    refused(verified.unsafe_add_many(blocks).await, ErrorKind::InvalidInput, &message);
    assert_eq!(below.find_many(&[good, wrong]).await.unwrap(), [None, None]);
    verified.unsafe_add(good, "block".into()).await.unwrap();
    assert!(below.mem(&good).await.unwrap());
}
