//! What a collection asks of the writer, and others do. It comes between two batches, so nothing is sealed or merged
//! meanwhile, and no other collection does anything.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ramus_core::{Epoch, Error, Hash, Result};

use super::begun::Begun;
use super::core::Job;
use super::files::{Files, index_entry};
use super::merge;
use super::pump::Pump;
use crate::disk::Disk as _;
use crate::error::{PackError, PackResult};
use crate::format::manifest::{FileKind, Manifest};
use crate::index::run::Run;
use crate::reclaim::{Plan, Planned, Reclaimed, are_many_small};

impl<H: Hash> Pump<H> {
    /// Does it and tells of it; a failure to write is one of the writer, too. That nobody waits any more
    /// is fine.
    pub(super) fn do_job(&mut self, job: Job<H>) {
        match job {
            Job::Merged(merged) => {
                if let Err(error) = self.put_merged(*merged) {
                    drop(self.fail(error));
                }
            }
            Job::Begin(answer) => drop(answer.send(self.begin())),
            // It only reads: what cannot be read is no failure of the writer.
            Job::Remove(epoch, keys, answer) => {
                drop(answer.send(self.remove(epoch, &keys).map_err(Error::from)));
            }
            Job::Plan(epoch, answer) => drop(answer.send(Ok(self.plan(epoch)))),
            Job::Switch(reclaimed, answer) => {
                let switched = self.switch(*reclaimed);
                drop(answer.send(switched.map_err(|error| self.fail(error))));
            }
        }
    }

    /// Begins a collection; where there is no room for a new segment, without one.
    fn begin(&mut self) -> Result<Begun<H>> {
        let active = self.files.active.header.number;
        let waits_for_room = {
            let core = self.shared.core.lock();
            core.tail.flight().is_some() || core.tail.segment() != active
        };
        if !waits_for_room {
            match self.begin_with_a_segment() {
                Ok(begun) => return Ok(begun),
                Err(error) => {
                    let is_full = error.is_full();
                    let error = self.fail(error);
                    if !is_full {
                        return Err(error);
                    }
                }
            }
        }
        // What lies in the active segment counts as added since, so that nothing of it is removed.
        let _core = self.shared.core.lock();
        Ok(Begun::new(&self.shared, active))
    }

    /// Begins a collection: everything that was added before lies in sealed segments then, and what was
    /// written is visible.
    fn begin_with_a_segment(&mut self) -> PackResult<Begun<H>> {
        let shared = Arc::clone(&self.shared);
        let active = self.files.active.header.number;
        let newer = self.files.manifest.files(FileKind::Segment).any(|file| file.number > active);
        let (begun, segment, flight) = {
            let mut core = shared.core.lock();
            let flight = (!core.tail.is_empty()).then(|| core.tail.take(self.files.link()));
            if newer || !shared.index.is_blank() {
                shared.index.rotate();
                shared.begin_segment(&mut core, shared.next_file());
            }
            (Begun::new(&shared, core.tail.segment()), core.tail.segment(), flight)
        };
        if let Some(flight) = flight {
            self.write(flight, true)?;
        }
        if segment == active {
            self.sync()?;
        } else {
            self.rotate(segment)?;
        }
        Ok(begun)
    }

    /// Removes those blocks that nothing protects; only from what is found, for now.
    fn remove(&self, epoch: Epoch, keys: &[H]) -> PackResult<usize> {
        let shared = &*self.shared;
        let mut removed = Vec::new();
        let done = self.remove_each(epoch, keys, &mut removed);
        // Also if it failed in the middle.
        if !removed.is_empty() {
            shared.has_dead.store(true, Ordering::SeqCst);
            shared.forget(&removed);
            shared.building.removed(&removed);
        }
        done.map(|()| removed.len())
    }

    fn remove_each(&self, epoch: Epoch, keys: &[H], removed: &mut Vec<H>) -> PackResult<()> {
        let shared = &*self.shared;
        let (runs, since) = (shared.index.runs(), shared.since());
        for key in keys {
            let mut found = Vec::new();
            for run in runs.iter() {
                let entry = run.ordinal(key.as_bytes())?;
                found.extend(entry.map(|(ordinal, place)| (run, ordinal, place)));
            }
            let is_new = found.iter().any(|(.., place)| place.segment >= since);
            if found.is_empty() || is_new {
                continue;
            }
            // Under these locks: who adds the block afterwards does so after a moment without it, and who
            // pins its name finds it removed.
            let _core = shared.core.lock();
            let protection = shared.protection.lock();
            if !protection.is_running(epoch) {
                break;
            }
            if !protection.protects(key) && shared.index.in_memory(key).is_none() {
                for (run, ordinal, _) in found {
                    run.kill(ordinal);
                }
                removed.push(*key);
            }
        }
        Ok(())
    }

    /// Ends a collection, and says what is to be reclaimed. It can be asked again, if that failed, until
    /// another one begins.
    fn plan(&self, epoch: Epoch) -> Planned {
        let shared = &*self.shared;
        shared.finish_collection(epoch);
        if !shared.protection.lock().is_newest(epoch) {
            return Planned::Nothing;
        }
        // Those that were copied for a collection before have higher numbers, and are left alone.
        let active = self.files.active.header.number;
        let segments = self.files.manifest.files(FileKind::Segment);
        let segments: Vec<_> = segments.filter(|file| file.number < active).copied().collect();
        let has_dead = shared.has_dead.load(Ordering::SeqCst);
        let is_rest = !has_dead && !are_many_small(&segments, &shared.settings);
        if is_rest && !shared.has_rest.load(Ordering::SeqCst) {
            return Planned::Nothing;
        }
        let runs = shared.index.runs().to_vec();
        if runs.is_empty() {
            return Planned::Nothing;
        }
        let Some(frozen) = shared.building.freeze(runs.len()) else { return Planned::Busy };
        let file = |number| Some((number, shared.index.segment(number)?));
        let files = segments.iter().filter_map(|entry| file(entry.number)).collect();
        let (disk, after) = (Arc::clone(&self.files.disk), shared.visible.lock().log.end());
        Planned::Work(Box::new(Plan { epoch, is_rest, disk, runs, segments, files, after, frozen }))
    }

    fn switch(&mut self, reclaimed: Reclaimed) -> PackResult<()> {
        let shared = Arc::clone(&self.shared);
        if !shared.protection.lock().is_newest(reclaimed.epoch) {
            // What was removed since is not in it.
            drop(reclaimed);
            self.files.remove_strays(&shared.building);
            return Ok(());
        }
        let runs = shared.index.runs();
        let newer: Vec<Arc<Run>> = runs[..runs.len() - reclaimed.runs].to_vec();
        let switched = self.files.switch(&reclaimed, &newer, shared.next_file());
        if let Err(error) = switched {
            if error.is_full() {
                drop(reclaimed);
                self.files.remove_strays(&shared.building);
            }
            return Err(error);
        }
        let Reclaimed { run, segments, condemned, is_partial, frozen, .. } = reclaimed;
        let mut files = shared.index.segments();
        files.extend(segments.into_iter().map(|(entry, file)| (entry.number, file)));
        files.retain(|number, _| !condemned.contains(number));
        shared.index.reclaimed(newer.into_iter().chain(run).collect(), files);
        shared.has_dead.store(false, Ordering::SeqCst);
        shared.has_rest.store(is_partial, Ordering::SeqCst);
        drop(frozen);
        self.files.remove_strays(&shared.building);
        merge::begin_if_due(&shared, &self.files.disk);
        Ok(())
    }
}

impl<H: Hash> Files<H> {
    /// Puts what was reclaimed in place of what it was made from; `newer` are the runs that came since.
    ///
    /// What made blocks unreachable is durable before they are gone for good: with durability `os`, too,
    /// where nothing else has synced it.
    ///
    /// After an error everything is as it was, unless it came from a sync.
    fn switch(
        &mut self,
        reclaimed: &Reclaimed,
        newer: &[Arc<Run>],
        next_file: u32,
    ) -> PackResult<()> {
        self.sync()?;
        let Reclaimed { run, segments, condemned, dead, .. } = reclaimed;
        let mut files = self.manifest.files.clone();
        files.retain(|file| {
            let gone = file.kind == FileKind::Segment && condemned.contains(&file.number);
            file.kind != FileKind::Index && !gone
        });
        for file in files.iter_mut().filter(|file| file.kind == FileKind::Segment) {
            file.dead += dead.get(&file.number).copied().unwrap_or(0);
        }
        files.extend(segments.iter().map(|(entry, _)| *entry));
        files.extend(newer.iter().chain(run).map(|run| index_entry(run)));
        let durable_end = self.active.durable_end;
        self.disk.sync().map_err(PackError::sync(format!("sync {}", self.disk.place())))?;
        self.write_manifest(Manifest { next_file, durable_end, files, ..self.manifest.clone() })
    }
}
