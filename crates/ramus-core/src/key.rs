use std::borrow::Cow;
use std::fmt::Debug;

use crate::Result;

/// What a store finds its values by.
///
/// # What is promised
///
/// - A key has *canonical bytes*: equal keys have equal bytes, different keys different ones.
/// - `Ord` is the order of the canonical bytes, so that listings and prefixes agree everywhere.
/// - [`from_bytes`](Key::from_bytes) is the inverse of [`to_bytes`](Key::to_bytes), and refuses
///   whatever is not the canonical bytes of a key.
///
/// ```
/// use ramus_core::{Key, RefName};
///
/// let main = RefName::branch("main")?;
/// assert_eq!(&*main.to_bytes(), b"branch/main");
/// assert_eq!(RefName::from_bytes(b"branch/main")?, main);
/// # Ok::<(), ramus_core::Error>(())
/// ```
pub trait Key: Clone + Ord + std::hash::Hash + Debug + Send + Sync + 'static {
    /// Returns the canonical bytes.
    fn to_bytes(&self) -> Cow<'_, [u8]>;

    /// Returns the key that has these canonical bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if no key has them; the message says what
    /// was wrong.
    fn from_bytes(bytes: &[u8]) -> Result<Self>;
}

/// What a store holds: any value that can be copied, compared and sent.
///
/// Nothing has to be written for a type to be a value. Cloning should be cheap, as it is for
/// [`Bytes`](bytes::Bytes): stores clone what they return.
pub trait Value: Clone + PartialEq + Debug + Send + Sync + 'static {}

impl<T: Clone + PartialEq + Debug + Send + Sync + 'static> Value for T {}

impl Key for String {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(cause) => {
                Err(crate::Error::invalid_input("a text key has to be UTF-8").with_source(cause))
            }
        }
    }
}
