//! Random edits of directories of many shapes, compared with what building gives.

use ramus_core::{Sha1, Step};

use super::support::{Batch, Choices, Model, check_local, step};

/// How many operations a campaign does at scale 1.
const OPERATIONS: u64 = 20_000;

/// What the steps of a directory look like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Numbers, at random.
    Numbers,
    /// Numbers, one after the other.
    Counting,
    /// One byte.
    Byte,
    /// As long as a step may be, with the difference at the end.
    LongAtTheEnd,
    /// As long as a step may be, with the difference in front.
    LongInFront,
    /// One the beginning of the next.
    Nested,
    /// Of all lengths.
    Mixed,
}

const SHAPES: [Shape; 7] = [
    Shape::Numbers,
    Shape::Counting,
    Shape::Byte,
    Shape::LongAtTheEnd,
    Shape::LongInFront,
    Shape::Nested,
    Shape::Mixed,
];

impl Shape {
    fn step(self, choices: &mut Choices, counter: &mut u64) -> Step {
        *counter += 1;
        step(match self {
            Self::Numbers => format!("number {:05}", choices.below(6000)).into_bytes(),
            Self::Counting => format!("{counter:012}").into_bytes(),
            Self::Byte => {
                let byte = choices.below(255).to_le_bytes()[0] + 1;
                vec![if byte == b'/' { b'.' } else { byte }]
            }
            Self::LongAtTheEnd => format!("{}{:05}", "x".repeat(1019), choices.below(900)).into(),
            Self::LongInFront => format!("{:05}{}", choices.below(900), "x".repeat(1019)).into(),
            Self::Nested => vec![b'n'; choices.length(1024) + 1],
            Self::Mixed => {
                let length = match choices.below(3) {
                    0 => choices.length(8),
                    1 => choices.length(100),
                    _ => choices.length(1019),
                };
                format!("{:05}{}", choices.below(2000), "m".repeat(length)).into_bytes()
            }
        })
    }
}

#[test]
fn whatever_the_edits_the_directory_is_that_of_its_entries() {
    let seed = number_from_env("RAMUS_SEED", 1);
    let operations = OPERATIONS * number_from_env("RAMUS_SCALE", 1);
    let mut done = 0;
    let mut round = 0;
    while done < operations {
        round += 1;
        let about = format!("RAMUS_SEED={seed}, round {round}");
        let mut choices = Choices::new(seed.wrapping_mul(1_000_003).wrapping_add(round));
        done += one_directory(&mut choices, &about);
    }
}

/// Edits one directory for a while; returns how many entries were set or removed.
fn one_directory(choices: &mut Choices, about: &str) -> u64 {
    let shapes = [choices.one_of(&SHAPES), choices.one_of(&SHAPES)];
    let about = format!("{about}, {shapes:?}");
    // How many of ten edits remove what is there.
    let removals = choices.one_of(&[1, 4, 7]);
    let mut counter = 0;
    let mut model = Model::<Sha1>::new([]);
    let mut done = 0;
    for _ in 0..60 {
        let size = match choices.below(20) {
            0 => choices.length(600) + 1,
            1..6 => choices.length(12) + 1,
            _ => 1,
        };
        let batch = batch(choices, &model, shapes, removals, size, &mut counter);
        done += batch.len() as u64;
        let before = (size == 1).then(|| model.levels());
        let built = model.apply(batch);
        model.check_whole(&built, &about);
        model.check_rule(&about);
        if let Some(before) = before {
            for (old, new) in before.iter().zip(&model.levels()) {
                check_local(old, new, &about);
            }
        }
    }
    let all = model.map.keys().map(|step| (step.clone(), None)).collect();
    let built = model.apply(all);
    model.check_whole(&built, &about);
    done
}

fn batch(
    choices: &mut Choices,
    model: &Model<Sha1>,
    shapes: [Shape; 2],
    removals: u64,
    size: usize,
    counter: &mut u64,
) -> Batch<Sha1> {
    let mut batch = Batch::new();
    for _ in 0..size {
        let step = choices.one_of(&shapes).step(choices, counter);
        if choices.below(10) >= removals {
            batch.insert(step, Some(choices.entry()));
            continue;
        }
        // One that is there, mostly; and now and then a run of them.
        let there = model.map.range(step.clone()..).map(|(step, _)| step.clone());
        let run = if size > 1 && choices.below(30) == 0 { choices.length(200) } else { 1 };
        batch.extend(there.take(run).map(|step| (step, None)));
        if choices.below(10) == 0 {
            batch.insert(step, None);
        }
    }
    batch
}

/// Batching and order make no difference: one entry at a time, all at once, or anything between.
#[test]
fn every_order_and_every_batching_gives_the_same_directory() {
    let seed = number_from_env("RAMUS_SEED", 1);
    for round in 0..4 * number_from_env("RAMUS_SCALE", 1) {
        let mut choices = Choices::new(seed.wrapping_mul(7_000_003).wrapping_add(round));
        let shapes = [choices.one_of(&SHAPES), choices.one_of(&SHAPES)];
        let mut counter = 0;
        let entries: Batch<Sha1> = (0..choices.length(900) + 100)
            .map(|_| choices.one_of(&shapes).step(&mut choices, &mut counter))
            .map(|step| (step, None))
            .collect();
        let entries: Vec<_> =
            entries.into_keys().map(|step| (step, choices.entry::<Sha1>())).collect();
        let whole = Model::new(entries.clone());
        for most in [1, 7, 150] {
            let mut left = entries.clone();
            let mut model = Model::new([]);
            while !left.is_empty() {
                let batch: Batch<Sha1> = (0..=choices.length(most))
                    .map_while(|_| {
                        let at = choices.length(left.len().max(1));
                        (!left.is_empty()).then(|| left.swap_remove(at))
                    })
                    .map(|(step, entry)| (step, Some(entry)))
                    .collect();
                model.apply(batch);
            }
            let about = format!("RAMUS_SEED={seed}, round {round}, {shapes:?}, up to {most}");
            assert_eq!(model.hash, whole.hash, "{about}");
        }
    }
}

/// An insert writes few leaves: here it is less than 1.2 on average, and the leaf itself always.
#[test]
fn an_insert_writes_about_one_leaf() {
    let name = |number: u64| step(format!("entry {number:08}"));
    let mut choices = Choices::new(1);
    let mut model =
        Model::<Sha1>::new((0..20_000).map(|number| (name(number * 100), choices.entry())));
    let (mut inserts, mut leaves) = (0, 0);
    for _ in 0..400 {
        let new = name(choices.below(2_000_000));
        if model.map.contains_key(&new) {
            continue;
        }
        let built = model.apply([(new, Some(choices.entry()))].into());
        let written = built.below.iter().filter(|(_, node)| node.level() == 0).count();
        assert!(written >= 1);
        (inserts, leaves) = (inserts + 1, leaves + written);
    }
    assert!(leaves * 10 < inserts * 12, "{leaves} leaves for {inserts} inserts");
}

fn number_from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}
