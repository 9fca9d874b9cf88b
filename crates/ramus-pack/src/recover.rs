//! Opening a directory: what a crash left is put in order before anything is served.
//!
//! 1. The lock is taken. A second opening is refused, naming the process that holds it.
//! 2. Without a manifest the directory is made a repository, if it is empty (or was left so by a crash
//!    while it was being made).
//! 3. The files that the manifest lists are opened, and the active segment is [scanned](crate::scan).
//! 4. If acknowledged data are damaged (D > V), the directory is refused, or served as it is to be read.
//! 5. If it was closed, and the segment ends where the manifest says, it goes on there. The manifest
//!    says that it is in use before anything is written.
//! 6. Otherwise what is valid is *adopted*: what is not known to be durable is written again, all is
//!    synced, sealed, and a new segment begins. A segment that was recovered is never appended to. If the
//!    last user had durability `os`, changes that were seen may be lost, so a new incarnation of the change
//!    log begins.
//! 7. Where there is no room for that, it is served as it is, once that is durable; whoever writes seals the
//!    segment first.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use ramus_core::{Cursor, Error, ErrorKind, Hash, Incarnation, Result};
use ramus_watch::Log;

use crate::create::create;
use crate::derived::Derived;
use crate::disk::{Access, Disk, DiskFile, Locked, Pool, read_exact_at, read_whole, write_again};
use crate::error::{PackError, PackResult, ensure_numbers};
use crate::format::Fault;
use crate::format::change::RefChange;
use crate::format::files::{Table, decode_changes, decode_refs};
use crate::format::head::Head;
use crate::format::manifest::{FileEntry, FileKind, Manifest, State};
use crate::format::segment::SegmentHeader;
use crate::index::Index;
use crate::index::run::Run;
use crate::options::{Damaged, Settings};
use crate::scan::{Scan, scan};
use crate::shared::Shared;
use crate::writer::active::{Active, Ahead};
use crate::writer::core::{Core, Visible};
use crate::writer::files::{Files, HEAD, LOCK, MANIFEST, state};
use crate::writer::tail::Tail;

/// A directory that is open.
#[derive(Debug)]
pub(crate) struct Opened<H: Hash> {
    pub(crate) shared: Shared<H>,
    pub(crate) files: Files<H>,
}

/// The most bytes of a file of changes or refs of which no manifest tells how long it is.
#[cfg(not(test))]
pub(crate) const UNLISTED_FILE_MAX: u64 = 1 << 30;
#[cfg(test)]
pub(crate) const UNLISTED_FILE_MAX: u64 = 1 << 16;

/// Opens a directory, or makes it a repository.
pub(crate) fn open<H: Hash>(disk: Arc<dyn Disk>, settings: Settings) -> Result<Opened<H>> {
    let lock = lock(&*disk)?;
    let names = disk.list().map_err(PackError::io(format!("list {}", disk.place())))?;
    if !names.iter().any(|name| name == MANIFEST) {
        create::<H>(&*disk, &names, &settings)?;
    }
    let mut manifest = read_manifest(&*disk)?;
    check_hash::<H>(&*disk, &manifest)?;
    manifest.coding = manifest.coding.chosen(&settings.options)?;
    let settings = Settings { coding: manifest.coding, ..settings };
    let pool = Pool::new(disk, settings.options.open_files_max);
    Recovery::<H>::read(pool, manifest, Access::Write)?.finish(lock, settings)
}

/// Reads the manifest of a directory.
pub(crate) fn read_manifest(disk: &dyn Disk) -> PackResult<Manifest> {
    let failed = || PackError::io(format!("read {MANIFEST}"));
    let file = disk.open(MANIFEST, Access::Read).map_err(failed())?;
    let bytes = read_whole(&*file, Manifest::BYTES_MAX).map_err(failed())?;
    Manifest::decode(&bytes).map_err(PackError::fault(MANIFEST, 0))
}

pub(crate) fn lock(disk: &dyn Disk) -> Result<Locked> {
    held(disk, disk.lock(LOCK))
}

/// Takes the lock to look and change nothing; goes on without it where nothing may be written.
pub(crate) fn lock_to_look(disk: &dyn Disk) -> Result<Option<Locked>> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};

    match disk.lock(LOCK) {
        Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => Ok(None),
        locked => held(disk, locked).map(Some),
    }
}

/// Refuses a lock that somebody else holds, and names them.
fn held(disk: &dyn Disk, locked: io::Result<Locked>) -> Result<Locked> {
    let place = disk.place();
    let locked = locked.map_err(PackError::io(format!("lock {place}")))?;
    let Locked::Elsewhere(holder) = &locked else { return Ok(locked) };
    let holder = match holder {
        Some(id) if *id == std::process::id() => "this process".to_owned(),
        Some(id) => format!("process {id}"),
        None => "another process".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("{place} is open already, in {holder}; clone its handle, or close it first"),
    ))
}

pub(crate) fn check_hash<H: Hash>(disk: &dyn Disk, manifest: &Manifest) -> Result<()> {
    let (hash, key_length) = Manifest::of_hash::<H>();
    if (&manifest.hash, manifest.key_length) == (&hash, key_length) {
        return Ok(());
    }
    let (place, theirs) = (disk.place(), &manifest.hash);
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "the blocks of {place} are named by `{theirs}`, and `{hash}` was asked for; open it with a schema of that hash"
        ),
    ))
}

/// What was read of a directory.
pub(crate) struct Recovery<H: Hash> {
    disk: Arc<Pool>,
    manifest: Manifest,
    pub(crate) runs: Vec<Arc<Run>>,
    /// Each is opened when it is read; the active one, too.
    pub(crate) segments: HashMap<u32, Arc<dyn DiskFile>>,
    table: Table<H>,
    /// The place in the log of `table`.
    at: Cursor,
    changes: Vec<Arc<RefChange<H>>>,
    pub(crate) active: Arc<dyn DiskFile>,
    pub(crate) scan: Scan<H>,
    /// D.
    durable_end: u64,
}

impl<H: Hash> Recovery<H> {
    /// Reads it, and opens the active segment like this.
    pub(crate) fn read(disk: Arc<Pool>, manifest: Manifest, access: Access) -> PackResult<Self> {
        let mut runs = Vec::new();
        for file in manifest.files(FileKind::Index) {
            runs.push(Arc::new(Run::open(&*disk, file.number, H::LENGTH)?));
        }
        let mut segments = HashMap::new();
        for file in manifest.files(FileKind::Segment) {
            let opened = open_segment(file, |name| Ok(disk.file(name.to_owned())))?;
            segments.insert(file.number, opened);
        }
        let mut changes = Vec::new();
        for file in manifest.files(FileKind::Changes) {
            changes.extend(read_changes::<H>(&*disk, file, &manifest)?);
        }
        let refs = manifest.files(FileKind::Refs).next_back();
        let refs = refs.ok_or_else(|| {
            PackError::fault(MANIFEST, 0)(Fault::Damaged("it lists no file of the refs"))
        })?;
        let (table, at) = read_small(&*disk, refs, decode_refs::<H>)?;
        let name = FileKind::Segment.file_name(manifest.active);
        let active = disk.open(&name, access);
        let active = active.map_err(PackError::io(format!("open {name}")))?;
        let scan = scan::<H>(&*active, manifest.active)?;
        if (scan.header.after, at.incarnation) != (at, manifest.incarnation) {
            let fault = Fault::Damaged("it does not go on where the refs end");
            return Err(PackError::fault(&name, 0)(fault));
        }
        let head = read_head(&*disk, &scan.header)?;
        let durable_end = scan.evidence.max(manifest.durable_end).max(head);
        segments.insert(manifest.active, disk.opened(name, Arc::clone(&active)));
        Ok(Self { disk, manifest, runs, segments, table, at, changes, active, scan, durable_end })
    }

    fn finish(self, lock: Locked, settings: Settings) -> Result<Opened<H>> {
        let damage = self.damage();
        if let Some(damage) = &damage
            && settings.options.damaged == Damaged::Refuse
        {
            let place = self.disk.place();
            return Err(damage.clone().context(format!(
                "the log of {place} is damaged: data that were acknowledged cannot be read; it can be opened with `damaged=read`, as it was before, and `ramus_pack::repair` keeps what is sound"
            )));
        }
        let visible = self.visible(settings.log_changes)?;
        let head = self.disk.open(HEAD, Access::Write).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => self.disk.create(HEAD),
            _ => Err(error),
        });
        let head = head.map_err(PackError::io(format!("open {HEAD}")))?;
        let Self { disk, manifest, runs, segments, active, scan, durable_end, .. } = self;
        let highest = disk.list().map_err(PackError::io(format!("list {}", disk.place())))?;
        let highest = highest.iter().filter_map(|name| FileKind::of_file_name(name));
        let highest = highest.map(|(_, number)| number).max().unwrap_or(0);
        let next_file = manifest.next_file.max(highest.saturating_add(1));
        if damage.is_none() {
            ensure_numbers(next_file)?;
        }
        let goes_on = manifest.state == State::Closed
            && scan.end == manifest.durable_end
            && scan.zeros_follow;
        let place = disk.place();
        let active = Active {
            header: scan.header,
            file: active,
            end: scan.end,
            zeros_end: if goes_on { scan.size.max(scan.end) } else { scan.end },
            ahead: Ahead::new(&settings),
            durable_end: if goes_on { scan.end } else { 0 },
            next_batch: scan.next_batch,
            chain: scan.chain,
        };
        let (changes, is_as_found) = (scan.changes.iter().collect(), false);
        let mut files = Files { disk, lock, head, manifest, active, changes, is_as_found };
        let index = Index::new(scan.places, runs, segments);
        let tail = Tail::new(files.active.header.number, files.active.end, files.active.next_batch);
        let core = Core::new(tail, &visible);
        let derived = Derived::new(files.disk());
        let shared = Shared::new(settings, place, index, core, visible, next_file, derived);
        if let Some(damage) = damage {
            shared.core.lock().failed = Some(damage);
            shared.core.lock().read_only = true;
            return Ok(Opened { shared, files });
        }
        if !goes_on {
            // Another sync may pass over what one that failed has left in memory alone.
            let Active { file, end, .. } = &files.active;
            let written = write_again(&**file, durable_end, *end);
            written.map_err(PackError::io(format!("write {}", files.active.name())))?;
        }
        match if goes_on { go_on(&shared, &mut files) } else { adopt(&shared, &mut files) } {
            Err(error) if error.is_full() => wait_for_room(&shared, &mut files),
            settled => settled?,
        }
        Ok(Opened { shared, files })
    }

    /// Returns what is wrong, if acknowledged data are damaged.
    pub(crate) fn damage(&self) -> Option<Error> {
        (self.durable_end > self.scan.end).then(|| Error::from(self.scan.damage()))
    }

    /// Returns the refs and the log after everything that is valid.
    pub(crate) fn visible(&self, capacity: usize) -> Result<Visible<H>> {
        let changes = self.changes.iter().chain(&self.scan.changes);
        let oldest = changes
            .clone()
            .next()
            .map_or(self.at, |first| Cursor { sequence: first.previous, ..self.at });
        let mut log = Log::resume(oldest, capacity);
        for change in changes {
            log.push(Arc::clone(change))?;
        }
        let mut table = self.table.clone();
        for key in self.scan.changes.iter().flat_map(|change| &change.keys) {
            match key.new {
                Some(value) => table.insert_mut(key.key.clone(), value),
                None => drop(table.remove_mut(&key.key)),
            }
        }
        let os = self.manifest.state == State::InUseOs;
        if os && self.durable_end <= self.scan.end {
            // Later changes may have been seen.
            let incarnation = Incarnation::random();
            log = Log::resume(Cursor { incarnation, ..log.end() }, capacity);
        }
        Ok(Visible { table, log })
    }
}

/// Goes on with a segment that was closed.
fn go_on<H: Hash>(shared: &Shared<H>, files: &mut Files<H>) -> PackResult<()> {
    let state = state(&shared.settings);
    files.write_manifest(Manifest { state, ..files.manifest.clone() })?;
    files.remove_strays(&shared.building);
    Ok(())
}

/// Seals the segment that was recovered, and begins another.
fn adopt<H: Hash>(shared: &Shared<H>, files: &mut Files<H>) -> PackResult<()> {
    let next = leave_segment(shared);
    // It syncs the segment before anything else.
    files.begin_segment(shared, next)
}

/// Lets the next batch belong to another segment, whose number is returned, and which is not there yet.
fn leave_segment<H: Hash>(shared: &Shared<H>) -> u32 {
    shared.index.rotate();
    let next = shared.next_file();
    shared.begin_segment(&mut shared.core.lock(), next);
    next
}

/// Leaves the directory as it is, so that it can be read: whoever writes next seals the segment first, and is
/// told if there is still no room.
fn wait_for_room<H: Hash>(shared: &Shared<H>, files: &mut Files<H>) {
    files.is_as_found = true;
    let active = files.active.header.number;
    let mut core = shared.core.lock();
    core.full = true;
    if core.tail.segment() == active {
        drop(core);
        leave_segment(shared);
    }
}

/// Opens a segment, and refuses one that is shorter than the manifest says.
pub(crate) fn open_segment(
    entry: &FileEntry,
    open: impl FnOnce(&str) -> io::Result<Arc<dyn DiskFile>>,
) -> PackResult<Arc<dyn DiskFile>> {
    let name = entry.name();
    let failed = || PackError::io(format!("open {name}"));
    let file = open(&name).map_err(failed())?;
    let size = file.size().map_err(failed())?;
    if size < entry.length {
        return Err(PackError::fault(&name, size)(Fault::Damaged("it ends too early")));
    }
    Ok(file)
}

/// Reads a file of changes, and looks whether it has those that the manifest says.
pub(crate) fn read_changes<H: Hash>(
    disk: &dyn Disk,
    entry: &FileEntry,
    manifest: &Manifest,
) -> PackResult<Vec<Arc<RefChange<H>>>> {
    let changes = read_small(disk, entry, decode_changes::<H>)?;
    let spans = match (changes.first(), changes.last()) {
        (Some(first), Some(last)) => (first.cursor.sequence, last.cursor.sequence),
        _ => (0, 0),
    };
    let is_of_log = changes.iter().all(|change| change.cursor.incarnation == manifest.incarnation);
    if spans != (entry.first, entry.last) || !is_of_log {
        let fault = Fault::Damaged("it has the changes of another file");
        return Err(PackError::fault(&entry.name(), 0)(fault));
    }
    Ok(changes)
}

/// Reads a file of changes or refs, which is as long as its entry says, or shorter.
pub(crate) fn read_small<T>(
    disk: &dyn Disk,
    entry: &FileEntry,
    decode: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> PackResult<T> {
    let name = entry.name();
    let failed = || PackError::io(format!("read {name}"));
    let file = disk.open(&name, Access::Read).map_err(failed())?;
    let bytes = read_whole(&*file, entry.length).map_err(failed())?;
    decode(&bytes).map_err(PackError::fault(&name, 0))
}

/// Returns how far `head` says that the segment is durable; 0 if it does not say.
pub(crate) fn read_head(disk: &dyn Disk, segment: &SegmentHeader) -> PackResult<u64> {
    let ours = (segment.number, segment.salt);
    let head = find_head(disk)?.filter(|head| (head.segment, head.salt) == ours);
    Ok(head.map_or(0, |head| head.durable_end))
}

/// Returns what `head` says, if it is there and sound.
///
/// One that cannot be read now is no lost one: it may be all that tells of data that were acknowledged.
pub(crate) fn find_head(disk: &dyn Disk) -> PackResult<Option<Head>> {
    let mut bytes = [0; Head::LENGTH];
    let read = disk.open(HEAD, Access::Read).and_then(|file| read_exact_at(&*file, &mut bytes, 0));
    match read {
        Ok(()) => Ok(Head::decode(&bytes).ok()),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) =>
        {
            Ok(None)
        }
        Err(error) => Err(PackError::io(format!("read {HEAD}"))(error)),
    }
}
