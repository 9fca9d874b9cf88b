//! 100 000 commits in a line (quick: 5000), tree {a -> `<i>`}; the lowest common ancestors of two heads that are one
//! commit past its end, new ones each time; and the index of the line, made and read again.

use std::hint::black_box;
use std::time::Duration;

use ramus_core::{RefName, Sha1, Storage as _};
use ramus_kv::HistoryIndex;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Place, info, repo};
use crate::peer::{PeerStore, Skill};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::history::{grow, grow_peer, head, meet};

/// How many commits and how many questions.
type Size = (usize, u64);
/// An index of fewer commits is not kept on disk.
const QUICK: Size = (5000, 200);
const FULL: Size = (100_000, 1000);

const LCAS: &str = "lcas, one past the tip";

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("historynear");
    for subject in context.ramus() {
        let size = context.size(QUICK, FULL);
        ramus(&mut recorder, &context.place(subject)?, subject, size).await?;
    }
    if context.has(Subject::Floor) {
        floor(&mut recorder, context.size(QUICK, FULL));
    }
    for peer in context.skilled(Skill::Ancestors) {
        let (mut store, _place) = context.open(peer)?;
        let subject = Subject::Peer(peer.name());
        of_peer(&mut recorder, &mut *store, subject, context.size(QUICK, FULL))?;
    }
    Ok(recorder.records)
}

async fn ramus(
    recorder: &mut Recorder,
    place: &Place,
    subject: Subject,
    (commits, questions): Size,
) -> Result<()> {
    let storage = place.backend().await?;
    let repo = repo(storage.clone());
    let main = repo.main().await?;
    grow(&main, 0..commits).await?;
    let tip = head(&main).await?;
    let one = repo.detached(&tip)?;
    grow(&one, [commits]).await?;

    let start = Start::now();
    assert_eq!(repo.lcas(&tip, &head(&one).await?).await?, std::slice::from_ref(&tip));
    recorder.done(subject, "index made, per commit", commits as u64, start);

    let mut took = Duration::ZERO;
    for question in 0..questions {
        let (one, other) = (repo.detached(&tip)?, repo.detached(&tip)?);
        one.set("a", format!("one {question}"), info()).await?;
        other.set("a", format!("other {question}"), info()).await?;
        let heads = [head(&one).await?, head(&other).await?];
        let start = Start::now();
        let lcas = repo.lcas(&heads[0], &heads[1]).await?;
        took += start.elapsed();
        assert_eq!(lcas, std::slice::from_ref(&tip));
    }
    recorder.add(subject, LCAS, questions, took, 0);

    let kept = storage.load_derived(&RefName::internal("history/native")?).await?;
    let kept = kept.ok_or("the index is not kept")?;
    let start = Start::now();
    let index = HistoryIndex::<Sha1>::decode(&kept)?;
    let (commits, bytes) = (index.commits() as u64, kept.len() as u64);
    recorder.add(subject, "index read, per commit", commits, start.elapsed(), bytes);
    black_box(index);
    place.weigh().await?;
    repo.close().await?;
    Ok(())
}

fn of_peer(
    recorder: &mut Recorder,
    store: &mut dyn PeerStore,
    subject: Subject,
    (commits, questions): Size,
) -> Result<()> {
    grow_peer(store, 0..commits)?;
    let mut took = Duration::ZERO;
    for question in 0..questions {
        let [one, other] = ["one", "other"].map(|name| format!("{name}{question}"));
        store.switch("main")?;
        store.fork(&one)?;
        store.fork(&other)?;
        for branch in [&one, &other] {
            store.switch(branch)?;
            store.set(&[("a".to_owned(), branch.clone())])?;
        }
        let start = Start::now();
        let common = store.common(&one, &other)?;
        took += start.elapsed();
        assert_eq!(common, commits as u64, "the tip");
    }
    recorder.add(subject, LCAS, questions, took, 0);
    Ok(())
}

fn floor(recorder: &mut Recorder, (commits, questions): Size) {
    let mut parents: Vec<u32> = (0..).take(commits).map(|i: u32| i.saturating_sub(1)).collect();
    let tip = u32::try_from(commits - 1).unwrap_or(u32::MAX);
    parents.extend([tip, tip]);
    let start = Start::now();
    for _ in 0..questions {
        assert_eq!(black_box(meet(&parents, tip + 1, tip + 2)), Some(tip));
    }
    recorder.done(Subject::Floor, LCAS, questions, start);
}
