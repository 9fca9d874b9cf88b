//! What was loaded of a graph of commits, before it is in the table.

use hashbrown::HashTable;
use ramus_core::{Hash, Result};

use super::table::{NONE, Ordinal, Table, number, place};

/// The number of a commit among those that were found.
pub(super) type Slot = u32;

/// Commits that were come to and are not in the table: of each its parents, once they are known.
///
/// Where one leads to is kept by numbers, so that a hash is looked for once for each time that it stands in a
/// commit. A commit with one parent takes about 45 bytes with SHA-1.
pub(super) struct Found<H> {
    commits: Vec<Commit<H>>,
    /// The parents of all of them, in pieces.
    parents: Vec<Parent>,
    /// Slots, found by their hash.
    places: HashTable<Slot>,
    /// How many are known to be in the table.
    in_table: usize,
}

struct Commit<H> {
    hash: H,
    /// Where in `parents` its own begin; `NONE` until they are known.
    begin: u32,
    /// How many they are.
    count: u32,
    /// Its number in the table; `NONE` until it is known to be there.
    ordinal: Ordinal,
}

/// Where a commit stands that something leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    InTable(Ordinal),
    Found(Slot),
}

impl<H: Hash> Found<H> {
    pub(super) fn new() -> Self {
        let (commits, parents) = (Vec::new(), Vec::new());
        Self { commits, parents, places: HashTable::new(), in_table: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.commits.len()
    }

    pub(super) fn hash(&self, slot: Slot) -> &H {
        &self.commits[slot as usize].hash
    }

    /// Returns the parents of a commit, if they are known.
    pub(super) fn parents(&self, slot: Slot) -> Option<&[Parent]> {
        let Commit { begin, count, .. } = self.commits[slot as usize];
        (begin != NONE).then(|| &self.parents[begin as usize..][..count as usize])
    }

    /// Makes room for so many more commits of one parent.
    pub(super) fn reserve(&mut self, count: usize) {
        let Self { commits, parents, places, .. } = self;
        commits.reserve(count);
        parents.reserve(count);
        places.reserve(count, |slot| place(&commits[*slot as usize].hash));
    }

    /// Returns where a commit stands, and whether it is new here; it is put here unless the table has it.
    pub(super) fn come_to(&mut self, table: &Table<H>, hash: &H) -> Result<(Parent, bool)> {
        if let Some(ordinal) = table.find(hash) {
            return Ok((Parent::InTable(ordinal), false));
        }
        let Self { commits, places, .. } = self;
        let key = place(hash);
        if let Some(slot) = places.find(key, |slot| commits[*slot as usize].hash == *hash) {
            return Ok((Parent::Found(*slot), false));
        }
        let slot = number(commits.len())?;
        commits.push(Commit { hash: *hash, begin: NONE, count: 0, ordinal: NONE });
        places.insert_unique(key, slot, |slot| place(&commits[*slot as usize].hash));
        Ok((Parent::Found(slot), true))
    }

    /// Notes the parents of a commit, unless they are known; `reach` gets each that the table does not have, and
    /// whether it was not here before.
    pub(super) fn tell(
        &mut self,
        table: &Table<H>,
        slot: Slot,
        parents: &[H],
        mut reach: impl FnMut(Slot, bool),
    ) -> Result<()> {
        if self.commits[slot as usize].begin != NONE {
            return Ok(());
        }
        let (begin, count) = (number(self.parents.len())?, number(parents.len())?);
        for parent in parents {
            let (parent, is_new) = match self.just_before(slot, parent) {
                Some(before) => (Parent::Found(before), false),
                None => self.come_to(table, parent)?,
            };
            if let Parent::Found(slot) = parent {
                reach(slot, is_new);
            }
            self.parents.push(parent);
        }
        let commit = &mut self.commits[slot as usize];
        (commit.begin, commit.count) = (begin, count);
        Ok(())
    }

    /// Returns where a parent stands, if it was put here just before: that is where it is in a line that is noted
    /// as it is made.
    fn just_before(&self, slot: Slot, parent: &H) -> Option<Slot> {
        let before = slot.checked_sub(1)?;
        (self.commits[before as usize].hash == *parent).then_some(before)
    }

    /// Returns the number of a commit in the table, if it is known to be there.
    pub(super) fn ordinal(&self, parent: Parent) -> Option<Ordinal> {
        match parent {
            Parent::InTable(ordinal) => Some(ordinal),
            Parent::Found(slot) => {
                let ordinal = self.commits[slot as usize].ordinal;
                (ordinal != NONE).then_some(ordinal)
            }
        }
    }

    /// Notes that a commit came into the table.
    pub(super) fn is_in_table(&mut self, slot: Slot, ordinal: Ordinal) {
        let commit = &mut self.commits[slot as usize];
        self.in_table += usize::from(commit.ordinal == NONE);
        commit.ordinal = ordinal;
    }

    /// Returns whether little would be left without those that are in the table.
    pub(super) fn is_mostly_in_table(&self) -> bool {
        self.in_table * 2 >= self.commits.len()
    }

    /// Returns what is not in the table, of those whose parents are known.
    pub(super) fn without(self, table: &Table<H>) -> Result<Self> {
        let mut left = Self::new();
        if self.in_table == self.commits.len() {
            return Ok(left);
        }
        let mut hashes = Vec::new();
        for (slot, commit) in (0..).zip(&self.commits) {
            let Some(parents) = self.parents(slot) else { continue };
            if let (Parent::Found(kept), _) = left.come_to(table, &commit.hash)? {
                hashes.clear();
                hashes.extend(parents.iter().map(|parent| match parent {
                    Parent::InTable(ordinal) => *table.hash(*ordinal),
                    Parent::Found(slot) => *self.hash(*slot),
                }));
                left.tell(table, kept, &hashes, |_, _| {})?;
            }
        }
        Ok(left)
    }
}

/// Returns those of some commits that the table does not have.
pub(super) fn found_of(parents: &[Parent]) -> impl Iterator<Item = Slot> {
    parents.iter().filter_map(|parent| match parent {
        Parent::Found(slot) => Some(*slot),
        Parent::InTable(_) => None,
    })
}
