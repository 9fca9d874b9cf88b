use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use ramus_core::{Error, Result};

use super::source::Source;
use crate::block::{ContentsIndex, ContentsPart};
use crate::{Format as _, Schema};

/// How many chunks are read at once: at most 1 MiB.
const AHEAD: usize = 4;

/// Returns the bytes of a range of large contents, in pieces that lie in one chunk each.
///
/// Blocks are read when they are needed, and some chunks ahead of that; where a proof notes what is
/// read, none.
pub(super) fn chunks<S: Schema>(
    source: Arc<Source<S>>,
    root: Arc<ContentsIndex<S::Hash>>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes>> {
    let ahead = if source.is_traced() { 1 } else { AHEAD };
    let walk = Walk::new(Arc::clone(&source), root, range.clone());
    let places = stream::unfold(walk, |mut walk| async move {
        match walk.next().await {
            Ok(place) => place.map(|place| (Ok(place), walk)),
            Err(fault) => {
                walk.open.clear();
                Some((Err(fault), walk))
            }
        }
    });
    let pieces = places.map(move |place| {
        let (source, range) = (Arc::clone(&source), range.clone());
        async move { piece(&source, &place?, &range).await }
    });
    pieces.buffered(ahead).boxed()
}

/// A block of large contents, and where it lies in them.
struct Place<H> {
    part: ContentsPart<H>,
    /// Where it begins.
    start: u64,
    /// Whether nothing comes behind it.
    is_last: bool,
}

/// An index block that is being read.
struct Open<H> {
    index: Arc<ContentsIndex<H>>,
    next: usize,
    /// Where the next part begins.
    start: u64,
    is_last: bool,
}

/// Goes from chunk to chunk, without recursion.
struct Walk<S: Schema> {
    source: Arc<Source<S>>,
    /// The index blocks from the root down; at most one of each level.
    open: Vec<Open<S::Hash>>,
    range: Range<u64>,
}

impl<S: Schema> Walk<S> {
    fn new(source: Arc<Source<S>>, root: Arc<ContentsIndex<S::Hash>>, range: Range<u64>) -> Self {
        let root = Open { index: root, next: 0, start: 0, is_last: true };
        Self { source, open: vec![root], range }
    }

    /// Returns the next chunk that has bytes of the range.
    async fn next(&mut self) -> Result<Option<Place<S::Hash>>> {
        while let Some(open) = self.open.last_mut() {
            let Some(place) = open.advance(&self.range) else {
                self.open.pop();
                continue;
            };
            let level = open.index.level;
            if level == 1 {
                return Ok(Some(place));
            }
            let index = self.load(&place, level - 1).await?;
            let Place { part: _, start, is_last } = place;
            self.open.push(Open { index: Arc::new(index), next: 0, start, is_last });
        }
        Ok(None)
    }

    async fn load(&self, place: &Place<S::Hash>, level: u8) -> Result<ContentsIndex<S::Hash>> {
        let Place { part: ContentsPart { hash, length }, is_last, .. } = place;
        let block = self.source.block(hash).await?;
        let checked = S::Format::decode_contents_index(&block).and_then(|index| {
            let (has, is_of) = (index.length(), index.level);
            if has != *length || is_of != level {
                return Err(Error::corrupt(format!(
                    "it is of level {is_of} and has {has} bytes below it, where the block above says \
                     {level} and {length}"
                )));
            }
            if !is_last {
                index.check_before_another()?;
            }
            Ok(index)
        });
        checked.map_err(|fault| {
            let what = format!("block {hash} cannot be read as an index of large contents");
            self.source.failed(fault.context(what))
        })
    }
}

impl<H: Copy> Open<H> {
    /// Returns the next part that has bytes of the range.
    fn advance(&mut self, range: &Range<u64>) -> Option<Place<H>> {
        while let Some(part) = self.index.parts.get(self.next) {
            let start = self.start;
            if start >= range.end {
                return None;
            }
            self.next += 1;
            self.start += part.length;
            if self.start > range.start {
                let is_last = self.is_last && self.next == self.index.parts.len();
                return Some(Place { part: *part, start, is_last });
            }
        }
        None
    }
}

/// Returns the bytes of a chunk that lie in the range.
async fn piece<S: Schema>(
    source: &Source<S>,
    place: &Place<S::Hash>,
    range: &Range<u64>,
) -> Result<Bytes> {
    let Place { part: ContentsPart { hash, length }, start, .. } = place;
    let block = source.block(hash).await?;
    let chunk = S::Format::decode_chunk(&block).and_then(|bytes| {
        let has = bytes.len() as u64;
        if has == *length {
            return Ok(bytes);
        }
        let message = format!("it has {has} bytes, where the block above says {length}");
        Err(Error::corrupt(message))
    });
    let chunk = chunk.map_err(|fault| {
        source.failed(fault.context(format!("block {hash} cannot be read as a chunk")))
    })?;
    let from = range.start.saturating_sub(*start);
    let until = range.end.saturating_sub(*start).min(*length);
    // Both are at most the length of the chunk, which is in memory.
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(chunk.len());
    Ok(chunk.slice(at(from)..at(until)))
}
