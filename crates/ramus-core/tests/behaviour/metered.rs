use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use ramus_core::wrap::{Metered, MeteredStorage, Meters, Operation};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, Cursor, Hash as _, Incarnation,
    Limits, ReadOnly, Result, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_mem::{Mem, MemBlocks, MemRefs};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::branch;

/// Checks what was counted: calls, errors, bytes in, bytes out.
#[track_caller]
fn counted(meters: &Meters, operation: Operation, expected: [u64; 4]) {
    let reading = meters.read(operation);
    let found = [reading.calls, reading.errors, reading.bytes_in, reading.bytes_out];
    assert_eq!(found, expected, "{operation}");
}

#[tokio::test]
async fn calls_errors_and_bytes_of_blocks_are_counted() {
    let blocks = Metered::blocks(MemBlocks::<Sha1>::new());
    let key = blocks.add("12345".into()).await.unwrap();
    let block = |text: &'static str| (Sha1::of(text.as_bytes()), Bytes::from(text));
    let (name, value) = block("123");
    blocks.unsafe_add(name, value).await.unwrap();
    blocks.unsafe_add_many(vec![block("1"), block("22")]).await.unwrap();
    blocks.flush().await.unwrap();
    blocks.find(&key).await.unwrap();
    blocks.find(&Sha1::of(b"none")).await.unwrap();
    blocks.clone().find_many(&[key, key, Sha1::of(b"none")]).await.unwrap();
    blocks.mem(&key).await.unwrap();
    blocks.close().await.unwrap();
    assert!(blocks.find(&key).await.is_err());
    assert!(blocks.add("1234567".into()).await.is_err());
    let meters = blocks.meters();
    counted(meters, Operation::Add, [2, 1, 12, 0]);
    counted(meters, Operation::UnsafeAdd, [1, 0, 3, 0]);
    counted(meters, Operation::UnsafeAddMany, [1, 0, 3, 0]);
    counted(meters, Operation::Flush, [1, 0, 0, 0]);
    counted(meters, Operation::Find, [3, 1, 0, 5]);
    counted(meters, Operation::FindMany, [1, 0, 0, 10]);
    counted(meters, Operation::Mem, [1, 0, 0, 0]);
    counted(meters, Operation::Close, [1, 0, 0, 0]);
    counted(meters, Operation::Update, [0; 4]);
}

#[tokio::test]
async fn calls_and_bytes_of_refs_are_counted() {
    let refs = Metered::new(MemRefs::<String, String>::default(), "names", String::len);
    let start = refs.position().await.unwrap();
    let mut notices = refs.subscribe();
    refs.set("a".into(), "12".into()).await.unwrap();
    refs.set("a".into(), "345".into()).await.unwrap();
    let refused = refs.test_and_set("a".into(), Some("12".into()), Some("6".into())).await;
    assert!(!refused.unwrap());
    refs.snapshot(b"").await.unwrap().collect().await.unwrap();
    refs.changes(start, 10).await.unwrap();
    let other = Cursor { incarnation: Incarnation::random(), sequence: 0 };
    refs.changes(other, 10).await.unwrap();
    notices.next().await.unwrap();
    let meters = refs.meters();
    counted(meters, Operation::Update, [3, 0, 6, 3]);
    counted(meters, Operation::Position, [4, 0, 0, 0]);
    counted(meters, Operation::Snapshot, [1, 0, 0, 3]);
    counted(meters, Operation::Changes, [2, 0, 0, 2 + 2 + 3]);
    counted(meters, Operation::Subscribe, [1, 0, 0, 2]);
}

#[tokio::test]
async fn each_part_of_a_storage_is_counted_by_itself() {
    let storage = MeteredStorage::new(Mem::<Sha1>::default());
    let key = Sha1::of(b"block");
    let update = Update::new(storage.refs().position().await.unwrap()).set(branch("main"), key);
    assert!(storage.write(vec![(key, "block".into())], update).await.unwrap().is_applied());
    let sweep = storage.sweep().unwrap();
    let pin = sweep.pin(vec![key]).await.unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.pinned(epoch).await.unwrap(), [key]);
    let keys: Vec<_> = sweep.keys().map(Result::unwrap).collect().await;
    assert_eq!(sweep.remove_many(epoch, keys).await.unwrap(), 0);
    sweep.finish(epoch).await.unwrap();
    drop(pin);
    storage.refs().find(&branch("main")).await.unwrap();
    storage.blocks().find(&key).await.unwrap();
    let index = branch("index");
    assert!(storage.replace_derived(&index, "123".into()).await.unwrap());
    assert!(storage.append_derived(&index, 3, "45".into()).await.unwrap());
    assert_eq!(storage.load_derived(&index).await.unwrap(), Some("12345".into()));
    storage.close().await.unwrap();
    counted(storage.meters(), Operation::ReplaceDerived, [1, 0, 3, 0]);
    counted(storage.meters(), Operation::AppendDerived, [1, 0, 2, 0]);
    counted(storage.meters(), Operation::LoadDerived, [1, 0, 0, 5]);
    counted(storage.meters(), Operation::Write, [1, 0, 5 + 20, 0]);
    counted(storage.meters(), Operation::Close, [1, 0, 0, 0]);
    counted(storage.blocks().meters(), Operation::Find, [1, 0, 0, 5]);
    counted(storage.refs().meters(), Operation::Find, [1, 0, 0, 20]);
    let again = storage.sweep().unwrap();
    let sweeping = [
        Operation::Pin,
        Operation::Pinned,
        Operation::Begin,
        Operation::Keys,
        Operation::RemoveMany,
        Operation::Finish,
    ];
    for operation in sweeping {
        counted(again.meters(), operation, [1, 0, 0, 0]);
    }
}

/// A store that never answers.
#[derive(Clone, Debug)]
struct Silent;

impl ReadOnly for Silent {
    type Key = String;
    type Value = String;

    async fn find(&self, _key: &String) -> Result<Option<String>> {
        std::future::pending().await
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_call_that_is_dropped_is_counted_once_it_has_begun() {
    let store = Metered::new(Silent, "silent", String::len);
    let key = "k".to_owned();
    drop(store.find(&key));
    assert_eq!(store.meters().read(Operation::Find).calls, 0);
    let spans = Spans::record(|| assert!(store.find(&key).now_or_never().is_none()));
    let find = store.meters().read(Operation::Find);
    assert_eq!((find.calls, find.errors, find.dropped), (1, 0, 1));
    assert_eq!(spans[0]["outcome"], "dropped");
}

/// The fields of every span, in the order of their beginning.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

impl Spans {
    fn record(test: impl FnOnce()) -> Vec<BTreeMap<&'static str, String>> {
        let spans = Self::default();
        tracing::subscriber::with_default(spans.clone(), test);
        spans.0.lock().expect("no panic").clone()
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let metadata = span.metadata();
        assert_eq!((metadata.name(), *metadata.level()), ("store", Level::DEBUG));
        let mut spans = self.0.lock().expect("no panic");
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        spans.push(fields);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64()).expect("a small number") - 1;
        values.record(&mut Fields(&mut self.0.lock().expect("no panic")[index]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_span_names_the_operation_its_key_and_what_it_came_to() {
    let blocks = Metered::blocks(MemBlocks::<Sha1>::new());
    let refs = Metered::refs(MemRefs::<String, Sha1>::default());
    let key = Sha1::of(b"block");
    let spans = Spans::record(|| {
        let test = async {
            blocks.add("block".into()).await?;
            blocks.find(&key).await?;
            blocks.mem(&Sha1::of(b"none")).await?;
            refs.test_and_set("a".to_owned(), None, Some(key)).await?;
            refs.test_and_set("a".to_owned(), None, Some(key)).await?;
            blocks.close().await?;
            drop(blocks.find(&key).await);
            drop(refs.subscribe());
            Result::<()>::Ok(())
        };
        test.now_or_never().expect("memory answers at once").unwrap();
    });
    let text = |fields: &BTreeMap<&str, String>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join(" ")
    };
    let (key, none) = (key.to_string(), Sha1::of(b"none").to_string());
    let expected = [
        "bytes_in=5 bytes_out=0 count=1 operation=add outcome=ok part=blocks".to_owned(),
        format!("bytes_in=0 bytes_out=5 key={key} operation=find outcome=found part=blocks"),
        format!("bytes_in=0 bytes_out=0 key={none} operation=mem outcome=absent part=blocks"),
        "bytes_in=0 bytes_out=0 count=0 operation=position outcome=ok part=refs".to_owned(),
        "bytes_in=20 bytes_out=0 count=1 operation=update outcome=applied part=refs".to_owned(),
        "bytes_in=0 bytes_out=0 count=0 operation=position outcome=ok part=refs".to_owned(),
        "bytes_in=20 bytes_out=20 count=1 operation=update outcome=refused part=refs".to_owned(),
        "bytes_in=0 bytes_out=0 count=0 operation=close outcome=ok part=blocks".to_owned(),
        format!("bytes_in=0 key={key} operation=find outcome=closed part=blocks"),
        "bytes_in=0 bytes_out=0 count=0 operation=subscribe outcome=ok part=refs".to_owned(),
    ];
    assert_eq!(spans.iter().map(text).collect::<Vec<_>>(), expected);
}
