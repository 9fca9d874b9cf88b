//! Linearizability: whether what concurrent calls answered can be explained by some order of them.
//!
//! A *history* is what tasks called on one store and what they were answered, with the moments of both
//! by one atomic counter. It is linearizable if the calls can be put in an order in which each comes
//! before those that were called after its answer, and in which a store that does one thing at a time
//! would have answered the same.
//!
//! The search is that of J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993):
//! try each call that no unplaced call precedes, and go back where that leads nowhere; and, after
//! G. Lowe, "Testing for Linearizability" (2017), no pair of placed calls and state is tried twice.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ramus_core::{AtomicWrite, Edit, Expected, Outcome, Update};

use crate::campaign::Random;
use crate::{Campaign, RefsSubject};

/// What the refs hold: the number of a value, for the number of a key.
pub type State = BTreeMap<usize, usize>;

/// One call of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The moment at which it was called.
    pub called: u64,
    /// The moment at which it had its answer.
    pub answered: u64,
    /// What was called.
    pub operation: Operation,
    /// What was answered.
    pub answer: Answer,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An update: for each key what it must hold, if anything is asked of it, and what it will hold.
    Update(BTreeMap<usize, (Option<Option<usize>>, Option<usize>)>),
    /// `find` of one key.
    Find(usize),
    /// A snapshot of everything.
    Snapshot,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The update was applied.
    Applied,
    /// The update was refused: the first key that failed, and what it holds.
    Refused(usize, Option<usize>),
    /// What the key holds.
    Found(Option<usize>),
    /// What all keys hold.
    Entries(State),
}

/// A history that no order of its calls explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLinearizable {
    /// The calls.
    pub history: Vec<Call>,
}

/// Returns an order of the calls, by their numbers, that explains a history that began with nothing.
///
/// # Errors
///
/// [`NotLinearizable`] if there is none.
///
/// # Panics
///
/// If there are more than 64 calls: the search is for small histories.
pub fn check(history: &[Call]) -> Result<Vec<usize>, NotLinearizable> {
    assert!(history.len() <= 64, "a history of {} calls; at most 64 are searched", history.len());
    let mut search = Search { history, tried: HashSet::new(), order: Vec::new() };
    if search.place_rest(0, &State::new()) {
        return Ok(search.order);
    }
    Err(NotLinearizable { history: history.to_vec() })
}

struct Search<'a> {
    history: &'a [Call],
    /// The placed calls, one bit each, and the state after them, from where the search found no way.
    tried: HashSet<(u64, State)>,
    order: Vec<usize>,
}

impl Search<'_> {
    fn place_rest(&mut self, placed: u64, state: &State) -> bool {
        let is_open = |number: &usize| placed & (1 << number) == 0;
        let open: Vec<usize> = (0..self.history.len()).filter(is_open).collect();
        // Whatever was called after the first open answer comes after that call.
        let Some(horizon) = open.iter().map(|number| self.history[*number].answered).min() else {
            return true;
        };
        if !self.tried.insert((placed, state.clone())) {
            return false;
        }
        for number in open {
            let call = &self.history[number];
            if call.called > horizon {
                continue;
            }
            let (answer, next) = apply(&call.operation, state);
            if answer != call.answer {
                continue;
            }
            self.order.push(number);
            if self.place_rest(placed | 1 << number, &next) {
                return true;
            }
            self.order.pop();
        }
        false
    }
}

/// Returns what a store that does one thing at a time answers, and what it holds then.
fn apply(operation: &Operation, state: &State) -> (Answer, State) {
    match operation {
        Operation::Find(key) => (Answer::Found(state.get(key).copied()), state.clone()),
        Operation::Snapshot => (Answer::Entries(state.clone()), state.clone()),
        Operation::Update(edits) => {
            for (key, (test, _)) in edits {
                let holds = state.get(key).copied();
                if test.is_some_and(|test| test != holds) {
                    return (Answer::Refused(*key, holds), state.clone());
                }
            }
            let mut next = state.clone();
            for (key, (_, set)) in edits {
                match set {
                    Some(value) => drop(next.insert(*key, *value)),
                    None => drop(next.remove(key)),
                }
            }
            (Answer::Applied, next)
        }
    }
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no order of these calls explains their answers:")?;
        for Call { called, answered, operation, answer } in &self.history {
            write!(f, "\n  {called:>3} to {answered:>3}: {operation:?} -> {answer:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotLinearizable {}

/// How many keys and values the calls of a recorded history use.
const KEYS: usize = 3;
const VALUES: usize = 4;

/// How long a caller that is ready spins before it lets others have their turn.
const SPINS: usize = 200;

/// Lets tasks call a new store at random, and returns what they were answered.
///
/// The calls are updates of one to three keys, with and without tests, finds and snapshots. They are
/// chosen by the seed; how they overlap is up to the runtime, which should have several threads.
///
/// # Panics
///
/// Where the store gives an error, or a value that nobody set.
pub async fn record<S: RefsSubject>(
    subject: &S,
    seed: u64,
    tasks: usize,
    calls: usize,
) -> Vec<Call> {
    let store = subject.open().await;
    let (clock, ready) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut keys: Vec<_> = (0..KEYS).map(|number| subject.key(number)).collect();
    // Of two keys that fail, the first in key order is told: numbers have to be in that order, too.
    keys.sort();
    let values: Vec<_> = (0..VALUES).map(|number| subject.value(number)).collect();
    let running: Vec<_> = (0..tasks)
        .map(|number| {
            let caller =
                Caller { store: store.clone(), keys: keys.clone(), values: values.clone() };
            let (clock, ready) = (Arc::clone(&clock), Arc::clone(&ready));
            let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(number as u64));
            let operations: Vec<_> = (0..calls).map(|_| random_operation(&mut random)).collect();
            tokio::spawn(async move {
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < tasks {
                    // Spinning before it yields, so that all begin at one moment.
                    (0..SPINS).for_each(|_| std::hint::spin_loop());
                    tokio::task::yield_now().await;
                }
                let mut history = Vec::with_capacity(operations.len());
                for operation in operations {
                    let begin = clock.fetch_add(1, Ordering::SeqCst);
                    // A caller that is slow to call, so that whole calls of others fall into its own.
                    if random.once_in(4) {
                        tokio::task::yield_now().await;
                    }
                    let answer = caller.call(&operation).await;
                    let end = clock.fetch_add(1, Ordering::SeqCst);
                    history.push(Call { called: begin, answered: end, operation, answer });
                    if random.once_in(2) {
                        tokio::task::yield_now().await;
                    }
                }
                history
            })
        })
        .collect();
    let mut history = Vec::new();
    for task in running {
        history.extend(task.await.expect("a caller ends"));
    }
    history
}

/// Records as many histories and checks each.
///
/// # Panics
///
/// With the history and the seed, if one is not linearizable; and if calls overlap in less than a
/// tenth of the histories, since then little was shown.
pub async fn histories_are_linearizable<S: RefsSubject>(
    subject: &S,
    campaign: Campaign,
    histories: usize,
) {
    let mut overlapping = 0;
    for number in 0..campaign.times(histories) {
        let seed = campaign.seed.wrapping_mul(1 << 32).wrapping_add(number as u64);
        let (tasks, calls) = [(3, 5), (2, 7), (4, 4)][number % 3];
        let history = record(subject, seed, tasks, calls).await;
        overlapping += usize::from(overlaps(&history));
        if let Err(error) = check(&history) {
            panic!("{campaign}: history {number}: {error}");
        }
    }
    let enough = overlapping * 10 > campaign.times(histories);
    assert!(
        enough,
        "only {overlapping} histories have calls that overlap: too few to show anything"
    );
}

/// Returns whether two of the calls ran at the same time.
fn overlaps(history: &[Call]) -> bool {
    history.iter().enumerate().any(|(number, one)| {
        let later = &history[number + 1..];
        later.iter().any(|other| one.called < other.answered && other.called < one.answered)
    })
}

fn random_operation(random: &mut Random) -> Operation {
    match random.below(8) {
        0 | 1 => Operation::Find(random.below(KEYS)),
        2 => Operation::Snapshot,
        _ => {
            let value = |random: &mut Random| (!random.once_in(4)).then(|| random.below(VALUES));
            let edits = (0..=random.below(KEYS)).map(|_| {
                let test = random.once_in(2).then(|| value(random));
                (random.below(KEYS), (test, value(random)))
            });
            Operation::Update(edits.collect())
        }
    }
}

/// One task's handle on the store.
struct Caller<S: AtomicWrite> {
    store: S,
    keys: Vec<S::Key>,
    values: Vec<S::Value>,
}

impl<S: AtomicWrite> Caller<S> {
    async fn call(&self, operation: &Operation) -> Answer {
        match operation {
            Operation::Find(key) => {
                let found = self.store.find(&self.keys[*key]).await.expect("find");
                Answer::Found(found.map(|value| self.number_of_value(&value)))
            }
            Operation::Snapshot => {
                let snapshot = self.store.snapshot(b"").await.expect("snapshot");
                let entries = snapshot.collect().await.expect("collect");
                let number =
                    |(key, value)| (self.number_of_key(&key), self.number_of_value(&value));
                Answer::Entries(entries.into_iter().map(number).collect())
            }
            Operation::Update(edits) => {
                let mut update = Update::new(self.store.position().await.expect("position"));
                let value = |number: usize| self.values[number].clone();
                for (key, (expected, set)) in edits {
                    let expected = match expected {
                        None => Expected::Anything,
                        Some(holds) => Expected::from(holds.map(value)),
                    };
                    let edit = Edit { expected, set: set.map(value) };
                    update = update.edit(self.keys[*key].clone(), edit);
                }
                match self.store.update(update).await.expect("update") {
                    Outcome::Applied(_) => Answer::Applied,
                    Outcome::Refused(refusal) => {
                        let holds = refusal.holds.map(|value| self.number_of_value(&value));
                        Answer::Refused(self.number_of_key(&refusal.key), holds)
                    }
                }
            }
        }
    }

    fn number_of_key(&self, key: &S::Key) -> usize {
        self.keys.iter().position(|known| known == key).expect("a key that was set")
    }

    fn number_of_value(&self, value: &S::Value) -> usize {
        self.values.iter().position(|known| known == value).expect("a value that was set")
    }
}
