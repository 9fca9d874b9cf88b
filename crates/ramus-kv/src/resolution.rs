use crate::Schema;

/// What a path in conflict shall hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Resolution<S: Schema> {
    /// What our side has, nothing included.
    Ours,
    /// What their side has, nothing included.
    Theirs,
    /// This value, with the metadata of our side.
    Contents(S::Contents),
    /// Nothing.
    Remove,
    /// The conflict itself, as an entry of the tree: to be [resolved](crate::Tree::resolve) later,
    /// here or wherever the commit gets to.
    ///
    /// Until then nothing can be read or set at the path, or below it: that is an error of kind
    /// [`Conflict`](ramus_core::ErrorKind::Conflict). Removing and renaming it is possible.
    Later,
}
