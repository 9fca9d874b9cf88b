use std::fmt;
use std::io::{self, SeekFrom};
use std::ops::{Bound, Range, RangeBounds};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use ramus_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use super::chunks::chunks;
use super::source::Source;
use crate::Schema;
use crate::block::ContentsIndex;

/// Reads the bytes of a value, from anywhere in it, without holding the value.
///
/// [`Tree::reader`](crate::Tree::reader) and [`Store::reader`](crate::Store::reader) give one. It reads
/// the value that was there then, whatever is written since, and keeps that from being collected. Of a
/// large value it holds the chunk that it is in and up to four that are read ahead, at most 256 KiB
/// each; a reader that nobody polls reads nothing.
///
/// # What is promised
///
/// - It gives the bytes of the value, or an error: never other bytes, and never fewer.
/// - Seeking costs nothing; the next read then costs one block on each level of the value's index, which
///   are as many as the logarithm of its length says.
///
/// # Errors
///
/// An [`io::Error`] has the [`Error`] of the store inside, from which
/// [`io::Error::downcast`] takes it: [`Missing`](ErrorKind::Missing) for a chunk that is not there,
/// [`Corrupt`](ErrorKind::Corrupt) for one that cannot be that chunk, and what the backend answers. The
/// reader stays where it was, and the next read tries again.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> Result<(), Box<dyn std::error::Error>> {
/// use tokio::io::AsyncReadExt as _;
///
/// let main = repo.main().await?;
/// main.set("notes", "a long text", "take notes").await?;
/// let mut reader = main.reader("notes").await?.ok_or("no notes")?;
/// assert_eq!(reader.read_range(2..6).await?, "long");
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "a long text");
/// # Ok(())
/// # }
/// ```
pub struct ContentsReader<S: Schema> {
    body: Body<S>,
    position: u64,
    /// What comes behind `current`, if that was asked for yet. It is never locked: who polls it has the
    /// reader for itself, and others may share it to read ranges.
    ahead: Option<Mutex<BoxStream<'static, Result<Bytes>>>>,
    /// The bytes from the position on, as far as they are here.
    current: Bytes,
}

enum Body<S: Schema> {
    Small(Bytes),
    Large { source: Arc<Source<S>>, root: Arc<ContentsIndex<S::Hash>>, length: u64 },
}

impl<S: Schema> ContentsReader<S> {
    pub(crate) fn of_small(encoded: Bytes) -> Self {
        Self::new(Body::Small(encoded))
    }

    /// Returns a reader of the contents whose root is this block.
    pub(crate) fn of_large(source: Arc<Source<S>>, root: &Bytes) -> Result<Self> {
        let root = source.root(root)?;
        let length = root.length();
        Ok(Self::new(Body::Large { source, root, length }))
    }

    const fn new(body: Body<S>) -> Self {
        Self { body, position: 0, ahead: None, current: Bytes::new() }
    }

    /// Returns how many bytes the value has.
    pub fn len(&self) -> u64 {
        match &self.body {
            Body::Small(bytes) => bytes.len() as u64,
            Body::Large { length, .. } => *length,
        }
    }

    /// Returns whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns where the next read begins, in bytes.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Returns some bytes of the value, wherever the reader stands, which it does not change. They are
    /// in memory then; only the chunks that they lie in are read.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a range that ends before it begins or beyond the
    /// value; and as above.
    pub async fn read_range(&self, range: impl RangeBounds<u64> + Send) -> Result<Bytes> {
        let range = self.resolve(&range)?;
        match &self.body {
            Body::Small(bytes) => Ok(bytes.slice(index(range.start)..index(range.end))),
            Body::Large { source, root, .. } => source.read_range(root, range).await,
        }
    }

    fn resolve(&self, range: &impl RangeBounds<u64>) -> Result<Range<u64>> {
        let length = self.len();
        let start = match range.start_bound() {
            Bound::Included(start) => Some(*start),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => Some(length),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= length => Ok(start..end),
            _ => {
                let (start, end) = (range.start_bound(), range.end_bound());
                Err(Error::invalid_input(format!(
                    "cannot read from {start:?} to {end:?} of a value of {length} bytes"
                )))
            }
        }
    }

    /// Makes some bytes current, if there are any more.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.current.is_empty() || self.position >= self.len() {
            return Poll::Ready(Ok(()));
        }
        let (source, root, length) = match &self.body {
            Body::Small(bytes) => {
                self.current = bytes.slice(index(self.position)..);
                return Poll::Ready(Ok(()));
            }
            Body::Large { source, root, length } => (source, root, *length),
        };
        let ahead = self.ahead.get_or_insert_with(|| {
            Mutex::new(chunks(Arc::clone(source), Arc::clone(root), self.position..length))
        });
        match ready!(ahead.get_mut().poll_next_unpin(context)) {
            Some(Ok(bytes)) => {
                self.current = bytes;
                Poll::Ready(Ok(()))
            }
            Some(Err(fault)) => {
                self.ahead = None;
                Poll::Ready(Err(to_io(fault)))
            }
            None => {
                self.ahead = None;
                let fault = Error::corrupt("large contents end before their length says");
                Poll::Ready(Err(to_io(fault)))
            }
        }
    }

    fn seek_to(&mut self, position: u64) {
        let skipped = position.checked_sub(self.position).map(usize::try_from);
        match skipped {
            // The bytes behind are those that come next anyway.
            Some(Ok(skipped)) if skipped <= self.current.len() => self.current.advance(skipped),
            _ => {
                self.ahead = None;
                self.current = Bytes::new();
            }
        }
        self.position = position;
    }
}

impl<S: Schema> AsyncRead for ContentsReader<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_fill(context))?;
        let length = self.current.len().min(buffer.remaining());
        buffer.put_slice(&self.current.split_to(length));
        self.position += length as u64;
        Poll::Ready(Ok(()))
    }
}

/// Beyond the end there is nothing to be read; before the beginning one cannot seek.
impl<S: Schema> AsyncSeek for ContentsReader<S> {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let Some(position) = position else {
            let fault = Error::invalid_input(format!(
                "cannot seek to {to:?} from byte {} of a value of {} bytes",
                self.position,
                self.len()
            ));
            return Err(to_io(fault));
        };
        self.seek_to(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

/// Returns a place in bytes that are in memory.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn to_io(fault: Error) -> io::Error {
    let kind = match fault.kind() {
        ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
        ErrorKind::Missing => io::ErrorKind::NotFound,
        ErrorKind::Corrupt => io::ErrorKind::InvalidData,
        ErrorKind::Permission => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, fault)
}

impl<S: Schema> fmt::Debug for ContentsReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ContentsReader");
        debug.field("len", &self.len()).field("position", &self.position).finish_non_exhaustive()
    }
}
