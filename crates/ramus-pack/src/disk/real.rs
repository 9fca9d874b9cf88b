use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use super::Notifier;
#[cfg(target_os = "linux")]
use super::notify::Inotify;
use super::{Access, Disk, DiskFile, Guard, Locked, REPORT};

/// A directory of the operating system.
#[derive(Debug)]
pub(crate) struct RealDisk {
    directory: PathBuf,
    /// The directory itself, if it is written: kept open, so that a sync of it needs no file.
    handle: Option<File>,
}

#[derive(Debug)]
struct RealFile(File);

impl RealDisk {
    /// Returns the directory at this path, which is made if it is not there.
    pub(crate) fn open_or_create(path: &Path) -> io::Result<Self> {
        let missing: Vec<_> = path.ancestors().take_while(|above| !above.exists()).collect();
        for directory in missing.into_iter().rev().filter(|above| !above.as_os_str().is_empty()) {
            match fs::create_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            // The name of a directory is durable once the one above it is synced.
            let above = directory.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(Self { directory: path.to_owned(), handle: Some(File::open(path)?) })
    }

    /// Returns the directory at this path, which may be absent.
    pub(crate) fn at(path: &Path) -> Self {
        Self { directory: path.to_owned(), handle: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Disk for RealDisk {
    fn place(&self) -> String {
        self.directory.display().to_string()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(RealFile(file.open(self.path(name))?)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = File::options();
        let file = options.read(true).write(access == Access::Write);
        Ok(Arc::new(RealFile(file.open(self.path(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn set_aside(&self, names: &[String], directory: &str, report: &str) -> io::Result<()> {
        let below = self.path(directory);
        fs::create_dir(&below)?;
        for name in names {
            let (from, to) = (self.path(name), below.join(name));
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to)?;
                File::open(&to)?.sync_all()?;
            }
        }
        let mut file = File::create(below.join(REPORT))?;
        file.write_all(report.as_bytes())?;
        file.sync_all()?;
        File::open(&below)?.sync_all()?;
        self.sync()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.directory)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync(&self) -> io::Result<()> {
        match &self.handle {
            Some(directory) => directory.sync_all(),
            None => File::open(&self.directory)?.sync_all(),
        }
    }

    fn sync_own_name(&self) -> io::Result<()> {
        let directory = fs::canonicalize(&self.directory)?;
        let Some(above) = directory.parent() else { return Ok(()) };
        match File::open(above) {
            // Who must not look into it cannot sync it either, and has not made the directory.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            opened => opened?.sync_all(),
        }
    }

    fn lock(&self, name: &str) -> io::Result<Locked> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        let mut file = match file.open(self.path(name)) {
            Ok(file) => file,
            // Whoever may write there may hold it all the same.
            Err(error) => return held_elsewhere(&self.path(name)).ok_or(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Locked::Elsewhere(holder(&file))),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        // It is for who is refused, who is told nothing if there was no room for it.
        drop(writeln!(file, "{}", std::process::id()));
        Ok(Locked::Held(Box::new(RealLock(file))))
    }

    #[cfg(target_os = "linux")]
    fn notifier(&self) -> Option<Box<dyn Notifier>> {
        // There may be too many of them, or the file system does not know this.
        Some(Box::new(Inotify::of(&self.directory).ok()?))
    }
}

/// Returns who holds the lock in this file, which cannot be written, if anybody does.
fn held_elsewhere(path: &Path) -> Option<Locked> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(Locked::Elsewhere(holder(&file))),
        _ => None,
    }
}

/// Returns the process that is named in a lock file.
fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Closing the file gives the lock back.
#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "the file is kept open for its lock")] File);

impl Guard for RealLock {}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_now(&self, buffer: &mut [u8], offset: u64) -> bool {
        use rustix::io::{ReadWriteFlags, preadv2};

        let length = buffer.len();
        let parts = &mut [io::IoSliceMut::new(buffer)];
        preadv2(&self.0, parts, offset, ReadWriteFlags::NOWAIT) == Ok(length)
    }

    #[cfg(not(target_os = "linux"))]
    fn read_now(&self, _buffer: &mut [u8], _offset: u64) -> bool {
        false
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever may write everywhere, as root, is never refused by the system; so this is asked here.
    #[test]
    fn who_holds_a_lock_that_cannot_be_written_is_told() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("lock");
        assert!(held_elsewhere(&path).is_none(), "there is none");
        fs::write(&path, "4242\n").expect("write");
        assert!(held_elsewhere(&path).is_none(), "nobody holds it");
        let held = File::open(&path).expect("open");
        held.lock().expect("lock");
        let locked = held_elsewhere(&path);
        assert!(matches!(locked, Some(Locked::Elsewhere(Some(4242)))), "{locked:?}");
    }
}
