//! Derived data: bytes under a name that can be made anew, such as the history index.
//!
//! They lie in files beside the log, which the manifest does not list; a directory that loses them has
//! lost nothing. Nothing of them is synced: after a crash a file may be as it was, cut off, or torn, and
//! its checksums tell. What is then found is served as far as it is sound, and never appended to: the
//! next time it is written anew. A file that is not what this process has left there is dropped.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::{Error, Hash, RefName, Result};

use crate::disk::{Access, Disk, read_whole};
use crate::error::PackError;
use crate::format::derived::{Extent, Sound, decode, encode, encode_part, file_name};
use crate::writer::active::random_salt;

/// What is written here becomes the file of a name when it is complete.
pub(crate) const DERIVED_NEW: &str = "derived.new";

/// The derived data of a directory. Every call may block.
#[derive(Debug)]
pub(crate) struct Derived {
    disk: Arc<dyn Disk>,
    /// Another process writes them, so a file is whatever it is.
    of_others: bool,
    /// Held while a file is read or written, so that one that appends knows where.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// What this process has found or left, by the names of the files.
    known: HashMap<String, Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing, or nothing that counts.
    Nothing,
    /// It goes on where this ends.
    Whole(Extent),
    /// What follows this does not count.
    Torn(Extent),
}

impl Derived {
    /// The most bytes of a file.
    const FILE_BYTES_MAX: u64 = 1 << 30;
    /// The data of so many names are kept by one process; those of any more are not.
    const NAMES_MAX: usize = 1024;

    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, of_others: false, state: Mutex::default() }
    }

    /// Returns the derived data of a directory that is only read.
    pub(crate) fn of_others(disk: Arc<dyn Disk>) -> Self {
        Self { disk, of_others: true, state: Mutex::default() }
    }

    /// Reads and writes nothing any more.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    pub(crate) fn load<H: Hash>(&self, name: &RefName) -> Result<Option<Bytes>> {
        let mut state = self.open_state()?;
        let data = self.read::<H>(&mut state, name)?;
        Ok(data.map(Bytes::from))
    }

    pub(crate) fn append<H: Hash>(&self, name: &RefName, at: u64, bytes: &[u8]) -> Result<bool> {
        let mut state = self.open_state()?;
        let file = file_name::<H>(name);
        if !state.known.contains_key(&file) {
            self.read::<H>(&mut state, name)?;
        }
        let known = state.known.get(&file).copied().unwrap_or(Known::Nothing);
        let extent = known.extent();
        let length = extent.map_or(0, |extent| extent.length);
        let end = extent.map_or(0, |extent| extent.end);
        if at != length || end + bytes.len() as u64 > Self::FILE_BYTES_MAX {
            return Ok(false);
        }
        match known {
            Known::Whole(extent) => {
                let (part, after) = encode_part(extent, bytes);
                let written = self.disk.open(&file, Access::Write);
                let written = written.and_then(|file| file.write_all_at(&part, extent.end));
                let is_kept = self.kept(&file, written)?;
                let known = if is_kept { Known::Whole(after) } else { Known::Nothing };
                state.known.insert(file, known);
                Ok(is_kept)
            }
            Known::Torn(_) => {
                // It may be gone by now, and is not as long then.
                let Some(before) = self.read::<H>(&mut state, name)? else { return Ok(false) };
                self.write(&mut state, name, file, &[&before, bytes])
            }
            Known::Nothing => self.write(&mut state, name, file, &[bytes]),
        }
    }

    pub(crate) fn replace<H: Hash>(&self, name: &RefName, bytes: &[u8]) -> Result<bool> {
        let mut state = self.open_state()?;
        if bytes.len() as u64 > Self::FILE_BYTES_MAX / 2 {
            return Ok(false);
        }
        self.write(&mut state, name, file_name::<H>(name), &[bytes])
    }

    fn open_state(&self) -> Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.state.lock();
        if state.closed { Err(Error::closed()) } else { Ok(state) }
    }

    /// Reads the data of a name, and notes what was found. What is not what it was before, is dropped.
    fn read<H: Hash>(&self, state: &mut State, name: &RefName) -> Result<Option<Vec<u8>>> {
        let file = file_name::<H>(name);
        let before = state.known.get(&file).copied();
        if before == Some(Known::Nothing) {
            return Ok(None);
        }
        let read = self.disk.open(&file, Access::Read);
        let sound = match read.and_then(|file| read_whole(&*file, Self::FILE_BYTES_MAX)) {
            Ok(bytes) => decode(&bytes, name).ok(),
            Err(error) if is_lost(&error) => None,
            Err(error) => return Err(PackError::io(format!("read {file}"))(error).into()),
        };
        let found = sound.as_ref().map_or(Known::Nothing, Known::of);
        let same = before.is_none_or(|before| before == found);
        let room = state.known.len() < Self::NAMES_MAX && !self.of_others;
        if before.is_some() || room {
            let known = if same { found } else { Known::Nothing };
            state.known.insert(file, known);
        }
        Ok(sound.filter(|_| same).map(|sound| sound.data))
    }

    /// Puts a file of these parts in place of the one of this name.
    fn write(
        &self,
        state: &mut State,
        name: &RefName,
        file: String,
        parts: &[&[u8]],
    ) -> Result<bool> {
        if state.known.len() >= Self::NAMES_MAX && !state.known.contains_key(&file) {
            return Ok(false);
        }
        let (bytes, extent) = encode(name, random_salt(), parts);
        let written = self.disk.create(DERIVED_NEW);
        let written = written.and_then(|new| new.write_all_at(&bytes, 0));
        let is_kept =
            self.kept(&file, written.and_then(|()| self.disk.rename(DERIVED_NEW, &file)))?;
        state.known.insert(file, if is_kept { Known::Whole(extent) } else { Known::Nothing });
        Ok(is_kept)
    }

    /// Returns whether data were written to a file; removes what is left of them if they were not.
    fn kept(&self, file: &str, written: io::Result<()>) -> Result<bool> {
        let Err(error) = written else { return Ok(true) };
        for name in [file, DERIVED_NEW] {
            // What stays does not count.
            drop(self.disk.unlink(name));
        }
        let lost = is_lost(&error);
        let error = PackError::io(format!("write {file}"))(error);
        if lost || error.is_full() { Ok(false) } else { Err(error.into()) }
    }
}

impl Known {
    const fn of(sound: &Sound) -> Self {
        if sound.whole { Self::Whole(sound.extent) } else { Self::Torn(sound.extent) }
    }

    const fn extent(self) -> Option<Extent> {
        match self {
            Self::Nothing => None,
            Self::Whole(extent) | Self::Torn(extent) => Some(extent),
        }
    }
}

/// Returns whether a file is not there, or not what it has to be.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};

    matches!(error.kind(), NotFound | InvalidData | UnexpectedEof)
}
