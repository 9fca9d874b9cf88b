//! A directory beside a plain map of the same entries, and what must hold of both.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use ramus_core::{Error, Hash, Result, Step};

use super::super::build::{Built, build};
use super::super::dir_block::DirBlock;
use super::super::edit::edit;
use super::super::item::{Body, Entry, Held, Item};
use super::super::rule::{End, Gap, LEVEL_MAX, WEIGHT_MAX};
use super::super::{INLINE_MAX, METADATA_MAX, Nodes};

pub(super) type Batch<H> = BTreeMap<Step, Option<Entry<H>>>;

/// Blocks by name.
pub(super) struct Blocks<H>(HashMap<H, Arc<DirBlock<H>>>);

impl<H: Hash> Nodes<H> for Blocks<H> {
    async fn node(&self, hash: &H) -> Result<Arc<DirBlock<H>>> {
        self.0.get(hash).cloned().ok_or_else(|| Error::missing(hash))
    }
}

impl<H: Hash> Blocks<H> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn keep(&mut self, built: &Built<H>) {
        for (hash, node) in &built.below {
            assert_eq!(*hash, H::of(node.block()));
            self.keep_one(*hash, node);
        }
        self.keep_one(built.hash, &built.root);
    }

    pub(super) fn edit(&self, root: &Arc<DirBlock<H>>, batch: Batch<H>) -> Built<H> {
        let edits = batch.into_iter().map(|(step, entry)| (step, entry.map(Body::Entry)));
        now(edit(self, root, edits.collect()))
    }

    fn keep_one(&mut self, hash: H, node: &Arc<DirBlock<H>>) {
        let read = DirBlock::<H>::decode(node.block().clone()).expect("a block that was made");
        let sums = |node: &DirBlock<H>| (node.level(), node.len(), node.count(), node.weight());
        assert_eq!(sums(&read), sums(node));
        let items = read.items().expect("the items of a block that was made");
        assert_eq!(DirBlock::encode(read.level(), &items).block(), node.block());
        self.0.insert(hash, Arc::clone(node));
    }
}

pub(super) fn now<T>(future: impl Future<Output = Result<T>>) -> T {
    future.now_or_never().expect("no waiting").expect("a sound directory")
}

/// One level of a directory: its items, and where each block of it begins.
pub(super) struct Level<H> {
    pub(super) items: Vec<Item<H>>,
    pub(super) starts: Vec<usize>,
}

/// A directory, its blocks, and what is in it.
pub(super) struct Model<H> {
    pub(super) map: BTreeMap<Step, Entry<H>>,
    pub(super) blocks: Blocks<H>,
    /// Whether there are blocks of earlier directories among them.
    has_earlier: bool,
    pub(super) root: Arc<DirBlock<H>>,
    pub(super) hash: H,
}

impl<H: Hash> Model<H> {
    pub(super) fn new(entries: impl IntoIterator<Item = (Step, Entry<H>)>) -> Self {
        let map: BTreeMap<_, _> = entries.into_iter().collect();
        let built = build(0, items(&map));
        let mut blocks = Blocks::new();
        blocks.keep(&built);
        Self { map, blocks, has_earlier: false, root: built.root, hash: built.hash }
    }

    /// Edits both; returns what the directory became.
    pub(super) fn apply(&mut self, batch: Batch<H>) -> Built<H> {
        for (step, entry) in &batch {
            match entry {
                Some(entry) => self.map.insert(step.clone(), entry.clone()),
                None => self.map.remove(step),
            };
        }
        let built = self.blocks.edit(&self.root, batch);
        // A root that grows may stand below the new one as it was.
        let is_new = |hash: &H| *hash != self.hash;
        for (hash, _) in built.below.iter().filter(|(hash, _)| !self.has_earlier && is_new(hash)) {
            assert!(!self.blocks.0.contains_key(hash), "block {hash} was there, and is made again");
        }
        self.blocks.keep(&built);
        self.has_earlier = true;
        (self.root, self.hash) = (Arc::clone(&built.root), built.hash);
        built
    }

    /// Checks that the directory is the one that is built of the map at once, with every block there
    /// and none made in vain; forgets blocks of earlier ones.
    pub(super) fn check_whole(&mut self, last: &Built<H>, about: &str) {
        let whole = build(0, items(&self.map));
        assert_eq!(self.hash, whole.hash, "{about}: {} entries", self.map.len());
        assert_eq!(self.root.count(), self.map.len() as u64, "{about}");
        let needed: HashSet<&H> = whole.below.iter().map(|(hash, _)| hash).collect();
        for hash in &needed {
            assert!(self.blocks.0.contains_key(*hash), "{about}: block {hash} is nowhere");
        }
        for (hash, _) in &last.below {
            assert!(needed.contains(hash), "{about}: block {hash} was made in vain");
        }
        self.blocks = Blocks::new();
        self.blocks.keep(&whole);
        self.has_earlier = false;
    }

    /// Returns the levels, that of the leaves first.
    pub(super) fn levels(&self) -> Vec<Level<H>> {
        let mut levels = vec![Level { items: self.root.items().unwrap(), starts: vec![0] }];
        for _ in 0..self.root.level() {
            let (mut items, mut starts) = (Vec::new(), Vec::new());
            for item in &levels[levels.len() - 1].items {
                let Body::Child(child) = &item.body else { panic!("an entry above the leaves") };
                starts.push(items.len());
                items.extend(now(self.blocks.node(&child.hash)).items().unwrap());
                assert_eq!(items[starts[starts.len() - 1]].step, item.step, "the first step below");
            }
            levels.push(Level { items, starts });
        }
        levels.reverse();
        levels
    }

    /// Checks the three conditions of the rule on every level, and the bounds that follow.
    pub(super) fn check_rule(&self, about: &str) {
        let levels = self.levels();
        assert!(levels.len() <= usize::from(LEVEL_MAX) + 1, "{about}: {} levels", levels.len());
        for (number, level) in (0..).zip(&levels) {
            check_level(number, level, about);
        }
    }
}

fn check_level<H: Hash>(number: u8, level: &Level<H>, about: &str) {
    let Level { items, starts } = level;
    assert!(starts.len() <= items.len().max(1), "{about}: more blocks than items");
    if number == LEVEL_MAX {
        assert_eq!(starts.len(), 1, "{about}: the last level is one block");
        return;
    }
    let block = |index: usize| -> Range<usize> {
        starts[index]..starts.get(index + 1).copied().unwrap_or(items.len())
    };
    let weight = |range: Range<usize>| items[range].iter().map(Item::weight).sum::<u64>();
    let gap = |item: usize| match item {
        0 => End::OfLevel,
        item if item == items.len() => End::OfLevel,
        item => End::Boundary(Gap::before::<H>(number, &items[item].step)),
    };
    for index in 0..starts.len() {
        let range = block(index);
        let (left, right) = (gap(range.start), gap(range.end));
        assert!(
            range.len() <= 1 || weight(range.clone()) <= WEIGHT_MAX,
            "{about}: block {index} of level {number} is too heavy"
        );
        for inner in range.clone().skip(1) {
            let lower = gap(inner) < left && gap(inner) < right;
            assert!(lower, "{about}: a gap in block {index} of level {number} is too high");
        }
        if index + 1 < starts.len() {
            let next = block(index + 1);
            let is_lowest = right < left && right < gap(next.end);
            assert!(
                !is_lowest || weight(range.start..next.end) > WEIGHT_MAX,
                "{about}: blocks {index} and {} of level {number} should be one",
                index + 1
            );
        }
    }
}

/// Checks that boundaries changed only where no more than `WEIGHT_MAX` bytes lie between them and an
/// item that changed; returns how many boundaries did.
pub(super) fn check_local<H: Hash>(old: &Level<H>, new: &Level<H>, about: &str) -> usize {
    let bodies = |level: &Level<H>| -> BTreeMap<Step, Body<H>> {
        level.items.iter().map(|item| (item.step.clone(), item.body.clone())).collect()
    };
    let (before, after) = (bodies(old), bodies(new));
    let steps: BTreeSet<&Step> = before.keys().chain(after.keys()).collect();
    let changed: BTreeSet<&Step> =
        steps.into_iter().filter(|step| before.get(*step) != after.get(*step)).collect();
    let (was, is) = (boundaries(old), boundaries(new));
    let mut count = 0;
    for (gap, level) in
        was.difference(&is).map(|gap| (gap, new)).chain(is.difference(&was).map(|gap| (gap, old)))
    {
        count += 1;
        // An item that is not on both sides is a change itself.
        if changed.contains(gap) {
            continue;
        }
        let left = changed.range::<Step, _>(..gap).next_back();
        let right = changed.range::<Step, _>(gap..).next();
        let between = |from: &Step, to: &Step| -> u64 {
            let start = level.items.partition_point(|item| item.step <= *from);
            let end = level.items.partition_point(|item| item.step < *to);
            level.items[start..end].iter().map(Item::weight).sum()
        };
        // Behind the gap lies its own item; it is on the way to a change on the right.
        let at = level.items.partition_point(|item| item.step < *gap);
        let to_right = right.map(|right| {
            let own = level.items[at].weight();
            if *right > gap { own + between(gap, right) } else { 0 }
        });
        let nearest = left.map(|left| between(left, gap)).into_iter().chain(to_right).min();
        let nearest = nearest.expect("a boundary changes by a change");
        assert!(nearest <= WEIGHT_MAX, "{about}: a boundary changed {nearest} bytes from an edit");
    }
    count
}

fn boundaries<H>(level: &Level<H>) -> BTreeSet<Step> {
    level
        .starts
        .iter()
        .filter_map(|start| level.items.get(*start))
        .map(|item| item.step.clone())
        .collect()
}

pub(super) fn items<H: Clone>(map: &BTreeMap<Step, Entry<H>>) -> Vec<Item<H>> {
    let item = |(step, entry): (&Step, &Entry<H>)| Item {
        step: step.clone(),
        body: Body::Entry(entry.clone()),
    };
    map.iter().map(item).collect()
}

pub(super) fn step(bytes: impl Into<Vec<u8>>) -> Step {
    Step::new(bytes.into()).expect("a step")
}

/// A source of numbers that a seed decides: `SplitMix64`.
pub(super) struct Choices(u64);

impl Choices {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn length(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("less than a usize")
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.length(choices.len())]
    }

    /// Returns contents on both sides of the threshold, or a directory, with metadata or without.
    pub(super) fn entry<H: Hash>(&mut self) -> Entry<H> {
        let hash = H::of(&self.next().to_be_bytes());
        if self.below(10) == 0 {
            return Entry::Directory { hash };
        }
        let length = match self.below(4) {
            0 => self.one_of(&[0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1]),
            _ => self.length(INLINE_MAX + 8),
        };
        let value = vec![self.below(256).to_le_bytes()[0]; length];
        let metadata = match self.below(8) {
            0 => self.one_of(&[1, 127, 128, METADATA_MAX]),
            _ => 0,
        };
        Entry::Contents { held: held(value), metadata: vec![7; metadata].into() }
    }
}

/// Returns contents as an entry holds them: in place up to the threshold.
pub(super) fn held<H: Hash>(value: Vec<u8>) -> Held<H> {
    if Held::<H>::is_inline(&value) {
        Held::Inline(Bytes::from(value))
    } else {
        Held::Block(H::of(&value))
    }
}
