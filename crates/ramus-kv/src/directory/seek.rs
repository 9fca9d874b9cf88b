use std::cmp::Ordering;

use ramus_core::{Hash, Result};

use super::RESTART_EVERY;
use super::dir_block::DirBlock;
use super::encode::common;

/// Where a step was found, or the last one before it.
pub(super) struct Place {
    pub(super) index: usize,
    /// Where the body begins.
    pub(super) body: usize,
    pub(super) is_exact: bool,
    /// How many bytes the step has in common with what was sought, from the beginning.
    pub(super) common: usize,
}

impl<H: Hash> DirBlock<H> {
    /// Finds the last item whose step is not greater.
    ///
    /// Among items between two restarts, a step is compared without being put together: the length
    /// that it shares with the one before it says how it lies to what is sought, unless that is just
    /// the length up to which the one before was equal to it.
    pub(super) fn seek(&self, sought: &[u8]) -> Result<Option<Place>> {
        let Some((restart, position)) = self.last_restart(&Sought::new(sought))? else {
            return Ok(None);
        };
        let (mut reader, mut rest) = (self.reader(position), sought);
        let mut found = None;
        let first = restart * RESTART_EVERY;
        for index in first..self.len().min(first + RESTART_EVERY) {
            let (shared, suffix) = reader.step()?;
            let body = reader.position();
            let equal = sought.len() - rest.len();
            let order = match shared.cmp(&(equal as u64)) {
                // It left the common part earlier, so it lies behind what is sought.
                Ordering::Less => Ordering::Greater,
                // It goes on like the one before, which lies before what is sought.
                Ordering::Greater => Ordering::Less,
                // The first byte tells as a rule.
                Ordering::Equal => match suffix.first().cmp(&rest.first()) {
                    Ordering::Equal => suffix.cmp(rest),
                    order => order,
                },
            };
            match order {
                Ordering::Less if shared == equal as u64 => rest = &rest[common(suffix, rest)..],
                Ordering::Less => {}
                Ordering::Equal => {
                    let common = sought.len();
                    return Ok(Some(Place { index, body, is_exact: true, common }));
                }
                Ordering::Greater => break,
            }
            let common = sought.len() - rest.len();
            found = Some(Place { index, body, is_exact: false, common });
            reader.skip_body::<H>(self.level())?;
        }
        Ok(found)
    }

    /// Returns the last restart whose step is not greater, and where it begins.
    fn last_restart(&self, sought: &Sought<'_>) -> Result<Option<(usize, usize)>> {
        let narrowed = self.narrow(sought)?;
        let (mut low, mut high) = (narrowed.left.start, narrowed.left.end);
        let position =
            |restart| narrowed.position(restart).unwrap_or_else(|| self.restart(restart));
        while low < high {
            let middle = usize::midpoint(low, high);
            let (start, step) = self.step_at(position(middle))?;
            match sought.order(step, &self.block()[start..]) {
                Ordering::Less | Ordering::Equal => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(low.checked_sub(1).map(|restart| (restart, position(restart))))
    }

    /// Returns the step of an item that stands in full and begins here, and where the step begins.
    #[inline]
    pub(super) fn step_at(&self, position: usize) -> Result<(usize, &[u8])> {
        let mut reader = self.reader(position);
        let (_, step) = reader.step()?;
        Ok((reader.position() - step.len(), step))
    }
}

/// What is sought, or what is left of it.
pub(super) struct Sought<'a> {
    pub(super) bytes: &'a [u8],
    /// The first of the bytes, so many as are compared at once, and zeros behind them.
    pub(super) head: u64,
}

/// How many bytes are compared at once.
const AT_ONCE: usize = size_of::<u64>();

impl<'a> Sought<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut head = [0; AT_ONCE];
        match bytes.first_chunk() {
            Some(first) => head = *first,
            None => head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
        }
        Self { bytes, head: u64::from_be_bytes(head) }
    }

    /// Returns how a step, or what is left of it, lies to what is sought. `from_there` is the block from where
    /// the step begins: most steps are short, and those are read and compared without a loop.
    #[inline]
    fn order(&self, step: &[u8], from_there: &[u8]) -> Ordering {
        let Some(head) = from_there.first_chunk() else { return step.cmp(self.bytes) };
        let behind = if step.len() < AT_ONCE { u64::MAX >> (8 * step.len()) } else { 0 };
        let head = u64::from_be_bytes(*head) & !behind;
        head.cmp(&self.head).then_with(|| {
            if step.len().max(self.bytes.len()) > AT_ONCE {
                step.cmp(self.bytes)
            } else {
                // Behind the end of the shorter one were zeros, and nothing is less than those.
                step.len().cmp(&self.bytes.len())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, b'a', 0xff]), 0..2 * AT_ONCE)
    }

    proptest! {
        #[test]
        fn what_is_sought_is_compared_as_slices_are(
            sought in some_bytes(), shared in 0..2 * AT_ONCE, step in some_bytes(), behind in some_bytes(),
        ) {
            let step = [&sought[..shared.min(sought.len())], &step].concat();
            let block = [&step[..], &behind].concat();
            prop_assert_eq!(Sought::new(&sought).order(&step, &block), step.cmp(&sought));
        }
    }
}
