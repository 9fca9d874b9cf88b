//! Edits of a directory in one pass, level by level.
//!
//! On each level the blocks that edits fall into are taken in, edited, and cut again where the rule
//! asks for it; then blocks that have become too light for their boundary are joined. What changed on
//! a level is the list of edits of the level above. Between the blocks that were taken in lie
//! *holes*: blocks that nothing changed and nothing looked at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ramus_core::{Error, Hash, Result, Step};

use super::Nodes;
use super::blocks::Blocks;
use super::build::{Built, build, build_by};
use super::dir_block::DirBlock;
use super::item::{Body, Child, Item};
use super::rule::{End, Gap, WEIGHT_MAX, cut};
use super::slot::{Content, Hole, Slot, Unnamed, items_of, pieces};
use super::splice::Spliced;
use crate::crew::Crew;

/// What shall become of steps of a level, in their order and of each once: a new item, or none.
pub(crate) type Edits<H> = Vec<Edit<H>>;

pub(crate) type Edit<H> = (Step, Option<Body<H>>);

/// Returns the directory that this one becomes by edits.
pub(crate) async fn edit<H: Hash>(
    nodes: &impl Nodes<H>,
    root: &Arc<DirBlock<H>>,
    mut edits: Edits<H>,
) -> Result<Built<H>> {
    let mut made: Vec<(H, Arc<DirBlock<H>>)> = Vec::new();
    for level in 0..root.level() {
        let row = Row {
            nodes,
            root,
            level,
            edits: VecDeque::from(edits),
            slots: Vec::new(),
            right: None,
            taken: BTreeMap::new(),
        };
        let (above, new) = row.run().await?;
        made.extend(new);
        edits = above;
    }
    let mut built = edit_root(nodes.crew(), root, edits).await?;
    if built.root.count() == 0 {
        return Ok(built);
    }
    made.append(&mut built.below);
    built.below = made;
    lower_root(nodes, &mut built).await?;
    Ok(built)
}

/// Returns what a directory of one leaf becomes by edits, or what the edits make of nothing; on the
/// spot, since nothing has to be read for it.
pub(crate) fn edit_leaf<H: Hash>(
    root: Option<&DirBlock<H>>,
    edits: impl AsRef<[Edit<H>]> + IntoIterator<Item = Edit<H>>,
) -> Result<Built<H>> {
    let Some(root) = root else { return Ok(build(0, overlay(Vec::new(), edits))) };
    match splice_root(root, edits.as_ref())? {
        Some(built) => Ok(built),
        None => Ok(build(0, overlay(root.items()?, edits))),
    }
}

/// Returns what a root block becomes by edits of its level.
async fn edit_root<H: Hash>(crew: Crew, root: &DirBlock<H>, edits: Edits<H>) -> Result<Built<H>> {
    if let Some(built) = splice_root(root, &edits)? {
        return Ok(built);
    }
    let items = overlay(root.items()?, edits);
    let level = if items.is_empty() { 0 } else { root.level() };
    build_by(crew, level, items).await
}

/// Returns what a root block becomes by edits of its level, if they are few and it stays one block.
fn splice_root<H: Hash>(root: &DirBlock<H>, edits: &[Edit<H>]) -> Result<Option<Built<H>>> {
    if !root.is_spliced_by(edits) {
        return Ok(None);
    }
    let block = root.splice(edits)?.block;
    let is_root = block.is_light() && block.len() > 0;
    Ok(is_root.then(|| Built::of_root(block, Vec::new())))
}

/// The directory ends at the first level that is one block: a root with a single child is none.
async fn lower_root<H: Hash>(nodes: &impl Nodes<H>, built: &mut Built<H>) -> Result<()> {
    while built.root.level() > 0 && built.root.len() == 1 {
        let Body::Child(Child { hash, .. }) = built.root.item(0)?.body else {
            return Err(Error::corrupt("an index block has no children"));
        };
        let made = built.below.iter().position(|(name, _)| *name == hash);
        built.root = match made {
            Some(index) => built.below.remove(index).1,
            None => nodes.node(&hash).await?,
        };
        built.hash = hash;
    }
    Ok(())
}

struct Row<'a, H, N> {
    nodes: &'a N,
    root: &'a Arc<DirBlock<H>>,
    level: u8,
    /// Those that are not applied yet.
    edits: VecDeque<(Step, Option<Body<H>>)>,
    /// What was taken in, in order.
    slots: Vec<Slot<H>>,
    /// The block behind the last slot; nothing at the end of the level, or before the first slot.
    right: Option<Blocks<H>>,
    /// The blocks that were taken in, by their first steps as they were.
    taken: BTreeMap<Step, Child<H>>,
}

/// A block with its edits, before it was looked at where it is to be cut.
struct Fresh {
    /// Steps whose gaps were not gaps inside the block before.
    gaps: Vec<Step>,
    /// Whether it begins with another step than before, or with none.
    first_changed: bool,
}

type Changed<H> = (Edits<H>, Vec<(H, Arc<DirBlock<H>>)>);

impl<H: Hash, N: Nodes<H>> Row<'_, H, N> {
    async fn run(mut self) -> Result<Changed<H>> {
        while let Some((step, _)) = self.edits.front() {
            let step = step.clone();
            let is_next = match &self.right {
                Some(right) if right.first <= step => {
                    let behind = right.next(self.nodes).await?;
                    behind.is_none_or(|behind| step < behind.first)
                }
                _ => false,
            };
            let place = match self.right.take() {
                Some(right) if is_next => right,
                _ => Blocks::locate(self.nodes, self.root, self.level, step.as_bytes()).await?,
            };
            self.take_in(place, !is_next).await?;
        }
        self.finish().await
    }

    /// Takes in a block that edits fall into, and sees to it that the rule holds around it.
    async fn take_in(&mut self, place: Blocks<H>, behind_a_hole: bool) -> Result<()> {
        let old = place.load(self.nodes).await?;
        self.taken.insert(place.first.clone(), place.child);
        let is_last_edit = behind_a_hole && self.edits.len() == 1;
        if !is_last_edit {
            self.right = place.next(self.nodes).await?;
        }
        let inside = self.edits_before_right();
        let spliced = if old.is_spliced_by(&inside) { Some(old.splice(&inside)?) } else { None };
        let spliced = spliced.filter(Spliced::could_be_one);
        if is_last_edit {
            if let Some(spliced) = &spliced
                && spliced.added.is_empty()
                && spliced.block.weight() >= old.weight()
            {
                // Every gap and boundary is as it was, so nobody asks what lies around.
                self.slots.push(Slot::of_block(place.first, &spliced.block, None));
                return Ok(());
            }
            self.right = place.next(self.nodes).await?;
        }
        let hole = if behind_a_hole { self.hole_before(&place).await? } else { None };
        if let Some(Spliced { block, added, .. }) = &spliced
            && self.stays_one(added, &place.first, hole.is_some())
        {
            let index = self.slots.len();
            self.slots.push(Slot::of_block(place.first, block, hole));
            // A block that is no lighter is not joined, unless for what became of the one before.
            return if behind_a_hole && block.weight() >= old.weight() {
                Ok(())
            } else {
                self.join_around(index, index + 1).await
            };
        }
        let old = old.items()?;
        let fresh = fresh(&old, &inside);
        let items = overlay(old, inside);
        let first = items.first().map_or(place.first, |item| item.step.clone());
        self.slots.push(Slot::of_items(first, items, hole));
        self.cut_last(fresh).await
    }

    /// Takes the edits that do not fall behind the block that was taken in last.
    fn edits_before_right(&mut self) -> Edits<H> {
        let count = match &self.right {
            Some(right) => self.edits.partition_point(|(step, _)| *step < right.first),
            None => self.edits.len(),
        };
        self.edits.drain(..count).collect()
    }

    /// Returns whether the rule cuts none of the gaps that were added to a light block, which is about
    /// to be the last slot.
    fn stays_one(&self, added: &[Step], first: &Step, has_hole: bool) -> bool {
        if added.is_empty() {
            return true;
        }
        let is_first = self.slots.is_empty() && !has_hole;
        let left = if is_first { End::OfLevel } else { End::Boundary(self.gap(first)) };
        let right = self.end_behind(self.slots.len());
        !added.iter().any(|step| self.gap(step).is_above_either(&left, &right))
    }

    /// Cuts the last slot as the rule asks for, and joins around it.
    async fn cut_last(&mut self, fresh: Fresh) -> Result<()> {
        let mut index = self.slots.len() - 1;
        let mut must_cut = false;
        if fresh.first_changed {
            index = self.fill_left(index).await?;
            if index > 0 {
                index = self.join(index).await?;
                must_cut = true;
            }
        }
        let slot = self.slots.remove(index);
        let items = items_of(self.nodes, &slot.content).await?;
        if items.is_empty() {
            // The block behind it is the first of the level now.
            return self.join_around(index, index + 1).await;
        }
        let (left, right) = (self.end_before(index, &slot), self.end_behind(index));
        let is_one = !must_cut
            && slot.weight <= WEIGHT_MAX
            && !fresh.gaps.iter().any(|step| self.gap(step).is_above_either(&left, &right));
        let starts = if is_one { vec![0] } else { cut(self.level, &items, &left, &right) };
        let count = starts.len();
        let pieces = pieces(items, &starts, slot.hole);
        self.slots.splice(index..index, pieces);
        self.join_around(index, index + count).await
    }

    /// Joins what is too light, from the boundary before slot `low` to that before slot `high`.
    async fn join_around(&mut self, low: usize, high: usize) -> Result<()> {
        let (mut index, mut high) = (low, high);
        while index <= high {
            if index == self.slots.len() && !self.take_right().await? {
                return Ok(());
            }
            let filled = self.fill_left(index).await?;
            high += filled - index;
            index = filled;
            if index > 0 && self.is_too_light(index) {
                index = self.join(index).await?;
                high = (high - 1).max(index + 1);
            } else {
                index += 1;
            }
        }
        Ok(())
    }

    /// Takes in the block behind the last slot, unless edits fall into it: then it is looked at when
    /// its turn comes. Returns whether it did.
    async fn take_right(&mut self) -> Result<bool> {
        let Some(place) = self.right.take() else { return Ok(false) };
        let behind = place.next(self.nodes).await?;
        let first_edit = self.edits.front();
        let is_edited =
            first_edit.is_some_and(|(step, _)| behind.as_ref().is_none_or(|b| *step < b.first));
        if is_edited {
            self.right = Some(place);
            return Ok(false);
        }
        self.taken.insert(place.first.clone(), place.child);
        self.slots.push(Slot::kept(&place, None));
        self.right = behind;
        Ok(true)
    }

    /// Takes in the block before a slot, if a hole lies there; returns the slot's index after that.
    async fn fill_left(&mut self, index: usize) -> Result<usize> {
        let Some(hole) = self.slots.get_mut(index).and_then(|slot| slot.hole.take()) else {
            return Ok(index);
        };
        let Hole { last: place } = hole;
        let hole = self.hole_before(&place).await?;
        self.taken.insert(place.first.clone(), place.child);
        self.slots.insert(index, Slot::kept(&place, hole));
        Ok(index + 1)
    }

    /// Returns the hole before a block that was not taken in yet, if one is there.
    async fn hole_before(&self, place: &Blocks<H>) -> Result<Option<Hole<H>>> {
        let last = place.previous(self.nodes).await?;
        let last = last.filter(|last| !self.taken.contains_key(&last.first));
        Ok(last.map(|last| Hole { last }))
    }

    /// Returns whether the boundary before a slot is lower than those around it, and what it parts
    /// too light for it.
    fn is_too_light(&self, index: usize) -> bool {
        let (left, right) = (&self.slots[index - 1], &self.slots[index]);
        if left.weight + right.weight > WEIGHT_MAX {
            return false;
        }
        let boundary = End::Boundary(self.gap(&right.first));
        let before = self.end_before(index - 1, left);
        boundary < before && boundary < self.end_behind(index + 1)
    }

    /// Joins a slot to the one before it; returns the index of what they become.
    async fn join(&mut self, index: usize) -> Result<usize> {
        let right = self.slots.remove(index);
        let left = &mut self.slots[index - 1];
        let mut items = items_of(self.nodes, &left.content).await?;
        items.extend(items_of(self.nodes, &right.content).await?);
        left.weight += right.weight;
        left.content = Content::Items(items);
        Ok(index - 1)
    }

    /// Returns the end before a slot, which stands or would stand at an index.
    fn end_before(&self, index: usize, slot: &Slot<H>) -> End {
        if index == 0 && slot.hole.is_none() {
            End::OfLevel
        } else {
            End::Boundary(self.gap(&slot.first))
        }
    }

    /// Returns the end before the slot that stands at an index, or before what lies behind them all.
    fn end_behind(&self, index: usize) -> End {
        match (self.slots.get(index), &self.right) {
            (Some(slot), _) => End::Boundary(self.gap(&slot.first)),
            (None, Some(right)) => End::Boundary(self.gap(&right.first)),
            (None, None) => End::OfLevel,
        }
    }

    fn gap(&self, step: &Step) -> Gap {
        Gap::before::<H>(self.level, step)
    }

    /// Returns what changed on this level: the edits of the one above, and the new blocks.
    async fn finish(self) -> Result<Changed<H>> {
        let mut gone = self.taken;
        let mut jobs = Vec::with_capacity(self.slots.len());
        for slot in self.slots {
            match slot.content {
                Content::Kept(_) => drop(gone.remove(&slot.first)),
                Content::Block(block) => jobs.push(Unnamed::Block(slot.first, block)),
                Content::Items(items) => jobs.push(Unnamed::Items(items, slot.weight)),
            }
        }
        let level = self.level;
        let named = self.nodes.crew().map(jobs, Unnamed::worth, move |job| job.name(level)).await?;
        let (mut above, mut made) = (Edits::new(), Vec::with_capacity(named.len()));
        for (item, node) in named {
            let Body::Child(new) = &item.body else { continue };
            if gone.remove(&item.step) != Some(*new) {
                made.push((new.hash, node));
                above.push((item.step, Some(item.body)));
            }
        }
        if !gone.is_empty() {
            above.extend(gone.into_keys().map(|step| (step, None)));
            above.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        Ok((above, made))
    }
}

/// Says what is new about the gaps of a block by its edits.
fn fresh<H>(old: &[Item<H>], edits: &Edits<H>) -> Fresh {
    let is_old = |step: &Step| old.binary_search_by(|item| item.step.cmp(step)).is_ok();
    let added = edits.iter().filter(|(_, edit)| edit.is_some()).map(|(step, _)| step);
    let mut gaps: Vec<Step> = added.filter(|step| !is_old(step)).cloned().collect();
    let first = old.first().map(|item| &item.step);
    let removes = |sought: &Step| edits.iter().any(|(step, edit)| step == sought && edit.is_none());
    let stays = first.is_some_and(|first| !removes(first));
    let comes_first = first.is_some_and(|first| gaps.first().is_none_or(|gap| first < gap));
    if let (true, false, Some(first)) = (stays, comes_first, first) {
        gaps.push(first.clone());
    }
    Fresh { gaps, first_changed: !(stays && comes_first) }
}

/// Returns items with edits applied.
fn overlay<H>(items: Vec<Item<H>>, edits: impl IntoIterator<Item = Edit<H>>) -> Vec<Item<H>> {
    let edits = edits.into_iter();
    let mut merged = Vec::with_capacity(items.len() + edits.size_hint().0);
    let mut items = items.into_iter().peekable();
    for (step, edit) in edits {
        while let Some(item) = items.next_if(|item| item.step < step) {
            merged.push(item);
        }
        items.next_if(|item| item.step == step);
        merged.extend(edit.map(|body| Item { step, body }));
    }
    merged.extend(items);
    merged
}
