//! One directory of 20 000 entries (quick: 5000) with values of many lengths: it is built and committed, one entry at
//! a time is updated and committed, found at random, and compared with what it was before. What is
//! measured is the threshold that the program was compiled with, up to which contents stand in their
//! entry.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use ramus_core::erased::Backend;
use ramus_core::wrap::{MeteredStorage, Operation};
use ramus_core::{Storage as _, Sweep as _};
use ramus_kv::block::INLINE_MAX;
use ramus_mem::Mem;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{info, repo};
use crate::memory;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

/// How many entries, updates and finds.
type Size = (u64, u64, u64);

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

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let size = context.size((5000, 300, 5000), (20_000, 1000, 20_000));
    let mut recorder = Recorder::new("inline");
    if context.has(Subject::RamusMem) {
        for mix in MIXES {
            measure(&mut recorder, mix, size).await?;
        }
    }
    Ok(recorder.records)
}

async fn measure(recorder: &mut Recorder, mix: Mix, (entries, updates, finds): Size) -> Result<()> {
    let subject = Subject::RamusMem;
    memory::begin();
    let storage = MeteredStorage::new(Mem::default());
    let meters = Arc::clone(storage.meters());
    let written = || meters.read(Operation::Write).bytes_in;
    let backend = Backend::new(storage);
    let main = repo(backend.clone()).main().await?;
    let mut random = SplitMix64::new(17);

    let start = Start::now();
    let mut edit = main.begin().await?;
    for i in 0..entries {
        edit.set(key(i), mix.value(&mut random)).await?;
    }
    main.commit(edit, info()).await?;
    let took = start.elapsed();
    let blocks = match backend.sweep() {
        Some(sweep) => sweep.keys().try_fold(0, async |count: u64, _| Ok(count + 1)).await?,
        None => 0,
    };
    let name = |step: &str| format!("{INLINE_MAX}, {mix:?}: {step}");
    recorder.add(subject, &name(&format!("{blocks} blocks")), entries, took, written());

    let (before, mut took) = (written(), Duration::ZERO);
    let mut compared = Duration::ZERO;
    for _ in 0..updates {
        let (key, value) = (key(random.below(entries)), mix.value(&mut random));
        let old = main.tree().await?;
        let start = Start::now();
        main.set(key, value, info()).await?;
        took += start.elapsed();
        let new = main.tree().await?;
        let start = Start::now();
        assert!(old.diff(&new).collect().await?.len() <= 1, "at most one key differs");
        compared += start.elapsed();
    }
    recorder.add(subject, &name("update"), updates, took, written() - before);
    recorder.add(subject, &name("diff"), updates, compared, 0);

    let start = Start::now();
    for _ in 0..finds {
        assert!(main.find(key(random.below(entries))).await?.is_some(), "it was set");
    }
    recorder.done(subject, &name("find"), finds, start);
    memory::weigh(&backend).await
}

fn key(i: u64) -> String {
    format!("w/k{i:06}")
}
