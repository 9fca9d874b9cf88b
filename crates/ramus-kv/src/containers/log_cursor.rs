use std::fmt;
use std::str::FromStr;

use ramus_core::{Error, Hash, Result};

use super::LogKey;

/// How far a log was read: the version of it that was read, and how far one was that is being read.
///
/// It is text that can be kept, and read on from in another process, on another branch, or in a clone
/// of the repository. The versions are named by hash, and nothing keeps them for the cursor: if a
/// collection took them, reading on is `Missing`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogCursor<H> {
    /// The version that was read to its end; nothing if none was.
    pub(super) read: Option<H>,
    /// A later version, and the last entry of it that was read besides.
    pub(super) reading: Option<(H, LogKey)>,
}

impl<H> LogCursor<H> {
    /// Returns the cursor of nothing read yet.
    pub const fn start() -> Self {
        Self { read: None, reading: None }
    }
}

impl<H> Default for LogCursor<H> {
    fn default() -> Self {
        Self::start()
    }
}

/// `start`, or the hash of what was read; behind it, after `+`, the hash of what is being read, `@`,
/// and the last entry.
impl<H: fmt::Display> fmt::Display for LogCursor<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.read {
            Some(read) => write!(f, "{read}")?,
            None => f.write_str("start")?,
        }
        match &self.reading {
            Some((version, last)) => write!(f, "+{version}@{last}"),
            None => Ok(()),
        }
    }
}

impl<H: Hash> FromStr for LogCursor<H> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = || -> Result<Option<Self>> {
            let (read, reading) = match text.split_once('+') {
                Some((read, reading)) => (read, Some(reading)),
                None => (text, None),
            };
            let read = if read == "start" { None } else { Some(read.parse()?) };
            let Some(reading) = reading else { return Ok(Some(Self { read, reading: None })) };
            let Some((version, last)) = reading.split_once('@') else { return Ok(None) };
            Ok(Some(Self { read, reading: Some((version.parse()?, last.parse()?)) }))
        };
        let refuse = || {
            let expected = "`start` or a hash, and behind it perhaps `+`, a hash, `@` and an entry";
            Error::invalid_input(format!("`{text}` is no cursor of a log, which is {expected}"))
        };
        match parts() {
            Ok(cursor) => cursor.ok_or_else(refuse),
            Err(cause) => Err(refuse().with_source(cause)),
        }
    }
}
