//! Merges: of contents, directories and commits, of histories that cross, and what conflicts say.

use ramus_core::{ErrorKind, Sha1};
use ramus_kv::{
    Commit, Json, Kv, MergeOptions, Merged, RebaseOptions, Repo, Resolution, Side, SquashOptions,
    Store, Unmerged,
};
use serde_json::json;

use crate::bed::{Bed, Text, head, log, messages, put, read, refused, steps};
use crate::rig::Fate;

on_every_backend!(
    maps_merge_key_by_key,
    contents_merge_as_a_whole,
    directories_with_disjoint_additions_are_united,
    merging_a_direct_parent_gives_the_other_commit_both_ways_round,
    a_copied_directory_and_an_addition_merge,
    two_edited_branches_merge_path_by_path_and_the_source_stays,
    branches_without_a_common_ancestor_and_with_disjoint_paths_merge,
    a_conflict_carries_its_path_and_its_three_sides,
    a_conflict_is_resolved_path_by_path_and_committed,
    a_resolution_that_comes_too_late_or_is_not_complete_is_refused,
    the_ancestor_of_two_ways_to_write_the_same_parents_is_found,
    lowest_common_ancestors_are_the_maximal_common_ones,
    fast_forward_is_refused_where_it_is_none,
    a_head_that_was_moved_forward_is_recognised_though_nobody_can_tell,
    a_fork_checks_its_name_before_it_writes,
);

async fn maps_merge_key_by_key(bed: Bed) {
    let main = bed.repo_of::<Kv<Json>>().main().await.unwrap();
    let doc = |value: serde_json::Value| Json(value);
    let base = json!({"left": 1, "right": 1, "both": 1, "gone": 1});
    main.set("map", doc(base), "base").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    let ours = json!({"left": 2, "right": 1, "both": 2, "ours": 1});
    main.set("map", doc(ours), "ours").await.unwrap();
    let theirs = json!({"left": 1, "right": 2, "both": 2, "gone": 1, "theirs": 1});
    draft.set("map", doc(theirs), "theirs").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    let merged = json!({"left": 2, "right": 2, "both": 2, "ours": 1, "theirs": 1});
    assert_eq!(main.find("map").await.unwrap(), Some(doc(merged)));

    main.set("map", doc(json!({"left": 3})), "ours").await.unwrap();
    draft.set("map", doc(json!({"left": 4})), "theirs").await.unwrap();
    let conflict = main.merge(&draft, "merge").await.unwrap().clean();
    let conflict = refused(conflict, ErrorKind::Conflict, "`map`");
    assert!(format!("{conflict:?}").contains("left"), "{conflict:?} says where in the map");
}

async fn contents_merge_as_a_whole(bed: Bed) {
    let repo = bed.repo();
    let cases = [
        // (ancestor, ours, theirs, merged); nothing merged is a conflict.
        ("1", "1", "1", Some("1")),
        ("1", "2", "1", Some("2")),
        ("1", "1", "2", Some("2")),
        ("1", "2", "2", Some("2")),
        ("1", "2", "3", None),
    ];
    for (index, (ancestor, ours, theirs, merged)) in cases.into_iter().enumerate() {
        let main = repo.branch(&format!("main-{index}")).await.unwrap();
        put(&main, "x", ancestor).await;
        let draft = main.fork(&format!("draft-{index}")).await.unwrap();
        main.transact("ours", async |edit| {
            edit.set("ours", "1").await?;
            edit.set("x", ours).await
        })
        .await
        .unwrap();
        draft
            .transact("theirs", async |edit| {
                edit.set("theirs", "1").await?;
                edit.set("x", theirs).await
            })
            .await
            .unwrap();
        let answer = main.merge(&draft, "merge").await.unwrap().clean();
        match merged {
            Some(merged) => {
                answer.unwrap();
                assert_eq!(read(&main, "x").await, merged);
            }
            None => drop(refused(answer, ErrorKind::Conflict, "`x` (both sides changed it")),
        }
    }
}

async fn directories_with_disjoint_additions_are_united(bed: Bed) {
    let main = bed.main().await;
    put(&main, "d/base", "1").await;
    let draft = main.fork("draft").await.unwrap();
    for path in ["d/ours", "d/deep/ours", "ours/x"] {
        put(&main, path, "1").await;
    }
    for path in ["d/theirs", "d/deep/theirs", "theirs/x"] {
        put(&draft, path, "1").await;
    }
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(steps(&main, "").await, ["d", "ours", "theirs"]);
    assert_eq!(steps(&main, "d").await, ["base", "deep", "ours", "theirs"]);
    assert_eq!(steps(&main, "d/deep").await, ["ours", "theirs"]);

    // The other way round gives the same tree.
    let other = main.repo().branch("other").await.unwrap();
    other.set_head(&head(&draft).await).await.unwrap();
    let ours = main.repo().commit(&head(&main).await.parents()[0]).await.unwrap().unwrap();
    let merged = other.merge_with(&ours, MergeOptions::default(), "merge").await.unwrap();
    let merged = merged.clean().unwrap().unwrap();
    assert_eq!(merged.tree().hash().await.unwrap(), head(&main).await.tree().hash().await.unwrap());
}

async fn merging_a_direct_parent_gives_the_other_commit_both_ways_round(bed: Bed) {
    let main = bed.main().await;
    let parent = put(&main, "a", "1").await;
    let child = put(&main, "a", "2").await;
    let on_parent = main.repo().detached(&parent).unwrap();
    let merged = on_parent.merge_with(&child, MergeOptions::default(), "merge").await.unwrap();
    assert_eq!(merged.clean().unwrap(), Some(child.clone()));
    let on_child = main.repo().detached(&child).unwrap();
    let merged = on_child.merge_with(&parent, MergeOptions::default(), "merge").await.unwrap();
    assert_eq!(merged.clean().unwrap(), None);
    assert_eq!((head(&on_parent).await, head(&on_child).await), (child.clone(), child));
}

async fn a_copied_directory_and_an_addition_merge(bed: Bed) {
    let main = bed.main().await;
    put(&main, "from/x", "1").await;
    put(&main, "from/deep/y", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let directory = main.find_tree("from").await.unwrap().unwrap();
    main.set_tree("to/here", &directory, "copy").await.unwrap().unwrap();
    let tree = main.tree().await.unwrap();
    let (from, to) = (tree.find_hash("from").await.unwrap(), tree.find_hash("to/here").await);
    assert_eq!(from, to.unwrap());
    put(&draft, "from/z", "1").await;
    put(&draft, "to/there", "1").await;
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(steps(&main, "from").await, ["deep", "x", "z"]);
    assert_eq!(steps(&main, "to").await, ["here", "there"]);
    assert_eq!(steps(&main, "to/here").await, ["deep", "x"]);
}

async fn two_edited_branches_merge_path_by_path_and_the_source_stays(bed: Bed) {
    let main = bed.main().await;
    for path in ["keep", "ours", "theirs", "both", "gone-ours", "gone-theirs", "gone-both"] {
        put(&main, path, "old").await;
    }
    let draft = main.fork("draft").await.unwrap();
    for (store, name) in [(&main, "ours"), (&draft, "theirs")] {
        put(store, name, "new").await;
        put(store, "both", "new").await;
        put(store, &format!("added-{name}"), "new").await;
        store.remove(format!("gone-{name}"), "remove").await.unwrap();
        store.remove("gone-both", "remove").await.unwrap();
    }
    let source = head(&draft).await;
    let merged = main.merge(&draft, "merge draft").await.unwrap().clean().unwrap().unwrap();
    assert_eq!(merged.info().message, "merge draft");
    let all = ["added-ours", "added-theirs", "both", "keep", "ours", "theirs"];
    assert_eq!(steps(&main, "").await, all);
    for path in all {
        assert_eq!(read(&main, path).await, if path == "keep" { "old" } else { "new" }, "{path}");
    }
    assert_eq!(head(&draft).await, source);
    assert!(draft.mem("gone-ours").await.unwrap(), "the source is as it was");
    let reached = log(&main).await;
    assert!(reached.contains(&source));
    assert_eq!(reached.len(), 7 + 5 + 5 + 1);
}

async fn branches_without_a_common_ancestor_and_with_disjoint_paths_merge(bed: Bed) {
    let repo = bed.repo();
    let (one, two) = (repo.branch("one").await.unwrap(), repo.branch("two").await.unwrap());
    put(&one, "dir/x", "1").await;
    put(&two, "dir/y", "2").await;
    assert!(repo.lcas(&head(&one).await, &head(&two).await).await.unwrap().is_empty());
    let merged = one.merge(&two, "merge").await.unwrap().clean().unwrap().unwrap();
    assert_eq!(merged.parents().len(), 2);
    assert_eq!((read(&one, "dir/x").await, read(&one, "dir/y").await), ("1".into(), "2".into()));
    assert_eq!(log(&one).await.len(), 3);
}

/// Returns a merge with a conflict at `d/x` (both changed), `gone` (we deleted it) and `kind`.
async fn conflicting(bed: &Bed) -> (Store<Text>, Unmerged<Text>) {
    let main = bed.main().await;
    for path in ["d/x", "d/y", "gone", "k"] {
        put(&main, path, "old").await;
    }
    let draft = main.fork("draft").await.unwrap();
    put(&main, "d/x", "ours").await;
    put(&main, "kind", "ours").await;
    main.remove("gone", "remove").await.unwrap();
    put(&draft, "d/x", "theirs").await;
    put(&draft, "kind/z", "theirs").await;
    put(&draft, "gone", "theirs").await;
    put(&draft, "k", "theirs").await;
    let Merged::Conflicts(unmerged) = main.merge(&draft, "merge").await.unwrap() else {
        panic!("there are conflicts");
    };
    (main, unmerged)
}

async fn a_conflict_carries_its_path_and_its_three_sides(bed: Bed) {
    let (main, unmerged) = conflicting(&bed).await;
    let text = |side: &Option<Side<Text>>| match side {
        Some(Side::Contents(text)) => text.clone(),
        Some(Side::Directory(_)) => "/".to_owned(),
        Some(other) => panic!("{other:?}"),
        None => "-".to_owned(),
    };
    let seen: Vec<_> = unmerged
        .conflicts()
        .map(|c| (c.path.to_string(), text(&c.ancestor), text(&c.ours), text(&c.theirs)))
        .collect();
    let row = |[path, ancestor, ours, theirs]: [&str; 4]| {
        (path.to_owned(), ancestor.to_owned(), ours.to_owned(), theirs.to_owned())
    };
    let expected = [
        row(["d/x", "old", "ours", "theirs"]),
        row(["gone", "old", "-", "theirs"]),
        row(["kind", "-", "ours", "/"]),
    ];
    assert_eq!(seen, expected);
    let Some(Side::Directory(theirs)) = &unmerged.conflicts().last().unwrap().theirs else {
        panic!("a directory");
    };
    assert_eq!(theirs.find("z").await.unwrap().as_deref(), Some("theirs"));
    assert_eq!(unmerged.tree().find("k").await.unwrap().as_deref(), Some("theirs"));
    assert_eq!(read(&main, "k").await, "old", "nothing was written");
}

async fn a_conflict_is_resolved_path_by_path_and_committed(bed: Bed) {
    let (main, mut unmerged) = conflicting(&bed).await;
    let (ours, theirs) =
        (head(&main).await, head(&main.repo().branch("draft").await.unwrap()).await);
    unmerged.resolve("d/x", Resolution::Ours).unwrap();
    unmerged.resolve("d/x", Resolution::Contents("both".to_owned())).unwrap();
    unmerged.resolve("gone", Resolution::Ours).unwrap();
    unmerged.resolve("kind", Resolution::Theirs).unwrap();
    let not_in_conflict = unmerged.resolve("d/y", Resolution::Remove);
    let says = "`d/y` is not in conflict; these are: `d/x`, `gone`, `kind`";
    refused(not_in_conflict, ErrorKind::InvalidInput, says);
    let commit = main.commit_merge(&unmerged, "resolved").await.unwrap();
    assert_eq!(commit.parents(), [ours.hash(), theirs.hash()]);
    assert_eq!(
        (read(&main, "d/x").await, read(&main, "kind/z").await),
        ("both".into(), "theirs".into())
    );
    assert_eq!(steps(&main, "").await, ["d", "k", "kind"]);
    let again = main.merge_with(&theirs, MergeOptions::default(), "again").await.unwrap();
    assert!(matches!(again, Merged::Unchanged));
}

async fn a_resolution_that_comes_too_late_or_is_not_complete_is_refused(bed: Bed) {
    let (main, mut unmerged) = conflicting(&bed).await;
    unmerged.resolve("d/x", Resolution::Ours).unwrap();
    unmerged.resolve("gone", Resolution::Remove).unwrap();
    let open = main.commit_merge(&unmerged, "incomplete").await;
    let open = refused(open, ErrorKind::Conflict, "`kind`");
    assert!(!format!("{open:?}").contains("d/x"), "{open:?} names what is open");

    let theirs = head(&main.repo().branch("draft").await.unwrap()).await;
    let merged = main.merge_with(&theirs, MergeOptions::default(), "merge").await.unwrap();
    let Merged::Conflicts(mut unmerged) = merged else { panic!("{merged:?}") };
    for path in ["d/x", "gone", "kind"] {
        unmerged.resolve(path, Resolution::Ours).unwrap();
    }
    let moved = put(&main, "moved", "1").await;
    refused(main.commit_merge(&unmerged, "late").await, ErrorKind::Contention, "merge again");
    assert_eq!(head(&main).await, moved);

    // What was decided is taken over, where the conflict is the same.
    put(&main, "d/x", "another").await;
    let merged = main.merge_with(&theirs, MergeOptions::default(), "merge").await.unwrap();
    let Merged::Conflicts(mut again) = merged else { panic!("{merged:?}") };
    assert_eq!(again.resolve_as(&unmerged), 1);
    let open: Vec<_> = again.open().map(|conflict| conflict.path.to_string()).collect();
    assert_eq!(open, ["d/x"]);
    again.resolve("d/x", Resolution::Theirs).unwrap();
    assert_eq!(again.resolve_as(&unmerged), 0);
    // A merge is into one branch, also where another one is on the same commit.
    let beside = main.fork("beside").await.unwrap();
    let answer = beside.commit_merge(&again, "elsewhere").await;
    refused(answer, ErrorKind::InvalidInput, "the merge is into branch `main`");
    let commit = main.commit_merge(&again, "merge").await.unwrap();
    assert_eq!(
        read(&main, "d/x").await,
        read(&main.repo().detached(&theirs).unwrap(), "d/x").await
    );
    assert_eq!((commit.parents().len(), head(&main).await), (2, commit));
}

/// A graph of commits of nothing, each of which says which others it came from.
async fn graph(bed: &Bed, repo: &Repo<Text>, parents: &[&[usize]]) -> Vec<Commit<Text>> {
    let root = bed.add_directory(&[]).await;
    let mut commits: Vec<Commit<Text>> = Vec::new();
    for (index, parents) in parents.iter().enumerate() {
        let parents: Vec<Sha1> = parents.iter().map(|parent| commits[*parent].hash()).collect();
        commits.push(bed.add_commit(repo, root, &parents, &index.to_string()).await);
    }
    commits
}

/// Checks which commits of a graph are the lowest common ancestors of two, both ways round.
async fn check_lcas(bed: &Bed, parents: &[&[usize]], of: (usize, usize), expected: &[usize]) {
    let repo = bed.repo();
    let commits = graph(bed, &repo, parents).await;
    for (one, other) in [of, (of.1, of.0)] {
        let found = repo.lcas(&commits[one], &commits[other]).await.unwrap();
        let position = |commit| commits.iter().position(|known| known == commit).unwrap();
        let mut found: Vec<usize> = found.iter().map(position).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "of {one} and {other} in {parents:?}");
    }
}

async fn the_ancestor_of_two_ways_to_write_the_same_parents_is_found(bed: Bed) {
    check_lcas(&bed, &[&[], &[0], &[1, 0], &[0, 1]], (2, 3), &[1]).await;
}

async fn lowest_common_ancestors_are_the_maximal_common_ones(bed: Bed) {
    let line: &[&[usize]] = &[&[], &[0], &[1], &[2]];
    check_lcas(&bed, line, (1, 3), &[1]).await;
    check_lcas(&bed, line, (3, 3), &[3]).await;
    check_lcas(&bed, &[&[], &[0], &[0]], (1, 2), &[0]).await;
    check_lcas(&bed, &[&[], &[]], (0, 1), &[]).await;
    let criss_cross: &[&[usize]] = &[&[], &[0], &[0], &[1, 2], &[2, 1], &[3], &[4]];
    check_lcas(&bed, criss_cross, (5, 6), &[1, 2]).await;
    // With edges that say what others say already.
    check_lcas(&bed, &[&[], &[0], &[1, 0], &[2, 0], &[2, 1, 0]], (3, 4), &[2]).await;
    // A long way on one side, a short one on the other.
    check_lcas(&bed, &[&[], &[0], &[1], &[2], &[3, 0], &[1, 0]], (4, 5), &[1]).await;
}

async fn fast_forward_is_refused_where_it_is_none(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let ours = put(&main, "b", "1").await;
    let theirs = put(&draft, "c", "1").await;
    assert!(!main.fast_forward(&theirs).await.unwrap());
    assert!(!main.fast_forward(&first).await.unwrap(), "it does not go back");
    assert!(main.fast_forward(&ours).await.unwrap());
    let unrelated = main.repo().empty();
    let unrelated = put(&unrelated, "d", "1").await;
    assert!(!main.fast_forward(&unrelated).await.unwrap());
    assert_eq!(head(&main).await, ours);
    let unborn = main.repo().branch("unborn").await.unwrap();
    assert!(unborn.fast_forward(&theirs).await.unwrap());
    assert_eq!(messages(&unborn).await, ["set c to 1", "set a to 1"]);
}

async fn a_head_that_was_moved_forward_is_recognised_though_nobody_can_tell(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let theirs = put(&draft, "x", "2").await;
    // Another process goes on from there before we look.
    let aside = Repo::<Text>::new(bed.rig().at_once().clone()).main().await.unwrap();
    let (other, there) = (aside.clone(), theirs.clone());
    bed.rig().before_each_find_of_a_ref(move || {
        let (other, there) = (other.clone(), there.clone());
        async move {
            if other.head().await.unwrap().as_ref() == Some(&there) {
                put(&other, "others", "1").await;
            }
        }
    });
    bed.rig().answer_next_update(Fate::Done, ErrorKind::Ambiguous);
    let merged = main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!((merged, head(&main).await.parents()), (Some(theirs.clone()), &[theirs.hash()][..]));

    // What was not done stays unknown, and is done the next time.
    let before = head(&main).await;
    draft.set_head(&before).await.unwrap();
    let next = put(&draft, "x", "3").await;
    bed.rig().answer_next_update(Fate::NotDone, ErrorKind::Ambiguous);
    refused(main.merge(&draft, "merge").await, ErrorKind::Ambiguous, "the answer was lost");
    bed.rig().answer_next_update(Fate::NotDone, ErrorKind::Ambiguous);
    refused(main.fast_forward(&next).await, ErrorKind::Ambiguous, "the answer was lost");
    assert_eq!(head(&main).await, before);
    bed.rig().answer_next_update(Fate::Done, ErrorKind::Ambiguous);
    assert!(main.fast_forward(&next).await.unwrap());
    assert_eq!(head(&main).await, next);

    let ours = put(&main, "y", "1").await;
    put(&draft, "z", "1").await;
    bed.rig().answer_next_update(Fate::Done, ErrorKind::Ambiguous);
    let rebased = draft.rebase(&ours, RebaseOptions::default()).await.unwrap().clean().unwrap();
    assert_eq!(
        (rebased, head(&draft).await.parents()),
        (head(&draft).await.into(), &[ours.hash()][..])
    );

    // Where a head goes back, history tells nothing: it was there before.
    let base = head(&draft).await;
    put(&draft, "z", "2").await;
    put(&draft, "z", "1").await;
    for fate in [Fate::NotDone, Fate::Done] {
        bed.rig().answer_next_update(fate, ErrorKind::Ambiguous);
        let squashed = draft.squash(&base, SquashOptions::default()).await;
        refused(squashed, ErrorKind::Ambiguous, "the answer was lost");
        assert_eq!(head(&draft).await == base, fate == Fate::Done);
    }
}

async fn a_fork_checks_its_name_before_it_writes(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    bed.rig().take_added();
    refused(main.fork("no such name").await, ErrorKind::InvalidInput, "holds ' '");
    assert_eq!((bed.rig().take_added(), main.repo().branches().await.unwrap().len()), (vec![], 1));
}
