use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use super::run::{Entry, Run};
use crate::error::PackResult;

/// The entries of some runs in key order, those of one key together.
#[derive(Debug)]
pub(crate) struct Groups(Vec<Source>);

/// The entries of one run, page by page.
#[derive(Debug)]
struct Source {
    run: Arc<Run>,
    page: usize,
    entries: Peekable<IntoIter<Entry>>,
}

impl Groups {
    /// The runs come newest first.
    pub(crate) fn new(runs: &[Arc<Run>]) -> Self {
        Self(runs.iter().map(|run| Source::new(Arc::clone(run))).collect())
    }

    /// Returns the entries of the next key, at least one, those of newer runs first.
    pub(crate) fn next(&mut self) -> PackResult<Option<Vec<Entry>>> {
        let mut least: Option<Vec<u8>> = None;
        for source in &mut self.0 {
            if let Some(entry) = source.peek()?
                && least.as_ref().is_none_or(|least| entry.key < *least)
            {
                least = Some(entry.key.clone());
            }
        }
        let Some(least) = least else { return Ok(None) };
        let mut group = Vec::new();
        for source in &mut self.0 {
            if source.peek()?.is_some_and(|entry| entry.key == least) {
                group.extend(source.entries.next());
            }
        }
        Ok(Some(group))
    }
}

impl Source {
    fn new(run: Arc<Run>) -> Self {
        Self { run, page: 0, entries: Vec::new().into_iter().peekable() }
    }

    fn peek(&mut self) -> PackResult<Option<&Entry>> {
        while self.entries.peek().is_none() && self.page < self.run.pages() {
            self.entries = self.run.page(self.page)?.into_iter().peekable();
            self.page += 1;
        }
        Ok(self.entries.peek())
    }
}
