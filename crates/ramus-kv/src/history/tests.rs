//! Walks over tables of long and tangled histories, against plain sets.

use std::collections::BTreeSet;

use ramus_core::{Hash as _, Sha1};

use super::postings::{PathKey, Postings};
use super::table::{Ordinal, Table};
use super::walk::{Ancestors, Ancestry, LowestCommon};

/// How many graphs are tried at scale 1.
const GRAPHS: u64 = 60;

/// A source of numbers that a seed decides: `SplitMix64`.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("less than a usize")
    }

    /// Returns the parents of each commit: lines, now and then a branch, a merge of several, a beginning.
    fn graph(&mut self) -> Vec<Vec<usize>> {
        let (size, tangle) = (2 + self.below(60), 1 + self.below(20));
        let mut graph: Vec<Vec<usize>> = vec![Vec::new()];
        for commit in 1..size {
            let mut parents = vec![commit - 1];
            if self.below(20) < tangle {
                parents = (0..self.below(4)).map(|_| self.below(commit)).collect();
            }
            graph.push(parents);
        }
        graph
    }
}

fn name(commit: usize) -> Sha1 {
    Sha1::of(&commit.to_le_bytes())
}

fn ordinal(commit: usize) -> Ordinal {
    Ordinal::try_from(commit).expect("a small number")
}

fn table_of(graph: &[Vec<usize>]) -> Table<Sha1> {
    let mut table = Table::new();
    for (commit, parents) in graph.iter().enumerate() {
        let parents: Vec<_> = parents.iter().map(|parent| ordinal(*parent)).collect();
        assert_eq!(table.add(name(commit), &parents).unwrap(), ordinal(commit));
    }
    table
}

fn ancestors_of(graph: &[Vec<usize>]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for (commit, parents) in graph.iter().enumerate() {
        let behind = parents.iter().flat_map(|parent| all[*parent].iter().copied());
        let with_itself = behind.chain([commit]).collect();
        all.push(with_itself);
    }
    all
}

/// Those of some commits that are no ancestors of another.
fn lowest(of: &BTreeSet<usize>, ancestors: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let is_lowest =
        |one: &&usize| !of.iter().any(|other| other != *one && ancestors[*other].contains(one));
    of.iter().filter(is_lowest).copied().collect()
}

fn check(graph: &[Vec<usize>], choices: &mut Choices) {
    let (table, ancestors) = (table_of(graph), ancestors_of(graph));
    for (commit, parents) in graph.iter().enumerate() {
        let told: Vec<_> = table.parents(ordinal(commit)).map(|parent| parent as usize).collect();
        assert_eq!(told, *parents);
        assert_eq!(table.find(&name(commit)), Some(ordinal(commit)));
    }
    for one in 0..graph.len() {
        let mut marked = Ancestors::of(&[ordinal(one)]);
        while !marked.advance(&table) {}
        let mut on_first = BTreeSet::from([one]);
        let mut at = one;
        while let Some(parent) = graph[at].first() {
            on_first.insert(*parent);
            at = *parent;
        }
        for other in 0..graph.len() {
            let is_behind = ancestors[one].contains(&other);
            assert_eq!(marked.contains(ordinal(other)), is_behind, "{other} behind {one}");
            let mut search = Ancestry::of(&table, ordinal(other), ordinal(one));
            let found = loop {
                if let Some(found) = search.advance(&table) {
                    break found;
                }
            };
            assert_eq!(found, is_behind, "{other} before {one} in {graph:?}");
            let is_on_first = table.is_on_first_parents(ordinal(other), ordinal(one));
            assert_eq!(is_on_first, on_first.contains(&other), "{other} on the way from {one}");
            check_common(graph, &table, &ancestors, &[one], &[other]);
        }
    }
    let some = |choices: &mut Choices| -> Vec<usize> {
        (0..=choices.below(3)).map(|_| choices.below(graph.len())).collect()
    };
    for _ in 0..20 {
        let (ours, theirs) = (some(choices), some(choices));
        check_common(graph, &table, &ancestors, &ours, &theirs);
    }
}

fn check_common(
    graph: &[Vec<usize>],
    table: &Table<Sha1>,
    ancestors: &[BTreeSet<usize>],
    ours: &[usize],
    theirs: &[usize],
) {
    let all = |commits: &[usize]| -> BTreeSet<usize> {
        commits.iter().flat_map(|commit| ancestors[*commit].iter().copied()).collect()
    };
    let common = all(ours).intersection(&all(theirs)).copied().collect();
    let numbers =
        |commits: &[usize]| -> Vec<_> { commits.iter().map(|one| ordinal(*one)).collect() };
    let mut search = LowestCommon::of(table, &numbers(ours), &numbers(theirs));
    while !search.advance(table) {}
    let found: BTreeSet<usize> = search.found.iter().map(|one| *one as usize).collect();
    assert_eq!(found.len(), search.found.len(), "one was found twice");
    assert_eq!(found, lowest(&common, ancestors), "{ours:?} and {theirs:?} in {graph:?}");
}

#[test]
fn walks_find_what_plain_sets_say() {
    let number = |name: &str| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => 1,
    };
    let (seed, scale): (u64, u64) = (number("RAMUS_SEED"), number("RAMUS_SCALE"));
    for graph in 0..GRAPHS * scale {
        let mut choices = Choices(seed.wrapping_mul(0x0100_0000_01b3).wrapping_add(graph));
        let graph = choices.graph();
        let checked = std::panic::catch_unwind(move || check(&graph, &mut choices));
        assert!(checked.is_ok(), "RAMUS_SEED={seed}, a graph of a scale of {scale}");
    }
}

#[test]
fn a_line_is_jumped_and_not_walked() {
    // Two ways from one commit, one long and one of a single step.
    let mut graph: Vec<Vec<usize>> = vec![Vec::new()];
    graph.extend((0..100_000).map(|parent| vec![parent]));
    graph.push(vec![5]);
    let (table, [long, short]) = (table_of(&graph), [100_000, 100_001]);
    let mut search = LowestCommon::of(&table, &[long], &[short]);
    assert!(search.advance(&table), "the first few steps are enough");
    assert_eq!(search.found, [5]);
    let mut search = Ancestry::of(&table, 3, short);
    assert_eq!(search.advance(&table), Some(true));
    let mut search = Ancestry::of(&table, short, long);
    assert_eq!(search.advance(&table), Some(false));
}

#[test]
fn lists_give_their_commits_backwards_and_the_highest_generation_left() {
    let mut postings = Postings::new();
    let (a, b) = (PathKey(2), PathKey(5));
    for (generation, keys) in [(3, vec![a, b]), (9, vec![a]), (4, vec![]), (5, vec![a, b])] {
        postings.add(generation, &keys);
    }
    let read = |key| {
        let (mut read, mut next) = (Vec::new(), postings.end_of(key));
        while let Some(place) = next {
            let highest = postings.highest(place);
            let (commit, before) = postings.read(place);
            read.push((commit, highest));
            next = before;
        }
        read
    };
    assert_eq!(read(a), [(3, 9), (1, 9), (0, 3)]);
    assert_eq!(read(b), [(3, 5), (0, 3)]);
    assert!(postings.end_of(PathKey(4)).is_none());
    assert_eq!([0, 1, 2, 3].map(|commit| postings.keys_of(commit).len()), [2, 1, 0, 2]);
}
