//! Edits that are made once more on another tree, where what they change is as it was.
//!
//! It is the short way of a three-way merge: a step at which our side has what the ancestor had takes what
//! their side has. No directory of their side needs to be hashed for that, and nothing is read but the
//! way to what was edited.

use std::sync::Arc;

use ramus_core::{Path, Result, Step};

use super::Tree;
use super::dir::{Dir, Edited, Node};
use crate::Schema;
use crate::directory::Entry;

/// Returns our tree with the edits of theirs, which are edits of the directory `ancestor`, if ours has what
/// that had wherever they changed something; otherwise it takes a merge.
pub(crate) async fn replay<S: Schema>(
    ancestor: &S::Hash,
    ours: &Tree<S>,
    theirs: &Tree<S>,
) -> Result<Option<Tree<S>>> {
    let Dir::Edited(root) = &theirs.root else { return Ok(None) };
    // A tree that was put in place of the whole has another base.
    if root.base().is_none_or(|base| base.hash != *ancestor) {
        return Ok(None);
    }
    let mut replayed = ours.clone();
    replayed.share(theirs);
    let mut open: Vec<(Vec<Step>, &Arc<Edited<S>>)> = vec![(Vec::new(), root)];
    while let Some((above, directory)) = open.pop() {
        for (step, edit) in directory.edits() {
            let mut steps = above.clone();
            steps.push(step.clone());
            let path: Path = steps.iter().cloned().collect();
            let found = replayed.locate(&path).await?;
            let has = found.node.as_ref().map(Node::known_entry);
            // Only what is stored can be compared, and what is in the way is for a merge to say.
            let unchanged = match &has {
                None => edit.was().is_none() && !found.is_blocked(),
                Some(has) => has.is_some() && has.as_ref() == edit.was(),
            };
            match &edit.node {
                Some(node) if unchanged && found.fits(node) => replayed.put(found, node.clone()),
                None if unchanged => replayed.cut(found),
                Some(Node::Directory(Dir::Edited(child)))
                    if is_base_of(edit.was(), child) && is_directory(has.as_ref()) =>
                {
                    open.push((steps, child));
                }
                _ => return Ok(None),
            }
        }
    }
    Ok(Some(replayed))
}

fn is_base_of<S: Schema>(was: Option<&Entry<S::Hash>>, edited: &Edited<S>) -> bool {
    match (was, edited.base()) {
        (Some(Entry::Directory { hash }), Some(base)) => *hash == base.hash,
        _ => false,
    }
}

/// Returns whether this is the entry of a directory. One that was edited already has none yet.
fn is_directory<H>(has: Option<&Option<Entry<H>>>) -> bool {
    matches!(has, Some(None | Some(Entry::Directory { .. })))
}
