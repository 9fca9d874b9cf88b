use bytes::Bytes;
use ramus_core::{Cursor, Error, Key, Result};

use crate::Watched;

/// What is watched, how, and from where.
///
/// ```
/// use ramus_watch::{Mode, WatchOptions};
///
/// let branches = WatchOptions::<String>::prefix("branch/").with_mode(Mode::Latest);
/// assert_eq!(branches.page_size, 256);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WatchOptions<K> {
    /// Which keys are watched.
    pub watched: Watched<K>,
    /// Whether every change is given, or what they come to.
    pub mode: Mode,
    /// Where the watch starts.
    pub start: Start,
    /// How many changes are read, and held, at once: 1 to [`PAGE_SIZE_MAX`](Self::PAGE_SIZE_MAX),
    /// 256 by default.
    pub page_size: usize,
}

/// Whether a watch gives every change, or what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each change once, in order; an update of several keys is one event.
    #[default]
    Every,
    /// The changes that were waiting, at most a page of them, as one event; the last state is never
    /// skipped.
    ///
    /// For one key, an event's `old` is always the `new` of the event before; a key that came back
    /// to what it held is not in the event, and no event is empty. After a
    /// [`Resync`](crate::Event::Resync) that begins again, from the snapshot.
    Latest,
}

/// Where a watch starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first change that becomes visible after the call.
    #[default]
    Now,
    /// With the first change after a place that was reached before, also in an earlier process.
    After(Cursor),
}

impl<K: Key> WatchOptions<K> {
    /// The most changes that may be read at once.
    pub const PAGE_SIZE_MAX: usize = 65_536;

    /// Watches all keys.
    pub const fn all() -> Self {
        Self::of(Watched::All)
    }

    /// Watches one key.
    pub const fn key(key: K) -> Self {
        Self::of(Watched::Key(key))
    }

    /// Watches the keys whose canonical bytes begin with these.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::of(Watched::Prefix(prefix.into()))
    }

    /// Returns these options with another mode.
    #[must_use]
    pub const fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Returns these options with a start after `cursor`, in place of now.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.start = Start::After(cursor);
        self
    }

    /// Returns these options with another size of a page, in changes.
    #[must_use]
    pub const fn with_page_size(mut self, changes: usize) -> Self {
        self.page_size = changes;
        self
    }

    /// Refuses options that no watch can follow.
    pub(crate) fn check(&self) -> Result<()> {
        let max = Self::PAGE_SIZE_MAX;
        if (1..=max).contains(&self.page_size) {
            return Ok(());
        }
        let size = self.page_size;
        Err(Error::invalid_input(format!(
            "a watch has pages of {size} changes; 1 to {max} are taken"
        )))
    }

    const fn of(watched: Watched<K>) -> Self {
        Self { watched, mode: Mode::Every, start: Start::Now, page_size: 256 }
    }
}

/// All keys, every change, from now.
impl<K: Key> Default for WatchOptions<K> {
    fn default() -> Self {
        Self::all()
    }
}
