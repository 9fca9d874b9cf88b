//! Base = `tree`. b1 = base + {i = 100j -> `x<i>`}, b2 = base + {i = 100j + 50 -> `y<i>`}, j < 1000, one
//! commit each, so all 1000 directories are touched on both sides. Merge b2 into b1.

use std::collections::HashMap;
use std::hint::black_box;

use ramus_core::{Hash as _, Sha1};

use crate::context::{Context, Measured};
use crate::fixture::info;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
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
            for i in (0..CHANGES).map(|j| 100 * j + from) {
                edit.set(path(i), format!("{letter}{i}")).await?;
            }
            store.commit(edit, info()).await?;
        }
        let start = Start::now();
        ours.merge(&theirs, info()).await?.clean()?;
        recorder.done(subject, STEP, 1, start);
        recorder.result(&ours.tree().await?.hash().await?);
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

/// The three lists are gone through together, and the thousand directories of the result are hashed and
/// put into a map.
fn floor(recorder: &mut Recorder) {
    let base: Vec<_> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let changed = |from: usize, letter: char| {
        let mut side = base.clone();
        for i in (from..side.len()).step_by(100) {
            side[i].1 = format!("{letter}{i}");
        }
        side
    };
    let (ours, theirs) = (changed(0, 'x'), changed(50, 'y'));
    let start = Start::now();
    let mut map: HashMap<Sha1, Vec<u8>> = HashMap::new();
    let mut block = Vec::new();
    for (i, base) in base.iter().enumerate() {
        let (ours, theirs) = (&ours[i], &theirs[i]);
        assert!(base.0 == ours.0 && base.0 == theirs.0, "the lists have the same keys");
        let value = if ours.1 == base.1 { &theirs.1 } else { &ours.1 };
        block.extend_from_slice(&base.0.as_bytes()[6..]);
        block.extend_from_slice(value.as_bytes());
        if (i + 1) % 100 == 0 {
            let block = std::mem::take(&mut block);
            map.insert(Sha1::of(&block), block);
        }
    }
    recorder.done(Subject::Floor, STEP, 1, start);
    black_box(map);
}
