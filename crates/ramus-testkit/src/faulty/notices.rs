use std::collections::VecDeque;

use futures::{FutureExt as _, StreamExt as _, stream};
use ramus_core::{Key, Notice, Subscription, Value};

use super::Faults;

/// Returns the subscription as the script lets it through.
pub(super) fn through<K: Key, V: Value>(
    notices: Subscription<K, V>,
    faults: Faults,
) -> Subscription<K, V> {
    let state = (notices, VecDeque::new(), faults);
    Subscription::of_stream(stream::unfold(state, async |(mut notices, mut waiting, faults)| {
        if waiting.is_empty() {
            waiting.push_back(notices.next().await?);
            let window = faults.with_notices(|notices| notices.reordered);
            // Only what is there already: a notice that waited for others could wait for ever.
            while waiting.len() < window
                && let Some(Some(notice)) = notices.next().now_or_never()
            {
                waiting.push_front(notice);
            }
        }
        let notice = waiting.pop_front()?;
        let dropped = faults.with_notices(|notices| {
            let drops = notices.dropped > 0;
            notices.dropped = notices.dropped.saturating_sub(1);
            drops
        });
        let given = if dropped { Notice::Lagged } else { notice };
        Some((given, (notices, waiting, faults)))
    }))
}
