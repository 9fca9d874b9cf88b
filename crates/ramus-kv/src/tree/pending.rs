//! Blocks of trees that are not stored yet.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::Result;
use ramus_core::hash::DigestHash;

use crate::Schema;
use crate::crew::Crew;
use crate::directory::{DirBlock, Nodes, Spot};
use crate::objects::Objects;

/// Blocks by name, of one tree that was hashed.
#[derive(Debug)]
pub(crate) struct Pending<S: Schema>(HashMap<S::Hash, PendingBlock<S::Hash>, DigestHash>);

#[derive(Clone, Debug)]
pub(crate) enum PendingBlock<H> {
    Directory(Arc<DirBlock<H>>),
    /// Contents, or a commit.
    Plain(Bytes),
}

impl<S: Schema> Pending<S> {
    pub(crate) fn new() -> Self {
        Self(HashMap::default())
    }

    pub(crate) fn add_all(&mut self, blocks: &[(S::Hash, PendingBlock<S::Hash>)]) {
        self.0.extend(blocks.iter().cloned());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the blocks, each once, in no order.
    pub(crate) fn into_blocks(self) -> Vec<(S::Hash, PendingBlock<S::Hash>)> {
        self.0.into_iter().collect()
    }

    pub(crate) fn get(&self, hash: &S::Hash) -> Option<&PendingBlock<S::Hash>> {
        self.0.get(hash)
    }

    pub(crate) fn add_directory(&mut self, hash: S::Hash, block: Arc<DirBlock<S::Hash>>) {
        self.0.insert(hash, PendingBlock::Directory(block));
    }

    pub(crate) fn add_contents(&mut self, hash: S::Hash, block: Bytes) {
        self.0.insert(hash, PendingBlock::Plain(block));
    }
}

/// What a tree is read from: what is stored, and what is about to be.
#[derive(Debug)]
pub(crate) struct View<'a, S: Schema> {
    pub(crate) objects: &'a Objects<S>,
    pub(crate) pending: &'a [Arc<Pending<S>>],
}

impl<S: Schema> View<'_, S> {
    pub(crate) fn find(&self, hash: &S::Hash) -> Option<&PendingBlock<S::Hash>> {
        self.pending.iter().find_map(|pending| pending.get(hash))
    }

    /// Returns the root block of a directory, which may be found from where the directory is named.
    pub(crate) async fn root(
        &self,
        hash: &S::Hash,
        spot: Option<Spot<S::Hash>>,
    ) -> Result<Arc<DirBlock<S::Hash>>> {
        match spot {
            Some(spot) => spot.load(self, hash).await,
            None => self.node(hash).await,
        }
    }

    /// Returns a block of contents that something names.
    pub(crate) async fn block(&self, hash: &S::Hash) -> Result<Bytes> {
        match self.find(hash) {
            Some(PendingBlock::Plain(block)) => Ok(block.clone()),
            Some(PendingBlock::Directory(_)) | None => self.objects.block(hash).await,
        }
    }
}

impl<S: Schema> Nodes<S::Hash> for View<'_, S> {
    async fn node(&self, hash: &S::Hash) -> Result<Arc<DirBlock<S::Hash>>> {
        match self.find(hash) {
            Some(PendingBlock::Directory(block)) => Ok(Arc::clone(block)),
            Some(PendingBlock::Plain(_)) | None => self.objects.directory(hash).await,
        }
    }

    /// A block that is kept is found by a link, without looking for its hash. Who makes or checks a
    /// proof is told of it all the same.
    async fn below(
        &self,
        above: &DirBlock<S::Hash>,
        index: usize,
        hash: &S::Hash,
    ) -> Result<Arc<DirBlock<S::Hash>>> {
        if let Some(block) = above.follow(index) {
            self.objects.note_directory(hash, &block);
            return Ok(block);
        }
        let block = self.node(hash).await?;
        above.link(index, &block);
        Ok(block)
    }

    fn crew(&self) -> Crew {
        self.objects.crew()
    }
}

#[cfg(test)]
mod tests {
    use ramus_core::erased::Backend;
    use ramus_mem::Mem;

    use crate::{Kv, Repo};

    #[tokio::test]
    async fn what_is_read_often_is_found_by_links() {
        let repo = Repo::<Kv<String>>::new(Backend::new(Mem::default()));
        let mut tree = repo.empty_tree();
        for number in 0..2000 {
            tree.set(number.to_string(), "some text").await.unwrap();
        }
        let main = repo.main().await.unwrap();
        main.set_tree("", &tree, "fill").await.unwrap();
        let tree = main.tree().await.unwrap();
        let root = repo.objects().directory(&tree.hash().await.unwrap()).await.unwrap();
        assert!(root.len() > 4, "an index of {} blocks", root.len());
        for number in 0..2000 {
            assert!(tree.find(number.to_string()).await.unwrap().is_some());
        }
        let linked = |index: &usize| root.follow(*index).is_some();
        let count = (0..root.len()).filter(linked).count();
        // Now and then a question goes to the cache.
        assert!(count + 1 >= root.len(), "{count} of {}", root.len());
    }
}
