use bytes::Bytes;
use ramus_core::{Result, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Contents, codec};

/// Any serde type as contents, merged as a whole.
///
/// What makes a type fit, and how it is stored, is written at [`codec`]. A type
/// that merges by its parts implements [`Contents`] itself.
///
/// ```
/// use ramus_kv::{Contents, Whole};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct Point(i32, i32);
///
/// let point = Whole(Point(3, 4));
/// assert_eq!(Whole::decode(&point.encode()?)?, point);
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whole<T>(pub T);

impl<T: Value + Serialize + DeserializeOwned> Contents for Whole<T> {
    fn encode(&self) -> Result<Bytes> {
        codec::encode(&self.0)
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        codec::decode(bytes).map(Self)
    }
}

impl<T> From<T> for Whole<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
