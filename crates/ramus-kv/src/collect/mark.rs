use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Pin, ReadOnly as _, Result, Storage as _};

use super::why::Root;
use crate::block::Link;
use crate::objects::Objects;
use crate::{Format as _, Schema};

/// How many blocks are read at once: with the largest chunks that is 16 MiB.
const READ_AT_ONCE: usize = 64;

/// Finds what is reached from roots, some blocks at a time.
///
/// Of each block that is reached it keeps the name, 24 to 48 bytes for a hash of 20; and of those that
/// are reached and not read yet a little more, which is about one directory for each level of a path.
pub(super) struct Marker<S: Schema> {
    objects: Arc<Objects<S>>,
    marked: HashSet<S::Hash, DigestHash>,
    /// What is marked and not read yet.
    todo: VecDeque<Todo<S::Hash>>,
    /// What is named below pins and not there: it may be on its way.
    absent: Vec<Todo<S::Hash>>,
    /// From where each block was reached first, if that is asked for.
    origins: Option<HashMap<S::Hash, Origin<S::Hash>, DigestHash>>,
    /// What keeps each block that was read from being collected, if that is asked for.
    pins: Option<Vec<Pin>>,
}

#[derive(Clone, Copy)]
pub(super) struct Todo<H> {
    pub(super) hash: H,
    pub(super) need: Need,
    /// It names nothing, so that it need not be read.
    pub(super) is_chunk: bool,
}

/// Whether a block has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    /// Who pins a name may be about to add the block, and those below it.
    May,
}

/// From where a block was reached.
#[derive(Clone)]
pub(super) enum Origin<H> {
    Root(Root),
    Block(H),
}

impl<S: Schema> Marker<S> {
    pub(super) fn new(objects: &Arc<Objects<S>>) -> Self {
        let (marked, todo, absent) = (HashSet::default(), VecDeque::new(), Vec::new());
        Self { objects: Arc::clone(objects), marked, todo, absent, origins: None, pins: None }
    }

    /// Returns a marker that remembers from where each block was reached, and goes the shortest ways.
    pub(super) fn with_origins(objects: &Arc<Objects<S>>) -> Self {
        Self { origins: Some(HashMap::default()), ..Self::new(objects) }
    }

    /// Returns a marker that keeps what it reads from being collected, also by a collection that has found
    /// it to be garbage already.
    pub(super) fn with_pins(objects: &Arc<Objects<S>>) -> Self {
        Self { pins: Some(Vec::new()), ..Self::new(objects) }
    }

    /// Returns what keeps from being collected what was read.
    pub(super) fn into_pins(self) -> Vec<Pin> {
        self.pins.unwrap_or_default()
    }

    /// Takes a block, and what it reaches, as marked.
    pub(super) fn pass_over(&mut self, hash: S::Hash) {
        self.marked.insert(hash);
    }

    pub(super) fn reached(&self) -> u64 {
        (self.marked.len() - self.absent.len()) as u64
    }

    pub(super) fn is_marked(&self, hash: &S::Hash) -> bool {
        self.marked.contains(hash)
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.todo.is_empty()
    }

    pub(super) fn origin(&self, hash: &S::Hash) -> Option<&Origin<S::Hash>> {
        self.origins.as_ref()?.get(hash)
    }

    /// Marks a root.
    pub(super) fn add_root(&mut self, hash: S::Hash, need: Need, root: impl FnOnce() -> Root) {
        self.add(Todo { hash, need, is_chunk: false }, || Origin::Root(root()));
    }

    fn add(&mut self, todo: Todo<S::Hash>, origin: impl FnOnce() -> Origin<S::Hash>) {
        if !self.marked.insert(todo.hash) {
            return;
        }
        if let Some(origins) = &mut self.origins {
            origins.insert(todo.hash, origin());
        }
        // Nobody needs to have stored the empty directory.
        if todo.hash != self.objects.empty_directory() {
            self.todo.push_back(todo);
        }
    }

    /// Reads some of the blocks that are marked, and marks what they name.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves everything as it was.
    pub(super) async fn step(&mut self) -> Result<()> {
        let count = self.todo.len().min(READ_AT_ONCE);
        // From the end, little waits at a time; from the beginning, ways are short.
        let from = if self.origins.is_some() { 0 } else { self.todo.len() - count };
        let some: Vec<_> = self.todo.range(from..from + count).copied().collect();
        if let Some(pins) = &mut self.pins {
            let names = some.iter().map(|todo| todo.hash).collect();
            pins.extend(self.objects.pin_all(names).await?);
        }
        let read = self.read(&some).await?;
        let (mut named, mut absent) = (Vec::new(), Vec::new());
        for (todo, block) in some.iter().zip(read) {
            match block {
                Some(block) => {
                    for link in links::<S>(todo, &block)? {
                        named.push((todo.hash, link));
                    }
                }
                None if todo.need == Need::Must => {
                    return Err(Error::missing(todo.hash));
                }
                None => absent.push(*todo),
            }
        }
        self.absent.append(&mut absent);
        self.todo.drain(from..from + count);
        for (parent, link) in named {
            self.add(link, || Origin::Block(parent));
        }
        Ok(())
    }

    /// Looks again for the blocks that were not there.
    pub(super) async fn look_for_absent(&mut self) -> Result<()> {
        for from in (0..self.absent.len()).step_by(READ_AT_ONCE).rev() {
            let to = self.absent.len().min(from + READ_AT_ONCE);
            let found = self.read(&self.absent[from..to]).await?;
            for (at, block) in found.iter().enumerate().rev() {
                if block.is_some() {
                    self.todo.push_back(self.absent.swap_remove(from + at));
                }
            }
        }
        Ok(())
    }

    /// Returns the blocks, of chunks nothing but that they are there.
    async fn read(&self, todo: &[Todo<S::Hash>]) -> Result<Vec<Option<Bytes>>> {
        const LOOK_AT_ONCE: usize = 16;
        let blocks = self.objects.backend().blocks();
        let hashes: Vec<_> =
            todo.iter().filter(|todo| !todo.is_chunk).map(|todo| todo.hash).collect();
        let mut found = blocks.find_many(&hashes).await?.into_iter();
        let chunks = todo.iter().filter(|todo| todo.is_chunk).map(|todo| todo.hash);
        let looks = chunks.map(|hash| {
            let blocks = blocks.clone();
            async move { blocks.mem(&hash).await }
        });
        let looks: Vec<_> =
            stream::iter(looks.collect::<Vec<_>>()).buffered(LOOK_AT_ONCE).try_collect().await?;
        let mut looks = looks.into_iter();
        let read = todo.iter().map(|todo| {
            if todo.is_chunk {
                looks.next().filter(|there| *there).map(|_| Bytes::new())
            } else {
                found.next().flatten()
            }
        });
        Ok(read.collect())
    }
}

/// Returns what a block names.
pub(super) fn links<S: Schema>(todo: &Todo<S::Hash>, block: &Bytes) -> Result<Vec<Todo<S::Hash>>> {
    if todo.is_chunk {
        return Ok(Vec::new());
    }
    let unreadable = |fault: Error| fault.context(format!("block {} cannot be read", todo.hash));
    let links = S::Format::links::<S::Hash>(block).map_err(unreadable)?;
    let is_above_chunks = S::Format::is_contents_index(block)
        && S::Format::decode_contents_index::<S::Hash>(block).map_err(unreadable)?.level == 1;
    let need = todo.need;
    let link = |link: &Link<_>| Todo { hash: link.hash(), need, is_chunk: is_above_chunks };
    Ok(links.iter().map(link).collect())
}
