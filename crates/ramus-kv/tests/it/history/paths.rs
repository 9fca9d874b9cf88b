//! What changed a path, and which commits a log has, against plain maps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ramus_core::{
    ContentAddressable as _, ErrorKind, Hash as _, Path, ReadOnly as _, Result, Sha1, Storage as _,
    Sweep as _,
};
use ramus_kv::block::CommitBlock;
use ramus_kv::{Commit, Format as _, Info, LogOptions, Native, Repo, Store, TransactionOptions};

use super::{Texts, new_repo};
use crate::campaign;

const PATHS: [&str; 5] = ["a", "b/c", "b/d", "b/e/f", "g/h"];
/// Those that are asked about.
const ASKED: [&str; 9] = ["", "a", "b", "b/c", "b/d", "b/e", "b/e/f", "g/h", "absent/x"];

type Map = BTreeMap<&'static str, u8>;

/// What a commit is made of.
#[derive(Clone, Debug)]
struct Plan {
    parents: Vec<prop::sample::Index>,
    /// At each path: what the n-th parent has there, or a value, or nothing.
    choices: [Choice; PATHS.len()],
    time_ms: i64,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Parent(usize),
    Value(u8),
    Nothing,
}

/// A commit of the model.
#[derive(Clone)]
pub(super) struct Made {
    parents: Vec<usize>,
    map: Map,
    generation: usize,
    pub(super) commit: Commit<Texts>,
}

impl Made {
    /// Returns the same, of a repository that was opened again.
    pub(super) fn again(&self, commit: Commit<Texts>) -> Self {
        Self { commit, ..self.clone() }
    }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let choice = prop_oneof![
        6 => (0..3_usize).prop_map(Choice::Parent),
        2 => (0..3_u8).prop_map(Choice::Value),
        1 => Just(Choice::Nothing),
    ];
    let parents = prop_oneof![
        1 => prop::collection::vec(any::<prop::sample::Index>(), 0..1),
        6 => prop::collection::vec(any::<prop::sample::Index>(), 1..2),
        4 => prop::collection::vec(any::<prop::sample::Index>(), 2..4),
    ];
    (parents, prop::array::uniform5(choice), 0..5_i64)
        .prop_map(|(parents, choices, time_ms)| Plan { parents, choices, time_ms })
}

async fn make(repo: &Repo<Texts>, plans: &[Plan]) -> Result<Vec<Made>> {
    let mut made: Vec<Made> = Vec::new();
    for (index, Plan { parents, choices, time_ms }) in plans.iter().enumerate() {
        let parents: Vec<usize> = match index {
            0 => Vec::new(),
            // Most follow a recent one, so that there are lines.
            _ => parents.iter().map(|parent| index - 1 - parent.index(index.min(3))).collect(),
        };
        let next = next(repo, &made, parents, *choices, *time_ms).await?;
        made.push(next);
    }
    Ok(made)
}

async fn next(
    repo: &Repo<Texts>,
    made: &[Made],
    parents: Vec<usize>,
    choices: [Choice; PATHS.len()],
    time_ms: i64,
) -> Result<Made> {
    let mut map = Map::new();
    for (path, choice) in PATHS.into_iter().zip(choices) {
        let value = match choice {
            Choice::Parent(nth) if !parents.is_empty() => {
                made[parents[nth % parents.len()]].map.get(path).copied()
            }
            Choice::Parent(_) | Choice::Nothing => None,
            Choice::Value(value) => Some(value),
        };
        map.extend(value.map(|value| (path, value)));
    }
    let highest = parents.iter().map(|parent| made[*parent].generation + 1).max();
    let commit = commit(repo, made.len(), &map, &parents, made, time_ms).await?;
    Ok(Made { parents, map, generation: highest.unwrap_or(0), commit })
}

/// Makes a history that crosses itself, and changes each of the paths here and there.
pub(super) async fn tangled(repo: &Repo<Texts>) -> Result<Vec<Made>> {
    use Choice::{Nothing as X, Parent as P, Value as V};
    let plans: [(&[usize], [Choice; PATHS.len()]); 7] = [
        (&[], [V(0), V(0), X, V(1), X]),
        (&[0], [V(1), P(0), V(0), P(0), X]),
        (&[0], [P(0), P(0), P(0), X, V(2)]),
        (&[1, 2], [P(0), P(0), P(0), P(1), P(1)]),
        (&[2, 1], [P(1), V(1), P(1), P(0), P(0)]),
        (&[3, 4], [P(0), P(1), P(0), V(2), P(1)]),
        (&[5], [P(0), P(0), X, P(0), P(0)]),
    ];
    let mut made: Vec<Made> = Vec::new();
    for (parents, choices) in plans {
        let next = next(repo, &made, parents.to_vec(), choices, 0).await?;
        made.push(next);
    }
    Ok(made)
}

async fn commit(
    repo: &Repo<Texts>,
    index: usize,
    map: &Map,
    parents: &[usize],
    made: &[Made],
    time_ms: i64,
) -> Result<Commit<Texts>> {
    let store = repo.empty();
    let mut edit = store.begin_with(TransactionOptions::default().allow_empty()).await?;
    for (path, value) in map {
        edit.set(*path, format!("value {value}")).await?;
    }
    let stored = store.commit(edit, "tree").await?.expect("empty ones are made, too");
    let root = stored.tree().hash().await?;
    let parents = parents.iter().map(|parent| made[*parent].commit.hash()).collect();
    let info = Info::new(index.to_string()).with_author("x").with_time_ms(time_ms);
    let block = Native::encode_commit(&CommitBlock { root, parents, info })?;
    let hash = repo.backend().blocks().add(block).await?;
    Ok(repo.commit(&hash).await?.expect("it was just added"))
}

/// What is at a path and below it.
fn at<'a>(map: &'a Map, path: &str) -> BTreeMap<&'a str, u8> {
    let below = |key: &str| {
        path.is_empty()
            || key == path
            || key.starts_with(path) && key.as_bytes()[path.len()] == b'/'
    };
    map.iter().filter(|(key, _)| below(key)).map(|(key, value)| (*key, *value)).collect()
}

fn ancestors(made: &[Made], head: usize, first_parent: bool) -> BTreeSet<usize> {
    let (mut all, mut todo) = (BTreeSet::new(), vec![head]);
    while let Some(commit) = todo.pop() {
        if all.insert(commit) {
            let followed = if first_parent { 1 } else { usize::MAX };
            todo.extend(made[commit].parents.iter().take(followed));
        }
    }
    all
}

/// The log of a path, by its definition.
fn expected(
    made: &[Made],
    head: usize,
    path: &str,
    without: Option<usize>,
    first_parent: bool,
) -> Vec<usize> {
    let left_out = without.map(|without| ancestors(made, without, false)).unwrap_or_default();
    let is_change = |commit: &usize| {
        let Made { parents, map, .. } = &made[*commit];
        let compared = if first_parent { &parents[..parents.len().min(1)] } else { parents };
        let here = at(map, path);
        let differs = |parent: &usize| at(&made[*parent].map, path) != here;
        if parents.is_empty() { !here.is_empty() } else { compared.iter().all(differs) }
    };
    let behind = ancestors(made, head, first_parent);
    let mut changes: Vec<usize> = behind.difference(&left_out).copied().filter(is_change).collect();
    changes.sort_by_key(|commit| (made[*commit].generation, made[*commit].commit.hash()));
    changes.reverse();
    changes
}

fn numbers(commits: &[Commit<Texts>]) -> Vec<usize> {
    commits.iter().map(super::number).collect()
}

async fn check_paths(plans: &[Plan]) -> Result<()> {
    let repo = new_repo();
    let made = make(&repo, plans).await?;
    // The last first in half of the cases, so that the index learns of much at once, or bit by bit.
    let mut heads: Vec<usize> = (0..made.len()).collect();
    if made.len() % 2 == 0 {
        heads.reverse();
    }
    for head in heads {
        check_paths_up_to(&repo, &made, head).await?;
        check_log(&made, head, &repo.detached(&made[head].commit).expect("it is here")).await?;
    }
    Ok(())
}

/// Asks about each path up to a commit.
pub(super) async fn check_paths_up_to(
    repo: &Repo<Texts>,
    made: &[Made],
    head: usize,
) -> Result<()> {
    let store = repo.detached(&made[head].commit).expect("it is here");
    let without = made.len() / 2;
    for path in ASKED {
        let changes = expected(made, head, path, None, false);
        let log = store.log_with(LogOptions::default().with_path(path)?).await?;
        assert_eq!(numbers(&log.collect().await?), changes, "`{path}` up to {head}");
        let last = store.last_modified(path).await?;
        assert_eq!(last.as_ref().map(super::number), changes.first().copied(), "`{path}`");

        let first_parent = LogOptions::default().with_path(path)?.first_parent();
        let log = store.log_with(first_parent.clone()).await?.collect().await?;
        let changes = expected(made, head, path, None, true);
        assert_eq!(numbers(&log), changes, "`{path}` up to {head} by first parents");

        let options = first_parent.without(made[without].commit.clone());
        let log = store.log_with(options).await?.collect().await?;
        let changes = expected(made, head, path, Some(without), true);
        assert_eq!(numbers(&log), changes, "`{path}` by first parents without {without}");

        let options = LogOptions::default().with_path(path)?.with_limit(2);
        let options = options.without(made[without].commit.clone());
        let log = store.log_with(options).await?.collect().await?;
        let mut changes = expected(made, head, path, Some(without), false);
        changes.truncate(2);
        assert_eq!(numbers(&log), changes, "`{path}` up to {head} without {without}");
    }
    Ok(())
}

async fn check_log(made: &[Made], head: usize, store: &Store<Texts>) -> Result<()> {
    let whole = numbers(&store.log().await?.collect().await?);
    let log = store.log_with(LogOptions::default().with_limit(3)).await?.collect().await?;
    assert_eq!(numbers(&log), whole[..whole.len().min(3)]);
    let log = store.log_with(LogOptions::default().first_parent()).await?.collect().await?;
    let mut line = vec![head];
    while let Some(parent) = made[*line.last().expect("the head")].parents.first() {
        line.push(*parent);
    }
    assert_eq!(numbers(&log), line);
    for without in 0..made.len() {
        let options = LogOptions::default().without(made[without].commit.clone());
        let log = numbers(&store.log_with(options).await?.collect().await?);
        let left_out = ancestors(made, without, false);
        let left: BTreeSet<usize> =
            ancestors(made, head, false).difference(&left_out).copied().collect();
        assert_eq!(log.iter().copied().collect::<BTreeSet<_>>(), left, "{head} without {without}");
        assert_eq!(log.len(), left.len(), "{log:?} has something twice");
    }
    Ok(())
}

proptest! {
    #![proptest_config(campaign::cases(60))]

    #[test]
    fn the_log_of_a_path_is_what_changed_it(plans in prop::collection::vec(any_plan(), 1..12)) {
        campaign::block_on(check_paths(&plans)).unwrap();
    }
}

#[tokio::test]
async fn a_commit_of_very_many_changes_is_told_by_directory() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("small/a", "x", "first").await.unwrap();
    let mut edit = main.begin().await.unwrap();
    for number in 0..3000 {
        edit.set(format!("wide/{number:04}"), "x").await.unwrap();
        edit.set(format!("deep/{:02}/{number:04}", number % 50), "x").await.unwrap();
    }
    let many = main.commit(edit, "many").await.unwrap();
    main.set("wide/0007", "y", "one of them").await.unwrap();
    main.set("last", "x", "last").await.unwrap();
    let modified = async |path: &str| main.last_modified(path).await.unwrap();
    for number in [0, 999, 1500, 2999] {
        let path = format!("wide/{number:04}");
        assert_eq!(modified(&path).await, many, "{path}");
        let path = format!("deep/{:02}/{number:04}", number % 50);
        assert_eq!(modified(&path).await, many, "{path}");
    }
    assert_eq!(modified("deep").await, many);
    assert_eq!(modified("wide/0007").await.unwrap().info().message, "one of them");
    assert_eq!(modified("small/a").await.unwrap().info().message, "first");
    assert_eq!(modified("small").await.unwrap().info().message, "first");
    assert_eq!(modified("").await, main.head().await.unwrap());
    for absent in ["wide/9999", "wide/0007/x", "deep/00", "nothing"] {
        let expected = if absent == "deep/00" { many.clone() } else { None };
        assert_eq!(modified(absent).await, expected, "{absent}");
    }
}

#[tokio::test]
async fn a_value_that_becomes_a_directory_and_goes_is_changed_each_time() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    let mut made = vec![main.set("a", "x", "value").await.unwrap().unwrap()];
    let mut edit = main.begin().await.unwrap();
    edit.remove("a").await.unwrap();
    edit.set("a/b/c", "x").await.unwrap();
    made.push(main.commit(edit, "directory").await.unwrap().unwrap());
    main.set("other", "x", "other").await.unwrap();
    made.push(main.remove("a", "gone").await.unwrap().unwrap());
    made.reverse();
    let log = async |path: &str| {
        let options = LogOptions::default().with_path(path).unwrap();
        main.log_with(options).await.unwrap().collect().await.unwrap()
    };
    assert_eq!(log("a").await, made);
    assert_eq!(log("a/b/c").await, made[..2]);
    assert_eq!(log("a/b").await, made[..2]);
    assert_eq!(repo.empty().last_modified("a").await.unwrap(), None);
    let options = LogOptions::default().with_path("a").unwrap();
    assert_eq!(repo.empty().log_with(options).await.unwrap().collect().await.unwrap(), []);
}

#[tokio::test]
async fn a_history_or_a_tree_that_is_not_there_is_missing() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("a/b", "x", "first").await.unwrap();
    let head = main.head().await.unwrap().unwrap();
    let nowhere = Sha1::of(b"nowhere");
    let child = async |root, parents| {
        let info = Info::new("child").with_author("x").with_time_ms(0);
        let block = Native::encode_commit(&CommitBlock { root, parents, info }).unwrap();
        let hash = repo.backend().blocks().add(block).await.unwrap();
        repo.detached(&repo.commit(&hash).await.unwrap().unwrap()).unwrap()
    };
    let root = head.tree().hash().await.unwrap();
    for store in [child(root, vec![nowhere]).await, child(nowhere, vec![head.hash()]).await] {
        let with_path = LogOptions::default().with_path("a/b").unwrap();
        let mut log = store.log_with(with_path).await.unwrap();
        for error in
            [store.last_modified("a/b").await.unwrap_err(), log.next().await.unwrap().unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::Missing);
            assert!(error.to_string().contains(&nowhere.to_string()), "{error}");
        }
    }
    // What lies elsewhere is no hindrance.
    assert_eq!(main.last_modified("a/b").await.unwrap(), Some(head));
    let without = child(root, vec![nowhere]).await.head().await.unwrap().unwrap();
    let mut log = main.log_with(LogOptions::default().without(without)).await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap_err().kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn trees_that_were_collected_elsewhere_are_no_hindrance() {
    let repo = new_repo();
    let main = repo.main().await.unwrap();
    main.set("a", "x", "first").await.unwrap();
    let side = main.fork("lost").await.unwrap();
    side.set("a", "lost, and long enough to be told from others", "lost").await.unwrap();
    let lost_head = side.head().await.unwrap().unwrap();
    assert!(side.last_modified("a").await.unwrap().is_some());
    // A commit that is in the index and has no paths there yet.
    side.set("b", "lost", "lost again").await.unwrap();
    let again = side.head().await.unwrap().unwrap();
    let [tree, above] =
        [lost_head.tree().hash().await.unwrap(), again.tree().hash().await.unwrap()];
    let collected = vec![lost_head.hash(), again.hash(), tree, above];
    let blocks = repo.backend().blocks().find_many(&collected).await.unwrap();
    let head = again.hash();
    repo.remove_branch("lost").await.unwrap();
    drop((side, lost_head, again));
    let sweep = repo.backend().sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, collected.clone()).await.unwrap(), 4);
    let last = main.set("a", "y", "last").await.unwrap();
    assert_eq!(main.last_modified("a").await.unwrap(), last);
    assert_eq!(main.last_modified("b").await.unwrap(), None);
    let path = Path::root();
    assert_eq!(main.last_modified(path).await.unwrap(), last);
    // If they come back, what they changed is known again.
    let blocks = collected.into_iter().zip(blocks.into_iter().flatten());
    repo.backend().blocks().unsafe_add_many(blocks.collect()).await.unwrap();
    let back = repo.detached(&repo.commit(&head).await.unwrap().unwrap()).unwrap();
    assert_eq!(back.last_modified("b").await.unwrap().map(|commit| commit.hash()), Some(head));
}

#[tokio::test]
async fn a_merge_of_very_many_changes_changed_no_path_that_a_parent_has_so() {
    let repo = new_repo();
    let tree = async |value: &str, same: &str| {
        let store = repo.empty();
        let mut edit = store.begin().await.unwrap();
        for number in 0..2000 {
            edit.set(format!("wide/{number:04}"), value).await.unwrap();
        }
        edit.set("wide/same", same).await.unwrap();
        store.commit(edit, "tree").await.unwrap().unwrap()
    };
    let (one, other) = (tree("one", "of one").await, tree("other", "of other").await);
    let merged = tree("merged", "of other").await.tree().hash().await.unwrap();
    let info = Info::new("merge").with_author("x").with_time_ms(0);
    let parents = vec![one.hash(), other.hash()];
    let block = Native::encode_commit(&CommitBlock { root: merged, parents, info }).unwrap();
    let hash = repo.backend().blocks().add(block).await.unwrap();
    let merge = repo.commit(&hash).await.unwrap().unwrap();
    let store = repo.detached(&merge).unwrap();
    assert_eq!(store.last_modified("wide/1999").await.unwrap(), Some(merge.clone()));
    let last = store.last_modified("wide/same").await.unwrap();
    assert!(last.as_ref().is_some_and(|last| [&one, &other].contains(&last)), "{last:?}");
    let options = LogOptions::default().with_path("wide/same").unwrap().first_parent();
    let log = store.log_with(options).await.unwrap().collect().await.unwrap();
    assert_eq!(log, [merge, one]);
}
