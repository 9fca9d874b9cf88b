use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use ramus_core::{Error, Hash, Result};
use tokio::sync::Notify;

use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::index::run::Run;
use crate::read::blocking;

/// What the writer has to leave alone while room is given back, or runs are merged.
#[derive(Debug, Default)]
pub(crate) struct Building {
    state: Mutex<BuildingState>,
    /// Told when a worker ends.
    idle: Condvar,
    /// Told when the store is closing.
    closed: Condvar,
    /// Told when runs may be taken again that were kept or merged, and when the store is closing.
    thawed: Notify,
}

#[derive(Debug, Default)]
struct BuildingState {
    /// How many of the oldest runs are not merged.
    frozen: usize,
    /// Files that no manifest lists yet, and that are needed.
    files: HashSet<(FileKind, u32)>,
    /// The merge that goes on beside the writer.
    merge: Option<Merge>,
    /// How many write files: the next one may begin before the one before has quite ended.
    workers: usize,
    /// The store is closing.
    closing: bool,
}

/// A merge of runs.
#[derive(Debug)]
struct Merge {
    /// The number of the newest run that becomes part of the new one.
    newest: u32,
    /// The number of the new one.
    number: u32,
    /// The names of blocks that were removed meanwhile, one after the other.
    removed: Vec<u8>,
    is_given_up: bool,
}

/// Keeps runs from being merged, and new files from being removed, until it is dropped.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Building>);

/// The right to merge runs beside the writer, until it is dropped; there is one at a time.
#[derive(Debug)]
pub(crate) struct Merging(Arc<Building>);

impl Building {
    /// So many bytes of names are kept that are removed while runs are merged; with more the merge is given up.
    #[cfg(not(test))]
    const REMOVED_BYTES_MAX: usize = 16 << 20;
    #[cfg(test)]
    pub(crate) const REMOVED_BYTES_MAX: usize = 2000;

    /// Keeps so many of the oldest runs. Nothing if some are kept already, or if runs are being merged: that is
    /// given up then.
    pub(crate) fn freeze(self: &Arc<Self>, runs: usize) -> Option<Frozen> {
        let mut state = self.state.lock();
        if state.frozen > 0 || runs == 0 {
            return None;
        }
        if let Some(merge) = &mut state.merge {
            merge.is_given_up = true;
            return None;
        }
        state.frozen = runs;
        Some(Frozen(Arc::clone(self)))
    }

    /// Lets runs be merged, the newest of which has this number; nothing if others are, or the store is closing,
    /// or there is no number for the new one.
    pub(crate) fn begin_merge(
        self: &Arc<Self>,
        newest: u32,
        number: impl FnOnce() -> Option<u32>,
    ) -> Option<(Merging, u32)> {
        let mut state = self.state.lock();
        if state.merge.is_some() || state.closing {
            return None;
        }
        let number = number()?;
        state.merge = Some(Merge { newest, number, removed: Vec::new(), is_given_up: false });
        Some((Merging(Arc::clone(self)), number))
    }

    /// Returns whether runs are being merged, or a merged one waits to be put in place.
    #[cfg(test)]
    pub(crate) fn is_merging(&self) -> bool {
        self.state.lock().merge.is_some()
    }

    /// Returns whether a merge that was begun is not wanted any more.
    #[cfg(test)]
    pub(crate) fn is_given_up(&self) -> bool {
        self.state.lock().merge.as_ref().is_some_and(|merge| merge.is_given_up)
    }

    /// Returns how many of the newest runs are neither kept nor merged by others.
    pub(crate) fn free(&self, runs: &[Arc<Run>]) -> usize {
        let state = self.state.lock();
        let kept = runs.len() - state.frozen.min(runs.len());
        let newest = state.merge.as_ref().map(|merge| merge.newest);
        let merged = runs.iter().position(|run| Some(run.number) == newest);
        merged.map_or(kept, |merged| merged.min(kept))
    }

    /// Tells a merge, if there is one, which blocks were removed.
    pub(crate) fn removed<H: Hash>(&self, names: &[H]) {
        let mut state = self.state.lock();
        let Some(merge) = &mut state.merge else { return };
        if merge.removed.len() + names.len() * H::LENGTH > Self::REMOVED_BYTES_MAX {
            merge.is_given_up = true;
            return;
        }
        for name in names {
            merge.removed.extend_from_slice(name.as_bytes());
        }
    }

    pub(crate) fn has(&self, file: (FileKind, u32)) -> bool {
        let state = self.state.lock();
        let merged = state.merge.as_ref().map(|merge| (FileKind::Index, merge.number));
        Some(file) == merged || state.files.contains(&file)
    }

    /// Returns the files that no manifest lists yet.
    pub(super) fn files(&self) -> Vec<(FileKind, u32)> {
        self.state.lock().files.iter().copied().collect()
    }

    pub(super) fn add(&self, file: (FileKind, u32)) {
        self.state.lock().files.insert(file);
    }

    /// Lets nobody begin or go on to write files, and waits until nobody does.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.closed.notify_all();
        self.thawed.notify_waiters();
        while state.workers > 0 {
            self.idle.wait(&mut state);
        }
    }

    pub(crate) fn begin_work(self: &Arc<Self>) -> Result<Working> {
        let mut state = self.state.lock();
        if state.closing {
            return Err(Error::closed());
        }
        state.workers += 1;
        Ok(Working(Arc::clone(self)))
    }

    /// Waits so long, or until the store is closing.
    ///
    /// It waits where blocking is allowed, since the runtime may have no timer; in short parts, since it may have
    /// one thread for that, and the writer needs it, too.
    pub(super) async fn pause(self: &Arc<Self>, wait: Duration) -> Result<()> {
        /// So long is one part.
        const PART: Duration = Duration::from_millis(10);
        let begun = Instant::now();
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() || self.is_closing() {
                // Which of the two it was, the next step sees.
                return Ok(());
            }
            let building = Arc::clone(self);
            blocking(move || {
                building.sleep(left.min(PART));
                Ok(())
            })
            .await?;
        }
    }

    /// Blocks so long, or until the store is closing.
    fn sleep(&self, wait: Duration) {
        let mut state = self.state.lock();
        if !state.closing {
            self.closed.wait_for(&mut state, wait);
        }
    }

    /// Waits until no runs are kept or merged, or the store is closing.
    pub(crate) async fn thawed(&self) {
        let mut thawed = pin!(self.thawed.notified());
        thawed.as_mut().enable();
        let waits = {
            let state = self.state.lock();
            (state.frozen > 0 || state.merge.is_some()) && !state.closing
        };
        if waits {
            thawed.await;
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }
}

impl Merging {
    /// Refuses to go on once nobody wants the merge any more.
    pub(crate) fn ensure_wanted(&self) -> PackResult<()> {
        let state = self.0.state.lock();
        let given_up = state.merge.as_ref().is_none_or(|merge| merge.is_given_up);
        if given_up || state.closing { Err(PackError::GivenUp) } else { Ok(()) }
    }

    /// Takes out the names of the blocks that were removed since the beginning, or since the last time; they
    /// lie one after the other.
    pub(crate) fn take_removed(&self) -> Vec<u8> {
        let mut state = self.0.state.lock();
        state.merge.as_mut().map_or_else(Vec::new, |merge| std::mem::take(&mut merge.removed))
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        self.0.state.lock().merge = None;
        self.0.thawed.notify_waiters();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        {
            let mut state = self.0.state.lock();
            state.frozen = 0;
            state.files.clear();
        }
        self.0.thawed.notify_waiters();
    }
}

/// Somebody writes new files; the directory is not let go meanwhile.
pub(crate) struct Working(Arc<Building>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.state.lock().workers -= 1;
        self.0.idle.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;
    use ramus_testkit::run;

    use super::*;
    use crate::tests::soon;

    #[test]
    fn what_waits_for_its_pace_ends_when_the_store_closes() {
        run(async {
            let building = Arc::new(Building::default());
            let mut pausing = pin!(building.pause(Duration::from_hours(1)));
            assert!(pausing.as_mut().now_or_never().is_none(), "it waits");
            building.close();
            soon("the end of a pause", pausing).await.expect("it ends");
        });
    }

    #[test]
    fn a_merge_is_not_wanted_any_more_beside_a_collection_that_copies_or_when_the_store_closes() {
        let building = Arc::new(Building::default());
        let begin = || building.begin_merge(7, || Some(8)).expect("there is none");
        let (merging, _) = begin();
        merging.ensure_wanted().expect("it is wanted");
        assert!(building.freeze(2).is_none(), "it waits for the merge");
        merging.ensure_wanted().expect_err("a collection wants to copy");
        drop(merging);
        let (merging, _) = begin();
        merging.ensure_wanted().expect("the next one is wanted");
        building.close();
        merging.ensure_wanted().expect_err("it is closing");
    }
}
