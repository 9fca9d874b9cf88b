//! Random merges, against the rules of three sides on plain maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Path, Result, Step};
use ramus_kv::{
    Commit, Conflicts, Kind, Merged, PathConflict, PickOptions, RebaseOptions, Rebased, Repo,
    Resolution, SquashOptions, Store, TransactionOptions, Unmerged,
};
use ramus_mem::Mem;

use crate::campaign;
use crate::mode::{Files, Mode};
use crate::model::{Leaf, Model, any_model, changed, read_side};

/// What three sides come to: with ours at every path in conflict.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    tree: Model,
    conflicts: Vec<Path>,
}

/// Merges by the rules, on maps alone.
fn naive(ancestor: &Model, ours: &Model, theirs: &Model) -> Outcome {
    let mut outcome = Outcome::default();
    merge_at(&Path::root(), [ancestor, ours, theirs], &mut outcome);
    outcome
}

fn merge_at(path: &Path, sides: [&Model; 3], outcome: &mut Outcome) {
    let [ancestor, ours, theirs] = sides.map(|side| side.below(path));
    if theirs == ancestor || ours == theirs {
        return outcome.tree.put(path, &ours);
    }
    if ours == ancestor {
        return outcome.tree.put(path, &theirs);
    }
    let root = Path::root();
    let kind = |side: &Model| if side.0.is_empty() { None } else { side.kind(&root) };
    let contents = Some(Kind::Contents);
    match (kind(&ancestor), kind(&ours), kind(&theirs)) {
        // Both sides have contents or nothing, and so had the ancestor, unless both agree on a kind.
        (before, now, then)
            if [now, then].iter().all(|kind| *kind != Some(Kind::Directory))
                && (before != Some(Kind::Directory) || now == then) =>
        {
            let leaf = |side: &Model| side.0.get(&root).cloned();
            match merge_leaf(leaf(&ancestor).as_ref(), leaf(&ours), leaf(&theirs)) {
                Ok(merged) => outcome.tree.0.extend(merged.map(|leaf| (path.clone(), leaf))),
                Err(()) => keep_ours(path, &ours, outcome),
            }
        }
        // A directory has become contents, or contents a directory, and the other side differs.
        (before, now, then)
            if now == contents
                || then == contents
                || (before == contents && (now.is_none() || then.is_none())) =>
        {
            keep_ours(path, &ours, outcome);
        }
        _ => {
            let mut steps: Vec<Step> =
                [&ancestor, &ours, &theirs].iter().flat_map(|side| steps(side)).collect();
            steps.sort_unstable();
            steps.dedup();
            for step in steps {
                // A directory that the ancestor did not have began as an empty one.
                merge_at(&path.child(&step), sides, outcome);
            }
        }
    }
}

fn steps(side: &Model) -> Vec<Step> {
    side.list(&Path::root()).into_iter().map(|(step, _)| step).collect()
}

fn keep_ours(path: &Path, ours: &Model, outcome: &mut Outcome) {
    outcome.tree.put(path, ours);
    outcome.conflicts.push(path.clone());
}

fn merge_leaf(
    ancestor: Option<&Leaf>,
    ours: Option<Leaf>,
    theirs: Option<Leaf>,
) -> Result<Option<Leaf>, ()> {
    let whole = |ancestor: Option<String>, ours: String, theirs: String| {
        if ours == theirs || Some(&theirs) == ancestor.as_ref() {
            Ok(ours)
        } else if Some(&ours) == ancestor.as_ref() {
            Ok(theirs)
        } else {
            Err(())
        }
    };
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let value = whole(ancestor.map(|leaf| leaf.0.clone()), ours.0, theirs.0)?;
            let mode = |leaf: &Leaf| leaf.1.0.to_string();
            let said = ancestor.map(mode);
            let merged = whole(said, ours.1.0.to_string(), theirs.1.0.to_string())?;
            Ok(Some((value, Mode(merged.parse().map_err(drop)?))))
        }
        (None, None) => Ok(None),
        _ => Err(()),
    }
}

/// A commit of `base`, and two handles whose heads were made from it.
struct Scene {
    repo: Repo<Files>,
    base: Commit<Files>,
    ours: Store<Files>,
    theirs: Store<Files>,
}

impl Scene {
    async fn new(base: &Model, ours: &Model, theirs: &Model) -> Result<Self> {
        let repo = Repo::new(Backend::new(Mem::default()));
        let base = make(&repo.empty(), base, "base").await?;
        let (our_handle, their_handle) =
            (repo.detached(&base).expect("it is here"), repo.detached(&base).expect("it is here"));
        make(&our_handle, ours, "ours").await?;
        make(&their_handle, theirs, "theirs").await?;
        Ok(Self { repo, base, ours: our_handle, theirs: their_handle })
    }
}

/// Makes a commit of this, even if nothing changed.
async fn make(store: &Store<Files>, model: &Model, message: &str) -> Result<Commit<Files>> {
    let options = TransactionOptions::default().allow_empty();
    let mut edit = store.begin_with(options).await?;
    model.edit_to(&mut edit).await?;
    Ok(store.commit(edit, message).await?.expect("an empty one is made, too"))
}

/// Merges `theirs` into `ours`; says what is there then, and what is in conflict.
async fn merge(
    ours: &Store<Files>,
    theirs: &Store<Files>,
) -> Result<(Outcome, Option<Unmerged<Files>>)> {
    let before = ours.head().await?;
    match ours.merge(theirs, "merge").await? {
        Merged::Conflicts(unmerged) => {
            assert_eq!(ours.head().await?, before, "a conflict has moved the head");
            let conflicts = unmerged.conflicts().map(|conflict| conflict.path.clone()).collect();
            let tree = Model::read(unmerged.tree()).await?;
            Ok((Outcome { tree, conflicts }, Some(unmerged)))
        }
        Merged::Commit(commit) => {
            let tree = Model::read(&commit.tree()).await?;
            assert_eq!(
                commit.tree().hash().await?,
                tree.fill(ours.repo().empty_tree()).await?.hash().await?
            );
            Ok((Outcome { tree, conflicts: Vec::new() }, None))
        }
        other => panic!("two new commits gave {other:?}"),
    }
}

async fn check_sides(conflict: &PathConflict<Files>, sides: [&Model; 3]) -> Result<()> {
    let found = [&conflict.ancestor, &conflict.ours, &conflict.theirs];
    for (found, side) in found.into_iter().zip(sides) {
        let mut expected = side.below(&conflict.path);
        if let Some(leaf) = expected.0.get_mut(&Path::root()) {
            leaf.1 = Mode(0);
        }
        let expected = (!expected.0.is_empty()).then_some(expected);
        assert_eq!(read_side(found.as_ref()).await?, expected, "{}", conflict.path);
    }
    Ok(())
}

/// What one commit changed is brought elsewhere as a merge brings it, and is taken back.
async fn check_picks(
    scene: &Scene,
    base: &Model,
    theirs: &Model,
    expected: &Outcome,
) -> Result<()> {
    let (ours, other) = (scene.ours.head().await?, scene.theirs.head().await?);
    let (ours, other) = (ours.expect("it was made"), other.expect("it was made"));
    let empty = PickOptions::default().allow_empty();
    let picked = scene.repo.detached(&ours).expect("it is here");
    let picked = match picked.cherry_pick(&other, empty.clone()).await? {
        Merged::Conflicts(unmerged) => {
            let conflicts = unmerged.conflicts().map(|conflict| conflict.path.clone()).collect();
            Outcome { tree: Model::read(unmerged.tree()).await?, conflicts }
        }
        Merged::Commit(commit) => {
            assert_eq!(commit.parents(), [ours.hash()]);
            assert_eq!(commit.info(), other.info());
            Outcome { tree: Model::read(&commit.tree()).await?, conflicts: Vec::new() }
        }
        other => panic!("a commit that may be empty gave {other:?}"),
    };
    assert_eq!(picked, *expected);

    let rebased = scene.repo.detached(&other).expect("it is here");
    match rebased.rebase(&ours, RebaseOptions::default().allow_empty()).await? {
        Rebased::Moved(commit) => {
            assert_eq!(Model::read(&commit.tree()).await?, expected.tree);
            assert_eq!((commit.parents(), commit.info()), (&[ours.hash()][..], other.info()));
        }
        Rebased::Conflicts(halted) => {
            let conflicts = halted.unmerged.conflicts().map(|conflict| conflict.path.clone());
            assert_eq!(conflicts.collect::<Vec<_>>(), expected.conflicts);
            assert_eq!(rebased.head().await?, Some(other.clone()));
        }
        Rebased::Unchanged => panic!("it stands on another commit"),
    }

    let reverted = scene.repo.detached(&other).expect("it is here");
    let reverted = reverted.revert(&other, empty).await?.clean()?.expect("a commit");
    assert_eq!(reverted.tree().hash().await?, scene.base.tree().hash().await?);
    assert_eq!(Model::read(&reverted.tree()).await?, *base);

    let squashed = scene.repo.detached(&reverted).expect("it is here");
    make(&squashed, theirs, "again").await?;
    let options = SquashOptions::default().allow_empty();
    let squashed = squashed.squash(&scene.base, options).await?;
    assert_eq!(squashed.parents(), [scene.base.hash()]);
    assert_eq!(squashed.tree().hash().await?, other.tree().hash().await?);
    Ok(())
}

async fn check(base: Model, ours: Model, theirs: Model, choices: Vec<u8>) -> Result<()> {
    let scene = Scene::new(&base, &ours, &theirs).await?;
    let expected = naive(&base, &ours, &theirs);
    let mirrored = naive(&base, &theirs, &ours);
    check_mirrored(&scene, &expected, &mirrored).await?;
    check_transaction(&scene, &theirs, &expected).await?;
    check_picks(&scene, &base, &theirs, &expected).await?;
    let (outcome, unmerged) = merge(&scene.ours, &scene.theirs).await?;
    assert_eq!(outcome, expected);
    if let Some(unmerged) = unmerged {
        for conflict in unmerged.conflicts() {
            check_sides(conflict, [&base, &ours, &theirs]).await?;
        }
        resolve(&scene, unmerged, outcome, &theirs, &choices).await?;
    }
    Ok(())
}

/// Whoever merges whom: what merges is the same, and so is what does not.
async fn check_mirrored(scene: &Scene, expected: &Outcome, mirrored: &Outcome) -> Result<()> {
    let head = scene.theirs.head().await?.expect("it was made");
    let (outcome, _) = merge(&scene.repo.detached(&head).expect("it is here"), &scene.ours).await?;
    assert_eq!(outcome, *mirrored);
    assert_eq!(outcome.conflicts, expected.conflicts);
    if expected.conflicts.is_empty() {
        assert_eq!(outcome.tree, expected.tree);
    }
    Ok(())
}

/// A transaction that came second is merged by the same rules.
async fn check_transaction(scene: &Scene, theirs: &Model, expected: &Outcome) -> Result<()> {
    let store = scene.repo.detached(&scene.base).expect("it is here");
    let mut edit = store.begin().await?;
    theirs.edit_to(&mut edit).await?;
    let head = scene.ours.head().await?.expect("it was made");
    store.set_head(&head).await?;
    match store.commit(edit, "second").await {
        Ok(_) => {
            assert!(expected.conflicts.is_empty());
            assert_eq!(Model::read(&store.tree().await?).await?, expected.tree);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let source = std::error::Error::source(&error);
            let conflicts = source.and_then(|source| source.downcast_ref::<Conflicts<Files>>());
            let conflicts = conflicts.expect("its source are the conflicts").iter();
            let paths: Vec<Path> = conflicts.map(|conflict| conflict.path.clone()).collect();
            assert_eq!(paths, expected.conflicts);
            assert_eq!(store.head().await?, Some(head));
        }
    }
    Ok(())
}

async fn resolve(
    scene: &Scene,
    mut unmerged: Unmerged<Files>,
    outcome: Outcome,
    theirs: &Model,
    choices: &[u8],
) -> Result<()> {
    let Outcome { mut tree, conflicts } = outcome;
    let mut choices = choices.iter().cycle();
    let mut resolutions = Vec::new();
    for path in &conflicts {
        let resolution = match choices.next() {
            Some(0) => Resolution::Ours,
            Some(1) => {
                tree.remove(path);
                tree.put(path, &theirs.below(path));
                Resolution::Theirs
            }
            Some(2) => {
                tree.remove(path);
                Resolution::Remove
            }
            _ => {
                let mode = tree.0.get(path).map_or(Mode(0), |leaf| leaf.1);
                tree.remove(path);
                tree.0.insert(path.clone(), ("new".to_owned(), mode));
                Resolution::Contents("new".to_owned())
            }
        };
        resolutions.push((path, resolution.clone()));
        unmerged.resolve(path, resolution)?;
    }
    let parents = [&scene.ours, &scene.theirs].map(Store::head);
    let parents = futures::future::try_join_all(parents).await?;
    let parents: Vec<_> = parents.into_iter().flatten().map(|commit| commit.hash()).collect();
    let commit = scene.ours.commit_merge(&unmerged, "resolved").await?;
    assert_eq!(commit.parents(), parents);
    assert_eq!(Model::read(&commit.tree()).await?, tree);
    resolve_later(scene, &unmerged, &resolutions, &commit).await?;
    assert_eq!(scene.ours.head().await?, Some(commit));
    Ok(())
}

/// What is stored and then resolved is what is resolved at once, here and on other replicas.
async fn resolve_later(
    scene: &Scene,
    resolved_at_once: &Unmerged<Files>,
    resolutions: &[(&Path, Resolution<Files>)],
    resolved: &Commit<Files>,
) -> Result<()> {
    let mine = resolved_at_once.ours().expect("it has commits");
    let (ours, theirs) = (scene.repo.detached(mine)?, scene.theirs.head().await?);
    let Merged::Conflicts(mut open) = ours.merge(&scene.theirs, "merge").await? else {
        panic!("the same merge has no conflicts");
    };
    let conflicts: Vec<Path> = open.conflicts().map(|conflict| conflict.path.clone()).collect();
    assert_eq!(open.resolve_each(|_| Some(Resolution::Later)), 0);
    let merged = Model::read(open.tree()).await?;
    let stored = ours.commit_merge(&open, "stored").await?;
    let at = |stored: Vec<PathConflict<Files>>| stored.into_iter().map(|one| one.path);
    let paths: Vec<Path> = at(stored.tree().conflicts().collect().await?).collect();
    assert_eq!(paths, conflicts);
    let mut agreed = merged.clone();
    for path in &conflicts {
        agreed.remove(path);
    }
    assert_eq!(Model::read(&stored.tree()).await?, agreed);

    let mut edit = ours.begin().await?;
    for (path, resolution) in resolutions {
        edit.resolve(*path, resolution.clone()).await?;
    }
    let later = ours.commit(edit, "resolved").await?.expect("it is another tree");
    assert_eq!(later.tree().hash().await?, resolved.tree().hash().await?);

    // Another replica merged the other way round: both have the same conflicts, and resolving them
    // on one is enough.
    let mirrored = scene.repo.detached(&theirs.expect("it has commits"))?;
    let Merged::Conflicts(mut open) = mirrored.merge(&scene.repo.detached(mine)?, "merge").await?
    else {
        panic!("the same merge has no conflicts");
    };
    assert_eq!(open.resolve_each(|_| Some(Resolution::Later)), 0);
    let mirrored = mirrored.commit_merge(&open, "stored").await?;
    let both = [(&stored, &mirrored), (&mirrored, &stored)];
    let mut trees = Vec::new();
    for (one, other) in both {
        let one = scene.repo.detached(one)?;
        let commit = one.merge(&scene.repo.detached(other)?, "both").await?.clean()?;
        trees.push(commit.expect("a merge").tree().hash().await?);
    }
    assert_eq!(trees[0], trees[1], "replicas come to the same tree");
    for (one, other) in [(&later, &mirrored), (&mirrored, &later)] {
        let one = scene.repo.detached(one)?;
        let commit = one.merge(&scene.repo.detached(other)?, "later").await?.clean()?;
        let commit = commit.expect("a merge");
        assert_eq!(commit.tree().hash().await?, later.tree().hash().await?);
    }
    Ok(())
}

fn any_three() -> impl Strategy<Value = (Model, Model, Model)> {
    any_model().prop_flat_map(|base| (changed(&base), changed(&base), Just(base)))
}

proptest! {
    #![proptest_config(campaign::cases(1000))]

    #[test]
    fn merges_follow_the_rules_of_three(
        (ours, theirs, base) in any_three(),
        choices in prop::collection::vec(0..4_u8, 1..4),
    ) {
        campaign::block_on(check(base, ours, theirs, choices)).unwrap();
    }

    #[test]
    fn an_unchanged_side_gives_way((_, theirs, base) in any_three()) {
        let expected = Outcome { tree: theirs.clone(), conflicts: Vec::new() };
        campaign::block_on(async {
            let scene = Scene::new(&base, &base, &theirs).await?;
            assert_eq!(merge(&scene.ours, &scene.theirs).await?.0, expected);
            let scene = Scene::new(&base, &theirs, &base).await?;
            assert_eq!(merge(&scene.ours, &scene.theirs).await?.0, expected);
            Ok::<_, ramus_core::Error>(())
        }).unwrap();
    }
}

#[test]
fn the_rules_give_what_one_expects_of_a_few_cases() {
    let model = |entries: &[(&str, &str)]| {
        let entries = entries.iter();
        let leaf = |value: &str| (value.to_owned(), Mode(0));
        let entries = entries.map(|(path, value)| (path.parse().unwrap(), leaf(value)));
        Model(entries.collect::<BTreeMap<Path, Leaf>>())
    };
    let paths =
        |paths: &[&str]| paths.iter().map(|path| path.parse().unwrap()).collect::<Vec<Path>>();
    for (ancestor, ours, theirs, tree, conflicts) in [
        // Each side adds something; one deletes.
        (
            model(&[("a", "x")]),
            model(&[("a", "x"), ("b/c", "y")]),
            model(&[("b/d", "z")]),
            model(&[("b/c", "y"), ("b/d", "z")]),
            paths(&[]),
        ),
        // Delete against modify.
        (model(&[("a/b", "x")]), model(&[]), model(&[("a/b", "y")]), model(&[]), paths(&["a/b"])),
        // A file against a directory.
        (
            model(&[]),
            model(&[("a", "x")]),
            model(&[("a/b", "x")]),
            model(&[("a", "x")]),
            paths(&["a"]),
        ),
    ] {
        assert_eq!(naive(&ancestor, &ours, &theirs), Outcome { tree, conflicts });
    }
}
