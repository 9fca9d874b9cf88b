use bytes::Bytes;
use ramus_core::{Result, Step};

use super::ListOptions;
use super::dir::{Dir, Node};
use super::pending::View;
use super::scan::DirScan;
use crate::Schema;
use crate::directory::{Direction, From};

/// A walk over those entries of a directory that options name.
pub(crate) struct Range<S: Schema> {
    scan: DirScan<S>,
    prefix: Vec<u8>,
    direction: Direction,
    /// How many entries with the prefix are still to be passed over.
    skip: u64,
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
        let (from, skip) = begin(from, &prefix, offset, direction)?;
        let scan = DirScan::open(view, dir, direction, from).await?;
        Ok(Self { scan, prefix, direction, skip, left: limit.unwrap_or(usize::MAX) })
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, view: &View<'_, S>) -> Result<Option<(Step, Node<S>)>> {
        while self.left > 0 {
            let Some((step, node)) = self.scan.next(view).await? else { break };
            if !step.as_bytes().starts_with(&self.prefix) {
                if is_behind(&step, &self.prefix, self.direction) {
                    break;
                }
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return Ok(Some((step, node)));
        }
        Ok(None)
    }
}

/// Returns where a listing begins, and how many entries have to be counted off from there.
///
/// Only where nothing else says where to begin can an offset be gone to.
fn begin(
    from: Option<Step>,
    prefix: &[u8],
    offset: u64,
    direction: Direction,
) -> Result<(From, u64)> {
    let first = match direction {
        Direction::Forwards if !prefix.is_empty() => {
            let length = prefix.len().min(Step::LENGTH_MAX);
            Some(Step::new(Bytes::copy_from_slice(&prefix[..length]))?)
        }
        _ => None,
    };
    Ok(match from.max(first) {
        Some(step) => (From::Step(step), offset),
        None if prefix.is_empty() => (From::Offset(offset), 0),
        None => (From::End, offset),
    })
}

/// Returns whether no step from here on begins with a prefix that this one does not begin with.
fn is_behind(step: &Step, prefix: &[u8], direction: Direction) -> bool {
    match direction {
        Direction::Forwards => step.as_bytes() > prefix,
        Direction::Backwards => step.as_bytes() < prefix,
    }
}
