//! The short ways of reads and edits, for what is kept: they come to what the long ones come to.

use ramus_core::erased::Backend;
use ramus_core::{Error, ErrorKind, Sha1};
use ramus_kv::{Conflicts, Kv, Merged, Repo, Resolution, Store};
use ramus_mem::Mem;

use crate::mode::{Files, Mode};

type Texts = Kv<String>;

#[tokio::test]
async fn the_last_step_of_a_wide_directory_is_put_anew_and_not_beside_itself() {
    const COUNT: u64 = 2000;
    let repo = Repo::<Files>::new(Backend::new(Mem::default()));
    let mut tree = repo.empty_tree();
    for number in 0..COUNT {
        let path = format!("wide/{number:04}");
        tree.set_with_metadata(path, "some text", Mode(3)).await.unwrap();
    }
    let main = repo.main().await.unwrap();
    main.set_tree("", &tree, "fill").await.unwrap().unwrap();

    let mut stored = main.tree().await.unwrap();
    let before = stored.hash().await.unwrap();
    // From here on the directory has an edit, and what is put into it takes the short way.
    stored.set("wide/0000x", "new").await.unwrap();
    stored.set("wide/1999", "some text").await.unwrap();
    assert_eq!(stored.len("wide").await.unwrap(), COUNT + 1);
    stored.remove("wide/0000x").await.unwrap();
    assert_eq!(stored.hash().await.unwrap(), before, "the other one was there already");
    stored.set("wide/0000x", "new").await.unwrap();
    stored.set("wide/1999", "other text").await.unwrap();
    stored.set("wide/1999", "third text").await.unwrap();
    let found = stored.find_with_metadata("wide/1999").await.unwrap();
    assert_eq!(found, Some(("third text".to_owned(), Mode(3))), "metadata stay");
    stored.set("wide/1999x", "behind it").await.unwrap();
    assert_eq!(stored.len("wide").await.unwrap(), COUNT + 2);
    assert_eq!(stored.list("wide").await.unwrap().len() as u64, COUNT + 2);
}

/// Returns a branch with stored conflicts at `x` and at `d/e/x`, beside which lies `d/e/y`.
async fn with_conflicts(backend: &Backend<Sha1>) -> Store<Texts> {
    let main = Repo::<Texts>::new(backend.clone()).main().await.expect("a branch");
    for path in ["x", "d/e/x", "d/e/y"] {
        main.set(path, "old", "fill").await.expect("it is set");
    }
    let draft = main.fork("draft").await.expect("another branch");
    for (store, value) in [(&main, "ours"), (&draft, "theirs")] {
        for path in ["x", "d/e/x"] {
            store.set(path, value, "change").await.expect("it is set");
        }
    }
    let Merged::Conflicts(mut unmerged) = main.merge(&draft, "merge").await.expect("a merge")
    else {
        panic!("both changed the same");
    };
    assert_eq!(unmerged.resolve_each(|_| Some(Resolution::Later)), 0);
    main.commit_merge(&unmerged, "merge, to be resolved").await.expect("a commit");
    main
}

#[track_caller]
fn names(error: &Error, conflict: &str, asked: &str) {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{asked}: {error}");
    let says = format!("`{conflict}` holds a conflict");
    assert!(error.to_string().starts_with(&says), "{asked}: {error}");
    let source = std::error::Error::source(error).expect("a source");
    let conflicts = source.downcast_ref::<Conflicts<Texts>>().expect("the conflicts");
    assert_eq!(conflicts.iter().next().expect("one").path.to_string(), conflict, "{asked}");
}

#[tokio::test]
async fn a_stored_conflict_is_told_where_it_is_whether_its_blocks_are_kept_or_not() {
    let backend = Backend::new(Mem::<Sha1>::default());
    let written = with_conflicts(&backend).await;
    // Of the second one nothing is kept, until it was read.
    let read = Repo::<Texts>::new(backend.clone()).main().await.unwrap();
    for main in [&written, &read, &read] {
        let tree = main.tree().await.unwrap();
        for (conflict, below) in
            [("x", ""), ("x", "/y"), ("x", "/y/z"), ("d/e/x", ""), ("d/e/x", "/y/z")]
        {
            let path = format!("{conflict}{below}");
            names(&main.find(&path).await.unwrap_err(), conflict, &path);
            names(&tree.find(&path).await.unwrap_err(), conflict, &path);
            names(&tree.mem(&path).await.unwrap_err(), conflict, &path);
            names(&tree.find_tree(&path).await.unwrap_err(), conflict, &path);
            let mut edited = tree.clone();
            edited.set("d/e/new", "value").await.unwrap();
            names(&edited.set(&path, "value").await.unwrap_err(), conflict, &path);
        }
        // Beside them everything is as it was.
        assert_eq!(main.find("d/e/y").await.unwrap().as_deref(), Some("old"));
        for nothing in ["", "d", "d/e", "d/e/y/z", "d/e/w", "w"] {
            assert_eq!(main.find(nothing).await.unwrap(), None, "{nothing}");
            assert_eq!(tree.find(nothing).await.unwrap(), None, "{nothing}");
        }
    }
}

#[tokio::test]
async fn a_head_that_another_repository_moved_is_read_at_once() {
    let backend = Backend::new(Mem::<Sha1>::default());
    let [here, there] = [0, 1].map(|_| Repo::<Texts>::new(backend.clone()));
    let (ours, theirs) = (here.main().await.unwrap(), there.main().await.unwrap());
    let first = ours.set("x", "1", "first").await.unwrap().unwrap();
    for number in 2..5 {
        let before = ours.find("x").await.unwrap();
        assert_eq!(before, Some((number - 1).to_string()), "the head is kept from here on");
        theirs.set("x", number.to_string(), "next").await.unwrap().unwrap();
        assert_eq!(ours.find("x").await.unwrap(), Some(number.to_string()));
    }
    let back = there.commit(&first.hash()).await.unwrap().unwrap();
    theirs.set_head(&back).await.unwrap();
    assert_eq!(ours.find("x").await.unwrap().as_deref(), Some("1"), "back to where it was");
    assert!(there.remove_branch("main").await.unwrap());
    assert_eq!(ours.find("x").await.unwrap(), None, "there is no head any more");
}
