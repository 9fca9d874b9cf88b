//! Writes whose future is dropped in the middle: they did nothing, or everything, and others go on.
//!
//! The storage waits once before and once after each call, so a write is dropped before and after
//! each thing that it does. It is polled when it is woken, as a runtime does it: a storage may work
//! elsewhere, and then the number of polls says nothing of how far it has come.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ramus_core::{ContentAddressable as _, Error, ReadOnly as _, Result, Sha1, Storage as _};
use ramus_kv::containers::{CounterAt, LogAt, MapAt, RegisterAt, SetAt};
use ramus_kv::{
    Commit, Counter, Format as _, Kv, MergeOptions, Native, OnRace, PickOptions, RebaseOptions,
    Rebased, Register, Repo, Schema, SquashOptions, Store, TransactionOptions,
};

use crate::bed::{Bed, Text, head, log, long_text, put, read, steps};
use crate::dropped::{cut_once, cut_twice};

on_every_backend!(
    synced: a_dropped_set_did_nothing_or_everything,
    a_dropped_remove_did_nothing_or_everything,
    a_dropped_rename_did_nothing_or_everything,
    a_dropped_set_tree_did_nothing_or_everything,
    a_dropped_set_stream_did_nothing_or_everything,
    a_dropped_set_stream_of_a_value_that_is_cut_did_nothing_or_everything,
    a_dropped_upload_that_is_committed_did_nothing_or_everything,
    a_dropped_test_and_set_did_nothing_or_everything,
    a_dropped_test_and_set_tree_did_nothing_or_everything,
    a_dropped_commit_did_nothing_or_everything,
    a_dropped_commit_with_parents_did_nothing_or_everything,
    a_dropped_commit_of_several_branches_did_nothing_or_everything,
    a_dropped_transact_did_nothing_or_everything,
    a_dropped_transact_with_options_did_nothing_or_everything,
    a_dropped_transact_again_did_nothing_or_everything,
    a_dropped_merge_did_nothing_or_everything,
    a_dropped_merge_forward_did_nothing_or_everything,
    a_dropped_commit_merge_did_nothing_or_everything,
    a_dropped_commit_of_stored_conflicts_did_nothing_or_everything,
    a_dropped_revert_did_nothing_or_everything,
    a_dropped_cherry_pick_did_nothing_or_everything,
    a_dropped_rebase_did_nothing_or_everything,
    a_dropped_continue_rebase_did_nothing_or_everything,
    a_dropped_squash_did_nothing_or_everything,
    a_dropped_resolution_leaves_the_tree_as_it_was,
    a_dropped_set_head_did_nothing_or_everything,
    a_dropped_test_and_set_head_did_nothing_or_everything,
    a_dropped_fast_forward_did_nothing_or_everything,
    a_dropped_write_of_a_container_did_nothing_or_everything,
    a_dropped_count_did_nothing_or_everything,
    a_dropped_entry_of_a_log_is_there_or_not,
    dropped_entries_of_a_log_are_all_there_or_none,
    a_dropped_write_of_a_register_did_nothing_or_everything,
    a_dropped_fork_did_nothing_or_everything,
    a_dropped_remove_branch_did_nothing_or_everything,
    a_dropped_remove_branch_at_did_nothing_or_everything,
    a_dropped_create_branch_did_nothing_or_everything,
    a_dropped_rename_branch_did_nothing_or_everything,
    a_dropped_copy_branch_did_nothing_or_everything,
    a_dropped_create_tag_did_nothing_or_everything,
    a_dropped_remove_tag_did_nothing_or_everything,
    a_dropped_undo_did_nothing_or_everything,
    a_dropped_read_of_the_operations_loses_nothing,
    a_dropped_write_of_a_detached_handle_did_nothing_or_everything,
    a_writer_that_is_dropped_while_it_waits_its_turn_is_forgotten,
);

/// Polls a future at most so often, each time once it was woken, then drops it; returns its answer if
/// it was ready.
pub(crate) async fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if let Poll::Ready(answer) = future.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        left -= 1;
        if left == 0 { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// Waits until what was dropped is under way no more, in a storage that works elsewhere.
pub(crate) async fn settle(bed: &Bed) {
    bed.rig().at_once().blocks().flush().await.unwrap();
}

/// What a test writes to: `main`, with the values `a/x` and `a/y`, and the branch `draft`, on which
/// the value `draft` was added.
struct Scene {
    repo: Repo<Text>,
    main: Store<Text>,
    draft: Store<Text>,
}

async fn scene(bed: &Bed) -> Scene {
    // Its clock counts, since the order of a log with merges is that of the times.
    let repo = bed.repo_that_counts();
    let main = repo.main().await.unwrap();
    put(&main, "a/x", "1").await;
    put(&main, "a/y", "1").await;
    let draft = main.fork("draft").await.unwrap();
    put(&draft, "draft", "1").await;
    Scene { repo, main, draft }
}

/// Returns what can be seen of a storage: the branches with their commits, and what they hold.
async fn seen(bed: &Bed) -> Vec<(String, Vec<String>, Vec<(String, String)>)> {
    let repo = bed.repo();
    let mut seen = Vec::new();
    for name in repo.branches().await.unwrap() {
        let store = repo.branch(&name).await.unwrap();
        let messages = log(&store).await.into_iter().map(|commit| commit.info().message.clone());
        let tree = store.tree().await.unwrap();
        let differences = repo.empty_tree().diff(&tree).collect().await.unwrap();
        let mut values = Vec::new();
        for difference in differences {
            let value = tree.find(&difference.path).await.unwrap().unwrap();
            values.push((difference.path.to_string(), value));
        }
        seen.push((name, messages.collect(), values));
    }
    for tag in repo.tags("").await.unwrap().collect().await.unwrap() {
        seen.push((format!("tag {}", tag.name), vec![tag.commit.to_string()], Vec::new()));
    }
    seen
}

/// Drops a write at each of its polls in turn, and checks what it left; then that others go on.
#[expect(clippy::future_not_send, reason = "it is if the write is")]
async fn check<T>(bed: Bed, write: impl AsyncFn(Scene) -> Result<T>) {
    let (nothing, everything) = counted(bed, write).await;
    assert!(nothing > 1 && everything > 1, "{nothing} did nothing, {everything} everything");
}

/// Checks a write that works elsewhere on its way, so that the number of its polls is not always the same: of
/// what is done right after one another a run may see one alone.
#[expect(clippy::future_not_send, reason = "it is if the write is")]
async fn check_elsewhere<T>(bed: Bed, write: impl AsyncFn(Scene) -> Result<T>) {
    let (nothing, everything) = counted(bed, write).await;
    assert!(nothing > 1 && everything > 0, "{nothing} did nothing, {everything} everything");
}

/// Returns how often a dropped write did nothing and how often everything.
#[expect(clippy::future_not_send, reason = "it is if the write is")]
async fn counted<T>(bed: Bed, write: impl AsyncFn(Scene) -> Result<T>) -> (usize, usize) {
    let untouched = bed.another().await;
    scene(&untouched).await;
    let before = seen(&untouched).await;
    let whole = bed.another().await;
    Box::pin(write(scene(&whole).await)).await.unwrap();
    let after = seen(&whole).await;
    assert_ne!(before, after, "a write that does nothing shows nothing");
    let (mut nothing, mut everything) = (0, 0);
    for polls in 1.. {
        let bed = bed.another().await;
        let scene = scene(&bed).await;
        let (repo, main) = (scene.repo.clone(), scene.main.clone());
        bed.rig().be_slow();
        let answer = poll_times(Box::pin(write(scene)), polls).await;
        settle(&bed).await;
        let left = seen(&bed).await;
        if left == before {
            nothing += 1;
        } else {
            assert_eq!(left, after, "dropped after {polls} polls");
            everything += 1;
        }
        put(&main, "others", "go on").await;
        assert_eq!(read(&bed.main().await, "others").await, "go on");
        repo.branch("new").await.unwrap().set("x", "1", "new").await.unwrap();
        if let Some(answer) = answer {
            answer.unwrap();
            break;
        }
    }
    (nothing, everything)
}

async fn a_dropped_set_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.set("b/c", "2", "write").await).await;
}

async fn a_dropped_remove_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.remove("a/x", "write").await).await;
}

async fn a_dropped_rename_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.rename("a", "b/c", "write").await).await;
}

async fn a_dropped_set_tree_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let tree = s.draft.tree().await?;
        s.main.set_tree("b", &tree, "write").await
    })
    .await;
}

async fn a_dropped_set_stream_did_nothing_or_everything(bed: Bed) {
    // One that lies in its directory, and one that has a block.
    for value in ["2".to_owned(), long_text("2")] {
        check(bed.another().await, async |s: Scene| {
            s.main.set_stream("b/c", value.as_bytes(), "write").await
        })
        .await;
    }
}

async fn a_dropped_set_stream_of_a_value_that_is_cut_did_nothing_or_everything(bed: Bed) {
    for (value, levels) in [(cut_once(), 1), (cut_twice(), 2)] {
        let scratch = bed.another().await;
        let main = scratch.main().await;
        main.set_stream("b/c", value.as_bytes(), "write").await.unwrap();
        assert_eq!(levels_of(&scratch, &main, "b/c").await, levels);
        check_elsewhere(bed.another().await, async |s: Scene| {
            s.main.set_stream("b/c", value.as_bytes(), "write").await
        })
        .await;
    }
}

/// Returns how many levels of index blocks lie above the chunks of a value.
async fn levels_of(bed: &Bed, store: &Store<Text>, path: &str) -> usize {
    let mut at = store.tree().await.unwrap().find_hash(path).await.unwrap().unwrap();
    for levels in 0.. {
        let block = bed.rig().blocks().find(&at).await.unwrap().unwrap();
        match Native::links::<Sha1>(&block).unwrap().first() {
            Some(part) => at = part.hash(),
            None => return levels,
        }
    }
    unreachable!("every block has fewer below it")
}

async fn a_dropped_upload_that_is_committed_did_nothing_or_everything(bed: Bed) {
    let value = cut_once();
    check_elsewhere(bed, async |s: Scene| {
        let mut edit = s.main.begin().await?;
        let upload = s.repo.upload(value.as_bytes()).await?;
        edit.set_upload("b/c", &upload).await?;
        edit.set_stream("b/d", value.as_bytes()).await?;
        s.main.commit(edit, "write").await
    })
    .await;
}

async fn a_dropped_test_and_set_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        s.main.test_and_set("a/x", Some("1".to_owned()), Some("2".to_owned()), "write").await
    })
    .await;
}

async fn a_dropped_test_and_set_tree_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let (test, set) = (s.main.find_tree("a").await?, s.draft.tree().await?);
        s.main.test_and_set_tree("a", test.as_ref(), Some(&set), "write").await
    })
    .await;
}

async fn a_dropped_commit_with_parents_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let mut edit = s.main.begin().await?;
        edit.set("b", "2").await?;
        edit.set_parents([head(&s.main).await, head(&s.draft).await]);
        s.main.commit(edit, "write").await
    })
    .await;
}

async fn a_dropped_commit_of_several_branches_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let (mut of_main, mut of_draft) = (s.main.begin().await?, s.draft.begin().await?);
        of_main.set("b", "2").await?;
        of_draft.remove("a").await?;
        s.repo.commit_all([(of_main, "write"), (of_draft, "write")]).await
    })
    .await;
}

async fn a_dropped_commit_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let mut edit = s.main.begin().await?;
        edit.set("b", "2").await?;
        edit.remove("a").await?;
        s.main.commit(edit, "write").await
    })
    .await;
}

async fn a_dropped_transact_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        s.main
            .transact("write", async |edit| {
                edit.set("b", "2").await?;
                edit.rename("a/x", "c").await
            })
            .await
    })
    .await;
}

async fn a_dropped_transact_with_options_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let refuse = TransactionOptions::default().with_on_race(OnRace::Refuse);
        s.main.transact_with(refuse, "write", async |edit| edit.set("b", "2").await).await
    })
    .await;
}

async fn a_dropped_transact_again_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        s.main
            .transact_again("write", async |edit| {
                edit.set("b", "2").await?;
                edit.rename("a/x", "c").await
            })
            .await
    })
    .await;
}

async fn a_dropped_merge_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let no_ff = MergeOptions::default().no_ff();
        let theirs = s.draft.head().await?.expect("it has a head");
        s.main.merge_with(&theirs, no_ff, "write").await?.clean()
    })
    .await;
}

async fn a_dropped_merge_forward_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.merge(&s.draft, "merge").await?.clean()).await;
}

async fn a_dropped_commit_merge_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        // The conflict takes commits of its own, on a branch that nobody looks at.
        let ours = s.repo.detached(&head(&s.main).await).unwrap();
        ours.set("draft", "2", "ours").await?;
        let ramus_kv::Merged::Conflicts(mut unmerged) = ours.merge(&s.draft, "merge").await? else {
            panic!("a conflict");
        };
        unmerged.resolve("draft", ramus_kv::Resolution::Theirs)?;
        let merged = ours.commit_merge(&unmerged, "resolved").await?;
        s.main.fast_forward(&merged).await
    })
    .await;
}

async fn a_dropped_commit_of_stored_conflicts_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let ours = s.repo.detached(&head(&s.main).await).unwrap();
        ours.set("draft", "2", "ours").await?;
        let ramus_kv::Merged::Conflicts(mut unmerged) = ours.merge(&s.draft, "merge").await? else {
            panic!("a conflict");
        };
        unmerged.resolve("draft", ramus_kv::Resolution::Later)?;
        let stored = ours.commit_merge(&unmerged, "stored").await?;
        let mut edit = ours.begin().await?;
        edit.resolve("draft", ramus_kv::Resolution::Theirs).await?;
        let resolved = ours.commit(edit, "resolved").await?.expect("it changes something");
        assert_eq!(resolved.parents(), [stored.hash()]);
        s.main.fast_forward(&resolved).await
    })
    .await;
}

async fn a_dropped_revert_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        s.main.revert(&head(&s.main).await, PickOptions::default()).await?.clean()
    })
    .await;
}

async fn a_dropped_cherry_pick_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        s.main.cherry_pick(&head(&s.draft).await, PickOptions::default()).await?.clean()
    })
    .await;
}

/// Makes two commits to be rebased, on a handle that nobody looks at, and one to rebase them onto.
async fn aside(s: &Scene, path: &str) -> Result<(Store<Text>, Commit<Text>)> {
    let onto = s.repo.detached(&head(&s.main).await).unwrap();
    onto.set(path, "onto", "onto").await?;
    let branch = s.repo.detached(&head(&s.draft).await).unwrap();
    branch.set("z", "1", "more").await?;
    Ok((branch, head(&onto).await))
}

async fn a_dropped_rebase_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let onto = aside(&s, "o").await?.1;
        s.draft.rebase(&onto, RebaseOptions::default()).await?.clean()
    })
    .await;
}

async fn a_dropped_continue_rebase_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let onto = aside(&s, "draft").await?.1;
        let Rebased::Conflicts(mut halted) =
            s.draft.rebase(&onto, RebaseOptions::default()).await?
        else {
            panic!("a conflict");
        };
        halted.unmerged.resolve("draft", ramus_kv::Resolution::Theirs)?;
        s.draft.continue_rebase(&halted).await?.clean()
    })
    .await;
}

async fn a_dropped_squash_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.squash_all(SquashOptions::default()).await).await;
}

async fn a_dropped_resolution_leaves_the_tree_as_it_was(bed: Bed) {
    let scene = scene(&bed).await;
    let (branch, onto) = aside(&scene, "draft").await.unwrap();
    let later = RebaseOptions::default().with_on_conflict(ramus_kv::OnConflict::Later);
    branch.rebase(&onto, later).await.unwrap().clean().unwrap().unwrap();
    let (commit, mut dropped) = (head(&branch).await, 0);
    bed.rig().be_slow();
    for polls in 1.. {
        let repo = bed.repo();
        let mut tree = repo.commit(&commit.hash()).await.unwrap().unwrap().tree();
        let before = tree.hash().await.unwrap();
        let answer = poll_times(tree.resolve("draft", ramus_kv::Resolution::Ours), polls).await;
        if let Some(answer) = answer {
            answer.unwrap();
            assert_eq!(tree.find("draft").await.unwrap().as_deref(), Some("onto"));
            break;
        }
        assert_eq!(tree.hash().await.unwrap(), before);
        dropped += 1;
    }
    assert!(dropped > 1);
}

async fn a_dropped_set_head_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.set_head(&head(&s.draft).await).await).await;
}

async fn a_dropped_test_and_set_head_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let (test, set) = (s.main.head().await?, s.draft.head().await?);
        s.main.test_and_set_head(test.as_ref(), set.as_ref()).await
    })
    .await;
}

async fn a_dropped_fast_forward_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.fast_forward(&head(&s.draft).await).await).await;
}

async fn a_dropped_write_of_a_container_did_nothing_or_everything(bed: Bed) {
    let map = MapAt::<String>::new("map").unwrap();
    check(bed.another().await, async |scene: Scene| {
        map.insert(&scene.main, "key", "value", "insert").await
    })
    .await;
    let map = MapAt::<String>::new("a").unwrap();
    check(bed.another().await, async |s: Scene| map.remove(&s.main, "x", "remove").await).await;
    check(bed.another().await, async |scene: Scene| {
        map.update(&scene.main, "x", |was| was.map(|was| was + "!"), "update").await
    })
    .await;
    let set = SetAt::<String>::new("set").unwrap();
    check(bed.another().await, async |s: Scene| set.insert(&s.main, "member", "insert").await)
        .await;
    let set = SetAt::<String>::new("a").unwrap();
    check(bed, async |scene: Scene| set.remove(&scene.main, "x", "remove").await).await;
}

/// Drops a write that counts one more at each of its polls in turn: it has counted or not, and the next
/// one counts on.
async fn check_counting<S: Schema<Hash = Sha1>>(
    bed: Bed,
    write: impl AsyncFn(Store<S>) -> Result<()>,
    count: impl AsyncFn(Store<S>) -> Result<u64>,
) {
    let (mut nothing, mut everything) = (0, 0);
    for polls in 1.. {
        let bed = bed.another().await;
        let main = bed.repo_of::<S>().main().await.unwrap();
        Box::pin(write(main.clone())).await.unwrap();
        bed.rig().be_slow();
        let answer = poll_times(Box::pin(write(main.clone())), polls).await;
        settle(&bed).await;
        let elsewhere = bed.repo_of::<S>().main().await.unwrap();
        let left = count(elsewhere.clone()).await.unwrap();
        match left {
            1 => nothing += 1,
            2 => everything += 1,
            _ => panic!("{left} were counted when it was dropped after {polls} polls"),
        }
        Box::pin(write(main)).await.unwrap();
        assert_eq!(count(elsewhere).await.unwrap(), left + 1);
        if let Some(answer) = answer {
            answer.unwrap();
            break;
        }
    }
    assert!(nothing > 1 && everything > 1, "{nothing} did nothing, {everything} everything");
}

async fn a_dropped_count_did_nothing_or_everything(bed: Bed) {
    let counter = CounterAt::new("n").unwrap();
    check_counting(
        bed,
        async |main: Store<Kv<Counter>>| counter.add(&main, 1, "add").await.map(drop),
        async |main: Store<Kv<Counter>>| {
            Ok(u64::try_from(counter.read(&main.tree().await?).await?).unwrap())
        },
    )
    .await;
}

async fn a_dropped_entry_of_a_log_is_there_or_not(bed: Bed) {
    let entries = LogAt::new("entries").unwrap();
    check_counting(
        bed,
        async |main: Store<Text>| entries.append(&main, "entry", "append").await.map(drop),
        async |main: Store<Text>| entries.len(&main.tree().await?).await,
    )
    .await;
}

async fn dropped_entries_of_a_log_are_all_there_or_none(bed: Bed) {
    let entries = LogAt::new("entries").unwrap();
    check_counting(
        bed,
        async |main: Store<Text>| {
            entries.append_all(&main, ["1", "2", "3"], "append").await.map(drop)
        },
        async |main: Store<Text>| {
            let entries = entries.len(&main.tree().await?).await?;
            assert_eq!(entries % 3, 0, "{entries} entries are there");
            Ok(entries / 3)
        },
    )
    .await;
}

async fn a_dropped_write_of_a_register_did_nothing_or_everything(bed: Bed) {
    let register = RegisterAt::<u64>::new("r").unwrap();
    let read = async |main: &Store<Kv<Register<u64>>>| {
        Ok::<u64, Error>(register.read(&main.tree().await?).await?.unwrap_or_default())
    };
    check_counting(
        bed,
        async |main: Store<Kv<Register<u64>>>| {
            let next = read(&main).await? + 1;
            register.write(&main, next, "write").await
        },
        async |main: Store<Kv<Register<u64>>>| read(&main).await,
    )
    .await;
}

async fn a_dropped_fork_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.main.fork("fork").await).await;
}

async fn a_dropped_remove_branch_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.remove_branch("draft").await).await;
}

async fn a_dropped_remove_branch_at_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.remove_branch_at("draft", &head(&s.draft).await).await)
        .await;
}

async fn a_dropped_create_branch_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.create_branch("made", &head(&s.draft).await).await).await;
}

async fn a_dropped_rename_branch_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.rename_branch("draft", "renamed").await).await;
}

async fn a_dropped_copy_branch_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.copy_branch("draft", "copied").await).await;
}

async fn a_dropped_create_tag_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| s.repo.create_tag("made", &head(&s.draft).await).await).await;
}

async fn a_dropped_remove_tag_did_nothing_or_everything(bed: Bed) {
    // Its own making is a part of what is dropped.
    let untouched = bed.another().await;
    scene(&untouched).await;
    let before = seen(&untouched).await;
    let mut states = Vec::new();
    for polls in 1.. {
        let bed = bed.another().await;
        let Scene { repo, draft, .. } = scene(&bed).await;
        repo.create_tag("made", &head(&draft).await).await.unwrap();
        let tagged = seen(&bed).await;
        bed.rig().be_slow();
        let answer = poll_times(repo.remove_tag("made"), polls).await;
        settle(&bed).await;
        let left = seen(&bed).await;
        assert!(left == tagged || left == before, "dropped after {polls} polls");
        states.push(left == before);
        if let Some(answer) = answer {
            assert!(answer.unwrap());
            break;
        }
    }
    assert!(states.len() > 3 && !states[0] && states[states.len() - 2]);
}

async fn a_dropped_undo_did_nothing_or_everything(bed: Bed) {
    check(bed, async |s: Scene| {
        let mut operations = s.repo.operations().await?;
        let newest = operations.next().await.expect("an operation")?;
        s.repo.undo(&newest).await?.done()
    })
    .await;
}

async fn a_dropped_read_of_the_operations_loses_nothing(bed: Bed) {
    let Scene { repo, .. } = scene(&bed).await;
    let all = repo.operations().await.unwrap().collect().await.unwrap();
    bed.rig().be_slow();
    let mut read = Vec::new();
    let mut operations = repo.operations().await.unwrap();
    let mut dropped = 0;
    loop {
        match poll_times(operations.next(), 1).await {
            None => dropped += 1,
            Some(Some(operation)) => read.push(operation.unwrap()),
            Some(None) => break,
        }
    }
    assert_eq!((read, dropped > 0), (all, true));
}

async fn a_dropped_write_of_a_detached_handle_did_nothing_or_everything(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "x", "1").await;
    bed.rig().be_slow();
    let mut done = 0;
    for polls in 1.. {
        let detached = main.repo().detached(&base).unwrap();
        let answer = poll_times(Box::pin(detached.set("x", "2", "write")), polls).await;
        let now = head(&detached).await;
        if now == base {
            assert_eq!((done, read(&detached, "x").await), (0, "1".to_owned()));
        } else {
            assert_eq!(
                (now.parents(), read(&detached, "x").await),
                (&[base.hash()][..], "2".into())
            );
            done += 1;
        }
        put(&detached, "others", "go on").await;
        if let Some(answer) = answer {
            assert_eq!(answer.unwrap(), Some(now));
            break;
        }
    }
    assert!(done > 0);
}

async fn a_writer_that_is_dropped_while_it_waits_its_turn_is_forgotten(bed: Bed) {
    let Scene { main, .. } = scene(&bed).await;
    bed.rig().be_slow();
    let mut first = Box::pin(main.set("first", "1", "first"));
    assert!(poll_times(first.as_mut(), 1).await.is_none());
    // With the clock paused time passes only where nothing else happens.
    tokio::time::pause();
    let second = main.set("second", "1", "second");
    let second = tokio::time::timeout(Duration::from_millis(1), second).await;
    assert!(second.is_err(), "it waits its turn");
    let third = tokio::spawn({
        let main = main.clone();
        async move { main.set("third", "1", "third").await }
    });
    tokio::task::yield_now().await;
    drop(first);
    third.await.unwrap().unwrap().unwrap();
    assert_eq!(steps(&main, "").await, ["a", "third"]);
}
