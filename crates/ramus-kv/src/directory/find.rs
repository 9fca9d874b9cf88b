use std::sync::Arc;

use ramus_core::{Hash, Result};

use super::Nodes;
use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::Entry;

/// Returns the entry of a step in the directory that has this root.
pub(crate) async fn find<H: Hash>(
    nodes: &impl Nodes<H>,
    root: &Arc<DirBlock<H>>,
    step: &[u8],
) -> Result<Option<Entry<H>>> {
    if root.level() == 0 {
        return root.find(step);
    }
    let mut block = Arc::clone(root);
    while block.level() > 0 {
        let Some(child) = block.find_child(step)? else { return Ok(None) };
        let below = nodes.node(&child.hash).await?;
        check_child(block.level(), &child, &below)?;
        block = below;
    }
    block.find(step)
}
