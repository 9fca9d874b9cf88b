//! Containers: what they keep, and that several branches change one and lose nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Path, Result, Step};
use ramus_kv::containers::{
    CounterAt, LogAt, LogCursor, LogEntry, LogKey, MapAt, RegisterAt, SetAt, StepKey as _,
};
use ramus_kv::{
    Conflict, Contents, Counter, Info, Kv, MergeOptions, Merged, Register, Repo, Store, Transaction,
};
use ramus_mem::Mem;
use serde::{Deserialize, Serialize};

use crate::campaign::{block_on, cases};
use crate::probe::Probe;

/// Contents that hold whatever a container needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
enum Held {
    #[default]
    Member,
    Count(#[merge(contents)] Counter),
    Register(#[merge(contents)] Register<String>),
    Text(String),
    Explosive(#[merge(with = explode)] u8),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form of a rule of a field")]
fn explode(_: Option<&u8>, ours: &u8, _: &u8) -> Result<u8, Conflict> {
    panic!("bang {ours}")
}

macro_rules! held {
    ($($variant:ident $of:ty),+) => {
        $(
            impl From<$of> for Held {
                fn from(value: $of) -> Self {
                    Self::$variant(value)
                }
            }

            impl TryFrom<Held> for $of {
                type Error = ();

                fn try_from(held: Held) -> Result<Self, ()> {
                    match held {
                        Held::$variant(value) => Ok(value),
                        _ => Err(()),
                    }
                }
            }
        )+
    };
}

held!(Count Counter, Register Register<String>, Text String);

type Any = Kv<Held>;

fn repo() -> Repo<Any> {
    Repo::new(Backend::new(Mem::default()))
}

async fn texts(
    log: &LogAt,
    store: &Store<Any>,
    after: &LogCursor<ramus_core::Sha1>,
) -> Vec<String> {
    let mut reader = log.read(store, after).await.expect("read");
    reader.collect().await.expect("collect").into_iter().map(text).collect()
}

fn text(entry: LogEntry<Held>) -> String {
    match entry.value {
        Held::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn held(text: &str) -> Held {
    Held::Text(text.to_owned())
}

#[tokio::test]
async fn counts_of_branches_and_of_writers_at_once_add_up() {
    let main = repo().main().await.unwrap();
    let apples = CounterAt::new("stock/apples").unwrap();
    assert_eq!(apples.add(&main, 10, "buy").await.unwrap(), 10);
    let draft = main.fork("draft").await.unwrap();
    assert_eq!(apples.add(&draft, -3, "sell").await.unwrap(), 7);
    assert_eq!(apples.add(&main, -3, "sell").await.unwrap(), 7);
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(apples.read(&main.tree().await.unwrap()).await.unwrap(), 4);

    // A transaction that came second adds to what the first one left, and is told so.
    let mut late = main.begin().await.unwrap();
    assert_eq!(apples.add_in(&mut late, 5).await.unwrap(), 9);
    apples.add(&main, 100, "first").await.unwrap();
    main.commit(late, "second").await.unwrap();
    assert_eq!(apples.read(&main.tree().await.unwrap()).await.unwrap(), 109);

    let head = main.head().await.unwrap();
    assert_eq!(apples.add(&main, 0, "nothing").await.unwrap(), 109);
    assert_eq!(main.head().await.unwrap(), head, "adding nothing makes no commit");
    let error = apples.add(&main, i64::MAX, "too many").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    main.set("stock/apples", held("x"), "spoil").await.unwrap();
    let error = apples.add(&main, 1, "add").await.unwrap_err();
    assert_eq!(error.to_string(), "what is at `stock/apples` is no counter");
}

#[tokio::test]
async fn equal_counts_of_two_branches_are_two_also_in_the_same_moment() {
    let main = repo().main().await.unwrap();
    let count = CounterAt::new("count").unwrap();
    let now = || Info::new("count").with_author("x").with_time_ms(1);
    count.add(&main, 1, now()).await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    for store in [&main, &draft] {
        count.add(store, 1, now()).await.unwrap();
    }
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(count.read(&main.tree().await.unwrap()).await.unwrap(), 3);
    // Where nothing counts, the same change is the same commit.
    let main = Repo::<Kv<String>>::new(Backend::new(Mem::default())).main().await.unwrap();
    main.set("x", "1", now()).await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    let ours = main.set("x", "2", now()).await.unwrap().unwrap();
    assert_eq!(draft.set("x", "2", now()).await.unwrap(), Some(ours.clone()));
    assert!(ours.info().headers.is_empty());
}

#[tokio::test]
async fn the_last_write_of_a_register_wins_on_every_branch() {
    let main = repo().main().await.unwrap();
    let colour = RegisterAt::<String>::new("wall/colour").unwrap();
    assert_eq!(colour.read(&main.tree().await.unwrap()).await.unwrap(), None);
    colour.write(&main, "white", "paint").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    colour.write(&draft, "green", "paint").await.unwrap();
    colour.write(&main, "blue", "paint").await.unwrap();
    colour.write(&main, "red", "paint").await.unwrap();
    let head = draft.head().await.unwrap().unwrap();
    draft.merge(&main, "merge").await.unwrap().clean().unwrap();
    main.merge_with(&head, MergeOptions::default(), "merge").await.unwrap().clean().unwrap();
    let [ours, theirs] = [main.tree().await.unwrap(), draft.tree().await.unwrap()];
    let kept = colour.read(&ours).await.unwrap();
    // Red was written last, and at the earliest a millisecond after blue.
    assert_eq!(kept.as_deref(), Some("red"));
    assert_eq!(kept, colour.read(&theirs).await.unwrap());
    main.set("wall/colour", Counter(1), "spoil").await.unwrap();
    assert_eq!(
        colour.write(&main, "x", "paint").await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn sets_and_maps_take_any_key_and_merge() {
    let main = repo().main().await.unwrap();
    let set = SetAt::<String>::new("a/set").unwrap();
    let keys = ["", "/", "%", "%2F", "a/b", "\0", "ä", ".", "..", "%25%"];
    for key in keys {
        assert!(set.insert(&main, key, "insert").await.unwrap(), "{key:?}");
        assert!(!set.insert(&main, key, "insert").await.unwrap(), "{key:?}");
    }
    let tree = main.tree().await.unwrap();
    assert_eq!(set.len(&tree).await.unwrap(), 10);
    let found: BTreeSet<String> = set.page(&tree, 0, 100).await.unwrap().into_iter().collect();
    assert_eq!(found, keys.map(str::to_owned).into());
    assert_eq!(set.page(&tree, 4, 3).await.unwrap().len(), 3);

    let draft = main.fork("draft").await.unwrap();
    assert!(set.remove(&draft, "/", "remove").await.unwrap());
    assert!(!set.remove(&draft, "/", "remove").await.unwrap());
    set.insert(&draft, "new", "insert").await.unwrap();
    set.insert(&main, "new", "insert").await.unwrap();
    set.remove(&main, "%", "remove").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let tree = main.tree().await.unwrap();
    for (key, is_there) in [("/", false), ("%", false), ("new", true), ("", true)] {
        assert_eq!(set.contains(&tree, key).await.unwrap(), is_there, "{key:?}");
    }

    let map = MapAt::<Vec<u8>>::new("a/map").unwrap();
    map.insert(&main, *b"\xff/", held("x"), "insert").await.unwrap();
    let page = map.page(&main.tree().await.unwrap(), 0, 9).await.unwrap();
    assert_eq!(page, [(b"\xff/".to_vec(), held("x"))]);
    let draft = main.fork("second").await.unwrap();
    map.insert(&draft, *b"\xff/", held("y"), "theirs").await.unwrap();
    map.insert(&main, *b"\xff/", held("z"), "ours").await.unwrap();
    let error = main.merge(&draft, "merge").await.unwrap().clean().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "what does not merge is not lost in silence");
    assert!(map.remove(&main, *b"\xff/", "remove").await.unwrap());
    let too_long = set.insert(&main, "/".repeat(400), "insert").await.unwrap_err();
    assert_eq!(too_long.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn containers_are_edited_together_in_a_transaction() {
    let main = repo().main().await.unwrap();
    let (log, count) = (LogAt::new("log").unwrap(), CounterAt::new("count").unwrap());
    let (set, map) = (SetAt::<u64>::new("set").unwrap(), MapAt::<u64>::new("map").unwrap());
    let edit = async |edit: &mut Transaction<Any>| {
        log.append_in(edit, held("a")).await?;
        log.append_in(edit, held("b")).await?;
        set.insert_in(edit, 7_u64).await?;
        set.remove_in(edit, 8_u64).await?;
        map.insert_in(edit, 7_u64, held("x")).await?;
        map.remove_in(edit, 8_u64).await?;
        count.add_in(edit, 1).await
    };
    main.transact("all at once", edit).await.unwrap();
    assert_eq!(main.log().await.unwrap().collect().await.unwrap().len(), 1);
    assert_eq!(texts(&log, &main, &LogCursor::start()).await, ["a", "b"]);
    assert_eq!(log.len(&main.tree().await.unwrap()).await.unwrap(), 2);
}

#[test]
fn a_step_is_at_most_one_key() {
    let step = |text: &str| Step::new(text.to_owned()).unwrap();
    for text in ["%41", "%2f", "a%", "%2", "%%", "%0"] {
        assert_eq!(
            String::from_step(&step(text)).unwrap_err().kind(),
            ErrorKind::Corrupt,
            "{text}"
        );
    }
    for text in ["1", "000000000000000A", "+00000000000000f", "00000000000000010"] {
        assert_eq!(u64::from_step(&step(text)).unwrap_err().kind(), ErrorKind::Corrupt, "{text}");
    }
    let not_text = Step::new(&b"\xff"[..]).unwrap();
    assert_eq!(String::from_step(&not_text).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(Step::from_step(&not_text).unwrap().to_step().unwrap(), not_text);
    assert!([0, 9, 10, 255, u64::MAX].map(|n| n.to_step().unwrap()).is_sorted());
}

#[tokio::test]
async fn a_cursor_misses_nothing_that_a_merge_puts_before_it() {
    let main = repo().main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    log.append(&main, held("1"), "append").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    log.append(&draft, held("theirs"), "append").await.unwrap();
    log.append_all(&main, [held("2"), held("3"), held("4")], "append").await.unwrap();

    let mut reader = log.read(&main, &LogCursor::start()).await.unwrap();
    let read: Vec<_> = reader.collect().await.unwrap().into_iter().map(text).collect();
    assert_eq!(read, ["1", "2", "3", "4"]);
    let cursor = reader.cursor().clone();
    assert_eq!(texts(&log, &main, &cursor).await, [""; 0]);
    let version = main.find_tree("log").await.unwrap().unwrap().hash().await.unwrap();
    assert_eq!(cursor.to_string(), version.to_string(), "nothing is half read");

    // The entry of the draft has a lower number than the last ones that were read.
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let kept: LogCursor<_> = cursor.to_string().parse().unwrap();
    assert_eq!(kept, cursor);
    assert_eq!(texts(&log, &main, &kept).await, ["theirs"]);
    let newest = log.newest(&main.tree().await.unwrap(), 2).await.unwrap();
    assert_eq!(newest.into_iter().map(text).collect::<Vec<_>>(), ["4", "3"]);
}

#[tokio::test]
async fn reading_can_stop_anywhere_and_go_on_with_the_text_of_a_cursor() {
    let main = repo().main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    let mut appended = Vec::new();
    let mut read = Vec::new();
    let mut cursor = LogCursor::<ramus_core::Sha1>::start().to_string();
    for round in 0..12_usize {
        for n in 0..=round % 4 {
            let name = format!("{round}.{n}");
            log.append(&main, held(&name), "append").await.unwrap();
            appended.push(name);
        }
        // Stops in the middle of what is there, and of what was there before.
        let mut reader = log.read(&main, &cursor.parse().unwrap()).await.unwrap();
        for _ in 0..round % 5 {
            if let Some(entry) = reader.next().await {
                read.push(text(entry.unwrap()));
            }
        }
        cursor = reader.cursor().to_string();
    }
    read.extend(texts(&log, &main, &cursor.parse().unwrap()).await);
    assert_eq!(read, appended);
}

#[tokio::test]
async fn a_cursor_that_is_none_or_leads_nowhere_is_refused() {
    for text in ["", "x", "start+", "start+start@x", "+", "start@0000000000000000-0000000000000000"]
    {
        let error = text.parse::<LogCursor<ramus_core::Sha1>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert!(
            error.to_string().contains("is no cursor of a log, which is `start` or a hash"),
            "{error}"
        );
    }
    for text in ["0000000000000000-000000000000000g", "0000000000000000-00000000000000000", ""] {
        assert!(text.parse::<LogKey>().is_err(), "{text}");
    }
    let main = repo().main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    assert_eq!(texts(&log, &main, &LogCursor::start()).await, [""; 0], "nothing is there yet");
    log.append(&main, held("a"), "append").await.unwrap();
    let lost: LogCursor<_> = "00".repeat(20).parse().unwrap();
    let error = log.read(&main, &lost).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().ends_with("read it from the start"), "{error}");
}

#[tokio::test]
async fn an_entry_that_was_changed_or_removed_by_hand_is_not_given_again() {
    let main = repo().main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    let keys = log.append_all(&main, [held("1"), held("2")], "append").await.unwrap();
    let mut reader = log.read(&main, &LogCursor::start()).await.unwrap();
    assert_eq!(reader.collect().await.unwrap().len(), 2);
    main.set(format!("log/{}", keys[0]), held("changed"), "by hand").await.unwrap();
    main.remove(format!("log/{}", keys[1]), "by hand").await.unwrap();
    log.append(&main, held("3"), "append").await.unwrap();
    assert_eq!(texts(&log, &main, reader.cursor()).await, ["3"]);
}

#[tokio::test]
async fn what_a_container_answers_is_what_was_done() {
    let main = repo().main().await.unwrap();
    let map = MapAt::<String>::new("map").unwrap();
    map.insert(&main, "a", held("1"), "insert").await.unwrap();
    assert!(!map.remove(&main, "b", "remove").await.unwrap());
    map.update(&main, "a", |had| Some(had.unwrap()), "update").await.unwrap();
    assert_eq!(map.find(&main.tree().await.unwrap(), "a").await.unwrap(), Some(held("1")));
    map.update(&main, "a", |had| had.and(None), "update").await.unwrap();
    assert_eq!(map.len(&main.tree().await.unwrap()).await.unwrap(), 0);
    assert!(!map.remove(&main, "a", "remove").await.unwrap());
    let set = SetAt::<String>::new("set").unwrap();
    assert!(!set.remove(&main, "a", "remove").await.unwrap());
    assert!(set.insert(&main, "a", "insert").await.unwrap());
    assert!(!set.insert(&main, "a", "insert").await.unwrap());
    assert!(set.remove(&main, "a", "remove").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_add_or_remove_one_thing_at_once_one_is_told_that_it_did() {
    const WRITERS: usize = 16;
    let main = repo().main().await.unwrap();
    let (set, map) = (SetAt::<String>::new("set").unwrap(), MapAt::<String>::new("map").unwrap());
    let all_at_once = async |act: &dyn Fn() -> BoxFuture<'static, Result<bool>>| {
        let tasks: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(act())).collect();
        let mut told = 0;
        for task in tasks {
            told += usize::from(task.await.unwrap().unwrap());
        }
        told
    };
    for round in 0..10 {
        let at = |what: &str| format!("{what} in round {round}");
        let insert = || {
            let (set, main) = (set.clone(), main.clone());
            async move { set.insert(&main, "one", "insert").await }.boxed()
        };
        assert_eq!(all_at_once(&insert).await, 1, "{}", at("inserted"));
        let remove = || {
            let (set, main) = (set.clone(), main.clone());
            async move { set.remove(&main, "one", "remove").await }.boxed()
        };
        assert_eq!(all_at_once(&remove).await, 1, "{}", at("removed"));
        map.insert(&main, "one", held("1"), "insert").await.unwrap();
        let remove = || {
            let (map, main) = (map.clone(), main.clone());
            async move { map.remove(&main, "one", "remove").await }.boxed()
        };
        assert_eq!(all_at_once(&remove).await, 1, "{}", at("removed from the map"));
    }
}

#[tokio::test]
async fn whoever_adds_is_told_the_sum_also_where_others_added() {
    let repo = Repo::<Any>::new(Probe::default().backend());
    let main = repo.main().await.unwrap();
    let counter = CounterAt::new("n").unwrap();
    // The storage waits at each write, so all begin on the same count.
    let adds = (0..9).map(|_| counter.add(&main, 1, "add"));
    let sums = futures::future::join_all(adds).await;
    let mut sums: Vec<_> = sums.into_iter().map(|sum| sum.unwrap()).collect();
    sums.sort_unstable();
    assert!(sums.iter().copied().eq(1..=9), "{sums:?}");
}

#[tokio::test]
async fn what_is_no_log_is_said_to_be_none() {
    let main = repo().main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    main.set("log/x", held("y"), "spoil").await.unwrap();
    let error = log.append(&main, held("a"), "append").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Corrupt, "`x` in `log` is no entry of a log")
    );
    assert!(log.newest(&main.tree().await.unwrap(), 1).await.is_err());
    let mut reader = log.read(&main, &LogCursor::start()).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
    main.remove("log", "clear").await.unwrap();
    let key: Path = "log/ffffffffffffffff-0000000000000000".parse().unwrap();
    main.set(&key, held("last"), "append by hand").await.unwrap();
    assert_eq!(log.append(&main, held("a"), "append").await.unwrap_err().kind(), ErrorKind::Limit);
    main.remove("log", "clear").await.unwrap();
    main.set("log", held("y"), "spoil").await.unwrap();
    assert_eq!(
        log.append(&main, held("a"), "append").await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn appending_costs_the_same_however_long_the_log_is() {
    let probe = Probe::default();
    let repo = Repo::<Any>::new(probe.backend());
    let main = repo.main().await.unwrap();
    let log = LogAt::new("log").unwrap();
    let mut costs = Vec::new();
    let mut length = 0;
    for grow_to in [100, 1000, 10_000] {
        log.append_all(&main, (length..grow_to).map(|n| n.to_string()), "grow").await.unwrap();
        length = grow_to;
        let (_, _) = (probe.reads(), probe.written());
        for n in 0..20 {
            log.append(&main, n.to_string(), "append").await.unwrap();
        }
        costs.push((probe.reads(), probe.written()));
    }
    // Of 20 appends: a commit, the root and the directory of the log, which is one block and then a
    // tree of blocks of at most 8 KiB, of which the last of each level is written.
    for (reads, (blocks, bytes)) in costs {
        assert!(reads <= 20 * 4, "{reads} blocks were read");
        assert!(blocks <= 20 * 6 && bytes <= 20 * 20_000, "{blocks} blocks of {bytes} bytes");
    }
}

#[tokio::test]
async fn a_merge_that_panics_inside_what_is_derived_aborts_its_own_transaction() {
    let main = repo().main().await.unwrap();
    let (log, map) = (LogAt::new("log").unwrap(), MapAt::<String>::new("map").unwrap());
    map.insert(&main, "x", Held::Explosive(0), "base").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    map.insert(&draft, "x", Held::Explosive(1), "theirs").await.unwrap();
    let mut late = main.begin().await.unwrap();
    map.insert_in(&mut late, "x", Held::Explosive(2)).await.unwrap();
    log.append_in(&mut late, held("never")).await.unwrap();
    map.insert(&main, "x", Held::Explosive(3), "ours").await.unwrap();
    let head = main.head().await.unwrap();

    let error = main.commit(late, "late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted, "{error}");
    let error = main.merge(&draft, "merge").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Aborted, "the merge of the contents at `map/x` panicked")
    );
    assert_eq!(main.head().await.unwrap(), head, "nothing was written");
    log.append(&main, held("goes on"), "append").await.unwrap();
    assert_eq!(texts(&log, &main, &LogCursor::start()).await, ["goes on"]);
}

/// What is done on one of three replicas, or between two of them.
#[derive(Clone, Debug)]
enum Action {
    Count(usize, i64),
    Append(usize),
    Insert(usize, u64),
    Remove(usize, u64),
    Write(usize),
    MapCount(usize, u64),
    /// Each of the two merges what the other one was.
    Cross(usize, usize),
    Merge(usize, usize),
}

fn any_action() -> impl Strategy<Value = Action> {
    let replica = || 0..3_usize;
    prop_oneof![
        2 => (replica(), -3..4_i64).prop_map(|(at, by)| Action::Count(at, by)),
        2 => replica().prop_map(Action::Append),
        2 => (replica(), 0..4_u64).prop_map(|(at, member)| Action::Insert(at, member)),
        1 => (replica(), 0..4_u64).prop_map(|(at, member)| Action::Remove(at, member)),
        1 => replica().prop_map(Action::Write),
        1 => (replica(), 0..3_u64).prop_map(|(at, key)| Action::MapCount(at, key)),
        2 => (replica(), 1..3_usize).prop_map(|(at, by)| Action::Cross(at, (at + by) % 3)),
        1 => (replica(), 1..3_usize).prop_map(|(at, by)| Action::Merge(at, (at + by) % 3)),
    ]
}

/// Three branches, and what was done on them altogether.
struct Replicas {
    stores: Vec<Store<Any>>,
    count: i64,
    appended: BTreeSet<String>,
    map: BTreeMap<u64, i64>,
}

impl Replicas {
    async fn act(&mut self, number: usize, action: &Action) -> Result<()> {
        let (set, map) = (SetAt::<u64>::new("set")?, MapAt::<u64>::new("map")?);
        match *action {
            Action::Count(at, by) => {
                CounterAt::new("count")?.add(&self.stores[at], by, "count").await?;
                self.count += by;
            }
            Action::Append(at) => {
                let name = format!("{number} at {at}");
                LogAt::new("log")?.append(&self.stores[at], name.clone(), "append").await?;
                self.appended.insert(name);
            }
            Action::Insert(at, member) => {
                set.insert(&self.stores[at], member, "insert").await?;
            }
            Action::Remove(at, member) => {
                set.remove(&self.stores[at], member, "remove").await?;
            }
            Action::Write(at) => {
                let register = RegisterAt::<String>::new("register")?;
                register.write(&self.stores[at], format!("{number}"), "write").await?;
            }
            Action::MapCount(at, key) => {
                let one_more = |before| match before {
                    Some(Held::Count(Counter(before))) => Some(Held::Count(Counter(before + 1))),
                    _ => Some(Held::Count(Counter(1))),
                };
                map.update(&self.stores[at], key, one_more, "count").await?;
                *self.map.entry(key).or_default() += 1;
            }
            Action::Cross(one, other) => self.cross(one, other).await?,
            Action::Merge(one, other) => {
                self.stores[one].merge(&self.stores[other], "merge").await?.clean()?;
            }
        }
        Ok(())
    }

    /// Each of two replicas merges what the other one was; both have to come to the same.
    async fn cross(&self, one: usize, other: usize) -> Result<()> {
        let (one, other) = (&self.stores[one], &self.stores[other]);
        let (ours, theirs) = (one.head().await?, other.head().await?);
        for (store, head) in [(one, theirs), (other, ours)] {
            let Some(head) = head else { continue };
            match store.merge_with(&head, MergeOptions::default(), "cross").await? {
                Merged::Conflicts(unmerged) => panic!("{:?}", unmerged.into_conflicts()),
                Merged::Unchanged | Merged::FastForward(_) | Merged::Commit(_) => {}
            }
        }
        let (ours, theirs) = (one.tree().await?.hash().await?, other.tree().await?.hash().await?);
        assert_eq!(ours, theirs, "it does not matter which side merges");
        Ok(())
    }

    async fn check(&self) -> Result<()> {
        for [one, other] in [[0, 1], [1, 2], [2, 0], [0, 1]] {
            self.cross(one, other).await?;
        }
        let tree = self.stores[0].tree().await?;
        for store in &self.stores {
            assert_eq!(store.tree().await?.hash().await?, tree.hash().await?, "all converge");
        }
        assert_eq!(CounterAt::new("count")?.read(&tree).await?, self.count);
        let log = texts(&LogAt::new("log")?, &self.stores[0], &LogCursor::start()).await;
        assert_eq!(log.len(), self.appended.len(), "each entry once: {log:?}");
        assert_eq!(log.into_iter().collect::<BTreeSet<_>>(), self.appended);
        let counted = MapAt::<u64>::new("map")?.page(&tree, 0, 100).await?;
        let expected = self.map.iter().map(|(key, count)| (*key, Held::Count(Counter(*count))));
        assert_eq!(counted, expected.collect::<Vec<_>>());
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn three_replicas_that_cross_converge_and_lose_nothing(
        actions in prop::collection::vec(any_action(), 1..30),
    ) {
        block_on(async {
            let repo = repo();
            let mut stores = Vec::new();
            for name in ["a", "b", "c"] {
                stores.push(repo.branch(name).await.unwrap());
            }
            let mut replicas =
                Replicas { stores, count: 0, appended: BTreeSet::new(), map: BTreeMap::new() };
            for (number, action) in actions.iter().enumerate() {
                replicas.act(number, action).await.unwrap();
            }
            replicas.check().await.unwrap();
        });
    }
}
