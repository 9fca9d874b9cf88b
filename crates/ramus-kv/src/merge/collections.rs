//! Rules for sets, multisets and maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::numbers::{count, only_change};
use crate::Conflict;

/// Merges a set: what either side removed is gone, what either side added is there. Without an
/// ancestor both sides added all they have.
///
/// ```
/// use ramus_kv::merge;
///
/// let merged = merge::set(Some(&[1, 2].into()), &[2, 3].into(), &[1, 2, 4].into());
/// assert_eq!(merged, Ok([2, 3, 4].into()));
/// ```
///
/// # Errors
///
/// None; it has the shape of every rule.
pub fn set<T: Clone + Ord>(
    ancestor: Option<&BTreeSet<T>>,
    ours: &BTreeSet<T>,
    theirs: &BTreeSet<T>,
) -> Result<BTreeSet<T>, Conflict> {
    let was_there = |item: &T| ancestor.is_some_and(|before| before.contains(item));
    // What only one side has was added there, or removed on the other side.
    let one_sided = ours.symmetric_difference(theirs).filter(|item| !was_there(item));
    Ok(ours.intersection(theirs).chain(one_sided).cloned().collect())
}

/// Merges a multiset: of each key, what both sides put in or took out adds up. A key that is absent
/// is there zero times, and zero of a key are not kept.
///
/// It counts: see [`count`].
///
/// ```
/// use ramus_kv::merge;
///
/// let stock = |apples| [("apples", apples)].into();
/// assert_eq!(merge::multiset(Some(&stock(5)), &stock(3), &stock(6)), Ok(stock(4)));
/// assert!(merge::multiset(Some(&stock(5)), &stock(1), &stock(1)).is_err());
/// ```
///
/// # Errors
///
/// The conflict, at the key, if the sides took out more than there was, or the sum does not fit.
pub fn multiset<K: Clone + Ord + Debug>(
    ancestor: Option<&BTreeMap<K, u64>>,
    ours: &BTreeMap<K, u64>,
    theirs: &BTreeMap<K, u64>,
) -> Result<BTreeMap<K, u64>, Conflict> {
    if let Some(changed) = only_change(ancestor, ours, theirs) {
        return Ok(changed.clone());
    }
    let nothing = BTreeMap::new();
    let before = ancestor.unwrap_or(&nothing);
    let keys: BTreeSet<&K> = [before, ours, theirs].into_iter().flat_map(BTreeMap::keys).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        let [before, ours, theirs] =
            [before, ours, theirs].map(|side| side.get(key).copied().unwrap_or_default());
        // None can be below zero, so only taking out too much can fail below.
        let sum = if u128::from(ours) + u128::from(theirs) < u128::from(before) {
            let out = [ours, theirs].map(|side| before.saturating_sub(side));
            let reason =
                format!("we took out {} and they took out {}, of {before}", out[0], out[1]);
            Err(Conflict::new(reason))
        } else {
            count(Some(&before), &ours, &theirs)
        };
        match sum.map_err(|conflict| conflict.at_key(key))? {
            0 => {}
            sum => drop(merged.insert(key.clone(), sum)),
        }
    }
    Ok(merged)
}

/// Merges a map key by key, by a rule for what may be absent: [`whole`](super::whole),
/// [`Contents::merge`](crate::Contents::merge) of the type of the values, or another rule by
/// [`option`](super::option). A key for which the rule gives nothing is gone.
///
/// ```
/// use std::collections::BTreeMap;
/// use ramus_kv::{Contents, Counter, merge};
///
/// let votes = |tea, milk| BTreeMap::from([("tea", Counter(tea)), ("milk", Counter(milk))]);
/// let merged = merge::map(Some(&votes(1, 1)), &votes(2, 1), &votes(2, 5), Counter::merge);
/// assert_eq!(merged, Ok(votes(3, 5)));
///
/// let by_key = |name| BTreeMap::from([("ada", name)]);
/// let conflict = merge::map(Some(&by_key(1)), &by_key(2), &by_key(3), merge::whole).unwrap_err();
/// assert_eq!(conflict.to_string(), r#"at ["ada"]: both sides changed it, and differently"#);
/// ```
///
/// # Errors
///
/// That of the rule, at the first key that has one.
pub fn map<K: Clone + Ord + Debug, V>(
    ancestor: Option<&BTreeMap<K, V>>,
    ours: &BTreeMap<K, V>,
    theirs: &BTreeMap<K, V>,
    mut rule: impl FnMut(Option<&V>, Option<&V>, Option<&V>) -> Result<Option<V>, Conflict>,
) -> Result<BTreeMap<K, V>, Conflict> {
    // What only the ancestor has was deleted by both.
    let keys: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        let before = ancestor.and_then(|ancestor| ancestor.get(key));
        let value = rule(before, ours.get(key), theirs.get(key))
            .map_err(|conflict| conflict.at_key(key))?;
        merged.extend(value.map(|value| (key.clone(), value)));
    }
    Ok(merged)
}
