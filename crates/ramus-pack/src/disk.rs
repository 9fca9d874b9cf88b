//! What the backend asks of a file system: one flat directory, and files that are read and written by
//! place.
//!
//! It is a seam of its own so that tests can record what is done, in which order, and build every
//! state that a crash may leave. Nothing above it touches the file system.
//!
//! # What is relied on
//!
//! - What was written to a file is there after a crash if [`sync`](DiskFile::sync) returned after it;
//!   otherwise each sector of 512 bytes may be there or not, and a file may have its new size without
//!   its new bytes.
//! - A name that was made, renamed or removed is so after a crash if [`Disk::sync`] returned after it.
//! - A rename puts the new file in place of the old one at once.
//! - After a sync that failed nothing is relied on.

#[cfg(target_os = "linux")]
mod notify;
mod pool;
mod real;

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use pool::Pool;
pub(crate) use real::RealDisk;

/// The file that says why files were set aside.
pub(crate) const REPORT: &str = "report.txt";

/// A directory of files. Every call may block.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Returns what messages call the directory.
    fn place(&self) -> String;

    /// Makes an empty file, in place of one that has the name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file to be read and, if so said, written.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of the file that has that.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; who has the file open goes on with it.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Gives files a second name in a directory below, which is not there yet, puts a [`REPORT`] beside them,
    /// and makes that durable. Where a file cannot have two names it is copied.
    fn set_aside(&self, names: &[String], directory: &str, report: &str) -> io::Result<()>;

    /// Returns the names of all files, and of the directories below.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes durable which names there are.
    fn sync(&self) -> io::Result<()>;

    /// Makes durable that the directory itself is there.
    fn sync_own_name(&self) -> io::Result<()>;

    /// Takes the lock of this name, and writes this process there.
    fn lock(&self, name: &str) -> io::Result<Locked>;

    /// Returns what tells that something in the directory changes; nothing if nobody can.
    fn notifier(&self) -> Option<Box<dyn Notifier>> {
        None
    }
}

/// Writes methods of a [`Disk`] that do what the field `disk` does.
macro_rules! forward_disk {
    ($($method:ident)*) => { $($crate::disk::forward_disk!(@$method);)* };
    (@place) => {
        fn place(&self) -> String {
            self.disk.place()
        }
    };
    (@create) => {
        fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            self.disk.create(name)
        }
    };
    (@rename) => {
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.disk.rename(from, to)
        }
    };
    (@unlink) => {
        fn unlink(&self, name: &str) -> io::Result<()> {
            self.disk.unlink(name)
        }
    };
    (@set_aside) => {
        fn set_aside(&self, names: &[String], directory: &str, report: &str) -> io::Result<()> {
            self.disk.set_aside(names, directory, report)
        }
    };
    (@list) => {
        fn list(&self) -> io::Result<Vec<String>> {
            self.disk.list()
        }
    };
    (@sync) => {
        fn sync(&self) -> io::Result<()> {
            self.disk.sync()
        }
    };
    (@sync_own_name) => {
        fn sync_own_name(&self) -> io::Result<()> {
            self.disk.sync_own_name()
        }
    };
    (@lock) => {
        fn lock(&self, name: &str) -> io::Result<Locked> {
            self.disk.lock(name)
        }
    };
}

pub(crate) use forward_disk;

/// Tells that something in a directory may have changed. It may miss what other machines do there.
pub(crate) trait Notifier: Debug + Send + Sync {
    /// Waits until something has changed since `clear`, or `stop` was called, or the time is over.
    fn wait(&self, timeout: Duration);

    /// Forgets what has changed up to now.
    fn clear(&self);

    /// Ends every wait from now on.
    fn stop(&self);
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What came of taking a lock.
#[derive(Debug)]
pub(crate) enum Locked {
    /// It is held until the guard is dropped.
    Held(#[expect(dead_code, reason = "the guard is kept for its drop")] Box<dyn Guard>),
    /// Somebody else holds it: the process of this number, if it could be read.
    Elsewhere(Option<u32>),
}

/// Holds a lock until it is dropped.
pub(crate) trait Guard: Any + Debug + Send + Sync {}

/// A file that is open.
pub(crate) trait DiskFile: Debug + Send + Sync + 'static {
    /// Reads some bytes from this place, and returns how many; none at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer from this place if that needs no waiting; returns whether it did.
    fn read_now(&self, buffer: &mut [u8], offset: u64) -> bool;

    /// Writes all of the bytes at this place.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes durable what was written, and as much of the size as reading it needs.
    fn sync(&self) -> io::Result<()>;

    /// Returns the size, in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// Writes what a file has from `from` to `end` again, as it is. A sync that failed may have left it in memory
/// alone: Linux takes pages that it could not write for clean, and the next sync passes over them (Rebello and
/// others, "Can Applications Recover from fsync Failures?", 2020).
pub(crate) fn write_again(file: &dyn DiskFile, from: u64, end: u64) -> io::Result<()> {
    /// So many bytes are written at once.
    const PART: usize = 1 << 20;
    let mut bytes = vec![0; PART];
    let mut at = from;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(PART).min(PART);
        read_exact_at(file, &mut bytes[..length], at)?;
        file.write_all_at(&bytes[..length], at)?;
        at += length as u64;
    }
    Ok(())
}

/// Fills the buffer from this place.
///
/// # Errors
///
/// `UnexpectedEof` where the file ends before.
pub(crate) fn read_exact_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a whole file, of at most so many bytes.
pub(crate) fn read_whole(file: &dyn DiskFile, size_max: u64) -> io::Result<Vec<u8>> {
    let size = file.size()?;
    if size > size_max {
        let message = format!("it has {size} bytes, and at most {size_max} are read");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let length = usize::try_from(size).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    read_exact_at(file, &mut bytes, 0)?;
    Ok(bytes)
}
