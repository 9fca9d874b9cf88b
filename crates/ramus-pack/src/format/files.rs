//! The two small files that are written when a segment is sealed, each read as a whole.
//!
//! `NNNNNNNN.changes` holds the changes of one segment:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RamusChg` |
//! | 4 | version: 1 |
//! | 4 | number of changes |
//! | 16 | incarnation |
//! | | of each change the length of its encoding, 4 bytes, and [its encoding](super::change) |
//! | 4 | checksum of everything before |
//!
//! `NNNNNNNN.refs` holds what every ref names:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RamusRef` |
//! | 4 | version: 1 |
//! | 4 | number of refs |
//! | 16 | incarnation |
//! | 8 | sequence of the last change that is in it |
//! | | of each ref, in order, the length of its name, 2 bytes, the name, and the digest |
//! | 4 | checksum of everything before |

use std::marker::PhantomData;
use std::sync::Arc;

use ramus_core::{Cursor, Hash, Incarnation, Key as _, RefName};
use rpds::RedBlackTreeMapSync;

use super::change::{self, RefChange, length16, take_hash, take_name};
use super::{Fault, Reader, VERSION, check_version, checksum};

/// What every ref names. A persistent map: a clone is cheap.
pub(crate) type Table<H> = RedBlackTreeMapSync<RefName, H>;

const CHANGES: [u8; 8] = *b"RamusChg";
const REFS: [u8; 8] = *b"RamusRef";
/// What both begin with: magic, version, a number, an incarnation.
const BEGIN_LENGTH: usize = 8 + 4 + 4 + 16;

/// The changes of a segment that is being filled, as its file will hold them: they may be many times as many as the
/// log keeps, and take a third of what they would take one by one.
#[derive(Debug)]
pub(crate) struct Changes<H> {
    /// Room for what the file begins with, and the changes; empty if there are none.
    bytes: Vec<u8>,
    count: usize,
    /// The sequences of the first and the last.
    span: Option<[u64; 2]>,
    /// What their values are.
    hash: PhantomData<H>,
}

impl<H: Hash> Changes<H> {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0, span: None, hash: PhantomData }
    }

    pub(crate) fn push(&mut self, change: &RefChange<H>) {
        if self.bytes.is_empty() {
            self.bytes.resize(BEGIN_LENGTH, 0);
        }
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        change::encode_into(&mut self.bytes, change);
        let length = self.bytes.len() - begin - 4;
        self.bytes[begin..begin + 4].copy_from_slice(&length32(length));
        self.count += 1;
        let sequence = change.cursor.sequence;
        let first = self.span.map_or(sequence, |[first, _]| first);
        self.span = Some([first, sequence]);
    }

    /// Returns the sequences of the first and the last; nothing if there is none.
    pub(crate) const fn span(&self) -> Option<[u64; 2]> {
        self.span
    }

    /// Calls `write` with the bytes of the file, which is not copied for that. The changes stay.
    pub(crate) fn file<T>(
        &mut self,
        incarnation: Incarnation,
        write: impl FnOnce(&[u8]) -> T,
    ) -> T {
        let length = self.bytes.len().max(BEGIN_LENGTH);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(length, 0);
        bytes[..BEGIN_LENGTH].copy_from_slice(&begin(CHANGES, self.count, incarnation));
        bytes = sealed(bytes);
        let written = write(&bytes);
        bytes.truncate(length);
        self.bytes = bytes;
        written
    }
}

impl<'a, H: Hash> FromIterator<&'a Arc<RefChange<H>>> for Changes<H> {
    fn from_iter<I: IntoIterator<Item = &'a Arc<RefChange<H>>>>(changes: I) -> Self {
        let mut all = Self::new();
        changes.into_iter().for_each(|change| all.push(change));
        all
    }
}

pub(crate) fn decode_changes<H: Hash>(bytes: &[u8]) -> Result<Vec<Arc<RefChange<H>>>, Fault> {
    let (count, incarnation, mut reader) = open(CHANGES, bytes)?;
    let change = |_| {
        let length = reader.u32()?;
        change::decode(reader.take(length as usize)?, incarnation).map(Arc::new)
    };
    let changes = (0..count).map(change).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(changes)
}

pub(crate) fn encode_refs<H: Hash>(refs: &Table<H>, at: Cursor) -> Vec<u8> {
    let mut bytes = begin(REFS, refs.size(), at.incarnation);
    bytes.extend_from_slice(&at.sequence.to_le_bytes());
    for (name, hash) in refs {
        let name = name.to_bytes();
        bytes.extend_from_slice(&length16(name.len()));
        bytes.extend_from_slice(&name);
        bytes.extend_from_slice(hash.as_bytes());
    }
    sealed(bytes)
}

pub(crate) fn decode_refs<H: Hash>(bytes: &[u8]) -> Result<(Table<H>, Cursor), Fault> {
    let (count, incarnation, mut reader) = open(REFS, bytes)?;
    let at = Cursor { incarnation, sequence: reader.u64()? };
    let mut refs = Table::new_sync();
    for _ in 0..count {
        let (name, hash) = (take_name(&mut reader)?, take_hash(&mut reader)?);
        if refs.last().is_some_and(|(last, _)| *last >= name) {
            return Err(Fault::Damaged("its refs are not in order"));
        }
        refs.insert_mut(name, hash);
    }
    reader.end()?;
    Ok((refs, at))
}

fn begin(magic: [u8; 8], count: usize, incarnation: Incarnation) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&length32(count));
    bytes.extend_from_slice(incarnation.as_bytes());
    bytes
}

fn open(magic: [u8; 8], bytes: &[u8]) -> Result<(u32, Incarnation, Reader<'_>), Fault> {
    let mut reader = unsealed(bytes)?;
    if reader.array()? != magic {
        return Err(Fault::Damaged("it does not begin as such a file does"));
    }
    check_version(reader.u32()?)?;
    let count = reader.u32()?;
    Ok((count, Incarnation::from_bytes(reader.array()?), reader))
}

/// Puts the checksum at the end.
pub(super) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&[&bytes]);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// Returns what stands before the checksum at the end.
pub(super) fn unsealed(bytes: &[u8]) -> Result<Reader<'_>, Fault> {
    let (body, sum) =
        bytes.split_last_chunk().ok_or(Fault::Damaged("it is shorter than a checksum"))?;
    if checksum(&[body]) == u32::from_le_bytes(*sum) {
        Ok(Reader::new(body))
    } else {
        Err(Fault::Damaged("its checksum is wrong"))
    }
}

fn length32(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("what a segment holds is limited").to_le_bytes()
}
