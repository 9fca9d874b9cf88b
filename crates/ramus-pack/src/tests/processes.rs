//! Several processes at one directory: one writes, the others read.
//!
//! A test starts itself again as a child, which does its part, says on its standard error what came of
//! it, and ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _,
    ReadOnly as _, RefName, Sha1, Storage as _, Sweep as _,
};
use ramus_testkit::{Campaign, run};
use ramus_watch::{Event, WatchExt as _, WatchOptions};

use crate::{Durability, Mode, Pack, PackOptions};

/// Tells a child where it works.
const DIRECTORY: &str = "RAMUS_PACK_CHILD_DIRECTORY";
/// And how many updates it waits for.
const UPDATES: &str = "RAMUS_PACK_CHILD_UPDATES";

fn start(test: &str, directory: &Path, updates: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("the path of the test"));
    command.args(["--exact", &format!("tests::processes::{test}"), "--nocapture"]);
    command.env(DIRECTORY, directory).env(UPDATES, updates.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the test can start itself")
}

/// Says a line to the parent.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("the parent listens");
}

fn branch(number: u64) -> RefName {
    RefName::branch(&format!("b{}", number % 10)).expect("a name")
}

#[test]
fn a_second_process_that_writes_is_refused_at_once_naming_the_first() {
    const TEST: &str = "a_second_process_that_writes_is_refused_at_once_naming_the_first";
    if let Ok(directory) = std::env::var(DIRECTORY) {
        run(async {
            let error = Pack::<Sha1>::open(directory, &PackOptions::default()).await;
            let error = error.expect_err("it is open elsewhere");
            say(&format!("{}: {error}", error.kind()));
        });
        return;
    }
    run(async {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let pack: Pack = Pack::open(directory.path(), &PackOptions::default()).await.expect("open");
        let mut child = start(TEST, directory.path(), 0);
        let mut said = String::new();
        child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
        assert!(child.wait().expect("wait").success(), "{said}");
        assert!(said.starts_with(&ErrorKind::Unavailable.to_string()), "{said}");
        assert!(said.contains(&format!("process {};", std::process::id())), "{said}");
        pack.close().await.expect("close");
    });
}

/// Updates per unit of scale, and those that are synced one by one.
const MANY: usize = 2000;
const MANY_SYNCED: usize = 200;

#[test]
fn readers_in_other_processes_get_every_event() {
    const TEST: &str = "readers_in_other_processes_get_every_event";
    if let Ok(directory) = std::env::var(DIRECTORY) {
        run(read_all(directory));
        return;
    }
    for (durability, updates) in [(Durability::Os, MANY), (Durability::Sync, MANY_SYNCED)] {
        let updates = u64::try_from(Campaign::from_env().times(updates)).expect("a number");
        follow_from_elsewhere(TEST, durability, updates);
    }
}

/// Updates, and has two processes follow.
fn follow_from_elsewhere(test: &str, durability: Durability, updates: u64) {
    run(async move {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let options = PackOptions::default().with_durability(durability);
        let pack: Pack = Pack::open(directory.path(), &options).await.expect("open");
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut child = start(test, directory.path(), updates);
            let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
            let mut line = String::new();
            said.read_line(&mut line).expect("a line");
            assert_eq!(line, "watching\n");
            readers.push((child, said));
        }
        for number in 1..=updates {
            let block = pack.blocks().add(format!("{number}").into()).await.expect("add");
            pack.refs().set(branch(number), block).await.expect("set");
            if number == updates / 2 {
                // One that comes later follows just the same.
                let _late = read(directory.path()).await;
            }
        }
        for (mut child, mut said) in readers {
            let mut rest = String::new();
            said.read_to_string(&mut rest).expect("text");
            assert!(child.wait().expect("wait").success(), "{rest}");
            assert_eq!(rest, format!("{updates} events\n"));
        }
        pack.close().await.expect("close");
    });
}

async fn read(directory: impl AsRef<Path>) -> Pack {
    let options = PackOptions::default().with_mode(Mode::Read).with_follow_ms(5);
    Pack::open(directory, &options).await.expect("read")
}

/// Watches every branch until all updates were told, each with the block that it names.
async fn read_all(directory: String) {
    let updates: u64 = std::env::var(UPDATES).expect("it is said").parse().expect("a number");
    let pack = read(directory).await;
    let mut watch = pack.refs().watch(WatchOptions::default()).await.expect("watch");
    let began = pack.refs().position().await.expect("position").sequence;
    say("watching");
    for number in 1..=updates {
        let event = watch.next().await.expect("it goes on").expect("an event");
        let Event::Changed(changed) = event else { panic!("update {number}: {event:?}") };
        assert_eq!(changed.cursor().sequence, began + number);
        let [key] = changed.keys() else { panic!("one ref: {changed:?}") };
        assert_eq!(key.key, branch(number));
        let block = pack.blocks().find(&key.new.expect("it is set")).await.expect("find");
        assert_eq!(block, Some(format!("{number}").into()), "the block is there before the change");
    }
    pack.close().await.expect("close");
    say(&format!("{updates} events"));
}

/// Updates per unit of scale beside collections, one after each tenth.
const COLLECTED: usize = 300;

#[test]
fn readers_in_other_processes_miss_nothing_beside_collections() {
    const TEST: &str = "readers_in_other_processes_miss_nothing_beside_collections";
    if let Ok(directory) = std::env::var(DIRECTORY) {
        run(read_beside(directory));
        return;
    }
    let updates = u64::try_from(Campaign::from_env().times(COLLECTED)).expect("a number");
    run(async move {
        let directory = tempfile::tempdir().expect("a directory for tests");
        let options = PackOptions::default().with_durability(Durability::Os);
        let pack: Pack = Pack::open(directory.path(), &options).await.expect("open");
        let mut readers = Vec::new();
        for _ in 0..2 {
            let mut child = start(TEST, directory.path(), updates);
            let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
            let mut line = String::new();
            said.read_line(&mut line).expect("a line");
            assert_eq!(line, "reading\n");
            readers.push((child, said));
        }
        let mut old = Vec::new();
        for number in 1..=updates {
            let block = pack.blocks().add(format!("{number}").into()).await.expect("add");
            old.extend(pack.refs().find(&branch(number)).await.expect("find"));
            pack.refs().set(branch(number), block).await.expect("set");
            if number.is_multiple_of(10) {
                let sweep = pack.sweep().expect("a sweep");
                let epoch = sweep.begin().await.expect("begin");
                let count = old.len();
                let removed = sweep.remove_many(epoch, std::mem::take(&mut old)).await;
                assert_eq!(removed.expect("remove_many"), count);
                sweep.finish(epoch).await.expect("finish");
            }
        }
        let done = pack.blocks().add("done".into()).await.expect("add");
        pack.refs().set(branch(0), done).await.expect("set");
        for (mut child, mut said) in readers {
            let mut rest = String::new();
            said.read_to_string(&mut rest).expect("text");
            assert!(child.wait().expect("wait").success(), "{rest}");
            assert_eq!(rest, "all was there\n");
        }
        pack.close().await.expect("close");
    });
}

/// Reads what each branch names, until the writer is done. Each value is named once, so one that is named
/// again has been named all the time.
async fn read_beside(directory: String) {
    let pack = read(directory).await;
    say("reading");
    let done = Sha1::of(b"done");
    let mut number = 0;
    loop {
        number += 1;
        tokio::task::yield_now().await;
        let Some(named) = pack.refs().find(&branch(number)).await.expect("find") else { continue };
        if let Some(block) = pack.blocks().find(&named).await.expect("find") {
            assert_eq!(Sha1::of(&block), named);
        } else {
            let now = pack.refs().find(&branch(number)).await.expect("find");
            assert_ne!(now, Some(named), "it is named, and is not there");
        }
        if named == done {
            break;
        }
    }
    pack.close().await.expect("close");
    say("all was there");
}
