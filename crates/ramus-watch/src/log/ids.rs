use std::hash::BuildHasher as _;

use ramus_core::{IdHash, UpdateId};

/// Where the record of each id lies: plain data, in 8 bytes for each slot of a table.
///
/// The ids themselves lie in the records, and are compared there. A slot has a part of the hash, so that hardly any
/// record is looked at in vain, and none when the table grows.
///
/// Slots are probed one after the other, and an id that goes is followed by those behind it (Knuth, The Art of
/// Computer Programming, volume 3, section 6.4, algorithms L and R). So nothing is left of it, and ids that come and go
/// for ever need no more room than those that are there.
#[derive(Debug, Default)]
pub(super) struct Ids {
    hash: IdHash,
    /// A power of two of them, at most three in four taken; or none.
    slots: Box<[Slot]>,
    taken: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// 0 in a slot that is free, and in no other.
    hash: u32,
    place: u32,
}

impl Ids {
    const SLOTS_MIN: usize = 16;

    /// Notes the place of an id that is not there.
    pub(super) fn insert(&mut self, id: UpdateId, place: u32) {
        if (self.taken + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = Slot { hash: self.hash_of(id), place };
        put(&mut self.slots, slot);
        self.taken += 1;
    }

    /// Returns the place of an id. `has` says whether the record at a place has it.
    pub(super) fn find(&self, id: UpdateId, has: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash_of(id);
        self.probe(hash).map(|at| self.slots[at].place).find(|place| has(*place))
    }

    /// Forgets an id, which is at this place.
    pub(super) fn remove(&mut self, id: UpdateId, place: u32) {
        let hash = self.hash_of(id);
        let found = self.probe(hash).find(|at| self.slots[*at].place == place);
        if let Some(at) = found {
            self.free(at);
            self.taken -= 1;
        }
    }

    /// Returns the slots that have this hash.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> {
        let slots = &self.slots;
        // At least one slot is free, if there are any.
        let probed = (0..slots.len()).map(move |step| (home(slots, hash) + step) % slots.len());
        probed.take_while(|at| slots[*at].hash != 0).filter(move |at| slots[*at].hash == hash)
    }

    /// Frees a slot, and moves those into the gap that were put behind it for want of a free one.
    fn free(&mut self, at: usize) {
        let last = self.slots.len() - 1;
        let (mut gap, mut next) = (at, at);
        loop {
            next = (next + 1) & last;
            let slot = self.slots[next];
            if slot.hash == 0 {
                break;
            }
            let from_home = next.wrapping_sub(home(&self.slots, slot.hash)) & last;
            if from_home >= next.wrapping_sub(gap) & last {
                self.slots[gap] = slot;
                gap = next;
            }
        }
        self.slots[gap] = Slot::default();
    }

    fn grow(&mut self) {
        let count = (self.slots.len() * 2).max(Self::SLOTS_MIN);
        let mut slots = vec![Slot::default(); count].into_boxed_slice();
        for slot in self.slots.iter().filter(|slot| slot.hash != 0) {
            put(&mut slots, *slot);
        }
        self.slots = slots;
    }

    #[expect(clippy::cast_possible_truncation, reason = "a part of the hash is what is meant")]
    fn hash_of(&self, id: UpdateId) -> u32 {
        (self.hash.hash_one(id) as u32).max(1)
    }
}

/// Returns where a hash is put if nothing is there yet.
fn home(slots: &[Slot], hash: u32) -> usize {
    hash as usize & (slots.len() - 1)
}

fn put(slots: &mut [Slot], slot: Slot) {
    let last = slots.len() - 1;
    let mut at = home(slots, slot.hash);
    while slots[at].hash != 0 {
        at = (at + 1) & last;
    }
    slots[at] = slot;
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

    /// Checks that the table finds what the model has, and nothing else.
    fn check(ids: &Ids, model: &HashMap<u8, u32>) {
        let by_place: HashMap<u32, u8> = model.iter().map(|(id, place)| (*place, *id)).collect();
        for number in 0..=u8::MAX {
            let found = ids.find(id(number), |place| by_place.get(&place) == Some(&number));
            assert_eq!(found, model.get(&number).copied(), "id {number}");
        }
        assert_eq!(ids.taken, model.len());
        let taken = ids.slots.iter().filter(|slot| slot.hash != 0).count();
        assert_eq!(taken, model.len());
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
            check(&ids, &model);
        }

        /// The hashes of these say nothing but where they are put, and the table is full of runs.
        #[test]
        fn whatever_hashes_meet_a_gap_is_filled_by_those_that_belong_there(
            homes in vec(1_u32..40, 1..12),
            freed in vec(any::<prop::sample::Index>(), 1..12),
        ) {
            let slots = vec![Slot::default(); Ids::SLOTS_MIN].into_boxed_slice();
            let mut ids = Ids { hash: IdHash::default(), slots, taken: 0 };
            let mut there: Vec<Slot> =
                homes.into_iter().zip(0..).map(|(hash, place)| Slot { hash, place }).collect();
            for slot in &there {
                put(&mut ids.slots, *slot);
            }
            for which in freed {
                if there.is_empty() {
                    break;
                }
                let gone = there.swap_remove(which.index(there.len()));
                let place_of = |at: &usize| ids.slots[*at].place == gone.place;
                let at = ids.probe(gone.hash).find(place_of).expect("it is there");
                ids.free(at);
                for slot in &there {
                    let place_of = |at: usize| ids.slots[at].place == slot.place;
                    prop_assert!(ids.probe(slot.hash).any(place_of), "{slot:?} is lost");
                }
                let taken = ids.slots.iter().filter(|slot| slot.hash != 0).count();
                prop_assert_eq!(taken, there.len());
            }
        }
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
        assert_eq!((ids.taken, ids.slots.len()), (64, 128));
    }
}
