use serde::{Deserialize, Serialize};

use crate::{Conflict, Contents, codec, merge};

/// A value of which the one that was written last wins, where both sides of a merge changed it.
///
/// What was written at the same millisecond is decided by the encoding, greater bytes first: so every
/// replica decides alike. [`write`](Register::write) never gives a time before that of the value it
/// replaces, so who has seen a value and writes another one wins over it, whatever the clocks say.
///
/// A register that one side deleted and the other wrote is a conflict, since a deletion has no time;
/// for a value that may be absent, take `Register<Option<T>>`.
///
/// ```
/// use ramus_kv::{Contents, Register};
///
/// let before = Register::new("red", 1000);
/// let (ours, theirs) = (Register::new("green", 2000), Register::new("blue", 1500));
/// assert_eq!(Register::latest(Some(&before), &ours, &theirs), Ok(ours));
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Contents,
)]
#[merge(crate = crate)]
#[merge(with = Self::latest)]
pub struct Register<T> {
    /// When it was written, in milliseconds since 1970.
    pub time_ms: i64,
    /// The value.
    pub value: T,
}

impl<T> Register<T> {
    /// Returns the register that was written at this time, in milliseconds since 1970.
    pub const fn new(value: T, time_ms: i64) -> Self {
        Self { time_ms, value }
    }

    /// Writes another value: at this time, or a millisecond after the one that it replaces if that is
    /// later.
    pub fn write(&mut self, value: T, now_ms: i64) {
        self.time_ms = now_ms.max(self.time_ms.saturating_add(1));
        self.value = value;
    }
}

impl<T: Serialize + PartialEq + Clone> Register<T> {
    /// Merges a register: the later one, where both sides changed it.
    ///
    /// # Errors
    ///
    /// A conflict, if both were written at the same time and one cannot be encoded.
    pub fn latest(ancestor: Option<&Self>, ours: &Self, theirs: &Self) -> Result<Self, Conflict> {
        if let Ok(merged) = merge::value(ancestor, ours, theirs) {
            return Ok(merged);
        }
        let is_ours = match ours.time_ms.cmp(&theirs.time_ms) {
            std::cmp::Ordering::Equal => bytes(&ours.value)? > bytes(&theirs.value)?,
            order => order.is_gt(),
        };
        Ok(if is_ours { ours.clone() } else { theirs.clone() })
    }
}

fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Conflict> {
    codec::to_bytes(value).map(Vec::from).map_err(|cause| {
        Conflict::new(format!("both sides wrote it at the same time, and it has no bytes: {cause}"))
    })
}
