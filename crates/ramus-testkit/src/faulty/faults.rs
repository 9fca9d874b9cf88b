use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use ramus_core::{Error, ErrorKind, Result};
use tokio::sync::watch;

/// The script of a [`Faulty`](super::Faulty) storage: what goes wrong, and when. Clones are one script.
///
/// Nothing in it is left to chance or to time: calls are counted, and what is held waits for a word.
///
/// ```
/// use ramus_core::{ErrorKind, ReadOnly as _, RefName, Storage as _};
/// use ramus_mem::Mem;
/// use ramus_testkit::{Faults, Faulty, Mishap, Operation};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let faults = Faults::default();
/// let storage = Faulty::new(Mem::<ramus_core::Sha1>::default(), faults.clone());
/// faults.at(Operation::FindRef, 2, Mishap::Fail(ErrorKind::Unavailable));
///
/// let main = RefName::branch("main")?;
/// assert!(storage.refs().find(&main).await.is_ok());
/// let error = storage.refs().find(&main).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert!(storage.refs().find(&main).await.is_ok());
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    /// How many calls wait, and how often they were released.
    held: watch::Sender<Held>,
}

#[derive(Debug, Default)]
struct Script {
    calls: BTreeMap<Operation, usize>,
    calls_of_any: usize,
    at: BTreeMap<(Option<Operation>, usize), Mishap>,
    always: BTreeMap<Operation, Mishap>,
    notices: NoticeFaults,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    waiting: usize,
    releases: usize,
}

/// What goes wrong with notices.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NoticeFaults {
    /// So many that are waiting are given out backwards; 0 and 1 change nothing.
    pub(super) reordered: usize,
    /// So many of the next are dropped, and `Lagged` given instead.
    pub(super) dropped: usize,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It does nothing, and answers an error of this kind.
    Fail(ErrorKind),
    /// It is done, and its answer is lost: an error of kind `Unavailable` instead of success.
    LoseAnswer,
    /// It lets other tasks have so many turns before it is done.
    Delay(usize),
    /// It is not done before [`Faults::release`].
    Hold,
    /// It is done, and does not answer before [`Faults::release`].
    HoldAnswer,
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the call of its name")]
pub enum Operation {
    FindBlock,
    MemBlock,
    FindBlocks,
    Add,
    UnsafeAdd,
    UnsafeAddMany,
    Flush,
    CloseBlocks,
    FindRef,
    MemRef,
    FindRefs,
    Update,
    Snapshot,
    Changes,
    Position,
    CloseRefs,
    Write,
    LoadDerived,
    AppendDerived,
    ReplaceDerived,
    Close,
    BeginSweep,
    Pinned,
    RemoveMany,
    FinishSweep,
    Pin,
}

impl Faults {
    /// The `nth` call of `operation` from now on, of any operation for `None`, meets with `mishap`; the
    /// next one is the first.
    pub fn at(&self, operation: impl Into<Option<Operation>>, nth: usize, mishap: Mishap) {
        let (operation, mut script) = (operation.into(), self.0.script.lock());
        let number = script.count(operation) + nth;
        script.at.insert((operation, number), mishap);
    }

    /// Every call of `operation` meets with `mishap`, until [`clear`](Faults::clear).
    pub fn always(&self, operation: Operation, mishap: Mishap) {
        self.0.script.lock().always.insert(operation, mishap);
    }

    /// Forgets every mishap that was asked for and has not happened, those of notices too.
    pub fn clear(&self) {
        let mut script = self.0.script.lock();
        script.at.clear();
        script.always.clear();
        script.notices = NoticeFaults::default();
    }

    /// Returns how many calls there were of `operation`, of all for `None`.
    pub fn calls(&self, operation: impl Into<Option<Operation>>) -> usize {
        self.0.script.lock().count(operation.into())
    }

    /// Notices that wait for a subscriber are given to it backwards, `window` at a time, until
    /// [`clear`](Faults::clear). None waits for others to come.
    pub fn reorder_notices(&self, window: usize) {
        self.0.script.lock().notices.reordered = window;
    }

    /// The next `many` notices that a subscriber would be given are dropped, and it is told
    /// [`Lagged`](ramus_core::Notice::Lagged) for each.
    pub fn drop_notices(&self, many: usize) {
        self.0.script.lock().notices.dropped = many;
    }

    /// Lets every call go on that is held now.
    pub fn release(&self) {
        self.0.held.send_modify(|held| held.releases += 1);
    }

    /// Returns when so many calls are held.
    pub async fn until_held(&self, calls: usize) {
        let mut held = self.0.held.subscribe();
        // The sender lives as long as the script, so this does not fail.
        drop(held.wait_for(|held| held.waiting >= calls).await);
    }

    /// Does the work of a call, as the script says.
    pub(super) async fn call<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mishap = self.0.script.lock().next(operation);
        match mishap {
            None => work.await,
            Some(Mishap::Fail(kind)) => {
                Err(Error::new(kind, format!("{operation:?} fails, as the script says")))
            }
            Some(Mishap::LoseAnswer) => {
                work.await?;
                let message = format!("the answer of {operation:?} is lost, as the script says");
                Err(Error::new(ErrorKind::Unavailable, message))
            }
            Some(Mishap::Delay(turns)) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                work.await
            }
            Some(Mishap::Hold) => {
                self.hold().await;
                work.await
            }
            Some(Mishap::HoldAnswer) => {
                let answer = work.await;
                self.hold().await;
                answer
            }
        }
    }

    /// Changes what goes wrong with notices, and returns what `change` does.
    pub(super) fn with_notices<T>(&self, change: impl FnOnce(&mut NoticeFaults) -> T) -> T {
        change(&mut self.0.script.lock().notices)
    }

    async fn hold(&self) {
        let mut held = self.0.held.subscribe();
        let waiting = Waiting::begin(&self.0.held);
        let releases = waiting.releases;
        drop(held.wait_for(|held| held.releases > releases).await);
    }
}

/// A call that is held; it counts until it is dropped.
struct Waiting<'a> {
    held: &'a watch::Sender<Held>,
    releases: usize,
}

impl<'a> Waiting<'a> {
    fn begin(held: &'a watch::Sender<Held>) -> Self {
        let mut releases = 0;
        held.send_modify(|held| {
            held.waiting += 1;
            releases = held.releases;
        });
        Self { held, releases }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.held.send_modify(|held| held.waiting -= 1);
    }
}

impl Script {
    fn count(&self, operation: Option<Operation>) -> usize {
        match operation {
            None => self.calls_of_any,
            Some(operation) => self.calls.get(&operation).copied().unwrap_or(0),
        }
    }

    /// Counts a call, and returns what happens to it.
    fn next(&mut self, operation: Operation) -> Option<Mishap> {
        self.calls_of_any += 1;
        *self.calls.entry(operation).or_default() += 1;
        let of_it = self.at.remove(&(Some(operation), self.count(Some(operation))));
        let of_any = self.at.remove(&(None, self.calls_of_any));
        of_it.or(of_any).or_else(|| self.always.get(&operation).copied())
    }
}

/// A script in which nothing goes wrong.
impl Default for Faults {
    fn default() -> Self {
        let held = watch::Sender::new(Held::default());
        Self(Arc::new(Shared { script: Mutex::default(), held }))
    }
}
