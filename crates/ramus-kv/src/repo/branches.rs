use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Error, ErrorKind, Hash, Namespace, Outcome,
    ReadOnly as _, RefName, Refusal, Result,
};

use super::Repo;
use crate::ref_fault::{RefFault, noun};
use crate::{Commit, Heads, Schema, Store};

/// # Branches
///
/// A branch is a name for a commit. Each of these calls is one update of the storage: it happens
/// whole or not at all, and nobody sees a part of it.
///
/// ```
/// # use ramus_kv::{Kv, Repo};
/// # async fn example(repo: Repo<Kv<String>>) -> ramus_core::Result<()> {
/// let main = repo.main().await?;
/// let first = main.set("motto", "begin", "first").await?.expect("it changes something");
///
/// let draft = repo.create_branch("draft", &first).await?; // refused if there is a `draft`
/// draft.set("motto", "begin anew", "in the draft").await?;
/// repo.copy_branch("draft", "backup/draft").await?;
/// let review = repo.rename_branch("draft", "review").await?; // refused if there is a `review`
/// assert_eq!(review.find("motto").await?.as_deref(), Some("begin anew"));
///
/// for head in repo.heads("backup/").await?.collect().await? {
///     println!("{} is on {}", head.name, head.commit);
/// }
/// // Removed only if nobody has moved it since.
/// assert!(!repo.remove_branch_at("backup/draft", &first).await?);
/// assert!(repo.remove_branch("backup/draft").await?);
/// # Ok(())
/// # }
/// ```
impl<S: Schema> Repo<S> {
    /// Returns the names of the branches, in order.
    pub async fn branches(&self) -> Result<Vec<String>> {
        let names = self.refs().list(Namespace::Branch.prefix().as_bytes()).await?;
        Ok(names.iter().map(|name| name.name().to_owned()).collect())
    }

    /// Returns the branches whose names begin with `prefix`, and the commits that they are on, all
    /// as of one moment.
    pub async fn heads(&self, prefix: &str) -> Result<Heads<S::Hash>> {
        self.heads_in(Namespace::Branch, prefix).await
    }

    /// Makes a branch on a commit, if there is none of that name, and returns a handle on it. Of
    /// several who make it at once, one does.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if there is one, with
    /// [`RefFault::Exists`] as its source: take another name, or open it with
    /// [`branch`](Repo::branch) and move it with [`set_head`](Store::set_head) if that is meant. The
    /// same for a commit of another repository.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has made the branch or not.
    pub async fn create_branch(&self, name: &str, commit: &Commit<S>) -> Result<Store<S>> {
        let name = RefName::branch(name)?;
        self.check_commit(commit)?;
        let update = self.update(&format!("create branch {}", name.name())).await?;
        let update = update.test_and_set(name.clone(), None, Some(commit.hash()));
        if let Outcome::Refused(refusal) = self.move_refs(update).await? {
            return Err(exists(refusal, format!("cannot create branch `{}`", name.name())));
        }
        Ok(self.store(name))
    }

    /// Gives a branch another name, and returns a handle on it: in one moment the old name is gone
    /// and the new one there.
    ///
    /// A handle is on a name, and so are watches. Those on the old name stay there: they read
    /// nothing, the watches see the branch removed, and a write through such a handle makes a new
    /// branch of the old name. Open the new one, or take what this returns.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if there is no branch `from` (its
    ///   source is [`RefFault::Absent`]), or if there is one of the name `to`
    ///   ([`RefFault::Exists`]).
    /// - [`Contention`](ramus_core::ErrorKind::Contention) if others moved `from` again and again.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has renamed the branch or not.
    pub async fn rename_branch(&self, from: &str, to: &str) -> Result<Store<S>> {
        self.carry_over(from, to, Carry::Rename).await
    }

    /// Makes a branch `to` that is on the same commit as the branch `from`, and returns a handle on
    /// it. Whoever has a handle on `from` can also [`fork`](Store::fork) it.
    ///
    /// # Errors
    ///
    /// Those of [`rename_branch`](Repo::rename_branch).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has made the copy or not.
    pub async fn copy_branch(&self, from: &str, to: &str) -> Result<Store<S>> {
        self.carry_over(from, to, Carry::Copy).await
    }

    /// Removes a branch, whatever it holds; returns whether it was there. Its commits stay for as
    /// long as something else reaches them.
    ///
    /// # Errors
    ///
    /// [`Contention`](ramus_core::ErrorKind::Contention) if others moved the branch again and again.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed the branch or not.
    pub async fn remove_branch(&self, name: &str) -> Result<bool> {
        self.remove_ref(RefName::branch(name)?).await
    }

    /// Removes a branch if it is on this commit; returns whether it was. False says that there is
    /// no such branch, or that it is on another commit.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a commit of another repository.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has removed the branch or not.
    pub async fn remove_branch_at(&self, name: &str, commit: &Commit<S>) -> Result<bool> {
        let name = RefName::branch(name)?;
        self.check_commit(commit)?;
        let update = self.update(&format!("remove branch {}", name.name())).await?;
        let update = update.test_and_set(name, Some(commit.hash()), None);
        Ok(self.move_refs(update).await?.is_applied())
    }

    pub(super) async fn heads_in(
        &self,
        namespace: Namespace,
        prefix: &str,
    ) -> Result<Heads<S::Hash>> {
        let prefix = [namespace.prefix(), prefix].concat();
        Ok(Heads::of_snapshot(self.refs().snapshot(prefix.as_bytes()).await?))
    }

    /// Removes a ref, whatever it holds; returns whether it was there.
    pub(super) async fn remove_ref(&self, name: RefName) -> Result<bool> {
        let mut holds = self.refs().find(&name).await?;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            if holds.is_none() {
                return Ok(false);
            }
            let update = self.update(&format!("remove {} {}", noun(&name), name.name())).await?;
            let update = update.test_and_set(name.clone(), holds, None);
            match self.move_refs(update).await? {
                Outcome::Applied(_) => return Ok(true),
                Outcome::Refused(refusal) => holds = refusal.holds,
            }
        }
        Err(self.outrun(&name))
    }

    async fn carry_over(&self, from: &str, to: &str, carry: Carry) -> Result<Store<S>> {
        let (from, to) = (RefName::branch(from)?, RefName::branch(to)?);
        let does = carry.does(&from, &to);
        let mut holds = self.refs().find(&from).await?;
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            let Some(head) = holds else {
                return Err(RefFault::<S::Hash>::Absent { name: from }.while_doing(cannot(&does)));
            };
            if from == to {
                return Err(RefFault::Exists { name: to, holds: head }.while_doing(cannot(&does)));
            }
            let update = self.update(&does).await?;
            let kept = (carry == Carry::Copy).then_some(head);
            let update = update.test_and_set(from.clone(), Some(head), kept);
            let update = update.test_and_set(to.clone(), None, Some(head));
            match self.move_refs(update).await? {
                Outcome::Applied(_) => return Ok(self.store(to)),
                Outcome::Refused(refusal) if refusal.key == from => holds = refusal.holds,
                Outcome::Refused(refusal) => return Err(exists(refusal, cannot(&does))),
            }
        }
        Err(self.outrun(&from))
    }

    pub(super) fn outrun(&self, name: &RefName) -> Error {
        let attempts = self.attempts_max();
        let message = format!(
            "{name} was moved by others before each of {attempts} attempts; call it again, or let the \
             repository try more often (attempts_max)"
        );
        Error::new(ErrorKind::Contention, message)
    }
}

/// What is done with the head of a branch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carry {
    Copy,
    Rename,
}

impl Carry {
    fn does(self, from: &RefName, to: &RefName) -> String {
        let verb = match self {
            Self::Copy => "copy",
            Self::Rename => "rename",
        };
        format!("{verb} branch {} to {}", from.name(), to.name())
    }
}

fn cannot(does: &str) -> String {
    format!("cannot {does}")
}

/// Returns the error for a ref that must not have been there.
pub(super) fn exists<H: Hash>(refusal: Refusal<RefName, H>, attempted: String) -> Error {
    let Refusal { key: name, holds, at: _ } = refusal;
    match holds {
        Some(holds) => RefFault::Exists { name, holds },
        None => RefFault::Absent { name },
    }
    .while_doing(attempted)
}
