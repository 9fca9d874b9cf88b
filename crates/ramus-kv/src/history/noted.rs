//! What this process made before anybody asked about it.

use parking_lot::Mutex;
use ramus_core::Hash;

/// So many hashes are noted, of commits and their parents: with SHA-1 they take 2.8 MB, for 65 536 commits in a line.
const HASHES_MAX: usize = 1 << 17;

/// Commits and their parents, in the order in which they were made; of those that there is no room for, none.
///
/// To note one costs a lock that nobody holds for long, and a few tens of bytes: so who never asks about the history
/// pays next to nothing, and who does need not load what was just made.
pub(super) struct Noted<H>(Mutex<Hashes<H>>);

/// Commits that were noted.
pub(super) struct Hashes<H> {
    /// Each commit, and behind it its parents.
    hashes: Vec<H>,
    /// How many hashes there are of each.
    counts: Vec<u32>,
}

impl<H: Hash> Noted<H> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Hashes::new()))
    }

    pub(super) fn note(&self, commit: H, parents: &[H]) {
        let count = 1 + parents.len();
        let mut noted = self.0.lock();
        if let Ok(short) = u32::try_from(count)
            && noted.hashes.len() + count <= HASHES_MAX
        {
            noted.hashes.push(commit);
            noted.hashes.extend_from_slice(parents);
            noted.counts.push(short);
        }
    }

    /// Returns what was noted; nothing of it is left.
    pub(super) fn take(&self) -> Hashes<H> {
        std::mem::replace(&mut *self.0.lock(), Hashes::new())
    }
}

impl<H> Hashes<H> {
    const fn new() -> Self {
        Self { hashes: Vec::new(), counts: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns each commit with its parents.
    pub(super) fn commits(&self) -> impl Iterator<Item = (&H, &[H])> {
        let mut rest = &self.hashes[..];
        self.counts.iter().map_while(move |count| {
            let (commit, behind) = rest.split_at_checked(*count as usize)?;
            rest = behind;
            commit.split_first()
        })
    }
}

#[cfg(test)]
mod tests {
    use ramus_core::Sha1;

    use super::*;

    fn name(number: usize) -> Sha1 {
        Sha1::of(&number.to_le_bytes())
    }

    #[test]
    fn what_was_noted_comes_in_order_and_once() {
        let noted = Noted::new();
        let made = [(1, vec![]), (2, vec![1]), (3, vec![2, 1]), (4, vec![3])];
        for (commit, parents) in &made {
            let parents: Vec<_> = parents.iter().map(|parent| name(*parent)).collect();
            noted.note(name(*commit), &parents);
        }
        let taken = noted.take();
        let told: Vec<_> =
            taken.commits().map(|(commit, parents)| (*commit, parents.to_vec())).collect();
        let expected: Vec<_> = made
            .iter()
            .map(|(commit, parents)| {
                (name(*commit), parents.iter().map(|parent| name(*parent)).collect())
            })
            .collect();
        assert_eq!(told, expected);
        assert_eq!(noted.take().commits().count(), 0);
    }

    #[test]
    fn what_there_is_no_room_for_is_not_noted() {
        let noted = Noted::new();
        let many = vec![name(0); HASHES_MAX - 3];
        noted.note(name(1), &many);
        for (commit, parents) in [(2, vec![name(1)]), (3, vec![]), (4, vec![])] {
            noted.note(name(commit), &parents);
        }
        let taken = noted.take();
        let told: Vec<_> = taken.commits().map(|(commit, _)| *commit).collect();
        assert_eq!(told, [name(1), name(2)]);
    }
}
