use ramus_core::Result;

use super::Store;
use super::round::Offered;
use super::work::{Prepared, Race, Work};
use crate::{Info, Schema, Transaction};

impl<S: Schema> Store<S> {
    /// Runs `edits` in a transaction and commits it; if another writer came first, runs it again on
    /// what that one wrote, so that it always saw what it changed: serialisable on one branch.
    ///
    /// A second run holds the branch's turn, so that no writer of this process comes first again (who sets the head
    /// outright, as [`set_head`](Store::set_head) does, still can). Those
    /// who wait take it away after [`turn_ms`](crate::RepoOptions::turn_ms), also from a future that is
    /// not polled; it goes on without, and queues for another one. Writing to the same branch from
    /// inside `edits` therefore waits that long.
    ///
    /// The closure can run many times, so in a spawned task write it as `async move` and let it own
    /// what it captures (cloned for each run); one that borrows from around it does not pass for
    /// `Send`.
    ///
    /// # Errors
    ///
    /// Those of `edits`; [`Contention`](ramus_core::ErrorKind::Contention) if others came first every time.
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    ///
    /// ```
    /// # use ramus_kv::{Counter, Kv, Store};
    /// # async fn example(main: Store<Kv<Counter>>) -> ramus_core::Result<()> {
    /// let drawn = main
    ///     .transact_again("draw a number", async |edit| {
    ///         let Counter(last) = edit.find("number").await?.unwrap_or_default();
    ///         edit.set("number", Counter(last + 1)).await?;
    ///         Ok(last + 1)
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn transact_again<T, F>(&self, info: impl Into<Info>, edits: F) -> Result<T>
    where
        F: AsyncFn(&mut Transaction<S>) -> Result<T>,
    {
        let info = info.into();
        let mut seat = None;
        for run in 0..self.attempts_max() {
            // A second run has the turn; for a third one somebody else must have moved the branch.
            self.back_off(run.saturating_sub(1)).await;
            let mut transaction = self.begin().await?;
            let answer = edits(&mut transaction).await?;
            self.check(&transaction).await?;
            let prepared = Prepared { on_race: Race::Again, ..Prepared::of(transaction) };
            match self.offer(&mut seat, Work::commit(prepared, info.clone())).await? {
                Offered::Done(_) => return Ok(answer),
                Offered::Again => {}
            }
        }
        Err(self.contention(self.attempts_max(), self.head().await?.as_ref()))
    }
}
