use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers of [ids](crate::UpdateId): the third parameter of a map whose keys are ids.
///
/// Ids are random, unless somebody wants trouble. So little has to be done to them; but every map has
/// random keys of its own, so that nobody can say which ids collide in it.
#[derive(Clone, Debug)]
pub struct IdHash {
    keys: [u64; 2],
}

/// Multiplies the halves of each 16 bytes and folds the product, as wyhash does (Wang Yi, 2019).
#[derive(Clone, Debug)]
pub struct IdHasher {
    state: u64,
    key: u64,
}

impl Default for IdHash {
    fn default() -> Self {
        Self { keys: [(); 2].map(|()| RandomState::new().build_hasher().finish()) }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        let [state, key] = self.keys;
        IdHasher { state, key }
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(16) {
            let mut word = [0; 16];
            word[..part.len()].copy_from_slice(part);
            let [low, high] = halves(u128::from_le_bytes(word));
            let product = u128::from(self.state ^ low) * u128::from(self.key ^ high);
            let [low, high] = halves(product);
            self.state = low ^ high;
        }
    }

    /// Lengths are the same for every id.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
const fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::UpdateId;

    #[test]
    fn ids_that_differ_in_a_bit_are_spread() {
        for _ in 0..16 {
            let hash = IdHash::default();
            let ids =
                (0..128_u32).flat_map(|one| (one..128).map(move |two| 1_u128 << one | 1 << two));
            let hashes = ids.map(|id| hash.hash_one(UpdateId::from_bytes(id.to_le_bytes())));
            let hashes: Vec<u64> = hashes.collect();
            assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
            // A table of 8192 places takes them by their lowest bits, and tells them apart by the highest.
            let low: HashSet<_> = hashes.iter().map(|hash| hash % 8192).collect();
            let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(low.len() > 4096 && high.len() > 120, "{} and {}", low.len(), high.len());
        }
    }
}
