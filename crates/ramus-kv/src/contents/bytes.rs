use bytes::Bytes;
use ramus_core::Result;

use crate::Contents;

/// Bytes are their own encoding, shared with the block they came from, and merge as a whole.
impl Contents for Bytes {
    fn encode(&self) -> Result<Bytes> {
        Ok(self.clone())
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        Ok(bytes.clone())
    }
}
