//! Writers of one branch, 1, 8, 64 and 256 of them, on two threads: 2 000 commits together (20 000 when
//! full), for each strategy; and 64 writers of a branch each. The `n`th of all commits sets
//! `a/<n mod 64>/<n / 64>` to `v<n>`, so that the tree is the same however many write. A writer that is to be
//! merged, refused or run again begins, gives others their chance, edits, and commits; one that is refused
//! begins anew.
//!
//! The figures are commits. Where transactions refuse, the answers are counted beside them: commits and
//! refusals. A refusal is a whole answer, and how often there are any is the caller's affair: of those
//! that began on one tip all but one are refused, however fast the branch is. `docs/design/performance.md`
//! says what follows from that.
//!
//! There is no floor: what one writer does is what many are compared with, by time and, which others
//! on the machine disturb less, by the processor time of all threads.

use std::time::Instant;

use ramus_core::{ErrorKind, Result as CoreResult};
use ramus_kv::{OnRace, Repo, Store, TransactionOptions};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};

use crate::cli::{RunOptions, Scale};
use crate::fixture::{Place, Texts, info};
use crate::record::{Record, Recorder};
use crate::subject::Subject;
use crate::{Result, cpu};

const WRITERS: [u64; 4] = [1, 8, 64, 256];

/// How a writer writes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Edit,
    Merge,
    Refuse,
    Again,
}

impl Way {
    const ALL: [Self; 4] = [Self::Edit, Self::Merge, Self::Refuse, Self::Again];

    const fn name(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Merge => "merge",
            Self::Refuse => "refuse",
            Self::Again => "run again",
        }
    }

    /// Writes a value; returns how many answers it took.
    async fn write(self, store: &Store<Texts>, path: String, value: String) -> CoreResult<u64> {
        let mut answers = 1;
        match self {
            Self::Edit => drop(store.set(path, value, info()).await?),
            Self::Merge => {
                let mut edit = store.begin().await?;
                yield_now().await;
                edit.set(path, value).await?;
                store.commit(edit, info()).await?;
            }
            Self::Refuse => loop {
                let options = TransactionOptions::default().with_on_race(OnRace::Refuse);
                let mut edit = store.begin_with(options).await?;
                yield_now().await;
                edit.set(path.as_str(), value.as_str()).await?;
                match store.commit(edit, info()).await {
                    Err(late) if late.kind() == ErrorKind::Contention => answers += 1,
                    answer => break drop(answer?),
                }
            },
            Self::Again => {
                store
                    .transact_again(info(), async move |edit| {
                        yield_now().await;
                        edit.set(path.as_str(), value.as_str()).await
                    })
                    .await?;
            }
        }
        Ok(answers)
    }
}

pub(super) fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("hot");
    if !options.has(Subject::RamusMem) {
        return Ok(recorder.records);
    }
    let count = match options.scale {
        Scale::Quick => 2_000,
        Scale::Full => 20_000,
    };
    for way in Way::ALL {
        for writers in WRITERS {
            let step = format!("{}, {writers} on one", way.name());
            measure(&mut recorder, &step, way, (writers, count), |_| "main".to_owned())?;
        }
        let step = format!("{}, 64 on 64", way.name());
        measure(&mut recorder, &step, way, (64, count), |writer| format!("b{writer}"))?;
    }
    Ok(recorder.records)
}

fn measure(
    recorder: &mut Recorder,
    step: &str,
    way: Way,
    (writers, count): (u64, u64),
    branch: fn(u64) -> String,
) -> Result<()> {
    let each = count / writers;
    // The caller's runtime has one thread, and is not left: so this one is on threads of its own.
    let measured = std::thread::scope(|threads| {
        let work = threads.spawn(|| -> Result<_, String> {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let place = Place::new(Subject::RamusMem, None).map_err(|error| error.to_string())?;
            let repo = runtime.block_on(place.repo()).map_err(|error| error.to_string())?;
            let (start, used) = (Instant::now(), cpu::used());
            let answers = runtime.block_on(crowd(repo.clone(), way, (writers, each), branch));
            let answers = answers.map_err(|error| error.to_string())?;
            let (took, used) = (start.elapsed(), cpu::used().saturating_sub(used));
            let verified = runtime.block_on(verify(&repo, (writers, each), branch));
            verified.map_err(|error| error.to_string())?;
            runtime.block_on(place.weigh()).map_err(|error| error.to_string())?;
            Ok((answers, took, used))
        });
        work.join().map_err(|_| "a writer panicked".to_owned())?
    });
    let (answers, took, used) = measured?;
    recorder.add(Subject::RamusMem, step, writers * each, took, 0);
    recorder.used(used);
    if matches!(way, Way::Refuse) {
        recorder.add(Subject::RamusMem, &format!("{step}, answers"), answers, took, 0);
        recorder.used(used);
    }
    Ok(())
}

async fn crowd(
    repo: Repo<Texts>,
    way: Way,
    (writers, each): (u64, u64),
    branch: fn(u64) -> String,
) -> CoreResult<u64> {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = repo.branch(&branch(writer)).await?;
        tasks.spawn(async move {
            let mut answers = 0;
            for i in 0..each {
                let number = writer * each + i;
                let (path, value) = edit(number);
                answers += way.write(&store, path, value).await?;
            }
            Ok(answers)
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// Looks for what every writer wrote.
async fn verify(
    repo: &Repo<Texts>,
    (writers, each): (u64, u64),
    branch: fn(u64) -> String,
) -> CoreResult<()> {
    for writer in 0..writers {
        let store = repo.branch(&branch(writer)).await?;
        for (path, value) in (writer * each..writer * each + each).map(edit) {
            assert_eq!(store.find(&path).await?, Some(value), "{path} is what was written");
        }
    }
    Ok(())
}

/// Returns the `n`th of all edits.
fn edit(number: u64) -> (String, String) {
    (format!("a/{}/{}", number % 64, number / 64), format!("v{number}"))
}

/// Prints what many writers do in a time, and with so much processor time, for what one does.
pub(super) fn print_table(records: &[Record]) {
    println!("\n  {:28} {:>12} {:>12}", "for what one writer does", "in its time", "with its cpu");
    for way in Way::ALL {
        for what in ["", ", answers"] {
            let find = |writers: u64| {
                let step = format!("{}, {writers} on one{what}", way.name());
                records.iter().find(|record| record.step == step)
            };
            let Some(one) = find(1) else { continue };
            for many in WRITERS[1..].iter().filter_map(|writers| find(*writers)) {
                let cpu = |record: &Record| record.cpu_ns_per_op.unwrap_or_default();
                let (time, cpu) = (one.ns_per_op / many.ns_per_op, cpu(one) / cpu(many));
                println!("  {:28} {time:>12.2} {cpu:>12.2}", many.step);
            }
        }
    }
}
