use std::fmt;
use std::str::FromStr;

use ramus_core::{Error, ErrorKind, IntoPath, Path, Result, Step};

use super::key::fixed_hex;
use super::{LogCursor, LogReader};
use crate::{Direction, Info, ListOptions, Schema, Store, Transaction, Tree};

/// A log at a path, to which any number of writers on any number of branches append.
///
/// It is a directory with one entry for each thing that was appended, so appending costs the same
/// however long the log is (up to the logarithm of a directory), and what is there is never written
/// again.
///
/// # Order
///
/// An entry stands behind all that its writer could see. Entries of which neither writer saw the
/// other's, on two branches or at once, stand in an order that is the same for everybody: by their
/// number, and then by a random one. So after a merge, entries of the other branch may stand before
/// entries that were here already; a [`LogCursor`] misses none of them.
///
/// # Format
///
/// The step of an entry is its number, one more than that of the last entry that its writer saw, and a
/// random number: each 16 hexadecimal digits, with `-` between.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogAt(Path);

/// One thing that was appended to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry<C> {
    /// Its name in the log.
    pub key: LogKey,
    /// What was appended.
    pub value: C,
}

/// The name of an entry of a log; names are ordered as the entries are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    number: u64,
    random: u64,
}

impl LogAt {
    /// Returns the log at a path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a path that is none.
    pub fn new(path: impl IntoPath) -> Result<Self> {
        Ok(Self(path.into_path()?))
    }

    /// Returns the path.
    pub const fn path(&self) -> &Path {
        &self.0
    }

    /// Appends an entry, as one commit.
    ///
    /// # Errors
    ///
    /// Those of [`append_in`](LogAt::append_in) and of [`Store::commit`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has appended the entry or not.
    pub async fn append<S: Schema>(
        &self,
        store: &Store<S>,
        value: impl Into<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<LogKey> {
        let (value, info) = (value.into(), info.into());
        let mut edit = store.begin().await?;
        let key = self.push(&mut edit, value).await?;
        store.commit(edit, info).await?;
        Ok(key)
    }

    /// Appends entries, in this order, as one commit.
    ///
    /// # Errors
    ///
    /// Those of [`append`](LogAt::append).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has appended all of them or none.
    pub async fn append_all<S: Schema, V: Into<S::Contents>>(
        &self,
        store: &Store<S>,
        values: impl IntoIterator<Item = V>,
        info: impl Into<Info>,
    ) -> Result<Vec<LogKey>> {
        let values: Vec<S::Contents> = values.into_iter().map(Into::into).collect();
        let info = info.into();
        let mut edit = store.begin().await?;
        let mut keys = Vec::with_capacity(values.len());
        for value in values {
            let key = match keys.last() {
                None => self.push(&mut edit, value).await?,
                Some(last) => self.push_after(&mut edit, Some(*last), value).await?,
            };
            keys.push(key);
        }
        store.commit(edit, info).await?;
        Ok(keys)
    }

    /// Appends an entry in a transaction.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if contents are at the path;
    /// [`Corrupt`](ErrorKind::Corrupt) if something else is in the directory behind the last entry.
    pub async fn append_in<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        value: impl Into<S::Contents>,
    ) -> Result<LogKey> {
        let value = value.into();
        self.push(edit, value).await
    }

    /// Reads what was appended since a cursor: all entries that are in the log now and were not in it
    /// then, each once, also those that a merge brought in between.
    ///
    /// # Errors
    ///
    /// [`Missing`](ErrorKind::Missing) if the log as it was at the cursor is not kept any more: begin
    /// again from [`LogCursor::start`]. Those of reading a [`Tree`].
    pub async fn read<S: Schema>(
        &self,
        store: &Store<S>,
        after: &LogCursor<S::Hash>,
    ) -> Result<LogReader<S>> {
        LogReader::open(self, store, after).await
    }

    /// Returns how many entries there are.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn len<S: Schema>(&self, tree: &Tree<S>) -> Result<u64> {
        tree.len(&self.0).await
    }

    /// Returns the last entries, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; [`Corrupt`](ErrorKind::Corrupt) for what is no entry of a log.
    pub async fn newest<S: Schema>(
        &self,
        tree: &Tree<S>,
        limit: usize,
    ) -> Result<Vec<LogEntry<S::Contents>>> {
        let options = ListOptions::default().with_direction(Direction::Backwards).with_limit(limit);
        let mut entries = tree.entries_with(&self.0, options).await?;
        let mut newest = Vec::new();
        while let Some((step, found)) = entries.next().await.transpose()? {
            let key = self.key(&step)?;
            let value = found.contents().await?.ok_or_else(|| self.no_entry(&step))?;
            newest.push(LogEntry { key, value });
        }
        Ok(newest)
    }

    async fn push<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        value: S::Contents,
    ) -> Result<LogKey> {
        let last = ListOptions::default().with_direction(Direction::Backwards).with_limit(1);
        let last = edit.list_with(&self.0, last).await?;
        let last = last.first().map(|listing| self.key(&listing.step)).transpose()?;
        self.push_after(edit, last, value).await
    }

    async fn push_after<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        last: Option<LogKey>,
        value: S::Contents,
    ) -> Result<LogKey> {
        let number = match last {
            None => Some(0),
            Some(last) => last.number.checked_add(1),
        };
        let Some(number) = number else {
            let message = format!("the log at `{}` has an entry of the highest number", self.0);
            return Err(Error::new(ErrorKind::Limit, message));
        };
        let key = LogKey { number, random: edit.store.repo().random_below(u64::MAX) };
        edit.set(self.0.child(&key.step()?), value).await?;
        Ok(key)
    }

    pub(super) fn key(&self, step: &Step) -> Result<LogKey> {
        LogKey::of(step.as_bytes()).ok_or_else(|| self.no_entry(step))
    }

    pub(super) fn no_entry(&self, step: &Step) -> Error {
        Error::corrupt(format!("`{step}` in `{}` is no entry of a log", self.0))
    }
}

impl LogKey {
    fn step(self) -> Result<Step> {
        Step::new(self.to_string())
    }

    fn of(step: &[u8]) -> Option<Self> {
        let (number, random) = step.split_at_checked(16)?;
        let random = random.strip_prefix(b"-")?;
        Some(Self { number: fixed_hex(number)?, random: fixed_hex(random)? })
    }
}

/// The step of the entry.
impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.number, self.random)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({self})")
    }
}

impl FromStr for LogKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = "16 hexadecimal digits, `-`, and 16 more";
        let refuse =
            || Error::invalid_input(format!("`{text}` names no entry of a log; {expected} do"));
        Self::of(text.as_bytes()).ok_or_else(refuse)
    }
}
