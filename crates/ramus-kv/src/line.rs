//! The queue of the writers of one head: who waits, who leads, and what is under way. No I/O.
//!
//! Exactly one writer *leads* whenever somebody waits. A leader deals with prepared values of many
//! writers in one *round*, its own first, and then passes on. It leads for a *turn* if it has to run
//! once more while nobody else writes; its round comes at the end of the turn.
//!
//! What a leader does may stop anywhere, because its owner dropped it. So all that others depend on is
//! here and not with the leader:
//!
//! - what the round is about stays in `round` until it has an answer;
//! - once something is about to be sent to the storage, it stands in `flight` until its outcome is
//!   known. Who leads next finds it there, finds out what became of it, and tells everybody.
//!
//! Whoever waits may never be polled again, and is not dropped either. So what is passed on to it is an
//! *offer*, until it takes it up. An offered round is led by whoever comes along first, since what is
//! prepared can be carried out by anybody. A turn is its owner's alone, but it can be taken away; so
//! can a round that nobody took up. When it is time for that is for those to say who wait: the line
//! has no clock.
//!
//! Invariants: a leader is a ticket whose owner is there. If nobody leads, nobody waits. A ticket
//! stands in at most one of `waiting`, `turns` and `round`. An answer is given to each owner once.
//!
//! Order: who came first is dealt with first. Those who prepared a value are taken into the next round
//! that begins after they came, if it is not full; turns are given in order, one for each round. A
//! turn that was taken away, or that ended without a round, gives way to a round first: so one that
//! never ends delays the others once, and those who take one turn after another leave them room.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// `W` is what a writer prepared, `F` what is under way, `A` an answer, `K` what wakes an owner.
#[derive(Debug)]
pub(crate) struct Line<W, F, A, K> {
    next: u64,
    /// How often the lead changed hands.
    leads: u64,
    leader: Option<Leader>,
    waiting: VecDeque<(Ticket, W)>,
    turns: VecDeque<Ticket>,
    round: Vec<(Ticket, W)>,
    flight: Option<F>,
    /// How many the last round had, until its lead is passed on.
    told: usize,
    /// How many were told by then, or waited: if all come again, that many will be there.
    crowd: usize,
    owners: HashMap<Ticket, Owner<A, K>, BuildHasherDefault<TicketHasher>>,
}

/// A writer's place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(u64);

/// Who leads, or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leader {
    ticket: Ticket,
    lead: Lead,
    /// Whether its owner knows.
    is_taken_up: bool,
}

/// What one leads for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    Round,
    Turn,
}

/// A writer that is there.
#[derive(Debug)]
struct Owner<A, K> {
    waker: Option<K>,
    answer: Option<A>,
    /// Whether its turn was taken away before it took it up. It queues again when it is polled.
    is_late: bool,
}

/// What a writer has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<A> {
    /// Go: this is the outcome.
    Answer(A),
    /// Lead a round.
    Lead,
    /// Run again, and then bring what was prepared.
    Turn,
    /// Wait to be woken.
    Wait,
}

impl<W: Clone, F: Clone, A, K> Line<W, F, A, K> {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            leads: 0,
            leader: None,
            waiting: VecDeque::new(),
            turns: VecDeque::new(),
            round: Vec::new(),
            flight: None,
            told: 0,
            crowd: 0,
            owners: HashMap::default(),
        }
    }

    /// Queues a writer that has prepared something.
    pub(crate) fn enter(&mut self, work: W) -> Ticket {
        let ticket = self.new_ticket();
        self.bring(ticket, work);
        ticket
    }

    /// Queues a writer that wants a turn.
    pub(crate) fn enter_for_turn(&mut self) -> Ticket {
        let ticket = self.new_ticket();
        self.queue_for_turn(ticket);
        ticket
    }

    /// Takes what a writer prepared that is in the line already: at the end of its turn it comes
    /// first and leads the round, otherwise it queues.
    pub(crate) fn bring(&mut self, ticket: Ticket, work: W) {
        if self.is_leader(ticket) {
            self.waiting.push_front((ticket, work));
            self.give(ticket, Lead::Round, true);
            return;
        }
        self.waiting.push_back((ticket, work));
        if self.leader.is_none() {
            self.give(ticket, Lead::Round, true);
        }
    }

    /// Returns what a writer has to do next; `waker` is kept if it has to wait.
    pub(crate) fn poll(&mut self, ticket: Ticket, waker: impl FnOnce() -> K) -> Step<A> {
        let Some(owner) = self.owners.get_mut(&ticket) else { return Step::Wait };
        if let Some(answer) = owner.answer.take() {
            return Step::Answer(answer);
        }
        if std::mem::take(&mut owner.is_late) {
            self.queue_for_turn(ticket);
        }
        if let Some(leader) = &mut self.leader {
            let is_offered = leader.lead == Lead::Round && !leader.is_taken_up;
            if leader.ticket == ticket || is_offered {
                leader.ticket = ticket;
                leader.is_taken_up = true;
                return if leader.lead == Lead::Turn { Step::Turn } else { Step::Lead };
            }
        }
        if let Some(owner) = self.owners.get_mut(&ticket) {
            owner.waker = Some(waker());
        }
        Step::Wait
    }

    /// Returns the number of what can be taken away if it lasts too long: a turn, or a round that
    /// nobody took up yet.
    pub(crate) fn held(&self) -> Option<u64> {
        let leader = self.leader.as_ref()?;
        (leader.lead == Lead::Turn || !leader.is_taken_up).then_some(self.leads)
    }

    /// Takes what is held under this number away, if it still is, for a writer that waits: it is offered
    /// what comes next, and polls again.
    pub(crate) fn take_away(&mut self, held: u64, ticket: Ticket) {
        if self.held() != Some(held) || !self.owners.contains_key(&ticket) {
            return;
        }
        let Some(before) = self.leader.take_if(|leader| leader.ticket != ticket) else { return };
        if before.lead == Lead::Turn
            && !before.is_taken_up
            && let Some(owner) = self.owners.get_mut(&before.ticket)
        {
            owner.is_late = true;
        }
        // A round comes before the next turn, and can be led by one that waits for a turn.
        if self.waiting.is_empty() && self.round.is_empty() {
            self.turns.retain(|other| *other != ticket);
            self.give(ticket, Lead::Turn, false);
        } else {
            self.give(ticket, Lead::Round, false);
        }
    }

    pub(crate) fn is_leader(&self, ticket: Ticket) -> bool {
        self.leader.is_some_and(|leader| leader.ticket == ticket)
    }

    /// Begins a round with those who came first, at most so many.
    pub(crate) fn begin_round(&mut self, count_max: usize) -> Vec<(Ticket, W)> {
        self.put_back();
        let count = self.waiting.len().min(count_max);
        self.round.extend(self.waiting.drain(..count));
        self.told = self.round.len();
        self.round.clone()
    }

    /// Returns how many wait, if others may be about to come who have room in a round of so many: those whom the
    /// last round told.
    pub(crate) fn expects_more(&self, count_max: usize) -> Option<usize> {
        let waiting = self.waiting.len();
        (self.crowd > 1 && waiting < self.crowd.min(count_max)).then_some(waiting)
    }

    /// Returns whether a writer of the round still waits for its answer.
    pub(crate) fn awaits(&self, ticket: Ticket) -> bool {
        self.owners.contains_key(&ticket) && self.round.iter().any(|(other, _)| *other == ticket)
    }

    /// Notes what is about to be sent, in place of what was before.
    pub(crate) fn launch(&mut self, flight: F) {
        self.flight = Some(flight);
    }

    /// Returns what is under way, or was when its leader left.
    pub(crate) fn flight(&self) -> Option<F> {
        self.flight.clone()
    }

    /// Notes that nothing is under way any more.
    pub(crate) fn land(&mut self) {
        self.flight = None;
    }

    /// Answers a writer of the round; returns what wakes it. One that left is told nothing.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: A) -> Option<K> {
        self.leave_round(ticket);
        let owner = self.owners.get_mut(&ticket)?;
        owner.answer = Some(answer);
        owner.waker.take()
    }

    /// Lets a writer of the round wait for a turn; returns whether it is still there. One that has just
    /// had one comes first.
    pub(crate) fn defer(&mut self, ticket: Ticket) -> bool {
        self.leave_round(ticket);
        if !self.owners.contains_key(&ticket) {
            return false;
        }
        if self.is_leader(ticket) {
            self.turns.push_front(ticket);
        } else {
            self.turns.push_back(ticket);
        }
        true
    }

    /// Ends a writer's lead, if it leads; returns what wakes the next one.
    pub(crate) fn pass(&mut self, ticket: Ticket) -> Option<K> {
        if self.is_leader(ticket) { self.next_leader() } else { None }
    }

    /// Forgets a writer, which was answered or dropped; returns what wakes the next leader.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<K> {
        let owner = self.owners.remove(&ticket)?;
        // An owner that was answered stands in no queue, unless it leads.
        if owner.answer.is_none() {
            self.waiting.retain(|(other, _)| *other != ticket);
            self.turns.retain(|other| *other != ticket);
        }
        self.pass(ticket)
    }

    fn next_leader(&mut self) -> Option<K> {
        let was_a_turn = self.leader.take().is_some_and(|leader| leader.lead == Lead::Turn);
        self.crowd = std::mem::take(&mut self.told) + self.waiting.len();
        let flown = self.flight.as_ref().and_then(|_| self.first_of_round());
        if flown.is_none() {
            // Nobody is left who would want to know what became of it.
            self.flight = None;
            self.put_back();
        }
        let waiting = self.waiting.front().map(|(ticket, _)| *ticket);
        let turn = self.turns.front().copied().filter(|_| !was_a_turn || waiting.is_none());
        let (ticket, lead) = match (flown, turn, waiting) {
            (Some(first), ..) | (None, None, Some(first)) => (first, Lead::Round),
            (None, Some(turn), _) => {
                self.turns.pop_front();
                (turn, Lead::Turn)
            }
            (None, None, None) => return None,
        };
        self.give(ticket, lead, false);
        self.owners.get_mut(&ticket)?.waker.take()
    }

    fn give(&mut self, ticket: Ticket, lead: Lead, is_taken_up: bool) {
        self.leads += 1;
        self.leader = Some(Leader { ticket, lead, is_taken_up });
    }

    fn queue_for_turn(&mut self, ticket: Ticket) {
        if self.leader.is_none() {
            self.give(ticket, Lead::Turn, true);
        } else {
            self.turns.push_back(ticket);
        }
    }

    fn first_of_round(&self) -> Option<Ticket> {
        self.round.iter().map(|(ticket, _)| *ticket).find(|one| self.owners.contains_key(one))
    }

    /// Queues again, in front, those of the round who have no answer.
    fn put_back(&mut self) {
        for (ticket, work) in self.round.drain(..).rev() {
            if self.owners.contains_key(&ticket) {
                self.waiting.push_front((ticket, work));
            }
        }
    }

    fn leave_round(&mut self, ticket: Ticket) {
        // Most are answered in the order of the round.
        if let Some(place) = self.round.iter().position(|(other, _)| *other == ticket) {
            self.round.remove(place);
        }
    }

    fn new_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.owners.insert(ticket, Owner { waker: None, answer: None, is_late: false });
        ticket
    }
}

/// Spreads tickets, which are numbers one after the other that nobody chooses.
#[derive(Debug, Default)]
struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        // An odd number near 2^64 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
