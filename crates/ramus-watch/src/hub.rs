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
    /// Returns a hub that keeps at least `capacity` changes for receivers that are behind.
    pub fn new(capacity: usize) -> Self {
        Self { sender: RwLock::new(Some(broadcast::Sender::new(capacity.max(1)))) }
    }

    /// Tells every subscriber of a change, which has to be visible already.
    ///
    /// Call it after the lock on the refs is released.
    pub fn publish(&self, change: Arc<Change<K, V>>) {
        if let Some(sender) = &*self.sender.read() {
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
