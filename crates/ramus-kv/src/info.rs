use std::collections::BTreeMap;

use bytes::Bytes;

/// What a commit says about itself: who, when, why, and whatever else belongs to it.
///
/// A message alone is an info too; the missing author and time are filled in when the commit is
/// made, so a commit that was read back has both.
///
/// ```
/// use ramus_kv::Info;
///
/// let info = Info::new("add Ada").with_author("Charles").with_header("ticket", "17");
/// assert_eq!(info.message, "add Ada");
/// assert_eq!(Info::from("add Ada"), Info::new("add Ada"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Info {
    /// Who made the change; nothing leaves it to the repository.
    pub author: Option<String>,
    /// Why.
    pub message: String,
    /// When, in milliseconds since the beginning of 1970 (UTC); nothing means now.
    pub time_ms: Option<i64>,
    /// Whatever else the commit carries, by name.
    pub headers: BTreeMap<String, Bytes>,
}

impl Info {
    /// The header by which equal changes are told apart, where the contents of the repository
    /// [count](crate::Contents::MERGES_EQUAL_SIDES): a random number, in commits that do not bring
    /// one. Two of the same commit are one change, and there they have to be two.
    pub const UNIQUE: &'static str = "unique";

    /// Returns an info of this message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Returns this info with an author.
    #[must_use]
    pub fn with_author(mut self, author: impl Into<String>) -> Self {
        self.author = Some(author.into());
        self
    }

    /// Returns this info with a time, in milliseconds since the beginning of 1970 (UTC).
    #[must_use]
    pub fn with_time_ms(mut self, time_ms: i64) -> Self {
        self.time_ms = Some(time_ms);
        self
    }

    /// Returns this info with one more header, in place of any of the same name.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}

impl From<&str> for Info {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Info {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}
