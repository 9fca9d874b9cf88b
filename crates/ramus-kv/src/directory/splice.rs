//! A block with a few edits, made of the bytes of the block before.
//!
//! Only what stands at an edit is encoded. What lies before it is copied as it is; so is what lies
//! behind, as long as there are as many items as before. Where there are more or fewer, other items
//! are those written in full: then the rest is walked through, and of every 16 items two are encoded
//! anew.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use ramus_core::{Hash, Result, Step};

use super::RESTART_EVERY;
use super::check::Sum;
use super::dir_block::{DirBlock, start_of};
use super::edit::Edit;
use super::encode::Encoder;
use super::item::{Body, step_weight};
use super::seek::Place;
use super::walk::Walk;

/// A block with its edits.
pub(super) struct Spliced<H> {
    pub(super) block: Arc<DirBlock<H>>,
    /// The steps that are new.
    pub(super) added: Vec<Step>,
    /// Whether it begins with another step than before, or with none.
    pub(super) first_changed: bool,
}

impl<H: Hash> Spliced<H> {
    /// Returns whether it begins as before and is light enough, so that it is one block unless an
    /// added gap is cut.
    pub(super) fn could_be_one(&self) -> bool {
        !self.first_changed && self.block.is_light()
    }
}

impl<H: Hash> DirBlock<H> {
    /// Returns whether so few of the items are edited that splicing is the faster way.
    pub(super) fn is_spliced_by(&self, edits: &[Edit<H>]) -> bool {
        edits.len() <= self.len() / RESTART_EVERY + 1
    }

    /// Returns this block with edits, which are of its level.
    pub(super) fn splice(&self, edits: &[Edit<H>]) -> Result<Spliced<H>> {
        let weights = edits.iter().filter_map(|(step, body)| {
            Some(step_weight(step.as_bytes().len()) + body.as_ref()?.weight())
        });
        let added = usize::try_from(weights.sum::<u64>()).unwrap_or_default();
        let encoder = Encoder::new(self.level(), self.len() + 1, self.block().len() + added + 4);
        let sum = Sum {
            count: self.count(),
            weight: self.weight(),
            has_links: self.has_links(),
            has_names: self.has_names(),
        };
        let begin = (0, start_of(self.level()));
        let mut splicer =
            Splicer { old: self, encoder, next: 0, passed: begin, last: Last::Old, sum };
        let (mut added, mut first_changed) = (Vec::new(), self.len() == 0);
        for (step, body) in edits {
            let body = body.as_ref();
            let place = self.seek(step.as_bytes())?;
            if let Some(place) = place.as_ref().filter(|place| place.is_exact) {
                splicer.copy_to(place.index)?;
                first_changed |= place.index == 0 && body.is_none();
                splicer.replace(place, step, body)?;
            } else {
                let Some(body) = body else { continue };
                first_changed |= place.is_none();
                added.push(step.clone());
                splicer.insert(place.as_ref(), step.clone(), body)?;
            }
        }
        splicer.copy_to(self.len())?;
        let Splicer { encoder, sum, .. } = splicer;
        let (level, len) = (self.level(), encoder.len());
        let block = Arc::new(Self::of_parts(encoder.finish(), level, len, &sum));
        Ok(Spliced { block, added, first_changed })
    }

    /// Returns where the item of an index begins, or where the items end; `passed` is the index of
    /// another one, and where that begins.
    fn position(&self, index: usize, passed: (usize, usize)) -> Result<usize> {
        if index >= self.len() {
            return Ok(self.end_of_items());
        }
        let restart = index / RESTART_EVERY;
        let is_near = (restart * RESTART_EVERY..=index).contains(&passed.0);
        let (first, position) = match restart {
            _ if is_near => passed,
            0 => (0, start_of(self.level())),
            restart => (restart * RESTART_EVERY, self.restart(restart)),
        };
        let mut reader = self.reader(position);
        for _ in first..index {
            reader.step()?;
            reader.skip_body::<H>(self.level())?;
        }
        Ok(reader.position())
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.block().get(range).unwrap_or_default()
    }
}

struct Splicer<'a, H> {
    old: &'a DirBlock<H>,
    encoder: Encoder,
    /// The index of the next old item.
    next: usize,
    /// The index of an old item that was come to, and where it begins.
    passed: (usize, usize),
    last: Last,
    /// What the items come to, with the edits so far. That there may be links stays so.
    sum: Sum,
}

/// The step that was put last.
enum Last {
    /// That of the old item before the next one; none at the beginning.
    Old,
    /// That of the old item of this index, behind which others were left out.
    OldAt(usize),
    New(Step),
}

impl<H: Hash> Splicer<'_, H> {
    /// Puts the old items up to an index.
    fn copy_to(&mut self, end: usize) -> Result<()> {
        if self.next >= end {
            return Ok(());
        }
        if !self.is_in_step() {
            return self.walk_to(end);
        }
        if !self.fits() {
            let mut walk = Walk::from(self.old, self.next)?;
            walk.advance()?;
            self.put_old(&walk)?;
        }
        let (start, next) = (self.old.position(self.next, self.passed)?, self.next);
        let bytes = self.old.bytes(start..self.old.position(end, self.passed)?);
        let restarts = next.div_ceil(RESTART_EVERY)..end.div_ceil(RESTART_EVERY);
        let restarts = restarts.map(|restart| self.old.restart(restart).saturating_sub(start));
        self.encoder.run(bytes, end - next, restarts);
        (self.next, self.last) = (end, Last::Old);
        Ok(())
    }

    /// Puts the old items up to an index one by one, since others are written in full than before.
    fn walk_to(&mut self, end: usize) -> Result<()> {
        let mut walk = Walk::from(self.old, self.next)?;
        let mut has_begun = false;
        while self.next < end {
            let start = walk.position();
            let is_fitting = !self.encoder.is_at_restart()
                && matches!(self.last, Last::Old)
                && !self.next.is_multiple_of(RESTART_EVERY);
            if is_fitting {
                walk.advance()?;
                self.encoder.raw(self.old.bytes(start..walk.position()), true);
                self.next += 1;
            } else if has_begun {
                // The walk comes from the step before, so that need not be looked for.
                let last = walk.step().to_vec();
                walk.advance()?;
                self.put_behind(&last, &walk);
            } else {
                walk.advance()?;
                self.put_old(&walk)?;
            }
            has_begun = true;
        }
        Ok(())
    }

    /// Puts something else, or nothing, in the place of the next old item.
    fn replace(&mut self, place: &Place, step: &Step, body: Option<&Body<H>>) -> Result<()> {
        let start = self.old.position(place.index, self.passed)?;
        let mut reader = self.old.reader(place.body);
        let count = reader.body::<H>(self.old.level())?.count();
        let length = (reader.position() - place.body) as u64;
        self.passed = (place.index + 1, reader.position());
        self.sum.count -= count;
        self.sum.weight -= step_weight(step.as_bytes().len()) + length;
        let Some(body) = body else {
            if matches!(self.last, Last::Old)
                && let Some(before) = self.next.checked_sub(1)
            {
                self.last = Last::OldAt(before);
            }
            self.next += 1;
            return Ok(());
        };
        self.add(step, body);
        if self.is_in_step() && self.fits() {
            self.encoder.raw(self.old.bytes(start..place.body), true);
        } else {
            let last = self.last_step()?.into_owned();
            self.encoder.step(&last, step.as_bytes());
        }
        self.encoder.body(body);
        (self.next, self.last) = (self.next + 1, Last::Old);
        Ok(())
    }

    /// Puts an item that comes next after the old one at a place, or before them all.
    fn insert(&mut self, place: Option<&Place>, step: Step, body: &Body<H>) -> Result<()> {
        let mut common = 0;
        if let Some(place) = place {
            let mut reader = self.old.reader(place.body);
            reader.skip_body::<H>(self.old.level())?;
            self.passed = (place.index + 1, reader.position());
            self.copy_to(place.index + 1)?;
            common = place.common;
        }
        self.add(&step, body);
        if matches!(self.last, Last::Old) {
            self.encoder.step_like_last(common, step.as_bytes());
        } else {
            let last = self.last_step()?.into_owned();
            self.encoder.step(&last, step.as_bytes());
        }
        self.encoder.body(body);
        self.last = Last::New(step);
        Ok(())
    }

    fn add(&mut self, step: &Step, body: &Body<H>) {
        self.sum.count += body.count();
        self.sum.weight += step_weight(step.as_bytes().len()) + body.weight();
        self.sum.has_links |= body.is_link();
        self.sum.has_names |= body.is_name();
    }

    /// Puts the next old item, which the walk has come to.
    fn put_old(&mut self, walk: &Walk<'_, H>) -> Result<()> {
        let last = self.last_step()?.into_owned();
        self.put_behind(&last, walk);
        Ok(())
    }

    fn put_behind(&mut self, last: &[u8], walk: &Walk<'_, H>) {
        self.encoder.step(last, walk.step());
        self.encoder.raw(self.old.bytes(walk.body_position()..walk.position()), false);
        (self.next, self.last) = (self.next + 1, Last::Old);
    }

    /// Returns whether the same items are written in full as before.
    fn is_in_step(&self) -> bool {
        self.encoder.len() % RESTART_EVERY == self.next % RESTART_EVERY
    }

    /// Returns whether the next old item can be copied, if the blocks are in step.
    fn fits(&self) -> bool {
        matches!(self.last, Last::Old) || self.encoder.is_at_restart()
    }

    /// Returns the step that was put last, or nothing if that does not matter.
    fn last_step(&self) -> Result<Cow<'_, [u8]>> {
        let index = match &self.last {
            _ if self.encoder.is_at_restart() => return Ok(Cow::Borrowed(&[])),
            Last::New(step) => return Ok(Cow::Borrowed(step.as_bytes())),
            Last::OldAt(index) => *index,
            Last::Old => self.next.saturating_sub(1),
        };
        let mut walk = Walk::from(self.old, index)?;
        walk.advance()?;
        Ok(Cow::Owned(walk.step().to_vec()))
    }
}
