use ramus_core::Step;

use crate::directory::Direction;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value.
    Contents,
    /// A directory.
    Directory,
    /// A [stored conflict](crate::PathConflict): what it holds is still to be decided.
    Conflict,
}

/// One entry of a directory, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// Its name.
    pub step: Step,
    /// What it leads to.
    pub kind: Kind,
}

/// Which entries of a directory are listed.
///
/// ```
/// use ramus_kv::{Direction, ListOptions};
///
/// let page = ListOptions::default().from("m".parse()?).with_limit(100);
/// let last = ListOptions::default().with_direction(Direction::Backwards).with_limit(1);
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOptions {
    /// The step to begin at, or the first one behind it; the end that way if there is none.
    pub from: Option<Step>,
    /// What the steps begin with; anything if it is empty.
    pub prefix: Vec<u8>,
    /// How many of those entries are passed over.
    pub offset: u64,
    /// How many are listed at most; all if there is none.
    pub limit: Option<usize>,
    /// Which way.
    pub direction: Direction,
}

impl ListOptions {
    /// Returns these options with a step to begin at.
    #[must_use]
    pub fn from(mut self, step: Step) -> Self {
        self.from = Some(step);
        self
    }

    /// Returns these options for steps that begin with these bytes.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Returns these options with a number of entries to pass over.
    #[must_use]
    pub const fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Returns these options with the most entries to be listed.
    #[must_use]
    pub const fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Returns these options with a direction.
    #[must_use]
    pub const fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}
