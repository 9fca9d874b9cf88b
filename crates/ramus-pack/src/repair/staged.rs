use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Access, Disk, DiskFile, Locked, forward_disk};
use crate::format::manifest::FileKind;

/// The end of the names of files that do not count yet. Whoever opens the directory to write removes them.
const SUFFIX: &str = ".repair";

/// Returns whether a file of this name is one that does not count yet.
pub(crate) fn is_staged(name: &str) -> bool {
    name.strip_suffix(SUFFIX).is_some_and(|name| FileKind::of_file_name(name).is_some())
}

/// A disk whose new files have names that do not count, until all of them are there.
///
/// So a repair that is killed leaves nothing that the next one could take for what was there before: files
/// get their names when each is durable.
#[derive(Debug)]
pub(super) struct Staged {
    disk: Arc<dyn Disk>,
    /// The names of the new files, as they will be.
    names: Mutex<Vec<String>>,
}

impl Staged {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, names: Mutex::new(Vec::new()) }
    }

    /// Gives the files their names. Each has to be durable.
    pub(super) fn publish(&self) -> io::Result<()> {
        for name in &*self.names.lock() {
            self.disk.rename(&staged(name), name)?;
        }
        self.disk.sync()
    }

    /// Removes the files that have no name yet.
    pub(super) fn discard(&self) {
        for name in &*self.names.lock() {
            drop(self.disk.unlink(&staged(name)));
        }
    }

    fn is_new(&self, name: &str) -> bool {
        self.names.lock().iter().any(|new| new == name)
    }
}

fn staged(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

impl Disk for Staged {
    forward_disk!(place rename set_aside list sync sync_own_name lock);

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.names.lock().push(name.to_owned());
        self.disk.create(&staged(name))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let name = if self.is_new(name) { staged(name) } else { name.to_owned() };
        self.disk.open(&name, access)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let name = if self.is_new(name) { staged(name) } else { name.to_owned() };
        self.disk.unlink(&name)
    }
}
