use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use ramus_core::{IdHash, UpdateId};

/// Where the record of each id lies: plain data, in 9 bytes for each slot of a table.
///
/// The ids themselves lie in the records, and are compared there. A slot has a part of the hash, so that hardly any
/// record is looked at in vain, and none when the table grows.
#[derive(Debug, Default)]
pub(super) struct Ids {
    hash: IdHash,
    slots: HashTable<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    place: u32,
}

impl Ids {
    /// Notes the place of an id that is not there.
    pub(super) fn insert(&mut self, id: UpdateId, place: u32) {
        let hash = self.hash_of(id);
        self.slots.insert_unique(spread(hash), Slot { hash, place }, |slot| spread(slot.hash));
    }

    /// Returns the place of an id. `has` says whether the record at a place has it.
    pub(super) fn find(&self, id: UpdateId, has: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash_of(id);
        let is_it = |slot: &Slot| slot.hash == hash && has(slot.place);
        self.slots.find(spread(hash), is_it).map(|slot| slot.place)
    }

    /// Forgets an id, which is at this place.
    pub(super) fn remove(&mut self, id: UpdateId, place: u32) {
        let hash = spread(self.hash_of(id));
        if let Ok(slot) = self.slots.find_entry(hash, |slot| slot.place == place) {
            slot.remove();
        }
    }

    /// Returns how many ids are there.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    #[expect(clippy::cast_possible_truncation, reason = "a part of the hash is what is meant")]
    fn hash_of(&self, id: UpdateId) -> u32 {
        self.hash.hash_one(id) as u32
    }
}

/// Returns a hash for the table, which takes its lowest bits for the slot, and its highest to tell apart those there.
const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> UpdateId {
        UpdateId::from_bytes([number; 16])
    }

    proptest! {
        #[test]
        fn ids_are_found_from_when_they_come_until_they_go(
            steps in vec((any::<u8>(), any::<bool>()), 1..600),
        ) {
            let (mut ids, mut model) = (Ids::default(), HashMap::new());
            for ((number, comes), place) in steps.into_iter().zip(1..) {
                match (comes, model.get(&number).copied()) {
                    (true, None) => {
                        ids.insert(id(number), place);
                        model.insert(number, place);
                    }
                    (false, Some(there)) => {
                        ids.remove(id(number), there);
                        model.remove(&number);
                    }
                    _ => {}
                }
            }
            let by_place: HashMap<u32, u8> = model.iter().map(|(id, place)| (*place, *id)).collect();
            for number in 0..=u8::MAX {
                let found = ids.find(id(number), |place| by_place.get(&place) == Some(&number));
                prop_assert_eq!(found, model.get(&number).copied(), "id {}", number);
            }
            prop_assert_eq!(ids.slots.len(), model.len());
        }
    }

    #[test]
    fn ids_of_one_hash_are_told_apart_by_their_records() {
        let mut ids = Ids::default();
        let (one, other) = (id(1), id(2));
        let hash = ids.hash_of(one);
        ids.insert(one, 10);
        ids.slots.insert_unique(spread(hash), Slot { hash, place: 20 }, |slot| spread(slot.hash));
        assert_eq!(ids.find(one, |place| place == 10), Some(10));
        assert_eq!(ids.find(one, |place| place == 20), Some(20));
        assert_eq!(ids.find(one, |_| false), None);
        assert_eq!(ids.find(other, |_| false), None);
        ids.remove(one, 20);
        assert_eq!(ids.find(one, |_| true), Some(10));
    }

    #[test]
    fn ids_that_come_and_go_need_no_more_room() {
        let mut ids = Ids::default();
        for place in 0..100_000_u32 {
            ids.insert(UpdateId::from_bytes(u128::from(place).to_le_bytes()), place);
            if let Some(oldest) = place.checked_sub(64) {
                ids.remove(UpdateId::from_bytes(u128::from(oldest).to_le_bytes()), oldest);
            }
        }
        assert_eq!(ids.slots.len(), 64);
        assert!(ids.slots.capacity() < 256, "room for {}", ids.slots.capacity());
    }
}
