mod float;
mod merge;
mod text;

use std::fmt;

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::{Conflict, Contents};

/// A JSON value that merges by its structure.
///
/// Objects merge key by key, at every depth; arrays, text, numbers, `true`, `false` and `null` merge
/// as a whole. Values of different kinds conflict, and so does a key that one side deleted and the
/// other changed. The reason of a conflict names the place as a JSON pointer (RFC 6901).
///
/// ```
/// use ramus_kv::{Contents, Json};
/// use serde_json::json;
///
/// let before = Json(json!({"name": "Ada", "born": 1815}));
/// let ours = Json(json!({"name": "Ada Lovelace", "born": 1815}));
/// let theirs = Json(json!({"name": "Ada", "born": 1815, "likes": ["horses"]}));
/// let merged = Json::merge(Some(&before), Some(&ours), Some(&theirs))?;
/// let both = json!({"name": "Ada Lovelace", "born": 1815, "likes": ["horses"]});
/// assert_eq!(merged, Some(Json(both)));
/// # Ok::<(), ramus_kv::Conflict>(())
/// ```
///
/// # Canonical text
///
/// A value is stored as one text: no white space; the keys of an object ascending by their UTF-8
/// bytes, each once; in strings only `"`, `\` and control characters escaped, in the short way where
/// there is one (`\n`), else as `\u001f` in lower case. Numbers are those of `serde_json` without its
/// feature `arbitrary_precision`:
///
/// - An integer from -2^63 to 2^64-1 is written in decimal.
/// - Any other number is a 64-bit float, written with the fewest digits that give it back, laid out
///   as RFC 8785 does: in plain decimal from 1e-6 to below 1e21, otherwise as `1.5e-7` or `1e+21`.
///   A whole one gets `.0`, for `1` and `1.0` are different values. `-0.0` equals `0.0`, and is
///   written so.
///
/// Arrays and objects nest at most [`DEPTH_MAX`](Json::DEPTH_MAX) deep; what is deeper is refused
/// ([`Limit`](ErrorKind::Limit)).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json(pub Value);

impl Json {
    /// How many arrays and objects may lie inside each other.
    pub const DEPTH_MAX: usize = 100;
}

impl Contents for Json {
    fn encode(&self) -> Result<Bytes> {
        match text::canonical(&self.0) {
            Some(text) => Ok(text.into()),
            None => Err(too_deep(ErrorKind::Limit)),
        }
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let value = serde_json::from_slice(bytes)
            .map_err(|cause| Error::corrupt("the contents are not JSON").with_source(cause))?;
        let canonical = text::canonical(&value).ok_or_else(|| too_deep(ErrorKind::Corrupt))?;
        if canonical == bytes[..] {
            return Ok(Self(value));
        }
        let same = canonical.iter().zip(bytes).take_while(|(ours, theirs)| ours == theirs);
        let place = same.count();
        Err(Error::corrupt(format!("the JSON is not canonical from byte {place} on")))
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        let [ancestor, ours, theirs] = [ancestor, ours, theirs].map(|side| Some(&side?.0));
        Ok(merge::by_structure(ancestor, ours, theirs)?.map(Self))
    }
}

fn too_deep(kind: ErrorKind) -> Error {
    let most = Json::DEPTH_MAX;
    Error::new(kind, format!("the JSON nests deeper than {most} arrays and objects"))
}

/// The canonical text, or that of `serde_json` for what nests too deeply to have one.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text::canonical(&self.0) {
            Some(text) => f.write_str(&String::from_utf8_lossy(&text)),
            None => self.0.fmt(f),
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        json.0
    }
}
