//! 100 000 commits in a line, each setting one of 10 000 paths `a/%02d/%03d` in turn (5000 and 500
//! when quick); the last commit that changed each of some paths, and of one that only the first commit
//! set.

use std::collections::HashMap;
use std::hint::black_box;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Place, info};
use crate::peer::{Peer, PeerStore, Skill};
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::asked;

const QUESTIONS: u64 = 2000;

const OF_A_PATH: &str = "last change of a path";
const OF_THE_FIRST: &str = "set by the first commit";
const OF_A_DIRECTORY: &str = "last change of a directory";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("lastmodified");
    for subject in context.ramus() {
        let commits = context.size(5000, 100_000);
        ramus(&mut recorder, &context.place(subject)?, (subject, commits)).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, context.size(5000, 100_000));
    }
    for peer in context.skilled(Skill::Changes) {
        let (mut store, _place) = context.open(peer)?;
        of_peer(&mut recorder, peer, &mut *store, context.size(5000, 100_000))?;
    }
    Ok(recorder.records)
}

async fn ramus(
    recorder: &mut Recorder,
    place: &Place,
    (subject, commits): (Subject, u64),
) -> Result<()> {
    let repo = place.repo().await?;
    let main = repo.main().await?;
    main.set("old", "once", info()).await?;
    for i in 1..commits {
        main.set(path(i, commits), format!("v{i}"), info()).await?;
    }
    let start = Start::now();
    main.last_modified("old").await?;
    recorder.done(subject, "first question, per commit", commits, start);
    let mut random = SplitMix64::new(13);
    let start = Start::now();
    for _ in 0..QUESTIONS {
        let i = random.below(commits - 1) + 1;
        let found = main.last_modified(path(i, commits)).await?;
        assert!(found.is_some(), "it was set");
    }
    recorder.done(subject, OF_A_PATH, QUESTIONS, start);
    let start = Start::now();
    for _ in 0..QUESTIONS {
        let found = main.last_modified("old").await?.ok_or("it was set")?;
        assert!(found.parents().is_empty(), "by the first commit");
    }
    recorder.done(subject, OF_THE_FIRST, QUESTIONS, start);
    let start = Start::now();
    for _ in 0..QUESTIONS {
        assert!(main.last_modified("a/00").await?.is_some(), "something in it was set");
    }
    recorder.done(subject, OF_A_DIRECTORY, QUESTIONS, start);
    place.weigh().await?;
    repo.close().await?;
    Ok(())
}

fn of_peer(
    recorder: &mut Recorder,
    peer: &dyn Peer,
    store: &mut dyn PeerStore,
    commits: u64,
) -> Result<()> {
    let subject = Subject::Peer(peer.name());
    store.set(&[("old".to_owned(), "once".to_owned())])?;
    for i in 1..commits {
        store.set(&[(path(i, commits), format!("v{i}"))])?;
    }
    let mut random = SplitMix64::new(13);
    let start = Start::now();
    let asked = asked::for_a_second(QUESTIONS, || {
        let i = random.below(commits - 1) + 1;
        // The same path is set in turns, the last time in the last turn; the first commit is number 1.
        let last = commits - 1 - (commits - 1 - i) % (commits / 10);
        assert_eq!(store.last_modified(&path(i, commits))?, Some(last + 1), "it was set there");
        Ok(())
    })?;
    recorder.done(subject, OF_A_PATH, asked, start);
    let start = Start::now();
    let asked = asked::for_a_second(QUESTIONS, || {
        assert_eq!(store.last_modified("old")?, Some(1), "by the first commit");
        Ok(())
    })?;
    recorder.done(subject, OF_THE_FIRST, asked, start);
    if peer.skills().contains(&Skill::Ancestors) {
        let start = Start::now();
        let asked = asked::for_a_second(QUESTIONS, || {
            assert!(store.last_modified("a/00")?.is_some(), "something in it was set");
            Ok(())
        })?;
        recorder.done(subject, OF_A_DIRECTORY, asked, start);
    }
    Ok(())
}

fn path(i: u64, commits: u64) -> String {
    let i = i % (commits / 10);
    format!("a/{:02}/{:03}", i / 100, i % 100)
}

/// The commits that changed a path stand in a list by path.
fn floor(recorder: &mut Recorder, commits: u64) {
    let mut lists: HashMap<String, Vec<u64>> = HashMap::new();
    for i in 1..commits {
        lists.entry(path(i, commits)).or_default().push(i);
    }
    let mut random = SplitMix64::new(13);
    let start = Start::now();
    for _ in 0..QUESTIONS {
        let i = random.below(commits - 1) + 1;
        black_box(lists.get(&path(i, commits)).and_then(|list| list.last()));
    }
    recorder.done(Subject::Floor, OF_A_PATH, QUESTIONS, start);
}
