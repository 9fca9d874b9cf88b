use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use ramus_core::{Error, Result};

use crate::objects::Objects;
use crate::{Commit, Schema, history};

/// The commits that a move of a branch brought, newest first: a stream.
///
/// These are the ones on the branch's own line, from where it is now back by first parents, that it
/// did not have before:
///
/// - An update that carried the commits of several writers gives each of them, and ends before the
///   commit that the branch was on.
/// - A merge is one commit. What it took in lies behind its second parent.
/// - A branch that was moved aside, or on to a commit that has the old one behind another parent,
///   gives what is on the new line and in none of the old history. One that was moved back gives
///   nothing.
/// - A branch that was made gives its line to the first commit. One that was removed gives nothing.
///
/// It holds one commit at a time, however many there are. Whoever wants the oldest first collects
/// them and goes from the end.
///
/// # What it costs
///
/// As much as there are commits, read twice; and if the old commit is not among the 1024 next ones
/// on the line, some questions to history (is this one an ancestor of that one), about two for each
/// doubling of the number of commits.
///
/// # Errors
///
/// [`Missing`](ramus_core::ErrorKind::Missing) for a commit that is not in the store, and what
/// reading gives. After an error the stream ends.
pub struct Commits<S: Schema>(BoxStream<'static, Result<Commit<S>>>);

impl<S: Schema> Commits<S> {
    pub(super) fn between(
        objects: &Arc<Objects<S>>,
        old: Option<&Commit<S>>,
        new: Option<&Commit<S>>,
    ) -> Self {
        let line = Line { objects: Arc::clone(objects) };
        let at = At::Start { old: old.cloned(), new: new.cloned() };
        let steps = stream::try_unfold((line, at), async |(line, at)| {
            let Some((commit, end)) = line.step(at).await? else { return Ok(None) };
            Ok(Some((commit.clone(), (line, At::Behind { commit, end }))))
        });
        Self(steps.boxed())
    }

    /// Returns the next commit, or nothing after the oldest of them.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Commit<S>>> {
        self.0.next().await
    }

    /// Returns all commits that were not read yet, newest first.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn collect(self) -> Result<Vec<Commit<S>>> {
        self.0.try_collect().await
    }
}

/// How far the old commit is looked for on the line itself.
const NEAR: usize = 1024;

/// A line of first parents.
struct Line<S: Schema> {
    objects: Arc<Objects<S>>,
}

/// Where on its line a walk is.
enum At<S: Schema> {
    Start {
        old: Option<Commit<S>>,
        new: Option<Commit<S>>,
    },
    /// At the parent of the one that was given, which is read when it is asked for, so that one that
    /// cannot be read does not keep the commit back.
    Behind {
        commit: Commit<S>,
        end: Option<S::Hash>,
    },
}

impl<S: Schema> Line<S> {
    /// Returns the next commit of the line and where the line ends, unless it ends here.
    async fn step(&self, at: At<S>) -> Result<Option<(Commit<S>, Option<S::Hash>)>> {
        match at {
            At::Start { old, new } => {
                let Some(new) = new else { return Ok(None) };
                let end = self.end(old.as_ref(), &new).await?;
                Ok((end != Some(new.hash())).then_some((new, end)))
            }
            At::Behind { commit, end } => {
                let parent = commit.parents().first().copied();
                let Some(hash) = parent.filter(|_| parent != end) else { return Ok(None) };
                let parent = Commit::load(&self.objects, hash).await?;
                Ok(Some((parent.ok_or_else(|| Error::missing(hash))?, end)))
            }
        }
    }

    /// Returns the first commit on the line of `new` that is `old` or in its history; nothing if
    /// there is none.
    async fn end(&self, old: Option<&Commit<S>>, new: &Commit<S>) -> Result<Option<S::Hash>> {
        let Some(old) = old else { return Ok(None) };
        let mut at = Some(new.hash());
        for _ in 0..NEAR {
            match at {
                Some(hash) if hash == old.hash() => return Ok(at),
                Some(hash) => at = self.parent(hash).await?,
                None => break,
            }
        }
        self.far_end(old, new).await
    }

    /// Returns the same where `old` may lie beside the line.
    ///
    /// What one commit has in its history, it has all the line behind of. So this strides away, twice
    /// as far each time, until it is in the history of `old`, and then halves the last stride.
    async fn far_end(&self, old: &Commit<S>, new: &Commit<S>) -> Result<Option<S::Hash>> {
        let mut outside = new.hash();
        if self.has(old, outside).await? {
            return Ok(Some(outside));
        }
        let mut stride = 1;
        let mut distance = loop {
            let (far, walked) = self.back(outside, stride).await?;
            if walked == 0 {
                return Ok(None);
            }
            if self.has(old, far).await? {
                break walked;
            }
            (outside, stride) = (far, stride * 2);
        };
        while distance > 1 {
            let half = distance / 2;
            let (middle, _) = self.back(outside, half).await?;
            if self.has(old, middle).await? {
                distance = half;
            } else {
                (outside, distance) = (middle, distance - half);
            }
        }
        self.parent(outside).await
    }

    /// Returns the commit this many steps back, or the first one if that is nearer, and how many
    /// steps it was.
    async fn back(&self, from: S::Hash, steps: u64) -> Result<(S::Hash, u64)> {
        let mut at = from;
        for step in 0..steps {
            let Some(parent) = self.parent(at).await? else { return Ok((at, step)) };
            at = parent;
        }
        Ok((at, steps))
    }

    async fn parent(&self, hash: S::Hash) -> Result<Option<S::Hash>> {
        match self.objects.commit(&hash).await? {
            Some(commit) => Ok(commit.parents.first().copied()),
            None => Err(Error::missing(hash)),
        }
    }

    async fn has(&self, commit: &Commit<S>, ancestor: S::Hash) -> Result<bool> {
        history::is_ancestor(&self.objects, &ancestor, &commit.hash()).await
    }
}

impl<S: Schema> Stream for Commits<S> {
    type Item = Result<Commit<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<S: Schema> fmt::Debug for Commits<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits").finish_non_exhaustive()
    }
}
