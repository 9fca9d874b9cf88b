use std::path::{Path, PathBuf};
use std::sync::Arc;

use ramus_core::{Cursor, Hash, Incarnation, Result};

use crate::disk::{Access, Disk, RealDisk};
use crate::error::{PackError, PackResult};
use crate::format::derived;
use crate::format::files::{Table, decode_refs};
use crate::format::manifest::{FileKind, Manifest, State};
use crate::index::run::Run;
use crate::options::Compression;
use crate::read::blocking;
use crate::reader::newest;
use crate::recover::{check_hash, read_head, read_manifest, read_small};
use crate::repair::ASIDE;
use crate::scan::Scan;

/// What a directory holds, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// The hash that names the blocks: `sha1`.
    pub hash: String,
    /// How new blocks are stored.
    pub compression: Compression,
    /// Whether somebody writes it, as far as that can be known.
    pub state: DirectoryState,
    /// How often another manifest was put in place.
    pub generation: u64,
    /// How many segments there are, the active one included.
    pub segments: usize,
    /// How many index runs there are.
    pub runs: usize,
    /// How many blocks there are. One that was added again counts twice until the indexes are merged.
    pub blocks: u64,
    /// How many blocks the segments hold that were collected and not copied away yet.
    pub collected: u64,
    /// How many refs there are.
    pub refs: usize,
    /// From where the log of changes is kept, and where it ends.
    pub log: (Cursor, Cursor),
    /// The number of the active segment.
    pub active: u32,
    /// How far the active segment is known to be durable, and how far it is valid, in bytes.
    pub durable_end: u64,
    /// Where the last valid batch of the active segment ends, in bytes.
    pub valid_end: u64,
    /// The size of the files.
    pub bytes: FileBytes,
    /// The directories with files that a repair replaced.
    pub set_aside: Vec<String>,
}

/// Whether a directory is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryState {
    /// It was closed.
    Closed,
    /// Somebody writes it, or was killed while writing, with durability `sync`.
    InUseSync,
    /// Somebody writes it, or was killed while writing, with durability `os`.
    InUseOs,
}

/// How many bytes the files of each kind have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileBytes {
    /// Of segments: blocks and changes.
    pub segments: u64,
    /// Of indexes.
    pub indexes: u64,
    /// Of the changes of sealed segments.
    pub changes: u64,
    /// Of the refs.
    pub refs: u64,
    /// Of derived data.
    pub derived: u64,
}

/// Says what the directory at `path` holds, also while somebody writes it. It reads the active segment and
/// a little of the other files, checks nothing else, and changes nothing.
///
/// ```
/// use ramus_core::{ContentAddressable as _, Sha1, Storage as _};
/// use ramus_pack::{Pack, PackOptions};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path();
/// let pack: Pack = Pack::open(path, &PackOptions::default()).await?;
/// pack.blocks().add("hello".into()).await?;
/// pack.blocks().flush().await?;
///
/// let stat = ramus_pack::stat::<Sha1>(path).await?;
/// assert_eq!((stat.blocks, stat.refs), (1, 0));
/// # Ok::<(), ramus_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// Those of opening it with [`Mode::Read`](crate::Mode::Read).
///
/// # Cancel safety
///
/// A dropped future leaves nothing behind.
pub async fn stat<H: Hash>(path: impl AsRef<Path>) -> Result<Stat> {
    let path: PathBuf = path.as_ref().to_owned();
    blocking(move || stat_disk::<H>(&(Arc::new(RealDisk::at(&path)) as Arc<dyn Disk>))).await
}

pub(crate) fn stat_disk<H: Hash>(disk: &Arc<dyn Disk>) -> Result<Stat> {
    let manifest = read_manifest(&**disk)?;
    check_hash::<H>(&**disk, &manifest)?;
    Ok(newest(disk, manifest, |manifest| of_manifest::<H>(&**disk, manifest))?)
}

fn of_manifest<H: Hash>(disk: &dyn Disk, manifest: &Manifest) -> PackResult<Stat> {
    let size = |name: &str| -> PackResult<u64> {
        let file = disk.open(name, Access::Read).map_err(PackError::io(format!("open {name}")))?;
        file.size().map_err(PackError::io(format!("read {name}")))
    };
    let name = FileKind::Segment.file_name(manifest.active);
    let active = disk.open(&name, Access::Read).map_err(PackError::io(format!("open {name}")))?;
    let mut scan = Scan::<H>::begin(&*active, manifest.active)?;
    let durable_end = manifest.durable_end.max(read_head(disk, &scan.header)?);
    scan.advance(&*active, u64::MAX)?;
    let mut table = Table::<H>::new_sync();
    if let Some(refs) = manifest.files(FileKind::Refs).next_back() {
        table = read_small(disk, refs, decode_refs::<H>)?.0;
    }
    for key in scan.changes.iter().flat_map(|change| &change.keys) {
        match key.new {
            Some(value) => table.insert_mut(key.key.clone(), value),
            None => drop(table.remove_mut(&key.key)),
        }
    }
    let mut bytes = FileBytes { segments: size(&name)?, ..FileBytes::default() };
    for file in &manifest.files {
        match file.kind {
            FileKind::Segment => bytes.segments += file.length,
            FileKind::Index => bytes.indexes += file.length,
            FileKind::Changes => bytes.changes += file.length,
            FileKind::Refs => bytes.refs += file.length,
        }
    }
    let names = disk.list().map_err(PackError::io(format!("list {}", disk.place())))?;
    for name in names.iter().filter(|name| name.ends_with(derived::SUFFIX)) {
        // It may go at any time.
        bytes.derived += size(name).unwrap_or(0);
    }
    let mut blocks = scan.places.len() as u64;
    for file in manifest.files(FileKind::Index) {
        blocks += Run::open(disk, file.number, H::LENGTH)?.entries();
    }
    Ok(Stat {
        hash: manifest.hash.clone(),
        compression: manifest.coding.into(),
        state: manifest.state.into(),
        generation: manifest.generation,
        segments: 1 + manifest.files(FileKind::Segment).count(),
        runs: manifest.files(FileKind::Index).count(),
        blocks,
        collected: manifest.files(FileKind::Segment).map(|file| file.dead).sum(),
        refs: table.size(),
        log: log(manifest, &scan),
        active: manifest.active,
        durable_end,
        valid_end: scan.end,
        bytes,
        set_aside: names.into_iter().filter(|name| name.starts_with(ASIDE)).collect(),
    })
}

fn log<H: Hash>(manifest: &Manifest, scan: &Scan<H>) -> (Cursor, Cursor) {
    let at = |incarnation: Incarnation, sequence| Cursor { incarnation, sequence };
    let first = manifest.files(FileKind::Changes).map(|file| file.first.saturating_sub(1)).min();
    let begin = first.unwrap_or(scan.header.after.sequence);
    let end = scan.changes.last().map_or(scan.header.after.sequence, |last| last.cursor.sequence);
    (at(manifest.incarnation, begin), at(manifest.incarnation, end))
}

impl From<State> for DirectoryState {
    fn from(state: State) -> Self {
        match state {
            State::Closed => Self::Closed,
            State::InUseSync => Self::InUseSync,
            State::InUseOs => Self::InUseOs,
        }
    }
}
