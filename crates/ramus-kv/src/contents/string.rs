use bytes::Bytes;
use ramus_core::{Error, Result};

use crate::Contents;

/// Text is stored as UTF-8, and merges as a whole.
impl Contents for String {
    fn encode(&self) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(self.as_bytes()))
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(cause) => Err(Error::corrupt("the contents are not UTF-8").with_source(cause)),
        }
    }
}
