//! A type of one's own that merges field by field, without writing a merge.
//!
//! ```sh
//! cargo run --release --example own_contents
//! ```
//!
//! Two people plan a party on their branches. Each field of the plan says by which rule it merges:
//! guests are a set, votes are counted, the budget is the lower one, the notes merge line by line. Where
//! both changed what only one can change, the conflict says in which field.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::{BTreeMap, BTreeSet};

use ramus::{Contents, Kv, Merged, Register, Resolution, Store};
use serde::{Deserialize, Serialize};

/// What the repository keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Contents)]
pub struct Plan {
    /// One of the two may change it at a time: that is the rule of a field without an attribute.
    pub place: String,
    /// Whoever either of the two invites is invited.
    #[merge(set)]
    pub guests: BTreeSet<String>,
    /// What both counted adds up, dish by dish.
    #[merge(map(count))]
    pub votes: BTreeMap<String, u32>,
    /// If both change it, the lower one stands.
    #[merge(min)]
    pub budget: u32,
    /// If both change it, what was said last stands. The type knows how, so the rule is to ask it.
    #[merge(contents)]
    pub begin: Register<String>,
    /// Both may write, as long as it is not the same lines.
    #[merge(lines)]
    pub notes: String,
}

#[tokio::main]
async fn main() -> ramus::Result<()> {
    let ada = ramus::open::<Kv<Plan>>("mem:").await?.branch("ada").await?;
    let plan = Plan {
        place: "garden".into(),
        guests: ["Charles".into()].into(),
        votes: [("soup".into(), 1), ("cake".into(), 1)].into(),
        budget: 200,
        begin: Register::new("at six".into(), 1000),
        notes: "Bring chairs.\nBring lamps.\nNo music.\n".into(),
    };
    ada.set("party", plan, "a plan").await?;
    let bob = ada.fork("bob").await?;

    change(&ada, "what Ada thinks", |plan| {
        plan.guests.insert("Mary".into());
        *plan.votes.entry("cake".into()).or_default() += 1;
        plan.budget = 180;
        plan.begin.write("at seven".into(), 2000);
        plan.notes = plan.notes.replace("No music.", "Some music.");
    })
    .await?;
    change(&bob, "what Bob thinks", |plan| {
        plan.guests.insert("John".into());
        *plan.votes.entry("cake".into()).or_default() += 1;
        plan.budget = 150;
        plan.begin.write("at eight".into(), 3000);
        plan.notes = plan.notes.replace("Bring chairs.", "Chairs are there.");
    })
    .await?;
    ada.merge(&bob, "what both think").await?.clean()?;
    if let Some(plan) = ada.find("party").await? {
        println!("merged: {plan:#?}\n");
    }

    change(&ada, "another place", |plan| plan.place = "boat".into()).await?;
    bob.merge(&ada, "follow").await?.clean()?;
    change(&ada, "yet another place", |plan| plan.place = "barn".into()).await?;
    change(&bob, "the place that Bob likes", |plan| plan.place = "beach".into()).await?;
    if let Merged::Conflicts(mut unmerged) = ada.merge(&bob, "try").await? {
        for conflict in unmerged.conflicts() {
            println!("in conflict: `{}` {}", conflict.path, conflict.conflict);
        }
        unmerged.resolve("party", Resolution::Theirs)?;
        ada.commit_merge(&unmerged, "the beach it is").await?;
    }
    if let Some(plan) = ada.find("party").await? {
        println!("resolved: {}", plan.place);
    }
    Ok(())
}

/// Changes the plan, as one commit.
async fn change(
    store: &Store<Kv<Plan>>,
    why: &str,
    change: impl FnOnce(&mut Plan),
) -> ramus::Result<()> {
    let mut edit = store.begin().await?;
    if let Some(mut plan) = edit.find("party").await? {
        change(&mut plan);
        edit.set("party", plan).await?;
    }
    store.commit(edit, why).await?;
    Ok(())
}
