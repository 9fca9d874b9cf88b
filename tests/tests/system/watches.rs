//! Watches of a branch, of a path, of all branches.
//!
//! That nothing comes is shown by what comes next: a last change, which is the next event. The tests
//! with many watchers run five times, and 1000 times by:
//!
//! ```text
//! RAMUS_SCALE=200 cargo test -p ramus-tests --test system watches
//! ```

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Cursor, Error, ErrorKind, Incarnation, Path, Result, Sha1};
use ramus_kv::{
    BranchChange, BranchEvent, BranchWatch, BranchesEvent, Commit, Conflict, Metadata, Native,
    Repo, Schema, Store, TransactionOptions, WatchPlace, WatchStart,
};
use ramus_mem::{Mem, MemOptions};
use tokio::task::JoinSet;

use crate::bed::{Bed, Text, contents_hash, head, next, paths, put, refused, repeats};

on_every_backend!(
    a_hundred_watchers_on_two_repositories_each_get_each_change,
    a_watch_from_what_exists_begins_with_it,
    a_path_sees_itself_and_nothing_beside_it,
    a_directory_sees_what_is_below_it,
    a_watcher_that_fails_stops_neither_the_others_nor_later_events,
    a_branch_sees_every_move_of_its_head_also_one_that_changes_no_entry,
    a_watch_of_contents_sees_their_metadata,
    the_removal_of_a_branch_is_seen,
    all_branches_are_watched_by_their_prefix,
    all_branches_from_what_exists,
    a_watch_goes_on_after_a_cursor_that_was_kept,
    a_cursor_of_another_life_gives_a_resync,
    events_differ_by_what_was_changed,
    an_event_whose_commit_is_missing_is_an_error_and_the_watch_goes_on,
    a_resync_that_cannot_be_read_comes_again,
    a_change_that_cannot_be_read_for_now_comes_later,
    closing_ends_a_watch_with_one_closed,
    a_dropped_next_loses_no_event,
    a_watch_can_write_to_what_it_watches,
);

/// Returns the events that come before the head is `last`, which is the last of them.
async fn until(watch: &mut BranchWatch<Text>, last: &Commit<Text>) -> Vec<BranchEvent<Text>> {
    let mut events = Vec::new();
    loop {
        let event = next(watch).await;
        let is_last = event.new.as_ref() == Some(last);
        events.push(event);
        if is_last {
            return events;
        }
    }
}

/// Checks that each event begins where the one before it ended.
fn check_chain(events: &[BranchEvent<Text>]) {
    for pair in events.windows(2) {
        assert_eq!(pair[0].new, pair[1].old);
        assert!(pair[0].cursor.sequence < pair[1].cursor.sequence);
    }
    assert!(events.iter().all(|event| !event.resync));
}

async fn a_hundred_watchers_on_two_repositories_each_get_each_change(bed: Bed) {
    const WATCHERS: usize = 100;
    for _ in 0..repeats() {
        let bed = bed.another().await;
        let repos = [bed.repo(), bed.repo()];
        let mut watches = Vec::new();
        for watcher in 0..WATCHERS {
            let main = repos[watcher % 2].main().await.unwrap();
            watches.push(main.watch("").await.unwrap());
        }
        // Each of these comes from one of the two, and everybody sees it.
        let mains = [repos[0].main().await.unwrap(), repos[1].main().await.unwrap()];
        put(&mains[0], "x", "added").await;
        put(&mains[1], "x", "updated").await;
        mains[0].remove("x", "remove").await.unwrap();
        repos[1].remove_branch("main").await.unwrap();
        let last = put(&mains[0], "x", "made again").await;
        let mut readers = JoinSet::new();
        for mut watch in watches {
            let last = last.clone();
            readers.spawn(async move {
                let events = until(&mut watch, &last).await;
                (watch, events)
            });
        }
        let (mut watches, mut all): (Vec<_>, Vec<_>) = readers.join_all().await.into_iter().unzip();
        let first = all.pop().unwrap();
        check_chain(&first);
        let moves: Vec<_> = first.iter().map(|e| (e.old.is_some(), e.new.is_some())).collect();
        let (no, yes) = (false, true);
        assert_eq!(moves, [(no, yes), (yes, yes), (yes, yes), (yes, no), (no, yes)]);
        for events in all {
            let same = |event: &BranchEvent<Text>| (event.old.clone(), event.new.clone());
            assert!(events.iter().map(same).eq(first.iter().map(same)));
        }

        // Half of them leave; the others go on, and nobody gets anything twice.
        watches.truncate(WATCHERS / 2);
        let last = put(&mains[1], "x", "last").await;
        for watch in &mut watches {
            let [event] = &until(watch, &last).await[..] else { panic!("one event") };
            assert_eq!(event.new.as_ref(), Some(&last));
        }
    }
}

async fn a_watch_from_what_exists_begins_with_it(bed: Bed) {
    let main = bed.main().await;
    let mut unborn = main.watch_from("", WatchStart::Existing).await.unwrap();
    let event = next(&mut unborn).await;
    assert_eq!((event.old, event.new, event.resync), (None, None, false));
    let first = put(&main, "x", "1").await;
    let second = put(&main, "x", "2").await;
    let mut watch = main.watch_from("", WatchStart::Existing).await.unwrap();
    let event = next(&mut watch).await;
    assert_eq!((&event.old, event.new.as_ref()), (&None, Some(&second)));
    assert_eq!(paths(&event).await, ["x"]);
    let third = put(&main, "x", "3").await;
    let events = until(&mut watch, &third).await;
    assert_eq!((events.len(), events[0].old.as_ref()), (1, Some(&second)));
    let events = until(&mut unborn, &third).await;
    check_chain(&events);
    assert_eq!((events.len(), events[0].new.as_ref()), (3, Some(&first)));
}

async fn a_path_sees_itself_and_nothing_beside_it(bed: Bed) {
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        put(&main, "dir/beside", "0").await;
        let mut watch = main.watch("dir/x").await.unwrap();
        put(&main, "dir/x", "added").await;
        for update in 0..10 {
            put(&main, "dir/beside", &format!("{update}-")).await;
            put(&main, "other", &format!("{update}-")).await;
            put(&main, "dir/x", &format!("{update}")).await;
        }
        main.remove("dir/x", "remove").await.unwrap();
        put(&main, "dir/xx", "a longer name").await;
        let last = put(&main, "dir/x", "last").await;
        let events = until(&mut watch, &last).await;
        assert_eq!(events.len(), 1 + 10 + 1 + 1);
        for event in &events {
            assert_eq!(paths(event).await, ["dir/x"]);
        }
        let differences = events[1].diff().await.unwrap().collect().await.unwrap();
        let hashes = (differences[0].old, differences[0].new);
        assert_eq!(hashes, (Some(contents_hash("added")), Some(contents_hash("0"))));
        let removed = events[11].diff().await.unwrap().collect().await.unwrap();
        assert_eq!((removed[0].old, removed[0].new), (Some(contents_hash("9")), None));
    }
}

async fn a_directory_sees_what_is_below_it(bed: Bed) {
    for _ in 0..repeats() {
        let main = bed.another().await.main().await;
        let mut watch = main.watch("dir").await.unwrap();
        put(&main, "dir/a", "1").await;
        put(&main, "dir/deep/er/b", "1").await;
        put(&main, "directory", "1").await;
        put(&main, "dir/a", "2").await;
        main.remove("dir/deep", "remove").await.unwrap();
        main.rename("dir/a", "away", "move it out").await.unwrap();
        let last = put(&main, "dir/z", "last").await;
        let events = until(&mut watch, &last).await;
        let mut seen = Vec::new();
        for event in &events {
            seen.push(paths(event).await.join(" "));
        }
        assert_eq!(seen, ["dir/a", "dir/deep/er/b", "dir/a", "dir/deep/er/b", "dir/a", "dir/z"]);
    }
}

async fn a_watcher_that_fails_stops_neither_the_others_nor_later_events(bed: Bed) {
    let main = bed.main().await;
    let (mut one, mut other) = (main.watch("").await.unwrap(), main.watch("x").await.unwrap());
    let mut failing = main.watch("").await.unwrap();
    let failed = tokio::spawn(async move {
        let event = next(&mut failing).await;
        panic!("it does not like {event:?}")
    });
    let mut commits = Vec::new();
    for value in 0..3 {
        commits.push(put(&main, "x", &format!("{value}")).await);
    }
    let never: Result<std::convert::Infallible, _> = failed.await;
    assert!(never.unwrap_err().is_panic());
    for value in 3..6 {
        commits.push(put(&main, "x", &format!("{value}")).await);
    }
    for watch in [&mut one, &mut other] {
        let events = until(watch, &commits[5]).await;
        check_chain(&events);
        assert!(events.iter().map(|event| event.new.as_ref()).eq(commits.iter().map(Some)));
    }
}

async fn a_branch_sees_every_move_of_its_head_also_one_that_changes_no_entry(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    let (mut branch, mut path) = (main.watch("").await.unwrap(), main.watch("x").await.unwrap());
    let allow = TransactionOptions::default().allow_empty();
    let edit = main.begin_with(allow).await.unwrap();
    let empty = main.commit(edit, "release").await.unwrap().unwrap();
    let last = put(&main, "x", "2").await;
    let events = until(&mut branch, &last).await;
    check_chain(&events);
    assert!(events.iter().map(|event| event.new.as_ref()).eq([Some(&empty), Some(&last)]));
    assert!(paths(&events[0]).await.is_empty());
    assert_eq!(until(&mut path, &last).await.len(), 1, "the path has not changed");
}

#[derive(Clone, Debug)]
struct Files;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mode(u8);

impl Metadata for Mode {
    fn encode(&self) -> Bytes {
        Bytes::copy_from_slice(&[self.0])
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        let [mode] = bytes[..] else { return Err(Error::corrupt("a mode has one byte")) };
        Ok(Self(mode))
    }

    fn merge(_: Option<&Self>, ours: &Self, _: &Self) -> Result<Self, Conflict> {
        Ok(*ours)
    }
}

impl Schema for Files {
    type Hash = Sha1;
    type Contents = String;
    type Metadata = Mode;
    type Format = Native;
}

async fn a_watch_of_contents_sees_their_metadata(bed: Bed) {
    let main = bed.repo_of::<Files>().main().await.unwrap();
    main.set("dir/file", "text", "make it").await.unwrap();
    let mut watches = [main.watch("dir/file").await.unwrap(), main.watch("dir").await.unwrap()];
    main.transact("make it run", async |edit| {
        edit.set_with_metadata("dir/file", "text", Mode(7)).await
    })
    .await
    .unwrap();
    for watch in &mut watches {
        let event = next(watch).await;
        assert_eq!(event.new, main.head().await.unwrap());
        assert_eq!(paths(&event).await, ["dir/file"]);
    }
}

async fn the_removal_of_a_branch_is_seen(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "dir/x", "1").await;
    let mut watches = Vec::new();
    for path in ["", "dir", "dir/x", "beside"] {
        watches.push(main.watch(path).await.unwrap());
    }
    main.repo().remove_branch("main").await.unwrap();
    let last = put(&main, "beside", "1").await;
    let mut beside = watches.pop().unwrap();
    assert_eq!(until(&mut beside, &last).await.len(), 1, "nothing was there to be removed");
    for mut watch in watches {
        let event = next(&mut watch).await;
        assert_eq!((event.old.as_ref(), &event.new), (Some(&first), &None));
        assert_eq!(paths(&event).await, ["dir/x"]);
    }
}

/// Returns the branches of an event, and whether each had and has a head.
fn moved(event: BranchesEvent<Text>) -> Vec<(String, bool, bool)> {
    let BranchesEvent::Changed { branches, .. } = event else { panic!("{event:?}") };
    let moved = branches.into_iter().map(|b| (b.branch, b.old.is_some(), b.new.is_some()));
    moved.collect()
}

async fn all_branches_are_watched_by_their_prefix(bed: Bed) {
    let repo = bed.repo();
    let mut all = repo.watch("").await.unwrap();
    let mut drafts = repo.watch("draft/").await.unwrap();
    let main = repo.main().await.unwrap();
    put(&main, "x", "1").await;
    let draft = main.fork("draft/one").await.unwrap();
    main.fork("drafts").await.unwrap();
    put(&draft, "x", "2").await;
    repo.remove_branch("draft/one").await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.extend(moved(all.next().await.unwrap().unwrap()));
    }
    let row = |name: &str, old, new| (name.to_owned(), old, new);
    let draft = [
        row("draft/one", false, true),
        row("draft/one", true, true),
        row("draft/one", true, false),
    ];
    let [made, changed, removed] = draft.clone();
    let expected = [row("main", false, true), made, row("drafts", false, true), changed, removed];
    assert_eq!(seen, expected);
    for expected in draft {
        assert_eq!(moved(drafts.next().await.unwrap().unwrap()), [expected]);
    }
}

async fn all_branches_from_what_exists(bed: Bed) {
    let repo = bed.repo();
    let mut names = Vec::new();
    let main = repo.main().await.unwrap();
    put(&main, "x", "1").await;
    for branch in 0..10 {
        names.push(format!("b{branch}"));
        main.fork(&names[branch]).await.unwrap();
    }
    let mut watch = repo.watch_from("b", WatchStart::Existing).await.unwrap();
    let event = watch.next().await.unwrap().unwrap();
    let BranchesEvent::Existing { branches, resync: false, .. } = event else {
        panic!("{event:?}");
    };
    assert!(branches.iter().map(|(name, _)| name).eq(&names));
    assert!(branches.iter().all(|(_, head)| head.info().message == "set x to 1"));
    for name in &names[..5] {
        repo.remove_branch(name).await.unwrap();
    }
    for name in &names[..5] {
        let removed = moved(watch.next().await.unwrap().unwrap());
        assert_eq!(removed, [(name.clone(), true, false)]);
    }
}

async fn a_watch_goes_on_after_a_cursor_that_was_kept(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("x").await.unwrap();
    put(&main, "x", "1").await;
    let event = next(&mut watch).await;
    assert_eq!(watch.cursor(), event.cursor);
    let kept = watch.cursor().to_string();
    drop(watch);
    let second = put(&main, "x", "2").await;
    put(&main, "beside", "1").await;
    let third = put(&main, "x", "3").await;

    // As another process would.
    let cursor: Cursor = kept.parse().unwrap();
    let other = bed.main().await;
    let mut watch = other.watch_from("x", WatchStart::After(cursor)).await.unwrap();
    let events = until(&mut watch, &third).await;
    assert!(events.iter().map(|event| event.new.as_ref()).eq([Some(&second), Some(&third)]));
    assert!(events.iter().all(|event| !event.resync));
    let mut all = bed.repo().watch_from("", WatchStart::After(cursor)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(moved(all.next().await.unwrap().unwrap()).len(), 1);
    }
}

async fn a_cursor_of_another_life_gives_a_resync(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    let last = put(&main, "x", "2").await;
    let elsewhere = Cursor { incarnation: Incarnation::from_bytes([7; 16]), sequence: 1 };
    let start = WatchStart::After(elsewhere);
    let mut watch = main.watch_from("x", start).await.unwrap();
    let event = next(&mut watch).await;
    assert_eq!((event.resync, &event.old, event.new.as_ref()), (true, &None, Some(&last)));
    let third = put(&main, "x", "3").await;
    let events = until(&mut watch, &third).await;
    assert_eq!((events.len(), events[0].resync, events[0].old.as_ref()), (1, false, Some(&last)));
    let mut all = main.repo().watch_from("", start).await.unwrap();
    let event = all.next().await.unwrap().unwrap();
    assert!(matches!(event, BranchesEvent::Existing { resync: true, .. }), "{event:?}");
}

#[tokio::test]
async fn a_truncated_log_gives_a_resync_that_knows_the_last_event() {
    // The bound of the log is an option of this backend.
    let mem: Mem = Mem::new(&MemOptions::default().with_log_changes_max(4).with_notices_max(2));
    let repo = Repo::<Text>::new(Backend::new(mem));
    let main = repo.main().await.unwrap();
    let mut watch = main.watch("x").await.unwrap();
    let mut all = repo.watch("").await.unwrap();
    let first = put(&main, "x", "first").await;
    assert_eq!(next(&mut watch).await.new.as_ref(), Some(&first));
    assert_eq!(moved(all.next().await.unwrap().unwrap()).len(), 1);
    for value in 0..20 {
        put(&main, "x", &format!("{value}")).await;
    }
    let event = next(&mut watch).await;
    assert!(event.resync);
    assert_eq!((event.old.as_ref(), event.new.clone()), (Some(&first), main.head().await.unwrap()));
    let event = all.next().await.unwrap().unwrap();
    assert!(event.is_resync());
    let BranchesEvent::Changed { branches, .. } = event else { panic!("what has changed") };
    let [BranchChange { old, new, resync: false, .. }] = &branches[..] else { panic!("one") };
    assert_eq!((old.as_ref(), new.clone()), (Some(&first), main.head().await.unwrap()));
    let last = put(&main, "x", "last").await;
    assert_eq!(until(&mut watch, &last).await.len(), 1);
}

async fn events_differ_by_what_was_changed(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    put(&main, "keep", "1").await;
    draft.set_head(&head(&main).await).await.unwrap();
    put(&draft, "a/b", "1").await;
    put(&draft, "c", "1").await;
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(paths(&next(&mut watch).await).await, ["keep"]);
    let merged = next(&mut watch).await;
    assert_eq!(paths(&merged).await, ["a/b", "c"], "one event for both commits");
    assert_eq!(merged.path, Path::root());
}

async fn an_event_whose_commit_is_missing_is_an_error_and_the_watch_goes_on(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    let other: Store<Text> = bed.main().await;
    let mut watches = [other.watch("").await.unwrap(), other.watch("x").await.unwrap()];
    let mut all = other.repo().watch("").await.unwrap();
    let missing = put(&main, "x", "2").await.hash();
    bed.rig().lose(missing);
    main.repo().remove_branch("main").await.unwrap();
    let last = put(&main, "x", "3").await;
    for watch in &mut watches {
        // It was on the missing commit, then it was removed from there, then it was made again.
        refused(watch.next().await.unwrap(), ErrorKind::Missing, &missing.to_string());
        let removed = next(watch).await;
        assert_eq!((removed.old, removed.new, removed.resync), (None, None, true));
        assert_eq!(next(watch).await.new.as_ref(), Some(&last));
    }
    refused(all.next().await.unwrap(), ErrorKind::Missing, &missing.to_string());
    assert_eq!(moved(all.next().await.unwrap().unwrap()), [("main".to_owned(), false, false)]);
    assert_eq!(moved(all.next().await.unwrap().unwrap()), [("main".to_owned(), false, true)]);
}

async fn a_resync_that_cannot_be_read_comes_again(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "x", "1").await;
    let other = bed.main().await;
    let mut watch = other.watch("x").await.unwrap();
    put(&main, "x", "2").await;
    let cursor = next(&mut watch).await.place().cursor;
    let elsewhere = Cursor { incarnation: Incarnation::from_bytes([7; 16]), sequence: 1 };
    // Where the cursor is of another commit, the change after it is the event; else what is there.
    for (index, cursor) in [cursor, None, Some(elsewhere)].into_iter().enumerate() {
        let kept = WatchPlace { cursor, commit: Some(first.hash()) };
        let mut watch = other.watch_after("x", kept).await.unwrap();
        let now = if index == 0 { put(&main, "x", "3").await } else { head(&main).await };
        bed.rig().fail_next_find(now.hash());
        refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "for once");
        let last = put(&main, "x", &format!("beside {index}")).await;
        let event = next(&mut watch).await;
        assert_eq!((event.resync, event.old.as_ref()), (true, Some(&first)), "{index}");
        assert_eq!(event.new.as_ref(), Some(&last));
    }
    let start = WatchStart::After(elsewhere);
    let mut watch = other.watch_from("x", start).await.unwrap();
    bed.rig().fail_next_find(head(&main).await.hash());
    refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "for once");
    let last = put(&main, "x", "last").await;
    let event = next(&mut watch).await;
    assert_eq!((event.resync, event.old, event.new.as_ref()), (true, None, Some(&last)));
}

async fn a_change_that_cannot_be_read_for_now_comes_later(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "x", "1").await;
    let other = bed.main().await;
    for path in ["", "x"] {
        let mut watch = other.watch(path).await.unwrap();
        let (before, begun) = (watch.cursor(), head(&main).await);
        let second = put(&main, "x", &format!("2, beside `{path}`")).await;
        let third = put(&main, "x", "3").await;
        for _ in 0..3 {
            bed.rig().fail_next_find(second.hash());
            refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "for once");
            assert_eq!(watch.cursor(), before, "nothing was given yet");
        }
        let events = until(&mut watch, &third).await;
        let moves: Vec<_> =
            events.iter().map(|event| (event.old.clone(), event.new.clone())).collect();
        let begins = (Some(begun), Some(second.clone()));
        assert_eq!(moves, [begins, (Some(second), Some(third))]);
        check_chain(&events);
    }
    // One that is gone for good is passed over.
    let mut watch = other.watch("x").await.unwrap();
    let lost = put(&main, "x", "lost").await;
    bed.rig().lose(lost.hash());
    refused(watch.next().await.unwrap(), ErrorKind::Missing, &lost.hash().to_string());
    main.set_head(&first).await.unwrap();
    let event = next(&mut watch).await;
    assert_eq!((event.new, event.resync), (Some(first), true));
}

async fn closing_ends_a_watch_with_one_closed(bed: Bed) {
    let main = bed.main().await;
    let mut watches = Vec::new();
    for path in ["", "x", "beside"] {
        watches.push(main.watch(path).await.unwrap());
    }
    let mut all = main.repo().watch("").await.unwrap();
    let mut read_before = main.watch("").await.unwrap();
    for value in 0..3 {
        put(&main, "x", &format!("{value}")).await;
    }
    next(&mut read_before).await;
    main.repo().close().await.unwrap();
    for mut watch in watches.into_iter().chain([read_before]) {
        refused(watch.next().await.unwrap(), ErrorKind::Closed, "closed");
        assert!(watch.next().await.is_none());
        assert!(watch.next().await.is_none());
    }
    refused(all.next().await.unwrap(), ErrorKind::Closed, "closed");
    assert!(all.next().await.is_none());
}

async fn a_dropped_next_loses_no_event(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("").await.unwrap();
    bed.rig().be_slow();
    let mut last = None;
    for value in 0..5 {
        last = Some(put(&main, "x", &format!("{value}")).await);
    }
    // Each call is polled once and dropped, until one is ready.
    let mut events = Vec::new();
    while events.len() < 5 {
        if let Some(event) = futures::FutureExt::now_or_never(watch.next()) {
            events.push(event.unwrap().unwrap());
        }
        tokio::task::yield_now().await;
    }
    check_chain(&events);
    assert_eq!(events[4].new, last);
}

async fn a_watch_can_write_to_what_it_watches(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("in").await.unwrap();
    for value in 0..5 {
        put(&main, "in/x", &format!("{value}")).await;
    }
    for _ in 0..5 {
        // As the stream that it is.
        let event = futures::StreamExt::next(&mut watch).await.unwrap().unwrap();
        let value = event.new.unwrap().tree().find("in/x").await.unwrap().unwrap();
        put(&main, &format!("out/{value}"), "seen").await;
    }
    assert_eq!(crate::bed::steps(&main, "out").await.len(), 5);
}
