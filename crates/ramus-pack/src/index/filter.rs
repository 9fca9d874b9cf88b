//! A blocked Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
//! 2007): every key has its bits in one block of 64 bytes, so that asking touches one cache line.
//!
//! With 10 bits a key and 6 bits set, about one in a hundred keys that are absent is taken for one that
//! may be there.
//!
//! Let *mix* be the last steps of `SplitMix64` (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
//! Generators", 2014): `n ^= n >> 30`, times `bf58476d1ce4e5b9`, `n ^= n >> 27`, times `94d049bb133111eb`,
//! `n ^= n >> 31`, all of 64 bits. *h* is the mix of the first 8 bytes of the key, a number in little endian (of
//! a shorter key, with zeros behind). Of *n* blocks the key has that of the number `h * n >> 64`. Its 6 bits are
//! told by the mix of `h ^ 5bd1e9959d1b54a7`, 9 bits each from the lowest on: of these the upper 6 are
//! the byte in the block, the lower 3 the bit in the byte, where 0 is the lowest.

/// Which keys may be there.
#[derive(Debug)]
pub(super) struct Filter(
    /// Whole blocks, at least one.
    Vec<u8>,
);

pub(super) const BLOCK_BYTES: usize = 64;
const BITS_PER_KEY: usize = 10;
const BITS_SET: u32 = 6;

impl Filter {
    /// Returns a filter of nothing that is right for so many keys.
    pub(super) fn for_keys(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES).max(1);
        Self(vec![0; blocks * BLOCK_BYTES])
    }

    /// Returns the filter of these bytes, if they are whole blocks.
    pub(super) fn of_bytes(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(BLOCK_BYTES)).then_some(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn insert(&mut self, key: &[u8]) {
        let (block, bits) = self.place(key);
        for (byte, mask) in bits {
            self.0[block + byte] |= mask;
        }
    }

    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        let (block, mut bits) = self.place(key);
        bits.all(|(byte, mask)| self.0[block + byte] & mask != 0)
    }

    /// Returns where the block of the key begins, and which bits of which of its bytes are its own.
    fn place(&self, key: &[u8]) -> (usize, impl Iterator<Item = (usize, u8)> + use<>) {
        let hash = mix(head(key));
        let blocks = (self.0.len() / BLOCK_BYTES) as u128;
        let block = usize::try_from((u128::from(hash) * blocks) >> 64).unwrap_or(0);
        let bits = mix(hash ^ 0x5bd1_e995_9d1b_54a7);
        let bits = (0..BITS_SET).map(move |turn| {
            let bit = (bits >> (9 * turn)) & 0x1ff;
            // Nine bits: 64 bytes of eight bits.
            ((bit >> 3) as usize, 1_u8 << (bit & 7))
        });
        (block * BLOCK_BYTES, bits)
    }
}

/// Returns a number that depends on the first eight bytes; keys are digests, which are as random.
fn head(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_le_bytes(bytes)
}

/// The last steps of `SplitMix64`.
const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use ramus_core::{Hash as _, Sha1};

    use super::*;

    #[test]
    fn a_filter_never_denies_a_key_and_rarely_allows_another() {
        const KEYS: u32 = 20_000;
        let key = |number: u32| Sha1::of(&number.to_le_bytes());
        let mut filter = Filter::for_keys(KEYS as usize);
        (0..KEYS).for_each(|number| filter.insert(key(number).as_bytes()));
        assert!((0..KEYS).all(|number| filter.may_have(key(number).as_bytes())));
        let others = (KEYS..2 * KEYS).filter(|number| filter.may_have(key(*number).as_bytes()));
        let share = others.count() * 1000 / KEYS as usize;
        assert!(share < 25, "{share} of a thousand absent keys pass");
    }
}
