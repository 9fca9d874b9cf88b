use super::three::Three;
use crate::directory::Entry;

/// What kind of conflict a path is in.
///
/// Which of the two sides did what stands in the sides of the
/// [`PathConflict`](crate::PathConflict): for [`Deleted`](Self::Deleted), the one that has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// Both sides changed the value, and its type does not merge what they made of it.
    Changed,
    /// Both sides added a value, and its type does not merge the two.
    Added,
    /// One side deleted the value; the other changed it, or its metadata.
    Deleted,
    /// Contents stand against a directory: on the two sides, or on one side that made the one of the other,
    /// while the other side deleted it.
    ContentsAgainstDirectory,
    /// The values merge, and their metadata do not.
    Metadata,
    /// Both sides changed what their lowest common ancestors are in conflict about, so nobody can tell what
    /// they began from.
    Doubtful,
    /// A side, or what they began from, is a [stored](crate::Resolution::Later) conflict.
    Stored,
}

impl ConflictKind {
    /// Returns the kind that the sides show by themselves: never [`Metadata`](Self::Metadata) or
    /// [`Doubtful`](Self::Doubtful).
    pub(crate) fn of_sides<H>(sides: &Three<Option<Entry<H>>>) -> Self {
        let Three { ancestor, ours, theirs } = sides;
        if sides.any(|side| matches!(side, Some(Entry::Conflict { .. }))) {
            return Self::Stored;
        }
        let is_directory = |side: &Option<Entry<H>>| {
            side.as_ref().map(|one| matches!(one, Entry::Directory { .. }))
        };
        let (before, ours, theirs) =
            (is_directory(ancestor), is_directory(ours), is_directory(theirs));
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours != theirs => Self::ContentsAgainstDirectory,
            (Some(_), Some(_)) if before == ours => Self::Changed,
            (Some(_), Some(_)) => Self::Added,
            (one, other)
                if before.is_some() && one.or(other).is_some_and(|one| Some(one) != before) =>
            {
                Self::ContentsAgainstDirectory
            }
            _ => Self::Deleted,
        }
    }

    /// Returns how the kind is written, if the sides do not show it.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Metadata => Some("metadata"),
            Self::Doubtful => Some("doubtful"),
            Self::Changed
            | Self::Added
            | Self::Deleted
            | Self::ContentsAgainstDirectory
            | Self::Stored => None,
        }
    }

    /// Returns the kind that is written so, if it can be that of these sides.
    pub(crate) fn read<H>(name: &str, sides: &Three<Option<Entry<H>>>) -> Option<Self> {
        let kind =
            [Self::Metadata, Self::Doubtful].into_iter().find(|kind| kind.name() == Some(name))?;
        let can_be = match Self::of_sides(sides) {
            Self::Changed | Self::Added => true,
            Self::Deleted => kind == Self::Doubtful,
            _ => false,
        };
        can_be.then_some(kind)
    }
}
