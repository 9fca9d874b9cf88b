//! The follower under random schedules: notices that are lost, late and out of order, pages of any
//! size, failures, truncation and new incarnations, one step at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt as _;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use ramus_core::{Changes, Cursor, Error, ErrorKind, KeyChange, Notice, Snapshot, UpdateId};
use ramus_watch::{Event, Follower, Log, Mode, Next, WatchOptions, Watched};

use crate::history::{Entries, History, Seen};
use crate::random::number_from_env;

#[derive(Clone, Debug)]
enum Act {
    /// Sets, or removes, the keys.
    Write(Vec<(u8, bool)>),
    /// Begins a new incarnation.
    BeginAgain,
    /// Exchanges two notices that are under way.
    Exchange(usize, usize),
    /// Loses the oldest notices and says so, as a channel does that is full.
    Lag(usize),
    /// Lets the follower do so many steps.
    Follow(usize),
    /// The next reading fails.
    Fail,
    /// Goes on with a new follower, from the cursor.
    Resume,
}

struct Scene {
    options: WatchOptions<String>,
    capacity: usize,
    follower: Follower<String, u64>,
    log: Log<String, u64>,
    entries: Entries,
    history: History,
    notices: VecDeque<Notice<String, u64>>,
    failing: bool,
    seen: Vec<Seen>,
    /// How many values were set; each is another one.
    values: u64,
}

impl Scene {
    fn new(options: WatchOptions<String>, capacity: usize) -> Self {
        let log = Log::new(capacity);
        let mut history = History::default();
        history.begin(log.end(), Entries::new());
        Self {
            follower: Follower::new(options.clone(), log.end()),
            options,
            capacity,
            log,
            entries: Entries::new(),
            history,
            notices: VecDeque::new(),
            failing: false,
            seen: Vec::new(),
            values: 0,
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Write(edits) => self.write(edits),
            Act::BeginAgain => self.begin_again(),
            Act::Exchange(left, right) if !self.notices.is_empty() => {
                let count = self.notices.len();
                self.notices.swap(left % count, right % count);
            }
            Act::Exchange(..) => {}
            Act::Lag(count) => {
                let count = (*count).min(self.notices.len());
                self.notices.drain(..count);
                self.notices.push_front(Notice::Lagged);
            }
            Act::Follow(steps) => {
                for _ in 0..*steps {
                    self.step();
                }
            }
            Act::Fail => self.failing = true,
            Act::Resume => {
                self.follower = Follower::new(self.options.clone(), self.follower.cursor());
                // A new subscription tells of nothing from before it.
                self.notices.clear();
            }
        }
    }

    fn write(&mut self, edits: &[(u8, bool)]) {
        let mut keys = Vec::new();
        for (key, set) in edits.iter().copied().collect::<std::collections::BTreeMap<_, _>>() {
            let key = ["a", "a1", "a1/x", "b"][usize::from(key % 4)].to_owned();
            self.values += 1;
            let new = set.then_some(self.values);
            let old = match new {
                Some(value) => self.entries.insert(key.clone(), value),
                None => self.entries.remove(&key),
            };
            if old != new {
                keys.push(KeyChange { key, old, new });
            }
        }
        if keys.is_empty() {
            return;
        }
        keys.sort_by(|left, right| left.key.cmp(&right.key));
        let change = self.log.append(UpdateId::random(), "".into(), keys);
        self.history.change(Arc::clone(&change));
        self.notices.push_back(Notice::Change(change));
    }

    fn begin_again(&mut self) {
        self.log = Log::new(self.capacity);
        self.entries.pop_first();
        self.history.begin(self.log.end(), self.entries.clone());
        self.notices.push_back(Notice::Lagged);
    }

    /// Lets the follower do one step; returns whether it had anything to do.
    fn step(&mut self) -> bool {
        match self.follower.step() {
            Next::Give(Ok(event)) => self.seen.push(seen(event)),
            Next::Give(Err(error)) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            Next::Wait => match self.notices.pop_front() {
                Some(notice) => self.follower.notice(notice),
                None => return self.follower.idle(),
            },
            _ if std::mem::take(&mut self.failing) => {
                self.follower.failed(Error::new(ErrorKind::Unavailable, "not now"));
            }
            Next::Read { after, limit } => {
                assert!(limit <= self.options.page_size);
                self.follower.read(self.log.after(after, limit));
            }
            Next::TakeSnapshot { prefix } => {
                let entries = self.entries.iter();
                let entries = entries.filter(|(key, _)| key.as_bytes().starts_with(&prefix));
                let entries = entries.map(|(key, value)| (key.clone(), *value)).collect();
                self.follower.resync(Snapshot::of_entries(self.log.end(), entries));
            }
            Next::End => panic!("the store is open"),
        }
        true
    }

    fn finish(mut self, start: Cursor) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "the follower never comes to rest");
        }
        assert_eq!(self.follower.cursor(), self.log.end());
        self.history.check(start, &self.seen, &self.options.watched, self.options.mode);
        assert_eq!(self.log.after(self.log.end(), 1), empty_page(self.log.end()));
    }
}

fn seen(event: Event<String, u64>) -> Seen {
    match event {
        Event::Changed(changed) => Seen::changed(&changed),
        Event::Resync(snapshot) => {
            let cursor = snapshot.cursor();
            Seen::resync(cursor, snapshot.collect().now_or_never().unwrap().unwrap())
        }
    }
}

fn empty_page(at: Cursor) -> Changes<String, u64> {
    Changes::Page(ramus_core::Page { changes: Vec::new(), next: at, end: at })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let edits = proptest::collection::vec((0_u8..4, proptest::bool::weighted(0.7)), 1..4);
    let act = prop_oneof![
        8 => edits.prop_map(Act::Write),
        1 => Just(Act::BeginAgain),
        2 => (0_usize..8, 0_usize..8).prop_map(|(left, right)| Act::Exchange(left, right)),
        2 => (0_usize..8).prop_map(Act::Lag),
        8 => (1_usize..12).prop_map(Act::Follow),
        1 => Just(Act::Fail),
        1 => Just(Act::Resume),
    ];
    proptest::collection::vec(act, 1..60)
}

fn options() -> impl Strategy<Value = WatchOptions<String>> {
    let watched = prop_oneof![
        Just(Watched::All),
        Just(Watched::Prefix("a1".into())),
        Just(Watched::Key("a1".to_owned())),
    ];
    let mode = prop_oneof![Just(Mode::Every), Just(Mode::Latest)];
    (watched, mode, 1_usize..6).prop_map(|(watched, mode, page_size)| {
        let mut options = WatchOptions::all().with_mode(mode).with_page_size(page_size);
        options.watched = watched;
        options
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: u32::try_from(2000 * number_from_env("RAMUS_SCALE", 1)).unwrap(),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(number_from_env("RAMUS_SEED", 1)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_schedule_the_follower_tells_what_happened(
        options in options(),
        capacity in prop_oneof![1_usize..4, Just(1000)],
        acts in acts(),
    ) {
        let mut scene = Scene::new(options, capacity);
        let start = scene.log.end();
        for act in &acts {
            scene.act(act);
        }
        scene.finish(start);
    }
}
