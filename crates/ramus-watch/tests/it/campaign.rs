//! Random writers, and readers that lag, are dropped, resume, and follow an unruly store; in the end
//! each must have told exactly what happened. `docs/campaigns.md` says how to run more of it.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use ramus_core::{AtomicWrite as _, Cursor, ErrorKind, Update};
use ramus_watch::{Event, Mode, Watch, WatchExt as _, WatchOptions, Watched};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::history::Seen;
use crate::random::{Random, number_from_env};
use crate::unruly::{Manners, Unruly};

/// The value that ends a round; every reader watches the key that gets it.
const LAST: u64 = u64::MAX;
const LAST_KEY: &str = "a1";

#[test]
fn no_change_is_lost_or_given_twice_or_out_of_order() {
    let (seed, scale) = (number_from_env("RAMUS_SEED", 1), number_from_env("RAMUS_SCALE", 1));
    let random = Random::new(seed);
    let mut deliveries = 0;
    let mut round = 0;
    while deliveries < scale * 100_000 {
        let mut random = random.split(round);
        let runtime = runtime(&mut random);
        let in_time = async {
            let round = tokio::spawn(run_round(random));
            tokio::time::timeout(Duration::from_secs(30), round).await
        };
        deliveries += match runtime.block_on(in_time) {
            Ok(Ok(count)) => count,
            failed => panic!("round {round} of seed {seed}: {failed:?}"),
        };
        round += 1;
    }
}

fn runtime(random: &mut Random) -> Runtime {
    let mut builder =
        if random.one_in(3) { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(2).enable_time().build().unwrap()
}

/// Returns how many changes were delivered.
async fn run_round(mut random: Random) -> u64 {
    let manners = Manners {
        log_changes: random.pick(&[2, 16, 256, 100_000]),
        notices: random.pick(&[1, 2, 16, 256]),
        failures: random.pick(&[0, 0, 50]),
        slowness: random.pick(&[0, 0, 3]),
        late: random.pick(&[0, 0, 3]),
    };
    let store = Unruly::new(manners, random.split(0));
    let start = store.position().await.unwrap();
    let (writers, readers) = (1 + random.below(3), 1 + random.below(6));
    let patience = random.pick(&[0, 1, 4]);

    let mut readings = Vec::new();
    for reader in 0..readers {
        let options = options(&mut random);
        let watch = store.watch(options.clone().after(start)).await;
        let watch = again(&store, &options, start, watch).await;
        let reader = Reader {
            store: store.clone(),
            options,
            random: random.split(100 + reader as u64),
            patience: random.pick(&[0, 0, 1, 8]),
        };
        readings.push(tokio::spawn(reader.read(watch)));
    }
    let writings = (0..writers).map(|writer| {
        let random = random.split(200 + writer as u64);
        tokio::spawn(write(store.clone(), random, writer as u64, patience))
    });
    for writing in join_all(writings).await {
        writing.unwrap();
    }
    drop(store.update(update_of(&[(LAST_KEY, Some(LAST))], &store).await).await.unwrap());
    store.give_held();

    let mut told = Vec::new();
    for reading in readings {
        told.push(reading.await.unwrap());
    }
    assert_eq!(store.subscriptions(), 0, "a watch that was dropped is still subscribed");
    let history = store.into_history();
    for (options, seen) in &told {
        history.check(start, seen, &options.watched, options.mode);
    }
    told.iter().map(|(_, seen)| seen.len() as u64).sum()
}

fn options(random: &mut Random) -> WatchOptions<String> {
    let watched = match random.below(3) {
        0 => Watched::All,
        1 => Watched::Prefix("a".into()),
        _ => Watched::Key(LAST_KEY.to_owned()),
    };
    let mut options = WatchOptions::all().with_page_size(random.pick(&[1, 3, 32, 256]));
    options.watched = watched;
    options.with_mode(random.pick(&[Mode::Every, Mode::Latest]))
}

async fn write(store: Unruly, mut random: Random, writer: u64, patience: usize) {
    let keys = ["a1", "a2", "a1/x", "b1", "b2", "c"];
    for step in 1..=600 {
        // No value is set twice, so that no loss looks like something else.
        let value = writer << 32 | step;
        let count = 1 + random.below(3);
        let sets: Vec<_> = (0..count)
            .map(|_| (random.pick(&keys), (!random.one_in(4)).then_some(value)))
            .collect();
        drop(store.update(update_of(&sets, &store).await).await.unwrap());
        for _ in 0..random.below(patience + 1) {
            yield_now().await;
        }
        if random.one_in(1000) {
            store.begin_again();
        }
    }
}

async fn update_of(sets: &[(&str, Option<u64>)], store: &Unruly) -> Update<String, u64> {
    let update = Update::new(store.position().await.unwrap());
    sets.iter().fold(update, |update, (key, value)| match value {
        Some(value) => update.set((*key).to_owned(), *value),
        None => update.remove((*key).to_owned()),
    })
}

/// Opens a watch after `cursor` until the store can be read.
async fn again(
    store: &Unruly,
    options: &WatchOptions<String>,
    cursor: Cursor,
    mut watch: ramus_core::Result<Watch<String, u64>>,
) -> Watch<String, u64> {
    loop {
        match watch {
            Ok(watch) => return watch,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
        watch = store.watch(options.clone().after(cursor)).await;
    }
}

struct Reader {
    store: Unruly,
    options: WatchOptions<String>,
    random: Random,
    /// How often others get a turn between two events, at most.
    patience: usize,
}

impl Reader {
    /// Reads up to the last change and returns what it was told.
    async fn read(mut self, mut watch: Watch<String, u64>) -> (WatchOptions<String>, Vec<Seen>) {
        let mut told = Vec::new();
        loop {
            // Now and then a future is dropped before it is done.
            let hurried = if self.random.one_in(4) { watch.next().now_or_never() } else { None };
            let event = match hurried {
                Some(event) => event,
                None => watch.next().await,
            };
            let seen = match event.expect("the store is open") {
                Ok(Event::Changed(changed)) => Seen::changed(&changed),
                Ok(Event::Resync(snapshot)) => {
                    let cursor = snapshot.cursor();
                    Seen::resync(cursor, snapshot.collect().await.unwrap())
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => continue,
                Err(error) => panic!("{error:?}"),
            };
            let last = ends(&seen);
            told.push(seen);
            if last {
                return (self.options, told);
            }
            for _ in 0..self.random.below(self.patience + 1) {
                yield_now().await;
            }
            if self.random.one_in(50) {
                watch = self.resume(watch).await;
            }
        }
    }

    async fn resume(&self, watch: Watch<String, u64>) -> Watch<String, u64> {
        let cursor = watch.cursor();
        drop(watch);
        let watch = self.store.watch(self.options.clone().after(cursor)).await;
        again(&self.store, &self.options, cursor, watch).await
    }
}

/// Returns whether this tells of the last change.
fn ends(seen: &Seen) -> bool {
    match seen {
        Seen::Resync { entries, .. } => entries.get(LAST_KEY) == Some(&LAST),
        Seen::Changed { keys, .. } => keys.iter().any(|key| key.new == Some(LAST)),
    }
}
