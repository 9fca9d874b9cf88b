use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::step::Excerpt;
use crate::{Error, Result, id_bytes};

/// A place in a change log, which can be kept and come back to, also in a later process.
///
/// The text form is for keeping it: `9f…3c:42`.
///
/// ```
/// use ramus_core::{Cursor, Incarnation};
///
/// let cursor = Cursor { incarnation: Incarnation::random(), sequence: 42 };
/// assert_eq!(cursor.to_string().parse::<Cursor>()?, cursor);
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The life of the log that the sequence counts in.
    pub incarnation: Incarnation,
    /// The sequence of the last change before this place; 0 is before the first.
    pub sequence: u64,
}

/// One life of a change log: 128 random bits.
///
/// Sequences of two incarnations have nothing to do with each other. A new one begins with every
/// memory store, with an open that lost changes that were not yet durable, and with a restored
/// backup.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Incarnation(#[serde(with = "crate::id_bytes")] [u8; 16]);

impl Incarnation {
    /// Returns a new one, from the operating system's randomness.
    pub fn random() -> Self {
        Self(crate::random::bits128())
    }

    /// Returns the incarnation that has these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&id_bytes::to_hex(&self.0))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation, self.sequence)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once(':').and_then(|(incarnation, sequence)| {
            let incarnation = Incarnation(id_bytes::from_hex(incarnation)?);
            let digits = sequence.bytes().all(|byte| byte.is_ascii_digit());
            let sequence = digits.then(|| sequence.parse().ok())??;
            Some(Self { incarnation, sequence })
        });
        parsed.ok_or_else(|| {
            let text = Excerpt(text.as_bytes());
            Error::invalid_input(format!(
                "`{text}` is no cursor: 32 hex digits, a colon and a number are"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_cursor_is_refused() {
        let zeros = "0".repeat(32);
        for text in ["", "1:2", &zeros, &format!("{zeros}:"), &format!("{zeros}:+1"), "x:1"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
        let long = "x".repeat(10_000).parse::<Cursor>().unwrap_err().to_string();
        assert!(long.len() < 200, "{long}");
        assert_eq!(format!("{zeros}:7").parse::<Cursor>().unwrap().sequence, 7);
    }
}
