//! Handles: a branch, a detached commit, or nothing yet.

mod again;
mod chain;
pub(crate) mod desk;
mod edit;
mod flight;
mod head;
mod judge;
mod land;
mod merge;
mod pick;
mod read;
mod rebase;
mod retry;
mod round;
mod squash;
mod stream;
mod together;
mod transact;
mod unmerged;
mod work;
mod write;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use ramus_core::RefName;

pub use self::merge::{MergeOptions, Merged, Preview};
pub use self::pick::PickOptions;
pub use self::rebase::{OnConflict, RebaseConflict, RebaseOptions, Rebased};
pub use self::squash::SquashOptions;
pub use self::unmerged::Unmerged;
use crate::branch::Branch;
use crate::{Commit, Repo, Schema};
use desk::Desk;

/// A handle on a branch, or on a commit that no branch follows, or on nothing yet.
///
/// Reads and writes speak of the head at the time of the call. Cloning is cheap; clones of a
/// detached handle share its head.
///
/// # What is promised
///
/// - A read sees one commit, whole. Two reads may see two commits; [`tree`](Store::tree) and
///   [`begin`](Store::begin) give one to read from as long as one likes.
/// - A write is one commit, made whole or not at all, with the head as its parent. None is lost
///   because others write at the same time.
/// - A write that changes nothing makes no commit, unless
///   [`allow_empty`](crate::TransactionOptions::allow_empty) says so, on a branch without commits,
///   too.
/// - Writers of one branch in one process are combined, first come, first served: one of them writes
///   for all who wait, with one update of the branch, and each has its own commit and its own answer.
///   A conflict, a panic or a failure is that of its writer alone. An edit, and a transaction that is
///   merged or refused, wait for at most two such rounds (unless more than 512 writers, or 8 MiB of
///   blocks, are ahead), and for a transaction that runs again, if one has the turn.
/// - An answer that the storage lost is recognised: nothing is written twice because of it.
/// - Equal commits are one: two branches that are on one commit and write the same tree with the same
///   info in the same millisecond are on the same commit then.
///
/// # Errors
///
/// Those of [`Tree`](crate::Tree) and [`Repo`]; [`Missing`](ramus_core::ErrorKind::Missing) if the
/// branch names a commit that is not there (never the answer that there is no head);
/// [`Contention`](ramus_core::ErrorKind::Contention) for a write that other processes preceded again
/// and again, saying how often; [`Aborted`](ramus_core::ErrorKind::Aborted) if a type of contents
/// panicked; [`Unavailable`](ramus_core::ErrorKind::Unavailable) and
/// [`Ambiguous`](ramus_core::ErrorKind::Ambiguous) if the storage cannot tell what became of a write,
/// and the history of the head does not either (it never does where a head is set outright, or goes back).
///
/// # Cancel safety
///
/// A dropped write has made its whole commit or none, or it is still under way: if others wait for the
/// same update, they finish it. So who gives a write up, by a timeout for instance, and does it once more may
/// have done it twice: let a task of its own wait for the write to its end, or give it an
/// [`Info`](crate::Info) with a header of its own, and look for that in the log once a later write has been
/// answered. One that is neither polled nor dropped delays the others of its branch by
/// [`turn_ms`](crate::RepoOptions::turn_ms) at most, unless it is left in the middle of what it asked the
/// storage for: then they wait for it.
pub struct Store<S: Schema>(Arc<Shared<S>>);

struct Shared<S: Schema> {
    repo: Repo<S>,
    place: Place<S>,
}

enum Place<S: Schema> {
    Branch(Arc<Branch<S>>),
    Detached { head: Mutex<Option<Commit<S>>>, desk: Box<Desk<S>> },
}

/// What a [`Store`] is a handle on.
#[derive(Clone, Debug)]
pub enum Status<S: Schema> {
    /// The branch of this name, which may not exist yet.
    Branch(String),
    /// This commit, which no branch follows.
    Commit(Commit<S>),
    /// Nothing yet.
    Empty,
}

impl<S: Schema> Store<S> {
    pub(crate) fn on_branch(repo: Repo<S>, branch: Arc<Branch<S>>) -> Self {
        Self(Arc::new(Shared { repo, place: Place::Branch(branch) }))
    }

    pub(crate) fn detached(repo: Repo<S>, head: Option<Commit<S>>) -> Self {
        let desk = Box::new(Desk::new(repo.turn()));
        let place = Place::Detached { head: Mutex::new(head), desk };
        Self(Arc::new(Shared { repo, place }))
    }

    /// Returns the repository.
    pub fn repo(&self) -> &Repo<S> {
        &self.0.repo
    }

    /// Returns what this is a handle on.
    pub fn status(&self) -> Status<S> {
        match &self.0.place {
            Place::Branch(branch) => Status::Branch(branch.name.name().to_owned()),
            Place::Detached { head, .. } => {
                head.lock().clone().map_or(Status::Empty, Status::Commit)
            }
        }
    }

    /// Returns the name of the branch, or nothing for a detached handle.
    pub fn branch_name(&self) -> Option<&str> {
        self.branch_ref().map(RefName::name)
    }

    pub(crate) fn branch_ref(&self) -> Option<&RefName> {
        match &self.0.place {
            Place::Branch(branch) => Some(&branch.name),
            Place::Detached { .. } => None,
        }
    }

    /// Returns where the writers of this head meet.
    fn desk(&self) -> &Desk<S> {
        match &self.0.place {
            Place::Branch(branch) => &branch.desk,
            Place::Detached { desk, .. } => desk,
        }
    }

    /// Returns whether the two are handles on the same head.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.0.place, &other.0.place) {
            (Place::Branch(a), Place::Branch(b)) => {
                self.repo().is_same(other.repo()) && a.name == b.name
            }
            _ => Arc::ptr_eq(&self.0, &other.0),
        }
    }
}

// Written out, because a derive would ask the schema to be compared.

impl<S: Schema> PartialEq for Status<S> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Branch(name), Self::Branch(other)) => name == other,
            (Self::Commit(commit), Self::Commit(other)) => commit == other,
            (Self::Empty, Self::Empty) => true,
            _ => false,
        }
    }
}

impl<S: Schema> Eq for Status<S> {}

impl<S: Schema> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Says what the handle is on, as it stands in a message: a branch, a commit, or nothing yet.
impl<S: Schema> fmt::Display for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Status::Branch(name) => write!(f, "branch `{name}`"),
            Status::Commit(commit) => write!(f, "a handle on commit {}", commit.hash()),
            Status::Empty => f.write_str("a handle on nothing yet"),
        }
    }
}

impl<S: Schema> fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.status())
    }
}
