//! Containers on each backend: branches and writers at once lose nothing; their futures can be spawned.

use std::collections::BTreeSet;

use ramus_core::{Result, Sha1};
use ramus_kv::containers::{CounterAt, LogAt, LogCursor, LogEntry, MapAt, RegisterAt, SetAt};
use ramus_kv::{Contents, Counter, Kv, MergeOptions, Register, Store};
use serde::{Deserialize, Serialize};

use crate::bed::{self, Bed, Text};

on_every_backend!(
    threads: writers_at_once_lose_no_entry_of_a_log,
    writers_at_once_lose_no_update_of_any_container,
    counters_add_up_and_the_last_writer_of_a_register_wins,
    sets_and_maps_of_two_branches_are_united,
    containers_can_be_spawned,
);

async fn read(log: &LogAt, store: &Store<Text>, after: &LogCursor<Sha1>) -> Vec<String> {
    let entries = log.read(store, after).await.unwrap().collect().await.unwrap();
    entries.into_iter().map(|LogEntry { value, .. }| value).collect()
}

async fn writers_at_once_lose_no_entry_of_a_log(bed: Bed) {
    let log = LogAt::new("events").unwrap();
    let write = |writer: usize| {
        // Two of the writers are like another process.
        let (log, repo) = (log.clone(), bed.repo());
        async move {
            let store = repo.branch(if writer < 4 { "main" } else { "draft" }).await?;
            for round in 0..5 {
                log.append(&store, format!("{writer}.{round}"), "append").await?;
            }
            Ok::<(), ramus_core::Error>(())
        }
    };
    let writers: Vec<_> = (0..6).map(|writer| tokio::spawn(write(writer))).collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let repo = bed.repo();
    let (main, draft) = (repo.main().await.unwrap(), repo.branch("draft").await.unwrap());
    let mut reader = log.read(&main, &LogCursor::start()).await.unwrap();
    assert_eq!(reader.collect().await.unwrap().len(), 20);
    let cursor = reader.cursor().clone();
    let draft = draft.head().await.unwrap().unwrap();
    main.merge_with(&draft, MergeOptions::default(), "merge").await.unwrap().clean().unwrap();
    let mut rest = read(&log, &main, &cursor).await;
    rest.sort();
    let theirs = (4..6).flat_map(|writer| (0..5).map(move |round| format!("{writer}.{round}")));
    assert_eq!(rest, theirs.collect::<Vec<_>>());
}

/// Contents that hold whatever a container needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Contents)]
#[merge(crate = ramus_kv)]
enum Held {
    #[default]
    Member,
    Count(#[merge(contents)] Counter),
    Register(#[merge(contents)] Register<String>),
    Text(String),
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

const WRITERS: i64 = 6;
const WRITES: i64 = 4;

/// Writes to one of each container, again and again.
async fn write_all(main: Store<Kv<Held>>, writer: i64) -> Result<()> {
    let (count, log) = (CounterAt::new("count")?, LogAt::new("log")?);
    let (set, map) = (SetAt::<u64>::new("set")?, MapAt::<String>::new("map")?);
    let register = RegisterAt::<String>::new("register")?;
    for round in 0..WRITES {
        let name = format!("{writer}/{round}");
        count.add(&main, 1, "count").await?;
        log.append(&main, name.clone(), "append").await?;
        set.insert(&main, (writer * WRITES + round).unsigned_abs(), "insert").await?;
        map.insert(&main, name.clone(), Counter(round), "insert").await?;
        let one_more = |before| match before {
            Some(Held::Count(Counter(before))) => Some(Held::Count(Counter(before + 1))),
            _ => Some(Held::Count(Counter(1))),
        };
        map.update(&main, "all", one_more, "count").await?;
        register.write(&main, name, "write").await?;
    }
    Ok(())
}

async fn writers_at_once_lose_no_update_of_any_container(bed: Bed) {
    // Two of the writers are like another process.
    let repos = [bed.repo_of::<Kv<Held>>(), bed.repo_of()];
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let repo = repos[usize::from(writer >= 4)].clone();
            tokio::spawn(async move { write_all(repo.main().await?, writer).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let main = bed.repo_of::<Kv<Held>>().main().await.unwrap();
    let tree = main.tree().await.unwrap();
    let all = WRITERS * WRITES;
    assert_eq!(CounterAt::new("count").unwrap().read(&tree).await.unwrap(), all);
    let log = LogAt::new("log").unwrap().read(&main, &LogCursor::start()).await.unwrap();
    let entries: Vec<String> = { log }
        .collect()
        .await
        .unwrap()
        .into_iter()
        .map(|entry| String::try_from(entry.value).unwrap())
        .collect();
    let expected = (0..all).map(|n| format!("{}/{}", n / WRITES, n % WRITES));
    assert_eq!(entries.iter().cloned().collect::<BTreeSet<_>>(), expected.collect());
    assert_eq!(entries.len(), usize::try_from(all).unwrap());
    // A writer's own entries stand in the order in which it appended them.
    for writer in 0..WRITERS {
        let own = entries.iter().filter(|name| name.starts_with(&format!("{writer}/")));
        assert!(own.is_sorted(), "{entries:?}");
    }
    let set = SetAt::<u64>::new("set").unwrap();
    let members: Vec<u64> = (0..all.unsigned_abs()).collect();
    assert_eq!(set.page(&tree, 0, 1000).await.unwrap(), members);
    let map = MapAt::<String>::new("map").unwrap();
    assert_eq!(map.len(&tree).await.unwrap(), all.unsigned_abs() + 1);
    assert_eq!(map.find(&tree, "all").await.unwrap(), Some(Held::Count(Counter(all))));
    the_last_write_stands(&main).await;
}

/// Checks that a register holds what some writer wrote last, and of what was ever in it the latest.
async fn the_last_write_stands(main: &Store<Kv<Held>>) {
    let mut times = Vec::new();
    for commit in bed::log(main).await {
        if let Some(Held::Register(register)) = commit.tree().find("register").await.unwrap() {
            times.push((register.time_ms, register.value));
        }
    }
    let (time_ms, value) = &times[0];
    assert!(value.ends_with(&format!("/{}", WRITES - 1)), "{value} is not the last of its writer");
    assert!(times.iter().all(|(time, _)| time <= time_ms), "{times:?}");
}

async fn counters_add_up_and_the_last_writer_of_a_register_wins(bed: Bed) {
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    let count = CounterAt::new("count").unwrap();
    count.add(&main, 1, "count").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    count.add(&main, 1, "count").await.unwrap();
    count.add(&draft, 1, "count").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(count.read(&main.tree().await.unwrap()).await.unwrap(), 3);

    let bed = bed.another().await;
    let main = bed.repo_of::<Kv<Register<String>>>().main().await.unwrap();
    let colour = RegisterAt::<String>::new("colour").unwrap();
    colour.write(&main, "white", "paint").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    colour.write(&main, "red", "paint").await.unwrap();
    colour.write(&main, "blue", "paint").await.unwrap();
    let seen = main.find("colour").await.unwrap().unwrap().time_ms;
    let late = Register::new("green".to_owned(), seen + 1000);
    draft.set("colour", late, "paint later").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let tree = main.tree().await.unwrap();
    assert_eq!(colour.read(&tree).await.unwrap().as_deref(), Some("green"));
}

async fn sets_and_maps_of_two_branches_are_united(bed: Bed) {
    let main = bed.main().await;
    let (set, map) = (SetAt::<String>::new("set").unwrap(), MapAt::<u64>::new("map").unwrap());
    for member in ["a", "b"] {
        set.insert(&main, member, "insert").await.unwrap();
    }
    let draft = main.fork("draft").await.unwrap();
    set.remove(&main, "a", "remove").await.unwrap();
    set.insert(&draft, "c/d", "insert").await.unwrap();
    map.insert(&main, 2_u64, "two", "insert").await.unwrap();
    map.insert(&draft, 1_u64, "one", "insert").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let tree = main.tree().await.unwrap();
    assert_eq!(set.page(&tree, 0, 9).await.unwrap(), ["b", "c/d"]);
    let page = map.page(&tree, 0, 9).await.unwrap();
    assert_eq!(page, [(1, "one".to_owned()), (2, "two".to_owned())]);
}

/// That it compiles is most of the test.
async fn containers_can_be_spawned(bed: Bed) {
    let main = bed.main().await;
    let task = async move {
        let (log, key) = (LogAt::new("log")?, "key".to_owned());
        log.append(&main, key.as_str(), "append").await?;
        log.append_all(&main, [key.as_str(), "b"], key.as_str()).await?;
        let mut reader = log.read(&main, &LogCursor::start()).await?;
        reader.next().await.transpose()?;
        reader.collect().await?;
        let (set, map) = (SetAt::<String>::new("set")?, MapAt::<String>::new("map")?);
        set.insert(&main, key.as_str(), "insert").await?;
        set.remove(&main, key.as_str(), "remove").await?;
        map.insert(&main, key.as_str(), key.as_str(), "insert").await?;
        map.update(&main, key.as_str(), |before| before, "update").await?;
        map.remove(&main, key.as_str(), "remove").await?;
        let tree = main.tree().await?;
        log.newest(&tree, 1).await?;
        log.len(&tree).await?;
        set.contains(&tree, key.as_str()).await?;
        set.page(&tree, 0, 1).await?;
        set.len(&tree).await?;
        map.find(&tree, key.as_str()).await?;
        map.page(&tree, 0, 1).await?;
        let mut edit = main.begin().await?;
        log.append_in(&mut edit, key.as_str()).await?;
        set.insert_in(&mut edit, key.as_str()).await?;
        set.remove_in(&mut edit, key.as_str()).await?;
        map.insert_in(&mut edit, key.as_str(), key.as_str()).await?;
        map.remove_in(&mut edit, key.as_str()).await?;
        main.commit(edit, "all").await?;
        Result::<()>::Ok(())
    };
    tokio::spawn(task).await.unwrap().unwrap();
    let bed = bed.another().await;
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    let task = async move {
        let count = CounterAt::new("count")?;
        count.add(&main, 1, "count").await?;
        count.read(&main.tree().await?).await
    };
    assert_eq!(tokio::spawn(task).await.unwrap().unwrap(), 1);
    let bed = bed.another().await;
    let main = bed.repo_of::<Kv<Register<String>>>().main().await.unwrap();
    let task = async move {
        let register = RegisterAt::<String>::new("register")?;
        register.write(&main, "x", "write").await?;
        register.read(&main.tree().await?).await
    };
    assert_eq!(tokio::spawn(task).await.unwrap().unwrap().as_deref(), Some("x"));
}
