//! What the laws share.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use ramus_core::{
    AtomicWrite, Change, Changes, Cursor, ErrorKind, Key, Notice, Outcome, Page, ReadOnly as _,
    Refusal, Result, Subscription, Update, Value,
};

use crate::{RefsSubject, SAMPLES};

/// How long a law waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must come.
pub(super) async fn comes<F: Future>(what: &str, future: F) -> F::Output {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Returns the kind of the error that an operation must give.
pub(super) fn refusal_kind<T: Debug>(answer: Result<T>, what: &str) -> ErrorKind {
    match answer {
        Err(error) => error.kind(),
        Ok(value) => panic!("{what} has to fail, and answered {value:?}"),
    }
}

/// Fails unless the operation answers that the store is closed.
pub(super) fn assert_closed<T: Debug>(answer: Result<T>, what: &str) {
    assert_eq!(refusal_kind(answer, what), ErrorKind::Closed, "{what} of a closed store");
}

/// Returns an update of nothing yet, that has seen what the store tells.
pub(super) async fn begin<S: AtomicWrite>(store: &S) -> Update<S::Key, S::Value> {
    Update::new(store.position().await.expect("position"))
}

/// Applies an update that must be applied, and returns its place.
pub(super) async fn apply<S: AtomicWrite>(store: &S, update: Update<S::Key, S::Value>) -> Cursor {
    match store.update(update).await.expect("update") {
        Outcome::Applied(at) => at,
        Outcome::Refused(refusal) => panic!("an update that must be applied: {refusal:?}"),
    }
}

/// Sends an update that must be refused, and returns why it was.
pub(super) async fn refuse<S: AtomicWrite>(
    store: &S,
    update: Update<S::Key, S::Value>,
) -> Refusal<S::Key, S::Value> {
    match store.update(update).await.expect("update") {
        Outcome::Applied(at) => panic!("an update that must be refused was applied at {at}"),
        Outcome::Refused(refusal) => refusal,
    }
}

/// Sets one key in an update of its own.
pub(super) async fn set<S: AtomicWrite>(store: &S, key: S::Key, value: S::Value) -> Cursor {
    let update = begin(store).await.set(key, value);
    apply(store, update).await
}

/// Removes one key in an update of its own.
pub(super) async fn remove<S: AtomicWrite>(store: &S, key: S::Key) -> Cursor {
    let update = begin(store).await.remove(key);
    apply(store, update).await
}

/// Makes as many changes of one key, and returns their places.
pub(super) async fn write<S: RefsSubject>(
    store: &S::Refs,
    subject: &S,
    key: usize,
    changes: usize,
) -> Vec<Cursor> {
    let mut places = Vec::with_capacity(changes);
    for number in 0..changes {
        // The values of one key differ from change to change, also across calls.
        let found = store.find(&subject.key(key)).await.expect("find");
        let [one, other] = [0, 1].map(|at| subject.value((number + at) % SAMPLES));
        let value = if found.as_ref() == Some(&one) { other } else { one };
        places.push(set(store, subject.key(key), value).await);
    }
    places
}

/// Returns the page after a cursor that the log goes on from.
pub(super) async fn page<S: AtomicWrite>(
    store: &S,
    after: Cursor,
    limit: usize,
) -> Page<S::Key, S::Value> {
    match store.changes(after, limit).await.expect("changes") {
        Changes::Page(page) => page,
        Changes::Truncated { oldest } => {
            panic!("the log has to go on from {after}, and is truncated before {oldest}")
        }
    }
}

/// Returns every change after a cursor that the log goes on from, read by pages.
pub(super) async fn changes<S: AtomicWrite>(
    store: &S,
    after: Cursor,
) -> Vec<Arc<Change<S::Key, S::Value>>> {
    const PAGE: usize = 64;
    let (mut cursor, mut all) = (after, Vec::new());
    loop {
        let page = page(store, cursor, PAGE).await;
        all.extend_from_slice(&page.changes);
        if page.is_last() {
            return all;
        }
        assert_ne!(page.next, cursor, "a page that is not the last has to lead on");
        cursor = page.next;
    }
}

/// Returns the last change after a cursor, which must be there.
pub(super) async fn last_change<S: AtomicWrite>(
    store: &S,
    after: Cursor,
) -> Arc<Change<S::Key, S::Value>> {
    changes(store, after).await.pop().expect("a record")
}

/// Returns the next change that a subscription tells of, or nothing if it lagged.
///
/// A store may always say that it lagged; what it must not do is to say something wrong.
pub(super) async fn noticed<K: Key, V: Value>(
    subscription: &mut Subscription<K, V>,
) -> Option<Arc<Change<K, V>>> {
    let next = comes("a notice", subscription.next()).await;
    match next.expect("a subscription ends only when its store is closed") {
        Notice::Change(change) => Some(change),
        Notice::Lagged => None,
    }
}

/// Returns the next changes that a subscription tells of, in the order of their places, or nothing
/// if it lagged.
pub(super) async fn told<K: Key, V: Value>(
    subscription: &mut Subscription<K, V>,
    many: usize,
) -> Option<Vec<Arc<Change<K, V>>>> {
    let mut told = Vec::new();
    while told.len() < many {
        told.push(noticed(subscription).await?);
    }
    told.sort_by_key(|change| change.cursor.sequence);
    Some(told)
}
