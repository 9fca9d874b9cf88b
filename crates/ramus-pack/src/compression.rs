//! How the bytes of a block are stored: as they are or, if that pays, compressed with zstd (RFC 8878), with
//! the feature `zstd`.
//!
//! The body of a compressed record is the length of the block, 4 bytes, and one frame of zstd. Checksums are
//! those of what is stored, and names are those of the bytes of the block, so whether something is compressed
//! can be seen nowhere else.

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Result};

use crate::format::Fault;
use crate::format::record::Stored;
use crate::options::{Compression, PackOptions};

/// How new blocks are stored, as the manifest records it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    Plain,
    /// With a level of 1 to 22.
    Zstd { level: u8 },
}

impl Coding {
    const LEVEL: u8 = 3;
    pub(crate) const LEVEL_MAX: u8 = 22;

    /// Returns how new blocks are stored in a directory that records this.
    ///
    /// # Errors
    ///
    /// `Unsupported` if something is or will be compressed, and this program cannot.
    pub(crate) fn chosen(self, options: &PackOptions) -> Result<Self> {
        self.ensure_known()?;
        let before = match self {
            Self::Plain => Self::LEVEL,
            Self::Zstd { level } => level,
        };
        let level = options.compression_level.unwrap_or(before).clamp(1, Self::LEVEL_MAX);
        let chosen = match (options.compression, self) {
            (Some(Compression::None), _) | (None, Self::Plain) => Self::Plain,
            (Some(Compression::Zstd), _) | (None, Self::Zstd { .. }) => Self::Zstd { level },
        };
        chosen.ensure_known()?;
        Ok(chosen)
    }

    /// Refuses what this program was built without.
    pub(crate) fn ensure_known(self) -> Result<()> {
        if self == Self::Plain || cfg!(feature = "zstd") {
            return Ok(());
        }
        let message = "blocks are compressed with zstd, and this program was built without that; build it with the feature `zstd` of `ramus-pack` (or `ramus`)";
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Returns what is stored of a block.
    pub(crate) fn encode(self, block: Bytes) -> (Stored, Bytes) {
        match self {
            Self::Plain => (Stored::Plain, block),
            Self::Zstd { level } => match zstd::compress(&block, level) {
                Some(compressed) => (Stored::Zstd, compressed),
                None => (Stored::Plain, block),
            },
        }
    }
}

impl From<Coding> for Compression {
    fn from(coding: Coding) -> Self {
        match coding {
            Coding::Plain => Self::None,
            Coding::Zstd { .. } => Self::Zstd,
        }
    }
}

/// Returns how many bytes the block has of which this is stored, if that is sound.
pub(crate) fn decoded_bytes(stored: Stored, body: &[u8]) -> usize {
    match stored {
        Stored::Plain => body.len(),
        Stored::Zstd => body.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize),
    }
}

/// Returns the block of which this is stored.
pub(crate) fn decode(stored: Stored, body: Bytes) -> Result<Bytes, Fault> {
    match stored {
        Stored::Plain => Ok(body),
        Stored::Zstd => {
            let (length, frame) =
                body.split_first_chunk().ok_or(Fault::Damaged("it ends too early"))?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > ramus_core::Limits::default().block_bytes_max {
                return Err(Fault::Damaged("the length of a block cannot be"));
            }
            zstd::decompress(frame, length)
        }
    }
}

#[cfg(feature = "zstd")]
mod zstd {
    use std::cell::RefCell;

    use bytes::Bytes;
    use zstd::bulk::{Compressor, Decompressor};

    use crate::format::Fault;

    /// Smaller blocks are stored as they are: a frame has about 12 bytes of its own.
    const LENGTH_MIN: usize = 64;

    thread_local! {
        /// To make one costs more than to compress a small block with it.
        static COMPRESSOR: RefCell<Option<(u8, Compressor<'static>)>> = const { RefCell::new(None) };
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }

    /// Returns the compressed block, if it is smaller by an eighth at least.
    pub(super) fn compress(block: &Bytes, level: u8) -> Option<Bytes> {
        let length = u32::try_from(block.len()).ok()?;
        if block.len() < LENGTH_MIN {
            return None;
        }
        let frame = COMPRESSOR.with_borrow_mut(|kept| {
            if kept.as_ref().is_none_or(|(of, _)| *of != level) {
                *kept = Compressor::new(level.into()).ok().map(|new| (level, new));
            }
            // What cannot be compressed is stored as it is.
            kept.as_mut()?.1.compress(block).ok()
        })?;
        let stored = 4 + frame.len();
        let pays = stored <= block.len() - block.len() / 8;
        pays.then(|| [&length.to_le_bytes()[..], &frame].concat().into())
    }

    /// Returns the block, which has this length.
    pub(super) fn decompress(frame: &[u8], length: usize) -> Result<Bytes, Fault> {
        let block = DECOMPRESSOR.with_borrow_mut(|kept| {
            if kept.is_none() {
                *kept = Decompressor::new().ok();
            }
            kept.as_mut()?.decompress(frame, length).ok()
        });
        let block = block.filter(|block| block.len() == length);
        block.map(Bytes::from).ok_or(Fault::Damaged("a compressed block cannot be read"))
    }
}

#[cfg(not(feature = "zstd"))]
mod zstd {
    use bytes::Bytes;

    use crate::format::Fault;

    pub(super) const fn compress(_block: &Bytes, _level: u8) -> Option<Bytes> {
        None
    }

    pub(super) const fn decompress(_frame: &[u8], _length: usize) -> Result<Bytes, Fault> {
        Err(Fault::NeedsZstd)
    }
}
