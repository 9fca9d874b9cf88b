//! Contents, directories, commits, branches, and the store as its users see it.

use std::collections::BTreeSet;

use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, ContentAddressable as _, ErrorKind, Hash as _, ReadOnly as _, Sha1,
    Storage as _,
};
use ramus_kv::block::CommitBlock;
use ramus_kv::{Format as _, Info, Kind, Kv, MergeOptions, Native, OnRace, Status};
use ramus_kv::{Repo, TransactionOptions};

use crate::bed::{Bed, contents_hash, head, log, long_text, messages, put, read, refused, steps};

on_every_backend!(
    a_value_that_is_added_twice_has_one_name_also_an_empty_one,
    the_same_tree_parents_and_info_are_the_same_commit,
    a_commit_reaches_its_ancestors_and_the_author_is_kept,
    branches_are_set_overwritten_listed_and_removed,
    every_operation_on_a_closed_repository_answers_closed,
    a_closed_repository_leaves_others_alone,
    an_empty_store_has_no_head_and_the_first_set_makes_the_commit_that_is_expected,
    values_are_found_and_forks_go_their_own_way,
    a_fork_onto_an_existing_branch_is_refused_and_set_head_moves_it,
    a_head_can_be_moved_back,
    removing_reaches_the_empty_root,
    a_handle_says_what_it_is_on,
    a_detached_handle_moves_alone,
    test_and_set_makes_commits_with_the_right_messages_and_contents,
    trees_and_commits_made_of_names_alone_can_be_embedded_and_read_back,
    bytes_of_directories_and_commits_stored_as_contents_have_other_names,
    a_transaction_sees_its_own_writes_and_nobody_else_does,
);

async fn a_value_that_is_added_twice_has_one_name_also_an_empty_one(bed: Bed) {
    let main = bed.main().await;
    for text in ["", "text", &long_text("long")] {
        put(&main, &format!("one/{}", text.len()), text).await;
        put(&main, &format!("two/{}", text.len()), text).await;
        let tree = main.tree().await.unwrap();
        for directory in ["one", "two"] {
            let path = format!("{directory}/{}", text.len());
            assert_eq!(tree.find_hash(&path).await.unwrap(), Some(contents_hash(text)));
            assert_eq!(read(&main, &path).await, text);
        }
        let again = bed.rig().blocks().add(Native::encode_contents(text.as_bytes())).await;
        assert_eq!(again.unwrap(), contents_hash(text));
    }
}

async fn the_same_tree_parents_and_info_are_the_same_commit(bed: Bed) {
    let repo = bed.repo();
    let info = || Info::new("one").with_author("ada").with_time_ms(7);
    let (one, two) = (repo.branch("one").await.unwrap(), repo.branch("two").await.unwrap());
    let first = one.set("a", "1", info()).await.unwrap().unwrap();
    assert_eq!(two.set("a", "1", info()).await.unwrap().unwrap(), first);
    let later = info().with_time_ms(8);
    let three = repo.branch("three").await.unwrap();
    assert_ne!(three.set("a", "1", later).await.unwrap().unwrap(), first);
    let second = one.set("b", "1", info()).await.unwrap().unwrap();
    assert_eq!(two.set("b", "1", info()).await.unwrap().unwrap(), second);
    assert_eq!((second.parents(), first.parents()), (&[first.hash()][..], &[][..]));
}

async fn a_commit_reaches_its_ancestors_and_the_author_is_kept(bed: Bed) {
    let main = bed.main().await;
    let info = Info::new("first").with_author("ada");
    let first = main.set("a", "1", info).await.unwrap().unwrap();
    let second = put(&main, "b", "1").await;
    let repo = bed.repo();
    let reached = |hash: Sha1| {
        let repo = repo.clone();
        async move { log(&repo.detached(&repo.commit(&hash).await.unwrap().unwrap()).unwrap()).await }
    };
    assert_eq!(reached(first.hash()).await, std::slice::from_ref(&first));
    assert_eq!(reached(second.hash()).await, [second.clone(), first.clone()]);
    let read = repo.commit(&first.hash()).await.unwrap().unwrap();
    assert_eq!(read.info().author.as_deref(), Some("ada"));
    assert!(repo.is_ancestor(&read, &read).await.unwrap());
    let child = repo.commit(&second.hash()).await.unwrap().unwrap();
    assert!(repo.is_ancestor(&read, &child).await.unwrap());
    assert!(!repo.is_ancestor(&child, &read).await.unwrap());
    assert_eq!(repo.commit(&contents_hash("no commit")).await.unwrap(), None);
}

async fn branches_are_set_overwritten_listed_and_removed(bed: Bed) {
    let repo = bed.repo();
    let first = put(&repo.main().await.unwrap(), "a", "1").await;
    let second = put(&repo.main().await.unwrap(), "a", "2").await;
    let nested = repo.branch("nested/name").await.unwrap();
    nested.set_head(&first).await.unwrap();
    assert_eq!(head(&nested).await, first);
    nested.set_head(&second).await.unwrap();
    assert_eq!(head(&nested).await, second);
    assert_eq!(repo.branches().await.unwrap(), ["main", "nested/name"]);
    assert!(repo.remove_branch("nested/name").await.unwrap());
    assert!(!repo.remove_branch("nested/name").await.unwrap());
    assert_eq!(nested.head().await.unwrap(), None);
    assert_eq!(nested.find("a").await.unwrap(), None);
    assert_eq!(repo.branches().await.unwrap(), ["main"]);
    assert!(nested.test_and_set_head(None, Some(&first)).await.unwrap());
    assert!(nested.test_and_set_head(Some(&first), None).await.unwrap(), "that removes it, too");
    assert_eq!(bed.repo().branches().await.unwrap(), ["main"]);
}

async fn every_operation_on_a_closed_repository_answers_closed(bed: Bed) {
    let main = bed.main().await;
    let (repo, commit) = (main.repo().clone(), put(&main, "dir/a", "1").await);
    let (detached, mut log) = (repo.detached(&commit).unwrap(), main.log().await.unwrap());
    let transaction = main.begin().await.unwrap();
    let tree = commit.tree();
    let operation = repo.operations().await.unwrap().next().await.unwrap().unwrap();
    repo.close().await.unwrap();
    repo.close().await.unwrap();
    let closed = ErrorKind::Closed;
    let says = "the store is closed";
    refused(repo.branches().await, closed, says);
    refused(repo.remove_branch("main").await, closed, says);
    refused(repo.remove_branch_at("main", &commit).await, closed, says);
    refused(repo.create_branch("late", &commit).await, closed, says);
    refused(repo.rename_branch("main", "late").await, closed, says);
    refused(repo.copy_branch("main", "late").await, closed, says);
    refused(repo.heads("").await, closed, says);
    refused(repo.create_tag("late", &commit).await, closed, says);
    refused(repo.find_tag("late").await, closed, says);
    refused(repo.tags("").await, closed, says);
    refused(repo.remove_tag("late").await, closed, says);
    refused(repo.operations().await, closed, says);
    refused(repo.operation(operation.cursor).await, closed, says);
    refused(repo.undo(&operation).await, closed, says);
    refused(repo.commit(&commit.hash()).await, closed, says);
    refused(repo.lcas(&commit, &commit).await, closed, says);
    refused(repo.watch("").await, closed, says);
    refused(main.commit(transaction, "late").await, closed, says);
    refused(main.watch("").await, closed, says);
    refused(main.fork("late").await, closed, says);
    log.next().await.unwrap().unwrap();
    for store in [main, detached] {
        refused(store.head().await, closed, says);
        refused(store.tree().await, closed, says);
        refused(store.find("dir/a").await, closed, says);
        refused(store.mem("dir/a").await, closed, says);
        refused(store.kind("dir/a").await, closed, says);
        refused(store.list("dir").await, closed, says);
        refused(store.find_tree("dir").await, closed, says);
        refused(store.log().await, closed, says);
        refused(store.begin().await, closed, says);
        refused(store.set("a", "2", "late").await, closed, says);
        refused(store.remove("dir", "late").await, closed, says);
        refused(store.rename("dir", "other", "late").await, closed, says);
        refused(store.set_tree("other", &tree, "late").await, closed, says);
        refused(store.test_and_set("a", None, None, "late").await, closed, says);
        refused(store.transact("late", async |edit| edit.set("a", "2").await).await, closed, says);
        refused(store.transact_again("late", async |_| Ok(())).await, closed, says);
        refused(store.set_head(&commit).await, closed, says);
        refused(store.test_and_set_head(None, Some(&commit)).await, closed, says);
        refused(store.fast_forward(&commit).await, closed, says);
        refused(store.merge_with(&commit, MergeOptions::default(), "late").await, closed, says);
        refused(store.merge(&store, "late").await, closed, says);
    }
}

async fn a_closed_repository_leaves_others_alone(bed: Bed) {
    let (main, other) = (bed.main().await, bed.another().await.main().await);
    main.repo().close().await.unwrap();
    put(&other, "a", "1").await;
    assert_eq!(read(&other, "a").await, "1");
    refused(bed.main().await.head().await, ErrorKind::Closed, "closed");
}

async fn an_empty_store_has_no_head_and_the_first_set_makes_the_commit_that_is_expected(bed: Bed) {
    let repo = bed.repo_that_counts();
    let empty = repo.empty();
    assert_eq!((empty.status(), empty.head().await.unwrap()), (Status::Empty, None));
    assert_eq!(steps(&empty, "").await, Vec::<String>::new());
    assert_eq!(log(&empty).await, []);
    let main = repo.main().await.unwrap();
    assert_eq!(main.head().await.unwrap(), None);

    let commit = empty.set("b", "2", "first").await.unwrap().unwrap();
    let root = bed.add_directory(&[("b", "2")]).await;
    let info = Info::new("first").with_author("test").with_time_ms(1);
    let block = CommitBlock { root, parents: Vec::new(), info };
    let expected = Sha1::of(&Native::encode_commit(&block).unwrap());
    assert_eq!(commit.hash(), expected);
    assert_eq!(empty.status(), Status::Commit(commit));
    assert_eq!(repo.branches().await.unwrap(), Vec::<String>::new());
}

async fn values_are_found_and_forks_go_their_own_way(bed: Bed) {
    let main = bed.main().await;
    put(&main, "dir/x", "1").await;
    let fork = main.fork("fork").await.unwrap();
    assert_eq!(head(&fork).await, head(&main).await);
    put(&fork, "dir/x", "2").await;
    put(&fork, "y", "2").await;
    assert_eq!((read(&main, "dir/x").await, main.mem("y").await.unwrap()), ("1".into(), false));
    assert_eq!((read(&fork, "dir/x").await, fork.mem("y").await.unwrap()), ("2".into(), true));
    assert!(!fork.mem("dir").await.unwrap(), "a directory is no value");
    assert_eq!(fork.kind("dir").await.unwrap(), Some(Kind::Directory));
    assert_eq!(fork.kind("").await.unwrap(), Some(Kind::Directory));
    assert_eq!(fork.kind("y").await.unwrap(), Some(Kind::Contents));
    let unborn = bed.repo().branch("unborn").await.unwrap();
    let nothing = unborn.fork("nothing").await.unwrap();
    assert_eq!(nothing.head().await.unwrap(), None, "a fork of nothing is nothing");
    assert_eq!(bed.repo().branches().await.unwrap(), ["fork", "main"]);
}

async fn a_fork_onto_an_existing_branch_is_refused_and_set_head_moves_it(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let fork = main.fork("fork").await.unwrap();
    let second = put(&main, "a", "2").await;
    bed.rig().take_added();
    let before = bed.rig().refs().position().await.unwrap();
    for name in ["fork", "main"] {
        let says = format!("branch `{name}` exists, on commit");
        refused(main.fork(name).await, ErrorKind::InvalidInput, &says);
    }
    // It is checked before anything is written.
    assert_eq!(bed.rig().take_added(), []);
    assert_eq!(bed.rig().refs().position().await.unwrap(), before);
    assert_eq!(head(&fork).await, first);
    fork.set_head(&second).await.unwrap();
    assert_eq!(head(&fork).await, second);
}

async fn a_head_can_be_moved_back(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    put(&main, "a", "2").await;
    put(&main, "b", "2").await;
    main.set_head(&first).await.unwrap();
    assert_eq!((read(&main, "a").await, steps(&main, "").await), ("1".into(), vec!["a".into()]));
    put(&main, "a", "3").await;
    assert_eq!(messages(&main).await, ["set a to 3", "set a to 1"]);
    assert_eq!(read(&bed.main().await, "a").await, "3");
}

async fn removing_reaches_the_empty_root(bed: Bed) {
    let main = bed.main().await;
    for path in ["a/b/c", "a/b/d", "a/e", "f"] {
        put(&main, path, "1").await;
    }
    main.remove("a/b", "a directory").await.unwrap().unwrap();
    assert_eq!(steps(&main, "a").await, ["e"]);
    main.remove("a/e", "the last one").await.unwrap().unwrap();
    assert_eq!(steps(&main, "").await, ["f"]);
    assert_eq!(main.remove("a/b", "gone").await.unwrap(), None);
    main.remove("f", "the very last").await.unwrap().unwrap();
    assert_eq!(steps(&main, "").await, Vec::<String>::new());
    assert_eq!(main.remove("", "empty already").await.unwrap(), None);
    put(&main, "x", "1").await;
    main.remove("", "everything").await.unwrap().unwrap();
    assert!(main.tree().await.unwrap().is_empty());
}

async fn a_handle_says_what_it_is_on(bed: Bed) {
    let main = bed.main().await;
    let commit = put(&main, "a", "1").await;
    assert_eq!(main.status(), Status::Branch("main".to_owned()));
    assert_eq!(main.branch_name(), Some("main"));
    let fork = main.fork("some/fork").await.unwrap();
    assert_eq!(fork.status(), Status::Branch("some/fork".to_owned()));
    let detached = main.repo().detached(&commit).unwrap();
    assert_eq!((detached.status(), detached.branch_name()), (Status::Commit(commit), None));
}

async fn a_detached_handle_moves_alone(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let detached = main.repo().detached(&first).unwrap();
    let clone = detached.clone();
    let second = put(&detached, "a", "2").await;
    assert_eq!(second.parents(), [first.hash()]);
    assert_eq!((head(&detached).await, head(&clone).await), (second.clone(), second.clone()));
    assert_eq!((read(&main, "a").await, head(&main).await), ("1".into(), first.clone()));
    assert!(!detached.test_and_set_head(Some(&first), None).await.unwrap());
    assert!(main.fast_forward(&second).await.unwrap());
    assert_eq!(read(&bed.main().await, "a").await, "2", "what it wrote is there to be named");
    let draft = detached.fork("draft").await.unwrap();
    assert_eq!(head(&draft).await, second);
    detached.set_head(&first).await.unwrap();
    put(&detached, "b", "1").await;
    detached.merge(&main, "merge").await.unwrap().clean().unwrap();
    assert_eq!(steps(&detached, "").await, ["a", "b"]);
}

async fn test_and_set_makes_commits_with_the_right_messages_and_contents(bed: Bed) {
    let main = bed.main().await;
    let is = |text: &str| Some(text.to_owned());
    assert!(main.test_and_set("dir/a", None, is("1"), "make it").await.unwrap());
    assert!(!main.test_and_set("dir/a", None, is("2"), "make it again").await.unwrap());
    assert!(main.test_and_set("dir/a", is("1"), is("1"), "keep it").await.unwrap());
    assert!(main.test_and_set("dir/a", is("1"), is("2"), "change it").await.unwrap());
    let [second, first] = &log(&main).await[..] else { panic!("two commits") };
    let told = |commit: &ramus_kv::Commit<_>| commit.info().message.clone();
    assert_eq!([told(first), told(second)], ["make it", "change it"]);
    assert_eq!(first.tree().find("dir/a").await.unwrap(), is("1"));
    assert_eq!(second.tree().find("dir/a").await.unwrap(), is("2"));
    assert!(main.test_and_set("dir/a", is("2"), None, "remove it").await.unwrap());
    assert_eq!(main.kind("dir").await.unwrap(), None);
}

async fn trees_and_commits_made_of_names_alone_can_be_embedded_and_read_back(bed: Bed) {
    // The blocks are added below the repository, which learns of them by name only.
    let below = long_text("below");
    let directory = bed.add_directory(&[("x", &below), ("deep/y", "2")]).await;
    let main = bed.main().await;
    let shallow = main.repo().tree(&directory).await.unwrap();
    assert_eq!(shallow.hash().await.unwrap(), directory);
    put(&main, "beside", "1").await;
    main.set_tree("embedded", &shallow, "embed").await.unwrap().unwrap();
    assert_eq!(read(&bed.main().await, "embedded/x").await, below);

    let one = bed.add_commit(main.repo(), directory, &[], "one").await;
    let two = bed.add_commit(main.repo(), directory, &[one.hash()], "two").await;
    let branch = main.repo().branch("shallow").await.unwrap();
    branch.set_head(&two).await.unwrap();
    put(&branch, "y", "1").await;
    let messages = messages(&bed.repo().branch("shallow").await.unwrap()).await;
    assert_eq!(messages, ["set y to 1", "two", "one"]);
}

async fn bytes_of_directories_and_commits_stored_as_contents_have_other_names(bed: Bed) {
    let repo = bed.repo_of::<Kv<Bytes>>();
    let main = repo.main().await.unwrap();
    let blobs = repo.branch("blobs").await.unwrap();
    for entries in [0_usize, 1, 260] {
        let mut edit = main
            .begin_with(TransactionOptions::default().allow_empty().with_on_race(OnRace::Refuse))
            .await
            .unwrap();
        for entry in 0..entries {
            edit.set(format!("{entry}"), Bytes::from(format!("{entry}"))).await.unwrap();
        }
        let commit = main.commit(edit, "fill").await.unwrap().unwrap();
        for name in [commit.tree().hash().await.unwrap(), commit.hash()] {
            let block = bed.rig().blocks().find(&name).await.unwrap().unwrap();
            blobs.set("blob", block.clone(), "as contents").await.unwrap().unwrap();
            let blob = blobs.tree().await.unwrap().find_hash("blob").await.unwrap().unwrap();
            assert_ne!(blob, name);
            assert_eq!(blobs.find("blob").await.unwrap(), Some(block));
            if bed.rig().blocks().find(&blob).await.unwrap().is_none() {
                // So short a value lies in its directory, and has no block at all.
                continue;
            }
            let as_commit = repo.commit(&blob).await;
            refused(as_commit, ErrorKind::Corrupt, "cannot be read as a commit");
            let as_tree = repo.tree(&blob).await.unwrap().list("").await;
            refused(as_tree, ErrorKind::Corrupt, "cannot be read as a directory");
        }
    }
}

async fn a_transaction_sees_its_own_writes_and_nobody_else_does(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let mut edit = main.begin().await.unwrap();
    edit.set("a", "2").await.unwrap();
    edit.set("b", "2").await.unwrap();
    assert_eq!(edit.find("a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(edit.base(), main.head().await.unwrap().as_ref());
    assert_eq!((read(&main, "a").await, main.mem("b").await.unwrap()), ("1".into(), false));
    put(&main, "c", "3").await;
    assert!(!edit.mem("c").await.unwrap(), "it is one snapshot");
    drop(edit);
    let names: BTreeSet<String> = steps(&main, "").await.into_iter().collect();
    assert_eq!(names, BTreeSet::from(["a".into(), "c".into()]), "dropped, it did nothing");
    let _: &Repo<_> = main.repo();
}
