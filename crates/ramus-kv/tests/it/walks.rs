//! Trees as a whole: walks, entries, plain values and statistics, against a map from paths to values.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Path, Step};
use ramus_kv::{
    Concrete, Direction, Kind, Kv, ListOptions, Repo, Stats, Tree, WalkOptions, WalkOrder,
};
use ramus_mem::Mem;

use crate::campaign;
use crate::mode::{Files, Mode};

type Texts = Kv<String>;
type Model = BTreeMap<Path, String>;

fn new_repo() -> Repo<Texts> {
    Repo::new(Backend::new(Mem::default()))
}

fn path(text: &str) -> Path {
    text.parse().expect("the path is one")
}

/// What is done to a tree and to the model.
#[derive(Clone, Debug)]
enum Edit {
    Set(Path, String),
    /// The value with this behind it, or nothing if it was there and this is empty.
    Update(Path, String),
    Take(Path),
    Remove(Path),
    /// Copies one directory onto another.
    Copy(Path, Path),
    /// Commits, and goes on from what is stored.
    Save,
}

fn paths() -> impl Strategy<Value = Path> {
    let step = prop::sample::select(vec!["a", "a.b", "b", "c"]);
    prop::collection::vec(step, 1..5).prop_map(|steps| path(&steps.join("/")))
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let text = || prop::sample::select(vec![String::new(), "x".into(), "y".repeat(200)]);
    let edit = prop_oneof![
        8 => (paths(), text()).prop_map(|(path, text)| Edit::Set(path, text)),
        4 => (paths(), text()).prop_map(|(path, text)| Edit::Update(path, text)),
        2 => paths().prop_map(Edit::Take),
        1 => paths().prop_map(Edit::Remove),
        2 => (paths(), paths()).prop_map(|(from, to)| Edit::Copy(from, to)),
        1 => Just(Edit::Save),
    ];
    prop::collection::vec(edit, 0..40)
}

/// Returns what a path leads to in the model.
fn kind(model: &Model, path: &Path) -> Option<Kind> {
    if model.contains_key(path) {
        return Some(Kind::Contents);
    }
    let is_directory = path.is_root() || model.keys().any(|key| key.starts_with(path));
    is_directory.then_some(Kind::Directory)
}

/// Returns whether a value can be set in the model.
fn takes_contents(model: &Model, path: &Path) -> bool {
    let is_below = |key: &Path| path != key && path.starts_with(key);
    kind(model, path) != Some(Kind::Directory) && !model.keys().any(is_below)
}

fn takes_directory(model: &Model, path: &Path) -> bool {
    !model.keys().any(|key| path.starts_with(key))
}

async fn apply(repo: &Repo<Texts>, tree: &mut Tree<Texts>, model: &mut Model, edit: Edit) {
    match edit {
        Edit::Set(path, text) => {
            let result = tree.set(&path, text.clone()).await;
            assert_eq!(result.is_ok(), takes_contents(model, &path), "{result:?}");
            if result.is_ok() {
                model.insert(path, text);
            }
        }
        Edit::Update(path, text) => {
            let (mut calls, mut seen) = (0, None);
            let result = tree
                .update(&path, |old| {
                    calls += 1;
                    seen = old.cloned();
                    changed(old, &text)
                })
                .await;
            assert_eq!(result.is_ok(), takes_contents(model, &path), "{result:?}");
            assert_eq!(calls, usize::from(result.is_ok()));
            if result.is_ok() {
                assert_eq!(seen.as_ref(), model.get(&path));
                match changed(seen.as_ref(), &text) {
                    Some(new) => model.insert(path, new),
                    None => model.remove(&path),
                };
            }
        }
        Edit::Take(path) => {
            assert_eq!(
                tree.take(&path).await.expect("the tree is read and written"),
                model.remove(&path)
            );
        }
        Edit::Remove(path) => {
            assert_eq!(
                tree.remove(&path).await.expect("the tree is read and written"),
                kind(model, &path).is_some()
            );
            model.retain(|key, _| !key.starts_with(&path));
        }
        Edit::Copy(from, to) => {
            let Some(part) = tree.find_tree(&from).await.expect("the tree is read and written")
            else {
                return;
            };
            let result = tree.set_tree(&to, &part).await;
            assert_eq!(result.is_ok(), takes_directory(model, &to), "{result:?}");
            if result.is_ok() {
                let below = below(model, &from);
                model.retain(|key, _| !key.starts_with(&to));
                model.extend(below.into_iter().map(|(key, text)| (to.join(&key), text)));
            }
        }
        Edit::Save => {
            let main = repo.main().await.expect("the tree is read and written");
            main.set_tree("", tree, "save").await.expect("the tree is read and written");
            // A branch that nobody has written to yet has no tree but the empty one.
            *tree = main.tree().await.expect("the tree is read and written");
        }
    }
}

fn changed(old: Option<&String>, text: &str) -> Option<String> {
    match old {
        Some(_) if text.is_empty() => None,
        Some(old) if old.len() < 1000 => Some(old.clone() + text),
        Some(_) => None,
        None => (text.len() < 100).then(|| text.to_owned()),
    }
}

/// Returns what lies below a path, by what is left of theirs.
fn below(model: &Model, path: &Path) -> Model {
    let below = |(key, text): (&Path, &String)| Some((key.strip_prefix(path)?, text.clone()));
    model.iter().filter_map(below).collect()
}

/// Returns everything in the model, in the order of the paths.
fn all(model: &Model) -> BTreeMap<Path, Kind> {
    let mut all = BTreeMap::from([(Path::root(), Kind::Directory)]);
    for key in model.keys() {
        all.insert(key.clone(), Kind::Contents);
        let mut above = key.parent();
        while let Some(directory) = above {
            above = directory.parent();
            all.insert(directory, Kind::Directory);
        }
    }
    all
}

/// Returns what a walk of the model visits, naively.
fn visits(model: &Model, options: &WalkOptions) -> Vec<(Path, Kind)> {
    let depth_max = options.depth_max.unwrap_or(usize::MAX);
    let has_limits = options.depth_min > 0 || options.depth_max.is_some();
    let mut all = all(model);
    all.retain(|path, _| path.len() <= depth_max);
    if options.unique {
        let mut seen = HashSet::new();
        let mut skipped: Vec<Path> = Vec::new();
        for (path, kind) in &all {
            if skipped.iter().any(|directory| path.starts_with(directory)) {
                continue;
            }
            let depth = if has_limits { path.len() } else { 0 };
            let content: Vec<_> = below(model, path).into_iter().collect();
            if *kind == Kind::Directory && !seen.insert((content, depth)) {
                skipped.push(path.clone());
            }
        }
        all.retain(|path, _| !skipped.iter().any(|directory| path.starts_with(directory)));
    }
    let mut visits: Vec<_> = all.into_iter().collect();
    visits.retain(|(path, kind)| {
        path.len() >= options.depth_min
            && (*kind == Kind::Contents || options.order != WalkOrder::ContentsOnly)
    });
    if options.order == WalkOrder::DirectoriesLast {
        // The end of a path comes behind every step that could follow.
        visits.sort_by_key(|(path, _)| {
            path.steps().map(|step| (0, Some(step))).chain([(1, None)]).collect::<Vec<_>>()
        });
    }
    visits
}

async fn walked(tree: &Tree<Texts>, model: &Model, options: WalkOptions) -> Vec<(Path, Kind)> {
    let mut walk = tree.walk(options);
    let mut visits = Vec::new();
    while let Some(visit) = walk.next().await.transpose().expect("the tree is read and written") {
        assert_eq!(visit.depth, visit.path.len());
        assert_eq!(
            visit.found.contents().await.expect("the tree is read and written").as_ref(),
            model.get(&visit.path)
        );
        if let Some(part) = visit.found.tree() {
            let names = part.list("").await.expect("the tree is read and written").len() as u64;
            assert_eq!(visit.found.len().await.expect("the tree is read and written"), names);
        }
        if visit.found.kind() == Kind::Contents {
            assert_eq!(visit.found.len().await.expect("nothing is read"), 0);
        }
        let hash = visit.found.hash().await.expect("the tree is read and written");
        assert_eq!(
            Some(hash),
            tree.find_hash(&visit.path).await.expect("the tree is read and written")
        );
        visits.push((visit.path, visit.found.kind()));
    }
    visits
}

fn options() -> impl Strategy<Value = WalkOptions> {
    let order = prop::sample::select(vec![
        WalkOrder::DirectoriesFirst,
        WalkOrder::DirectoriesLast,
        WalkOrder::ContentsOnly,
    ]);
    (order, 0_usize..4, prop::option::of(0_usize..5), any::<bool>()).prop_map(
        |(order, min, max, is_unique)| {
            let options = WalkOptions::default().with_order(order).with_depth_min(min);
            let options = max.map_or(options.clone(), |max| options.with_depth_max(max));
            if is_unique { options.unique() } else { options }
        },
    )
}

fn stats(model: &Model) -> Stats {
    let all = all(model);
    let width = |directory: &Path| {
        all.keys().filter(|path| path.parent().as_ref() == Some(directory)).count() as u64
    };
    let mut stats = Stats::default();
    stats.contents = model.len() as u64;
    stats.directories = all.len() as u64 - stats.contents;
    stats.depth = all.keys().map(Path::len).max().expect("the tree is read and written");
    stats.width = all.keys().map(width).max().expect("the tree is read and written");
    stats
}

proptest! {
    #![proptest_config(campaign::cases(300))]

    #[test]
    fn a_walk_visits_what_a_map_has(edits in edits(), options in options()) {
        campaign::block_on(async {
            let (repo, mut model) = (new_repo(), Model::new());
            let mut tree = repo.empty_tree();
            for edit in edits {
                apply(&repo, &mut tree, &mut model, edit).await;
            }
            let visited = walked(&tree, &model, options.clone()).await;
            assert_eq!(visited, visits(&model, &options), "{options:?}");
        });
    }

    #[test]
    fn statistics_are_those_of_the_map(edits in edits()) {
        campaign::block_on(async {
            let (repo, mut model) = (new_repo(), Model::new());
            let mut tree = repo.empty_tree();
            for edit in edits {
                apply(&repo, &mut tree, &mut model, edit).await;
            }
            assert_eq!(tree.stats().await.unwrap(), stats(&model));
        });
    }

    #[test]
    fn a_tree_becomes_a_plain_value_and_the_same_tree_again(edits in edits(), at in paths()) {
        campaign::block_on(async {
            let (repo, mut model) = (new_repo(), Model::new());
            let mut tree = repo.empty_tree();
            for edit in edits {
                apply(&repo, &mut tree, &mut model, edit).await;
            }
            let whole = tree.to_concrete("").await.unwrap().unwrap();
            let mut values = Model::new();
            flatten(&whole, &Path::root(), &mut values);
            assert_eq!(values, model);
            let again = repo.tree_from_concrete(&whole).unwrap();
            assert_eq!(again.hash().await.unwrap(), tree.hash().await.unwrap());

            let part = tree.to_concrete(&at).await.unwrap();
            assert_eq!(part.is_some(), kind(&model, &at).is_some());
            if let Some(part) = part {
                let mut copy = repo.empty_tree();
                copy.set_concrete(&at, &part).await.unwrap();
                let hash = tree.find_hash(&at).await.unwrap();
                assert_eq!(copy.find_hash(&at).await.unwrap(), hash);
            }
        });
    }

    #[test]
    fn differences_are_those_of_the_maps(before in edits(), after in edits()) {
        campaign::block_on(async {
            let (repo, mut model) = (new_repo(), Model::new());
            let mut tree = repo.empty_tree();
            for edit in before {
                apply(&repo, &mut tree, &mut model, edit).await;
            }
            let (old, old_model) = (tree.clone(), model.clone());
            for edit in after {
                apply(&repo, &mut tree, &mut model, edit).await;
            }
            let mut diff = old.diff(&tree);
            let mut differing = Vec::new();
            while let Some(difference) = diff.next().await.transpose().unwrap() {
                let path = &difference.path;
                let contents = async |tree: &Tree<Texts>, model: &Model| match model.get(path) {
                    Some(_) => tree.find_hash(path).await.unwrap(),
                    None => None,
                };
                assert_eq!(difference.old, contents(&old, &old_model).await);
                assert_eq!(difference.new, contents(&tree, &model).await);
                differing.push(difference.path);
            }
            let all: BTreeSet<_> = old_model.keys().chain(model.keys()).collect();
            let expected = all.into_iter().filter(|path| old_model.get(path) != model.get(path));
            assert!(differing.iter().eq(expected), "{differing:?}");
        });
    }

    #[test]
    fn entries_are_those_of_the_map_in_any_range(
        count in 0_u32..600,
        edited in prop::collection::vec((0_u32..700, any::<bool>()), 0..20),
        from in prop::option::of((0_u32..700, any::<bool>())),
        prefix in prop::sample::select(vec!["", "", "1", "12", "59", "7"]),
        (offset, limit) in (0_u64..80, prop::option::of(0_usize..80)),
        is_backwards in any::<bool>(),
    ) {
        campaign::block_on(async {
            let (repo, mut model) = (new_repo(), BTreeMap::new());
            let mut tree = repo.empty_tree();
            for number in 0..count {
                let (step, text) = (number.to_string(), "v".repeat(100) + &number.to_string());
                tree.set(format!("dir/{step}"), text.as_str()).await.unwrap();
                model.insert(step, text);
            }
            let main = repo.main().await.unwrap();
            main.set_tree("", &tree, "fill").await.unwrap();
            let mut tree = main.tree().await.unwrap();
            // Many a listing begins at an edit.
            let at = |(from, is_edit): (u32, bool)| match edited.get(from as usize % 20) {
                Some((edit, _)) if is_edit => *edit,
                _ => from,
            };
            let from = from.map(at);
            for (number, is_set) in edited {
                let step = number.to_string();
                if is_set {
                    tree.set(format!("dir/{step}"), "new").await.unwrap();
                    model.insert(step, "new".to_owned());
                } else {
                    tree.remove(format!("dir/{step}")).await.unwrap();
                    model.remove(&step);
                }
            }

            let mut options = ListOptions::default().with_prefix(prefix).with_offset(offset);
            options.from = from.map(|from| from.to_string().parse().unwrap());
            options.limit = limit;
            let mut expected: Vec<_> = model.into_iter().collect();
            if is_backwards {
                options = options.with_direction(Direction::Backwards);
                expected.reverse();
            }
            let from = from.map(|from| from.to_string());
            expected.retain(|(step, _)| {
                let is_in = from.as_ref().is_none_or(|from| {
                    if is_backwards { step <= from } else { step >= from }
                });
                is_in && step.starts_with(prefix)
            });
            let expected: Vec<_> = expected
                .into_iter()
                .skip(usize::try_from(offset).unwrap())
                .take(limit.unwrap_or(usize::MAX))
                .collect();

            let mut entries = tree.entries_with("dir", options.clone()).await.unwrap();
            let mut streamed = Vec::new();
            while let Some((step, found)) = entries.next().await.transpose().unwrap() {
                assert_eq!(found.kind(), Kind::Contents);
                streamed.push((step.to_string(), found.contents().await.unwrap().unwrap()));
            }
            assert_eq!(streamed, expected);
            let listed = tree.list_with("dir", options).await.unwrap();
            let listed: Vec<_> = listed.iter().map(|entry| entry.step.to_string()).collect();
            let steps: Vec<_> = expected.into_iter().map(|(step, _)| step).collect();
            assert_eq!(listed, steps);
        });
    }
}

fn flatten(concrete: &Concrete<String>, path: &Path, values: &mut Model) {
    match concrete {
        Concrete::Contents(text, ()) => drop(values.insert(path.clone(), text.clone())),
        Concrete::Directory(entries) => {
            assert!(path.is_root() || !entries.is_empty(), "`{path}` is an empty directory");
            for (step, below) in entries {
                flatten(below, &path.child(step), values);
            }
        }
    }
}

#[tokio::test]
async fn a_walk_ends_where_its_limits_of_depth_are() {
    let mut tree = new_repo().empty_tree();
    let silent = WalkOptions::default().with_order(WalkOrder::ContentsOnly);
    assert!(tree.walk(silent).next().await.is_none(), "nothing is in an empty tree");
    for path in ["a", "b/c", "b/d/e", "b/d/f"] {
        tree.set(path, path).await.unwrap();
    }
    let (any, at) = (WalkOptions::default, |min: usize, max: usize| {
        WalkOptions::default().with_depth_min(min).with_depth_max(max)
    });
    for (options, paths) in [
        (any(), &["", "a", "b", "b/c", "b/d", "b/d/e", "b/d/f"][..]),
        (at(0, 0), &[""]),
        (at(1, 1), &["a", "b"]),
        (at(2, 2), &["b/c", "b/d"]),
        (any().with_depth_max(1), &["", "a", "b"]),
        (any().with_depth_min(2), &["b/c", "b/d", "b/d/e", "b/d/f"]),
        (any().with_depth_min(3), &["b/d/e", "b/d/f"]),
        (any().with_depth_min(4), &[]),
        (at(2, 1), &[]),
    ] {
        let mut visited = Vec::new();
        let mut walk = tree.walk(options.clone());
        while let Some(visit) = walk.next().await.transpose().unwrap() {
            visited.push(visit.path.to_string());
        }
        assert_eq!(visited, paths, "{options:?}");
    }
}

#[tokio::test]
async fn equal_directories_are_walked_once_also_when_the_tree_was_not_saved() {
    let mut tree = new_repo().empty_tree();
    for path in ["a/x/1", "a/x/2", "b/x/1", "b/x/2", "c/1", "c/2", "d"] {
        tree.set(path, path.rsplit('/').next().unwrap()).await.unwrap();
    }
    let mut visited = BTreeSet::new();
    let mut walk = tree.walk(WalkOptions::default().unique());
    while let Some(visit) = walk.next().await.transpose().unwrap() {
        visited.insert(visit.path.to_string());
    }
    let expected = ["", "a", "a/x", "a/x/1", "a/x/2", "d"].map(str::to_owned);
    assert_eq!(visited, BTreeSet::from(expected), "`b` is `a`, and `c` is `a/x`");
}

#[tokio::test]
async fn statistics_of_an_empty_tree_and_of_one_that_was_emptied_are_those_of_a_root() {
    let mut tree = new_repo().empty_tree();
    let empty = tree.stats().await.unwrap();
    assert_eq!((empty.directories, empty.contents, empty.depth, empty.width), (1, 0, 0, 0));
    tree.set("a/b", "x").await.unwrap();
    tree.set("a/c", "y").await.unwrap();
    let two = tree.stats().await.unwrap();
    assert_eq!((two.directories, two.contents, two.depth, two.width), (2, 2, 2, 2));
    tree.remove("a").await.unwrap();
    assert_eq!(tree.stats().await.unwrap(), empty);
}

#[tokio::test]
async fn an_update_keeps_metadata_and_a_refused_one_is_not_called() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    tree.set_with_metadata("a/b", "x", Mode(3)).await.unwrap();
    tree.update("a/b", |old| old.map(|text| text.clone() + "y")).await.unwrap();
    assert_eq!(tree.find_with_metadata("a/b").await.unwrap(), Some(("xy".to_owned(), Mode(3))));
    tree.update("new", |old| old.is_none().then(|| "z".to_owned())).await.unwrap();
    assert_eq!(tree.find_with_metadata("new").await.unwrap(), Some(("z".to_owned(), Mode(0))));
    for (path, why) in [
        ("", "contents cannot be set at the root; give a path of at least one step"),
        (
            "a",
            "cannot put contents at `a`, which holds a directory; remove it first if that is meant",
        ),
        ("new/x", "cannot set `new/x`: `new` holds contents; remove it first if that is meant"),
    ] {
        let result = tree.update(path, |_| unreachable!("it is refused before")).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, why));
    }
    assert_eq!(tree.take("a").await.unwrap(), None, "a directory is not taken");
    assert_eq!(tree.take("").await.unwrap(), None);
    assert_eq!(tree.take("a/b").await.unwrap().as_deref(), Some("xy"));
    assert_eq!(tree.kind("a").await.unwrap(), None, "nothing is left in it");
}

#[tokio::test]
async fn plain_values_keep_metadata_and_lose_empty_directories() {
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let step = |text: &str| text.parse::<Step>().unwrap();
    let file = Concrete::Contents("x".to_owned(), Mode(7));
    let empty = Concrete::Directory(BTreeMap::from([(step("none"), Concrete::default())]));
    let sparse = BTreeMap::from([(step("file"), file.clone()), (step("empty"), empty.clone())]);
    let mut tree = repo.tree_from_concrete(&Concrete::Directory(sparse)).unwrap();
    let full = Concrete::Directory(BTreeMap::from([(step("file"), file.clone())]));
    assert_eq!(tree.to_concrete("").await.unwrap(), Some(full.clone()));
    assert_eq!(tree.to_concrete("file").await.unwrap(), Some(file.clone()));
    assert_eq!(tree.to_concrete("empty").await.unwrap(), None);
    assert!(repo.tree_from_concrete(&empty).unwrap().is_empty());

    tree.set_concrete("a/b", &full).await.unwrap();
    assert_eq!(tree.find_with_metadata("a/b/file").await.unwrap().unwrap().1, Mode(7));
    tree.set_concrete("a/b", &empty).await.unwrap();
    assert_eq!(tree.kind("a").await.unwrap(), None);
    let long = Concrete::Contents("x".to_owned(), Mode(257));
    let long = Concrete::Directory(BTreeMap::from([(step("a"), long)]));
    let before = tree.hash().await.unwrap();
    for (error, kind) in [
        (repo.tree_from_concrete(&file).unwrap_err(), ErrorKind::InvalidInput),
        (tree.set_concrete("", &file).await.unwrap_err(), ErrorKind::InvalidInput),
        (tree.set_concrete("file", &full).await.unwrap_err(), ErrorKind::InvalidInput),
        (tree.set_concrete("file/x", &file).await.unwrap_err(), ErrorKind::InvalidInput),
        (tree.set_concrete("new", &long).await.unwrap_err(), ErrorKind::Limit),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(tree.hash().await.unwrap(), before);
}

#[tokio::test]
async fn plain_values_and_walks_are_as_deep_as_trees() {
    let repo = new_repo();
    let nested = |count: usize| {
        let innermost = Concrete::contents("x".to_owned());
        let around =
            |below, _| Concrete::Directory(BTreeMap::from([("d".parse().unwrap(), below)]));
        (0..count).fold(innermost, around)
    };
    let tree = repo.tree_from_concrete(&nested(256)).unwrap();
    assert_eq!(tree.find(vec!["d"; 256].join("/")).await.unwrap().as_deref(), Some("x"));
    assert_eq!(tree.stats().await.unwrap().depth, 256);
    assert_eq!(tree.to_concrete("").await.unwrap(), Some(nested(256)));
    let error = repo.tree_from_concrete(&nested(257)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}
