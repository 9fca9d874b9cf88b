//! Files that are opened when they are read, of which only so many stay open; fewer, where the process may open no
//! more.
//!
//! Which one is closed is decided by a second chance: each that was read since it was looked at last is passed
//! over once (F. J. Corbató, "A Paging Experiment with the Multics System", 1968). So a read of a file that is
//! open changes nothing that others share.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::{Access, Disk, DiskFile, Locked, Notifier, forward_disk};
use crate::error::has_too_many_files;

/// A disk, and files of it of which about so many are open at once: each that is being opened comes on top.
/// They give way to whatever else is to be opened.
#[derive(Debug)]
pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    open_max: usize,
    /// Those that are open, in the order in which they are looked at when one has to be closed.
    open: Mutex<VecDeque<Weak<Pooled>>>,
}

/// A file that is opened by its name when it is read. It is not written.
#[derive(Debug)]
struct Pooled {
    pool: Arc<Pool>,
    itself: Weak<Self>,
    name: String,
    file: RwLock<Option<Arc<dyn DiskFile>>>,
    /// It was read since it was looked at last.
    was_read: AtomicBool,
}

impl Pool {
    pub(crate) fn new(disk: Arc<dyn Disk>, open_max: usize) -> Arc<Self> {
        Arc::new(Self { disk, open_max: open_max.max(1), open: Mutex::default() })
    }

    /// Returns the file of this name, which is opened when it is read.
    pub(crate) fn file(self: &Arc<Self>, name: String) -> Arc<dyn DiskFile> {
        self.pooled(name)
    }

    /// Returns the file of this name, which is open as this.
    pub(crate) fn opened(
        self: &Arc<Self>,
        name: String,
        file: Arc<dyn DiskFile>,
    ) -> Arc<dyn DiskFile> {
        let pooled = self.pooled(name);
        self.keep(&pooled, file);
        pooled
    }

    fn pooled(self: &Arc<Self>, name: String) -> Arc<Pooled> {
        Arc::new_cyclic(|itself| Pooled {
            pool: Arc::clone(self),
            itself: Weak::clone(itself),
            name,
            file: RwLock::new(None),
            was_read: AtomicBool::new(true),
        })
    }

    /// Opens something, and closes others for it if need be.
    fn with_room<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match open() {
                Err(error) if has_too_many_files(&error) && close_one(&mut self.open.lock()) => {}
                opened => return opened,
            }
        }
    }

    /// Keeps a file open, and closes others if there are too many; returns the one that is kept.
    fn keep(&self, pooled: &Pooled, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let mut open = self.open.lock();
        {
            let mut kept = pooled.file.write();
            if let Some(kept) = &*kept {
                // Somebody else was there first.
                return Arc::clone(kept);
            }
            *kept = Some(Arc::clone(&file));
        }
        while open.len() >= self.open_max && close_one(&mut open) {}
        open.push_back(Weak::clone(&pooled.itself));
        file
    }
}

impl Disk for Pool {
    forward_disk!(place rename unlink set_aside sync sync_own_name lock);

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.with_room(|| self.disk.create(name))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.with_room(|| self.disk.open(name, access))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.with_room(|| self.disk.list())
    }

    fn notifier(&self) -> Option<Box<dyn Notifier>> {
        self.disk.notifier()
    }
}

/// Closes one of the files, if there is one.
fn close_one(open: &mut VecDeque<Weak<Pooled>>) -> bool {
    let mut chances = open.len();
    while let Some(first) = open.pop_front() {
        // Of those that nobody has any more nothing is left to be closed.
        let Some(pooled) = first.upgrade() else { continue };
        if chances > 0 && pooled.was_read.swap(false, Ordering::Relaxed) {
            chances -= 1;
            open.push_back(first);
            continue;
        }
        // Whoever is reading it has it open until that is done.
        drop(pooled.file.write().take());
        return true;
    }
    false
}

impl Pooled {
    /// Returns the file, if it is open.
    fn now(&self) -> Option<Arc<dyn DiskFile>> {
        let file = self.file.read().clone()?;
        if !self.was_read.load(Ordering::Relaxed) {
            self.was_read.store(true, Ordering::Relaxed);
        }
        Some(file)
    }

    fn get(&self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = self.now() {
            return Ok(file);
        }
        let file = Disk::open(&*self.pool, &self.name, Access::Read)?;
        Ok(self.pool.keep(self, file))
    }
}

impl DiskFile for Pooled {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.get()?.read_at(buffer, offset)
    }

    fn read_now(&self, buffer: &mut [u8], offset: u64) -> bool {
        // To open it may take long.
        self.now().is_some_and(|file| file.read_now(buffer, offset))
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn size(&self) -> io::Result<u64> {
        self.get()?.size()
    }
}
