//! The files that the writer has: the active segment, the head, the manifest.
//!
//! # How a segment is sealed
//!
//! 1. The segment is synced.
//! 2. Its index run, its changes, the refs as they are after it, and the next segment (a header and
//!    nothing else) are written to files of their own, and each is synced. (Runs are [merged](super::merge)
//!    beside that; here only if too many have come since one of these merges began.)
//! 3. The directory is synced, then a manifest that lists them is written as `manifest.new`, synced and
//!    renamed, and the directory is synced again.
//! 4. What no longer counts is removed: the refs before, changes that the log no longer keeps, runs that
//!    were merged.
//!
//! A crash before the rename is durable leaves the old manifest and files that do not count. Nothing is
//! written to the new segment before.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ramus_core::{Cursor, Hash};

use super::active::{Active, Ahead};
use super::forget;
use super::tail::{Flight, Link};
use crate::disk::{Disk, DiskFile, Locked, Pool};
use crate::error::{PackError, PackResult, ensure_numbers};
use crate::format::files::{Changes, Table, encode_refs};
use crate::format::head::Head;
use crate::format::manifest::{FileEntry, FileKind, Manifest, State};
use crate::index::merge::{self, Merged};
use crate::index::run::Run;
use crate::index::write::write;
use crate::index::{Place, Places};
use crate::options::{Durability, Settings};
use crate::reclaim::Building;
use crate::repair;
use crate::shared::Shared;

pub(crate) const MANIFEST: &str = "manifest";
pub(crate) const MANIFEST_NEW: &str = "manifest.new";
pub(crate) const HEAD: &str = "head";
pub(crate) const LOCK: &str = "lock";

/// What only the writer has.
#[derive(Debug)]
pub(crate) struct Files<H: Hash> {
    pub(crate) disk: Arc<Pool>,
    #[expect(dead_code, reason = "it is kept for its drop")]
    pub(crate) lock: Locked,
    pub(crate) head: Arc<dyn DiskFile>,
    /// As it was written last.
    pub(crate) manifest: Manifest,
    pub(crate) active: Active,
    /// The changes in the active segment.
    pub(crate) changes: Changes<H>,
    /// The directory is as it was found, since there was no room to put it in order: the active segment has to
    /// be sealed before anything is written.
    pub(crate) is_as_found: bool,
}

/// What is sealed.
#[derive(Debug)]
struct Seal<'a, H: Hash> {
    /// The number of the next segment.
    next: u32,
    /// The blocks of the segment.
    places: &'a Places<H>,
    /// The index of the segments before.
    runs: &'a [Arc<Run>],
    /// The refs after the segment.
    table: &'a Table<H>,
    /// The place in the log after the segment, and where the log begins.
    after: Cursor,
    oldest: Cursor,
    /// What is to be left alone.
    building: &'a Building,
}

/// What was sealed and what takes its place.
#[derive(Debug)]
struct Sealed {
    runs: Vec<Arc<Run>>,
    /// The new segment.
    file: Arc<dyn DiskFile>,
    /// The log is kept after this change.
    log_after: u64,
}

impl<H: Hash> Files<H> {
    /// Returns the disk as others see it.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }

    /// Returns what the header of the next batch says of the batches before.
    pub(crate) const fn link(&self) -> Link {
        let Active { header, chain, durable_end, .. } = &self.active;
        Link { salt: header.salt, chain: *chain, durable_end: *durable_end }
    }

    /// Writes a batch at the end of the active segment.
    pub(crate) fn write(&mut self, flight: &Flight) -> PackResult<()> {
        let active = &mut self.active;
        debug_assert_eq!((flight.segment, flight.start), (active.header.number, active.end));
        let name = active.name();
        let written = active.file.write_all_at(&flight.bytes, flight.start);
        written.map_err(PackError::io(format!("write {name}")))?;
        active.end = flight.end();
        active.next_batch = flight.number + 1;
        active.chain = flight.chain();
        Ok(())
    }

    /// Makes room in the file for batches like this one, while nobody waits; returns whether to sync it on its own
    /// is worth it: it is much, and the next batch takes its time, too.
    pub(crate) fn extend(&mut self, batch: u64) -> bool {
        const ROOM_MIN: u64 = 256 << 10;
        const BATCH_MIN: u64 = 64 << 10;
        self.active.extend(batch) >= ROOM_MIN && batch >= BATCH_MIN
    }

    /// Makes durable what was made room, so that whoever waits for the next batch does not wait for that, too.
    pub(crate) fn sync_room(&mut self) -> PackResult<()> {
        debug_assert_eq!(self.active.durable_end, self.active.end, "batches are synced before");
        self.active.sync()
    }

    /// Makes durable what was written, and notes it.
    pub(crate) fn sync(&mut self) -> PackResult<()> {
        let active = &mut self.active;
        if active.durable_end < active.end {
            active.sync()?;
            self.note_head();
        }
        Ok(())
    }

    /// Seals the active segment and begins the one of this number, in memory, too. What was appended before
    /// has to be visible.
    ///
    /// After an error everything is as it was, unless it came from a sync.
    pub(crate) fn begin_segment(&mut self, shared: &Shared<H>, next: u32) -> PackResult<()> {
        ensure_numbers(next)?;
        let (table, after, oldest) = {
            let visible = shared.visible.lock();
            (visible.table.clone(), visible.log.end(), visible.log.oldest())
        };
        let (places, runs) = (shared.index.sealing(), shared.index.runs());
        let building = &*shared.building;
        let seal =
            Seal { next, places: &places, runs: &runs, table: &table, after, oldest, building };
        let sealed = self.rotate(&seal, &mut || shared.next_file(), &shared.settings)?;
        let name = FileKind::Segment.file_name(next);
        shared.index.add_segment(next, self.disk.opened(name, sealed.file));
        shared.index.sealed(sealed.runs);
        shared.visible.lock().log.forget(sealed.log_after);
        shared.set_written(next, self.active.end);
        Ok(())
    }

    /// Seals the active segment and begins another one. `numbers` gives numbers that no file has.
    fn rotate(
        &mut self,
        seal: &Seal<'_, H>,
        numbers: &mut impl FnMut() -> u32,
        settings: &Settings,
    ) -> PackResult<Sealed> {
        let sealed = self.try_rotate(seal, numbers, settings);
        // What counts no more, or does not count after all. After another failure it is not known
        // which manifest is in place, so nothing is removed.
        if sealed.as_ref().map_or_else(PackError::is_full, |_| true) {
            self.remove_strays(seal.building);
        }
        sealed
    }

    fn try_rotate(
        &mut self,
        seal: &Seal<'_, H>,
        numbers: &mut impl FnMut() -> u32,
        settings: &Settings,
    ) -> PackResult<Sealed> {
        self.sync()?;
        let disk = Arc::clone(&self.disk);
        let mut files = self.manifest.files.clone();
        self.list_sealed(&mut files);
        let runs = write_runs(&*disk, seal, numbers, settings.runs_behind_max, &mut files)?;
        files.retain(|file| file.kind != FileKind::Index);
        files.extend(runs.iter().map(|run| index_entry(run)));
        let log_after = self.write_changes(&mut files, seal, settings)?;
        let bytes = encode_refs(seal.table, seal.after);
        let sequences = [seal.after.sequence, 0];
        files.retain(|file| file.kind != FileKind::Refs);
        files.push(write_file(&*disk, FileKind::Refs, numbers(), &bytes, sequences)?);
        let first_batch = self.active.next_batch;
        let active =
            Active::create(&*disk, seal.next, first_batch, seal.after, Ahead::new(settings))?;
        disk.sync().map_err(PackError::sync(format!("sync {}", disk.place())))?;
        self.write_manifest(Manifest {
            state: state(settings),
            incarnation: seal.after.incarnation,
            active: seal.next,
            next_file: numbers(),
            durable_end: active.end,
            files,
            ..self.manifest.clone()
        })?;
        self.active = active;
        self.is_as_found = false;
        self.changes = Changes::new();
        Ok(Sealed { runs, file: Arc::clone(&self.active.file), log_after })
    }

    /// Says in the manifest that the directory is closed, and where the log ends.
    pub(crate) fn close(&mut self) -> PackResult<()> {
        self.sync()?;
        let durable_end = self.active.end;
        let manifest = Manifest { state: State::Closed, durable_end, ..self.manifest.clone() };
        self.write_manifest(manifest)
    }

    /// Puts a manifest in place of the one before.
    pub(crate) fn write_manifest(&mut self, manifest: Manifest) -> PackResult<()> {
        let manifest = self.prepare_manifest(manifest)?;
        self.place_manifest(manifest)
    }

    /// Writes a manifest beside the one before, which stays in place.
    pub(super) fn prepare_manifest(&self, manifest: Manifest) -> PackResult<Manifest> {
        let generation = self.manifest.generation + 1;
        let manifest = Manifest { generation, ..manifest };
        prepare_manifest(&*self.disk, &manifest)?;
        Ok(manifest)
    }

    /// Puts the manifest in place that was prepared. After an error it is not known which one is.
    pub(super) fn place_manifest(&mut self, prepared: Manifest) -> PackResult<()> {
        place_manifest(&*self.disk)?;
        self.manifest = prepared;
        Ok(())
    }

    /// Lists the active segment as a sealed one, if it holds anything.
    fn list_sealed(&self, files: &mut Vec<FileEntry>) {
        let Active { header, end, next_batch, .. } = &self.active;
        if *next_batch > header.first_batch {
            files.push(FileEntry {
                kind: FileKind::Segment,
                number: header.number,
                length: *end,
                first: header.first_batch,
                last: *next_batch,
                dead: 0,
            });
        }
    }

    /// Keeps the changes of the active segment in a file of their own, drops those files of which the log
    /// keeps nothing, and returns after which change it is kept.
    fn write_changes(
        &mut self,
        files: &mut Vec<FileEntry>,
        seal: &Seal<'_, H>,
        settings: &Settings,
    ) -> PackResult<u64> {
        let same = self.active.header.after.incarnation == seal.after.incarnation;
        files.retain(|file| file.kind != FileKind::Changes || same);
        if same && let Some(span) = self.changes.span() {
            let (disk, number) = (&*self.disk, self.active.header.number);
            let write = |bytes: &[u8]| write_file(disk, FileKind::Changes, number, bytes, span);
            let file = self.changes.file(seal.after.incarnation, write)?;
            files.push(FileEntry { dead: (settings.now_s)(), ..file });
        }
        let end = seal.after.sequence;
        let after = forget::keep_after(files, seal.oldest.sequence, end, settings);
        files.retain(|file| file.kind != FileKind::Changes || file.last > after);
        Ok(after)
    }

    /// Removes files of ours that do not count. What cannot be removed now is removed another time.
    pub(crate) fn remove_strays(&self, building: &Building) {
        let active = (FileKind::Segment, self.active.header.number);
        let counts: HashSet<_> = self
            .manifest
            .files
            .iter()
            .map(|file| (file.kind, file.number))
            .chain([active])
            .collect();
        for name in self.disk.list().unwrap_or_default() {
            let ours = FileKind::of_file_name(&name)
                .is_some_and(|file| !counts.contains(&file) && !building.has(file));
            if ours || name == MANIFEST_NEW || repair::is_staged(&name) {
                drop(self.disk.unlink(&name));
            }
        }
    }

    /// Notes how far the segment is durable. That it is not noted is no failure: it is a hint.
    fn note_head(&self) {
        let Active { header, durable_end, .. } = &self.active;
        let (segment, salt, durable_end) = (header.number, header.salt, *durable_end);
        drop(self.head.write_all_at(&Head { segment, salt, durable_end }.encode(), 0));
    }
}

/// Returns the state that the manifest of a directory in use has.
pub(crate) const fn state(settings: &Settings) -> State {
    match settings.options.durability {
        Durability::Sync => State::InUseSync,
        Durability::Os => State::InUseOs,
    }
}

/// Puts a manifest in place, durably.
pub(crate) fn write_manifest(disk: &dyn Disk, manifest: &Manifest) -> PackResult<()> {
    prepare_manifest(disk, manifest)?;
    place_manifest(disk)
}

fn prepare_manifest(disk: &dyn Disk, manifest: &Manifest) -> PackResult<()> {
    let failed = || PackError::io(format!("write {MANIFEST_NEW}"));
    let file = disk.create(MANIFEST_NEW).map_err(failed())?;
    file.write_all_at(&manifest.encode(), 0).map_err(failed())?;
    file.sync().map_err(PackError::sync(format!("sync {MANIFEST_NEW}")))
}

fn place_manifest(disk: &dyn Disk) -> PackResult<()> {
    disk.rename(MANIFEST_NEW, MANIFEST)
        .map_err(PackError::io(format!("rename {MANIFEST_NEW} to {MANIFEST}")))?;
    disk.sync().map_err(PackError::sync(format!("sync {}", disk.place())))
}

/// Writes the run of some blocks, each of which comes once.
pub(crate) fn write_places<H: Hash>(
    disk: &dyn Disk,
    number: u32,
    entries: &mut [(H, Place)],
) -> PackResult<Run> {
    entries.sort_unstable_by_key(|(key, _)| *key);
    let count = entries.len();
    let entries = entries.iter().map(|(key, place)| Ok((key.as_bytes(), *place)));
    write(disk, number, H::LENGTH, count, entries)
}

/// Returns the runs that hold the blocks of the segment, too.
fn write_runs<H: Hash>(
    disk: &dyn Disk,
    seal: &Seal<'_, H>,
    numbers: &mut impl FnMut() -> u32,
    runs_behind_max: usize,
    files: &mut [FileEntry],
) -> PackResult<Vec<Arc<Run>>> {
    let mut runs = seal.runs.to_vec();
    if !seal.places.is_empty() {
        let mut places: Vec<_> = seal.places.iter().map(|(key, place)| (*key, *place)).collect();
        runs.insert(0, Arc::new(write_places(disk, numbers(), &mut places)?));
    }
    let free = seal.building.free(&runs);
    let due = if free > runs_behind_max { merge::due(&runs[..free]) } else { 0 };
    if due > 0
        && let Some((merged, Merged { run, left_out })) =
            merge::merge_newest(disk, numbers(), H::LENGTH, &runs[..due], &|| Ok(()))?
    {
        leave_out(files, &left_out);
        runs.splice(..merged, [Arc::new(run)]);
    }
    Ok(runs)
}

/// Counts blocks of segments that no run names any more.
pub(super) fn leave_out(files: &mut [FileEntry], left_out: &BTreeMap<u32, u64>) {
    for file in files.iter_mut().filter(|file| file.kind == FileKind::Segment) {
        file.dead += left_out.get(&file.number).copied().unwrap_or(0);
    }
}

pub(crate) fn index_entry(run: &Run) -> FileEntry {
    let (kind, number, length) = (FileKind::Index, run.number, run.size());
    FileEntry { kind, number, length, first: run.entries(), last: 0, dead: 0 }
}

/// Writes a small file whole, and makes it durable.
pub(crate) fn write_file(
    disk: &dyn Disk,
    kind: FileKind,
    number: u32,
    bytes: &[u8],
    [first, last]: [u64; 2],
) -> PackResult<FileEntry> {
    let name = kind.file_name(number);
    let failed = || PackError::io(format!("write {name}"));
    let file = disk.create(&name).map_err(failed())?;
    file.write_all_at(bytes, 0).map_err(failed())?;
    file.sync().map_err(PackError::sync(format!("sync {name}")))?;
    Ok(FileEntry { kind, number, length: bytes.len() as u64, first, last, dead: 0 })
}
