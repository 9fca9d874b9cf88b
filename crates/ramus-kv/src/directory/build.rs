use std::sync::Arc;

use ramus_core::Hash;

use super::dir_block::DirBlock;
use super::item::{Body, Child, Item};
use super::rule::{End, cut};

/// A directory whose blocks are not all stored yet.
#[derive(Debug)]
pub(crate) struct Built<H> {
    pub(crate) hash: H,
    pub(crate) root: Arc<DirBlock<H>>,
    /// The new blocks below the root, children before parents; not the root.
    pub(crate) below: Vec<(H, Arc<DirBlock<H>>)>,
}

/// Returns the directory that has these items on this level, in order and all of them.
pub(crate) fn build<H: Hash>(mut level: u8, mut items: Vec<Item<H>>) -> Built<H> {
    let mut below = Vec::new();
    loop {
        let starts = cut(level, &items, &End::OfLevel, &End::OfLevel);
        if starts.len() <= 1 {
            let root = DirBlock::encode(level, &items);
            return Built { hash: H::of(root.block()), root: Arc::new(root), below };
        }
        let ends = starts.iter().skip(1).copied().chain([items.len()]);
        let blocks = starts.iter().zip(ends).map(|(start, end)| &items[*start..end]);
        let mut above = Vec::with_capacity(starts.len());
        for block in blocks {
            let (item, node) = child(level, block);
            below.push((item.hash(), node));
            above.push(item);
        }
        (items, level) = (above, level + 1);
    }
}

/// Makes a block of items, which are not none; returns it and what the level above says of it.
pub(crate) fn child<H: Hash>(level: u8, items: &[Item<H>]) -> (Item<H>, Arc<DirBlock<H>>) {
    let node = DirBlock::encode(level, items);
    let hash = H::of(node.block());
    let child = Child { hash, count: node.count(), weight: node.weight() };
    let step = items[0].step.clone();
    (Item { step, body: Body::Child(child) }, Arc::new(node))
}

impl<H: Copy> Item<H> {
    /// Returns the name of the block that this stands for.
    fn hash(&self) -> H {
        match &self.body {
            Body::Child(child) => child.hash,
            Body::Entry(_) => unreachable!("levels above the leaves hold children"),
        }
    }
}
