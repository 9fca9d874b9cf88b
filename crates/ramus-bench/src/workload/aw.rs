//! Key `x`, two alternating commit hashes, 100 000 each of: `set`; `test_and_set` that succeeds;
//! `test_and_set` that fails; `find`.

use std::collections::HashMap;
use std::hint::black_box;

use parking_lot::Mutex;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _,
};

use crate::Result;
use crate::context::{Context, Measured};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const STEPS: [&str; 4] = ["set", "test_and_set", "test_and_set, refused", "find"];

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("aw");
    for subject in context.ramus() {
        let count = context.size_for(subject, 500, 50_000, 100_000);
        ramus(context, &mut recorder, subject, count).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, 100_000);
    }
    Ok(recorder.records)
}

async fn ramus(
    context: &Context<'_>,
    recorder: &mut Recorder,
    subject: Subject,
    count: u64,
) -> Result<()> {
    let place = context.place(subject)?;
    let storage = place.backend().await?;
    let one = storage.blocks().add("one".into()).await?;
    let other = storage.blocks().add("other".into()).await?;
    let (refs, key) = (storage.refs(), RefName::branch("x")?);

    let start = Start::now();
    for i in 0..count {
        refs.set(key.clone(), if i % 2 == 0 { one } else { other }).await?;
    }
    recorder.done(subject, STEPS[0], count, start);
    let mut holds = refs.find(&key).await?.ok_or("it was set")?;
    let start = Start::now();
    for _ in 0..count {
        let next = if holds == one { other } else { one };
        assert!(refs.test_and_set(key.clone(), Some(holds), Some(next)).await?, "it holds that");
        holds = next;
    }
    recorder.done(subject, STEPS[1], count, start);
    let wrong = if holds == one { other } else { one };
    let start = Start::now();
    for _ in 0..count {
        assert!(!refs.test_and_set(key.clone(), Some(wrong), Some(wrong)).await?, "it does not");
    }
    recorder.done(subject, STEPS[2], count, start);
    let start = Start::now();
    for _ in 0..count {
        assert_eq!(refs.find(&key).await?, Some(holds), "what was set is found");
    }
    recorder.done(subject, STEPS[3], count, start);
    place.weigh().await?;
    refs.close().await?;
    Ok(())
}

/// A map behind a lock.
fn floor(recorder: &mut Recorder, count: u64) {
    let (one, other) = (Sha1::of(b"one"), Sha1::of(b"other"));
    let map: Mutex<HashMap<String, Sha1>> = Mutex::default();
    let values = |i: u64| if i.is_multiple_of(2) { (one, other) } else { (other, one) };
    let start = Start::now();
    for i in 0..count {
        map.lock().insert("x".to_owned(), values(i).1);
    }
    recorder.done(Subject::Floor, STEPS[0], count, start);
    for (step, tests) in [(STEPS[1], 0), (STEPS[2], 1)] {
        let start = Start::now();
        for i in 0..count {
            let (test, set) = values(i + tests);
            let mut map = map.lock();
            if let Some(holds) = map.get_mut("x").filter(|holds| **holds == test) {
                *holds = set;
            }
        }
        recorder.done(Subject::Floor, step, count, start);
    }
    let start = Start::now();
    for _ in 0..count {
        black_box(map.lock().get("x").copied());
    }
    recorder.done(Subject::Floor, STEPS[3], count, start);
}
