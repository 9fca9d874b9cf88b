use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Change, Key, Value};

/// Applied changes as they become visible: a stream of hints, and never the truth.
///
/// A subscription tells that there is something to read, and when it holds the successor of what a
/// reader knows, it saves the reading. It may drop notices for a receiver that is slow
/// ([`Notice::Lagged`]), and it may give them out of order; each carries its place. What happened is
/// what [`changes`](crate::AtomicWrite::changes) says. It ends when the store is closed.
pub struct Subscription<K, V>(BoxStream<'static, Notice<K, V>>);

/// What a subscription tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice<K, V> {
    /// This change is visible.
    Change(Arc<Change<K, V>>),
    /// Notices were dropped, or it is not known what changed: read the log.
    Lagged,
}

impl<K: Key, V: Value> Subscription<K, V> {
    /// Returns the subscription of a broadcast channel; it ends when the channel is closed.
    pub fn new(receiver: broadcast::Receiver<Arc<Change<K, V>>>) -> Self {
        Self::of_stream(stream::unfold(receiver, async |mut receiver| {
            let notice = match receiver.recv().await {
                Ok(change) => Notice::Change(change),
                Err(RecvError::Lagged(_)) => Notice::Lagged,
                Err(RecvError::Closed) => return None,
            };
            Some((notice, receiver))
        }))
    }

    /// Returns the subscription that any stream of notices makes, for stores over other stores.
    pub fn of_stream(notices: impl Stream<Item = Notice<K, V>> + Send + 'static) -> Self {
        Self(notices.fuse().boxed())
    }
}

impl<K, V> Stream for Subscription<K, V> {
    type Item = Notice<K, V>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<K, V> fmt::Debug for Subscription<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_subscription_that_was_asked_after_its_end_has_ended() {
        let sender = broadcast::Sender::<Arc<Change<String, u64>>>::new(1);
        let mut subscription = Subscription::new(sender.subscribe());
        drop(sender);
        for _ in 0..2 {
            assert_eq!(subscription.next().now_or_never(), Some(None));
        }
    }
}
