use std::fmt;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::{Cursor, Key, Result, Value};

/// The entries of an atomic-write store, all as of one place in its log, in key order, by pages.
///
/// Writers go on while it is read. What was changed after [`cursor`](Snapshot::cursor) is not in it
/// and is what the log says after that cursor; between the two nothing is lost.
///
/// # What is not promised
///
/// - That a store keeps a snapshot that was not read for long: `next_page` then answers
///   [`Unavailable`](crate::ErrorKind::Unavailable). Take a new one.
/// - What a snapshot gives that was open as its store was closed: it may go on, or answer
///   [`Closed`](crate::ErrorKind::Closed).
pub struct Snapshot<K, V> {
    cursor: Cursor,
    pages: BoxStream<'static, Result<Vec<(K, V)>>>,
}

impl<K: Key, V: Value> Snapshot<K, V> {
    /// Returns a snapshot as of `cursor` of which `pages` are the entries, in key order.
    pub fn new(cursor: Cursor, pages: BoxStream<'static, Result<Vec<(K, V)>>>) -> Self {
        Self { cursor, pages }
    }

    /// Returns a snapshot as of `cursor` with these entries, in key order, as one page.
    pub fn of_entries(cursor: Cursor, entries: Vec<(K, V)>) -> Self {
        Self::new(cursor, stream::iter([Ok(entries)]).boxed())
    }

    /// Returns the place in the log as of which the entries are.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Returns the next entries; nothing after the last. A page may be empty.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the store gave the snapshot up,
    /// [`Closed`](crate::ErrorKind::Closed), and whatever reading the store gives.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses no page.
    pub async fn next_page(&mut self) -> Option<Result<Vec<(K, V)>>> {
        self.pages.next().await
    }

    /// Returns all entries that were not read yet, in key order.
    ///
    /// # Errors
    ///
    /// Those of [`next_page`](Snapshot::next_page).
    pub async fn collect(mut self) -> Result<Vec<(K, V)>> {
        let mut entries = Vec::new();
        while let Some(page) = self.next_page().await {
            entries.extend(page?);
        }
        Ok(entries)
    }

    /// Returns the pages as a stream.
    pub fn into_pages(self) -> BoxStream<'static, Result<Vec<(K, V)>>> {
        self.pages
    }
}

impl<K, V> fmt::Debug for Snapshot<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
