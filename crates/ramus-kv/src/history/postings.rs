//! Postings: from a path to the commits that changed it.

use hashbrown::HashTable;
use ramus_core::{Hash, Path};

use super::table::Ordinal;

/// What is looked up: a path, or everything below one.
///
/// It is the first 8 bytes of the path's hash, the last bit of which says which of the two is meant. Two
/// paths may share a key; so whoever finds a commit by it has to look whether it changed the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathKey(pub(super) u64);

impl PathKey {
    /// Returns the key of what is at a path itself.
    pub(super) fn at<H: Hash>(path: &Path) -> Self {
        let digest = H::of(path.as_bytes());
        let mut head = [0; 8];
        head.iter_mut().zip(digest.as_bytes()).for_each(|(byte, digest)| *byte = *digest);
        Self(u64::from_be_bytes(head) & !1)
    }

    /// Returns the key of whatever lies below a path, at any depth.
    pub(super) fn below<H: Hash>(path: &Path) -> Self {
        Self(Self::at::<H>(path).0 | 1)
    }

    /// Returns all keys under which a commit that changed a path can be found.
    pub(super) fn all_of<H: Hash>(path: &Path) -> Vec<Self> {
        let mut keys = vec![Self::at::<H>(path)];
        let mut above = path.parent();
        while let Some(path) = above {
            keys.push(Self::below::<H>(&path));
            above = path.parent();
        }
        keys
    }
}

/// Lists of commits by key, from the newest number to the oldest.
///
/// An entry takes 16 bytes, a key 12 and 6 to 11 for its place in the map.
pub(super) struct Postings {
    entries: Vec<Posting>,
    lists: Vec<List>,
    /// Lists, found by their keys.
    places: HashTable<u32>,
    /// How many commits of the table are told of.
    commits: Ordinal,
}

/// One commit in a list.
#[derive(Clone, Copy)]
struct Posting {
    list: u32,
    commit: Ordinal,
    /// The entry of the list before this one; `NONE` for the first.
    previous: u32,
    /// The highest generation in the list up to this entry.
    highest: u32,
}

/// Of each list its key, in two halves so that it takes 12 bytes, and its last entry.
#[derive(Clone, Copy)]
struct List {
    key: [u32; 2],
    last: u32,
}

const NONE: u32 = u32::MAX;

/// A place in a list; what lies before it is still to be read.
#[derive(Clone, Copy)]
pub(super) struct Place(u32);

impl Postings {
    pub(super) fn new() -> Self {
        let (entries, lists) = (Vec::new(), Vec::new());
        Self { entries, lists, places: HashTable::new(), commits: 0 }
    }

    /// Returns how many commits of the table are told of: those of the lowest numbers.
    pub(super) fn commits(&self) -> Ordinal {
        self.commits
    }

    /// Returns whether that many more entries have room.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.entries.len().saturating_add(more) < NONE as usize
    }

    /// Tells of the next commit: its generation, and the keys of what it changed, each once.
    pub(super) fn add(&mut self, generation: u32, keys: &[PathKey]) {
        let commit = self.commits;
        self.commits += 1;
        for key in keys {
            let list = self.list(*key);
            let previous = self.lists[list as usize].last;
            let before = self.entries.get(previous as usize).map_or(0, |entry| entry.highest);
            let highest = generation.max(before);
            self.lists[list as usize].last = small(self.entries.len());
            self.entries.push(Posting { list, commit, previous, highest });
        }
    }

    /// Returns the end of the list of a key, if there is one.
    pub(super) fn end_of(&self, key: PathKey) -> Option<Place> {
        let list = self.places.find(key.0, |list| self.key(*list) == key)?;
        Some(Place(self.lists[*list as usize].last))
    }

    /// Returns the commit at a place and the place before.
    pub(super) fn read(&self, place: Place) -> (Ordinal, Option<Place>) {
        let Posting { commit, previous, .. } = self.entries[place.0 as usize];
        (commit, (previous != NONE).then_some(Place(previous)))
    }

    /// Returns the highest generation of a commit that is still to be read.
    pub(super) fn highest(&self, place: Place) -> u32 {
        self.entries[place.0 as usize].highest
    }

    /// Returns the keys of what a commit changed, in order.
    pub(super) fn keys_of(&self, commit: Ordinal) -> Vec<PathKey> {
        let begin = self.entries.partition_point(|entry| entry.commit < commit);
        let of_commit = self.entries[begin..].iter().take_while(|entry| entry.commit == commit);
        let mut keys: Vec<PathKey> = of_commit.map(|entry| self.key(entry.list)).collect();
        keys.sort_unstable();
        keys
    }

    fn list(&mut self, key: PathKey) -> u32 {
        let Self { places, lists, .. } = self;
        let found = places.find(key.0, |list| lists[*list as usize].key() == key).copied();
        found.unwrap_or_else(|| {
            let list = small(lists.len());
            lists.push(List::new(key));
            places.insert_unique(key.0, list, |other| lists[*other as usize].key().0);
            list
        })
    }

    fn key(&self, list: u32) -> PathKey {
        self.lists[list as usize].key()
    }
}

impl List {
    fn new(PathKey(key): PathKey) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves are cut apart")]
        let key = [key as u32, (key >> 32) as u32];
        Self { key, last: NONE }
    }

    fn key(&self) -> PathKey {
        let [low, high] = self.key;
        PathKey(u64::from(high) << 32 | u64::from(low))
    }
}

/// There are fewer entries than `NONE`: whoever adds some has asked `has_room`.
fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}
