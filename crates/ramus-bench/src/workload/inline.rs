//! One directory of 20 000 entries with values of many lengths: it is built and committed, one entry at
//! a time is updated and committed, found at random, and compared with what it was before. What is
//! measured is the threshold that the program was compiled with, up to which contents stand in their
//! entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use ramus_core::erased::Backend;
use ramus_core::wrap::{MeteredStorage, Operation};
use ramus_core::{Storage as _, Sweep as _};
use ramus_kv::block::INLINE_MAX;
use ramus_mem::Mem;

use crate::Result;
use crate::cli::RunOptions;
use crate::fixture::{info, repo};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder, Subject};

const COUNT: u64 = 20_000;
const UPDATES: u64 = 1000;
const FINDS: u64 = 20_000;

/// How long values are.
#[derive(Clone, Copy, Debug)]
enum Mix {
    /// 1 to 16 bytes: numbers, flags, short names.
    Short,
    /// 40 or 64 bytes: hashes in hex.
    Names,
    /// 1 to 128 bytes, each length as likely as any other.
    Even,
    /// Many short ones, fewer long ones, and some very long ones.
    Skewed,
    /// 90 to 128 bytes: small records.
    Records,
}

const MIXES: [Mix; 5] = [Mix::Short, Mix::Names, Mix::Even, Mix::Skewed, Mix::Records];

impl Mix {
    fn length(self, random: &mut SplitMix64) -> u64 {
        match self {
            Self::Short => 1 + random.below(16),
            Self::Names => 40 + 24 * random.below(2),
            Self::Even => 1 + random.below(128),
            Self::Skewed => match random.below(10) {
                0..6 => 1 + random.below(32),
                6..9 => 33 + random.below(96),
                _ => 129 + random.below(900),
            },
            Self::Records => 90 + random.below(39),
        }
    }

    fn value(self, random: &mut SplitMix64) -> String {
        let length = self.length(random);
        let digit =
            |number: u64| u32::try_from(number).ok().and_then(|one| char::from_digit(one, 16));
        (0..length).filter_map(|_| digit(random.below(16))).collect()
    }
}

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("inline");
    if options.has(Subject::RamusMem) {
        for mix in MIXES {
            measure(&mut recorder, mix).await?;
        }
    }
    Ok(recorder.records)
}

async fn measure(recorder: &mut Recorder, mix: Mix) -> Result<()> {
    let subject = Subject::RamusMem;
    let storage = MeteredStorage::new(Mem::default());
    let meters = Arc::clone(storage.meters());
    let written = || meters.read(Operation::Write).bytes_in;
    let backend = Backend::new(storage);
    let main = repo(backend.clone()).main().await?;
    let mut random = SplitMix64::new(17);

    let start = Instant::now();
    let mut edit = main.begin().await?;
    for i in 0..COUNT {
        edit.set(key(i), mix.value(&mut random)).await?;
    }
    main.commit(edit, info()).await?;
    let took = start.elapsed();
    let blocks = match backend.sweep() {
        Some(sweep) => sweep.keys().try_fold(0, async |count: u64, _| Ok(count + 1)).await?,
        None => 0,
    };
    let name = |step: &str| format!("{INLINE_MAX}, {mix:?}: {step}");
    recorder.add(subject, &name(&format!("{blocks} blocks")), COUNT, took, written());

    let (before, mut took) = (written(), Duration::ZERO);
    let mut compared = Duration::ZERO;
    for _ in 0..UPDATES {
        let (key, value) = (key(random.below(COUNT)), mix.value(&mut random));
        let old = main.tree().await?;
        let start = Instant::now();
        main.set(key, value, info()).await?;
        took += start.elapsed();
        let new = main.tree().await?;
        let start = Instant::now();
        assert!(old.diff(&new).collect().await?.len() <= 1, "at most one key differs");
        compared += start.elapsed();
    }
    recorder.add(subject, &name("update"), UPDATES, took, written() - before);
    recorder.add(subject, &name("diff"), UPDATES, compared, 0);

    let start = Instant::now();
    for _ in 0..FINDS {
        assert!(main.find(key(random.below(COUNT))).await?.is_some(), "it was set");
    }
    recorder.done(subject, &name("find"), FINDS, start);
    Ok(())
}

fn key(i: u64) -> String {
    format!("w/k{i:06}")
}
