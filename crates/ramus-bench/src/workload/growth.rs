//! One directory `w` with `k%06d(i)` -> `v<i>` of 1000 to 1 000 000 entries (100 000 when quick): an update and its commit, a
//! lookup, a page of 100 at a random offset, the diff of a one-key change, and a merge of 100 changes
//! against 100 others.
//!
//! Each operation is timed in rounds, and the median of the rounds counts. At the end stands a table of
//! what each costs as the directory grows, as `docs/growth.md` has it.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ramus_core::hash::DigestHash;
use ramus_core::{Hash as _, Sha1};
use ramus_kv::{ListOptions, Store};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Place, Texts, info};
use crate::peer::{PeerStore, Skill};
use crate::random::SplitMix64;
use crate::record::{Record, Recorder};
use crate::start::Start;
use crate::subject::Subject;

const COUNTS: [u64; 4] = [1000, 10_000, 100_000, 1_000_000];
const ROUNDS: u64 = 9;
const UPDATES: u64 = 100;
const READS: u64 = 1000;
const PAGES: u64 = 200;
const DIFFS: u64 = 40;
const MERGES: u64 = 3;
const CHANGES: u64 = 100;

/// The steps, as the table names them, and from which size on what they cost is compared.
const STEPS: [(&str, u64); 5] = [
    ("update", 10_000),
    ("lookup", 10_000),
    ("page of 100", 10_000),
    ("diff of one key", 10_000),
    ("merge of 100 and 100", 100_000),
];

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("growth");
    for count in COUNTS.into_iter().filter(|count| *count <= context.size(100_000, 1_000_000)) {
        let synced = |subject| count <= context.size_for(subject, 1000, u64::MAX, u64::MAX);
        for subject in context.ramus().filter(|subject| synced(*subject)) {
            ramus(&mut recorder, &context.place(subject)?, (subject, count)).await?;
        }
        if context.has(Subject::Floor) {
            let bytes = bytes_of_an_update(count).await?;
            floor_of_updates(&mut recorder, &name("update", count), UPDATES * ROUNDS, bytes);
        }
        for peer in context.skilled(Skill::Group) {
            let most = if peer.is_synced() { context.size(1000, u64::MAX) } else { u64::MAX };
            if count <= most {
                let (mut store, _place) = context.open(peer)?;
                let subject = Subject::Peer(peer.name());
                of_peer(&mut recorder, &mut *store, (subject, count))?;
            }
        }
    }
    Ok(recorder.records)
}

/// Returns how many bytes of blocks an update of a directory of so many entries makes.
pub(super) async fn bytes_of_an_update(count: u64) -> Result<u64> {
    const UPDATES: u64 = 20;
    let place = Place::new(Subject::RamusMem, None)?;
    let (repo, given) = place.metered_repo().await?;
    let main = repo.main().await?;
    fill(&main, count).await?;
    let mut random = SplitMix64::new(11);
    let before = given();
    for j in 0..UPDATES {
        main.set(key(random.below(count)), format!("u{j}"), info()).await?;
    }
    Ok((given() - before) / UPDATES)
}

fn name(step: &str, count: u64) -> String {
    format!("{step} at {count}")
}

/// The times of one step, a round each.
struct Rounds(Vec<Duration>);

impl Rounds {
    /// Notes the median round, of so many operations.
    fn record(
        mut self,
        recorder: &mut Recorder,
        step: &str,
        (subject, count): (Subject, u64),
        (n, bytes): (u64, u64),
    ) {
        self.0.sort();
        let median = self.0[self.0.len() / 2];
        recorder.add(subject, &name(step, count), n, median, bytes);
    }
}

/// Measures one size.
async fn ramus(
    recorder: &mut Recorder,
    place: &Place,
    (subject, count): (Subject, u64),
) -> Result<()> {
    let (repo, written) = place.metered_repo().await?;
    let main = repo.main().await?;
    fill(&main, count).await?;
    let mut random = SplitMix64::new(11);

    let mut rounds = Rounds(Vec::new());
    let before = written();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for j in 0..UPDATES {
            main.set(key(random.below(count)), format!("u{j}"), info()).await?;
        }
        rounds.0.push(start.elapsed());
    }
    let bytes = (written() - before) / ROUNDS;
    rounds.record(recorder, "update", (subject, count), (UPDATES, bytes));

    let mut rounds = Rounds(Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..READS {
            assert!(main.find(key(random.below(count))).await?.is_some(), "it was set");
        }
        rounds.0.push(start.elapsed());
    }
    rounds.record(recorder, "lookup", (subject, count), (READS, 0));

    let tree = main.tree().await?;
    let mut rounds = Rounds(Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PAGES {
            let offset = random.below(count - 100);
            let options = ListOptions::default().with_offset(offset).with_limit(100);
            assert_eq!(tree.list_with("w", options).await?.len(), 100, "a whole page");
        }
        rounds.0.push(start.elapsed());
    }
    rounds.record(recorder, "page of 100", (subject, count), (PAGES, 0));
    diffs(recorder, &main, (subject, count), &mut random).await?;
    merges(recorder, &main, (subject, count), &mut random).await?;
    place.weigh().await?;
    repo.close().await?;
    Ok(())
}

/// Updates and lookups, as above. Pages, diffs and merges these peers have not.
fn of_peer(
    recorder: &mut Recorder,
    store: &mut dyn PeerStore,
    (subject, count): (Subject, u64),
) -> Result<()> {
    let entries: Vec<_> = (0..count).map(|i| (key(i), format!("v{i}"))).collect();
    store.set(&entries)?;
    let mut random = SplitMix64::new(11);
    let mut rounds = Rounds(Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for j in 0..UPDATES {
            store.set(&[(key(random.below(count)), format!("u{j}"))])?;
        }
        rounds.0.push(start.elapsed());
    }
    rounds.record(recorder, "update", (subject, count), (UPDATES, 0));
    let mut rounds = Rounds(Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..READS {
            assert!(store.find(&key(random.below(count)))?.is_some(), "it was set");
        }
        rounds.0.push(start.elapsed());
    }
    rounds.record(recorder, "lookup", (subject, count), (READS, 0));
    Ok(())
}

async fn diffs(
    recorder: &mut Recorder,
    main: &Store<Texts>,
    (subject, count): (Subject, u64),
    random: &mut SplitMix64,
) -> Result<()> {
    let mut rounds = Rounds(Vec::new());
    for round in 0..ROUNDS {
        let mut took = Duration::ZERO;
        for j in 0..DIFFS {
            let old = main.tree().await?;
            main.set(key(random.below(count)), format!("d{round}-{j}"), info()).await?;
            let new = main.tree().await?;
            let start = Instant::now();
            assert_eq!(old.diff(&new).collect().await?.len(), 1, "one key differs");
            took += start.elapsed();
        }
        rounds.0.push(took);
    }
    rounds.record(recorder, "diff of one key", (subject, count), (DIFFS, 0));
    Ok(())
}

async fn merges(
    recorder: &mut Recorder,
    main: &Store<Texts>,
    (subject, count): (Subject, u64),
    random: &mut SplitMix64,
) -> Result<()> {
    let mut rounds = Rounds(Vec::new());
    for round in 0..ROUNDS {
        let mut took = Duration::ZERO;
        for j in 0..MERGES {
            let other = main.fork(&format!("other{round}-{j}")).await?;
            for (store, parity) in [(main, 0), (&other, 1)] {
                let mut edit = store.begin().await?;
                for _ in 0..CHANGES {
                    // One side changes the even keys, the other one the odd ones.
                    let i = random.below(count / 2) * 2 + parity;
                    edit.set(key(i), format!("m{round}-{j}-{parity}")).await?;
                }
                store.commit(edit, info()).await?;
            }
            let start = Instant::now();
            main.merge(&other, info()).await?.clean()?;
            took += start.elapsed();
        }
        rounds.0.push(took);
    }
    rounds.record(recorder, "merge of 100 and 100", (subject, count), (MERGES, 0));
    Ok(())
}

/// Prints what each operation costs as the directory grows, as a table in Markdown.
pub(crate) fn print_table(records: &[Record]) {
    let find = |step: &str, count: u64| {
        let step = name(step, count);
        records.iter().find(|one| one.step == step && one.subject == Subject::RamusMem)
    };
    // A quick run ends before the last.
    if find("update", COUNTS[3]).is_none() {
        return;
    }
    println!("\n| operation | 1 000 | 10 000 | 100 000 | 1 000 000 | grows |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (step, from) in STEPS {
        let times = COUNTS.map(|count| find(step, count).map_or(f64::NAN, |one| one.ns_per_op));
        let from = COUNTS.iter().position(|count| *count == from).unwrap_or(0);
        let cells = times.map(|ns| format!("{:.1} us", ns / 1e3)).join(" | ");
        println!("| {step} | {cells} | {:.2} |", times[3] / times[from]);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of bytes are small")]
    let bytes = COUNTS.map(|count| {
        find("update", count).map_or(f64::NAN, |one| one.bytes_written as f64 / one.n as f64)
    });
    let cells = bytes.map(|bytes| format!("{bytes:.0} B")).join(" | ");
    println!("| bytes written by an update | {cells} | {:.2} |", bytes[3] / bytes[1]);
}

/// Puts entries into the directory, in one commit.
pub(super) async fn fill(main: &Store<Texts>, count: u64) -> Result<()> {
    let mut edit = main.begin().await?;
    for i in 0..count {
        edit.set(key(i), format!("v{i}")).await?;
    }
    main.commit(edit, info()).await?;
    Ok(())
}

pub(super) fn key(i: u64) -> String {
    format!("w/k{i:06}")
}

/// An update hashes the bytes that it writes and puts them into a map.
pub(super) fn floor_of_updates(recorder: &mut Recorder, step: &str, updates: u64, bytes: u64) {
    let mut map: HashMap<Sha1, Vec<u8>, DigestHash> = HashMap::default();
    let start = Start::now();
    for i in 0..updates {
        let block = block(i, bytes);
        map.insert(Sha1::of(&block), block);
    }
    recorder.done(Subject::Floor, step, updates, start);
    black_box(map);
}

/// Returns what an update writes, as one block.
pub(super) fn block(i: u64, bytes: u64) -> Vec<u8> {
    let mut block = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).max(8)];
    block[..8].copy_from_slice(&i.to_le_bytes());
    block
}
