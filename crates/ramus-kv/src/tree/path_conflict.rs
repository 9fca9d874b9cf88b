use ramus_core::Path;

use super::Tree;
use crate::{Conflict, Schema};

/// A path at which two sides do not merge.
#[derive(Clone, Debug)]
pub struct PathConflict<S: Schema> {
    /// The path.
    pub path: Path,
    /// Why.
    pub conflict: Conflict,
    /// What the ancestor had there; nothing if it had none, or if there is no ancestor.
    pub ancestor: Option<Side<S>>,
    /// What our side has there.
    pub ours: Option<Side<S>>,
    /// What their side has there.
    pub theirs: Option<Side<S>>,
}

/// What one side of a conflict has at the path.
#[derive(Clone, Debug)]
pub enum Side<S: Schema> {
    /// A value.
    Contents(S::Contents),
    /// A directory.
    Directory(Tree<S>),
}
