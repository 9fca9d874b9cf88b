//! Every public future can be spawned, with borrowed and with owned arguments.
//!
//! That it compiles is most of the test: a future that is not `Send`, or that keeps what it borrowed
//! longer than it may, does not.

use futures::StreamExt as _;
use ramus_core::wrap::Verified;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, ContentAddressableExt as _,
    Path, ReadOnly as _, RefName, Result, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_kv::{
    BranchesEvent, CollectOptions, Commit, GraphOptions, Info, Kv, ListOptions, LogOptions,
    MergeOptions, Merged, OperationsOptions, PickOptions, Preview, RebaseOptions, Rebased, Repo,
    Resolution, SquashOptions, Store, TransactionOptions, WatchStart,
};
use ramus_watch::{WatchExt as _, WatchOptions};

use crate::bed::{Bed, Text, put};

on_every_backend!(
    threads: reads_and_writes_of_a_store_can_be_spawned,
    transactions_can_be_spawned,
    heads_forks_and_merges_can_be_spawned,
    stored_conflicts_and_rewrites_can_be_spawned,
    trees_can_be_spawned,
    repositories_can_be_spawned,
    branches_tags_and_operations_can_be_spawned,
    watches_and_logs_can_be_spawned,
    storages_can_be_spawned,
    collections_can_be_spawned,
    walks_pages_and_proofs_can_be_spawned,
    streams_of_values_can_be_spawned,
);

/// Spawns a task and waits for it.
async fn spawned<T: Send + 'static>(task: impl Future<Output = Result<T>> + Send + 'static) -> T {
    tokio::spawn(task).await.expect("it does not panic").expect("it succeeds")
}

/// Returns a text that is nobody's but the caller's.
fn own(text: &str) -> String {
    text.to_owned()
}

async fn reads_and_writes_of_a_store_can_be_spawned(bed: Bed) {
    let store = bed.main().await;
    // Owned arguments: the future itself is spawned, with nothing around it but the handle.
    let s = store.clone();
    spawned(async move { s.set(own("a/x"), own("1"), own("owned")).await }).await;
    let s = store.clone();
    spawned(async move { s.find(own("a/x")).await }).await;
    // Borrowed arguments: from what the task owns.
    spawned({
        let store = store.clone();
        async move {
            let (path, value, why) = (own("a/y"), own("2"), own("borrowed"));
            let (path, why) = (path.as_str(), why.as_str());
            store.set(path, value.as_str(), why).await?;
            store.set(&path.parse::<Path>()?, value.clone(), Info::new(why)).await?;
            store.find(path).await?;
            store.find(path.as_bytes()).await?;
            store.mem(path).await?;
            store.kind(path).await?;
            store.list(path).await?;
            store.tree().await?;
            let tree = store.find_tree("a").await?.expect("a directory");
            store.set_tree(path, &tree, why).await.expect_err("contents are there");
            let other = own("copy");
            store.set_tree(other.as_str(), &tree, why).await?;
            store.test_and_set_tree(other.as_str(), Some(&tree), Some(&tree), why).await?;
            store.rename(other.as_str(), "moved", why).await?;
            store.test_and_set(path, Some(value.clone()), Some(own("3")), why).await?;
            store.remove(path, why).await?;
            Ok(())
        }
    })
    .await;
    let s = store.clone();
    spawned(async move { s.mem(own("a/x")).await }).await;
    let s = store.clone();
    spawned(async move { s.kind(own("a/x")).await }).await;
    let s = store.clone();
    spawned(async move { s.list(Path::root()).await }).await;
    let s = store.clone();
    let tree = spawned(async move { s.find_tree(own("a")).await }).await.unwrap();
    let s = store.clone();
    spawned(async move { s.set_tree(own("b"), &tree, own("owned")).await }).await;
    let s = store.clone();
    spawned(async move { s.rename(own("b"), own("c"), own("owned")).await }).await;
    let s = store.clone();
    let test = spawned(async move {
        s.test_and_set(own("c/x"), Some(own("1")), Some(own("2")), own("owned")).await
    });
    assert!(test.await);
    let s = store.clone();
    spawned(async move { s.remove(own("c"), own("owned")).await }).await;
    let moved = store.find("moved/y").await.unwrap();
    assert_eq!((moved.as_deref(), store.mem("c").await.unwrap()), (Some("2"), false));
}

async fn transactions_can_be_spawned(bed: Bed) {
    let store = bed.main().await;
    spawned({
        let store = store.clone();
        async move {
            // A closure that runs once may borrow from around it.
            let (name, value) = (own("ada"), own("mathematician"));
            let (name, mut runs) = (name.as_str(), 0);
            store
                .transact("borrowed", async |edit| {
                    runs += 1;
                    edit.set(format!("users/{name}"), value.as_str()).await
                })
                .await?;
            let options = TransactionOptions::default().allow_empty();
            store
                .transact_with(options, Info::new("borrowed"), async |edit| {
                    edit.find(format!("users/{name}")).await
                })
                .await?;
            let (begun, other) = (store.begin().await?, store.begin_with(options).await?);
            drop(other);
            store.commit(begun, name).await?;
            assert_eq!(runs, 1);
            Ok(())
        }
    })
    .await;
    spawned({
        let store = store.clone();
        async move {
            let value = own("owned");
            store.transact(own("owned"), async move |edit| edit.set(own("x"), value).await).await
        }
    })
    .await;
    spawned({
        // One that may run many times owns what it captures, and clones it for each run.
        let (store, value) = (store.clone(), own("again"));
        async move {
            store
                .transact_again(own("again"), async move |edit| {
                    let before = edit.find("x").await?;
                    edit.set("x", value.clone()).await?;
                    Ok(before)
                })
                .await
        }
    })
    .await;
    spawned({
        let (store, why) = (store.clone(), own("several"));
        async move {
            let (mut one, other) = (store.begin().await?, store.repo().branch("other").await?);
            one.set_parents(one.base().cloned());
            let edits = vec![(one, why.as_str()), (other.begin().await?, "b")];
            store.repo().commit_all(edits).await
        }
    })
    .await;
    let (repo, edit) = (store.repo().clone(), store.begin().await.unwrap());
    spawned(async move { repo.commit_all([(edit, own("owned"))]).await }).await;
    assert_eq!(store.find("x").await.unwrap().as_deref(), Some("again"));
    assert_eq!(store.find("users/ada").await.unwrap().as_deref(), Some("mathematician"));
}

async fn stored_conflicts_and_rewrites_can_be_spawned(bed: Bed) {
    let main = bed.main().await;
    let base = put(&main, "x", "1").await;
    let draft = main.fork("draft").await.unwrap();
    let (ours, theirs) = (put(&main, "x", "2").await, put(&draft, "x", "3").await);
    let (m, d, t) = (main.clone(), draft.clone(), theirs.clone());
    let resolved = spawned(async move {
        let preview = m.preview_merge(&t, MergeOptions::default()).await?;
        let Preview::Conflicts(mut open) = preview else { panic!("a conflict") };
        open.resolve_each(|_| Some(Resolution::Later));
        open.resolved().await?;
        m.commit_merge(&open, own("stored")).await?;
        let path = own("x");
        let mut edit = m.begin().await?;
        let mut conflicts = edit.conflicts();
        let conflict = conflicts.next().await.expect("a conflict")?;
        assert!(edit.find_conflict(path.as_str()).await?.is_some());
        edit.conflicts().collect().await?;
        edit.resolve(&conflict.path, Resolution::Theirs).await?;
        let resolved = m.commit(edit, own("resolved")).await?.expect("a commit");
        assert!(d.fast_forward(&resolved).await?);
        Ok(resolved)
    })
    .await;
    let (m, commit) = (main.clone(), resolved.clone());
    spawned(async move { m.revert(&commit, PickOptions::default()).await }).await.clean().unwrap();
    let (m, commit) = (main.clone(), resolved.clone());
    let options = PickOptions::default().with_info(own("again"));
    let picked = spawned(async move { m.cherry_pick(&commit, options).await });
    picked.await.clean().unwrap();
    let (m, to) = (main.clone(), base.clone());
    spawned(async move { m.squash(&to, SquashOptions::default().first_parent()).await }).await;
    let (o, t) = (main.repo().detached(&ours).unwrap(), theirs.clone());
    let halted = spawned(async move { o.rebase(&t, RebaseOptions::default()).await }).await;
    let Rebased::Conflicts(mut halted) = halted else { panic!("a conflict") };
    halted.unmerged.resolve("x", Resolution::Later).unwrap();
    let o = main.repo().detached(&ours).unwrap();
    let rebased = spawned(async move { o.continue_rebase(&halted).await }).await;
    let conflicts = rebased.clean().unwrap().unwrap().tree().conflicts().collect().await.unwrap();
    let ramus_kv::PathConflict { ours, .. } = &conflicts[0];
    assert!(matches!(ours, Some(ramus_kv::Side::Contents(text)) if text == "3"));
    // A side that is a conflict is read when it is asked for.
    main.set_head(&base).await.unwrap();
    let stored = async |value: &str| {
        let store = main.repo().detached(&base).unwrap();
        put(&store, "x", value).await;
        let later = RebaseOptions::default().with_on_conflict(ramus_kv::OnConflict::Later);
        store.rebase(&theirs, later).await.unwrap().clean().unwrap().unwrap()
    };
    let (one, other) = (stored("4").await, stored("5").await);
    let one = main.repo().detached(&one).unwrap();
    let merged = one.merge_with(&other, MergeOptions::default(), "merge").await.unwrap();
    let Merged::Conflicts(open) = merged else { panic!("conflicts of conflicts") };
    let conflict = open.conflicts().next().expect("a conflict").clone();
    let Some(ramus_kv::Side::Conflict(side)) = conflict.theirs else { panic!("a conflict") };
    spawned(async move { side.read().await }).await;
}

async fn heads_forks_and_merges_can_be_spawned(bed: Bed) {
    let main = bed.main().await;
    put(&main, "base", "1").await;
    let merged = spawned({
        let main = main.clone();
        async move {
            let (name, why) = (own("draft"), own("why"));
            let draft = main.fork(name.as_str()).await?;
            draft.set("x", "theirs", why.as_str()).await?;
            main.set("y", "ours", why.as_str()).await?;
            main.merge(&draft, why.as_str()).await?.clean()?;
            draft.set("x", "theirs again", why.as_str()).await?;
            let theirs = draft.head().await?.expect("a head");
            let options = MergeOptions::default().no_ff();
            main.merge_with(&theirs, options, why.as_str()).await?.clean()?;
            draft.set("x", "a", why.as_str()).await?;
            main.set("x", "b", why.as_str()).await?;
            let Merged::Conflicts(mut unmerged) = main.merge(&draft, why.as_str()).await? else {
                panic!("a conflict");
            };
            unmerged.resolve("x", Resolution::Theirs)?;
            let merged = main.commit_merge(&unmerged, why.as_str()).await?;
            assert!(draft.fast_forward(&merged).await?);
            Ok(merged)
        }
    })
    .await;
    let (m, to) = (main.clone(), merged.clone());
    spawned(async move { m.set_head(&to).await }).await;
    let (m, to) = (main.clone(), merged.clone());
    assert!(spawned(async move { m.test_and_set_head(Some(&to), Some(&to)).await }).await);
    let (m, to) = (main.clone(), merged.clone());
    let merge =
        spawned(async move { m.merge_with(&to, MergeOptions::default(), own("owned")).await });
    assert!(matches!(merge.await, Merged::Unchanged));
    let m = main.clone();
    assert_eq!(spawned(async move { m.head().await }).await, Some(merged));
}

async fn trees_can_be_spawned(bed: Bed) {
    let repo = bed.repo();
    spawned(async move {
        let (path, value) = (own("a/x"), own("1"));
        let path = path.as_str();
        let mut tree = repo.empty_tree();
        tree.set(path, value.as_str()).await?;
        tree.set_with_metadata(own("a/y"), value.clone(), ()).await?;
        tree.find(path).await?;
        tree.find_with_metadata(path).await?;
        tree.mem(path).await?;
        tree.kind(path).await?;
        tree.find_hash(path).await?;
        tree.list("a").await?;
        tree.len("a").await?;
        assert!(!tree.is_empty());
        let below = tree.find_tree("a").await?.expect("a directory");
        tree.set_tree(own("b").as_str(), &below).await?;
        tree.rename(path, "c").await?;
        tree.remove(own("b")).await?;
        let empty = repo.empty_tree();
        let mut diff = empty.diff(&tree);
        diff.next().await.expect("they differ")?;
        empty.diff_below(&tree, own("a").as_str()).await?.collect().await
    })
    .await;
}

async fn repositories_can_be_spawned(bed: Bed) {
    let repo: Repo<Text> = bed.repo();
    let (one, other): (Commit<Text>, Commit<Text>) = spawned({
        let repo = repo.clone();
        async move {
            let name = own("one");
            let store: Store<Text> = repo.branch(name.as_str()).await?;
            let one = store.set("x", "1", "one").await?.expect("a commit");
            let other = repo.main().await?.set("x", "2", "other").await?.expect("a commit");
            assert!(repo.lcas(&one, &other).await?.is_empty());
            assert!(!repo.is_ancestor(&one, &other).await?);
            repo.commit(&one.hash()).await?;
            repo.tree(&one.tree().hash().await?).await?;
            repo.branches().await?;
            assert!(repo.remove_branch(name.as_str()).await?);
            Ok((one, other))
        }
    })
    .await;
    let r = repo.clone();
    spawned(async move { r.lcas(&one, &other).await }).await;
    let r = repo.clone();
    spawned(async move { r.branches().await }).await;
    spawned(async move { repo.close().await }).await;
}

async fn branches_tags_and_operations_can_be_spawned(bed: Bed) {
    let repo = bed.repo();
    let commit = put(&repo.empty(), "x", "1").await;
    spawned({
        let (repo, commit) = (repo.clone(), commit.clone());
        async move {
            let (one, other) = (own("one"), own("other"));
            let (one, other) = (one.as_str(), other.as_str());
            repo.create_branch(one, &commit).await?;
            repo.rename_branch(one, other).await?;
            repo.copy_branch(other, one).await?;
            repo.heads(one).await?.next().await.expect("a branch")?;
            assert_eq!(repo.heads(own("o").as_str()).await?.collect().await?.len(), 2);
            assert!(repo.remove_branch_at(one, &commit).await?);
            repo.create_tag(one, &commit).await?;
            repo.find_tag(one).await?.expect("a tag");
            repo.tags(one).await?.collect().await?;
            assert!(repo.remove_tag(one).await?);
            let mut operations = repo.operations().await?;
            let operation = operations.next().await.expect("an operation")?;
            repo.operation(operation.cursor).await?.expect("it is there");
            repo.undo(&operation).await?.done()?;
            repo.operations_with(OperationsOptions::default()).await?.collect().await?;
            Ok(())
        }
    })
    .await;
    let (r, c) = (repo.clone(), commit.clone());
    let made = spawned(async move { r.create_branch(own("made").as_str(), &c).await }).await;
    assert_eq!(made.branch_name(), Some("made"));
    let heads = repo.heads("").await.unwrap();
    assert_eq!(tokio::spawn(heads.count()).await.unwrap(), 2);
    let operations = repo.operations().await.unwrap();
    assert_eq!(tokio::spawn(operations.count()).await.unwrap(), 8);
}

async fn watches_and_logs_can_be_spawned(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    spawned({
        let main = main.clone();
        async move {
            let path = own("x");
            let mut watch = main.watch(path.as_str()).await?;
            let mut existing = main.watch_from(&path, WatchStart::Existing).await?;
            let mut all = main.repo().watch(own("m").as_str()).await?;
            let mut from = main.repo().watch_from("", WatchStart::Existing).await?;
            main.set(path.as_str(), "2", "change").await?;
            let event = watch.next().await.expect("an event")?;
            event.diff().await?.collect().await?;
            event.commits().next().await.expect("a commit")?;
            assert_eq!(event.commits().collect().await?.len(), 1);
            let mut after = main.watch_after(path.as_str(), event.place()).await?;
            main.set(path.as_str(), "3", "change").await?;
            after.next().await.expect("an event")?;
            let repo = main.repo();
            let mut paths = repo.watch_path("m", path.as_str()).await?;
            repo.watch_path_from(own("m").as_str(), &path, WatchStart::Existing).await?;
            main.set(path.as_str(), "4", "change").await?;
            let event = paths.next().await.expect("an event")?;
            let place = paths.place().expect("it knows the heads");
            repo.watch_path_after(own("m").as_str(), &path, place.clone()).await?;
            repo.watch_after(own("m").as_str(), place).await?;
            let BranchesEvent::Changed { branches, .. } = event else { panic!("a change") };
            branches[0].diff().await?.collect().await?;
            branches[0].commits().collect().await?;
            existing.next().await.expect("an event")?;
            all.next().await.expect("an event")?;
            from.next().await.expect("an event")?;
            let mut log = main.log().await?;
            log.next().await.expect("a commit")?;
            assert_eq!(log.collect().await?.len(), 3);
            let options = LogOptions::default().with_path(path.as_str())?;
            assert_eq!(main.log_with(options).await?.collect().await?.len(), 4);
            assert_eq!(main.last_modified(path.as_str()).await?, main.head().await?);
            let mut graph = main.repo().graph(GraphOptions::default().trees()).await?;
            graph.next().await.expect("a line")?;
            assert!(graph.collect().await?.ends_with("}\n"));
            Ok(())
        }
    })
    .await;
    let watch = main.watch(own("x")).await.unwrap();
    put(&main, "x", "5").await;
    let first = tokio::spawn(watch.take(1).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(first.len(), 1);
    let log = main.log().await.unwrap();
    assert_eq!(tokio::spawn(log.count()).await.unwrap(), 5);
}

async fn storages_can_be_spawned(bed: Bed) {
    let rig = bed.rig().clone();
    spawned(async move {
        let (blocks, refs) = (Verified::new(rig.blocks().clone()), rig.refs());
        let text = own("text");
        let hash: Sha1 = blocks.add(text.clone().into()).await?;
        blocks.find(&hash).await?;
        blocks.mem(&hash).await?;
        blocks.find_many(&[hash]).await?;
        let mut batch = blocks.batch();
        batch.add(text.into())?;
        batch.write().await?;
        blocks.flush().await?;
        let name = RefName::branch(own("main").as_str())?;
        refs.set(name.clone(), hash).await?;
        assert!(refs.test_and_set(name.clone(), Some(hash), Some(hash)).await?);
        refs.find(&name).await?;
        refs.find_many(std::slice::from_ref(&name)).await?;
        assert_eq!(refs.list(own("branch/").as_bytes()).await?.len(), 1);
        let seen = refs.position().await?;
        refs.changes(seen, 1).await?;
        refs.snapshot(b"").await?.collect().await?;
        let mut watch = refs.watch(WatchOptions::key(name.clone())).await?;
        let outcome = rig.write(Vec::new(), Update::new(seen).remove(name.clone())).await?;
        assert!(outcome.is_applied());
        watch.next().await.expect("an event")?;
        refs.remove(name).await?;
        refs.clear().await?;
        if let Some(sweep) = rig.sweep() {
            let epoch = sweep.begin().await?;
            let pin = sweep.pin(vec![hash]).await?;
            assert_eq!(sweep.pinned(epoch).await?, [hash]);
            assert_eq!(sweep.remove_many(epoch, vec![hash]).await?, 0);
            sweep.finish(epoch).await?;
            drop(pin);
            assert!(sweep.keys().next().await.is_some());
        }
        rig.close().await
    })
    .await;
}

async fn collections_can_be_spawned(bed: Bed) {
    let repo = bed.repo();
    if bed.rig().at_once().sweep().is_none() {
        return;
    }
    spawned(async move {
        let commit = repo.main().await?.set(own("a").as_str(), "x", "first").await?.expect("one");
        repo.collect(CollectOptions::default().with_roots([commit.hash()])).await?;
        let mut collection = repo.collection(CollectOptions::default()).await?;
        while collection.step().await?.is_some() {}
        drop(collection);
        assert!(repo.why(&commit.hash()).await?.is_some());
        assert!(repo.check().await?.broken.is_empty());
        Ok(())
    })
    .await;
}

async fn walks_pages_and_proofs_can_be_spawned(bed: Bed) {
    let store = bed.main().await;
    spawned(async move {
        let path = own("a/b");
        store.set(&path, "x", "first").await?;
        let mut tree = store.tree().await?;
        tree.list_with(own("a"), ListOptions::default()).await?;
        assert_eq!(tree.entries(own("a").as_str()).await?.count().await, 1);
        assert_eq!(tree.entries_with(own("a"), ListOptions::default()).await?.count().await, 1);
        assert_eq!(tree.stats().await?.contents, 1);
        let plain = tree.to_concrete(own("a").as_str()).await?.expect("a directory");
        let root = tree.hash().await?;
        let (proof, _) = tree.prove(async |tree| tree.find("a/b").await).await?;
        proof.verify(&root, async |tree| tree.find("a/b").await).await?;
        tree.update(path.as_str(), |_| Some("y".into())).await?;
        tree.set_concrete(own("copy"), &plain).await?;
        store.repo().backend().refs().snapshot(b"").await?.next_page().await.expect("a page")?;
        let repo = ramus::open::<Kv<String>>(own("mem:").as_str()).await?;
        repo.close().await
    })
    .await;
}

async fn streams_of_values_can_be_spawned(bed: Bed) {
    let store = bed.main().await;
    let text = "abc".repeat(200_000);
    let (s, owned) = (store.clone(), std::io::Cursor::new(text.clone()));
    spawned(async move { s.set_stream(own("v"), owned, own("owned")).await }).await;
    let s = store.clone();
    spawned(async move { s.reader(own("v")).await }).await;
    spawned(async move {
        let path = own("w");
        store.set_stream(path.as_str(), text.as_bytes(), "borrowed").await?;
        let upload = store.repo().upload(text.as_bytes()).await?;
        let mut tree = store.tree().await?;
        tree.set_upload(path.as_str(), &upload).await?;
        tree.set_stream(own("x").as_str(), text.as_bytes()).await?;
        let mut reader = tree.reader(path.as_str()).await?.expect("it was set");
        assert_eq!(reader.read_range(300_000..300_003).await?, "abc");
        let mut read = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut read).await.expect("text");
        assert_eq!(read, text);
        Ok(())
    })
    .await;
}
