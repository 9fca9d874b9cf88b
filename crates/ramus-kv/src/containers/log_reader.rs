use std::collections::VecDeque;
use std::fmt;

use ramus_core::{Error, ErrorKind, Result, Step};

use super::{LogAt, LogCursor, LogEntry, LogKey};
use crate::{Diff, Difference, Schema, Store, Tree};

/// Reads a log on from a cursor: the entries of what is new, in their order.
///
/// It reads one version of the log, that of the head when it was opened; what is appended later is
/// for the next one. A cursor that was taken in the middle is first read on to the end of its version,
/// which passes again over what was read of it.
pub struct LogReader<S: Schema> {
    log: LogAt,
    /// What is still to be read, at most two versions.
    spans: VecDeque<Span<S>>,
    /// What was found and not given yet.
    found: Option<Difference<S>>,
    cursor: LogCursor<S::Hash>,
}

/// What was appended from one version to another.
struct Span<S: Schema> {
    diff: Diff<S>,
    newer: Tree<S>,
    version: S::Hash,
    /// The last entry of it that was read.
    after: Option<LogKey>,
}

impl<S: Schema> LogReader<S> {
    pub(super) async fn open(
        log: &LogAt,
        store: &Store<S>,
        after: &LogCursor<S::Hash>,
    ) -> Result<Self> {
        let mut spans = VecDeque::new();
        let mut older = match &after.read {
            Some(version) => store.repo().tree(version).await?,
            None => store.repo().empty_tree(),
        };
        if let Some((version, last)) = &after.reading {
            let newer = store.repo().tree(version).await?;
            spans.push_back(Span::new(&older, &newer, *version, Some(*last)));
            older = newer;
        }
        if let Some(newest) = store.tree().await?.find_tree(log.path()).await? {
            let version = newest.hash().await?;
            spans.push_back(Span::new(&older, &newest, version, None));
        }
        Ok(Self { log: log.clone(), spans, found: None, cursor: after.clone() })
    }

    /// Returns the next entry, or nothing after the last.
    ///
    /// # Errors
    ///
    /// - [`Missing`](ErrorKind::Missing) if a version of the cursor is not kept any more.
    /// - [`Corrupt`](ErrorKind::Corrupt) for what is no entry of a log.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<LogEntry<S::Contents>>> {
        self.step().await.transpose()
    }

    /// Returns all entries that were not given yet.
    ///
    /// # Errors
    ///
    /// Those of [`next`](LogReader::next).
    pub async fn collect(&mut self) -> Result<Vec<LogEntry<S::Contents>>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.step().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Returns the cursor behind the entry that was given last.
    pub const fn cursor(&self) -> &LogCursor<S::Hash> {
        &self.cursor
    }

    async fn step(&mut self) -> Result<Option<LogEntry<S::Contents>>> {
        while let Some(span) = self.spans.front_mut() {
            if self.found.is_none() {
                let next = span.diff.next().await.transpose();
                self.found = next.map_err(|error| self.log.lost(error))?;
            }
            let Some(difference) = &self.found else {
                self.cursor = LogCursor { read: Some(span.version), reading: None };
                self.spans.pop_front();
                continue;
            };
            let Some((step, key)) = span.appended(&self.log, difference)? else {
                self.found = None;
                continue;
            };
            let value = span.newer.find(&difference.path).await?;
            let value = value.ok_or_else(|| self.log.no_entry(&step))?;
            self.cursor.reading = Some((span.version, key));
            self.found = None;
            return Ok(Some(LogEntry { key, value }));
        }
        Ok(None)
    }
}

impl<S: Schema> Span<S> {
    fn new(older: &Tree<S>, newer: &Tree<S>, version: S::Hash, after: Option<LogKey>) -> Self {
        Self { diff: older.diff(newer), newer: newer.clone(), version, after }
    }

    /// Returns the name of an entry, if a difference says that it was appended and not read yet.
    fn appended(&self, log: &LogAt, difference: &Difference<S>) -> Result<Option<(Step, LogKey)>> {
        let Difference { path, old, new } = difference;
        // An entry is appended, and never changed; what was removed was read before.
        if old.is_some() || new.is_none() {
            return Ok(None);
        }
        match path.split_last() {
            Some((parent, step)) if parent.is_root() => {
                let key = log.key(&step)?;
                Ok(self.after.is_none_or(|after| key > after).then_some((step, key)))
            }
            _ => {
                let message = format!("`{path}` in `{}` is no entry of a log", log.path());
                Err(Error::corrupt(message))
            }
        }
    }
}

impl LogAt {
    /// Says of a version that is not there how to go on.
    fn lost(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Missing {
            return error;
        }
        let message = format!(
            "the log at `{}` cannot be read on from this cursor; read it from the start",
            self.path()
        );
        Error::new(ErrorKind::Missing, message).with_source(error)
    }
}

impl<S: Schema> fmt::Debug for LogReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LogReader");
        debug.field("log", &self.log).field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
