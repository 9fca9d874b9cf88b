use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use proptest::prelude::*;
use ramus_core::wrap::Typed;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Changes, ContentAddressable as _, ErrorKind, Hash as _,
    Notice, Outcome, ReadOnly as _, Sha1, Update,
};
use ramus_mem::{MemBlocks, MemRefs};
use serde::{Deserialize, Serialize, Serializer};

use crate::support::{cause, refused};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Account {
    owner: String,
    entries: BTreeMap<u64, i64>,
    note: Option<Box<Self>>,
}

fn accounts() -> impl Strategy<Value = Account> {
    let leaf = (".{0,8}", prop::collection::btree_map(any::<u64>(), any::<i64>(), 0..4))
        .prop_map(|(owner, entries)| Account { owner, entries, note: None });
    leaf.prop_recursive(3, 8, 1, |inner| {
        (inner.clone(), inner)
            .prop_map(|(account, note)| Account { note: Some(Box::new(note)), ..account })
    })
}

type Refs = MemRefs<String, Bytes>;

fn numbers() -> (Refs, Typed<Refs, u64>) {
    let below = Refs::default();
    (below.clone(), Typed::new(below))
}

fn run(test: impl Future<Output = ramus_core::Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(test).expect("no fault");
}

proptest! {
    #[test]
    fn a_value_comes_back_from_blocks_and_from_refs(account in accounts(), other in accounts()) {
        run(async {
            let blocks = Typed::<_, Account>::new(MemBlocks::<Sha1>::new());
            let key = blocks.add(account.clone()).await?;
            blocks.unsafe_add_many(vec![(key, account.clone())]).await?;
            assert_eq!(blocks.find(&key).await?, Some(account.clone()));
            let found = blocks.find_many(&[Sha1::of(b"-"), key]).await?;
            assert_eq!(found, [None, Some(account.clone())]);
            assert_eq!(blocks.add(other.clone()).await? == key, account == other);

            let refs = Typed::<_, Account>::new(Refs::default());
            refs.set("a".to_owned(), account.clone()).await?;
            let (test, set) = (Some(account.clone()), Some(other.clone()));
            assert!(refs.test_and_set("a".to_owned(), test, set).await?);
            assert_eq!(refs.find(&"a".to_owned()).await?, Some(other));
            Ok(())
        });
    }

    #[test]
    fn whatever_bytes_decode_are_the_encoding_of_their_value(bytes: Vec<u8>) {
        run(async {
            let below = MemBlocks::<Sha1>::new();
            let key = below.add(bytes.clone().into()).await?;
            let typed = Typed::<_, Vec<Option<u16>>>::new(below);
            match typed.find(&key).await {
                Ok(value) => assert_eq!(typed.add(value.expect("it is there")).await?, key),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
            }
            Ok(())
        });
    }
}

#[tokio::test]
async fn bytes_that_are_no_encoding_are_corrupt_and_named() {
    let (below, typed) = numbers();
    let check = async |bytes: &'static [u8], message: &str| {
        below.set("k".to_owned(), bytes.into()).await.unwrap();
        refused(typed.find(&"k".to_owned()).await, ErrorKind::Corrupt, message)
    };
    let error = check(b"\x80", "value of key \"k\" does not decode as u64").await;
    assert!(!cause(&error).is_empty());
    check(b"", "value of key \"k\" does not decode as u64").await;
    check(b"\x01\x02\x03", "value of key \"k\" is u64 in 1 bytes, and 2 more are left over").await;
    // Seven, in two bytes where one is enough.
    let overlong = "value of key \"k\" decodes as u64, but is not what that is encoded as";
    check(b"\x87\x00", overlong).await;
    assert!(typed.mem(&"k".to_owned()).await.unwrap());
}

#[tokio::test]
async fn every_read_of_refs_refuses_what_does_not_decode() {
    let (below, typed) = numbers();
    let start = below.position().await.unwrap();
    let mut notices = typed.subscribe();
    below.set("bad".to_owned(), "\u{7f}!".into()).await.unwrap();
    let message = "value of key \"bad\" is u64 in 1 bytes, and 1 more are left over";
    let corrupt = ErrorKind::Corrupt;
    refused(typed.find_many(&["bad".to_owned()]).await, corrupt, message);
    refused(typed.snapshot(b"").await.unwrap().collect().await, corrupt, message);
    refused(typed.changes(start, 9).await, corrupt, message);
    let update = Update::new(start).test_and_set("bad".to_owned(), Some(1), Some(2));
    refused(typed.update(update).await, corrupt, message);
    assert_eq!(notices.next().await, Some(Notice::Lagged));
    typed.set("bad".to_owned(), 5).await.unwrap();
    assert_eq!(typed.find(&"bad".to_owned()).await.unwrap(), Some(5));
}

#[tokio::test]
async fn log_notices_and_refusals_speak_of_values() {
    let (_, typed) = numbers();
    let key = "k".to_owned();
    let start = typed.position().await.unwrap();
    let mut notices = typed.subscribe();
    typed.set(key.clone(), 300).await.unwrap();
    let update = Update::new(start).test_and_set(key.clone(), None, Some(1));
    let Outcome::Refused(refusal) = typed.update(update).await.unwrap() else {
        panic!("the key is there")
    };
    assert_eq!((&refusal.key, refusal.holds), (&key, Some(300)));
    let Changes::Page(page) = typed.changes(start, 9).await.unwrap() else { panic!("a page") };
    assert_eq!(page.changes.len(), 1);
    assert_eq!((page.changes[0].keys[0].old, page.changes[0].keys[0].new), (None, Some(300)));
    assert_eq!(notices.next().await, Some(Notice::Change(Arc::clone(&page.changes[0]))));
    let entries = typed.snapshot(b"k").await.unwrap().collect().await.unwrap();
    assert_eq!(entries, [(key, 300)]);
}

#[tokio::test]
async fn a_value_that_cannot_be_encoded_is_refused_and_nothing_changes() {
    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Stubborn;

    impl Serialize for Stubborn {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }

    let name = std::any::type_name::<Stubborn>();
    let refs = Typed::<_, Stubborn>::new(Refs::default());
    let message = format!("cannot encode the value of key \"k\" as {name}");
    let answer = refs.set("k".to_owned(), Stubborn).await;
    refused(answer, ErrorKind::InvalidInput, &message);
    assert_eq!(refs.list(b"").await.unwrap(), Vec::<String>::new());
    let blocks = Typed::<_, Stubborn>::new(MemBlocks::<Sha1>::new());
    let message = format!("cannot encode the value as {name}");
    refused(blocks.add(Stubborn).await, ErrorKind::InvalidInput, &message);
}
