use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::short_bytes::ShortBytes;
use crate::step::Excerpt;
use crate::{Error, Result, Step};

/// A sequence of steps, written `a/b/c`; the empty one is the root.
///
/// Cloning is cheap. Paths are ordered as their steps are, one after the other, which is the order
/// in which trees are walked: `a`, `a/b`, `a.b`.
///
/// ```
/// use ramus_core::Path;
///
/// let path: Path = "users/ada".parse()?;
/// assert_eq!(path.len(), 2);
/// assert_eq!(path.parent().unwrap().to_string(), "users");
/// assert_eq!(path.join(&"x/y".parse()?).to_string(), "users/ada/x/y");
/// # Ok::<(), ramus_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path(
    /// Checked steps with a `/` between any two.
    ShortBytes,
);

impl Path {
    /// Returns the root: the path of no steps.
    pub const fn root() -> Self {
        Self(ShortBytes::empty())
    }

    /// Returns the path that is written like this; nothing is the root.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if a step is empty (as in `/a`, `a//b` and
    /// `a/`), too long, or holds NUL; the message names the step.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        check(&bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Returns the path that is written like this, which is copied. Nothing is allocated for a short one.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Path::new).
    pub fn copy_from_slice(bytes: &[u8]) -> Result<Self> {
        check(bytes)?;
        Ok(Self(ShortBytes::copy_from_slice(bytes)))
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many steps there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether there are no steps, as in the root.
    pub fn is_empty(&self) -> bool {
        self.is_root()
    }

    /// Returns the path as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as it is written, or nothing if it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the bytes of each step, first to last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        pieces(&self.0)
    }

    /// Returns each step, first to last.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = Step> {
        self.iter().map(|step| Step::from_checked(self.0.slice_ref(step)))
    }

    /// Returns the path without its last step, or nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        self.split_last().map(|(parent, _)| parent)
    }

    /// Returns the path without its last step, and that step, or nothing for the root.
    pub fn split_last(&self) -> Option<(Self, Step)> {
        let last = self.iter().next_back()?;
        let parent_length = (self.0.len() - last.len()).saturating_sub(1);
        Some((Self(self.0.slice(..parent_length)), Step::from_checked(self.0.slice_ref(last))))
    }

    /// Returns this path, then the steps of `below`.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            (false, false) => Self::of_parts(&self.0, &below.0),
        }
    }

    /// Returns this path, then one step.
    #[must_use]
    pub fn child(&self, step: &Step) -> Self {
        if self.is_root() { step.into() } else { Self::of_parts(&self.0, step.as_bytes()) }
    }

    /// Returns what is left of this path below `base`, or nothing if it does not lie there.
    ///
    /// A path lies below itself; what is left then is the root.
    pub fn strip_prefix(&self, base: &Self) -> Option<Self> {
        if base.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&base.0[..])?;
        match rest.first() {
            None => Some(Self::root()),
            Some(b'/') => Some(Self(self.0.slice_ref(&rest[1..]))),
            Some(_) => None,
        }
    }

    /// Returns whether this path is `base` or lies below it.
    pub fn starts_with(&self, base: &Self) -> bool {
        self.strip_prefix(base).is_some()
    }

    /// Returns a path of two parts that are checked, of which neither is empty.
    fn of_parts(above: &[u8], below: &[u8]) -> Self {
        Self(ShortBytes::concat(&[above, b"/", below]))
    }
}

/// Refuses what is no path.
fn check(path: &[u8]) -> Result<()> {
    if is_valid(path) { Ok(()) } else { check_steps(path) }
}

/// Returns whether this is a path; each byte is looked at once.
fn is_valid(path: &[u8]) -> bool {
    let mut length = 0;
    for byte in path {
        match byte {
            b'/' if length == 0 => return false,
            b'/' => length = 0,
            0 => return false,
            _ => length += 1,
        }
        if length > Step::LENGTH_MAX {
            return false;
        }
    }
    length > 0 || path.is_empty()
}

/// Says which step of something that is no path is wrong, and why.
fn check_steps(path: &[u8]) -> Result<()> {
    for (index, step) in pieces(path).enumerate() {
        if let Err(fault) = Step::check(step) {
            let (number, text) = (index + 1, Excerpt(path));
            return Err(Error::invalid_input(format!("step {number} of path `{text}` {fault}")));
        }
    }
    Ok(())
}

/// Returns what stands between the slashes of a path.
fn pieces(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    let mut pieces = path.split(|byte| *byte == b'/');
    if path.is_empty() {
        // Splitting nothing gives one empty piece; the root has no steps.
        pieces.next();
    }
    pieces
}

impl Default for Path {
    fn default() -> Self {
        Self::root()
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::copy_from_slice(text.as_bytes())
    }
}

impl From<Step> for Path {
    fn from(step: Step) -> Self {
        Self(step.into_bytes())
    }
}

impl From<&Step> for Path {
    fn from(step: &Step) -> Self {
        step.clone().into()
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        let bytes: Vec<&[u8]> = steps.iter().map(Step::as_bytes).collect();
        Self(Bytes::from(bytes.join(&b'/')).into())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// What can stand where a path is asked for: a [`Path`], a [`Step`], or text such as `"a/b"`.
///
/// # Errors
///
/// Text that is no path is [`InvalidInput`](crate::ErrorKind::InvalidInput), see [`Path::new`].
pub trait IntoPath {
    /// Returns the path.
    fn into_path(self) -> Result<Path>;
}

impl IntoPath for Path {
    fn into_path(self) -> Result<Path> {
        Ok(self)
    }
}

impl IntoPath for &Path {
    fn into_path(self) -> Result<Path> {
        Ok(self.clone())
    }
}

impl IntoPath for Step {
    fn into_path(self) -> Result<Path> {
        Ok(self.into())
    }
}

impl IntoPath for &Step {
    fn into_path(self) -> Result<Path> {
        Ok(self.into())
    }
}

impl IntoPath for &str {
    fn into_path(self) -> Result<Path> {
        self.parse()
    }
}

impl IntoPath for String {
    fn into_path(self) -> Result<Path> {
        // A short one is copied, and no buffer has to be made one that is shared.
        Path::copy_from_slice(self.as_bytes())
    }
}

impl IntoPath for &String {
    fn into_path(self) -> Result<Path> {
        self.parse()
    }
}

impl IntoPath for &[u8] {
    fn into_path(self) -> Result<Path> {
        Path::copy_from_slice(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn a_malformed_path_names_the_step_that_is_wrong() {
        let message = |text: &str| text.parse::<Path>().unwrap_err().to_string();
        let empty = "is empty; a step has 1 to 1024 bytes";
        assert_eq!(message("/a"), format!("step 1 of path `/a` {empty}"));
        assert_eq!(message("a//b"), format!("step 2 of path `a//b` {empty}"));
        assert_eq!(message("a/"), format!("step 2 of path `a/` {empty}"));
        assert_eq!(message("/"), format!("step 1 of path `/` {empty}"));
        assert!(message("a/b\0").starts_with("step 2 of path `a/b\\0` holds a NUL"));
        assert!(message(&format!("a/{}", "x".repeat(1025))).contains("has 1025 bytes"));
    }

    #[test]
    fn a_path_is_valid_if_each_of_its_steps_is() {
        let long = "x".repeat(Step::LENGTH_MAX);
        let pieces = ["", "a", "bc", "/", "\0", "//", &long, "a/b"];
        for number in 0..pieces.len().pow(3) {
            let piece = |place| pieces[number / pieces.len().pow(place) % pieces.len()];
            let path = [piece(0), piece(1), piece(2)].concat();
            assert_eq!(is_valid(path.as_bytes()), check_steps(path.as_bytes()).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_root_is_the_path_of_no_steps() {
        let root = path("");
        assert!(root.is_root() && root.is_empty() && root.iter().next().is_none());
        assert_eq!(root.len(), 0);
        assert_eq!((root.parent(), root.to_string()), (None, String::new()));
        assert_eq!(path("a").parent(), Some(root));
    }

    #[test]
    fn a_path_lies_below_whole_steps_only() {
        assert_eq!(path("ab/c").strip_prefix(&path("a")), None);
        assert_eq!(path("a/b/c").strip_prefix(&path("a/b")), Some(path("c")));
        assert_eq!(path("a").strip_prefix(&path("a")), Some(Path::root()));
        assert!(path("a").starts_with(&Path::root()));
    }

    proptest! {
        #[test]
        fn paths_are_ordered_by_their_steps(
            a in prop::collection::vec("[a-c.!]{1,3}", 0..4),
            b in prop::collection::vec("[a-c.!]{1,3}", 0..4),
        ) {
            let (left, right) = (path(&a.join("/")), path(&b.join("/")));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            let joined = left.join(&right);
            prop_assert_eq!(joined.len(), a.len() + b.len());
            prop_assert_eq!(joined.strip_prefix(&left), Some(right));
            prop_assert_eq!(joined.steps().collect::<Path>(), joined);
        }
    }
}
