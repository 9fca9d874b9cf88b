use std::sync::Arc;

use ramus_core::Hash;

use super::groups::Groups;
use super::run::{Entry, Run};
use crate::error::{PackError, PackResult};
use crate::format::Fault;

/// The blocks of some runs that were not removed, in key order, each once.
#[derive(Debug)]
pub(crate) struct Live(Groups);

impl Live {
    /// The runs come newest first.
    pub(crate) fn new(runs: &[Arc<Run>]) -> Self {
        Self(Groups::new(runs))
    }

    /// Returns the newest place of the next block.
    pub(crate) fn next(&mut self) -> PackResult<Option<Entry>> {
        while let Some(group) = self.0.next()? {
            if let Some(live) = group.into_iter().find(|entry| !entry.is_dead) {
                return Ok(Some(live));
            }
        }
        Ok(None)
    }

    /// Returns the names of some blocks; none at the end.
    pub(crate) fn page<H: Hash>(&mut self) -> PackResult<Vec<H>> {
        const PAGE: usize = 1024;
        let mut page = Vec::new();
        while page.len() < PAGE
            && let Some(entry) = self.next()?
        {
            page.push(name_of(&entry)?);
        }
        Ok(page)
    }
}

/// Returns the name in an entry.
pub(crate) fn name_of<H: Hash>(entry: &Entry) -> PackResult<H> {
    H::from_bytes(&entry.key)
        .map_err(|_| PackError::fault("an index", 0)(Fault::Damaged("it has a malformed name")))
}
