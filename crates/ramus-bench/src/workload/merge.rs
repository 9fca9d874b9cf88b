//! Base = `tree`. b1 = base + {i = 100j -> `x<i>`}, b2 = base + {i = 100j + 50 -> `y<i>`}, j < 1000, one
//! commit each, so all 1000 directories are touched on both sides. Merge b2 into b1.

use std::collections::HashMap;
use std::hint::black_box;

use ramus_core::hash::DigestHash;
use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::info;
use crate::peer::{Peer, Skill};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::floors;
use crate::workload::tree::{self, COUNT, path};

const STEP: &str = "merge";
const CHANGES: u64 = 1000;

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("merge");
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let repo = place.repo().await?;
        let main = repo.main().await?;
        tree::commit(&main, 0..COUNT).await?;
        let (ours, theirs) = (main.fork("b1").await?, main.fork("b2").await?);
        for (store, from, letter) in [(&ours, 0, 'x'), (&theirs, 50, 'y')] {
            let mut edit = store.begin().await?;
            for (path, value) in changes(from, letter) {
                edit.set(path, value).await?;
            }
            store.commit(edit, info()).await?;
        }
        let start = Start::now();
        ours.merge(&theirs, info()).await?.clean()?;
        recorder.done(subject, STEP, 1, start);
        recorder.result(&ours.tree().await?.hash().await?);
        for (path, value) in merged() {
            assert_eq!(ours.find(&path).await?, Some(value), "{path} after the merge");
        }
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(context, &mut recorder)?;
    }
    for peer in context.skilled(Skill::Merge) {
        peer_merges(context, &mut recorder, peer)?;
    }
    Ok(recorder.records)
}

fn peer_merges(
    context: &Context<'_>,
    recorder: &mut Recorder,
    peer: &'static dyn Peer,
) -> Result<()> {
    let (mut store, _place) = context.open(peer)?;
    store.set(&tree::edits(0..COUNT))?;
    store.fork("b1")?;
    store.fork("b2")?;
    for (branch, from, letter) in [("b2", 50, 'y'), ("b1", 0, 'x')] {
        store.switch(branch)?;
        store.set(&changes(from, letter))?;
    }
    let start = Start::now();
    store.merge("b2")?;
    recorder.done(Subject::Peer(peer.name()), STEP, 1, start);
    for (path, value) in merged() {
        assert_eq!(store.find(&path)?, Some(value), "{path} after the merge");
    }
    Ok(())
}

/// Returns what one side changes.
fn changes(from: u64, letter: char) -> Vec<(String, String)> {
    (0..CHANGES).map(|j| 100 * j + from).map(|i| (path(i), format!("{letter}{i}"))).collect()
}

/// Returns what has to be there after the merge: what both changed, and some that nobody did.
fn merged() -> Vec<(String, String)> {
    let mut merged = changes(0, 'x');
    merged.extend(changes(50, 'y'));
    merged.extend(changes(25, 'v'));
    merged
}

/// The three lists are gone through together, and the thousand directories of the result are hashed and
/// put into a map; or, on disk, written with one call.
fn floor(context: &Context<'_>, recorder: &mut Recorder) -> Result<()> {
    let base: Vec<_> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let changed = |from: usize, letter: char| {
        let mut side = base.clone();
        for i in (from..side.len()).step_by(100) {
            side[i].1 = format!("{letter}{i}");
        }
        side
    };
    let (ours, theirs) = (changed(0, 'x'), changed(50, 'y'));
    let merge = || {
        let (mut blocks, mut block) = (Vec::new(), Vec::new());
        for (i, base) in base.iter().enumerate() {
            let (ours, theirs) = (&ours[i], &theirs[i]);
            assert!(base.0 == ours.0 && base.0 == theirs.0, "the lists have the same keys");
            let value = if ours.1 == base.1 { &theirs.1 } else { &ours.1 };
            block.extend_from_slice(&base.0.as_bytes()[6..]);
            block.extend_from_slice(value.as_bytes());
            if (i + 1) % 100 == 0 {
                blocks.push(std::mem::take(&mut block));
            }
        }
        blocks
    };
    let start = Start::now();
    let blocks = merge().into_iter().map(|block| (Sha1::of(&block), block));
    let map: HashMap<Sha1, Vec<u8>, DigestHash> = blocks.collect();
    recorder.done(Subject::Floor, STEP, 1, start);
    black_box(map);
    floors::on_disk(context, recorder, (STEP, 1), std::iter::once_with(merge))
}
