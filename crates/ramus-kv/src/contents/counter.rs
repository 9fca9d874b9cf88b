use bytes::Bytes;
use ramus_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Conflict, Contents, merge};

/// A count that both sides of a merge may change: what they added adds up.
///
/// ```
/// use ramus_kv::{Contents, Counter};
///
/// let merged = Counter::merge(Some(&Counter(5)), Some(&Counter(6)), Some(&Counter(6)));
/// assert_eq!(merged, Ok(Some(Counter(7))));
/// ```
///
/// A counter that nobody had before began at zero. A sum that does not fit is a conflict, and so is
/// a counter that one side deleted and the other changed.
///
/// It is stored as eight bytes, big endian, two's complement.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Counter(pub i64);

impl Contents for Counter {
    const MERGES_EQUAL_SIDES: bool = true;

    fn encode(&self) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(&self.0.to_be_bytes()))
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let Ok(bytes) = bytes[..].try_into() else {
            let length = bytes.len();
            return Err(Error::corrupt(format!("a counter has 8 bytes, not {length}")));
        };
        Ok(Self(i64::from_be_bytes(bytes)))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
            merge::count(ancestor.map(|count| &count.0), &ours.0, &theirs.0).map(Self)
        })
    }
}

impl From<i64> for Counter {
    fn from(count: i64) -> Self {
        Self(count)
    }
}
