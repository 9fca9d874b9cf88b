use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures::future::try_join;
use ramus_core::{ContentAddressable as _, Error, ErrorKind, Pin, Result, Storage as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::compute::compute;
use super::rule::CHUNK_MAX;
use super::splitter::{Blocks, Splitter};
use super::streamable::{StreamCheck as _, Streamable};
use super::unsaved::Unsaved;
use crate::block::Held;
use crate::objects::Objects;
use crate::{Repo, Schema};

/// How many bytes are read, cut and stored at once.
const BATCH: usize = 4 << 20;

/// A value that was read from a stream, to be put into trees.
///
/// [`Repo::upload`] makes it, and [`Tree::set_upload`](crate::Tree::set_upload) puts it somewhere, as
/// often as one likes: what cannot be read twice is read before a transaction that may run again. The
/// blocks of a large value are stored already, and stay for as long as the upload or a tree with it
/// lives. Cloning is cheap.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let main = repo.main().await?;
/// let notes = repo.upload(&b"a long text"[..]).await?;
/// let mut edit = main.begin().await?;
/// edit.set_upload("notes", &notes).await?;
/// edit.set("notes-read", "no").await?;
/// main.commit(edit, "take notes").await?;
/// # Ok(())
/// # }
/// ```
pub struct Upload<S: Schema> {
    objects: Arc<Objects<S>>,
    held: Held<S::Hash>,
    unsaved: Option<Unsaved<S::Hash>>,
    /// Protects the blocks that are stored.
    pin: Option<Arc<Pin>>,
    length: u64,
}

impl<S: Schema> Repo<S>
where
    S::Contents: Streamable,
{
    /// Reads a stream to its end, and returns the value that it holds.
    ///
    /// A large value is stored as it comes, in batches of 4 MiB, of which at most two are in memory. It
    /// is part of nothing until it is [put](crate::Tree::set_upload) into a tree and committed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the bytes are no value of the repository's contents;
    /// [`Unavailable`](ErrorKind::Unavailable) if the stream fails, with its error inside, or that error
    /// itself if it is an [`Error`] that was wrapped; and what the backend answers.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves some bytes of the stream read, and blocks that nothing names, which are
    /// for a collection to remove.
    pub async fn upload(&self, stream: impl AsyncRead + Send) -> Result<Upload<S>> {
        Upload::read(self.objects(), stream).await
    }
}

impl<S: Schema> Upload<S> {
    /// Returns how many bytes the value has.
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Returns whether the value has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn is_of(&self, objects: &Arc<Objects<S>>) -> bool {
        Arc::ptr_eq(&self.objects, objects)
    }

    pub(crate) const fn held(&self) -> &Held<S::Hash> {
        &self.held
    }

    pub(crate) const fn unsaved(&self) -> Option<&Unsaved<S::Hash>> {
        self.unsaved.as_ref()
    }

    pub(crate) const fn pin(&self) -> Option<&Arc<Pin>> {
        self.pin.as_ref()
    }

    pub(crate) async fn read(
        objects: &Arc<Objects<S>>,
        stream: impl AsyncRead + Send,
    ) -> Result<Self>
    where
        S::Contents: Streamable,
    {
        let mut stream = pin!(stream);
        let first = read_batch(&mut stream).await?;
        if first.len() <= CHUNK_MAX {
            return Self::small(objects, first);
        }
        let mut sink = Sink::new(Arc::clone(objects));
        let mut cutter = Cutter::<S>::new();
        let mut batch = first;
        while !batch.is_empty() {
            let blocks;
            (cutter, blocks) = compute(move || cutter.cut(&batch)).await?;
            let waiting = Waiting::of(&cutter.splitter);
            // The next bytes come in while these are stored.
            (batch, ()) = try_join(read_batch(&mut stream), sink.store(blocks, waiting)).await?;
        }
        let length = cutter.splitter.length();
        let (root, blocks) = compute(move || cutter.finish()).await?;
        let pin = sink.finish(root, blocks).await?;
        let objects = Arc::clone(objects);
        Ok(Self { objects, held: Held::Block(root), unsaved: None, pin, length })
    }

    fn small(objects: &Arc<Objects<S>>, encoded: Vec<u8>) -> Result<Self>
    where
        S::Contents: Streamable,
    {
        check_whole::<S::Contents>(&encoded)?;
        let (objects, length) = (Arc::clone(objects), encoded.len() as u64);
        let (held, unsaved) = if Held::<S::Hash>::is_inline(&encoded) {
            (Held::Inline(encoded.into()), None)
        } else {
            let (hash, unsaved) = Unsaved::new::<S::Format>(&encoded)?;
            (Held::Block(hash), Some(unsaved))
        };
        Ok(Self { objects, held, unsaved, pin: None, length })
    }
}

/// Reads as much as a batch holds, or up to the end.
async fn read_batch(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut batch = Vec::new();
    stream.take(BATCH as u64).read_to_end(&mut batch).await.map_err(stream_failed)?;
    Ok(batch)
}

/// Returns what is said of a stream that failed: what a store says inside of it, if one does.
pub(crate) fn stream_failed(cause: io::Error) -> Error {
    cause.downcast::<Error>().unwrap_or_else(|cause| {
        Error::new(ErrorKind::Unavailable, "cannot read the stream").with_source(cause)
    })
}

/// Refuses bytes that are no encoding of a value.
pub(crate) fn check_whole<C: Streamable>(encoded: &[u8]) -> Result<()> {
    let mut check = C::Check::default();
    check.piece(encoded)?;
    check.end()
}

/// Cuts what comes, and checks it on the way.
struct Cutter<S: Schema>
where
    S::Contents: Streamable,
{
    splitter: Splitter<S::Hash>,
    check: <S::Contents as Streamable>::Check,
}

impl<S: Schema> Cutter<S>
where
    S::Contents: Streamable,
{
    fn new() -> Self {
        Self { splitter: Splitter::new(), check: Default::default() }
    }

    fn cut(mut self, bytes: &[u8]) -> Result<(Self, Blocks<S::Hash>)> {
        let mut blocks = Vec::new();
        self.check.piece(bytes)?;
        self.splitter.push::<S::Format>(bytes, &mut blocks)?;
        Ok((self, blocks))
    }

    fn finish(self) -> Result<(S::Hash, Blocks<S::Hash>)> {
        let mut blocks = Vec::new();
        self.check.end()?;
        let root = self.splitter.finish::<S::Format>(&mut blocks)?;
        Ok((root.ok_or_else(|| Error::corrupt("a large value has no blocks"))?, blocks))
    }
}

/// How far the index has come.
struct Waiting {
    /// How many blocks of each level, from the chunks up, were made.
    made: Vec<u64>,
    /// How many of them a block above names.
    named: Vec<u64>,
}

impl Waiting {
    fn of<H: ramus_core::Hash>(splitter: &Splitter<H>) -> Self {
        Self { made: splitter.made().collect(), named: splitter.named().collect() }
    }
}

/// Stores blocks, and protects them until others protect them.
///
/// A collection keeps what a pinned block reaches. So a batch is pinned for as long as one of its blocks
/// is named by no block that was made: the pins are as many as the open index blocks have parts, however
/// long the stream is.
struct Sink<S: Schema> {
    objects: Arc<Objects<S>>,
    /// The pins of the batches, the oldest first, each with the counts of blocks up to its end.
    pins: VecDeque<(Vec<u64>, Pin)>,
}

impl<S: Schema> Sink<S> {
    const fn new(objects: Arc<Objects<S>>) -> Self {
        Self { objects, pins: VecDeque::new() }
    }

    async fn store(&mut self, blocks: Blocks<S::Hash>, waiting: Waiting) -> Result<()> {
        let Waiting { made, named } = waiting;
        let pin = self.add(blocks).await?;
        self.pins.extend(pin.map(|pin| (made, pin)));
        // What is named here is named by a block that is stored and pinned by now.
        let is_named = |made: &[u64]| made.iter().zip(&named).all(|(made, named)| made <= named);
        self.pins.retain(|(made, _)| !is_named(made));
        Ok(())
    }

    async fn finish(&self, root: S::Hash, blocks: Blocks<S::Hash>) -> Result<Option<Arc<Pin>>> {
        let _until_the_root_is_pinned = self.add(blocks).await?;
        self.objects.pin(root).await
    }

    async fn add(&self, blocks: Blocks<S::Hash>) -> Result<Option<Pin>> {
        let names = blocks.iter().map(|(hash, _)| *hash).collect();
        let pin = self.objects.pin_all(names).await?;
        self.objects.backend().blocks().unsafe_add_many(blocks).await?;
        Ok(pin)
    }
}

impl<S: Schema> Clone for Upload<S> {
    fn clone(&self) -> Self {
        let Self { objects, held, unsaved, pin, length } = self;
        Self {
            objects: Arc::clone(objects),
            held: held.clone(),
            unsaved: unsaved.clone(),
            pin: pin.clone(),
            length: *length,
        }
    }
}

impl<S: Schema> fmt::Debug for Upload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("len", &self.length).finish_non_exhaustive()
    }
}
