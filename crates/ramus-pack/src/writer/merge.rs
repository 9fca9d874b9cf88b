//! How runs of the index are merged beside the writer.
//!
//! 1. When a segment was sealed, and runs have to be merged, the newest of them are taken as they are: nobody
//!    changes a run. Beside the writer they become a new one, which is written and synced. No manifest lists it,
//!    and whoever removes files leaves it alone.
//! 2. The writer puts it in place between two batches: a manifest that lists it in place of what it was made of is
//!    written and synced; the directory is synced; the manifest is renamed, and the directory synced again; then
//!    memory follows, and the old files are removed.
//!
//! A crash before the manifest is in place leaves the old runs, and a file that does not count. A look-up has the
//! old runs or the new one, which name the same places.
//!
//! Blocks that a collection removes meanwhile are noted, and removed from the new run, too. Where a collection
//! wants to copy, or the store is closing, the merge is given up. So it is where it fails, before the manifest is
//! in place: nothing depends on it. It is tried again when the next segment is sealed.
//!
//! A merged run that comes while what was written waits for room is dropped, too: whoever waits gets the room of its
//! file, and nothing is synced for it, so a writer that has answered `Limit` is not ended by a merge that nobody
//! asked for. Otherwise a sync of the directory that fails ends the writer, as any sync does, although no manifest lists
//! the run: new names of others, such as the copies of a collection, may be among what it has lost, and the next sync
//! would not tell.
//!
//! There is one merge at a time. What is sealed meanwhile makes further runs; where they become too many, since
//! segments are filled faster than runs are merged, the writer merges those itself before it goes on, and
//! whoever writes waits for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use ramus_core::Hash;

use super::core::Job;
use super::files::{Files, index_entry, leave_out};
use super::pump::{self, Pump};
use crate::disk::{Disk as _, Pool};
use crate::error::{PackError, PackResult, ensure_numbers};
use crate::format::manifest::{FileKind, Manifest};
use crate::index::merge::{self, Merged};
use crate::index::run::Run;
use crate::options::Settings;
use crate::reclaim::Merging;
use crate::shared::Shared;

/// A merged run that is whole and durable, and that no manifest lists.
#[derive(Debug)]
pub(crate) struct MergedRun {
    run: Arc<Run>,
    /// What it was made of, the newest first.
    inputs: Vec<Arc<Run>>,
    /// How many entries of each segment it leaves out.
    left_out: BTreeMap<u32, u64>,
    draft: Draft,
}

/// A file that is removed when this is dropped, unless a manifest may list it.
#[derive(Debug)]
struct Draft {
    disk: Arc<Pool>,
    number: u32,
    may_be_listed: bool,
    /// It is dropped last: until then nobody else removes the file.
    merging: Merging,
}

/// What is to be merged.
struct Task<H: Hash> {
    shared: Arc<Shared<H>>,
    disk: Arc<Pool>,
    runs: Vec<Arc<Run>>,
    number: u32,
    merging: Merging,
}

/// Lets runs be merged beside the writer, if that is due and none are.
pub(crate) fn begin_if_due<H: Hash>(shared: &Arc<Shared<H>>, disk: &Arc<Pool>) {
    let is_refused = {
        let core = shared.core.lock();
        core.full || core.ensure_writable().is_err()
    };
    let runs = shared.index.runs();
    let due = merge::due(&runs[..shared.building.free(&runs)]);
    if due == 0 || is_refused {
        return;
    }
    let number = || Some(shared.next_file()).filter(|number| ensure_numbers(*number).is_ok());
    if let Some((merging, number)) = shared.building.begin_merge(runs[0].number, number) {
        let runs = runs[..due].to_vec();
        let task =
            Task { shared: Arc::clone(shared), disk: Arc::clone(disk), runs, number, merging };
        in_background(&shared.settings, move || task.run());
    }
}

/// Does something where blocking is allowed, and nobody waits for it. It may never be done.
fn in_background(settings: &Settings, work: impl FnOnce() + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        drop(runtime.spawn_blocking(work));
        return;
    }
    if let Err(error) = (settings.begin_thread)("ramus-pack-merge", Box::new(work)) {
        tracing::warn!(%error, "cannot start a thread to merge runs of the index");
    }
}

impl<H: Hash> Task<H> {
    /// Merges, and hands it to the writer.
    fn run(self) {
        let shared = Arc::clone(&self.shared);
        // It is closing.
        let Ok(working) = shared.building.begin_work() else { return };
        match self.merge() {
            Ok(Some(merged)) => {
                let mut core = shared.core.lock();
                if core.ensure_writable().is_ok() {
                    core.jobs.push_back(Job::Merged(Box::new(merged)));
                } else {
                    drop(core);
                    drop(merged);
                }
            }
            // What is damaged was told.
            Ok(None) | Err(PackError::GivenUp) => {}
            Err(error) => tracing::warn!(%error, "runs of the index are not merged for now"),
        }
        drop(working);
        pump::wake(&shared);
    }

    fn merge(self) -> PackResult<Option<MergedRun>> {
        let Self { shared: _, disk, runs, number, merging } = self;
        let draft = Draft { disk, number, may_be_listed: false, merging };
        let ensure_wanted = || draft.merging.ensure_wanted();
        let merged = merge::merge_newest(&*draft.disk, number, H::LENGTH, &runs, &ensure_wanted)?;
        let Some((count, Merged { run, left_out })) = merged else { return Ok(None) };
        let inputs = runs[..count].to_vec();
        let mut merged = MergedRun { run: Arc::new(run), inputs, left_out, draft };
        merged.catch_up(H::LENGTH)?;
        Ok(Some(merged))
    }
}

impl MergedRun {
    /// Removes what was removed meanwhile, until little is left of that to the writer.
    fn catch_up(&mut self, key_length: usize) -> PackResult<()> {
        /// How often it is looked for more.
        const ROUNDS: usize = 16;
        for _ in 0..ROUNDS {
            self.draft.merging.ensure_wanted()?;
            if self.remove(key_length)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Removes what was removed since the last time, and returns how many blocks that were.
    fn remove(&mut self, key_length: usize) -> PackResult<usize> {
        let names = self.draft.merging.take_removed();
        for name in names.chunks_exact(key_length) {
            if let Some((ordinal, _)) = self.run.ordinal(name)? {
                self.run.kill(ordinal);
            }
        }
        Ok(names.len() / key_length)
    }

    /// Returns the runs with this one in place of what it was made of; nothing if that is not among them.
    fn among(&self, runs: &[Arc<Run>]) -> Option<Vec<Arc<Run>>> {
        let newest = self.inputs.first()?;
        let at = runs.iter().position(|run| Arc::ptr_eq(run, newest))?;
        let replaced = runs.get(at..at + self.inputs.len())?;
        let same = replaced.iter().zip(&self.inputs).all(|(run, input)| Arc::ptr_eq(run, input));
        let (newer, older) = (&runs[..at], &runs[at + self.inputs.len()..]);
        let merged = newer.iter().chain([&self.run]).chain(older);
        same.then(|| merged.cloned().collect())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.may_be_listed {
            drop(self.disk.unlink(&FileKind::Index.file_name(self.number)));
        }
    }
}

impl<H: Hash> Pump<H> {
    /// Puts a merged run in place, unless something waits for room. What fails before the manifest is in place costs
    /// the merge alone.
    ///
    /// # Errors
    ///
    /// If it is not known which manifest is in place, or which names are.
    pub(super) fn put_merged(&mut self, mut merged: MergedRun) -> PackResult<()> {
        let shared = Arc::clone(&self.shared);
        if shared.core.lock().full {
            return Ok(());
        }
        let Some(runs) = merged.among(&shared.index.runs()) else { return Ok(()) };
        let removed = merged.draft.merging.ensure_wanted().and_then(|()| merged.remove(H::LENGTH));
        if let Err(error) = removed {
            tracing::warn!(%error, "runs of the index are not merged for now");
            return Ok(());
        }
        // That is written first, so that a lack of room is told by a write and not by the sync after it.
        let prepared = self.files.manifest_with(&runs, &merged.left_out, shared.next_file());
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                tracing::warn!(%error, "runs of the index are not merged for now");
                return Ok(());
            }
        };
        let disk = Arc::clone(&self.files.disk);
        disk.sync().map_err(PackError::sync(format!("sync {}", disk.place())))?;
        merged.draft.may_be_listed = true;
        match self.files.place_manifest(prepared) {
            // It has no other name then.
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "runs of the index are not merged for now");
                merged.draft.may_be_listed = false;
                return Ok(());
            }
            placed => placed?,
        }
        shared.index.merged(runs);
        let MergedRun { inputs, draft, .. } = merged;
        drop(draft);
        self.files.remove_strays(&shared.building);
        // To close a large file that has no name any more takes the system a while.
        in_background(&shared.settings, move || drop(inputs));
        begin_if_due(&shared, &disk);
        Ok(())
    }

    /// Drops merged runs that were not put in place before the store closes.
    pub(super) fn drop_merged(&self) {
        let merged = {
            let mut core = self.shared.core.lock();
            let jobs = std::mem::take(&mut core.jobs).into_iter();
            let is_merged = |job: &Job<H>| matches!(job, Job::Merged(_));
            let (merged, others): (Vec<_>, Vec<_>) = jobs.partition(is_merged);
            core.jobs = others.into();
            merged
        };
        drop(merged);
    }
}

impl<H: Hash> Files<H> {
    /// Writes the next manifest, which lists these runs in place of those that there are.
    fn manifest_with(
        &self,
        runs: &[Arc<Run>],
        left_out: &BTreeMap<u32, u64>,
        next_file: u32,
    ) -> PackResult<Manifest> {
        let mut files = self.manifest.files.clone();
        leave_out(&mut files, left_out);
        files.retain(|file| file.kind != FileKind::Index);
        files.extend(runs.iter().map(|run| index_entry(run)));
        let durable_end = self.active.durable_end;
        self.prepare_manifest(Manifest { next_file, durable_end, files, ..self.manifest.clone() })
    }
}
