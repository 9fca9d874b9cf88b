//! Derived data of one name, `N.derived`: N is the hash of the name, in hex digits.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `RamusDer` |
//! | 4 | version: 1 |
//! | 2 | length of the name |
//! | 2 | zero |
//! | 8 | a random number: the salt |
//! | | the name: `internal/history/native` |
//! | 4 | checksum of everything before |
//!
//! and then parts, one for what was there at first and one for each time that something was appended:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length |
//! | 4 | checksum of the checksum before (of the part before, or of the head), the length and the bytes |
//! | | the bytes |
//!
//! The file is written without a sync. What is sound of it up to the first part that is not, counts. The
//! salt and the chain of checksums keep parts that an earlier file left on the disk from counting.

use ramus_core::{Hash, Key as _, RefName};

use super::change::length16;
use super::{Fault, Reader, VERSION, check_version, checksum};

const MAGIC: &[u8; 8] = b"RamusDer";

/// The end of the name of every such file.
pub(crate) const SUFFIX: &str = ".derived";

/// Where the sound parts of a file end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// How many bytes the data have.
    pub(crate) length: u64,
    /// Where the last part ends in the file.
    pub(crate) end: u64,
    /// The checksum that the next part goes on from.
    pub(crate) sum: u32,
}

/// What is sound of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    pub(crate) data: Vec<u8>,
    pub(crate) extent: Extent,
    /// Nothing follows it.
    pub(crate) whole: bool,
}

/// Returns the name of the file that holds the derived data of this name.
pub(crate) fn file_name<H: Hash>(name: &RefName) -> String {
    let hash = H::of(&name.to_bytes());
    let digits = hash.as_bytes().iter().map(|byte| format!("{byte:02x}"));
    digits.chain([SUFFIX.to_owned()]).collect()
}

/// Returns a file of this name and these parts, and where it ends.
pub(crate) fn encode(name: &RefName, salt: u64, parts: &[&[u8]]) -> (Vec<u8>, Extent) {
    let name = name.to_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&length16(name.len()));
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&salt.to_le_bytes());
    bytes.extend_from_slice(&name);
    let sum = checksum(&[&bytes]);
    bytes.extend_from_slice(&sum.to_le_bytes());
    let mut extent = Extent { length: 0, end: bytes.len() as u64, sum };
    for part in parts {
        let encoded;
        (encoded, extent) = encode_part(extent, part);
        bytes.extend_from_slice(&encoded);
    }
    (bytes, extent)
}

/// Returns a part that follows what ends there, and where it ends. It has less than 4 GiB.
pub(crate) fn encode_part(before: Extent, part: &[u8]) -> (Vec<u8>, Extent) {
    let length = u32::try_from(part.len()).expect("derived data are limited").to_le_bytes();
    let sum = checksum(&[&before.sum.to_le_bytes(), &length, part]);
    let bytes = [&length[..], &sum.to_le_bytes(), part].concat();
    let end = before.end + bytes.len() as u64;
    (bytes, Extent { length: before.length + part.len() as u64, end, sum })
}

/// Returns what is sound of a file of this name.
///
/// # Errors
///
/// If its head is not sound, or is that of another name.
pub(crate) fn decode(bytes: &[u8], name: &RefName) -> Result<Sound, Fault> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != *MAGIC {
        return Err(Fault::Damaged("it does not begin as such a file does"));
    }
    let version = reader.u32()?;
    let length = reader.u16()?;
    reader.zeros(2)?;
    reader.u64()?;
    let named = reader.take(length.into())?;
    let head = bytes.len() - reader.rest().len();
    let sum = checksum(&[&bytes[..head]]);
    if reader.u32()? != sum {
        return Err(Fault::Damaged("the checksum of its head is wrong"));
    }
    check_version(version)?;
    if named != &*name.to_bytes() {
        return Err(Fault::Damaged("it is of another name"));
    }
    let mut data = Vec::with_capacity(reader.rest().len());
    let mut extent = Extent { length: 0, end: head as u64 + 4, sum };
    while let Some((part, next)) = take_part(&mut reader, extent) {
        data.extend_from_slice(part);
        extent = next;
    }
    Ok(Sound { data, extent, whole: extent.end == bytes.len() as u64 })
}

/// Takes the next part, if it is sound.
fn take_part<'a>(reader: &mut Reader<'a>, before: Extent) -> Option<(&'a [u8], Extent)> {
    let length = reader.array::<4>().ok()?;
    let sum = reader.u32().ok()?;
    let part = reader.take(u32::from_le_bytes(length) as usize).ok()?;
    let sound = checksum(&[&before.sum.to_le_bytes(), &length, part]) == sum;
    let bytes = part.len() as u64;
    let extent = Extent { length: before.length + bytes, end: before.end + 8 + bytes, sum };
    sound.then_some((part, extent))
}
