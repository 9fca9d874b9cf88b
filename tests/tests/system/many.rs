//! Watches of many branches that go on where they were: from a place that was kept, and after the log was cut off.
//!
//! The random test is longer by `RAMUS_SCALE`, and differs by `RAMUS_SEED`:
//!
//! ```text
//! RAMUS_SEED=7 RAMUS_SCALE=50 cargo test --release -p ramus-tests --test system many
//! ```

use std::collections::BTreeMap;

use ramus_core::{Cursor, ErrorKind, Incarnation, Sha1};
use ramus_kv::{
    BranchChange, BranchesEvent, BranchesPlace, BranchesWatch, Commit, Repo, Store, WatchStart,
};

use crate::bed::{Bed, Choices, Text, head, put, refused};

on_every_backend!(
    a_watch_of_branches_that_falls_behind_is_told_what_differs,
    a_watch_of_branches_goes_on_from_its_place_with_every_change,
    a_watch_of_branches_goes_on_from_a_place_that_the_log_does_not_reach,
    a_place_of_another_life_goes_on,
    a_place_of_more_branches_goes_on_below_a_prefix,
    the_place_of_nothing_is_told_of_all,
    heads_that_are_kept_beside_another_place_of_the_log_begin_there,
    what_changed_beside_the_path_is_not_told,
    a_place_that_is_advanced_by_events_of_a_path_goes_on,
    a_commit_that_is_gone_makes_its_branch_a_resync,
    a_bare_cursor_is_told_what_exists_and_then_what_differs,
    a_damaged_head_keeps_no_other_branch_back,
    a_damaged_head_is_missing_among_what_exists,
    a_head_that_cannot_be_read_for_now_comes_later,
    a_head_that_can_never_be_read_keeps_no_other_branch_back,
    a_head_that_is_left_before_it_can_be_read_is_not_told,
    a_head_that_cannot_be_read_for_now_is_no_gap_for_who_knows_no_heads,
    a_tree_that_cannot_be_read_is_a_change_all_the_same,
    closing_ends_a_watch_of_branches,
    whatever_happens_to_the_branches_nothing_is_missed_or_told_twice,
);

async fn event(watch: &mut BranchesWatch<Text>) -> BranchesEvent<Text> {
    watch.next().await.expect("the watch goes on").expect("an event")
}

/// Returns what changed, and whether it is a resync.
async fn changes(watch: &mut BranchesWatch<Text>) -> (Vec<BranchChange<Text>>, bool) {
    match event(watch).await {
        BranchesEvent::Changed { branches, resync, .. } => (branches, resync),
        existing @ BranchesEvent::Existing { .. } => panic!("{existing:?}"),
    }
}

/// A branch, and the messages of the commits that it was and is on.
type Row = (String, Option<String>, Option<String>);

fn rows(changes: &[BranchChange<Text>]) -> Vec<Row> {
    let message = |commit: &Option<Commit<Text>>| {
        commit.as_ref().map(|commit| commit.info().message.trim_start_matches("set x to ").into())
    };
    let row = |one: &BranchChange<Text>| (one.branch.clone(), message(&one.old), message(&one.new));
    changes.iter().map(row).collect()
}

fn row(branch: &str, old: Option<&str>, new: Option<&str>) -> Row {
    (branch.to_owned(), old.map(str::to_owned), new.map(str::to_owned))
}

/// Keeps a place as text and reads it back.
fn kept(place: &BranchesPlace<Sha1>) -> BranchesPlace<Sha1> {
    let text = serde_json::to_string(place).unwrap();
    let read: BranchesPlace<Sha1> = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, place, "{text}");
    read
}

/// Makes the branches `a` to `e` with the value 0 at `x`, each by a commit of its own if the clock goes on.
async fn five(repo: &Repo<Text>) -> Vec<Store<Text>> {
    let mut stores = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let store = repo.branch(name).await.unwrap();
        put(&store, "x", "0").await;
        stores.push(store);
    }
    stores
}

/// Changes some of the five: `a` moves, `b` goes, `c` goes and comes back, `d` gets another name, `e` stays.
async fn stir(repo: &Repo<Text>, stores: &[Store<Text>]) -> [Row; 5] {
    put(&stores[0], "x", "1").await;
    put(&stores[0], "x", "2").await;
    repo.remove_branch("b").await.unwrap();
    repo.remove_branch("c").await.unwrap();
    put(&stores[2], "x", "again").await;
    repo.rename_branch("d", "renamed").await.unwrap();
    [
        row("a", Some("0"), Some("2")),
        row("b", Some("0"), None),
        row("c", Some("0"), Some("again")),
        row("d", Some("0"), None),
        row("renamed", None, Some("0")),
    ]
}

async fn a_watch_of_branches_that_falls_behind_is_told_what_differs(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watches = [
        repo.watch("").await.unwrap(),
        repo.watch_path("", "x").await.unwrap(),
        repo.watch_from("", WatchStart::Existing).await.unwrap(),
    ];
    assert!(matches!(event(&mut watches[2]).await, BranchesEvent::Existing { .. }));
    let unchanged = head(&stores[4]).await.hash();
    let expected = stir(&repo, &stores).await;
    bed.rig().forget_log().await;
    // What is the same is not even looked at.
    bed.rig().lose(unchanged);
    for watch in &mut watches {
        let (changed, resync) = changes(watch).await;
        assert_eq!((rows(&changed), resync), (expected.to_vec(), true));
        assert!(changed.iter().all(|one| !one.resync));
        let (cursor, place) = (watch.cursor(), watch.place().unwrap());
        assert_eq!((place.cursor, place.heads["e"]), (Some(cursor), unchanged));
    }
    put(&stores[0], "x", "last").await;
    for watch in &mut watches {
        let (changed, resync) = changes(watch).await;
        assert_eq!((rows(&changed), resync), (vec![row("a", Some("2"), Some("last"))], false));
    }
}

async fn a_watch_of_branches_goes_on_from_its_place_with_every_change(bed: Bed) {
    let repo = bed.repo_that_counts();
    let mut watch = repo.watch("").await.unwrap();
    let stores = five(&repo).await;
    let mut advanced = repo.watch("").await.unwrap().place().unwrap();
    assert_eq!(advanced.heads.len(), 5);
    for _ in 0..5 {
        changes(&mut watch).await;
    }
    assert_eq!(watch.place().unwrap(), advanced);
    stir(&repo, &stores).await;
    let mut watch = bed.repo().watch_after("", kept(&advanced)).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let event = event(&mut watch).await;
        assert_eq!((event.cursor(), event.is_resync()), (watch.cursor(), false));
        advanced.advance(&event);
        assert_eq!(watch.place().unwrap(), advanced);
        let BranchesEvent::Changed { branches, .. } = event else { panic!("{event:?}") };
        seen.extend(rows(&branches));
    }
    let expected = [
        row("a", Some("0"), Some("1")),
        row("a", Some("1"), Some("2")),
        row("b", Some("0"), None),
        row("c", Some("0"), None),
        row("c", None, Some("again")),
        row("d", Some("0"), None),
        row("renamed", None, Some("0")),
    ];
    assert_eq!(seen, expected);
    let names: Vec<_> = advanced.heads.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "c", "e", "renamed"]);
}

async fn a_watch_of_branches_goes_on_from_a_place_that_the_log_does_not_reach(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let place = repo.watch("").await.unwrap().place().unwrap();
    let expected = stir(&repo, &stores).await;
    bed.rig().forget_log().await;
    let without_cursor = BranchesPlace { cursor: None, ..place.clone() };
    for place in [place, without_cursor] {
        let mut watch = bed.repo().watch_after("", kept(&place)).await.unwrap();
        let (changed, resync) = changes(&mut watch).await;
        assert_eq!((rows(&changed), resync), (expected.to_vec(), true));
        let commits = changed[0].commits().collect().await.unwrap();
        assert_eq!(commits.len(), 2, "all that it got meanwhile");
        let differences = changed[0].diff().await.unwrap().collect().await.unwrap();
        assert_eq!(differences.len(), 1);
        // Who is up to date is told nothing more.
        let mut again = bed.repo().watch_after("", watch.place().unwrap()).await.unwrap();
        put(&stores[4], "x", "next").await;
        let (changed, resync) = changes(&mut again).await;
        assert_eq!((rows(&changed).len(), changed[0].branch.as_str(), resync), (1, "e", false));
        let back = changed[0].old.as_ref().unwrap().hash();
        stores[4].set_head(&repo.commit(&back).await.unwrap().unwrap()).await.unwrap();
        bed.rig().forget_log().await;
    }
}

async fn a_place_of_another_life_goes_on(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut place = repo.watch("").await.unwrap().place().unwrap();
    let expected = stir(&repo, &stores).await;
    place.cursor = Some(Cursor { incarnation: Incarnation::from_bytes([7; 16]), sequence: 1 });
    let mut watch = bed.repo().watch_path_after("", "x", kept(&place)).await.unwrap();
    let (changed, resync) = changes(&mut watch).await;
    assert_eq!((rows(&changed), resync), (expected.to_vec(), true));
}

async fn a_place_of_more_branches_goes_on_below_a_prefix(bed: Bed) {
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    put(&main, "x", "main").await;
    for name in ["users/a", "users/b", "users/", "user", "usual"] {
        if let Ok(branch) = repo.branch(name).await {
            put(&branch, "x", "0").await;
        }
    }
    let place = repo.watch("").await.unwrap().place().unwrap();
    assert_eq!(place.heads.len(), 5, "{place:?}");
    put(&repo.branch("users/a").await.unwrap(), "x", "1").await;
    bed.rig().forget_log().await;
    let mut watch = bed.repo().watch_after("users/", kept(&place)).await.unwrap();
    let (changed, _) = changes(&mut watch).await;
    assert_eq!(rows(&changed), [row("users/a", Some("0"), Some("1"))]);
    let names: Vec<_> = watch.place().unwrap().heads.into_keys().collect();
    assert_eq!(names, ["users/a", "users/b"]);
}

async fn the_place_of_nothing_is_told_of_all(bed: Bed) {
    let repo = bed.repo();
    let nothing = BranchesPlace::default();
    let mut empty = repo.watch_after("", nothing.clone()).await.unwrap();
    five(&repo).await;
    let (changed, resync) = changes(&mut empty).await;
    assert_eq!((rows(&changed), resync), (vec![row("a", None, Some("0"))], false));
    let mut watch = repo.watch_after("", nothing.clone()).await.unwrap();
    assert_eq!(watch.place(), Some(nothing), "nothing was told yet");
    let (changed, resync) = changes(&mut watch).await;
    assert!(resync && changed.iter().all(|one| one.old.is_none() && !one.resync));
    assert_eq!(changed.len(), 5);
}

async fn heads_that_are_kept_beside_another_place_of_the_log_begin_there(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let before = repo.watch("").await.unwrap().place().unwrap();
    put(&stores[0], "x", "1").await;
    let now = repo.watch("").await.unwrap().place().unwrap();
    let wrong = BranchesPlace { cursor: now.cursor, heads: before.heads };
    let mut watch = repo.watch_after("", kept(&wrong)).await.unwrap();
    put(&stores[0], "x", "2").await;
    put(&stores[0], "x", "3").await;
    let (changed, resync) = changes(&mut watch).await;
    assert_eq!((rows(&changed), resync), (vec![row("a", Some("0"), Some("2"))], true));
    let (changed, resync) = changes(&mut watch).await;
    assert_eq!((rows(&changed), resync), (vec![row("a", Some("2"), Some("3"))], false));
}

async fn what_changed_beside_the_path_is_not_told(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut live = repo.watch_path("", "x").await.unwrap();
    let mut other = repo.watch_path("", "y").await.unwrap();
    let place = live.place().unwrap();
    put(&stores[0], "beside", "1").await;
    put(&stores[1], "x", "1").await;
    put(&stores[2], "y", "1").await;
    bed.rig().forget_log().await;
    let mut resumed = repo.watch_path_after("", "x", kept(&place)).await.unwrap();
    for watch in [&mut live, &mut resumed] {
        let (changed, resync) = changes(watch).await;
        assert_eq!((rows(&changed), resync), (vec![row("b", Some("0"), Some("1"))], true));
        // It knows all the same where the others are.
        assert_eq!(watch.place().unwrap().heads["a"], head(&stores[0]).await.hash());
    }
    let (changed, _) = changes(&mut other).await;
    assert_eq!((changed.len(), changed[0].branch.as_str()), (1, "c"));
    // Nothing that differs at the path is no event at all.
    put(&stores[3], "beside", "2").await;
    bed.rig().forget_log().await;
    let mut resumed = repo.watch_path_after("", "x", live.place().unwrap()).await.unwrap();
    put(&stores[3], "x", "3").await;
    for watch in [&mut live, &mut resumed] {
        let (changed, _) = changes(watch).await;
        assert_eq!((changed.len(), changed[0].branch.as_str()), (1, "d"));
    }
}

async fn a_place_that_is_advanced_by_events_of_a_path_goes_on(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watch = repo.watch_path("", "x").await.unwrap();
    let mut place = watch.place().unwrap();
    put(&stores[0], "beside", "1").await;
    put(&stores[1], "x", "1").await;
    place.advance(&event(&mut watch).await);
    assert_ne!(place, watch.place().unwrap(), "one branch is behind, with the same at the path");
    let mut watch = repo.watch_path_after("", "x", kept(&place)).await.unwrap();
    put(&stores[0], "x", "2").await;
    let (changed, resync) = changes(&mut watch).await;
    // The log says all that happened since, as far as the path goes.
    assert!(!resync);
    assert_eq!(rows(&changed), [row("a", Some("set beside to 1"), Some("2"))]);
}

async fn a_commit_that_is_gone_makes_its_branch_a_resync(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut live = repo.watch("").await.unwrap();
    let mut at_path = repo.watch_path("", "x").await.unwrap();
    let place = live.place().unwrap();
    let gone = head(&stores[0]).await.hash();
    put(&stores[0], "beside", "1").await;
    put(&stores[1], "x", "1").await;
    repo.remove_branch("c").await.unwrap();
    put(&repo.branch("f").await.unwrap(), "x", "f").await;
    bed.rig().forget_log().await;
    bed.rig().lose(gone);
    let mut resumed = bed.repo().watch_after("", kept(&place)).await.unwrap();
    for watch in [&mut live, &mut at_path, &mut resumed] {
        let (changed, resync) = changes(watch).await;
        let marked: Vec<_> = changed
            .iter()
            .map(|one| (one.branch.as_str(), one.old.is_some(), one.resync))
            .collect();
        let (no, yes) = (false, true);
        let expected = [("a", no, yes), ("b", yes, no), ("c", yes, no), ("f", no, no)];
        assert!(resync);
        assert_eq!(marked, expected);
    }
}

async fn a_bare_cursor_is_told_what_exists_and_then_what_differs(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let cursor = repo.watch("").await.unwrap().cursor();
    let mut watch = repo.watch_from("", WatchStart::After(cursor)).await.unwrap();
    put(&stores[0], "x", "1").await;
    assert_eq!(rows(&changes(&mut watch).await.0), [row("a", Some("0"), Some("1"))]);
    assert_eq!(watch.place(), None, "it does not know the others");
    put(&stores[0], "x", "2").await;
    bed.rig().forget_log().await;
    let existing = event(&mut watch).await;
    let place = watch.place().unwrap();
    let mut advanced = BranchesPlace::default();
    advanced.advance(&existing);
    assert_eq!((&advanced, existing.is_resync()), (&place, true));
    let BranchesEvent::Existing { branches, .. } = existing else { panic!("{existing:?}") };
    assert_eq!(branches.len(), 5);
    put(&stores[0], "x", "3").await;
    bed.rig().forget_log().await;
    let (changed, resync) = changes(&mut watch).await;
    assert_eq!((rows(&changed), resync), (vec![row("a", Some("2"), Some("3"))], true));
}

async fn a_damaged_head_keeps_no_other_branch_back(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut live = bed.repo().watch("").await.unwrap();
    let place = live.place().unwrap();
    // One update of the three, of which the commit of one is damaged afterwards.
    let mut edits = Vec::new();
    for store in &stores[..3] {
        let mut edit = store.begin().await.unwrap();
        edit.set("x", "1").await.unwrap();
        edits.push((edit, "set x to 1"));
    }
    let commits = repo.commit_all(edits).await.unwrap();
    let damaged = commits[1].as_ref().unwrap().hash();
    put(&stores[3], "x", "1").await;
    bed.rig().replace(damaged, "not a commit");
    let mut late = bed.repo().watch_after("", kept(&place)).await.unwrap();
    let others = [row("a", Some("0"), Some("1")), row("c", Some("0"), Some("1"))];
    let next = row("d", Some("0"), Some("1"));
    for watch in [&mut live, &mut late] {
        assert_eq!(rows(&changes(watch).await.0), others);
        refused(watch.next().await.unwrap(), ErrorKind::Corrupt, "branch `b`");
        assert_eq!(rows(&changes(watch).await.0), std::slice::from_ref(&next));
        assert_eq!(watch.place().unwrap().heads["b"], damaged, "nobody will read it any more");
    }
    bed.rig().forget_log().await;
    let mut behind = bed.repo().watch_after("", kept(&place)).await.unwrap();
    let (changed, resync) = changes(&mut behind).await;
    assert!(resync);
    assert_eq!(rows(&changed), [&others[..], &[next]].concat());
    refused(behind.next().await.unwrap(), ErrorKind::Corrupt, &damaged.to_string());
    // Once it is on a sound commit, that is told.
    stores[1].set_head(&head(&stores[4]).await).await.unwrap();
    for watch in [&mut live, &mut late, &mut behind] {
        let (changed, _) = changes(watch).await;
        assert_eq!((rows(&changed), changed[0].resync), (vec![row("b", None, Some("0"))], true));
    }
}

async fn a_damaged_head_is_missing_among_what_exists(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let damaged = head(&stores[1]).await.hash();
    put(&stores[1], "x", "1").await;
    stores[1].set_head(&repo.commit(&damaged).await.unwrap().unwrap()).await.unwrap();
    bed.rig().replace(damaged, "not a commit");
    let mut watch = bed.repo().watch_from("", WatchStart::Existing).await.unwrap();
    let event = event(&mut watch).await;
    let BranchesEvent::Existing { branches, resync: false, .. } = event else {
        panic!("{event:?}")
    };
    let names: Vec<_> = branches.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "c", "d", "e"]);
    refused(watch.next().await.unwrap(), ErrorKind::Corrupt, "branch `b`");
    put(&stores[2], "x", "1").await;
    assert_eq!(rows(&changes(&mut watch).await.0), [row("c", Some("0"), Some("1"))]);
}

async fn a_head_that_cannot_be_read_for_now_comes_later(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watch = bed.repo().watch("").await.unwrap();
    let started = watch.cursor();
    let at_first = watch.place().unwrap();
    let late = put(&stores[0], "x", "1").await.hash();
    let unavailable = async |watch: &mut BranchesWatch<Text>| {
        bed.rig().fail_next_find(late);
        refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "branch `a`");
        let place = watch.place().unwrap();
        assert_eq!((place.cursor, watch.cursor()), (None, started), "not all was told");
        assert_eq!(place.heads["a"], at_first.heads["a"]);
    };
    unavailable(&mut watch).await;
    unavailable(&mut watch).await;
    // Others are told meanwhile, and it is tried again after them.
    for value in ["1", "2"] {
        put(&stores[1], "x", value).await;
        bed.rig().fail_next_find(late);
        let told = match watch.next().await.unwrap() {
            Ok(BranchesEvent::Changed { branches, .. }) => branches,
            other => {
                // The log was not at hand, so what is behind came first.
                refused(other, ErrorKind::Unavailable, "branch `a`");
                changes(&mut watch).await.0
            }
        };
        assert!(told.iter().all(|one| one.branch == "b" || one.branch == "a"), "{told:?}");
    }
    drop(watch);
    bed.rig().find_all_again();
    // A process that goes on from such a place is told of it, too.
    let mut watch = bed.repo().watch("").await.unwrap();
    let place = watch.place().unwrap();
    let late = put(&stores[0], "x", "late").await.hash();
    bed.rig().fail_next_find(late);
    refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "branch `a`");
    let mut again = bed.repo().watch_after("", kept(&watch.place().unwrap())).await.unwrap();
    for watch in [&mut again, &mut watch] {
        let (changed, resync) = changes(watch).await;
        assert_eq!((rows(&changed), resync), (vec![row("a", Some("1"), Some("late"))], true));
        let mut now = place.clone();
        now.heads.insert("a".to_owned(), late);
        now.cursor = Some(watch.cursor());
        assert_eq!(watch.place().unwrap(), now);
    }
    // One that moves on before it could be read begins where it was told to be.
    let passed = put(&stores[0], "x", "passed").await.hash();
    bed.rig().fail_next_find(passed);
    refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "branch `a`");
    bed.rig().fail_next_find(passed);
    put(&stores[0], "x", "last").await;
    let mut told = Vec::new();
    while told.last().is_none_or(|row: &Row| row.2.as_deref() != Some("last")) {
        if let Ok(BranchesEvent::Changed { branches, .. }) = watch.next().await.unwrap() {
            told.extend(rows(&branches));
        }
    }
    let mut at = Some("late".to_owned());
    for (branch, old, new) in told {
        assert_eq!((branch.as_str(), old), ("a", at));
        at = new;
    }
}

/// Returns the next event, while a commit cannot be read however often it is tried.
async fn without(bed: &Bed, commit: Sha1, watch: &mut BranchesWatch<Text>) -> Vec<Row> {
    loop {
        bed.rig().fail_next_find(commit);
        match watch.next().await.expect("the watch goes on") {
            Ok(BranchesEvent::Changed { branches, .. }) => return rows(&branches),
            Ok(existing) => panic!("{existing:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
        // What reads the log gets its turn.
        tokio::task::yield_now().await;
    }
}

async fn a_head_that_can_never_be_read_keeps_no_other_branch_back(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watch = bed.repo().watch("").await.unwrap();
    let never = put(&stores[0], "x", "1").await.hash();
    for (old, new) in [("0", "1"), ("1", "2")] {
        put(&stores[1], "x", new).await;
        assert_eq!(without(&bed, never, &mut watch).await, [row("b", Some(old), Some(new))]);
    }
    bed.rig().find_all_again();
    let (changed, resync) = loop {
        match watch.next().await.unwrap() {
            Ok(BranchesEvent::Changed { branches, resync, .. }) => break (branches, resync),
            other => refused(other, ErrorKind::Unavailable, "branch `a`"),
        };
    };
    assert_eq!((rows(&changed), resync), (vec![row("a", Some("0"), Some("1"))], true));
}

async fn a_head_that_is_left_before_it_can_be_read_is_not_told(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watch = bed.repo().watch("").await.unwrap();
    let before = head(&stores[0]).await;
    let left = put(&stores[0], "x", "1").await.hash();
    bed.rig().fail_next_find(left);
    refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "branch `a`");
    stores[0].set_head(&before).await.unwrap();
    put(&stores[1], "x", "1").await;
    bed.rig().forget_log().await;
    assert_eq!(without(&bed, left, &mut watch).await, [row("b", Some("0"), Some("1"))]);
    bed.rig().find_all_again();
    assert_eq!(watch.place().unwrap().cursor, Some(watch.cursor()), "nothing is behind");
    put(&stores[2], "x", "1").await;
    assert_eq!(rows(&changes(&mut watch).await.0), [row("c", Some("0"), Some("1"))]);
}

async fn a_head_that_cannot_be_read_for_now_is_no_gap_for_who_knows_no_heads(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let cursor = repo.watch("").await.unwrap().cursor();
    let mut watch = bed.repo().watch_from("", WatchStart::After(cursor)).await.unwrap();
    let passed = put(&stores[0], "x", "1").await.hash();
    bed.rig().fail_next_find(passed);
    refused(watch.next().await.unwrap(), ErrorKind::Unavailable, "branch `a`");
    put(&stores[0], "x", "2").await;
    assert_eq!(without(&bed, passed, &mut watch).await, [row("a", Some("0"), Some("2"))]);
}

async fn a_tree_that_cannot_be_read_is_a_change_all_the_same(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let mut watch = bed.repo().watch_path("", "x").await.unwrap();
    let broken = put(&stores[0], "beside", "1").await;
    bed.rig().replace(broken.root(), "not a directory");
    put(&stores[1], "x", "1").await;
    let (changed, _) = changes(&mut watch).await;
    assert_eq!(changed[0].new.as_ref().map(Commit::hash), Some(broken.hash()));
    refused(changed[0].diff().await, ErrorKind::Corrupt, "");
    assert_eq!(rows(&changes(&mut watch).await.0), [row("b", Some("0"), Some("1"))]);
}

async fn closing_ends_a_watch_of_branches(bed: Bed) {
    let repo = bed.repo_that_counts();
    let stores = five(&repo).await;
    let place = repo.watch("").await.unwrap().place().unwrap();
    let mut watch = repo.watch_after("", place).await.unwrap();
    put(&stores[0], "x", "1").await;
    repo.close().await.unwrap();
    refused(watch.next().await.unwrap(), ErrorKind::Closed, "closed");
    // As the stream that it is.
    assert!(futures::StreamExt::next(&mut watch).await.is_none());
}

/// What each branch was on, and the value at `x`.
type State = BTreeMap<String, (Sha1, Option<String>)>;

/// What the branches were after each update of the storage.
struct Truth(Vec<(u64, State)>);

impl Truth {
    /// Notes what is there.
    async fn note(&mut self, repo: &Repo<Text>) {
        let heads = repo.heads("").await.unwrap();
        let sequence = heads.cursor().sequence;
        let mut state = State::new();
        for head in heads.collect().await.unwrap() {
            let commit = repo.commit(&head.commit).await.unwrap().unwrap();
            let value = commit.tree().find("x").await.unwrap();
            state.insert(head.name, (head.commit, value));
        }
        if self.0.last().is_none_or(|(last, _)| *last < sequence) {
            self.0.push((sequence, state));
        }
    }

    fn last(&self) -> &State {
        &self.0.last().expect("it was noted").1
    }

    fn at(&self, sequence: u64) -> &State {
        let next = self.0.partition_point(|(at, _)| *at <= sequence);
        &self.0[next - 1].1
    }

    /// Returns what was between two places, without the second.
    fn between(&self, after: u64, before: u64) -> impl Iterator<Item = &State> {
        let inside = move |at: u64| at >= after && at < before;
        self.0.iter().filter(move |(at, _)| inside(*at)).map(|(_, state)| state)
    }
}

/// What is watched.
#[derive(Clone, Copy, Debug)]
struct View {
    prefix: &'static str,
    path: &'static str,
}

impl View {
    /// Returns the branches that differ.
    fn differ(self, old: &State, new: &State) -> Vec<String> {
        let seen = |state: &State, name: &String| {
            let (head, value) = state.get(name)?.clone();
            Some(if self.path.is_empty() { head.to_string() } else { value? })
        };
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let names = names.into_iter().filter(|name| name.starts_with(self.prefix));
        names.filter(|name| seen(old, name) != seen(new, name)).cloned().collect()
    }
}

/// Somebody who watches, and knows what was told.
struct Reader {
    view: View,
    watch: BranchesWatch<Text>,
    /// The place that the events lead to.
    place: BranchesPlace<Sha1>,
    state: State,
    sequence: u64,
    /// Whether something may be left out that came to nothing.
    may_skip: bool,
    told: usize,
    resyncs: usize,
}

impl Reader {
    async fn new(repo: &Repo<Text>, view: View, truth: &Truth) -> Self {
        let watch = repo.watch_path(view.prefix, view.path).await.unwrap();
        let (place, state) = (watch.place().unwrap(), truth.last().clone());
        let sequence = watch.cursor().sequence;
        Self { view, watch, place, state, sequence, may_skip: false, told: 0, resyncs: 0 }
    }

    /// Begins again in another process with nothing but the place.
    async fn come_back(&mut self, repo: &Repo<Text>, choices: &mut Choices) {
        let mut place = match choices.below(2) {
            0 => self.watch.place().unwrap(),
            _ => self.place.clone(),
        };
        if choices.below(4) == 0 {
            place.cursor = None;
            self.may_skip = true;
        }
        let View { prefix, path } = self.view;
        self.watch = repo.watch_path_after(prefix, path, kept(&place)).await.unwrap();
    }

    fn is_up_to_date(&self, truth: &Truth) -> bool {
        self.view.differ(&self.state, truth.last()).is_empty()
    }

    /// Reads an event, and checks that it is what comes next: nothing lost, and nothing told twice.
    async fn read(&mut self, truth: &Truth) {
        let event = event(&mut self.watch).await;
        self.place.advance(&event);
        let BranchesEvent::Changed { branches, cursor, resync } = event else {
            panic!("{event:?}")
        };
        let view = self.view;
        assert!(cursor.sequence > self.sequence, "told twice");
        let new = truth.at(cursor.sequence);
        if resync {
            self.resyncs += 1;
        } else {
            let skipped = truth.between(self.sequence, cursor.sequence);
            let mut at = &self.state;
            for state in skipped {
                assert!(self.may_skip || view.differ(at, state).is_empty(), "something was lost");
                at = state;
            }
            assert!(view.differ(&self.state, at).is_empty(), "something was lost");
        }
        let names: Vec<_> = branches.iter().map(|one| one.branch.clone()).collect();
        assert_eq!(names, view.differ(&self.state, new), "{view:?}, resync {resync}");
        for BranchChange { branch, old, new: now, resync, .. } in &branches {
            assert!(!resync);
            let hash = |commit: &Option<Commit<Text>>| commit.as_ref().map(Commit::hash);
            assert_eq!(hash(now), new.get(branch).map(|head| head.0));
            if view.path.is_empty() {
                assert_eq!(hash(old), self.state.get(branch).map(|head| head.0));
            } else {
                let value = match old {
                    Some(old) => old.tree().find("x").await.unwrap(),
                    None => None,
                };
                assert_eq!(value, self.state.get(branch).and_then(|head| head.1.clone()));
            }
        }
        (self.state, self.sequence) = (new.clone(), cursor.sequence);
        (self.may_skip, self.told) = (false, self.told + 1);
    }
}

const NAMES: [&str; 6] = ["a", "b/1", "b/2", "b/3", "c", "d"];

/// Makes one update of the storage, or none.
async fn update(
    repo: &Repo<Text>,
    choices: &mut Choices,
    step: usize,
    old_heads: &mut Vec<Commit<Text>>,
) {
    let (name, other) = (NAMES[choices.below(6)], NAMES[choices.below(6)]);
    let store = repo.branch(name).await.unwrap();
    match choices.below(9) {
        0..=2 => old_heads.push(put(&store, "x", &step.to_string()).await),
        3 => drop(put(&store, "beside", &step.to_string()).await),
        4 => drop(repo.remove_branch(name).await.unwrap()),
        // A name that is taken, or not there, is refused.
        5 => drop(repo.rename_branch(name, other).await),
        6 => drop(repo.copy_branch(name, other).await),
        7 if !old_heads.is_empty() => {
            store.set_head(&old_heads[choices.below(old_heads.len())]).await.unwrap();
        }
        _ if name != other => {
            let mut edits = Vec::new();
            for store in [store, repo.branch(other).await.unwrap()] {
                let mut edit = store.begin().await.unwrap();
                edit.set("x", step.to_string()).await.unwrap();
                edits.push((edit, "together"));
            }
            repo.commit_all(edits).await.unwrap();
        }
        _ => {}
    }
}

async fn whatever_happens_to_the_branches_nothing_is_missed_or_told_twice(bed: Bed) {
    let (seed, scale) = (Choices::seed(), Choices::scale());
    let (mut told, mut resyncs, mut came_back) = (0, 0, 0);
    for round in 0..4 * scale {
        let mut choices = Choices::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let bed = bed.another().await;
        let repo = bed.repo();
        let mut old_heads = vec![put(&repo.branch("a").await.unwrap(), "x", "first").await];
        let mut truth = Truth(Vec::new());
        truth.note(&repo).await;
        let mut readers = Vec::new();
        for (prefix, path) in [("", ""), ("b/", ""), ("", "x"), ("b/", "x")] {
            readers.push(Reader::new(&repo, View { prefix, path }, &truth).await);
        }
        for step in 0..100 {
            let reader = &mut readers[choices.below(4)];
            match choices.below(12) {
                0..4 if !reader.is_up_to_date(&truth) => reader.read(&truth).await,
                4 => {
                    reader.come_back(&bed.repo(), &mut choices).await;
                    came_back += 1;
                }
                5 => {
                    bed.rig().forget_log().await;
                    for reader in &mut readers {
                        reader.may_skip = true;
                    }
                }
                _ => {
                    update(&repo, &mut choices, step, &mut old_heads).await;
                    truth.note(&repo).await;
                }
            }
        }
        for mut reader in readers {
            while !reader.is_up_to_date(&truth) {
                reader.read(&truth).await;
            }
            told += reader.told;
            resyncs += reader.resyncs;
        }
    }
    assert!(
        told > 100 && resyncs > 10 && came_back > 10,
        "{told}, {resyncs}, {came_back}: too few"
    );
}
