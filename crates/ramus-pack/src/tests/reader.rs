//! Readers beside a writer: what they see, and what not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Changes, ContentAddressable as _, Cursor, ErrorKind,
    Hash as _, LogReach, ReadOnly as _, RefName, Result, Sha1, Sha256, Storage as _, Update,
};
use ramus_testkit::{Campaign, run};
use ramus_watch::{Event, WatchExt as _};

use super::crash::recorded;
use super::sim::{Random, SimDisk};
use super::work::{History, open, settings};
use crate::disk::{Access, Disk, DiskFile, Locked, forward_disk};
use crate::format::manifest::FileKind;
use crate::options::Settings;
use crate::{Damaged, Durability, Mode, Pack};

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

async fn set(pack: &Pack, text: &str) -> Sha1 {
    let block = pack.blocks().add(text.to_owned().into()).await.expect("add");
    pack.refs().set(main(), block).await.expect("set");
    block
}

/// Settings of a reader that looks for news when it is told to, and otherwise once a minute.
fn read_settings() -> Settings {
    let settings = settings(Durability::Sync);
    let options = settings.options.clone().with_mode(Mode::Read).with_follow_ms(60_000);
    Settings { options, ..settings }
}

fn read(disk: &SimDisk) -> Result<Pack> {
    Pack::open_disk(Arc::new(disk.clone()), read_settings())
}

fn follow(reader: &Pack) {
    reader.blocks().0.shared.follow().expect("follow");
}

async fn at_main(pack: &Pack) -> Option<Sha1> {
    pack.refs().find(&main()).await.expect("find")
}

/// Returns the refs, and the log from some place on.
async fn all(pack: &Pack) -> (Cursor, Vec<(RefName, Sha1)>) {
    let refs = pack.refs().snapshot(b"").await.expect("snapshot");
    (refs.cursor(), refs.collect().await.expect("refs"))
}

/// Checks that a reader shows what the writer does: refs, blocks and the log.
async fn same(reader: &Pack, writer: &Pack, history: &History) {
    assert_eq!(all(reader).await, all(writer).await);
    history.check(reader, usize::MAX).await.expect("read");
}

#[test]
fn whatever_a_writer_does_readers_see_it() {
    run(async {
        let campaign = Campaign::from_env();
        for round in 0..campaign.times(4) {
            let seed = campaign.seed + round as u64;
            let mut random = Random::new(seed);
            let mut disk = SimDisk::default();
            let mut history = History::new();
            drop(open(&disk, Durability::Sync).expect("open"));
            let early = read(&disk).expect("read");
            for _ in 0..5 {
                let pack = open(&disk, Durability::Sync).expect("open");
                history.opened(&pack, &disk).await.expect("read");
                for _ in 0..4 {
                    // Sometimes it misses several segments.
                    let things = [3, 10, 60][random.below(3)];
                    history.work(&pack, &disk, things, &mut random).await.expect("work");
                    follow(&early);
                    let late = read(&disk).expect("read");
                    pack.blocks().flush().await.expect("flush");
                    same(&early, &pack, &history).await;
                    same(&late, &pack, &history).await;
                }
                if random.once_in(2) {
                    pack.close().await.expect("close");
                    follow(&early);
                    history.check(&early, usize::MAX).await.expect("read");
                } else {
                    disk = disk.kill();
                }
            }
        }
    });
}

#[test]
fn what_is_not_durable_is_not_seen_by_a_reader() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = set(&pack, "first").await;
        let early = read(&disk).expect("read");
        disk.hold();
        let second = tokio::spawn({
            let pack = pack.clone();
            async move { set(&pack, "second").await }
        });
        disk.wait_for_sync();
        // It is written, and not synced.
        let late = read(&disk).expect("read");
        follow(&early);
        let mut seen = Vec::new();
        for reader in [&early, &late] {
            seen.push(at_main(reader).await);
            let block = reader.blocks().find(&Sha1::of(b"second")).await.expect("find");
            seen.push(block.map(|block| Sha1::of(&block)));
        }
        disk.release();
        let second = second.await.expect("it is set");
        assert_eq!(seen, [Some(first), None, Some(first), None]);
        for reader in [&early, &late] {
            follow(reader);
            assert_eq!(at_main(reader).await, Some(second));
            assert!(reader.blocks().mem(&second).await.expect("mem"));
        }
        pack.close().await.expect("close");
    });
}

#[test]
fn with_durability_os_what_was_answered_is_seen() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Os).expect("open");
        let reader = read(&disk).expect("read");
        for number in 0..100 {
            let block = set(&pack, &format!("{number}{}", "x".repeat(300))).await;
            follow(&reader);
            assert_eq!(at_main(&reader).await, Some(block));
            assert!(reader.blocks().find(&block).await.expect("find").is_some());
        }
    });
}

#[test]
fn a_reader_shows_nothing_that_a_crash_can_take() {
    run(async {
        let campaign = Campaign::from_env();
        let mut random = Random::new(campaign.seed);
        let mut states = 0;
        while states < campaign.times(200) {
            let (recording, history) = recorded(Durability::Sync, &mut random).await;
            for operations in 0..=recording.log.len() {
                let context = format!("a crash after {operations} operations");
                let disk = recording.crash(operations, &mut random);
                let seen = match read(&disk) {
                    Ok(reader) => {
                        let seen = all(&reader).await;
                        let mut tail = history.clone();
                        // It may show less than was answered, and what it shows is whole.
                        tail.forget_answers();
                        tail.check(&reader, operations).await.expect(&context);
                        Some(seen)
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{context}: {error:?}");
                        None
                    }
                };
                let pack = open(&disk, Durability::Sync).expect(&context);
                if let Some((at, _)) = seen {
                    let (end, _) = all(&pack).await;
                    assert_eq!(at.incarnation, end.incarnation, "{context}");
                    assert!(at.sequence <= end.sequence, "{context}: {at} was shown, of {end}");
                }
            }
            states += recording.log.len() + 1;
        }
    });
}

#[test]
fn a_reader_changes_nothing_and_its_writes_are_refused() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let block = set(&pack, "block").await;
        let name = RefName::internal("index").expect("a name");
        assert!(pack.replace_derived(&name, "derived".into()).await.expect("replace"));
        let recording = disk.record();
        let reader = read(&disk).expect("read");
        assert_eq!(reader.refs().limits().log, LogReach::Shared);
        assert_eq!(
            reader.load_derived(&name).await.expect("load").as_deref(),
            Some(&b"derived"[..])
        );
        let update = Update::new(reader.refs().position().await.expect("position"));
        let refused = [
            reader.blocks().add("new".into()).await.map(drop),
            reader.blocks().add("block".into()).await.map(drop),
            reader.refs().update(update.clone().remove(main())).await.map(drop),
            reader.write(Vec::new(), update.set(main(), block)).await.map(drop),
            reader.append_derived(&name, 7, "more".into()).await.map(drop),
            reader.replace_derived(&name, "other".into()).await.map(drop),
        ];
        for refused in refused {
            let error = refused.expect_err("it is only read");
            assert_eq!(error.kind(), ErrorKind::Permission);
            assert!(error.to_string().contains("`mode=read`"), "{error}");
        }
        reader.blocks().flush().await.expect("there is nothing to flush");
        // What the writer puts in its place is loaded; it is not damage.
        assert!(pack.replace_derived(&name, "other".into()).await.expect("replace"));
        assert_eq!(reader.load_derived(&name).await.expect("load").as_deref(), Some(&b"other"[..]));
        reader.close().await.expect("close");
        reader.close().await.expect("close once more");
        let closed = reader.refs().find(&main()).await.expect_err("it is closed");
        assert_eq!(closed.kind(), ErrorKind::Closed);
        let closed = reader.load_derived(&name).await.expect_err("it is closed");
        assert_eq!(closed.kind(), ErrorKind::Closed);
        let written = recording.of(&disk).log;
        let by_the_writer = 3;
        assert_eq!(written.len(), by_the_writer, "{written:?}");
    });
}

#[test]
fn files_that_were_unlinked_stay_readable() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let mut blocks = Vec::new();
        for number in 0..60 {
            blocks.push(set(&pack, &format!("{number}{}", "x".repeat(300))).await);
        }
        let reader = read(&disk).expect("read");
        let files = |disk: &SimDisk, kind| {
            let names = disk.files().into_iter().map(|(name, _)| name);
            let of_kind =
                names.filter(|name| FileKind::of_file_name(name).is_some_and(|(of, _)| of == kind));
            of_kind.collect::<Vec<_>>()
        };
        let runs = files(&disk, FileKind::Index);
        let last = blocks.last().copied();
        for number in 60..200 {
            blocks.push(set(&pack, &format!("{number}{}", "x".repeat(300))).await);
        }
        let left = files(&disk, FileKind::Index);
        assert!(runs.iter().any(|run| !left.contains(run)), "runs were merged");
        assert_eq!(at_main(&reader).await, last, "it has not followed yet");
        for block in &blocks[..60] {
            assert!(reader.blocks().find(block).await.expect("find").is_some());
        }
        follow(&reader);
        assert_eq!(at_main(&reader).await, blocks.last().copied());
        for block in &blocks {
            assert!(reader.blocks().find(block).await.expect("find").is_some());
        }
    });
}

#[test]
fn a_watch_of_a_reader_gets_each_change_and_a_resync_where_there_is_a_gap() {
    run(async {
        let mut disk = SimDisk::default();
        let pack = open(&disk, Durability::Os).expect("open");
        set(&pack, "first").await;
        let reader = read(&disk).expect("read");
        let mut watch = reader.refs().watch_key(&main()).await.expect("watch");
        for round in 0..30 {
            let mut told = Vec::new();
            for number in 0..3 {
                told.push(set(&pack, &format!("{round} {number} {}", "x".repeat(200))).await);
            }
            follow(&reader);
            for block in told {
                let event = soon(watch.next()).await.expect("it goes on").expect("an event");
                let Event::Changed(change) = event else { panic!("{event:?}") };
                assert_eq!(change.keys()[0].new, Some(block));
            }
        }
        // More than the log keeps.
        for number in 0..100 {
            set(&pack, &format!("{number} {}", "x".repeat(200))).await;
        }
        follow(&reader);
        resynced(&mut watch).await;
        // Another life of the log: what a power cut may have taken is not known.
        disk = disk.kill();
        drop(pack);
        let pack = open(&disk, Durability::Os).expect("open");
        follow(&reader);
        resynced(&mut watch).await;
        let block = set(&pack, "of another life").await;
        follow(&reader);
        let event = soon(watch.next()).await.expect("it goes on").expect("an event");
        let Event::Changed(change) = event else { panic!("{event:?}") };
        assert_eq!(change.keys()[0].new, Some(block));
        reader.close().await.expect("close");
        let closed = soon(watch.next()).await.expect("one more").expect_err("it is closed");
        assert_eq!(closed.kind(), ErrorKind::Closed);
        assert!(soon(watch.next()).await.is_none());
    });
}

/// Fails a test that would hang.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("nothing comes")
}

async fn resynced(watch: &mut ramus_watch::Watch<RefName, Sha1>) {
    let event = soon(watch.next()).await.expect("it goes on").expect("an event");
    assert!(matches!(event, Event::Resync(_)), "{event:?}");
}

#[test]
fn a_reader_that_cannot_follow_says_so_until_it_can() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = set(&pack, "first").await;
        let reader = read(&disk).expect("read");
        let mut notices = reader.refs().subscribe();
        set(&pack, "second").await;
        let manifest = disk.files().into_iter().find(|(name, _)| name == "manifest").unwrap().1;
        disk.put("manifest", vec![7; 100]);
        let error = reader.blocks().0.shared.follow().expect_err("there is no manifest");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(soon(notices.next()).await.is_some(), "who watches is told to look");
        let error = reader.refs().find(&main()).await.expect_err("it cannot follow");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(reader.blocks().find(&first).await.expect("find").is_some());
        disk.put("manifest", manifest);
        follow(&reader);
        assert!(soon(notices.next()).await.is_some());
        assert_eq!(at_main(&reader).await, Some(Sha1::of(b"second")));
    });
}

#[test]
fn what_a_lost_head_hides_is_seen_when_the_directory_is_closed() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let first = set(&pack, "first").await;
        let reader = read(&disk).expect("read");
        disk.put("head", vec![7; 32]);
        let second = set(&pack, "second").await;
        follow(&reader);
        assert_eq!(at_main(&reader).await, Some(first), "nothing tells that more is durable");
        assert_eq!(at_main(&read(&disk).expect("read")).await, Some(first));
        pack.close().await.expect("close");
        follow(&reader);
        assert_eq!(at_main(&reader).await, Some(second));
    });
}

#[test]
fn a_damaged_log_is_refused_or_read_up_to_the_damage() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        let mut blocks = Vec::new();
        for text in ["first", "second", "third"] {
            blocks.push(set(&pack, text).await);
        }
        let segment =
            |name: &str| matches!(FileKind::of_file_name(name), Some((FileKind::Segment, _)));
        let (file, mut bytes) = disk.files().into_iter().rfind(|(name, _)| segment(name)).unwrap();
        let at = bytes.windows(6).position(|window| window == b"second").expect("it is there");
        bytes[at] ^= 1;
        disk.put(&file, bytes);
        let error = read(&disk).expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(format!("{error:?}").contains(&file), "{error:?}");
        // Later batches tell of it, too.
        let others = disk.files().into_iter().filter(|(name, _)| name != "head");
        let error = read(&SimDisk::of_files(others)).expect_err("it is damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let mut settings = read_settings();
        settings.options = settings.options.with_damaged(Damaged::Read);
        let reader: Pack = Pack::open_disk(Arc::new(disk), settings).expect("to be read");
        assert_eq!(at_main(&reader).await, Some(blocks[0]));
    });
}

/// A disk on which a writer works while a reader opens its files.
#[derive(Debug)]
struct Racing {
    disk: SimDisk,
    writer: Pack,
    /// Before which of the files that are opened.
    at: usize,
    opened: AtomicUsize,
}

impl Disk for Racing {
    forward_disk!(place create rename unlink set_aside list sync sync_own_name lock);

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if self.opened.fetch_add(1, Ordering::SeqCst) == self.at {
            let writer = self.writer.clone();
            let work = std::thread::spawn(move || {
                run(async {
                    for number in 0..120 {
                        set(&writer, &format!("late {number} {}", "x".repeat(300))).await;
                    }
                });
            });
            work.join().expect("the writer works");
        }
        self.disk.open(name, access)
    }
}

#[test]
fn files_that_are_replaced_while_a_reader_opens_them_hinder_nobody() {
    run(async {
        let mut raced = 0;
        for at in 0.. {
            let disk = SimDisk::default();
            let writer = open(&disk, Durability::Os).expect("open");
            for number in 0..60 {
                set(&writer, &format!("{number} {}", "x".repeat(300))).await;
            }
            let begun = at_main(&writer).await;
            let opened = AtomicUsize::new(0);
            let racing = Arc::new(Racing { disk, writer, at, opened });
            let reader =
                Pack::<Sha1>::open_disk(Arc::clone(&racing) as Arc<dyn Disk>, read_settings());
            let reader = reader.unwrap_or_else(|error| panic!("at {at}: {error:?}"));
            if racing.opened.load(Ordering::SeqCst) <= at {
                break;
            }
            raced += 1;
            follow(&reader);
            let now = at_main(&racing.writer).await;
            assert_ne!(now, begun);
            assert_eq!(all(&reader).await, all(&racing.writer).await, "at {at}");
            assert!(
                reader.blocks().find(&begun.expect("it is set")).await.expect("find").is_some()
            );
        }
        assert!(raced > 8, "{raced} files");
    });
}

#[test]
fn what_is_no_repository_or_of_another_hash_is_refused() {
    let disk = SimDisk::default();
    let error = read(&disk).expect_err("it is empty");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("is no repository"), "{error}");
    assert_eq!(disk.files(), [], "it is not made one");
    drop(open(&disk, Durability::Sync).expect("open"));
    let other = Pack::<Sha256>::open_disk(Arc::new(disk), read_settings());
    let error = other.expect_err("it is of another hash");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`sha1`"), "{error}");
}

#[test]
fn the_log_of_a_reader_can_be_read_from_any_place_that_the_writer_keeps() {
    run(async {
        let disk = SimDisk::default();
        let pack = open(&disk, Durability::Sync).expect("open");
        for number in 0..150 {
            set(&pack, &format!("{number} {}", "x".repeat(100))).await;
        }
        let reader = read(&disk).expect("read");
        let end = pack.refs().position().await.expect("position");
        for sequence in 0..=end.sequence {
            let after = Cursor { sequence, ..end };
            let of_writer = pack.refs().changes(after, 9).await.expect("changes");
            let of_reader = reader.refs().changes(after, 9).await.expect("changes");
            match of_writer {
                Changes::Page(page) => {
                    let Changes::Page(seen) = of_reader else { panic!("{sequence} is kept") };
                    assert_eq!((seen.next, seen.end), (page.next, page.end));
                    assert_eq!(seen.changes, page.changes);
                }
                Changes::Truncated { .. } => assert!(sequence < end.sequence - 40, "{sequence}"),
            }
        }
    });
}
