//! How the durable backend stands many blocks and many entries: `ramus-bench scale`.
//!
//! Each phase runs in a process of its own, so that times and sizes in memory are those of that phase alone.
//! The first part adds blocks of 200 bytes, and measures opening after a clean close and after the process
//! that wrote was killed, what is held in memory, and reads from the kernel's memory with no cache of our own.
//! The second part makes and reads a repository of many entries while the operating system grants the
//! process no more than 256 MiB of data.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{
    AtomicWriteExt as _, ContentAddressable as _, Hash as _, ReadOnly as _, RefName, Sha1,
    Storage as _,
};
use ramus_kv::{Kv, ListOptions, Repo, RepoOptions};
use ramus_pack::{Durability, Pack, PackOptions};
use rustix::process::{Resource, Rlimit, setrlimit};
use tempfile::TempDir;

use crate::cli::{Phase, PhaseOptions, ScaleOptions};
use crate::random::SplitMix64;
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;
use crate::{Result, parent, rss, table};

const SUBJECT: Subject = Subject::RamusPack;
/// How many blocks are looked for.
const READS: u64 = 100_000;
/// How many blocks are added at once.
const BATCH: u64 = 10_000;
/// With so many blocks it is measured how long a commit waits at the most.
const STALL_BLOCKS: u64 = 2_000_000;
/// How many entries are set in one commit.
const COMMIT: u64 = 10_000;
const DATA_BYTES_MAX: u64 = 256 << 20;

/// Does all phases, one after the other.
pub(crate) fn run(options: &ScaleOptions) -> Result<()> {
    let place = match &options.directory {
        Some(above) => TempDir::new_in(above)?,
        None => TempDir::new()?,
    };
    let directory = place.path().join("blocks");
    let mut records = phase(Phase::Build, &directory, options.blocks)?;
    records.extend(phase(Phase::Open, &directory, options.blocks)?);
    kill_a_writer(&directory, options.blocks)?;
    records.extend(phase(Phase::Reopen, &directory, options.blocks)?);
    std::fs::remove_dir_all(&directory)?;
    records.extend(phase(Phase::Stall, &directory, options.blocks.min(STALL_BLOCKS))?);
    std::fs::remove_dir_all(&directory)?;
    let directory = place.path().join("entries");
    records.extend(phase(Phase::Fill, &directory, options.entries)?);
    records.extend(phase(Phase::Read, &directory, options.entries)?);
    table::print(&records);
    Ok(())
}

fn command(phase: Phase, directory: &Path, count: u64) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["scale-phase", phase.name()]).arg(directory).arg(count.to_string());
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    Ok(command)
}

fn phase(phase: Phase, directory: &Path, count: u64) -> crate::context::Measured {
    let output = command(phase, directory, count)?.output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{} failed: {} ({})", phase.name(), text.trim(), output.status).into());
    }
    text.lines().map(|line| parent::parse(line, "scale", &[SUBJECT])).collect()
}

/// Lets a process write until it says that enough is there, and kills it in the middle of more.
fn kill_a_writer(directory: &Path, count: u64) -> Result<()> {
    let mut writer = command(Phase::Write, directory, count)?.stdout(Stdio::piped()).spawn()?;
    let said = writer.stdout.take().map(BufReader::new).and_then(|lines| lines.lines().next());
    writer.kill()?;
    writer.wait()?;
    said.ok_or("the writer ended early")??;
    Ok(())
}

/// Does one phase in this process, and prints what it measured as JSON lines.
pub(crate) fn measure(options: &PhaseOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut recorder = Recorder::new("scale");
    let (directory, count) = (options.directory.as_path(), options.count);
    runtime.block_on(async {
        match options.phase {
            Phase::Build => build(&mut recorder, directory, count).await,
            Phase::Stall => stall(&mut recorder, directory, count).await,
            Phase::Open => {
                open(&mut recorder, directory, "open after a clean close").await?;
                read_blocks(&mut recorder, directory, count).await
            }
            Phase::Write => write(directory, count).await,
            Phase::Reopen => open(&mut recorder, directory, "open after a kill").await,
            Phase::Fill => fill(&mut recorder, directory, count).await,
            Phase::Read => read_entries(&mut recorder, directory, count).await,
        }
    })?;
    for record in &recorder.records {
        println!("{}", serde_json::to_string(record)?);
    }
    Ok(())
}

fn block(i: u64) -> (Sha1, Bytes) {
    let mut random = SplitMix64::new(i);
    let block: Bytes = (0..25).flat_map(|_| random.next().to_le_bytes()).collect();
    (Sha1::of(&block), block)
}

async fn build(recorder: &mut Recorder, directory: &Path, count: u64) -> Result<()> {
    let start = Start::now();
    let pack: Pack = Pack::open(directory, &PackOptions::default()).await?;
    for first in (0..count).step_by(usize::try_from(BATCH)?) {
        let blocks = (first..count.min(first + BATCH)).map(block).collect();
        pack.blocks().unsafe_add_many(blocks).await?;
    }
    pack.refs().set(RefName::branch("main")?, block(0).0).await?;
    pack.blocks().close().await?;
    recorder.done(SUBJECT, "add blocks of 200 bytes", count, start);
    Ok(())
}

/// Adds a thousand blocks and sets a ref, time and again, and measures how long each of these takes: while segments
/// are sealed and runs of the index merged, too.
async fn stall(recorder: &mut Recorder, directory: &Path, count: u64) -> Result<()> {
    const BLOCKS: u64 = 1000;
    let pack: Pack = Pack::open(directory, &PackOptions::default()).await?;
    let mut times = Vec::new();
    for first in (0..count).step_by(usize::try_from(BLOCKS)?) {
        let blocks: Vec<_> = (first..count.min(first + BLOCKS)).map(block).collect();
        let name = blocks[0].0;
        let start = Instant::now();
        pack.blocks().unsafe_add_many(blocks).await?;
        pack.refs().set(RefName::branch("main")?, name).await?;
        times.push(start.elapsed());
    }
    pack.blocks().close().await?;
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    recorder.add(SUBJECT, "a commit of a thousand blocks: median", 1, median, 0);
    recorder.add(SUBJECT, "a commit of a thousand blocks: longest", 1, longest, 0);
    Ok(())
}

async fn open(recorder: &mut Recorder, directory: &Path, step: &str) -> Result<()> {
    let before = rss::now_bytes();
    let start = Start::now();
    let pack: Pack = Pack::open(directory, &PackOptions::default()).await?;
    recorder.done(SUBJECT, step, 1, start);
    let held = rss::now_bytes().saturating_sub(before);
    recorder.add(SUBJECT, &format!("{step}: held"), 1, Duration::from_nanos(1), held);
    assert_eq!(pack.refs().find(&RefName::branch("main")?).await?, Some(block(0).0), "it was set");
    pack.blocks().close().await?;
    Ok(())
}

async fn read_blocks(recorder: &mut Recorder, directory: &Path, count: u64) -> Result<()> {
    let options = PackOptions::default().with_cache_bytes(0);
    let pack: Pack = Pack::open(directory, &options).await?;
    let mut random = SplitMix64::new(7);
    let there: Vec<_> = (0..READS).map(|_| block(random.below(count))).collect();
    let absent: Vec<_> = (0..READS).map(|i| block(u64::MAX - i).0).collect();
    for step in ["found, first time", "found, in the kernel's memory"] {
        let start = Start::now();
        for (name, block) in &there {
            assert_eq!(pack.blocks().find(name).await?.as_ref(), Some(block), "it was added");
        }
        recorder.done(SUBJECT, step, READS, start);
    }
    for step in ["absent, first time", "absent"] {
        let start = Start::now();
        for name in &absent {
            assert_eq!(pack.blocks().find(name).await?, None, "it was never added");
        }
        recorder.done(SUBJECT, step, READS, start);
    }
    pack.blocks().close().await?;
    Ok(())
}

/// Adds blocks and sets a ref, time and again; says when the active segment is well filled.
async fn write(directory: &Path, count: u64) -> Result<()> {
    /// So much is written before the kill: most of a segment.
    const BYTES: u64 = 48 << 20;
    let pack: Pack = Pack::open(directory, &PackOptions::default()).await?;
    let keep = RefName::branch("main")?;
    for i in 0.. {
        let blocks = (0..1000).map(|j| block(count + 1000 * i + j)).collect();
        pack.blocks().unsafe_add_many(blocks).await?;
        pack.refs().set(RefName::branch("other")?, block(count + 1000 * i).0).await?;
        if i == BYTES / (1000 * 236) {
            assert!(pack.refs().find(&keep).await?.is_some(), "it was set");
            println!("enough");
        }
    }
    Ok(())
}

fn limit_memory() -> Result<()> {
    let limit = Some(DATA_BYTES_MAX);
    setrlimit(Resource::Data, Rlimit { current: limit, maximum: limit })?;
    Ok(())
}

async fn entries(directory: &Path) -> Result<Repo<Kv<String>>> {
    let options = PackOptions::default().with_durability(Durability::Os);
    let backend = Backend::new(Pack::<Sha1>::open(directory, &options).await?);
    let options = RepoOptions::default().with_cache_bytes(32 << 20);
    Ok(Repo::with_options(backend, options))
}

fn path(i: u64) -> String {
    format!("w/k{i:07}")
}

async fn fill(recorder: &mut Recorder, directory: &Path, count: u64) -> Result<()> {
    limit_memory()?;
    let repo = entries(directory).await?;
    let main = repo.main().await?;
    let start = Start::now();
    for first in (0..count).step_by(usize::try_from(COMMIT)?) {
        let mut edit = main.begin().await?;
        for i in first..count.min(first + COMMIT) {
            edit.set(path(i), format!("v{i}")).await?;
        }
        main.commit(edit, "fill").await?;
    }
    recorder.done(SUBJECT, "fill, 256 MiB, per entry", count, start);
    let mut random = SplitMix64::new(11);
    let start = Start::now();
    for j in 0..1000 {
        main.set(path(random.below(count)), format!("u{j}"), "update").await?;
    }
    recorder.done(SUBJECT, "update, 256 MiB", 1000, start);
    repo.close().await?;
    Ok(())
}

async fn read_entries(recorder: &mut Recorder, directory: &Path, count: u64) -> Result<()> {
    limit_memory()?;
    let repo = entries(directory).await?;
    let main = repo.main().await?;
    let tree = main.tree().await?;
    assert_eq!(tree.len("w").await?, count, "as many as were set");
    let mut random = SplitMix64::new(5);
    let start = Start::now();
    for _ in 0..READS {
        assert!(main.find(path(random.below(count))).await?.is_some(), "it was set");
    }
    recorder.done(SUBJECT, "find, 256 MiB", READS, start);
    let start = Start::now();
    let mut listed = 0;
    while listed < count {
        let options = ListOptions::default().with_offset(listed).with_limit(1000);
        let page = tree.list_with("w", options).await?;
        if page.is_empty() {
            return Err("a list ended early".into());
        }
        listed += page.len() as u64;
    }
    recorder.done(SUBJECT, "list, 256 MiB, per entry", count, start);
    repo.close().await?;
    Ok(())
}
