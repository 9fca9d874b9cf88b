use std::collections::BTreeSet;
use std::sync::Arc;

use ramus_core::{Cursor, Hash};

use super::report::Repaired;
use super::staged::Staged;
use super::survey::{Found, Survey};
use crate::compression::Coding;
use crate::disk::{Access, Disk, read_exact_at, write_again};
use crate::error::{PackError, PackResult, ensure_numbers};
use crate::format::files::{Changes, encode_refs};
use crate::format::manifest::{FileEntry, FileKind, Manifest, State};
use crate::format::record::RecordHeader;
use crate::index::{Place, write::write};
use crate::options::Settings;
use crate::writer::active::{Active, Ahead, random_salt};
use crate::writer::copied::Copied;
use crate::writer::files::{MANIFEST, index_entry, write_file, write_manifest};

/// The beginning of the names of directories with files that do not count any more.
pub(crate) const ASIDE: &str = "damaged-";

/// Writes what takes the place of what is damaged, and puts it in place.
pub(super) fn rebuild<H: Hash>(
    disk: &Arc<dyn Disk>,
    survey: Survey<H>,
    settings: &Settings,
) -> PackResult<Repaired<H>> {
    ensure_numbers(survey.next_file)?;
    let generation = next_generation(&**disk, survey.manifest.as_ref());
    let staged = Staged::new(Arc::clone(disk));
    let (at, next_file) = (survey.end, survey.next_file);
    let mut rebuild = Rebuild { staged, survey, settings, at, next_file };
    let done = rebuild.run(&**disk, generation);
    if done.is_err() {
        rebuild.staged.discard();
    }
    done?;
    Ok(rebuild.survey.report)
}

struct Rebuild<'a, H: Hash> {
    staged: Staged,
    survey: Survey<H>,
    settings: &'a Settings,
    /// Where the log goes on.
    at: Cursor,
    next_file: u32,
}

impl<H: Hash> Rebuild<'_, H> {
    fn run(&mut self, disk: &dyn Disk, generation: u64) -> PackResult<()> {
        let manifest = self.write(generation)?;
        self.set_aside(disk, &manifest)?;
        self.staged.publish().map_err(PackError::io("rename the new files"))?;
        write_manifest(disk, &manifest)?;
        // What cannot be removed now is removed when the directory is opened.
        for name in self.gone(&manifest).iter().filter(|name| *name != MANIFEST) {
            drop(disk.unlink(name));
        }
        Ok(())
    }

    fn next_file(&mut self) -> u32 {
        let number = self.next_file;
        self.next_file += 1;
        number
    }

    /// Writes the new files, and returns the manifest that lists them.
    fn write(&mut self, generation: u64) -> PackResult<Manifest> {
        let mut files = Vec::new();
        let segments = std::mem::take(&mut self.survey.segments);
        let stays = |place: &Place| segments.get(&place.segment).is_some_and(Found::is_sound);
        self.survey.blocks.retain(|(_, place)| stays(place));
        for (number, found) in segments {
            match found.entry {
                // One without a batch needs not stay.
                Some(entry) if entry.last > entry.first => {
                    self.keep(&entry, found.durable)?;
                    files.push(entry);
                }
                Some(_) => {}
                None => files.extend(self.copy(number, &found)?),
            }
        }
        let mut blocks = std::mem::take(&mut self.survey.blocks);
        blocks.sort_unstable();
        blocks.dedup_by_key(|(key, _)| *key);
        if !blocks.is_empty() {
            let number = self.next_file();
            let entries = blocks.iter().map(|(key, place)| Ok((key.as_bytes(), *place)));
            let run = write(&self.staged, number, H::LENGTH, blocks.len(), entries)?;
            files.push(index_entry(&run));
        }
        files.extend(self.changes()?);
        let refs = encode_refs(&self.survey.table, self.at);
        let (number, sequences) = (self.next_file(), [self.at.sequence, 0]);
        files.push(write_file(&self.staged, FileKind::Refs, number, &refs, sequences)?);
        let number = self.next_file();
        let active = Active::create(&self.staged, number, 1, self.at, Ahead::new(self.settings))?;
        let (hash, key_length) = Manifest::of_hash::<H>();
        Ok(Manifest {
            hash,
            key_length,
            state: State::Closed,
            coding: self.survey.manifest.as_ref().map_or(Coding::Plain, |before| before.coding),
            generation,
            incarnation: self.at.incarnation,
            active: number,
            next_file: self.next_file,
            durable_end: active.end,
            files,
        })
    }

    /// Writes what the log keeps into one file.
    fn changes(&mut self) -> PackResult<Option<FileEntry>> {
        let changes = std::mem::take(&mut self.survey.changes);
        let mut changes: Changes<H> = changes.iter().collect();
        let Some(span) = changes.span() else { return Ok(None) };
        let number = self.next_file();
        let write = |bytes: &[u8]| write_file(&self.staged, FileKind::Changes, number, bytes, span);
        let file = changes.file(self.at.incarnation, write)?;
        Ok(Some(FileEntry { dead: (self.settings.now_s)(), ..file }))
    }

    /// Makes a segment durable that stays: its end may be what a killed process had written and not synced.
    fn keep(&self, entry: &FileEntry, durable: u64) -> PackResult<()> {
        let name = entry.name();
        let file = self.staged.open(&name, Access::Write);
        let file = file.map_err(PackError::io(format!("open {name}")))?;
        let written = write_again(&*file, durable, entry.length);
        written.map_err(PackError::io(format!("write {name}")))?;
        file.sync().map_err(PackError::sync(format!("sync {name}")))
    }

    /// Copies what is sound of a segment into a new one; nothing if nothing is.
    fn copy(&mut self, number: u32, found: &Found<H>) -> PackResult<Option<FileEntry>> {
        if found.blocks.is_empty() {
            return Ok(None);
        }
        let name = FileKind::Segment.file_name(number);
        let old = self.staged.open(&name, Access::Read);
        let old = old.map_err(PackError::io(format!("open {name}")))?;
        let new = self.next_file();
        let mut copy = Copied::create(&self.staged, new, self.at)?;
        let mut places = Vec::with_capacity(found.blocks.len());
        for (key, place) in &found.blocks {
            let length = RecordHeader::LENGTH + H::LENGTH + place.length as usize;
            let mut record = vec![0; length];
            let read = read_exact_at(&*old, &mut record, place.offset.into());
            read.map_err(PackError::io(format!("read block {key} from {name}")))?;
            let place = copy.append::<H>(&record, place.length, self.settings.write_bytes)?;
            places.push((*key, place));
        }
        let entry = copy.end()?;
        self.survey.blocks.append(&mut places);
        Ok(Some(entry))
    }

    /// Returns the names of the files that counted, and will not.
    fn gone(&self, manifest: &Manifest) -> Vec<String> {
        let stays = |name: &String| manifest.files.iter().any(|file| file.name() == *name);
        let files = self.survey.files.iter().filter(|name| !stays(name)).cloned();
        files.chain([MANIFEST.to_owned()]).collect()
    }

    /// Gives the files that will not count a second name elsewhere, and says there why.
    fn set_aside(&mut self, disk: &dyn Disk, manifest: &Manifest) -> PackResult<()> {
        let failed = || PackError::io("set the damaged files aside");
        let names = disk.list().map_err(failed())?;
        let number = |name: &String| name.strip_prefix(ASIDE)?.parse::<u32>().ok();
        let used: BTreeSet<_> = names.iter().filter_map(number).collect();
        let next = used.last().map_or(Some(1), |last| last.checked_add(1));
        let free = next.or_else(|| (1..=u32::MAX).find(|number| !used.contains(number)));
        let directory = format!("{ASIDE}{}", free.unwrap_or(1));
        let mut gone = self.gone(manifest);
        gone.retain(|name| names.contains(name));
        self.survey.report.set_aside = Some(directory.clone());
        let report = format!("{}\n", self.survey.report);
        disk.set_aside(&gone, &directory, &report).map_err(failed())
    }
}

/// Returns a generation that no reader has seen.
fn next_generation(disk: &dyn Disk, manifest: Option<&Manifest>) -> u64 {
    if let Some(manifest) = manifest {
        return manifest.generation + 1;
    }
    let peeked = crate::reader::peek_generation(disk).ok().flatten();
    // What is peeked may be anything; then it is not counted on.
    let peeked = peeked.filter(|generation| generation >> 62 == 0).unwrap_or(0);
    peeked + 1 + (random_salt() >> 32)
}
