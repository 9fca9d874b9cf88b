//! 64 writers, each of which waits until its commit is durable before it makes the next: of one branch, of a
//! branch each, and of refs alone (a block of 300 bytes and a ref each), on two threads. The `n`th of
//! all commits sets `a/<n mod 64>/<n / 64 mod 100>` to `v<n>`.
//!
//! The floor is a group append: 64 tasks hand 300 bytes each to one thread, which writes what has gathered
//! into a prewritten file with one call, syncs it once, and answers all.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use ramus_core::{AtomicWrite as _, Hash as _, ReadOnly as _, RefName, Sha1, Storage as _, Update};
use ramus_pack::Pack;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Texts, info, repo};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const WRITERS: u64 = 64;
const BYTES: usize = 300;
const STEPS: [&str; 3] = ["commit, one branch", "commit, 64 branches", "update, 64 refs"];

pub(super) fn run(context: &Context<'_>) -> Measured {
    let each = context.size(100, 2000);
    let mut recorder = Recorder::new("durable64");
    // The caller's runtime has one thread, and is not left: so this one is on threads of its own.
    let measured = std::thread::scope(|threads| {
        let work = threads.spawn(|| -> Result<Recorder, String> {
            ramus_and_floor(context, &mut recorder, each).map_err(|error| error.to_string())?;
            Ok(recorder)
        });
        work.join().map_err(|_| "a writer panicked".to_owned())?
    });
    Ok(measured?.records)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_time().build()?)
}

fn ramus_and_floor(context: &Context<'_>, recorder: &mut Recorder, each: u64) -> Result<()> {
    if context.has(Subject::RamusPack) {
        for (step, shared) in [(STEPS[0], true), (STEPS[1], false)] {
            let (runtime, place) = (runtime()?, context.place(Subject::RamusPack)?);
            runtime.block_on(async {
                let repo = repo(place.backend().await?);
                let mut stores = Vec::new();
                for writer in 0..WRITERS {
                    let name = if shared { "main".to_owned() } else { format!("b{writer}") };
                    stores.push(repo.branch(&name).await?);
                }
                let start = Start::now();
                commits(stores, each).await?;
                recorder.done(Subject::RamusPack, step, WRITERS * each, start);
                place.weigh().await?;
                Ok::<_, Box<dyn std::error::Error>>(repo.close().await?)
            })?;
        }
        let (runtime, place) = (runtime()?, context.place(Subject::RamusPack)?);
        runtime.block_on(async {
            let pack = place.pack().await?;
            let start = Start::now();
            updates(&pack, each).await?;
            recorder.done(Subject::RamusPack, STEPS[2], WRITERS * each, start);
            place.weigh().await?;
            Ok::<_, Box<dyn std::error::Error>>(pack.refs().close().await?)
        })?;
    }
    if context.has(Subject::Floor) {
        for step in STEPS {
            let place = context.place(Subject::Floor)?;
            let file = File::create(place.directory()?.join("floor"))?;
            file.write_all_at(&vec![0; GroupAppend::SIZE], 0)?;
            file.sync_all()?;
            let start = Start::now();
            GroupAppend::run(&runtime()?, file, each)?;
            recorder.done(Subject::Floor, step, WRITERS * each, start);
        }
    }
    Ok(())
}

async fn commits(stores: Vec<ramus_kv::Store<Texts>>, each: u64) -> ramus_core::Result<()> {
    let mut tasks = JoinSet::new();
    for (writer, store) in (0..).zip(stores) {
        tasks.spawn(async move {
            for i in 0..each {
                let number: u64 = writer * each + i;
                let path = format!("a/{}/{}", number % 64, number / 64 % 100);
                store.set(path, format!("v{number}"), info()).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

async fn updates(pack: &Pack, each: u64) -> ramus_core::Result<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (pack, key) = (pack.clone(), RefName::branch(&format!("b{writer}"))?);
        tasks.spawn(async move {
            for i in 0..each {
                let mut block = vec![0; BYTES];
                block[..8].copy_from_slice(&(writer * each + i).to_le_bytes());
                let name = Sha1::of(&block);
                let update = Update::new(pack.refs().position().await?).set(key.clone(), name);
                let outcome = pack.write(vec![(name, block.into())], update).await?;
                assert!(outcome.is_applied(), "it tests nothing");
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// What 64 tasks hand over to one thread.
#[derive(Default)]
struct GroupAppend {
    queue: Mutex<Vec<([u8; BYTES], oneshot::Sender<()>)>>,
    more: Condvar,
}

impl GroupAppend {
    const SIZE: usize = 16 << 20;

    fn run(runtime: &Runtime, file: File, each: u64) -> Result<()> {
        let shared = Arc::new(Self::default());
        let appender = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.append(&file, WRITERS * each))
        };
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..WRITERS {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    for _ in 0..each {
                        let (answer, answered) = oneshot::channel();
                        shared.queue.lock().push(([1; BYTES], answer));
                        shared.more.notify_one();
                        if answered.await.is_err() {
                            return;
                        }
                    }
                });
            }
            tasks.join_all().await;
        });
        appender.join().map_err(|_| "the appender panicked")??;
        Ok(())
    }

    fn append(&self, file: &File, mut left: u64) -> std::io::Result<()> {
        let mut at = 0;
        while left > 0 {
            let group = {
                let mut queue = self.queue.lock();
                while queue.is_empty() {
                    self.more.wait(&mut queue);
                }
                std::mem::take(&mut *queue)
            };
            let bytes: Vec<u8> = group.iter().flat_map(|(bytes, _)| bytes).copied().collect();
            file.write_all_at(&bytes, at)?;
            file.sync_data()?;
            at = (at + bytes.len() as u64) % (Self::SIZE - bytes.len()) as u64;
            left -= group.len() as u64;
            for (_, answer) in group {
                // A task that panicked does not wait.
                let _: Result<(), ()> = answer.send(());
            }
        }
        Ok(())
    }
}
