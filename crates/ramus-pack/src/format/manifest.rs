//! The file `manifest`: which files count. It is written as `manifest.new`, synced, and renamed, so it
//! is there whole or as it was.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RamusMan` |
//! | 4 | version: 1 |
//! | 1 | K, the length of a digest |
//! | 1 | state: 0 in use with durability `sync`, 1 in use with `os`, 2 closed |
//! | 2 | length of the name of the hash |
//! | 1 | how new blocks are stored: 0 as they are, 1 compressed with zstd |
//! | 1 | if compressed, the level: 1 to 22; otherwise 0 |
//! | 2 | zero |
//! | | the name of the hash: `sha1` |
//! | 8 | generation: one more in each manifest |
//! | 16 | incarnation of the change log |
//! | 4 | number of the active segment, the one that is written |
//! | 4 | a number that no file has yet, nor has any higher |
//! | 8 | everything before this place of the active segment is durable; where it ends, if closed |
//! | 4 | number of files |
//!
//! and of each file, 40 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind: 1 a sealed segment, 2 an index, 3 changes, 4 refs |
//! | 3 | zero |
//! | 4 | number |
//! | 8 | length; of a segment, where its last batch ends |
//! | 8 | of a segment its first batch, of changes the first sequence, of refs the sequence, of an index how many entries |
//! | 8 | of a segment the batch after its last, of changes the last sequence, of others 0 |
//! | 8 | of a segment how many of its blocks do not count, because they were collected; of changes when they were sealed, in seconds since 1970; of others 0 |
//!
//! and at the end 4 bytes, the checksum of everything before.
//!
//! The name of a file is its number in eight hex digits and `.segment`, `.index`, `.changes` or
//! `.refs`. A file of such a name that is not listed and is not the active segment does not count, and
//! is removed when the directory is opened for writing. Numbers begin with 1 and end before `f0000000`; what
//! has another one in its name is no file of ours.

use ramus_core::Incarnation;

use super::files::{sealed, unsealed};
use super::{Fault, VERSION, check_version};
use crate::compression::Coding;

const MAGIC: &[u8; 8] = b"RamusMan";

/// Which files count, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) hash: String,
    pub(crate) key_length: u8,
    pub(crate) state: State,
    pub(crate) coding: Coding,
    pub(crate) generation: u64,
    pub(crate) incarnation: Incarnation,
    pub(crate) active: u32,
    pub(crate) next_file: u32,
    pub(crate) durable_end: u64,
    pub(crate) files: Vec<FileEntry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    InUseSync,
    InUseOs,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) kind: FileKind,
    pub(crate) number: u32,
    pub(crate) length: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Or the time of changes.
    pub(crate) dead: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Segment,
    Index,
    Changes,
    Refs,
}

impl Manifest {
    /// The most bytes that a manifest has: two million files, 128 TiB of segments.
    pub(crate) const BYTES_MAX: u64 = 64 << 20;

    pub(crate) fn of_hash<H: ramus_core::Hash>() -> (String, u8) {
        let length = u8::try_from(H::LENGTH).expect("checked when a storage is opened");
        (H::NAME.to_owned(), length)
    }

    pub(crate) fn files(&self, kind: FileKind) -> impl DoubleEndedIterator<Item = &FileEntry> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    /// So many bytes from the beginning hold the generation.
    pub(crate) const PEEK_BYTES: usize = 320;

    /// Returns the generation that the first bytes of a manifest tell, of which nothing is checked.
    pub(crate) fn generation_of(bytes: &[u8]) -> Option<u64> {
        let mut reader = super::Reader::new(bytes);
        let after_version = MAGIC.len() + 4;
        reader.take(after_version + 2).ok()?;
        let name = reader.u16().ok()?;
        reader.take(4 + usize::from(name)).ok()?;
        reader.u64().ok()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(self.key_length);
        bytes.push(match self.state {
            State::InUseSync => 0,
            State::InUseOs => 1,
            State::Closed => 2,
        });
        let name = u16::try_from(self.hash.len()).expect("the name of a hash is short");
        bytes.extend_from_slice(&name.to_le_bytes());
        bytes.extend_from_slice(&match self.coding {
            Coding::Plain => [0; 4],
            Coding::Zstd { level } => [1, level, 0, 0],
        });
        bytes.extend_from_slice(self.hash.as_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(self.incarnation.as_bytes());
        bytes.extend_from_slice(&self.active.to_le_bytes());
        bytes.extend_from_slice(&self.next_file.to_le_bytes());
        bytes.extend_from_slice(&self.durable_end.to_le_bytes());
        let count = u32::try_from(self.files.len()).expect("files have numbers of 32 bits");
        bytes.extend_from_slice(&count.to_le_bytes());
        self.files.iter().for_each(|file| file.encode(&mut bytes));
        sealed(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = unsealed(bytes)?;
        if reader.array()? != *MAGIC {
            return Err(Fault::Damaged("it does not begin as a manifest does"));
        }
        check_version(reader.u32()?)?;
        let key_length = reader.u8()?;
        let state = match reader.u8()? {
            0 => State::InUseSync,
            1 => State::InUseOs,
            2 => State::Closed,
            _ => return Err(Fault::Damaged("its state is unknown")),
        };
        let name = reader.u16()?;
        let coding = match reader.array()? {
            [0, 0] => Coding::Plain,
            [1, level @ 1..=Coding::LEVEL_MAX] => Coding::Zstd { level },
            _ => return Err(Fault::Damaged("how its blocks are stored is unknown")),
        };
        reader.zeros(2)?;
        let name = std::str::from_utf8(reader.take(name.into())?);
        let hash = name.map_err(|_| Fault::Damaged("the name of its hash is no text"))?.to_owned();
        let generation = reader.u64()?;
        let incarnation = Incarnation::from_bytes(reader.array()?);
        let (active, next_file, durable_end) = (reader.u32()?, reader.u32()?, reader.u64()?);
        let count = reader.u32()? as usize;
        if count > reader.rest().len() / FileEntry::LENGTH {
            return Err(Fault::Damaged("it lists more files than it has room for"));
        }
        let mut file = || FileEntry::decode(reader.array()?);
        let files = (0..count).map(|_| file()).collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        let mut numbers = files.iter().map(|file| file.number).chain([active]);
        if numbers.any(|number| number == 0 || number >= next_file) {
            return Err(Fault::Damaged("it lists a number that it says no file has"));
        }
        Ok(Self {
            hash,
            key_length,
            state,
            coding,
            generation,
            incarnation,
            active,
            next_file,
            durable_end,
            files,
        })
    }
}

impl FileEntry {
    const LENGTH: usize = 40;

    pub(crate) fn name(&self) -> String {
        self.kind.file_name(self.number)
    }

    /// Returns when changes were sealed, in seconds since 1970; 0 if that is not known.
    pub(crate) const fn sealed_s(&self) -> u64 {
        self.dead
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[self.kind.code(), 0, 0, 0]);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        for number in [self.length, self.first, self.last, self.dead] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(bytes: [u8; Self::LENGTH]) -> Result<Self, Fault> {
        let mut reader = super::Reader::new(&bytes);
        let code = reader.u8()?;
        let kind = FileKind::ALL.into_iter().find(|kind| kind.code() == code);
        let kind = kind.ok_or(Fault::Damaged("it lists a file of an unknown kind"))?;
        reader.zeros(3)?;
        Ok(Self {
            kind,
            number: reader.u32()?,
            length: reader.u64()?,
            first: reader.u64()?,
            last: reader.u64()?,
            dead: reader.u64()?,
        })
    }
}

impl FileKind {
    pub(crate) const ALL: [Self; 4] = [Self::Segment, Self::Index, Self::Changes, Self::Refs];

    const fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Index => 2,
            Self::Changes => 3,
            Self::Refs => 4,
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Segment => ".segment",
            Self::Index => ".index",
            Self::Changes => ".changes",
            Self::Refs => ".refs",
        }
    }

    pub(crate) fn file_name(self, number: u32) -> String {
        format!("{number:08x}{}", self.suffix())
    }

    /// No file is given this number, nor any higher.
    pub(crate) const NUMBERS_END: u32 = 0xf000_0000;

    /// Returns the kind and the number of the file that has this name, if it is one of ours.
    pub(crate) fn of_file_name(name: &str) -> Option<(Self, u32)> {
        Self::ALL.into_iter().find_map(|kind| {
            let number = u32::from_str_radix(name.strip_suffix(kind.suffix())?, 16).ok()?;
            let is_given = (1..Self::NUMBERS_END).contains(&number);
            (is_given && kind.file_name(number) == name).then_some((kind, number))
        })
    }
}
