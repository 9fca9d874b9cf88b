//! Writers of one branch, 1, 8, 64 and 256 of them, on two threads: 2 000 commits together (20 000 when
//! full), for each strategy; and 64 writers of a branch each. The `n`th of all commits sets
//! `a/<n mod 64>/<n / 64>` to `v<n>`, so that the tree is the same however many write. A writer that is to be merged, refused or run again begins, gives others their chance, edits,
//! and commits; one that is refused begins anew.
//!
//! The figures are commits. There is no floor: what one writer does is what many are compared with.

use std::time::Instant;

use ramus_core::{ErrorKind, Result as CoreResult};
use ramus_kv::{OnRace, Repo, Store, TransactionOptions};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};

use crate::Result;
use crate::cli::{RunOptions, Scale};
use crate::fixture::{Texts, info, mem_repo};
use crate::record::{Record, Recorder, Subject};

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

    async fn write(self, store: &Store<Texts>, path: String, value: String) -> CoreResult<()> {
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
                edit.set(path.as_str(), value.as_str()).await?;
                match store.commit(edit, info()).await {
                    Err(late) if late.kind() == ErrorKind::Contention => {}
                    answer => return answer.map(drop),
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
        Ok(())
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
        let work = threads.spawn(|| -> Result<Instant, String> {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let repo = mem_repo();
            let start = Instant::now();
            let done = runtime.block_on(crowd(repo, way, (writers, each), branch));
            done.map(|()| start).map_err(|error| error.to_string())
        });
        work.join().map_err(|_| "a writer panicked".to_owned())?
    });
    recorder.done(Subject::RamusMem, step, writers * each, measured?);
    Ok(())
}

async fn crowd(
    repo: Repo<Texts>,
    way: Way,
    (writers, each): (u64, u64),
    branch: fn(u64) -> String,
) -> CoreResult<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = repo.branch(&branch(writer)).await?;
        tasks.spawn(async move {
            for i in 0..each {
                let number = writer * each + i;
                let path = format!("a/{}/{}", number % 64, number / 64);
                way.write(&store, path, format!("v{number}")).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}
