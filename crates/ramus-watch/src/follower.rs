use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    Change, Changes, Cursor, Error, ErrorKind, Key, Notice, Page, Result, Snapshot, Value,
};

use crate::{Changed, Event, Mode, WatchOptions, Watched};

/// The logic of a watch, without any I/O: it is told what arrived, and says what to do next.
///
/// Whoever drives it calls [`step`](Follower::step), does what that says, tells the follower what
/// came of it, and calls `step` again. [`Watch`](crate::Watch) does so over a store; every schedule
/// of notices, pages and failures can be played to it without a runtime.
///
/// # How nothing is lost
///
/// The follower keeps the place up to which it has read the log. It moves on from there only by what
/// lies directly after it: a notice that [follows](Change::follows) it, or a page read after it.
/// A notice at or before it is ignored. A notice further ahead, or
/// [`Lagged`](Notice::Lagged), says that there is something to read, and nothing else. When the log
/// cannot go on from the place, the follower asks for a snapshot, gives it as
/// [`Resync`](Event::Resync), and goes on after it.
///
/// The driver has subscribed before the first step. So when a page was the last one, every later
/// change gives a notice, and waiting for notices misses none.
///
/// # How it ends
///
/// A closed store ends the subscription and refuses to be read, and either may be seen first. What
/// the other one still holds is given, then [`Closed`](ErrorKind::Closed) once, then the end.
#[derive(Debug)]
pub struct Follower<K, V> {
    watched: Watched<K>,
    mode: Mode,
    page_size: usize,
    /// Everything up to here was given.
    cursor: Cursor,
    /// Everything up to here was read.
    reached: Cursor,
    /// The changes between `cursor` and `reached`, in order.
    waiting: VecDeque<Arc<Change<K, V>>>,
    /// The snapshot as of `reached`, if it was not given yet. It is rare, and there are many followers.
    resync: Option<Box<Snapshot<K, V>>>,
    /// What failed, if it was not given yet.
    fault: Option<Error>,
    /// No notice is there to be taken, so that what is waiting is all there is.
    idle: bool,
    /// The store refuses to be read.
    log_closed: bool,
    /// The subscription has ended.
    notices_ended: bool,
    aim: Aim,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Next<K, V> {
    /// Give this to whoever watches.
    Give(Result<Event<K, V>>),
    /// Take the next notice of the subscription, and call [`notice`](Follower::notice) or
    /// [`ended`](Follower::ended). If none is there, call [`idle`](Follower::idle) before waiting.
    Wait,
    /// Read the log, and call [`read`](Follower::read) or [`failed`](Follower::failed).
    Read {
        /// Where to read on.
        after: Cursor,
        /// How many changes to read at most.
        limit: usize,
    },
    /// Take a snapshot, and call [`resync`](Follower::resync) or [`failed`](Follower::failed).
    TakeSnapshot {
        /// What the keys begin with.
        prefix: Bytes,
    },
    /// There is nothing more, and there never will be.
    End,
}

/// What the follower is after once nothing is waiting to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Notice,
    Page,
    Snapshot,
    Closed,
    End,
}

impl<K: Key, V: Value> Follower<K, V> {
    /// Returns the follower of what lies after `cursor`; `options.start` is of no matter to it.
    pub fn new(options: WatchOptions<K>, cursor: Cursor) -> Self {
        let WatchOptions { watched, mode, start: _, page_size } = options;
        Self {
            watched,
            mode,
            page_size,
            cursor,
            reached: cursor,
            waiting: VecDeque::new(),
            resync: None,
            fault: None,
            idle: false,
            log_closed: false,
            notices_ended: false,
            aim: Aim::Page,
        }
    }

    /// Returns the place up to which everything was given.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Returns what to do next.
    ///
    /// What is to be given is given once; anything else is said again until it was done.
    pub fn step(&mut self) -> Next<K, V> {
        if let Some(event) = self.take_event() {
            return Next::Give(Ok(event));
        }
        if let Some(fault) = self.fault.take() {
            return Next::Give(Err(fault));
        }
        match self.aim {
            Aim::Notice => Next::Wait,
            Aim::Page => Next::Read { after: self.reached, limit: self.page_size },
            Aim::Snapshot => Next::TakeSnapshot { prefix: self.watched.prefix() },
            Aim::Closed => {
                self.aim = Aim::End;
                Next::Give(Err(Error::closed()))
            }
            Aim::End => Next::End,
        }
    }

    /// Takes what the subscription told.
    pub fn notice(&mut self, notice: Notice<K, V>) {
        match notice {
            Notice::Change(change) if self.has_read(&change) => {}
            Notice::Change(change) if change.follows(self.reached) => {
                self.reached = change.cursor;
                self.waiting.push_back(change);
            }
            // A closed log cannot say what lies between.
            Notice::Change(_) | Notice::Lagged if self.log_closed => self.aim = Aim::Closed,
            Notice::Change(_) | Notice::Lagged => self.aim = Aim::Page,
        }
    }

    /// Takes that no notice is there; returns whether there is something to do besides waiting.
    pub fn idle(&mut self) -> bool {
        self.idle = !self.waiting.is_empty();
        self.idle
    }

    /// Takes that the subscription has ended, as it does when the store is closed.
    pub fn ended(&mut self) {
        self.notices_ended = true;
        if self.aim == Aim::Notice {
            // Its log may still say what the notices did not.
            self.aim = if self.log_closed { Aim::Closed } else { Aim::Page };
        }
    }

    /// Takes what reading the log gave.
    ///
    /// A page that does not go on from where it was asked for is not taken, and given as an error of
    /// kind [`Corrupt`](ErrorKind::Corrupt).
    pub fn read(&mut self, changes: Changes<K, V>) {
        let page = match changes {
            Changes::Page(page) => page,
            Changes::Truncated { .. } => return self.aim = Aim::Snapshot,
        };
        if let Err(fault) = check_page(&page, self.reached) {
            return self.fault = Some(fault);
        }
        if page.is_last() {
            self.aim = if self.notices_ended { Aim::Closed } else { Aim::Notice };
        } else {
            self.aim = Aim::Page;
        }
        self.reached = page.next;
        if self.waiting.is_empty() {
            self.waiting = page.changes.into();
        } else {
            self.waiting.extend(page.changes);
        }
    }

    /// Takes a snapshot.
    pub fn resync(&mut self, snapshot: Snapshot<K, V>) {
        self.reached = snapshot.cursor();
        self.resync = Some(Box::new(self.watched.restrict_snapshot(snapshot)));
        self.aim = Aim::Page;
    }

    /// Takes that reading, the log or a snapshot, has failed.
    ///
    /// The failure is given, and the same is asked for again; but a store that is closed stays so,
    /// and what the subscription still holds comes first.
    pub fn failed(&mut self, error: Error) {
        if error.kind() != ErrorKind::Closed {
            self.fault = Some(error);
            return;
        }
        self.log_closed = true;
        self.aim = if self.notices_ended { Aim::Closed } else { Aim::Notice };
    }

    fn take_event(&mut self) -> Option<Event<K, V>> {
        if let Some(snapshot) = self.resync.take() {
            self.cursor = snapshot.cursor();
            return Some(Event::Resync(*snapshot));
        }
        let changed = match self.mode {
            Mode::Every => self.take_change(),
            Mode::Latest => self.sum_is_due().then(|| self.take_sum()).flatten(),
        };
        changed.map(Event::Changed)
    }

    /// Takes the first of the changes that are waiting.
    fn take_change(&mut self) -> Option<Changed<K, V>> {
        while let Some(change) = self.waiting.pop_front() {
            self.cursor = change.cursor;
            if let Some(change) = self.watched.restrict(change) {
                self.cursor = if self.waiting.is_empty() { self.reached } else { self.cursor };
                return Some(Changed::one(change));
            }
        }
        self.cursor = self.reached;
        self.give_back_room();
        None
    }

    /// Takes all the changes that are waiting.
    fn take_sum(&mut self) -> Option<Changed<K, V>> {
        self.cursor = self.reached;
        self.waiting.retain(|change| !self.watched.of(&change.keys).is_empty());
        if self.waiting.len() <= 1 {
            return self.take_change();
        }
        let sum = Changed::sum(&self.waiting, &self.watched);
        self.waiting.clear();
        self.give_back_room();
        sum
    }

    /// Gives back the room of a page that was given: a watch that was behind once has it for nothing later, and there
    /// are many watches.
    fn give_back_room(&mut self) {
        /// Room for so many changes is kept, for the next notice.
        const KEPT_MAX: usize = 4;
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_MAX {
            self.waiting = VecDeque::new();
        }
    }

    /// Returns whether the changes that are waiting shall wait for no more of them.
    fn sum_is_due(&mut self) -> bool {
        let idle = std::mem::take(&mut self.idle);
        idle || self.aim != Aim::Notice || self.waiting.len() >= self.page_size
    }

    fn has_read(&self, change: &Change<K, V>) -> bool {
        change.cursor.incarnation == self.reached.incarnation
            && change.cursor.sequence <= self.reached.sequence
    }
}

/// Refuses a page that does not go on, without a gap, from `after`.
fn check_page<K, V>(page: &Page<K, V>, after: Cursor) -> Result<()> {
    let mut at = after;
    for change in &page.changes {
        if !change.follows(at) {
            let (previous, cursor) = (change.previous, change.cursor);
            return Err(Error::corrupt(format!(
                "the change log goes on from {at} with a change from {previous} to {cursor}"
            )));
        }
        at = change.cursor;
    }
    let Page { next, end, .. } = *page;
    // A page of a filtered view may end after its last change.
    if next.incarnation != at.incarnation || next.sequence < at.sequence {
        return Err(Error::corrupt(format!(
            "a page of the change log goes up to {at} and is to be read on from {next}"
        )));
    }
    if next == after && !page.is_last() {
        return Err(Error::corrupt(format!(
            "the change log has nothing after {after} and claims to end at {end}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ramus_core::{Incarnation, KeyChange, UpdateId};

    use super::*;
    use crate::Log;

    #[test]
    fn who_has_caught_up_keeps_no_room_for_what_it_was_behind() {
        let mut log: Log<String, u64> = Log::of_incarnation(Incarnation::from_bytes([1; 16]), 1000);
        let begin = log.end();
        for number in 0..300 {
            let keys = vec![KeyChange { key: "a".to_owned(), old: None, new: Some(number) }];
            log.append(UpdateId::random(), Bytes::new(), keys);
        }
        for mode in [Mode::Every, Mode::Latest] {
            let options = WatchOptions { mode, ..WatchOptions::default() };
            let mut follower = Follower::new(options, begin);
            follower.read(log.after(begin, 300));
            assert!(follower.waiting.capacity() >= 300, "all of them are there");
            while let Next::Give(event) = follower.step() {
                event.expect("a change");
            }
            assert_eq!(follower.cursor(), log.end());
            assert!(follower.waiting.capacity() < 10, "{}", follower.waiting.capacity());
        }
    }
}
