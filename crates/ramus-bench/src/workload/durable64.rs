//! 64 writers, each of which waits until its commit is durable before it makes the next: of one branch, of a
//! branch each, and of refs alone (a block of 300 bytes and a ref each), on two threads. The `n`th of
//! all commits sets `a/<n mod 64>/<n / 64 mod 100>` to `v<n>`.
//!
//! The floor is a group append: 64 tasks hand 300 bytes each to one thread, which writes what has gathered
//! into a prewritten file with one call, syncs it once, and answers all. A peer stands behind such a thread, which
//! makes one transaction of what has gathered.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use ramus_core::{AtomicWrite as _, Hash as _, ReadOnly as _, RefName, Sha1, Storage as _, Update};
use ramus_pack::Pack;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Result;
use crate::context::{Context, Measured};
use crate::fixture::{Texts, info, repo};
use crate::peer::{Peer, PeerStore, Skill};
use crate::record::Recorder;
use crate::start::Start;
use crate::subject::Subject;

const WRITERS: u64 = 64;
const BYTES: usize = 300;
/// The size of the file of the floor.
const PREWRITTEN: usize = 16 << 20;
const STEPS: [&str; 3] = ["commit, one branch", "commit, 64 branches", "update, 64 refs"];

pub(super) fn run(context: &Context<'_>) -> Measured {
    let each = context.size(100, 2000);
    let mut recorder = Recorder::new("durable64");
    // The caller's runtime has one thread, and is not left: so this one is on threads of its own.
    let measured = std::thread::scope(|threads| {
        let work = threads.spawn(|| -> Result<Recorder, String> {
            ramus_and_floor(context, &mut recorder, each).map_err(|error| error.to_string())?;
            for peer in context.skilled(Skill::Group).filter(|peer| peer.is_synced()) {
                peer_commits(context, &mut recorder, each, peer)
                    .map_err(|error| error.to_string())?;
            }
            Ok(recorder)
        });
        work.join().map_err(|_| "a writer panicked".to_owned())?
    });
    Ok(measured?.records)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_time().build()?)
}

fn ramus_and_floor(context: &Context<'_>, recorder: &mut Recorder, each: u64) -> Result<()> {
    if context.has(Subject::RamusPack) {
        for (step, shared) in [(STEPS[0], true), (STEPS[1], false)] {
            let (runtime, place) = (runtime()?, context.place(Subject::RamusPack)?);
            runtime.block_on(async {
                let repo = repo(place.backend().await?);
                let mut stores = Vec::new();
                for writer in 0..WRITERS {
                    let name = if shared { "main".to_owned() } else { format!("b{writer}") };
                    stores.push(repo.branch(&name).await?);
                }
                let start = Start::now();
                commits(stores.clone(), each).await?;
                recorder.done(Subject::RamusPack, step, WRITERS * each, start);
                if shared {
                    verify(&stores[0], each).await?;
                }
                place.weigh().await?;
                Ok::<_, Box<dyn std::error::Error>>(repo.close().await?)
            })?;
        }
        let (runtime, place) = (runtime()?, context.place(Subject::RamusPack)?);
        runtime.block_on(async {
            let pack = place.pack().await?;
            let start = Start::now();
            updates(&pack, each).await?;
            recorder.done(Subject::RamusPack, STEPS[2], WRITERS * each, start);
            place.weigh().await?;
            Ok::<_, Box<dyn std::error::Error>>(pack.refs().close().await?)
        })?;
    }
    if context.has(Subject::Floor) {
        for step in STEPS {
            let place = context.place(Subject::Floor)?;
            let file = File::create(place.directory()?.join("floor"))?;
            file.write_all_at(&vec![0; PREWRITTEN], 0)?;
            file.sync_all()?;
            let start = Start::now();
            group_append(&file, each)?;
            recorder.done(Subject::Floor, step, WRITERS * each, start);
        }
    }
    Ok(())
}

async fn commits(stores: Vec<ramus_kv::Store<Texts>>, each: u64) -> ramus_core::Result<()> {
    let mut tasks = JoinSet::new();
    for (writer, store) in (0..).zip(stores) {
        tasks.spawn(async move {
            for i in 0..each {
                let (path, value) = edit(writer * each + i);
                store.set(path, value, info()).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// Looks that there is a commit for each edit, and what was written under each path.
async fn verify(main: &ramus_kv::Store<Texts>, each: u64) -> Result<()> {
    let commits = main.log().await?.collect().await?.len() as u64;
    assert_eq!(commits, WRITERS * each, "a commit for each edit");
    for (path, numbers) in written(each) {
        check(&path, &numbers, main.find(&path).await?);
    }
    Ok(())
}

async fn updates(pack: &Pack, each: u64) -> ramus_core::Result<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (pack, key) = (pack.clone(), RefName::branch(&format!("b{writer}"))?);
        tasks.spawn(async move {
            for i in 0..each {
                let mut block = vec![0; BYTES];
                block[..8].copy_from_slice(&(writer * each + i).to_le_bytes());
                let name = Sha1::of(&block);
                let update = Update::new(pack.refs().position().await?).set(key.clone(), name);
                let outcome = pack.write(vec![(name, block.into())], update).await?;
                assert!(outcome.is_applied(), "it tests nothing");
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// What 64 tasks hand over to one thread, which answers all that it took at once.
struct Group<T> {
    queue: Mutex<Vec<(T, oneshot::Sender<()>)>>,
    more: Condvar,
}

impl<T: Send + 'static> Group<T> {
    /// Lets 64 tasks hand over `each` items, made of their numbers; this thread is the one that takes them.
    fn run(each: u64, item: fn(u64) -> T, mut take: impl FnMut(&[T]) -> Result<()>) -> Result<()> {
        let runtime = runtime()?;
        let shared = Arc::new(Self { queue: Mutex::default(), more: Condvar::new() });
        for writer in 0..WRITERS {
            let shared = Arc::clone(&shared);
            runtime.spawn(async move {
                for i in 0..each {
                    let (answer, answered) = oneshot::channel();
                    shared.queue.lock().push((item(writer * each + i), answer));
                    shared.more.notify_one();
                    if answered.await.is_err() {
                        return;
                    }
                }
            });
        }
        let mut left = WRITERS * each;
        while left > 0 {
            let group = {
                let mut queue = shared.queue.lock();
                while queue.is_empty() {
                    shared.more.wait(&mut queue);
                }
                std::mem::take(&mut *queue)
            };
            let (items, answers): (Vec<T>, Vec<_>) = group.into_iter().unzip();
            take(&items)?;
            left -= items.len() as u64;
            for answer in answers {
                // A task that panicked does not wait.
                let _: Result<(), ()> = answer.send(());
            }
        }
        Ok(())
    }
}

/// Writes what has gathered into a prewritten file with one call, and syncs it once.
fn group_append(file: &File, each: u64) -> Result<()> {
    let mut at = 0;
    Group::run(
        each,
        |_| [1; BYTES],
        |items| {
            let bytes = items.concat();
            file.write_all_at(&bytes, at)?;
            file.sync_data()?;
            at = (at + bytes.len() as u64) % (PREWRITTEN - bytes.len()) as u64;
            Ok(())
        },
    )
}

/// What a program does that keeps its versions in a peer: one thread takes what 64 writers have handed over, makes
/// a commit of each in one transaction, and answers when that is durable.
fn peer_commits(
    context: &Context<'_>,
    recorder: &mut Recorder,
    each: u64,
    peer: &'static dyn Peer,
) -> Result<()> {
    let (mut store, _place) = context.open(peer)?;
    let start = Start::now();
    Group::run(each, |number| vec![edit(number)], |commits| store.set_each(commits))?;
    recorder.done(Subject::Peer(peer.name()), STEPS[0], WRITERS * each, start);
    let last = |store: &mut dyn PeerStore, path: &str| store.find_at(WRITERS * each, path);
    for (path, numbers) in written(each) {
        check(&path, &numbers, store.find(&path)?);
        check(&path, &numbers, last(&mut *store, &path)?);
    }
    Ok(())
}

/// Returns the `n`th of all edits.
fn edit(number: u64) -> (String, String) {
    (format!("a/{}/{}", number % 64, number / 64 % 100), format!("v{number}"))
}

/// Returns what was written to each path; which of it came last is open.
fn written(each: u64) -> HashMap<String, Vec<String>> {
    let mut written: HashMap<String, Vec<String>> = HashMap::new();
    for (path, value) in (0..WRITERS * each).map(edit) {
        written.entry(path).or_default().push(value);
    }
    written
}

fn check(path: &str, written: &[String], found: Option<String>) {
    assert!(found.is_some_and(|found| written.contains(&found)), "{path} holds what was written");
}
