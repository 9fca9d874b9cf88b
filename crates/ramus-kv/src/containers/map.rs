use std::marker::PhantomData;

use ramus_core::{IntoPath, Path, Result};

use super::StepKey;
use crate::{Info, ListOptions, Schema, Store, Transaction, Tree};

/// A map at a path: a directory of any size with one entry for each key.
///
/// Two branches that changed different keys merge; one key that both changed merges by the type of the
/// contents.
///
/// ```
/// # use ramus_kv::{Counter, Kv, Store};
/// use ramus_kv::containers::MapAt;
///
/// # async fn example(main: Store<Kv<Counter>>) -> ramus_core::Result<()> {
/// let visits = MapAt::<String>::new("visits")?;
/// let one_more = |before: Option<Counter>| Some(Counter(before.unwrap_or_default().0 + 1));
/// visits.update(&main, "https://example.org/", one_more, "a visit").await?;
/// let tree = main.tree().await?;
/// assert_eq!(visits.find(&tree, "https://example.org/").await?, Some(Counter(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapAt<K> {
    path: Path,
    key: PhantomData<fn() -> K>,
}

impl<K: StepKey> MapAt<K> {
    /// Returns the map at a path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a path that is none.
    pub fn new(path: impl IntoPath) -> Result<Self> {
        Ok(Self { path: path.into_path()?, key: PhantomData })
    }

    /// Returns the path.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the value of a key is.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a key that is too long.
    pub fn path_of(&self, key: impl Into<K>) -> Result<Path> {
        Ok(self.path.child(&key.into().to_step()?))
    }

    /// Returns the value of a key, or nothing.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`], and of [`path_of`](MapAt::path_of).
    pub async fn find<S: Schema>(
        &self,
        tree: &Tree<S>,
        key: impl Into<K>,
    ) -> Result<Option<S::Contents>> {
        let path = self.path_of(key)?;
        tree.find(&path).await
    }

    /// Returns how many keys there are.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn len<S: Schema>(&self, tree: &Tree<S>) -> Result<u64> {
        tree.len(&self.path).await
    }

    /// Returns a page of the keys with their values, in the order of their steps: at most `limit`,
    /// after `offset` others.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; [`Corrupt`](ramus_core::ErrorKind::Corrupt) for what is no entry
    /// of such a map.
    pub async fn page<S: Schema>(
        &self,
        tree: &Tree<S>,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<(K, S::Contents)>> {
        let options = ListOptions::default().with_offset(offset).with_limit(limit);
        let mut entries = tree.entries_with(&self.path, options).await?;
        let mut page = Vec::new();
        while let Some((step, found)) = entries.next().await.transpose()? {
            if let Some(value) = found.contents().await? {
                page.push((K::from_step(&step)?, value));
            }
        }
        Ok(page)
    }

    /// Sets the value of a key, as one commit.
    ///
    /// # Errors
    ///
    /// Those of [`Store::commit`], and of [`path_of`](MapAt::path_of).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has set the value or not.
    pub async fn insert<S: Schema>(
        &self,
        store: &Store<S>,
        key: impl Into<K>,
        value: impl Into<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<()> {
        let (path, value, info) = (self.path_of(key)?, value.into(), info.into());
        let mut edit = store.begin().await?;
        edit.set(&path, value).await?;
        store.commit(edit, info).await?;
        Ok(())
    }

    /// Sets the value of a key in a transaction.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::set`], and of [`path_of`](MapAt::path_of).
    pub async fn insert_in<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        key: impl Into<K>,
        value: impl Into<S::Contents>,
    ) -> Result<()> {
        let (path, value) = (self.path_of(key)?, value.into());
        edit.set(&path, value).await
    }

    /// Removes a key, as one commit; returns whether it was there. Of several who remove one at once,
    /// one is told that it was.
    ///
    /// # Errors
    ///
    /// Those of [`Store::commit`]: a conflict if another writer changed its value meanwhile.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed the key or not.
    pub async fn remove<S: Schema>(
        &self,
        store: &Store<S>,
        key: impl Into<K>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (self.path_of(key)?, info.into());
        let mut edit = store.begin().await?;
        let was_there = edit.remove(&path).await?;
        // Whoever came second changed nothing, and made no commit.
        let made = store.commit(edit, info).await?;
        Ok(was_there && made.is_some())
    }

    /// Removes a key in a transaction; returns whether it was there.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::remove`], and of [`path_of`](MapAt::path_of).
    pub async fn remove_in<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        key: impl Into<K>,
    ) -> Result<bool> {
        let path = self.path_of(key)?;
        edit.remove(&path).await
    }

    /// Makes a new value of the one that a key has, as one commit; nothing stands for none, before and
    /// after.
    ///
    /// If another writer changed the value meanwhile, the two merge by the type of the contents: two
    /// that counted have both counted. To make the value anew of what the other one wrote, use
    /// [`Store::transact_again`].
    ///
    /// # Errors
    ///
    /// Those of [`Store::commit`]: a conflict if the two do not merge.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has changed the value or not.
    pub async fn update<S: Schema>(
        &self,
        store: &Store<S>,
        key: impl Into<K>,
        change: impl FnOnce(Option<S::Contents>) -> Option<S::Contents> + Send,
        info: impl Into<Info>,
    ) -> Result<()> {
        let (path, info) = (self.path_of(key)?, info.into());
        let mut edit = store.begin().await?;
        match change(edit.find(&path).await?) {
            Some(value) => edit.set(&path, value).await?,
            None => drop(edit.remove(&path).await?),
        }
        store.commit(edit, info).await?;
        Ok(())
    }
}
