//! A schema with metadata: texts, and what may be done with them.

use bytes::Bytes;
use ramus_core::{Error, Result, Sha1};
use ramus_kv::{Metadata, Native, Schema};

/// Texts with a mode.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Files;

impl Schema for Files {
    type Hash = Sha1;
    type Contents = String;
    type Metadata = Mode;
    type Format = Native;
}

/// A number, which is how many bytes it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mode(pub(crate) u16);

impl Metadata for Mode {
    fn encode(&self) -> Bytes {
        vec![b'x'; usize::from(self.0)].into()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        if bytes.iter().any(|byte| *byte != b'x') {
            return Err(Error::corrupt("no mode"));
        }
        u16::try_from(bytes.len()).map(Self).map_err(|_| Error::corrupt("no mode"))
    }
}
