//! One directory `w` with `k%06d(i)` -> `v<i>`, one commit; then 1000 commits j, each setting
//! k(below(N)) to `u<j>`, seed 11; then 1000 finds.

use crate::context::{Context, Measured};
use crate::fixture::info;
use crate::peer::Skill;
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::floors;
use crate::workload::growth::{self, key};
use crate::workload::versions::Versions;

const COMMITS: u64 = 1000;
const FILL: &str = "first commit, per entry";
const UPDATE: &str = "update and commit";
const FIND: &str = "find";

pub(super) async fn run(context: &Context<'_>, name: &str, count: u64) -> Measured {
    let commits = context.size(COMMITS / 4, COMMITS);
    let mut recorder = Recorder::new(name);
    let mut versions = Versions::default();
    versions.commit((0..count).map(|i| (key(i), format!("v{i}"))));
    let mut random = SplitMix64::new(11);
    for j in 0..commits {
        versions.commit([(key(random.below(count)), format!("u{j}"))]);
    }
    for subject in context.ramus_alone() {
        let place = context.place(subject)?;
        let (repo, given) = place.metered_repo().await?;
        let main = repo.main().await?;
        let start = Start::now();
        growth::fill(&main, count).await?;
        recorder.done(subject, FILL, count, start);
        let mut random = SplitMix64::new(11);
        let (before, start) = (given(), Start::now());
        for j in 0..commits {
            main.set(key(random.below(count)), format!("u{j}"), info()).await?;
        }
        recorder.done(subject, UPDATE, commits, start);
        if subject == Subject::RamusMem {
            recorder.wrote(given() - before);
        }
        recorder.result(&main.tree().await?.hash().await?);
        let start = Start::now();
        for _ in 0..commits {
            let found = main.find(key(random.below(count))).await?;
            assert!(found.is_some(), "what was set is found");
        }
        recorder.done(subject, FIND, commits, start);
        versions.ask(&mut recorder, subject, (&repo, &main)).await?;
        place.weigh().await?;
        repo.close().await?;
    }
    if context.has(Subject::Floor) {
        let bytes = growth::bytes_of_an_update(count).await?;
        growth::floor_of_updates(&mut recorder, UPDATE, commits, bytes);
        let writes = (0..commits).map(|i| vec![growth::block(i, bytes)]);
        floors::on_disk(context, &mut recorder, (UPDATE, commits), writes)?;
    }
    for peer in context.skilled(Skill::Values) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        let start = Start::now();
        let edits: Vec<_> = (0..count).map(|i| (key(i), format!("v{i}"))).collect();
        store.set(&edits)?;
        recorder.done(subject, FILL, count, start);
        let mut random = SplitMix64::new(11);
        let start = Start::now();
        for j in 0..commits {
            store.set(&[(key(random.below(count)), format!("u{j}"))])?;
        }
        recorder.done(subject, UPDATE, commits, start);
        let start = Start::now();
        for _ in 0..commits {
            let found = store.find(&key(random.below(count)))?;
            assert!(found.is_some(), "what was set is found");
        }
        recorder.done(subject, FIND, commits, start);
        versions.ask_peer(&mut recorder, peer, &mut *store)?;
    }
    Ok(recorder.records)
}
