use std::error::Error as StdError;
use std::fmt::{self, Debug, Display, Write as _};
use std::sync::Arc;

/// Why two versions of a value do not merge, and where in the value.
///
/// A merge that is put together from others says on the way out where it called them; the places
/// read as one path:
///
/// ```
/// use ramus_kv::Conflict;
///
/// let conflict = Conflict::new("both sides changed it").at("city").at_key(&"home").at("addresses");
/// assert_eq!(conflict.place(), r#"addresses["home"]/city"#);
/// assert_eq!(conflict.to_string(), r#"at addresses["home"]/city: both sides changed it"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conflict(Arc<Parts>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Parts {
    /// Empty for the value itself.
    place: String,
    reason: String,
}

impl Conflict {
    /// The most bytes of a place; what is longer loses its middle.
    pub const PLACE_MAX: usize = 1024;

    /// Returns a conflict for this reason: lower case, no final full stop.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(Arc::new(Parts { place: String::new(), reason: reason.into() }))
    }

    /// Returns the same conflict, seen from outside: `place` is where in a larger value it is, such
    /// as the name of a field. Where it was so far lies inside that place.
    #[must_use]
    pub fn at(&self, place: impl Display) -> Self {
        self.inside(&bounded(format_args!("{place}")))
    }

    /// Returns the same conflict, seen from outside: it is at this key of a map.
    #[must_use]
    pub fn at_key<K: Debug + ?Sized>(&self, key: &K) -> Self {
        let key = bounded(format_args!("{key:?}"));
        self.inside(&format!("[{key}]"))
    }

    /// Returns the conflict that says this of itself.
    pub(crate) fn of_parts(place: String, reason: String) -> Self {
        Self(Arc::new(Parts { place, reason }))
    }

    /// Returns where in the value it is: the names of fields with slashes between them, keys of maps
    /// in brackets, JSON as a pointer. It is empty for the value as a whole.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    fn inside(&self, outer: &str) -> Self {
        let Parts { place: inner, reason } = &*self.0;
        let slash = if inner.is_empty() || inner.starts_with(['/', '[']) { "" } else { "/" };
        let place = shortened(format!("{outer}{slash}{inner}"));
        Self(Arc::new(Parts { place, reason: reason.clone() }))
    }
}

/// Returns a text that may be long, or its beginning.
fn bounded(text: fmt::Arguments<'_>) -> String {
    let mut out = Bounded(String::new());
    // What is full fails, and has the beginning.
    if out.write_fmt(text).is_err() {
        out.0.push('…');
    }
    out.0
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const BYTES_MAX: usize = 128;
        let left = BYTES_MAX.saturating_sub(self.0.len());
        let end = text.floor_char_boundary(left);
        self.0.push_str(text.get(..end).unwrap_or_default());
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn shortened(place: String) -> String {
    if place.len() <= Conflict::PLACE_MAX {
        return place;
    }
    let half = Conflict::PLACE_MAX / 2 - '…'.len_utf8();
    let begin = place.get(..place.floor_char_boundary(half)).unwrap_or_default();
    let end = place.get(place.ceil_char_boundary(place.len() - half)..).unwrap_or_default();
    format!("{begin}…{end}")
}

impl Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            "" => f.write_str(self.reason()),
            place => write!(f, "at {place}: {}", self.reason()),
        }
    }
}

impl StdError for Conflict {}
