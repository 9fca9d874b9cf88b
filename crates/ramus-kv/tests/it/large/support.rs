//! Streams in pieces, bytes by the megabyte, and what a storage holds.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::TryStreamExt as _;
use ramus_core::erased::Backend;
use ramus_core::{Hash as _, ReadOnly as _, Sha1, Storage as _, Sweep as _};
use ramus_kv::{Kv, Repo};
use ramus_mem::Mem;
use tokio::io::{AsyncRead, ReadBuf};

pub(crate) type Files = Kv<Bytes>;

pub(crate) fn repo() -> Repo<Files> {
    Repo::new(Backend::new(Mem::default()))
}

/// Returns bytes without a pattern: those of the golden files.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 20);
    let mut number = 0_u64;
    while bytes.len() < length {
        bytes.extend_from_slice(Sha1::of(&number.to_be_bytes()).as_bytes());
        number += 1;
    }
    bytes.truncate(length);
    bytes
}

/// Numbers that look random and follow from a seed: `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("less than a usize")
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }
}

/// A stream that gives pieces of random lengths, and waits now and then.
#[derive(Debug)]
pub(crate) struct Pieces {
    rest: Bytes,
    length_max: usize,
    random: Random,
}

impl Pieces {
    pub(crate) fn new(bytes: &Bytes, length_max: usize, seed: u64) -> Self {
        Self { rest: bytes.clone(), length_max, random: Random(seed) }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.random.below(8) == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = self.length_max;
        let length = (1 + self.random.below(most)).min(self.rest.len()).min(buffer.remaining());
        let piece = self.rest.split_to(length);
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

/// Returns the names of all blocks that a storage holds.
pub(crate) async fn names(backend: &Backend<Sha1>) -> Vec<Sha1> {
    let sweep = backend.sweep().expect("it can be swept");
    sweep.keys().try_collect().await.expect("the names")
}

pub(crate) async fn block(backend: &Backend<Sha1>, name: &Sha1) -> Bytes {
    backend.blocks().find(name).await.expect("it can be read").expect("it is there")
}
