//! On `tree`: 200 000 `find`s through the store at the head, seed 5; the same on one tree value (the same
//! keys, then the next 200 000 draws); 200 000 absent paths (path + `nope`), seed 6.

use std::collections::HashMap;
use std::hint::black_box;

use crate::context::{Context, Measured};
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::asked;
use crate::workload::tree::{self, COUNT, path};

const STEPS: [&str; 4] =
    ["find, store", "find, tree, same keys", "find, tree, other keys", "find, store, absent"];

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let count = context.size(50_000, 200_000);
    let mut recorder = Recorder::new("reads");
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let repo = place.repo().await?;
        let main = repo.main().await?;
        tree::commit(&main, 0..COUNT).await?;
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        for _ in 0..count {
            let i = random.below(COUNT);
            assert_eq!(main.find(path(i)).await?, Some(format!("v{i}")), "it was set");
        }
        recorder.done(subject, STEPS[0], count, start);
        let tree = main.tree().await?;
        let mut random = SplitMix64::new(5);
        for step in [STEPS[1], STEPS[2]] {
            let start = Start::now();
            for _ in 0..count {
                let i = random.below(COUNT);
                assert_eq!(tree.find(path(i)).await?, Some(format!("v{i}")), "it was set");
            }
            recorder.done(subject, step, count, start);
        }
        let mut random = SplitMix64::new(6);
        let start = Start::now();
        for _ in 0..count {
            let absent = path(random.below(COUNT)) + "nope";
            assert_eq!(main.find(absent).await?, None, "it was never set");
        }
        recorder.done(subject, STEPS[3], count, start);
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, count);
    }
    for peer in context.skilled(Skill::Values) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        store.set(&tree::edits(0..COUNT))?;
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        let asked = asked::for_a_second(count, || {
            let i = random.below(COUNT);
            assert_eq!(store.find(&path(i))?, Some(format!("v{i}")), "it was set");
            Ok(())
        })?;
        recorder.done(subject, STEPS[0], asked, start);
        let mut random = SplitMix64::new(6);
        let start = Start::now();
        let asked = asked::for_a_second(count, || {
            let absent = path(random.below(COUNT)) + "nope";
            assert_eq!(store.find(&absent)?, None, "it was never set");
            Ok(())
        })?;
        recorder.done(subject, STEPS[3], asked, start);
    }
    Ok(recorder.records)
}

/// A map of all paths.
fn floor(recorder: &mut Recorder, count: u64) {
    let values: HashMap<String, String> = (0..COUNT).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(5);
    for (step, suffix) in STEPS.into_iter().zip(["", "", "", "nope"]) {
        let start = Start::now();
        for _ in 0..count {
            black_box(values.get(&(path(random.below(COUNT)) + suffix)).cloned());
        }
        recorder.done(Subject::Floor, step, count, start);
    }
}
