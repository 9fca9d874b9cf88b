use std::io::Read as _;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Result};

use super::Proof;
use super::encoding::{COMPRESSED, MAGIC, refused};
use crate::Schema;

/// The usual level of Zstandard: a higher one gained a few percent on proofs.
const LEVEL: i32 = 3;

/// The window of level 3, as an exponent of two. A frame that asks for more memory is refused.
const WINDOW_LOG_MAX: u32 = 21;

impl<S: Schema> Proof<S> {
    /// Returns the bytes to send, compressed by Zstandard (RFC 8878): about a quarter.
    ///
    /// They are the mark `ramus proof`, the byte `0x02`, and one frame that holds what
    /// [`encode`](Proof::encode) returns. Unlike that they are not the only ones of the proof: another
    /// version of the compressor may choose others.
    ///
    /// # Errors
    ///
    /// [`Limit`](ErrorKind::Limit) if there is not enough memory for the compressor.
    pub fn encode_compressed(&self) -> Result<Bytes> {
        let frame = zstd::bulk::compress(&self.encode(), LEVEL).map_err(|cause| {
            Error::new(ErrorKind::Limit, "cannot compress a proof").with_source(cause)
        })?;
        Ok([MAGIC, &[COMPRESSED], &frame].concat().into())
    }

    /// Reads what [`encode_compressed`](Proof::encode_compressed) returned. Nothing is proved by that.
    ///
    /// The proof may have at most `bytes_max` bytes when it is not compressed; no more than these and
    /// some megabytes for the decompressor are allocated, whatever the bytes say.
    ///
    /// # Errors
    ///
    /// [`Unproven`](ErrorKind::Unproven) for any other bytes, for a longer proof, and as for
    /// [`decode`](Proof::decode).
    pub fn decode_compressed(encoded: &[u8], bytes_max: usize) -> Result<Self> {
        let Some(rest) = encoded.strip_prefix(MAGIC) else {
            return Err(refused("the bytes are no proof: they begin otherwise"));
        };
        match rest {
            [COMPRESSED, frame @ ..] => Self::decode(decompress(frame, bytes_max)?),
            [version, ..] => Err(refused(&format!(
                "the proof has version {version}; a compressed one has version {COMPRESSED}"
            ))),
            [] => Err(refused("it ends behind its mark")),
        }
    }
}

/// Returns what a frame holds, if nothing is behind it.
fn decompress(frame: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let broken = |cause| refused("it cannot be decompressed").with_source(cause);
    let mut decoder = zstd::Decoder::with_buffer(frame).map_err(broken)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut bytes = Vec::new();
    let limit = (bytes_max as u64).saturating_add(1);
    decoder.by_ref().take(limit).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > bytes_max {
        return Err(refused(&format!(
            "it has more than {bytes_max} bytes when it is decompressed"
        )));
    }
    match decoder.finish().len() {
        0 => Ok(bytes),
        left => Err(refused(&format!("{left} bytes are left behind the compressed ones"))),
    }
}
