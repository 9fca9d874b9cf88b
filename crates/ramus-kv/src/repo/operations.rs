use ramus_core::{AtomicWrite as _, Changes, Cursor, Error, KeyChange, Outcome, Pin, Result};

use super::Repo;
use crate::collect::hold;
use crate::operation::Truncated;
use crate::{Commit, Operation, Operations, OperationsOptions, Schema, Undo};

/// # Operations
///
/// Every update that moves branches or tags is an operation, and the storage keeps a log of them:
/// who, when and why, and each branch with the commits that it was on before and after. What was
/// done by mistake can be undone, whatever it was: a commit, a removal, a merge, an undo.
///
/// The log goes back as far as the storage keeps it. Commits that only the log names are not
/// protected from collection.
///
/// ```
/// # use ramus_kv::{Kv, Repo, Undo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// repo.remove_branch("draft").await?; // alas
///
/// let mut operations = repo.operations().await?; // the newest first
/// while let Some(operation) = operations.next().await {
///     let operation = operation?;
///     let Some(reason) = operation.note.reason() else { continue };
///     println!("{} {}: {}", reason.time_ms, reason.author, reason.message);
///     if operation.moved.iter().any(|moved| moved.key.name() == "draft" && moved.new.is_none()) {
///         match repo.undo(&operation).await? {
///             Undo::Done(undone) => println!("undone; to do it again, undo {}", undone.cursor),
///             Undo::Refused { name, .. } => println!("{name} was made anew since"),
///         }
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
impl<S: Schema> Repo<S> {
    /// Returns the operations that the log has, newest first.
    pub async fn operations(&self) -> Result<Operations<S::Hash>> {
        self.operations_with(OperationsOptions::default()).await
    }

    /// Returns operations, of one branch or tag or of all, newest or oldest first, from the
    /// beginning or after a place.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if the log does not go on from
    /// [`after`](OperationsOptions::after), because it was cut off or begun anew; its source is
    /// [`Truncated`].
    pub async fn operations_with(&self, options: OperationsOptions) -> Result<Operations<S::Hash>> {
        Operations::open(self, options).await
    }

    /// Returns the operation that is at this place; nothing if what is there moved neither branch
    /// nor tag.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if the log no longer has the place, with
    /// [`Truncated`] as its source; the same, without, if it has not reached the place yet.
    pub async fn operation(&self, cursor: Cursor) -> Result<Option<Operation<S::Hash>>> {
        let Some(before) = cursor.sequence.checked_sub(1) else { return Ok(None) };
        let after = Cursor { sequence: before, ..cursor };
        let attempted = format!("cannot find the operation at {cursor}");
        match self.refs().changes(after, 1).await? {
            Changes::Page(page) if page.end.sequence > before => {
                let change = page.changes.first().filter(|change| change.cursor == cursor);
                Ok(change.and_then(|change| Operation::of_change(change)))
            }
            Changes::Truncated { oldest }
                if oldest.incarnation != after.incarnation || oldest.sequence > before =>
            {
                Err(Truncated { after, oldest }.while_doing(attempted))
            }
            Changes::Page(_) | Changes::Truncated { .. } => {
                Err(Error::invalid_input(format!("{attempted}: the log does not reach so far yet")))
            }
        }
    }

    /// Takes an operation back: each branch and tag that it moved goes back to what it held before,
    /// all in one update, if each still holds what the operation left.
    ///
    /// An undo is an operation itself, and can be undone.
    ///
    /// One update can carry the commits of several writers, which its note says
    /// ([`Made::Several`](crate::Made::Several)). It is one operation: an undo takes the commits of all of
    /// them back. Who wants to take back one writer's alone [reverts](crate::Store::revert) it.
    ///
    /// What no branch or tag has behind it any more may have been collected, in part if a collection was
    /// dropped or is under way. So all of it is looked at before a branch or tag goes back to it, which
    /// takes as long as to read it.
    ///
    /// # Errors
    ///
    /// Nothing is changed then.
    ///
    /// - [`Missing`](ramus_core::ErrorKind::Missing) if a commit that a branch or tag would go back to
    ///   is not in the store any more, or anything that it reaches.
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for an operation that moved a tag from one
    ///   commit to another, since a tag never moves; and for one that names refs that the library keeps for
    ///   itself. No repository makes either.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has undone all of the operation or nothing.
    pub async fn undo(&self, operation: &Operation<S::Hash>) -> Result<Undo<S::Hash>> {
        operation.check_undo()?;
        let moved = operation.reversed();
        // They stay pinned until the refs hold them.
        let mut held = Vec::new();
        for hash in moved.iter().filter_map(|moved| moved.new) {
            let whole = self.intact(hash).await.map_err(|missing| {
                missing.context(format!("cannot undo the operation at {}", operation.cursor))
            })?;
            held.push(whole);
        }
        let mut message = format!("undo {}", operation.cursor);
        if let Some(reason) = operation.note.reason() {
            message = format!("{message}: {}", reason.message);
        }
        let mut update = self.update(&message).await?;
        for KeyChange { key, old, new } in moved.iter().cloned() {
            update = update.test_and_set(key, old, new);
        }
        let (id, note) = (update.id, crate::Note::decode(&update.note));
        match self.move_refs(update).await? {
            Outcome::Applied(cursor) => Ok(Undo::Done(Operation { cursor, id, note, moved })),
            Outcome::Refused(refusal) => {
                let (name, holds) = (refusal.key, refusal.holds);
                let left = operation.moved.iter().find(|moved| moved.key == name);
                Ok(Undo::Refused { left: left.and_then(|moved| moved.new), name, holds })
            }
        }
    }

    /// Returns a commit of which everything is there, and what keeps it so.
    async fn intact(&self, hash: S::Hash) -> Result<(Commit<S>, Vec<Pin>)> {
        let commit = self.existing(hash).await?;
        self.objects().check_directory(&commit.root()).await?;
        let pins = hold(self, &commit).await?;
        Ok((commit, pins))
    }
}
