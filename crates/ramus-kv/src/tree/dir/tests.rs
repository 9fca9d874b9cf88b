use std::cell::Cell;
use std::ops::Range;

use futures::FutureExt as _;
use ramus_core::Result;
use ramus_core::erased::Backend;
use ramus_mem::Mem;

use crate::{Kv, Repo, Tree};

thread_local! {
    static COPIES: Cell<usize> = const { Cell::new(0) };
}

/// Counts a copy of an edited directory, on this thread.
pub(super) fn note_copy() {
    COPIES.set(COPIES.get() + 1);
}

/// Returns how many edited directories were copied since this was asked last.
fn copies() -> usize {
    COPIES.take()
}

fn new_tree() -> Tree<Kv<String>> {
    Repo::new(Backend::new(Mem::default())).empty_tree()
}

async fn edit(tree: &mut Tree<Kv<String>>, numbers: Range<usize>) -> Result<()> {
    for number in numbers {
        tree.set(format!("a/dir/{number}"), "x").await?;
        tree.rename(format!("a/dir/{number}"), format!("a/dir/new{number}")).await?;
        tree.set(format!("a/dir/new{number}"), "y").await?;
        tree.update(format!("a/dir/new{number}"), |_| Some("z".to_owned())).await?;
        if number % 2 == 0 {
            tree.remove(format!("a/dir/new{number}")).await?;
        }
    }
    Ok(())
}

/// Does something that has to wait for nothing, so on this thread.
fn at_once<T>(work: impl Future<Output = Result<T>>) -> T {
    work.now_or_never().expect("nothing has to be waited for").expect("memory answers")
}

#[test]
fn edits_of_one_tree_copy_no_directory() {
    let mut tree = new_tree();
    at_once(edit(&mut tree, 0..1000));
    assert_eq!(copies(), 0);
    assert_eq!(at_once(tree.len("a/dir")), 500);
    at_once(edit(&mut tree, 1000..2000));
    assert_eq!(copies(), 0, "also of those that are there already");
}

#[test]
fn an_edit_of_a_clone_copies_the_way_there_once() {
    let mut tree = new_tree();
    at_once(edit(&mut tree, 0..100));
    at_once(tree.set("beside/x", "x"));
    let mut clone = tree.clone();
    assert_eq!(copies(), 0, "a clone alone copies nothing");
    at_once(clone.set("a/dir/x", "x"));
    assert_eq!(copies(), 3, "the root, and two below");
    at_once(edit(&mut clone, 100..200));
    assert_eq!(copies(), 0);
    assert_eq!((at_once(tree.len("a/dir")), at_once(clone.len("a/dir"))), (50, 101));
}
