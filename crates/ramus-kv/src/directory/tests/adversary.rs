//! Steps that somebody chose for what they do to the directory.

use std::sync::Arc;

use ramus_core::{Hash as _, Sha1, Step, hash_type};

use super::super::build::build;
use super::super::item::{Body, Child, Entry, Item};
use super::super::rule::{End, Gap, LEVEL_MAX, WEIGHT_MAX, cut};
use super::super::{DirBlock, Direction, EntryDiff, From, INLINE_MAX, Scan, find};
use super::support::{Batch, Choices, Model, check_local, held, now, step};

hash_type! {
    /// A hash whose priorities the steps choose themselves, on every level: by their last 16 bytes,
    /// in hex. Those of other steps are tied. What is no priority is hashed by SHA-1.
    struct Chosen([u8; 20]) = "chosen", |parts| {
        let bytes = parts.concat();
        let mut digest = [0; 20];
        match bytes.split_first() {
            Some((0x70, level_and_step)) => {
                let hex = level_and_step[1..].last_chunk::<16>();
                let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
                let priority = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
                digest[..8].copy_from_slice(&priority.to_be_bytes());
            }
            _ => digest.copy_from_slice(Sha1::of(&bytes).as_bytes()),
        }
        digest
    };
}

/// How high the gaps of a directory are, from the first to the last.
#[derive(Clone, Copy, Debug)]
enum Heights {
    High,
    Low,
    Rising,
    Falling,
    Alternating,
    /// Up to the middle and down again.
    Hill,
    /// Down to the middle and up again.
    Valley,
    Random,
}

const HEIGHTS: [Heights; 8] = [
    Heights::High,
    Heights::Low,
    Heights::Rising,
    Heights::Falling,
    Heights::Alternating,
    Heights::Hill,
    Heights::Valley,
    Heights::Random,
];

impl Heights {
    fn of(self, number: u64, count: u64) -> u64 {
        match self {
            Self::High => u64::MAX,
            Self::Low => 0,
            Self::Rising => number,
            Self::Falling => count - number,
            Self::Alternating => u64::MAX * (number % 2),
            Self::Hill => number.min(count - number),
            Self::Valley => number.max(count - number),
            Self::Random => Choices::new(number).next(),
        }
    }
}

/// Returns the step of a number, with a height, and as long as this at least.
fn chosen(number: u64, height: u64, length: usize) -> Step {
    let padding = "p".repeat(length.saturating_sub(24));
    step(format!("{number:08}{padding}{height:016x}"))
}

fn entry(length: usize) -> Entry<Chosen> {
    Entry::Contents { held: held(vec![b'v'; length]), metadata: bytes::Bytes::new() }
}

/// Edits a directory here and there, and checks everything that is promised of it after each edit.
fn attack(mut model: Model<Chosen>, new: impl Fn(u64) -> Step, about: &str) {
    model.check_rule(about);
    let mut choices = Choices::new(3);
    for number in 0..12 {
        let near = new(choices.below(1000));
        let there = model.map.range(near.clone()..).next().map(|(step, _)| step.clone());
        let batch: Batch<Chosen> = match (number % 3, there) {
            (0, _) | (_, None) => [(near, Some(entry(INLINE_MAX)))].into(),
            (1, Some(there)) => [(there, Some(entry(INLINE_MAX + 1)))].into(),
            (_, Some(there)) => [(there, None)].into(),
        };
        let before = model.levels();
        let built = model.apply(batch);
        model.check_whole(&built, about);
        model.check_rule(about);
        for (old, new) in before.iter().zip(&model.levels()) {
            check_local(old, new, about);
        }
    }
}

#[test]
fn the_bounds_hold_whatever_the_heights_of_the_gaps() {
    for heights in HEIGHTS {
        for (count, length) in [(600, 24), (120, 1024)] {
            for value in [0, INLINE_MAX, INLINE_MAX + 1] {
                let name = |number: u64| chosen(number, heights.of(number, count), length);
                let model = Model::new((0..count).map(|number| (name(number), entry(value))));
                // Steps between those that are there, of a height of their own.
                let new = |number: u64| {
                    let near = name(number % count);
                    let suffix = format!("+{:016x}", heights.of(number, 1000));
                    let kept = near.as_bytes().len().min(1024 - suffix.len());
                    step([&near.as_bytes()[..kept], suffix.as_bytes()].concat())
                };
                attack(model, new, &format!("{heights:?}, {count} of {length}, {value}"));
            }
        }
    }
}

/// Steps of one byte are tied here: so each block but the first few holds one entry, if they are heavy.
#[test]
fn the_bounds_hold_for_steps_of_one_byte() {
    let bytes = || (1..=u8::MAX).filter(|byte| *byte != b'/');
    for value in [0, INLINE_MAX, INLINE_MAX + 1] {
        let model = Model::new(bytes().map(|byte| (step([byte]), entry(value))));
        let new = |number: u64| {
            let byte = number.to_le_bytes()[0].max(1);
            step([if byte == b'/' { b'.' } else { byte }])
        };
        attack(model, new, &format!("one byte, {value}"));
    }
}

/// The worst there is: every item is a block of its own on every level, up to the last, which is one
/// block. Nothing recurses: a small stack is enough for all that is done with it.
#[test]
fn the_last_level_is_one_block_and_nothing_recurses() {
    const ENTRIES: u64 = 1500;
    let all = || {
        let name = |number: u64| chosen(number, number, 1024);
        let mut model = Model::new((0..ENTRIES).map(|number| (name(number), entry(0))));
        assert_eq!(model.root.level(), LEVEL_MAX);
        assert!(model.root.weight() > WEIGHT_MAX && model.root.len() > 1000);
        model.check_rule("rising, as long as can be");

        let old = Arc::clone(&model.root);
        let built =
            model.apply([(name(700), None), (name(ENTRIES), Some(entry(INLINE_MAX + 1)))].into());
        let leaves = built.below.iter().filter(|(_, node)| node.level() == 0).count();
        assert!(leaves <= 3, "{leaves} leaves for two edits");
        assert!(built.below.len() <= 3 * usize::from(LEVEL_MAX), "{} blocks", built.below.len());
        let mut diff = EntryDiff::new(Some(&old), Some(&model.root)).unwrap();
        let mut differ = Vec::new();
        while let Some(pair) = now(diff.next(&model.blocks, &model.blocks)) {
            differ.push(pair.step);
        }
        assert_eq!(differ, [name(700), name(ENTRIES)]);
        assert_eq!(now(find(&model.blocks, &model.root, name(3).as_bytes())), Some(entry(0)));
        let from = From::Offset(ENTRIES / 2);
        let mut scan = now(Scan::open(&model.blocks, &model.root, Direction::Backwards, &from));
        assert_eq!(now(scan.next(&model.blocks)).unwrap().step, name(ENTRIES / 2));
        model.check_whole(&built, "rising, as long as can be");
        let none = model.map.keys().map(|step| (step.clone(), None)).collect();
        assert!(model.apply(none).root.block().len() == 5);
    };
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    small.spawn(all).unwrap().join().unwrap();
}

/// Gaps of equal priority fall from step to step: the run of each is the item before it and all behind.
#[test]
fn of_equal_gaps_that_of_the_smaller_step_is_higher() {
    let child = Child { hash: Chosen::of(b""), count: 1, weight: 24 };
    let item = |number: u64| Item { step: chosen(number, 7, 1024), body: Body::Child(child) };
    let items: Vec<Item<Chosen>> = (0..12).map(item).collect();
    assert!(Gap::before::<Chosen>(0, &items[1].step) > Gap::before::<Chosen>(0, &items[2].step));
    // 1049 bytes each, so a run is too heavy from eight items on.
    assert_eq!(cut(0, &items, &End::OfLevel, &End::OfLevel), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn level_15_is_never_cut_and_level_14_is() {
    let child = Child { hash: Sha1::of(b""), count: 1, weight: 24 };
    let item =
        |number: u32| Item { step: step(format!("{number:01000}")), body: Body::Child(child) };
    let items: Vec<Item<Sha1>> = (0..200).map(item).collect();
    assert_eq!(cut(LEVEL_MAX, &items, &End::OfLevel, &End::OfLevel), [0]);
    assert!(cut(LEVEL_MAX - 1, &items, &End::OfLevel, &End::OfLevel).len() > 20);
    let built = build(LEVEL_MAX - 1, items);
    assert_eq!(built.root.level(), LEVEL_MAX);
    assert!(built.root.weight() > WEIGHT_MAX);
    assert!(DirBlock::<Sha1>::decode(built.root.block().clone()).is_ok());
}

/// What it costs to get blocks of one entry out of SHA-1: the first few gaps apart, each has to be
/// higher than the one before it.
#[test]
fn ground_steps_get_a_block_for_each_entry_and_no_more() {
    const COUNT: u64 = 200;
    let mut hashes = 0_u64;
    let mut grind = |number: u64, low: u64, high: u64| {
        (0_u64..).find_map(|nonce| {
            hashes += 1;
            let name = step(format!("{number:04}{nonce:08x}{}", "g".repeat(1012)));
            let hash = Sha1::of_parts(&[&[0x70, 0], name.as_bytes()]);
            let priority = u64::from_be_bytes(*hash.as_bytes().first_chunk().unwrap());
            (low..=high).contains(&priority).then_some(name)
        })
    };
    let band = u64::MAX / COUNT;
    let steps: Vec<Step> = (0..COUNT)
        .map(|number| grind(number, band * number, band * number + band - 1).expect("a nonce"))
        .collect();
    let contents = |held| Entry::Contents { held, metadata: bytes::Bytes::new() };
    let entry = || contents(held::<Sha1>(vec![b'v'; INLINE_MAX]));
    let mut model = Model::new(steps.iter().map(|step| (step.clone(), entry())));
    model.check_rule("ground for SHA-1");
    let leaves = model.levels()[0].starts.len() as u64;
    assert!((COUNT - 8..=COUNT).contains(&leaves), "{leaves} leaves, for {hashes} hashes");
    // One more entry in their middle still costs a few blocks.
    for number in [50, 100, 150] {
        let new = step(format!("{number:04}ffffffffx"));
        let built = model.apply([(new, Some(entry()))].into());
        let written = built.below.iter().filter(|(_, node)| node.level() == 0).count();
        assert!(written <= 9, "{written} leaves for one entry");
        model.check_whole(&built, "ground for SHA-1");
    }
}
