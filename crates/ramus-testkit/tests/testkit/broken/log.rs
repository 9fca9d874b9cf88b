use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{Change, Changes, Cursor, KeyChange, Page, RefName, RefUpdate, Sha1, UpdateId};

use super::applying::{record, spoil_keys};
use super::{Fault, LOG_CAPACITY, Record, STEP, Shared, State};

impl State {
    pub(super) fn put_ref(&mut self, key: &RefName, value: Option<Sha1>, shared: &Shared) {
        self.refs_before.remove(key);
        if let Some(before) = self.refs.get(key) {
            self.refs_before.insert(key.clone(), *before);
            if shared.has(Fault::FirstValueStays) && value.is_some() {
                return;
            }
        }
        let Some(value) = value else {
            if shared.has(Fault::RemovedKeysGoTogether) {
                let prefix = key.as_str().to_owned();
                self.refs.retain(|key, _| !key.as_str().starts_with(&prefix));
            }
            if !shared.has(Fault::RemovalKeepsTheValue) {
                self.refs.remove(key);
            }
            return;
        };
        self.ever_set.insert(key.clone(), value);
        self.refs.insert(key.clone(), value);
    }

    pub(super) fn append_if_any(
        &mut self,
        update: &RefUpdate<Sha1>,
        keys: Vec<KeyChange<RefName, Sha1>>,
        shared: &Shared,
    ) -> Option<Record> {
        let keys = spoil_keys(keys, update, shared);
        if keys.is_empty() && !shared.has(Fault::NoopIsRecorded) {
            return None;
        }
        if shared.has(Fault::RecordPerKey) {
            let records = keys.into_iter().map(|key| self.append(update, vec![key], shared));
            return records.last();
        }
        Some(self.append(update, keys, shared))
    }

    pub(super) fn append(
        &mut self,
        update: &RefUpdate<Sha1>,
        keys: Vec<KeyChange<RefName, Sha1>>,
        shared: &Shared,
    ) -> Record {
        let mut keys = keys;
        if self.log.len() >= 8 && shared.has(Fault::LaterOldValuesAreLost) {
            for key in &mut keys {
                key.old = None;
            }
        }
        let change = self.numbered(update, keys, shared);
        self.log.push(Arc::clone(&change));
        if !shared.has(Fault::SentAgainIsAppliedAgain) {
            self.ids.insert(update.id, change.cursor);
        }
        self.keep_to_capacity(shared);
        change
    }

    /// Gives a change its place, without showing it; nothing if nothing changed.
    pub(super) fn reserve(
        &mut self,
        update: &RefUpdate<Sha1>,
        keys: Vec<KeyChange<RefName, Sha1>>,
        shared: &Shared,
    ) -> Option<Record> {
        if keys.is_empty() {
            return None;
        }
        if shared.has(Fault::LowerChangesComeLater) {
            return Some(self.numbered(update, keys, shared));
        }
        Some(record(self.at(self.given + STEP), self.given, update, keys))
    }

    pub(super) fn numbered(
        &mut self,
        update: &RefUpdate<Sha1>,
        keys: Vec<KeyChange<RefName, Sha1>>,
        shared: &Shared,
    ) -> Record {
        let has = |fault| shared.has(fault);
        let stalls = has(Fault::SequencesStall) && self.log.len() >= 12;
        let previous = match self.given {
            0 if has(Fault::FirstRecordFollowsAnother) => 1,
            _ if has(Fault::PreviousIsZero) => 0,
            given => given,
        };
        if !stalls {
            self.given += STEP;
        }
        let id = if has(Fault::RecordsLoseTheId) { UpdateId::random() } else { update.id };
        let lost = has(Fault::RecordsLoseTheNote);
        let note = if lost { Bytes::new() } else { update.note.clone() };
        Arc::new(Change { cursor: self.at(self.given), previous, id, note, keys })
    }

    pub(super) fn keep_to_capacity(&mut self, shared: &Shared) {
        let half = shared.has(Fault::LogKeepsHalf);
        let capacity = if half { LOG_CAPACITY / 2 } else { LOG_CAPACITY };
        while self.log.len() > capacity {
            self.floor = self.log.remove(0).cursor.sequence;
        }
    }

    pub(super) fn after(
        &self,
        after: Cursor,
        limit: usize,
        shared: &Shared,
    ) -> Changes<RefName, Sha1> {
        let has = |fault| shared.has(fault);
        let end = self.end();
        let floor = if has(Fault::OldestIsTooOld) { 0 } else { self.floor };
        let other = after.incarnation != self.incarnation;
        let truncated = other && !has(Fault::IncarnationIsIgnored)
            || !other && after.sequence > end.sequence && !has(Fault::FutureIsAnEmptyPage)
            || !other && after.sequence < self.floor && !has(Fault::TruncationIsSilent);
        if truncated {
            return Changes::Truncated { oldest: self.at(floor) };
        }
        let included = has(Fault::CursorIsIncluded);
        let is_later = |change: &&Record| {
            let place = change.cursor.sequence;
            place > after.sequence || place == after.sequence && included
        };
        let mut later: Vec<_> = self.log.iter().filter(is_later).cloned().collect();
        if later.len() > 1 && has(Fault::CursorSkipsOne) {
            later.remove(0);
        }
        let limit = if has(Fault::PageLimitIsIgnored) { usize::MAX } else { limit };
        let changes = later[..limit.min(later.len())].to_vec();
        let mut next = changes.last().map_or(after, |change| change.cursor);
        if has(Fault::NextSkipsOne) && later.len() > changes.len() + 1 && !changes.is_empty() {
            next = later[changes.len()].cursor;
        }
        let nothing = changes.is_empty() && has(Fault::PageOfNothingIsTheLast);
        let ends = nothing || !changes.is_empty() && has(Fault::EndIsWhereThePageEnds);
        Changes::Page(Page { changes, next, end: if ends { next } else { end } })
    }
}
