//! Trees as plain maps: what a tree has to hold, however it is stored and edited.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ramus_core::{Path, Result, Step};
use ramus_kv::{Kind, Side, Tree};

use crate::mode::{Files, Mode};

/// What a tree holds, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model(pub(crate) BTreeMap<Path, Leaf>);

/// A value and its metadata.
pub(crate) type Leaf = (String, Mode);

/// Why the model refuses an edit: because something is in the way, or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Model {
    pub(crate) fn kind(&self, path: &Path) -> Option<Kind> {
        if self.0.contains_key(path) {
            Some(Kind::Contents)
        } else if path.is_root() || self.0.keys().any(|other| other.starts_with(path)) {
            Some(Kind::Directory)
        } else {
            None
        }
    }

    pub(crate) fn set(
        &mut self,
        path: &Path,
        value: &str,
        mode: Option<Mode>,
    ) -> Result<(), Refused> {
        if self.is_blocked(path) || self.kind(path) == Some(Kind::Directory) {
            return Err(Refused);
        }
        let kept = self.0.get(path).map(|(_, mode)| *mode);
        self.0.insert(path.clone(), (value.to_owned(), mode.or(kept).unwrap_or_default()));
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let count = self.0.len();
        self.0.retain(|other, _| !other.starts_with(path));
        self.0.len() < count
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Refused> {
        if self.kind(from).is_none() {
            return Err(Refused);
        }
        if from == to {
            return Ok(());
        }
        let nested = from.starts_with(to) || to.starts_with(from);
        if nested || self.is_blocked(to) || self.kind(to).is_some() {
            return Err(Refused);
        }
        let moved = self.below(from);
        self.remove(from);
        self.put(to, &moved);
        Ok(())
    }

    pub(crate) fn set_tree(&mut self, path: &Path, tree: &Self) -> Result<(), Refused> {
        if self.is_blocked(path) || self.kind(path) == Some(Kind::Contents) {
            return Err(Refused);
        }
        self.remove(path);
        self.put(path, tree);
        Ok(())
    }

    /// Returns what lies at a path and below it, as if that were the root.
    pub(crate) fn below(&self, path: &Path) -> Self {
        let below = |(other, leaf): (&Path, &Leaf)| Some((other.strip_prefix(path)?, leaf.clone()));
        Self(self.0.iter().filter_map(below).collect())
    }

    /// Puts what `below` took.
    pub(crate) fn put(&mut self, path: &Path, below: &Self) {
        self.0.extend(below.0.iter().map(|(rest, leaf)| (path.join(rest), leaf.clone())));
    }

    pub(crate) fn list(&self, path: &Path) -> Vec<(Step, Kind)> {
        let below = self.below(path);
        let steps: BTreeSet<Step> = below.0.keys().filter_map(|rest| rest.steps().next()).collect();
        let kinds = steps.into_iter().map(|step| {
            let kind = below.kind(&step.clone().into());
            (step, kind.expect("a step that was just found leads to something"))
        });
        kinds.collect()
    }

    /// Makes an equal tree, one value after the other.
    pub(crate) async fn fill(&self, mut tree: Tree<Files>) -> Result<Tree<Files>> {
        for (path, (value, mode)) in &self.0 {
            tree.set_with_metadata(path, value.as_str(), *mode).await?;
        }
        Ok(tree)
    }

    /// Makes a tree equal, by edits.
    pub(crate) async fn edit_to(&self, tree: &mut Tree<Files>) -> Result<()> {
        let before = Self::read(tree).await?;
        for path in before.0.keys().filter(|path| !self.0.contains_key(path)) {
            tree.remove(path).await?;
        }
        for (path, leaf) in self.0.iter().filter(|(path, leaf)| before.0.get(path) != Some(leaf)) {
            tree.set_with_metadata(path, leaf.0.as_str(), leaf.1).await?;
        }
        Ok(())
    }

    /// Reads a whole tree.
    ///
    /// # Panics
    ///
    /// If a directory below the root is empty.
    pub(crate) async fn read(tree: &Tree<Files>) -> Result<Self> {
        let mut read = Self::default();
        let mut todo = vec![Path::root()];
        while let Some(path) = todo.pop() {
            let entries = tree.list(&path).await?;
            assert!(path.is_root() || !entries.is_empty(), "the directory `{path}` is empty");
            for entry in entries {
                let path = path.child(&entry.step);
                match entry.kind {
                    Kind::Directory => todo.push(path),
                    Kind::Contents => {
                        let leaf = tree.find_with_metadata(&path).await?;
                        read.0.insert(path, leaf.expect("what is listed is there"));
                    }
                    // Nobody knows what is there.
                    Kind::Conflict => {}
                }
            }
        }
        Ok(read)
    }

    fn is_blocked(&self, path: &Path) -> bool {
        std::iter::successors(path.parent(), Path::parent).any(|path| self.0.contains_key(&path))
    }
}

/// Returns what a side of a conflict holds, without the metadata of contents that stand alone.
pub(crate) async fn read_side(side: Option<&Side<Files>>) -> Result<Option<Model>> {
    Ok(match side {
        Some(Side::Contents(value)) => {
            Some(Model([(Path::root(), (value.clone(), Mode(0)))].into()))
        }
        Some(Side::Directory(tree)) => Some(Model::read(tree).await?),
        Some(other) => panic!("a side of a first conflict is {other:?}"),
        None => None,
    })
}

/// How many entries a large directory has: more than one block holds.
const LARGE: usize = 60;

/// Returns a path of few steps out of few, so that they meet; the root is one of them.
pub(crate) fn any_path() -> impl Strategy<Value = Path> {
    let few = prop::collection::vec(any_step(), 0..4);
    prop_oneof![
        5 => few.prop_map(|steps| steps.into_iter().collect()),
        1 => (0..LARGE).prop_map(path_in_large),
    ]
}

fn path_in_large(number: usize) -> Path {
    format!("b/a/n{number:02}").parse().expect("it is a path")
}

/// Among the steps are some that order differently as parts of text.
fn any_step() -> impl Strategy<Value = Step> {
    prop::sample::select(vec!["a", "a!", "b"]).prop_map(|step| step.parse().expect("it is a step"))
}

pub(crate) fn any_leaf() -> impl Strategy<Value = Leaf> {
    (any_value(), any_mode())
}

pub(crate) fn any_value() -> impl Strategy<Value = String> {
    // The last one has a block of its own.
    let values = vec!["x".to_owned(), "y".to_owned(), "z".repeat(200)];
    prop::sample::select(values)
}

pub(crate) fn any_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode(0), Mode(0), Mode(0), Mode(1), Mode(2)])
}

/// Returns maps in which no contents lie below others; some have a large directory.
pub(crate) fn any_model() -> impl Strategy<Value = Model> {
    let entries = prop::collection::vec((any_path(), any_leaf()), 0..8);
    (entries, prop::bool::weighted(0.2)).prop_map(|(entries, has_large)| {
        let mut model = Model::default();
        if has_large {
            let entry = |number| (path_in_large(number), ("x".to_owned(), Mode(200)));
            model.0.extend((0..LARGE).map(entry));
        }
        for (path, leaf) in entries.into_iter().filter(|(path, _)| !path.is_root()) {
            change(&mut model, &path, Some(leaf));
        }
        model
    })
}

/// Returns a map that differs from another one in a few places.
pub(crate) fn changed(model: &Model) -> impl Strategy<Value = Model> + use<> {
    let model = model.clone();
    prop::collection::vec((any_path(), prop::option::of(any_leaf())), 0..5).prop_map(
        move |changes| {
            let mut model = model.clone();
            for (path, leaf) in changes.into_iter().filter(|(path, _)| !path.is_root()) {
                change(&mut model, &path, leaf);
            }
            model
        },
    )
}

/// Puts contents at a path, whatever is in the way.
fn change(model: &mut Model, path: &Path, leaf: Option<Leaf>) {
    model.0.retain(|other, _| !other.starts_with(path) && !path.starts_with(other));
    model.0.extend(leaf.map(|leaf| (path.clone(), leaf)));
}

/// Returns every path that `any_path` can give, and some that lie deeper.
pub(crate) fn all_paths() -> Vec<Path> {
    let steps: Vec<Step> = ["a", "a!", "b"].map(|step| step.parse().expect("it is a step")).into();
    let mut paths = vec![Path::root()];
    let mut from = 0;
    for _ in 0..4 {
        let end = paths.len();
        let below: Vec<Path> = paths[from..]
            .iter()
            .flat_map(|path| steps.iter().map(|step| path.child(step)))
            .collect();
        paths.extend(below);
        from = end;
    }
    paths
}
