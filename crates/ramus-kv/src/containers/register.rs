use std::marker::PhantomData;

use ramus_core::{IntoPath, Path, Result};

use super::not_of;
use crate::{Info, Register, Schema, Store, Transaction, Tree};

/// A value at a path of which the last one written wins, whichever branch it was written on.
///
/// It is a [`Register`] there, written by the clock of the repository, and always after the one that it
/// replaces. The contents of the repository are registers, or hold them: then they are made of one
/// (`From<Register<T>>`) and give it back (`Register<T>: TryFrom`).
///
/// ```
/// # use ramus_kv::{Kv, Register, Store};
/// use ramus_kv::containers::RegisterAt;
///
/// # async fn example(main: Store<Kv<Register<String>>>) -> ramus_core::Result<()> {
/// let colour = RegisterAt::<String>::new("wall/colour")?;
/// colour.write(&main, "green", "paint the wall").await?;
/// assert_eq!(colour.read(&main.tree().await?).await?.as_deref(), Some("green"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegisterAt<T> {
    path: Path,
    value: PhantomData<fn() -> T>,
}

impl<T> RegisterAt<T> {
    /// Returns the register at a path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a path that is none.
    pub fn new(path: impl IntoPath) -> Result<Self> {
        Ok(Self { path: path.into_path()?, value: PhantomData })
    }

    /// Returns the path.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the value, or nothing if none was written.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if other contents are there; those of
    /// reading a [`Tree`].
    pub async fn read<S: Schema>(&self, tree: &Tree<S>) -> Result<Option<T>>
    where
        Register<T>: TryFrom<S::Contents>,
    {
        Ok(self.register(tree).await?.map(|register| register.value))
    }

    /// Writes the value, as one commit. If other writers wrote since it was read, on this branch or
    /// on one that is merged later, the last of all stands.
    ///
    /// # Errors
    ///
    /// Those of [`write_in`](RegisterAt::write_in) and of [`Store::commit`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has written the value or not.
    pub async fn write<S: Schema>(
        &self,
        store: &Store<S>,
        value: impl Into<T>,
        info: impl Into<Info>,
    ) -> Result<()>
    where
        T: Send,
        S::Contents: From<Register<T>>,
        Register<T>: TryFrom<S::Contents>,
    {
        let (value, info) = (value.into(), info.into());
        let mut edit = store.begin().await?;
        self.write_in(&mut edit, value).await?;
        store.commit(edit, info).await?;
        Ok(())
    }

    /// Writes the value in a transaction.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if something else is at the path.
    pub async fn write_in<S: Schema>(&self, edit: &mut Transaction<S>, value: T) -> Result<()>
    where
        S::Contents: From<Register<T>>,
        Register<T>: TryFrom<S::Contents>,
    {
        let now_ms = edit.store.repo().now_ms();
        let register = match self.register(edit.tree()).await? {
            Some(mut register) => {
                register.write(value, now_ms);
                register
            }
            None => Register::new(value, now_ms),
        };
        edit.set(&self.path, register).await
    }

    async fn register<S: Schema>(&self, tree: &Tree<S>) -> Result<Option<Register<T>>>
    where
        Register<T>: TryFrom<S::Contents>,
    {
        let Some(contents) = tree.find(&self.path).await? else { return Ok(None) };
        let register = Register::try_from(contents);
        register.map(Some).map_err(|_| not_of(&self.path, "register of this type"))
    }
}
