//! What a directory costs under the rule that cuts it into blocks, and under the usual ones.
//!
//! ```sh
//! cargo run --release -p ramus-kv --example directory_rules -- 100000 200
//! ```
//!
//! A directory of so many entries is built; then so many entries are inserted, one at a time, and
//! after each the blocks that were not there before are counted, on all levels. Bytes are weights:
//! what the items of a block take without front compression. The rules are written down once more
//! here, as plainly as possible; nothing is taken from the library but the hash.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::cast_precision_loss, reason = "averages of a table")]
#![expect(clippy::cast_possible_truncation, reason = "lengths are short")]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ramus_core::{Hash as _, Sha1};

/// How many hashes whoever grinds steps spends on each.
const GRIND: u64 = 50;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let entries: u64 = arguments.next().unwrap_or(100_000);
    let changes: u64 = arguments.next().unwrap_or(200);
    println!("{entries} entries, then {changes} inserts, one at a time\n");
    println!(
        "| steps | rule | leaves | mean | median | 99 % | largest | leaves written | bytes written | most |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for steps in [Steps::Sequential, Steps::Random, Steps::Mixed, Steps::Ground] {
        for rule in [Rule::Cartesian, Rule::Threshold, Rule::MinMax, Rule::SizeWeighted, Rule::Trie]
        {
            let row = measure(rule, steps, entries, changes);
            println!("| {steps:?} | {rule:?} | {row}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// Each behind all others.
    Sequential,
    /// Anywhere.
    Random,
    /// Anywhere, and from 8 to 1023 bytes long.
    Mixed,
    /// Chosen against the rule, at `GRIND` hashes each or fewer; the inserts come near the front and
    /// are not chosen.
    Ground,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The rule of Ramus.
    Cartesian,
    /// Before a step whose hash is below a threshold, about every 100 entries.
    Threshold,
    /// The same, about every 70 entries, but no block below 2 KiB or above 8 KiB.
    MinMax,
    /// The more likely the heavier the block already is (Weibull, shape 4, scale 4096), as in Dolt.
    SizeWeighted,
    /// By five bits of the step's hash a level, where there are more than 256 entries, as in the
    /// inodes of the original: nothing is in order.
    Trie,
}

#[derive(Clone)]
struct Item {
    step: Vec<u8>,
    weight: u64,
    /// How high the gap before it is.
    height: u64,
    /// Names the item and all below it.
    id: u64,
}

fn measure(rule: Rule, steps: Steps, entries: u64, changes: u64) -> String {
    let mut items: Vec<Item> =
        (0..entries).map(|number| item(rule, steps, number, entries)).collect();
    items.sort_unstable_by(|a, b| a.step.cmp(&b.step));
    let (mut known, mut sizes) = blocks(rule, &items);
    sizes.sort_unstable();
    let quantile = |percent: usize| sizes[(sizes.len() - 1) * percent / 100];
    let mean = sizes.iter().sum::<u64>() as f64 / sizes.len() as f64;
    let (mut leaves, mut bytes, mut most) = (0, 0, 0);
    for number in 0..changes {
        let new = item(rule, steps, entries + number, entries);
        let at = items.partition_point(|item| item.step < new.step);
        items.insert(at, new);
        let (now, _) = blocks(rule, &items);
        let written: Vec<&Block> = now.difference(&known).collect();
        let size: u64 = written.iter().map(|block| block.weight).sum();
        leaves += written.iter().filter(|block| block.level == 0).count();
        bytes += size;
        most = most.max(size);
        known = now;
    }
    let per = |sum: f64| sum / changes as f64;
    format!(
        "{} | {mean:.0} | {} | {} | {} | {:.2} | {:.0} | {most} |",
        sizes.len(),
        quantile(50),
        quantile(99),
        quantile(100),
        per(leaves as f64),
        per(bytes as f64),
    )
}

// What is put in

fn item(rule: Rule, steps: Steps, number: u64, entries: u64) -> Item {
    let random = hash(&[b"entry", &number.to_be_bytes()]);
    let is_insert = number >= entries;
    let step = match steps {
        Steps::Sequential => format!("{number:016}"),
        Steps::Random => format!("{random:016x}"),
        Steps::Mixed => {
            let scale = 8 << (random % 7);
            let length = scale + (random >> 8) % scale;
            format!("{random:016x}{:1$}", "", 1024).chars().take(length as usize).collect()
        }
        Steps::Ground if is_insert => format!("{:08}-{random:016x}", random % (entries / 100 + 1)),
        Steps::Ground => grind(rule, number),
    };
    let height = priority(0, step.as_bytes());
    let weight = weight(step.len(), 3 + 24);
    Item { step: step.into_bytes(), weight, height, id: random }
}

/// Looks for a step that the rule is bad at.
fn grind(rule: Rule, number: u64) -> String {
    let band = u64::MAX / GRIND;
    let wanted = match rule {
        // Rising, as long as this effort allows: the gaps of a rising row are all boundaries.
        Rule::Cartesian => (number % GRIND * band)..=(number % GRIND * band + band - 1),
        // Never a boundary.
        Rule::Threshold => (u64::MAX / 100)..=u64::MAX,
        Rule::MinMax => (u64::MAX / 70)..=u64::MAX,
        // A boundary at the same weight always, so that it depends on where the block began.
        Rule::SizeWeighted => (15 * band)..=(16 * band),
        // All below one branch.
        Rule::Trie => 0..=u64::MAX / 32,
    };
    let mut nonces = 0_u64..;
    let found = nonces.find_map(|nonce| {
        let step = format!("{number:08}-{nonce:04x}");
        wanted.contains(&priority(0, step.as_bytes())).then_some(step)
    });
    found.expect("nonces do not end")
}

/// Returns the length of an item on its own.
fn weight(step: usize, body: u64) -> u64 {
    let length = if step < 128 { 1 } else { 2 };
    1 + length + step as u64 + body
}

// How it is cut

/// A block: its level, what names it, and the weight of its items.
#[derive(PartialEq, Eq, Hash)]
struct Block {
    level: u8,
    id: u64,
    weight: u64,
}

/// Returns all blocks, and the weights of the leaves.
fn blocks(rule: Rule, items: &[Item]) -> (HashSet<Block>, Vec<u64>) {
    if rule == Rule::Trie {
        return trie(items);
    }
    let (mut known, mut sizes) = (HashSet::new(), Vec::new());
    let mut row = items.to_vec();
    for level in 0.. {
        let starts = starts(rule, &row);
        let ends = starts.iter().skip(1).copied().chain([row.len()]);
        let made: Vec<(Item, Block)> =
            starts.iter().zip(ends).map(|(start, end)| block(level, &row[*start..end])).collect();
        if level == 0 {
            sizes = made.iter().map(|(_, block)| block.weight).collect();
        }
        row = made.iter().map(|(item, _)| item.clone()).collect();
        known.extend(made.into_iter().map(|(_, block)| block));
        if row.len() <= 1 {
            break;
        }
    }
    (known, sizes)
}

fn block(level: u8, items: &[Item]) -> (Item, Block) {
    let mut hasher = DefaultHasher::new();
    for item in items {
        item.id.hash(&mut hasher);
    }
    let id = hasher.finish();
    let step = items[0].step.clone();
    let height = priority(level + 1, &step);
    // Hash, count and weight.
    let above = weight(step.len(), 20 + 2 + 2);
    let total = items.iter().map(|item| item.weight).sum();
    (Item { step, weight: above, height, id }, Block { level, id, weight: total })
}

fn starts(rule: Rule, items: &[Item]) -> Vec<usize> {
    match rule {
        Rule::Cartesian => cartesian(items),
        Rule::Threshold => scan(items, |_, _, height| height < u64::MAX / 100),
        Rule::MinMax => scan(items, |before, item, height| {
            before >= 2048 && height < u64::MAX / 70 || before + item > 8192
        }),
        Rule::SizeWeighted => scan(items, |before, item, height| {
            let left = |weight: u64| (-(weight as f64 / 4096.0).powi(4)).exp();
            let likely = 1.0 - left(before + item) / left(before);
            (height as f64) < likely * u64::MAX as f64 || before + item > 16_384
        }),
        Rule::Trie => Vec::new(),
    }
}

/// Cuts before an item where it is asked for, given what the block weighs so far.
fn scan(items: &[Item], is_cut: impl Fn(u64, u64, u64) -> bool) -> Vec<usize> {
    let (mut starts, mut before) = (Vec::new(), 0);
    for (index, item) in items.iter().enumerate() {
        if index == 0 || is_cut(before, item.weight, item.height) {
            starts.push(index);
            before = 0;
        }
        before += item.weight;
    }
    starts
}

/// A gap is a boundary if the longest run around it without a higher gap weighs more than 8192.
fn cartesian(items: &[Item]) -> Vec<usize> {
    let heights: Vec<u64> = items.iter().map(|item| item.height).collect();
    let mut sums = vec![0];
    sums.extend(items.iter().scan(0, |sum, item| {
        *sum += item.weight;
        Some(*sum)
    }));
    let mut runs = vec![(0, items.len()); items.len()];
    let mut open: Vec<usize> = Vec::new();
    for index in 1..items.len() {
        while let Some(lower) = open.pop_if(|last| heights[*last] < heights[index]) {
            runs[lower].1 = index;
        }
        runs[index].0 = open.last().copied().unwrap_or(0);
        open.push(index);
    }
    let is_boundary = |index: &usize| {
        let (start, end) = runs[*index];
        *index == 0 || sums[end] - sums[start] > 8192
    };
    (0..items.len()).filter(is_boundary).collect()
}

/// What is more than 256 entries has 32 branches.
fn trie(items: &[Item]) -> (HashSet<Block>, Vec<u64>) {
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_unstable_by_key(|item| item.height);
    let (mut known, mut sizes) = (HashSet::new(), Vec::new());
    let mut open = vec![(0_u8, &sorted[..])];
    while let Some((depth, node)) = open.pop() {
        let mut hasher = DefaultHasher::new();
        for item in node {
            item.id.hash(&mut hasher);
        }
        let is_leaf = node.len() <= 256;
        let total = node.iter().map(|item| item.weight).sum();
        let weight = if is_leaf { total } else { 32 * 22 };
        known.insert(Block { level: u8::from(!is_leaf), id: hasher.finish(), weight });
        if is_leaf {
            sizes.push(total);
        } else {
            let branch = |height: u64| height << (5 * depth) >> 59;
            open.extend(
                node.chunk_by(|a, b| branch(a.height) == branch(b.height))
                    .map(|part| (depth + 1, part)),
            );
        }
    }
    (known, sizes)
}

fn priority(level: u8, step: &[u8]) -> u64 {
    hash(&[&[0x70, level], step])
}

fn hash(parts: &[&[u8]]) -> u64 {
    let digest = Sha1::of_parts(parts);
    digest.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
