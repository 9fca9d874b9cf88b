//! Rules for counts and for what is ordered.

use crate::Conflict;

/// A whole number that can be a [`count`].
///
/// The trait is sealed: the integers of up to 64 bits have it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no count",
    label = "only whole numbers add up",
    note = "the integers of up to 64 bits are counts; another part merges by another rule"
)]
pub trait Count: sealed::Sealed + Copy {}

/// Merges a count: what both sides added to it adds up. Without an ancestor it began at zero.
///
/// A type with a count in it says [`MERGES_EQUAL_SIDES`](crate::Contents::MERGES_EQUAL_SIDES):
/// otherwise two sides that added the same are taken for one.
///
/// ```
/// use ramus_kv::merge;
///
/// assert_eq!(merge::count(Some(&5), &6, &8), Ok(9));
/// ```
///
/// # Errors
///
/// The conflict, if the sum does not fit.
pub fn count<N: Count>(ancestor: Option<&N>, ours: &N, theirs: &N) -> Result<N, Conflict> {
    let before = ancestor.map_or(0, |before| before.to_wide());
    // Three numbers of 64 bits cannot overflow 128.
    let sum = ours.to_wide() + theirs.to_wide() - before;
    N::from_wide(sum)
        .ok_or_else(|| Conflict::new(format!("the sum {sum} does not fit in {}", N::SPACE)))
}

/// Merges to the greater side, if both sides changed it; where one side alone changed it, that side
/// stands, greater or not.
///
/// # Errors
///
/// None; it has the shape of every rule.
pub fn max<T: Clone + Ord>(ancestor: Option<&T>, ours: &T, theirs: &T) -> Result<T, Conflict> {
    Ok(only_change(ancestor, ours, theirs).unwrap_or_else(|| ours.max(theirs)).clone())
}

/// Merges to the smaller side, if both sides changed it; where one side alone changed it, that side
/// stands, smaller or not.
///
/// # Errors
///
/// None; it has the shape of every rule.
pub fn min<T: Clone + Ord>(ancestor: Option<&T>, ours: &T, theirs: &T) -> Result<T, Conflict> {
    Ok(only_change(ancestor, ours, theirs).unwrap_or_else(|| ours.min(theirs)).clone())
}

/// Returns the other side of one that is unchanged.
pub(super) fn only_change<'a, T: PartialEq>(
    ancestor: Option<&T>,
    ours: &'a T,
    theirs: &'a T,
) -> Option<&'a T> {
    match ancestor {
        Some(before) if before == theirs => Some(ours),
        Some(before) if before == ours => Some(theirs),
        _ => None,
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "a sealed trait is one that cannot be named")]
    pub trait Sealed: Sized {
        /// What a number has to fit in, as messages say it.
        const SPACE: &'static str;

        fn to_wide(self) -> i128;
        fn from_wide(wide: i128) -> Option<Self>;
    }
}

macro_rules! counts {
    ($($number:ty: $space:literal),+ $(,)?) => {
        $(
            impl sealed::Sealed for $number {
                const SPACE: &'static str = $space;

                fn to_wide(self) -> i128 {
                    i128::from(self)
                }

                fn from_wide(wide: i128) -> Option<Self> {
                    wide.try_into().ok()
                }
            }

            impl Count for $number {}
        )+
    };
}

counts! {
    i8: "8 bits", i16: "16 bits", i32: "32 bits", i64: "64 bits",
    u8: "8 bits without a sign", u16: "16 bits without a sign",
    u32: "32 bits without a sign", u64: "64 bits without a sign",
}
