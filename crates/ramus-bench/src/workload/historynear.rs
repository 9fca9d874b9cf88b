//! 100 000 commits in a line, tree {a -> `<i>`}; the lowest common ancestors of two heads that are one
//! commit past its end, new ones each time; and the index of the line, made and read again.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ramus_core::erased::Backend;
use ramus_core::{RefName, Sha1, Storage as _};
use ramus_kv::HistoryIndex;
use ramus_mem::Mem;

use crate::Result;
use crate::cli::RunOptions;
use crate::fixture::{info, repo};
use crate::record::{Record, Recorder, Subject};
use crate::workload::history::{grow, head, meet};

const COMMITS: usize = 100_000;
const QUESTIONS: u64 = 1000;

pub(super) async fn run(options: &RunOptions) -> Result<Vec<Record>> {
    let mut recorder = Recorder::new("historynear");
    if options.has(Subject::RamusMem) {
        ramus(&mut recorder).await?;
    }
    if options.has(Subject::Floor) {
        floor(&mut recorder);
    }
    Ok(recorder.records)
}

async fn ramus(recorder: &mut Recorder) -> Result<()> {
    let (subject, storage) = (Subject::RamusMem, Mem::default());
    let repo = repo(Backend::new(storage.clone()));
    let main = repo.main().await?;
    grow(&main, 0..COMMITS).await?;
    let tip = head(&main).await?;
    let one = repo.detached(&tip);
    grow(&one, [COMMITS]).await?;

    let start = Instant::now();
    assert_eq!(repo.lcas(&tip, &head(&one).await?).await?, std::slice::from_ref(&tip));
    recorder.done(subject, "index made, per commit", COMMITS as u64, start);

    let mut took = Duration::ZERO;
    for question in 0..QUESTIONS {
        let (one, other) = (repo.detached(&tip), repo.detached(&tip));
        one.set("a", format!("one {question}"), info()).await?;
        other.set("a", format!("other {question}"), info()).await?;
        let heads = [head(&one).await?, head(&other).await?];
        let start = Instant::now();
        let lcas = repo.lcas(&heads[0], &heads[1]).await?;
        took += start.elapsed();
        assert_eq!(lcas, std::slice::from_ref(&tip));
    }
    recorder.add(subject, "lcas, one past the tip", QUESTIONS, took, 0);

    let kept = storage.load_derived(&RefName::internal("history/native")?).await?;
    let kept = kept.ok_or("the index is not kept")?;
    let start = Instant::now();
    let index = HistoryIndex::<Sha1>::decode(&kept)?;
    let (commits, bytes) = (index.commits() as u64, kept.len() as u64);
    recorder.add(subject, "index read, per commit", commits, start.elapsed(), bytes);
    black_box(index);
    Ok(())
}

fn floor(recorder: &mut Recorder) {
    let mut parents: Vec<u32> = (0..).take(COMMITS).map(|i: u32| i.saturating_sub(1)).collect();
    let tip = u32::try_from(COMMITS - 1).unwrap_or(u32::MAX);
    parents.extend([tip, tip]);
    let start = Instant::now();
    for _ in 0..QUESTIONS {
        assert_eq!(black_box(meet(&parents, tip + 1, tip + 2)), Some(tip));
    }
    recorder.done(Subject::Floor, "lcas, one past the tip", QUESTIONS, start);
}
