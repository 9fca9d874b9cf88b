use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::wrap::{Cached, Frozen, Metered, Prefixed, Typed, Verified};
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _, Joined, ReadOnly, RefName,
    Result, Sha1, Storage as _,
};
use ramus_mem::{Mem, MemBlocks, MemRefs};

/// Returns what is answered at once, which has to be something.
fn at_once<S: ReadOnly>(store: &S, key: &S::Key) -> Result<Option<S::Value>> {
    store.find_now(key).expect("an answer at once")
}

#[tokio::test]
async fn what_is_in_memory_is_answered_at_once_through_wrappers() {
    let blocks: MemBlocks = MemBlocks::new();
    let (key, absent) = (blocks.add("one".into()).await.unwrap(), Sha1::of(b"absent"));
    let one = Some(Bytes::from("one"));
    for key in [&key, &absent] {
        let expected = one.clone().filter(|_| key != &absent);
        assert_eq!(at_once(&blocks, key).unwrap(), expected);
        assert_eq!(at_once(&Verified::new(blocks.clone()), key).unwrap(), expected);
        assert_eq!(at_once(&Frozen::new(blocks.clone()), key).unwrap(), expected);
    }
    let texts = Typed::<_, String>::new(blocks.clone());
    let text = texts.add("text".to_owned()).await.unwrap();
    assert_eq!(at_once(&texts, &text).unwrap().as_deref(), Some("text"));
    assert_eq!(at_once(&texts, &key).unwrap_err().kind(), ErrorKind::Corrupt, "it is no text");
    let metered = Metered::blocks(blocks);
    assert!(metered.find_now(&key).is_none(), "each call is counted");
}

#[tokio::test]
async fn a_cache_answers_at_once_for_what_it_keeps() {
    let blocks: MemBlocks = MemBlocks::new();
    let key = blocks.add("one".into()).await.unwrap();
    let cached = Cached::new(blocks, 1 << 20);
    assert!(cached.find_now(&key).is_none(), "it was not read yet");
    cached.find(&key).await.unwrap();
    assert_eq!(at_once(&cached, &key).unwrap().as_deref(), Some(&b"one"[..]));
    cached.close().await.unwrap();
    assert_eq!(at_once(&cached, &key).unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn what_is_not_what_it_is_named_is_corrupt_at_once() {
    let blocks: MemBlocks = MemBlocks::new();
    let key = Sha1::of(b"one");
    blocks.unsafe_add(key, "other".into()).await.unwrap();
    let error = at_once(&Verified::new(blocks), &key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn refs_are_answered_at_once_through_wrappers() {
    let mem: Mem = Mem::default();
    let one = mem.blocks().add("one".into()).await.unwrap();
    let [main, below] = ["main", "team/main"].map(|name| RefName::branch(name).unwrap());
    mem.refs().set(main.clone(), one).await.unwrap();
    let other = mem.blocks().add("other".into()).await.unwrap();
    mem.refs().set(below, other).await.unwrap();
    assert_eq!(at_once(mem.refs(), &main).unwrap(), Some(one));
    assert_eq!(at_once(&Frozen::new(mem.refs().clone()), &main).unwrap(), Some(one));
    let prefixed = Prefixed::new(mem.refs().clone(), "team/").unwrap();
    assert_eq!(at_once(&prefixed, &main).unwrap(), Some(other));
    let joined = Joined::new(mem.blocks().clone(), MemRefs::<RefName, Sha1>::default());
    assert_eq!(at_once(joined.refs(), &main).unwrap(), None);
    let erased = Backend::new(mem);
    assert_eq!(at_once(erased.refs(), &main).unwrap(), Some(one));
    assert_eq!(at_once(erased.blocks(), &one).unwrap().as_deref(), Some(&b"one"[..]));
    erased.close().await.unwrap();
    assert_eq!(at_once(erased.refs(), &main).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(at_once(erased.blocks(), &one).unwrap_err().kind(), ErrorKind::Closed);
}
