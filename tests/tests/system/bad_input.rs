//! Bad input: each gets a clear error of the right kind, and changes nothing.

use ramus_core::erased::Backend;
use ramus_core::wrap::Verified;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, Cursor, Error, ErrorKind, Hash as _, Joined, Path,
    RefName, Sha1, Storage as _, Update,
};
use ramus_kv::{Conflict, Contents, Format as _, Kv, MergeOptions, Native, Repo};
use ramus_mem::{MemOptions, MemRefs};

use crate::bed::{Bed, Text, contents_hash, head, log, long_text, put, read, refused};

on_every_backend!(
    malformed_paths_names_and_hashes_are_refused_and_change_nothing,
    a_block_that_does_not_decode_is_corrupt_and_named,
    a_block_with_a_wrong_hash_is_corrupt_where_blocks_are_verified,
    a_missing_parent_is_missing_and_named,
    an_update_over_the_limits_is_refused,
    a_value_over_the_limit_of_blocks_is_refused,
    a_directory_over_the_limit_of_blocks_is_refused,
    a_path_that_is_too_deep_is_refused,
    commits_and_trees_of_another_repository_are_refused,
    a_merge_that_panics_aborts_and_disturbs_nobody,
    a_value_that_cannot_be_encoded_is_refused,
    a_message_of_any_length_is_kept,
);

async fn malformed_paths_names_and_hashes_are_refused_and_change_nothing(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a", "1").await;
    let before = bed.rig().refs().position().await.unwrap();
    let invalid = ErrorKind::InvalidInput;
    for (path, says) in [
        ("/a", "step 1 of path `/a` is empty"),
        ("a/", "step 2 of path `a/` is empty"),
        ("a//b", "step 2 of path `a//b` is empty"),
        ("a/\0", "step 2 of path `a/\\0` holds a NUL byte"),
    ] {
        refused(main.find(path).await, invalid, says);
        refused(main.mem(path).await, invalid, says);
        refused(main.kind(path).await, invalid, says);
        refused(main.list(path).await, invalid, says);
        refused(main.find_tree(path).await, invalid, says);
        refused(main.set(path, "1", "set").await, invalid, says);
        refused(main.remove(path, "remove").await, invalid, says);
        refused(main.rename(path, "b", "rename").await, invalid, says);
        refused(main.rename("a", path, "rename").await, invalid, says);
        refused(main.test_and_set(path, None, None, "test").await, invalid, says);
        let tree = main.tree().await.unwrap();
        refused(main.set_tree(path, &tree, "tree").await, invalid, says);
        refused(main.watch(path).await, invalid, says);
        refused(path.parse::<Path>(), invalid, says);
    }
    refused(main.rename("gone", "b", "rename").await, invalid, "nothing is there to be renamed");
    refused(main.rename("a", "a/b", "rename").await, invalid, "one lies below the other");
    put(&main, "b", "1").await;
    main.set_head(&main.repo().commit(&head(&main).await.parents()[0]).await.unwrap().unwrap())
        .await
        .unwrap();
    refused("abc".parse::<Sha1>(), invalid, "it has 3 characters, not 40");
    refused("branch".parse::<RefName>(), invalid, "has to begin with `branch/`");
    refused("here".parse::<Cursor>(), invalid, "is no cursor");
    let moved = bed.rig().refs().position().await.unwrap();
    assert_eq!(moved.sequence, before.sequence + 2, "only what was meant was written");
    assert_eq!(log(&main).await.len(), 1);
}

async fn a_block_that_does_not_decode_is_corrupt_and_named(bed: Bed) {
    let main = bed.main().await;
    main.set("dir/x", long_text("v"), "set it").await.unwrap();
    let tree = main.tree().await.unwrap();
    let (root, commit) = (tree.hash().await.unwrap(), head(&main).await.hash());
    let directory = tree.find_hash("dir").await.unwrap().unwrap();
    let value = contents_hash(&long_text("v"));
    let corrupt = ErrorKind::Corrupt;
    for (hash, block, says) in [
        (value, &b"\x01\xff"[..], "cannot be read as contents"),
        (value, b"\x02", "cannot be read as contents"),
        (directory, b"\x02\x01", "cannot be read as a directory"),
        (root, b"", "cannot be read as a directory"),
        (commit, b"\x03", "cannot be read as a commit"),
        (commit, b"\x01text", "cannot be read as a commit"),
    ] {
        bed.rig().replace(hash, block);
        let main = bed.main().await;
        let error = refused(main.find("dir/x").await, corrupt, says);
        assert!(format!("{error:?}").contains(&hash.to_string()), "{error:?}");
        if hash != value {
            refused(main.set("dir/y", "1", "beside").await, corrupt, says);
        }
    }
    let now = bed.rig().refs().list(b"").await.unwrap();
    assert_eq!(now, [RefName::branch("main").unwrap()]);
}

async fn a_block_with_a_wrong_hash_is_corrupt_where_blocks_are_verified(bed: Bed) {
    let refs = MemRefs::<RefName, Sha1>::new(&MemOptions::default());
    let verified = Joined::new(Verified::new(bed.rig().blocks().clone()), refs);
    let open = || Repo::<Text>::new(Backend::new(verified.clone()));
    let main = open().main().await.unwrap();
    main.set("dir/x", long_text("v"), "set it").await.unwrap();
    let other = Native::encode_contents(b"other");
    bed.rig().replace(contents_hash(&long_text("v")), other.clone());
    let says = format!("was read back as {} bytes of {}", other.len(), Sha1::of(&other));
    refused(open().main().await.unwrap().find("dir/x").await, ErrorKind::Corrupt, &says);

    let root = head(&main).await.tree().hash().await.unwrap();
    bed.rig().replace(root, Native::encode_contents(b"other"));
    let main = open().main().await.unwrap();
    refused(main.list("").await, ErrorKind::Corrupt, "was read back as");
    refused(main.set("y", "1", "set").await, ErrorKind::Corrupt, "was read back as");
}

async fn a_missing_parent_is_missing_and_named(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await;
    let draft = main.fork("draft").await.unwrap();
    put(&draft, "b", "1").await;
    let last = put(&main, "a", "2").await;
    bed.rig().lose(first.hash());
    let main = bed.main().await;
    let (missing, says) = (ErrorKind::Missing, first.hash().to_string());
    let mut log = main.log().await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), last, "what can be read is given");
    refused(log.next().await.unwrap(), missing, &says);
    refused(main.log().await.unwrap().collect().await, missing, &says);
    let draft = main.repo().branch("draft").await.unwrap();
    refused(main.merge(&draft, "merge").await, missing, &says);
    let theirs = head(&draft).await;
    refused(main.fast_forward(&theirs).await, missing, &says);
    refused(main.repo().lcas(&head(&main).await, &theirs).await, missing, &says);
    assert_eq!(main.repo().commit(&first.hash()).await.unwrap(), None);
    put(&main, "a", "3").await;
}

async fn an_update_over_the_limits_is_refused(bed: Bed) {
    let main = bed.main().await;
    let first = put(&main, "a", "1").await.hash();
    let refs = bed.rig().refs();
    let before = refs.position().await.unwrap();
    let max = ramus_core::ReadOnly::limits(refs).update_keys_max;
    let branch = |number: usize| RefName::branch(&format!("b{number}")).unwrap();
    let update = (0..=max).fold(Update::new(before), |update, n| update.set(branch(n), first));
    let says = format!("update has {} keys; at most {max} are taken", max + 1);
    refused(refs.update(update).await, ErrorKind::Limit, &says);
    let update = Update::new(before).set(branch(0), first).with_note(vec![0; 4097]);
    let says = "update has 4097 bytes of note; at most 4096 are taken";
    refused(refs.update(update).await, ErrorKind::Limit, says);
    assert_eq!(refs.position().await.unwrap(), before);
    assert_eq!(main.repo().branches().await.unwrap(), ["main"]);
}

async fn a_value_over_the_limit_of_blocks_is_refused(bed: Bed) {
    let main = bed.main().await;
    bed.rig().limit_blocks(1000);
    let largest = "x".repeat(999);
    main.set("x", largest.clone(), "fits").await.unwrap().unwrap();
    let says = "the value at `x` has a block of 1001 bytes; at most 1000 are taken";
    let larger = format!("{largest}x");
    refused(main.set("x", larger.clone(), "too large").await, ErrorKind::Limit, says);
    let mut edit = main.begin().await.unwrap();
    edit.set("y", "1").await.unwrap();
    refused(edit.set("x", larger).await, ErrorKind::Limit, says);
    main.commit(edit, "what was taken").await.unwrap().unwrap();
    assert_eq!((read(&main, "x").await, read(&main, "y").await), (largest, "1".into()));
}

async fn a_directory_over_the_limit_of_blocks_is_refused(bed: Bed) {
    let main = bed.main().await;
    let before = put(&main, "dir/0", "1").await;
    bed.rig().limit_blocks(1000);
    let filled = main.transact("fill", async |edit| {
        for entry in 0..400 {
            edit.set(format!("dir/{entry}"), "1").await?;
        }
        Ok(())
    });
    refused(filled.await, ErrorKind::Limit, "at most 1000");
    let long = "m".repeat(1001);
    refused(main.set("x", "1", long).await, ErrorKind::Limit, "at most 1000");
    assert_eq!(head(&main).await, before);
    put(&main, "x", "1").await;
}

async fn a_path_that_is_too_deep_is_refused(bed: Bed) {
    let main = bed.main().await;
    let deep = vec!["d"; 2000].join("/");
    refused(main.set(&deep, "1", "deep").await, ErrorKind::Limit, "too deep");
    assert_eq!(main.head().await.unwrap(), None);
    assert_eq!(main.find(&deep).await.unwrap(), None);
    let fine = vec!["d"; 200].join("/");
    put(&main, &fine, "1").await;
    assert_eq!(read(&bed.main().await, &fine).await, "1");
    assert_eq!(main.find(format!("{fine}/{deep}")).await.unwrap(), None);
}

async fn commits_and_trees_of_another_repository_are_refused(bed: Bed) {
    let main = bed.main().await;
    let ours = put(&main, "a", "1").await;
    let elsewhere = bed.another().await.main().await;
    let unborn = bed.another().await.main().await;
    let theirs = put(&elsewhere, "b", "1").await;
    let invalid = ErrorKind::InvalidInput;
    let says = "another repository";
    refused(main.repo().detached(&theirs), invalid, says);
    for store in [&main, &main.repo().detached(&ours).unwrap()] {
        refused(store.set_head(&theirs).await, invalid, says);
        refused(store.test_and_set_head(Some(&ours), Some(&theirs)).await, invalid, says);
        refused(store.test_and_set_head(Some(&theirs), Some(&ours)).await, invalid, says);
        refused(store.fast_forward(&theirs).await, invalid, says);
        refused(store.merge(&elsewhere, "merge").await, invalid, says);
        refused(store.merge(&unborn, "merge nothing").await, invalid, says);
        let merged = store.merge_with(&theirs, MergeOptions::default(), "merge").await;
        refused(merged, invalid, says);
        refused(store.set_tree("b", &theirs.tree(), "graft").await, invalid, says);
        refused(store.set_tree("", &theirs.tree(), "replace").await, invalid, says);
        let mut edit = store.begin().await.unwrap();
        *edit = theirs.tree();
        refused(store.commit(edit, "smuggle").await, invalid, says);
        assert_eq!(head(store).await, ours);
    }
    let repo = main.repo();
    for (one, other) in [(&ours, &theirs), (&theirs, &ours), (&theirs, &theirs)] {
        refused(repo.lcas(one, other).await, invalid, says);
        refused(repo.is_ancestor(one, other).await, invalid, says);
    }
}

/// Text whose merge panics.
#[derive(Clone, Debug, PartialEq)]
struct Grumpy(String);

impl Contents for Grumpy {
    fn encode(&self) -> ramus_core::Result<bytes::Bytes> {
        if self.0.is_empty() {
            return Err(Error::invalid_input("nothing to say"));
        }
        self.0.encode()
    }

    fn decode(bytes: &bytes::Bytes) -> ramus_core::Result<Self> {
        String::decode(bytes).map(Self)
    }

    fn merge(
        _: Option<&Self>,
        _: Option<&Self>,
        _: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        panic!("I will not merge")
    }
}

impl From<&str> for Grumpy {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

async fn a_merge_that_panics_aborts_and_disturbs_nobody(bed: Bed) {
    let main = bed.repo_of::<Kv<Grumpy>>().main().await.unwrap();
    main.set("x", "0", "base").await.unwrap();
    let draft = main.fork("draft").await.unwrap();
    main.set("x", "1", "ours").await.unwrap();
    draft.set("x", "2", "theirs").await.unwrap();
    let before = head(&main).await;
    let aborted = ErrorKind::Aborted;
    let error = refused(main.merge(&draft, "merge").await, aborted, "`x` panicked");
    assert!(format!("{error:?}").ends_with("I will not merge"), "{error:?}");
    let mut edit = main.begin().await.unwrap();
    edit.set("x", "3").await.unwrap();
    main.set("x", "4", "first").await.unwrap();
    refused(main.commit(edit, "late").await, aborted, "I will not merge");
    assert_eq!(log(&main).await[1], before);
    main.set("x", "5", "others go on").await.unwrap().unwrap();
}

async fn a_value_that_cannot_be_encoded_is_refused(bed: Bed) {
    let main = bed.repo_of::<Kv<Grumpy>>().main().await.unwrap();
    refused(main.set("x", "", "silence").await, ErrorKind::InvalidInput, "nothing to say");
    assert_eq!(main.head().await.unwrap(), None);
}

async fn a_message_of_any_length_is_kept(bed: Bed) {
    let main = bed.main().await;
    let long = "ä".repeat(4000);
    let commit = main.set("x", "1", long.clone()).await.unwrap().unwrap();
    assert_eq!(commit.info().message, long, "although the note in the log is short");
    assert_eq!(log(&bed.main().await).await[0].info().message, long);
}
