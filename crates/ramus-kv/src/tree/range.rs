use ramus_core::{Result, Step};

use super::ListOptions;
use super::dir::{Dir, Node};
use super::pending::View;
use super::scan::{DirScan, Next};
use crate::Schema;
use crate::directory::{Direction, From};

/// A walk over those entries of a directory that options name.
pub(crate) struct Range<S: Schema> {
    scan: DirScan<S>,
    prefix: Vec<u8>,
    /// How many entries are still wanted.
    left: usize,
}

impl<S: Schema> Range<S> {
    pub(crate) async fn open(
        view: &View<'_, S>,
        dir: &Dir<S>,
        options: ListOptions,
    ) -> Result<Self> {
        let ListOptions { from, prefix, offset, limit, direction } = options;
        let from = begin(from, &prefix, offset, direction)?;
        let scan = DirScan::open(view, dir, None, direction, from).await?;
        Ok(Self { scan, prefix, left: limit.unwrap_or(usize::MAX) })
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, view: &View<'_, S>) -> Result<Option<(Step, Node<S>)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let next = self.scan.next(view).await?;
        // It begins at the first one that can have the prefix, and those that have it are a run.
        let next = next.filter(|next| next.step.as_bytes().starts_with(&self.prefix));
        // Whoever asks again behind the end is not led past it.
        self.left = if next.is_some() { self.left - 1 } else { 0 };
        Ok(next.map(|Next { step, node, .. }| (step, node)))
    }
}

/// Returns where a listing begins.
///
/// # Errors
///
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a prefix that no step has.
fn begin(from: Option<Step>, prefix: &[u8], offset: u64, direction: Direction) -> Result<From> {
    let edge = edge(prefix, direction)?;
    let begin = match direction {
        Direction::Forwards => from.max(edge),
        // Nothing stands for the greatest step here, and is less than any.
        Direction::Backwards => match (from, edge) {
            (Some(from), Some(edge)) => Some(from.min(edge)),
            (from, edge) => from.or(edge),
        },
    };
    Ok(match (begin, offset) {
        (None, offset) => From::Offset(offset),
        (Some(step), 0) => From::Step(step),
        (Some(step), offset) => From::StepOffset(step, offset),
    })
}

/// Returns the first step that way that can have a prefix; nothing if all have it.
fn edge(prefix: &[u8], direction: Direction) -> Result<Option<Step>> {
    if prefix.is_empty() {
        return Ok(None);
    }
    let first = Step::copy_from_slice(prefix)
        .map_err(|fault| fault.context("no step has the prefix of the listing"))?;
    if direction == Direction::Forwards {
        return Ok(Some(first));
    }
    // No step with the prefix is greater than the longest one of the greatest bytes.
    let mut last = prefix.to_vec();
    last.resize(Step::LENGTH_MAX, u8::MAX);
    Step::new(last).map(Some)
}
