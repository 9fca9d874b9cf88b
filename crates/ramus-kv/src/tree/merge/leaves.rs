//! Merges of contents and of their metadata, by their types.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use ramus_core::{Error, ErrorKind, Path, Result};

use super::{Entries, Three};
use crate::directory::Entry;
use crate::{Conflict, Contents as _, Metadata as _, Schema};

/// Merges values by their type.
pub(super) fn merge_values<S: Schema>(
    path: &Path,
    values: &Three<Option<S::Contents>>,
) -> Result<Result<Option<S::Contents>, Conflict>> {
    let Three { ancestor, ours, theirs } = values;
    let merge = || S::Contents::merge(ancestor.as_ref(), ours.as_ref(), theirs.as_ref());
    catch("contents", path, merge)
}

pub(super) fn merge_metadata<S: Schema>(
    path: &Path,
    entries: &Entries<S>,
) -> Result<Result<Bytes, Conflict>> {
    let read = |entry: &Option<Entry<S::Hash>>| {
        metadata::<S>(entry.as_ref()).map(S::Metadata::decode).transpose()
    };
    let ancestor = read(&entries.ancestor)?;
    Ok(match (read(&entries.ours)?, read(&entries.theirs)?) {
        (Some(ours), Some(theirs)) => {
            let merge = || S::Metadata::merge(ancestor.as_ref(), &ours, &theirs);
            catch("metadata", path, merge)?.map(|merged| merged.encode())
        }
        (Some(one), None) | (None, Some(one)) => Ok(one.encode()),
        (None, None) => Ok(S::Metadata::default().encode()),
    })
}

/// Returns whether a side that is alone has other metadata than the ancestor had.
pub(super) fn one_says_something_new<S: Schema>(entries: &Entries<S>) -> bool {
    let Three { ancestor, ours, theirs } = entries;
    let [ancestor, ours, theirs] =
        [ancestor, ours, theirs].map(|entry| metadata::<S>(entry.as_ref()));
    let alone = ours.xor(theirs);
    alone.is_some() && ancestor.is_some() && alone != ancestor
}

fn metadata<S: Schema>(entry: Option<&Entry<S::Hash>>) -> Option<&Bytes> {
    match entry {
        Some(Entry::Contents { metadata, .. }) => Some(metadata),
        Some(Entry::Directory { .. } | Entry::Conflict { .. }) | None => None,
    }
}

/// Runs a merge that others wrote. One that panics aborts, and disturbs nobody else.
fn catch<T>(what: &str, path: &Path, merge: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(merge)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        let said = said.unwrap_or_else(|| "without a message".to_owned());
        let message = format!("the merge of the {what} at `{path}` panicked");
        Error::new(ErrorKind::Aborted, message).with_source(said)
    })
}
