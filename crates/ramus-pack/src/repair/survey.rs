//! Looks at everything in a directory, and says what of it counts after a repair. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use ramus_core::{Cursor, Error, Hash, Incarnation, Result};

use super::refs::{History, Newest};
use super::report::{Damage, Repaired};
use super::salvage::{Promise, Salvaged, salvage};
use crate::disk::{Access, Disk, Pool};
use crate::error::{PackError, PackResult};
use crate::format::Fault;
use crate::format::change::RefChange;
use crate::format::files::{Table, decode_changes, decode_refs};
use crate::format::manifest::{FileEntry, FileKind, Manifest, State};
use crate::index::run::{Entry, Lookup, Run};
use crate::index::{Place, Read};
use crate::options::PackOptions;
use crate::recover::{
    Recovery, UNLISTED_FILE_MAX, check_hash, find_head, read_manifest, read_small,
};
use crate::writer::files::MANIFEST;

/// What a directory holds that is sound.
#[derive(Debug)]
pub(super) struct Survey<H: Hash> {
    pub(super) report: Repaired<H>,
    /// If it is sound.
    pub(super) manifest: Option<Manifest>,
    /// A number that no file has, nor has any higher.
    pub(super) next_file: u32,
    /// By their numbers.
    pub(super) segments: BTreeMap<u32, Found<H>>,
    /// Every block, by its name and then its place.
    pub(super) blocks: Vec<(H, Place)>,
    pub(super) table: Table<H>,
    /// The end of the log as it goes on.
    pub(super) end: Cursor,
    /// What the log keeps.
    pub(super) changes: Vec<Arc<RefChange<H>>>,
    /// The names of the files that counted.
    pub(super) files: Vec<String>,
}

/// A segment that has something that is sound.
#[derive(Debug)]
pub(super) struct Found<H: Hash> {
    /// How it is listed if nothing in it is damaged, so that it can stay.
    pub(super) entry: Option<FileEntry>,
    /// Up to here it is known to be durable.
    pub(super) durable: u64,
    /// The number in its header, if that is sound.
    written_as: Option<u32>,
    pub(super) blocks: Vec<(H, Place)>,
}

impl<H: Hash> Found<H> {
    /// Returns whether nothing in it is damaged.
    pub(super) const fn is_sound(&self) -> bool {
        self.entry.is_some()
    }

    /// Returns whether there is a block at this place.
    fn has(&self, place: Place) -> bool {
        // They were found in the order in which they lie.
        self.blocks.binary_search_by_key(&place, |(_, place)| *place).is_ok()
    }
}

struct Look<'a, H: Hash> {
    disk: &'a dyn Disk,
    report: Repaired<H>,
    manifest: Option<Manifest>,
    /// The files that count, or all of them if nothing tells which do.
    files: Vec<FileEntry>,
    history: History<H>,
    /// The names of blocks that are not sound where they should be.
    lost: BTreeSet<H>,
    /// Those in sealed segments, which may have been collected.
    lost_or_collected: BTreeSet<H>,
}

/// Refuses a directory that has nothing of a repository.
pub(super) fn ensure_repository(disk: &dyn Disk) -> Result<()> {
    let place = disk.place();
    let names = match disk.list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        listed => listed.map_err(PackError::io(format!("list {place}")))?,
    };
    let ours = |name: &String| name == MANIFEST || FileKind::of_file_name(name).is_some();
    if names.iter().any(ours) {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "{place} is no repository: it has no `{MANIFEST}` and no segment; give the directory of one"
    )))
}

pub(super) fn survey<H: Hash>(disk: &Arc<dyn Disk>) -> Result<Survey<H>> {
    let names = disk.list().map_err(PackError::io(format!("list {}", disk.place())))?;
    let ours: Vec<_> = names.iter().filter_map(|name| FileKind::of_file_name(name)).collect();
    let (report, history, lost) = (Repaired::nothing(), History::new(), BTreeSet::new());
    let (manifest, files, lost_or_collected) = (None, Vec::new(), BTreeSet::new());
    let mut look =
        Look::<H> { disk: &**disk, report, manifest, files, history, lost, lost_or_collected };
    look.manifest(&ours)?;
    let highest = ours.iter().map(|(_, number)| number.saturating_add(1)).max().unwrap_or(1);
    let listed = look.manifest.as_ref().map_or(1, |manifest| manifest.next_file);
    let next_file = highest.max(listed);
    look.changes()?;
    look.refs()?;
    let mut segments = look.segments()?;
    look.index(&mut segments)?;
    if look.manifest.is_none() && segments.values().all(|segment| segment.blocks.is_empty()) {
        look.ensure_hash(&segments)?;
    }
    let mut blocks: Vec<_> =
        segments.values().flat_map(|segment| &segment.blocks).copied().collect();
    blocks.sort_unstable();
    let is_there = |key: &H| {
        let at = blocks.partition_point(|(other, _)| other < key);
        blocks.get(at).is_some_and(|(found, _)| found == key)
    };
    let Newest { mut table, sequence } = look.history.newest(&mut look.report);
    look.history.set_back(&mut table, is_there, &mut look.report);
    look.lost.retain(|key| !is_there(key));
    look.report.blocks_lost = look.lost.len() as u64;
    let doubles = blocks.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
    look.report.blocks = (blocks.len() - doubles) as u64;
    look.opens(disk)?;
    let (end, changes) = look.log(sequence);
    let files =
        look.files.iter().map(FileEntry::name).filter(|name| names.contains(name)).collect();
    let Look { report, manifest, .. } = look;
    Ok(Survey { report, manifest, next_file, segments, blocks, table, end, changes, files })
}

impl<H: Hash> Look<'_, H> {
    /// Reads the manifest, and lists the files that count.
    fn manifest(&mut self, names: &[(FileKind, u32)]) -> Result<()> {
        match read_manifest(self.disk) {
            Ok(manifest) => {
                check_hash::<H>(self.disk, &manifest)?;
                let active = entry_of(FileKind::Segment, manifest.active, manifest.durable_end);
                self.files = manifest.files.iter().copied().chain([active]).collect();
                self.manifest = Some(manifest);
            }
            Err(error) => {
                self.note(MANIFEST, error)?;
                let entry = |(kind, number): &(FileKind, u32)| entry_of(*kind, *number, 0);
                self.files = names.iter().map(entry).collect();
            }
        }
        self.files.sort_unstable_by_key(|file| file.number);
        Ok(())
    }

    fn listed(&self, kind: FileKind) -> Vec<FileEntry> {
        self.files.iter().filter(|file| file.kind == kind).copied().collect()
    }

    fn note(&mut self, file: &str, error: PackError) -> PackResult<()> {
        self.report.add(Damage::of(file, error)?);
        Ok(())
    }

    fn fault(&mut self, file: &str, at: u64, fault: &'static str) -> PackResult<()> {
        self.note(file, PackError::fault(file, at)(Fault::Damaged(fault)))
    }

    fn changes(&mut self) -> PackResult<()> {
        for entry in self.listed(FileKind::Changes) {
            match read_small(self.disk, &self.whole(entry), decode_changes::<H>) {
                Ok(changes) => {
                    let sequence = |change: Option<&Arc<RefChange<H>>>| {
                        change.map_or(0, |change| change.cursor.sequence)
                    };
                    let spans = (sequence(changes.first()), sequence(changes.last()));
                    if self.manifest.is_some() && spans != (entry.first, entry.last) {
                        self.fault(&entry.name(), 0, "it has the changes of another file")?;
                    }
                    self.history.add_changes(changes);
                }
                Err(error) => self.note(&entry.name(), error)?,
            }
        }
        Ok(())
    }

    fn refs(&mut self) -> PackResult<()> {
        for entry in self.listed(FileKind::Refs) {
            match read_small(self.disk, &self.whole(entry), decode_refs::<H>) {
                Ok((table, at)) => self.history.add_refs(table, at),
                Err(error) => self.note(&entry.name(), error)?,
            }
        }
        Ok(())
    }

    /// Returns the entry of a file, or one that allows what can be if its length is not known.
    fn whole(&self, entry: FileEntry) -> FileEntry {
        let length = if self.manifest.is_some() { entry.length } else { UNLISTED_FILE_MAX };
        FileEntry { length, ..entry }
    }

    fn segments(&mut self) -> PackResult<BTreeMap<u32, Found<H>>> {
        let head = find_head(self.disk)?;
        let incarnation = self.manifest.as_ref().map(|manifest| manifest.incarnation);
        let incarnation = incarnation.unwrap_or_else(Incarnation::random);
        let active = self.manifest.as_ref().map(|manifest| manifest.active);
        let has_refs = self.history.has_refs();
        let mut found = BTreeMap::new();
        for entry in self.listed(FileKind::Segment) {
            let (name, number) = (entry.name(), entry.number);
            // What a sealed segment says of refs is in the file of the refs, too.
            let tells = active.is_none_or(|active| active == number) || !has_refs;
            let file = match self.disk.open(&name, Access::Read) {
                Ok(file) => file,
                Err(error) => {
                    self.note(&name, PackError::io(format!("open {name}"))(error))?;
                    if tells {
                        self.history.add_hole(u64::MAX);
                    }
                    continue;
                }
            };
            let promise = Promise { number, end: entry.length, head, incarnation };
            let salvaged = salvage::<H>(&*file, promise)?;
            if tells && let Some(after) = salvaged.hole {
                self.history.add_hole(after);
            }
            let is_active = active == Some(number);
            found.insert(number, self.take(entry, is_active, salvaged)?);
        }
        Ok(found)
    }

    fn take(
        &mut self,
        entry: FileEntry,
        is_active: bool,
        salvaged: Salvaged<H>,
    ) -> PackResult<Found<H>> {
        let Salvaged { header, written_as, blocks, changes, lost, damages, .. } = salvaged;
        let Salvaged { end, next_batch, durable, .. } = salvaged;
        self.history.add_changes(changes);
        if is_active { &mut self.lost } else { &mut self.lost_or_collected }.extend(lost);
        let is_sound = damages.is_empty();
        for damage in damages {
            self.report.add(damage);
        }
        let first = header.map_or(1, |header| header.first_batch);
        let listed = self.manifest.is_none()
            || is_active
            || (entry.length, entry.first, entry.last) == (end, first, next_batch);
        if is_sound && !listed {
            self.fault(&entry.name(), end, "the manifest says that it ends elsewhere")?;
        }
        let entry = FileEntry { length: end, first, last: next_batch, ..entry };
        Ok(Found { entry: is_sound.then_some(entry), durable, written_as, blocks })
    }

    /// Compares the index with what is there: blocks that no index has were collected, if they are as many
    /// as the manifest says.
    fn index(&mut self, segments: &mut BTreeMap<u32, Found<H>>) -> PackResult<()> {
        let mut runs = Vec::new();
        let mut are_sound = true;
        for entry in self.listed(FileKind::Index) {
            match Run::open(self.disk, entry.number, H::LENGTH) {
                Ok(run) => {
                    are_sound &= self.run(&run, segments)?;
                    runs.push(run);
                }
                Err(error) => {
                    are_sound = false;
                    self.note(&entry.name(), error)?;
                }
            }
        }
        let has = |run: &Run, key: &H| {
            !matches!(run.find(key.as_bytes(), Read::Wait), Ok(Lookup::Absent))
        };
        let mut lost = std::mem::take(&mut self.lost_or_collected);
        if self.manifest.is_some() && are_sound {
            lost.retain(|key| runs.iter().any(|run| has(run, key)));
        }
        self.lost.append(&mut lost);
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let sealed: BTreeMap<_, _> =
            manifest.files(FileKind::Segment).map(|file| (file.number, file.dead)).collect();
        for (number, segment) in segments {
            // In its place may lie the active segment, of whose blocks no index tells yet.
            let written_as = segment.written_as.unwrap_or(*number);
            let Some(dead) = sealed.get(&written_as) else { continue };
            let (mut indexed, mut left_out) = (Vec::new(), Vec::new());
            for (key, place) in std::mem::take(&mut segment.blocks) {
                // A copy of what is lost elsewhere is better than nothing.
                let is_wanted = self.lost.contains(&key);
                let is_left_out = are_sound && !is_wanted && !runs.iter().any(|run| has(run, &key));
                if is_left_out { &mut left_out } else { &mut indexed }.push((key, place));
            }
            let is_known = left_out.len() as u64 <= *dead;
            if !is_known {
                let name = FileKind::Segment.file_name(*number);
                self.report.add(Damage::new(&name, 0, "some blocks of it are in no index"));
                indexed.append(&mut left_out);
            }
            segment.blocks = indexed;
            if let Some(entry) = &mut segment.entry {
                entry.dead = left_out.len() as u64;
            }
        }
        Ok(())
    }

    /// Reads every page, and looks whether what it names is there; returns whether the pages are sound.
    fn run(&mut self, run: &Run, segments: &BTreeMap<u32, Found<H>>) -> PackResult<bool> {
        let name = FileKind::Index.file_name(run.number);
        let mut is_sound = true;
        for page in 0..run.pages() {
            match run.page(page) {
                Ok(entries) => {
                    for Entry { key, place, .. } in entries {
                        let found = segments.get(&place.segment);
                        if found.is_some_and(|found| found.has(place)) {
                            continue;
                        }
                        if found.is_some_and(Found::is_sound) {
                            self.fault(&name, 0, "it names a block where there is none")?;
                        }
                        self.lost.extend(H::from_bytes(&key));
                    }
                }
                Err(error) => {
                    is_sound = false;
                    self.note(&name, error)?;
                }
            }
        }
        Ok(is_sound)
    }

    /// Refuses a directory without a manifest whose blocks have other names: its hash is not known.
    fn ensure_hash(&self, segments: &BTreeMap<u32, Found<H>>) -> Result<()> {
        if segments.values().all(Found::is_sound) {
            return Ok(());
        }
        let (place, hash) = (self.disk.place(), H::NAME);
        Err(Error::invalid_input(format!(
            "{place} has no manifest that can be read, and no block that is named by `{hash}`; repair it with its own hash, if that is another one"
        )))
    }

    /// Returns where the log goes on after this change, and what it keeps. It goes on as the same log, so that
    /// cursors and ids hold, if the refs are what its changes lead to; otherwise it begins anew.
    fn log(&mut self, sequence: u64) -> (Cursor, Vec<Arc<RefChange<H>>>) {
        let manifest = self.manifest.as_ref();
        let base = self.history.base();
        let goes_on = manifest.filter(|manifest| {
            let is_its_own = base.is_none_or(|base| base.incarnation == manifest.incarnation);
            // With durability `os` later changes may have been seen, if it was not closed.
            is_its_own && manifest.state != State::InUseOs && self.report.log_is_whole()
        });
        let incarnation = goes_on.map_or_else(Incarnation::random, |before| before.incarnation);
        let end = Cursor { incarnation, sequence };
        let listed = self.files.iter().filter(|file| file.kind == FileKind::Changes);
        let listed = listed.filter(|_| manifest.is_some()).map(|file| file.first).min();
        let base = base.filter(|_| manifest.is_some()).map(|base| base.sequence);
        // What the log had forgotten may still lie in segments.
        let after = listed.map(|first| first.saturating_sub(1)).or(base).unwrap_or(0);
        let (changes, others) = self.history.kept(end, after);
        if !self.report.is_sound() {
            self.report.changes_forgotten = others;
        }
        (end, changes)
    }

    /// Notes what an opening would refuse, if each file is sound by itself.
    fn opens(&mut self, disk: &Arc<dyn Disk>) -> Result<()> {
        let Some(manifest) = self.manifest.clone().filter(|_| self.report.is_sound()) else {
            return Ok(());
        };
        let pool = Pool::new(Arc::clone(disk), PackOptions::OPEN_FILES_MAX);
        match Recovery::<H>::read(pool, manifest, Access::Read) {
            Ok(recovery) => {
                let refused = recovery.damage().or_else(|| recovery.visible(usize::MAX).err());
                if let Some(refused) = refused {
                    self.report.add(Damage::new(MANIFEST, 0, format!("{refused}")));
                }
            }
            Err(error) => self.note(MANIFEST, error)?,
        }
        Ok(())
    }
}

fn entry_of(kind: FileKind, number: u32, length: u64) -> FileEntry {
    FileEntry { kind, number, length, first: 0, last: 0, dead: 0 }
}
