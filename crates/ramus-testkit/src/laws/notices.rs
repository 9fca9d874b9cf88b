//! The laws of [`subscribe`](ramus_core::AtomicWrite::subscribe).
//!
//! A store may say [`Lagged`](ramus_core::Notice::Lagged) whenever it likes, so a law that sees it ends: what
//! it asks is that nothing wrong is told, and nothing kept back in silence. Notices may come out of
//! order, so several of them are compared in the order of their places.

use futures::StreamExt as _;
use ramus_core::{AtomicWrite as _, ReadOnly as _};

use super::support::{apply, begin, changes, comes, noticed, refuse, remove, set, told};
use crate::{RefsSubject, SAMPLES};

/// A change of a key that was there is told to a subscriber.
pub async fn a_change_is_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut subscription = store.subscribe();
    let at = set(&store, subject.key(0), subject.value(1)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
    }
}

/// The first value of a key is told to a subscriber.
pub async fn a_new_key_is_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let at = set(&store, subject.key(0), subject.value(0)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
    }
}

/// A removal is told to a subscriber.
pub async fn a_removal_is_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut subscription = store.subscribe();
    let at = remove(&store, subject.key(0)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
        assert_eq!(change.keys.first().and_then(|key| key.new.clone()), None);
    }
}

/// An update of several keys is one notice.
pub async fn an_update_of_many_keys_is_one_notice<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let update = (0..4).fold(begin(&store).await, |update, number| {
        update.set(subject.key(number), subject.value(number))
    });
    apply(&store, update).await;
    let next = set(&store, subject.key(0), subject.value(9)).await;
    let Some(told) = told(&mut subscription, 2).await else { return };
    assert_eq!(told.iter().map(|change| change.keys.len()).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(told[1].cursor, next);
}

/// A notice is the record of the log, in every field.
pub async fn a_notice_is_the_record<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let start = set(&store, subject.key(0), subject.value(0)).await;
    let mut subscription = store.subscribe();
    let update = begin(&store).await.set(subject.key(0), subject.value(1)).with_note("why");
    apply(&store, update.set(subject.key(1), subject.value(1))).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!([change], *changes(&store, start).await);
    }
}

/// A notice comes after its change is visible, to reads and in the log.
pub async fn a_notice_comes_after_its_change_is_visible<S: RefsSubject>(subject: &S) {
    const CHANGES: usize = 60;
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let (writer, key) = (store.clone(), subject.key(0));
    let values: Vec<_> = (0..CHANGES).map(|number| subject.value(number)).collect();
    let writing = tokio::spawn(async move {
        for value in values {
            set(&writer, key.clone(), value).await;
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..CHANGES {
        let Some(change) = noticed(&mut subscription).await else { break };
        let position = store.snapshot(b"").await.expect("snapshot").cursor();
        assert!(position.sequence >= change.cursor.sequence, "{} is not visible", change.cursor);
        assert!(store.mem(&subject.key(0)).await.expect("mem"), "the key is not there yet");
    }
    comes("the end of the writer", writing).await.expect("the writer ends");
}

/// A refused update is not told to a subscriber.
pub async fn a_refused_update_is_not_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut subscription = store.subscribe();
    let update = begin(&store).await.test_and_set(subject.key(0), None, Some(subject.value(1)));
    refuse(&store, update).await;
    let at = set(&store, subject.key(0), subject.value(2)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
        assert!(change.keys.iter().all(|key| key.new == Some(subject.value(2))));
    }
}

/// An update that changes nothing is not told to a subscriber.
pub async fn an_update_that_changes_nothing_is_not_noticed<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    let mut subscription = store.subscribe();
    set(&store, subject.key(0), subject.value(0)).await;
    let at = set(&store, subject.key(0), subject.value(1)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!((change.cursor, change.keys.len()), (at, 1));
    }
}

/// An update that is sent again is not told again.
pub async fn an_update_sent_again_is_not_noticed_again<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let update = begin(&store).await.set(subject.key(0), subject.value(0));
    let first = apply(&store, update.clone()).await;
    apply(&store, update).await;
    let second = set(&store, subject.key(0), subject.value(1)).await;
    let Some(told) = told(&mut subscription, 2).await else { return };
    assert_eq!(told.iter().map(|change| change.cursor).collect::<Vec<_>>(), [first, second]);
}

/// What was changed before `subscribe` is not told: a subscription is of what comes.
pub async fn a_subscription_begins_now<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    set(&store, subject.key(0), subject.value(1)).await;
    let mut subscription = store.subscribe();
    let at = set(&store, subject.key(0), subject.value(2)).await;
    if let Some(change) = noticed(&mut subscription).await {
        assert_eq!(change.cursor, at);
    }
}

/// Every subscriber is told, through whichever clone it subscribed.
pub async fn every_subscriber_is_told<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let mut subscriptions = [store.subscribe(), store.clone().subscribe(), store.subscribe()];
    let at = set(&store.clone(), subject.key(0), subject.value(0)).await;
    for subscription in &mut subscriptions {
        if let Some(change) = noticed(subscription).await {
            assert_eq!(change.cursor, at);
        }
    }
}

/// A writer does not wait for a subscriber that reads nothing.
pub async fn a_writer_waits_for_no_subscriber<S: RefsSubject>(subject: &S) {
    const CHANGES: usize = 2000;
    let store = subject.open().await;
    let subscription = store.subscribe();
    let writing = async {
        for number in 0..CHANGES {
            set(&store, subject.key(0), subject.value(number % SAMPLES)).await;
        }
    };
    comes("the end of the writer", writing).await;
    drop(subscription);
}

/// A subscriber that reads nothing is told every change later, or that it lagged.
pub async fn a_slow_subscriber_misses_nothing_in_silence<S: RefsSubject>(subject: &S) {
    const CHANGES: usize = 5000;
    let store = subject.open().await;
    let mut subscription = store.subscribe();
    let mut places = Vec::new();
    for number in 0..CHANGES {
        let value = subject.value(number % SAMPLES);
        places.push(set(&store, subject.key(0), value).await);
    }
    let Some(told) = told(&mut subscription, CHANGES).await else { return };
    assert!(told.iter().map(|change| change.cursor).eq(places), "a change was left out");
}

/// A subscription that was dropped disturbs nobody.
pub async fn a_dropped_subscription_disturbs_nobody<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let (dropped, mut kept) = (store.subscribe(), store.subscribe());
    drop(dropped);
    let at = set(&store, subject.key(0), subject.value(0)).await;
    if let Some(change) = noticed(&mut kept).await {
        assert_eq!(change.cursor, at);
    }
    drop(kept);
    set(&store, subject.key(0), subject.value(1)).await;
}

/// A subscription ends when the store is closed, after what was told before.
pub async fn a_subscription_ends_when_the_store_closes<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    let subscription = store.subscribe();
    set(&store, subject.key(0), subject.value(0)).await;
    store.close().await.expect("close");
    let told: Vec<_> = comes("the end of the subscription", subscription.collect()).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

/// A subscription of a closed store ends at once.
pub async fn a_subscription_of_a_closed_store_is_empty<S: RefsSubject>(subject: &S) {
    let store = subject.open().await;
    set(&store, subject.key(0), subject.value(0)).await;
    store.close().await.expect("close");
    let told: Vec<_> = comes("the end of the subscription", store.subscribe().collect()).await;
    assert_eq!(told, []);
}
