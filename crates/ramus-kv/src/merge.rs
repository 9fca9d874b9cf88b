//! The rules that merges are made of, for those who write a [`Contents`] of their own.
//!
//! All of them take the three sides in the same order: the ancestor that both sides began from
//! (nothing if there is none, or if it did not have the value), ours, and theirs.
//!
//! | rule | for |
//! |---|---|
//! | [`whole`] | a value that one side may change at a time; the default |
//! | [`both`] | a merge of one's own for what both sides changed; absence is decided by `whole` |
//! | [`value`] | one field of it, as a whole |
//! | [`count`] | one field of it that is a count: what both sides added to it adds up |
//!
//! # Absence
//!
//! A side that equals the ancestor is unchanged, and the other side stands: so a value that one
//! side deleted and the other left alone is deleted, one that only one side added is added, and one
//! that both deleted is gone. A value that one side deleted and the other changed is a conflict.

use crate::{Conflict, Contents};

/// Merges a value as a whole: what both sides agree on, or what the only side that changed it says.
///
/// # Errors
///
/// The conflict, if both sides changed it and do not agree.
pub fn whole<T: Clone + PartialEq>(
    ancestor: Option<&T>,
    ours: Option<&T>,
    theirs: Option<&T>,
) -> Result<Option<T>, Conflict> {
    if ours == theirs || theirs == ancestor {
        Ok(ours.cloned())
    } else if ours == ancestor {
        Ok(theirs.cloned())
    } else {
        Err(disagreement(ancestor, ours, theirs))
    }
}

/// Merges what both sides have and both changed by `merge`, and everything else as a whole.
///
/// Sides that made the same value of it agree, and `merge` is not asked, unless the type says
/// otherwise by [`MERGES_EQUAL_SIDES`](Contents::MERGES_EQUAL_SIDES).
///
/// ```
/// use ramus_kv::{Conflict, Contents, Counter, merge};
///
/// # fn example() -> Result<(), Conflict> {
/// let (five, seven, nine) = (Counter(5), Counter(7), Counter(9));
/// let highest = |_: Option<&Counter>, ours: &Counter, theirs: &Counter| Ok(*ours.max(theirs));
/// assert_eq!(merge::both(Some(&five), Some(&seven), Some(&nine), highest)?, Some(nine));
/// assert_eq!(merge::both(Some(&five), None, Some(&five), highest)?, None);
/// assert!(merge::both(Some(&five), None, Some(&nine), highest).is_err());
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// # Errors
///
/// That of `merge`, and the conflict if one side deleted the value and the other changed it.
pub fn both<C: Contents>(
    ancestor: Option<&C>,
    ours: Option<&C>,
    theirs: Option<&C>,
    merge: impl FnOnce(Option<&C>, &C, &C) -> Result<C, Conflict>,
) -> Result<Option<C>, Conflict> {
    let both_changed = ours != ancestor && theirs != ancestor;
    let sides_agree = ours == theirs && !C::MERGES_EQUAL_SIDES;
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if both_changed && !sides_agree => {
            merge(ancestor, ours, theirs).map(Some)
        }
        _ => whole(ancestor, ours, theirs),
    }
}

/// Merges a part that is always there, as a whole.
///
/// # Errors
///
/// The conflict, if both sides changed it and do not agree.
pub fn value<T: Clone + PartialEq>(
    ancestor: Option<&T>,
    ours: &T,
    theirs: &T,
) -> Result<T, Conflict> {
    let merged = whole(ancestor, Some(ours), Some(theirs))?;
    Ok(merged.expect("one of two sides was taken, and both are there"))
}

/// Merges a count: what both sides added to it adds up. Without an ancestor it began at zero.
///
/// A type with a count in it should say [`MERGES_EQUAL_SIDES`](Contents::MERGES_EQUAL_SIDES):
/// otherwise two sides that added the same are taken for one.
///
/// # Errors
///
/// The conflict, if the sum does not fit.
pub fn count(ancestor: Option<i64>, ours: i64, theirs: i64) -> Result<i64, Conflict> {
    let sum = i128::from(ours) + i128::from(theirs) - i128::from(ancestor.unwrap_or(0));
    i64::try_from(sum).map_err(|_| Conflict::new(format!("the sum {sum} does not fit in 64 bits")))
}

fn disagreement<T>(ancestor: Option<&T>, ours: Option<&T>, theirs: Option<&T>) -> Conflict {
    Conflict::new(match (ancestor, ours, theirs) {
        (_, None, _) => "we deleted it and they changed it",
        (_, _, None) => "we changed it and they deleted it",
        (None, _, _) => "both sides added it, and differently",
        (Some(_), _, _) => "both sides changed it, and differently",
    })
}
