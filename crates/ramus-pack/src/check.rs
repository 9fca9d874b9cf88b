//! Looks through a directory, and says what is wrong in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash, Result};

use crate::compression::decode;
use crate::disk::{Access, Disk, DiskFile, Locked, Pool, RealDisk, read_exact_at};
use crate::error::{PackError, PackResult};
use crate::format::manifest::{FileEntry, FileKind, Manifest};
use crate::format::record::RecordHeader;
use crate::index::run::{Entry, Lookup, Run};
use crate::index::{Place, Places, Read};
use crate::options::PackOptions;
use crate::read::{blocking, check_record};
use crate::recover::{self, Recovery};
use crate::scan::scan;
use crate::writer::files::MANIFEST;

/// How much is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Depth {
    /// What opening reads, every page of the indexes, and the blocks that refs name.
    #[default]
    Quick,
    /// Besides, every byte of every segment, and whether each block has the name that its bytes give. What blocks
    /// name in turn is for `Repo::check` of `ramus-kv`.
    Full,
}

/// How far a look through a directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes were looked at.
    pub bytes_done: u64,
    /// How many there are to look at, about.
    pub bytes_total: u64,
}

/// Counts bytes, and tells of them now and then.
struct Meter {
    told: Progress,
    now: Progress,
    tell: Box<dyn FnMut(Progress)>,
}

impl Meter {
    const EVERY_BYTES: u64 = 16 << 20;

    fn new(tell: Box<dyn FnMut(Progress)>) -> Self {
        Self { told: Progress::default(), now: Progress::default(), tell }
    }

    fn expect(&mut self, manifest: &Manifest, runs: &[Arc<Run>], active: u64, depth: Depth) {
        let indexes: u64 = runs.iter().map(|run| run.pages() as u64 * Run::PAGE_BYTES).sum();
        let segments: u64 = manifest.files(FileKind::Segment).map(|file| file.length).sum();
        let read = if depth == Depth::Full { segments + active } else { 0 };
        self.now.bytes_total = indexes + read;
    }

    fn count(&mut self, bytes: u64) {
        self.now.bytes_done += bytes;
        // Headers of batches are not counted, and blocks that refs name are read twice.
        self.now.bytes_total = self.now.bytes_total.max(self.now.bytes_done);
        if self.now.bytes_done >= self.told.bytes_done + Self::EVERY_BYTES {
            self.told = self.now;
            (self.tell)(self.now);
        }
    }

    fn end(&mut self) {
        self.now.bytes_done = self.now.bytes_total;
        (self.tell)(self.now);
    }
}

/// What a directory holds, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many segments there are, the active one included.
    pub segments: usize,
    /// How many bytes their logs have.
    pub bytes: u64,
    /// How many blocks there are.
    pub blocks: u64,
    /// How many refs there are.
    pub refs: usize,
    /// How many changes the log keeps.
    pub changes: usize,
    /// How many blocks the segments hold that do not count any more: they were collected, and what is left
    /// of their segments was not copied yet.
    pub collected: u64,
    /// How many index runs there are.
    pub runs: usize,
    /// What is wrong, each with the file and the place; the first 1000 of it.
    pub problems: Vec<String>,
}

/// Looks through the directory at `path`, which nobody has open, and changes nothing in it.
///
/// It knows what refs name, and not what a block means: whether all that those blocks lead to is there, `Repo::check`
/// of `ramus-kv` says.
///
/// ```
/// use ramus_core::{ContentAddressable as _, Sha1, Storage as _};
/// use ramus_pack::{Depth, Pack, PackOptions};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path();
/// let pack: Pack = Pack::open(path, &PackOptions::default()).await?;
/// pack.blocks().add("hello".into()).await?;
/// pack.close().await?;
///
/// let report = ramus_pack::check::<Sha1>(path, Depth::Full).await?;
/// assert_eq!((report.blocks, report.problems), (1, vec![]));
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// Those of [`Pack::open`](crate::Pack::open), where nothing can be looked at: no repository, open
/// elsewhere, another hash, a later version, no permission. Damage is no error but a problem in the report.
///
/// # Cancel safety
///
/// A dropped future leaves nothing behind, and goes on reading until it is through.
pub async fn check<H: Hash>(path: impl AsRef<Path>, depth: Depth) -> Result<Report> {
    check_with::<H>(path, depth, |_| {}).await
}

/// Looks through the directory at `path` like [`check`], and tells how far it is.
///
/// `progress` is called on the thread that reads, after about every 16 MiB and at the end.
///
/// # Errors
///
/// Those of [`check`].
///
/// # Cancel safety
///
/// That of [`check`].
pub async fn check_with<H: Hash>(
    path: impl AsRef<Path>,
    depth: Depth,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Report> {
    let path: PathBuf = path.as_ref().to_owned();
    let disk = Arc::new(RealDisk::at(&path));
    blocking(move || check_disk_with::<H>(&disk, depth, Box::new(progress))).await
}

#[cfg(test)]
pub(crate) fn check_disk<H: Hash>(disk: &Arc<impl Disk>, depth: Depth) -> Result<Report> {
    check_disk_with::<H>(disk, depth, Box::new(|_| {}))
}

pub(crate) fn check_disk_with<H: Hash>(
    disk: &Arc<impl Disk>,
    depth: Depth,
    progress: Box<dyn FnMut(Progress)>,
) -> Result<Report> {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    let place = disk.place();
    let names = disk.list().map_err(PackError::io(format!("list {place}")))?;
    if !names.iter().any(|name| name == MANIFEST) {
        // It gets no lock file.
        return Err(Error::invalid_input(format!(
            "{place} is no repository: it has no `{MANIFEST}`"
        )));
    }
    let _lock: Option<Locked> = recover::lock_to_look(&*disk)?;
    let mut check = Check::<H> {
        disk: Arc::clone(&disk),
        report: Report::default(),
        refs: Vec::new(),
        named: BTreeMap::new(),
        meter: Meter::new(progress),
    };
    let manifest = match recover::read_manifest(&*disk) {
        Ok(manifest) => manifest,
        Err(error) => return check.give_up(error),
    };
    recover::check_hash::<H>(&*disk, &manifest)?;
    manifest.coding.ensure_known()?;
    check.report.segments = 1 + manifest.files(FileKind::Segment).count();
    let pool = Pool::new(disk, PackOptions::OPEN_FILES_MAX);
    match Recovery::<H>::read(pool, manifest.clone(), Access::Read) {
        Ok(recovery) => check.look(&manifest, &recovery, depth),
        Err(error) => return check.give_up(error),
    }
    Ok(check.report)
}

struct Check<H: Hash> {
    disk: Arc<dyn Disk>,
    report: Report,
    refs: Vec<(String, H)>,
    /// How many entries of indexes name each segment.
    named: BTreeMap<u32, u64>,
    meter: Meter,
}

impl<H: Hash> Check<H> {
    const PROBLEMS_MAX: usize = 1000;

    /// Ends where nothing more can be looked at.
    fn give_up(mut self, error: PackError) -> Result<Report> {
        let error = Error::from(error);
        if error.kind() != ErrorKind::Corrupt {
            return Err(error);
        }
        self.problem(format!("{error:?}"));
        Ok(self.report)
    }

    fn problem(&mut self, problem: String) {
        if self.report.problems.len() < Self::PROBLEMS_MAX {
            self.report.problems.push(problem);
        }
    }

    fn note<T>(&mut self, result: PackResult<T>) -> Option<T> {
        result.map_err(|error| self.problem(format!("{:?}", Error::from(error)))).ok()
    }

    fn look(&mut self, manifest: &Manifest, recovery: &Recovery<H>, depth: Depth) {
        if let Some(damage) = recovery.damage() {
            self.problem(format!("{damage:?}"));
        }
        let visible = recovery.visible(usize::MAX);
        match visible {
            Ok(visible) => {
                let log = &visible.log;
                let kept = log.end().sequence - log.oldest().sequence;
                self.report.changes = usize::try_from(kept).unwrap_or(usize::MAX);
                self.report.refs = visible.table.size();
                let refs = visible.table.iter().map(|(name, hash)| (name.to_string(), *hash));
                self.refs = refs.collect();
            }
            Err(error) => self.problem(format!("{error:?}")),
        }
        self.report.runs = recovery.runs.len();
        self.report.blocks = recovery.scan.places.len() as u64;
        self.report.bytes = recovery.scan.end;
        self.meter.expect(manifest, &recovery.runs, recovery.scan.end, depth);
        self.runs(&recovery.runs, recovery);
        for file in manifest.files(FileKind::Segment) {
            self.report.bytes += file.length;
            self.report.collected += file.dead;
            if depth == Depth::Full {
                self.segment(file, &recovery.runs);
            }
        }
        if depth == Depth::Full {
            self.blocks(&recovery.scan.places, recovery);
        }
        for (name, hash) in std::mem::take(&mut self.refs) {
            self.reference(&name, &hash, recovery);
        }
        self.meter.end();
    }

    /// Reads every page, and looks whether what it names is in a segment that counts.
    fn runs(&mut self, runs: &[Arc<Run>], recovery: &Recovery<H>) {
        for run in runs {
            self.report.blocks += run.entries();
            for page in 0..run.pages() {
                self.meter.count(Run::PAGE_BYTES);
                let Some(entries) = self.note(run.page(page)) else { continue };
                for Entry { key, place, .. } in entries {
                    *self.named.entry(place.segment).or_default() += 1;
                    if !recovery.segments.contains_key(&place.segment) {
                        let key = H::from_bytes(&key)
                            .map_or_else(|_| String::new(), |key| key.to_string());
                        let (number, segment) = (run.number, place.segment);
                        self.problem(format!(
                            "index {number:08x} says that block {key} is in segment {segment:08x}, which is not there"
                        ));
                    }
                }
            }
        }
    }

    /// Reads a sealed segment, and looks whether the index has each of its blocks.
    fn segment(&mut self, entry: &FileEntry, runs: &[Arc<Run>]) {
        let name = entry.name();
        let opened = self.disk.open(&name, Access::Read);
        let opened = opened.map_err(PackError::io(format!("open {name}")));
        let Some(file) = self.note(opened) else { return };
        let Some(found) = self.note(scan::<H>(&*file, entry.number)) else { return };
        if (found.end, found.next_batch) != (entry.length, entry.last) {
            let (end, length) = (found.end, entry.length);
            self.problem(format!("{name} is sound up to byte {end}, and should be up to {length}"));
        }
        let (mut left_out, mut named) = (Vec::new(), 0);
        for (key, place) in &found.places {
            let find = |run: &Arc<Run>| match run.find(key.as_bytes(), Read::Wait) {
                Ok(Lookup::Found(place)) => Some(place),
                _ => None,
            };
            let indexed: Vec<_> = runs.iter().filter_map(find).collect();
            if indexed.is_empty() {
                left_out.push(key);
                continue;
            }
            self.block(&*file, key, *place);
            // Of a block that lies in it twice the index has one place.
            let here = indexed.into_iter().filter(|indexed| indexed.segment == entry.number);
            for indexed in here {
                named += 1;
                if indexed != *place {
                    self.block(&*file, key, indexed);
                }
            }
        }
        let expected = self.named.get(&entry.number).copied().unwrap_or(0);
        if expected > named {
            let count = expected - named;
            self.problem(format!("an index names {count} blocks in {name} that are not in it"));
        }
        // Of what was collected nobody knows which blocks they are, but how many.
        if left_out.len() as u64 > entry.dead {
            let (count, dead) = (left_out.len(), entry.dead);
            let key = left_out[0];
            self.problem(format!(
                "{count} blocks of {name} are in no index, {key} among them, and {dead} were collected"
            ));
        }
    }

    fn blocks(&mut self, places: &Places<H>, recovery: &Recovery<H>) {
        for (key, place) in places {
            self.block(&*Arc::clone(&recovery.active), key, *place);
        }
    }

    /// Reads a block, and looks whether it has the name that its bytes give.
    fn block(&mut self, file: &dyn DiskFile, key: &H, place: Place) -> Option<()> {
        let name = FileKind::Segment.file_name(place.segment);
        let head = RecordHeader::LENGTH + H::LENGTH;
        let failed = || PackError::fault(&name, place.offset.into());
        let length = self.note(place.record_bytes(H::LENGTH).map_err(failed()))?;
        let mut bytes = vec![0; length];
        let read = read_exact_at(file, &mut bytes, place.offset.into());
        self.note(read.map_err(PackError::io(format!("read block {key} of {name}"))))?;
        self.meter.count(bytes.len() as u64);
        let block = check_record::<H>(key, place.length as usize, &bytes)
            .and_then(|header| decode(header.stored, Bytes::from(bytes).slice(head..)));
        let block = self.note(block.map_err(failed()))?;
        let named = H::of(&block);
        if named != *key {
            let offset = place.offset;
            self.problem(format!("{name}, byte {offset}: block {key} has the bytes of {named}"));
        }
        Some(())
    }

    /// Looks whether the block that a ref names is there.
    fn reference(&mut self, name: &str, hash: &H, recovery: &Recovery<H>) {
        let active = recovery.scan.places.get(hash).copied();
        let place = active.or_else(|| {
            recovery.runs.iter().find_map(|run| {
                match self.note(run.find(hash.as_bytes(), Read::Wait)) {
                    Some(Lookup::Found(place)) => Some(place),
                    _ => None,
                }
            })
        });
        match place.and_then(|place| Some((place, recovery.segments.get(&place.segment)?))) {
            Some((place, file)) => drop(self.block(&**file, hash, place)),
            None => self.problem(format!("{name} names block {hash}, which is not there")),
        }
    }
}
