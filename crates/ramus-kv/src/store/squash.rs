use ramus_core::{Error, Result};

use super::land::{Plan, Tried};
use super::work::{Prepared, Race};
use super::{Merged, Store};
use crate::{Commit, Info, Log, LogOptions, Schema, history};

/// How commits are made one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SquashOptions {
    /// Whether merge commits among them are taken as changes of the branch, so that what was merged is
    /// no longer in its history. They are refused otherwise.
    pub first_parent: bool,
    /// Whether a commit is made where they come to nothing.
    pub allow_empty: bool,
    /// What the commit says of itself, in place of what it says by default.
    pub info: Option<Info>,
}

impl SquashOptions {
    /// Returns these options with merge commits taken as changes of the branch.
    #[must_use]
    pub const fn first_parent(mut self) -> Self {
        self.first_parent = true;
        self
    }

    /// Returns these options with a commit also where the commits come to nothing.
    #[must_use]
    pub const fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Returns these options with another info.
    #[must_use]
    pub fn with_info(mut self, info: impl Into<Info>) -> Self {
        self.info = Some(info.into());
        self
    }
}

/// What becomes one commit.
pub(super) struct Squash<S: Schema> {
    base: Option<Commit<S>>,
    options: SquashOptions,
}

impl<S: Schema> Store<S> {
    /// Makes one commit of all since `base`; returns the commit that the handle is on then. Its tree is
    /// that of the head, and its only parent is `base`.
    ///
    /// By default it has the author of the oldest of the commits, and all their messages, from the oldest
    /// on, as far as they fit into 64 KiB. Commits that come to nothing are taken out, and the handle is
    /// on `base`, unless the options allow a commit. What there is no second one of stays as it is, unless
    /// it gets another info; so does a merge, with its parents, if it is the only one that is taken as a
    /// [change of the branch](SquashOptions::first_parent). If the head moves meanwhile, what came is taken in, too.
    ///
    /// What lies after a range and is not to be squashed can be [rebased](Store::rebase) onto it.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a `base` of another repository or one
    ///   that is no ancestor of the head, for a handle without commits, and for merge commits, unless
    ///   they are taken as [changes of the branch](SquashOptions::first_parent).
    /// - [`Contention`](ramus_core::ErrorKind::Contention) if other processes moved the head again and
    ///   again.
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn squash(&self, base: &Commit<S>, options: SquashOptions) -> Result<Commit<S>> {
        self.repo().check_commit(base)?;
        self.squash_from(Some(base), options).await
    }

    /// Makes one commit of the whole history, as [`squash`](Store::squash) does of a part of it; it has
    /// no parent.
    ///
    /// # Errors
    ///
    /// Those of [`squash`](Store::squash).
    ///
    /// # Cancel safety
    ///
    /// That of a [`Store`]'s writes.
    pub async fn squash_all(&self, options: SquashOptions) -> Result<Commit<S>> {
        self.squash_from(None, options).await
    }

    async fn squash_from(
        &self,
        base: Option<&Commit<S>>,
        options: SquashOptions,
    ) -> Result<Commit<S>> {
        let plan = Plan::Squash(Squash { base: base.cloned(), options });
        match self.land(&plan, Info::default()).await?.clean()? {
            Some(commit) => Ok(commit),
            None => self.head().await?.ok_or_else(|| self.nothing_to_squash()),
        }
    }

    /// Makes one commit of those up to `head`, without writing anything.
    pub(super) async fn try_squash(
        &self,
        head: Option<&Commit<S>>,
        squash: &Squash<S>,
    ) -> Result<Tried<S>> {
        let Squash { base, options } = squash;
        let Some(head) = head else { return Err(self.nothing_to_squash()) };
        if let Some(base) = base {
            let (base, head) = (base.hash(), head.hash());
            if !history::is_ancestor(self.repo().objects(), &base, &head).await? {
                let message = format!("commit {base} is no ancestor of {head}, which {self} is on");
                return Err(Error::invalid_input(message));
            }
        }
        let squashed = self.squashed(head, squash).await?;
        if squashed.count == 0 || (squashed.count == 1 && options.info.is_none()) {
            return Ok(Tried::Done(Merged::Unchanged));
        }
        if let Some(base) = base
            && base.root() == head.root()
            && !options.allow_empty
        {
            return Ok(Tried::Move(base.clone()));
        }
        let prepared = Prepared {
            base: Some(head.clone()),
            tree: head.tree(),
            on_race: Race::Again,
            allow_empty: true,
            parents: Some(base.iter().cloned().collect()),
        };
        let info = options.info.clone().unwrap_or_else(|| squashed.into_info());
        Ok(Tried::Make(prepared, Some(info)))
    }

    /// Returns what the commits since the base say.
    async fn squashed(&self, head: &Commit<S>, squash: &Squash<S>) -> Result<Squashed> {
        let Squash { base, options } = squash;
        let range = LogOptions {
            without: base.iter().cloned().collect(),
            first_parent: options.first_parent,
            ..LogOptions::default()
        };
        let objects = self.repo().objects();
        let mut log = Log::new(std::sync::Arc::clone(objects), vec![head.clone()], range);
        let mut squashed = Squashed::default();
        while let Some(commit) = log.next().await.transpose()? {
            if commit.parents().len() > 1 && !options.first_parent {
                return Err(Error::invalid_input(format!(
                    "commit {} is a merge, and what it merged would leave the history of the branch; \
                     say so by the option first_parent, or squash what comes after it",
                    commit.hash()
                )));
            }
            squashed.add(commit.info());
        }
        Ok(squashed)
    }

    fn nothing_to_squash(&self) -> Error {
        Error::invalid_input(format!("{self} has no commits that could be squashed"))
    }
}

/// What several commits say, the newest first.
#[derive(Default)]
struct Squashed {
    count: usize,
    /// As many as fit.
    messages: Vec<String>,
    bytes: usize,
    author: Option<String>,
}

impl Squashed {
    const BYTES_MAX: usize = 64 << 10;

    fn add(&mut self, info: &Info) {
        self.count += 1;
        self.author.clone_from(&info.author);
        self.bytes = self.bytes.saturating_add(info.message.len());
        if self.bytes <= Self::BYTES_MAX {
            self.messages.push(info.message.clone());
        }
    }

    fn into_info(mut self) -> Info {
        self.messages.reverse();
        let left_out = self.count - self.messages.len();
        if left_out > 0 {
            self.messages.insert(0, format!("({left_out} messages are left out)"));
        }
        Info { author: self.author, ..Info::new(self.messages.join("\n\n")) }
    }
}
