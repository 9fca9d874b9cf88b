//! What a watcher that has caught up takes in memory, and what a key takes that was read into the cache of
//! a repository: the growth of the resident size over their number. It stands in the column of bytes.

use std::time::Duration;

use ramus_core::Storage as _;
use ramus_core::{AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName};
use ramus_watch::WatchExt as _;

use crate::Result;
use crate::context::{Context, Measured};
use crate::record::Recorder;
use crate::rss;
use crate::subject::Subject;
use crate::workload::tree;

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("memory");
    for subject in context.ramus() {
        watchers(context, &mut recorder, subject).await?;
        cached(context, &mut recorder, subject).await?;
    }
    Ok(recorder.records)
}

/// Notes how much has grown since; how long it took is not the question.
fn grown(recorder: &mut Recorder, subject: Subject, step: &str, n: u64, before: u64) {
    let bytes = rss::now_bytes().saturating_sub(before);
    recorder.add(subject, step, n, Duration::from_nanos(n), bytes);
}

async fn watchers(context: &Context<'_>, recorder: &mut Recorder, subject: Subject) -> Result<()> {
    const WATCHERS: u64 = 10_000;
    let place = context.place(subject)?;
    let storage = place.backend().await?;
    let block = storage.blocks().add("block".into()).await?;
    let (refs, key) = (storage.refs(), RefName::branch("x")?);
    let before = rss::now_bytes();
    let mut watches = Vec::new();
    for _ in 0..WATCHERS {
        watches.push(refs.watch_key(&key).await?);
    }
    refs.set(key.clone(), block).await?;
    for watch in &mut watches {
        watch.next().await.ok_or("a watch ended")??;
    }
    grown(recorder, subject, "a watcher", WATCHERS, before);
    refs.close().await?;
    Ok(())
}

async fn cached(context: &Context<'_>, recorder: &mut Recorder, subject: Subject) -> Result<()> {
    let place = context.place(subject)?;
    {
        let repo = place.repo().await?;
        tree::commit(&repo.main().await?, 0..tree::COUNT).await?;
        if subject != Subject::RamusMem {
            repo.close().await?;
        }
    }
    let repo = place.repo().await?;
    let main = repo.main().await?;
    let before = rss::now_bytes();
    for i in 0..tree::COUNT {
        assert!(main.find(tree::path(i)).await?.is_some(), "what was set is found");
    }
    grown(recorder, subject, "a cached key", tree::COUNT, before);
    repo.close().await?;
    Ok(())
}
