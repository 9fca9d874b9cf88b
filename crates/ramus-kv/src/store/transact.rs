use std::pin::pin;
use std::time::Duration;

use ramus_core::{Error, ErrorKind, Result};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::Store;
use super::advance::{Advance, Advanced};
use crate::tree::merge::{Ancestor, merge};
use crate::{Commit, Conflicts, Info, OnRace, Schema, Transaction, TransactionOptions, Tree};

impl<S: Schema> Store<S> {
    /// Commits a transaction; returns the commit, or nothing if it changed nothing.
    ///
    /// If another writer came first, its edits are merged with what that one did, into one commit
    /// whose only parent is the head: see [`OnRace`].
    ///
    /// # Errors
    ///
    /// - [`Conflict`](ErrorKind::Conflict) if both changed one thing; the source is [`Conflicts`].
    /// - [`Contention`](ErrorKind::Contention) if the transaction refuses to be merged, or if other
    ///   processes came first again and again.
    /// - [`Aborted`](ErrorKind::Aborted) if the merge of a contents type panicked.
    /// - [`InvalidInput`](ErrorKind::InvalidInput) for a transaction of another branch.
    pub async fn commit(
        &self,
        transaction: Transaction<S>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let info = info.into();
        if !self.is_same(&transaction.store) {
            let message =
                format!("a transaction of {:?} cannot be committed to {self:?}", transaction.store);
            return Err(Error::invalid_input(message));
        }
        if !transaction.tree.is_of(self.repo().objects()) {
            return Err(Error::invalid_input(
                "the tree of the transaction was replaced by one of another repository; its blocks \
                 are not in this one",
            ));
        }
        let _turn = self.turn().wait().await?;
        self.commit_in_turn(transaction, &info).await
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

    /// Runs `edits` in a transaction and commits it; if another writer came first, runs it again on
    /// what that one wrote, so that it always saw what it changed: serialisable on one branch.
    ///
    /// A second run holds the branch's turn, so that no writer of this process comes first again; it
    /// loses it after [`turn_ms`](crate::RepoOptions::turn_ms). Writing to the same branch from
    /// inside `edits` therefore waits that long.
    ///
    /// The closure can run many times, so in a spawned task write it as `async move` and let it own
    /// what it captures (cloned for each run); one that borrows from around it does not pass for
    /// `Send`.
    ///
    /// # Errors
    ///
    /// Those of `edits`; [`Contention`](ErrorKind::Contention) if others came first every time.
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
    #[expect(clippy::future_not_send, reason = "it is if the future of `edits` is")]
    pub async fn transact_again<T, F>(&self, info: impl Into<Info>, edits: F) -> Result<T>
    where
        F: AsyncFn(&mut Transaction<S>) -> Result<T>,
    {
        let info = info.into();
        let options = TransactionOptions::default().with_on_race(OnRace::Refuse);
        let mut turn = None;
        for _ in 0..self.attempts_max() {
            let mut transaction = self.begin_with(options).await?;
            let (answer, held) = self.run_in_turn(&edits, &mut transaction, turn).await;
            let answer = answer?;
            let held = match held {
                Some(held) => held,
                None => self.turn().wait().await?,
            };
            match self.commit_in_turn(transaction, &info).await {
                Err(lost) if lost.kind() == ErrorKind::Contention => turn = Some(held),
                Err(error) => return Err(error),
                Ok(_) => return Ok(answer),
            }
        }
        Err(self.contention(self.attempts_max()))
    }

    /// Runs `edits` while the turn is held, if it is; returns the turn unless it ran out.
    #[expect(clippy::future_not_send, reason = "it is if the future of `edits` is")]
    async fn run_in_turn<'a, T, F>(
        &self,
        edits: &F,
        transaction: &mut Transaction<S>,
        turn: Option<SemaphorePermit<'a>>,
    ) -> (Result<T>, Option<SemaphorePermit<'a>>)
    where
        F: AsyncFn(&mut Transaction<S>) -> Result<T>,
    {
        let mut run = pin!(edits(transaction));
        let Some(turn) = turn else { return (run.await, None) };
        let deadline = Duration::from_millis(self.repo().options().turn_ms);
        if let Ok(answer) = timeout(deadline, &mut run).await {
            (answer, Some(turn))
        } else {
            drop(turn);
            (run.await, None)
        }
    }

    async fn commit_in_turn(
        &self,
        transaction: Transaction<S>,
        info: &Info,
    ) -> Result<Option<Commit<S>>> {
        let Transaction { store: _, base, tree, options } = transaction;
        let advance = Advance { allow_empty: options.allow_empty, parents: None };
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            let head = self.head().await?;
            let merged = if head == base {
                tree.clone()
            } else if options.on_race == OnRace::Refuse {
                return Err(self.lost_race(base.as_ref(), head.as_ref()));
            } else {
                self.merge_onto(head.as_ref(), base.as_ref(), &tree).await?
            };
            match self.advance(head.as_ref(), &merged, info, advance.clone()).await? {
                Advanced::Lost => {}
                Advanced::Unchanged => return Ok(None),
                Advanced::To(commit) => return Ok(Some(commit)),
            }
        }
        Err(self.contention(self.attempts_max()))
    }

    async fn merge_onto(
        &self,
        head: Option<&Commit<S>>,
        base: Option<&Commit<S>>,
        tree: &Tree<S>,
    ) -> Result<Tree<S>> {
        let ancestor = Ancestor::certain(self.tree_of(base));
        let merged = merge(&ancestor, &self.tree_of(head), tree).await?;
        if merged.conflicts.is_empty() {
            return Ok(merged.tree);
        }
        Err(Conflicts::new(merged.conflicts).into())
    }
}
