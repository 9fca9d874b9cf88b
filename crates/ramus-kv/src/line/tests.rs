//! The line under every interleaving that `shuttle` finds: writers that are dropped anywhere, leaders
//! that are dropped before, between and after the parts of a round, and writers that are kept aside, so
//! that others take away what they hold.
//!
//! A lost wake-up or a leader that is nobody is found as a deadlock.

use std::collections::{BTreeMap, BTreeSet};

use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{Runner, thread};

use super::{Line, Step, Ticket};

/// A value to be appended, where the writer that prepared it saw this many before it; nothing if that
/// does not matter to it.
#[derive(Clone, Copy, Debug)]
struct Work {
    value: u32,
    base: Option<usize>,
}

/// What is sent to the storage: this is to follow so many values.
#[derive(Debug)]
struct Flight {
    base: usize,
    values: Vec<u32>,
    tickets: Vec<Ticket>,
}

/// A writer that sleeps until it is woken, or its alarm rings.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Option<Ring>>,
    heard: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ring {
    Woken,
    Alarm,
}

impl Bell {
    fn ring(&self, ring: Ring) {
        self.rung.lock().unwrap().get_or_insert(ring);
        self.heard.notify_one();
    }

    fn wait(&self) -> Ring {
        let mut rung = self.rung.lock().unwrap();
        loop {
            if let Some(ring) = rung.take() {
                return ring;
            }
            rung = self.heard.wait(rung).unwrap();
        }
    }
}

#[derive(Debug)]
struct Scene {
    line: Mutex<Line<Work, Arc<Flight>, u32, Arc<Bell>>>,
    /// The storage: what was appended.
    values: Mutex<Vec<u32>>,
    rounds: Mutex<usize>,
    bells: Vec<Arc<Bell>>,
}

/// Whether a writer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    On,
    Dropped,
}

/// A writer, and where it is dropped, if it is: before so many of its steps.
struct Writer {
    scene: Arc<Scene>,
    bell: Arc<Bell>,
    left: u32,
    /// Whether it is sometimes not polled for so long that the alarms of others ring.
    goes_aside: bool,
}

impl Scene {
    fn act<T>(&self, act: impl FnOnce(&mut Line<Work, Arc<Flight>, u32, Arc<Bell>>) -> T) -> T {
        act(&mut self.line.lock().unwrap())
    }

    fn wake(bell: Option<Arc<Bell>>) {
        if let Some(bell) = bell {
            bell.ring(Ring::Woken);
        }
    }

    /// Sends a flight; the same one again changes nothing.
    fn send(&self, flight: &Flight) {
        let mut values = self.values.lock().unwrap();
        if values.len() == flight.base {
            values.extend(&flight.values);
        }
        assert!(values[flight.base..].starts_with(&flight.values), "it arrived, now or before");
    }
}

impl Writer {
    /// Returns whether the writer is dropped here.
    fn step(&mut self) -> Life {
        if self.left == 0 {
            return Life::Dropped;
        }
        self.left -= 1;
        Life::On
    }

    /// Stays away, for long enough for the alarms of all who wait by then.
    fn stay_away(&self) {
        if !self.goes_aside || thread_rng().gen_bool(0.5) {
            return;
        }
        for bell in &self.scene.bells {
            bell.ring(Ring::Alarm);
            thread::yield_now();
        }
    }

    /// Appends a value; returns how often it ran, or nothing if it was dropped.
    fn write(&mut self, value: u32, again: bool) -> Option<usize> {
        let scene = Arc::clone(&self.scene);
        let base = || again.then(|| scene.values.lock().unwrap().len());
        let mut runs = 1;
        let first = Work { value, base: base() };
        let ticket = scene.act(|line| line.enter(first));
        let answer = loop {
            self.stay_away();
            let bell = Arc::clone(&self.bell);
            match scene.act(|line| line.poll(ticket, || bell)) {
                Step::Answer(answer) => break Some(answer),
                Step::Wait if self.bell.wait() == Ring::Alarm => {
                    if let Some(held) = scene.act(|line| line.held()) {
                        scene.act(|line| line.take_away(held, ticket));
                    }
                }
                Step::Lead if self.lead(ticket) == Life::Dropped => break None,
                Step::Wait | Step::Lead => {}
                Step::Turn => {
                    if self.step() == Life::Dropped {
                        break None;
                    }
                    self.stay_away();
                    runs += 1;
                    let work = Work { value, base: base() };
                    scene.act(|line| line.bring(ticket, work));
                }
            }
            if self.step() == Life::Dropped {
                break None;
            }
        };
        Scene::wake(scene.act(|line| line.leave(ticket)));
        answer.map(|answer| {
            assert_eq!(answer, value, "one's own answer");
            runs
        })
    }

    fn lead(&mut self, ticket: Ticket) -> Life {
        let scene = Arc::clone(&self.scene);
        let left_behind = scene.act(|line| line.flight());
        let flight = if let Some(flight) = left_behind {
            flight
        } else {
            let round = scene.act(|line| line.begin_round(3));
            if self.step() == Life::Dropped {
                return Life::Dropped;
            }
            let flight = Arc::new(self.decide(&round));
            scene.act(|line| line.launch(Arc::clone(&flight)));
            *scene.rounds.lock().unwrap() += 1;
            flight
        };
        if self.step() == Life::Dropped {
            return Life::Dropped;
        }
        scene.send(&flight);
        if self.step() == Life::Dropped {
            return Life::Dropped;
        }
        let bells: Vec<_> = scene.act(|line| {
            line.land();
            let told = flight.tickets.iter().zip(&flight.values);
            told.map(|(ticket, value)| line.answer(*ticket, *value)).collect()
        });
        bells.into_iter().for_each(Scene::wake);
        Scene::wake(scene.act(|line| line.pass(ticket)));
        Life::On
    }

    fn decide(&self, round: &[(Ticket, Work)]) -> Flight {
        let base = self.scene.values.lock().unwrap().len();
        let mut flight = Flight { base, values: Vec::new(), tickets: Vec::new() };
        for (ticket, work) in round {
            if !self.scene.act(|line| line.awaits(*ticket)) {
                continue;
            }
            if work.base.is_some_and(|seen| seen != base + flight.values.len()) {
                self.scene.act(|line| line.defer(*ticket));
            } else {
                flight.values.push(work.value);
                flight.tickets.push(*ticket);
            }
        }
        flight
    }
}

/// Lets some writers write at once; some of them are dropped at random.
fn scene(again: fn(u32) -> bool, with_drops: bool, goes_aside: fn(u32) -> bool) {
    const WRITERS: u32 = 5;
    let scene = Arc::new(Scene {
        line: Mutex::new(Line::new()),
        values: Mutex::default(),
        rounds: Mutex::default(),
        bells: (0..WRITERS).map(|_| Arc::default()).collect(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|value| {
            let drops = with_drops && thread_rng().gen_bool(0.5);
            let left = if drops { thread_rng().gen_range(0..6) } else { u32::MAX };
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let bell = Arc::clone(&scene.bells[value as usize]);
                let goes_aside = goes_aside(value);
                let writer = Writer { scene, bell, left, goes_aside };
                let runs = { writer }.write(value, again(value));
                (value, runs, left == u32::MAX)
            })
        })
        .collect();
    let all_stay = (0..WRITERS).all(|value| !goes_aside(value));
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        let (value, runs, stays) = writer.join().unwrap();
        assert!(runs.is_some() || !stays, "{value} was not dropped");
        if let Some(runs) = runs {
            assert!(runs <= 2 || !all_stay, "{value} ran {runs} times");
            acknowledged.insert(value);
        }
    }
    let values = scene.values.lock().unwrap().clone();
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for value in &values {
        *counts.entry(*value).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{values:?}");
    assert!(acknowledged.iter().all(|value| counts.contains_key(value)), "{values:?}");
    let line = scene.line.lock().unwrap();
    assert!(line.leader.is_none() && line.owners.is_empty(), "{line:?}");
    assert!(line.waiting.is_empty() && line.turns.is_empty() && line.round.is_empty());
    assert!(line.flight.is_none());
}

fn check(scene: impl Fn() + Send + Sync + 'static) {
    let scale = std::env::var("RAMUS_SCALE").unwrap_or_else(|_| "1".to_owned());
    let seed = std::env::var("RAMUS_SEED").unwrap_or_else(|_| "1".to_owned());
    let scale: usize = scale.parse().expect("RAMUS_SCALE is a number");
    let seed: u64 = seed.parse().expect("RAMUS_SEED is a number");
    let scene = Arc::new(scene);
    let random = RandomScheduler::new_from_seed(seed, 1500 * scale);
    let once = Arc::clone(&scene);
    Runner::new(random, shuttle::Config::default()).run(move || once());
    let placed = PctScheduler::new_from_seed(seed, 3, 1000 * scale);
    Runner::new(placed, shuttle::Config::default()).run(move || scene());
}

#[test]
fn writers_that_wait_are_all_answered_once() {
    check(|| scene(|_| false, false, |_| false));
}

#[test]
fn writers_that_run_again_do_so_once_at_most() {
    check(|| scene(|value| value % 2 == 0, false, |_| false));
}

#[test]
fn whoever_is_dropped_anywhere_disturbs_nobody() {
    check(|| scene(|_| false, true, |_| false));
}

#[test]
fn whoever_is_dropped_in_a_turn_disturbs_nobody() {
    check(|| scene(|value| value != 3, true, |_| false));
}

#[test]
fn whoever_is_kept_aside_loses_what_it_held_and_nothing_else() {
    check(|| scene(|value| value % 2 == 0, false, |value| value < 2));
    check(|| scene(|value| value != 1, true, |value| value != 4));
}

type Plain = Line<&'static str, (), (), ()>;

fn lead(line: &mut Plain, ticket: Ticket) -> bool {
    line.poll(ticket, || ()) == Step::Lead
}

#[test]
fn the_first_to_come_leads_and_passes_on_in_order() {
    let mut line = Plain::new();
    let (one, two, three) = (line.enter("1"), line.enter("2"), line.enter("3"));
    assert!(lead(&mut line, one) && !lead(&mut line, two) && !lead(&mut line, three));
    assert_eq!(line.begin_round(2), [(one, "1"), (two, "2")]);
    assert_eq!((line.answer(one, ()), line.answer(two, ())), (None, Some(())));
    assert_eq!(line.pass(one), Some(()), "the third is woken");
    assert!(lead(&mut line, three));
}

#[test]
fn a_turn_comes_after_the_round_and_its_round_takes_all() {
    let mut line = Plain::new();
    let (one, again) = (line.enter("1"), line.enter("again"));
    line.begin_round(9);
    line.defer(again);
    line.answer(one, ());
    let late = line.enter("late");
    line.pass(one);
    assert_eq!(line.poll(again, || ()), Step::Turn);
    assert_eq!(line.poll(late, || ()), Step::Wait);
    line.bring(again, "ran again");
    assert!(lead(&mut line, again));
    assert_eq!(line.begin_round(9), [(again, "ran again"), (late, "late")]);
}

#[test]
fn a_turn_that_is_taken_away_gives_way_to_a_round_before_the_next_turn() {
    let mut line = Plain::new();
    let (slow, next) = (line.enter_for_turn(), line.enter_for_turn());
    let edit = line.enter("edit");
    assert_eq!(line.poll(slow, || ()), Step::Turn);
    // Whoever takes it away is there, so it leads; its own turn comes after that round.
    line.take_away(line.held().unwrap(), next);
    assert!(lead(&mut line, next) && !lead(&mut line, edit));
    assert_eq!(line.held(), None, "a round that is led is not taken away");
    assert_eq!(line.begin_round(9), [(edit, "edit")]);
    line.answer(edit, ());
    line.pass(next);
    assert_eq!(line.poll(next, || ()), Step::Turn);
    // The slow one queues again, and is taken into the round at the end of that turn.
    line.bring(slow, "slow");
    line.bring(next, "next");
    assert_eq!(line.begin_round(9), [(next, "next"), (slow, "slow")]);
}

#[test]
fn a_turn_that_is_taken_away_is_that_of_the_next_if_there_is_no_round() {
    let mut line = Plain::new();
    let (slow, one, two) = (line.enter_for_turn(), line.enter_for_turn(), line.enter_for_turn());
    let held = line.held().unwrap();
    line.take_away(held, two);
    assert_eq!(line.poll(two, || ()), Step::Turn);
    assert_eq!(line.poll(one, || ()), Step::Wait);
    line.take_away(held, one);
    assert_eq!(line.poll(one, || ()), Step::Wait, "it is another turn by now");
    line.bring(slow, "slow");
    assert_eq!(line.poll(slow, || ()), Step::Wait);
}

#[test]
fn an_offered_turn_that_is_taken_away_is_asked_for_again_when_its_owner_comes() {
    let mut line = Plain::new();
    let (one, aside, two) = (line.enter_for_turn(), line.enter_for_turn(), line.enter_for_turn());
    assert_eq!(line.poll(aside, || ()), Step::Wait);
    assert_eq!(line.pass(one), Some(()), "the one aside is woken, and does not come");
    line.take_away(line.held().unwrap(), two);
    assert_eq!(line.poll(two, || ()), Step::Turn);
    line.pass(two);
    assert_eq!(line.held(), None, "nobody waits any more who could be given a turn");
    assert_eq!(line.poll(aside, || ()), Step::Turn, "when it comes it is its turn");
    line.leave(aside);
    assert!(line.leader.is_none() && line.turns.is_empty());
}

#[test]
fn nobody_takes_away_what_is_offered_to_himself() {
    let mut line = Plain::new();
    let (one, two) = (line.enter_for_turn(), line.enter_for_turn());
    assert_eq!(line.poll(two, || ()), Step::Wait);
    line.pass(one);
    line.take_away(line.held().unwrap(), two);
    assert_eq!(line.poll(two, || ()), Step::Turn);
    assert!(line.turns.is_empty(), "it is in one place");
}

#[test]
fn an_offered_round_is_led_by_whoever_comes_along() {
    let mut line = Plain::new();
    let (one, aside) = (line.enter("1"), line.enter("aside"));
    assert!(lead(&mut line, one) && !lead(&mut line, aside));
    line.begin_round(1);
    line.answer(one, ());
    assert_eq!(line.pass(one), Some(()), "the one aside is woken, and does not come");
    let late = line.enter("late");
    assert!(lead(&mut line, late) && !lead(&mut line, aside));
    assert_eq!(line.begin_round(9), [(aside, "aside"), (late, "late")]);
    line.answer(aside, ());
    assert_eq!(line.poll(aside, || ()), Step::Answer(()));
}

#[test]
fn an_offered_round_is_taken_away_by_whoever_waits() {
    let mut line = Plain::new();
    let (one, aside, two) = (line.enter("1"), line.enter("aside"), line.enter("2"));
    assert!(lead(&mut line, one) && !lead(&mut line, aside) && !lead(&mut line, two));
    assert_eq!(line.held(), None);
    line.begin_round(1);
    line.launch(());
    // Its leader leaves in the middle: what is under way is offered to the first who waits for it.
    line.begin_round(9);
    line.launch(());
    line.leave(one);
    line.take_away(line.held().unwrap(), two);
    assert!(lead(&mut line, two) && line.flight().is_some());
    assert!(line.awaits(aside) && line.awaits(two));
}

#[test]
fn a_turn_that_lost_its_race_again_keeps_its_place() {
    let mut line = Plain::new();
    let (one, two) = (line.enter_for_turn(), line.enter_for_turn());
    line.bring(one, "1");
    line.begin_round(9);
    line.defer(one);
    line.pass(one);
    assert_eq!(line.poll(one, || ()), Step::Turn);
    assert_eq!(line.poll(two, || ()), Step::Wait);
}

#[test]
fn those_of_a_round_that_was_given_up_come_first_in_their_order() {
    let mut line = Plain::new();
    let [one, two, three, four] = ["1", "2", "3", "4"].map(|work| line.enter(work));
    assert_eq!(line.begin_round(3), [(one, "1"), (two, "2"), (three, "3")]);
    line.leave(one);
    assert!(lead(&mut line, two));
    assert_eq!(line.begin_round(9), [(two, "2"), (three, "3"), (four, "4")]);
}

#[test]
fn who_comes_from_another_task_is_woken_there() {
    let mut line = Line::<&'static str, (), (), &'static str>::new();
    let (one, two) = (line.enter("1"), line.enter("2"));
    assert_eq!(line.poll(one, || "the first"), Step::Lead);
    assert_eq!(line.poll(two, || "a task"), Step::Wait);
    assert_eq!(line.poll(two, || "another task"), Step::Wait);
    line.begin_round(9);
    assert_eq!(line.answer(two, ()), Some("another task"));
}

#[test]
fn what_is_under_way_when_nobody_is_left_is_forgotten() {
    let mut line = Plain::new();
    let one = line.enter("1");
    line.begin_round(9);
    line.launch(());
    line.leave(one);
    assert_eq!(line.flight(), None);
    let two = line.enter("2");
    assert!(lead(&mut line, two));
    assert_eq!(line.begin_round(9), [(two, "2")]);
}

#[test]
fn more_are_expected_while_fewer_wait_than_were_told_or_waited() {
    let mut line = Plain::new();
    let one = line.enter("1");
    assert_eq!(line.expects_more(9), None, "there was no round yet");
    line.begin_round(9);
    line.answer(one, ());
    line.leave(one);
    let two = line.enter("2");
    assert_eq!(line.expects_more(9), None, "the last round had one, and nobody waited");
    line.begin_round(9);
    // Two come while the round of one is under way, and it is told.
    let (three, four) = (line.enter("3"), line.enter("4"));
    line.answer(two, ());
    line.leave(two);
    assert!(lead(&mut line, three));
    assert_eq!(line.expects_more(9), Some(2), "who was told may come again");
    assert_eq!(line.expects_more(2), None, "there is no room for it");
    let five = line.enter("5");
    assert_eq!(line.expects_more(9), None, "all are there");
    line.begin_round(9);
    for ticket in [three, four, five] {
        line.answer(ticket, ());
    }
    for ticket in [three, four, five] {
        line.leave(ticket);
    }
    let six = line.enter("6");
    assert_eq!(line.expects_more(9), Some(1));
    line.leave(six);
    line.enter("7");
    assert_eq!(line.expects_more(9), None, "a lead without a round tells nobody");
}

#[test]
fn a_turn_that_ended_without_a_round_gives_way_to_those_who_wait() {
    let mut line = Plain::new();
    let one = line.enter_for_turn();
    let waits = line.enter("waits");
    let other = line.enter_for_turn();
    assert_eq!(line.poll(one, || ()), Step::Turn);
    assert!(!lead(&mut line, waits));
    line.leave(one);
    let again = line.enter_for_turn();
    assert!(lead(&mut line, waits), "a round comes between two turns");
    line.begin_round(9);
    line.answer(waits, ());
    line.pass(waits);
    assert_eq!(line.poll(other, || ()), Step::Turn);
    line.leave(other);
    assert_eq!(line.poll(again, || ()), Step::Turn, "nobody waits, so turns follow one another");
}
