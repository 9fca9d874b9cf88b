//! Watches that go on from a commit, the commits of an event, and a path on many branches.
//!
//! The random tests are longer by `RAMUS_SCALE`, and differ by `RAMUS_SEED`:
//!
//! ```text
//! RAMUS_SEED=7 RAMUS_SCALE=50 cargo test --release -p ramus-tests --test system resume
//! ```

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use ramus_core::erased::Backend;
use ramus_core::{AtomicWrite as _, Changes, ErrorKind, RefName, Sha1, Storage as _, Update};
use ramus_kv::{
    BranchChange, BranchEvent, BranchesEvent, BranchesWatch, Commit, Repo, Store, WatchPlace,
    WatchStart,
};
use ramus_mem::{Mem, MemOptions};

use crate::bed::{
    Bed, Choices, Text, contents_hash, head, next, paths, put, refused, within_a_minute,
};

on_every_backend!(
    a_combined_update_is_one_event_with_all_its_commits,
    the_commits_of_an_event_are_those_that_the_branch_did_not_have,
    a_thousand_commits_and_more_are_given_one_by_one,
    a_commit_that_is_missing_does_not_keep_back_those_before_it,
    a_watch_goes_on_from_a_place_with_every_change,
    a_watch_goes_on_from_a_commit_alone,
    a_commit_that_is_not_that_of_the_cursor_is_no_gap,
    a_watch_cannot_go_on_from_a_commit_that_is_gone,
    a_path_on_many_branches_is_one_stream,
    a_path_on_many_branches_from_what_exists,
    an_update_of_several_branches_is_one_event_of_those_that_differ_at_the_path,
    a_watch_goes_on_from_a_place_that_the_log_does_not_reach_any_more,
    whatever_is_forgotten_a_reader_that_keeps_its_place_misses_nothing,
);

/// Makes a commit on top of others, of the tree of the first, and returns it.
async fn child(
    bed: &Bed,
    repo: &Repo<Text>,
    parents: &[&Commit<Text>],
    message: &str,
) -> Commit<Text> {
    let root = parents[0].tree().hash().await.unwrap();
    let parents: Vec<Sha1> = parents.iter().map(|parent| parent.hash()).collect();
    bed.add_commit(repo, root, &parents, message).await
}

async fn commits(event: &BranchEvent<Text>) -> Vec<Commit<Text>> {
    event.commits().collect().await.unwrap()
}

async fn a_combined_update_is_one_event_with_all_its_commits(bed: Bed) {
    let main = bed.main().await;
    let old = put(&main, "x", "0").await;
    let (mut whole, mut path) = (main.watch("").await.unwrap(), main.watch("x").await.unwrap());
    // Several writers each make a commit on top of the one before, and one update carries them.
    let writer = main.repo().detached(&old).unwrap();
    let mut made = Vec::new();
    for value in 1..=5 {
        made.push(put(&writer, "x", &value.to_string()).await);
    }
    main.set_head(&made[4]).await.unwrap();
    made.reverse();
    for watch in [&mut whole, &mut path] {
        let event = next(watch).await;
        assert_eq!((event.old.as_ref(), event.new.as_ref()), (Some(&old), Some(&made[0])));
        assert_eq!(commits(&event).await, made, "newest first");
        assert_eq!(commits(&event).await, made, "and again, when asked again");
    }
    // One that was made gives its whole line, one that was removed nothing.
    let fork = main.fork("fork").await.unwrap();
    let mut watch = fork.watch_from("", WatchStart::Existing).await.unwrap();
    made.push(old);
    assert_eq!(commits(&next(&mut watch).await).await, made);
    main.repo().remove_branch("fork").await.unwrap();
    assert_eq!(commits(&next(&mut watch).await).await, []);
}

async fn the_commits_of_an_event_are_those_that_the_branch_did_not_have(bed: Bed) {
    let (seed, scale) = (Choices::seed(), Choices::scale());
    let (mut some, mut none, mut beside) = (0, 0, 0);
    for round in 0..10 * scale {
        let mut choices = Choices::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let bed = bed.another().await;
        let main = bed.main().await;
        let root = put(&main, "x", "0").await;
        let mut graph = vec![(root, Vec::<usize>::new(), BTreeSet::from([0]))];
        for number in 1..12 {
            let mut parents = vec![choices.below(number)];
            for _ in 0..choices.below(3) {
                let parent = choices.below(number);
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            let of: Vec<_> = parents.iter().map(|parent| &graph[*parent].0).collect();
            let commit = child(&bed, main.repo(), &of, &number.to_string()).await;
            let mut history = BTreeSet::from([number]);
            for parent in &parents {
                history.extend(&graph[*parent].2);
            }
            graph.push((commit, parents, history));
        }
        // One that has nothing to do with the others.
        let stranger = put(&main.repo().empty(), "x", "stranger").await;
        graph.push((stranger, Vec::new(), BTreeSet::from([12])));
        for _ in 0..15 {
            let (old, new) = (choices.below(13), choices.below(13));
            if old == new {
                continue;
            }
            main.set_head(&graph[old].0).await.unwrap();
            let mut watch = main.watch("").await.unwrap();
            main.set_head(&graph[new].0).await.unwrap();
            let mut expected = Vec::new();
            let mut at = Some(new);
            while let Some(number) = at.filter(|number| !graph[old].2.contains(number)) {
                expected.push(graph[number].0.clone());
                at = graph[number].1.first().copied();
            }
            some += usize::from(!expected.is_empty());
            none += usize::from(expected.is_empty());
            beside += usize::from(at != Some(old));
            let event = next(&mut watch).await;
            assert_eq!(commits(&event).await, expected, "from {old} to {new} of {graph:?}");
        }
    }
    assert!(some > 20 && none > 20 && beside > 20, "{some}, {none}, {beside}: too few");
}

async fn a_thousand_commits_and_more_are_given_one_by_one(bed: Bed) {
    let main = bed.main().await;
    let mut line = vec![put(&main, "x", "0").await];
    for number in 0..2600 {
        let last = line.last().unwrap();
        let next = child(&bed, main.repo(), &[last], &number.to_string()).await;
        line.push(next);
    }
    // A last one that has an older one behind another parent.
    let side = child(&bed, main.repo(), &[&line[2000]], "side").await;
    let event = async |old: &Commit<Text>, new: &Commit<Text>| {
        main.set_head(old).await.unwrap();
        let mut watch = main.watch("").await.unwrap();
        main.set_head(new).await.unwrap();
        let mut commits = commits(&next(&mut watch).await).await;
        commits.reverse();
        commits
    };
    assert_eq!(event(&line[0], &line[2600]).await, line[1..]);
    assert_eq!(event(&line[1576], &line[2600]).await, line[1577..], "1024 of them");
    assert_eq!(event(&line[1575], &line[2600]).await, line[1576..], "one more");
    assert_eq!(event(&side, &line[2600]).await, line[2001..]);
    assert_eq!(event(&line[2600], &side).await, [side]);
    assert_eq!(event(&line[2600], &line[7]).await, []);
}

async fn a_commit_that_is_missing_does_not_keep_back_those_before_it(bed: Bed) {
    let main = bed.main().await;
    let lost = put(&main, "x", "0").await;
    put(&main, "x", "1").await;
    put(&main, "x", "2").await;
    let mut watch = main.watch_from("", WatchStart::Existing).await.unwrap();
    let mut commits = next(&mut watch).await.commits();
    bed.rig().lose(lost.hash());
    commits.next().await.unwrap().unwrap();
    commits.next().await.unwrap().unwrap();
    refused(commits.next().await.unwrap(), ErrorKind::Missing, &lost.hash().to_string());
    assert!(commits.next().await.is_none());
}

async fn a_watch_goes_on_from_a_place_with_every_change(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("x").await.unwrap();
    put(&main, "x", "1").await;
    put(&main, "x", "2").await;
    let first = next(&mut watch).await;
    drop(watch);
    put(&main, "beside", "1").await;
    main.repo().remove_branch("main").await.unwrap();
    let last = put(&main, "x", "3").await;
    // A place is kept as text, and come back to by another process.
    let main = bed.main().await;
    let mut watch = main.watch_after("x", kept(first.place())).await.unwrap();
    let mut values = Vec::new();
    loop {
        let event = next(&mut watch).await;
        assert!(!event.resync);
        values.push(value(event.new.as_ref()).await);
        if event.new.as_ref() == Some(&last) {
            break;
        }
    }
    assert_eq!(values, [Some("2".to_owned()), None, Some("3".to_owned())]);
    refused(
        main.repo().empty().watch_after("x", first.place()).await,
        ErrorKind::Unsupported,
        "detached",
    );
}

/// Keeps a place as text and reads it back.
fn kept(place: WatchPlace<Sha1>) -> WatchPlace<Sha1> {
    serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap()
}

/// Returns the value at `x`.
async fn value(commit: Option<&Commit<Text>>) -> Option<String> {
    match commit {
        Some(commit) => commit.tree().find("x").await.unwrap(),
        None => None,
    }
}

async fn a_watch_goes_on_from_a_commit_alone(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "x", "1").await;
    let second = put(&main, "x", "2").await;
    put(&main, "beside", "1").await;
    let place = WatchPlace::at_commit(first.hash());
    let (mut x, mut other) =
        (main.watch_after("x", place).await.unwrap(), main.watch_after("y", place).await.unwrap());
    let same = WatchPlace::at_commit(second.hash());
    let mut same = main.watch_after("x", same).await.unwrap();
    let third = put(&main, "x", "3").await;
    put(&main, "y", "1").await;
    let event = next(&mut x).await;
    assert!(event.resync);
    assert_eq!((event.old.as_ref(), paths(&event).await), (Some(&first), vec!["x".to_owned()]));
    assert_eq!(commits(&event).await.len(), 2);
    for watch in [&mut x, &mut same] {
        let event = next(watch).await;
        assert_eq!((event.new.as_ref(), event.resync), (Some(&third), false));
    }
    let event = next(&mut other).await;
    assert_eq!((paths(&event).await, event.resync), (vec!["y".to_owned()], false));
    // From nothing, which is not now.
    let nothing = WatchPlace { cursor: None, commit: None };
    let event = next(&mut main.watch_after("x", nothing).await.unwrap()).await;
    assert_eq!((event.old, event.resync), (None, true));
    let unborn = bed.repo().branch("unborn").await.unwrap();
    let mut watch = unborn.watch_after("", nothing).await.unwrap();
    put(&unborn, "x", "1").await;
    assert!(!next(&mut watch).await.resync, "it was nothing before, too");
}

async fn a_commit_that_is_not_that_of_the_cursor_is_no_gap(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("x").await.unwrap();
    let first = put(&main, "x", "1").await;
    put(&main, "x", "2").await;
    next(&mut watch).await;
    let second = next(&mut watch).await;
    let wrong = WatchPlace { commit: Some(first.hash()), ..second.place() };
    let mut watch = main.watch_after("x", wrong).await.unwrap();
    let third = put(&main, "x", "3").await;
    put(&main, "x", "4").await;
    let event = next(&mut watch).await;
    assert_eq!((event.old, event.new.clone(), event.resync), (Some(first), Some(third), true));
    let last = next(&mut watch).await;
    assert_eq!((last.old, last.resync), (event.new, false));
}

async fn a_watch_cannot_go_on_from_a_commit_that_is_gone(bed: Bed) {
    let main = bed.main().await;
    let gone = put(&main, "x", "1").await.hash();
    put(&main, "x", "2").await;
    bed.rig().lose(gone);
    let answer = main.watch_after("x", WatchPlace::at_commit(gone)).await;
    refused(answer, ErrorKind::Missing, "watch from what exists");
}

async fn changes(watch: &mut BranchesWatch<Text>) -> Vec<BranchChange<Text>> {
    match watch.next().await.expect("the watch goes on").expect("an event") {
        BranchesEvent::Changed { branches, .. } => branches,
        existing @ BranchesEvent::Existing { .. } => panic!("{existing:?}"),
    }
}

async fn a_path_on_many_branches_is_one_stream(bed: Bed) {
    let repo = bed.repo();
    let mut watch = repo.watch_path("users/", "x").await.unwrap();
    let user = async |name: &str| repo.branch(&format!("users/{name}")).await.unwrap();
    let (ada, bob) = (user("ada").await, user("bob").await);
    put(&repo.main().await.unwrap(), "x", "not below the prefix").await;
    put(&ada, "beside", "not below the path").await;
    let first = put(&ada, "x", "1").await;
    put(&bob, "x", "1").await;
    put(&ada, "xx", "a longer name").await;
    repo.remove_branch("users/ada").await.unwrap();
    let [change] = &changes(&mut watch).await[..] else { panic!("one branch") };
    assert_eq!((change.branch.as_str(), change.path.to_string()), ("users/ada", "x".to_owned()));
    assert_eq!(change.new.as_ref(), Some(&first));
    assert_eq!(change.commits().collect().await.unwrap(), std::slice::from_ref(&first));
    let differences = change.diff().await.unwrap().collect().await.unwrap();
    assert_eq!((differences.len(), differences[0].new), (1, Some(contents_hash("1"))));
    assert_eq!(changes(&mut watch).await[0].branch, "users/bob");
    let [change] = &changes(&mut watch).await[..] else { panic!("one branch") };
    assert_eq!((change.branch.as_str(), &change.new), ("users/ada", &None));
    let old = change.old.as_ref().map(|commit| commit.info().message.clone());
    assert_eq!(old.as_deref(), Some("set xx to a longer name"));
    let cursor = watch.cursor();
    put(&bob, "x", "2").await;
    let after = WatchStart::After(cursor);
    let mut later = bed.repo().watch_path_from("users/", "x", after).await.unwrap();
    for watch in [&mut watch, &mut later] {
        assert_eq!(changes(watch).await[0].branch, "users/bob");
    }
}

async fn a_path_on_many_branches_from_what_exists(bed: Bed) {
    let repo = bed.repo();
    let (a, b) = (repo.branch("a").await.unwrap(), repo.branch("b").await.unwrap());
    put(&a, "x", "1").await;
    put(&b, "beside", "1").await;
    let mut watch = repo.watch_path_from("", "x", WatchStart::Existing).await.unwrap();
    let event = watch.next().await.unwrap().unwrap();
    let BranchesEvent::Existing { branches, resync: false, .. } = event else {
        panic!("{event:?}")
    };
    let names: Vec<_> = branches.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "also those that have nothing there");
    put(&a, "beside", "2").await;
    put(&b, "x", "2").await;
    assert_eq!(changes(&mut watch).await[0].branch, "b");
}

async fn an_update_of_several_branches_is_one_event_of_those_that_differ_at_the_path(bed: Bed) {
    let repo = bed.repo();
    let first = put(&repo.branch("a").await.unwrap(), "x", "1").await;
    for name in ["b", "c", "d"] {
        repo.create_branch(name, &first).await.unwrap();
    }
    let mut watch = repo.watch_path("", "x").await.unwrap();
    let mut whole = repo.watch("").await.unwrap();
    let draft = repo.detached(&first).unwrap();
    let beside = put(&draft, "beside", "1").await.hash();
    let other = put(&draft, "x", "2").await.hash();
    let refs = bed.rig().refs();
    let update = Update::new(refs.position().await.unwrap());
    let branch = |name: &str| RefName::branch(name).unwrap();
    let update = update.set(branch("a"), beside).set(branch("b"), other);
    assert!(refs.update(update.set(branch("d"), other)).await.unwrap().is_applied());
    let names = |changes: &[BranchChange<Text>]| -> Vec<String> {
        changes.iter().map(|change| change.branch.clone()).collect()
    };
    assert_eq!(names(&changes(&mut watch).await), ["b", "d"]);
    assert_eq!(names(&changes(&mut whole).await), ["a", "b", "d"]);
}

/// Memory with so short a log that a reader who stops is soon left behind.
pub(crate) fn short_log() -> BoxFuture<'static, Backend<Sha1>> {
    async {
        let options = MemOptions::default().with_log_changes_max(3).with_notices_max(2);
        Backend::new(Mem::new(&options))
    }
    .boxed()
}

/// What became of `x` on the branch by one change: its place, and the values before and after.
struct Truth(Vec<(u64, Option<String>, Option<String>)>);

impl Truth {
    fn between(&self, after: u64, up_to: u64) -> &[(u64, Option<String>, Option<String>)] {
        let start = self.0.partition_point(|change| change.0 <= after);
        let end = self.0.partition_point(|change| change.0 <= up_to);
        &self.0[start..end.max(start)]
    }

    fn last(&self) -> Option<String> {
        self.0.last().and_then(|change| change.2.clone())
    }
}

/// A reader who knows what was told, and from where it would go on.
struct Reader {
    place: WatchPlace<Sha1>,
    known: Option<String>,
    /// Whether the next event is the first since it went on.
    is_first: bool,
    told: usize,
    resyncs: usize,
    skipped: usize,
}

impl Reader {
    /// Checks that an event is what comes next: nothing lost, and nothing told twice.
    async fn take(&mut self, event: &BranchEvent<Text>, truth: &Truth) {
        let from = self.place.cursor.unwrap().sequence;
        let (old, new) = (value(event.old.as_ref()).await, value(event.new.as_ref()).await);
        assert!(event.cursor.sequence > from, "told twice");
        assert_eq!(old, self.known, "an event begins where the last one ended");
        let between = truth.between(from, event.cursor.sequence);
        if event.resync {
            self.resyncs += 1;
            let at = between.last().map_or(&self.known, |change| &change.2);
            assert_eq!(new, *at, "a resync says what is there");
        } else {
            let (this, before) = between.split_last().expect("a change that happened");
            assert_eq!((this.0, &this.2), (event.cursor.sequence, &new));
            assert_eq!(this.1, old);
            // What was forgotten, and came to nothing, is left out where the watch goes on.
            assert!(before.is_empty() || self.is_first, "{before:?} was lost");
            self.skipped += before.len();
        }
        (self.place, self.known) = (kept(event.place()), new);
        self.is_first = false;
        self.told += 1;
    }
}

#[tokio::test]
async fn whatever_happens_a_reader_that_keeps_its_place_misses_nothing() {
    let bed =
        async |round| Bed::new(if round % 3 == 0 { crate::backends::mem } else { short_log }).await;
    let [told, resyncs, resumed] = readers_keep_their_places(bed, 60, false).await;
    assert!(told > 500 && resyncs > 100 && resumed > 100, "{told}, {resyncs}, {resumed}: too few");
}

async fn whatever_is_forgotten_a_reader_that_keeps_its_place_misses_nothing(bed: Bed) {
    let bed = async |_| bed.another().await;
    let [told, resyncs, resumed] = readers_keep_their_places(bed, 20, true).await;
    assert!(told > 150 && resyncs > 10 && resumed > 30, "{told}, {resyncs}, {resumed}: too few");
}

/// Works at random, so many rounds, while readers watch, end, and go on from their places; returns how many
/// events they were told, how many of them were resyncs, and how often one went on.
async fn readers_keep_their_places(
    new_bed: impl AsyncFn(u64) -> Bed,
    rounds: u64,
    forgets: bool,
) -> [usize; 3] {
    let (seed, scale) = (Choices::seed(), Choices::scale());
    let (mut told, mut resyncs, mut resumed) = (0, 0, 0);
    for round in 0..rounds * scale {
        let mut choices = Choices::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        let bed = new_bed(round).await;
        let main = bed.main().await;
        let elsewhere = bed.repo().branch("elsewhere").await.unwrap();
        let mut truth = Truth(Vec::new());
        let mut old_heads: Vec<Commit<Text>> = Vec::new();
        let start = bed.repo().heads("").await.unwrap().cursor();
        let place = WatchPlace { cursor: Some(start), commit: None };
        let mut reader =
            Reader { place, known: None, is_first: true, told: 0, resyncs: 0, skipped: 0 };
        let mut watch = main.watch_after("x", place).await.unwrap();
        for step in 0..60 {
            match choices.below(4) {
                0 if reader.known != truth.last() => {
                    let event = next(&mut watch).await;
                    reader.take(&event, &truth).await;
                }
                0 if choices.below(2) == 0 => {
                    // A new process that has nothing but the place.
                    watch = bed.main().await.watch_after("x", reader.place).await.unwrap();
                    reader.is_first = true;
                    resumed += 1;
                }
                _ => {
                    write(&main, &elsewhere, &mut choices, step, &mut old_heads).await;
                    note(&main, &mut truth).await;
                    if forgets && choices.below(6) == 0 {
                        bed.rig().forget_log().await;
                    }
                }
            }
        }
        put(&main, "x", "the last").await;
        note(&main, &mut truth).await;
        while reader.known.as_deref() != Some("the last") {
            let event = next(&mut watch).await;
            reader.take(&event, &truth).await;
        }
        told += reader.told;
        resyncs += reader.resyncs;
    }
    [told, resyncs, resumed]
}

/// Does something to the branch, or to another one.
async fn write(
    main: &Store<Text>,
    elsewhere: &Store<Text>,
    choices: &mut Choices,
    step: usize,
    old_heads: &mut Vec<Commit<Text>>,
) {
    match choices.below(9) {
        0..=2 => old_heads.push(put(main, "x", &step.to_string()).await),
        3 => drop(put(main, "beside", &step.to_string()).await),
        4 => drop(main.remove("x", "remove x").await.unwrap()),
        5 => drop(main.repo().remove_branch("main").await.unwrap()),
        6 if !old_heads.is_empty() => {
            main.set_head(&old_heads[choices.below(old_heads.len())]).await.unwrap();
        }
        7 => {
            // Gone and back again, by another name.
            let repo = main.repo();
            if repo.rename_branch("main", "away").await.is_ok() && choices.below(2) == 0 {
                repo.rename_branch("away", "main").await.unwrap();
            }
            repo.remove_branch("away").await.unwrap();
        }
        _ => drop(put(elsewhere, "x", &step.to_string()).await),
    }
}

/// Notes what has become of `x` since this was noted last: the storage is asked itself, by its log.
async fn note(main: &Store<Text>, truth: &mut Truth) {
    let repo = main.repo();
    let mut operations = repo.operations().await.unwrap();
    let last = truth.0.last().map_or(0, |change| change.0);
    let mut new = Vec::new();
    while let Some(operation) = operations.next().await {
        let operation = operation.unwrap();
        if operation.cursor.sequence <= last {
            break;
        }
        for moved in operation.moved {
            if moved.key.name() == "main" {
                let value = async |hash: Option<Sha1>| match hash {
                    Some(hash) => value(repo.commit(&hash).await.unwrap().as_ref()).await,
                    None => None,
                };
                let (old, now) = (value(moved.old).await, value(moved.new).await);
                if old != now {
                    new.push((operation.cursor.sequence, old, now));
                }
            }
        }
    }
    new.reverse();
    for change in new {
        assert_eq!(change.1, truth.last(), "the truth is whole");
        truth.0.push(change);
    }
}

async fn a_watch_goes_on_from_a_place_that_the_log_does_not_reach_any_more(bed: Bed) {
    let main = bed.main().await;
    let mut watch = main.watch("x").await.unwrap();
    let old = put(&main, "x", "0").await;
    let place = next(&mut watch).await.place();
    drop((watch, main));
    // Others write more than the log keeps, of which nothing is at the path at first.
    let others = bed.main().await;
    for value in 1..10 {
        put(&others, "y", &value.to_string()).await;
    }
    bed.rig().forget_log().await;
    let cursor = place.cursor.unwrap();
    let log = others.repo().backend().refs().changes(cursor, 1).await.unwrap();
    assert!(matches!(log, Changes::Truncated { .. }), "{log:?}");
    let places = [place, WatchPlace::at_commit(old.hash())];
    let mut watches = Vec::new();
    for place in places {
        // Each is another process, which has nothing but what was kept.
        watches
            .push(within_a_minute(bed.main().await.watch_after("x", kept(place))).await.unwrap());
    }
    let before = head(&others).await;
    let new = put(&others, "x", "1").await;
    for watch in &mut watches {
        let event = within_a_minute(next(watch)).await;
        assert_eq!((event.new.as_ref(), paths(&event).await), (Some(&new), vec!["x".to_owned()]));
        // Where nothing had changed at the path by the time of the look, it goes on from there.
        let count = commits(&event).await.len();
        let begins = event.old.expect("it was on something");
        assert!((&begins, count) == (&old, 10) || (&begins, count) == (&before, 1), "{begins:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_read_as_a_watch_fell_behind_comes_again() {
    Box::pin(within_a_minute(what_could_not_be_read())).await;
}

async fn what_could_not_be_read() {
    let bed = Bed::new(short_log).await;
    let main = bed.main().await;
    let old = put(&main, "x", "0").await;
    let mut branch = main.watch("x").await.unwrap();
    let mut branches = main.repo().watch("").await.unwrap();
    let mut place = main.watch_after("x", WatchPlace::at_commit(old.hash())).await.unwrap();
    for value in 1..20 {
        put(&main, "x", &value.to_string()).await;
    }
    for _ in 0..3 {
        bed.rig().break_next_snapshot();
        let answer = branch.next().await.unwrap();
        refused(answer, ErrorKind::Unavailable, "the snapshot was given up");
    }
    let event = next(&mut branch).await;
    assert_eq!((event.new, event.resync), (Some(head(&main).await), true));
    bed.rig().break_next_snapshot();
    let answer = branches.next().await.unwrap();
    refused(answer, ErrorKind::Unavailable, "the snapshot was given up");
    let event = branches.next().await.unwrap().unwrap();
    assert!(matches!(event, BranchesEvent::Changed { resync: true, .. }), "{event:?}");
    bed.rig().break_next_snapshot();
    let answer = place.next().await.unwrap();
    refused(answer, ErrorKind::Unavailable, "the snapshot was given up");
    let event = next(&mut place).await;
    assert_eq!((event.old, event.resync), (Some(old), true), "it still begins where it was");
    let last = put(&main, "x", "last").await;
    for watch in [&mut branch, &mut place] {
        let event = next(watch).await;
        assert_eq!((event.new.as_ref(), event.resync), (Some(&last), false));
    }
    assert_eq!(changes(&mut branches).await[0].new.as_ref(), Some(&last));
}
