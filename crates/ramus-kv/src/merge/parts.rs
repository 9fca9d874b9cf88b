//! Rules for what is made of other parts.

use super::whole;
use crate::{Conflict, Contents};

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

/// Merges a part by the merge of its type.
///
/// A type with such a part merges equal sides if the type of the part
/// [does](Contents::MERGES_EQUAL_SIDES).
///
/// # Errors
///
/// That of the type, and a conflict if its merge deletes the part, which has to be there.
pub fn contents<C: Contents>(ancestor: Option<&C>, ours: &C, theirs: &C) -> Result<C, Conflict> {
    C::merge(ancestor, Some(ours), Some(theirs))?
        .ok_or_else(|| Conflict::new("its merge deletes it, and here it cannot be absent"))
}

/// Merges what may be absent: by `rule` what both sides have and both changed, and everything else
/// [as a whole](whole).
///
/// # Errors
///
/// That of `rule`, and the conflict if one side deleted the value and the other changed it.
pub fn option<T: Clone + PartialEq>(
    ancestor: Option<&T>,
    ours: Option<&T>,
    theirs: Option<&T>,
    rule: impl FnOnce(Option<&T>, &T, &T) -> Result<T, Conflict>,
) -> Result<Option<T>, Conflict> {
    match (ours, theirs) {
        // Equal sides are for the rule to judge: it may count.
        (Some(one), Some(other)) if ours != ancestor && theirs != ancestor => {
            rule(ancestor, one, other).map(Some)
        }
        _ => whole(ancestor, ours, theirs),
    }
}

/// Merges a part that is an option, by a rule for what may be absent.
///
/// ```
/// use ramus_kv::{Conflict, merge};
///
/// # fn example() -> Result<(), Conflict> {
/// let count = |a: Option<&i64>, o: Option<&i64>, t: Option<&i64>| merge::option(a, o, t, merge::count);
/// assert_eq!(merge::optional(Some(&Some(5)), &Some(6), &Some(7), count)?, Some(8));
/// assert_eq!(merge::optional(Some(&Some(5)), &None, &Some(5), count)?, None);
/// assert!(merge::optional(Some(&Some(5)), &None, &Some(6), count).is_err());
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// # Errors
///
/// That of `rule`.
pub fn optional<T>(
    ancestor: Option<&Option<T>>,
    ours: &Option<T>,
    theirs: &Option<T>,
    rule: impl FnOnce(Option<&T>, Option<&T>, Option<&T>) -> Result<Option<T>, Conflict>,
) -> Result<Option<T>, Conflict> {
    rule(ancestor.and_then(Option::as_ref), ours.as_ref(), theirs.as_ref())
}

/// Merges two parts, each by its rule.
///
/// ```
/// use ramus_kv::{Conflict, merge};
///
/// # fn example() -> Result<(), Conflict> {
/// let merged = merge::pair(Some(&(1, "a")), &(2, "a"), &(2, "b"), merge::count, merge::value)?;
/// assert_eq!(merged, (3, "b"));
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
///
/// # Errors
///
/// That of a rule, at `0` or `1`.
pub fn pair<A, B>(
    ancestor: Option<&(A, B)>,
    ours: &(A, B),
    theirs: &(A, B),
    rule_0: impl FnOnce(Option<&A>, &A, &A) -> Result<A, Conflict>,
    rule_1: impl FnOnce(Option<&B>, &B, &B) -> Result<B, Conflict>,
) -> Result<(A, B), Conflict> {
    let first = rule_0(ancestor.map(|sides| &sides.0), &ours.0, &theirs.0);
    let second = rule_1(ancestor.map(|sides| &sides.1), &ours.1, &theirs.1);
    Ok((first.map_err(|conflict| conflict.at(0))?, second.map_err(|conflict| conflict.at(1))?))
}

/// Merges three parts, each by its rule.
///
/// # Errors
///
/// That of a rule, at `0`, `1` or `2`.
pub fn triple<A, B, C>(
    ancestor: Option<&(A, B, C)>,
    ours: &(A, B, C),
    theirs: &(A, B, C),
    rule_0: impl FnOnce(Option<&A>, &A, &A) -> Result<A, Conflict>,
    rule_1: impl FnOnce(Option<&B>, &B, &B) -> Result<B, Conflict>,
    rule_2: impl FnOnce(Option<&C>, &C, &C) -> Result<C, Conflict>,
) -> Result<(A, B, C), Conflict> {
    let first = rule_0(ancestor.map(|sides| &sides.0), &ours.0, &theirs.0);
    let second = rule_1(ancestor.map(|sides| &sides.1), &ours.1, &theirs.1);
    let third = rule_2(ancestor.map(|sides| &sides.2), &ours.2, &theirs.2);
    Ok((
        first.map_err(|conflict| conflict.at(0))?,
        second.map_err(|conflict| conflict.at(1))?,
        third.map_err(|conflict| conflict.at(2))?,
    ))
}
