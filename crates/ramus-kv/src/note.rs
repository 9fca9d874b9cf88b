use bytes::Bytes;
use ramus_core::{Hash, Limits};

use crate::Info;
use crate::directory::varint;

/// What the change log says about an update of refs: who did it, when and why.
///
/// Repositories write [`Known`](Note::Known) notes. Whoever moves refs by other means writes what
/// they like, which is shown as it is.
///
/// # Format
///
/// The note of a repository has at most [`Limits::NOTE_MAX`] bytes. It is canonical: a note that is
/// read back becomes the same bytes again, and whatever does not is [`Foreign`](Note::Foreign).
///
/// | part | form |
/// |---|---|
/// | version | `0x01` |
/// | author | a varint of at most 255, and as many bytes of UTF-8 |
/// | time | eight bytes, big endian, two's complement: milliseconds since the beginning of 1970 (UTC) |
/// | commits | a varint: how many commits the update made |
/// | first, last | the hashes of the first and the last of these, if there are two or more |
/// | message | up to the end of the note: UTF-8 |
///
/// A *varint* is a number in groups of seven bits, the lowest first, one group in each byte; the
/// high bit says that another byte follows. The shortest form is the only one.
///
/// An author of more than 255 bytes is cut off there, between two characters, and a message where
/// the note is full. The commits have both in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<H> {
    /// The note of a repository.
    Known(Reason<H>),
    /// Bytes that are not the note of a repository; nothing, if there is no note.
    Foreign(Bytes),
}

/// Who updated refs, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason<H> {
    /// Who did it, in at most 255 bytes.
    pub author: String,
    /// When, in milliseconds since the beginning of 1970 (UTC).
    pub time_ms: i64,
    /// Why: the message of the commit, or what was done to the branches. A long one is cut off.
    pub message: String,
    /// The commits that the update made.
    pub commits: Made<H>,
}

/// The commits that an update of refs made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made<H> {
    /// None: a ref was moved to a commit that was there, or removed.
    None,
    /// One, which a branch is on now; or one on each branch that an
    /// [update of several](crate::Repo::commit_all) moved.
    One,
    /// One for each of several writers of a branch, each on top of the one before.
    Several {
        /// How many; at least 2. Fewer are written as [`None`](Made::None) or [`One`](Made::One).
        count: u64,
        /// The oldest of them.
        first: H,
        /// The newest of them, which the branch is on now.
        last: H,
    },
}

const VERSION: u8 = 0x01;
const AUTHOR_MAX: usize = 255;

/// Returns the note of an update that made these commits.
///
/// The info is that of the newest commit, or of what was done; it has an author and a time.
pub(crate) fn note<H: Hash>(info: &Info, made: &Made<H>) -> Bytes {
    let author = info.author.as_deref().unwrap_or_default();
    encode(author, info.time_ms.unwrap_or_default(), &info.message, made)
}

impl<H: Hash> Note<H> {
    /// Returns the note that these bytes are.
    pub fn decode(bytes: &Bytes) -> Self {
        Reason::decode(bytes).map_or_else(|| Self::Foreign(bytes.clone()), Self::Known)
    }

    /// Returns who, when and why, if a repository said so.
    pub const fn reason(&self) -> Option<&Reason<H>> {
        match self {
            Self::Known(reason) => Some(reason),
            Self::Foreign(_) => None,
        }
    }
}

impl<H: Hash> Reason<H> {
    /// Returns the bytes of the note, with author and message cut off where they are too long.
    pub fn encode(&self) -> Bytes {
        let Self { author, time_ms, message, commits } = self;
        encode(author, *time_ms, message, commits)
    }

    /// Returns what a note says, or nothing if it is not that of a repository.
    fn decode(note: &[u8]) -> Option<Self> {
        if note.len() > Limits::NOTE_MAX {
            return None;
        }
        let mut rest = note.strip_prefix(&[VERSION])?;
        let author = take_number(&mut rest).filter(|length| *length <= AUTHOR_MAX as u64)?;
        let author = text(take(&mut rest, usize::try_from(author).ok()?)?)?;
        let time_ms = i64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?);
        let commits = match take_number(&mut rest)? {
            0 => Made::None,
            1 => Made::One,
            count => {
                let first = H::from_bytes(take(&mut rest, H::LENGTH)?).ok()?;
                let last = H::from_bytes(take(&mut rest, H::LENGTH)?).ok()?;
                Made::Several { count, first, last }
            }
        };
        Some(Self { author, time_ms, message: text(rest)?, commits })
    }
}

fn encode<H: Hash>(author: &str, time_ms: i64, message: &str, made: &Made<H>) -> Bytes {
    let author = cut(author, AUTHOR_MAX);
    let hashes = if let Made::Several { .. } = made { 2 * H::LENGTH } else { 0 };
    // The version, three numbers, and the time.
    let room = author.len() + message.len() + hashes + 32;
    let mut note = Vec::with_capacity(room.min(Limits::NOTE_MAX));
    note.push(VERSION);
    varint::put(&mut note, author.len() as u64);
    note.extend_from_slice(author.as_bytes());
    note.extend_from_slice(&time_ms.to_be_bytes());
    match made {
        Made::None => varint::put(&mut note, 0),
        Made::One => varint::put(&mut note, 1),
        Made::Several { count, .. } if *count < 2 => varint::put(&mut note, *count),
        Made::Several { count, first, last } => {
            varint::put(&mut note, *count);
            note.extend_from_slice(first.as_bytes());
            note.extend_from_slice(last.as_bytes());
        }
    }
    let Some(room) = Limits::NOTE_MAX.checked_sub(note.len()) else {
        // Two hashes that fill a note by themselves: better none than one that cannot be read.
        return Bytes::new();
    };
    note.extend_from_slice(cut(message, room).as_bytes());
    // The log keeps it, so it gets no more room than it needs.
    note.into_boxed_slice().into()
}

/// Returns what fits of a text, in whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (number, length) = varint::read(rest)?;
    take(rest, length)?;
    Some(number)
}
