//! Writes whose future is dropped while they lose a race, or while their answer is lost: they did nothing, or
//! everything, others go on, and what another process wrote stays.
//!
//! As in `cancel`, the storage waits before and after each call, and a write is polled when it is woken.
//! What a write begins from is made before the storage is slow, so all that is dropped is the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use ramus_core::{ErrorKind, Result};
use ramus_kv::containers::LogAt;
use ramus_kv::{MergeOptions, Merged, Repo, Resolution, Store, TransactionOptions};

use crate::bed::{Bed, Text, head, messages, put, read};
use crate::cancel::{poll_times, settle};
use crate::rig::Fate;

on_every_backend!(
    a_dropped_resolution_of_the_branch_did_nothing_or_everything,
    a_dropped_append_of_several_entries_did_nothing_or_everything,
    a_dropped_commit_of_nothing_is_there_or_not,
    a_set_that_is_dropped_while_it_tries_again_did_nothing_or_everything,
);

// In memory, since there are many places to be dropped at, and what is the storage's own is in `cancel`.
mod in_memory {
    use super::{
        a_commit_of_several_branches_that_is_dropped_while_it_tries_again,
        a_commit_that_is_dropped_while_it_tries_again,
        a_merge_that_is_dropped_while_it_tries_again, a_resolution_whose_answer_is_lost_is_dropped,
        a_transaction_that_is_dropped_while_it_runs_again,
        an_append_that_is_dropped_while_it_tries_again,
    };

    on_every_backend!(@backend mem One
        a_commit_that_is_dropped_while_it_tries_again,
        a_transaction_that_is_dropped_while_it_runs_again,
        a_merge_that_is_dropped_while_it_tries_again,
        a_resolution_whose_answer_is_lost_is_dropped,
        a_commit_of_several_branches_that_is_dropped_while_it_tries_again,
        an_append_that_is_dropped_while_it_tries_again);
    on_every_backend!(@backend joined One
        a_commit_that_is_dropped_while_it_tries_again,
        a_transaction_that_is_dropped_while_it_runs_again,
        a_merge_that_is_dropped_while_it_tries_again,
        a_resolution_whose_answer_is_lost_is_dropped,
        a_commit_of_several_branches_that_is_dropped_while_it_tries_again,
        an_append_that_is_dropped_while_it_tries_again);
}

/// What happens to a write on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fortune {
    Calm,
    /// Another process writes first.
    LostRace,
    /// It is done, and the answer does not come.
    LostAnswer,
    /// It is done, and the storage cannot say so.
    Ambiguous,
    /// Another process writes first, and that the write is refused is not told.
    LostRefusal,
}

use Fortune::{Ambiguous, Calm, LostAnswer, LostRace, LostRefusal};

const RACES: [Fortune; 4] = [LostRace, LostAnswer, Ambiguous, LostRefusal];

impl Fortune {
    /// Arranges it for the next write; returns what will say whether the other process has written.
    async fn arrange(self, bed: &Bed) -> Arc<AtomicBool> {
        let rig = bed.rig().clone();
        let (other, has_written) = (bed.main().await, Arc::new(AtomicBool::new(false)));
        let written = Arc::clone(&has_written);
        let come_first = move |and_then: Option<ErrorKind>| {
            let next = rig.clone();
            rig.before_next_write(async move {
                put(&other, "others", "came first").await;
                written.store(true, Ordering::SeqCst);
                if let Some(kind) = and_then {
                    next.answer_next_write(Fate::Done, kind);
                }
            });
        };
        match self {
            Calm => {}
            LostRace => come_first(None),
            LostRefusal => come_first(Some(ErrorKind::Unavailable)),
            LostAnswer => bed.rig().answer_next_write(Fate::Done, ErrorKind::Unavailable),
            Ambiguous => bed.rig().answer_next_write(Fate::Done, ErrorKind::Ambiguous),
        }
        has_written
    }
}

/// What is written, with the message `write`, to `main` and perhaps to `draft`.
#[derive(Clone, Copy, Debug)]
enum Write {
    Set,
    Commit,
    Again,
    Merge,
    Resolution,
    Together,
    Append,
    Nothing,
}

type Writing = BoxFuture<'static, Result<()>>;

/// `main` with the value `a`, and `draft`, which has `b/1` and `b/2` besides.
struct Scene {
    repo: Repo<Text>,
    main: Store<Text>,
    draft: Store<Text>,
}

impl Scene {
    async fn on(bed: &Bed) -> Self {
        let repo = bed.repo_that_counts();
        let main = repo.main().await.unwrap();
        put(&main, "a", "1").await;
        let draft = main.fork("draft").await.unwrap();
        both(&draft, "draft").await;
        Self { repo, main, draft }
    }

    /// Makes everything ready that a write begins from.
    async fn begin(&self, write: Write) -> Writing {
        let (repo, main) = (self.repo.clone(), self.main.clone());
        match write {
            Write::Set => Box::pin(async move { main.set("b/1", "1", "write").await.map(drop) }),
            Write::Commit => {
                let edit = self.begun(&self.main).await;
                Box::pin(async move { main.commit(edit, "write").await.map(drop) })
            }
            Write::Again => Box::pin(async move {
                main.transact_again("write", async move |edit| {
                    edit.set("b/1", "1").await?;
                    edit.set("b/2", "1").await
                })
                .await
            }),
            Write::Merge => {
                let theirs = head(&self.draft).await;
                let no_ff = MergeOptions::default().no_ff();
                Box::pin(async move {
                    main.merge_with(&theirs, no_ff, "write").await?.clean().map(drop)
                })
            }
            Write::Resolution => {
                main.set("b", "contents", "against a directory").await.unwrap();
                let Merged::Conflicts(mut open) = main.merge(&self.draft, "merge").await.unwrap()
                else {
                    panic!("a conflict");
                };
                open.resolve("b", Resolution::Theirs).unwrap();
                Box::pin(async move { main.commit_merge(&open, "write").await.map(drop) })
            }
            Write::Together => {
                let (of_main, mut of_draft) =
                    (self.begun(&self.main).await, self.draft.begin().await.unwrap());
                of_draft.remove("b").await.unwrap();
                Box::pin(async move {
                    repo.commit_all([(of_main, "write"), (of_draft, "write")]).await.map(drop)
                })
            }
            Write::Append => Box::pin(async move {
                let entries = ["1", "2", "3"].map(str::to_owned);
                LogAt::new("log")?.append_all(&main, entries, "write").await.map(drop)
            }),
            Write::Nothing => Box::pin(async move {
                let empty = TransactionOptions::default().allow_empty();
                main.transact_with(empty, "write", async |_| Ok(())).await
            }),
        }
    }

    async fn begun(&self, store: &Store<Text>) -> ramus_kv::Transaction<Text> {
        let mut edit = store.begin().await.unwrap();
        edit.set("b/1", "1").await.unwrap();
        edit.set("b/2", "1").await.unwrap();
        edit
    }
}

async fn both(store: &Store<Text>, why: &str) {
    let set = async |edit: &mut ramus_kv::Transaction<Text>| {
        edit.set("b/1", "1").await?;
        edit.set("b/2", "1").await
    };
    store.transact(why, set).await.unwrap();
}

/// Returns how often a branch says that it was written to.
async fn count(store: &Store<Text>) -> usize {
    messages(store).await.iter().filter(|message| *message == "write").count()
}

/// Returns whether a write is there, as another process sees it; a part of it is never there.
async fn is_there(bed: &Bed, write: Write) -> bool {
    let repo = bed.repo();
    let (main, draft) = (repo.main().await.unwrap(), repo.branch("draft").await.unwrap());
    let written = count(&main).await;
    let has = async |path: &str| {
        // A directory has replaced contents, or not yet.
        main.find_tree("b").await.unwrap().is_some() && main.mem(path).await.unwrap()
    };
    let parts = match write {
        Write::Set => vec![has("b/1").await],
        Write::Commit | Write::Again | Write::Merge | Write::Resolution => {
            vec![has("b/1").await, has("b/2").await]
        }
        Write::Together => {
            let emptied = draft.find_tree("b").await.unwrap().is_none();
            vec![has("b/1").await, has("b/2").await, emptied, count(&draft).await == 1]
        }
        Write::Append => {
            let log = LogAt::new("log").unwrap();
            let len = log.len(&main.tree().await.unwrap()).await.unwrap();
            vec![len > 0, len == 3]
        }
        Write::Nothing => Vec::new(),
    };
    assert!(written <= 1, "{write:?} is there {written} times");
    assert!(parts.iter().all(|part| *part == (written == 1)), "{write:?}: {written}, {parts:?}");
    written == 1
}

/// Drops a write at each of its polls in turn, and checks what it left; then that others go on.
async fn check(bed: &Bed, write: Write, fortune: Fortune) {
    let (mut nothing, mut everything) = (0, 0);
    for polls in 1.. {
        let bed = bed.another().await;
        let scene = Scene::on(&bed).await;
        let writing = scene.begin(write).await;
        let has_written = fortune.arrange(&bed).await;
        bed.rig().be_slow();
        let answer = poll_times(writing, polls).await;
        settle(&bed).await;
        let done = is_there(&bed, write).await;
        if done {
            everything += 1;
        } else {
            nothing += 1;
        }
        let others_came = has_written.load(Ordering::SeqCst);
        if others_came {
            assert_eq!(read(&bed.main().await, "others").await, "came first");
        }
        put(&scene.main, "go", "on").await;
        assert_eq!(read(&bed.main().await, "go").await, "on");
        put(&scene.draft, "go", "on").await;
        assert_eq!(is_there(&bed, write).await, done, "what was dropped is not done later");
        if let Some(answer) = answer {
            answer.unwrap();
            assert!(done, "{write:?}, {fortune:?}: it said so");
            assert_eq!(others_came, matches!(fortune, LostRace | LostRefusal));
            break;
        }
    }
    let (write, left) = (format!("{write:?}, {fortune:?}"), (nothing, everything));
    assert!(nothing > 1 && everything > 1, "{write}: nothing and everything: {left:?}");
}

async fn a_dropped_resolution_of_the_branch_did_nothing_or_everything(bed: Bed) {
    check(&bed, Write::Resolution, Calm).await;
}

async fn a_dropped_append_of_several_entries_did_nothing_or_everything(bed: Bed) {
    check(&bed, Write::Append, Calm).await;
}

async fn a_dropped_commit_of_nothing_is_there_or_not(bed: Bed) {
    check(&bed, Write::Nothing, Calm).await;
}

async fn a_set_that_is_dropped_while_it_tries_again_did_nothing_or_everything(bed: Bed) {
    check(&bed, Write::Set, LostRefusal).await;
}

async fn in_every_race(bed: &Bed, write: Write) {
    for fortune in RACES {
        check(bed, write, fortune).await;
    }
}

async fn a_commit_that_is_dropped_while_it_tries_again(bed: Bed) {
    in_every_race(&bed, Write::Commit).await;
}

async fn a_transaction_that_is_dropped_while_it_runs_again(bed: Bed) {
    in_every_race(&bed, Write::Again).await;
}

async fn a_merge_that_is_dropped_while_it_tries_again(bed: Bed) {
    in_every_race(&bed, Write::Merge).await;
}

async fn a_commit_of_several_branches_that_is_dropped_while_it_tries_again(bed: Bed) {
    in_every_race(&bed, Write::Together).await;
}

async fn an_append_that_is_dropped_while_it_tries_again(bed: Bed) {
    in_every_race(&bed, Write::Append).await;
}

// A resolution that comes too late is refused, so it tries nothing again but its sending.
async fn a_resolution_whose_answer_is_lost_is_dropped(bed: Bed) {
    for fortune in [LostAnswer, Ambiguous] {
        check(&bed, Write::Resolution, fortune).await;
    }
}
