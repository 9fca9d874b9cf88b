//! The operation log, newest or oldest first, read by pages.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use ramus_core::{AtomicWrite as _, Change, Changes, Cursor, Error, Hash, Page, RefName, Result};

use crate::operation::Truncated;
use crate::{Operation, Repo, Schema};

/// Operations, one after the other: a stream.
///
/// It holds a page of them at a time. Newest first, it ends with the oldest operation that the log
/// still has by then; oldest first, with the newest one that there was as it was asked for. Further
/// ones are for a [watch](Repo::watch).
///
/// # Errors
///
/// What reading the log gives; oldest first, [`InvalidInput`](ramus_core::ErrorKind::InvalidInput)
/// with [`Truncated`] as its source if the log was cut off past the place that was reached. After an
/// error the stream ends.
pub struct Operations<H>(BoxStream<'static, Result<Operation<H>>>);

/// Which operations are read, and in which order.
///
/// ```
/// use ramus_core::RefName;
/// use ramus_kv::{OperationsOrder, OperationsOptions};
///
/// # fn example(read_before: ramus_core::Cursor) -> ramus_core::Result<()> {
/// let of_main = OperationsOptions::default().of(RefName::branch("main")?);
/// let new_ones = of_main.with_order(OperationsOrder::OldestFirst).after(read_before);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationsOptions {
    /// In which order.
    pub order: OperationsOrder,
    /// Only what came after this place; nothing means all that the log has.
    pub after: Option<Cursor>,
    /// Only what moved this branch or tag, with whatever else it moved.
    pub of: Option<RefName>,
}

/// In which order operations are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperationsOrder {
    /// From the newest back.
    #[default]
    NewestFirst,
    /// From the oldest on.
    OldestFirst,
}

impl OperationsOptions {
    /// Returns these options with another order.
    #[must_use]
    pub const fn with_order(mut self, order: OperationsOrder) -> Self {
        self.order = order;
        self
    }

    /// Returns these options with only what came after a place.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Returns these options with only what moved a branch or tag.
    #[must_use]
    pub fn of(mut self, name: RefName) -> Self {
        self.of = Some(name);
        self
    }
}

impl<H: Hash> Operations<H> {
    pub(crate) async fn open<S: Schema<Hash = H>>(
        repo: &Repo<S>,
        options: OperationsOptions,
    ) -> Result<Self> {
        let OperationsOptions { order, after, of } = options;
        let (oldest, end) = reach(repo, after).await?;
        let reading =
            Reading { repo: repo.clone(), oldest, end, page: VecDeque::new(), span: PAGE as u64 };
        let changes = match order {
            OperationsOrder::NewestFirst => stream::try_unfold(reading, Reading::previous).boxed(),
            OperationsOrder::OldestFirst => stream::try_unfold(reading, Reading::next).boxed(),
        };
        let operations = changes.try_filter_map(move |change| {
            let operation = Operation::of_change(&change);
            let is_of =
                |operation: &Operation<H>| of.as_ref().is_none_or(|name| operation.has_moved(name));
            std::future::ready(Ok(operation.filter(is_of)))
        });
        Ok(Self(operations.boxed()))
    }

    /// Returns the next operation, or nothing after the last.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Operation<H>>> {
        self.0.next().await
    }

    /// Returns all operations that were not read yet.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub async fn collect(self) -> Result<Vec<Operation<H>>> {
        self.0.try_collect().await
    }
}

/// How many changes are read, and held, at once.
const PAGE: usize = 256;

/// Returns the place after which the log is to be read, and its end.
async fn reach<S: Schema>(repo: &Repo<S>, after: Option<Cursor>) -> Result<(Cursor, Cursor)> {
    let position = match after {
        Some(after) => after,
        None => Cursor { sequence: 0, ..repo.refs().position().await? },
    };
    match (repo.refs().changes(position, 0).await?, after) {
        (Changes::Page(page), _) => Ok((position, page.end)),
        (Changes::Truncated { oldest }, Some(after)) => {
            Err(Truncated { after, oldest }.while_doing("cannot read the operations"))
        }
        (Changes::Truncated { oldest }, None) => match repo.refs().changes(oldest, 0).await? {
            Changes::Page(page) => Ok((oldest, page.end)),
            // It was cut off once more meanwhile; whoever reads will see where.
            Changes::Truncated { oldest } => Ok((oldest, repo.refs().position().await?)),
        },
    }
}

type Changed<S> = Arc<Change<RefName, <S as Schema>::Hash>>;

/// Reads what lies between two places, from one end.
struct Reading<S: Schema> {
    repo: Repo<S>,
    /// What lies after this was not given yet, oldest first; what lies before is none of ours.
    oldest: Cursor,
    /// What lies up to here was not given yet, newest first; what lies after is none of ours.
    end: Cursor,
    /// What was read and not given yet, oldest first.
    page: VecDeque<Changed<S>>,
    /// How many sequences the next page spans, going back.
    span: u64,
}

impl<S: Schema> Reading<S> {
    /// Gives the oldest change that is left.
    async fn next(mut self) -> Result<Option<(Changed<S>, Self)>> {
        loop {
            if let Some(change) = self.page.pop_front() {
                return Ok(Some((change, self)));
            }
            if self.oldest.sequence >= self.end.sequence {
                return Ok(None);
            }
            let (after, end) = (self.oldest, self.end.sequence);
            match self.repo.refs().changes(after, PAGE).await? {
                Changes::Page(page) => {
                    let Page { changes, next, .. } = checked(after, page)?;
                    self.page.extend(changes.into_iter().filter(|c| c.cursor.sequence <= end));
                    self.oldest = next;
                }
                Changes::Truncated { oldest } => {
                    return Err(Truncated { after, oldest }
                        .while_doing("cannot read the operations on; begin anew"));
                }
            }
        }
    }

    /// Gives the newest change that is left.
    ///
    /// The log is read forwards only. So a span before the end is read, of which the newest changes
    /// are kept. There are no more of them than sequences; where there are far fewer, the span grows.
    async fn previous(mut self) -> Result<Option<(Changed<S>, Self)>> {
        loop {
            if let Some(change) = self.page.pop_back() {
                return Ok(Some((change, self)));
            }
            if self.oldest.sequence >= self.end.sequence {
                return Ok(None);
            }
            let start = self.end.sequence.saturating_sub(self.span).max(self.oldest.sequence);
            let start = Cursor { sequence: start, ..self.end };
            if let Some(before) = self.read_up_to_end(start).await? {
                self.end = before;
                let is_sparse = self.page.len() < PAGE / 2;
                self.span = if is_sparse { self.span.saturating_mul(2) } else { PAGE as u64 };
            }
        }
    }

    /// Reads from `start` to the end, and returns the place before what is kept of that; nothing if
    /// the log was cut off meanwhile.
    async fn read_up_to_end(&mut self, start: Cursor) -> Result<Option<Cursor>> {
        let (mut at, mut before) = (start, start);
        while at.sequence < self.end.sequence {
            match self.repo.refs().changes(at, PAGE).await? {
                Changes::Page(page) => {
                    let Page { changes, next, .. } = checked(at, page)?;
                    let end = self.end.sequence;
                    self.page.extend(changes.into_iter().filter(|c| c.cursor.sequence <= end));
                    while self.page.len() > PAGE {
                        before = self.page.pop_front().map_or(before, |change| change.cursor);
                    }
                    at = next;
                }
                Changes::Truncated { oldest } => {
                    self.page.clear();
                    // Of another life there is nothing, and of this one only what is kept.
                    let is_known = oldest.incarnation == self.end.incarnation
                        && oldest.sequence > self.oldest.sequence;
                    self.oldest = if is_known { oldest } else { self.end };
                    return Ok(None);
                }
            }
        }
        Ok(Some(before))
    }
}

/// Refuses a page from which reading would not get on.
fn checked<K, V>(after: Cursor, page: Page<K, V>) -> Result<Page<K, V>> {
    if page.next.sequence > after.sequence {
        return Ok(page);
    }
    let (next, end) = (page.next, page.end);
    Err(Error::corrupt(format!("the log ends at {end} and goes on from {after} at {next}")))
}

impl<H: Hash> Stream for Operations<H> {
    type Item = Result<Operation<H>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<H> fmt::Debug for Operations<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").finish_non_exhaustive()
    }
}
