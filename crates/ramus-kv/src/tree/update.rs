use ramus_core::{IntoPath, Result};

use super::Tree;
use super::dir::Node;
use super::edit::{refuse_kind, refuse_root};
use crate::{Contents as _, Metadata as _, Schema};

impl<S: Schema> Tree<S> {
    /// Sets the value at a path to what `change` makes of it, which is called once; nothing stands
    /// for an absent value, before and after. Metadata that are there stay.
    ///
    /// ```
    /// # use ramus_kv::{Counter, Kv, Repo};
    /// # async fn example(repo: Repo<Kv<Counter>>) -> ramus_core::Result<()> {
    /// let mut tree = repo.empty_tree();
    /// tree.update("stock/apples", |old| Some(Counter(old.map_or(0, |count| count.0) + 1))).await?;
    /// tree.update("stock/apples", |old| old.copied().filter(|count| count.0 > 1)).await?;
    /// assert!(tree.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`set`](Tree::set), also where nothing would be set: what is in the way is refused
    /// before `change` is called.
    pub async fn update(
        &mut self,
        path: impl IntoPath,
        change: impl FnOnce(Option<&S::Contents>) -> Option<S::Contents> + Send,
    ) -> Result<()> {
        let path = path.into_path()?;
        refuse_root(&path)?;
        let found = self.locate(&path).await?;
        self.refuse_conflict(&path, &found).await?;
        found.refuse_contents_in_the_way(&path)?;
        let (old, metadata) = match &found.node {
            Some(Node::Contents(leaf)) => {
                (Some(self.contents(leaf).await?), (*leaf.metadata).clone())
            }
            Some(node) => return Err(refuse_kind(&path, node.noun(), "contents")),
            None => (None, S::Metadata::default().encode()),
        };
        match change(old.as_ref()) {
            Some(new) => {
                let leaf = self.make_leaf(&path, new.encode()?, metadata).await?;
                self.put(found, Node::Contents(leaf));
            }
            None if old.is_some() => self.cut(found),
            None => {}
        }
        Ok(())
    }

    /// Removes the value at a path and returns it, or returns nothing and changes nothing where there
    /// is none, as at a directory.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Repo};
    /// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
    /// let mut tree = repo.empty_tree();
    /// tree.set("inbox/1", "a letter").await?;
    /// assert_eq!(tree.take("inbox/1").await?.as_deref(), Some("a letter"));
    /// assert_eq!(tree.take("inbox/1").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn take(&mut self, path: impl IntoPath) -> Result<Option<S::Contents>> {
        let path = path.into_path()?;
        if path.is_root() {
            return Ok(None);
        }
        let found = self.locate(&path).await?;
        self.refuse_conflict(&path, &found).await?;
        let Some(Node::Contents(leaf)) = &found.node else { return Ok(None) };
        let value = self.contents(leaf).await?;
        self.cut(found);
        Ok(Some(value))
    }
}
