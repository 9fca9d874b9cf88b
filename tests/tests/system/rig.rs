//! A storage over a storage that fails on command, tells when it is called, and can be slow.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use ramus_core::erased::{Backend, Sweeper};
use ramus_core::{
    AtomicWrite, Changes, ContentAddressable, Cursor, Error, ErrorKind, Limits, Notice, ReadOnly,
    RefName, RefOutcome, RefUpdate, Result, Sha1, Snapshot, Storage, Subscription,
};

/// The storage. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    blocks: RigBlocks,
    refs: RigRefs,
}

#[derive(Clone, Debug)]
pub(crate) struct RigBlocks(Arc<Shared>);

#[derive(Clone, Debug)]
pub(crate) struct RigRefs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Backend<Sha1>,
    orders: Mutex<Orders>,
}

/// The blocks and the update of a write.
type Sent = (Vec<(Sha1, Bytes)>, RefUpdate<Sha1>);

type Action = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What the storage was told to do.
#[derive(Default)]
struct Orders {
    lost: HashSet<Sha1>,
    replaced: HashMap<Sha1, Bytes>,
    block_bytes_max: Option<usize>,
    slow: bool,
    break_snapshot: bool,
    before_write: Option<BoxFuture<'static, ()>>,
    before_update: Option<BoxFuture<'static, ()>>,
    before_each_find: Option<Action>,
    added: Vec<Sha1>,
    /// What the next writes answer, and whether they are done before.
    answers: VecDeque<(Fate, ErrorKind)>,
    writes: usize,
    /// A write that was answered, and has not arrived yet.
    late: Option<(Fate, Sent)>,
    /// Adds blocks one by one, and does this after each.
    after_each_block: Option<Action>,
    /// The same of the next updates of refs alone.
    update_answers: VecDeque<(Fate, ErrorKind)>,
    /// What is not found the next time, for once.
    unavailable: HashSet<Sha1>,
    /// The log up to here is forgotten.
    log_forgotten: u64,
}

/// What becomes of a write whose answer is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    NotDone,
    /// It arrives right before the next one is judged.
    BeforeNext,
    /// It arrives when it is [delivered](Rig::deliver_late).
    Later,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Rig {
    pub(crate) fn new(inner: Backend<Sha1>) -> Self {
        let shared = Arc::new(Shared { inner, orders: Mutex::default() });
        Self { blocks: RigBlocks(Arc::clone(&shared)), refs: RigRefs(shared) }
    }

    /// Finds this block no more.
    pub(crate) fn lose(&self, hash: Sha1) {
        self.orders(|orders| orders.lost.insert(hash));
    }

    /// Finds this in place of the block.
    pub(crate) fn replace(&self, hash: Sha1, block: impl Into<Bytes>) {
        let block = block.into();
        self.orders(|orders| orders.replaced.insert(hash, block));
    }

    /// Takes no larger blocks than this.
    pub(crate) fn limit_blocks(&self, bytes: usize) {
        self.orders(|orders| orders.block_bytes_max = Some(bytes));
    }

    /// Waits once before and once after each call from now on.
    pub(crate) fn be_slow(&self) {
        self.orders(|orders| orders.slow = true);
    }

    /// Gives the next snapshot up before it was read.
    pub(crate) fn break_next_snapshot(&self) {
        self.orders(|orders| orders.break_snapshot = true);
    }

    /// Does something between the next write's call and its being judged.
    pub(crate) fn before_next_write(&self, action: impl Future<Output = ()> + Send + 'static) {
        self.orders(|orders| orders.before_write = Some(action.boxed()));
    }

    /// Does something between the call of the next update of refs alone and its being judged.
    pub(crate) fn before_next_update(&self, action: impl Future<Output = ()> + Send + 'static) {
        self.orders(|orders| orders.before_update = Some(action.boxed()));
    }

    /// Does something before each look at a ref; it has to use what does not [wait](Self::at_once).
    pub(crate) fn before_each_find_of_a_ref<F>(
        &self,
        action: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.orders(|orders| orders.before_each_find = Some(Arc::new(move || action().boxed())));
    }

    /// Answers one of the next writes with an error, whether it was done or not; in the order of the
    /// calls of this.
    pub(crate) fn answer_next_write(&self, fate: Fate, kind: ErrorKind) {
        self.orders(|orders| orders.answers.push_back((fate, kind)));
    }

    /// Answers one of the next updates of refs alone with an error, as
    /// [`answer_next_write`](Self::answer_next_write) does.
    pub(crate) fn answer_next_update(&self, fate: Fate, kind: ErrorKind) {
        self.orders(|orders| orders.update_answers.push_back((fate, kind)));
    }

    /// Does not know, once, whether there is this block.
    pub(crate) fn fail_next_find(&self, hash: Sha1) {
        self.orders(|orders| orders.unavailable.insert(hash));
    }

    /// Finds again what was not to be found once.
    pub(crate) fn find_all_again(&self) {
        self.orders(|orders| orders.unavailable.clear());
    }

    /// Adds blocks one by one from now on, and does something after each.
    pub(crate) fn after_each_block<F>(&self, action: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.orders(|orders| orders.after_each_block = Some(Arc::new(move || action().boxed())));
    }

    /// Has a write arrive that is under way since it was answered; returns whether it was applied.
    pub(crate) async fn deliver_late(&self) -> bool {
        let Some((_, (blocks, update))) = self.orders(|orders| orders.late.take()) else {
            panic!("nothing is under way");
        };
        self.at_once().write(blocks, update).await.expect("it arrives").is_applied()
    }

    /// Forgets the log up to now, as one that is short does: what was not read can only be compared.
    pub(crate) async fn forget_log(&self) {
        let position = self.at_once().refs().position().await.expect("a position");
        self.orders(|orders| orders.log_forgotten = position.sequence);
    }

    /// Returns how many writes there were.
    pub(crate) fn writes(&self) -> usize {
        self.orders(|orders| orders.writes)
    }

    /// Returns the refs without waiting.
    pub(crate) fn at_once(&self) -> &Backend<Sha1> {
        &self.blocks.0.inner
    }

    /// Returns the blocks that were added since this was asked last.
    pub(crate) fn take_added(&self) -> Vec<Sha1> {
        self.orders(|orders| mem::take(&mut orders.added))
    }

    fn orders<T>(&self, give: impl FnOnce(&mut Orders) -> T) -> T {
        self.blocks.0.orders(give)
    }
}

impl Shared {
    fn orders<T>(&self, give: impl FnOnce(&mut Orders) -> T) -> T {
        give(&mut self.orders.lock().expect("no test panics with the lock held"))
    }

    /// Runs a call, and waits before and after it if the storage is slow.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let slow = self.orders(|orders| orders.slow);
        wait_once_if(slow).await;
        let answer = call.await;
        wait_once_if(slow).await;
        answer
    }

    fn is_lost(&self, key: &Sha1) -> bool {
        self.orders(|orders| orders.lost.contains(key))
    }

    fn note_added(&self, blocks: &[(Sha1, Bytes)]) -> Result<()> {
        self.orders(|orders| {
            let max = orders.block_bytes_max.unwrap_or(usize::MAX);
            if let Some((key, block)) = blocks.iter().find(|(_, block)| block.len() > max) {
                let message = format!("block {key} has {} bytes, of {max}", block.len());
                return Err(Error::new(ErrorKind::Limit, message));
            }
            orders.added.extend(blocks.iter().map(|(key, _)| *key));
            Ok(())
        })
    }
}

async fn wait_once_if(wait: bool) {
    let mut waited = !wait;
    poll_fn(|context| {
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Storage for Rig {
    type Hash = Sha1;
    type Blocks = RigBlocks;
    type Refs = RigRefs;
    type Sweep = Sweeper<Sha1>;

    fn blocks(&self) -> &RigBlocks {
        &self.blocks
    }

    fn refs(&self) -> &RigRefs {
        &self.refs
    }

    fn sweep(&self) -> Option<Sweeper<Sha1>> {
        self.blocks.0.inner.sweep()
    }

    async fn write(
        &self,
        blocks: Vec<(Sha1, Bytes)>,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        if let Some(action) = self.orders(|orders| orders.before_write.take()) {
            action.await;
        }
        let shared = &self.blocks.0;
        let fate = self.orders(|orders| {
            orders.writes += 1;
            orders.answers.pop_front()
        });
        if self.orders(|orders| matches!(orders.late, Some((Fate::BeforeNext, ..)))) {
            self.deliver_late().await;
        }
        shared.note_added(&blocks)?;
        let write = shared.call(async {
            match fate {
                Some((Fate::NotDone, _)) => Ok(None),
                Some((fate @ (Fate::BeforeNext | Fate::Later), _)) => {
                    self.orders(|orders| orders.late = Some((fate, (blocks, update))));
                    Ok(None)
                }
                _ => shared.inner.write(blocks, update).await.map(Some),
            }
        });
        match (write.await?, fate) {
            (Some(outcome), None) => Ok(outcome),
            (_, fate) => {
                let kind = fate.map_or(ErrorKind::Unavailable, |(_, kind)| kind);
                Err(Error::new(kind, "the answer was lost"))
            }
        }
    }
}

impl ReadOnly for RigBlocks {
    type Key = Sha1;
    type Value = Bytes;

    async fn find(&self, key: &Sha1) -> Result<Option<Bytes>> {
        if self.0.orders(|orders| orders.unavailable.remove(key)) {
            return Err(Error::new(ErrorKind::Unavailable, format!("cannot find {key} for once")));
        }
        let found = self.0.call(self.0.inner.blocks().find(key)).await?;
        let replaced = self.0.orders(|orders| orders.replaced.get(key).cloned());
        Ok(if self.0.is_lost(key) { None } else { replaced.or(found) })
    }

    fn limits(&self) -> Limits {
        let limits = self.0.inner.blocks().limits();
        let max = self.0.orders(|orders| orders.block_bytes_max);
        limits.with_block_bytes_max(max.unwrap_or(limits.block_bytes_max))
    }

    async fn close(&self) -> Result<()> {
        self.0.inner.blocks().close().await
    }
}

impl ContentAddressable for RigBlocks {
    fn name(&self, value: &Bytes) -> Result<Sha1> {
        self.0.inner.blocks().name(value)
    }

    async fn unsafe_add(&self, key: Sha1, value: Bytes) -> Result<()> {
        self.unsafe_add_many(vec![(key, value)]).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(Sha1, Bytes)>) -> Result<()> {
        self.0.note_added(&blocks)?;
        let Some(action) = self.0.orders(|orders| orders.after_each_block.clone()) else {
            return self.0.call(self.0.inner.blocks().unsafe_add_many(blocks)).await;
        };
        for (key, block) in blocks {
            self.0.inner.blocks().unsafe_add(key, block).await?;
            action().await;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.0.inner.blocks().flush().await
    }
}

impl ReadOnly for RigRefs {
    type Key = RefName;
    type Value = Sha1;

    async fn find(&self, key: &RefName) -> Result<Option<Sha1>> {
        if let Some(action) = self.0.orders(|orders| orders.before_each_find.clone()) {
            action().await;
        }
        self.0.call(self.0.inner.refs().find(key)).await
    }

    fn limits(&self) -> Limits {
        self.0.inner.refs().limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.inner.refs().close().await
    }
}

impl AtomicWrite for RigRefs {
    async fn update(&self, update: RefUpdate<Sha1>) -> Result<RefOutcome<Sha1>> {
        if let Some(action) = self.0.orders(|orders| orders.before_update.take()) {
            action.await;
        }
        match self.0.orders(|orders| orders.update_answers.pop_front()) {
            None => self.0.call(self.0.inner.refs().update(update)).await,
            Some((fate, kind)) => {
                if fate == Fate::Done {
                    drop(self.0.inner.refs().update(update).await?);
                }
                Err(Error::new(kind, "the answer was lost"))
            }
        }
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, Sha1>> {
        let snapshot = self.0.call(self.0.inner.refs().snapshot(prefix)).await?;
        if !self.0.orders(|orders| mem::take(&mut orders.break_snapshot)) {
            return Ok(snapshot);
        }
        let given_up = Error::new(ErrorKind::Unavailable, "the snapshot was given up");
        Ok(Snapshot::new(snapshot.cursor(), stream::iter([Err(given_up)]).boxed()))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, Sha1>> {
        let changes = self.0.call(self.0.inner.refs().changes(after, limit)).await?;
        let forgotten = self.0.orders(|orders| orders.log_forgotten);
        if after.sequence >= forgotten {
            return Ok(changes);
        }
        Ok(Changes::Truncated { oldest: Cursor { sequence: forgotten, ..after } })
    }

    async fn position(&self) -> Result<Cursor> {
        self.0.call(self.0.inner.refs().position()).await
    }

    fn subscribe(&self) -> Subscription<RefName, Sha1> {
        let shared = Arc::clone(&self.0);
        let notices = self.0.inner.refs().subscribe().map(move |notice| match notice {
            Notice::Change(change)
                if change.previous < shared.orders(|orders| orders.log_forgotten) =>
            {
                Notice::Lagged
            }
            notice => notice,
        });
        Subscription::of_stream(notices)
    }
}
