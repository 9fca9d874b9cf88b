//! The laws of the derived data of a [`Storage`], for storages that keep some.

use bytes::Bytes;
use ramus_core::{AtomicWrite as _, Storage};

use super::support::assert_closed;
use crate::StorageSubject;
use crate::subject::sample_ref;

/// Derived data that were never kept are absent.
pub async fn derived_data_are_absent_at_first<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    assert_eq!(load(&storage, 0).await, None);
}

/// What derived data were replaced by is loaded.
pub async fn what_was_replaced_is_loaded<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    for text in ["long and first", "second"] {
        replace(&storage, 0, text).await;
        assert_eq!(load(&storage, 0).await.as_deref(), Some(text.as_bytes()));
    }
}

/// What was appended is loaded, behind what was there.
pub async fn what_was_appended_is_loaded<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    assert!(append(&storage, 0, 0, "one ").await, "where nothing is, the end is at 0");
    assert!(append(&storage, 0, 4, "two").await, "the end is at 4");
    replace(&storage, 3, "three ").await;
    assert!(append(&storage, 3, 6, "four").await, "the end is at 6");
    assert_eq!(load(&storage, 0).await.as_deref(), Some(&b"one two"[..]));
    assert_eq!(load(&storage, 3).await.as_deref(), Some(&b"three four"[..]));
}

/// What is to be appended elsewhere than at the end is not kept, and changes nothing.
pub async fn nothing_is_appended_elsewhere<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    assert!(!append(&storage, 0, 1, "x").await, "there is nothing to be behind");
    replace(&storage, 3, "four").await;
    for at in [0, 3, 5] {
        assert!(!append(&storage, 3, at, "x").await, "the end is at 4, not at {at}");
    }
    assert_eq!(load(&storage, 0).await, None);
    assert_eq!(load(&storage, 3).await.as_deref(), Some(&b"four"[..]));
}

/// Derived data of one name do not disturb those of another.
pub async fn derived_names_do_not_disturb_one_another<S: StorageSubject>(subject: &S) {
    const NAMES: usize = 9;
    let storage = subject.open().await;
    for name in 0..NAMES {
        replace(&storage, name, &format!("text {name}")).await;
    }
    for name in 0..NAMES {
        let text = format!("text {name}");
        assert_eq!(load(&storage, name).await.as_deref(), Some(text.as_bytes()), "name {name}");
    }
}

/// Derived data are no refs: they are neither seen among these, nor told.
pub async fn derived_data_are_no_refs<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let before = storage.refs().position().await.expect("position");
    replace(&storage, 0, "text").await;
    assert!(append(&storage, 1, 0, "text").await, "where nothing is, the end is at 0");
    let refs = storage.refs().snapshot(b"").await.expect("snapshot");
    assert!(refs.collect().await.expect("collect").is_empty(), "there is no ref");
    assert_eq!(storage.refs().position().await.expect("position"), before, "nothing is told");
}

/// Clones of a storage have the same derived data.
pub async fn clones_share_their_derived_data<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    let clone = storage.clone();
    replace(&storage, 0, "text").await;
    assert_eq!(load(&clone, 0).await.as_deref(), Some(&b"text"[..]));
    assert!(append(&clone, 0, 4, "ure").await, "the end is at 4");
    assert_eq!(load(&storage, 0).await.as_deref(), Some(&b"texture"[..]));
}

/// Of several that append at one place at a time, one does.
pub async fn one_of_racing_appends_is_kept<S: StorageSubject>(subject: &S) {
    const WRITERS: usize = 8;
    let storage = subject.open().await;
    let writers = (0..WRITERS).map(|writer| {
        let storage = storage.clone();
        tokio::spawn(async move { append(&storage, 0, 0, &format!("writer {writer}")).await })
    });
    let writers: Vec<_> = writers.collect();
    let mut kept = Vec::new();
    for (number, writer) in writers.into_iter().enumerate() {
        if writer.await.expect("a writer ends") {
            kept.push(format!("writer {number}").into_bytes());
        }
    }
    assert_eq!(kept.len(), 1, "one of them was first");
    assert_eq!(load(&storage, 0).await.as_deref(), Some(&kept[0][..]));
}

/// Storages that were opened apart have derived data of their own.
pub async fn storages_share_no_derived_data<S: StorageSubject>(subject: &S) {
    let (storage, other) = (subject.open().await, subject.open().await);
    replace(&storage, 0, "text").await;
    assert_eq!(load(&other, 0).await, None);
}

/// After `close` derived data can be neither loaded nor kept.
pub async fn a_closed_storage_keeps_no_derived_data<S: StorageSubject>(subject: &S) {
    let storage = subject.open().await;
    replace(&storage, 0, "text").await;
    storage.close().await.expect("close");
    let name = sample_ref(0);
    assert_closed(storage.load_derived(&name).await, "load");
    assert_closed(storage.append_derived(&name, 4, Bytes::new()).await, "append");
    assert_closed(storage.replace_derived(&name, Bytes::new()).await, "replace");
}

async fn load(storage: &impl Storage, name: usize) -> Option<Bytes> {
    storage.load_derived(&sample_ref(name)).await.expect("load")
}

async fn append(storage: &impl Storage, name: usize, at: u64, text: &str) -> bool {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    storage.append_derived(&sample_ref(name), at, bytes).await.expect("append")
}

async fn replace(storage: &impl Storage, name: usize, text: &str) {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    let kept = storage.replace_derived(&sample_ref(name), bytes).await.expect("replace");
    assert!(kept, "a storage that keeps derived data keeps a few bytes");
}
