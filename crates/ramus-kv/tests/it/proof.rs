//! Proofs: what they answer elsewhere, and what is refused.

pub(crate) mod bytes;
mod compressed;
mod directories;
mod forged;
mod large;
mod random;
mod reads;

use std::fmt::Debug;

use bytes::Raw;
use ramus_core::erased::Backend;
use ramus_core::{ContentAddressable as _, Error, ErrorKind, Result, Sha1, Sha256, Storage as _};
use ramus_kv::block::INLINE_MAX;
use ramus_kv::{Direction, Kv, ListOptions, Proof, Repo, Tree};
use ramus_mem::Mem;

use crate::mode::{Files, Mode};
use crate::probe::Probe;

pub(crate) type Text = Kv<String>;

pub(crate) fn repo() -> Repo<Text> {
    Repo::new(Backend::new(Mem::default()))
}

/// Returns the same tree, stored.
pub(crate) async fn stored(repo: &Repo<Text>, tree: &Tree<Text>) -> Tree<Text> {
    let store = repo.empty();
    store.set_tree("", tree, "store").await.expect("set the tree");
    store.tree().await.expect("a tree")
}

/// Returns a stored tree of these values.
pub(crate) async fn tree_of(repo: &Repo<Text>, values: &[(&str, &str)]) -> Tree<Text> {
    let mut tree = repo.empty_tree();
    for (path, value) in values {
        tree.set(*path, *value).await.expect("set");
    }
    stored(repo, &tree).await
}

/// Returns a stored tree with a directory `w` of so many entries and a small one beside it.
pub(crate) async fn wide(repo: &Repo<Text>, entries: usize) -> Tree<Text> {
    let mut tree = repo.empty_tree();
    for index in 0..entries {
        tree.set(format!("w/k{index:06}"), format!("v{index}")).await.expect("set");
    }
    tree.set("users/ada", "mathematician").await.expect("set");
    tree.set("users/grace", "a value that is too long to stand in its entry, ".repeat(3))
        .await
        .expect("set");
    stored(repo, &tree).await
}

/// Checks that an answer is a refusal; returns what it says, with its causes.
#[track_caller]
pub(crate) fn refused<T: Debug>(answer: Result<T>) -> String {
    let error = answer.expect_err("it should have been refused");
    assert_eq!(error.kind(), ErrorKind::Unproven, "{error:?}");
    format!("{error:?}")
}

/// Proves what a closure answers on a tree, sends the proof, and verifies it with the same closure;
/// checks that both answers are the same.
macro_rules! check {
    ($tree:expr, $run:expr) => {{
        let tree: &Tree<Text> = &$tree;
        let root = tree.hash().await.expect("hash");
        let (proof, answer) = tree.prove($run).await.expect("prove");
        let sent = Proof::<Text>::decode(proof.encode()).expect("decode");
        assert_eq!(sent, proof);
        assert_eq!(sent.before(), root);
        let again = sent.verify(&root, $run).await.expect("verify");
        assert_eq!(again, answer);
        (proof, answer)
    }};
}

fn page() -> ListOptions {
    ListOptions::default().with_limit(3)
}

#[tokio::test]
async fn whatever_a_tree_answers_can_be_proved() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let (_, found) = check!(tree, async |tree| tree.find("w/k004711").await);
    assert_eq!(found.as_deref(), Some("v4711"));
    let (_, found) = check!(tree, async |tree| tree.find("users/grace").await);
    assert!(found.is_some_and(|found| found.len() > INLINE_MAX));
    for absent in ["w/k004711x", "w/a", "w/z", "nowhere", "nowhere/at/all", "users/ada/below", "w"]
    {
        let (_, found) = check!(tree, async |tree| tree.find(absent).await);
        assert_eq!(found, None, "{absent}");
    }
    check!(tree, async |tree| tree.mem("users/ada").await);
    check!(tree, async |tree| tree.kind("w").await);
    check!(tree, async |tree| tree.find_hash("users").await);
    check!(tree, async |tree| Ok(tree.is_empty()));
    let (proof, len) = check!(tree, async |tree| tree.len("w").await);
    assert_eq!(len, 12_000);
    assert!(proof.encode().len() < 9000, "the length stands in the root of the directory");
    for options in [
        page(),
        page().from("k0047".parse().unwrap()),
        page().with_prefix("k0119"),
        page().with_prefix("k9"),
        page().with_offset(9000),
        page().with_offset(11_998),
        page().with_offset(20_000),
        page().with_direction(Direction::Backwards),
        page().with_direction(Direction::Backwards).with_offset(7000),
    ] {
        let (proof, _) = check!(tree, async |tree| tree.list_with("w", options.clone()).await);
        assert!(proof.encode().len() < 40_000, "{options:?} costs {}", proof.encode().len());
    }
    let (_, all) = check!(tree, async |tree| tree.list("w").await);
    assert_eq!(all.len(), 12_000);
    check!(tree, async |tree| {
        let users = tree.find_tree("users").await?.ok_or_else(|| Error::missing("users"))?;
        let mut found = Vec::new();
        for entry in users.list("").await? {
            found.push(users.find(entry.step.as_str().unwrap_or_default()).await?);
        }
        Ok(found)
    });
}

#[tokio::test]
async fn an_update_is_proved_from_root_to_root() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let before = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Text>| {
        tree.set("w/k004711", "changed").await?;
        tree.set("w/k004711x", "new").await?;
        tree.set("new/directory/below", "another").await?;
        let removed = tree.remove("w/k000007").await?;
        tree.rename("users/ada", "people/ada").await?;
        let users = tree.find_tree("users").await?.ok_or_else(|| Error::missing("users"))?;
        tree.set_tree("copy/of/users", &users).await?;
        Ok((removed, tree.find("w/k004711x").await?))
    };
    let (proof, answer) = check!(tree, run);
    assert_eq!(answer, (true, Some("new".to_owned())));
    let mut expected = tree.clone();
    run(&mut expected).await.unwrap();
    assert_eq!(proof.after(), expected.hash().await.unwrap());
    assert_ne!(proof.after(), before);
    assert_eq!(tree.hash().await.unwrap(), before, "the tree itself stays");
    assert!(proof.encode().len() < 100_000);
    // An edit that moves the boundaries of blocks reads those beside it.
    check!(tree, async |tree| {
        for index in 4000..5000 {
            tree.remove(format!("w/k{index:06}")).await?;
        }
        tree.hash().await
    });
    check!(tree, async |tree| tree.remove("").await);
    check!(tree, async |tree| tree.remove("w").await);
    let (_, same) = check!(tree, async |tree| {
        tree.set("users/ada", "another").await?;
        tree.set("users/ada", "mathematician").await?;
        tree.hash().await
    });
    assert_eq!(same, before);
}

#[tokio::test]
async fn a_small_tree_made_in_the_closure_can_be_grafted() {
    let repo = repo();
    let tree = tree_of(&repo, &[("a", "1"), ("b/c", "2")]).await;
    check!(tree, async |tree| {
        let mut fresh = tree.clone();
        fresh.remove("").await?;
        fresh.set("x/y", "3").await?;
        tree.set_tree("b/fresh", &fresh).await?;
        tree.hash().await
    });
}

#[tokio::test]
async fn the_empty_tree_has_proofs() {
    let repo = repo();
    let full = tree_of(&repo, &[("a", "1")]).await;
    let store = repo.empty();
    store.set_tree("", &full, "full").await.unwrap();
    store.remove("a", "empty").await.unwrap();
    let tree = store.tree().await.unwrap();
    check!(tree, async |tree| tree.find("a").await);
    check!(tree, async |tree| Ok(tree.is_empty()));
    let (proof, ()) = check!(tree, async |tree| tree.set("a", "1").await);
    assert_eq!(proof.after(), full.hash().await.unwrap());
}

#[tokio::test]
async fn metadata_are_proved_with_their_contents() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let main = repo.main().await.unwrap();
    main.transact("add", async |edit| edit.set_with_metadata("a", "1", Mode(7)).await)
        .await
        .unwrap();
    let tree = main.tree().await.unwrap();
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Files>| {
        let found = tree.find_with_metadata("a").await?;
        tree.set("a", "2").await?;
        Ok(found)
    };
    let (proof, answer) = tree.prove(run).await.unwrap();
    assert_eq!(answer, Some(("1".to_owned(), Mode(7))));
    assert_eq!(proof.verify(&root, run).await.unwrap(), answer);
}

#[tokio::test]
async fn a_verifier_that_asks_for_more_is_refused() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let root = tree.hash().await.unwrap();
    let (proof, _) = tree.prove(async |tree| tree.find("w/k000100").await).await.unwrap();
    let why = refused(proof.verify(&root, async |tree| tree.find("w/k009000").await).await);
    assert!(why.contains("is not in the proof"), "{why}");
    refused(proof.verify(&root, async |tree| tree.find("users/ada").await).await);
    refused(proof.verify(&root, async |tree| tree.list("w").await).await);
    let edit = async |tree: &mut Tree<Text>| tree.set("w/k000100", "changed").await;
    refused(proof.verify(&root, edit).await);
    // Errors that the closure ignores do not turn into answers.
    let ignorant = async |tree: &mut Tree<Text>| Ok(tree.find("w/k009000").await.unwrap_or(None));
    refused(proof.verify(&root, ignorant).await);
    let ignorant = async |tree: &mut Tree<Text>| {
        tree.find("w/k000100").await?;
        Ok(tree.len("users").await.unwrap_or(0))
    };
    refused(proof.verify(&root, ignorant).await);
}

#[tokio::test]
async fn a_verifier_that_asks_for_less_is_refused() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let root = tree.hash().await.unwrap();
    let both = async |tree: &mut Tree<Text>| {
        Ok((tree.find("w/k000100").await?, tree.find("w/k009000").await?))
    };
    let (proof, _) = tree.prove(both).await.unwrap();
    let why = refused(proof.verify(&root, async |tree| tree.find("w/k000100").await).await);
    assert!(why.contains("does not need"), "{why}");
}

#[tokio::test]
async fn the_error_of_a_closure_is_its_own() {
    let repo = repo();
    let tree = tree_of(&repo, &[("a", "1"), ("b", "2")]).await;
    let root = tree.hash().await.unwrap();
    let (proof, _) = tree.prove(async |tree| tree.find("a").await).await.unwrap();
    let poor = async |tree: &mut Tree<Text>| match tree.find("a").await?.as_deref() {
        Some("2") => Ok(()),
        _ => Err(Error::new(ErrorKind::Aborted, "too poor")),
    };
    let error = proof.verify(&root, poor).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Aborted, "too poor".to_owned()));
    assert_eq!(tree.prove(poor).await.unwrap_err().kind(), ErrorKind::Aborted);
    let below = async |tree: &mut Tree<Text>| tree.set("a/b", "below contents").await;
    assert_eq!(tree.prove(below).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(proof.verify(&root, below).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn nothing_escapes_by_caches_and_nothing_is_read_twice() {
    let probe = Probe::default();
    let repo = Repo::<Text>::new(probe.backend());
    let tree = wide(&repo, 12_000).await;
    let root = tree.hash().await.unwrap();
    let run = async |tree: &mut Tree<Text>| {
        let found = tree.find("w/k004711").await?;
        tree.set("w/k008000", "changed").await?;
        Ok(found)
    };
    let (hot, _) = tree.prove(run).await.unwrap();
    let (again, _) = tree.prove(run).await.unwrap();
    assert_eq!(hot, again);
    let cold = Repo::<Text>::new(probe.backend());
    probe.reads();
    let tree = cold.tree(&root).await.unwrap();
    let (proof, _) = tree.prove(run).await.unwrap();
    let count = probe.reads();
    assert_eq!(proof, hot);
    assert_eq!(count, Raw::parse(&proof.encode()).blocks.len());
    hot.verify(&root, run).await.unwrap();
    assert_eq!(probe.reads(), 0, "a verifier has no store");
}

#[tokio::test]
async fn a_proof_inside_a_computation_is_part_of_it() {
    let repo = repo();
    let tree = wide(&repo, 12_000).await;
    let run = async |tree: &mut Tree<Text>| {
        let (proof, found) = tree.prove(async |tree| tree.find("w/k000100").await).await?;
        Ok((proof, found, tree.find("users/ada").await?))
    };
    let (outer, (inner, ..)) = check!(tree, run);
    assert!(inner.encode().len() < outer.encode().len());
    inner.verify(&inner.before(), async |tree| tree.find("w/k000100").await).await.unwrap();
}

#[tokio::test]
async fn what_has_no_root_or_another_repository_cannot_be_proved() {
    let repo = repo();
    let mut tree = tree_of(&repo, &[("a", "1")]).await;
    let foreign = tree_of(&self::repo(), &[("a", "1")]).await;
    let replaced = async |tree: &mut Tree<Text>| {
        *tree = foreign.clone();
        Ok(())
    };
    assert_eq!(tree.prove(replaced).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let grafted = async |tree: &mut Tree<Text>| tree.set_tree("b", &foreign).await;
    assert_eq!(tree.prove(grafted).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    tree.set("a", "2").await.unwrap();
    let error = tree.prove(async |tree| tree.find("a").await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("commit"), "{error}");
}

#[tokio::test]
async fn what_rests_on_a_failed_read_is_not_proved() {
    let ours = repo();
    let tree = wide(&ours, 12_000).await;
    let root = tree.hash().await.unwrap();
    let reading = async |tree: &mut Tree<Text>| Ok(tree.find("w/k000100").await.unwrap_or(None));
    let raw = Raw::parse(&tree.prove(reading).await.unwrap().0.encode());
    // A store that lacks one block, or has another in its place.
    for (lost, replaced) in [(true, ErrorKind::Missing), (false, ErrorKind::Corrupt)] {
        let storage = Mem::<Sha1>::default();
        let victim = raw.blocks.iter().find(|block| Raw::name(block) != root).unwrap();
        for block in &raw.blocks {
            if block != victim {
                storage.blocks().add(block.clone().into()).await.unwrap();
            } else if !lost {
                let garbage = "\u{1}garbage".into();
                storage.blocks().unsafe_add(Raw::name(block), garbage).await.unwrap();
            }
        }
        let theirs = Repo::<Text>::new(Backend::new(storage));
        let tree = theirs.tree(&root).await.unwrap();
        assert_eq!(tree.prove(reading).await.unwrap_err().kind(), replaced);
    }
}

#[tokio::test]
async fn what_a_store_has_under_another_name_is_not_proved() {
    let ours = repo();
    let tree = tree_of(&ours, &[("a", "1")]).await;
    let root = tree.hash().await.unwrap();
    let other = tree_of(&ours, &[("a", "2")]).await;
    let raw = Raw::parse(&other.prove(async |tree| tree.find("a").await).await.unwrap().0.encode());
    let storage = Mem::<Sha1>::default();
    storage.blocks().unsafe_add(root, raw.blocks[0].clone().into()).await.unwrap();
    let theirs = Repo::<Text>::new(Backend::new(storage));
    let tree = theirs.tree(&root).await.unwrap();
    let error = tree.prove(async |tree| tree.find("a").await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("has another hash"), "{error}");
}

#[tokio::test]
async fn a_failure_inside_an_inner_proof_is_one_of_the_outer() {
    let ours = repo();
    let tree = wide(&ours, 2000).await;
    let root = tree.hash().await.unwrap();
    let inner = async |tree: &mut Tree<Text>| {
        Ok(tree.prove(async |tree| tree.find("w/k000100").await).await.is_ok())
    };
    let (proof, _) = tree.prove(async |tree| tree.find("users/ada").await).await.unwrap();
    refused(proof.verify(&root, inner).await);
    let storage = Mem::<Sha1>::default();
    for block in Raw::parse(&proof.encode()).blocks {
        storage.blocks().add(block.into()).await.unwrap();
    }
    let theirs = Repo::<Text>::new(Backend::new(storage));
    let error = theirs.tree(&root).await.unwrap().prove(inner).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn a_verifier_takes_values_as_large_as_the_prover_did() {
    let repo = repo();
    let tree = tree_of(&repo, &[("a", "1")]).await;
    let value = "x".repeat(3_000_000);
    check!(tree, async |tree| {
        tree.set("large", value.as_str()).await?;
        tree.find("a").await
    });
}

#[tokio::test]
async fn proving_and_verifying_can_be_spawned() {
    let repo = repo();
    let tree = tree_of(&repo, &[("a", "1")]).await;
    let root = tree.hash().await.unwrap();
    let path = "a".to_owned();
    let proved = tokio::spawn(async move { tree.prove(async |tree| tree.find(&path).await).await });
    let (proof, answer) = proved.await.unwrap().unwrap();
    let path = "a".to_owned();
    let verified =
        tokio::spawn(
            async move { proof.verify(&root, async move |tree| tree.find(path).await).await },
        );
    assert_eq!(verified.await.unwrap().unwrap(), answer);
}

#[tokio::test]
async fn a_proof_is_of_one_hash() {
    let repo = Repo::<Kv<String, Sha256>>::new(Backend::new(Mem::<Sha256>::default()));
    let main = repo.main().await.unwrap();
    main.set("a", "1", "add").await.unwrap();
    let tree = main.tree().await.unwrap();
    let root = tree.hash().await.unwrap();
    let (proof, _) = tree.prove(async |tree| tree.find("a").await).await.unwrap();
    let why = refused(Proof::<Text>::decode(proof.encode()));
    assert!(why.contains("`sha256`, where `sha1` is expected"), "{why}");
    let proof = Proof::<Kv<String, Sha256>>::decode(proof.encode()).unwrap();
    proof.verify(&root, async |tree| tree.find("a").await).await.unwrap();
}

#[tokio::test]
async fn the_encoding_is_that_of_the_golden_file() {
    let long = "a value that is too long to stand in its entry, ".repeat(3)
        + "so it has a block of its own";
    let tree = tree_of(&repo(), &[("a", "1"), ("b/c", &long), ("d/e", "2")]).await;
    let run = async |tree: &mut Tree<Text>| {
        let found = tree.find("b/c").await?;
        tree.set("f", "3").await?;
        Ok(found)
    };
    let (proof, _) = check!(tree, run);
    let path = format!("{}/tests/golden/proof.hex", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::read_to_string(&path).expect(&path);
    let golden: String = file
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(hex, _)| hex))
        .flat_map(str::split_whitespace)
        .collect();
    let hex: Vec<String> = proof.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex.concat(), golden, "{path}");
}
