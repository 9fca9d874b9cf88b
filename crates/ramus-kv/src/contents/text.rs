use std::fmt;

use bytes::Bytes;
use ramus_core::Result;
use serde::{Deserialize, Serialize};

use crate::{Conflict, Contents, merge};

/// Text that merges line by line (feature `text`): see [`merge::lines`].
///
/// It is stored as `String` is, as UTF-8.
///
/// ```
/// use ramus_kv::{Contents, Text};
///
/// let text = |text: &str| Text(text.to_owned());
/// let (before, ours, theirs) = (text("a\nb\nc\n"), text("A\nb\nc\n"), text("a\nb\n"));
/// assert_eq!(Text::merge(Some(&before), Some(&ours), Some(&theirs)), Ok(Some(text("A\nb\n"))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl Contents for Text {
    fn encode(&self) -> Result<Bytes> {
        self.0.encode()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        String::decode(bytes).map(Self)
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::both(ancestor, ours, theirs, |ancestor, ours, theirs| {
            merge::lines(ancestor.map(|text| &text.0), &ours.0, &theirs.0).map(Self)
        })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A sequence that merges run by run (feature `text`): see [`merge::sequence`], which says how far
/// that is sound.
///
/// ```
/// use ramus_kv::{Contents, Seq};
///
/// let merged = Seq::merge(Some(&Seq(vec![1, 2, 3])), Some(&Seq(vec![2, 3])), Some(&Seq(vec![1, 2, 3, 4])));
/// assert_eq!(merged, Ok(Some(Seq(vec![2, 3, 4]))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Contents)]
#[serde(transparent)]
#[merge(crate = crate)]
#[merge(bound = "T: Ord")]
pub struct Seq<T>(#[merge(sequence)] pub Vec<T>);

impl<T> Default for Seq<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for Seq<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}
