use std::ops::Bound;
use std::sync::Arc;

use ramus_core::{Result, Step};

use super::dir::{Dir, Edited, Node};
use super::pending::View;
use crate::Schema;
use crate::directory::{Direction, From, Scan, Scanned, Spot};

/// An entry, and where it stands if it is a stored directory.
pub(crate) struct Next<S: Schema> {
    pub(crate) step: Step,
    pub(crate) node: Node<S>,
    pub(crate) spot: Option<Spot<S::Hash>>,
}

/// A walk over the entries of a directory with its edits.
pub(crate) struct DirScan<S: Schema> {
    direction: Direction,
    base: Option<Scan<S::Hash>>,
    /// The next entry of the base.
    peeked: Option<Scanned<S::Hash>>,
    edited: Option<Arc<Edited<S>>>,
    /// The edits that are still to come.
    left: (Bound<Step>, Bound<Step>),
    /// How many entries are still to be passed over.
    skip: u64,
}

impl<S: Schema> DirScan<S> {
    pub(crate) async fn open(
        view: &View<'_, S>,
        dir: &Dir<S>,
        spot: Option<Spot<S::Hash>>,
        direction: Direction,
        from: From,
    ) -> Result<Self> {
        let (base, edited) = match dir {
            Dir::Stored(hash) | Dir::Unchecked(hash) => (Some(view.root(hash, spot).await?), None),
            Dir::Edited(edited) => {
                let base = edited.base().map(|base| Arc::clone(&base.root));
                (base, (!edited.edits().is_empty()).then(|| Arc::clone(edited)))
            }
        };
        let left = match (&from, direction) {
            (From::Step(step) | From::StepOffset(step, _), Direction::Forwards) => {
                (Bound::Included(step.clone()), Bound::Unbounded)
            }
            (From::Step(step) | From::StepOffset(step, _), Direction::Backwards) => {
                (Bound::Unbounded, Bound::Included(step.clone()))
            }
            (From::End | From::Offset(_), _) => (Bound::Unbounded, Bound::Unbounded),
        };
        // Where edits stand among the entries is found by counting them.
        let (from, skip) = match (from, &edited) {
            (From::Offset(offset), Some(_)) => (From::End, offset),
            (From::StepOffset(step, offset), Some(_)) => (From::Step(step), offset),
            (from, _) => (from, 0),
        };
        let mut base = match &base {
            Some(root) => Some(Scan::open(view, root, direction, &from).await?),
            None => None,
        };
        let peeked = next_of(&mut base, view).await?;
        Ok(Self { direction, base, peeked, edited, left, skip })
    }

    /// Returns the next entry.
    pub(crate) async fn next(&mut self, view: &View<'_, S>) -> Result<Option<Next<S>>> {
        while self.skip > 0 {
            if self.step(view).await?.is_none() {
                return Ok(None);
            }
            self.skip -= 1;
        }
        self.step(view).await
    }

    async fn step(&mut self, view: &View<'_, S>) -> Result<Option<Next<S>>> {
        loop {
            let edit = self.next_edit();
            let edit_comes_first = match (&self.peeked, &edit) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(entry), Some((step, _))) => match self.direction {
                    Direction::Forwards => *step <= entry.step,
                    Direction::Backwards => *step >= entry.step,
                },
            };
            if !edit_comes_first {
                let next = next_of(&mut self.base, view).await?;
                let Some(entry) = std::mem::replace(&mut self.peeked, next) else {
                    return Ok(None);
                };
                let Scanned { step, entry, spot } = entry;
                return Ok(Some(Next { step, node: Node::of_entry(entry), spot }));
            }
            let Some((step, node)) = edit else { return Ok(None) };
            if self.peeked.as_ref().is_some_and(|entry| entry.step == step) {
                self.peeked = next_of(&mut self.base, view).await?;
            }
            match self.direction {
                Direction::Forwards => self.left.0 = Bound::Excluded(step.clone()),
                Direction::Backwards => self.left.1 = Bound::Excluded(step.clone()),
            }
            if let Some(node) = node {
                return Ok(Some(Next { step, node, spot: None }));
            }
        }
    }

    fn next_edit(&self) -> Option<(Step, Option<Node<S>>)> {
        let edits = self.edited.as_ref()?.edits();
        let (start, end) = &self.left;
        if is_passed(start, end) {
            return None;
        }
        let left = (start.as_ref(), end.as_ref());
        let (step, edit) = match self.direction {
            Direction::Forwards => edits.first_in(left),
            Direction::Backwards => edits.last_in(left),
        }?;
        Some((step.clone(), edit.node.clone()))
    }
}

/// Returns whether nothing can lie between two bounds, in a way that a map would not accept.
fn is_passed(start: &Bound<Step>, end: &Bound<Step>) -> bool {
    match (start, end) {
        (Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end))
        | (Bound::Included(start), Bound::Excluded(end)) => start >= end,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

async fn next_of<S: Schema>(
    scan: &mut Option<Scan<S::Hash>>,
    view: &View<'_, S>,
) -> Result<Option<Scanned<S::Hash>>> {
    match scan {
        Some(scan) => scan.next(view).await,
        None => Ok(None),
    }
}
