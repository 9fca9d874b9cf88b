//! Merges that come to a block which is gone or damaged: the error says so and names it, and it is never a
//! conflict; and merges that others always precede.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_core::erased::Backend;
use ramus_core::{ErrorKind, Result, Sha1};
use ramus_kv::{Commit, MergeOptions, Repo, RepoOptions, Store};

use crate::bed::{Bed, Text, contents_hash, head, long_text, put, read, refused};
use crate::rig::Rig;

on_every_backend!(
    a_merge_over_a_block_that_is_gone_or_damaged_names_it_and_writes_nothing,
    a_transaction_that_came_second_names_a_block_that_is_gone_or_damaged,
    a_merge_that_others_always_precede_ends_in_contention,
);

/// A commit, and two that changed one value and one directory of it differently.
struct Sides {
    base: Commit<Text>,
    ours: Commit<Text>,
    theirs: Commit<Text>,
}

async fn sides(bed: &Bed) -> Sides {
    let main = bed.main().await;
    put(&main, "d/x", &long_text("base")).await;
    let base = put(&main, "d/y", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let ours = put(&main, "d/x", &long_text("ours")).await;
    let theirs = put(&draft, "d/x", &long_text("theirs")).await;
    Sides { base, ours, theirs }
}

/// What can be wrong with a block, and what is said of it then.
const FAULTS: [(Option<&str>, ErrorKind); 2] =
    [(None, ErrorKind::Missing), (Some("damaged"), ErrorKind::Corrupt)];

async fn directory(commit: &Commit<Text>) -> Sha1 {
    commit.tree().find_tree("d").await.unwrap().unwrap().hash().await.unwrap()
}

async fn a_merge_over_a_block_that_is_gone_or_damaged_names_it_and_writes_nothing(bed: Bed) {
    let Sides { base, ours, theirs } = sides(&bed).await;
    for (commit, text) in [(&base, "base"), (&ours, "ours"), (&theirs, "theirs")] {
        for block in [contents_hash(&long_text(text)), directory(commit).await] {
            for (instead, kind) in FAULTS {
                // Another process, which has nothing at hand.
                let repo = bed.lossy(block, instead).repo();
                let (main, draft) =
                    (repo.main().await.unwrap(), repo.branch("draft").await.unwrap());
                let merged = main.merge(&draft, "merge").await;
                refused(merged, kind, &block.to_string());
                let preview = main.preview_merge(&head(&draft).await, no_ff()).await;
                refused(preview.map(drop), kind, &block.to_string());
                assert_eq!(head(&bed.main().await).await, ours, "{text}: nothing was written");
            }
        }
    }
    let repo = bed.repo();
    let (main, draft) = (repo.main().await.unwrap(), repo.branch("draft").await.unwrap());
    let merged = main.merge(&draft, "merge").await.unwrap().clean();
    refused(merged, ErrorKind::Conflict, "`d/x` (both sides changed it");
}

fn no_ff() -> MergeOptions {
    MergeOptions::default().no_ff()
}

async fn a_transaction_that_came_second_names_a_block_that_is_gone_or_damaged(bed: Bed) {
    let Sides { base, ours, .. } = sides(&bed).await;
    let moving = bed.main().await;
    let moved = async |commit: &Commit<Text>| {
        let commit = moving.repo().commit(&commit.hash()).await.unwrap().unwrap();
        moving.set_head(&commit).await.unwrap();
    };
    for (commit, text) in [(&base, "base"), (&ours, "ours")] {
        for block in [contents_hash(&long_text(text)), directory(commit).await] {
            for (instead, kind) in FAULTS {
                moved(&base).await;
                let late: Result<_> = async {
                    let main = bed.lossy(block, instead).main().await;
                    let mut edit = main.begin().await?;
                    edit.set("d/x", long_text("theirs")).await?;
                    moved(&ours).await;
                    main.commit(edit, "late").await
                }
                .await;
                refused(late, kind, &block.to_string());
                let now = head(&moving).await.hash();
                assert!([base.hash(), ours.hash()].contains(&now), "{text}: nothing was written");
            }
        }
    }
}

/// Lets another process write before each write that is still to come.
fn come_first(rig: &Rig, other: Store<Text>, times: Arc<AtomicUsize>) {
    let next = rig.clone();
    rig.before_next_write(async move {
        let time = times.fetch_add(1, Ordering::SeqCst);
        put(&other, "others", &time.to_string()).await;
        come_first(&next, other, times);
    });
}

async fn a_merge_that_others_always_precede_ends_in_contention(bed: Bed) {
    tokio::time::pause();
    let options = RepoOptions::default().with_attempts_max(2);
    let repo = Repo::<Text>::with_options(Backend::new(bed.rig().clone()), options);
    let main = repo.main().await.unwrap();
    put(&main, "x", "1").await;
    let draft = main.fork("draft").await.unwrap();
    put(&draft, "y", "1").await;
    let times = Arc::new(AtomicUsize::new(0));
    come_first(bed.rig(), bed.main().await, Arc::clone(&times));
    let says = "was moved by other writers before each of 2 attempts, at last to ";
    let merged = main.merge_with(&head(&draft).await, no_ff(), "never").await;
    let error = refused(merged, ErrorKind::Contention, says);
    let times = times.load(Ordering::SeqCst);
    assert_eq!(times, 2, "it was tried as often as it says");
    let now = head(&bed.main().await).await;
    assert!(format!("{error:?}").contains(&now.hash().to_string()), "{error:?}");
    assert_eq!(read(&bed.main().await, "others").await, "1");
    assert_eq!(bed.main().await.find("y").await.unwrap(), None, "nothing of it was merged");
}
