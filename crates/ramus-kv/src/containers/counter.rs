use ramus_core::{Error, IntoPath, Path, Result};

use super::not_of;
use crate::{Counter, Info, Schema, Store, Transaction, Tree};

/// A count at a path, which any number of writers on any number of branches add to.
///
/// It is a [`Counter`] there. The contents of the repository are counters, or hold them: then they are
/// made of one (`From<Counter>`) and give it back (`Counter: TryFrom`).
///
/// ```
/// # use ramus_kv::{Counter, Kv, Store};
/// use ramus_kv::containers::CounterAt;
///
/// # async fn example(main: Store<Kv<Counter>>) -> ramus_core::Result<()> {
/// let apples = CounterAt::new("stock/apples")?;
/// apples.add(&main, 10, "buy apples").await?;
/// let left = apples.add(&main, -3, "sell apples").await?;
/// assert_eq!((left, apples.read(&main.tree().await?).await?), (7, 7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterAt(Path);

impl CounterAt {
    /// Returns the counter at a path.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a path that is none.
    pub fn new(path: impl IntoPath) -> Result<Self> {
        Ok(Self(path.into_path()?))
    }

    /// Returns the path.
    pub const fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the count; zero if there is none yet.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if other contents are there; those of
    /// reading a [`Tree`].
    pub async fn read<S: Schema>(&self, tree: &Tree<S>) -> Result<i64>
    where
        Counter: TryFrom<S::Contents>,
    {
        let Some(contents) = tree.find(&self.0).await? else { return Ok(0) };
        let counter = Counter::try_from(contents).map_err(|_| not_of(&self.0, "counter"))?;
        Ok(counter.0)
    }

    /// Adds to the count, as one commit; returns the count that was committed. To add zero makes no
    /// commit.
    ///
    /// # Errors
    ///
    /// Those of [`add_in`](CounterAt::add_in) and of [`Store::commit`]: a conflict if the sum with
    /// that of another writer does not fit.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has added all or nothing.
    pub async fn add<S: Schema>(
        &self,
        store: &Store<S>,
        by: i64,
        info: impl Into<Info>,
    ) -> Result<i64>
    where
        S::Contents: From<Counter>,
        Counter: TryFrom<S::Contents>,
    {
        let info = info.into();
        let mut edit = store.begin().await?;
        let sum = self.add_in(&mut edit, by).await?;
        match store.commit(edit, info).await? {
            // Another writer may have added, too.
            Some(commit) => self.read(&commit.tree()).await,
            None => Ok(sum),
        }
    }

    /// Adds to the count in a transaction; returns the count as it is there.
    ///
    /// # Errors
    ///
    /// [`Limit`](ramus_core::ErrorKind::Limit) if the sum does not fit in 64 bits;
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if something else is at the path.
    pub async fn add_in<S: Schema>(&self, edit: &mut Transaction<S>, by: i64) -> Result<i64>
    where
        S::Contents: From<Counter>,
        Counter: TryFrom<S::Contents>,
    {
        let before = self.read(edit.tree()).await?;
        let Some(sum) = before.checked_add(by) else {
            let path = &self.0;
            let message = format!("{before} and {by} at `{path}` do not fit in 64 bits together");
            return Err(Error::new(ramus_core::ErrorKind::Limit, message));
        };
        if by != 0 {
            edit.set(&self.0, Counter(sum)).await?;
        }
        Ok(sum)
    }
}
