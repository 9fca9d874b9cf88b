use std::collections::HashSet;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, ErrorKind, RefName, RefUpdate, Result};

use super::Store;
use super::chain::Chain;
use super::desk::Seat;
use super::flight::{Finished, Flight, Stored};
use super::judge::Verdict;
use super::work::{Prepared, Work};
use crate::note::{Made, note};
use crate::{Commit, Info, Repo, Schema, Transaction};

/// A transaction of one of several branches.
struct Part<S: Schema> {
    store: Store<S>,
    name: RefName,
    work: Work<S>,
}

/// What became of one attempt.
enum Tried<S: Schema> {
    Done(Vec<Option<Commit<S>>>),
    /// The branch of this part was moved by others.
    Moved(usize),
    /// The storage does not know whether these, one for each part, are done; they can still be.
    Doubtful(Vec<Finished<S>>, Error),
}

impl<S: Schema> Repo<S> {
    /// Commits transactions of several branches with one update: all of them, or none. Returns the
    /// commit of each, in their order, or nothing for one that changed nothing.
    ///
    /// Each is on its own branch, and meets a race there as by [`Store::commit`]: it is merged or
    /// refused as its options say; one that cannot be committed leaves all branches as they were. A
    /// branch whose transaction changed nothing is not moved, but it is made sure that it is where
    /// that was decided.
    ///
    /// Others do not write to these branches through this repository meanwhile: they wait for their
    /// turn, for [`turn_ms`](crate::RepoOptions::turn_ms) at most. Whoever watches several branches is told of all of them in one event.
    ///
    /// # Errors
    ///
    /// - Those of [`Store::commit`].
    /// - [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for a transaction of another
    ///   repository or of a detached handle, and for two of one branch.
    /// - [`Limit`](ramus_core::ErrorKind::Limit) for more branches than one update may hold.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has moved all the branches or none.
    ///
    /// ```
    /// # use ramus_kv::{Counter, Kv, Repo};
    /// # async fn example(repo: Repo<Kv<Counter>>) -> ramus_core::Result<()> {
    /// let (mut ada, mut bob) =
    ///     (repo.branch("ada").await?.begin().await?, repo.branch("bob").await?.begin().await?);
    /// let moved = |had: Option<&Counter>, by| Counter(had.map_or(0, |had| had.0) + by);
    /// ada.update("balance", |had| Some(moved(had, -3))).await?;
    /// bob.update("balance", |had| Some(moved(had, 3))).await?;
    /// repo.commit_all([(ada, "three to Bob"), (bob, "three from Ada")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn commit_all<I: Into<Info>>(
        &self,
        transactions: impl IntoIterator<Item = (Transaction<S>, I)>,
    ) -> Result<Vec<Option<Commit<S>>>> {
        let transactions = transactions.into_iter().map(|(edit, info)| (edit, info.into()));
        self.commit_together(transactions.collect()).await
    }

    async fn commit_together(
        &self,
        transactions: Vec<(Transaction<S>, Info)>,
    ) -> Result<Vec<Option<Commit<S>>>> {
        let mut parts = Vec::with_capacity(transactions.len());
        for (transaction, info) in transactions {
            parts.push(self.part(transaction, info).await?);
        }
        refuse_twice_the_same(&parts)?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let mut doubt = None;
        let done = self.attempt_together(&parts, &mut doubt).await;
        done.map_err(|error| doubt.unwrap_or(error))
    }

    /// Commits on newer and newer heads. What a storage that has forgotten it does not tell, the heads do: the
    /// commits of an earlier attempt are there, or are not there yet, and then one of the two updates is refused.
    async fn attempt_together(
        &self,
        parts: &[Part<S>],
        doubt: &mut Option<Error>,
    ) -> Result<Vec<Option<Commit<S>>>> {
        let mut stored = Stored::default();
        let mut doubtful: Vec<Vec<Finished<S>>> = Vec::new();
        let mut moved = 0;
        let mut seats = Vec::new();
        for attempt in 0..self.attempts_max() {
            self.back_off(attempt).await;
            if !seats.iter().all(Seat::has_turn) || seats.is_empty() {
                // Those it still has are given back first, so that no two wait for one another.
                seats.clear();
                seats = turns(parts).await;
            }
            for index in 0..doubtful.len() {
                if have_come(parts, &doubtful[index]).await? {
                    return Ok(settle(parts, doubtful.swap_remove(index)));
                }
            }
            match self.try_together(parts, &seats, &mut stored).await? {
                Tried::Done(commits) => return Ok(commits),
                Tried::Moved(part) => moved = part,
                Tried::Doubtful(all, error) => {
                    doubtful.push(all);
                    *doubt = Some(error);
                }
            }
        }
        let store = &parts[moved].store;
        let error = store.contention(store.attempts_max(), store.head().await?.as_ref());
        Err(error.context("the branches of one update were moved by others again and again"))
    }

    async fn part(&self, transaction: Transaction<S>, info: Info) -> Result<Part<S>> {
        let store = transaction.store.clone();
        if !self.is_same(store.repo()) {
            let message = format!("a transaction of {store} is of another repository");
            return Err(Error::invalid_input(message));
        }
        let Some(name) = store.branch_ref().cloned() else {
            let message = "a transaction of a detached handle cannot be committed with others: \
                           there is no ref to be moved";
            return Err(Error::invalid_input(message));
        };
        store.check(&transaction).await?;
        Ok(Part { store, name, work: Work::commit(Prepared::of(transaction), info) })
    }

    /// Commits on the heads as they are.
    async fn try_together(
        &self,
        parts: &[Part<S>],
        seats: &[Seat<'_, S>],
        stored: &mut Stored<S>,
    ) -> Result<Tried<S>> {
        let mut chains = Vec::with_capacity(parts.len());
        for (index, (Part { store, work, .. }, seat)) in parts.iter().zip(seats).enumerate() {
            let mut chain = Chain::on(store.head().await?);
            match store.judge(&mut chain, seat.ticket(), work, false).await? {
                Verdict::Committed | Verdict::Answer(_) => chains.push(chain),
                Verdict::Again => return Ok(Tried::Moved(index)),
            }
        }
        let mut update = self.update_noted(note_of(&chains)).await?;
        for (Part { name, .. }, chain) in parts.iter().zip(&chains) {
            let test = chain.head().map(Commit::hash);
            update = update.test_and_set(name.clone(), test, chain.tip());
        }
        let mut all = Vec::with_capacity(parts.len());
        for (Part { store, .. }, chain) in parts.iter().zip(chains) {
            all.push(store.finish(chain).await?);
        }
        let Some((speaker, flight)) = flight(&all, &update, stored) else {
            let is_applied = self.move_refs(update).await?.is_applied();
            let nothing = vec![None; parts.len()];
            if is_applied {
                return Ok(Tried::Done(nothing));
            }
            return first_moved(parts, &all).await;
        };
        let speaker = &parts[speaker].store;
        match speaker.send(&flight, false).await {
            Ok(true) => Ok(Tried::Done(settle(parts, all))),
            Ok(false) => {
                stored.add_all(&speaker.keep(&flight).await?);
                first_moved(parts, &all).await
            }
            Err(error) if error.kind() == ErrorKind::Ambiguous => Ok(Tried::Doubtful(all, error)),
            Err(error) => Err(error),
        }
    }
}

/// Notes what was committed, and returns it.
fn settle<S: Schema>(parts: &[Part<S>], all: Vec<Finished<S>>) -> Vec<Option<Commit<S>>> {
    let commits = parts.iter().zip(all).map(|(part, finished)| {
        let Finished { commits, blocks, .. } = finished;
        let (_, commit) = commits.into_iter().next()?;
        part.store.settle([commit.clone()], &blocks);
        Some(commit)
    });
    commits.collect()
}

/// Returns whether commits that were sent are there. One of them says it for all, and another one can have been taken
/// back since.
async fn have_come<S: Schema>(parts: &[Part<S>], all: &[Finished<S>]) -> Result<bool> {
    for (Part { store, .. }, Finished { head: was, commits, .. }) in parts.iter().zip(all) {
        let Some((_, made)) = commits.first() else { continue };
        if store.has_come(was.as_ref(), made, store.head().await?.as_ref()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the first of the branches that is not where it was.
async fn first_moved<S: Schema>(parts: &[Part<S>], all: &[Finished<S>]) -> Result<Tried<S>> {
    for (index, (Part { store, .. }, Finished { head, .. })) in parts.iter().zip(all).enumerate() {
        if store.head().await? != *head {
            return Ok(Tried::Moved(index));
        }
    }
    Ok(Tried::Moved(0))
}

/// Waits for the turns of all branches, in the order of their names: so no two wait for one another.
/// Returns them in the order of the parts.
async fn turns<S: Schema>(parts: &[Part<S>]) -> Vec<Seat<'_, S>> {
    let mut by_name: Vec<_> = parts.iter().enumerate().collect();
    by_name.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    let mut seats = Vec::with_capacity(parts.len());
    for (index, part) in by_name {
        seats.push((index, part.store.turn().await));
    }
    seats.sort_by_key(|(index, _)| *index);
    seats.into_iter().map(|(_, seat)| seat).collect()
}

/// Returns what is to be sent, and the part that speaks for all: where its commit is, the others are.
/// Nothing if no branch moves.
fn flight<S: Schema>(
    all: &[Finished<S>],
    update: &RefUpdate<S::Hash>,
    stored: &Stored<S>,
) -> Option<(usize, Flight<S>)> {
    let moves = |finished: &Finished<S>| finished.commits.first().map(|(_, last)| last.clone());
    let (index, last) =
        all.iter().enumerate().find_map(|(index, one)| Some((index, moves(one)?)))?;
    let mut seen: HashSet<S::Hash, DigestHash> = HashSet::default();
    let new = all.iter().flat_map(|finished| &finished.blocks);
    let new = new.filter(|(hash, _)| !stored.has(hash) && seen.insert(*hash));
    let flight = Flight {
        update: Some(update.clone()),
        blocks: new.cloned().collect(),
        head: all[index].head.clone(),
        last,
        _stored: stored.clone(),
        answers: Mutex::default(),
    };
    Some((index, flight))
}

fn refuse_twice_the_same<S: Schema>(parts: &[Part<S>]) -> Result<()> {
    let mut names: Vec<_> = parts.iter().map(|part| &part.name).collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::invalid_input(format!(
            "two transactions of {} cannot be committed together; make one of them",
            pair[0]
        ))),
    }
}

/// Returns what the change log says: who made the first of the commits and when, and all that they say.
fn note_of<S: Schema>(chains: &[Chain<S>]) -> Bytes {
    let mut infos = chains.iter().filter_map(Chain::info);
    let Some(first) = infos.next() else { return Bytes::new() };
    let mut messages = vec![first.message.as_str()];
    for info in infos {
        if !messages.contains(&info.message.as_str()) {
            messages.push(&info.message);
        }
    }
    let info = Info { message: messages.join("; "), ..first.clone() };
    note(&info, &Made::<S::Hash>::One)
}
