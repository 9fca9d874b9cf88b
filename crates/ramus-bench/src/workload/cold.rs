//! `tree` on disk, closed and opened again, with a cache of 32 MiB in the backend and none of what was
//! decoded: opening it, the first find, 1000 finds at random, seed 5, each with a repository of its own so
//! that nothing is decoded yet; and the same after the kernel was told to forget the files, so that the
//! disk is read.
//!
//! The floor reads three blocks of 4 KiB a find, from the same files.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ramus_core::{ContentAddressableExt as _, ReadOnly as _, Storage as _};
use ramus_kv::{Repo, RepoOptions};
use rustix::fs::{Advice, fadvise};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Place, Texts};
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::workload::tree::{self, COUNT, path};

const FINDS: u64 = 1000;
const KEPT: [&str; 3] = ["open, kept", "first find, kept", "find, kept"];
const FORGOTTEN: [&str; 3] = ["open, forgotten", "first find, forgotten", "find, forgotten"];

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let mut recorder = Recorder::new("cold");
    if !context.has(Subject::RamusPack) && !context.has(Subject::Floor) {
        return Ok(recorder.records);
    }
    let place = context.place(Subject::RamusPack)?;
    let repo = place.repo().await?;
    tree::commit(&repo.main().await?, 0..COUNT).await?;
    repo.close().await?;
    drop(repo);
    seal(&place).await?;
    for steps in [KEPT, FORGOTTEN] {
        if context.has(Subject::RamusPack) {
            ramus(&mut recorder, &place, steps).await?;
        }
        if context.has(Subject::Floor) {
            if steps == FORGOTTEN {
                forget(place.directory()?)?;
            }
            floor(&mut recorder, place.directory()?, steps)?;
        }
    }
    place.weigh().await?;
    Ok(recorder.records)
}

async fn ramus(recorder: &mut Recorder, place: &Place, steps: [&str; 3]) -> Result<()> {
    let subject = Subject::RamusPack;
    let start = Start::now();
    let backend = place.backend().await?;
    // The least that a repository keeps of what it decodes.
    let options = RepoOptions::default().with_cache_bytes(0);
    let repo: Repo<Texts> = Repo::with_options(backend, options);
    let main = repo.main().await?;
    recorder.done(subject, steps[0], 1, start);
    if steps == FORGOTTEN {
        // What opening read is forgotten with the rest.
        forget(place.directory()?)?;
    }
    let mut random = SplitMix64::new(5);
    for (step, finds) in [(steps[1], 1), (steps[2], FINDS)] {
        let start = Start::now();
        for _ in 0..finds {
            let i = random.below(COUNT);
            assert_eq!(main.find(path(i)).await?, Some(format!("v{i}")), "it was set");
        }
        recorder.done(subject, step, finds, start);
    }
    repo.close().await?;
    Ok(())
}

/// Writes more than a segment takes, so that the tree lies in one that is sealed: of the segment that is written
/// to, all blocks are in memory.
async fn seal(place: &Place) -> Result<()> {
    const BLOCKS: u64 = 20_000;
    let pack = place.pack().await?;
    let mut batch = pack.blocks().batch();
    for i in 0..BLOCKS {
        let mut block = vec![0; 4096];
        block[..8].copy_from_slice(&i.to_le_bytes());
        batch.add(block.into())?;
    }
    batch.write().await?;
    pack.refs().close().await?;
    Ok(())
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

/// Tells the kernel to forget what it has in memory of these files.
fn forget(directory: &Path) -> Result<()> {
    for path in files(directory)? {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn floor(recorder: &mut Recorder, directory: &Path, steps: [&str; 3]) -> Result<()> {
    let start = Start::now();
    let (mut segment, mut size) = (None, 0);
    for path in files(directory)? {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > size {
            (segment, size) = (Some(file), length);
        }
    }
    let segment = segment.ok_or("there is a segment")?;
    recorder.done(Subject::Floor, steps[0], 1, start);
    let mut random = SplitMix64::new(5);
    let mut block = [0; 4096];
    for (step, finds) in [(steps[1], 1), (steps[2], FINDS)] {
        let start = Start::now();
        for _ in 0..3 * finds {
            segment.read_at(&mut block, random.below(size))?;
        }
        recorder.done(Subject::Floor, step, finds, start);
    }
    Ok(())
}
