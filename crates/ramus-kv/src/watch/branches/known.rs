use std::collections::BTreeMap;

use ramus_core::{Cursor, Hash, KeyChange, RefName};

use super::BranchesPlace;
use super::place::set_head;

/// What whoever reads a watch was told: up to where, and what each branch is on there.
///
/// A branch whose commit could not be read, for now, is *behind*: it was not told, and stays on what it was told
/// to be on until it can be.
#[derive(Debug)]
pub(super) struct Known<H> {
    /// Everything up to here was told.
    cursor: Cursor,
    /// Whether it was: what differs from the heads as of there can be still to be told.
    is_reached: bool,
    /// What each branch is on; nothing if the watch began with a cursor alone.
    heads: Option<BTreeMap<String, H>>,
    /// The moves that are still to be told.
    behind: BTreeMap<String, Move<H>>,
}

/// A move of a branch that is to be told.
#[derive(Clone, Debug)]
pub(super) struct Move<H> {
    pub(super) branch: String,
    /// What the reader was told that it is on.
    pub(super) known: Option<H>,
    /// What the log says that it was on.
    pub(super) logged: Logged<H>,
    /// What it is on.
    pub(super) new: Option<H>,
}

/// What the log says that a branch was on before a move.
#[derive(Clone, Copy, Debug)]
pub(super) enum Logged<H> {
    /// The log does not say it.
    Unknown,
    /// This, or nothing if there was no such branch.
    Was(Option<H>),
}

impl<H: Hash> Known<H> {
    /// Returns what is known where a watch starts: at a place where the heads were these.
    pub(super) const fn at(cursor: Cursor, heads: Option<BTreeMap<String, H>>) -> Self {
        Self { cursor, is_reached: true, heads, behind: BTreeMap::new() }
    }

    /// Returns what is known where a watch is to tell first how the heads at this place differ from these.
    pub(super) const fn before(cursor: Cursor, heads: Option<BTreeMap<String, H>>) -> Self {
        Self { cursor, is_reached: false, heads, behind: BTreeMap::new() }
    }

    pub(super) const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Returns the place to go on from. Where the log after the cursor does not have all that is still to be told,
    /// as with a branch behind, there is no cursor.
    pub(super) fn place(&self) -> Option<BranchesPlace<H>> {
        let is_told = self.is_reached && self.behind.is_empty();
        let cursor = is_told.then_some(self.cursor);
        self.heads.clone().map(|heads| BranchesPlace { cursor, heads })
    }

    pub(super) fn knows_heads(&self) -> bool {
        self.heads.is_some()
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Returns the moves of a change of the log.
    pub(super) fn moves_of_change(&self, keys: &[KeyChange<RefName, H>]) -> Vec<Move<H>> {
        let moves = keys.iter().map(|KeyChange { key, old, new }| {
            let branch = key.name();
            let known = match (self.behind.get(branch), &self.heads) {
                (Some(behind), _) => behind.known,
                (None, Some(heads)) => heads.get(branch).copied(),
                (None, None) => *old,
            };
            Move { branch: branch.to_owned(), known, logged: Logged::Was(*old), new: *new }
        });
        moves.collect()
    }

    /// Returns the moves from what is known to what is there now: of all branches if nothing is known.
    pub(super) fn moves_to(&self, now: BTreeMap<String, H>) -> Vec<Move<H>> {
        let none = BTreeMap::new();
        let heads = self.heads.as_ref().unwrap_or(&none);
        let gone = heads.iter().filter(|(name, _)| !now.contains_key(*name));
        let mut moves: Vec<_> =
            gone.map(|(name, known)| Move::between(name.clone(), Some(*known), None)).collect();
        for (name, new) in now {
            let known = heads.get(&name).copied();
            if known != Some(new) {
                moves.push(Move::between(name, known, Some(new)));
            }
        }
        moves.sort_by(|one, other| one.branch.cmp(&other.branch));
        moves
    }

    /// Returns the moves that are still to be told.
    pub(super) fn moves_behind(&self) -> Vec<Move<H>> {
        self.behind.values().cloned().collect()
    }

    /// Forgets what was known, because all that is there is told now.
    pub(super) fn begin_anew(&mut self) {
        self.heads = Some(BTreeMap::new());
    }

    /// Notes that no branch is behind but those that will be noted.
    pub(super) fn forget_behind(&mut self) {
        self.behind.clear();
    }

    /// Notes that a move was told.
    pub(super) fn told(&mut self, told: &Move<H>) {
        self.behind.remove(&told.branch);
        if let Some(heads) = &mut self.heads {
            set_head(heads, &told.branch, told.new);
        }
    }

    /// Notes that a move could not be told yet.
    pub(super) fn keep_behind(&mut self, late: Move<H>) {
        let late = Move { logged: Logged::Unknown, ..late };
        self.behind.insert(late.branch.clone(), late);
    }

    /// Notes up to where the log was told.
    pub(super) fn reached(&mut self, cursor: Cursor) {
        if self.behind.is_empty() {
            (self.cursor, self.is_reached) = (cursor, true);
        }
    }
}

impl<H> Move<H> {
    const fn between(branch: String, known: Option<H>, new: Option<H>) -> Self {
        Self { branch, known, logged: Logged::Unknown, new }
    }
}
