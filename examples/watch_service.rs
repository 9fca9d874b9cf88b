//! A service that embeds a repository: tasks write, others follow, and nothing is lost.
//!
//! ```sh
//! cargo run --release --example watch_service
//! ```
//!
//! Sensors report into a branch each, and all of them count on one branch that they share. Three
//! followers read what happens as streams: one keeps up, one does not read at all until the sensors are
//! done, and one goes away again and again and comes back with nothing but its place. Notices are
//! dropped for whoever is more than four behind, so two of them live by the change log. At the end each
//! must have seen exactly what was written.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error as StdError;

use ramus::{BranchChange, BranchesEvent, BranchesPlace, BranchesWatch, Counter, Kv, Repo, Sha1};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

type Readings = Kv<Counter>;
type Failure = Box<dyn StdError + Send + Sync>;

const SENSORS: usize = 8;
const READINGS: usize = 100;
/// How many events the forgetful follower reads before it goes away.
const SITTING: usize = 37;
/// The branch whose first commit tells the followers that there is no more. It lies in the same log as
/// everything else, so what comes before it was written before it.
const DONE: &str = "service/done";

/// What a branch was on, one commit after the other.
type Heads = BTreeMap<String, Vec<Sha1>>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let repo = ramus::open::<Readings>("mem:?notices_max=4").await?;

    let (start_reading, sensors_done) = oneshot::channel();
    let keen = tokio::spawn(keep_up(repo.watch("").await?));
    let slow = tokio::spawn(wait_first(repo.watch("").await?, sensors_done));
    let start = repo.watch("").await?.place().unwrap_or_default();
    let forgetful = tokio::spawn(come_back(repo.clone(), start));

    let mut sensors = JoinSet::new();
    for sensor in 0..SENSORS {
        sensors.spawn(report(repo.clone(), sensor));
    }
    let mut written = Heads::new();
    while let Some(heads) = sensors.join_next().await {
        let (branch, heads) = heads??;
        written.insert(branch, heads);
    }
    let mut shared = repo.main().await?.log().await?;
    let heads = written.entry("main".to_owned()).or_default();
    while let Some(commit) = shared.next().await {
        heads.insert(0, commit?.hash());
    }
    let Counter(total) = repo.main().await?.find("readings").await?.unwrap_or_default();
    println!("{SENSORS} sensors made {READINGS} readings each, and counted {total} together");

    // Only now the slow one begins to read.
    drop(start_reading);
    repo.branch(DONE).await?.set("done", 1, "the sensors are done").await?;

    let followers =
        [("keen", keen.await??), ("slow", slow.await??), ("forgetful", forgetful.await??)];
    for (name, Followed { heads, sittings }) in &followers {
        let events: usize = heads.values().map(Vec::len).sum();
        println!(
            "the {name} follower saw {events} commits on {} branches in {sittings} sittings",
            heads.len()
        );
        if *heads != written {
            return Err(format!("the {name} follower did not see what was written").into());
        }
    }
    let made = SENSORS * READINGS;
    if usize::try_from(total) != Ok(made) {
        return Err(format!("of {made} readings {total} were counted").into());
    }
    println!("every follower saw every commit once, and in order: nothing is lost");
    Ok(())
}

/// A sensor: writes readings to its own branch, and counts them on the shared one; returns its branch
/// and what that was on.
async fn report(repo: Repo<Readings>, sensor: usize) -> ramus::Result<(String, Vec<Sha1>)> {
    let name = format!("sensor/{sensor}");
    let (own, shared) = (repo.branch(&name).await?, repo.main().await?);
    let mut heads = Vec::new();
    for reading in 1..=READINGS {
        let value = i64::try_from(reading).unwrap_or(i64::MAX);
        let commit = own.set("reading", value, format!("reading {reading} of {name}")).await?;
        heads.extend(commit.map(|commit| commit.hash()));
        // The others count, too: run again on top of what they did.
        shared
            .transact_again(format!("count {name}"), async move |edit| {
                let Counter(count) = edit.find("readings").await?.unwrap_or_default();
                edit.set("readings", count + 1).await
            })
            .await?;
    }
    Ok((name, heads))
}

/// What a follower saw, branch by branch.
#[derive(Default)]
struct Followed {
    heads: Heads,
    /// How often it began to read.
    sittings: usize,
}

/// Reads as fast as it can.
async fn keep_up(mut watch: BranchesWatch<Readings>) -> Result<Followed, Failure> {
    let mut followed = Followed { sittings: 1, ..Followed::default() };
    while let Some(event) = watch.next().await {
        if followed.note(event?)? {
            return Ok(followed);
        }
    }
    Err("the watch ended too early".into())
}

/// Reads nothing until it is allowed to. Nobody waits for it, and what it costs meanwhile is bounded.
async fn wait_first(
    watch: BranchesWatch<Readings>,
    allowed: oneshot::Receiver<()>,
) -> Result<Followed, Failure> {
    // It is allowed once the other end is gone.
    drop(allowed.await);
    keep_up(watch).await
}

/// Reads a little, goes away, and comes back with its place, as after a restart: a place can be kept as
/// whatever `serde` writes.
async fn come_back(
    repo: Repo<Readings>,
    mut kept: BranchesPlace<Sha1>,
) -> Result<Followed, Failure> {
    let mut followed = Followed::default();
    loop {
        followed.sittings += 1;
        let mut watch = repo.watch_after("", kept.clone()).await?;
        for _ in 0..SITTING {
            let event = watch.next().await.ok_or("the watch ended too early")?;
            if followed.note(event?)? {
                return Ok(followed);
            }
        }
        kept = watch.place().unwrap_or_default();
    }
}

impl Followed {
    /// Notes an event; returns whether it was the last one.
    fn note(&mut self, event: BranchesEvent<Readings>) -> Result<bool, Failure> {
        let BranchesEvent::Changed { branches, resync: false, .. } = event else {
            // A service would take it as it is: from where to where each branch got.
            return Err("the log was too short for this follower".into());
        };
        for BranchChange { branch, old, new, .. } in branches {
            if branch == DONE {
                return Ok(true);
            }
            let heads = self.heads.entry(branch).or_default();
            if heads.last() != old.map(|commit| commit.hash()).as_ref() {
                return Err("an event does not begin where the one before it ended".into());
            }
            heads.extend(new.map(|commit| commit.hash()));
        }
        Ok(false)
    }
}
