//! What can be told of the blocks of a directory when some of them are not at hand.
//!
//! Whoever trusts the name of a root trusts what made it, so nothing here is needed to believe a
//! block that has the right name. It finds directories that no honest writer makes: whose blocks do
//! not fit together, or are cut elsewhere than [the rule](super::rule) says.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::{Body, Child, Item};
use super::rule::{End, Gap, WEIGHT_MAX};
use super::walk::Walk;

/// A block that is at hand, with what is asked of it more than once.
#[derive(Debug)]
pub(crate) struct Known<H> {
    pub(crate) block: Arc<DirBlock<H>>,
    /// The highest gap between its items, if there are two of them.
    highest: OnceCell<Option<Gap>>,
}

/// Where a block ends.
#[derive(Clone, Debug)]
enum Until {
    Unknown,
    EndOfLevel,
    /// Before this step, with which the next one begins.
    Next(Step),
}

/// Finds a block by its name, if it is at hand.
pub(crate) trait AtHand<H> {
    fn known(&mut self, hash: &H) -> Result<Option<Rc<Known<H>>>>;
}

impl<H: Hash> Known<H> {
    pub(crate) fn new(block: Arc<DirBlock<H>>) -> Self {
        Self { block, highest: OnceCell::new() }
    }

    fn level(&self) -> u8 {
        self.block.level()
    }

    fn highest(&self) -> Result<Option<&Gap>> {
        if let Some(highest) = self.highest.get() {
            return Ok(highest.as_ref());
        }
        let (mut walk, mut highest) = (self.block.walk(), None);
        // No gap lies before the first item.
        walk.advance()?;
        while walk.advance()? {
            let priority = Gap::priority::<H>(self.level(), walk.step());
            // Of equal ones the first is higher.
            if highest.as_ref().is_none_or(|(than, _)| priority > *than) {
                highest = Some((priority, walk.item()?.step));
            }
        }
        let highest = highest.map(|(_, step)| Gap::before::<H>(self.level(), &step));
        Ok(self.highest.get_or_init(|| highest).as_ref())
    }

    /// Returns the child at an index, if it is at hand; nothing for a leaf.
    fn below(&self, index: usize, at_hand: &mut impl AtHand<H>) -> Result<Option<Rc<Self>>> {
        if self.level() == 0 {
            return Ok(None);
        }
        let (_, child) = child_of(self.block.item(index)?)?;
        self.child(&child, at_hand)
    }

    fn child(&self, child: &Child<H>, at_hand: &mut impl AtHand<H>) -> Result<Option<Rc<Self>>> {
        let below = at_hand.known(&child.hash)?;
        if let Some(below) = &below {
            check_child(self.level(), child, &below.block)?;
        }
        Ok(below)
    }

    /// Returns the children from one index to another, or up to the end.
    fn children(&self, start: usize, end: usize) -> Result<Vec<(Step, Child<H>)>> {
        let mut walk = Walk::from(&self.block, start)?;
        let mut children = Vec::new();
        for _ in start..end.min(self.block.len()) {
            walk.advance()?;
            children.push(child_of(walk.item()?)?);
        }
        Ok(children)
    }

    fn last(&self) -> usize {
        self.block.len().saturating_sub(1)
    }
}

/// Checks a block that something names as a directory; its children are checked by themselves.
pub(crate) fn check_root<H: Hash>(root: &Rc<Known<H>>, at_hand: &mut impl AtHand<H>) -> Result<()> {
    if root.level() == 0 {
        return Ok(());
    }
    if root.block.len() < 2 {
        return Err(Error::corrupt("a directory has a root of a single child"));
    }
    check_pairs(
        root.level(),
        &root.children(0, usize::MAX)?,
        Some(&End::OfLevel),
        Some(&End::OfLevel),
    )?;
    check_edge(None, Some(Rc::clone(root)), None, Until::EndOfLevel, at_hand)?;
    check_edge(Some(Rc::clone(root)), None, None, Until::EndOfLevel, at_hand)?;
    check_index(root, at_hand)
}

/// Checks an index block, and that those of its children which are at hand fit into it.
pub(crate) fn check_index<H: Hash>(above: &Known<H>, at_hand: &mut impl AtHand<H>) -> Result<()> {
    let items = above.children(0, usize::MAX)?;
    check_pairs(above.level(), &items, None, None)?;
    let mut before = None;
    for (index, (step, child)) in items.iter().enumerate() {
        let below = above.child(child, at_hand)?;
        if let Some(below) = &below
            && below.block.item(0)?.step != *step
        {
            return Err(Error::corrupt(format!(
                "a block does not begin with `{step}`, as the index block above says"
            )));
        }
        if index > 0 {
            let next = items.get(index + 1).map(|(next, _)| Until::Next(next.clone()));
            let until = next.unwrap_or(Until::Unknown);
            check_edge(before, below.clone(), Some(step), until, at_hand)?;
        }
        before = below;
    }
    Ok(())
}

/// Checks the blocks on both sides of a boundary, level by level downwards, as far as they are at
/// hand; without a step those at the end of their level. The one behind it ends at `until`.
fn check_edge<H: Hash>(
    mut before: Option<Rc<Known<H>>>,
    mut behind: Option<Rc<Known<H>>>,
    step: Option<&Step>,
    mut until: Until,
    at_hand: &mut impl AtHand<H>,
) -> Result<()> {
    while let Some(level) = before.as_ref().or(behind.as_ref()).map(|known| known.level()) {
        if let Some(step) = step {
            check_boundary(level, before.as_deref(), behind.as_deref(), step)?;
        }
        if level == 0 {
            return Ok(());
        }
        check_pairs_at_edge(level, before.as_deref(), behind.as_deref(), step, &until)?;
        if let Some(behind) = &behind
            && let Some((second, _)) = behind.children(1, 2)?.pop()
        {
            until = Until::Next(second);
        }
        before = match &before {
            Some(before) => before.below(before.last(), at_hand)?,
            None => None,
        };
        behind = match &behind {
            Some(behind) => behind.below(0, at_hand)?,
            None => None,
        };
    }
    Ok(())
}

/// Checks that a boundary lies behind the one block, and is higher than the gaps in both.
fn check_boundary<H: Hash>(
    level: u8,
    before: Option<&Known<H>>,
    behind: Option<&Known<H>>,
    step: &Step,
) -> Result<()> {
    if let Some(before) = before
        && before.block.item(before.last())?.step >= *step
    {
        return Err(Error::corrupt(format!(
            "a block goes on behind `{step}`, where the next one begins"
        )));
    }
    let boundary = Gap::before::<H>(level, step);
    for known in before.iter().chain(&behind) {
        if known.highest()?.is_some_and(|highest| *highest > boundary) {
            return Err(Error::corrupt(format!(
                "a block ends at `{step}`, and holds a gap that is cut before that one"
            )));
        }
    }
    Ok(())
}

/// Checks the children next to a boundary, which lie in two index blocks.
fn check_pairs_at_edge<H: Hash>(
    level: u8,
    before: Option<&Known<H>>,
    behind: Option<&Known<H>>,
    step: Option<&Step>,
    until: &Until,
) -> Result<()> {
    let last_two = |known: &Known<H>| known.children(known.last().saturating_sub(1), usize::MAX);
    let mut items = before.map(last_two).transpose()?.unwrap_or_default();
    let boundary = |step: &Step| End::Boundary(Gap::before::<H>(level - 1, step));
    let mut right = match (behind, step, until) {
        (Some(_), _, Until::Unknown) => None,
        (Some(_), _, Until::Next(step)) | (None, Some(step), _) => Some(boundary(step)),
        (Some(_), _, Until::EndOfLevel) | (None, None, _) => Some(End::OfLevel),
    };
    let left = match (before, step) {
        (None, None) => Some(End::OfLevel),
        _ => None,
    };
    if let Some(behind) = behind {
        let mut first = behind.children(0, 3)?;
        if let Some((third, _)) = (first.len() == 3).then(|| first.pop()).flatten() {
            right = Some(boundary(&third));
        }
        items.append(&mut first);
    }
    check_pairs(level, &items, left.as_ref(), right.as_ref())
}

/// Refuses two neighbours, of these children of index blocks, that should not have been parted.
///
/// What ends the first and the last of them may not be known. At the left it is their own boundary at
/// least; at the right it may be lower than anything.
fn check_pairs<H: Hash>(
    level: u8,
    items: &[(Step, Child<H>)],
    left: Option<&End>,
    right: Option<&End>,
) -> Result<()> {
    let boundary = |step: &Step| End::Boundary(Gap::before::<H>(level - 1, step));
    for (index, pair) in items.windows(2).enumerate() {
        let [(first, before), (step, behind)] = pair else { continue };
        let weight = before.weight.saturating_add(behind.weight);
        if weight > WEIGHT_MAX {
            continue;
        }
        let left = match (index, left) {
            (0, Some(left)) => left.clone(),
            _ => boundary(first),
        };
        let right = match (items.get(index + 2), right) {
            (Some((next, _)), _) => boundary(next),
            (None, Some(right)) => right.clone(),
            (None, None) => continue,
        };
        let parted = boundary(step);
        if parted < left && parted < right {
            return Err(Error::corrupt(format!(
                "two blocks are parted at `{step}`, and are light enough for one"
            )));
        }
    }
    Ok(())
}

fn child_of<H>(item: Item<H>) -> Result<(Step, Child<H>)> {
    match item {
        Item { step, body: Body::Child(child) } => Ok((step, child)),
        Item { step, body: Body::Entry(_) } => {
            Err(Error::corrupt(format!("an index block holds an entry, at `{step}`")))
        }
    }
}

#[cfg(test)]
mod tests;
