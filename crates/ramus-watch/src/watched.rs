use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use ramus_core::{Change, Key, KeyChange, Snapshot, Value};

/// Which keys are watched.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched<K> {
    /// All keys.
    All,
    /// The keys whose canonical bytes begin with these.
    Prefix(Bytes),
    /// This key.
    Key(K),
}

impl<K: Key> Watched<K> {
    /// Returns bytes with which every watched key begins.
    pub(crate) fn prefix(&self) -> Bytes {
        match self {
            Self::All => Bytes::new(),
            Self::Prefix(prefix) => prefix.clone(),
            Self::Key(key) => Bytes::copy_from_slice(&key.to_bytes()),
        }
    }

    /// Returns the watched ones of these, which are in key order and therefore lie together.
    pub(crate) fn of<'a, V>(&self, keys: &'a [KeyChange<K, V>]) -> &'a [KeyChange<K, V>] {
        &keys[self.range(keys)]
    }

    /// Returns what a change did to the watched keys: nothing, or the change itself if it did
    /// nothing else, or a copy without the rest.
    pub(crate) fn restrict<V: Value>(
        &self,
        change: Arc<Change<K, V>>,
    ) -> Option<Arc<Change<K, V>>> {
        let range = self.range(&change.keys);
        if range.is_empty() {
            return None;
        }
        if range.len() == change.keys.len() {
            return Some(change);
        }
        let keys = change.keys[range].to_vec();
        let Change { cursor, previous, id, ref note, keys: _ } = *change;
        Some(Arc::new(Change { cursor, previous, id, note: note.clone(), keys }))
    }

    /// Returns the watched entries of a snapshot that was taken of [`prefix`](Self::prefix).
    pub(crate) fn restrict_snapshot<V: Value>(&self, snapshot: Snapshot<K, V>) -> Snapshot<K, V> {
        let Self::Key(key) = self else { return snapshot };
        let (cursor, key) = (snapshot.cursor(), key.clone());
        let mut pages = snapshot.into_pages();
        // No key that begins with all the bytes of this one is before it.
        let first = async move {
            while let Some(page) = pages.next().await {
                if let Some(entry) = page?.into_iter().next() {
                    return Ok(if entry.0 == key { vec![entry] } else { Vec::new() });
                }
            }
            Ok(Vec::new())
        };
        Snapshot::new(cursor, stream::once(first).boxed())
    }

    fn range<V>(&self, keys: &[KeyChange<K, V>]) -> Range<usize> {
        match self {
            Self::All => 0..keys.len(),
            Self::Key(key) => match keys.binary_search_by(|change| change.key.cmp(key)) {
                Ok(index) => index..index + 1,
                Err(index) => index..index,
            },
            Self::Prefix(prefix) => {
                let start = keys.partition_point(|change| *change.key.to_bytes() < **prefix);
                let begins = |change: &KeyChange<K, V>| change.key.to_bytes().starts_with(prefix);
                start..start + keys[start..].partition_point(begins)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::*;
    use ramus_core::{Cursor, Incarnation, UpdateId};

    use super::*;

    fn change_of(keys: &[&str]) -> Arc<Change<String, u64>> {
        let key = |key: &&str| KeyChange { key: (*key).to_owned(), old: None, new: Some(1) };
        Arc::new(Change {
            cursor: Cursor { incarnation: Incarnation::from_bytes([1; 16]), sequence: 7 },
            previous: 6,
            id: UpdateId::from_bytes([2; 16]),
            note: "why".into(),
            keys: keys.iter().map(key).collect(),
        })
    }

    fn entry(key: &str) -> (String, u64) {
        (key.to_owned(), 1)
    }

    fn check(watched: &Watched<String>, keys: &[&str], expected: &[&str]) {
        let change = change_of(keys);
        let found = watched.restrict(Arc::clone(&change));
        let held = found.as_ref().map_or(&[][..], |change| &change.keys[..]);
        let held: Vec<&str> = held.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(held, expected, "{watched:?} of {keys:?}");
        if let Some(found) = found {
            assert!(Arc::ptr_eq(&found, &change) == (keys.len() == expected.len()));
            assert_eq!((found.cursor, found.previous), (change.cursor, 6));
            assert_eq!((found.id, &found.note), (change.id, &change.note));
        }
    }

    #[test]
    fn a_change_is_restricted_to_the_watched_keys_and_shared_when_it_has_no_other() {
        let key = |key: &str| Watched::Key(key.to_owned());
        let prefix = |prefix: &'static str| Watched::Prefix(prefix.into());
        check(&Watched::All, &["a", "b"], &["a", "b"]);
        check(&key("a"), &["a"], &["a"]);
        check(&key("b"), &["a", "b", "b/c"], &["b"]);
        check(&key("c"), &["a", "b", "d"], &[]);
        check(&prefix("b"), &["a", "b", "b/c", "bd", "c"], &["b", "b/c", "bd"]);
        check(&prefix("b"), &["b", "bb"], &["b", "bb"]);
        check(&prefix("x"), &["a", "b"], &[]);
        check(&prefix(""), &["a", "b"], &["a", "b"]);
    }

    proptest! {
        #[test]
        fn a_prefix_holds_exactly_the_keys_that_begin_with_it(
            keys in proptest::collection::btree_set("[ab]{0,4}", 1..20),
            prefix in "[ab]{0,3}",
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let expected: Vec<&str> =
                keys.iter().copied().filter(|key| key.starts_with(&prefix)).collect();
            check(&Watched::Prefix(prefix.into()), &keys, &expected);
        }
    }

    #[test]
    fn the_snapshot_of_one_key_holds_that_key_alone() {
        let cursor = change_of(&["a"]).cursor;
        let entries = |pages: &str| {
            let page = |page: &str| Ok(page.split_whitespace().map(entry).collect());
            let pages: Vec<_> = pages.split(',').map(page).collect();
            let snapshot = Snapshot::new(cursor, stream::iter(pages).boxed());
            let only = Watched::Key("a".to_owned()).restrict_snapshot(snapshot);
            assert_eq!(only.cursor(), cursor);
            only.collect().now_or_never().unwrap().unwrap()
        };
        assert_eq!(entries(", a aa, ab"), [entry("a")]);
        assert_eq!(entries("a"), [entry("a")]);
        assert_eq!(entries("aa ab, ac"), []);
        assert_eq!(entries(""), []);
    }
}
