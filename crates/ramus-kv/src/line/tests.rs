//! The line under every interleaving that `shuttle` finds: writers that are dropped anywhere, leaders
//! that are dropped before, between and after the parts of a round, and turns that run out.
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

/// A writer that sleeps until it is woken.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.heard.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[derive(Debug)]
struct Scene {
    line: Mutex<Line<Work, Arc<Flight>, u32, Arc<Bell>>>,
    /// The storage: what was appended.
    values: Mutex<Vec<u32>>,
    rounds: Mutex<usize>,
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
}

impl Scene {
    fn act<T>(&self, act: impl FnOnce(&mut Line<Work, Arc<Flight>, u32, Arc<Bell>>) -> T) -> T {
        act(&mut self.line.lock().unwrap())
    }

    fn wake(bell: Option<Arc<Bell>>) {
        if let Some(bell) = bell {
            bell.ring();
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

    /// Appends a value; returns how often it ran, or nothing if it was dropped.
    fn write(&mut self, value: u32, again: bool) -> Option<usize> {
        let scene = Arc::clone(&self.scene);
        let base = || again.then(|| scene.values.lock().unwrap().len());
        let mut runs = 1;
        let first = Work { value, base: base() };
        let ticket = scene.act(|line| line.enter(first));
        let answer = loop {
            let bell = Arc::clone(&self.bell);
            match scene.act(|line| line.poll(ticket, || bell)) {
                Step::Answer(answer) => break Some(answer),
                Step::Wait => self.bell.wait(),
                Step::Lead if self.lead(ticket) == Life::Dropped => break None,
                Step::Lead => {}
                Step::Turn => {
                    if self.step() == Life::Dropped {
                        break None;
                    }
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
            assert_eq!(round[0].0, ticket, "one's own comes first");
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
fn scene(again: fn(u32) -> bool, with_drops: bool) {
    const WRITERS: u32 = 5;
    let scene = Arc::new(Scene {
        line: Mutex::new(Line::new()),
        values: Mutex::default(),
        rounds: Mutex::default(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|value| {
            let drops = with_drops && thread_rng().gen_bool(0.5);
            let left = if drops { thread_rng().gen_range(0..6) } else { u32::MAX };
            let scene = Arc::clone(&scene);
            thread::spawn(move || {
                let bell = Arc::new(Bell::default());
                let runs = Writer { scene, bell, left }.write(value, again(value));
                (value, runs, left == u32::MAX)
            })
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        let (value, runs, stays) = writer.join().unwrap();
        assert!(runs.is_some() || !stays, "{value} was not dropped");
        if let Some(runs) = runs {
            assert!(runs <= 2, "{value} ran {runs} times");
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
    check(|| scene(|_| false, false));
}

#[test]
fn writers_that_run_again_do_so_once_at_most() {
    check(|| scene(|value| value % 2 == 0, false));
}

#[test]
fn whoever_is_dropped_anywhere_disturbs_nobody() {
    check(|| scene(|_| false, true));
}

#[test]
fn whoever_is_dropped_in_a_turn_disturbs_nobody() {
    check(|| scene(|value| value != 3, true));
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
fn a_turn_that_ran_out_gives_way_to_a_round_before_the_next_turn() {
    let mut line = Plain::new();
    let (slow, next) = (line.enter_for_turn(), line.enter_for_turn());
    let edit = line.enter("edit");
    assert_eq!(line.poll(slow, || ()), Step::Turn);
    line.expire(slow);
    assert!(lead(&mut line, edit));
    assert_eq!(line.poll(next, || ()), Step::Wait);
    line.begin_round(9);
    line.answer(edit, ());
    line.pass(edit);
    assert_eq!(line.poll(next, || ()), Step::Turn);
    // The slow one queues again, and is taken into the round at the end of that turn.
    line.bring(slow, "slow");
    line.bring(next, "next");
    assert_eq!(line.begin_round(9), [(next, "next"), (slow, "slow")]);
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
