//! The index in the derived data of the storage.

use std::sync::Arc;

use ramus_core::{Hash, ReadOnly as _, RefName, Result, Storage as _};
use tokio::task::spawn_blocking;

use super::bytes::Kept;
use super::driven::driven;
use super::table::Ordinal;
use super::{History, HistoryIndex};
use crate::objects::Objects;
use crate::{Format as _, Schema};

/// After how many new commits, or commits whose paths became known, the index is kept again.
const DUE: usize = 4096;
/// Longer ones are read where blocking is allowed.
const READ_AT_ONCE_MAX: usize = 1 << 18;
/// So many commits of an index are looked for, to see if it is of this storage.
const SAMPLES: usize = 16;

/// What is known of the kept index.
pub(super) struct Keeping {
    /// Whether it was looked for.
    opened: bool,
    kept: Kept,
    /// How much there must be that is not kept.
    due: usize,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { opened: false, kept: Kept::default(), due: DUE }
    }
}

impl<H: Hash> History<H> {
    /// Looks for a kept index, the first time.
    ///
    /// It is best effort: one that cannot be read, or is of other commits, is made anew.
    pub(super) async fn open<S: Schema<Hash = H>>(&self, objects: &Arc<Objects<S>>) {
        if self.keeping.lock().opened {
            return;
        }
        let found = match load(objects).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "the history index is made anew");
                None
            }
        };
        if let Some((index, kept)) = found {
            *self.index.write() = index;
            self.keeping.lock().kept = kept;
        }
        self.keeping.lock().opened = true;
    }

    /// Keeps the index, if enough has become known since it was kept.
    pub(super) async fn keep_if_due<S: Schema<Hash = H>>(&self, objects: &Arc<Objects<S>>) {
        let (kept, due) = {
            let keeping = self.keeping.lock();
            (keeping.kept, keeping.due)
        };
        if self.new_since(&kept) >= due {
            self.keep(objects, kept).await;
        }
    }

    /// Keeps what has become known since the index was kept, however little; by whoever has the turn.
    async fn keep_new<S: Schema<Hash = H>>(&self, objects: &Arc<Objects<S>>) {
        let (kept, opened) = {
            let keeping = self.keeping.lock();
            (keeping.kept, keeping.opened)
        };
        if opened && self.new_since(&kept) > 0 {
            self.keep(objects, kept).await;
        }
    }

    async fn keep<S: Schema<Hash = H>>(&self, objects: &Arc<Objects<S>>, kept: Kept) {
        let new = self.new_since(&kept);
        match self.append_or_replace(objects, kept).await {
            Ok(Some(kept)) => self.keeping.lock().kept = kept,
            // A storage that keeps nothing is not asked again.
            Ok(None) => self.keeping.lock().due = usize::MAX,
            Err(error) => {
                tracing::debug!(%error, "the history index cannot be kept");
                self.keeping.lock().due = new.saturating_mul(2).max(DUE);
            }
        }
    }

    async fn append_or_replace<S: Schema<Hash = H>>(
        &self,
        objects: &Arc<Objects<S>>,
        kept: Kept,
    ) -> Result<Option<Kept>> {
        let (backend, name) = (objects.backend(), name::<S>()?);
        if kept.length > 0 {
            let (bytes, now_kept) = self.index.read().parts_after(&kept)?;
            if backend.append_derived(&name, kept.length, bytes.into()).await? {
                return Ok(Some(now_kept));
            }
            // Somebody else keeps the index, too. So as not to replace each other's all the time, it is
            // due again only when there is twice as much.
            let known = self.index.read().commits();
            self.keeping.lock().due = known.max(DUE);
        }
        let (bytes, now_kept) = self.index.read().parts_after(&Kept::default())?;
        let is_kept = backend.replace_derived(&name, bytes.into()).await?;
        Ok(is_kept.then_some(now_kept))
    }

    /// Returns how much is known that is not kept.
    fn new_since(&self, kept: &Kept) -> usize {
        let index = self.index.read();
        let commits = index.commits().saturating_sub(kept.commits);
        let with_paths = index.postings.commits().saturating_sub(kept.with_paths);
        commits.max(with_paths as usize)
    }
}

/// Keeps what has become known since the index was kept, however little.
///
/// A dropped future has kept it or not.
pub(crate) async fn keep_all<S: Schema>(objects: &Arc<Objects<S>>) {
    let objects = Arc::clone(objects);
    let kept = driven(async move {
        let history = objects.history();
        let _turn = history.turn().await?;
        history.keep_new(&objects).await;
        Ok(())
    });
    if let Err(error) = kept.await {
        tracing::debug!(%error, "the history index was not kept");
    }
}

/// Returns the kept index, if it is of this storage.
async fn load<S: Schema>(
    objects: &Arc<Objects<S>>,
) -> Result<Option<(HistoryIndex<S::Hash>, Kept)>> {
    let Some(bytes) = objects.backend().load_derived(&name::<S>()?).await? else { return Ok(None) };
    let length = bytes.len() as u64;
    let read = move || HistoryIndex::recover(&bytes);
    let (index, mut kept) = if length > READ_AT_ONCE_MAX as u64 {
        match spawn_blocking(read).await {
            Ok(read) => read?,
            // The runtime is shutting down.
            Err(_) => return Ok(None),
        }
    } else {
        read()?
    };
    if kept.length < length {
        // Nothing can be appended behind a damaged part.
        kept = Kept::default();
    }
    Ok(is_of_this_storage(objects, &index).await?.then_some((index, kept)))
}

/// Returns whether at least half of some commits of an index are there. If not, it came from elsewhere,
/// or most of what it knows was collected; then it would be a burden, though it is not wrong.
async fn is_of_this_storage<S: Schema>(
    objects: &Arc<Objects<S>>,
    index: &HistoryIndex<S::Hash>,
) -> Result<bool> {
    let commits = index.commits();
    let samples = commits.min(SAMPLES);
    let mut there = 0;
    for sample in 1..=samples {
        let ordinal = Ordinal::try_from(commits * sample / samples - 1).unwrap_or_default();
        there += usize::from(objects.backend().blocks().mem(index.table.hash(ordinal)).await?);
    }
    Ok(there * 2 >= samples)
}

/// Another format has other commits.
fn name<S: Schema>() -> Result<RefName> {
    RefName::internal(&format!("history/{}", S::Format::NAME))
}
