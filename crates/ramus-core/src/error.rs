use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What every fallible operation of a store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed: a kind that the caller can act on, what was attempted, and the cause.
///
/// Expected outcomes are not errors: a value that is absent is `None`, a lost race is
/// [`Outcome::Refused`](crate::Outcome::Refused) or `false`. Cloning is cheap and shares the cause,
/// so that one failure can be told to everyone who waited for it.
///
/// ```
/// use ramus_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::InvalidInput, "step 2 of path `a//b` is empty");
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert_eq!(error.to_string(), "step 2 of path `a//b` is empty");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// What a caller can act on.
///
/// A kind exists only where a caller would act differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store was closed; open it again.
    Closed,
    /// The caller's argument is wrong; the message says what would be right.
    InvalidInput,
    /// A block that something names is not in the store.
    Missing,
    /// Bytes that were read are not what was written.
    Corrupt,
    /// The store cannot be reached or is held by another writer; trying again may help.
    ///
    /// As the answer of an `update` or a `write` it leaves open whether the update was applied: send
    /// *the same* update again.
    Unavailable,
    /// It is not known whether the update was applied, and sending it again will not tell either: read
    /// what the refs hold before deciding.
    Ambiguous,
    /// The update lost its race too often.
    Contention,
    /// Both sides of a merge changed the same thing.
    Conflict,
    /// The caller's own code refused or panicked; its reason is the source.
    Aborted,
    /// Too large, too many, or no room.
    Limit,
    /// The operating system or the store does not allow it.
    Permission,
    /// This store, or this version, cannot do that.
    Unsupported,
    /// A proof that is forged, or that does not reach so far.
    Unproven,
}

struct Inner {
    kind: ErrorKind,
    message: Box<str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns an error that says what was attempted: lower case, no final full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into().into_boxed_str(), source: None }))
    }

    /// Returns the same error with `source` as its cause, in place of any earlier one.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let Inner { kind, message, .. } = match Arc::try_unwrap(self.0) {
            Ok(inner) => inner,
            Err(shared) => {
                Inner { kind: shared.kind, message: shared.message.clone(), source: None }
            }
        };
        Self(Arc::new(Inner { kind, message, source: Some(source.into()) }))
    }

    /// Returns an error of the same kind that says what was attempted when this one came up.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self::new(self.kind(), message).with_source(self)
    }

    /// Returns what the caller can act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the error that every operation on a closed store answers.
    pub fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store is closed; open it again to go on")
    }

    /// Returns an error of kind [`ErrorKind::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Returns an error of kind [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Returns the error for a block that is named by something and is not in the store.
    pub fn missing(key: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Missing, format!("block {key} is not in the store"))
    }

    fn fmt_causes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// Shows the message; with `{:#}` the messages of its causes, too.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if f.alternate() { self.fmt_causes(f) } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        self.fmt_causes(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::InvalidInput => "invalid input",
            Self::Missing => "missing",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Ambiguous => "ambiguous",
            Self::Contention => "contention",
            Self::Conflict => "conflict",
            Self::Aborted => "aborted",
            Self::Limit => "limit",
            Self::Permission => "permission",
            Self::Unsupported => "unsupported",
            Self::Unproven => "unproven",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_source_and_not_repeated_in_the_message() {
        let cause = Error::corrupt("checksum of record 7 does not match");
        let error = cause.context("cannot read block ab12");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "cannot read block ab12");
        let source = error.source().expect("a source");
        assert_eq!(source.to_string(), "checksum of record 7 does not match");
        let all = "Corrupt: cannot read block ab12: checksum of record 7 does not match";
        assert_eq!(format!("{error:?}"), all);
        let chain = "cannot read block ab12: checksum of record 7 does not match";
        assert_eq!(format!("{error:#}"), chain);
    }

    #[test]
    fn a_clone_shares_the_cause() {
        let error = Error::closed().with_source("the disk was removed");
        let clone = error.clone();
        assert_eq!(clone.source().expect("a source").to_string(), "the disk was removed");
        assert_eq!(error.with_source("other").source().expect("a source").to_string(), "other");
    }
}
