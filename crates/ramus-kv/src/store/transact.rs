use ramus_core::{Error, ReadOnly as _, Result, Storage as _};

use super::Store;
use super::work::{Prepared, Work};
use crate::{Commit, Info, Schema, Transaction, TransactionOptions};

impl<S: Schema> Store<S> {
    /// Commits a transaction; returns the commit, or nothing if it changed nothing.
    ///
    /// If another writer came first, its edits are merged with what that one did, into one commit
    /// whose only parent is the head: see [`OnRace`](crate::OnRace).
    ///
    /// # Errors
    ///
    /// - [`Conflict`](ramus_core::ErrorKind::Conflict) if both changed one thing; the source is
    ///   [`Conflicts`](crate::Conflicts).
    /// - [`Contention`](ramus_core::ErrorKind::Contention) if the transaction refuses to be merged, or if other
    ///   processes came first again and again.
    /// - [`Aborted`](ramus_core::ErrorKind::Aborted) if the merge of a contents type panicked.
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a transaction of another branch.
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn commit(
        &self,
        transaction: Transaction<S>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let info = info.into();
        self.check(&transaction).await?;
        Ok(self.submit(Work::commit(Prepared::of(transaction), info)).await?.into_commit())
    }

    /// Refuses a transaction that cannot become a commit of this handle, or whose parents are not there.
    pub(crate) async fn check(&self, transaction: &Transaction<S>) -> Result<()> {
        if !self.is_same(&transaction.store) {
            let message =
                format!("a transaction of {} cannot be committed to {self}", transaction.store);
            return Err(Error::invalid_input(message));
        }
        if !transaction.tree.is_of(self.repo().objects()) {
            return Err(Error::invalid_input(
                "the tree of the transaction was replaced by one of another repository; its blocks \
                 are not in this one",
            ));
        }
        for parent in transaction.parents.iter().flatten() {
            self.repo().check_commit(parent)?;
            let hash = parent.hash();
            if !self.repo().backend().blocks().mem(&hash).await? {
                return Err(Error::missing(hash));
            }
        }
        Ok(())
    }

    /// Runs `edits` in a transaction and commits it; returns what `edits` returned.
    ///
    /// If another writer came first, the edits are merged, as by [`commit`](Store::commit). If
    /// `edits` fails, nothing is written.
    ///
    /// # Errors
    ///
    /// Those of `edits` and of [`commit`](Store::commit).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    ///
    /// ```
    /// # use ramus_kv::{Kv, Store};
    /// # async fn example(main: Store<Kv<String>>) -> ramus_core::Result<()> {
    /// let name = "ada".to_owned();
    /// main.transact("add a user", async |edit| edit.set(format!("users/{name}"), "new").await).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn transact<T, F>(&self, info: impl Into<Info>, edits: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Transaction<S>) -> Result<T>,
    {
        self.transact_with(TransactionOptions::default(), info, edits).await
    }

    /// Runs `edits` in a transaction with these options and commits it, as
    /// [`transact`](Store::transact) does.
    ///
    /// # Errors
    ///
    /// Those of `edits` and of [`commit`](Store::commit).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn transact_with<T, F>(
        &self,
        options: TransactionOptions,
        info: impl Into<Info>,
        edits: F,
    ) -> Result<T>
    where
        F: AsyncFnOnce(&mut Transaction<S>) -> Result<T>,
    {
        let info = info.into();
        let mut transaction = self.begin_with(options).await?;
        let answer = edits(&mut transaction).await?;
        self.commit(transaction, info).await?;
        Ok(answer)
    }
}
