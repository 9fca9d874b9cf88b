mod adversary;
mod campaign;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::{Hash as _, Sha1, Step};

use self::support::{items, now};
use super::build::Built;
use super::item::{Body, Entry, Held, Item};
use super::rule::{End, Gap, WEIGHT_MAX, cut};
use super::shared::differing;
use super::{
    DirBlock, Direction, Edits, EntryDiff, EntryPair, From, INLINE_MAX, Nodes, Scan, build,
    build_by, edit, find,
};
use crate::crew::Crew;

type Blocks = support::Blocks<Sha1>;

type Map = BTreeMap<Step, Entry<Sha1>>;

fn value(length: usize) -> Entry<Sha1> {
    let held = Held::Inline(Bytes::from(vec![7; length.min(INLINE_MAX)]));
    Entry::Contents {
        held,
        metadata: Bytes::from(vec![8; length.saturating_sub(INLINE_MAX).min(256)]),
    }
}

/// The rule, word by word.
fn is_boundary(level: u8, items: &[Item<Sha1>], gap: usize) -> bool {
    let of = |index: usize| Gap::before::<Sha1>(level, &items[index].step);
    let mut start = gap - 1;
    while start > 0 && of(start) < of(gap) {
        start -= 1;
    }
    let mut end = gap + 1;
    while end < items.len() && of(end) < of(gap) {
        end += 1;
    }
    items[start..end].iter().map(Item::weight).sum::<u64>() > WEIGHT_MAX
}

/// Steps of a few lengths, so that blocks hold few items or many.
fn step() -> impl Strategy<Value = Step> {
    let make = |(number, length): (u32, usize)| {
        let text = format!("{number:06}{}", "x".repeat(length));
        text.parse().expect("a step")
    };
    (0..4000_u32, prop_oneof![Just(1_usize), Just(60), Just(990)]).prop_map(make)
}

fn batch(most: usize) -> impl Strategy<Value = BTreeMap<Step, Option<Entry<Sha1>>>> {
    let entry =
        prop_oneof![2 => (0..320_usize).prop_map(|length| Some(value(length))), 1 => Just(None)];
    prop::collection::btree_map(step(), entry, 1..most)
}

fn scanned(blocks: &Blocks, built: &Built<Sha1>, direction: Direction, from: &From) -> Vec<Step> {
    let mut scan = now(Scan::open(blocks, &built.root, direction, from));
    let mut steps = Vec::new();
    while let Some(scanned) = now(scan.next(blocks)) {
        steps.push(scanned.step);
    }
    steps
}

fn map_of(batch: BTreeMap<Step, Option<Entry<Sha1>>>) -> Map {
    batch.into_iter().filter_map(|(step, entry)| Some((step, entry?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_level_is_cut_where_the_rule_says(map in prop::collection::btree_map(step(), 0..320_usize, 0..300)) {
        let map: Map = map.into_iter().map(|(step, length)| (step, value(length))).collect();
        let items = items(&map);
        let starts = cut(0, &items, &End::OfLevel, &End::OfLevel);
        let expected: Vec<usize> =
            (0..items.len()).filter(|index| *index == 0 || is_boundary(0, &items, *index)).collect();
        prop_assert_eq!(starts, expected);
    }

    #[test]
    fn edits_end_in_what_building_gives(
        first in batch(1500),
        batches in prop::collection::vec(prop_oneof![4 => batch(4), 2 => batch(40), 1 => batch(800)], 1..12),
        clear in any::<bool>(),
    ) {
        let mut map = Map::new();
        let mut blocks = Blocks::new();
        let mut built = build(0, Vec::new());
        blocks.keep(&built);
        let last = clear.then(|| first.keys().map(|step| (step.clone(), None)).collect());
        for batch in [first].into_iter().chain(batches).chain(last) {
            for (step, entry) in &batch {
                match entry {
                    Some(entry) => map.insert(step.clone(), entry.clone()),
                    None => map.remove(step),
                };
            }
            built = blocks.edit(&built.root, batch);
            let whole = build(0, items(&map));
            prop_assert_eq!(built.hash, whole.hash, "{} entries", map.len());
            prop_assert_eq!(built.root.count(), map.len() as u64);
            blocks.keep(&built);
        }
    }

    #[test]
    fn every_query_agrees_with_the_map(first in batch(1200), probe in step(), offset in 0..1500_usize) {
        let map = map_of(first);
        let mut blocks = Blocks::new();
        let built = build(0, items(&map));
        blocks.keep(&built);
        for step in map.keys().chain([&probe]) {
            let found = now(find(&blocks, &built.root, step.as_bytes()));
            prop_assert_eq!(found.as_ref(), map.get(step));
        }
        for direction in [Direction::Forwards, Direction::Backwards] {
            let mut steps: Vec<Step> = map.keys().cloned().collect();
            let mut from: Vec<Step> = match direction {
                Direction::Forwards => map.range::<Step, _>(&probe..).map(|(step, _)| step.clone()).collect(),
                Direction::Backwards => map.range::<Step, _>(..=&probe).map(|(step, _)| step.clone()).collect(),
            };
            if direction == Direction::Backwards {
                steps.reverse();
                from.reverse();
            }
            prop_assert_eq!(&scanned(&blocks, &built, direction, &From::End), &steps);
            prop_assert_eq!(scanned(&blocks, &built, direction, &From::Step(probe.clone())), from);
            let behind: Vec<Step> = steps.into_iter().skip(offset).collect();
            prop_assert_eq!(scanned(&blocks, &built, direction, &From::Offset(offset as u64)), behind);
        }
    }

    #[test]
    fn a_diff_is_what_differs_and_reads_little(first in batch(1200), change in batch(6)) {
        let old = map_of(first);
        let mut new = old.clone();
        for (step, entry) in &change {
            match entry {
                Some(entry) => new.insert(step.clone(), entry.clone()),
                None => new.remove(step),
            };
        }
        let mut blocks = Blocks::new();
        let (before, after) = (build(0, items(&old)), build(0, items(&new)));
        blocks.keep(&before);
        blocks.keep(&after);
        let mut diff = EntryDiff::new(Some(&before.root), Some(&after.root)).unwrap();
        let mut found = Vec::new();
        while let Some(pair) = now(diff.next(&blocks, &blocks)) {
            found.push(pair);
        }
        let steps: std::collections::BTreeSet<&Step> = old.keys().chain(new.keys()).collect();
        let expected: Vec<EntryPair<Sha1>> = steps
            .into_iter()
            .filter(|step| old.get(*step) != new.get(*step))
            .map(|step| EntryPair {
                step: step.clone(),
                old: old.get(step).cloned(),
                new: new.get(step).cloned(),
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}

/// What is left of a comparison are the items that the other side does not have.
fn check_differing(old: &Map, new: &Map) -> Result<(), TestCaseError> {
    let (old, new) = (items(old), items(new));
    let block = |items: &[Item<Sha1>]| DirBlock::encode(0, items);
    let (of_old, of_new) = differing(&block(&old), &block(&new)).unwrap();
    let without = |items: &[Item<Sha1>], others: &[Item<Sha1>]| {
        items.iter().filter(|item| !others.contains(item)).cloned().collect::<Vec<_>>()
    };
    prop_assert_eq!(of_old, without(&old, &new));
    prop_assert_eq!(of_new, without(&new, &old));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn of_two_blocks_what_the_other_does_not_have_is_left(
        values in prop::collection::vec((0..4_usize, any::<u8>()), 1..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        added in prop::collection::vec((any::<prop::sample::Index>(), "[0-9]{0,2}"), 0..3),
    ) {
        let step = |number: usize| -> Step { format!("{number:03}").parse().unwrap() };
        // Changes mostly keep the length, so that what lies behind keeps its place.
        let entry = |length: usize, byte: u8| {
            let held = Held::Inline(Bytes::from(vec![byte; length]));
            Entry::Contents { held, metadata: Bytes::new() }
        };
        let of = |(number, (length, byte)): (usize, &(usize, u8))| (step(number), entry(*length, *byte));
        let old: Map = values.iter().enumerate().map(of).collect();
        let mut new = old.clone();
        for (index, byte) in changes {
            let number = index.index(values.len());
            new.insert(step(number), entry(values[number].0, byte));
        }
        for index in removed {
            new.remove(&step(index.index(values.len())));
        }
        for (index, behind) in added {
            let added = format!("{:03}{behind}", index.index(values.len() + 1));
            new.entry(added.parse().unwrap()).or_insert_with(|| entry(1, 7));
        }
        check_differing(&old, &new)?;
        check_differing(&new, &old)?;
    }
}

/// Blocks that a crew of four makes.
struct Crewed<'a>(&'a Blocks);

impl Nodes<Sha1> for Crewed<'_> {
    async fn node(&self, hash: &Sha1) -> ramus_core::Result<Arc<DirBlock<Sha1>>> {
        self.0.node(hash).await
    }

    fn crew(&self) -> Crew {
        Crew::of(4)
    }
}

#[tokio::test]
async fn a_crew_makes_the_blocks_that_one_makes() {
    let mut choices = support::Choices::new(1);
    let mut map: Map = (0..30_000)
        .map(|number| (support::step(format!("{number:07}")), choices.entry()))
        .collect();
    let mut blocks = Blocks::new();
    let alone = build(0, items(&map));
    let mut crewed = build_by(Crew::of(4), 0, items(&map)).await.unwrap();
    assert_eq!(crewed.hash, alone.hash);
    let names =
        |built: &Built<Sha1>| -> Vec<Sha1> { built.below.iter().map(|(hash, _)| *hash).collect() };
    assert_eq!(names(&crewed), names(&alone));
    for every in [1, 3, 1000] {
        blocks.keep(&crewed);
        let mut edits = Edits::new();
        for number in (0..30_000).step_by(every) {
            let step = support::step(format!("{number:07}x{every}"));
            let entry: Entry<Sha1> = choices.entry();
            edits.push((step.clone(), Some(Body::Entry(entry.clone()))));
            map.insert(step, entry);
        }
        crewed = edit(&Crewed(&blocks), &crewed.root, edits).await.unwrap();
        assert_eq!(crewed.hash, build(0, items(&map)).hash, "every {every}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_spliced_block_is_the_one_that_its_items_make(first in batch(120), edits in batch(30)) {
        check_splice(map_of(first), edits);
    }

    /// What lies side by side is removed, inserted and replaced in every order.
    #[test]
    fn a_block_with_neighbouring_edits_is_the_one_that_its_items_make(
        start in 0..70_u32,
        kinds in prop::collection::vec(0..4_u8, 1..12),
        links_from in 0..90_u32,
    ) {
        check_neighbours(start, &kinds, links_from);
    }
}

/// All edits of six neighbours, where what a step shares with the one before it changes, and where a step
/// is written in full.
#[test]
fn a_block_with_edits_of_six_neighbours_is_the_one_that_its_items_make() {
    for start in [7, 27] {
        for edits in 0..3_u32.pow(6) {
            let kinds = (0..6).map(|place| u8::try_from(edits / 3_u32.pow(place) % 3).unwrap());
            check_neighbours(start, &kinds.collect::<Vec<_>>(), 90);
        }
    }
}

/// Links and names are counted as the block is made, and as it is read.
#[test]
fn a_block_that_was_read_names_what_the_one_that_was_made_names() {
    let hash = Sha1::of(b"some block");
    let contents = |held| Entry::Contents { held, metadata: Bytes::new() };
    let inline = contents(Held::Inline(Bytes::from_static(b"text")));
    for (other, has_links, has_names) in [
        (inline.clone(), false, false),
        (contents(Held::Block(hash)), false, true),
        (Entry::Conflict { hash }, false, true),
        (Entry::Directory { hash }, true, true),
    ] {
        let map: Map = [("a", inline.clone()), ("b", other), ("c", inline.clone())]
            .map(|(name, entry)| (support::step(name.to_owned()), entry))
            .into();
        let made = DirBlock::<Sha1>::encode(0, &items(&map));
        let read = DirBlock::<Sha1>::decode(made.block().clone()).unwrap();
        for block in [made, read] {
            assert_eq!((block.has_links(), block.has_names()), (has_links, has_names), "{map:?}");
        }
    }
}

/// Checks a block of forty even numbers with edits from a number on: each is left, removed or set.
fn check_neighbours(start: u32, kinds: &[u8], links_from: u32) {
    let name = |number: u32| support::step(format!("step-{number:03}"));
    let entry = |number: u32| match number % 5 {
        0 if number > links_from => Entry::Directory { hash: Sha1::of(&number.to_be_bytes()) },
        _ => value(number as usize % 7),
    };
    // The odd ones are new.
    let map = (0..40).map(|number| (name(2 * number), entry(number))).collect();
    let edits = (start..).zip(kinds).filter(|(_, kind)| **kind > 0);
    let edits = edits.map(|(number, kind)| (name(number), (*kind > 1).then(|| entry(number + 1))));
    check_splice(map, edits.collect());
}

/// Checks a block with edits against the one that is encoded of the items.
fn check_splice(mut map: Map, edits: BTreeMap<Step, Option<Entry<Sha1>>>) {
    let old = DirBlock::encode(0, &items(&map));
    for (step, entry) in &edits {
        match entry {
            Some(entry) => map.insert(step.clone(), entry.clone()),
            None => map.remove(step),
        };
    }
    let was_first = old.item(0).ok().map(|item| item.step);
    let edits: Edits<Sha1> =
        edits.into_iter().map(|(step, entry)| (step, entry.map(Body::Entry))).collect();
    let spliced = old.splice(&edits).unwrap();
    let new = DirBlock::<Sha1>::encode(0, &items(&map));
    assert_eq!(spliced.block.block(), new.block());
    let sums = |block: &DirBlock<Sha1>| (block.len(), block.count(), block.weight());
    assert_eq!(sums(&spliced.block), sums(&new));
    // Room for links is counted with the first one, and stays counted when the last one is gone.
    let is_link = |entry: &Entry<Sha1>| matches!(entry, Entry::Directory { .. });
    let room = if map.values().any(is_link) { new.len() * size_of::<usize>() } else { 0 };
    assert!(new.memory() >= new.block().len() + size_of::<DirBlock<Sha1>>() + room);
    assert!(spliced.block.memory() >= new.memory());
    let is_first = map.keys().next().cloned();
    assert_eq!(spliced.first_changed, is_first != was_first || is_first.is_none());
}
