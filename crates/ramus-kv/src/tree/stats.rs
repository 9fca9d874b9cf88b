use ramus_core::Result;

use super::{Kind, Tree, WalkOptions};
use crate::Schema;

/// How large a tree is.
///
/// What lies at several paths counts at each of them.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let mut tree = repo.empty_tree();
/// tree.set("users/ada", "mathematician").await?;
/// tree.set("users/bob", "carpenter").await?;
/// let stats = tree.stats().await?;
/// assert_eq!((stats.directories, stats.contents), (2, 2)); // the root, and `users`
/// assert_eq!((stats.depth, stats.width), (2, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many directories there are, with the root.
    pub directories: u64,
    /// How many values there are.
    pub contents: u64,
    /// How many stored conflicts there are.
    pub conflicts: u64,
    /// How many steps the longest path has.
    pub depth: usize,
    /// How many entries the largest directory has.
    pub width: u64,
}

impl<S: Schema> Tree<S> {
    /// Returns how large the tree is. All its directories are read for that, and no values.
    pub async fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        let mut walk = self.walk(WalkOptions::default());
        while let Some(visit) = walk.next().await.transpose()? {
            stats.depth = stats.depth.max(visit.depth);
            match visit.found.kind() {
                Kind::Contents => stats.contents += 1,
                Kind::Conflict => stats.conflicts += 1,
                Kind::Directory => {
                    stats.directories += 1;
                    stats.width = stats.width.max(visit.found.len().await?);
                }
            }
        }
        Ok(stats)
    }
}
