//! The laws of [`snapshot`](ramus_core::AtomicWrite::snapshot).

use ramus_core::{AtomicWrite, Key as _};

use super::support::{apply, begin, changes, remove, set};
use crate::RefsSubject;

/// A snapshot of the empty prefix holds every entry.
pub async fn a_snapshot_holds_every_entry<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    let entries = entries(&store, b"").await;
    let mut wanted: Vec<_> = (0..ENTRIES).map(|n| (subject.key(n), subject.value(n))).collect();
    assert_eq!(entries.len(), wanted.len());
    wanted.retain(|entry| !entries.contains(entry));
    assert_eq!(wanted, [], "entries that the snapshot lacks");
}

/// A snapshot is in key order.
pub async fn a_snapshot_is_in_key_order<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    let entries = entries(&store, b"").await;
    assert!(entries.is_sorted_by(|one, next| one.0 < next.0), "out of order: {entries:?}");
}

/// A snapshot of an empty store holds nothing.
pub async fn a_snapshot_of_an_empty_store_is_empty<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    assert_eq!(entries(&store, b"").await, []);
}

/// A snapshot leaves out what was removed.
pub async fn a_snapshot_leaves_out_removed_keys<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    remove(&store, subject.key(0)).await;
    let left = entries(&store, b"").await;
    assert_eq!(left.len(), ENTRIES - 1);
    assert!(left.iter().all(|(key, _)| *key != subject.key(0)), "a removed key");
}

/// A snapshot holds exactly the keys whose bytes begin with the prefix, whatever bytes these are.
pub async fn a_snapshot_keeps_to_its_prefix<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    let all = entries(&store, b"").await;
    let longest = subject.key(1).to_bytes().into_owned();
    for length in 0..longest.len() {
        let prefix = &longest[..length];
        let mut wanted = all.clone();
        wanted.retain(|(key, _)| key.to_bytes().starts_with(prefix));
        assert_eq!(entries(&store, prefix).await, wanted, "below {}", prefix.escape_ascii());
    }
    assert_eq!(entries(&store, &[0xff, 0xff, 0xff]).await, [], "keys that nobody set");
}

/// A whole key is a prefix of itself.
pub async fn a_key_begins_with_itself<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    for number in 0..ENTRIES {
        let below = entries(&store, &subject.key(number).to_bytes()).await;
        assert!(below.contains(&(subject.key(number), subject.value(number))), "key {number}");
    }
}

/// A snapshot does not see what is written after it was taken, however late it is read.
pub async fn a_snapshot_sees_no_later_write<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    let before = entries(&store, b"").await;
    let snapshot = store.snapshot(b"").await.expect("snapshot");
    set(&store, subject.key(0), subject.value(99)).await;
    set(&store, subject.key(ENTRIES), subject.value(99)).await;
    remove(&store, subject.key(1)).await;
    assert_eq!(snapshot.collect().await.expect("collect"), before);
}

/// The log goes on exactly where a snapshot ends: nothing is lost, nothing comes twice.
pub async fn the_log_goes_on_where_a_snapshot_ends<S: RefsSubject>(subject: &S) {
    let store = filled(subject).await;
    let snapshot = store.snapshot(b"").await.expect("snapshot");
    assert_eq!(changes(&store, snapshot.cursor()).await, [], "before anything was written");
    let at = set(&store, subject.key(0), subject.value(99)).await;
    let later: Vec<_> = changes(&store, snapshot.cursor()).await;
    assert_eq!(later.iter().map(|change| change.cursor).collect::<Vec<_>>(), [at]);
}

/// How many entries the stores here hold.
const ENTRIES: usize = 40;

/// Opens a store that holds the first entries.
async fn filled<S: RefsSubject>(subject: &S) -> S::Refs {
    let store = subject.open().await;
    let update = (0..ENTRIES).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update).await;
    store
}

async fn entries<S: AtomicWrite>(store: &S, prefix: &[u8]) -> Vec<(S::Key, S::Value)> {
    let snapshot = store.snapshot(prefix).await.expect("snapshot");
    snapshot.collect().await.expect("collect")
}
