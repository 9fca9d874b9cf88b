use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramus_core::{
    ContentAddressable as _, Error, ErrorKind, Hash as _, IntoPath, Limits, Result, Storage as _,
};
use tokio::sync::SemaphorePermit;
use tokio::time::{sleep, timeout};

use super::edit::Edit;
use super::{Place, Store};
use crate::block::CommitBlock;
use crate::tree::merge::{Ancestor, merge};
use crate::tree::pending::PendingBlock;
use crate::tree::save::Saved;
use crate::{
    Commit, Conflicts, Format as _, Info, OnRace, Schema, Transaction, TransactionOptions, Tree,
};

impl<S: Schema> Store<S> {
    /// Sets the value at a path, as [`Tree::set`] does; returns the commit, if anything changed.
    pub async fn set(
        &self,
        path: impl IntoPath,
        value: impl Into<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, value, info) = (path.into_path()?, value.into(), info.into());
        Ok(self.edit(Edit::Set { path, value }, &info).await?.commit)
    }

    /// Removes what is at a path, as [`Tree::remove`] does; returns the commit, if anything changed.
    pub async fn remove(
        &self,
        path: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::Remove { path }, &info).await?.commit)
    }

    /// Moves what is at a path to another, as [`Tree::rename`] does; returns the commit, if anything
    /// changed.
    pub async fn rename(
        &self,
        from: impl IntoPath,
        to: impl IntoPath,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (from, to, info) = (from.into_path()?, to.into_path()?, info.into());
        Ok(self.edit(Edit::Rename { from, to }, &info).await?.commit)
    }

    /// Puts a tree at a path, as [`Tree::set_tree`] does; returns the commit, if anything changed.
    pub async fn set_tree(
        &self,
        path: impl IntoPath,
        tree: &Tree<S>,
        info: impl Into<Info>,
    ) -> Result<Option<Commit<S>>> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::SetTree { path, tree: tree.clone() }, &info).await?.commit)
    }

    /// Sets the value at a path to `set` if it is `test`; returns whether it was. Nothing stands for
    /// absent: as the test that there is none, and to remove it.
    ///
    /// The test is made also when `test` and `set` are equal.
    pub async fn test_and_set(
        &self,
        path: impl IntoPath,
        test: Option<S::Contents>,
        set: Option<S::Contents>,
        info: impl Into<Info>,
    ) -> Result<bool> {
        let (path, info) = (path.into_path()?, info.into());
        Ok(self.edit(Edit::TestAndSet { path, test, set }, &info).await?.passed)
    }

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

    /// Applies one edit to the head and commits it; to the new head, if another process comes first.
    async fn edit(&self, edit: Edit<S>, info: &Info) -> Result<Edited<S>> {
        let _turn = self.turn().wait().await?;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            let head = self.head().await?;
            let mut tree = self.tree_of(head.as_ref());
            if !edit.apply(&mut tree).await? {
                return Ok(Edited { passed: false, commit: None });
            }
            let commit = match self.advance(head.as_ref(), &tree, info, Advance::default()).await? {
                Advanced::Lost => continue,
                Advanced::Unchanged => None,
                Advanced::To(commit) => Some(commit),
            };
            return Ok(Edited { passed: true, commit });
        }
        Err(self.contention(self.attempts_max()))
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

    /// Makes a commit of a tree on top of `head`, unless nothing changed or the head moved.
    pub(super) async fn advance(
        &self,
        head: Option<&Commit<S>>,
        tree: &Tree<S>,
        info: &Info,
        advance: Advance<S>,
    ) -> Result<Advanced<S>> {
        let Advance { allow_empty, parents } = advance;
        let Saved { root, blocks: new, unchecked } = tree.save().await?;
        let unchanged = match head {
            Some(head) => head.root() == root,
            None => tree.is_empty(),
        };
        if unchanged && !allow_empty {
            return Ok(Advanced::Unchanged);
        }
        let parents = parents.unwrap_or_else(|| head.map(Commit::hash).into_iter().collect());
        let block = CommitBlock { root, parents, info: self.filled(info) };
        let encoded = S::Format::encode_commit(&block)?;
        let hash = S::Hash::of(&encoded);
        let objects = self.repo().objects();
        for directory in &unchecked {
            objects.check_directory(directory).await?;
        }
        let mut blocks: Vec<_> = new.iter().map(|(hash, block)| (*hash, block.bytes())).collect();
        blocks.push((hash, encoded));
        let pin = objects.pin(hash).await?;
        let commit = Commit::new(hash, block, Arc::clone(objects), pin);
        if !self.write(blocks, head, &commit).await? {
            return Ok(Advanced::Lost);
        }
        for (hash, block) in new {
            if let PendingBlock::Directory(directory) = block {
                objects.keep_directory(hash, directory);
            }
        }
        Ok(Advanced::To(commit))
    }

    /// Stores the blocks of a commit and moves the head to it; returns whether the head was still
    /// where it has to be.
    async fn write(
        &self,
        blocks: Vec<(S::Hash, Bytes)>,
        head: Option<&Commit<S>>,
        commit: &Commit<S>,
    ) -> Result<bool> {
        let backend = self.repo().backend();
        match &self.0.place {
            Place::Branch(branch) => {
                let update = self.repo().update(note(commit.info())).await?;
                let (test, set) = (head.map(Commit::hash), Some(commit.hash()));
                let update = update.test_and_set(branch.name.clone(), test, set);
                let applied = backend.write(blocks, update).await?.is_applied();
                if applied {
                    *branch.head.lock() = Some(commit.clone());
                }
                Ok(applied)
            }
            Place::Detached { .. } => {
                let hashes = blocks.iter().map(|(hash, _)| *hash).collect();
                let _until_reached = self.repo().objects().pin_all(hashes).await?;
                backend.blocks().unsafe_add_many(blocks).await?;
                Ok(self.test_and_set_detached(head, Some(commit.clone())))
            }
        }
    }

    /// Returns the info with author and time.
    fn filled(&self, info: &Info) -> Info {
        let mut info = info.clone();
        info.author.get_or_insert_with(|| self.repo().options().author.clone());
        info.time_ms.get_or_insert_with(|| self.repo().now_ms());
        info
    }

    pub(crate) fn attempts_max(&self) -> u32 {
        self.repo().options().attempts_max.max(1)
    }

    /// Waits before another attempt: longer each time, and not as long as others wait.
    pub(crate) async fn back_off(&self, attempt: u32) {
        const FIRST_US: u64 = 100;
        const DOUBLINGS_MAX: u32 = 9;
        if attempt == 0 {
            return;
        }
        let longest = FIRST_US << attempt.min(DOUBLINGS_MAX);
        sleep(Duration::from_micros(self.repo().random_below(longest))).await;
    }

    pub(crate) fn contention(&self, attempts: u32) -> Error {
        let message =
            format!("{self:?} was moved by other writers before each of {attempts} attempts");
        Error::new(ErrorKind::Contention, message)
    }

    fn lost_race(&self, base: Option<&Commit<S>>, head: Option<&Commit<S>>) -> Error {
        let name = |commit: Option<&Commit<S>>| {
            commit.map_or_else(|| "nothing".to_owned(), |commit| commit.hash().to_string())
        };
        let (base, head) = (name(base), name(head));
        let message = format!("the transaction began on {base}, and {self:?} is on {head} by now");
        Error::new(ErrorKind::Contention, message)
    }
}

/// What became of an edit.
struct Edited<S: Schema> {
    /// Whether its test passed, if it has one.
    passed: bool,
    /// The commit, if anything changed.
    commit: Option<Commit<S>>,
}

/// How a head is to be moved on.
#[derive(Clone)]
pub(super) struct Advance<S: Schema> {
    pub(super) allow_empty: bool,
    /// The parents, if they are not the head alone.
    pub(super) parents: Option<Vec<S::Hash>>,
}

impl<S: Schema> Default for Advance<S> {
    fn default() -> Self {
        Self { allow_empty: false, parents: None }
    }
}

/// What became of the head.
pub(super) enum Advanced<S: Schema> {
    /// It was not where it had to be.
    Lost,
    /// It stays, because nothing changed.
    Unchanged,
    /// It is here now.
    To(Commit<S>),
}

/// Returns what the change log says about a commit: its message, as far as it fits.
fn note(info: &Info) -> &str {
    let end = info.message.floor_char_boundary(Limits::NOTE_MAX);
    info.message.get(..end).unwrap_or_default()
}
