//! Keeps the runs few: at most [`RUNS_MAX`], each at least twice as large as all newer ones together
//! where that number allows it. So a key is rewritten about as often as the logarithm of their number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::groups::Groups;
use super::run::{Entry, Run};
use super::write::write;
use crate::disk::Disk;
use crate::error::PackResult;

/// The most runs that are kept, and that a look-up asks.
pub(crate) const RUNS_MAX: usize = 4;

/// Makes one run of the newest ones, which come first, if that is due, and says of how many.
///
/// A run that is damaged, or that the disk cannot read, is left as it is, and so are older ones: its blocks cannot be read, and those of
/// the others, and what is written, do not depend on it.
pub(crate) fn merge_due(
    disk: &dyn Disk,
    numbers: &mut impl FnMut() -> u32,
    key_length: usize,
    runs: &[Arc<Run>],
) -> PackResult<Option<(usize, Merged)>> {
    for due in (2..=due(runs)).rev() {
        match merge(disk, numbers(), key_length, &runs[..due]) {
            Ok(merged) => return Ok(Some((due, merged))),
            Err(error) if error.is_unreadable() => {
                tracing::warn!(%error, "runs of the index are not merged");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Returns how many of the newest runs, which come first, have to become one; 0 if none have to.
fn due(runs: &[Arc<Run>]) -> usize {
    let mut due = 1;
    let mut newer = 0;
    for (older, pair) in runs.windows(2).enumerate() {
        newer += pair[0].entries();
        if pair[1].entries() < 2 * newer {
            due = older + 2;
        }
    }
    due = due.max((runs.len() + 1).saturating_sub(RUNS_MAX));
    if due > 1 { due } else { 0 }
}

/// A run in place of some, and how many entries of each segment it leaves out.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) run: Run,
    pub(crate) left_out: BTreeMap<u32, u64>,
}

/// Makes one run of some, which come newest first; of a key that several have it has the first entry.
///
/// What was removed stays in it, and stays removed: only a collection that is finished leaves it out,
/// all of it at once.
fn merge(disk: &dyn Disk, number: u32, key_length: usize, runs: &[Arc<Run>]) -> PackResult<Merged> {
    let count = runs.iter().map(|run| run.entries()).sum::<u64>();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut groups, mut dead, mut ordinal) = (Groups::new(runs), Vec::new(), 0);
    let mut left_out = BTreeMap::new();
    let entries = std::iter::from_fn(|| {
        let group = groups.next().transpose()?;
        Some(group.map(|group| {
            for Entry { place, .. } in &group[1..] {
                *left_out.entry(place.segment).or_default() += 1;
            }
            let Entry { key, place, is_dead } = group.into_iter().next().expect("none is empty");
            if is_dead {
                dead.push(ordinal);
            }
            ordinal += 1;
            (key, place)
        }))
    });
    let run = write(disk, number, key_length, count, entries)?;
    for ordinal in dead {
        run.kill(ordinal);
    }
    Ok(Merged { run, left_out })
}
