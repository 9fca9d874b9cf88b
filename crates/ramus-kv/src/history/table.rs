//! The commit table: the graph of commits, by small numbers.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, ErrorKind, Hash, Result};

/// The number of a commit in a table; that of a parent is lower.
pub(super) type Ordinal = u32;

/// In place of a number that there is not.
pub(super) const NONE: u32 = u32::MAX;

/// Commits whose ancestors are in the table, too.
///
/// A commit takes 44 bytes with SHA-1 (20 for its hash, 24 for its node), and 6 to 11 for its place in
/// the map; a commit of several parents takes 4 more for each and 4 for their number.
pub(super) struct Table<H> {
    hashes: Vec<H>,
    nodes: Vec<Node>,
    /// Of each commit that has several parents: how many there are besides the first, and these.
    more: Vec<Ordinal>,
    /// Ordinals, found by their hash.
    places: HashTable<Ordinal>,
}

/// What is known of a commit.
#[derive(Clone, Copy)]
struct Node {
    /// `NONE` if it has no parents.
    first_parent: Ordinal,
    /// Where `more` begins to tell of it; `NONE` if it has at most one parent.
    more: u32,
    /// One more than the highest of its parents; 0 without any.
    generation: u32,
    /// How many first parents lie behind it.
    depth: u32,
    /// A commit far back on the way of first parents; itself where there is none.
    jump: Ordinal,
    /// How many steps back lead over commits with exactly one parent, itself included.
    run: u32,
}

impl<H: Hash> Table<H> {
    pub(super) fn new() -> Self {
        let (hashes, nodes, more) = (Vec::new(), Vec::new(), Vec::new());
        Self { hashes, nodes, more, places: HashTable::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn find(&self, hash: &H) -> Option<Ordinal> {
        let found = |ordinal: &Ordinal| self.hashes[*ordinal as usize] == *hash;
        self.places.find(place(hash), found).copied()
    }

    pub(super) fn hash(&self, ordinal: Ordinal) -> &H {
        &self.hashes[ordinal as usize]
    }

    pub(super) fn generation(&self, ordinal: Ordinal) -> u32 {
        self.node(ordinal).generation
    }

    /// Returns the parents, in their order.
    pub(super) fn parents(&self, ordinal: Ordinal) -> impl Iterator<Item = Ordinal> {
        let Node { first_parent, more, .. } = *self.node(ordinal);
        let more = match self.more.get(more as usize) {
            Some(count) => &self.more[more as usize + 1..][..*count as usize],
            None => &[],
        };
        let first = (first_parent != NONE).then_some(first_parent);
        first.into_iter().chain(more.iter().copied())
    }

    pub(super) fn first_parent(&self, ordinal: Ordinal) -> Option<Ordinal> {
        let first = self.node(ordinal).first_parent;
        (first != NONE).then_some(first)
    }

    pub(super) fn is_merge(&self, ordinal: Ordinal) -> bool {
        self.node(ordinal).more != NONE
    }

    /// Makes room for so many more commits.
    pub(super) fn reserve(&mut self, commits: usize) {
        let Self { hashes, nodes, places, .. } = self;
        hashes.reserve(commits);
        nodes.reserve(commits);
        places.reserve(commits, |ordinal| place(&hashes[*ordinal as usize]));
    }

    /// Adds a commit whose parents are there, unless it is there itself; returns its number.
    ///
    /// # Errors
    ///
    /// [`Limit`](ErrorKind::Limit) once there are 2^32 - 1 commits or parents of merges.
    pub(super) fn add(&mut self, hash: H, parents: &[Ordinal]) -> Result<Ordinal> {
        if let Some(known) = self.find(&hash) {
            return Ok(known);
        }
        let ordinal = number(self.nodes.len())?;
        let node = self.new_node(ordinal, parents)?;
        self.nodes.push(node);
        self.hashes.push(hash);
        let Self { places, hashes, .. } = self;
        places.insert_unique(place(&hash), ordinal, |other| place(&hashes[*other as usize]));
        Ok(ordinal)
    }

    /// Returns whether one gets from `commit` to `ancestor` by first parents alone.
    ///
    /// It takes a number of steps that is logarithmic in the depth.
    pub(super) fn is_on_first_parents(&self, ancestor: Ordinal, commit: Ordinal) -> bool {
        let depth = self.node(ancestor).depth;
        depth <= self.node(commit).depth && self.at_depth(commit, depth) == ancestor
    }

    /// Returns how far one can go back from a commit over commits of one parent, without going
    /// below a generation.
    pub(super) fn along_run(&self, ordinal: Ordinal, generation: u32) -> Ordinal {
        let node = self.node(ordinal);
        let steps = node.run.min(node.generation.saturating_sub(generation));
        // A short way is shorter on foot.
        match steps {
            0 => ordinal,
            1 => node.first_parent,
            _ => self.at_depth(ordinal, node.depth - steps),
        }
    }

    /// Returns the commit of this depth, which is not above its own, on the way of first parents.
    ///
    /// The jumps are those of Myers, "An applicative random-access stack" (1983).
    fn at_depth(&self, mut ordinal: Ordinal, depth: u32) -> Ordinal {
        loop {
            let node = self.node(ordinal);
            if node.depth <= depth {
                return ordinal;
            }
            let is_too_far = self.node(node.jump).depth < depth;
            ordinal = if is_too_far { node.first_parent } else { node.jump };
        }
    }

    fn new_node(&mut self, ordinal: Ordinal, parents: &[Ordinal]) -> Result<Node> {
        let Some((first, others)) = parents.split_first() else {
            let (first_parent, more) = (NONE, NONE);
            return Ok(Node { first_parent, more, generation: 0, depth: 0, jump: ordinal, run: 0 });
        };
        let parent = *self.node(*first);
        let highest = parents.iter().map(|parent| self.generation(*parent)).max();
        let (more, run) = if others.is_empty() {
            (NONE, parent.run + 1)
        } else {
            let place = number(self.more.len())?;
            self.more.push(number(others.len())?);
            self.more.extend(others);
            (place, 0)
        };
        let over = self.node(parent.jump);
        let equally_far = parent.depth - over.depth == over.depth - self.node(over.jump).depth;
        Ok(Node {
            first_parent: *first,
            more,
            generation: highest.unwrap_or(0) + 1,
            depth: parent.depth + 1,
            jump: if equally_far { over.jump } else { *first },
            run,
        })
    }

    fn node(&self, ordinal: Ordinal) -> &Node {
        &self.nodes[ordinal as usize]
    }
}

/// Returns by what a commit is looked for in a map.
pub(super) fn place<H: Hash>(hash: &H) -> u64 {
    DigestHash::default().hash_one(hash)
}

/// Returns a length as a number of the table.
///
/// # Errors
///
/// [`Limit`](ErrorKind::Limit) from 2^32 - 1 on.
pub(super) fn number(length: usize) -> Result<u32> {
    match u32::try_from(length) {
        Ok(number) if number != NONE => Ok(number),
        _ => Err(Error::new(ErrorKind::Limit, "the history index takes 2^32 - 1 commits at most")),
    }
}
