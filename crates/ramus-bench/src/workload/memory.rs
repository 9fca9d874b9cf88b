//! What a watcher that has caught up takes in memory, and what a key takes that was read into the cache of
//! a repository: the growth of the resident size over their number. It stands in the column of bytes.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ramus_core::erased::Backend;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, ReadOnly as _, RefName, Storage as _,
};
use ramus_pack::{Pack, PackOptions};
use ramus_watch::WatchExt as _;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::repo;
use crate::record::Recorder;
use crate::rss;
use crate::subject::Subject;
use crate::workload::tree;

const WATCHERS: u64 = 10_000;
const WATCHER: &str = "a watcher";
const CACHED: &str = "a cached key";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("memory");
    for subject in context.ramus() {
        // First, before there is room left over from the watchers.
        if subject != Subject::RamusMem {
            cached(context, &mut recorder, subject).await?;
        }
        watchers(context, &mut recorder, subject).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

/// Notes how much has grown since; how long it took is not the question.
fn grown(recorder: &mut Recorder, subject: Subject, step: &str, n: u64, before: u64) {
    let bytes = rss::now_bytes().saturating_sub(before);
    recorder.add(subject, step, n, Duration::from_nanos(n), bytes);
}

async fn watchers(context: &Context<'_>, recorder: &mut Recorder, subject: Subject) -> Result<()> {
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
    grown(recorder, subject, WATCHER, WATCHERS, before);
    place.weigh().await?;
    refs.close().await?;
    Ok(())
}

/// On disk only: in memory what was written is kept decoded, and there is nothing to read.
async fn cached(context: &Context<'_>, recorder: &mut Recorder, subject: Subject) -> Result<()> {
    let place = context.place(subject)?;
    // By another process, so that this one has no room left over from writing.
    let program = std::env::current_exe()?;
    let prepared = Command::new(program).arg("prepare").arg(place.directory()?).status()?;
    if !prepared.success() {
        return Err("the repository could not be prepared".into());
    }
    let repository = place.repo().await?;
    let main = repository.main().await?;
    main.find(tree::path(0)).await?;
    let before = rss::now_bytes();
    for i in 0..tree::COUNT {
        assert!(main.find(tree::path(i)).await?.is_some(), "what was set is found");
    }
    grown(recorder, subject, CACHED, tree::COUNT, before);
    place.weigh().await?;
    repository.close().await?;
    Ok(())
}

/// Makes the repository that is read.
pub(crate) async fn prepare(directory: &Path) -> Result<()> {
    let repo = repo(Backend::new(Pack::open(directory, &PackOptions::default()).await?));
    tree::commit(&repo.main().await?, 0..tree::COUNT).await?;
    repo.close().await?;
    Ok(())
}

/// A queue for each watcher, and a map of all values.
fn floor(recorder: &mut Recorder) {
    let before = rss::now_bytes();
    let queues: Vec<_> = (0..WATCHERS).map(|i| VecDeque::from([i])).collect();
    grown(recorder, Subject::Floor, WATCHER, WATCHERS, before);
    let before = rss::now_bytes();
    let values: HashMap<String, String> =
        (0..tree::COUNT).map(|i| (tree::path(i), format!("v{i}"))).collect();
    grown(recorder, Subject::Floor, CACHED, tree::COUNT, before);
    black_box((queues, values));
}
