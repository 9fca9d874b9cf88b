use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ramus_core::{
    AtomicWrite, Changes, Cursor, Hash, Limits, ReadOnly, RefName, RefOutcome, RefUpdate, Result,
    Sha1, Snapshot, Subscription,
};

use crate::format::files::Table;
use crate::pack::Handle;
use crate::writer::core::Visible;

/// The refs of a [`Pack`](crate::Pack), and the log of their changes. Clones are one store; closing it
/// closes the blocks, too.
///
/// The refs are kept in memory. Every answer speaks of what is durable, as the pack was opened.
pub struct PackRefs<H: Hash = Sha1>(pub(crate) Arc<Handle<H>>);

impl<H: Hash> PackRefs<H> {
    fn look(&self, key: &RefName) -> Result<Option<H>> {
        self.with_visible(|visible| visible.table.get(key).copied())
    }

    /// Calls `read` with what can be seen, under its lock.
    fn with_visible<T>(&self, read: impl FnOnce(&Visible<H>) -> T) -> Result<T> {
        self.0.shared.ensure_open()?;
        if let Some(reader) = &self.0.shared.reader {
            reader.ensure_follows()?;
        }
        Ok(read(&self.0.shared.visible.lock()))
    }
}

impl<H: Hash> ReadOnly for PackRefs<H> {
    type Key = RefName;
    type Value = H;

    async fn find(&self, key: &RefName) -> Result<Option<H>> {
        self.look(key)
    }

    fn find_now(&self, key: &RefName) -> Option<Result<Option<H>>> {
        Some(self.look(key))
    }

    async fn find_many(&self, keys: &[RefName]) -> Result<Vec<Option<H>>> {
        self.with_visible(|visible| {
            keys.iter().map(|key| visible.table.get(key).copied()).collect()
        })
    }

    fn limits(&self) -> Limits {
        self.0.shared.own_limits()
    }

    async fn close(&self) -> Result<()> {
        self.0.shared.close().await
    }
}

impl<H: Hash> AtomicWrite for PackRefs<H> {
    async fn update(&self, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        self.0.shared.write(Vec::new(), update).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        let (cursor, table) =
            self.with_visible(|visible| (visible.log.end(), visible.table.clone()))?;
        Ok(Snapshot::new(cursor, pages(table, Bytes::copy_from_slice(prefix))))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, H>> {
        self.with_visible(|visible| visible.log.after(after, limit))
    }

    async fn position(&self) -> Result<Cursor> {
        self.with_visible(|visible| visible.log.end())
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        self.0.shared.subscribe()
    }
}

/// Returns the refs under `prefix`, by pages.
fn pages<H: Hash>(table: Table<H>, prefix: Bytes) -> BoxStream<'static, Result<Vec<(RefName, H)>>> {
    const PAGE: usize = 256;
    stream::unfold((table, None::<RefName>), move |(table, last)| {
        // No name begins with what is no text.
        let prefix = std::str::from_utf8(&prefix).ok();
        let begin = match &last {
            Some(last) => Bound::Excluded(last.as_str()),
            None => Bound::Included(prefix.unwrap_or_default()),
        };
        let page: Vec<_> = table
            .range::<str, _>((begin, Bound::Unbounded))
            .map(|(name, hash)| (name.clone(), *hash))
            .take_while(|(name, _)| prefix.is_some_and(|prefix| name.as_str().starts_with(prefix)))
            .take(PAGE)
            .collect();
        let last = page.last().map(|(name, _)| name.clone());
        std::future::ready(last.map(|last| (Ok(page), (table, Some(last)))))
    })
    .boxed()
}

impl<H: Hash> Clone for PackRefs<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Hash> fmt::Debug for PackRefs<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackRefs").finish_non_exhaustive()
    }
}
