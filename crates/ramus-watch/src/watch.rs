use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt as _};
use ramus_core::{AtomicWrite, Changes, Cursor, Error, Key, Result, Snapshot, Subscription, Value};

use crate::reader::{Reader, Reading, Request};
use crate::{Event, Follower, Next, Start, WatchOptions};

/// A lossless stream of what becomes of the watched keys.
///
/// [`WatchExt`](crate::WatchExt) makes it of any atomic-write store.
///
/// # What is promised
///
/// - Every change of a watched key after the start is given once and in order, as
///   [`Changed`](Event::Changed), or, where the log no longer has it, by one
///   [`Resync`](Event::Resync); in [`Latest`](crate::Mode::Latest) mode, what the changes come to.
/// - What is given is visible to readers by then.
/// - The watch holds at most one page of changes, and no writer ever waits for it.
/// - While nothing happens, it does nothing. Dropping it unsubscribes.
/// - Any operation of the store can be called between two events; the watch holds no lock.
/// - When the store is closed, what the watch can still get hold of is given, then
///   [`Closed`](ramus_core::ErrorKind::Closed) once, and then the stream ends.
///
/// # What is not promised
///
/// That a store with a log of its process alone is kept for those who watch it: a watch is a handle
/// like any other, and a store that nobody else has is watched in vain.
///
/// # Errors
///
/// After an error of another kind than `Closed` the watch goes on: asked again, it tries again, and
/// has lost nothing. A store that cannot be reached wants a pause before that.
pub struct Watch<K, V> {
    follower: Follower<K, V>,
    notices: Subscription<K, V>,
    reader: Reader<K, V>,
    reading: Option<Reading<K, V>>,
    /// What was done since the runtime last had its turn.
    work: usize,
}

impl<K: Key, V: Value> Watch<K, V> {
    /// Pages and notices that are taken before other tasks get their turn.
    const WORK_MAX: usize = 64;

    /// Returns the next event; nothing once the store was closed and the stream has ended.
    ///
    /// # Errors
    ///
    /// [`Closed`](ramus_core::ErrorKind::Closed), once, and whatever reading the store gives.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no event.
    pub async fn next(&mut self) -> Option<Result<Event<K, V>>> {
        poll_fn(|context| self.poll_next_unpin(context)).await
    }

    /// Returns the place in the log up to which everything was given.
    ///
    /// Keep it to go on from there later, with [`WatchOptions::after`].
    pub const fn cursor(&self) -> Cursor {
        self.follower.cursor()
    }

    pub(crate) async fn open<S>(store: &S, options: WatchOptions<K>) -> Result<Self>
    where
        S: AtomicWrite<Key = K, Value = V>,
    {
        options.check()?;
        let notices = store.subscribe();
        let follower = match options.start {
            Start::Now => {
                let end = end_of_log(store, &options).await?;
                Follower::new(options, end)
            }
            Start::After(cursor) => {
                let changes = store.changes(cursor, options.page_size).await?;
                let mut follower = Follower::new(options, cursor);
                follower.read(changes);
                follower
            }
        };
        Ok(Self::new(store, notices, follower))
    }

    pub(crate) async fn open_with_snapshot<S>(
        store: &S,
        options: WatchOptions<K>,
    ) -> Result<(Snapshot<K, V>, Self)>
    where
        S: AtomicWrite<Key = K, Value = V>,
    {
        options.check()?;
        if let Start::After(cursor) = options.start {
            return Err(Error::invalid_input(format!(
                "a watch starts from a snapshot or after {cursor}, not both: leave out one of them"
            )));
        }
        let notices = store.subscribe();
        let snapshot = store.snapshot(&options.watched.prefix()).await?;
        let snapshot = options.watched.restrict_snapshot(snapshot);
        let follower = Follower::new(options, snapshot.cursor());
        Ok((snapshot, Self::new(store, notices, follower)))
    }

    fn new<S>(store: &S, notices: Subscription<K, V>, follower: Follower<K, V>) -> Self
    where
        S: AtomicWrite<Key = K, Value = V>,
    {
        let reader = Reader::new(store.clone());
        Self { follower, notices, reader, reading: None, work: 0 }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<K, V>>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let answer = ready!(reading.as_mut().poll(context));
                self.reading = None;
                answer.tell(&mut self.follower);
            }
            let request = match self.follower.step() {
                Next::Give(event) => return Poll::Ready(Some(event)),
                Next::End => return Poll::Ready(None),
                Next::Wait => {
                    ready!(self.poll_notice(context));
                    None
                }
                Next::Read { after, limit } => Some(Request::Changes { after, limit }),
                Next::TakeSnapshot { prefix } => Some(Request::Snapshot { prefix }),
            };
            self.work += 1;
            self.reading = request.map(|request| self.reader.read(request));
            if self.work >= Self::WORK_MAX {
                // Others shall have their turn, also when there is always something to read.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_notice(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.notices.poll_next_unpin(context) {
            Poll::Ready(Some(notice)) => self.follower.notice(notice),
            Poll::Ready(None) => self.follower.ended(),
            Poll::Pending if self.follower.idle() => {}
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl<K: Key, V: Value> Stream for Watch<K, V> {
    type Item = Result<Event<K, V>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = self.poll_event(context);
        if event.is_pending() {
            self.work = 0;
        }
        event
    }
}

impl<K, V> Unpin for Watch<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Watch<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("follower", &self.follower).finish_non_exhaustive()
    }
}

/// Returns the place that the log has reached by now.
async fn end_of_log<S: AtomicWrite>(store: &S, options: &WatchOptions<S::Key>) -> Result<Cursor> {
    // A store that is far away knows its position from memory, and its log may have gone on.
    match store.changes(store.position().await?, 0).await? {
        Changes::Page(page) => Ok(page.end),
        Changes::Truncated { .. } => Ok(store.snapshot(&options.watched.prefix()).await?.cursor()),
    }
}
