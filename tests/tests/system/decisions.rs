//! One test for each decision on what happens in an odd case, named after it.

use bytes::Bytes;
use ramus_core::{AtomicWrite as _, AtomicWriteExt as _};
use ramus_core::{ErrorKind, Path, RefName, Sha1, Step, Storage as _};
use ramus_kv::{
    Conflicts, Counter, Info, Kv, MergeOptions, Merged, Side, Store, TransactionOptions, WatchStart,
};

use crate::bed::{
    Bed, Text, contents_hash, head, log, long_text, messages, next, put, read, refused, steps,
};

on_every_backend!(
    a_write_that_changes_nothing_makes_no_commit_also_on_an_unborn_branch,
    a_write_that_changes_nothing_makes_a_commit_if_allow_empty_says_so,
    test_is_judged_when_set_equals_the_current_value,
    empty_directories_are_never_stored_also_after_a_merge,
    the_empty_root_is_stored,
    set_below_contents_or_contents_onto_a_directory_is_refused,
    a_remove_before_in_the_same_transaction_says_that_a_change_of_kind_is_meant,
    file_against_directory_in_a_merge_is_a_conflict,
    contents_at_the_root_are_refused,
    the_order_of_the_parents_of_a_commit_is_kept,
    both_sides_adding_the_same_value_merges_cleanly,
    what_counts_adds_up_also_where_both_sides_agree,
    delete_against_modify_is_a_conflict,
    delete_against_unchanged_deletes,
    a_merge_that_can_fast_forward_does_unless_no_ff,
    merging_an_ancestor_changes_nothing,
    unrelated_histories_merge_with_no_ancestor,
    several_lowest_common_ancestors_are_merged_in_memory_and_nothing_of_it_is_stored,
    reading_below_contents_or_a_missing_path_gives_nothing,
    a_missing_block_is_missing_and_named,
    a_branch_whose_commit_is_missing_is_not_one_without_a_head,
    setting_a_ref_to_what_it_holds_is_applied_with_no_record_and_no_event,
    list_is_ordered_by_the_bytes_of_the_steps,
    watching_a_detached_handle_is_unsupported,
    info_is_made_once_for_each_attempt_to_commit,
    a_missing_author_and_time_are_filled_in_and_given_ones_are_kept,
    names_of_refs_are_checked_wherever_one_comes_in,
    steps_have_1_to_1024_bytes_and_need_not_be_text,
);

async fn a_write_that_changes_nothing_makes_no_commit_also_on_an_unborn_branch(bed: Bed) {
    let main = bed.main().await;
    let repo = main.repo();
    let nothing = |commit: Option<_>| assert_eq!(commit, None);
    nothing(main.remove("a", "remove nothing").await.unwrap());
    nothing(main.set_tree("a", &repo.empty_tree(), "put nothing").await.unwrap());
    let edit = main.begin().await.unwrap();
    nothing(main.commit(edit, "change nothing").await.unwrap());
    main.transact("set and remove", async |edit| {
        edit.set("a", "1").await?;
        edit.remove("a").await.map(drop)
    })
    .await
    .unwrap();
    main.transact_again("run, and change nothing", async |_| Ok(())).await.unwrap();
    assert!(main.test_and_set("a", None, None, "nothing for nothing").await.unwrap());
    assert_eq!(main.head().await.unwrap(), None);
    assert_eq!(repo.branches().await.unwrap(), Vec::<String>::new());

    let first = put(&main, "a", "1").await;
    nothing(main.set("a", "1", "the same again").await.unwrap());
    nothing(main.remove("b", "remove nothing").await.unwrap());
    nothing(main.rename("a", "a", "to its own name").await.unwrap());
    assert!(main.test_and_set("a", Some("1".into()), Some("1".into()), "same").await.unwrap());
    let mut edit = main.begin().await.unwrap();
    edit.set("a", "2").await.unwrap();
    edit.set("a", "1").await.unwrap();
    nothing(main.commit(edit, "there and back").await.unwrap());
    assert_eq!(main.head().await.unwrap(), Some(first));
}

async fn a_write_that_changes_nothing_makes_a_commit_if_allow_empty_says_so(bed: Bed) {
    let main = bed.main().await;
    let allow = TransactionOptions::default().allow_empty();
    for message in ["begin", "release"] {
        let edit = main.begin_with(allow).await.unwrap();
        main.commit(edit, message).await.unwrap().unwrap();
    }
    main.transact_with(allow, "and again", async |_| Ok(())).await.unwrap();
    assert_eq!(messages(&main).await, ["and again", "release", "begin"]);
    assert!(main.tree().await.unwrap().is_empty());
}

async fn test_is_judged_when_set_equals_the_current_value(bed: Bed) {
    let main = bed.main().await;
    let is = |text: &str| Some(text.to_owned());
    put(&main, "a", "1").await;
    assert!(!main.test_and_set("a", is("2"), is("1"), "wrong test").await.unwrap());
    assert!(!main.test_and_set("a", None, is("1"), "wrong test").await.unwrap());
    assert!(!main.test_and_set("b", is("1"), None, "wrong test").await.unwrap());
    assert!(main.test_and_set("a", is("1"), is("1"), "right test").await.unwrap());
    assert!(main.test_and_set("b", None, None, "right test").await.unwrap());

    let now = head(&main).await;
    put(&main, "a", "2").await;
    let then = head(&main).await;
    assert!(!main.test_and_set_head(Some(&now), Some(&then)).await.unwrap());
    assert!(!main.test_and_set_head(None, Some(&then)).await.unwrap());
    assert!(main.test_and_set_head(Some(&then), Some(&then)).await.unwrap());
    assert_eq!(messages(&main).await, ["set a to 2", "set a to 1"]);
}

async fn empty_directories_are_never_stored_also_after_a_merge(bed: Bed) {
    let main = bed.main().await;
    let repo = main.repo().clone();
    put(&main, "d/e/x", "1").await;
    put(&main, "d/e/y", "1").await;
    put(&main, "k", "1").await;
    let draft = main.fork("draft").await.unwrap();
    main.remove("d/e/x", "remove x").await.unwrap();
    draft.remove("d/e/y", "remove y").await.unwrap();
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(steps(&main, "").await, ["k"], "what both emptied together is gone");

    main.set("a/b/c", "1", "deep").await.unwrap();
    main.remove("a/b/c", "remove the only one").await.unwrap();
    assert_eq!(main.kind("a").await.unwrap(), None);
    main.rename("k", "x/y/z", "away").await.unwrap();
    main.rename("x/y/z", "k", "and back").await.unwrap();
    assert_eq!(main.set_tree("empty", &repo.empty_tree(), "nothing").await.unwrap(), None);
    assert_eq!(steps(&main, "").await, ["k"]);

    let only = repo.branch("only").await.unwrap();
    put(&only, "k", "1").await;
    let hash =
        |store: Store<Text>| async move { store.tree().await.unwrap().hash().await.unwrap() };
    assert_eq!(hash(main).await, hash(only).await, "the same entries have one hash");
}

async fn the_empty_root_is_stored(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let emptied = main.remove("", "remove everything").await.unwrap().unwrap();
    let root = emptied.tree().hash().await.unwrap();
    assert_eq!(steps(&main, "").await, Vec::<String>::new());

    let elsewhere = bed.repo();
    let read = elsewhere.tree(&root).await.unwrap();
    assert!(read.is_empty(), "its block is there");
    assert_eq!(read.hash().await.unwrap(), elsewhere.empty_tree().hash().await.unwrap());
}

async fn set_below_contents_or_contents_onto_a_directory_is_refused(bed: Bed) {
    let (repo, main) = (bed.repo(), bed.main().await);
    put(&main, "file", "1").await;
    put(&main, "dir/x", "1").await;
    let before = head(&main).await;
    let below = main.set("file/x/y", "2", "below").await;
    refused(below, ErrorKind::InvalidInput, "`file` holds contents; remove it first");
    let onto = main.set("dir", "2", "onto").await;
    refused(onto, ErrorKind::InvalidInput, "`dir`, which holds a directory; remove it first");
    let tested = main.test_and_set("dir", None, Some("2".into()), "onto").await;
    refused(tested, ErrorKind::InvalidInput, "`dir`, which holds a directory");
    let mut tree = repo.empty_tree();
    tree.set("x", "2").await.unwrap();
    let foreign = main.set_tree("file", &tree, "of another repository").await;
    refused(foreign, ErrorKind::InvalidInput, "another repository");
    let tree = main.find_tree("dir").await.unwrap().unwrap();
    let grafted = main.set_tree("file", &tree, "onto").await;
    refused(grafted, ErrorKind::InvalidInput, "`file`, which holds contents");
    let renamed = main.rename("dir", "file/dir", "below").await;
    refused(renamed, ErrorKind::InvalidInput, "`file` holds contents");
    let transacted = main.transact("below", async |edit| edit.set("file/x", "2").await).await;
    refused(transacted, ErrorKind::InvalidInput, "`file` holds contents");
    assert_eq!(head(&main).await, before, "nothing changed");
}

async fn a_remove_before_in_the_same_transaction_says_that_a_change_of_kind_is_meant(bed: Bed) {
    let main = bed.main().await;
    put(&main, "file", "1").await;
    put(&main, "dir/x", "1").await;
    main.transact("swap them", async |edit| {
        edit.remove("file").await?;
        edit.set("file/x", "2").await?;
        edit.remove("dir").await?;
        edit.set("dir", "2").await
    })
    .await
    .unwrap();
    assert_eq!((read(&main, "file/x").await, read(&main, "dir").await), ("2".into(), "2".into()));
    assert_eq!(messages(&main).await[0], "swap them");
}

async fn file_against_directory_in_a_merge_is_a_conflict(bed: Bed) {
    let repo = bed.repo();
    for (name, one, other) in [("one", "p", "p/x"), ("other", "p/x", "p")] {
        let ours = repo.branch(name).await.unwrap();
        put(&ours, "base", "1").await;
        let theirs = ours.fork(&format!("{name}-theirs")).await.unwrap();
        put(&ours, one, "ours").await;
        put(&theirs, other, "theirs").await;
        let before = head(&ours).await;
        let Merged::Conflicts(unmerged) = ours.merge(&theirs, "merge").await.unwrap() else {
            panic!("{one} against {other} merged");
        };
        let [conflict] = unmerged.conflicts().collect::<Vec<_>>()[..] else { panic!("one path") };
        assert_eq!(conflict.path.to_string(), "p");
        assert!(conflict.ancestor.is_none());
        let is_file = |side: &Option<Side<Text>>| matches!(side, Some(Side::Contents(_)));
        assert_eq!((is_file(&conflict.ours), is_file(&conflict.theirs)), (one == "p", one != "p"));
        assert_eq!(head(&ours).await, before);

        let error = ours.merge(&theirs, "merge").await.unwrap().clean();
        let error = refused(error, ErrorKind::Conflict, "`p`");
        let source = std::error::Error::source(&error).unwrap();
        let conflicts = source.downcast_ref::<Conflicts<Text>>().unwrap();
        assert_eq!(conflicts.iter().next().unwrap().path.to_string(), "p");
    }
}

async fn contents_at_the_root_are_refused(bed: Bed) {
    let (repo, main) = (bed.repo(), bed.main().await);
    let says = "cannot be set at the root";
    refused(main.set("", "1", "root").await, ErrorKind::InvalidInput, says);
    let tested = main.test_and_set(Path::root(), None, Some("1".into()), "root").await;
    refused(tested, ErrorKind::InvalidInput, says);
    refused(repo.empty_tree().set("", "1").await, ErrorKind::InvalidInput, says);
    assert_eq!(main.head().await.unwrap(), None);
}

async fn the_order_of_the_parents_of_a_commit_is_kept(bed: Bed) {
    let (repo, main) = (bed.repo(), bed.main().await);
    let root = bed.add_directory(&[]).await;
    let one = bed.add_commit(&repo, root, &[], "one").await.hash();
    let two = bed.add_commit(&repo, root, &[], "two").await.hash();
    for parents in [[one, two], [two, one]] {
        let commit = bed.add_commit(&repo, root, &parents, "both").await;
        assert_eq!(commit.parents(), parents);
    }

    put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let theirs = put(&draft, "theirs", "1").await.hash();
    let ours = put(&main, "ours", "1").await.hash();
    let merged = main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap();
    assert_eq!(merged.parents(), [ours, theirs]);
    let read = bed.repo().commit(&merged.hash()).await.unwrap().unwrap();
    assert_eq!(read.parents(), [ours, theirs]);
}

async fn both_sides_adding_the_same_value_merges_cleanly(bed: Bed) {
    let main = bed.main().await;
    put(&main, "base", "1").await;
    let draft = main.fork("draft").await.unwrap();
    put(&main, "d/x", "same").await;
    put(&draft, "d/x", "same").await;
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(read(&main, "d/x").await, "same");
}

async fn what_counts_adds_up_also_where_both_sides_agree(bed: Bed) {
    let repo = bed.repo_of::<Kv<Counter>>();
    let main = repo.main().await.unwrap();
    main.set("n", 5, "five").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    for (side, why) in [(&main, "ours"), (&draft, "theirs")] {
        side.set("n", 6, why).await.unwrap();
        side.set("new", 2, why).await.unwrap();
    }
    main.merge(&draft, "merge").await.unwrap().clean().unwrap();
    assert_eq!(main.find("n").await.unwrap(), Some(Counter(7)));
    assert_eq!(main.find("new").await.unwrap(), Some(Counter(4)));
}

async fn delete_against_modify_is_a_conflict(bed: Bed) {
    let main = bed.main().await;
    put(&main, "d/x", "1").await;
    put(&main, "d/y", "1").await;
    let draft = main.fork("draft").await.unwrap();
    main.remove("d", "remove the directory").await.unwrap();
    put(&draft, "d/x", "2").await;
    for (ours, theirs) in [(&main, &draft), (&draft, &main)] {
        let before = head(ours).await;
        let conflict = ours.merge(theirs, "merge").await.unwrap().clean();
        refused(conflict, ErrorKind::Conflict, "`d/x`");
        assert_eq!(head(ours).await, before);
    }
}

async fn delete_against_unchanged_deletes(bed: Bed) {
    let main = bed.main().await;
    put(&main, "d/x", "1").await;
    put(&main, "k", "1").await;
    let draft = main.fork("draft").await.unwrap();
    main.remove("d", "remove the directory").await.unwrap();
    put(&draft, "k", "2").await;
    draft.merge(&main, "merge").await.unwrap().clean().unwrap();
    assert_eq!((steps(&draft, "").await, read(&draft, "k").await), (vec!["k".into()], "2".into()));
}

async fn a_merge_that_can_fast_forward_does_unless_no_ff(bed: Bed) {
    let main = bed.main().await;
    let old = put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let new = put(&draft, "a", "2").await;
    let no_ff = main.merge_with(&new, MergeOptions::default().no_ff(), "merge").await.unwrap();
    let Merged::Commit(commit) = no_ff else { panic!("{no_ff:?}") };
    assert_eq!(commit.parents(), [old.hash(), new.hash()]);
    assert_eq!((head(&main).await, read(&main, "a").await), (commit.clone(), "2".into()));

    let moved = draft.merge(&main, "merge").await.unwrap();
    assert!(matches!(&moved, Merged::FastForward(to) if *to == commit), "{moved:?}");
    assert_eq!(head(&draft).await, commit);
    let unborn = bed.repo().branch("unborn").await.unwrap();
    let theirs = unborn.repo().commit(&commit.hash()).await.unwrap().unwrap();
    let moved = unborn.merge_with(&theirs, MergeOptions::default(), "merge").await.unwrap();
    assert!(matches!(moved, Merged::FastForward(to) if to == commit));
}

async fn merging_an_ancestor_changes_nothing(bed: Bed) {
    let main = bed.main().await;
    let old = put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let new = put(&main, "a", "2").await;
    for options in [MergeOptions::default(), MergeOptions::default().no_ff()] {
        for ancestor in [&old, &new] {
            let merged = main.merge_with(ancestor, options, "merge").await.unwrap();
            assert!(matches!(merged, Merged::Unchanged), "{merged:?}");
        }
    }
    assert!(matches!(main.merge(&draft, "merge").await.unwrap(), Merged::Unchanged));
    let unborn = main.repo().branch("unborn").await.unwrap();
    assert!(matches!(main.merge(&unborn, "merge").await.unwrap(), Merged::Unchanged));
    assert_eq!(head(&main).await, new);
}

async fn unrelated_histories_merge_with_no_ancestor(bed: Bed) {
    let repo = bed.repo();
    let (one, two) = (repo.branch("one").await.unwrap(), repo.branch("two").await.unwrap());
    put(&one, "same", "1").await;
    put(&two, "same", "1").await;
    put(&one, "x", "one").await;
    put(&two, "x", "two").await;
    let conflict = one.merge(&two, "merge").await.unwrap().clean();
    let conflict = refused(conflict, ErrorKind::Conflict, "is in conflict");
    refused::<()>(Err(conflict), ErrorKind::Conflict, "`x` (both sides added it");
    two.remove("x", "give way").await.unwrap();
    one.merge(&two, "merge").await.unwrap().clean().unwrap();
    assert_eq!((read(&one, "same").await, read(&one, "x").await), ("1".into(), "one".into()));
}

async fn several_lowest_common_ancestors_are_merged_in_memory_and_nothing_of_it_is_stored(
    bed: Bed,
) {
    // Each side has merged the first commit of the other, so both of these are common ancestors.
    let repo = bed.repo();
    let ours = repo.main().await.unwrap();
    put(&ours, "deleted", "1").await;
    put(&ours, "x", "1").await;
    let theirs = ours.fork("theirs").await.unwrap();
    ours.remove("deleted", "delete it").await.unwrap();
    let our_first = head(&ours).await;
    let their_first = put(&theirs, "y", "1").await;
    let merge = MergeOptions::default();
    ours.merge_with(&their_first, merge, "cross").await.unwrap().clean().unwrap();
    theirs.merge_with(&our_first, merge, "cross").await.unwrap().clean().unwrap();
    put(&ours, "x", "2").await;
    put(&theirs, "y", "2").await;
    let (our_head, their_head) = (head(&ours).await, head(&theirs).await);
    let mut lcas = repo.lcas(&our_head, &their_head).await.unwrap();
    lcas.sort_by_key(ramus_kv::Commit::hash);
    let mut both = vec![our_first, their_first];
    both.sort_by_key(ramus_kv::Commit::hash);
    assert_eq!(lcas, both);

    bed.rig().take_added();
    let merged = ours.merge(&theirs, "merge").await.unwrap().clean().unwrap().unwrap();
    let root = merged.tree().hash().await.unwrap();
    assert_eq!(bed.rig().take_added(), [root, merged.hash()], "no trace of the virtual ancestor");
    assert_eq!(steps(&ours, "").await, ["x", "y"], "what was deleted stays so");
    assert_eq!((read(&ours, "x").await, read(&ours, "y").await), ("2".into(), "2".into()));
}

async fn reading_below_contents_or_a_missing_path_gives_nothing(bed: Bed) {
    let main = bed.main().await;
    put(&main, "file", "1").await;
    put(&main, "dir/x", "1").await;
    for path in ["file/x", "file/x/y", "gone", "gone/x", "dir", ""] {
        assert_eq!(main.find(path).await.unwrap(), None, "{path}");
        assert!(!main.mem(path).await.unwrap(), "{path}");
    }
    for path in ["file/x", "gone", "gone/x", "dir/x/y"] {
        assert_eq!(main.kind(path).await.unwrap(), None, "{path}");
        assert!(main.find_tree(path).await.unwrap().is_none(), "{path}");
        assert_eq!(steps(&main, path).await, Vec::<String>::new(), "{path}");
    }
    let unborn = main.repo().branch("unborn").await.unwrap();
    assert_eq!((unborn.find("a").await.unwrap(), steps(&unborn, "").await), (None, Vec::new()));
}

async fn a_missing_block_is_missing_and_named(bed: Bed) {
    let main = bed.main().await;
    main.set("dir/x", long_text("v"), "set it").await.unwrap();
    let tree = main.tree().await.unwrap();
    let directory = tree.find_hash("dir").await.unwrap().unwrap();
    let (root, value) = (tree.hash().await.unwrap(), contents_hash(&long_text("v")));
    for lost in [value, directory, root] {
        bed.rig().lose(lost);
        let main = bed.main().await;
        let says = lost.to_string();
        refused(main.find("dir/x").await, ErrorKind::Missing, &says);
        if lost != value {
            refused(main.list("dir").await, ErrorKind::Missing, &says);
            refused(main.kind("dir/x").await, ErrorKind::Missing, &says);
            refused(main.set("dir/y", "1", "beside").await, ErrorKind::Missing, &says);
            refused(main.remove("dir/x", "remove").await, ErrorKind::Missing, &says);
        }
    }
    assert_eq!(messages(&bed.main().await).await, ["set it"]);
}

async fn a_branch_whose_commit_is_missing_is_not_one_without_a_head(bed: Bed) {
    let old = put(&bed.main().await, "a", "1").await.hash();
    let new = put(&bed.main().await, "a", "2").await.hash();
    bed.rig().lose(new);
    let (repo, main) = (bed.repo(), bed.main().await);
    let says = format!("commit {new}, the head of branch/main, is not in the store");
    let missing = ErrorKind::Missing;
    refused(main.head().await, missing, &says);
    refused(main.find("a").await, missing, &says);
    refused(main.set("a", "3", "set").await, missing, &says);
    refused(main.begin().await, missing, &says);
    refused(main.log().await, missing, &says);
    refused(main.fork("draft").await, missing, &says);
    let commit = main.repo().commit(&old).await.unwrap().unwrap();
    refused(main.fast_forward(&commit).await, missing, &says);
    let merged = main.merge_with(&commit, MergeOptions::default(), "merge").await;
    refused(merged, missing, &says);
    assert_eq!(repo.branches().await.unwrap(), ["main"], "it is still there, and nothing else");

    // The way out is to say what it shall be.
    main.set_head(&commit).await.unwrap();
    assert_eq!(read(&main, "a").await, "1");
}

async fn setting_a_ref_to_what_it_holds_is_applied_with_no_record_and_no_event(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let mut watch = main.watch("").await.unwrap();
    let before = bed.rig().refs().position().await.unwrap();
    main.set_head(&first).await.unwrap();
    assert!(main.test_and_set_head(Some(&first), Some(&first)).await.unwrap());
    assert!(main.fast_forward(&first).await.unwrap());
    bed.rig().refs().set(RefName::branch("main").unwrap(), first.hash()).await.unwrap();
    assert_eq!(bed.rig().refs().position().await.unwrap(), before);
    let second = put(&main, "a", "2").await;
    assert_eq!(next(&mut watch).await.new, Some(second), "nothing came before");
}

async fn list_is_ordered_by_the_bytes_of_the_steps(bed: Bed) {
    let main = bed.main().await;
    main.transact("several", async |edit| {
        for step in ["b", "a.b", "a/x", "ä", "B", "a-b", "aa"] {
            edit.set(step, "1").await?;
        }
        edit.set(&b"\xff"[..], "1").await
    })
    .await
    .unwrap();
    let listed = main.list("").await.unwrap();
    let listed: Vec<&[u8]> = listed.iter().map(|entry| entry.step.as_bytes()).collect();
    let ordered: [&[u8]; 8] = [b"B", b"a", b"a-b", b"a.b", b"aa", b"b", "ä".as_bytes(), b"\xff"];
    assert_eq!(listed, ordered);
    let edited = main.begin().await.unwrap();
    assert_eq!(edited.list("").await.unwrap(), main.list("").await.unwrap());
}

async fn watching_a_detached_handle_is_unsupported(bed: Bed) {
    let main = bed.main().await;
    let commit = put(&main, "a", "1").await;
    for detached in [main.repo().detached(&commit).unwrap(), main.repo().empty()] {
        let says = "a detached handle cannot be watched; watch a branch";
        refused(detached.watch("a").await, ErrorKind::Unsupported, says);
        let existing = detached.watch_from("", WatchStart::Existing).await;
        refused(existing, ErrorKind::Unsupported, says);
    }
}

async fn info_is_made_once_for_each_attempt_to_commit(bed: Bed) {
    let main = bed.repo_that_counts().main().await.unwrap();
    let first = put(&main, "a", "1").await;
    assert_eq!(first.info().time_ms, Some(1));
    main.set("a", "1", "nothing").await.unwrap();
    let second = put(&main, "a", "2").await;
    assert_eq!(second.info().time_ms, Some(2), "an attempt that changes nothing asks for no time");

    // Another process comes between, so that the second attempt succeeds.
    let other = bed.main().await;
    bed.rig().before_next_write(async move {
        put(&other, "b", "other").await;
    });
    let third = put(&main, "a", "3").await;
    assert_eq!(third.info().time_ms, Some(4));
    assert_eq!(messages(&main).await[..2], ["set a to 3", "set b to other"]);
}

async fn a_missing_author_and_time_are_filled_in_and_given_ones_are_kept(bed: Bed) {
    let main = bed.repo_that_counts().main().await.unwrap();
    let filled = put(&main, "a", "1").await;
    let info = Info::new("set a to 1").with_author("test").with_time_ms(1);
    assert_eq!(*filled.info(), info);
    let given = Info::new("why").with_author("ada").with_time_ms(-5).with_header("ticket", "17");
    let commit = main.set("a", "2", given.clone()).await.unwrap().unwrap();
    assert_eq!(*commit.info(), given);
    let read = bed.repo().commit(&commit.hash()).await.unwrap().unwrap();
    assert_eq!(*read.info(), given);
}

async fn names_of_refs_are_checked_wherever_one_comes_in(bed: Bed) {
    let (repo, main) = (bed.repo(), bed.main().await);
    put(&main, "a", "1").await;
    let before = bed.rig().refs().position().await.unwrap();
    let invalid = ErrorKind::InvalidInput;
    for (name, says) in [
        ("", "is empty"),
        ("a b", "holds ' '"),
        ("a//b", "has the part ``"),
        ("/a", "has the part ``"),
        ("../a", "has the part `..`"),
        ("a/./b", "has the part `.`"),
        ("a.lock", "ends in `.lock`"),
        ("ä", "holds 'ä'"),
        (&"x".repeat(256), "has 256 bytes"),
    ] {
        refused(repo.branch(name).await, invalid, says);
        refused(repo.remove_branch(name).await, invalid, says);
        refused(main.fork(name).await, invalid, says);
        refused(RefName::tag(name), invalid, says);
        refused(RefName::internal(name), invalid, says);
    }
    assert_eq!(repo.branches().await.unwrap(), ["main"]);
    assert_eq!(bed.rig().refs().position().await.unwrap(), before);
    main.fork(&"x".repeat(255)).await.unwrap();
    main.fork("a/b.c_d-E/9").await.unwrap();
}

async fn steps_have_1_to_1024_bytes_and_need_not_be_text(bed: Bed) {
    let main = bed.main().await;
    let longest = "x".repeat(1024);
    put(&main, &format!("{longest}/y"), "1").await;
    assert_eq!(read(&main, &format!("{longest}/y")).await, "1");
    let too_long = format!("{longest}x");
    let invalid = ErrorKind::InvalidInput;
    refused(main.set(&too_long, "1", "long").await, invalid, "has 1025 bytes");
    refused(main.set("a\0b", "1", "nul").await, invalid, "holds a NUL byte");
    refused(main.set("a//b", "1", "empty").await, invalid, "step 2 of path `a//b` is empty");
    refused(Step::new(Bytes::from_static(b"a/b")), invalid, "holds a `/`");

    main.set(&b"raw/\xff\xfe"[..], "bytes", "not text").await.unwrap();
    let other = bed.main().await;
    let listed = other.list("raw").await.unwrap();
    assert_eq!((listed[0].step.as_str(), listed[0].step.as_bytes()), (None, &b"\xff\xfe"[..]));
    let path: Path = [Step::new(Bytes::from_static(b"raw")).unwrap(), listed[0].step.clone()]
        .into_iter()
        .collect();
    assert_eq!(other.find(path).await.unwrap().as_deref(), Some("bytes"));
    assert_eq!(log(&main).await.len(), 2);
    let _: Option<Sha1> = main.tree().await.unwrap().find_hash("raw").await.unwrap();
}
