use crate::{Changes, Cursor, Outcome, ReadOnly, Result, Snapshot, Subscription, Update};

/// References: names that change atomically, and the log of how they changed.
///
/// # What is promised
///
/// - **All or nothing.** An update is applied to all its keys or to none, and judged against the
///   newest state: it is applied if and only if every key holds what it must.
/// - **Atomic to readers.** Of two reads in a row, the second never sees less of an update than the
///   first. A snapshot sees every update whole or not at all.
/// - **Exactly once.** An id that was applied with a record is answered with the place of that
///   record for as long as the log keeps it. An update that was refused, or that changed nothing,
///   left no trace and is judged anew. When the id is unknown and [`seen`](Update::seen) is older
///   than what the log keeps, or of another incarnation, the answer is an error of kind
///   [`Ambiguous`](crate::ErrorKind::Ambiguous), and nothing is applied.
/// - **Everything is logged.** An applied update that changed something is one record, written in
///   the same atomic action; it lists the keys whose value changed. One that changes nothing adds
///   none, and answers with the end of the log.
/// - **The log is in order.** Sequences rise, not necessarily by one; nothing lies between a
///   record's [`previous`](crate::Change::previous) and the record. A change becomes visible only
///   after all lower ones. When a read shows a change, so does the log.
/// - **Subscriptions miss nothing in silence.** After `subscribe` returns, every later change is
///   given, or [`Lagged`](crate::Notice::Lagged) is, or the log's end is already past it.
///   A notice comes after its change is visible.
/// - **Only durable states are seen**, under the durability that the store was opened with. The
///   answer of an update, a refusal too, comes once the state that it was judged against is
///   durable.
///
/// # What is not promised
///
/// - That the log is kept for ever: what is older than the bound is
///   [`Truncated`](Changes::Truncated).
/// - That everything is delivered before the store is closed. What a subscriber was not given by
///   then it is not given; it keeps the cursor of what it has dealt with, and where the log outlives
///   the store it goes on from there.
/// - That a refusal speaks of more than one sending. An earlier sending of the same id that is still
///   under way may yet be applied.
///
/// # Errors
///
/// Those of [`ReadOnly`], and
/// - [`Limit`](crate::ErrorKind::Limit) for too many keys or too long a note ([`Update::check`]);
/// - [`Unavailable`](crate::ErrorKind::Unavailable) from `update` when the answer was lost: it was
///   perhaps applied, so send the same update again;
/// - [`Ambiguous`](crate::ErrorKind::Ambiguous) when it cannot be known any more whether the update
///   was applied; this is final, so read before deciding;
/// - [`InvalidInput`](crate::ErrorKind::InvalidInput) when `seen` lies beyond the end of the log, or
///   when the id is known to be that of another update;
/// - [`Missing`](crate::ErrorKind::Missing) when a new value names a block that is not in the
///   storage, where the storage can tell.
///
/// # Cancel safety
///
/// A dropped `update` was applied whole or not at all, or is still under way; send the same update
/// again to find out.
pub trait AtomicWrite: ReadOnly {
    /// Applies an update, or refuses it.
    fn update(
        &self,
        update: Update<Self::Key, Self::Value>,
    ) -> impl Future<Output = Result<Outcome<Self::Key, Self::Value>>> + Send;

    /// Returns the entries whose key begins with these bytes, all as of one place in the log.
    fn snapshot(
        &self,
        prefix: &[u8],
    ) -> impl Future<Output = Result<Snapshot<Self::Key, Self::Value>>> + Send;

    /// Returns what was changed after `after`, at most `limit` changes of it, in order.
    ///
    /// With a `limit` of 0 the page is empty and says where the log ends. A store may return fewer
    /// than there are; [`Page::is_last`](crate::Page::is_last) says whether there were more.
    fn changes(
        &self,
        after: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Changes<Self::Key, Self::Value>>> + Send;

    /// Returns a place that the log has reached: at or after every answer that this store has given
    /// to this handle, and never beyond the end.
    ///
    /// It is what an update says it has [`seen`](Update::seen). A store that is far away answers
    /// from memory; but after it answered [`Ambiguous`](crate::ErrorKind::Ambiguous) for an unknown
    /// id, the next `position` asks the store itself, since what is in memory has been forgotten
    /// there.
    fn position(&self) -> impl Future<Output = Result<Cursor>> + Send;

    /// Returns the changes that become visible from now on, as hints. Of a closed store, nothing.
    fn subscribe(&self) -> Subscription<Self::Key, Self::Value>;
}
