//! Conflicts that are looked at before, stored in a tree, carried elsewhere, and resolved later.

use std::collections::HashSet;

use ramus_core::{ContentAddressable as _, ErrorKind, ReadOnly as _, Result, Sha1, Storage as _};
use ramus_kv::block::{DirectoryBlock, Entry, Held};
use ramus_kv::{
    Commit, ConflictKind, Counter, Format as _, Kind, Kv, LogOptions, MergeOptions, Merged, Native,
    PathConflict, Preview, Resolution, Side, Store, Unmerged, WalkOptions, WalkOrder,
};

use crate::bed::{Bed, Text, head, long_text, next, paths, put, read, refused, steps};

on_every_backend!(
    a_preview_says_what_a_merge_would_come_to_and_writes_nothing,
    conflicts_are_resolved_by_a_function_and_the_rest_is_named,
    nothing_is_read_or_set_at_a_stored_conflict,
    a_stored_conflict_is_removed_and_renamed_like_anything_else,
    a_stored_conflict_is_an_entry_of_its_own_kind,
    a_stored_conflict_is_resolved_on_another_replica,
    a_merge_carries_a_stored_conflict_and_gives_way_to_its_resolution,
    different_resolutions_of_a_stored_conflict_are_a_conflict,
    different_stored_conflicts_are_a_conflict_of_them,
    a_change_of_a_side_takes_its_place_in_the_stored_conflict,
    replicas_that_store_the_same_conflict_agree_whoever_merged,
    what_counts_does_not_count_on_from_a_stored_conflict,
    transactions_that_resolve_a_stored_conflict_lose_nothing,
    a_stored_conflict_that_cannot_be_read_is_corrupt_and_named,
);

/// A commit with `d/x`, and two branches that changed it and `d/long` differently.
async fn forked(bed: &Bed) -> (Store<Text>, Store<Text>) {
    let main = bed.repo_that_counts().main().await.unwrap();
    put(&main, "d/x", "old").await;
    put(&main, "d/y", "1").await;
    put(&main, "d/long", &long_text("old")).await;
    let draft = main.fork("draft").await.unwrap();
    for (store, value) in [(&main, "ours"), (&draft, "theirs")] {
        put(store, "d/x", value).await;
        put(store, "d/long", &long_text(value)).await;
    }
    (main, draft)
}

async fn unmerged<S: ramus_kv::Schema>(ours: &Store<S>, theirs: &Store<S>) -> Unmerged<S> {
    match ours.merge(theirs, "merge").await.unwrap() {
        Merged::Conflicts(unmerged) => unmerged,
        other => panic!("{other:?} in place of conflicts"),
    }
}

/// Merges, and stores every conflict.
async fn merge_later<S: ramus_kv::Schema>(ours: &Store<S>, theirs: &Store<S>) -> Commit<S> {
    let mut unmerged = unmerged(ours, theirs).await;
    assert_eq!(unmerged.resolve_each(|_| Some(Resolution::Later)), 0);
    ours.commit_merge(&unmerged, "merge, to be resolved").await.unwrap()
}

async fn conflicts(store: &Store<Text>) -> Vec<PathConflict<Text>> {
    store.tree().await.unwrap().conflicts().collect().await.unwrap()
}

async fn in_conflict(store: &Store<Text>) -> Vec<String> {
    conflicts(store).await.iter().map(|conflict| conflict.path.to_string()).collect()
}

fn text(side: Option<&Side<Text>>) -> &str {
    match side {
        Some(Side::Contents(text)) => text,
        Some(_) => "(no text)",
        None => "(nothing)",
    }
}

fn texts(conflict: &PathConflict<Text>) -> [&str; 3] {
    [&conflict.ancestor, &conflict.ours, &conflict.theirs].map(|side| text(side.as_ref()))
}

async fn resolve(store: &Store<Text>, path: &str, to: Resolution<Text>) -> Commit<Text> {
    let mut edit = store.begin().await.unwrap();
    edit.resolve(path, to).await.unwrap();
    store.commit(edit, "resolve").await.unwrap().unwrap()
}

async fn a_preview_says_what_a_merge_would_come_to_and_writes_nothing(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "x", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let ahead = put(&draft, "y", "1").await;
    let preview = async |store: &Store<Text>, commit: &Commit<Text>| {
        store.preview_merge(commit, MergeOptions::default()).await.unwrap()
    };
    bed.rig().take_added();
    let writes = bed.rig().writes();
    assert!(matches!(preview(&main, &ahead).await, Preview::FastForward(to) if to == ahead));
    assert!(matches!(preview(&draft, &base).await, Preview::Unchanged));
    assert!(matches!(preview(&main.repo().empty(), &base).await, Preview::FastForward(_)));
    put(&main, "z", "1").await;
    bed.rig().take_added();
    let Preview::Clean(tree) = preview(&main, &ahead).await else { panic!("it merges") };
    assert_eq!(bed.rig().take_added(), []);
    let merged = main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap();
    assert_eq!(tree.hash().await.unwrap(), merged.tree().hash().await.unwrap());

    put(&main, "x", "ours").await;
    let theirs = put(&draft, "x", "theirs").await;
    bed.rig().take_added();
    let before = head(&main).await;
    let Preview::Conflicts(mut open) = preview(&main, &theirs).await else {
        panic!("it conflicts")
    };
    assert_eq!((bed.rig().take_added(), head(&main).await), (vec![], before.clone()));
    assert_eq!(bed.rig().writes(), writes + 4, "those of the test itself");
    open.resolve("x", Resolution::Theirs).unwrap();
    let commit = main.commit_merge(&open, "previewed").await.unwrap();
    assert_eq!(commit.parents(), [before.hash(), theirs.hash()]);
    assert_eq!(read(&main, "x").await, "theirs");
}

async fn conflicts_are_resolved_by_a_function_and_the_rest_is_named(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    let mut open = unmerged(&main, &draft).await;
    let left = open.resolve_each(|conflict| {
        let [_, ours, theirs] = texts(conflict);
        (ours.len() < 20).then(|| Resolution::Contents(format!("{ours} and {theirs}")))
    });
    assert_eq!((left, open.open().count()), (1, 1));
    refused(open.resolved().await, ErrorKind::Conflict, "`d/long`");
    let elsewhere = bed.repo().main().await.unwrap();
    let answer = elsewhere.commit_merge(&open, "elsewhere").await;
    refused(answer, ErrorKind::InvalidInput, "another repository");
    let mut asked = Vec::new();
    let left = open.resolve_each(|conflict| {
        asked.push(conflict.path.to_string());
        Some(Resolution::Remove)
    });
    assert_eq!((left, asked), (0, vec!["d/long".to_owned()]));
    main.commit_merge(&open, "resolved").await.unwrap();
    assert_eq!(read(&main, "d/x").await, "ours and theirs");
    assert_eq!(steps(&main, "d").await, ["x", "y"]);
}

/// Checks that a read or a write at a stored conflict is refused, with the conflict as the source.
#[track_caller]
fn held<T: std::fmt::Debug>(answer: Result<T>, path: &str) {
    let says = format!("`{path}` holds a conflict that was stored");
    let error = refused(answer, ErrorKind::Conflict, &says);
    let source = std::error::Error::source(&error).expect("a source");
    let conflicts = source.downcast_ref::<ramus_kv::Conflicts<Text>>().expect("the conflicts");
    assert_eq!(conflicts.iter().next().unwrap().path.to_string(), path);
}

async fn nothing_is_read_or_set_at_a_stored_conflict(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    let stored = merge_later(&main, &draft).await;
    let tree = main.tree().await.unwrap();
    assert_eq!(tree.kind("d/x").await.unwrap(), Some(Kind::Conflict));
    for path in ["d/x", "d/x/below"] {
        held(main.find(path).await, "d/x");
        held(main.mem(path).await, "d/x");
        held(tree.find_with_metadata(path).await, "d/x");
        held(tree.find_tree(path).await, "d/x");
        held(tree.list(path).await, "d/x");
        held(tree.len(path).await, "d/x");
        held(tree.entries(path).await.map(|_| ()), "d/x");
        held(tree.reader(path).await.map(|_| ()), "d/x");
        held(tree.to_concrete(path).await, "d/x");
        held(main.set(path, "new", "set").await, "d/x");
        held(main.set_tree(path, &tree, "set").await, "d/x");
        held(main.rename("d/y", path, "rename").await, "d/x");
        held(main.test_and_set(path, None, Some("new".into()), "test").await, "d/x");
        held(main.test_and_set_tree(path, None, Some(&tree), "test").await, "d/x");
        let mut edit = main.begin().await.unwrap();
        held(edit.update(path, |_| panic!("it is not asked")).await, "d/x");
        held(edit.take(path).await, "d/x");
    }
    held(tree.kind("d/x/below").await, "d/x");
    held(main.remove("d/x/below", "remove").await, "d/x");
    held(main.rename("d/x/below", "z", "rename").await, "d/x");
    held(tree.to_concrete("").await, "d/long");
    let message = "`d/y` holds no conflict";
    let mut edit = main.begin().await.unwrap();
    let nothing = edit.resolve("d/y", Resolution::Ours).await;
    refused(nothing, ErrorKind::InvalidInput, message);
    assert_eq!((head(&main).await, read(&main, "d/y").await), (stored, "1".to_owned()));
}

async fn a_stored_conflict_is_removed_and_renamed_like_anything_else(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    merge_later(&main, &draft).await;
    main.rename("d/x", "moved/x", "rename").await.unwrap().unwrap();
    assert_eq!(in_conflict(&main).await, ["d/long", "moved/x"]);
    assert_eq!(texts(&conflicts(&main).await[1]), ["old", "ours", "theirs"]);
    main.remove("d/long", "remove").await.unwrap().unwrap();
    put(&main, "d/long", "new").await;
    let copied = main.find_tree("moved").await.unwrap().unwrap();
    main.set_tree("copied", &copied, "copy").await.unwrap().unwrap();
    assert_eq!(in_conflict(&main).await, ["copied/x", "moved/x"]);
    main.remove("copied", "remove").await.unwrap().unwrap();
    resolve(&main, "moved/x", Resolution::Remove).await;
    assert_eq!((in_conflict(&main).await, steps(&main, "").await), (vec![], vec!["d".to_owned()]));
}

async fn a_stored_conflict_is_an_entry_of_its_own_kind(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    let before = head(&main).await;
    let mut watch = main.watch("d/x").await.unwrap();
    let stored = merge_later(&main, &draft).await;
    let tree = stored.tree();
    let kinds = tree.list("d").await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|one| (one.step.to_string(), one.kind)).collect();
    let expected = [("long", Kind::Conflict), ("x", Kind::Conflict), ("y", Kind::Contents)];
    assert_eq!(kinds, expected.map(|(step, kind)| (step.to_owned(), kind)));
    let stats = tree.stats().await.unwrap();
    assert_eq!((stats.directories, stats.contents, stats.conflicts), (2, 1, 2));
    let mut walk = tree.walk(WalkOptions::default().with_order(WalkOrder::ContentsOnly));
    let mut walked = Vec::new();
    while let Some(visit) = walk.next().await.transpose().unwrap() {
        if visit.found.kind() == Kind::Conflict {
            refused(visit.found.contents().await, ErrorKind::Conflict, "stored conflict");
            let hash = tree.find_hash(&visit.path).await.unwrap().unwrap();
            assert_eq!(visit.found.hash().await.unwrap(), hash);
        }
        walked.push(visit.path.to_string());
    }
    assert_eq!(walked, ["d/long", "d/x", "d/y"]);
    let differences = before.tree().diff(&tree).collect().await.unwrap();
    let differ: Vec<_> = differences.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(differ, ["d/long", "d/x"]);
    assert_eq!(paths(&next(&mut watch).await).await, ["d/x"]);
    let mut gone = tree.clone();
    assert!(gone.remove("d/x").await.unwrap());
    for (one, other) in [(&tree, &gone), (&gone, &tree)] {
        let differences = one.diff(other).collect().await.unwrap();
        assert_eq!(differences.len(), 1, "it is there, or it is not");
    }
    let graph = main.repo().graph(ramus_kv::GraphOptions::default().trees()).await.unwrap();
    assert_eq!(graph.collect().await.unwrap().matches("shape=octagon").count(), 2);
    put(&main, "d/z", "beside it").await;
    let resolved = resolve(&main, "d/x", Resolution::Theirs).await;
    assert_eq!(paths(&next(&mut watch).await).await, ["d/x"]);
    let log = main.log_with(LogOptions::default().with_path("d/x").unwrap()).await.unwrap();
    let log = log.collect().await.unwrap();
    assert_eq!(log[..2], [resolved.clone(), stored]);
    assert_eq!(main.last_modified("d/x").await.unwrap(), Some(resolved));
}

/// Copies a commit and all that it reaches, as the links of the blocks say.
async fn copy(from: &Bed, to: &Bed, commit: Sha1) {
    let (mut todo, mut seen) = (vec![commit], HashSet::new());
    while let Some(hash) = todo.pop() {
        if seen.insert(hash) {
            let block = from.rig().blocks().find(&hash).await.unwrap().expect("it is reached");
            let links = Native::links::<Sha1>(&block).unwrap();
            todo.extend(links.iter().map(ramus_kv::block::Link::hash));
            to.rig().blocks().add(block).await.unwrap();
        }
    }
}

async fn a_stored_conflict_is_resolved_on_another_replica(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    draft.remove("d/y", "theirs").await.unwrap().unwrap();
    put(&main, "d/y", "2").await;
    let stored = merge_later(&main, &draft).await;

    let elsewhere = bed.another().await;
    copy(&bed, &elsewhere, stored.hash()).await;
    let repo = elsewhere.repo();
    let there = repo.main().await.unwrap();
    there.set_head(&repo.commit(&stored.hash()).await.unwrap().unwrap()).await.unwrap();
    let found = conflicts(&there).await;
    assert_eq!(in_conflict(&there).await, ["d/long", "d/x", "d/y"]);
    assert_eq!(texts(&found[0]), [long_text("old"), long_text("ours"), long_text("theirs")]);
    assert_eq!(texts(&found[2]), ["1", "2", "(nothing)"]);
    let reason = "we changed it and they deleted it";
    assert_eq!((found[2].conflict.reason(), found[2].conflict.place()), (reason, ""));
    let mut edit = there.begin().await.unwrap();
    edit.resolve("d/long", Resolution::Theirs).await.unwrap();
    edit.resolve("d/x", Resolution::Contents("both".to_owned())).await.unwrap();
    assert_eq!(edit.conflicts().collect().await.unwrap().len(), 1, "one that is not saved, too");
    edit.resolve("d/y", Resolution::Later).await.unwrap();
    edit.resolve("d/y", Resolution::Theirs).await.unwrap();
    let resolved = there.commit(edit, "resolve").await.unwrap().unwrap();
    assert_eq!((resolved.parents(), in_conflict(&there).await), (&[stored.hash()][..], vec![]));
    assert_eq!(read(&there, "d/long").await, long_text("theirs"));
    assert_eq!((read(&there, "d/x").await, steps(&there, "d").await.len()), ("both".into(), 2));

    copy(&elsewhere, &bed, resolved.hash()).await;
    let resolved = main.repo().commit(&resolved.hash()).await.unwrap().unwrap();
    assert!(main.fast_forward(&resolved).await.unwrap());
    assert_eq!(read(&main, "d/x").await, "both");
}

async fn a_merge_carries_a_stored_conflict_and_gives_way_to_its_resolution(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    merge_later(&main, &draft).await;
    let other = main.fork("other").await.unwrap();
    put(&other, "z", "1").await;
    put(&main, "w", "1").await;
    main.merge(&other, "both have it").await.unwrap().clean().unwrap();
    assert_eq!(in_conflict(&main).await, ["d/long", "d/x"]);
    resolve(&main, "d/x", Resolution::Theirs).await;
    put(&other, "d/y", "2").await;
    other.merge(&main, "theirs is resolved").await.unwrap().clean().unwrap();
    assert_eq!(in_conflict(&other).await, ["d/long"]);
    assert_eq!(
        (read(&other, "d/x").await, read(&other, "d/y").await),
        ("theirs".into(), "2".into())
    );
    resolve(&other, "d/long", Resolution::Remove).await;
    put(&main, "v", "1").await;
    main.merge(&other, "theirs is removed").await.unwrap().clean().unwrap();
    assert_eq!((in_conflict(&main).await, steps(&main, "d").await.len()), (vec![], 2));
}

async fn different_resolutions_of_a_stored_conflict_are_a_conflict(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    merge_later(&main, &draft).await;
    let other = main.fork("other").await.unwrap();
    resolve(&main, "d/x", Resolution::Ours).await;
    resolve(&other, "d/x", Resolution::Theirs).await;
    resolve(&main, "d/long", Resolution::Contents("same".to_owned())).await;
    resolve(&other, "d/long", Resolution::Contents("same".to_owned())).await;
    let mut open = unmerged(&main, &other).await;
    let [conflict] = &open.conflicts().cloned().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(texts(conflict), ["(no text)", "ours", "theirs"]);
    assert_eq!(
        conflict.conflict.reason(),
        "both sides resolved a stored conflict, and differently"
    );
    let Some(Side::Conflict(before)) = &conflict.ancestor else { panic!("{conflict:?}") };
    assert_eq!(texts(&before.read().await.unwrap()), ["old", "ours", "theirs"]);
    open.resolve("d/x", Resolution::Later).unwrap();
    main.commit_merge(&open, "later").await.unwrap();
    let [conflict] = &conflicts(&main).await[..] else { panic!("one") };
    assert_eq!(texts(conflict), ["(no text)", "ours", "theirs"]);
    resolve(&main, "d/x", Resolution::Theirs).await;
    assert_eq!((read(&main, "d/x").await, in_conflict(&main).await), ("theirs".into(), vec![]));
}

async fn different_stored_conflicts_are_a_conflict_of_them(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "old").await;
    let mut branches = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let branch = main.fork(name).await.unwrap();
        put(&branch, "x", name).await;
        branches.push(branch);
    }
    let [a, b, c, d] = &branches[..] else { panic!("four") };
    merge_later(a, b).await;
    merge_later(c, d).await;
    let mut open = unmerged(a, c).await;
    let [conflict] = &open.conflicts().cloned().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(texts(conflict), ["old", "(no text)", "(no text)"]);
    open.resolve("x", Resolution::Later).unwrap();
    a.commit_merge(&open, "a conflict of conflicts").await.unwrap();
    resolve(a, "x", Resolution::Theirs).await;
    let [conflict] = &conflicts(a).await[..] else { panic!("the side is a conflict of its own") };
    assert_eq!(texts(conflict), ["old", "c", "d"]);
    resolve(a, "x", Resolution::Ours).await;
    assert_eq!(read(a, "x").await, "c");
}

async fn a_change_of_a_side_takes_its_place_in_the_stored_conflict(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    merge_later(&main, &draft).await;
    // Their branch goes on with its side.
    put(&draft, "d/x", "theirs, changed").await;
    let open = unmerged(&main, &draft).await;
    let [conflict] = &open.conflicts().cloned().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(texts(conflict), ["old", "ours", "theirs, changed"]);
    merge_later(&main, &draft).await;
    assert_eq!(in_conflict(&main).await, ["d/long", "d/x"]);
    assert_eq!(texts(&conflicts(&main).await[1]), ["old", "ours", "theirs, changed"]);
    // What they take back is in conflict no more, and so is what they change to ours.
    put(&draft, "d/x", "old").await;
    put(&draft, "d/long", &long_text("ours")).await;
    main.merge(&draft, "taken back").await.unwrap().clean().unwrap();
    assert_eq!((in_conflict(&main).await, read(&main, "d/x").await), (vec![], "ours".into()));
    assert_eq!(read(&main, "d/long").await, long_text("ours"));

    // The same the other way round: the stored conflict is theirs.
    let (main, draft) = forked(&bed.another().await).await;
    merge_later(&main, &draft).await;
    put(&draft, "d/x", "ours").await;
    put(&draft, "d/long", &long_text("other")).await;
    merge_later(&draft, &main).await;
    assert_eq!(
        (in_conflict(&draft).await, read(&draft, "d/x").await),
        (vec!["d/long".into()], "ours".into())
    );
    let other = ["old", "other", "ours"].map(long_text);
    assert_eq!(texts(&conflicts(&draft).await[0]), other.each_ref().map(String::as_str));
    resolve(&draft, "d/long", Resolution::Ours).await;
    assert_eq!(read(&draft, "d/long").await, long_text("other"), "what the head had is ours");

    // What goes on from the side of whoever stored the conflict.
    let (main, draft) = forked(&bed.another().await).await;
    let late = main.fork("late").await.unwrap();
    merge_later(&main, &draft).await;
    put(&late, "d/x", "ours, changed").await;
    merge_later(&main, &late).await;
    assert_eq!(in_conflict(&main).await, ["d/long", "d/x"]);
    assert_eq!(texts(&conflicts(&main).await[1]), ["old", "theirs", "ours, changed"]);
}

async fn replicas_that_store_the_same_conflict_agree_whoever_merged(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    let (ours, theirs) = (head(&main).await, head(&draft).await);
    let one = merge_later(&main, &main.repo().detached(&theirs).unwrap()).await;
    let other = merge_later(&draft, &main.repo().detached(&ours).unwrap()).await;
    let merged = |at: &Commit<Text>, with: &Commit<Text>| {
        let (at, with) = (main.repo().detached(at).unwrap(), main.repo().detached(with).unwrap());
        async move {
            let commit = at.merge(&with, "merge").await.unwrap().clean().unwrap().unwrap();
            commit.tree().hash().await.unwrap()
        }
    };
    assert_eq!(merged(&one, &other).await, merged(&other, &one).await);
    // One that resolves it is right, in whatever order they merge.
    let resolved = resolve(&main, "d/x", Resolution::Remove).await;
    resolve(&main, "d/long", Resolution::Theirs).await;
    let last = head(&main).await;
    assert_eq!(merged(&last, &other).await, last.tree().hash().await.unwrap());
    assert_eq!(merged(&other, &last).await, last.tree().hash().await.unwrap());
    assert_ne!(merged(&resolved, &other).await, last.tree().hash().await.unwrap());
}

async fn what_counts_does_not_count_on_from_a_stored_conflict(bed: Bed) {
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    main.set("n", Counter(5), "base").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    main.remove("n", "ours").await.unwrap();
    draft.set("n", Counter(6), "theirs").await.unwrap();
    merge_later(&main, &draft).await;
    let other = main.fork("other").await.unwrap();
    for store in [&main, &other] {
        let mut edit = store.begin().await.unwrap();
        edit.resolve("n", Resolution::Contents(Counter(7))).await.unwrap();
        store.commit(edit, "resolve").await.unwrap().unwrap();
    }
    main.merge(&other, "merge").await.unwrap().clean().unwrap();
    assert_eq!(main.find("n").await.unwrap(), Some(Counter(7)));
}

async fn transactions_that_resolve_a_stored_conflict_lose_nothing(bed: Bed) {
    let (main, draft) = forked(&bed).await;
    merge_later(&main, &draft).await;
    let mut edits = Vec::new();
    for resolution in [Resolution::Ours, Resolution::Ours, Resolution::Theirs] {
        let mut edit = main.begin().await.unwrap();
        edit.resolve("d/x", resolution).await.unwrap();
        edits.push(edit);
    }
    let [first, second, third] = <[_; 3]>::try_from(edits).unwrap();
    main.commit(first, "ours").await.unwrap().unwrap();
    assert_eq!(main.commit(second, "ours, too").await.unwrap(), None, "they agree");
    refused(main.commit(third, "theirs").await, ErrorKind::Conflict, "`d/x`");
    assert_eq!(read(&main, "d/x").await, "ours");
    // Edits elsewhere go on beside a stored conflict, and are merged.
    let mut edit = main.begin().await.unwrap();
    edit.set("d/z", "1").await.unwrap();
    resolve(&main, "d/long", Resolution::Ours).await;
    main.commit(edit, "beside").await.unwrap().unwrap();
    assert_eq!((read(&main, "d/z").await, in_conflict(&main).await), ("1".into(), vec![]));
}

/// Adds a commit whose tree has at `x` a conflict of these parts.
async fn with_conflict(bed: &Bed, parts: Vec<(&str, Entry<Sha1>)>) -> Commit<Text> {
    let leaf = |entries: Vec<(&str, Entry<Sha1>)>| {
        let entries = entries.into_iter().map(|(step, entry)| (step.parse().unwrap(), entry));
        DirectoryBlock::Leaf(entries.collect()).encode().unwrap()
    };
    let hash = bed.add_block(leaf(parts)).await;
    let root = bed.add_block(leaf(vec![("x", Entry::Conflict { hash })])).await;
    bed.add_commit(&bed.repo(), root, &[], "by hand").await
}

fn inline(text: &str) -> Entry<Sha1> {
    let held = Held::Inline(text.to_owned().into());
    Entry::Contents { held, metadata: Vec::new().into() }
}

async fn a_stored_conflict_that_cannot_be_read_is_corrupt_and_named(bed: Bed) {
    let sound = vec![("ours", inline("a")), ("reason", inline("why")), ("theirs", inline("b"))];
    let commit = with_conflict(&bed, sound.clone()).await;
    let found = commit.tree().find_conflict("x").await.unwrap().unwrap();
    assert_eq!((texts(&found), found.conflict.reason()), (["(nothing)", "a", "b"], "why"));
    let mut placed = sound.clone();
    placed.insert(1, ("place", inline("city")));
    let found = with_conflict(&bed, placed).await.tree().find_conflict("x").await.unwrap().unwrap();
    assert_eq!(found.conflict.to_string(), "at city: why");

    let mut marked = sound.clone();
    marked.insert(0, ("kind", inline("metadata")));
    let found = with_conflict(&bed, marked).await.tree().find_conflict("x").await.unwrap().unwrap();
    assert_eq!(found.kind, ConflictKind::Metadata);
    let of_kind = |kind| [vec![("kind", inline(kind))], sound.clone()].concat();

    let nowhere = Entry::Directory { hash: contents_of_nothing() };
    let cases = [
        (vec![("reason", inline("why"))], "no side"),
        (vec![("ours", inline("a"))], "no reason"),
        (of_kind("changed"), "not of the kind `changed`"),
        (
            vec![("kind", inline("metadata")), ("ours", inline("a")), ("reason", inline("why"))],
            "not of the kind `metadata`",
        ),
        ([sound.clone(), vec![("thirds", inline("c"))]].concat(), "no part of the name `thirds`"),
        (vec![("ours", inline("a")), ("reason", nowhere)], "no contents"),
        (
            ["a", "b", "c", "d", "e", "f", "g"].map(|step| (step, inline("a"))).to_vec(),
            "more entries",
        ),
    ];
    for (parts, says) in cases {
        let tree = with_conflict(&bed, parts).await.tree();
        for answer in [
            tree.find_conflict("x").await.map(|_| ()),
            tree.find("x").await.map(|_| ()),
            tree.conflicts().collect().await.map(|_| ()),
        ] {
            let error = refused(answer, ErrorKind::Corrupt, says);
            assert!(format!("{error:?}").contains("`x` holds"), "{error:?}");
        }
        assert_eq!(tree.kind("x").await.unwrap(), Some(Kind::Conflict));
    }
}

fn contents_of_nothing() -> Sha1 {
    crate::bed::contents_hash("nothing")
}
