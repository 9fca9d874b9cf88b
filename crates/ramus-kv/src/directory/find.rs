use std::sync::Arc;

use ramus_core::{Error, Hash, Result};

use super::Nodes;
use super::blocks::check_child;
use super::dir_block::DirBlock;
use super::item::{Body, Entry};

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
        let Some(index) = block.last_not_after(step)? else { return Ok(None) };
        let Body::Child(child) = block.item(index)?.body else {
            return Err(Error::corrupt("an index block holds entries"));
        };
        let below = nodes.node(&child.hash).await?;
        check_child(block.level(), &child, &below)?;
        block = below;
    }
    block.find(step)
}
