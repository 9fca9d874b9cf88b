//! Keeps the runs few: at most [`RUNS_MAX`], each at least twice as large as all newer ones together
//! where that number allows it. So a key is rewritten about as often as the logarithm of their number.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use super::Place;
use super::run::Run;
use crate::error::PackResult;

/// The most runs that are kept, and that a look-up asks.
pub(crate) const RUNS_MAX: usize = 4;

/// Returns how many of the newest runs, which come first, have to become one; 0 if none have to.
pub(crate) fn due(runs: &[Arc<Run>]) -> usize {
    let mut due = 1;
    let mut newer = 0;
    for (older, pair) in runs.windows(2).enumerate() {
        newer += pair[0].entries();
        if pair[1].entries() < 2 * newer {
            due = older + 2;
        }
    }
    due = due.max((runs.len() + 1).saturating_sub(RUNS_MAX));
    if due > 1 { due } else { 0 }
}

/// Returns the entries of some runs in key order; of a key that several have, that of the first.
pub(crate) fn merged(runs: &[Arc<Run>]) -> impl Iterator<Item = PackResult<(Vec<u8>, Place)>> {
    let mut sources: Vec<_> = runs.iter().map(|run| Source::new(Arc::clone(run))).collect();
    std::iter::from_fn(move || next(&mut sources).transpose())
}

fn next(sources: &mut [Source]) -> PackResult<Option<(Vec<u8>, Place)>> {
    let mut least: Option<Vec<u8>> = None;
    for source in &mut *sources {
        if let Some((key, _)) = source.peek()?
            && least.as_ref().is_none_or(|least| key < least)
        {
            least = Some(key.clone());
        }
    }
    let Some(least) = least else { return Ok(None) };
    let mut first = None;
    for source in sources {
        if source.peek()?.is_some_and(|(key, _)| *key == least) {
            let taken = source.entries.next().map(|(_, place)| place);
            first = first.or(taken);
        }
    }
    Ok(first.map(|place| (least, place)))
}

/// The entries of one run, page by page.
struct Source {
    run: Arc<Run>,
    page: usize,
    entries: Peekable<IntoIter<(Vec<u8>, Place)>>,
}

impl Source {
    fn new(run: Arc<Run>) -> Self {
        Self { run, page: 0, entries: Vec::new().into_iter().peekable() }
    }

    fn peek(&mut self) -> PackResult<Option<&(Vec<u8>, Place)>> {
        while self.entries.peek().is_none() && self.page < self.run.pages() {
            self.entries = self.run.page(self.page)?.into_iter().peekable();
            self.page += 1;
        }
        Ok(self.entries.peek())
    }
}
