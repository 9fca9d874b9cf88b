//! Random edits of trees, against plain maps.

use std::pin::pin;
use std::task::{Context, Poll};

use futures::task::noop_waker;
use proptest::prelude::*;
use ramus_core::{ErrorKind, Path, Result};
use ramus_kv::{Kind, Repo, RepoOptions, Tree};

use crate::campaign;
use crate::mode::{Files, Mode};
use crate::model::{Model, Refused, all_paths, any_mode, any_model, any_path, any_value};
use crate::probe::Probe;

/// How many trees are edited side by side.
const TREES: usize = 3;

#[derive(Clone, Debug)]
enum Edit {
    Set(Path, String),
    SetWithMode(Path, String, Mode),
    Remove(Path),
    Rename(Path, Path),
    /// Puts what another tree has at the first path at the second one.
    Graft(usize, Path, Path),
}

#[derive(Clone, Debug)]
enum Action {
    /// Edits one of the trees; with a number, the future is dropped after so many polls.
    Edit(usize, Edit, Option<usize>),
    /// Makes the first tree a clone of the second.
    Clone(usize, usize),
    /// Commits the tree and reads it back, as that of the commit or by its name.
    Commit(usize, bool),
    Hash(usize),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any_path(), any_value()).prop_map(|(path, value)| Edit::Set(path, value)),
        2 => (any_path(), any_value(), any_mode())
            .prop_map(|(path, value, mode)| Edit::SetWithMode(path, value, mode)),
        2 => any_path().prop_map(Edit::Remove),
        2 => (any_path(), any_path()).prop_map(|(from, to)| Edit::Rename(from, to)),
        2 => (0..TREES, any_path(), any_path())
            .prop_map(|(tree, from, to)| Edit::Graft(tree, from, to)),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    let polls = prop::option::weighted(0.2, 1..8_usize);
    prop_oneof![
        8 => (0..TREES, any_edit(), polls)
            .prop_map(|(tree, edit, polls)| Action::Edit(tree, edit, polls)),
        1 => (0..TREES, 0..TREES).prop_map(|(to, from)| Action::Clone(to, from)),
        2 => (0..TREES, any::<bool>()).prop_map(|(tree, by_name)| Action::Commit(tree, by_name)),
        1 => (0..TREES).prop_map(Action::Hash),
    ]
}

/// A repository that caches nothing, so that every read is one of the storage.
fn uncached_repo() -> Repo<Files> {
    Repo::with_options(Probe::default().backend(), RepoOptions::default().with_cache_bytes(0))
}

async fn apply(tree: &mut Tree<Files>, edit: &Edit, others: &[Tree<Files>]) -> Result<bool> {
    match edit {
        Edit::Set(path, value) => tree.set(path, value.as_str()).await.map(|()| true),
        Edit::SetWithMode(path, value, mode) => {
            tree.set_with_metadata(path, value.as_str(), *mode).await.map(|()| true)
        }
        Edit::Remove(path) => tree.remove(path).await,
        Edit::Rename(from, to) => tree.rename(from, to).await.map(|()| true),
        Edit::Graft(other, from, to) => match others[*other].find_tree(from).await? {
            Some(part) => tree.set_tree(to, &part).await.map(|()| true),
            None => Ok(false),
        },
    }
}

fn expect(model: &mut Model, edit: &Edit, others: &[Model]) -> Result<bool, Refused> {
    match edit {
        Edit::Set(path, value) => model.set(path, value, None).map(|()| true),
        Edit::SetWithMode(path, value, mode) => model.set(path, value, Some(*mode)).map(|()| true),
        Edit::Remove(path) => Ok(model.remove(path)),
        Edit::Rename(from, to) => model.rename(from, to).map(|()| true),
        Edit::Graft(other, from, to) => {
            if others[*other].kind(from) != Some(Kind::Directory) {
                return Ok(false);
            }
            model.set_tree(to, &others[*other].below(from)).map(|()| true)
        }
    }
}

/// Polls a future so many times and drops it; returns what it came to, if it came to anything.
fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let waker = noop_waker();
    let mut context = Context::from_waker(&waker);
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    })
}

async fn edit(
    trees: &mut [Tree<Files>],
    models: &mut [Model],
    index: usize,
    edit: &Edit,
    polls: Option<usize>,
) -> Result<()> {
    let (other_trees, other_models) = (trees.to_vec(), models.to_vec());
    let before = trees[index].hash().await?;
    let applied = apply(&mut trees[index], edit, &other_trees);
    let answer = match polls {
        Some(polls) => poll_and_drop(applied, polls),
        None => Some(applied.await),
    };
    let Some(answer) = answer else {
        assert_eq!(trees[index].hash().await?, before, "a dropped future left something: {edit:?}");
        return Ok(());
    };
    match (answer, expect(&mut models[index], edit, &other_models)) {
        (Ok(answer), Ok(expected)) => assert_eq!(answer, expected, "{edit:?}"),
        (Err(error), Err(Refused)) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert_eq!(trees[index].hash().await?, before, "an error left something: {edit:?}");
        }
        (answer, expected) => panic!("{edit:?} gave {answer:?}, not {expected:?}"),
    }
    Ok(())
}

async fn commit(repo: &Repo<Files>, tree: &mut Tree<Files>, by_name: bool) -> Result<()> {
    let hash = tree.hash().await?;
    let committed = repo.empty().set_tree("", tree, "commit").await?;
    if let Some(commit) = committed {
        *tree = if by_name { repo.tree(&hash).await? } else { commit.tree() };
        assert_eq!(tree.hash().await?, hash);
    }
    Ok(())
}

/// Checks every question that a tree answers.
async fn compare(repo: &Repo<Files>, tree: &Tree<Files>, model: &Model) -> Result<()> {
    assert_eq!(Model::read(tree).await?, *model);
    assert_eq!(tree.is_empty(), model.0.is_empty());
    let built = model.fill(repo.empty_tree()).await?;
    assert_eq!(tree.hash().await?, built.hash().await?, "equal entries, another hash: {model:?}");
    for path in all_paths() {
        let kind = model.kind(&path);
        let leaf = model.0.get(&path);
        assert_eq!(tree.kind(&path).await?, kind, "{path}");
        assert_eq!(tree.find(&path).await?.as_ref(), leaf.map(|leaf| &leaf.0), "{path}");
        assert_eq!(tree.find_with_metadata(&path).await?.as_ref(), leaf, "{path}");
        assert_eq!(tree.mem(&path).await?, leaf.is_some(), "{path}");
        let list = tree.list(&path).await?.into_iter().map(|entry| (entry.step, entry.kind));
        let expected = model.list(&path);
        assert_eq!(tree.len(&path).await?, expected.len() as u64, "{path}");
        assert_eq!(list.collect::<Vec<_>>(), expected, "{path}");
        let below = tree.find_tree(&path).await?;
        assert_eq!(below.is_some(), kind == Some(Kind::Directory), "{path}");
        assert_eq!(tree.find_hash(&path).await?, built.find_hash(&path).await?, "{path}");
        if let Some(below) = below {
            assert_eq!(Model::read(&below).await?, model.below(&path));
            assert_eq!(Some(below.hash().await?), tree.find_hash(&path).await?);
        }
    }
    Ok(())
}

async fn run(start: [Model; TREES], actions: Vec<Action>) -> Result<()> {
    let repo = uncached_repo();
    let mut models = start.to_vec();
    let mut trees = Vec::new();
    for model in &models {
        trees.push(model.fill(repo.empty_tree()).await?);
    }
    for action in actions {
        match action {
            Action::Edit(index, what, polls) => {
                edit(&mut trees, &mut models, index, &what, polls).await?;
                assert_eq!(Model::read(&trees[index]).await?, models[index], "{what:?}");
            }
            Action::Clone(to, from) => {
                trees[to] = trees[from].clone();
                models[to] = models[from].clone();
            }
            Action::Commit(index, by_name) => commit(&repo, &mut trees[index], by_name).await?,
            Action::Hash(index) => drop(trees[index].hash().await?),
        }
    }
    for (tree, model) in trees.iter().zip(&models) {
        compare(&repo, tree, model).await?;
    }
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let (hashes, equal) =
            ((trees[one].hash().await?, trees[other].hash().await?), models[one] == models[other]);
        assert_eq!(hashes.0 == hashes.1, equal);
    }
    Ok(())
}

proptest! {
    #![proptest_config(campaign::cases(400))]

    #[test]
    fn trees_are_maps(
        start in [any_model(), any_model(), any_model()],
        actions in prop::collection::vec(any_action(), 0..40),
    ) {
        campaign::block_on(run(start, actions)).unwrap();
    }
}
