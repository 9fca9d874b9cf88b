use ramus_core::{Error, ErrorKind, Hash, Namespace, ReadOnly as _, RefName, Result};

use super::Repo;
use crate::{Commit, Schema};

impl<S: Schema> Repo<S> {
    /// Returns the commit that a ref names, if it names one.
    ///
    /// It is pinned, and then the ref is read again. What the ref names by then, or what that was made on
    /// top of, is not collected while the ref names it, nor from then on, since the pin was there.
    ///
    /// # Errors
    ///
    /// [`Contention`](ErrorKind::Contention) if the ref named something else, which was not made on top of
    /// it, at every look.
    pub(crate) async fn named(&self, name: &RefName) -> Result<Option<Commit<S>>> {
        let mut holds = self.refs().find(name).await?;
        for _ in 0..self.attempts_max() {
            let Some(hash) = holds else { return Ok(None) };
            let pin = self.objects().pin(hash).await?;
            if pin.is_some() {
                holds = self.refs().find(name).await?;
            }
            if self.is_on_top(holds, hash).await? {
                return self.commit(&hash).await?.map(Some).ok_or_else(|| absent(name, &hash));
            }
        }
        Err(self.outrun(name))
    }

    /// Returns whether `tip` is `below`, or was made on top of it not long ago: first parents lead there.
    async fn is_on_top(&self, tip: Option<S::Hash>, below: S::Hash) -> Result<bool> {
        // As many as the writers of two rounds make.
        const COMMITS_MAX: usize = 1024;
        let mut next = tip;
        for _ in 0..COMMITS_MAX {
            match next {
                Some(hash) if hash == below => return Ok(true),
                // One that is gone was collected since: the ref has moved elsewhere.
                Some(hash) => {
                    let commit = self.objects().commit(&hash).await?;
                    next = commit.and_then(|commit| commit.parents.first().copied());
                }
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Returns a commit that something names.
    pub(crate) async fn existing(&self, hash: S::Hash) -> Result<Commit<S>> {
        self.commit(&hash).await?.ok_or_else(|| Error::missing(hash))
    }

    /// Returns a commit that something names, if it names one.
    pub(crate) async fn existing_or_none(
        &self,
        hash: Option<S::Hash>,
    ) -> Result<Option<Commit<S>>> {
        match hash {
            Some(hash) => Ok(Some(self.existing(hash).await?)),
            None => Ok(None),
        }
    }
}

/// Returns the error for a ref whose commit is not there.
fn absent<H: Hash>(name: &RefName, hash: &H) -> Error {
    let message = match name.namespace() {
        Namespace::Branch => format!("commit {hash}, the head of {name}, is not in the store"),
        _ => format!("commit {hash}, which {name} names, is not in the store"),
    };
    Error::new(ErrorKind::Missing, message)
}
