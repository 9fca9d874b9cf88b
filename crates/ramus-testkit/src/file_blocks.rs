use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::{ContentAddressable, Error, ErrorKind, Hash, Limits, ReadOnly, Result};

/// Blocks in a file, for tests whose values are larger than the memory: only names and places are kept
/// there.
///
/// The file is written at its end, and read again by place. It is no format: a file belongs to the one
/// store that made it, and cannot be opened again. Clones are one store. With refs in memory it makes a
/// storage:
///
/// ```
/// use ramus_core::{Joined, Sha1};
/// use ramus_mem::MemRefs;
/// use ramus_testkit::FileBlocks;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let directory = tempfile::tempdir()?;
/// let blocks = FileBlocks::<Sha1>::create(directory.path().join("blocks")).await?;
/// let storage = Joined::new(blocks, MemRefs::default());
/// # drop(storage);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct FileBlocks<H>(Arc<Mutex<State<H>>>);

struct State<H> {
    /// Gone once the store is closed.
    file: Option<File>,
    /// Where the next block goes; what lies beyond was not written to its end.
    end: u64,
    places: HashMap<H, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    start: u64,
    length: usize,
}

impl<H: Hash> FileBlocks<H> {
    /// Makes the file, which must not be there yet, and returns an empty store in it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the file cannot be made.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let create = move || {
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).open(&path);
            file.map_err(|cause| failed(&format!("cannot make {}", path.display()), cause))
        };
        let file = blocking(create).await?;
        Ok(Self(Arc::new(Mutex::new(State { file: Some(file), end: 0, places: HashMap::new() }))))
    }

    /// Calls `work` with the state where blocking is allowed.
    async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State<H>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.0);
        blocking(move || work(&mut shared.lock())).await
    }
}

impl<H: Hash> State<H> {
    fn file(&mut self) -> Result<&mut File> {
        self.file.as_mut().ok_or_else(Error::closed)
    }

    fn read(&mut self, key: &H) -> Result<Option<Bytes>> {
        let place = self.places.get(key).copied();
        let file = self.file()?;
        let Some(Place { start, length }) = place else { return Ok(None) };
        let mut block = vec![0; length];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut block));
        read.map_err(|cause| failed(&format!("cannot read block {key}"), cause))?;
        Ok(Some(block.into()))
    }

    fn append(&mut self, key: H, block: &[u8]) -> Result<()> {
        let (start, known) = (self.end, self.places.contains_key(&key));
        let file = self.file()?;
        if known {
            return Ok(());
        }
        let written = file.seek(SeekFrom::Start(start)).and_then(|_| file.write_all(block));
        written.map_err(|cause| failed(&format!("cannot write block {key}"), cause))?;
        let length = block.len();
        self.end = start + length as u64;
        self.places.insert(key, Place { start, length });
        Ok(())
    }
}

impl<H: Hash> ReadOnly for FileBlocks<H> {
    type Key = H;
    type Value = Bytes;

    async fn find(&self, key: &H) -> Result<Option<Bytes>> {
        let key = *key;
        self.with_state(move |state| state.read(&key)).await
    }

    async fn mem(&self, key: &H) -> Result<bool> {
        let mut state = self.0.lock();
        state.file()?;
        Ok(state.places.contains_key(key))
    }

    async fn find_many(&self, keys: &[H]) -> Result<Vec<Option<Bytes>>> {
        let keys = keys.to_vec();
        self.with_state(move |state| {
            state.file()?;
            keys.iter().map(|key| state.read(key)).collect()
        })
        .await
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        let file = self.0.lock().file.take();
        drop(file);
        Ok(())
    }
}

impl<H: Hash> ContentAddressable for FileBlocks<H> {
    fn name(&self, value: &Bytes) -> Result<H> {
        Ok(H::of(value))
    }

    async fn add(&self, value: Bytes) -> Result<H> {
        check(&value, &self.limits())?;
        self.with_state(move |state| {
            let key = H::of(&value);
            state.append(key, &value).map(|()| key)
        })
        .await
    }

    async fn unsafe_add(&self, key: H, value: Bytes) -> Result<()> {
        self.unsafe_add_many(vec![(key, value)]).await
    }

    async fn unsafe_add_many(&self, blocks: Vec<(H, Bytes)>) -> Result<()> {
        let limits = self.limits();
        blocks.iter().try_for_each(|(_, value)| check(value, &limits))?;
        self.with_state(move |state| {
            state.file()?;
            blocks.into_iter().try_for_each(|(key, value)| state.append(key, &value))
        })
        .await
    }

    async fn flush(&self) -> Result<()> {
        self.with_state(|state| {
            let flushed = state.file()?.sync_data();
            flushed.map_err(|cause| failed("cannot flush the blocks", cause))
        })
        .await
    }
}

fn check(block: &[u8], limits: &Limits) -> Result<()> {
    let (length, max) = (block.len(), limits.block_bytes_max);
    if length <= max {
        return Ok(());
    }
    let message = format!("block has {length} bytes; at most {max} are taken");
    Err(Error::new(ErrorKind::Limit, message))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Unavailable, "the runtime stopped the work").with_source(cause))
    })
}

fn failed(what: &str, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Limit,
        io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, what).with_source(cause)
}

impl<H> Clone for FileBlocks<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H> fmt::Debug for FileBlocks<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBlocks").finish_non_exhaustive()
    }
}
