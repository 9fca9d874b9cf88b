use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::sync::Arc;

/// Why two versions of a value do not merge.
///
/// ```
/// use ramus_kv::Conflict;
///
/// let conflict = Conflict::new("both sides changed it").at("/address/city");
/// assert_eq!(conflict.to_string(), "at /address/city: both sides changed it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conflict(Arc<str>);

impl Conflict {
    /// Returns a conflict for this reason: lower case, no final full stop.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into().into())
    }

    /// Returns the same conflict with the place inside the value where it is.
    #[must_use]
    pub fn at(&self, place: impl Display) -> Self {
        Self::new(format!("at {place}: {}", self.0))
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Conflict {}
