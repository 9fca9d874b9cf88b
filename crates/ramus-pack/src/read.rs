//! How a block is found: in the cache; in memory if it is not in a file yet; in its segment, on the
//! spot if the operating system has it in memory, and otherwise where blocking is allowed, [among](cold) others that
//! somebody waits for.

pub(crate) mod cold;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Hash, Result};

use crate::compression::{decode, decoded_bytes};
use crate::disk::read_exact_at;
use crate::error::{PackError, PackResult};
use crate::format::manifest::FileKind;
use crate::format::record::{Kind, RecordHeader, Stored};
use crate::format::{Fault, Reader};
use crate::index::run::Lookup;
use crate::index::{Place, Read};
use crate::shared::Shared;

/// A block that is compressed is read on the spot if it has so many bytes, stored and as it is.
const DECODE_NOW_MAX: usize = 64 << 10;

/// A block of up to so many bytes is copied and checked on the spot; to wait for more than that would keep
/// others waiting.
pub(crate) const BLOCK_NOW_MAX: usize = 256 << 10;

/// What looking for a block came to.
enum Sought {
    /// The block, or that there is none.
    Known(Option<Bytes>),
    /// It needs reading that may take long.
    NotNow,
}

/// What reading a block from its place came to.
enum Loaded {
    Block(Bytes),
    /// It needs reading that may take long.
    NotNow,
    /// Its segment was closed: the block lies elsewhere by now, or was removed.
    Moved,
}

impl<H: Hash> Shared<H> {
    /// Returns a block that is in the cache.
    pub(crate) fn cached(&self, key: &H) -> Option<Bytes> {
        self.cache.get(key)
    }

    pub(crate) async fn find(self: &Arc<Self>, key: H) -> Result<Option<Bytes>> {
        if let Sought::Known(answer) = self.find_now(&key)? {
            return Ok(answer);
        }
        self.find_cold(key).await
    }

    pub(crate) async fn find_many(self: &Arc<Self>, keys: &[H]) -> Result<Vec<Option<Bytes>>> {
        let mut answers = Vec::with_capacity(keys.len());
        let mut cold = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            answers.push(match self.find_now(key)? {
                Sought::Known(answer) => answer,
                Sought::NotNow => {
                    cold.push((index, *key));
                    None
                }
            });
        }
        if !cold.is_empty() {
            let shared = Arc::clone(self);
            for (index, block) in blocking(move || shared.find_in_order(&cold)).await? {
                answers[index] = block;
            }
        }
        Ok(answers)
    }

    /// Returns whether there is a block of this name.
    pub(crate) async fn mem(self: &Arc<Self>, key: H) -> Result<bool> {
        if let Some(known) = self.mem_now(&key)? {
            return Ok(known);
        }
        let shared = Arc::clone(self);
        blocking(move || Ok(shared.locate_waiting(&key)?.is_some())).await
    }

    /// Returns whether there is a block of this name; nothing if telling may take long.
    pub(crate) fn mem_now(&self, key: &H) -> Result<Option<bool>> {
        Ok(match self.locate(key, Read::Now)? {
            Lookup::Found(_) => Some(true),
            Lookup::Absent => Some(false),
            Lookup::NotNow => None,
        })
    }

    /// Returns whether an `add` need not append a block, since it lies where no collection removes it;
    /// nothing if telling may take long.
    pub(crate) fn may_rely_on_now(&self, key: &H) -> Result<Option<bool>> {
        Ok(match absent_if_unreadable(self.locate(key, Read::Now))? {
            Lookup::Found(place) => Some(place.segment >= self.since()),
            Lookup::Absent => Some(false),
            Lookup::NotNow => None,
        })
    }

    /// Returns which of these blocks an `add` need not append, however long that takes.
    pub(crate) fn may_rely_on(&self, keys: &[H]) -> Result<Vec<bool>> {
        let there = |key| {
            let found = absent_if_unreadable(self.locate(key, Read::Wait))?;
            Ok(matches!(found, Lookup::Found(place) if place.segment >= self.since()))
        };
        keys.iter().map(there).collect()
    }

    /// Returns whether a block is found without waiting.
    #[cfg(test)]
    pub(crate) fn is_found_now(&self, key: &H) -> bool {
        matches!(self.find_now(key), Ok(Sought::Known(Some(_))))
    }

    /// Looks for a block where that needs no waiting.
    fn find_now(&self, key: &H) -> Result<Sought> {
        if let Some(block) = self.cache.get(key) {
            return Ok(Sought::Known(Some(block)));
        }
        let removals = self.removals();
        Ok(match self.locate(key, Read::Now)? {
            Lookup::Found(place) => match self.load(key, place, Read::Now, removals)? {
                Loaded::Block(block) => Sought::Known(Some(block)),
                Loaded::NotNow | Loaded::Moved => Sought::NotNow,
            },
            Lookup::Absent => Sought::Known(None),
            Lookup::NotNow => Sought::NotNow,
        })
    }

    fn find_waiting(&self, key: &H) -> Result<Option<Bytes>> {
        let mut before = None;
        loop {
            let removals = self.removals();
            let Some(place) = self.locate_waiting(key)? else { return Ok(None) };
            if let Loaded::Block(block) = self.load(key, place, Read::Wait, removals)? {
                return Ok(Some(block));
            }
            // The runs name no segment that was closed, so another look finds another place.
            if before.replace(place) == Some(place) {
                let name = FileKind::Segment.file_name(place.segment);
                let fault = Fault::Damaged("the index names it, and it is not there");
                return Err(PackError::fault(&name, place.offset.into())(fault).into());
            }
        }
    }

    /// Finds blocks, each of which has a number, in the order in which they lie in the files.
    fn find_in_order(&self, keys: &[(usize, H)]) -> Result<Vec<(usize, Option<Bytes>)>> {
        let removals = self.removals();
        let placed = keys.iter().map(|(index, key)| Ok((self.locate_waiting(key)?, *index, *key)));
        let mut placed = placed.collect::<Result<Vec<_>>>()?;
        placed.sort_unstable_by_key(|(place, index, _)| (*place, *index));
        let found = placed.into_iter().map(|(place, index, key)| {
            let Some(place) = place else { return Ok((index, None)) };
            match self.load(&key, place, Read::Wait, removals)? {
                Loaded::Block(block) => Ok((index, Some(block))),
                Loaded::NotNow | Loaded::Moved => Ok((index, self.find_waiting(&key)?)),
            }
        });
        found.collect()
    }

    fn locate_waiting(&self, key: &H) -> Result<Option<Place>> {
        Ok(match self.locate(key, Read::Wait)? {
            Lookup::Found(place) => Some(place),
            Lookup::Absent | Lookup::NotNow => None,
        })
    }

    fn locate(&self, key: &H, read: Read) -> PackResult<Lookup> {
        loop {
            let removals = self.removals();
            // In this order: what is no longer in memory is in a run by then.
            let found = match self.index.in_memory(key) {
                Some(place) => return Ok(Lookup::Found(place)),
                None => self.index.in_runs(key, read)?,
            };
            // A reader goes over to other runs, and what they have no more may be in memory since.
            if found != Lookup::Absent || self.removals() == removals {
                return Ok(found);
            }
        }
    }

    /// Reads a block from its place; `removals` is how often blocks had been removed before that was
    /// looked up.
    fn load(&self, key: &H, place: Place, read: Read, removals: u64) -> PackResult<Loaded> {
        if read == Read::Now && place.length as usize > BLOCK_NOW_MAX {
            return Ok(Loaded::NotNow);
        }
        let name = || FileKind::Segment.file_name(place.segment);
        let failed = |fault| PackError::fault(&name(), place.offset.into())(fault);
        let (head, length) = (RecordHeader::LENGTH + H::LENGTH, place.length as usize);
        let record_bytes = place.record_bytes(H::LENGTH).map_err(failed)?;
        if !self.is_written(place) {
            let core = self.core.lock();
            let record = core.tail.read(place.segment, place.offset.into(), record_bytes);
            drop(core);
            if let Some(record) = record {
                let (header, _) =
                    RecordHeader::take(&mut Reader::new(&record), H::LENGTH).map_err(failed)?;
                let body = Bytes::from(record).slice(head..);
                if read == Read::Now && takes_long(header.stored, &body) {
                    return Ok(Loaded::NotNow);
                }
                return decode(header.stored, body).map(Loaded::Block).map_err(failed);
            }
            // It was written meanwhile.
        }
        let Some(file) = self.index.segment(place.segment) else { return Ok(Loaded::Moved) };
        let mut bytes = vec![0; record_bytes];
        match read {
            Read::Now if !file.read_now(&mut bytes, place.offset.into()) => {
                return Ok(Loaded::NotNow);
            }
            Read::Now => {}
            Read::Wait => match read_exact_at(&*file, &mut bytes, place.offset.into()) {
                // It was closed, and removed since it was looked up.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Moved),
                read => read.map_err(PackError::io(format!("read block {key} from {}", name())))?,
            },
        }
        let header = check_record::<H>(key, length, &bytes).map_err(failed)?;
        let body = Bytes::from(bytes).slice(head..);
        if read == Read::Now && takes_long(header.stored, &body) {
            return Ok(Loaded::NotNow);
        }
        let block = decode(header.stored, body).map_err(failed)?;
        self.cache.insert(*key, block.clone());
        if self.removals() != removals {
            // It may have been removed meanwhile, from the cache before it was there.
            self.cache.remove(key);
        }
        Ok(Loaded::Block(block))
    }
}

/// Returns whether it takes long to make the block of what is stored.
fn takes_long(stored: Stored, body: &[u8]) -> bool {
    body.len().max(decoded_bytes(stored, body)) > DECODE_NOW_MAX && stored != Stored::Plain
}

/// Takes a block for absent where the index cannot be read: to append it again is always right.
fn absent_if_unreadable(found: PackResult<Lookup>) -> PackResult<Lookup> {
    match found {
        Err(error) if error.is_unreadable() => Ok(Lookup::Absent),
        other => other,
    }
}

/// Refuses bytes that are not the record of this block, and returns its header.
pub(crate) fn check_record<H: Hash>(
    key: &H,
    length: usize,
    bytes: &[u8],
) -> Result<RecordHeader, Fault> {
    let mut reader = Reader::new(bytes);
    let (header, found) = RecordHeader::take(&mut reader, H::LENGTH)?;
    let block = reader.rest();
    let fits = header.kind == Kind::Block && header.length as usize == length;
    if !fits || found != key.as_bytes() || block.len() != length {
        return Err(Fault::Damaged("the index takes it for another record"));
    }
    header.check(block)?;
    Ok(header)
}

/// Calls `work` where blocking is allowed; here, if there is no runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work() };
    runtime.spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Unavailable, "the runtime stopped the work").with_source(cause))
    })
}
