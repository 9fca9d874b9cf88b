use bytes::Bytes;

use crate::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Error, ErrorKind, Hash, Limits, NoSweep,
    Outcome, ReadOnly, RefName, RefOutcome, RefUpdate, Result, Snapshot, Storage, Subscription,
    Update,
};

/// A storage made of any blocks and any refs.
///
/// Its refs keep the promises of [`Storage`]: an update first makes sure that the blocks it names
/// exist, and makes them durable. A collection of blocks is not part of it, because two stores that
/// do not know of one another cannot protect what is about to be named. Its blocks must not be
/// collected behind its back either, by whoever else has them: a ref could then outlive its block.
///
/// ```
/// use bytes::Bytes;
/// use ramus_core::{AtomicWrite, ContentAddressable, Hash, Joined, RefName};
///
/// fn storage<H: Hash>(
///     blocks: impl ContentAddressable<Key = H, Value = Bytes>,
///     refs: impl AtomicWrite<Key = RefName, Value = H>,
/// ) -> impl ramus_core::Storage<Hash = H> {
///     Joined::new(blocks, refs)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Joined<B, R> {
    refs: JoinedRefs<B, R>,
}

/// The refs of a [`Joined`] storage.
#[derive(Clone, Debug)]
pub struct JoinedRefs<B, R> {
    blocks: B,
    refs: R,
}

impl<H, B, R> Joined<B, R>
where
    H: Hash,
    B: ContentAddressable<Key = H, Value = Bytes>,
    R: AtomicWrite<Key = RefName, Value = H>,
{
    /// Returns the storage that has these blocks and these refs.
    pub const fn new(blocks: B, refs: R) -> Self {
        Self { refs: JoinedRefs { blocks, refs } }
    }
}

impl<H, B, R> Storage for Joined<B, R>
where
    H: Hash,
    B: ContentAddressable<Key = H, Value = Bytes>,
    R: AtomicWrite<Key = RefName, Value = H>,
{
    type Hash = H;
    type Blocks = B;
    type Refs = JoinedRefs<B, R>;
    type Sweep = NoSweep<H>;

    fn blocks(&self) -> &B {
        &self.refs.blocks
    }

    fn refs(&self) -> &JoinedRefs<B, R> {
        &self.refs
    }

    fn sweep(&self) -> Option<NoSweep<H>> {
        None
    }

    async fn write(&self, blocks: Vec<(H, Bytes)>, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        self.refs.blocks.unsafe_add_many(blocks).await?;
        self.refs.update(update).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H, B, R> ReadOnly for JoinedRefs<B, R>
where
    H: Hash,
    B: ContentAddressable<Key = H, Value = Bytes>,
    R: AtomicWrite<Key = RefName, Value = H>,
{
    type Key = RefName;
    type Value = H;

    async fn find(&self, key: &RefName) -> Result<Option<H>> {
        self.refs.find(key).await
    }

    fn find_now(&self, key: &RefName) -> Option<Result<Option<H>>> {
        self.refs.find_now(key)
    }

    async fn mem(&self, key: &RefName) -> Result<bool> {
        self.refs.mem(key).await
    }

    async fn find_many(&self, keys: &[RefName]) -> Result<Vec<Option<H>>> {
        self.refs.find_many(keys).await
    }

    fn limits(&self) -> Limits {
        self.refs.limits()
    }

    async fn close(&self) -> Result<()> {
        self.refs.close().await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<H, B, R> AtomicWrite for JoinedRefs<B, R>
where
    H: Hash,
    B: ContentAddressable<Key = H, Value = Bytes>,
    R: AtomicWrite<Key = RefName, Value = H>,
{
    async fn update(&self, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        for key in update.edits.values().filter_map(|edit| edit.set.as_ref()) {
            if !self.blocks.mem(key).await? {
                return self.recall(&update, Error::missing(key)).await;
            }
        }
        self.blocks.flush().await?;
        self.refs.update(update).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        self.refs.snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, H>> {
        self.refs.changes(after, limit).await
    }

    async fn position(&self) -> Result<Cursor> {
        self.refs.position().await
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        self.refs.subscribe()
    }
}

impl<H, B, R> JoinedRefs<B, R>
where
    H: Hash,
    B: ContentAddressable<Key = H, Value = Bytes>,
    R: AtomicWrite<Key = RefName, Value = H>,
{
    /// Answers an update one of whose blocks is missing: with its place, if it was applied before
    /// and the block was collected since; else with `missing`.
    ///
    /// It reads no further than the end that the first page tells: what is applied later was not
    /// applied before.
    async fn recall(&self, update: &RefUpdate<H>, missing: Error) -> Result<RefOutcome<H>> {
        const PAGE: usize = 256;
        let mut cursor = update.seen;
        let mut end = None;
        loop {
            let Changes::Page(page) = self.refs.changes(cursor, PAGE).await? else {
                return Err(unknown(update, missing));
            };
            if let Some(record) = page.changes.iter().find(|change| change.id == update.id) {
                return update.place_of(record).map(Outcome::Applied);
            }
            let end = end.get_or_insert(page.end).sequence;
            if page.next.sequence >= end {
                return Err(missing);
            }
            if page.next.sequence <= cursor.sequence {
                let fault = format!("the log ends at {end} and does not go on after {cursor}");
                return Err(Error::corrupt(fault));
            }
            cursor = page.next;
        }
    }
}

/// Returns the error for an update that names a missing block and may have been applied before.
fn unknown<H: Hash>(update: &RefUpdate<H>, missing: Error) -> Error {
    let Update { id, seen, .. } = update;
    let message = format!(
        "cannot tell whether update {id}, last seen at {seen}, was applied: the log is not kept from there, and a block that it names is gone"
    );
    Error::new(ErrorKind::Ambiguous, message).with_source(missing)
}
