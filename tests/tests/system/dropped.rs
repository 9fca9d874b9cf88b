//! What else is dropped in the middle: edits of a tree, what is written without a branch, and streams that are cut;
//! and the list of all writes, each with the test that drops it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use ramus_core::{ErrorKind, Hash as _, Result, Sha1};
use ramus_kv::containers::{CounterAt, LogAt, MapAt, RegisterAt, SetAt};
use ramus_kv::{Counter, Format as _, Kv, Native, Register, Schema, Transaction, Tree};

use crate::bed::{Bed, Choices, Text, head, long_text, put, read};
use crate::cancel::{poll_times, settle};

on_every_backend!(
    a_dropped_edit_of_a_tree_leaves_it_as_it_was,
    a_dropped_edit_of_a_container_leaves_the_tree_as_it_was,
    a_dropped_stream_into_a_tree_leaves_it_as_it_was,
    a_dropped_upload_leaves_nothing_that_can_be_seen,
    a_dropped_flush_leaves_the_storage_as_it_was,
    a_dropped_close_can_be_called_again,
);

type Edit<'a> = &'a mut Transaction<Text>;

/// Drops an edit at each of its polls in turn: the transaction has the tree that it had, and can go on.
async fn check<S: Schema<Hash = Sha1>>(
    bed: &Bed,
    base: Sha1,
    edit: impl AsyncFn(&mut Transaction<S>) -> Result<()>,
) {
    for polls in 1.. {
        // Another process, so that nothing is at hand.
        let repo = bed.repo_of::<S>();
        let store = repo.detached(&repo.commit(&base).await.unwrap().unwrap()).unwrap();
        let mut transaction = store.begin().await.unwrap();
        let before = transaction.hash().await.unwrap();
        let answer = poll_times(edit(&mut transaction), polls).await;
        let after = transaction.hash().await.unwrap();
        if let Some(answer) = answer {
            answer.unwrap();
            assert_ne!(after, before, "an edit that does nothing shows nothing");
            assert!(polls > 1, "it was not dropped once");
            return;
        }
        assert_eq!(after, before, "dropped after {polls} polls");
        edit(&mut transaction).await.unwrap();
        store.commit(transaction, "go on").await.unwrap().unwrap();
    }
}

async fn a_dropped_edit_of_a_tree_leaves_it_as_it_was(bed: Bed) {
    let main = bed.main().await;
    for path in ["a/b/x", "a/b/y", "c/d/z"] {
        put(&main, path, &long_text("1")).await;
    }
    let base = head(&main).await;
    let base_hash = base.hash();
    let other = main.find_tree("c").await.unwrap().unwrap().hash().await.unwrap();
    let plain = base.tree().to_concrete("a").await.unwrap().unwrap();
    bed.rig().be_slow();
    check(&bed, base_hash, async |edit: Edit<'_>| edit.set("a/b/x", "2").await).await;
    check(&bed, base_hash, async |edit: Edit<'_>| edit.set_with_metadata("a/b/x", "2", ()).await)
        .await;
    check(&bed, base_hash, async |edit: Edit<'_>| {
        // A tree of the repository of the transaction, which is not read.
        let tree: Tree<Text> = edit.find_tree("c").await?.expect("it is there");
        assert_eq!(tree.hash().await?, other);
        edit.set_tree("a/b/d", &tree).await
    })
    .await;
    check(&bed, base_hash, async |edit: Edit<'_>| edit.remove("a/b").await.map(drop)).await;
    check(&bed, base_hash, async |edit: Edit<'_>| edit.rename("a/b/x", "c/d/x").await).await;
    check(&bed, base_hash, async |edit: Edit<'_>| {
        edit.update("a/b/x", |was| was.map(|was| format!("{was}!"))).await
    })
    .await;
    check(&bed, base_hash, async |edit: Edit<'_>| edit.take("a/b/x").await.map(drop)).await;
    check(&bed, base_hash, async |edit: Edit<'_>| edit.set_concrete("c/copy", &plain).await).await;
}

async fn a_dropped_edit_of_a_container_leaves_the_tree_as_it_was(bed: Bed) {
    let main = bed.main().await;
    let map = MapAt::<String>::new("at/map").unwrap();
    let set = SetAt::<String>::new("at/set").unwrap();
    let entries = LogAt::new("at/log").unwrap();
    for n in ["1", "2"] {
        map.insert(&main, n, "value", "insert").await.unwrap();
        set.insert(&main, n.to_owned(), "insert").await.unwrap();
        entries.append(&main, n, "append").await.unwrap();
    }
    let base = head(&main).await.hash();
    let counts = bed.repo_of::<Kv<Counter>>().branch("counts").await.unwrap();
    let counter = CounterAt::new("at/n").unwrap();
    counter.add(&counts, 1, "add").await.unwrap();
    let registers = bed.repo_of::<Kv<Register<u64>>>().branch("registers").await.unwrap();
    let register = RegisterAt::<u64>::new("at/r").unwrap();
    register.write(&registers, 1_u64, "write").await.unwrap();
    bed.rig().be_slow();
    check(&bed, base, async |edit: Edit<'_>| map.insert_in(edit, "3", "value").await).await;
    check(&bed, base, async |edit: Edit<'_>| map.remove_in(edit, "1").await.map(drop)).await;
    check(&bed, base, async |edit: Edit<'_>| set.insert_in(edit, "3".to_owned()).await.map(drop))
        .await;
    check(&bed, base, async |edit: Edit<'_>| set.remove_in(edit, "1".to_owned()).await.map(drop))
        .await;
    check(&bed, base, async |edit: Edit<'_>| entries.append_in(edit, "3").await.map(drop)).await;
    let base = head(&counts).await.hash();
    check(&bed, base, async |edit: &mut Transaction<Kv<Counter>>| {
        counter.add_in(edit, 1).await.map(drop)
    })
    .await;
    let base = head(&registers).await.hash();
    check(&bed, base, async |edit: &mut Transaction<Kv<Register<u64>>>| {
        register.write_in(edit, 2).await
    })
    .await;
}

async fn a_dropped_stream_into_a_tree_leaves_it_as_it_was(bed: Bed) {
    let main = bed.main().await;
    put(&main, "a/b/x", "1").await;
    let base = head(&main).await.hash();
    let value = cut_once();
    bed.rig().be_slow();
    check(&bed, base, async |edit: Edit<'_>| {
        edit.set_stream("a/b/y", value.as_bytes()).await.map(drop)
    })
    .await;
    for polls in 1.. {
        let repo = bed.repo();
        let upload = repo.upload(value.as_bytes()).await.unwrap();
        let mut tree = repo.commit(&base).await.unwrap().unwrap().tree();
        let before = tree.hash().await.unwrap();
        let answer = poll_times(tree.set_upload("a/b/y", &upload), polls).await;
        if let Some(answer) = answer {
            answer.unwrap();
            assert_ne!(tree.hash().await.unwrap(), before);
            assert!(polls > 1, "it was not dropped once");
            break;
        }
        assert_eq!(tree.hash().await.unwrap(), before, "dropped after {polls} polls");
    }
}

async fn a_dropped_upload_leaves_nothing_that_can_be_seen(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    let before = head(&main).await;
    let value = cut_once();
    bed.rig().be_slow();
    for polls in 1.. {
        let repo = bed.repo();
        let answer = poll_times(repo.upload(value.as_bytes()), polls).await;
        settle(&bed).await;
        assert_eq!(head(&main).await, before);
        let Some(answer) = answer else { continue };
        let upload = answer.unwrap();
        let mut edit = repo.main().await.unwrap().begin().await.unwrap();
        edit.set_upload("x", &upload).await.unwrap();
        repo.main().await.unwrap().commit(edit, "write").await.unwrap().unwrap();
        assert!(polls > 1, "it was not dropped once");
        break;
    }
    assert_eq!(read(&main, "x").await, value);
}

async fn a_dropped_flush_leaves_the_storage_as_it_was(bed: Bed) {
    let main = bed.main().await;
    put(&main, "x", "1").await;
    for polls in 1.. {
        let answer = poll_times(main.repo().flush(), polls).await;
        assert_eq!(read(&bed.main().await, "x").await, "1");
        put(&main, "others", &polls.to_string()).await;
        if let Some(answer) = answer {
            return answer.unwrap();
        }
    }
}

async fn a_dropped_close_can_be_called_again(bed: Bed) {
    for polls in 1.. {
        let bed = bed.another().await;
        let main = bed.main().await;
        put(&main, "x", "1").await;
        let answer = poll_times(main.repo().close(), polls).await;
        // It is closed or not, and says so.
        match main.find("x").await {
            Ok(value) => assert_eq!((value.as_deref(), answer.is_none()), (Some("1"), true)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}"),
        }
        main.repo().close().await.unwrap();
        assert_eq!(main.find("x").await.unwrap_err().kind(), ErrorKind::Closed);
        if let Some(answer) = answer {
            return answer.unwrap();
        }
    }
}

/// Returns a value that is cut into several chunks below one index block.
pub(crate) fn cut_once() -> String {
    noise(1, 300_000)
}

/// Returns a value whose index has two levels.
///
/// A block of the index ends behind a part whose name begins with less than 2, if there are 31 before. So a chunk of
/// such a name is repeated. Where it ends is decided by what it ends with and by one byte more, which is the first one
/// of the next; its own first bytes decide nothing but its name.
pub(crate) fn cut_twice() -> String {
    let noise = noise(1115, 320_000);
    let (chunk, rest) = noise.split_at(151_046 + 53_983);
    let chunk = chunk.get(151_046 + 3..).expect("it is ASCII");
    let next = rest.get(..1).expect("it is ASCII");
    let letters = || ('a'..='z').flat_map(|one| ('a'..='z').map(move |other| [one, other]));
    let named = letters().map(|pair| [next, &String::from_iter(pair), chunk].concat());
    let is_last = |chunk: &String| {
        let block = Native::encode_chunk(chunk.as_bytes());
        Sha1::of(&block).as_bytes()[0] < 2
    };
    named.into_iter().find(is_last).expect("one of 128 has such a name").repeat(36)
}

fn noise(seed: u64, length: usize) -> String {
    let mut choices = Choices::new(seed);
    (0..length).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz"[choices.below(26)])).collect()
}

#[test]
fn every_write_has_a_test_that_drops_it() {
    let writes = writes_of_the_table();
    let reads: BTreeSet<_> = READS.iter().flat_map(|line| line.split_whitespace()).collect();
    let mut functions = BTreeSet::new();
    functions_in(&root().join("crates/ramus-kv/src"), &mut functions).unwrap();
    assert!(functions.len() > 150, "{} functions: too few", functions.len());
    for function in &functions {
        let (writes, reads) = (writes.contains_key(function), reads.contains(function.as_str()));
        assert!(writes || reads, "`{function}` is in no list: add a test that drops it");
        assert!(!(writes && reads), "`{function}` is in both lists");
    }
    for listed in writes.keys().map(String::as_str).chain(reads) {
        assert!(functions.contains(listed), "there is no `{listed}`");
    }
    for test in writes.values().flatten() {
        let (module, name) = test.split_once("::").expect("a test is `module::name`");
        let source = root().join("tests/tests/system").join(format!("{module}.rs"));
        let source = fs::read_to_string(source).unwrap();
        assert!(
            source.contains(&format!("async fn {name}(bed: Bed)")),
            "there is no test `{test}`"
        );
        // It runs, too: it is named where the tests of the file are listed.
        assert!(
            source.contains(&format!("    {name},\n")) || source.contains(&format!(": {name},\n"))
        );
    }
}

/// What writes nothing.
const READS: &[&str] = &[
    "BranchChange::diff BranchEvent::diff BranchesWatch::next Commits::collect Commits::next",
    "ContentsReader::read_range CounterAt::read Diff::collect Diff::next Entries::next",
    "EventStream::next Found::contents Found::hash Found::len Graph::collect Graph::next",
    "Heads::collect Heads::next Log::collect Log::next LogAt::len LogAt::newest LogAt::read",
    "LogReader::collect LogReader::next MapAt::find MapAt::len MapAt::page Operations::collect",
    "Operations::next",
    "Proof::verify RegisterAt::read Repo::branch Repo::branches Repo::check",
    "Repo::check_with Repo::commit Repo::find_branch Repo::find_tag Repo::graph Repo::heads",
    "Repo::is_ancestor Repo::lcas Repo::main Repo::operation Repo::operations",
    "Repo::operations_with Repo::tags Repo::tree Repo::watch Repo::watch_after",
    "Repo::watch_from Repo::watch_path Repo::watch_path_after Repo::watch_path_from Repo::why",
    "SetAt::contains SetAt::len SetAt::page Store::begin Store::begin_with Store::find",
    "Store::find_tree Store::head Store::kind Store::last_modified Store::list Store::log",
    "Store::log_with Store::mem Store::preview_merge Store::reader Store::tree Store::watch",
    "Store::watch_after Store::watch_from StoredConflict::read StoredConflicts::collect",
    "StoredConflicts::next Tree::diff_below Tree::entries Tree::entries_with Tree::find",
    "Tree::find_conflict Tree::find_hash Tree::find_tree Tree::find_with_metadata Tree::hash",
    "Tree::kind Tree::len Tree::list Tree::list_with Tree::mem Tree::prove Tree::reader",
    "Tree::stats Tree::to_concrete Unmerged::resolved Walk::next",
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the writes that are in the table of the document, with their tests.
fn writes_of_the_table() -> BTreeMap<String, Vec<String>> {
    let page = fs::read_to_string(root().join("docs/acceptance.md")).unwrap();
    let (_, section) = page.split_once("\n## Futures that are dropped\n").expect("the section");
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut writes = BTreeMap::new();
    for line in section.lines().take_while(|line| !line.starts_with("## ")) {
        let cells: Vec<_> = line.split('|').collect();
        let [_, functions, tests, _] = cells[..] else { continue };
        for function in names(functions) {
            assert!(!names(tests).is_empty(), "`{function}` has no test");
            writes.insert(function, names(tests));
        }
    }
    writes
}

/// Finds the public async methods below a directory, as `Type::method`.
fn functions_in(directory: &Path, functions: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            functions_in(&path, functions)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut of = String::new();
            for line in fs::read_to_string(&path)?.lines() {
                if let Some(header) = line.strip_prefix("impl") {
                    type_of(header).clone_into(&mut of);
                }
                if let Some(method) = line.trim_start().strip_prefix("pub async fn ") {
                    let name = method.split(['(', '<']).next().unwrap_or_default();
                    functions.insert(format!("{of}::{name}"));
                }
            }
        }
    }
    Ok(())
}

/// Returns the name of the type that the header of an `impl` is of.
fn type_of(header: &str) -> &str {
    let mut depth = 0_usize;
    let end = header.find(|c| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth.saturating_sub(1),
            _ => depth,
        };
        depth == 0
    });
    let rest = header.get(end.map_or(0, |end| end + 1)..).unwrap_or_default();
    let rest = rest.split_once(" for ").map_or(rest, |(_, of)| of).trim_start();
    rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}
