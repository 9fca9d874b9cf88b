//! What every peer is asked for, on a small scale; and what is left when its process ends without notice.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use ramus_bench::{Peer, Skill};
use ramus_core::{Hash as _, Sha1};

use crate::PEERS;

/// Which peer and which directory the process of a test is for.
const CHILD: &str = "RAMUS_PEER_CHILD";
/// In each process `vsdb` opens one directory.
const TEST: &str = "tests::a_child_does_as_it_is_told";

fn child(task: &str, peer: &dyn Peer, directory: &Path) -> std::process::Output {
    let told = format!("{task}\n{}\n{}", peer.name(), directory.display());
    let mut command = Command::new(std::env::current_exe().expect("a test has a program"));
    command.args([TEST, "--exact", "--nocapture"]).env(CHILD, told).output().expect("it runs")
}

#[test]
fn a_child_does_as_it_is_told() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let mut told = told.split('\n');
    let mut next = || told.next().expect("it was told");
    let (task, name, directory) = (next(), next(), Path::new(next()));
    let peer = PEERS.iter().find(|peer| peer.name() == name).expect("it is one of them");
    match task {
        "work" => work(*peer, directory),
        "die" => {
            let mut store = peer.open(directory).expect("open");
            store.set(&edits(&[("a/b", "kept")])).expect("set");
            // Nothing is closed, flushed or dropped: what the process had to itself is gone.
            std::process::abort();
        }
        "look" => {
            let mut store = peer.open(directory).expect("open again");
            assert_eq!(store.find("a/b").expect("find").as_deref(), Some("kept"));
        }
        other => panic!("{other} is no task"),
    }
}

#[test]
fn every_peer_does_what_it_says_it_can() {
    for peer in PEERS {
        let place = tempfile::tempdir().expect("a directory");
        let output = child("work", *peer, place.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = said + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", peer.name());
    }
}

/// Only those that can be opened again by the same code: the others make a new store each time.
#[test]
fn what_was_answered_outlives_the_process_in_all_but_redb_without_a_sync() {
    let reopened = |peer: &&&dyn Peer| {
        let name = peer.name();
        name.starts_with("redb") || name.starts_with("fjall")
    };
    for peer in PEERS.iter().filter(reopened) {
        let place = tempfile::tempdir().expect("a directory");
        assert!(!child("die", *peer, place.path()).status.success(), "it aborts");
        let found = child("look", *peer, place.path()).status.success();
        let is_lost = peer.name().starts_with("redb") && !peer.is_synced();
        assert_eq!(found, !is_lost, "{}", peer.name());
    }
}

fn edits(edits: &[(&str, &str)]) -> Vec<(String, String)> {
    edits.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
}

fn work(peer: &dyn Peer, directory: &Path) {
    let can = |skill| peer.skills().contains(&skill);
    let mut store = peer.open(directory).expect("open");
    if can(Skill::Blocks) {
        let block = Bytes::from_static(b"block");
        let name = Sha1::of(&block);
        let mut seen = Vec::new();
        assert!(!store.block(&name, &mut |_| panic!("it is not there")).expect("block"));
        for _ in 0..2 {
            store.add(&[(name, block.clone())]).expect("add");
        }
        assert!(store.block(&name, &mut |block| seen.extend_from_slice(block)).expect("block"));
        assert_eq!(seen, *block);
    }
    store.set(&edits(&[("a/b", "1"), ("a/c", "2")])).expect("set");
    store.set(&edits(&[("a/b", "3")])).expect("set");
    let found = ["a/b", "a/c", "a/d"].map(|path| store.find(path).expect("find"));
    assert_eq!(found.each_ref().map(Option::as_deref), [Some("3"), Some("2"), None]);
    if can(Skill::Versions) {
        let found = [(1, "a/b"), (1, "a/d"), (2, "a/b"), (2, "a/c")];
        let found = found.map(|(commit, path)| store.find_at(commit, path).expect("find at"));
        let expected = [Some("1"), None, Some("3"), Some("2")];
        assert_eq!(found.each_ref().map(Option::as_deref), expected);
    }
    if can(Skill::Changes) {
        let found = ["a/b", "a/c", "a/d"].map(|path| store.last_modified(path).expect("changes"));
        assert_eq!(found, [Some(2), Some(1), None]);
    }
    if can(Skill::Changes) && can(Skill::Ancestors) {
        assert_eq!(store.last_modified("a").expect("changes"), Some(2));
    }
    if can(Skill::Group) {
        store.set_each(&[edits(&[("g", "1")]), edits(&[("g", "2")])]).expect("set each");
        let found = [3, 4].map(|commit| store.find_at(commit, "g").expect("find at"));
        assert_eq!(found.each_ref().map(Option::as_deref), [Some("1"), Some("2")]);
    }
    if can(Skill::Diff) {
        store.forget().expect("forget");
        assert_eq!(store.diff(1, 2).expect("diff"), ["a/b"]);
    }
    if can(Skill::Merge) {
        store.fork("one").expect("fork");
        store.fork("two").expect("fork");
        for (branch, path) in [("two", "a/x"), ("one", "a/c")] {
            store.switch(branch).expect("switch");
            store.set(&edits(&[(path, branch)])).expect("set");
        }
        store.forget().expect("forget");
        if can(Skill::Ancestors) {
            let common = [("one", "two"), ("two", "one"), ("main", "one")];
            let common = common.map(|(one, other)| store.common(one, other).expect("common"));
            assert_eq!(common, [2; 3], "where they were forked");
            assert!(store.common("one", "none").is_err(), "there is no such branch");
        }
        store.merge("two").expect("merge");
        let found = ["a/b", "a/c", "a/x"].map(|path| store.find(path).expect("find"));
        assert_eq!(found.each_ref().map(Option::as_deref), [Some("3"), Some("one"), Some("two")]);
    }
}
