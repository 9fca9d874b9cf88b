//! Merges by hand: what is read, what counts, what is doubtful, and merges that panic.

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::{Error, ErrorKind, Result, Sha1};
use ramus_kv::{
    Conflict, ConflictKind, Contents, Counter, Kv, MergeOptions, Merged, Metadata, Native, Repo,
    Resolution, Schema, Side, Store, Transaction,
};
use ramus_mem::Mem;

use crate::mode::{Files, Mode};
use crate::probe::Probe;

type Texts = Kv<String>;

fn new_repo<S: Schema<Hash = Sha1>>() -> Repo<S> {
    Repo::new(Backend::new(Mem::default()))
}

/// Two handles on one commit that holds these.
async fn two(entries: &[(&str, &str)]) -> (Store<Texts>, Store<Texts>) {
    let repo = new_repo();
    let origin = repo.empty();
    let fill = async |edit: &mut Transaction<Texts>| {
        for (path, value) in entries {
            edit.set(*path, *value).await?;
        }
        Ok(())
    };
    origin.transact("base", fill).await.expect("it can be filled");
    let base = origin.head().await.expect("it can be read").expect("it was made");
    (repo.detached(&base).expect("it is here"), repo.detached(&base).expect("it is here"))
}

/// Merges each handle's head into the other one, at the same time as it were, with these answers to
/// conflicts.
async fn cross(
    one: &Store<Texts>,
    other: &Store<Texts>,
    answers: [&Resolution<Texts>; 2],
) -> Result<()> {
    let heads = [one.head().await?.expect("a head"), other.head().await?.expect("a head")];
    let sides = [(one, &heads[1], "left"), (other, &heads[0], "right")];
    for ((store, theirs, info), answer) in sides.into_iter().zip(answers) {
        if let Merged::Conflicts(mut unmerged) =
            store.merge_with(theirs, MergeOptions::default(), info).await?
        {
            let paths: Vec<_> = unmerged.conflicts().map(|one| one.path.clone()).collect();
            for path in paths {
                unmerged.resolve(path, answer.clone())?;
            }
            store.commit_merge(&unmerged, info).await?;
        }
    }
    Ok(())
}

fn paths(merged: &Merged<Texts>) -> Vec<String> {
    match merged {
        Merged::Conflicts(unmerged) => {
            unmerged.conflicts().map(|one| one.path.to_string()).collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_was_deleted_against_a_change_does_not_come_back_after_branches_crossed() {
    let keep = Resolution::Contents("2".to_owned());
    for (path, deleted) in [("x", "x"), ("d/x", "d/x"), ("d/x", "d"), ("d/e/x", "d")] {
        let (one, other) = two(&[(path, "1"), ("d/y", "1"), ("z", "1")]).await;
        one.set(path, "2", "change").await.unwrap();
        other.remove(deleted, "delete").await.unwrap();
        // One keeps the change, the other one the deletion: the two heads have two ancestors.
        cross(&one, &other, [&keep, &Resolution::Remove]).await.unwrap();
        assert_eq!(one.find(path).await.unwrap().as_deref(), Some("2"));
        assert_eq!(other.find(path).await.unwrap(), None);
        one.set("z", "2", "elsewhere").await.unwrap();
        let heads = [&one, &other];
        for (ours, theirs) in [(0, 1), (1, 0)] {
            let ours = ours_like(heads[ours]).await;
            let merged = ours.merge(heads[theirs], "again").await.unwrap();
            assert_eq!(paths(&merged), [path], "deleted {deleted}");
        }
    }
}

async fn ours_like(store: &Store<Texts>) -> Store<Texts> {
    store
        .repo()
        .detached(&store.head().await.expect("it is read").expect("a head"))
        .expect("it is here")
}

#[tokio::test]
async fn what_was_resolved_alike_is_no_conflict_after_branches_crossed() {
    let keep = Resolution::Contents("2".to_owned());
    for (answer, value) in [(&keep, Some("2")), (&Resolution::Remove, None)] {
        let (one, other) = two(&[("d/x", "1"), ("y", "1")]).await;
        one.set("d/x", "2", "change").await.unwrap();
        other.remove("d", "delete").await.unwrap();
        cross(&one, &other, [answer, answer]).await.unwrap();
        one.set("y", "2", "elsewhere").await.unwrap();
        other.set("z", "1", "elsewhere").await.unwrap();
        one.merge(&other, "again").await.unwrap().clean().unwrap();
        assert_eq!(one.find("d/x").await.unwrap().as_deref(), value);
        assert_eq!(one.find("y").await.unwrap().as_deref(), Some("2"));
        assert_eq!(one.find("z").await.unwrap().as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_kind_that_was_doubtful_stays_in_conflict_after_branches_crossed() {
    let (one, other) = two(&[("a", "1")]).await;
    one.set("a", "2", "change").await.unwrap();
    let mut edit = other.begin().await.unwrap();
    edit.remove("a").await.unwrap();
    edit.set("a/b", "1").await.unwrap();
    other.commit(edit, "directory").await.unwrap();
    cross(&one, &other, [&Resolution::Ours, &Resolution::Ours]).await.unwrap();
    other.set("a/c", "1", "more").await.unwrap();
    let merged = one.merge(&other, "again").await.unwrap();
    assert_eq!(paths(&merged), ["a"]);
    // Both directories, and both with something of their own below what was doubtful.
    let (one, other) = two(&[("a", "1")]).await;
    one.set("a", "2", "change").await.unwrap();
    other.remove("a", "make room").await.unwrap();
    other.set("a/b", "1", "directory").await.unwrap();
    cross(&one, &other, [&Resolution::Theirs, &Resolution::Ours]).await.unwrap();
    one.set("a/c", "1", "more").await.unwrap();
    other.set("a/c", "1", "the same").await.unwrap();
    one.merge(&other, "again").await.unwrap().clean().unwrap();
    assert_eq!(one.find("a/b").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn nothing_below_a_doubtful_path_is_taken_for_unchanged() {
    // Which of the two ancestors comes first is decided by their names: so both come first here.
    for name in 0..8 {
        let (one, other) = two(&[("a", "1")]).await;
        one.set("a", "2", format!("change {name}")).await.unwrap();
        let mut edit = other.begin().await.unwrap();
        edit.remove("a").await.unwrap();
        edit.set("a/b", "1").await.unwrap();
        other.commit(edit, "directory").await.unwrap();
        cross(&one, &other, [&Resolution::Theirs, &Resolution::Ours]).await.unwrap();
        let mut edit = one.begin().await.unwrap();
        edit.remove("a/b").await.unwrap();
        edit.set("a/c", "1").await.unwrap();
        one.commit(edit, "ours").await.unwrap();
        other.set("d", "1", "theirs").await.unwrap();
        for (ours, theirs) in [(&one, &other), (&other, &one)] {
            let merged = ours_like(ours).await.merge(theirs, "again").await.unwrap();
            assert_eq!(paths(&merged), ["a/b", "a/c"], "{name}");
        }
    }
}

#[tokio::test]
async fn what_was_deleted_beside_a_doubtful_path_stays_deleted() {
    let keep = Resolution::Contents("2".to_owned());
    // Which of the two ancestors comes first is decided by their names: so both come first here.
    for name in 0..8 {
        let (one, other) = two(&[("d/x", "1"), ("d/y", "1")]).await;
        one.set("d/x", "2", format!("change {name}")).await.unwrap();
        other.remove("d/x", "delete").await.unwrap();
        cross(&one, &other, [&keep, &Resolution::Remove]).await.unwrap();
        one.remove("d/y", "delete, too").await.unwrap();
        for (ours, theirs) in [(&one, &other), (&other, &one)] {
            let ours = ours_like(ours).await;
            let Merged::Conflicts(mut unmerged) = ours.merge(theirs, "again").await.unwrap() else {
                panic!("a value that was changed and deleted merged");
            };
            let conflicts: Vec<_> = unmerged.conflicts().map(|one| one.path.to_string()).collect();
            assert_eq!(conflicts, ["d/x"], "{name}");
            unmerged.resolve("d/x", Resolution::Remove).unwrap();
            ours.commit_merge(&unmerged, "resolved").await.unwrap();
            assert_eq!(ours.kind("d").await.unwrap(), None, "{name}: `d/y` has come back");
        }
    }
}

#[tokio::test]
async fn values_and_metadata_are_merged_each_by_what_the_ancestor_had() {
    let repo = new_repo::<Files>();
    let base = repo.empty();
    let set = async |store: &Store<Files>, value: &str, mode: u16| {
        let mut edit = store.begin().await.expect("it is read");
        edit.set_with_metadata("a/b", value, Mode(mode)).await.expect("it is set");
        store.commit(edit, "set").await.expect("it is stored")
    };
    let base = set(&base, "1", 1).await.unwrap();
    for (ours, theirs) in [(("2", 1), ("1", 2)), (("1", 2), ("2", 1)), (("2", 2), ("2", 1))] {
        let (one, other) = (repo.detached(&base).unwrap(), repo.detached(&base).unwrap());
        set(&one, ours.0, ours.1).await;
        set(&other, theirs.0, theirs.1).await;
        one.merge(&other, "merge").await.unwrap().clean().unwrap();
        let merged = one.tree().await.unwrap().find_with_metadata("a/b").await.unwrap();
        assert_eq!(merged, Some(("2".to_owned(), Mode(2))), "{ours:?} and {theirs:?}");
    }
}

#[tokio::test]
async fn branches_that_cross_without_conflicts_merge_cleanly() {
    let (one, other) = two(&[("x", "1"), ("y", "1")]).await;
    for round in 2..6_u32 {
        one.set("x", round.to_string(), "ours").await.unwrap();
        other.set("y", round.to_string(), "theirs").await.unwrap();
        cross(&one, &other, [&Resolution::Remove, &Resolution::Remove]).await.unwrap();
    }
    one.remove("x", "delete").await.unwrap();
    other.set("z", "1", "add").await.unwrap();
    one.merge(&other, "again").await.unwrap().clean().unwrap();
    assert_eq!(one.find("x").await.unwrap(), None);
    assert_eq!(one.find("y").await.unwrap().as_deref(), Some("5"));
    assert_eq!(one.find("z").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn an_outdated_tree_takes_later_changes_back_and_a_merge_does_not_revive_them() {
    let (main, _) = two(&[("a", "1"), ("b", "1")]).await;
    let outdated = main.tree().await.unwrap();
    let later = main.set("c", "1", "later").await.unwrap().unwrap();
    main.set_tree("", &outdated, "back").await.unwrap().unwrap();
    assert_eq!(main.find("c").await.unwrap(), None);
    let merged = main.merge_with(&later, MergeOptions::default(), "older").await.unwrap();
    assert!(matches!(merged, Merged::Unchanged), "{merged:?}");
    let side = main.repo().detached(&later).unwrap();
    side.set("b", "2", "on top").await.unwrap();
    main.merge(&side, "merge").await.unwrap().clean().unwrap();
    assert_eq!(main.find("c").await.unwrap(), None);
    assert_eq!(main.find("b").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn equal_directories_are_merged_where_counters_lie_in_them() {
    let repo = new_repo::<Kv<Counter>>();
    for start in [None, Some(5)] {
        let one = repo.empty();
        one.set("other", 1, "base").await.unwrap();
        if let Some(start) = start {
            one.set("a/b/count", start, "base").await.unwrap();
        }
        let other = repo.detached(&one.head().await.unwrap().unwrap()).unwrap();
        let count = start.unwrap_or(0) + 2;
        one.set("a/b/count", count, "ours").await.unwrap();
        other.set("a/b/count", count, "theirs").await.unwrap();
        one.merge(&other, "merge").await.unwrap().clean().unwrap();
        assert_eq!(one.find("a/b/count").await.unwrap(), Some(Counter(count + 2)));
        assert_eq!(one.find("other").await.unwrap(), Some(Counter(1)));
    }
}

#[tokio::test]
async fn what_both_sides_left_alone_is_not_read() {
    let probe = Probe::default();
    let origin = Repo::<Texts>::new(probe.backend()).empty();
    for path in ["a/b/c", "d/e/f", "g"] {
        origin.set(path, path, "fill").await.unwrap();
    }
    let base = origin.head().await.unwrap().unwrap().hash();
    let repo = Repo::<Texts>::new(probe.backend());
    let base = repo.commit(&base).await.unwrap().unwrap();
    let (one, other) = (repo.detached(&base).unwrap(), repo.detached(&base).unwrap());
    one.set("a/b/new", "x", "ours").await.unwrap();
    other.set("h", "x", "theirs").await.unwrap();
    probe.reads();
    one.merge(&other, "merge").await.unwrap().clean().unwrap();
    // Eight to find the ancestor and its tree, and two roots that were made and not read yet.
    assert!(probe.reads() <= 10, "no directory below the root");
    let edit = one.begin().await.unwrap();
    probe.reads();
    assert_eq!(edit.find("d/e/f").await.unwrap().as_deref(), Some("d/e/f"));
    assert_eq!(probe.reads(), 2, "the merge has not read `d`");
}

/// A value whose merge panics.
#[derive(Clone, Debug, PartialEq)]
struct Bomb(u8);

impl Contents for Bomb {
    fn encode(&self) -> Result<Bytes> {
        Ok(vec![self.0].into())
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        match bytes[..] {
            [number] => Ok(Self(number)),
            _ => Err(Error::corrupt("no bomb")),
        }
    }

    fn merge(
        _: Option<&Self>,
        ours: Option<&Self>,
        _: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        panic!("bang {}", ours.map_or(0, |bomb| bomb.0));
    }
}

/// A value that a deletion on one side does not delete.
#[derive(Clone, Debug, PartialEq)]
struct Stays(u8);

impl Contents for Stays {
    fn encode(&self) -> Result<Bytes> {
        Ok(vec![self.0].into())
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        match bytes[..] {
            [number] => Ok(Self(number)),
            _ => Err(Error::corrupt("it has one byte")),
        }
    }

    fn merge(
        _: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        Ok(ours.or(theirs).cloned())
    }
}

#[derive(Clone, Debug)]
struct Staying;

impl Schema for Staying {
    type Hash = Sha1;
    type Contents = Stays;
    type Metadata = Mode;
    type Format = Native;
}

#[tokio::test]
async fn a_value_that_survives_a_deletion_keeps_its_metadata() {
    let repo = new_repo::<Staying>();
    let base = repo.empty();
    let mut edit = base.begin().await.unwrap();
    edit.set_with_metadata("a/b", Stays(1), Mode(3)).await.unwrap();
    let base = base.commit(edit, "base").await.unwrap().unwrap();
    for is_mirrored in [false, true] {
        let (one, other) = (repo.detached(&base).unwrap(), repo.detached(&base).unwrap());
        one.set("a/b", Stays(2), "change").await.unwrap();
        other.remove("a", "delete").await.unwrap();
        let (ours, theirs) = if is_mirrored { (&other, &one) } else { (&one, &other) };
        ours.merge(theirs, "merge").await.unwrap().clean().unwrap();
        let merged = ours.tree().await.unwrap().find_with_metadata("a/b").await.unwrap();
        assert_eq!(merged, Some((Stays(2), Mode(3))), "{is_mirrored}");
    }
}

/// Metadata whose merge panics.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fuse(Bytes);

impl Metadata for Fuse {
    fn encode(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(bytes: &Bytes) -> Result<Self> {
        Ok(Self(bytes.clone()))
    }

    fn merge(_: Option<&Self>, _: &Self, _: &Self) -> Result<Self, Conflict> {
        panic!("fizz");
    }
}

#[derive(Clone, Debug)]
struct Fused;

impl Schema for Fused {
    type Hash = Sha1;
    type Contents = String;
    type Metadata = Fuse;
    type Format = Native;
}

/// Merges two handles, and checks that it aborts and nothing has changed.
async fn aborts<S: Schema>(one: &Store<S>, other: &Store<S>, what: &str, said: &str) {
    let head = one.head().await.expect("it is read");
    for _ in 0..2 {
        let error = one.merge(other, "merge").await.expect_err("the merge panics");
        assert_eq!(error.kind(), ErrorKind::Aborted);
        assert_eq!(error.to_string(), format!("the merge of the {what} at `a/b` panicked"));
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some(said));
        assert_eq!(one.head().await.expect("it is read"), head);
    }
}

#[tokio::test]
async fn a_merge_that_panics_aborts_and_changes_nothing() {
    let repo = new_repo::<Kv<Bomb>>();
    let one = repo.main().await.unwrap();
    one.set("a/b", Bomb(0), "base").await.unwrap();
    let other = one.fork("other").await.unwrap();
    one.set("a/b", Bomb(1), "ours").await.unwrap();
    other.set("a/b", Bomb(2), "theirs").await.unwrap();
    aborts(&one, &other, "contents", "bang 1").await;
    one.set("a/b", Bomb(3), "still there").await.unwrap().unwrap();

    let repo = new_repo::<Fused>();
    let one = repo.main().await.unwrap();
    one.set("a/b", "0", "base").await.unwrap();
    let other = one.fork("other").await.unwrap();
    for (store, fuse) in [(&one, "x"), (&other, "y")] {
        let mut edit = store.begin().await.unwrap();
        edit.set_with_metadata("a/b", "0", Fuse(fuse.into())).await.unwrap();
        store.commit(edit, "light it").await.unwrap();
    }
    aborts(&one, &other, "metadata", "fizz").await;
}

#[tokio::test]
async fn a_conflict_shows_its_three_sides() {
    let (one, other) = two(&[("a/b", "1")]).await;
    one.set("a/b", "2", "ours").await.unwrap();
    other.remove("a", "theirs").await.unwrap();
    other.set("a", "3", "theirs").await.unwrap();
    let Merged::Conflicts(unmerged) = one.merge(&other, "merge").await.unwrap() else {
        panic!("a file against a directory merged");
    };
    let conflicts: Vec<_> = unmerged.conflicts().collect();
    let [conflict] = conflicts[..] else { panic!("not one conflict: {conflicts:?}") };
    assert_eq!(conflict.path.to_string(), "a");
    assert_eq!(conflict.conflict.reason(), "we have a directory and they have contents");
    let Some(Side::Directory(ancestor)) = &conflict.ancestor else { panic!("no directory") };
    assert_eq!(ancestor.find("b").await.unwrap().as_deref(), Some("1"));
    let Some(Side::Directory(ours)) = &conflict.ours else { panic!("no directory") };
    assert_eq!(ours.find("b").await.unwrap().as_deref(), Some("2"));
    assert!(matches!(&conflict.theirs, Some(Side::Contents(value)) if value == "3"));
}

/// What a path holds on one side.
#[derive(Clone, Copy, Debug)]
enum Has {
    Nothing,
    Text(&'static str),
    Marked(&'static str, u16),
    Directory,
}

async fn put(store: &Store<Files>, has: Has, name: &str) {
    let fill = async |edit: &mut Transaction<Files>| {
        edit.set(format!("by/{name}"), "1").await?;
        edit.remove("x").await?;
        match has {
            Has::Nothing => Ok(()),
            Has::Text(text) => edit.set("x", text).await,
            Has::Marked(text, mode) => edit.set_with_metadata("x", text, Mode(mode)).await,
            Has::Directory => edit.set("x/y", name).await,
        }
    };
    store.transact(name, fill).await.expect("it can be written");
}

/// Checks the kind of the one conflict that a merge has, and that it is the same where it is stored.
async fn check_kind<S: Schema<Hash = Sha1>>(
    ours: &Store<S>,
    theirs: &Store<S>,
    kind: ConflictKind,
) {
    let Merged::Conflicts(mut open) = ours.merge(theirs, "merge").await.expect("an answer") else {
        panic!("this is a conflict of the kind {kind:?}");
    };
    let [conflict] = &open.conflicts().cloned().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(conflict.kind, kind, "{conflict:?}");
    open.resolve(conflict.path.clone(), Resolution::Later).expect("it is in conflict");
    let commit = ours.commit_merge(&open, "later").await.expect("it is resolved");
    // By a process that has nothing of it at hand.
    let other = Repo::<S>::new(ours.repo().backend().clone());
    let tree = other.commit(&commit.hash()).await.expect("it is read").expect("it is there").tree();
    let stored =
        tree.find_conflict(conflict.path.clone()).await.expect("it is read").expect("it is there");
    assert_eq!((stored.kind, stored.conflict), (kind, conflict.conflict.clone()));
}

#[tokio::test]
async fn a_conflict_is_of_a_kind_and_stays_so_where_it_is_stored() {
    use ConflictKind::{Added, Changed, ContentsAgainstDirectory, Deleted, Metadata};
    use Has::{Directory, Marked, Nothing, Text};
    for (base, ours, theirs, kind) in [
        (Text("1"), Text("2"), Text("3"), Changed),
        (Text("1"), Marked("2", 1), Text("3"), Changed),
        (Nothing, Text("2"), Text("3"), Added),
        (Directory, Text("2"), Text("3"), Added),
        (Text("1"), Nothing, Text("2"), Deleted),
        (Text("1"), Nothing, Marked("1", 1), Deleted),
        (Nothing, Text("1"), Directory, ContentsAgainstDirectory),
        (Text("1"), Text("2"), Directory, ContentsAgainstDirectory),
        (Directory, Text("1"), Directory, ContentsAgainstDirectory),
        (Directory, Text("1"), Nothing, ContentsAgainstDirectory),
        (Text("1"), Nothing, Directory, ContentsAgainstDirectory),
        (Text("1"), Marked("1", 1), Marked("1", 2), Metadata),
        (Nothing, Text("1"), Marked("1", 1), Metadata),
    ] {
        for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
            let repo = new_repo::<Files>();
            let origin = repo.empty();
            put(&origin, base, "base").await;
            let began = origin.head().await.unwrap().unwrap();
            let (one, other) = (repo.detached(&began).unwrap(), repo.detached(&began).unwrap());
            put(&one, ours, "ours").await;
            put(&other, theirs, "theirs").await;
            check_kind(&one, &other, kind).await;
        }
    }
}

#[tokio::test]
async fn what_is_doubtful_or_stored_is_a_conflict_of_that_kind() {
    let (one, other) = two(&[("x", "1")]).await;
    one.set("x", "2", "change").await.unwrap();
    other.set("x", "3", "change").await.unwrap();
    cross(&one, &other, [&Resolution::Ours, &Resolution::Ours]).await.unwrap();
    check_kind(&one, &other, ConflictKind::Doubtful).await;

    let (one, other) = two(&[("x", "1")]).await;
    one.set("x", "2", "change").await.unwrap();
    other.remove("x", "delete").await.unwrap();
    cross(&one, &other, [&Resolution::Ours, &Resolution::Ours]).await.unwrap();
    check_kind(&one, &other, ConflictKind::Doubtful).await;

    let (one, other) = two(&[("x", "1")]).await;
    one.set("x", "2", "change").await.unwrap();
    other.set("x", "3", "change").await.unwrap();
    check_kind(&one, &other, ConflictKind::Changed).await;
    let resolved = [ours_like(&one).await, ours_like(&one).await];
    for (store, resolution) in resolved.iter().zip([Resolution::Ours, Resolution::Theirs]) {
        let resolve = async |edit: &mut Transaction<Texts>| edit.resolve("x", resolution).await;
        store.transact("resolve", resolve).await.unwrap();
    }
    check_kind(&resolved[0], &resolved[1], ConflictKind::Stored).await;
    // What the other side made of its side of the conflict takes its place there.
    other.remove("x", "delete").await.unwrap();
    check_kind(&one, &other, ConflictKind::Deleted).await;
}
