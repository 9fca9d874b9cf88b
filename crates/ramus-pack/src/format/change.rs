//! A change, in a record of a segment and in a changes file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | sequence; the sequence before it is one less |
//! | 16 | id of the update |
//! | 2 | length of the note, at most 4096 |
//! | | the note |
//! | 4 | number of keys, at least 1 |
//!
//! and of each key, in key order:
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of its canonical bytes |
//! | | its canonical bytes |
//! | 1 | 1 if it had a value, plus 2 if it has one now; never 0 |
//! | K or 0 | the value that it had |
//! | K or 0 | the value that it has |
//!
//! The incarnation is that of the file.

use ramus_core::{
    Change, Cursor, Hash, Incarnation, Key as _, KeyChange, Limits, RefName, UpdateId,
};

use super::{Fault, Reader};

pub(crate) type RefChange<H> = Change<RefName, H>;

pub(crate) fn encode<H: Hash>(change: &RefChange<H>) -> Vec<u8> {
    let (note, keys) = (change.note.len(), change.keys.len());
    let mut bytes = Vec::with_capacity(64 + note + keys * (16 + 2 * H::LENGTH));
    encode_into(&mut bytes, change);
    bytes
}

/// Appends the encoding of a change.
pub(super) fn encode_into<H: Hash>(bytes: &mut Vec<u8>, change: &RefChange<H>) {
    let Change { cursor, previous: _, id, note, keys } = change;
    bytes.extend_from_slice(&cursor.sequence.to_le_bytes());
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&length16(note.len()));
    bytes.extend_from_slice(note);
    let count = u32::try_from(keys.len()).expect("the keys of an update are limited");
    bytes.extend_from_slice(&count.to_le_bytes());
    for KeyChange { key, old, new } in keys {
        let name = key.to_bytes();
        bytes.extend_from_slice(&length16(name.len()));
        bytes.extend_from_slice(&name);
        bytes.push(u8::from(old.is_some()) | u8::from(new.is_some()) << 1);
        for value in [old, new].into_iter().flatten() {
            bytes.extend_from_slice(value.as_bytes());
        }
    }
}

pub(crate) fn decode<H: Hash>(
    bytes: &[u8],
    incarnation: Incarnation,
) -> Result<RefChange<H>, Fault> {
    let mut reader = Reader::new(bytes);
    let sequence = reader.u64()?;
    let previous = sequence.checked_sub(1).ok_or(Fault::Damaged("a change has sequence 0"))?;
    let id = UpdateId::from_bytes(reader.array()?);
    let note = usize::from(reader.u16()?);
    if note > Limits::NOTE_MAX {
        return Err(Fault::Damaged("the note of a change is too long"));
    }
    let note = reader.take(note)?.to_vec().into();
    let count = reader.u32()? as usize;
    // Each key has at least four bytes, so the count allocates no more than the bytes do.
    if count == 0 || count > reader.rest().len() / 4 {
        return Err(Fault::Damaged("the number of keys of a change cannot be"));
    }
    let keys = (0..count).map(|_| decode_key(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    if !keys.is_sorted_by(|left, right| left.key < right.key) {
        return Err(Fault::Damaged("the keys of a change are not in order"));
    }
    Ok(Change { cursor: Cursor { incarnation, sequence }, previous, id, note, keys })
}

fn decode_key<H: Hash>(reader: &mut Reader<'_>) -> Result<KeyChange<RefName, H>, Fault> {
    let key = take_name(reader)?;
    let held = reader.u8()?;
    if !(1..=3).contains(&held) {
        return Err(Fault::Damaged("a key of a change neither had nor has a value"));
    }
    let mut value = |bit| if held & bit == 0 { Ok(None) } else { take_hash(reader).map(Some) };
    Ok(KeyChange { key, old: value(1)?, new: value(2)? })
}

/// Takes the length of a ref name and the name.
pub(crate) fn take_name(reader: &mut Reader<'_>) -> Result<RefName, Fault> {
    let length = reader.u16()?;
    let name = RefName::from_bytes(reader.take(length.into())?);
    name.map_err(|_| Fault::Damaged("a ref name is malformed"))
}

/// Takes a digest.
pub(crate) fn take_hash<H: Hash>(reader: &mut Reader<'_>) -> Result<H, Fault> {
    H::from_bytes(reader.take(H::LENGTH)?).map_err(|_| Fault::Damaged("a digest is malformed"))
}

/// Returns a length that is known to be small.
pub(crate) fn length16(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("names and notes are limited").to_le_bytes()
}
