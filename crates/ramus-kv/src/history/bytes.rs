//! The bytes of the history index; their form is in the documentation of [`HistoryIndex`].

use bytes::Bytes;
use ramus_core::{Error, Hash, Result};

use super::HistoryIndex;
use super::postings::PathKey;
use super::table::Ordinal;
use crate::directory::varint;

const MAGIC: &[u8; 8] = b"ramusidx";
const VERSION: u8 = 1;
const CHECKSUM: usize = 8;
const LENGTH: usize = 4;

/// The longest body that is read.
const BODY_MAX: usize = 1 << 30;
/// A body that is longer gets no more commits, or no more postings. What one commit takes comes on top:
/// a hash and its parents, or at most some thousand keys.
const BODY_FULL: usize = 1 << 24;

/// How much of an index is kept in bytes already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) commits: usize,
    pub(super) with_paths: Ordinal,
    /// How long the bytes are.
    pub(super) length: u64,
    /// The checksum that they end in.
    checksum: [u8; CHECKSUM],
}

impl<H: Hash> HistoryIndex<H> {
    /// Returns the bytes of the index.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit with so many parents that its
    /// part would be longer than a part may be.
    pub fn encode(&self) -> Result<Bytes> {
        Ok(self.parts_after(&Kept::default())?.0.into())
    }

    /// Reads an index, every byte of it.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ramus_core::ErrorKind::Corrupt) for anything but such bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (index, kept) = Self::recover(bytes)?;
        if kept.length == bytes.len() as u64 {
            return Ok(index);
        }
        let at = kept.length;
        Err(Error::corrupt(format!("history index: the part at byte {at} is damaged or cut off")))
    }

    /// Reads an index up to the first part that is damaged or cut off; tells how far that is.
    pub(super) fn recover(bytes: &[u8]) -> Result<(Self, Kept)> {
        let head = head::<H>();
        let Some(mut rest) = bytes.strip_prefix(&*head) else {
            let message = format!(
                "history index: it does not begin as one of version {VERSION} over {} does",
                H::NAME
            );
            return Err(Error::corrupt(message));
        };
        let mut index = Self::new();
        let mut kept = Kept { checksum: end_of(&head), ..Kept::default() };
        while let Some((body, checksum, after)) = sound_part::<H>(rest, kept.checksum) {
            // What its checksum vouches for is not damaged: so if it makes no sense, nothing does.
            if !index.read_body(body)? {
                return Err(Error::corrupt("history index: a part that tells of nothing"));
            }
            (kept.checksum, rest) = (checksum, after);
        }
        kept.commits = index.commits();
        kept.with_paths = index.postings.commits();
        kept.length = (bytes.len() - rest.len()) as u64;
        Ok((index, kept))
    }

    /// Returns the bytes that follow those that are kept, and what is kept once they are; from the
    /// beginning if nothing is.
    pub(super) fn parts_after(&self, kept: &Kept) -> Result<(Vec<u8>, Kept)> {
        let (mut out, mut kept) = (Vec::new(), *kept);
        if kept.length == 0 {
            out.extend(head::<H>());
            kept.checksum = end_of(&out);
        }
        let begin = kept.length;
        while kept.commits < self.commits() || kept.with_paths < self.postings.commits() {
            let start = out.len();
            out.extend([0; LENGTH]);
            self.write_body(&mut out, &mut kept);
            let length = out.len() - start - LENGTH;
            let Some(length) = u32::try_from(length).ok().filter(|_| length <= BODY_MAX) else {
                return Err(Error::invalid_input(format!(
                    "history index: a part of {length} bytes; at most {BODY_MAX} are written"
                )));
            };
            out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
            kept.checksum = checksum::<H>(&[&kept.checksum, &out[start..]]);
            out.extend(kept.checksum);
        }
        kept.length = begin + out.len() as u64;
        Ok((out, kept))
    }

    fn write_body(&self, out: &mut Vec<u8>, kept: &mut Kept) {
        let (table, new) = (&self.table, self.table.len() - kept.commits);
        let mut body = Vec::with_capacity((new * (H::LENGTH + 2)).min(BODY_FULL));
        let mut count = 0;
        for commit in (0..).skip(kept.commits).take(new) {
            if body.len() > BODY_FULL {
                break;
            }
            body.extend(table.hash(commit).as_bytes());
            varint::put(&mut body, table.parents(commit).count() as u64);
            for parent in table.parents(commit) {
                varint::put(&mut body, u64::from(commit - parent));
            }
            count += 1;
        }
        varint::put(out, count);
        out.append(&mut body);
        kept.commits += usize::try_from(count).unwrap_or_default();

        let (begin, mut count) = (kept.with_paths, 0);
        for commit in begin..self.postings.commits() {
            if body.len() > BODY_FULL || commit as usize >= kept.commits {
                break;
            }
            let keys = self.postings.keys_of(commit);
            varint::put(&mut body, keys.len() as u64);
            for PathKey(key) in keys {
                body.extend(key.to_be_bytes());
            }
            count += 1;
        }
        varint::put(out, u64::from(count));
        out.append(&mut body);
        kept.with_paths += count;
    }

    /// Returns whether it tells of anything.
    fn read_body(&mut self, body: &[u8]) -> Result<bool> {
        let mut reader = BodyReader { body, at: 0 };
        let (mut parents, before) = (Vec::new(), (self.commits(), self.postings.commits()));
        // Each takes a hash and the number of its parents.
        let count = reader.count(H::LENGTH + 1)?;
        self.table.reserve(count);
        for _ in 0..count {
            let commit = self.table.len();
            let hash = H::from_bytes(reader.take(H::LENGTH)?)?;
            parents.clear();
            for _ in 0..reader.count(1)? {
                let distance = usize::try_from(reader.varint()?).ok();
                let distance = distance.filter(|distance| (1..=commit).contains(distance));
                let distance = distance.ok_or_else(|| reader.corrupt("a parent out of order"))?;
                parents.extend(Ordinal::try_from(commit - distance));
            }
            self.table.add(hash, &parents)?;
            if self.table.len() == commit {
                return Err(reader.corrupt("a commit that stands twice"));
            }
        }
        let mut keys: Vec<PathKey> = Vec::new();
        for _ in 0..reader.count(1)? {
            let commit = self.postings.commits();
            if commit as usize >= self.table.len() {
                return Err(reader.corrupt("postings of a commit that is not there"));
            }
            keys.clear();
            for _ in 0..reader.count(8)? {
                let key = PathKey(u64::from_be_bytes(reader.array()?));
                if keys.last().is_some_and(|last| *last >= key) {
                    return Err(reader.corrupt("keys out of order"));
                }
                keys.push(key);
            }
            if !self.postings.has_room(keys.len()) {
                return Err(reader.corrupt("more postings than there may be"));
            }
            self.postings.add(self.table.generation(commit), &keys);
        }
        if reader.at < body.len() {
            return Err(reader.corrupt("bytes after the end"));
        }
        Ok(before != (self.commits(), self.postings.commits()))
    }
}

fn head<H: Hash>() -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.push(VERSION);
    varint::put(&mut head, H::NAME.len() as u64);
    head.extend(H::NAME.as_bytes());
    head.extend(checksum::<H>(&[&head]));
    head
}

/// Returns the body of the next part, its checksum, and what follows; nothing if it is not whole.
fn sound_part<H: Hash>(
    bytes: &[u8],
    before: [u8; CHECKSUM],
) -> Option<(&[u8], [u8; CHECKSUM], &[u8])> {
    let length = u32::from_be_bytes(*bytes.first_chunk::<LENGTH>()?) as usize;
    if length > BODY_MAX {
        return None;
    }
    let (part, rest) = bytes.split_at_checked(LENGTH + length)?;
    let (written, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let is_sound = checksum::<H>(&[&before, part]) == *written;
    is_sound.then_some((&part[LENGTH..], *written, rest))
}

fn checksum<H: Hash>(parts: &[&[u8]]) -> [u8; CHECKSUM] {
    let mut checksum = [0; CHECKSUM];
    let digest = H::of_parts(parts);
    checksum.iter_mut().zip(digest.as_bytes()).for_each(|(byte, digest)| *byte = *digest);
    checksum
}

fn end_of(bytes: &[u8]) -> [u8; CHECKSUM] {
    bytes.last_chunk().copied().unwrap_or_default()
}

struct BodyReader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> BodyReader<'a> {
    fn varint(&mut self) -> Result<u64> {
        let read = self.body.get(self.at..).and_then(varint::read);
        let (number, length) = read.ok_or_else(|| self.corrupt("no number"))?;
        self.at += length;
        Ok(number)
    }

    /// Returns how many things follow, each of which takes at least so many bytes.
    fn count(&mut self, least: usize) -> Result<usize> {
        let count = usize::try_from(self.varint()?).ok();
        let most = (self.body.len() - self.at) / least.max(1);
        count.filter(|count| *count <= most).ok_or_else(|| self.corrupt("more than there can be"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let taken = self.body.get(self.at..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or_else(|| self.corrupt("fewer bytes than were told"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn corrupt(&self, what: &str) -> Error {
        Error::corrupt(format!("history index: {what} at byte {} of a part", self.at))
    }
}
