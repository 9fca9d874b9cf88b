use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Change, Cursor, Error, ErrorKind, KeyChange, RefName, RefUpdate, Result, Sha1};

use super::refs::BrokenRefs;
use super::{Fault, Record, Shared, State};

impl BrokenRefs {
    pub(super) async fn apply(&self, update: &RefUpdate<Sha1>, alone: bool) -> Option<Record> {
        let shared = self.shared();
        let has = |fault| self.0.has(fault);
        let one_by_one = has(Fault::KeysAreAppliedOneByOne) || has(Fault::DroppedHalfway);
        if one_by_one && update.edits.len() > 1 {
            let keys = changed(&shared.state.lock(), update);
            for (key, edit) in &update.edits {
                shared.state.lock().put_ref(key, edit.set, shared);
                shared.window().await;
            }
            return shared.state.lock().append_if_any(update, keys, shared);
        }
        let lags = has(Fault::LogLagsBehindReads) || has(Fault::LogLagsBehindOthers) && !alone;
        let later = has(Fault::LowerChangesComeLater) && !alone;
        let reserved = {
            let mut state = shared.state.lock();
            let keys = changed(&state, update);
            let put = if has(Fault::OnlyTheFirstKeyIsApplied) { 1 } else { usize::MAX };
            for (key, edit) in update.edits.iter().take(put) {
                state.put_ref(key, edit.set, shared);
            }
            if !lags && !later {
                return state.append_if_any(update, keys, shared);
            }
            let change = state.reserve(update, spoil_keys(keys, update, shared), shared)?;
            state.ids.insert(update.id, change.cursor);
            change
        };
        // The later ones come through faster, so that they overtake.
        let turns = if later { 3 } else { 1 + reserved.cursor.sequence % 7 };
        for _ in 0..turns {
            shared.window().await;
        }
        let mut state = shared.state.lock();
        if later {
            state.log.push(Arc::clone(&reserved));
            state.log.sort_by_key(|change| change.cursor.sequence);
            state.keep_to_capacity(shared);
            return Some(reserved);
        }
        let keys = reserved.keys.clone();
        state.append_if_any(update, keys, shared)
    }

    pub(super) fn notify(&self, change: &Record) -> Result<()> {
        let has = |fault| self.0.has(fault);
        let every = |test: fn(&KeyChange<RefName, Sha1>) -> bool| change.keys.iter().all(test);
        let silent = every(|key| key.old.is_some() && key.new.is_some())
            && has(Fault::ChangesAreNotNoticed)
            || every(|key| key.old.is_none()) && has(Fault::NewKeysAreNotNoticed)
            || every(|key| key.new.is_none()) && has(Fault::RemovalsAreNotNoticed);
        if silent {
            return Ok(());
        }
        if has(Fault::NoticePerKey) {
            for key in &change.keys {
                let keys = vec![key.clone()];
                self.publish(Arc::new(Change { keys, ..(**change).clone() }));
            }
            return Ok(());
        }
        let note = if has(Fault::NoticeLosesTheNote) { Bytes::new() } else { change.note.clone() };
        let heard = self.publish(Arc::new(Change { note, ..(**change).clone() }));
        let subscribed = self.shared().state.lock().subscribed;
        if !heard && subscribed && has(Fault::DroppedSubscriptionsFailWriters) {
            return Err(Error::new(ErrorKind::Unavailable, "the subscriber is gone"));
        }
        Ok(())
    }

    /// Tells every subscriber, and returns whether there was one.
    pub(super) fn publish(&self, change: Record) -> bool {
        self.shared().sender.lock().as_ref().is_some_and(|sender| sender.send(change).is_ok())
    }
}

pub(super) fn record(
    cursor: Cursor,
    previous: u64,
    update: &RefUpdate<Sha1>,
    keys: Vec<KeyChange<RefName, Sha1>>,
) -> Record {
    Arc::new(Change { cursor, previous, id: update.id, note: update.note.clone(), keys })
}

pub(super) fn changed(state: &State, update: &RefUpdate<Sha1>) -> Vec<KeyChange<RefName, Sha1>> {
    let all = update.edits.iter().map(|(key, edit)| KeyChange {
        key: key.clone(),
        old: state.refs.get(key).copied(),
        new: edit.set,
    });
    all.filter(|change| change.old != change.new).collect()
}

pub(super) fn spoil_keys(
    mut keys: Vec<KeyChange<RefName, Sha1>>,
    update: &RefUpdate<Sha1>,
    shared: &Shared,
) -> Vec<KeyChange<RefName, Sha1>> {
    match shared.fault {
        Some(Fault::OldValueIsLost) => keys.iter_mut().for_each(|key| key.old = None),
        Some(Fault::RemovalsAreNotRecorded) => keys.retain(|key| key.new.is_some()),
        Some(Fault::RecordsAreUnsorted) => keys.reverse(),
        Some(Fault::StayedKeysAreRecorded) if !keys.is_empty() => {
            let all = update.edits.iter();
            keys = all
                .map(|(key, edit)| {
                    let known = keys.iter().find(|change| change.key == *key).cloned();
                    let stayed = KeyChange { key: key.clone(), old: edit.set, new: edit.set };
                    known.unwrap_or(stayed)
                })
                .collect();
        }
        _ => {}
    }
    keys
}
