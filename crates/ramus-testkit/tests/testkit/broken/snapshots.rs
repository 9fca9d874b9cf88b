use futures::StreamExt as _;
use futures::stream;
use ramus_core::{Cursor, Error, Key as _, RefName, Result, Sha1, Snapshot};

use super::refs::BrokenRefs;
use super::{Fault, State};

impl BrokenRefs {
    pub(super) async fn take_snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, Sha1>> {
        let shared = &self.0.shared;
        let (cursor, entries) = self.entries(prefix);
        if entries.is_empty() && prefix.is_empty() && self.0.has(Fault::EmptySnapshotsFail) {
            return Err(Error::invalid_input("there is nothing to take a snapshot of"));
        }
        if self.0.has(Fault::SnapshotIsReadLate) {
            let (store, prefix) = (Self(self.0.same()), prefix.to_vec());
            let late = stream::once(async move { Ok(store.entries(&prefix).1) });
            return Ok(Snapshot::new(cursor, late.boxed()));
        }
        if self.0.has(Fault::SnapshotIsMixed) {
            let mut mixed = Vec::new();
            for (key, _) in entries {
                let value = shared.state.lock().refs.get(&key).copied();
                mixed.extend(value.map(|value| (key, value)));
                shared.window().await;
            }
            return Ok(Snapshot::of_entries(cursor, mixed));
        }
        if self.0.has(Fault::SnapshotRunsAhead) {
            shared.window().await;
            return Ok(Snapshot::of_entries(cursor, self.entries(prefix).1));
        }
        Ok(Snapshot::of_entries(cursor, entries))
    }

    fn entries(&self, prefix: &[u8]) -> (Cursor, Vec<(RefName, Sha1)>) {
        let state = self.0.shared.state.lock();
        let mut entries = state.below(prefix, self.0.shared.fault);
        if self.0.has(Fault::SnapshotMissesTheLast) {
            entries.pop();
        }
        if self.0.has(Fault::SnapshotIsUnsorted) {
            entries.reverse();
        }
        let old = self.0.has(Fault::SnapshotCursorIsOld);
        (if old { state.at(state.floor) } else { state.end() }, entries)
    }
}

impl State {
    fn below(&self, prefix: &[u8], fault: Option<Fault>) -> Vec<(RefName, Sha1)> {
        let removed = fault == Some(Fault::SnapshotKeepsRemovedKeys);
        let entries = if removed { &self.ever_set } else { &self.refs };
        let is_below = |key: &RefName| match fault {
            Some(Fault::PrefixIsIgnored) => true,
            Some(Fault::PrefixLeavesOutItself) => {
                key.to_bytes().starts_with(prefix) && *key.to_bytes() != *prefix
            }
            _ => key.to_bytes().starts_with(prefix),
        };
        let below = entries.iter().filter(|(key, _)| is_below(key));
        below.map(|(key, value)| (key.clone(), *value)).collect()
    }
}
