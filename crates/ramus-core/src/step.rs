use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::short_bytes::ShortBytes;
use crate::{Error, Result};

/// One name in a directory: 1 to 1024 bytes without `/` and NUL.
///
/// Steps are usually UTF-8, and need not be. They are ordered by their bytes. Cloning is cheap.
///
/// ```
/// use ramus_core::Step;
///
/// let step: Step = "users".parse()?;
/// assert_eq!(step.as_str(), Some("users"));
/// assert!("a/b".parse::<Step>().is_err());
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(
    /// `Step::check` holds.
    ShortBytes,
);

impl Step {
    /// The most bytes that a step has.
    pub const LENGTH_MAX: usize = 1024;

    /// Returns the step that has these bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty, too long, or holds a byte
    /// that no step may hold.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        check_new(&bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Returns the step that has these bytes, which are copied. Nothing is allocated for a short one.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Step::new).
    pub fn copy_from_slice(bytes: &[u8]) -> Result<Self> {
        check_new(bytes)?;
        Ok(Self(ShortBytes::copy_from_slice(bytes)))
    }

    /// Returns the bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text, or nothing if the step is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns whether a step may have these bytes.
    pub fn is_valid(bytes: &[u8]) -> bool {
        // There is no early way out, so that many bytes are looked at at once.
        let may_hold = |all, byte: &u8| all & !matches!(byte, b'/' | 0);
        (1..=Self::LENGTH_MAX).contains(&bytes.len()) && bytes.iter().fold(true, may_hold)
    }

    /// Says what is wrong with these bytes as a step, if anything is.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), StepFault> {
        if Self::is_valid(bytes) {
            return Ok(());
        }
        if bytes.is_empty() {
            return Err(StepFault::Empty);
        }
        if bytes.len() > Self::LENGTH_MAX {
            return Err(StepFault::TooLong(bytes.len()));
        }
        match bytes.iter().find(|byte| matches!(byte, b'/' | 0)) {
            Some(byte) => Err(StepFault::Holds(*byte)),
            None => Ok(()),
        }
    }

    pub(crate) fn into_bytes(self) -> ShortBytes {
        self.0
    }

    /// Wraps bytes for which `check` is known to hold.
    pub(crate) fn from_checked(bytes: ShortBytes) -> Self {
        debug_assert!(Self::check(&bytes).is_ok(), "an unchecked step");
        Self(bytes)
    }
}

/// Refuses bytes that no step has.
fn check_new(bytes: &[u8]) -> Result<()> {
    Step::check(bytes).map_err(|fault| {
        let text = Excerpt(bytes);
        Error::invalid_input(format!("step `{text}` {fault}"))
    })
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepFault {
    Empty,
    TooLong(usize),
    Holds(u8),
}

impl fmt::Display for StepFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; a step has 1 to 1024 bytes"),
            Self::TooLong(length) => write!(f, "has {length} bytes; a step has 1 to 1024"),
            Self::Holds(0) => f.write_str("holds a NUL byte, which no step may hold"),
            Self::Holds(_) => f.write_str("holds a `/`, which separates the steps of a path"),
        }
    }
}

/// Bytes as text for a message, cut where they are long.
pub(crate) struct Excerpt<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "{}", String::from_utf8_lossy(shown).escape_debug())?;
        if self.0.len() > SHOWN { f.write_str("…") } else { Ok(()) }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::copy_from_slice(text.as_bytes())
    }
}

impl AsRef<[u8]> for Step {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for Step {
    #[inline]
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_step_says_what_is_wrong() {
        let message = |text: &str| text.parse::<Step>().unwrap_err().to_string();
        assert_eq!(message(""), "step `` is empty; a step has 1 to 1024 bytes");
        assert!(message("a/b").starts_with("step `a/b` holds a `/`"));
        assert!(message("a\0").contains("NUL"));
        let long = message(&"x".repeat(1025));
        assert!(long.contains("has 1025 bytes") && long.len() < 200, "{long}");
    }

    #[test]
    fn steps_need_not_be_text() {
        let step = Step::new(vec![0xff, 0xfe]).unwrap();
        assert_eq!((step.as_str(), step.as_bytes()), (None, &[0xff, 0xfe][..]));
        assert!("x".repeat(1024).parse::<Step>().is_ok());
    }

    #[test]
    fn what_is_valid_is_a_step() {
        for length in [0, 1, 31, 32, 1024, 1025] {
            let bytes = vec![b'x'; length];
            assert_eq!(Step::is_valid(&bytes), Step::new(bytes).is_ok(), "{length}");
        }
        for place in 0..40 {
            for byte in [0, b'/', b'.', 0xff] {
                let mut bytes = vec![b'x'; 40];
                bytes[place] = byte;
                assert_eq!(Step::is_valid(&bytes), byte != 0 && byte != b'/', "{byte} at {place}");
            }
        }
    }
}
