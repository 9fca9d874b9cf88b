//! Rounds: one writer deals with what many have prepared.
//!
//! The leader reads the head, decides on each value in the order in which they came, each on top of
//! what those before it made, and sends all the commits with one update of the ref. Only then does
//! anybody learn anything: what was decided on a tip that is not stored holds only if it is stored.
//!
//! - If the ref was moved by others meanwhile, all of it is decided anew on the new head. The blocks
//!   that the storage has by then are not sent again.
//! - If the answer of the storage is lost, the same update is sent again: its id tells. If that cannot
//!   tell any more, the history of the head does: the commits are in it, or not.
//! - If the storage refuses the whole because of something in it, each is sent by itself, so that the
//!   fault is only that of whoever made it.

use std::sync::Arc;

use parking_lot::Mutex;
use ramus_core::{Error, ErrorKind, Result};
use tokio::task::yield_now;

use super::chain::Chain;
use super::desk::Seat;
use super::flight::{Finished, Flight, Stored};
use super::judge::Verdict;
use super::work::{Answer, Work};
use super::{Place, Store};
use crate::line::{Step, Ticket};
use crate::{Commit, Schema};

/// The most writers of one round.
const COUNT_MAX: usize = 512;

/// The bytes of blocks after which no further writer is taken into an update.
const BYTES_MAX: usize = 8 << 20;

/// How often a leader lets others run before its round, and how often at most if nobody comes by it.
const YIELDS_MAX: usize = 32;
const IN_VAIN_MAX: usize = 2;

type Entry<S> = (Ticket, Arc<Work<S>>);

/// What became of something that was offered.
pub(super) enum Offered<S: Schema> {
    Done(Answer<S>),
    /// The head was not where it had to be. The seat has the turn now.
    Again,
}

impl<S: Schema> Store<S> {
    /// Has something prepared written, and returns what became of it.
    pub(super) async fn submit(&self, work: Work<S>) -> Result<Answer<S>> {
        match self.offer(&mut None, work).await? {
            Offered::Done(answer) => Ok(answer),
            Offered::Again => Err(self.contention(1, None)),
        }
    }

    /// Has something prepared written, at a seat that may have the turn, and will if it has to be
    /// prepared again.
    pub(super) async fn offer<'a>(
        &'a self,
        seat: &mut Option<Seat<'a, S>>,
        mut work: Work<S>,
    ) -> Result<Offered<S>> {
        // Whoever leads may write for somebody else.
        work.info.author.get_or_insert_with(|| self.repo().author().to_owned());
        let seat = match seat {
            Some(seat) => {
                seat.bring(work);
                seat
            }
            None => seat.insert(self.desk().enter(work)),
        };
        loop {
            match seat.next().await {
                Step::Answer(answer) => return answer.map(Offered::Done),
                Step::Turn => return Ok(Offered::Again),
                Step::Lead => self.lead(seat).await,
                Step::Wait => {}
            }
        }
    }

    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Seat<'_, S> {
        let seat = self.desk().enter_for_turn();
        loop {
            match seat.next().await {
                Step::Turn => return seat,
                Step::Lead => self.lead(&seat).await,
                Step::Answer(_) | Step::Wait => {}
            }
        }
    }

    /// Waits for the turn, unless it is had already.
    pub(super) async fn take_turn<'a>(&'a self, seat: &mut Option<Seat<'a, S>>) {
        if !seat.as_ref().is_some_and(Seat::has_turn) {
            // Given up first, so that nobody waits for it.
            *seat = None;
            *seat = Some(self.turn().await);
        }
    }

    /// Leads a round, and passes on.
    pub(super) async fn lead(&self, seat: &Seat<'_, S>) {
        if let Some(flight) = seat.flight() {
            // Its leader left in the middle. It was perhaps sent, and perhaps applied.
            match self.send(&flight, true).await {
                Ok(true) => self.arrived(seat, &flight),
                Err(error) if concerns_all(error.kind()) => {
                    let answers = std::mem::take(&mut *flight.answers.lock());
                    fail(seat, answers.into_iter().map(|(ticket, _)| ticket).collect(), &error);
                }
                // It came too late, or something in it was refused: the next round tells.
                Ok(false) | Err(_) => seat.land(),
            }
        } else {
            self.lead_round(seat).await;
        }
        seat.pass();
    }

    async fn lead_round(&self, seat: &Seat<'_, S>) {
        gather(seat).await;
        let entries = seat.begin_round(COUNT_MAX);
        let Err(error) = self.round(seat, &entries).await else { return };
        seat.land();
        let open: Vec<_> = entries.iter().filter(|(ticket, _)| seat.awaits(*ticket)).collect();
        if open.len() == 1 || concerns_all(error.kind()) {
            return fail(seat, open.into_iter().map(|(ticket, _)| *ticket).collect(), &error);
        }
        for entry in open {
            if let Err(error) = self.round(seat, std::slice::from_ref(entry)).await {
                fail(seat, vec![entry.0], &error);
            }
        }
    }

    /// Decides on some of the round and writes what comes of it, on newer and newer heads. After an
    /// error nothing of it was written, or the error says that this is not known.
    async fn round(&self, seat: &Seat<'_, S>, entries: &[Entry<S>]) -> Result<()> {
        let mut doubt = None;
        let done = self.try_round(seat, entries, &mut doubt).await;
        done.map_err(|error| doubt.unwrap_or(error))
    }

    async fn try_round(
        &self,
        seat: &Seat<'_, S>,
        entries: &[Entry<S>],
        doubt: &mut Option<Error>,
    ) -> Result<()> {
        // What earlier rounds left of these, and what this one leaves of all.
        let (mut before, mut left) = (Stored::default(), Stored::default());
        for (_, work) in entries {
            before.add_all(&work.stored);
        }
        let mut doubtful: Vec<Arc<Flight<S>>> = Vec::new();
        let attempts_max = self.attempts_max();
        for attempt in 0..attempts_max {
            self.back_off(attempt).await;
            let head = self.head().await?;
            for flight in &doubtful {
                if self.has_arrived(flight, head.as_ref()).await? {
                    self.arrived(seat, flight);
                    return Ok(());
                }
            }
            let mut chain = Chain::on(head);
            let answers = self.decide(seat, &mut chain, entries, &left).await;
            if chain.is_empty() {
                seat.answer(answers);
                return Ok(());
            }
            let mut stored = before.clone();
            stored.add_all(&left);
            let flight = Arc::new(self.prepare(chain, answers, stored).await?);
            seat.launch(Arc::clone(&flight));
            match self.send(&flight, false).await {
                Ok(true) => {
                    self.arrived(seat, &flight);
                    return Ok(());
                }
                Ok(false) => {
                    seat.land();
                    left.add_all(&self.keep(&flight).await?);
                }
                Err(error) if error.kind() == ErrorKind::Ambiguous => {
                    doubtful.push(flight);
                    *doubt = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let head = self.head().await?;
        Err(self.contention(attempts_max, head.as_ref()))
    }

    /// Decides on each in order; returns what is to be told to all who made no commit. Whoever has to
    /// run again is left what there is of its own and of this round, not of all who were in it.
    async fn decide(
        &self,
        seat: &Seat<'_, S>,
        chain: &mut Chain<S>,
        entries: &[Entry<S>],
        left: &Stored<S>,
    ) -> Vec<(Ticket, Result<Answer<S>>)> {
        let mut answers = Vec::new();
        for (index, (ticket, work)) in entries.iter().enumerate() {
            // What was dropped is forgotten; what does not fit is for the next round.
            if !seat.awaits(*ticket) {
                continue;
            }
            if chain.bytes() > BYTES_MAX {
                break;
            }
            let more = index + 1 < entries.len();
            match self.judge(chain, *ticket, work, more).await {
                Ok(Verdict::Committed) => {}
                Ok(Verdict::Answer(answer)) => answers.push((*ticket, Ok(answer))),
                Ok(Verdict::Again) => {
                    let mut stored = work.stored.clone();
                    stored.add_all(left);
                    seat.defer(*ticket, stored);
                }
                Err(error) => answers.push((*ticket, Err(error))),
            }
        }
        answers
    }

    /// Makes ready to be sent what was decided; the chain has at least one commit.
    async fn prepare(
        &self,
        chain: Chain<S>,
        mut answers: Vec<(Ticket, Result<Answer<S>>)>,
        stored: Stored<S>,
    ) -> Result<Flight<S>> {
        let note = chain.note();
        let Finished { head, commits, mut blocks } = self.finish(chain).await?;
        let (_, last) = commits.last().expect("a chain that is sent has a commit");
        let last = last.clone();
        blocks.retain(|(hash, _)| !stored.has(hash));
        let update = match &self.0.place {
            Place::Branch(branch) => {
                let (test, set) = (head.as_ref().map(Commit::hash), Some(last.hash()));
                let update = self.repo().update_noted(note).await?;
                Some(update.test_and_set(branch.name.clone(), test, set))
            }
            Place::Detached { .. } => None,
        };
        let told = commits.into_iter().map(|(ticket, commit)| (ticket, Ok(Answer::Commit(commit))));
        answers.extend(told);
        let answers = Mutex::new(answers);
        Ok(Flight { update, blocks, head, last, _stored: stored, answers })
    }

    /// Tells everybody that it is done.
    fn arrived(&self, seat: &Seat<'_, S>, flight: &Flight<S>) {
        let answers = std::mem::take(&mut *flight.answers.lock());
        let commits =
            answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()?.commit().cloned());
        self.settle(commits, &flight.blocks);
        seat.answer(answers);
    }
}

/// Gives those who were told just now their chance to come again: what is written together costs less.
///
/// A runtime lets so many others run that one look is too early for some, and too late for none: so it goes on while
/// more come.
async fn gather<S: Schema>(seat: &Seat<'_, S>) {
    let (mut most, mut in_vain) = (0, 0);
    for _ in 0..YIELDS_MAX {
        let Some(waiting) = seat.expects_more(COUNT_MAX) else { return };
        if waiting > most {
            (most, in_vain) = (waiting, 0);
        } else {
            in_vain += 1;
        }
        if in_vain == IN_VAIN_MAX {
            return;
        }
        yield_now().await;
    }
}

fn fail<S: Schema>(seat: &Seat<'_, S>, tickets: Vec<Ticket>, error: &Error) {
    let failed = tickets.into_iter().map(|ticket| (ticket, Err(error.clone())));
    seat.answer(failed.collect());
}

/// Returns whether a failure has nothing to do with what was written.
const fn concerns_all(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Closed
            | ErrorKind::Unavailable
            | ErrorKind::Ambiguous
            | ErrorKind::Contention
            | ErrorKind::Permission
    )
}
