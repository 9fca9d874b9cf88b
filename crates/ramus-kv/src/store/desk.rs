//! Where the writers of one head meet: the [`Line`] with its lock, and a seat for each writer.
//!
//! Whoever waits has an alarm, and takes away what another one holds for too long: a turn, or the lead
//! of a round that was offered to a writer that is not polled any more. The alarms of those who wait are
//! enough for that: if nobody waits, nobody is disturbed; and a writer whose alarm is not heard because
//! it is not polled itself does not care.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use parking_lot::Mutex;
use ramus_core::Result;
use tokio::time::{Instant, Sleep, sleep_until};

use super::flight::{Flight, Stored};
use super::work::{Answer, Work};
use crate::Schema;
use crate::line::{Line, Step, Ticket};

/// The line of one head.
pub(crate) struct Desk<S: Schema> {
    state: Mutex<State<S>>,
    /// How long one may hold the lead before it is taken away, if others wait.
    turn: Duration,
}

struct State<S: Schema> {
    line: Queue<S>,
    /// What can be taken away, and from when on.
    held: Option<Held>,
    /// What is stored of those who prepare it anew.
    stored: BTreeMap<Ticket, Stored<S>>,
}

#[derive(Clone, Copy)]
struct Held {
    number: u64,
    until: Instant,
}

type Queue<S> = Line<Arc<Work<S>>, Arc<Flight<S>>, Result<Answer<S>>, Waker>;

impl<S: Schema> Desk<S> {
    pub(crate) fn new(turn: Duration) -> Self {
        let state = State { line: Line::new(), held: None, stored: BTreeMap::new() };
        Self { state: Mutex::new(state), turn }
    }

    /// Queues what a writer prepared.
    pub(super) fn enter(&self, work: Work<S>) -> Seat<'_, S> {
        let ticket = self.line(|line| line.enter(Arc::new(work)));
        Seat { desk: self, ticket }
    }

    /// Queues for a turn.
    pub(crate) fn enter_for_turn(&self) -> Seat<'_, S> {
        let ticket = self.line(Line::enter_for_turn);
        Seat { desk: self, ticket }
    }

    fn line<T>(&self, act: impl FnOnce(&mut Queue<S>) -> T) -> T {
        self.act(|state| act(&mut state.line))
    }

    /// Acts under the lock, and notes from when on somebody holds the lead.
    fn act<T>(&self, act: impl FnOnce(&mut State<S>) -> T) -> T {
        let state = &mut *self.state.lock();
        let answer = act(state);
        let held = state.line.held();
        if held != state.held.map(|held| held.number) {
            state.held = held.map(|number| Held { number, until: Instant::now() + self.turn });
        }
        answer
    }
}

/// A writer's place in the line, which it leaves when this is dropped.
pub(crate) struct Seat<'a, S: Schema> {
    desk: &'a Desk<S>,
    ticket: Ticket,
}

impl<S: Schema> Seat<'_, S> {
    pub(super) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Returns whether this one has the turn, or leads.
    pub(super) fn has_turn(&self) -> bool {
        self.line(|line| line.is_leader(self.ticket))
    }

    /// Waits until there is something to do or to be told.
    pub(crate) async fn next(&self) -> Step<Result<Answer<S>>> {
        let mut alarm = std::pin::pin!(None);
        poll_fn(|context| {
            loop {
                let (step, held) = self.desk.act(|state| {
                    let step = state.line.poll(self.ticket, || context.waker().clone());
                    (step, state.held)
                });
                if !matches!(step, Step::Wait) {
                    return Poll::Ready(step);
                }
                let held = ready!(self.sleep(alarm.as_mut(), held, context));
                self.line(|line| line.take_away(held, self.ticket));
            }
        })
        .await
    }

    /// Sleeps until what is held is held for too long; returns its number.
    fn sleep(
        &self,
        mut alarm: Pin<&mut Option<Sleep>>,
        held: Option<Held>,
        context: &mut Context<'_>,
    ) -> Poll<u64> {
        // What is not held yet will be so for longer than from now on.
        let until = || held.map_or_else(|| Instant::now() + self.desk.turn, |held| held.until);
        if alarm.is_none() {
            alarm.set(Some(sleep_until(until())));
        }
        let Some(mut alarm) = alarm.as_pin_mut() else { return Poll::Pending };
        loop {
            ready!(alarm.as_mut().poll(context));
            match held {
                Some(Held { number, until }) if until <= Instant::now() => {
                    return Poll::Ready(number);
                }
                _ => alarm.as_mut().reset(until()),
            }
        }
    }

    /// Brings what was prepared in a turn, or after it was taken away.
    pub(super) fn bring(&self, mut work: Work<S>) {
        self.desk.act(|state| {
            work.stored = state.stored.remove(&self.ticket).unwrap_or_default();
            state.line.bring(self.ticket, Arc::new(work));
        });
    }

    pub(super) fn begin_round(&self, count_max: usize) -> Vec<(Ticket, Arc<Work<S>>)> {
        self.line(|line| line.begin_round(count_max))
    }

    pub(super) fn expects_more(&self, count_max: usize) -> Option<usize> {
        self.line(|line| line.expects_more(count_max))
    }

    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        self.line(|line| line.awaits(ticket))
    }

    pub(super) fn launch(&self, flight: Arc<Flight<S>>) {
        self.line(|line| line.launch(flight));
    }

    pub(super) fn flight(&self) -> Option<Arc<Flight<S>>> {
        self.line(|line| line.flight())
    }

    pub(super) fn land(&self) {
        self.line(Line::land);
    }

    /// Answers writers of the round, after nothing is under way any more.
    pub(super) fn answer(&self, answers: Vec<(Ticket, Result<Answer<S>>)>) {
        let mut wakers = Vec::new();
        self.line(|line| {
            line.land();
            let answered = answers.into_iter();
            wakers.extend(answered.filter_map(|(ticket, answer)| line.answer(ticket, answer)));
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Lets a writer of the round wait for a turn, of whose blocks these are stored.
    pub(super) fn defer(&self, ticket: Ticket, stored: Stored<S>) {
        let dropped = self.desk.act(|state| {
            let is_there = state.line.defer(ticket);
            if is_there { state.stored.insert(ticket, stored) } else { Some(stored) }
        });
        drop(dropped);
    }

    /// Lets the next one lead.
    pub(super) fn pass(&self) {
        self.wake(|line| line.pass(self.ticket));
    }

    fn line<T>(&self, act: impl FnOnce(&mut Queue<S>) -> T) -> T {
        self.desk.line(act)
    }

    /// Acts under the lock, and wakes whom that concerns after it.
    fn wake(&self, act: impl FnOnce(&mut Queue<S>) -> Option<Waker>) {
        let waker = self.line(act);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<S: Schema> Drop for Seat<'_, S> {
    fn drop(&mut self) {
        let (waker, stored) = self
            .desk
            .act(|state| (state.line.leave(self.ticket), state.stored.remove(&self.ticket)));
        drop(stored);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
