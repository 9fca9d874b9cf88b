//! The formats on disk, byte by byte, one file each. All numbers are little endian, all checksums are
//! CRC-32 (the polynomial of IEEE 802.3, as in zlib).
//!
//! A version that is higher than the one written here is refused as
//! [`Unsupported`](ramus_core::ErrorKind::Unsupported), if the checksum of what carries it is right.
//! Bytes that are said to be zero are written as zero and refused otherwise, so that a later version
//! can give them a meaning.

pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod derived;
pub(crate) mod files;
pub(crate) mod head;
pub(crate) mod manifest;
pub(crate) mod record;
pub(crate) mod segment;

mod reader;

pub(crate) use reader::{Reader, checksum};

/// The version of every format here.
pub(crate) const VERSION: u32 = 1;

/// What is wrong with bytes that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// They are not what was written.
    #[error("{0}")]
    Damaged(&'static str),
    /// They are of a later version of the format.
    #[error("its format has version {0}, and this program knows versions up to {VERSION}")]
    Later(u32),
    /// They are compressed, in a way that this program was built without.
    #[cfg_attr(
        feature = "zstd",
        expect(dead_code, reason = "it is for builds without the feature")
    )]
    #[error(
        "it is compressed with zstd; build the program with the feature `zstd` of `ramus-pack` (or `ramus`)"
    )]
    NeedsZstd,
}

/// Refuses versions that are not known here.
pub(crate) const fn check_version(version: u32) -> Result<(), Fault> {
    match version {
        VERSION => Ok(()),
        0 => Err(Fault::Damaged("the version of the format is 0, which there never was")),
        later => Err(Fault::Later(later)),
    }
}
