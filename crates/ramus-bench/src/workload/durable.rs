//! One durable update at a time: a ref with a block of 300 bytes, and a `set` with its commit. The floor
//! writes 300 bytes into a prewritten file and syncs it. Each operation is followed by one of the floor, so
//! that both see the same disk; the median operation counts, since single ones wait for what others write.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ramus_core::{AtomicWrite as _, Hash as _, ReadOnly as _, RefName, Sha1, Storage as _, Update};

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{info, repo};
use crate::io;
use crate::peer::{Peer, Skill};
use crate::record::Recorder;
use crate::subject::Subject;
use crate::workload::versions::Versions;

const UPDATE: &str = "update of a ref";
const COMMIT: &str = "set and commit";
const BYTES: usize = 300;

/// The times of single operations, and what they wrote.
#[derive(Default)]
struct Times {
    each: Vec<Duration>,
    written: u64,
}

impl Times {
    /// Notes the median operation.
    fn record(mut self, recorder: &mut Recorder, subject: Subject, step: &str) {
        self.each.sort();
        let (n, median) = (self.each.len(), self.each[self.each.len() / 2]);
        let took = median * u32::try_from(n).unwrap_or(u32::MAX);
        recorder.add(subject, step, n as u64, took, self.written);
    }

    /// Notes an operation that took so long, and wrote so much.
    fn note(&mut self, (start, written): (Instant, u64)) {
        self.each.push(start.elapsed());
        self.written += io::written_bytes() - written;
    }
}

fn begin() -> (Instant, u64) {
    let written = io::written_bytes();
    (Instant::now(), written)
}

/// A file of zeros on disk, into which the floor writes.
struct Prewritten {
    file: File,
    at: u64,
    times: Times,
}

impl Prewritten {
    const SIZE: u64 = 4 << 20;

    fn new(context: &Context<'_>) -> Result<(Self, crate::fixture::Place)> {
        let place = context.place(Subject::Floor)?;
        let file = File::create(place.directory()?.join("floor"))?;
        file.write_all_at(&vec![0; usize::try_from(Self::SIZE)?], 0)?;
        file.sync_all()?;
        Ok((Self { file, at: 0, times: Times::default() }, place))
    }

    /// Writes and syncs as many bytes as an update brings.
    fn turn(&mut self) -> Result<()> {
        let bytes = [1; BYTES];
        let start = begin();
        self.file.write_all_at(&bytes, self.at)?;
        self.file.sync_data()?;
        self.times.note(start);
        self.at = (self.at + BYTES as u64) % (Self::SIZE - BYTES as u64);
        Ok(())
    }
}

pub(super) async fn run(context: &Context<'_>) -> Measured {
    let count = context.size(500, 10_000);
    let mut recorder = Recorder::new("durable");
    let subjects = [Subject::RamusPack, Subject::RamusPackCaller];
    for (subject, is_first) in subjects.into_iter().zip([true, false]) {
        if !context.has(subject) {
            continue;
        }
        // The floor is that of the first.
        let has_floor = context.has(Subject::Floor) && (is_first || !context.has(subjects[0]));
        updates(context, &mut recorder, count, (subject, has_floor)).await?;
        commits(context, &mut recorder, count, (subject, has_floor)).await?;
    }
    for peer in context.skilled(Skill::Values).filter(|peer| peer.is_synced()) {
        sets(context, &mut recorder, count, peer)?;
    }
    Ok(recorder.records)
}

async fn updates(
    context: &Context<'_>,
    recorder: &mut Recorder,
    count: u64,
    (subject, has_floor): (Subject, bool),
) -> Result<()> {
    let (mut floor, _floor) = Prewritten::new(context)?;
    let place = context.place(subject)?;
    let (pack, key) = (place.pack().await?, RefName::branch("x")?);
    let mut times = Times::default();
    for i in 0..count {
        let mut block = vec![0; BYTES];
        block[..8].copy_from_slice(&i.to_le_bytes());
        let name = Sha1::of(&block);
        let update = Update::new(pack.refs().position().await?).set(key.clone(), name);
        let start = begin();
        let outcome = pack.write(vec![(name, Bytes::from(block))], update).await?;
        times.note(start);
        assert!(outcome.is_applied(), "it tests nothing");
        floor.turn()?;
    }
    times.record(recorder, subject, UPDATE);
    if has_floor {
        floor.times.record(recorder, Subject::Floor, UPDATE);
    }
    place.weigh().await?;
    pack.refs().close().await?;
    Ok(())
}

async fn commits(
    context: &Context<'_>,
    recorder: &mut Recorder,
    count: u64,
    (subject, has_floor): (Subject, bool),
) -> Result<()> {
    let (mut floor, _floor) = Prewritten::new(context)?;
    let place = context.place(subject)?;
    let repo = repo(place.backend().await?);
    let main = repo.main().await?;
    let mut times = Times::default();
    for i in 0..count {
        let path = path(i);
        let start = begin();
        main.set(path, format!("v{i}"), info()).await?;
        times.note(start);
        floor.turn()?;
    }
    times.record(recorder, subject, COMMIT);
    if has_floor {
        floor.times.record(recorder, Subject::Floor, COMMIT);
    }
    versions(count).ask(recorder, subject, (&repo, &main)).await?;
    place.weigh().await?;
    repo.close().await?;
    Ok(())
}

fn sets(
    context: &Context<'_>,
    recorder: &mut Recorder,
    count: u64,
    peer: &'static dyn Peer,
) -> Result<()> {
    let (mut floor, _floor) = Prewritten::new(context)?;
    let (mut store, _place) = context.open(peer)?;
    let mut times = Times::default();
    for i in 0..count {
        let edits = [(path(i), format!("v{i}"))];
        let start = begin();
        store.set(&edits)?;
        times.note(start);
        floor.turn()?;
    }
    times.record(recorder, Subject::Peer(peer.name()), COMMIT);
    versions(count).ask_peer(recorder, peer, &mut *store)
}

fn versions(count: u64) -> Versions {
    let mut versions = Versions::default();
    for i in 0..count {
        versions.commit([(path(i), format!("v{i}"))]);
    }
    versions
}

fn path(i: u64) -> String {
    format!("a/{:02}/{:02}", i / 100 % 100, i % 100)
}
