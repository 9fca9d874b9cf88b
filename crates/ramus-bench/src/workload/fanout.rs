//! 1, 100 and 10 000 watchers of one ref, and one more that takes nothing until all sets are done: the sets,
//! which nobody slows down, then the events of all, and at last those of the slow one, each of which it
//! gets.

use std::hint::black_box;
use std::sync::Arc;

use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName, Storage as _,
};
use ramus_watch::WatchExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Result;
use crate::context::{Context, Measured};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("fanout");
    for subject in context.ramus() {
        for watchers in [1, 100, 10_000] {
            let sets = sets(context, watchers, subject);
            ramus(context, &mut recorder, (subject, watchers), sets).await?;
        }
    }
    if context.has(Subject::Floor) {
        for watchers in [1, 100, 10_000] {
            floor(&mut recorder, watchers, sets(context, watchers, Subject::Floor));
        }
    }
    Ok(recorder.records)
}

fn sets(context: &Context<'_>, watchers: u32, subject: Subject) -> u64 {
    let sets = if watchers > 1000 { 100 } else { 500 };
    context.size_for(subject, 100, sets, 10 * sets)
}

/// An event is put into a list that all share, and each watcher takes every event from there.
fn floor(recorder: &mut Recorder, watchers: u32, sets: u64) {
    let mut log: Vec<Arc<u64>> = Vec::new();
    let start = Start::now();
    for i in 0..sets {
        log.push(Arc::new(i));
    }
    recorder.done(Subject::Floor, &format!("{watchers}: set"), sets, start);
    let watch = || {
        for event in &log {
            black_box(Arc::clone(event));
        }
    };
    for _ in 0..watchers {
        watch();
    }
    let events = sets * u64::from(watchers);
    recorder.done(Subject::Floor, &format!("{watchers}: event"), events, start);
    let start = Start::now();
    watch();
    recorder.done(Subject::Floor, &format!("{watchers}: event of the slow"), sets, start);
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
    let mut slow = refs.watch_key(&key).await?;
    let done = Arc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..watchers {
        let mut watch = refs.watch_key(&key).await?;
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            for _ in 0..sets {
                let next = watch.next().await.ok_or("a watch ended")?;
                next.map_err(|error| error.to_string())?;
            }
            done.add_permits(1);
            Ok::<_, String>(())
        });
    }
    let start = Start::now();
    for i in 0..sets {
        refs.set(key.clone(), if i % 2 == 0 { one } else { other }).await?;
    }
    recorder.done(subject, &format!("{watchers}: set"), sets, start);
    done.acquire_many(watchers).await?.forget();
    recorder.done(subject, &format!("{watchers}: event"), sets * u64::from(watchers), start);
    let start = Start::now();
    for _ in 0..sets {
        slow.next().await.ok_or("the slow watch ended")??;
    }
    recorder.done(subject, &format!("{watchers}: event of the slow"), sets, start);
    while let Some(watched) = tasks.join_next().await {
        watched??;
    }
    place.weigh().await?;
    refs.close().await?;
    Ok(())
}
