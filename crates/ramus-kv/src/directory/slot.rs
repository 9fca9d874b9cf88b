use std::sync::Arc;

use ramus_core::{Hash, Result, Step};

use super::Nodes;
use super::blocks::Blocks;
use super::build::{child, named};
use super::dir_block::DirBlock;
use super::item::{Child, Item};

/// A block to be, or one that stays.
pub(super) struct Slot<H> {
    pub(super) first: Step,
    pub(super) weight: u64,
    pub(super) content: Content<H>,
    /// What lies between this and the slot before, if there is anything that was not taken in.
    pub(super) hole: Option<Hole<H>>,
}

pub(super) enum Content<H> {
    Kept(Child<H>),
    /// A block that edits were spliced into.
    Block(Arc<DirBlock<H>>),
    Items(Vec<Item<H>>),
}

/// Blocks that were not taken in; at least one.
pub(super) struct Hole<H> {
    /// The last of them.
    pub(super) last: Blocks<H>,
}

/// A block that has no name yet.
pub(super) enum Unnamed<H> {
    Block(Step, Arc<DirBlock<H>>),
    /// Items that are to be one, not none, and what they weigh.
    Items(Vec<Item<H>>, u64),
}

impl<H: Hash> Unnamed<H> {
    pub(super) fn worth(&self) -> usize {
        match self {
            Self::Block(_, block) => block.block().len(),
            Self::Items(_, weight) => usize::try_from(*weight).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn name(self, level: u8) -> (Item<H>, Arc<DirBlock<H>>) {
        match self {
            Self::Block(first, block) => named(first, block),
            Self::Items(items, _) => child(level, &items),
        }
    }
}

impl<H: Hash> Slot<H> {
    pub(super) fn of_items(first: Step, items: Vec<Item<H>>, hole: Option<Hole<H>>) -> Self {
        let weight = items.iter().map(Item::weight).sum();
        Self { first, weight, content: Content::Items(items), hole }
    }

    pub(super) fn of_block(first: Step, block: &Arc<DirBlock<H>>, hole: Option<Hole<H>>) -> Self {
        let (weight, content) = (block.weight(), Content::Block(Arc::clone(block)));
        Self { first, weight, content, hole }
    }

    pub(super) fn kept(place: &Blocks<H>, hole: Option<Hole<H>>) -> Self {
        let content = Content::Kept(place.child);
        Self { first: place.first.clone(), weight: place.child.weight, content, hole }
    }
}

pub(super) fn pieces<H: Hash>(
    mut items: Vec<Item<H>>,
    starts: &[usize],
    hole: Option<Hole<H>>,
) -> Vec<Slot<H>> {
    let mut pieces = Vec::with_capacity(starts.len());
    for start in starts.iter().rev() {
        let piece = items.split_off(*start);
        if let Some(first) = piece.first().map(|item| item.step.clone()) {
            pieces.push(Slot::of_items(first, piece, None));
        }
    }
    pieces.reverse();
    if let Some(first) = pieces.first_mut() {
        first.hole = hole;
    }
    pieces
}

pub(super) async fn items_of<H: Hash>(
    nodes: &impl Nodes<H>,
    content: &Content<H>,
) -> Result<Vec<Item<H>>> {
    match content {
        Content::Kept(child) => nodes.node(&child.hash).await?.items(),
        Content::Block(block) => block.items(),
        Content::Items(items) => Ok(items.clone()),
    }
}
