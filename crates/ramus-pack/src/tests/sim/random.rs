/// Numbers that look random and follow from a seed: `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(in crate::tests) struct Random(u64);

impl Random {
    pub(in crate::tests) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::tests) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub(in crate::tests) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(in crate::tests) fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(in crate::tests) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}
