use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Contents;

/// A set that both sides of a merge may add to and remove from: see [`merge::set`](crate::merge::set()).
///
/// It never conflicts with another version of itself; only a set that one side deleted as a whole and
/// the other changed does. Every version holds all members: a set of more than a few thousand is
/// better kept as a [`SetAt`](crate::containers::SetAt).
///
/// ```
/// use ramus_kv::{Contents, Set};
///
/// let tags = |tags: &[&str]| tags.iter().map(|tag| tag.to_string()).collect::<Set<String>>();
/// let merged = Set::merge(Some(&tags(&["a", "b"])), Some(&tags(&["a"])), Some(&tags(&["a", "b", "c"])));
/// assert_eq!(merged, Ok(Some(tags(&["a", "c"]))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Contents)]
#[serde(transparent, bound(deserialize = "T: Ord + Deserialize<'de>"))]
#[merge(crate = crate)]
#[merge(bound = "T: Ord")]
pub struct Set<T>(#[merge(set)] pub BTreeSet<T>);

/// A multiset, such as a stock of things: what both sides of a merge put in and took out adds up. See
/// [`merge::multiset`](crate::merge::multiset()).
///
/// ```
/// use ramus_kv::{Bag, Contents};
///
/// let stock = |apples, pears| Bag([("apples", apples), ("pears", pears)].map(|(k, n)| (k.to_owned(), n)).into());
/// let merged = Bag::merge(Some(&stock(5, 5)), Some(&stock(4, 5)), Some(&stock(4, 7)));
/// assert_eq!(merged, Ok(Some(stock(3, 7))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Contents)]
#[serde(transparent, bound(deserialize = "K: Ord + Deserialize<'de>"))]
#[merge(crate = crate)]
#[merge(bound = "K: Ord")]
pub struct Bag<K>(#[merge(multiset)] pub BTreeMap<K, u64>);

/// A map that merges key by key, by the type of its values: see [`merge::map`](crate::merge::map()).
///
/// Every version holds all keys: a map of more than a few thousand is better kept as a
/// [`MapAt`](crate::containers::MapAt), or as a directory.
///
/// ```
/// use ramus_kv::{Contents, Counter, Map};
///
/// let votes = |tea, milk| Map([("tea", tea), ("milk", milk)].map(|(k, n)| (k.to_owned(), Counter(n))).into());
/// let merged = Map::merge(Some(&votes(1, 1)), Some(&votes(2, 1)), Some(&votes(2, 5)));
/// assert_eq!(merged, Ok(Some(votes(3, 5))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Contents)]
#[serde(transparent, bound(deserialize = "K: Ord + Deserialize<'de>, V: Deserialize<'de>"))]
#[merge(crate = crate)]
#[merge(bound = "K: Ord")]
pub struct Map<K, V>(#[merge(map(contents))] pub BTreeMap<K, V>);

// Written out, because a derive would ask what is inside for a default.

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K> Default for Bag<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<K: Ord> FromIterator<K> for Bag<K> {
    fn from_iter<I: IntoIterator<Item = K>>(items: I) -> Self {
        let mut bag = BTreeMap::new();
        for item in items {
            *bag.entry(item).or_default() += 1;
        }
        Self(bag)
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T> From<BTreeSet<T>> for Set<T> {
    fn from(set: BTreeSet<T>) -> Self {
        Self(set)
    }
}

impl<K, V> From<BTreeMap<K, V>> for Map<K, V> {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self(map)
    }
}
