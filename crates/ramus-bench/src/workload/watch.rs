//! W watchers on one key, 10 000 sets. Throughput: until W x 10 000 events were received; the figure is for
//! one event. Latency: one set, then wait until all W saw it; the figure is for one set.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _,
};
use ramus_watch::WatchExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Result;
use crate::context::{Context, Measured};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const THROUGHPUT: &str = "throughput, an event";
const LATENCY: &str = "latency, a set";

pub(super) async fn run(context: &Context<'_>, name: &str, watchers: u32) -> Measured {
    let mut recorder = Recorder::new(name);
    for subject in context.ramus() {
        let sets = context.size_for(subject, 300, 2000, 10_000);
        ramus(context, &mut recorder, (subject, watchers), sets).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, watchers, context.size(2000, 10_000));
    }
    Ok(recorder.records)
}

async fn ramus(
    context: &Context<'_>,
    recorder: &mut Recorder,
    (subject, watchers): (Subject, u32),
    sets: u64,
) -> Result<()> {
    let place = context.place(subject)?;
    let storage = place.backend().await?;
    let one = storage.blocks().add("one".into()).await?;
    let other = storage.blocks().add("other".into()).await?;
    let (refs, key) = (storage.refs(), RefName::branch("x")?);

    // First as many sets as there are, then one at a time: each watcher counts both.
    let seen = Arc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..watchers {
        let mut watch = refs.watch_key(&key).await?;
        let seen = Arc::clone(&seen);
        tasks.spawn(async move {
            for event in 0..2 * sets {
                let next = watch.next().await.ok_or("a watch ended")?;
                next.map_err(|error| error.to_string())?;
                if event + 1 >= sets {
                    seen.add_permits(1);
                }
            }
            Ok::<_, String>(())
        });
    }
    let start = Start::now();
    for i in 0..sets {
        refs.set(key.clone(), if i % 2 == 0 { one } else { other }).await?;
    }
    seen.acquire_many(watchers).await?.forget();
    recorder.done(subject, THROUGHPUT, sets * u64::from(watchers), start);
    let start = Start::now();
    for i in sets..2 * sets {
        refs.set(key.clone(), if i % 2 == 0 { one } else { other }).await?;
        seen.acquire_many(watchers).await?.forget();
    }
    recorder.done(subject, LATENCY, sets, start);
    while let Some(watched) = tasks.join_next().await {
        watched??;
    }
    place.weigh().await?;
    refs.close().await?;
    Ok(())
}

/// Each event is put into a queue for each watcher and taken out again.
fn floor(recorder: &mut Recorder, watchers: u32, sets: u64) {
    let mut queues: Vec<VecDeque<Arc<(u64, Sha1)>>> = vec![VecDeque::new(); watchers as usize];
    let hash = Sha1::of(b"one");
    let publish = |queues: &mut Vec<VecDeque<_>>, i| {
        let event = Arc::new((i, hash));
        for queue in queues {
            queue.push_back(Arc::clone(&event));
        }
    };
    let take = |queues: &mut Vec<VecDeque<_>>| {
        for queue in queues {
            queue.drain(..).for_each(|event| drop(black_box(event)));
        }
    };
    let start = Start::now();
    (0..sets).for_each(|i| publish(&mut queues, i));
    take(&mut queues);
    recorder.done(Subject::Floor, THROUGHPUT, sets * u64::from(watchers), start);
    let start = Start::now();
    for i in 0..sets {
        publish(&mut queues, i);
        take(&mut queues);
    }
    recorder.done(Subject::Floor, LATENCY, sets, start);
}
