use std::marker::PhantomData;

use ramus_core::{IntoPath, Path, Result};

use super::StepKey;
use crate::{Info, ListOptions, Schema, Store, Transaction, Tree};

/// A set at a path: a directory of any size with one entry for each member, whose value is the default
/// of the contents.
///
/// What either of two branches removed is gone after a merge, what either added is there, and it never
/// conflicts.
///
/// ```
/// # use ramus_kv::{Kv, Store};
/// use ramus_kv::containers::SetAt;
///
/// # async fn example(main: Store<Kv<String>>) -> ramus_core::Result<()> {
/// let seen = SetAt::<String>::new("seen")?;
/// assert!(seen.insert(&main, "https://example.org/", "seen").await?);
/// assert!(seen.contains(&main.tree().await?, "https://example.org/").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetAt<K> {
    path: Path,
    key: PhantomData<fn() -> K>,
}

impl<K: StepKey> SetAt<K> {
    /// Returns the set at a path.
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

    /// Returns whether the set has a member.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`];
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a member that is too long, as for
    /// every call that takes one.
    pub async fn contains<S: Schema>(&self, tree: &Tree<S>, member: impl Into<K>) -> Result<bool> {
        let path = self.path_of(member)?;
        tree.mem(&path).await
    }

    /// Returns how many members there are.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`].
    pub async fn len<S: Schema>(&self, tree: &Tree<S>) -> Result<u64> {
        tree.len(&self.path).await
    }

    /// Returns a page of the members, in the order of their steps: at most `limit`, after `offset`
    /// others.
    ///
    /// # Errors
    ///
    /// Those of reading a [`Tree`]; [`Corrupt`](ramus_core::ErrorKind::Corrupt) for what is no member
    /// of such a set.
    pub async fn page<S: Schema>(
        &self,
        tree: &Tree<S>,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<K>> {
        let options = ListOptions::default().with_offset(offset).with_limit(limit);
        let listed = tree.list_with(&self.path, options).await?;
        listed.iter().map(|listing| K::from_step(&listing.step)).collect()
    }

    /// Adds a member, as one commit; returns whether it was not there yet. Of several who add one at
    /// once, one is told that it was not.
    ///
    /// # Errors
    ///
    /// Those of [`Store::commit`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has added the member or not.
    pub async fn insert<S: Schema<Contents: Default>>(
        &self,
        store: &Store<S>,
        member: impl Into<K>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (self.path_of(member)?, info.into());
        let mut edit = store.begin().await?;
        let is_new = insert(&mut edit, &path).await?;
        // Whoever came second changed nothing, and made no commit.
        let made = store.commit(edit, info).await?;
        Ok(is_new && made.is_some())
    }

    /// Adds a member in a transaction; returns whether it was not there yet.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::set`].
    pub async fn insert_in<S: Schema<Contents: Default>>(
        &self,
        edit: &mut Transaction<S>,
        member: impl Into<K>,
    ) -> Result<bool> {
        let path = self.path_of(member)?;
        insert(edit, &path).await
    }

    /// Removes a member, as one commit; returns whether it was there. Of several who remove one at
    /// once, one is told that it was.
    ///
    /// # Errors
    ///
    /// Those of [`Store::commit`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed the member or not.
    pub async fn remove<S: Schema>(
        &self,
        store: &Store<S>,
        member: impl Into<K>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (self.path_of(member)?, info.into());
        let mut edit = store.begin().await?;
        let was_there = edit.remove(&path).await?;
        // Whoever came second changed nothing, and made no commit.
        let made = store.commit(edit, info).await?;
        Ok(was_there && made.is_some())
    }

    /// Removes a member in a transaction; returns whether it was there.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::remove`].
    pub async fn remove_in<S: Schema>(
        &self,
        edit: &mut Transaction<S>,
        member: impl Into<K>,
    ) -> Result<bool> {
        let path = self.path_of(member)?;
        edit.remove(&path).await
    }

    fn path_of(&self, member: impl Into<K>) -> Result<Path> {
        Ok(self.path.child(&member.into().to_step()?))
    }
}

async fn insert<S: Schema<Contents: Default>>(
    edit: &mut Transaction<S>,
    path: &Path,
) -> Result<bool> {
    let is_new = !edit.mem(path).await?;
    if is_new {
        edit.set(path, S::Contents::default()).await?;
    }
    Ok(is_new)
}
