use std::cmp::Ordering;
use std::ops::Range;

use ramus_core::{Error, Hash, Result};

use super::RESTART_EVERY;
use super::dir_block::DirBlock;
use super::encode::common;
use super::fences::{FENCE_EVERY, Fenced, Post};
use super::reader::Reader;

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
        let searched = Sought::new(sought);
        let restarts = match self.narrow(&searched)? {
            Fenced::BeforeAll => return Ok(None),
            Fenced::Behind(post) => return self.seek_behind(sought, post).map(Some),
            Fenced::At(post) => match self.place_of(sought, post)? {
                Some(place) => return Ok(Some(place)),
                None => 0..self.len().div_ceil(RESTART_EVERY),
            },
            Fenced::Among(restarts) => restarts,
        };
        let Some((restart, position)) = self.last_restart(&searched, restarts)? else {
            return Ok(None);
        };
        let first = restart * RESTART_EVERY;
        let end = self.len().min(first + RESTART_EVERY);
        self.seek_among(sought, first..end, self.reader(position), None)
    }

    /// Goes on behind an item whose step is less than what is sought.
    fn seek_behind(&self, sought: &[u8], post: Post) -> Result<Place> {
        let Post { index, position, common } = post;
        let mut reader = self.reader(position);
        reader.step()?;
        let place = Place { index, body: reader.position(), is_exact: false, common };
        reader.skip_body::<H>(self.level())?;
        let end = self.len().min(index + FENCE_EVERY);
        let found = self.seek_among(sought, index + 1..end, reader, Some(place))?;
        found.ok_or_else(|| Error::corrupt("an item is lost"))
    }

    /// Returns the place of an item whose step begins with what is sought, if it is that.
    fn place_of(&self, sought: &[u8], post: Post) -> Result<Option<Place>> {
        let mut reader = self.reader(post.position);
        let (shared, suffix) = reader.step()?;
        let is_exact = shared + suffix.len() as u64 == sought.len() as u64;
        let (index, body, common) = (post.index, reader.position(), sought.len());
        Ok(is_exact.then_some(Place { index, body, is_exact, common }))
    }

    /// Finds the last of these items whose step is not greater; `found` is the one before them, if its step is
    /// less.
    #[inline]
    fn seek_among(
        &self,
        sought: &[u8],
        items: Range<usize>,
        mut reader: Reader<'_>,
        mut found: Option<Place>,
    ) -> Result<Option<Place>> {
        let mut equal = found.as_ref().map_or(0, |place| place.common);
        for index in items {
            let (shared, suffix) = reader.step()?;
            let body = reader.position();
            match shared.cmp(&(equal as u64)) {
                // It left the common part earlier, so it lies behind what is sought.
                Ordering::Less => break,
                // It goes on like the one before, which lies before what is sought.
                Ordering::Greater => {}
                Ordering::Equal => {
                    let rest = sought.get(equal..).unwrap_or_default();
                    let same = common(suffix, rest);
                    match suffix.get(same).cmp(&rest.get(same)) {
                        Ordering::Less => equal += same,
                        Ordering::Equal => {
                            let common = sought.len();
                            return Ok(Some(Place { index, body, is_exact: true, common }));
                        }
                        Ordering::Greater => break,
                    }
                }
            }
            found = Some(Place { index, body, is_exact: false, common: equal });
            reader.skip_body::<H>(self.level())?;
        }
        Ok(found)
    }

    /// Returns the last of these restarts whose step is not greater, or the one before them, and where it begins.
    fn last_restart(
        &self,
        sought: &Sought<'_>,
        restarts: Range<usize>,
    ) -> Result<Option<(usize, usize)>> {
        let (mut low, mut high) = (restarts.start, restarts.end);
        while low < high {
            let middle = usize::midpoint(low, high);
            let (start, step) = self.step_at(self.restart(middle))?;
            match sought.order(step, &self.block()[start..]) {
                Ordering::Less | Ordering::Equal => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(low.checked_sub(1).map(|restart| (restart, self.restart(restart))))
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

    /// Returns whether the head is all of it, and shows where it ends.
    #[inline]
    pub(super) const fn is_short(&self) -> bool {
        self.bytes.len() < AT_ONCE
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
