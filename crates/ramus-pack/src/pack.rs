use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash, RefName, RefOutcome, RefUpdate, Result, Sha1, Storage};

use crate::disk::{Disk, RealDisk};
use crate::error::PackError;
use crate::options::{Mode, PackOptions, Settings};
use crate::read::blocking;
use crate::reader;
use crate::recover;
use crate::shared::Shared;
use crate::writer::merge;
use crate::{PackBlocks, PackRefs, PackSweep};

/// Blocks and refs in a directory. Clones are one storage.
///
/// One process at a time has the directory open to write, and any number to [read](Mode::Read). `close` makes durable
/// what was added, and lets the directory go; so does dropping the last handle, which waits for it, so rather close.
/// What is under way by then may have to wait for one of the runtime's threads where blocking is allowed: whoever
/// drops the last handle on the only one that is free waits for ever.
pub struct Pack<H: Hash = Sha1> {
    blocks: PackBlocks<H>,
    refs: PackRefs<H>,
}

impl<H: Hash> Pack<H> {
    /// Opens the directory at `path`; one that is not there or is empty becomes an empty repository.
    ///
    /// What a crash left is put in order first; see the crate's documentation.
    ///
    /// With [`Mode::Read`] nothing is made or put in order: the directory is read as it is.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](ErrorKind::Unavailable) if it is open already, in this process or another, which
    ///   is named.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a directory that holds something else, and for a
    ///   bad option.
    /// - [`Unsupported`](ErrorKind::Unsupported) if its blocks are named by another hash, or a later
    ///   version of the format was used.
    /// - [`Corrupt`](ErrorKind::Corrupt), with the file and the place, if acknowledged data are damaged.
    ///   If they are in the segment that was written last, it can be read with
    ///   [`Damaged::Read`](crate::Damaged); otherwise only [`repair`](crate::repair()) helps.
    /// - [`Permission`](ErrorKind::Permission) and [`Limit`](ErrorKind::Limit) as the operating system
    ///   has it.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has opened the directory or not; if it did, it is closed again.
    pub async fn open(path: impl AsRef<Path>, options: &PackOptions) -> Result<Self> {
        options.check()?;
        let (path, settings) = (path.as_ref().to_owned(), Settings::new(options.clone()));
        blocking(move || {
            if settings.options.mode == Mode::Read {
                return Self::open_disk(Arc::new(RealDisk::at(&path)), settings);
            }
            let what = format!("open directory {}", path.display());
            let disk = RealDisk::open_or_create(&path).map_err(PackError::io(what))?;
            Self::open_disk(Arc::new(disk), settings)
        })
        .await
    }

    /// Opens what is on a disk. It blocks.
    pub(crate) fn open_disk(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self> {
        /// The longest digest that the formats have room for, in bytes.
        const DIGEST_BYTES_MAX: usize = 64;
        if H::LENGTH > DIGEST_BYTES_MAX || H::LENGTH == 0 {
            let (name, length) = (H::NAME, H::LENGTH);
            let message =
                format!("hash `{name}` has {length} bytes; on disk it has 1 to {DIGEST_BYTES_MAX}");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let shared = if settings.options.mode == Mode::Read {
            reader::open(disk, settings)?
        } else {
            let recover::Opened { shared, files } = recover::open(disk, settings)?;
            let (shared, disk) = (Arc::new(shared), Arc::clone(&files.disk));
            shared.core.lock().idle = Some(Box::new(files));
            merge::begin_if_due(&shared, &disk);
            shared
        };
        let handle = Arc::new(Handle { shared });
        let (blocks, refs) = (PackBlocks(Arc::clone(&handle)), PackRefs(handle));
        Ok(Self { blocks, refs })
    }
}

/// What the last handle owns: the writer ends with it.
#[derive(Debug)]
pub(crate) struct Handle<H: Hash> {
    pub(crate) shared: Arc<Shared<H>>,
}

impl<H: Hash> Drop for Handle<H> {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl<H: Hash> Storage for Pack<H> {
    type Hash = H;
    type Blocks = PackBlocks<H>;
    type Refs = PackRefs<H>;
    type Sweep = PackSweep<H>;

    fn blocks(&self) -> &PackBlocks<H> {
        &self.blocks
    }

    fn refs(&self) -> &PackRefs<H> {
        &self.refs
    }

    /// Nothing with [`Mode::Read`]: what is pinned here the process that writes does not know.
    fn sweep(&self) -> Option<PackSweep<H>> {
        let handle = &self.blocks.0;
        handle.shared.reader.is_none().then(|| PackSweep(Arc::clone(handle)))
    }

    async fn write(&self, blocks: Vec<(H, Bytes)>, update: RefUpdate<H>) -> Result<RefOutcome<H>> {
        self.blocks.0.shared.write(blocks, update).await
    }

    async fn load_derived(&self, name: &RefName) -> Result<Option<Bytes>> {
        let (shared, name) = (Arc::clone(&self.blocks.0.shared), name.clone());
        shared.ensure_open()?;
        blocking(move || shared.derived.load::<H>(&name)).await
    }

    async fn append_derived(&self, name: &RefName, at: u64, bytes: Bytes) -> Result<bool> {
        let (shared, name) = (Arc::clone(&self.blocks.0.shared), name.clone());
        shared.ensure_writable()?;
        blocking(move || shared.derived.append::<H>(&name, at, &bytes)).await
    }

    async fn replace_derived(&self, name: &RefName, bytes: Bytes) -> Result<bool> {
        let (shared, name) = (Arc::clone(&self.blocks.0.shared), name.clone());
        shared.ensure_writable()?;
        blocking(move || shared.derived.replace::<H>(&name, &bytes)).await
    }
}

impl<H: Hash> Clone for Pack<H> {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), refs: self.refs.clone() }
    }
}

impl<H: Hash> fmt::Debug for Pack<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("place", &self.blocks.0.shared.place).finish_non_exhaustive()
    }
}
