use std::sync::Arc;

use crate::{Change, Cursor};

/// What reading the change log after a cursor gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Changes<K, V> {
    /// The log goes on from the cursor.
    Page(Page<K, V>),
    /// The log cannot say what came after the cursor: it belongs to another incarnation, or its
    /// successors are no longer kept, or it lies beyond the end. Read a snapshot, and go on from
    /// there.
    Truncated {
        /// The oldest cursor that the log can still go on from.
        oldest: Cursor,
    },
}

/// Changes in order, without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<K, V> {
    /// The changes. A page of a filtered view may be empty and not the last.
    pub changes: Vec<Arc<Change<K, V>>>,
    /// Where to read on.
    pub next: Cursor,
    /// The end of the log as it was read; the page is the last one when `next` is there.
    pub end: Cursor,
}

impl<K, V> Page<K, V> {
    /// Returns whether the log went no further when the page was read.
    pub fn is_last(&self) -> bool {
        self.next == self.end
    }
}
