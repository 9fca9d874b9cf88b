//! Where the writers of one head meet: the [`Line`] with its lock, and a seat for each writer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use ramus_core::Result;
use tokio::time::timeout;

use super::flight::Flight;
use super::work::{Answer, Work};
use crate::Schema;
use crate::line::{Line, Step, Ticket};

/// The line of one head.
pub(crate) struct Desk<S: Schema>(Mutex<Queue<S>>);

type Queue<S> = Line<Arc<Work<S>>, Arc<Flight<S>>, Result<Answer<S>>, Waker>;

impl<S: Schema> Desk<S> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Line::new()))
    }

    /// Queues what a writer prepared.
    pub(super) fn enter(&self, work: Work<S>) -> Seat<'_, S> {
        let ticket = self.0.lock().enter(Arc::new(work));
        Seat { desk: self, ticket }
    }

    /// Queues for a turn.
    pub(crate) fn enter_for_turn(&self) -> Seat<'_, S> {
        let ticket = self.0.lock().enter_for_turn();
        Seat { desk: self, ticket }
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

    /// Waits until there is something to do or to be told.
    pub(crate) async fn next(&self) -> Step<Result<Answer<S>>> {
        poll_fn(|context| {
            match self.line(|line| line.poll(self.ticket, || context.waker().clone())) {
                Step::Wait => Poll::Pending,
                step => Poll::Ready(step),
            }
        })
        .await
    }

    /// Brings what was prepared in a turn, or after the turn was lost.
    pub(super) fn bring(&self, work: Work<S>) {
        self.line(|line| line.bring(self.ticket, Arc::new(work)));
    }

    /// Runs something in the turn, which is lost if it takes too long; it goes on without then.
    pub(super) async fn run<T>(&self, deadline: Duration, run: impl Future<Output = T>) -> T {
        let mut run = std::pin::pin!(run);
        if let Ok(answer) = timeout(deadline, &mut run).await {
            return answer;
        }
        self.wake(|line| line.expire(self.ticket));
        run.await
    }

    pub(super) fn begin_round(&self, count_max: usize) -> Vec<(Ticket, Arc<Work<S>>)> {
        self.line(|line| line.begin_round(count_max))
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
        let wakers: Vec<_> = self.line(|line| {
            line.land();
            let answered = answers.into_iter().map(|(ticket, answer)| line.answer(ticket, answer));
            answered.collect()
        });
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Lets a writer of the round wait for a turn.
    pub(super) fn defer(&self, ticket: Ticket) {
        self.line(|line| line.defer(ticket));
    }

    /// Lets the next one lead.
    pub(super) fn pass(&self) {
        self.wake(|line| line.pass(self.ticket));
    }

    fn line<T>(&self, act: impl FnOnce(&mut Queue<S>) -> T) -> T {
        act(&mut self.desk.0.lock())
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
        self.wake(|line| line.leave(self.ticket));
    }
}
