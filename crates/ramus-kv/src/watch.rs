//! Watches of branches and of what lies in them.

mod branch;
mod branches;
mod commits;
mod moved;
mod place;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use ramus_core::{Cursor, ErrorKind, Key, Result};
use ramus_watch::WatchOptions;

pub use self::branch::BranchEvent;
pub use self::branches::{BranchChange, BranchesEvent, BranchesPlace, BranchesWatch};
pub use self::commits::Commits;
pub use self::place::WatchPlace;

/// A watch of one branch, or of a path in it: see [`Store::watch`](crate::Store::watch).
pub type BranchWatch<S> = EventStream<BranchEvent<S>>;

/// A lossless stream of events.
///
/// # What is promised
///
/// - Every change of what is watched is given once and in order; where the storage no longer knows
///   what happened, an event says so.
/// - An update of the storage is one event, however many commits it carried and branches it moved.
/// - No writer waits for a watch, and a watch that is not read costs bounded memory. Dropping it
///   ends it.
/// - After an event, [`cursor`](EventStream::cursor) is the place to go on from later, with
///   [`WatchStart::After`]; with the commits beside it, [`BranchEvent::place`] and
///   [`BranchesWatch::place`], also when the change log no longer goes back so far.
/// - When the repository is closed, [`Closed`](ramus_core::ErrorKind::Closed) is given once, and then
///   the stream ends: commits that were not given yet cannot be read any more.
///
/// # Errors
///
/// An event whose commits cannot be read is an error, and the watch goes on after it. If that was
/// [`Unavailable`](ramus_core::ErrorKind::Unavailable), the same event is tried again first; and if it was
/// one that says what is there now, such an event comes again.
///
/// Commits are read when their event is, and can have been collected by then, if a branch was moved away
/// from them or removed, and the watch was behind. If it is the old one that is gone, the event has none, and
/// is a resync; if it is the new one, [`Missing`](ramus_core::ErrorKind::Missing), with the name of the
/// commit. A watch of one branch keeps the commit that it gave last from being collected, so who
/// reads it as things happen knows what the branch was on. Otherwise a tag keeps them.
pub struct EventStream<T> {
    cursor: Cursor,
    events: BoxStream<'static, (Cursor, Result<T>)>,
}

/// Where a watch starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchStart {
    /// With the first change after the call.
    #[default]
    Now,
    /// With what is there now, as the first event, and then every change after it.
    Existing,
    /// With the first change after a place that was reached before, also in an earlier process.
    After(Cursor),
}

impl<T> EventStream<T> {
    /// Returns the next event; nothing after the error that says that the repository was closed.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no event.
    pub async fn next(&mut self) -> Option<Result<T>> {
        StreamExt::next(self).await
    }

    /// Returns the place up to which everything was given.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }
}

/// What turns the events of the refs into those of a watch.
trait Source: Send + 'static {
    type Event;

    /// Returns the next event and its place.
    fn next(&mut self) -> impl Future<Output = Option<(Cursor, Result<Self::Event>)>> + Send;
}

impl<T> EventStream<T> {
    fn new(cursor: Cursor, source: impl Source<Event = T>) -> Self {
        let events = stream::unfold(Some(source), async |source| {
            let mut source = source?;
            let event = source.next().await?;
            let closed = matches!(&event.1, Err(error) if error.kind() == ErrorKind::Closed);
            Some((event, if closed { None } else { Some(source) }))
        });
        Self { cursor, events: events.fuse().boxed() }
    }
}

/// Says in the words of the log where a watch starts.
fn started<K: Key>(options: WatchOptions<K>, start: WatchStart) -> WatchOptions<K> {
    match start {
        WatchStart::Now | WatchStart::Existing => options,
        WatchStart::After(cursor) => options.after(cursor),
    }
}

impl<T> Stream for EventStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(context).map(|next| {
            let (cursor, event) = next?;
            self.cursor = cursor;
            Some(event)
        })
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
