use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::step::Excerpt;
use crate::{Error, Key, Result};

/// The name of a ref: a namespace and a name in it, written `branch/main`.
///
/// A name has 1 to 255 bytes of `[A-Za-z0-9._/-]`. None of the parts between its slashes is empty,
/// `.` or `..`, and the whole does not end in `.lock`; so it can stand in the path of a URL as it is.
/// Cloning is cheap.
///
/// ```
/// use ramus_core::{Namespace, RefName};
///
/// let name = RefName::branch("feature/login")?;
/// assert_eq!(name.to_string(), "branch/feature/login");
/// assert_eq!((name.namespace(), name.name()), (Namespace::Branch, "feature/login"));
/// assert!(RefName::branch("../up").is_err());
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(
    /// The prefix of a namespace, then a checked name.
    Arc<str>,
);

/// What a ref is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Namespace {
    /// A line of commits that grows.
    Branch,
    /// What the library keeps for itself.
    Internal,
    /// A name that never moves.
    Tag,
}

impl Namespace {
    const ALL: [Self; 3] = [Self::Branch, Self::Internal, Self::Tag];

    /// Returns what the names of this namespace begin with: `branch/`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Branch => "branch/",
            Self::Internal => "internal/",
            Self::Tag => "tag/",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Branch => "branch name",
            Self::Internal => "internal name",
            Self::Tag => "tag name",
        }
    }
}

impl RefName {
    /// The most bytes that a name has, its namespace not counted.
    pub const LENGTH_MAX: usize = 255;

    /// Returns the ref of this name in this namespace.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), saying what is wrong with the name.
    pub fn new(namespace: Namespace, name: &str) -> Result<Self> {
        check(name).map_err(|fault| {
            let noun = namespace.noun();
            Error::invalid_input(format!("{noun} `{}` {fault}", Excerpt(name.as_bytes())))
        })?;
        Ok(Self([namespace.prefix(), name].concat().into()))
    }

    /// Returns the ref of a branch. See [`RefName::new`].
    pub fn branch(name: &str) -> Result<Self> {
        Self::new(Namespace::Branch, name)
    }

    /// Returns the ref of a tag. See [`RefName::new`].
    pub fn tag(name: &str) -> Result<Self> {
        Self::new(Namespace::Tag, name)
    }

    /// Returns an internal ref. See [`RefName::new`].
    pub fn internal(name: &str) -> Result<Self> {
        Self::new(Namespace::Internal, name)
    }

    /// Returns what the ref is for.
    pub fn namespace(&self) -> Namespace {
        self.parts().0
    }

    /// Returns the name without its namespace.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    /// Returns the whole: namespace and name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (Namespace, &str) {
        parts(&self.0).expect("a ref name begins with its namespace")
    }
}

fn parts(text: &str) -> Option<(Namespace, &str)> {
    Namespace::ALL.into_iter().find_map(|space| Some((space, text.strip_prefix(space.prefix())?)))
}

fn check(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty; it has 1 to 255 bytes".to_owned());
    }
    if name.len() > RefName::LENGTH_MAX {
        return Err(format!("has {} bytes; it has 1 to 255", name.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "holds {other:?}; letters, digits and `.`, `_`, `/`, `-` may stand in it"
        ));
    }
    if let Some(part) = name.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        return Err(format!("has the part `{part}` between its slashes, which names nothing"));
    }
    if name.as_bytes().ends_with(b".lock") {
        return Err("ends in `.lock`, which is kept for lock files".to_owned());
    }
    Ok(())
}

impl Key for RefName {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.parse(),
            Err(cause) => Err(Error::invalid_input("a ref name has to be text").with_source(cause)),
        }
    }
}

/// The whole of the name; names are ordered as their texts are.
impl Borrow<str> for RefName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for RefName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((namespace, name)) = parts(text) else {
            let text = Excerpt(text.as_bytes());
            return Err(Error::invalid_input(format!(
                "ref name `{text}` has to begin with `branch/`, `tag/` or `internal/`"
            )));
        };
        Self::new(namespace, name)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for RefName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RefName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_ref_name_says_what_is_wrong() {
        let message = |name: &str| RefName::branch(name).unwrap_err().to_string();
        assert_eq!(message(""), "branch name `` is empty; it has 1 to 255 bytes");
        assert!(message("a b").contains("holds ' '"));
        assert!(message("Ä").contains("holds 'Ä'"));
        assert!(message("a/../b").contains("the part `..`"));
        assert!(message("/a").contains("the part ``"));
        assert!(message("a/").contains("the part ``"));
        assert!(message("./a").contains("the part `.`"));
        assert!(message("a.lock").contains("`.lock`"));
        assert!(message(&"x".repeat(256)).contains("has 256 bytes"));
        assert!(message(&"x".repeat(10_000)).len() < 200, "the message is bounded");
        let foreign = "x".repeat(10_000).parse::<RefName>().unwrap_err().to_string();
        assert!(foreign.len() < 200, "{foreign}");
        assert!(RefName::branch(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn the_namespace_is_part_of_the_name() {
        let tag = RefName::tag("v1.0").unwrap();
        assert_eq!(
            (tag.namespace(), tag.name(), tag.as_str()),
            (Namespace::Tag, "v1.0", "tag/v1.0")
        );
        assert_eq!("tag/v1.0".parse::<RefName>().unwrap(), tag);
        let error = "heads/main".parse::<RefName>().unwrap_err();
        assert!(error.to_string().contains("has to begin with `branch/`"));
        assert!(RefName::from_bytes(b"branch/\xff").is_err());
    }
}
