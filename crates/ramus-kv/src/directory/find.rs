use std::sync::Arc;

use ramus_core::{Hash, Result};

use super::Nodes;
use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::Entry;

/// An item of a block: what it names is found from there.
#[derive(Clone, Debug)]
pub(crate) struct Spot<H> {
    block: Arc<DirBlock<H>>,
    index: usize,
}

impl<H: Hash> Spot<H> {
    pub(crate) fn new(block: &Arc<DirBlock<H>>, index: usize) -> Self {
        Self { block: Arc::clone(block), index }
    }

    /// Returns the block that the item names, whose hash that is.
    pub(crate) async fn load(&self, nodes: &impl Nodes<H>, hash: &H) -> Result<Arc<DirBlock<H>>> {
        nodes.below(&self.block, self.index, hash).await
    }
}

/// Returns the entry of a step in the directory that has this root.
pub(crate) async fn find<H: Hash>(
    nodes: &impl Nodes<H>,
    root: &Arc<DirBlock<H>>,
    step: &[u8],
) -> Result<Option<Entry<H>>> {
    Ok(find_spot(nodes, root, step).await?.map(|(_, entry)| entry))
}

/// Returns the entry of a step in the directory that has this root, and where it stands.
pub(crate) async fn find_spot<H: Hash>(
    nodes: &impl Nodes<H>,
    root: &Arc<DirBlock<H>>,
    step: &[u8],
) -> Result<Option<(Spot<H>, Entry<H>)>> {
    let mut block = Arc::clone(root);
    while block.level() > 0 {
        let Some((index, child)) = block.find_child(step)? else { return Ok(None) };
        let below = nodes.below(&block, index, &child.hash).await?;
        check_child(block.level(), &child, &below)?;
        block = below;
    }
    Ok(block.find(step)?.map(|(index, entry)| (Spot { block, index }, entry)))
}
