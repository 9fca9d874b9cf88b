//! Keeps the runs few: at most [`RUNS_MAX`], each at least twice as large as all newer ones together
//! where that number allows it. So a key is rewritten about as often as the logarithm of their number.
//!
//! It is done beside the writer; see [`crate::writer::merge`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::groups::Groups;
use super::run::{Entry, Run};
use super::write::write;
use crate::disk::Disk;
use crate::error::PackResult;

/// With more runs than these some are merged.
const RUNS_MAX: usize = 4;

/// So many keys are merged before it is asked whether that is still wanted.
const TURN: u64 = 256;

/// Makes one run of so many of the newest ones, which come first, and says of how many. `ensure_wanted` is asked
/// now and then, and ends it.
///
/// A run that is damaged, or that the disk cannot read, is left as it is, and so are older ones: its blocks cannot be read, and those of
/// the others, and what is written, do not depend on it.
pub(crate) fn merge_newest(
    disk: &dyn Disk,
    number: u32,
    key_length: usize,
    runs: &[Arc<Run>],
    ensure_wanted: &dyn Fn() -> PackResult<()>,
) -> PackResult<Option<(usize, Merged)>> {
    for due in (2..=runs.len()).rev() {
        match merge(disk, number, key_length, &runs[..due], ensure_wanted) {
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
pub(crate) fn due(runs: &[Arc<Run>]) -> usize {
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
fn merge(
    disk: &dyn Disk,
    number: u32,
    key_length: usize,
    runs: &[Arc<Run>],
    ensure_wanted: &dyn Fn() -> PackResult<()>,
) -> PackResult<Merged> {
    let count = runs.iter().map(|run| run.entries()).sum::<u64>();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (mut groups, mut dead, mut ordinal) = (Groups::new(runs), Vec::new(), 0_u64);
    let mut left_out = BTreeMap::new();
    let entries = std::iter::from_fn(|| {
        if ordinal.is_multiple_of(TURN)
            && let Err(given_up) = ensure_wanted()
        {
            return Some(Err(given_up));
        }
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
