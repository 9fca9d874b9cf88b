//! The rules that merges are made of, for those who write a [`Contents`] of their own, or
//! [derive](derive@crate::Contents) it.
//!
//! All of them take the three sides in the same order: the ancestor that both sides began from
//! (nothing if there is none, or if it did not have the value), ours, and theirs.
//!
//! A rule for a *part*, such as a field, takes sides that are there: `(Option<&T>, &T, &T)` to a `T`.
//!
//! | rule | of | what it gives |
//! |---|---|---|
//! | [`value`] | anything | what the only side that changed it says; both: a conflict |
//! | [`count`] | whole numbers | what both sides added adds up |
//! | [`max`], [`min`] | anything ordered | the greater one, the smaller one |
//! | [`set`] | `BTreeSet` | without what either removed, with what either added |
//! | [`multiset`] | `BTreeMap<K, u64>` | how many of each; they add up |
//! | [`map`] | `BTreeMap` | key by key, by a rule for what may be absent |
//! | [`optional`] | `Option` | by a rule for what may be absent |
//! | [`pair`], [`triple`] | tuples | place by place, by a rule for each |
//! | [`contents`] | another contents type | by the merge of that type |
//! | `lines` (feature `text`) | `String` | both sides' changed lines |
//! | `sequence` (feature `text`) | `Vec` | both sides' changed runs of items |
//!
//! A rule for what *may be absent* takes options all round and gives one: [`whole`],
//! [`Contents::merge`] of any type, and [`option`], which makes one of a rule for a part. The last
//! writer wins by the type [`Register`](crate::Register), which knows when it was written.
//!
//! # Absence
//!
//! A side that equals the ancestor is unchanged, and the other side stands: so a value that one
//! side deleted and the other left alone is deleted, one that only one side added is added, and one
//! that both deleted is gone. A value that one side deleted and the other changed is a conflict.
//!
//! # What every rule keeps to
//!
//! - Where one side is as the ancestor, the other side stands, for all of them: also a maximum that
//!   one side alone lowered.
//! - Sides that are equal agree, unless the rule counts: [`count`], [`multiset`], and what is made of
//!   them. A type that has one of these in it says
//!   [`MERGES_EQUAL_SIDES`](Contents::MERGES_EQUAL_SIDES), since the store does not ask otherwise. The
//!   derive sees to that.
//! - It does not matter which side is which.
//! - Nothing is made up: what is in the result was in one of the sides, or is a sum.

mod collections;
mod numbers;
mod parts;
#[cfg(feature = "text")]
mod sequences;

pub use self::collections::{map, multiset, set};
pub use self::numbers::{Count, count, max, min};
pub use self::parts::{contents, option, optional, pair, triple, value};
#[cfg(feature = "text")]
pub use self::sequences::{lines, sequence};
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

fn disagreement<T>(ancestor: Option<&T>, ours: Option<&T>, theirs: Option<&T>) -> Conflict {
    Conflict::new(match (ancestor, ours, theirs) {
        (_, None, _) => "we deleted it and they changed it",
        (_, _, None) => "we changed it and they deleted it",
        (None, _, _) => "both sides added it, and differently",
        (Some(_), _, _) => "both sides changed it, and differently",
    })
}
