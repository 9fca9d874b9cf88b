use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::dir_block::DirBlock;
use super::item::{Body, Child, Item};

/// A place in the row of the blocks of one level, below the root.
#[derive(Clone, Debug)]
pub(crate) struct Blocks<H> {
    /// From the root down to the level above: each block, and the index of the child that was gone to.
    /// Never empty.
    path: Vec<(Arc<DirBlock<H>>, usize)>,
    /// The block at the place.
    pub(crate) first: Step,
    pub(crate) child: Child<H>,
}

impl<H: Hash> Blocks<H> {
    /// Returns the block of a level that a step belongs into: the last one that does not begin after
    /// it, or else the first. The level lies below that of the root.
    pub(crate) async fn locate(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        level: u8,
        step: &[u8],
    ) -> Result<Self> {
        let choose = |node: &DirBlock<H>| Ok(node.last_not_after(step)?.unwrap_or(0));
        Self::descend(nodes, Vec::new(), Arc::clone(root), level, choose).await
    }

    /// Returns the first block of a level below that of the root.
    pub(crate) async fn first(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        level: u8,
    ) -> Result<Self> {
        Self::descend(nodes, Vec::new(), Arc::clone(root), level, |_| Ok(0)).await
    }

    /// Returns the last block of a level below that of the root.
    pub(crate) async fn last(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        level: u8,
    ) -> Result<Self> {
        Self::descend(nodes, Vec::new(), Arc::clone(root), level, |node| Ok(last(node))).await
    }

    /// Returns the leaf that holds the entry of an offset, and how many entries lie before the leaf.
    /// The root is no leaf, and there is such an entry.
    pub(crate) async fn at_offset(
        nodes: &impl Nodes<H>,
        root: &Arc<DirBlock<H>>,
        offset: u64,
    ) -> Result<(Self, u64)> {
        let (mut path, mut block, mut before) = (Vec::new(), Arc::clone(root), 0);
        loop {
            let (index, first, child, skipped) = child_at(&block, offset - before)?;
            before += skipped;
            let is_there = block.level() == 1;
            path.push((block, index));
            if is_there {
                return Ok((Self { path, first, child }, before));
            }
            block = load(nodes, &path, &child).await?;
        }
    }

    /// Returns the block at the place, checked against what the one above says of it.
    pub(crate) async fn load(&self, nodes: &impl Nodes<H>) -> Result<Arc<DirBlock<H>>> {
        load(nodes, &self.path, &self.child).await
    }

    /// Returns the block after this one.
    pub(crate) async fn next(&self, nodes: &impl Nodes<H>) -> Result<Option<Self>> {
        let mut path = self.path.clone();
        while let Some((node, index)) = path.pop() {
            if index + 1 < node.len() {
                return self.turn(nodes, path, node, index + 1, |_| Ok(0)).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Returns the block before this one.
    pub(crate) async fn previous(&self, nodes: &impl Nodes<H>) -> Result<Option<Self>> {
        let mut path = self.path.clone();
        while let Some((node, index)) = path.pop() {
            if index > 0 {
                return self
                    .turn(nodes, path, node, index - 1, |node| Ok(last(node)))
                    .await
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn level(&self) -> u8 {
        self.path.last().map_or(0, |(above, _)| above.level().saturating_sub(1))
    }

    /// Goes to another child of a node on the way, and down from there.
    async fn turn(
        &self,
        nodes: &impl Nodes<H>,
        mut path: Vec<(Arc<DirBlock<H>>, usize)>,
        node: Arc<DirBlock<H>>,
        index: usize,
        choose: impl Fn(&DirBlock<H>) -> Result<usize>,
    ) -> Result<Self> {
        let (first, child) = child_of(&node, index)?;
        let level = self.level();
        let is_there = node.level() == level + 1;
        path.push((node, index));
        if is_there {
            return Ok(Self { path, first, child });
        }
        let below = load(nodes, &path, &child).await?;
        Self::descend(nodes, path, below, level, choose).await
    }

    async fn descend(
        nodes: &impl Nodes<H>,
        mut path: Vec<(Arc<DirBlock<H>>, usize)>,
        mut node: Arc<DirBlock<H>>,
        level: u8,
        choose: impl Fn(&DirBlock<H>) -> Result<usize>,
    ) -> Result<Self> {
        loop {
            let index = choose(&node)?;
            let (first, child) = child_of(&node, index)?;
            let is_there = node.level() == level + 1;
            path.push((node, index));
            if is_there {
                return Ok(Self { path, first, child });
            }
            node = load(nodes, &path, &child).await?;
        }
    }
}

fn last<H: Hash>(node: &DirBlock<H>) -> usize {
    node.len().saturating_sub(1)
}

fn child_of<H: Hash>(node: &DirBlock<H>, index: usize) -> Result<(Step, Child<H>)> {
    match node.item(index)? {
        Item { step, body: Body::Child(child) } => Ok((step, child)),
        Item { step, body: Body::Entry(_) } => {
            Err(Error::corrupt(format!("a leaf stands where an index block should, at `{step}`")))
        }
    }
}

/// Returns the child that holds the entry of an offset: its index, its item, and how many entries
/// lie before it.
fn child_at<H: Hash>(block: &DirBlock<H>, offset: u64) -> Result<(usize, Step, Child<H>, u64)> {
    let (mut walk, mut before) = (block.walk(), 0);
    let mut index = 0;
    while walk.advance()? {
        match walk.body()? {
            Body::Child(child) if offset - before < child.count => {
                return Ok((index, walk.item()?.step, child, before));
            }
            Body::Child(child) => before += child.count,
            Body::Entry(_) => return Err(Error::corrupt("an index block holds entries")),
        }
        index += 1;
    }
    Err(Error::corrupt("an index block has fewer entries than it says"))
}

/// Loads a child, which has to be one level below its parent and what the parent says of it.
async fn load<H: Hash>(
    nodes: &impl Nodes<H>,
    path: &[(Arc<DirBlock<H>>, usize)],
    child: &Child<H>,
) -> Result<Arc<DirBlock<H>>> {
    let Some((above, index)) = path.last() else { return nodes.node(&child.hash).await };
    let node = nodes.below(above, *index, &child.hash).await?;
    check_child(above.level(), child, &node)?;
    Ok(node)
}

/// Refuses a block that is not what its parent says of it.
pub(crate) fn check_child<H: Hash>(above: u8, child: &Child<H>, node: &DirBlock<H>) -> Result<()> {
    let is = (node.level() + 1, node.count(), node.weight());
    if is == (above, child.count, child.weight) {
        return Ok(());
    }
    let hash = child.hash;
    Err(Error::corrupt(format!("block {hash} is not what the index block above says of it")))
}
