use bytes::Bytes;
use ramus_core::wrap::{Cached, Metered, Operation};
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _, Joined, ReadOnly as _,
    Sha1, Storage as _, Sweep as _,
};
use ramus_mem::{Mem, MemBlocks, MemRefs};

use crate::support::{branch, closed, refused};

type Below = Metered<MemBlocks>;

/// Returns the store below, whose calls are counted, and a cache over it.
fn stores(bytes_max: u64) -> (Below, Cached<Below>) {
    let below = Metered::blocks(MemBlocks::new());
    (below.clone(), Cached::new(below, bytes_max))
}

fn finds(below: &Below) -> u64 {
    below.meters().read(Operation::Find).calls
}

#[tokio::test]
async fn a_block_is_asked_for_once_and_an_absent_one_every_time() {
    let (below, cached) = stores(1 << 20);
    let (key, absent) = (cached.add("block".into()).await.unwrap(), Sha1::of(b"absent"));
    for _ in 0..3 {
        assert_eq!(cached.clone().find(&key).await.unwrap(), Some(Bytes::from("block")));
    }
    assert_eq!(finds(&below), 1);
    for _ in 0..3 {
        assert_eq!(cached.find(&absent).await.unwrap(), None);
    }
    assert_eq!(finds(&below), 4);
    below.add("absent".into()).await.unwrap();
    assert!(cached.find(&absent).await.unwrap().is_some());
}

#[tokio::test]
async fn find_many_asks_for_what_is_not_kept_and_keeps_the_order() {
    let (below, cached) = stores(1 << 20);
    let mut keys = Vec::new();
    for block in ["a", "b", "c", "d"] {
        keys.push(cached.add(block.into()).await.unwrap());
    }
    let [a, b, c, d] = keys[..] else { unreachable!("four blocks") };
    cached.find(&b).await.unwrap();
    let found = cached.find_many(&[d, b, Sha1::of(b"none"), a, b, d]).await.unwrap();
    let texts = [Some("d"), Some("b"), None, Some("a"), Some("b"), Some("d")];
    assert_eq!(found, texts.map(|text| text.map(Bytes::from)));
    let asked = below.meters().read(Operation::FindMany);
    assert_eq!((asked.calls, asked.bytes_out), (1, 3), "d, a and d again, but never b");
    assert_eq!(cached.find_many(&[a, d]).await.unwrap(), [Some("a".into()), Some("d".into())]);
    assert_eq!(below.meters().read(Operation::FindMany).calls, 1);
    cached.find(&c).await.unwrap();
    assert_eq!(finds(&below), 2);
}

#[tokio::test]
async fn the_blocks_that_are_kept_weigh_no_more_than_allowed() {
    const BYTES_MAX: u64 = 64 << 10;
    let (below, cached) = stores(BYTES_MAX);
    let mut weight_max = 0;
    for number in 0..1000_u32 {
        let block = number.to_be_bytes().repeat(64);
        let key = below.add(block.into()).await.unwrap();
        cached.find(&key).await.unwrap();
        weight_max = weight_max.max(cached.weight());
    }
    assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&weight_max), "{weight_max}");
}

#[tokio::test]
async fn a_block_heavier_than_the_cache_is_found_and_not_kept() {
    let (below, cached) = stores(1000);
    let key = cached.add(vec![7; 5000].into()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(cached.find(&key).await.unwrap().map(|block| block.len()), Some(5000));
    }
    assert_eq!((finds(&below), cached.weight()), (2, 0));
    let (below, keeps_nothing) = stores(0);
    let key = keeps_nothing.add("x".into()).await.unwrap();
    keeps_nothing.find(&key).await.unwrap();
    keeps_nothing.find(&key).await.unwrap();
    assert_eq!(finds(&below), 2);
}

#[tokio::test]
async fn what_is_kept_holds_no_larger_buffer() {
    let (_, cached) = stores(1 << 20);
    let buffer = Bytes::from(vec![1; 4096]);
    let key = cached.add(buffer.slice(..8)).await.unwrap();
    let read = cached.find(&key).await.unwrap().unwrap();
    assert_eq!(read.as_ptr(), buffer.as_ptr(), "the memory backend gives the slice itself");
    let kept = cached.find(&key).await.unwrap().unwrap();
    assert_ne!(kept.as_ptr(), buffer.as_ptr());
}

#[tokio::test]
async fn a_wrong_block_that_is_added_is_not_kept() {
    let (_, cached) = stores(1 << 20);
    let key = cached.add("right".into()).await.unwrap();
    cached.unsafe_add(key, "wrong".into()).await.unwrap();
    assert_eq!(cached.find(&key).await.unwrap(), Some("right".into()), "it was there already");
}

#[tokio::test]
async fn nothing_is_answered_from_the_cache_after_close() {
    let (_, cached) = stores(1 << 20);
    let key = cached.add("block".into()).await.unwrap();
    cached.find(&key).await.unwrap();
    let clone = cached.clone();
    cached.close().await.unwrap();
    cached.close().await.unwrap();
    assert_eq!(clone.weight(), 0);
    closed(clone.find(&key).await);
    closed(clone.find_many(&[key]).await);
    closed(clone.find_many(&[]).await);
    closed(clone.mem(&key).await);
    closed(clone.add("more".into()).await);
    closed(clone.flush().await);
    assert_eq!(clone.limits(), MemBlocks::<Sha1>::new().limits());
}

#[tokio::test]
async fn a_close_below_is_noticed_by_whatever_reaches_it() {
    let (below, cached) = stores(1 << 20);
    let key = cached.add("block".into()).await.unwrap();
    cached.find(&key).await.unwrap();
    below.close().await.unwrap();
    assert!(cached.find(&key).await.is_ok(), "nothing has reached the store below");
    closed(cached.mem(&key).await);
    closed(cached.find(&key).await);
    assert_eq!(cached.weight(), 0);
}

#[tokio::test]
async fn a_block_that_was_collected_is_found_until_the_cache_is_cleared_and_never_named() {
    let below = Mem::<Sha1>::default();
    let cached = Cached::new(below.blocks().clone(), 1 << 20);
    let storage = Joined::new(cached.clone(), MemRefs::default());
    let key = cached.add("block".into()).await.unwrap();
    cached.find(&key).await.unwrap();
    let sweep = below.sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, vec![key]).await.unwrap(), 1);
    assert_eq!(cached.find(&key).await.unwrap(), Some("block".into()));
    assert!(!cached.mem(&key).await.unwrap());
    let answer = storage.refs().set(branch("main"), key).await;
    refused(answer, ErrorKind::Missing, &format!("block {key} is not in the store"));
    cached.clear();
    assert_eq!(cached.find(&key).await.unwrap(), None);
}
