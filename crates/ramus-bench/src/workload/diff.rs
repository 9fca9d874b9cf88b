//! Two committed versions of `tree` that differ in the 100 keys i = 1000j + 7, read afresh by commit; what
//! differs is listed.

use std::collections::HashMap;

use ramus_core::hash::DigestHash;
use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{info, repo};
use crate::peer::{Peer, Skill};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::tree::{self, COUNT, path};

const STEP: &str = "diff of 100 keys";
const CHANGES: u64 = 100;

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("diff");
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let backend = place.backend().await?;
        let main = repo(backend.clone()).main().await?;
        tree::commit(&main, 0..COUNT).await?;
        let older = main.head().await?.ok_or("it was committed")?.hash();
        let mut edit = main.begin().await?;
        for i in changed() {
            edit.set(path(i), format!("u{i}")).await?;
        }
        main.commit(edit, info()).await?;
        let newer = main.head().await?.ok_or("it was committed")?.hash();
        // Nothing that is decoded is left from writing it.
        let repo = repo(backend);
        let start = Start::now();
        let older = repo.commit(&older).await?.ok_or("it was committed")?;
        let newer = repo.commit(&newer).await?.ok_or("it was committed")?;
        let differs = older.tree().diff(&newer.tree()).collect().await?;
        recorder.done(subject, STEP, 1, start);
        let differs: Vec<_> = differs.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(differs, changed().map(path).collect::<Vec<_>>(), "what was changed");
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder)?;
    }
    for peer in context.skilled(Skill::Diff) {
        peer_differs(context, &mut recorder, peer)?;
    }
    Ok(recorder.records)
}

fn peer_differs(
    context: &Context<'_>,
    recorder: &mut Recorder,
    peer: &'static dyn Peer,
) -> Result<()> {
    let (mut store, _place) = context.open(peer)?;
    store.set(&tree::edits(0..COUNT))?;
    let edits: Vec<_> = changed().map(|i| (path(i), format!("u{i}"))).collect();
    store.set(&edits)?;
    store.forget()?;
    let start = Start::now();
    let differs = store.diff(1, 2)?;
    recorder.done(Subject::Peer(peer.name()), STEP, 1, start);
    assert_eq!(differs, changed().map(path).collect::<Vec<_>>(), "what was changed");
    Ok(())
}

fn changed() -> impl Iterator<Item = u64> {
    (0..CHANGES).map(|j| 1000 * j + 7)
}

/// Two lists of a thousand hashes are compared, and of the directories that differ both versions are
/// fetched from a map, taken apart and compared.
fn floor(recorder: &mut Recorder) -> Result<()> {
    let mut map: HashMap<Sha1, String, DigestHash> = HashMap::default();
    let mut version = |changed: bool| -> Vec<Sha1> {
        let directories = (0..COUNT / 100).map(|directory| {
            let entry = |i: u64| {
                let letter = if changed && i % 1000 == 7 { 'u' } else { 'v' };
                format!("{:02} {letter}{i}\n", i % 100)
            };
            let block: String = (directory * 100..directory * 100 + 100).map(entry).collect();
            let name = Sha1::of(block.as_bytes());
            map.insert(name, block);
            name
        });
        directories.collect()
    };
    let (older, newer) = (version(false), version(true));
    let start = Start::now();
    let mut differs = Vec::new();
    for (older, newer) in older.iter().zip(&newer).filter(|(older, newer)| older != newer) {
        let [older, newer] = [older, newer].map(|name| map.get(name).ok_or("it was put in"));
        let (older, newer) = (entries(older?), entries(newer?));
        differs.extend(older.zip(newer).filter(|(older, newer)| older != newer));
    }
    recorder.done(Subject::Floor, STEP, 1, start);
    assert_eq!(differs.len() as u64, CHANGES, "as many as were changed");
    Ok(())
}

/// Returns the steps of a directory and their values.
fn entries(block: &str) -> impl Iterator<Item = (&str, &str)> {
    block.lines().filter_map(|line| line.split_once(' '))
}
