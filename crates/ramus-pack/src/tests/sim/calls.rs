//! What is asked of the disk, and of its files.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{HELD_MAX, Op, Open, SimDisk, State};
use crate::disk::{Access, Disk, DiskFile, Guard, Locked, REPORT};

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
    open: Arc<Open>,
}

impl SimFile {
    fn new(disk: &SimDisk, file: usize, state: &State) -> Arc<Self> {
        let open = Arc::clone(&state.open);
        let now = 1 + open.now.fetch_add(1, Ordering::SeqCst);
        open.most.fetch_max(now, Ordering::SeqCst);
        Arc::new(Self { disk: disk.clone(), file, open })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.open.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Disk for SimDisk {
    fn place(&self) -> String {
        "the disk".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.ensure_opens()?;
        // One that is there already is cut off, and stays the same file: a name that comes from it later
        // never shows what it held before.
        let file = state.names.get(name).copied().unwrap_or(state.files.len());
        self.act(&mut state, || Op::Create { name: name.to_owned(), file })?;
        if file == state.files.len() {
            state.files.push(Vec::new());
            state.names.insert(name.to_owned(), file);
        } else {
            state.files[file].clear();
        }
        Ok(SimFile::new(self, file, &state))
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.ensure_opens()?;
        state.read()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(SimFile::new(self, file, &state))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        self.act(&mut state, || Op::Rename { from: from.to_owned(), to: to.to_owned() })?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        self.act(&mut state, || Op::Unlink { name: name.to_owned() })?;
        state.names.remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn set_aside(&self, names: &[String], directory: &str, report: &str) -> io::Result<()> {
        for name in names {
            let mut state = self.0.lock();
            let to = format!("{directory}/{name}");
            let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            self.act(&mut state, || Op::Link { to: to.clone(), file })?;
            state.names.insert(to, file);
        }
        let file = self.create(&format!("{directory}/{REPORT}"))?;
        file.write_all_at(report.as_bytes(), 0)?;
        file.sync()?;
        self.sync()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.ensure_opens()?;
        state.read()?;
        let first = |name: &String| name.split('/').next().unwrap_or_default().to_owned();
        let names: BTreeSet<_> = state.names.keys().map(first).collect();
        Ok(names.into_iter().collect())
    }

    fn sync(&self) -> io::Result<()> {
        self.act(&mut self.0.lock(), || Op::SyncDirectory)
    }

    fn sync_own_name(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        self.act(&mut state, || Op::SyncOwnName)?;
        state.own_name_syncs += 1;
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Locked> {
        let mut state = self.0.lock();
        if state.locked {
            return Ok(Locked::Elsewhere(Some(7)));
        }
        state.locked = true;
        Ok(Locked::Held(Box::new(SimLock(self.clone()))))
    }
}

#[derive(Debug)]
struct SimLock(SimDisk);

impl Guard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if state.kills == self.0.2 {
            state.locked = false;
        }
    }
}

impl SimFile {
    /// Waits while reads are held, and records the read.
    fn wait_to_read(&self, offset: u64) {
        let mut state = self.disk.0.lock();
        let is_segment = state.is_named(self.file, ".segment");
        if !is_segment || state.reads_done.is_none() {
            return;
        }
        state.reading += 1;
        while state.held_reads_but == Some(0) {
            // A test that fails before it releases it has to end.
            if self.disk.1.wait_for(&mut state, HELD_MAX).timed_out() {
                break;
            }
        }
        state.held_reads_but = state.held_reads_but.map(|reads| reads.saturating_sub(1));
        state.reading -= 1;
        state.reads_done.get_or_insert_default().push((self.file, offset));
        let panics = std::mem::take(&mut state.read_panics);
        drop(state);
        assert!(!panics, "a read panics, as it was asked to");
    }

    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        state.read()?;
        let end = offset + buffer.len() as u64;
        let is_broken = |(file, sectors): &(usize, Range<u64>)| {
            *file == self.file && sectors.start < end && offset < sectors.end
        };
        if state.unreadable.iter().any(is_broken) {
            const EIO: i32 = 5;
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let bytes = &state.files[self.file];
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let length = buffer.len().min(bytes.len() - start);
        buffer[..length].copy_from_slice(&bytes[start..start + length]);
        Ok(length)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.wait_to_read(offset);
        self.read_some(buffer, offset)
    }

    fn read_now(&self, buffer: &mut [u8], offset: u64) -> bool {
        // Every other place is in memory.
        offset.is_multiple_of(16) && self.read_some(buffer, offset).is_ok_and(|n| n == buffer.len())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let (file, offset) = (self.file, usize::try_from(offset).unwrap());
        let has_room = state.files[file].len();
        if state.is_full(file) && state.kills == self.disk.2 && offset + bytes.len() > has_room {
            let fits = &bytes[..has_room.saturating_sub(offset)];
            let op = || Op::Write { file, offset, bytes: fits.to_vec() };
            self.disk.act(&mut state, op)?;
            if !fits.is_empty() {
                write(&mut state.files[file], offset, fits);
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        let done = self.disk.act(&mut state, || Op::Write { file, offset, bytes: bytes.to_vec() });
        if state.kills != self.disk.2 {
            return done;
        }
        // A write that fails may have written some of it.
        let length = if done.is_ok() { bytes.len() } else { bytes.len() / 2 };
        write(&mut state.files[file], offset, &bytes[..length]);
        done
    }

    fn sync(&self) -> io::Result<()> {
        let (file, mut state) = (self.file, self.disk.0.lock());
        if state.is_held(file) {
            state.syncing += 1;
            self.disk.1.notify_all();
            while state.is_held(file) {
                // A test that fails before it releases it has to end.
                if self.disk.1.wait_for(&mut state, HELD_MAX).timed_out() {
                    break;
                }
            }
            state.syncing -= 1;
        }
        self.disk.act(&mut state, || Op::SyncFile { file })
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.0.lock();
        state.read()?;
        Ok(state.files[self.file].len() as u64)
    }
}

pub(super) fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}
