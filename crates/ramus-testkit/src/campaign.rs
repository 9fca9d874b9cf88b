use std::fmt;

/// The seed and the size of a random test.
///
/// [`from_env`](Campaign::from_env) takes them from `RAMUS_SEED` and `RAMUS_SCALE`, so that one test is
/// both a short one in the suite and a long one by command.
///
/// ```
/// use ramus_testkit::Campaign;
///
/// let campaign = Campaign { seed: 7, scale: 2 };
/// assert_eq!(campaign.times(100), 200);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Which random choices are made.
    pub seed: u64,
    /// How many times as much is done as in the suite.
    pub scale: usize,
}

impl Campaign {
    /// Returns what the environment says; seed 1 and scale 1 where it says nothing.
    ///
    /// # Panics
    ///
    /// If a variable is set and no number.
    pub fn from_env() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).unwrap_or_else(|_| "1".to_owned());
            text.parse().unwrap_or_else(|_| panic!("{name} has to be a number, not `{text}`"))
        };
        let scale = usize::try_from(number("RAMUS_SCALE")).unwrap_or(usize::MAX);
        Self { seed: number("RAMUS_SEED"), scale }
    }

    /// Returns how many a long run makes of this many.
    pub const fn times(&self, many: usize) -> usize {
        many.saturating_mul(self.scale)
    }
}

/// How to do it again.
impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RAMUS_SEED={} RAMUS_SCALE={}", self.seed, self.scale)
    }
}

/// Numbers that look random and follow from a seed: `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a usize")]
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns true about once in `many` times.
    pub(crate) const fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}
