use std::borrow::Cow;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use ramus_core::{AtomicWrite as _, ErrorKind, Key, Limits, ReadOnly as _, Result, Update};
use ramus_mem::MemRefs;

#[tokio::test]
async fn a_closed_store_answers_closed_also_to_an_update_over_the_limits() {
    let refs = MemRefs::<String, u64>::default();
    let large =
        Update::new(refs.position().await.unwrap()).with_note(vec![0; Limits::NOTE_MAX + 1]);
    assert_eq!(refs.update(large.clone()).await.unwrap_err().kind(), ErrorKind::Limit);
    refs.close().await.unwrap();
    assert_eq!(refs.update(large).await.unwrap_err().kind(), ErrorKind::Closed);
}

thread_local! {
    /// How many clones of a [`Fragile`] succeed before one panics.
    static CLONES_LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A key whose clone panics on command.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Fragile(String);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if let Some(left) = CLONES_LEFT.get() {
            CLONES_LEFT.set(Some(left.checked_sub(1).expect("a clone that panics on command")));
        }
        Self(self.0.clone())
    }
}

impl Key for Fragile {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        String::from_bytes(bytes).map(Self)
    }
}

#[tokio::test]
async fn a_key_that_panics_leaves_nothing_half_changed() {
    let keys = || ["a", "b", "c"].map(|key| Fragile(key.to_owned()));
    let mut panics = 0;
    loop {
        let refs = MemRefs::<Fragile, u64>::default();
        let begin = refs.position().await.unwrap();
        let update = keys().into_iter().fold(Update::new(begin), |update, key| update.set(key, 1));
        CLONES_LEFT.set(Some(panics));
        let updated = AssertUnwindSafe(refs.update(update)).catch_unwind().await;
        CLONES_LEFT.set(None);

        let end = refs.position().await.unwrap();
        let found = refs.find_many(&keys()).await.unwrap();
        if updated.is_ok() {
            assert_eq!((found, end.sequence), (vec![Some(1); 3], 1));
            break;
        }
        assert_eq!((found, end.sequence), (vec![None; 3], 0), "after {panics} clones");
        panics += 1;
    }
    assert!(panics > 1, "a panic came in the midst of the update");
}
