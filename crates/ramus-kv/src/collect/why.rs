use ramus_core::{AtomicWrite as _, Hash, RefName, Result};

use super::mark::{Marker, Need, Origin};
use super::running::Running;
use crate::{Repo, Schema};

/// Why a block is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Why<H> {
    /// What holds the first block of the path.
    pub root: Root,
    /// The blocks from there to the one that was asked for, each of which names the next. That one is
    /// the last.
    pub path: Vec<H>,
}

/// What is kept for its own sake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Root {
    /// A branch, a tag, or another ref.
    Ref(RefName),
    /// Somebody reads it or is about to write it: a handle of this process, or of another one.
    Pin,
    /// It was given to the collection.
    Given,
}

/// Looks for the shortest way to a block, from refs and then from pins.
pub(super) async fn why<S: Schema>(repo: &Repo<S>, block: S::Hash) -> Result<Option<Why<S::Hash>>> {
    let (_permit, sweep) = (repo.take_collecting()?, repo.sweep()?);
    let mut marker = Marker::with_origins(repo.objects());
    for (name, value) in repo.refs().snapshot(b"").await?.collect().await? {
        marker.add_root(value, Need::May, || Root::Ref(name));
    }
    if !find(&mut marker, &block).await? {
        let mut running = Running::begin(sweep).await?;
        for name in running.pinned().await? {
            marker.add_root(name, Need::May, || Root::Pin);
        }
        running.finish().await?;
        find(&mut marker, &block).await?;
    }
    Ok(way(&marker, block))
}

/// Marks until the block is marked, and returns whether it is.
async fn find<S: Schema>(marker: &mut Marker<S>, block: &S::Hash) -> Result<bool> {
    while !marker.is_marked(block) && !marker.is_at_rest() {
        marker.step().await?;
    }
    Ok(marker.is_marked(block))
}

/// Goes back from the block to its root.
fn way<S: Schema>(marker: &Marker<S>, block: S::Hash) -> Option<Why<S::Hash>> {
    let mut path = vec![block];
    loop {
        let at = path.last()?;
        match marker.origin(at)? {
            Origin::Block(above) => path.push(*above),
            Origin::Root(root) => {
                path.reverse();
                return Some(Why { root: root.clone(), path });
            }
        }
    }
}

impl<H: Hash> std::fmt::Display for Why<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.root {
            Root::Ref(name) => write!(f, "{name}")?,
            Root::Pin => f.write_str("a pin")?,
            Root::Given => f.write_str("a given root")?,
        }
        self.path.iter().try_for_each(|block| write!(f, " -> {block}"))
    }
}
