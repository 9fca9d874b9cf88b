//! Changes that are taken back, made once more, put elsewhere, and made one.

use ramus_core::ErrorKind;
use ramus_kv::{
    Commit, Counter, Info, Kv, MergeOptions, Merged, OnConflict, PickOptions, RebaseConflict,
    RebaseOptions, Rebased, Resolution, SquashOptions, Store, TransactionOptions,
};

use crate::bed::{Bed, Text, head, log, messages, put, read, refused, steps};

on_every_backend!(
    a_revert_takes_back_one_change_and_keeps_the_others,
    a_revert_of_what_was_changed_since_is_a_conflict,
    a_first_commit_is_reverted_and_picked_against_nothing,
    a_merge_commit_is_reverted_and_picked_against_the_parent_that_is_said,
    a_change_that_is_there_already_makes_no_commit_unless_it_may_be_empty,
    a_pick_keeps_what_the_commit_says,
    a_pick_with_conflicts_is_resolved_and_committed,
    a_pick_of_what_counts_counts_again,
    a_pick_that_lost_a_race_is_done_again,
    a_rebase_puts_each_commit_onto_the_other_with_one_update,
    a_rebase_leaves_out_what_changes_nothing,
    a_rebase_leaves_what_stands_there_already_as_it_is,
    a_rebase_of_nothing_of_its_own_moves_forward_or_stays,
    a_rebase_refuses_merges_unless_they_are_changes_of_the_branch,
    a_rebase_halts_at_conflicts_and_goes_on,
    a_rebase_can_store_conflicts,
    a_rebase_of_an_unrelated_history_begins_from_nothing,
    a_rebase_takes_in_what_comes_meanwhile,
    a_rebase_of_a_branch_that_is_moved_again_and_again_ends_in_contention,
    a_squash_makes_one_commit_of_the_tree_of_the_last,
    a_squash_that_comes_to_nothing_takes_the_commits_out,
    a_squash_of_the_whole_history_is_a_beginning,
    a_squash_refuses_merges_unless_they_are_changes_of_the_branch,
    a_squash_takes_in_what_comes_meanwhile,
);

fn usual() -> PickOptions {
    PickOptions::default()
}

fn made(merged: Merged<Text>) -> Commit<Text> {
    match merged {
        Merged::Commit(commit) => commit,
        other => panic!("{other:?} in place of a commit"),
    }
}

fn moved(rebased: Rebased<Text>) -> Commit<Text> {
    match rebased {
        Rebased::Moved(commit) => commit,
        other => panic!("{other:?} in place of a move"),
    }
}

fn halted(rebased: Rebased<Text>) -> RebaseConflict<Text> {
    match rebased {
        Rebased::Conflicts(halted) => *halted,
        other => panic!("{other:?} in place of conflicts"),
    }
}

async fn a_revert_takes_back_one_change_and_keeps_the_others(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let second = main.set("b", "1", "second\nand more").await.unwrap().unwrap();
    let third = put(&main, "a", "2").await;
    let reverted = made(main.revert(&second, usual()).await.unwrap());
    assert_eq!((steps(&main, "").await, read(&main, "a").await), (vec!["a".into()], "2".into()));
    assert_eq!(reverted.parents(), [third.hash()]);
    let hash = second.hash();
    let message = format!("Revert \"second\"\n\nThis reverts commit {hash}.");
    assert_eq!(reverted.info().message, message);
    let again = main.revert(&reverted, usual().with_info("again")).await.unwrap();
    assert_eq!(made(again).info().message, "again");
    assert_eq!(read(&main, "b").await, "1");
    // Of the last commit: it is the tree before.
    let before = head(&main).await;
    let last = put(&main, "c", "1").await;
    let reverted = made(main.revert(&last, usual()).await.unwrap());
    assert_eq!(reverted.tree().hash().await.unwrap(), before.tree().hash().await.unwrap());
    // A commit of elsewhere can be reverted; one of another repository cannot.
    let detached = bed.repo().main().await.unwrap();
    let of_another = head(&detached).await;
    refused(main.revert(&of_another, usual()).await, ErrorKind::InvalidInput, "another repository");
    refused(main.cherry_pick(&of_another, usual()).await, ErrorKind::InvalidInput, "another repo");
    drop(first);
}

async fn a_revert_of_what_was_changed_since_is_a_conflict(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let second = put(&main, "a", "2").await;
    let third = put(&main, "a", "3").await;
    let Merged::Conflicts(mut open) = main.revert(&second, usual()).await.unwrap() else {
        panic!("a conflict");
    };
    let conflict = open.conflicts().next().unwrap();
    let side = |side: &Option<ramus_kv::Side<Text>>| match side {
        Some(ramus_kv::Side::Contents(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    let sides = [&conflict.ancestor, &conflict.ours, &conflict.theirs].map(side);
    assert_eq!((sides, head(&main).await), (["2", "3", "1"].map(str::to_owned), third.clone()));
    let info = open.info().clone();
    assert!(info.message.starts_with("Revert \"set a to 2\""), "{info:?}");
    open.resolve("a", Resolution::Theirs).unwrap();
    let commit = main.commit_merge(&open, info.clone()).await.unwrap();
    assert_eq!((commit.parents(), read(&main, "a").await), (&[third.hash()][..], "1".into()));
    assert_eq!(commit.info().message, info.message);

    // One that is resolved to what is there is no commit.
    let Merged::Conflicts(mut open) = main.revert(&third, usual()).await.unwrap() else {
        panic!("a conflict");
    };
    open.resolve("a", Resolution::Ours).unwrap();
    assert_eq!(main.commit_merge(&open, "nothing").await.unwrap(), commit);
    assert_eq!(head(&main).await, commit);
}

async fn a_first_commit_is_reverted_and_picked_against_nothing(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    put(&main, "b", "1").await;
    made(main.revert(&first, usual()).await.unwrap());
    assert_eq!(steps(&main, "").await, ["b"]);
    let unborn = main.repo().branch("unborn").await.unwrap();
    let picked = made(unborn.cherry_pick(&first, usual()).await.unwrap());
    assert_eq!((picked.parents(), read(&unborn, "a").await), (&[][..], "1".into()));
    let beyond = main.revert(&first, usual().with_mainline(0)).await;
    refused(beyond, ErrorKind::InvalidInput, "has 0 parents, and none of index 0");
    // What is not there cannot be changed: a conflict, also on nothing.
    let second = put(&main, "b", "2").await;
    let nothing = main.repo().branch("nothing").await.unwrap();
    let Merged::Conflicts(mut open) = nothing.cherry_pick(&second, usual()).await.unwrap() else {
        panic!("a conflict");
    };
    assert_eq!(open.ours(), None);
    open.resolve("b", Resolution::Theirs).unwrap();
    let commit = nothing.commit_merge(&open, "picked").await.unwrap();
    assert_eq!((commit.parents(), read(&nothing, "b").await), (&[][..], "2".into()));
}

async fn a_merge_commit_is_reverted_and_picked_against_the_parent_that_is_said(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "base", "1").await;
    let draft = main.fork("draft").await.unwrap();
    put(&main, "ours", "1").await;
    put(&draft, "theirs", "1").await;
    let merge = main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap();
    let says =
        "has 2 parents; say by the option mainline from which of them its change is seen, 0 to 1";
    refused(main.revert(&merge, usual()).await, ErrorKind::InvalidInput, says);
    refused(main.cherry_pick(&merge, usual()).await, ErrorKind::InvalidInput, says);
    let beyond = main.revert(&merge, usual().with_mainline(2)).await;
    refused(beyond, ErrorKind::InvalidInput, "has 2 parents, and none of index 2");
    for (mainline, left, picked) in [(0, "ours", "theirs"), (1, "theirs", "ours")] {
        let on_merge = main.repo().detached(&merge).unwrap();
        made(on_merge.revert(&merge, usual().with_mainline(mainline)).await.unwrap());
        assert_eq!(steps(&on_merge, "").await, ["base", left]);
        let on_base = main.repo().detached(&base).unwrap();
        made(on_base.cherry_pick(&merge, usual().with_mainline(mainline)).await.unwrap());
        assert_eq!(steps(&on_base, "").await, ["base", picked]);
    }
    assert_eq!(head(&main).await, merge);
}

async fn a_change_that_is_there_already_makes_no_commit_unless_it_may_be_empty(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let second = put(&main, "a", "2").await;
    assert!(matches!(main.cherry_pick(&second, usual()).await.unwrap(), Merged::Unchanged));
    assert_eq!(head(&main).await, second);
    let empty = made(main.cherry_pick(&second, usual().allow_empty()).await.unwrap());
    assert_eq!((empty.parents(), head(&main).await), (&[second.hash()][..], empty.clone()));
    made(main.revert(&second, usual()).await.unwrap());
    let before = head(&main).await;
    assert!(matches!(main.revert(&second, usual()).await.unwrap(), Merged::Unchanged));
    assert_eq!(head(&main).await, before);
}

async fn a_pick_keeps_what_the_commit_says(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let info = Info::new("theirs").with_author("Ada").with_time_ms(7).with_header("ticket", "17");
    let theirs = draft.set("b", "1", info.clone()).await.unwrap().unwrap();
    let ours = put(&main, "c", "1").await;
    let picked = made(main.cherry_pick(&theirs, usual()).await.unwrap());
    assert_eq!((picked.info(), picked.parents()), (&info, &[ours.hash()][..]));
    assert_eq!(steps(&main, "").await, ["a", "b", "c"]);
    let main = main.repo().detached(&ours).unwrap();
    let other = made(main.cherry_pick(&theirs, usual().with_info("mine")).await.unwrap());
    assert_eq!(
        (other.info().message.as_str(), other.info().author.as_deref()),
        ("mine", Some("ramus"))
    );
}

async fn a_pick_with_conflicts_is_resolved_and_committed(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let info = Info::new("theirs").with_author("Ada").with_time_ms(7);
    let theirs = draft.set("a", "2", info.clone()).await.unwrap().unwrap();
    let ours = put(&main, "a", "3").await;
    let Merged::Conflicts(mut open) = main.cherry_pick(&theirs, usual()).await.unwrap() else {
        panic!("a conflict");
    };
    assert_eq!((open.info(), open.ours()), (&info, Some(&ours)));
    open.resolve("a", Resolution::Later).unwrap();
    let late = open.clone();
    let info = open.info().clone();
    let picked = main.commit_merge(&open, info.clone()).await.unwrap();
    assert_eq!((picked.info(), picked.parents()), (&info, &[ours.hash()][..]));
    assert_eq!(picked.tree().conflicts().collect().await.unwrap().len(), 1);
    refused(main.commit_merge(&late, "late").await, ErrorKind::Contention, "merge again");
}

async fn a_pick_of_what_counts_counts_again(bed: Bed) {
    let main = bed.repo_of::<Kv<Counter>>().main().await.unwrap();
    main.set("n", Counter(5), "base").await.unwrap();
    let more = main.set("n", Counter(6), "one more").await.unwrap().unwrap();
    let (one, other) = (main.fork("one").await.unwrap(), main.fork("other").await.unwrap());
    for branch in [&one, &other] {
        let merged = branch.cherry_pick(&more, usual()).await.unwrap();
        let Merged::Commit(commit) = merged else { panic!("{merged:?}") };
        assert_eq!(branch.find("n").await.unwrap(), Some(Counter(7)));
        assert_ne!(commit.info().headers, more.info().headers);
    }
    one.merge(&other, "merge").await.unwrap().clean().unwrap();
    assert_eq!(one.find("n").await.unwrap(), Some(Counter(8)));
}

async fn a_pick_that_lost_a_race_is_done_again(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let second = put(&main, "a", "2").await;
    let other = bed.main().await;
    bed.rig().before_next_write(async move { drop(put(&other, "b", "1").await) });
    made(main.revert(&second, usual()).await.unwrap());
    assert_eq!((read(&main, "a").await, read(&main, "b").await), ("1".into(), "1".into()));
    assert_eq!(messages(&main).await.len(), 4);
    // What came first may be what is in conflict.
    let other = bed.main().await;
    bed.rig().before_next_write(async move { drop(put(&other, "a", "3").await) });
    let merged = main.cherry_pick(&second, usual()).await.unwrap();
    assert!(matches!(merged, Merged::Conflicts(_)), "{merged:?}");
    assert_eq!(read(&main, "a").await, "3");
}

/// A branch of three commits beside `main`, which went on.
async fn beside(bed: &Bed) -> (Store<Text>, Store<Text>) {
    let main = bed.repo_that_counts().main().await.unwrap();
    put(&main, "base", "1").await;
    let draft = main.fork("draft").await.unwrap();
    for (path, value) in [("x", "1"), ("y", "1"), ("x", "2")] {
        let message = format!("draft: {path} is {value}");
        draft.set(path, value, Info::new(message).with_author("Ada")).await.unwrap().unwrap();
    }
    put(&main, "z", "1").await;
    (main, draft)
}

async fn rebase(draft: &Store<Text>, onto: &Commit<Text>, options: RebaseOptions) -> Rebased<Text> {
    draft.rebase(onto, options).await.unwrap()
}

async fn a_rebase_puts_each_commit_onto_the_other_with_one_update(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let (onto, before) = (head(&main).await, log(&draft).await);
    let operations = draft.repo().operations().await.unwrap().collect().await.unwrap().len();
    let expected = draft.repo().detached(&head(&draft).await).unwrap();
    let merged = expected.merge(&main, "merge").await.unwrap().clean().unwrap().unwrap();
    let tip = moved(rebase(&draft, &onto, RebaseOptions::default()).await);
    assert_eq!(head(&draft).await, tip);
    assert_eq!(tip.tree().hash().await.unwrap(), merged.tree().hash().await.unwrap());
    let after = log(&draft).await;
    assert_eq!(after[3], onto);
    for (old, new) in before.iter().zip(&after).take(3) {
        assert_eq!(old.info(), new.info(), "author, time and message are kept");
        assert_eq!(new.parents().len(), 1);
    }
    let now = draft.repo().operations().await.unwrap().collect().await.unwrap().len();
    assert_eq!(now, operations + 1, "one update");
    assert!(main.fast_forward(&tip).await.unwrap());
}

async fn a_rebase_leaves_out_what_changes_nothing(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    put(&main, "y", "1").await;
    let (onto, own) = (head(&main).await, head(&draft).await);
    moved(rebase(&draft, &onto, RebaseOptions::default()).await);
    assert_eq!(messages(&draft).await[..3], ["draft: x is 2", "draft: x is 1", "set y to 1"]);
    let again = draft.repo().detached(&own).unwrap();
    moved(rebase(&again, &onto, RebaseOptions::default().allow_empty()).await);
    assert_eq!(messages(&again).await[..2], ["draft: x is 2", "draft: y is 1"]);
}

async fn a_rebase_leaves_what_stands_there_already_as_it_is(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let empty = TransactionOptions::default().allow_empty();
    draft.transact_with(empty, "nothing", async |_| Ok(())).await.unwrap();
    let (onto, tip) = (head(&main).await, head(&draft).await);
    let base = draft.repo().commit(&onto.parents()[0]).await.unwrap().unwrap();
    assert!(matches!(rebase(&draft, &base, RebaseOptions::default()).await, Rebased::Unchanged));
    assert_eq!(head(&draft).await, tip, "also a commit that changes nothing");
    moved(rebase(&draft, &onto, RebaseOptions::default()).await);
    assert_eq!(messages(&draft).await[0], "draft: x is 2", "elsewhere it is left out");
}

async fn a_rebase_of_nothing_of_its_own_moves_forward_or_stays(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let (onto, tip) = (head(&main).await, head(&draft).await);
    let base = draft.repo().commit(&onto.parents()[0]).await.unwrap().unwrap();
    assert!(matches!(rebase(&draft, &base, RebaseOptions::default()).await, Rebased::Unchanged));
    assert!(matches!(rebase(&draft, &tip, RebaseOptions::default()).await, Rebased::Unchanged));
    assert_eq!(head(&draft).await, tip);
    let behind = draft.repo().detached(&base).unwrap();
    assert_eq!(moved(rebase(&behind, &onto, RebaseOptions::default()).await), onto);
    let unborn = draft.repo().branch("unborn").await.unwrap();
    assert_eq!(moved(rebase(&unborn, &onto, RebaseOptions::default()).await), onto);
    assert_eq!(head(&unborn).await, onto);
}

async fn a_rebase_refuses_merges_unless_they_are_changes_of_the_branch(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let base = head(&main).await.parents()[0];
    let side = draft.repo().detached(&draft.repo().commit(&base).await.unwrap().unwrap()).unwrap();
    put(&side, "side", "1").await;
    let merge = draft.merge(&side, "merge side").await.unwrap().clean().unwrap().unwrap();
    let onto = head(&main).await;
    let answer = draft.rebase(&onto, RebaseOptions::default()).await;
    let says = format!("commit {} is a merge", merge.hash());
    refused(answer, ErrorKind::InvalidInput, &says);
    assert_eq!(head(&draft).await, merge);
    moved(rebase(&draft, &onto, RebaseOptions::default().first_parent()).await);
    assert_eq!(steps(&draft, "").await, ["base", "side", "x", "y", "z"]);
    assert_eq!(messages(&draft).await[..2], ["merge side", "draft: x is 2"]);
    assert_eq!(head(&draft).await.parents().len(), 1);
}

async fn a_rebase_halts_at_conflicts_and_goes_on(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let (onto, before) = (put(&main, "x", "ours").await, log(&draft).await);
    let halt = RebaseOptions::default();
    let first = halted(rebase(&draft, &onto, halt).await);
    assert_eq!((&first.commit, head(&draft).await), (&before[2], before[0].clone()));
    let open = draft.continue_rebase(&first).await;
    refused(open, ErrorKind::Conflict, "`x`");
    let mut second = first.clone();
    second.unmerged.resolve("x", Resolution::Contents("both".into())).unwrap();
    let mut second = halted(draft.continue_rebase(&second).await.unwrap());
    assert_eq!((&second.commit, head(&draft).await), (&before[0], before[0].clone()));
    // Commits that came meanwhile are put there, too.
    draft.set("late", "1", "draft: late").await.unwrap().unwrap();
    second.unmerged.resolve("x", Resolution::Theirs).unwrap();
    let tip = moved(draft.continue_rebase(&second).await.unwrap());
    assert_eq!((head(&draft).await, read(&draft, "x").await), (tip, "2".into()));
    let expected =
        ["draft: late", "draft: x is 2", "draft: y is 1", "draft: x is 1", "set x to ours"];
    assert_eq!(messages(&draft).await[..5], expected);
    // One that comes to nothing is left out.
    let again = draft.repo().detached(&before[0]).unwrap();
    let mut ours = halted(rebase(&again, &onto, halt).await);
    ours.unmerged.resolve("x", Resolution::Ours).unwrap();
    let mut ours = halted(again.continue_rebase(&ours).await.unwrap());
    ours.unmerged.resolve("x", Resolution::Ours).unwrap();
    moved(again.continue_rebase(&ours).await.unwrap());
    assert_eq!(messages(&again).await[..2], ["draft: y is 1", "set x to ours"]);
    // Of a branch that was moved aside it begins anew.
    let aside = draft.repo().branch("aside").await.unwrap();
    aside.set_head(&before[0]).await.unwrap();
    let mut first = halted(rebase(&aside, &onto, halt).await);
    first.unmerged.resolve("x", Resolution::Ours).unwrap();
    aside.set_head(&head(&main).await).await.unwrap();
    put(&aside, "elsewhere", "1").await;
    let answer = aside.continue_rebase(&first).await.unwrap();
    assert!(matches!(answer, Rebased::Unchanged), "{answer:?}");
    let detached = draft.repo().detached(&before[0]).unwrap();
    refused(rebase(&detached, &onto, halt).await.clean(), ErrorKind::Conflict, "`x`");
}

async fn a_rebase_can_store_conflicts(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let onto = put(&main, "x", "ours").await;
    let later = RebaseOptions::default().with_on_conflict(OnConflict::Later);
    let tip = moved(rebase(&draft, &onto, later).await);
    // The third commit has changed its side of the conflict that the first one stored.
    let conflicts = tip.tree().conflicts().collect().await.unwrap();
    let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
    let side = |side: &Option<ramus_kv::Side<Text>>| match side {
        Some(ramus_kv::Side::Contents(text)) => text.clone(),
        None => "nothing".to_owned(),
        other => panic!("{other:?}"),
    };
    let sides = [&conflict.ancestor, &conflict.ours, &conflict.theirs].map(side);
    assert_eq!(sides, ["nothing", "ours", "2"].map(str::to_owned));
    assert_eq!((read(&draft, "y").await, messages(&draft).await.len()), ("1".into(), 6));
    let mut edit = draft.begin().await.unwrap();
    edit.resolve("x", Resolution::Theirs).await.unwrap();
    draft.commit(edit, "resolve").await.unwrap().unwrap();
    assert_eq!(read(&draft, "x").await, "2");
}

async fn a_rebase_of_an_unrelated_history_begins_from_nothing(bed: Bed) {
    let (main, _) = beside(&bed).await;
    let other = main.repo().branch("other").await.unwrap();
    put(&other, "o", "1").await;
    put(&other, "o", "2").await;
    moved(rebase(&other, &head(&main).await, RebaseOptions::default()).await);
    assert_eq!(steps(&other, "").await, ["base", "o", "z"]);
    assert_eq!(messages(&other).await[..3], ["set o to 2", "set o to 1", "set z to 1"]);
    let elsewhere = put(&bed.another().await.main().await, "a", "1").await;
    let answer = other.rebase(&elsewhere, RebaseOptions::default()).await;
    refused(answer, ErrorKind::InvalidInput, "another repository");
}

async fn a_rebase_takes_in_what_comes_meanwhile(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let onto = head(&main).await;
    let other = bed.repo().branch("draft").await.unwrap();
    bed.rig().before_next_update(async move { drop(put(&other, "late", "1").await) });
    let tip = moved(rebase(&draft, &onto, RebaseOptions::default()).await);
    assert_eq!(head(&draft).await, tip);
    assert_eq!(messages(&draft).await[..2], ["set late to 1", "draft: x is 2"]);
    assert_eq!(messages(&draft).await.len(), 6);
    // One that is moved aside meanwhile is done again.
    let base = draft.repo().commit(&onto.parents()[0]).await.unwrap().unwrap();
    let aside = draft.repo().detached(&base).unwrap();
    let theirs = put(&aside, "aside", "1").await;
    let other = bed.repo().branch("draft").await.unwrap();
    let theirs = other.repo().commit(&theirs.hash()).await.unwrap().unwrap();
    let newer = put(&main, "newer", "1").await;
    bed.rig().before_next_update(async move { other.set_head(&theirs).await.unwrap() });
    moved(rebase(&draft, &newer, RebaseOptions::default()).await);
    assert_eq!(messages(&draft).await[..2], ["set aside to 1", "set newer to 1"]);
    assert_eq!(steps(&draft, "").await, ["aside", "base", "newer", "z"]);
}

async fn a_rebase_of_a_branch_that_is_moved_again_and_again_ends_in_contention(bed: Bed) {
    use ramus_core::erased::Backend;
    use ramus_kv::{Repo, RepoOptions};

    let (main, _) = beside(&bed).await;
    let options = RepoOptions::default().with_attempts_max(1);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let draft = repo.branch("draft").await.unwrap();
    let onto = repo.commit(&head(&main).await.hash()).await.unwrap().unwrap();
    let other = bed.repo().branch("draft").await.unwrap();
    bed.rig().before_next_update(async move { drop(put(&other, "late", "1").await) });
    let answer = draft.rebase(&onto, RebaseOptions::default()).await;
    refused(answer, ErrorKind::Contention, "before each of 1 attempts");
    assert_eq!(messages(&draft).await[..2], ["set late to 1", "draft: x is 2"]);
}

async fn squash(
    store: &Store<Text>,
    base: Option<&Commit<Text>>,
    options: SquashOptions,
) -> Commit<Text> {
    let squashed = match base {
        Some(base) => store.squash(base, options).await,
        None => store.squash_all(options).await,
    };
    let commit = squashed.unwrap();
    assert_eq!(head(store).await, commit);
    commit
}

async fn a_squash_makes_one_commit_of_the_tree_of_the_last(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let base = draft.repo().commit(&head(&main).await.parents()[0]).await.unwrap().unwrap();
    let before = head(&draft).await;
    let one = squash(&draft, Some(&base), SquashOptions::default()).await;
    assert_eq!(one.parents(), [base.hash()]);
    assert_eq!(one.tree().hash().await.unwrap(), before.tree().hash().await.unwrap());
    let message = "draft: x is 1\n\ndraft: y is 1\n\ndraft: x is 2";
    assert_eq!((one.info().message.as_str(), one.info().author.as_deref()), (message, Some("Ada")));
    assert!(one.info().time_ms > before.info().time_ms, "it is made now");
    // One alone stays, unless it is to say something else.
    assert_eq!(squash(&draft, Some(&base), SquashOptions::default()).await, one);
    let said = SquashOptions::default().with_info(Info::new("in short").with_author("Bob"));
    let said = squash(&draft, Some(&base), said).await;
    assert_eq!((said.info().message.as_str(), said.parents()), ("in short", &[base.hash()][..]));
    assert_eq!(squash(&draft, Some(&said), SquashOptions::default()).await, said);
    let unrelated = put(&draft.repo().empty(), "u", "1").await;
    let answer = draft.squash(&unrelated, SquashOptions::default()).await;
    refused(answer, ErrorKind::InvalidInput, "is no ancestor of");
    let unborn = draft.repo().branch("unborn").await.unwrap();
    let answer = unborn.squash_all(SquashOptions::default()).await;
    refused(answer, ErrorKind::InvalidInput, "no commits");
    // Long messages are not all kept.
    for number in 0..4 {
        let message = format!("{number} {}", "long ".repeat(5000));
        draft.set("x", format!("{number}"), message).await.unwrap().unwrap();
    }
    let long = squash(&draft, Some(&said), SquashOptions::default()).await;
    assert!(long.info().message.starts_with("(2 messages are left out)\n\n2 long"));
    assert!(long.info().message.len() <= 65 << 10);
}

async fn a_squash_that_comes_to_nothing_takes_the_commits_out(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "a", "1").await;
    put(&main, "a", "2").await;
    let back = put(&main, "a", "1").await;
    assert_eq!(squash(&main, Some(&base), SquashOptions::default()).await, base);
    main.set_head(&back).await.unwrap();
    let empty = squash(&main, Some(&base), SquashOptions::default().allow_empty()).await;
    assert_eq!((empty.parents(), empty != back), (&[base.hash()][..], true));
}

async fn a_squash_of_the_whole_history_is_a_beginning(bed: Bed) {
    let (_, draft) = beside(&bed).await;
    let before = head(&draft).await;
    let one = squash(&draft, None, SquashOptions::default()).await;
    assert_eq!((one.parents(), log(&draft).await.len()), (&[][..], 1));
    assert_eq!(one.tree().hash().await.unwrap(), before.tree().hash().await.unwrap());
    assert_eq!(one.info().author.as_deref(), Some("test"), "who wrote the oldest");
}

async fn a_squash_refuses_merges_unless_they_are_changes_of_the_branch(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let base = main.repo().commit(&head(&main).await.parents()[0]).await.unwrap().unwrap();
    let merge = main.merge(&draft, "merge").await.unwrap().clean().unwrap().unwrap();
    put(&main, "z", "2").await;
    let answer = main.squash(&base, SquashOptions::default()).await;
    refused(answer, ErrorKind::InvalidInput, &format!("commit {} is a merge", merge.hash()));
    let one = squash(&main, Some(&base), SquashOptions::default().first_parent()).await;
    assert_eq!(one.info().message, "set z to 1\n\nmerge\n\nset z to 2");
    assert_eq!(one.parents(), [base.hash()]);
    assert_eq!(steps(&main, "").await, ["base", "x", "y", "z"]);
    let again = main.merge_with(&merge, MergeOptions::default(), "again").await.unwrap();
    assert!(
        matches!(again, Merged::Conflicts(_)),
        "what was merged is not in the history any more"
    );
}

async fn a_squash_takes_in_what_comes_meanwhile(bed: Bed) {
    let (main, draft) = beside(&bed).await;
    let base = draft.repo().commit(&head(&main).await.parents()[0]).await.unwrap().unwrap();
    let other = bed.repo().branch("draft").await.unwrap();
    bed.rig().before_next_write(async move { drop(put(&other, "late", "1").await) });
    let one = squash(&draft, Some(&base), SquashOptions::default()).await;
    assert_eq!((one.parents(), read(&draft, "late").await), (&[base.hash()][..], "1".into()));
    assert!(one.info().message.ends_with("draft: x is 2\n\nset late to 1"), "{:?}", one.info());
}
