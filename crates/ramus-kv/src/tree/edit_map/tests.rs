use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proptest::prelude::*;
use ramus_core::Step;

use super::EditMap;
use crate::Kv;
use crate::tree::dir::{Edit, Leaf, Node};

/// An edit that can be told from others.
fn edit(mark: u8) -> Edit<Kv<String>> {
    let leaf = Leaf::unsaved(Bytes::from(vec![mark]), Bytes::new()).expect("it is short");
    Edit::new(Node::Contents(leaf))
}

fn mark(edit: &Edit<Kv<String>>) -> u8 {
    match &edit.node {
        Some(Node::Contents(leaf)) => match &leaf.held {
            crate::directory::Held::Inline(encoded) => encoded[0],
            crate::directory::Held::Block(_) => panic!("one byte has no block"),
        },
        _ => panic!("it is contents"),
    }
}

fn step(number: u8) -> Step {
    Step::copy_from_slice(format!("{number:02}").as_bytes()).expect("a step")
}

#[derive(Clone, Debug)]
enum Act {
    Insert(u8, u8),
    /// Behind all that were inserted so.
    Append(u8),
    Remove(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..40_u8, any::<u8>()).prop_map(|(number, mark)| Act::Insert(number, mark)),
        3 => any::<u8>().prop_map(Act::Append),
        1 => (0..60_u8).prop_map(Act::Remove),
    ]
}

fn bound(at: u8, kind: u8) -> Bound<Step> {
    match kind {
        0 => Bound::Included(step(at)),
        1 => Bound::Excluded(step(at)),
        _ => Bound::Unbounded,
    }
}

proptest! {
    #[test]
    fn it_is_what_an_ordered_map_is(
        acts in prop::collection::vec(act(), 0..80),
        asked in prop::collection::vec((0..60_u8, 0..3_u8, 0..60_u8, 0..3_u8), 8),
    ) {
        let (mut map, mut model) = (EditMap::new(), BTreeMap::new());
        let mut next = 20;
        for act in acts {
            match act {
                Act::Insert(number, new) => {
                    let before = map.insert(step(number), edit(new));
                    prop_assert_eq!(before.as_ref().map(mark), model.insert(step(number), new));
                }
                Act::Append(new) => {
                    next = (next + 1).min(90);
                    let before = map.insert(step(next), edit(new));
                    prop_assert_eq!(before.as_ref().map(mark), model.insert(step(next), new));
                }
                Act::Remove(number) => {
                    let before = map.remove(&step(number));
                    prop_assert_eq!(before.as_ref().map(mark), model.remove(&step(number)));
                }
            }
            let all = map.iter().map(|(step, edit)| (step.clone(), mark(edit)));
            prop_assert_eq!(all.collect::<BTreeMap<_, _>>(), model.clone());
            prop_assert!(map.iter().map(|(step, _)| step).is_sorted());
            prop_assert_eq!((map.iter().len(), map.is_empty()), (model.len(), model.is_empty()));
        }
        for (start, start_kind, end, end_kind) in asked {
            prop_assert_eq!(map.get(&step(start)).map(mark), model.get(&step(start)).copied());
            prop_assert_eq!(map.get_mut(&step(end)).map(|edit| mark(edit)), model.get(&step(end)).copied());
            if start >= end {
                continue;
            }
            let (start, end) = (bound(start, start_kind), bound(end, end_kind));
            let bounds = (start.as_ref(), end.as_ref());
            let ours = |found: Option<(&Step, &Edit<Kv<String>>)>| {
                found.map(|(step, edit)| (step.clone(), mark(edit)))
            };
            let its = |found: Option<(&Step, &u8)>| found.map(|(step, mark)| (step.clone(), *mark));
            let mut range = model.range::<Step, _>(bounds);
            prop_assert_eq!(ours(map.first_in(bounds)), its(range.next()));
            let mut range = model.range::<Step, _>(bounds);
            prop_assert_eq!(ours(map.last_in(bounds)), its(range.next_back()));
        }
    }
}
