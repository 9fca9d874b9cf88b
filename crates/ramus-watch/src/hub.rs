use std::sync::Arc;

use futures::stream;
use parking_lot::RwLock;
use ramus_core::{Change, Key, Subscription, Value};
use tokio::sync::broadcast;

/// Publishes changes to whoever subscribed, over a bounded broadcast channel.
///
/// A publisher never waits. A receiver that falls behind by more than the capacity is told that it
/// lagged, and reads the log.
#[derive(Debug)]
pub struct Hub<K, V> {
    /// Gone once the store is closed.
    sender: RwLock<Option<Sender<K, V>>>,
}

type Sender<K, V> = broadcast::Sender<Arc<Change<K, V>>>;

impl<K: Key, V: Value> Hub<K, V> {
    /// The most changes that a hub keeps. Whoever is further behind reads the log faster.
    pub const CAPACITY_MAX: usize = 65_536;

    /// Returns a hub that keeps at least `capacity` changes for receivers that are behind: 1 to
    /// [`CAPACITY_MAX`](Hub::CAPACITY_MAX), and what lies outside is taken for the nearest of these.
    /// The room for them is taken at once.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Self::CAPACITY_MAX);
        Self { sender: RwLock::new(Some(broadcast::Sender::new(capacity))) }
    }

    /// Tells every subscriber of a change, which has to be visible already.
    ///
    /// Call it after the lock on the refs is released.
    pub fn publish(&self, change: Arc<Change<K, V>>) {
        // Sending wakes receivers, and what they do then is not done under the lock.
        let sender = self.sender.read().clone();
        if let Some(sender) = sender {
            // Nobody listening is no failure.
            drop(sender.send(change));
        }
    }

    /// Returns the changes that are published from now on; nothing of a closed hub.
    pub fn subscribe(&self) -> Subscription<K, V> {
        match &*self.sender.read() {
            Some(sender) => Subscription::new(sender.subscribe()),
            None => Subscription::of_stream(stream::empty()),
        }
    }

    /// Ends every subscription, after what it still holds.
    pub fn close(&self) {
        drop(self.sender.write().take());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};

    use bytes::Bytes;
    use futures::{FutureExt as _, StreamExt as _};
    use ramus_core::{Cursor, Incarnation, Notice, UpdateId};

    use super::*;

    fn change(sequence: u64) -> Arc<Change<String, u64>> {
        let cursor = Cursor { incarnation: Incarnation::from_bytes([0; 16]), sequence };
        let (id, note, keys) = (UpdateId::random(), Bytes::new(), Vec::new());
        Arc::new(Change { cursor, previous: sequence - 1, id, note, keys })
    }

    #[test]
    fn every_capacity_gives_a_hub() {
        for capacity in [0, usize::MAX] {
            let hub = Hub::new(capacity);
            let mut subscription = hub.subscribe();
            hub.publish(change(1));
            let notice = subscription.next().now_or_never().flatten();
            assert!(matches!(notice, Some(Notice::Change(_))), "{notice:?}");
        }
    }

    /// Notes whether the hub can be closed by what is woken.
    struct Reentrant {
        hub: Arc<Hub<String, u64>>,
        could_close: AtomicBool,
    }

    impl Wake for Reentrant {
        fn wake(self: Arc<Self>) {
            let free = self.hub.sender.try_write().is_some();
            self.could_close.store(free, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_a_notice_wakes_may_call_the_hub() {
        let hub = Arc::new(Hub::new(4));
        let mut subscription = hub.subscribe();
        let could_close = AtomicBool::new(false);
        let woken = Arc::new(Reentrant { hub: Arc::clone(&hub), could_close });
        let waker = Waker::from(Arc::clone(&woken));
        assert!(subscription.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        hub.publish(change(1));
        assert!(woken.could_close.load(Ordering::Relaxed), "the hub was locked while it woke");
    }
}
