//! Processes that are killed: what one acknowledged before is there for the next.
//!
//! The test starts itself again as a child that works in a directory and says on its standard error
//! what was answered, and kills it at some moment. Each writer of the child has refs of its own, and what
//! its n-th update sets follows from its number and n; so what is there shows how far it came, and
//! whether all of that is there. In every other directory one more task collects what no ref names,
//! all the time. Whether the child syncs at all, who does, and how blocks are stored is chosen for each.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt as _;
use ramus_core::{
    AtomicWrite as _, Changes, ContentAddressable as _, Cursor, Hash as _, Outcome, ReadOnly as _,
    RefName, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_testkit::{Campaign, run};

use super::sim::Random;
use crate::check::check_disk;
use crate::disk::RealDisk;
use crate::options::Settings;
use crate::{Compression, Depth, Durability, Pack, PackOptions, SyncBy};

const TEST: &str = "tests::kill::what_was_acknowledged_outlives_a_kill";
/// Tells a child where it works, and how.
const DIRECTORY: &str = "RAMUS_PACK_KILL_DIRECTORY";
/// Some of these words, with a space between.
const MANNER: &str = "RAMUS_PACK_KILL_MANNER";
const OS: &str = "os";
const SYNCS_BY_CALLER: &str = "caller";
const COMPRESSES: &str = "zstd";
const COLLECTS: &str = "collects";

const WRITERS: usize = 4;
/// Kills per unit of scale.
const KILLS: usize = 6;

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        run(work(directory));
        return;
    }
    let campaign = Campaign::from_env();
    let mut random = Random::new(campaign.seed);
    let (mut killed, mut acknowledged) = (0, 0);
    let mut seen = Seen::default();
    for collects in [false, true].into_iter().cycle() {
        if killed >= campaign.times(KILLS) {
            break;
        }
        let directory = tempfile::tempdir().expect("a directory for tests");
        let mut answered = [0; WRITERS];
        let mut lives = 0;
        // Some kills one after the other, each of which finds what the one before has left.
        for _ in 0..3 {
            let manner = some_manner(collects, &mut random);
            kill_once(directory.path(), &manner, &mut answered, &mut random);
            killed += 1;
            lives += 1;
            if random.once_in(2) {
                run(check(directory.path(), collects, lives, &mut answered, &mut seen));
                lives = 0;
            }
        }
        run(check(directory.path(), collects, lives, &mut answered, &mut seen));
        acknowledged += answered.iter().sum::<u64>();
    }
    let Seen { segments, collected } = seen;
    assert!(acknowledged > 0 && segments > 2, "{killed} kills came before much was done");
    assert!(collected > 0, "nothing was collected in {killed} lives");
}

/// What was seen in all directories together.
#[derive(Debug, Default)]
struct Seen {
    /// The most that one had.
    segments: usize,
    /// How many blocks were there no more.
    collected: usize,
}

/// Chooses how a process works.
fn some_manner(collects: bool, random: &mut Random) -> String {
    let os = random.once_in(2);
    let by_caller = random.once_in(3);
    let compresses = random.once_in(3);
    let words =
        [(os, OS), (by_caller, SYNCS_BY_CALLER), (compresses, COMPRESSES), (collects, COLLECTS)];
    let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    words.join(" ")
}

/// Starts a process and kills it at some moment; notes what it said was answered.
fn kill_once(directory: &Path, manner: &str, answered: &mut [u64; WRITERS], random: &mut Random) {
    let mut child = start(directory, manner);
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    // While it opens the directory; or after some answers, and a little later.
    let answers = if random.once_in(5) { 0 } else { 1 + random.below(300) };
    for _ in 0..answers {
        assert!(hear(&mut said, answered), "the child ended by itself");
    }
    let later = Duration::from_micros(random.next() % if answers == 0 { 20_000 } else { 2_000 });
    let until = Instant::now() + later;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    // What it had said before that.
    while hear(&mut said, answered) {}
}

fn start(directory: &Path, manner: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("the path of the test"));
    command.args(["--exact", TEST, "--nocapture"]);
    command.env(DIRECTORY, directory).env(MANNER, manner);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the test can start itself")
}

/// Takes a line in which the child says what was answered; returns whether there was one.
fn hear(said: &mut BufReader<ChildStderr>, answered: &mut [u64; WRITERS]) -> bool {
    let mut line = String::new();
    said.read_line(&mut line).expect("a line of text");
    let Some(line) = line.strip_suffix('\n') else { return false };
    let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [writer, update] = numbers[..] else { panic!("the child says: {line}") };
    let writer = &mut answered[usize::try_from(writer).expect("a small number")];
    assert!(*writer < update, "update {update} was answered after {writer}");
    *writer = update;
    true
}

fn settings(options: PackOptions) -> Settings {
    let options = options.with_cache_bytes(0);
    Settings {
        segment_bytes: 20_000,
        ahead_bytes: 4096,
        log_changes: 100,
        ..Settings::new(options)
    }
}

fn open(directory: &Path, options: PackOptions) -> Pack {
    let disk = RealDisk::open_or_create(directory).expect("the directory");
    Pack::open_disk(Arc::new(disk), settings(options)).expect("open")
}

/// Works until it is killed.
async fn work(directory: String) {
    let manner = std::env::var(MANNER).expect("it is said");
    let is = |word| manner.split(' ').any(|other| other == word);
    let mut options = PackOptions::default();
    if is(OS) {
        options.durability = Durability::Os;
    }
    if is(SYNCS_BY_CALLER) {
        options.sync_by = SyncBy::Caller;
    }
    options.compression = Some(if is(COMPRESSES) { Compression::Zstd } else { Compression::None });
    let pack = open(Path::new(&directory), options);
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write_on(pack.clone(), writer))).collect();
    if is(COLLECTS) {
        tokio::spawn(collect_on(pack)).await.expect("the collector goes on");
    }
    for writer in writers {
        writer.await.expect("a writer goes on");
    }
}

/// Collects what no ref names, again and again. (No block names another here.)
async fn collect_on(pack: Pack) {
    let sweep = pack.sweep().expect("a sweep");
    for round in 1_u64.. {
        let epoch = sweep.begin().await.expect("begin");
        let refs = pack.refs().snapshot(b"").await.expect("snapshot");
        let mut at = refs.cursor();
        let refs = refs.collect().await.expect("refs");
        let mut kept: BTreeSet<_> = refs.into_iter().map(|(_, value)| value).collect();
        while let Changes::Page(page) = pack.refs().changes(at, 100).await.expect("changes") {
            let keys = page.changes.iter().flat_map(|change| &change.keys);
            kept.extend(keys.filter_map(|key| key.new));
            at = page.next;
            if page.is_last() {
                break;
            }
        }
        let keys: Vec<_> = sweep.keys().try_collect().await.expect("keys");
        let garbage = keys.into_iter().filter(|key| !kept.contains(key)).collect();
        sweep.remove_many(epoch, garbage).await.expect("remove_many");
        if !round.is_multiple_of(4) {
            sweep.finish(epoch).await.expect("finish");
        }
    }
}

async fn write_on(pack: Pack, writer: usize) {
    let mut number = came_to(&pack, writer).await;
    loop {
        number += 1;
        let (blocks, sets) = update(writer, number);
        let mut update = Update::new(pack.refs().position().await.expect("position"));
        for (name, block) in sets {
            update = match block {
                Some(block) => update.set(name, block),
                None => update.remove(name),
            };
        }
        let blocks = blocks.into_iter().map(|block| (Sha1::of(&block), block)).collect();
        let outcome = pack.write(blocks, update).await.expect("write");
        assert!(matches!(outcome, Outcome::Applied(_)), "nothing is tested");
        // With one call, so that a line is whole.
        let line = format!("{writer} {number}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("the parent listens");
        if number.is_multiple_of(16) {
            pack.blocks().flush().await.expect("flush");
        }
    }
}

fn name(writer: usize, name: &str) -> RefName {
    RefName::branch(&format!("{writer}/{name}")).expect("a name")
}

type Sets = Vec<(RefName, Option<Sha1>)>;

/// Returns the blocks that the update of this number of a writer brings, and what it sets.
fn update(writer: usize, number: u64) -> (Vec<Bytes>, Sets) {
    let mut random = Random::new(number * WRITERS as u64 + writer as u64);
    let count = Bytes::from(format!("{writer} {number}"));
    let mut sets = vec![(name(writer, "number"), Some(Sha1::of(&count)))];
    let mut blocks = vec![count];
    for _ in 0..random.below(4) {
        let name = name(writer, &format!("ref{}", random.below(5)));
        if random.once_in(5) {
            sets.push((name, None));
        } else {
            let length = random.below(900);
            // Some can be compressed.
            let mask = if random.once_in(2) { 3 } else { u8::MAX };
            let block: Bytes = (0..length).map(|_| random.byte() & mask).collect();
            sets.push((name, Some(Sha1::of(&block))));
            blocks.push(block);
        }
    }
    (blocks, sets)
}

/// Returns how many updates of a writer are there.
async fn came_to(pack: &Pack, writer: usize) -> u64 {
    let Some(block) = pack.refs().find(&name(writer, "number")).await.expect("find") else {
        return 0;
    };
    let block = pack.blocks().find(&block).await.expect("find").expect("a ref names what is there");
    let text = std::str::from_utf8(&block).expect("it is text");
    let number = text.strip_prefix(&format!("{writer} ")).expect("it is of this writer");
    number.parse().expect("a number")
}

/// Checks that every answered update is there, none in half, and that nothing is wrong: all its blocks, or
/// those that a ref names where others may have been collected. There were so many lives since the last check.
async fn check(
    directory: &Path,
    collects: bool,
    lives: u64,
    answered: &mut [u64; WRITERS],
    seen: &mut Seen,
) {
    let pack = open(directory, PackOptions::default());
    let refs = pack.refs().snapshot(b"").await.expect("snapshot");
    let end = refs.cursor();
    let refs: BTreeMap<_, _> = refs.collect().await.expect("refs").into_iter().collect();
    let mut expected = BTreeMap::new();
    let mut updates = 0;
    for (writer, answered) in answered.iter_mut().enumerate() {
        let number = came_to(&pack, writer).await;
        // One was under way at the end of each life, at the most.
        assert!(
            (*answered..=*answered + lives).contains(&number),
            "{number}, {answered} were answered"
        );
        for number in 1..=number {
            let (blocks, sets) = update(writer, number);
            for (name, block) in sets {
                match block {
                    Some(block) => expected.insert(name, block),
                    None => expected.remove(&name),
                };
            }
            for block in blocks {
                let name = Sha1::of(&block);
                let found = pack.blocks().find(&name).await.expect("find");
                if collects && found.is_none() && !refs.values().any(|value| *value == name) {
                    seen.collected += 1;
                } else {
                    assert_eq!(found, Some(block), "of update {number} of {writer}");
                }
            }
        }
        *answered = number;
        updates += number;
    }
    assert_eq!(refs, expected);
    assert_eq!(end.sequence, updates, "each update is one change");
    let mut at = Cursor { sequence: updates.saturating_sub(50), ..end };
    if let Changes::Truncated { oldest } = pack.refs().changes(at, 1).await.expect("changes") {
        at = oldest;
    }
    while let Changes::Page(page) = pack.refs().changes(at, 10).await.expect("changes") {
        for change in &page.changes {
            assert_eq!(change.previous, at.sequence);
            at = change.cursor;
        }
        if page.is_last() {
            break;
        }
    }
    assert_eq!(at, end, "the log goes on up to its end");
    pack.close().await.expect("close");
    let disk = Arc::new(RealDisk::at(directory));
    let report = check_disk::<Sha1>(&disk, Depth::Full).expect("check");
    assert_eq!(report.problems, Vec::<String>::new());
    seen.segments = seen.segments.max(report.segments);
}
