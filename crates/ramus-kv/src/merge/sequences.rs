//! Rules for text and other sequences. Another crate finds what differs and what meets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, MergeRegion, MergeResolution, TextMerge};

use super::{disagreement, whole};
use crate::Conflict;

/// Merges a text line by line: the lines that both sides changed, each in its place.
///
/// A line ends with its line end. What is a conflict, and what is not, is that of a
/// [`sequence`] of lines; the place of a conflict is the first line of ours.
///
/// ```
/// use ramus_kv::merge;
///
/// let before = "milk\nbread\neggs\n".to_owned();
/// let ours = "oat milk\nbread\neggs\n".to_owned();
/// let theirs = "milk\nbread\neggs\ntea\n".to_owned();
/// let merged = merge::lines(Some(&before), &ours, &theirs);
/// assert_eq!(merged.as_deref(), Ok("oat milk\nbread\neggs\ntea\n"));
///
/// let theirs = "soy milk\nbread\neggs\n".to_owned();
/// let conflict = merge::lines(Some(&before), &ours, &theirs).unwrap_err();
/// assert_eq!(conflict.to_string(), "at line 1: both sides changed it, and differently");
/// ```
///
/// # Errors
///
/// The conflict, if both sides changed the same lines, or lines side by side.
pub fn lines(
    ancestor: Option<&String>,
    ours: &String,
    theirs: &String,
) -> Result<String, Conflict> {
    let before = match agreed(ancestor, ours, theirs)? {
        Agreed::On(merged) => return Ok(merged),
        Agreed::From(before) => before,
    };
    let merge = merge_lines(before, ours, theirs);
    let mut merged = String::with_capacity(ours.len().max(theirs.len()));
    for region in merge.regions() {
        let (side, range) = taken(region).map_err(|conflict| at_line(&conflict, region))?;
        for index in range {
            let line = match side {
                Side::Ours => merge.ours_line(index),
                Side::Theirs => merge.theirs_line(index),
            };
            merged.push_str(line.unwrap_or_default());
        }
    }
    Ok(merged)
}

/// Merges a sequence: the runs of items that both sides changed, each in its place.
///
/// An item has no name, only a place among the others, so this is sound only as far as the places
/// are certain:
///
/// - What a side changed are runs of the ancestor's items that it replaced by others: by nothing
///   where it removed them, and none by something where it inserted. Which runs these are is for a
///   diff to find. It finds few, and the same ones every time.
/// - Runs of both sides that overlap or touch are a conflict, unless both replaced the same items by
///   the same. So two changes merge only if between them lies an item that both sides kept; and two
///   insertions at one place do not merge, since nobody said which comes first.
/// - An item that was moved was removed and inserted. If both sides moved it, to places far apart, it
///   is there twice. Where that must not happen, take a [`set`](super::set()), or a
///   [`map`](super::map()) of items by name.
///
/// ```
/// use ramus_kv::merge;
///
/// let before = vec![1, 2, 3, 4];
/// let merged = merge::sequence(Some(&before), &vec![1, 3, 4], &vec![1, 2, 3, 4, 5]);
/// assert_eq!(merged, Ok(vec![1, 3, 4, 5]));
/// assert!(merge::sequence(Some(&before), &vec![1, 2, 9, 4], &vec![1, 7, 3, 4]).is_err());
/// ```
///
/// # Errors
///
/// The conflict, at the place in ours where it begins.
pub fn sequence<T: Clone + Ord>(
    ancestor: Option<&Vec<T>>,
    ours: &Vec<T>,
    theirs: &Vec<T>,
) -> Result<Vec<T>, Conflict> {
    let before = match agreed(ancestor, ours, theirs)? {
        Agreed::On(merged) => return Ok(merged),
        Agreed::From(before) => before,
    };
    // Equal items are equal lines.
    let mut numbers = BTreeMap::new();
    let [before, our_lines, their_lines] =
        [before, ours, theirs].map(|items| numbered(&mut numbers, items));
    let merge = merge_lines(&before, &our_lines, &their_lines);
    let mut merged = Vec::with_capacity(ours.len().max(theirs.len()));
    for region in merge.regions() {
        let (side, range) = taken(region)
            .map_err(|conflict| conflict.at(format_args!("[{}]", region.ours_range().start)))?;
        let items = match side {
            Side::Ours => ours.get(range),
            Side::Theirs => theirs.get(range),
        };
        merged.extend_from_slice(items.unwrap_or_default());
    }
    Ok(merged)
}

/// What is known before anything is compared item by item.
enum Agreed<'a, T> {
    /// One side stands, or both are the same.
    On(T),
    /// Both changed this.
    From(&'a T),
}

fn agreed<'a, T: Clone + PartialEq>(
    ancestor: Option<&'a T>,
    ours: &T,
    theirs: &T,
) -> Result<Agreed<'a, T>, Conflict> {
    if let Ok(Some(merged)) = whole(ancestor, Some(ours), Some(theirs)) {
        return Ok(Agreed::On(merged));
    }
    let nothing = || disagreement(ancestor, Some(ours), Some(theirs));
    ancestor.map(Agreed::From).ok_or_else(nothing)
}

fn merge_lines<'a>(before: &'a str, ours: &'a str, theirs: &'a str) -> TextMerge<'a, 'a, 'a, str> {
    // Of the algorithms this one takes bounded time, whatever the text.
    TextMerge::configure().algorithm(Algorithm::Myers).merge_lines(before, ours, theirs)
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    Theirs,
}

/// Returns which lines a region of the merge takes.
fn taken(region: &MergeRegion) -> Result<(Side, Range<usize>), Conflict> {
    match region.resolution() {
        MergeResolution::Theirs => Ok((Side::Theirs, region.theirs_range())),
        MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => {
            Ok((Side::Ours, region.ours_range()))
        }
        _ => Err(Conflict::new("both sides changed it, and differently")),
    }
}

fn at_line(conflict: &Conflict, region: &MergeRegion) -> Conflict {
    conflict.at(format_args!("line {}", region.ours_range().start + 1))
}

/// Returns the items as lines, one number each, the same for those that are equal.
fn numbered<'a, T: Ord>(numbers: &mut BTreeMap<&'a T, usize>, items: &'a [T]) -> String {
    let mut lines = String::new();
    for item in items {
        let next = numbers.len();
        let number = numbers.entry(item).or_insert(next);
        writeln!(lines, "{number}").expect("text grows without failure");
    }
    lines
}
