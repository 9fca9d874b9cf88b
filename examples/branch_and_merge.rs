//! Contents of one's own, with a merge of their own; a conflict, and how it is resolved.
//!
//! ```sh
//! cargo run --release --example branch_and_merge
//! ```
//!
//! Recipes have a title, a number of servings, ingredients by name, and a count of how often they were
//! cooked. Two cooks change the same recipes on their branches. What can be merged field by field is;
//! what cannot is a conflict, which is a value that is looked at and resolved, path by path.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, BTreeSet};

use ramus::{
    Bytes, Conflict, Contents, Kv, Merged, PathConflict, Resolution, Side, Store, codec, merge,
};
use serde::{Deserialize, Serialize};

/// What the repository keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// One cook may change it at a time.
    pub title: String,
    /// One cook may change it at a time.
    pub servings: u32,
    /// How much of what. Each is changed by one cook at a time, different ones by both.
    pub ingredients: BTreeMap<String, String>,
    /// How often it was cooked: what both counted adds up.
    pub cooked: i64,
}

impl Contents for Recipe {
    // Two cooks who both cooked it once have cooked it twice, though they wrote the same.
    const MERGES_EQUAL_SIDES: bool = true;

    fn encode(&self) -> ramus::Result<Bytes> {
        codec::encode(self)
    }

    fn decode(bytes: &Bytes) -> ramus::Result<Self> {
        codec::decode(bytes)
    }

    fn merge(
        ancestor: Option<&Self>,
        ours: Option<&Self>,
        theirs: Option<&Self>,
    ) -> Result<Option<Self>, Conflict> {
        merge::both(ancestor, ours, theirs, Self::merge_fields)
    }
}

impl Recipe {
    fn merge_fields(ancestor: Option<&Self>, ours: &Self, theirs: &Self) -> Result<Self, Conflict> {
        // Whoever adds a field is told here by the compiler that it has to merge.
        let Self { title, servings, ingredients, cooked } = ours;
        let title = merge::value(ancestor.map(|a| &a.title), title, &theirs.title)
            .map_err(|conflict| conflict.at("title"))?;
        let servings = merge::value(ancestor.map(|a| &a.servings), servings, &theirs.servings)
            .map_err(|conflict| conflict.at("servings"))?;
        let ingredients =
            merge_ingredients(ancestor.map(|a| &a.ingredients), ingredients, &theirs.ingredients)?;
        let cooked = merge::count(ancestor.map(|a| &a.cooked), cooked, &theirs.cooked)
            .map_err(|conflict| conflict.at("cooked"))?;
        Ok(Self { title, servings, ingredients, cooked })
    }
}

/// Merges the ingredients key by key: each entry as a whole, absence included.
fn merge_ingredients(
    ancestor: Option<&BTreeMap<String, String>>,
    ours: &BTreeMap<String, String>,
    theirs: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Conflict> {
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        let before = ancestor.and_then(|ancestor| ancestor.get(key));
        let entry = merge::whole(before, ours.get(key), theirs.get(key))
            .map_err(|conflict| conflict.at(format_args!("ingredients/{key}")))?;
        merged.extend(entry.map(|entry| (key.clone(), entry)));
    }
    Ok(merged)
}

type Recipes = Kv<Recipe>;

#[tokio::main]
async fn main() -> ramus::Result<()> {
    let main = ramus::open::<Recipes>("mem:").await?.main().await?;
    let mut edit = main.begin().await?;
    edit.set("soups/leek", recipe("Leek soup", 4, &[("leeks", "3"), ("cream", "1 dl")])).await?;
    edit.set("breads/rye", recipe("Rye bread", 2, &[("rye", "500 g"), ("salt", "10 g")])).await?;
    edit.set("cakes/apple", recipe("Apple cake", 8, &[("apples", "5")])).await?;
    main.commit(edit, "three recipes").await?;

    what_merges(&main).await?;
    what_conflicts(&main).await
}

/// Both cooks change one recipe, and it merges.
async fn what_merges(main: &Store<Recipes>) -> ramus::Result<()> {
    let guest = main.fork("guest").await?;
    change(&guest, "soups/leek", "less cream, and cooked", |soup| {
        soup.ingredients.insert("cream".into(), "5 cl".into());
        soup.cooked += 1;
    })
    .await?;
    change(main, "soups/leek", "a name and nutmeg, and cooked", |soup| {
        soup.title = "Vichyssoise".into();
        soup.ingredients.insert("nutmeg".into(), "a little".into());
        soup.cooked += 1;
    })
    .await?;
    main.merge(&guest, "merge the guest's soup").await?.clean()?;
    if let Some(soup) = main.find("soups/leek").await? {
        println!("merged by its fields: {} for {}", soup.title, soup.servings);
        println!("  {:?}, cooked {} times\n", soup.ingredients, soup.cooked);
    }
    Ok(())
}

/// Both cooks change the same fields of one recipe, and one removes what the other changed.
async fn what_conflicts(main: &Store<Recipes>) -> ramus::Result<()> {
    let guest = main.fork("second-guest").await?;
    change(&guest, "breads/rye", "more salt", |bread| {
        bread.ingredients.insert("salt".into(), "12 g".into());
    })
    .await?;
    guest.remove("cakes/apple", "nobody bakes it").await?;
    change(main, "breads/rye", "less salt", |bread| {
        bread.ingredients.insert("salt".into(), "8 g".into());
    })
    .await?;
    change(main, "cakes/apple", "baked", |cake| cake.cooked += 1).await?;

    let merged = main.merge(&guest, "merge the second guest").await?;
    let Merged::Conflicts(mut unmerged) = merged else {
        return Err(ramus::Error::invalid_input("this was to be a conflict"));
    };
    println!("what does not merge:");
    let conflicts: Vec<PathConflict<Recipes>> = unmerged.conflicts().cloned().collect();
    for conflict in conflicts {
        println!("  {}: {}", conflict.path, conflict.conflict);
        let resolution = resolve(&conflict);
        println!("    resolved: {resolution:?}");
        unmerged.resolve(conflict.path, resolution)?;
    }
    let commit = main.commit_merge(&unmerged, "merge the second guest, by hand").await?;
    println!("\n{:?} has {} parents", commit.info().message, commit.parents().len());
    for path in ["breads/rye", "cakes/apple"] {
        println!("  {path}: {:?}", main.find(path).await?);
    }
    Ok(())
}

/// Decides as a person would: between two amounts of salt in the middle, and a cake that somebody
/// bakes stays.
fn resolve(conflict: &PathConflict<Recipes>) -> Resolution<Recipes> {
    match (&conflict.ours, &conflict.theirs) {
        (Some(Side::Contents(ours)), Some(Side::Contents(_))) => {
            let mut between = ours.clone();
            between.ingredients.insert("salt".into(), "10 g".into());
            Resolution::Contents(between)
        }
        (Some(_), None) => Resolution::Ours,
        _ => Resolution::Theirs,
    }
}

/// Changes a recipe that is there, as one commit.
async fn change(
    store: &Store<Recipes>,
    path: &str,
    why: &str,
    change: impl FnOnce(&mut Recipe),
) -> ramus::Result<()> {
    let mut edit = store.begin().await?;
    if let Some(mut recipe) = edit.find(path).await? {
        change(&mut recipe);
        edit.set(path, recipe).await?;
    }
    store.commit(edit, why).await?;
    Ok(())
}

fn recipe(title: &str, servings: u32, ingredients: &[(&str, &str)]) -> Recipe {
    let own = |(name, amount): &(&str, &str)| ((*name).to_owned(), (*amount).to_owned());
    let ingredients = ingredients.iter().map(own).collect();
    Recipe { title: title.to_owned(), servings, ingredients, cooked: 0 }
}
