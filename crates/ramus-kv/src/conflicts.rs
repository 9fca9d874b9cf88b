use std::error::Error as StdError;
use std::fmt;

use ramus_core::{Error, ErrorKind};

use crate::{PathConflict, Schema};

/// Everything that did not merge, by path; never nothing.
///
/// It is the source of an error of kind [`Conflict`](ErrorKind::Conflict):
///
/// ```
/// use ramus_core::Error;
/// use ramus_kv::{Conflicts, Kv};
///
/// fn report(error: &Error) {
///     let source = std::error::Error::source(error);
///     if let Some(conflicts) = source.and_then(|cause| cause.downcast_ref::<Conflicts<Kv<String>>>()) {
///         for conflict in conflicts.iter() {
///             println!("{}: {}", conflict.path, conflict.conflict);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Conflicts<S: Schema>(Vec<PathConflict<S>>);

impl<S: Schema> Conflicts<S> {
    pub(crate) fn new(conflicts: Vec<PathConflict<S>>) -> Self {
        Self(conflicts)
    }

    /// Returns the conflicts, in the order of their paths.
    pub fn iter(&self) -> std::slice::Iter<'_, PathConflict<S>> {
        self.0.iter()
    }
}

impl<'a, S: Schema> IntoIterator for &'a Conflicts<S> {
    type Item = &'a PathConflict<S>;
    type IntoIter = std::slice::Iter<'a, PathConflict<S>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<S: Schema> fmt::Display for Conflicts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (index, PathConflict { path, conflict, .. }) in self.iter().take(SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{path}` ({conflict})")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl<S: Schema> StdError for Conflicts<S> {}

impl<S: Schema> From<Conflicts<S>> for Error {
    fn from(conflicts: Conflicts<S>) -> Self {
        let message = match conflicts.0.as_slice() {
            [one] => format!("`{}` is in conflict", one.path),
            [first, ..] => {
                format!("{} paths are in conflict, `{}` the first", conflicts.0.len(), first.path)
            }
            [] => "there is a conflict".to_owned(),
        };
        Self::new(ErrorKind::Conflict, message).with_source(conflicts)
    }
}
