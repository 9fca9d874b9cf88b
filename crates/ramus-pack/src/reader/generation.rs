use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use ramus_core::{Cursor, Error, Hash, RefName, Result};
use ramus_watch::Log;

use crate::disk::{Access, Disk, DiskFile};
use crate::error::{PackError, PackResult};
use crate::format::Fault;
use crate::format::change::RefChange;
use crate::format::files::{Table, decode_refs};
use crate::format::manifest::{FileKind, Manifest, State};
use crate::index::run::Run;
use crate::recover::{open_segment, read_changes, read_head, read_manifest, read_small};
use crate::scan::Scan;
use crate::shared::Shared;
use crate::writer::core::Visible;
use crate::writer::files::MANIFEST;

/// The files of one generation of the manifest, and how far its active segment was read.
#[derive(Debug)]
pub(super) struct Generation<H: Hash> {
    disk: Arc<dyn Disk>,
    manifest: Manifest,
    pub(super) files: Opened,
    active: Arc<dyn DiskFile>,
    scan: Scan<H>,
    /// How far the active segment is known to be durable.
    durable_end: u64,
}

/// The runs and the segments of a manifest, the active one included.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) segments: HashMap<u32, Arc<dyn DiskFile>>,
}

/// What is visible where the active segment begins.
#[derive(Debug)]
pub(super) struct Begin<H: Hash> {
    table: Table<H>,
    at: Cursor,
    /// Those that the log keeps; or those that follow what is visible.
    changes: Vec<Arc<RefChange<H>>>,
}

/// What another manifest means.
enum Next<H: Hash> {
    /// The same segment is written; other files changed.
    Files(Manifest, Opened),
    /// Another segment is written. The changes follow what is visible, if so said.
    Segment(Box<Generation<H>>, Begin<H>, bool),
}

impl<H: Hash> Generation<H> {
    pub(super) fn open(disk: &Arc<dyn Disk>, manifest: Manifest) -> PackResult<(Self, Begin<H>)> {
        newest(disk, manifest, |manifest| {
            let files = Opened::default().of(&**disk, manifest, H::LENGTH)?;
            Self::begin(disk, manifest, files, None)
        })
    }

    /// Opens the active segment, and reads what is visible where it begins; of the changes those after a
    /// place.
    fn begin(
        disk: &Arc<dyn Disk>,
        manifest: &Manifest,
        mut files: Opened,
        after: Option<Cursor>,
    ) -> PackResult<(Self, Begin<H>)> {
        let after = after.map_or(0, |after| after.sequence);
        let mut changes: Vec<Arc<RefChange<H>>> = Vec::new();
        for file in manifest.files(FileKind::Changes).filter(|file| file.last > after) {
            changes.extend(read_changes::<H>(&**disk, file, manifest)?);
        }
        changes.retain(|change| change.cursor.sequence > after);
        let refs = manifest.files(FileKind::Refs).next_back();
        let none = Fault::Damaged("it lists no file of the refs");
        let refs = refs.ok_or_else(|| PackError::fault(MANIFEST, 0)(none))?;
        let (table, at) = read_small(&**disk, refs, decode_refs::<H>)?;
        let name = FileKind::Segment.file_name(manifest.active);
        let active = disk.open(&name, Access::Read);
        let active = active.map_err(PackError::io(format!("open {name}")))?;
        let mut scan = Scan::begin(&*active, manifest.active)?;
        scan.look_beyond(&*active).map_err(PackError::io(format!("read {name}")))?;
        if (scan.header.after, at.incarnation) != (at, manifest.incarnation) {
            let fault = Fault::Damaged("it does not go on where the refs end");
            return Err(PackError::fault(&name, 0)(fault));
        }
        files.segments.insert(manifest.active, Arc::clone(&active));
        let durable_end = manifest.durable_end.max(scan.evidence);
        let (disk, manifest) = (Arc::clone(disk), manifest.clone());
        let generation = Self { disk, manifest, files, active, scan, durable_end };
        Ok((generation, Begin { table, at, changes }))
    }

    /// Shows what is new; returns whether anything is.
    pub(super) fn follow(&mut self, shared: &Shared<H>) -> Result<bool> {
        let switched = self.switch(shared)?;
        Ok(self.advance(shared)? || switched)
    }

    /// Goes over to the files of another manifest, if there is one; returns whether anything is new.
    ///
    /// The files of another manifest may lack what a collection removed, and what is visible here may
    /// still name that. So first the log is read on, at least as far as the collection knew it: all files
    /// of before are open until what is visible names nothing that the new ones lack.
    fn switch(&mut self, shared: &Shared<H>) -> Result<bool> {
        if peek_generation(&*self.disk)? == Some(self.manifest.generation) {
            return Ok(false);
        }
        let end = shared.visible.lock().log.end();
        let manifest = read_manifest(&*self.disk)?;
        match newest(&self.disk, manifest, |manifest| self.next(manifest, end))? {
            Next::Files(manifest, mut files) => {
                self.durable_end = self.durable_end.max(manifest.durable_end);
                let advanced = self.advance_in(manifest.state, shared)?;
                files.segments.insert(manifest.active, Arc::clone(&self.active));
                (self.manifest, self.files) = (manifest, files);
                self.use_files(shared);
                Ok(advanced)
            }
            Next::Segment(mut next, begin, follows) => {
                next.read_on(next.manifest.state)?;
                self.go_over(&mut next, begin, follows, shared)?;
                *self = *next;
                self.use_files(shared);
                Ok(true)
            }
        }
    }

    /// Shows what another segment goes on with: the blocks first, beside all that were there before.
    fn go_over(
        &self,
        next: &mut Self,
        begin: Begin<H>,
        follows: bool,
        shared: &Shared<H>,
    ) -> Result<()> {
        let Opened { runs, segments } = self.files.beside(&next.files);
        shared.index.replace(runs, segments);
        shared.index.rotate();
        shared.index.extend(std::mem::take(&mut next.scan.places));
        let mut visible = shared.visible.lock();
        if follows {
            for change in begin.changes {
                visible.log.push(change)?;
            }
            visible.table = begin.table;
        } else {
            *visible = begin.visible(shared.settings.log_changes)?;
        }
        for change in std::mem::take(&mut next.scan.changes) {
            visible.push(&change)?;
        }
        Ok(())
    }

    /// Looks for blocks in the files of this generation, and in no others.
    fn use_files(&self, shared: &Shared<H>) {
        let Opened { runs, segments } = self.files.clone();
        shared.forget(&[]);
        shared.index.replace(runs, segments);
    }

    /// Opens what a manifest lists, but for what is open.
    fn next(&self, manifest: &Manifest, end: Cursor) -> PackResult<Next<H>> {
        let files = self.files.of(&*self.disk, manifest, H::LENGTH)?;
        if manifest.active == self.manifest.active {
            return Ok(Next::Files(manifest.clone(), files));
        }
        let (next, begin) = Self::begin(&self.disk, manifest, files.clone(), Some(end))?;
        if begin.follows(end) {
            return Ok(Next::Segment(Box::new(next), begin, true));
        }
        // Another log, or one that was cut off after what is visible.
        let (next, begin) = Self::begin(&self.disk, manifest, files, None)?;
        Ok(Next::Segment(Box::new(next), begin, false))
    }

    /// Reads the active segment on, and shows it as far as that may be.
    fn advance(&mut self, shared: &Shared<H>) -> Result<bool> {
        self.advance_in(self.manifest.state, shared)
    }

    fn advance_in(&mut self, state: State, shared: &Shared<H>) -> Result<bool> {
        let before = self.scan.end;
        let read = self.read_on(state);
        // What is sound is shown, also before damage.
        shared.index.extend(std::mem::take(&mut self.scan.places));
        {
            let mut visible = shared.visible.lock();
            for change in std::mem::take(&mut self.scan.changes) {
                visible.push(&change)?;
            }
        }
        read.map(|()| self.scan.end > before)
    }

    /// Reads the active segment on, as far as it may be shown.
    fn read_on(&mut self, state: State) -> Result<()> {
        let head = read_head(&*self.disk, &self.scan.header)?;
        self.durable_end = self.durable_end.max(head);
        let limit = match state {
            State::InUseOs => u64::MAX,
            State::InUseSync | State::Closed => self.durable_end,
        };
        self.scan.advance(&*self.active, limit)?;
        if self.scan.end < self.durable_end {
            let place = self.disk.place();
            return Err(Error::from(self.scan.damage()).context(format!(
                "the log of {place} is damaged: data that were acknowledged cannot be read"
            )));
        }
        Ok(())
    }
}

impl Opened {
    /// Opens the runs and the sealed segments of a manifest, but for those that are open here.
    fn of(&self, disk: &dyn Disk, manifest: &Manifest, key_length: usize) -> PackResult<Self> {
        let run = |number| match self.runs.iter().find(|run| run.number == number) {
            Some(run) => Ok(Arc::clone(run)),
            None => Run::open(disk, number, key_length).map(Arc::new),
        };
        let runs = manifest.files(FileKind::Index).map(|file| run(file.number));
        let runs = runs.collect::<PackResult<_>>()?;
        let segments = manifest.files(FileKind::Segment).map(|file| {
            let open = self.segments.get(&file.number).map(Arc::clone);
            Ok((
                file.number,
                open.map_or_else(|| open_segment(file, |name| disk.open(name, Access::Read)), Ok)?,
            ))
        });
        Ok(Self { runs, segments: segments.collect::<PackResult<_>>()? })
    }

    /// Returns these files together with newer ones.
    fn beside(&self, newer: &Self) -> Self {
        let is_older = |run: &&Arc<Run>| newer.runs.iter().all(|newer| newer.number != run.number);
        let runs = newer.runs.iter().chain(self.runs.iter().filter(is_older));
        let runs = runs.cloned().collect();
        let segments = self.segments.iter().chain(&newer.segments);
        let segments = segments.map(|(number, file)| (*number, Arc::clone(file))).collect();
        Self { runs, segments }
    }
}

impl<H: Hash> Begin<H> {
    /// Returns whether the changes go on where the log ends.
    fn follows(&self, end: Cursor) -> bool {
        Cursor { sequence: self.before(), ..self.at } == end
    }

    /// Returns the sequence before the changes.
    fn before(&self) -> u64 {
        self.changes.first().map_or(self.at.sequence, |first| first.previous)
    }

    pub(super) fn visible(self, capacity: usize) -> Result<Visible<H>> {
        let oldest = Cursor { sequence: self.before(), ..self.at };
        let mut log = Log::<RefName, H>::resume(oldest, capacity);
        for change in self.changes {
            log.push(change)?;
        }
        Ok(Visible { table: self.table, log })
    }
}

/// Opens the files of a manifest, or of a newer one if they are gone.
pub(crate) fn newest<T>(
    disk: &Arc<dyn Disk>,
    mut manifest: Manifest,
    open: impl Fn(&Manifest) -> PackResult<T>,
) -> PackResult<T> {
    /// How often a manifest is read again because its files were replaced meanwhile.
    const TRIES: usize = 100;
    for _ in 1..TRIES {
        match open(&manifest) {
            Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => {
                let newer = read_manifest(&**disk)?;
                if newer.generation == manifest.generation {
                    return Err(error);
                }
                manifest = newer;
            }
            opened => return opened,
        }
    }
    open(&manifest)
}

/// Returns the generation that the manifest says, without a look at the rest.
pub(crate) fn peek_generation(disk: &dyn Disk) -> PackResult<Option<u64>> {
    let failed = || PackError::io(format!("read {MANIFEST}"));
    let file = disk.open(MANIFEST, Access::Read).map_err(failed())?;
    let mut bytes = [0; Manifest::PEEK_BYTES];
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    Ok(Manifest::generation_of(&bytes[..length]))
}
