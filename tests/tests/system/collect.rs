//! Collection: what is kept, what is removed, and what goes on beside it.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::FutureExt as _;
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use ramus_core::{
    AtomicWrite as _, Epoch, ErrorKind, ReadOnly as _, RefName, Sha1, Storage as _, Sweep as _,
};
use ramus_kv::block::Link;
use ramus_kv::{
    CollectOptions, Collected, CollectionPhase, Format as _, Kind, Native, Repo, Root, Store, Tree,
    WalkOptions,
};

use tokio::sync::Notify;

use crate::bed::{Bed, Choices, Text, contents_hash, head, log, long_text, put, refused, repeats};

on_every_backend!(
    what_nothing_reaches_is_removed_and_the_rest_stays,
    a_dry_run_counts_and_removes_nothing,
    given_roots_are_kept,
    a_missing_or_damaged_block_ends_a_collection_before_it_removes,
    a_missing_block_that_only_a_pin_reaches_does_not_end_it,
    it_says_why_a_block_is_kept,
    handles_keep_what_they_were_read_from,
    a_head_that_is_read_beside_a_collection_is_whole,
    a_head_that_moves_on_at_every_look_is_read,
    a_head_that_is_another_at_every_look_is_contention,
    what_is_asked_of_the_history_stays_right,
    a_collection_that_is_dropped_anywhere_does_no_harm,
    a_collection_that_is_dropped_is_over,
    one_collection_runs_at_a_time,
    parents_that_only_a_transaction_holds_are_kept_until_it_is_committed,
    what_a_lost_race_left_is_kept_for_the_update_that_is_sent_again,
    writers_and_readers_beside_collections_miss_nothing,
);

/// Collects as usual.
async fn collect(repo: &Repo<Text>) -> Collected {
    repo.collect(CollectOptions::default()).await.unwrap()
}

/// Returns the names of all blocks.
async fn all(bed: &Bed) -> BTreeSet<Sha1> {
    let sweep = bed.rig().at_once().sweep().unwrap();
    sweep.keys().try_collect().await.unwrap()
}

/// Returns the names of what the refs and other roots reach: the naive way.
async fn reached(bed: &Bed, roots: impl IntoIterator<Item = Sha1>) -> BTreeSet<Sha1> {
    let backend = bed.rig().at_once();
    let refs = backend.refs().snapshot(b"").await.unwrap().collect().await.unwrap();
    let mut todo: Vec<_> = refs.into_iter().map(|(_, value)| value).chain(roots).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = todo.pop() {
        if reached.insert(name) {
            let block = backend.blocks().find(&name).await.unwrap();
            let block = block.unwrap_or_else(|| panic!("block {name} is not there"));
            todo.extend(Native::links::<Sha1>(&block).unwrap().iter().map(Link::hash));
        }
    }
    reached
}

/// Whether the storage collects at all; those that do not say so.
async fn collects(bed: &Bed) -> bool {
    if bed.rig().at_once().sweep().is_some() {
        return true;
    }
    let repo = bed.repo();
    let says = "offers no sweep";
    refused(repo.collect(CollectOptions::default()).await, ErrorKind::Unsupported, says);
    refused(repo.why(&contents_hash("x")).await, ErrorKind::Unsupported, says);
    false
}

/// Makes a branch with a bit of everything that a repository can hold.
async fn fill(store: &Store<Text>, salt: &str) {
    let numbers: Vec<_> = (0..60_000).map(|number| number.to_string()).collect();
    let large = numbers.join(salt);
    let mut edit = store.begin().await.unwrap();
    edit.set("large", large).await.unwrap();
    edit.set("text", long_text(salt)).await.unwrap();
    edit.set("short", salt).await.unwrap();
    for number in 0..600 {
        let value = long_text(&format!("{salt} {number}"));
        edit.set(format!("wide/{number}"), value).await.unwrap();
    }
    edit.set("a/b/c/d", format!("deep {salt}")).await.unwrap();
    store.commit(edit, "fill").await.unwrap();
    put(store, "text", &long_text(&format!("{salt}, later"))).await;
    let draft = store.fork(&format!("draft of {salt}").replace(' ', "-")).await.unwrap();
    put(&draft, "draft", &long_text(&format!("{salt}, draft"))).await;
    put(store, "short", "later").await;
    drop(store.merge(&draft, "merge").await.unwrap());
    let name = draft.branch_name().unwrap().to_owned();
    store.repo().remove_branch(&name).await.unwrap();
}

/// Reads all of a tree, and returns how many values it has.
async fn read_all(tree: &Tree<Text>) -> usize {
    let mut walk = tree.walk(WalkOptions::default());
    let mut values = 0;
    while let Some(visit) = walk.next().await {
        let visit = visit.unwrap();
        if visit.found.kind() == Kind::Contents {
            tree.find(&visit.path).await.unwrap().unwrap();
            values += 1;
        }
    }
    values
}

async fn what_nothing_reaches_is_removed_and_the_rest_stays(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    for name in ["kept", "gone"] {
        fill(&repo.branch(name).await.unwrap(), name).await;
    }
    repo.create_tag("first", &log(&repo.branch("kept").await.unwrap()).await.pop().unwrap())
        .await
        .unwrap();
    let before = all(&bed).await;
    repo.remove_branch("gone").await.unwrap();
    let kept = reached(&bed, []).await;
    assert!(kept.len() > 600 && before.len() > kept.len() + 600, "{} {}", before.len(), kept.len());
    let collected = collect(&repo).await;
    assert_eq!(all(&bed).await, kept);
    assert_eq!(collected.blocks_removed, (before.len() - kept.len()) as u64);
    assert_eq!(collected.blocks_reached, kept.len() as u64);
    assert_eq!(collected.bytes_removed, None);
    let store = bed.repo().branch("kept").await.unwrap();
    for commit in log(&store).await {
        read_all(&commit.tree()).await;
    }
    // Everything can be made again.
    fill(&repo.branch("gone").await.unwrap(), "gone").await;
    read_all(&repo.branch("gone").await.unwrap().tree().await.unwrap()).await;
    assert_eq!(collect(&repo).await.blocks_reached, reached(&bed, []).await.len() as u64);
    reached(&bed, []).await;
}

async fn a_dry_run_counts_and_removes_nothing(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    put(&repo.main().await.unwrap(), "kept", &long_text("kept")).await;
    put(&repo.branch("gone").await.unwrap(), "gone", &long_text("gone")).await;
    repo.remove_branch("gone").await.unwrap();
    let before = all(&bed).await;
    let garbage: Vec<_> = before.difference(&reached(&bed, []).await).copied().collect();
    let mut bytes = 0;
    for name in &garbage {
        bytes += bed.rig().at_once().blocks().find(name).await.unwrap().unwrap().len() as u64;
    }
    let options = CollectOptions::default().with_dry_run(true);
    let would = repo.collect(options).await.unwrap();
    assert_eq!(would.blocks_removed, garbage.len() as u64);
    assert_eq!(would.bytes_removed, Some(bytes));
    assert_eq!(all(&bed).await, before);
    let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
    let mut phases = Vec::new();
    while let Some(progress) = collection.step().await.unwrap() {
        if phases.last() != Some(&progress.phase) {
            phases.push(progress.phase);
        }
    }
    let expected = [CollectionPhase::Mark, CollectionPhase::Remove, CollectionPhase::Finish];
    assert_eq!(phases, expected);
    assert_eq!(collection.collected().blocks_removed, garbage.len() as u64);
}

async fn given_roots_are_kept(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let gone = repo.branch("gone").await.unwrap();
    let commit = put(&gone, "gone", &long_text("gone")).await;
    let hash = commit.hash();
    drop((commit, gone));
    repo.remove_branch("gone").await.unwrap();
    let options = CollectOptions::default().with_roots([hash]);
    assert_eq!(repo.collect(options.clone()).await.unwrap().blocks_removed, 0);
    assert_eq!(all(&bed).await, reached(&bed, [hash]).await);
    assert_eq!(collect(&repo).await.blocks_removed, 3);
    refused(repo.collect(options).await, ErrorKind::Missing, &hash.to_string());
}

async fn a_missing_or_damaged_block_ends_a_collection_before_it_removes(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    fill(&main, "main").await;
    put(&repo.branch("gone").await.unwrap(), "gone", &long_text("gone")).await;
    repo.remove_branch("gone").await.unwrap();
    drop(main);
    let before = all(&bed).await;
    for (at, name) in reached(&bed, []).await.into_iter().enumerate().step_by(67) {
        let bed = bed.lossy(name, (at % 2 == 0).then_some("no block"));
        let kind = if at % 2 == 0 { ErrorKind::Corrupt } else { ErrorKind::Missing };
        let answer = bed.repo().collect(CollectOptions::default()).await;
        refused(answer, kind, &name.to_string());
        assert_eq!(all(&bed).await, before, "nothing is removed");
    }
}

async fn a_missing_block_that_only_a_pin_reaches_does_not_end_it(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let tree = repo.tree(&contents_hash("a directory that is nowhere")).await.unwrap();
    put(&repo.branch("gone").await.unwrap(), "gone", &long_text("gone")).await;
    repo.remove_branch("gone").await.unwrap();
    assert_eq!(collect(&repo).await.blocks_removed, 3);
    assert_eq!(all(&bed).await.len(), 0);
    drop(tree);
}

async fn it_says_why_a_block_is_kept(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let text = long_text("why");
    let old = put(&main, "a/b", &text).await;
    let new = put(&main, "c", &long_text("not this")).await;
    let block = contents_hash(&text);
    let why = repo.why(&block).await.unwrap().unwrap();
    assert_eq!(why.root, Root::Ref(RefName::branch("main").unwrap()));
    assert_eq!((why.path.first(), why.path.last()), (Some(&new.hash()), Some(&block)));
    // By the newest commit, which still has it, and not by the one before.
    assert_eq!(why.path.len(), 4, "{why}");
    for pair in why.path.windows(2) {
        let found = bed.rig().at_once().blocks().find(&pair[0]).await.unwrap().unwrap();
        let links = Native::links::<Sha1>(&found).unwrap();
        assert!(links.iter().any(|link| link.hash() == pair[1]), "{why}");
    }
    assert!(why.to_string().starts_with("branch/main -> "), "{why}");
    assert_eq!(repo.why(&contents_hash("nobody has it")).await.unwrap(), None);
    // Nothing but handles holds it now.
    drop((main, old));
    repo.remove_branch("main").await.unwrap();
    let why = repo.why(&block).await.unwrap().unwrap();
    assert_eq!((why.root, why.path.first()), (Root::Pin, Some(&new.hash())));
    drop(new);
    assert_eq!(repo.why(&block).await.unwrap(), None);
    collect(&repo).await;
    assert_eq!(all(&bed).await.len(), 0);
}

async fn handles_keep_what_they_were_read_from(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let store = repo.branch("gone").await.unwrap();
    fill(&store, "gone").await;
    let mut held: Vec<(&str, BoxFuture<'static, bool>)> = Vec::new();
    let tree = store.tree().await.unwrap();
    let below = tree.find_tree("wide").await.unwrap().unwrap();
    let reader = tree.reader("large").await.unwrap().unwrap();
    let mut edit = store.begin().await.unwrap();
    edit.remove("text").await.unwrap();
    let main = repo.main().await.unwrap();
    let grafted = {
        let mut tree = repo.empty_tree();
        tree.set_tree("graft", &below).await.unwrap();
        tree
    };
    repo.remove_branch("gone").await.unwrap();
    drop((store, tree));
    held.push(("a tree", async move { read_all(&below).await == 600 }.boxed()));
    held.push(("a reader", async move { reader.read_range(..).await.is_ok() }.boxed()));
    held.push((
        "a tree that was put together",
        async move { read_all(&grafted).await == 600 }.boxed(),
    ));
    collect(&bed.repo()).await;
    for (what, reads) in held {
        assert!(reads.await, "{what}");
        collect(&bed.repo()).await;
    }
    // A transaction of before is committed after.
    let tree = edit.tree().clone();
    drop(edit);
    let mut edit = main.begin().await.unwrap();
    edit.set_tree("old", &tree).await.unwrap();
    drop(tree);
    collect(&bed.repo()).await;
    main.commit(edit, "after").await.unwrap().unwrap();
    collect(&bed.repo()).await;
    assert!(read_all(&main.tree().await.unwrap()).await > 600);
    drop(main);
    collect(&bed.repo()).await;
    assert_eq!(all(&bed).await, reached(&bed, []).await);
}

async fn a_head_that_is_read_beside_a_collection_is_whole(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    bed.rig().be_slow();
    let at_once = Repo::<Text>::new(bed.rig().at_once().clone());
    for polls in 0..12 {
        let store = at_once.branch("moves").await.unwrap();
        put(&store, "a/b", &long_text(&format!("before {polls}"))).await;
        drop(store);
        let repo = bed.repo();
        let store = repo.branch("moves").await.unwrap();
        let mut reading = store.head().boxed();
        let mut read = None;
        for _ in 0..polls {
            read = poll_once(&mut reading).await;
            if read.is_some() {
                break;
            }
        }
        // Now the branch is made anew, and what it was on goes.
        at_once.remove_branch("moves").await.unwrap();
        let anew = at_once.branch("moves").await.unwrap();
        put(&anew, "a/b", &long_text(&format!("after {polls}"))).await;
        drop(anew);
        collect(&at_once).await;
        let commit = match read {
            Some(commit) => commit,
            None => reading.await,
        };
        // Between the two there was no branch.
        if let Some(commit) = commit.unwrap() {
            assert_eq!(read_all(&commit.tree()).await, 1, "{polls} polls");
        }
    }
}

/// Polls a future once.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    let polled = poll_fn(|context| Poll::Ready(future.poll_unpin(context))).await;
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn a_head_that_moves_on_at_every_look_is_read(bed: Bed) {
    let writer = Repo::<Text>::new(bed.rig().at_once().clone()).main().await.unwrap();
    put(&writer, "x", "first").await;
    bed.rig().before_each_find_of_a_ref({
        let writer = writer.clone();
        move || {
            let writer = writer.clone();
            // More than one, as writers that are combined make them.
            async move {
                for _ in 0..3 {
                    let next = writer.log().await.unwrap().collect().await.unwrap().len();
                    put(&writer, "x", &next.to_string()).await;
                }
            }
        }
    });
    let head = bed.repo().main().await.unwrap().head().await.unwrap().unwrap();
    let log = writer.log().await.unwrap().collect().await.unwrap();
    assert!(log.iter().any(|commit| commit.hash() == head.hash()));
    assert!(head.tree().find("x").await.unwrap().is_some());
    assert!(log.len() < 20, "it was looked at a few times, not {}", log.len() / 3);
}

async fn a_head_that_is_another_at_every_look_is_contention(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = Repo::<Text>::new(bed.rig().at_once().clone());
    let main = repo.main().await.unwrap();
    let mut heads = Vec::new();
    for name in ["one", "other"] {
        heads.push(put(&repo.branch(name).await.unwrap(), "x", name).await);
    }
    main.set_head(&heads[0]).await.unwrap();
    bed.rig().before_each_find_of_a_ref(move || {
        let (main, heads) = (main.clone(), heads.clone());
        async move {
            let now = main.head().await.unwrap().unwrap();
            let other = heads.iter().find(|head| head.hash() != now.hash()).unwrap();
            main.set_head(other).await.unwrap();
        }
    });
    let error = bed.repo().main().await.unwrap().head().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert!(error.to_string().contains("branch/main"), "{error}");
}

async fn what_is_asked_of_the_history_stays_right(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let main = repo.main().await.unwrap();
    let first = put(&main, "a", "1").await;
    let gone = main.fork("gone").await.unwrap();
    let lost = put(&gone, "b", "in vain").await.hash();
    assert_eq!(gone.last_modified("b").await.unwrap().unwrap().hash(), lost);
    put(&main, "c", "2").await;
    drop(gone);
    repo.remove_branch("gone").await.unwrap();
    assert!(collect(&repo).await.blocks_removed > 0);
    assert_eq!(repo.commit(&lost).await.unwrap(), None);
    let second = put(&main, "b", "3").await;
    for repo in [repo.clone(), bed.repo()] {
        let main = repo.main().await.unwrap();
        assert_eq!(
            main.last_modified("b").await.unwrap(),
            Some(repo.commit(&second.hash()).await.unwrap().unwrap())
        );
        assert_eq!(main.last_modified("a").await.unwrap().unwrap().hash(), first.hash());
        assert_eq!(log(&main).await.len(), 3);
        let (first, second) =
            (repo.commit(&first.hash()).await.unwrap().unwrap(), head(&main).await);
        assert!(repo.is_ancestor(&first, &second).await.unwrap());
        assert_eq!(repo.lcas(&first, &second).await.unwrap(), [first]);
    }
    // The commit that was collected is made again: its name is known already.
    let gone = repo.detached(&first).unwrap().fork("gone").await.unwrap();
    put(&gone, "b", "in vain").await;
    assert_eq!(repo.lcas(&head(&gone).await, &second).await.unwrap(), [first]);
}

async fn a_collection_that_is_dropped_anywhere_does_no_harm(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    fill(&repo.main().await.unwrap(), "main").await;
    bed.rig().be_slow();
    let mut finished = false;
    let mut polls = 1;
    while !finished {
        let name = format!("gone-{polls}");
        let store = repo.branch(&name).await.unwrap();
        put(&store, "gone", &long_text(&name)).await;
        drop(store);
        repo.remove_branch(&name).await.unwrap();
        let mut collecting = repo.collect(CollectOptions::default()).boxed();
        for _ in 0..polls {
            if let Some(collected) = poll_once(&mut collecting).await {
                collected.unwrap();
                finished = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(collecting);
        reached(&bed, []).await;
        polls += 1 + polls / 4;
    }
    collect(&repo).await;
    assert_eq!(all(&bed).await, reached(&bed, []).await);
}

async fn parents_that_only_a_transaction_holds_are_kept_until_it_is_committed(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let main = bed.main().await;
    let ours = put(&main, "x", "1").await;
    let side = main.fork("side").await.unwrap();
    let theirs = put(&side, "y", &long_text("theirs")).await;
    main.repo().remove_branch("side").await.unwrap();
    let mut edit = main.begin().await.unwrap();
    edit.set_parents([ours, theirs]);
    edit.set("x", "2").await.unwrap();
    drop(side);
    let collector = bed.repo();
    bed.rig().before_next_write(async move {
        collect(&collector).await;
    });
    let commit = main.commit(edit, "both").await.unwrap().unwrap();
    let parents = commit.parents().to_vec();
    drop(commit);
    for parent in parents {
        let parent = bed.repo().commit(&parent).await.unwrap().expect("a parent is there");
        read_all(&parent.tree()).await;
    }
}

async fn what_a_lost_race_left_is_kept_for_the_update_that_is_sent_again(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let main = bed.main().await;
    put(&main, "base", "0").await;
    let mut writes = ["first", "second", "third"].map(|name| {
        let main = main.clone();
        async move { put(&main, name, &long_text(name)).await }.boxed()
    });
    // The first writes alone. The other two lose a race, and their leader leaves in the second try.
    let (rig, other, stopped) = (bed.rig().clone(), bed.main().await, Arc::new(Notify::new()));
    let told = Arc::clone(&stopped);
    bed.rig().before_next_write(async move {
        tokio::task::yield_now().await;
        let again = rig.clone();
        rig.before_next_write(async move {
            put(&other, "others", "1").await;
            again.before_next_write(async move {
                told.notify_one();
                std::future::pending::<()>().await;
            });
        });
    });
    tokio::select! {
        _ = futures::future::join_all(&mut writes) => panic!("the second try stops"),
        () = stopped.notified() => {}
    }
    let [_, second, third] = writes;
    drop(second);
    collect(&bed.repo()).await;
    third.await;
    let store = bed.repo().main().await.unwrap();
    assert_eq!(read_all(&head(&store).await.tree()).await, 5);
}

async fn a_collection_that_is_dropped_is_over(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    fill(&repo.main().await.unwrap(), "main").await;
    let sweep = bed.rig().at_once().sweep().unwrap();
    let before = sweep.begin().await.unwrap();
    sweep.finish(before).await.unwrap();
    let remembers = async || {
        // What was asked of the storage before is done by then.
        sweep.finish(before).await.unwrap();
        let mut remembers = false;
        for epoch in before.get()..before.get() + 10 {
            remembers |= sweep.pinned(Epoch::new(epoch)).await.is_ok();
        }
        remembers
    };
    for steps in [0, 1, 3] {
        let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
        for _ in 0..steps {
            collection.step().await.unwrap();
        }
        assert!(remembers().await, "it runs");
        drop(collection);
        assert!(!remembers().await, "dropped after {steps} steps");
    }
    let absent = repo.why(&contents_hash("absent")).await.unwrap();
    assert!(absent.is_none() && !remembers().await, "the question is answered");
}

async fn one_collection_runs_at_a_time(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    let repo = bed.repo();
    let mut first = repo.collection(CollectOptions::default()).await.unwrap();
    let answer = repo.collection(CollectOptions::default()).await;
    refused(answer, ErrorKind::Unavailable, "is being collected already");
    refused(repo.why(&contents_hash("x")).await, ErrorKind::Unavailable, "already");
    // Another repository cannot know, and ends it.
    collect(&bed.repo()).await;
    let mut answer = first.step().await;
    while answer.as_ref().is_ok_and(Option::is_some) {
        answer = first.step().await;
    }
    refused(answer, ErrorKind::InvalidInput, "the collection is over");
    drop(first);
    collect(&repo).await;
}

/// Writers, readers and collectors take turns in an order that a seed decides, at each call of the
/// storage; and nobody ever misses a block.
async fn writers_and_readers_beside_collections_miss_nothing(bed: Bed) {
    if !collects(&bed).await {
        return;
    }
    bed.rig().be_slow();
    let mut choices = Choices::new(Choices::seed());
    for round in 0..repeats().div_ceil(3) {
        let (one, other) = (bed.repo(), bed.repo());
        let done = Arc::new(AtomicBool::new(false));
        let mut actors: Vec<BoxFuture<'static, ()>> = Vec::new();
        for number in 0..3 {
            let repo = if number == 1 { other.clone() } else { one.clone() };
            let choices = Choices::new(choices.below(1 << 40) as u64);
            actors.push(write(repo, format!("{round}-{number}"), choices).boxed());
        }
        for repo in [one.clone(), other.clone()] {
            let choices = Choices::new(choices.below(1 << 40) as u64);
            actors.push(read(repo, choices).boxed());
        }
        let working = actors.len();
        for repo in [one, other] {
            let choices = Choices::new(choices.below(1 << 40) as u64);
            actors.push(collect_often(repo, Arc::clone(&done), choices).boxed());
        }
        take_turns(actors, working, &done, &mut choices).await;
        collect(&bed.repo()).await;
        assert_eq!(all(&bed).await, reached(&bed, []).await, "round {round}");
    }
}

const BRANCHES: [&str; 3] = ["main", "draft", "spare"];

/// Polls one after the other, as chance has it, until the first `working` of them are done; then the
/// others are told.
async fn take_turns(
    mut actors: Vec<BoxFuture<'static, ()>>,
    working: usize,
    done: &AtomicBool,
    choices: &mut Choices,
) {
    let mut left: Vec<_> = (0..actors.len()).collect();
    poll_fn(|context| {
        if left.iter().all(|actor| *actor >= working) {
            done.store(true, Ordering::SeqCst);
        }
        let Some(turn) = (!left.is_empty()).then(|| choices.below(left.len())) else {
            return Poll::Ready(());
        };
        if actors[left[turn]].as_mut().poll(context).is_ready() {
            left.swap_remove(turn);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Writes, makes and removes branches, and keeps old trees and transactions to go on with.
async fn write(repo: Repo<Text>, name: String, mut choices: Choices) {
    let mut held: Vec<Tree<Text>> = Vec::new();
    for step in 0..30 {
        let branch = BRANCHES[choices.below(BRANCHES.len())];
        let store = repo.branch(branch).await.unwrap();
        let path = format!("{name}/{}/{}", choices.below(3), choices.below(3));
        match choices.below(9) {
            // The same values again and again: what was collected is made anew.
            0..=3 => {
                let value = long_text(&format!("value {}", choices.below(4)));
                written(store.set(&*path, value, "set").await);
            }
            4 => written(store.remove(&*path, "remove").await),
            5 => {
                let target = BRANCHES[choices.below(BRANCHES.len())];
                if let Some(head) = store.head().await.unwrap() {
                    tokio::task::yield_now().await;
                    repo.branch(target).await.unwrap().set_head(&head).await.unwrap();
                }
            }
            6 => drop(repo.remove_branch(branch).await.unwrap()),
            7 => {
                held.push(store.tree().await.unwrap());
                if held.len() > 2 {
                    held.remove(0);
                }
            }
            _ => {
                let mut edit = store.begin().await.unwrap();
                if let Some(tree) = held.pop()
                    && tree.kind("").await.unwrap().is_some()
                {
                    let below = tree.find_tree(&*name).await.unwrap();
                    if let Some(below) = below {
                        edit.set_tree(format!("old/{name}"), &below).await.unwrap();
                    }
                }
                edit.set(&*path, long_text(&format!("step {step}"))).await.unwrap();
                written(store.commit(edit, "an old tree").await);
            }
        }
    }
    for tree in held {
        read_all(&tree).await;
    }
}

/// Takes a write for done, or for one that others came before: they move branches anywhere.
fn written<T>(answer: ramus_core::Result<T>) {
    if let Err(error) = answer {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
}

/// Reads whole trees and histories, slowly.
async fn read(repo: Repo<Text>, mut choices: Choices) {
    for _ in 0..10 {
        let store = repo.branch(BRANCHES[choices.below(BRANCHES.len())]).await.unwrap();
        let Some(head) = store.head().await.unwrap() else { continue };
        drop(store);
        read_all(&head.tree()).await;
        let log = repo.detached(&head).unwrap().log().await.unwrap().collect().await.unwrap();
        if let Some(old) = log.last() {
            read_all(&old.tree()).await;
        }
    }
}

/// Collects again and again, and now and then stops in the middle.
async fn collect_often(repo: Repo<Text>, done: Arc<AtomicBool>, mut choices: Choices) {
    while !done.load(Ordering::SeqCst) {
        let mut steps = if choices.below(4) == 0 { choices.below(20) } else { usize::MAX };
        let mut collection = repo.collection(CollectOptions::default()).await.unwrap();
        while steps > 0 {
            match collection.step().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // The other collector has begun since.
                Err(over) if over.kind() == ErrorKind::InvalidInput => break,
                Err(error) => panic!("{error:?}"),
            }
            tokio::task::yield_now().await;
            steps -= 1;
        }
    }
}
