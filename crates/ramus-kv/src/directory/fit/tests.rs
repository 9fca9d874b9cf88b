use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::Sha1;

use super::super::build::{build, child};
use super::super::item::{Entry, Held};
use super::super::rule::cut;
use super::*;

/// The blocks of a directory, or some of them.
#[derive(Default)]
struct Shelf {
    blocks: BTreeMap<Sha1, Rc<Known<Sha1>>>,
    root: Option<Sha1>,
}

impl AtHand<Sha1> for Shelf {
    fn known(&mut self, hash: &Sha1) -> Result<Option<Rc<Known<Sha1>>>> {
        Ok(self.blocks.get(hash).cloned())
    }
}

impl Shelf {
    fn keep(&mut self, hash: Sha1, block: Arc<DirBlock<Sha1>>) {
        self.blocks.insert(hash, Rc::new(Known::new(block)));
    }

    /// Checks every block as what it is.
    fn check(&mut self) -> Result<()> {
        let blocks: Vec<_> =
            self.blocks.iter().map(|(hash, known)| (*hash, Rc::clone(known))).collect();
        for (hash, known) in blocks {
            DirBlock::<Sha1>::decode(known.block.block().clone())?;
            if Some(hash) == self.root {
                check_root(&known, self)?;
            } else if known.level() > 0 {
                check_index(&known, self)?;
            }
        }
        Ok(())
    }

    fn has_single_children(&self) -> bool {
        self.blocks.values().any(|known| known.level() > 0 && known.block.len() == 1)
    }
}

/// Returns the items as they are cut on the lowest levels, each with its edits of where, and as the
/// rule says above.
fn directory(
    items: Vec<Item<Sha1>>,
    level_edited: u8,
    edit: impl Fn(&mut BTreeSet<usize>),
) -> Shelf {
    let (mut shelf, mut items, mut level) = (Shelf::default(), items, 0);
    while level <= level_edited {
        let mut starts: BTreeSet<usize> =
            cut(level, &items, &End::OfLevel, &End::OfLevel).into_iter().collect();
        if level == level_edited {
            edit(&mut starts);
        }
        if starts.len() == 1 {
            break;
        }
        let ends = starts.iter().skip(1).copied().chain([items.len()]);
        let mut above = Vec::new();
        for (start, end) in starts.iter().zip(ends) {
            let (item, block) = child(level, &items[*start..end]);
            let Body::Child(Child { hash, .. }) = item.body else { panic!("a child") };
            shelf.keep(hash, block);
            above.push(item);
        }
        (items, level) = (above, level + 1);
    }
    let built = build(level, items);
    for (hash, block) in built.below {
        shelf.keep(hash, block);
    }
    shelf.root = Some(built.hash);
    shelf.keep(built.hash, built.root);
    shelf
}

fn items() -> impl Strategy<Value = Vec<Item<Sha1>>> {
    let step = (0..100_000_u32, prop_oneof![3 => Just(2_usize), 1 => Just(990)]);
    let entry = |length: usize| Entry::Contents {
        held: Held::Inline(Bytes::from(vec![7; 60])),
        metadata: Bytes::from(vec![8; length]),
    };
    prop::collection::btree_map(step, 0..256_usize, 2..400).prop_map(move |map| {
        let item = |((number, length), metadata): ((u32, usize), usize)| Item {
            step: format!("{number:06}{}", "x".repeat(length)).parse().expect("a step"),
            body: Body::Entry(entry(metadata)),
        };
        map.into_iter().map(item).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_the_rule_gives_is_accepted_whatever_is_at_hand(
        items in items(),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut shelf = directory(items, 0, |_| {});
        shelf.check().unwrap();
        for gone in gone {
            let hash = *gone.get(&shelf.blocks.keys().copied().collect::<Vec<_>>());
            if Some(hash) != shelf.root {
                shelf.blocks.remove(&hash);
            }
        }
        shelf.check().unwrap();
    }

    #[test]
    fn what_is_cut_elsewhere_is_refused(
        items in items(),
        level in 0..2_u8,
        place in any::<prop::sample::Index>(),
    ) {
        let right = directory(items.clone(), level, |_| {});
        let len = match level {
            0 => items.len(),
            _ => right.blocks.values().filter(|known| known.level() == 0).count(),
        };
        prop_assume!(len > 1);
        let place = 1 + place.index(len - 1);
        let mut wrong = directory(items, level, |starts| {
            if !starts.remove(&place) {
                starts.insert(place);
            }
        });
        prop_assume!(wrong.root != right.root);
        // What ends at a block of a single child is not looked for.
        prop_assume!(!wrong.has_single_children());
        let fault = wrong.check().expect_err("it is not as the rule says").to_string();
        prop_assert!(
            ["is too heavy", "is cut before", "light enough", "a single child"]
                .iter()
                .any(|what| fault.contains(what)),
            "{}", fault
        );
    }
}

/// What ends the second of two children stands in the block above.
#[test]
fn a_cut_between_the_first_two_of_a_level_is_refused() {
    let item = |number: u32| Item::<Sha1> {
        step: format!("{number:06}{}", "x".repeat(990)).parse().expect("a step"),
        body: Body::Entry(Entry::Contents {
            held: Held::Inline(Bytes::from(vec![7; 60])),
            metadata: Bytes::new(),
        }),
    };
    let mut seen = 0;
    for first in 0..400 {
        let items: Vec<_> = (first * 100..first * 100 + 60).map(item).collect();
        let right = directory(items.clone(), 0, |_| {});
        let mut wrong = directory(items, 0, |starts| {
            starts.insert(1);
        });
        let root = Rc::clone(&wrong.blocks[&wrong.root.expect("a root")]);
        if wrong.root == right.root || root.level() != 2 || wrong.has_single_children() {
            continue;
        }
        let below = root.below(0, &mut wrong).expect("it is sound").expect("it is at hand");
        let children = below.children(0, 3).expect("they are sound");
        let weight: u64 = children.iter().map(|(_, child)| child.weight).sum();
        if children.len() == 2 && weight <= WEIGHT_MAX {
            seen += 1;
            assert!(wrong.check().is_err(), "what begins with {first} is cut for nothing");
        }
    }
    assert!(seen > 0, "no directory begins like that");
}
