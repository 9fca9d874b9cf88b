//! A million keys, `a/%04d(i/100)/%02d(i mod 100)` -> `v<i>`, in one commit; then found at random, seed 5.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use ramus_core::{Hash as _, Sha1};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::info;
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::versions::Versions;

const LOAD: &str = "load, per key";
const FIND: &str = "find";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let count = context.size(100_000, 1_000_000);
    let finds = context.size(20_000, 200_000);
    let mut recorder = Recorder::new("bulk");
    let mut versions = Versions::default();
    versions.commit((0..count).map(|i| (path(i), format!("v{i}"))));
    for subject in context.ramus() {
        let place = context.place(subject)?;
        let repo = place.repo().await?;
        let main = repo.main().await?;
        let start = Start::now();
        let mut edit = main.begin().await?;
        for i in 0..count {
            edit.set(path(i), format!("v{i}")).await?;
        }
        main.commit(edit, info()).await?;
        recorder.done(subject, LOAD, count, start);
        recorder.result(&main.tree().await?.hash().await?);
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        for _ in 0..finds {
            let i = random.below(count);
            assert_eq!(main.find(path(i)).await?, Some(format!("v{i}")), "it was set");
        }
        recorder.done(subject, FIND, finds, start);
        versions.ask(&mut recorder, subject, (&repo, &main)).await?;
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        floor(context, &mut recorder, (count, finds))?;
    }
    for peer in context.skilled(Skill::Values) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        let start = Start::now();
        let edits: Vec<_> = (0..count).map(|i| (path(i), format!("v{i}"))).collect();
        store.set(&edits)?;
        recorder.done(subject, LOAD, count, start);
        let mut random = SplitMix64::new(5);
        let start = Start::now();
        for _ in 0..finds {
            let i = random.below(count);
            assert_eq!(store.find(&path(i))?, Some(format!("v{i}")), "what was set is found");
        }
        recorder.done(subject, FIND, finds, start);
        versions.ask_peer(&mut recorder, peer, &mut *store)?;
    }
    Ok(recorder.records)
}

fn path(i: u64) -> String {
    format!("a/{:04}/{:02}", i / 100, i % 100)
}

/// The entries are written into blocks of a hundred, which are hashed and appended to a file that is then
/// synced; a find reads a map.
fn floor(context: &Context<'_>, recorder: &mut Recorder, (count, finds): (u64, u64)) -> Result<()> {
    let place = context.place(Subject::Floor)?;
    let mut file = File::create(place.directory()?.join("floor"))?;
    let start = Start::now();
    let (mut names, mut bytes) = (Vec::new(), Vec::new());
    for directory in 0..count / 100 {
        let begin = bytes.len();
        for i in directory * 100..directory * 100 + 100 {
            bytes.extend_from_slice(path(i).as_bytes());
            bytes.extend_from_slice(format!("v{i}").as_bytes());
        }
        names.push(Sha1::of(&bytes[begin..]));
    }
    file.write_all(&bytes)?;
    file.sync_data()?;
    recorder.done(Subject::Floor, LOAD, count, start);
    black_box(names);
    let values: HashMap<String, String> = (0..count).map(|i| (path(i), format!("v{i}"))).collect();
    let mut random = SplitMix64::new(5);
    let start = Start::now();
    for _ in 0..finds {
        black_box(values.get(&path(random.below(count))).cloned());
    }
    recorder.done(Subject::Floor, FIND, finds, start);
    Ok(())
}
