use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;

use super::probe::{Came, Probe, ok};
use super::{Meters, Operation};
use crate::{
    AtomicWrite, Change, Changes, ContentAddressable, Cursor, Hash, Limits, Notice, Outcome,
    ReadOnly, Result, Snapshot, Subscription, Update,
};

/// A store whose calls are counted and traced.
///
/// [`MeteredStorage`](super::MeteredStorage) does the same to a whole storage. Clones share the
/// counters.
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::ContentAddressable;
/// use ramus_core::wrap::{Metered, Operation};
///
/// async fn example<B: ContentAddressable<Value = Bytes>>(blocks: B) -> ramus_core::Result<()> {
///     let blocks = Metered::blocks(blocks);
///     blocks.add("hello".into()).await?;
///     let adds = blocks.meters().read(Operation::Add);
///     assert_eq!((adds.calls, adds.bytes_in), (1, 5));
///     Ok(())
/// }
/// ```
///
/// # What is promised
///
/// - Answers are those of the store below.
/// - Every call, `limits` and `name` excepted, is counted in [`Meters`] and has a span `store` at debug level
///   with the fields `part`, `operation`, `key` (of calls that concern one) or `count` (of others),
///   `bytes_in`, `bytes_out`, and `outcome`: `ok`, `found`, `absent`, `applied`, `refused`,
///   `truncated`, `dropped`, or the kind of the error. What the store below says, it says in that
///   span.
/// - Values are counted, and never shown. Keys are shown.
#[derive(Clone, Debug)]
pub struct Metered<S: ReadOnly> {
    store: S,
    size: fn(&S::Value) -> usize,
    probe: Probe,
}

impl<S: ReadOnly> Metered<S> {
    /// Returns `store` with its calls measured: `part` names it in spans, `size` tells the bytes of a
    /// value.
    pub fn new(store: S, part: &'static str, size: fn(&S::Value) -> usize) -> Self {
        Self { store, size, probe: Probe::new(part) }
    }

    /// Returns the counters.
    pub const fn meters(&self) -> &Arc<Meters> {
        self.probe.meters()
    }
}

impl<B: ContentAddressable<Value = Bytes>> Metered<B> {
    /// Returns `blocks` with its calls measured, as the part `blocks`.
    pub fn blocks(blocks: B) -> Self {
        Self::new(blocks, "blocks", Bytes::len)
    }
}

impl<R: AtomicWrite<Value: Hash>> Metered<R> {
    /// Returns `refs` with its calls measured, as the part `refs`.
    pub fn refs(refs: R) -> Self {
        Self::new(refs, "refs", |_| R::Value::LENGTH)
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: ReadOnly> ReadOnly for Metered<S> {
    type Key = S::Key;
    type Value = S::Value;

    async fn find(&self, key: &S::Key) -> Result<Option<S::Value>> {
        let call = self.probe.call_of(Operation::Find, key, 0);
        let came = |found: &Option<S::Value>| match found {
            Some(value) => ("found", (self.size)(value)),
            None => ("absent", 0),
        };
        call.run(self.store.find(key), came).await
    }

    /// Gives nothing: so each call is counted, and once.
    fn find_now(&self, _key: &S::Key) -> Option<Result<Option<S::Value>>> {
        None
    }

    async fn mem(&self, key: &S::Key) -> Result<bool> {
        let call = self.probe.call_of(Operation::Mem, key, 0);
        let came = |found: &bool| (if *found { "found" } else { "absent" }, 0);
        call.run(self.store.mem(key), came).await
    }

    async fn find_many(&self, keys: &[S::Key]) -> Result<Vec<Option<S::Value>>> {
        let call = self.probe.call(Operation::FindMany, keys.len(), 0);
        let came =
            |found: &Vec<Option<S::Value>>| ("ok", found.iter().flatten().map(self.size).sum());
        call.run(self.store.find_many(keys), came).await
    }

    fn limits(&self) -> Limits {
        self.store.limits()
    }

    async fn close(&self) -> Result<()> {
        self.probe.call(Operation::Close, 0, 0).run(self.store.close(), ok).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<B: ContentAddressable> ContentAddressable for Metered<B> {
    fn name(&self, value: &B::Value) -> Result<B::Key> {
        self.store.name(value)
    }

    async fn add(&self, value: B::Value) -> Result<B::Key> {
        let call = self.probe.call(Operation::Add, 1, (self.size)(&value));
        call.run(self.store.add(value), ok).await
    }

    async fn unsafe_add(&self, key: B::Key, value: B::Value) -> Result<()> {
        let call = self.probe.call_of(Operation::UnsafeAdd, &key, (self.size)(&value));
        call.run(self.store.unsafe_add(key, value), ok).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(B::Key, B::Value)>) -> Result<()> {
        let bytes_in = blocks.iter().map(|(_, value)| (self.size)(value)).sum();
        let call = self.probe.call(Operation::UnsafeAddMany, blocks.len(), bytes_in);
        call.run(self.store.unsafe_add_many(blocks), ok).await
    }

    async fn flush(&self) -> Result<()> {
        self.probe.call(Operation::Flush, 0, 0).run(self.store.flush(), ok).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<R: AtomicWrite> AtomicWrite for Metered<R> {
    async fn update(&self, update: Update<R::Key, R::Value>) -> Result<Outcome<R::Key, R::Value>> {
        let bytes_in = update_size(&update, self.size);
        let call = self.probe.call(Operation::Update, update.edits.len(), bytes_in);
        call.run(self.store.update(update), |outcome| outcome_came(outcome, self.size)).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<R::Key, R::Value>> {
        let call = self.probe.call(Operation::Snapshot, 0, 0);
        let snapshot = call.run(self.store.snapshot(prefix), ok).await?;
        let (cursor, meters, size) = (snapshot.cursor(), Arc::clone(self.meters()), self.size);
        let pages = snapshot.into_pages().inspect(move |page| {
            let entries = page.iter().flatten();
            let bytes_out = entries.map(|(_, value)| size(value)).sum();
            meters.counters(Operation::Snapshot).gave(bytes_out);
        });
        Ok(Snapshot::new(cursor, pages.boxed()))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<R::Key, R::Value>> {
        let call = self.probe.call(Operation::Changes, limit, 0);
        let came = |changes: &Changes<R::Key, R::Value>| match changes {
            Changes::Page(page) => {
                ("ok", page.changes.iter().map(|change| change_size(change, self.size)).sum())
            }
            Changes::Truncated { .. } => ("truncated", 0),
        };
        call.run(self.store.changes(after, limit), came).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.probe.call(Operation::Position, 0, 0).run(self.store.position(), ok).await
    }

    fn subscribe(&self) -> Subscription<R::Key, R::Value> {
        let call = self.probe.call(Operation::Subscribe, 0, 0);
        let notices = call.run_now(|| self.store.subscribe());
        let (meters, size) = (Arc::clone(self.meters()), self.size);
        Subscription::of_stream(notices.inspect(move |notice| {
            if let Notice::Change(change) = notice {
                meters.counters(Operation::Subscribe).gave(change_size(change, size));
            }
        }))
    }
}

/// Returns the bytes of the values that an update sets.
pub(super) fn update_size<K, V>(update: &Update<K, V>, size: fn(&V) -> usize) -> usize {
    update.edits.values().filter_map(|edit| edit.set.as_ref()).map(size).sum()
}

/// Says what an update came to.
pub(super) fn outcome_came<K, V>(outcome: &Outcome<K, V>, size: fn(&V) -> usize) -> Came {
    match outcome {
        Outcome::Applied(_) => ("applied", 0),
        Outcome::Refused(refusal) => ("refused", refusal.holds.as_ref().map_or(0, size)),
    }
}

/// Returns the bytes of the values, old and new, that a change tells.
fn change_size<K, V>(change: &Change<K, V>, size: fn(&V) -> usize) -> usize {
    change.keys.iter().flat_map(|key| key.old.iter().chain(&key.new)).map(size).sum()
}
