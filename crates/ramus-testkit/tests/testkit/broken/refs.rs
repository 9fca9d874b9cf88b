use futures::{StreamExt as _, stream};
use ramus_core::{
    AtomicWrite, Changes, Cursor, Error, ErrorKind, Expected, Limits, Notice, ReadOnly, RefName,
    RefOutcome, RefUpdate, Result, Sha1, Snapshot, Subscription,
};

use tokio::sync::broadcast;

use super::blocks::{limits, spoil_many};
use super::{Fault, Handle, KEYS_MAX, STEP, Shared, State};

/// The refs of a broken storage.
#[derive(Clone, Debug)]
pub(crate) struct BrokenRefs(pub(super) Handle);

impl BrokenRefs {
    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(super) fn ensure_open_for(&self, fault: Fault) -> Result<()> {
        if self.0.has(fault) { Ok(()) } else { self.0.ensure_open(|state| state.refs_closed) }
    }

    /// Refuses an update that names an absent block.
    pub(super) fn check_missing(&self, update: &RefUpdate<Sha1>) -> Result<()> {
        let mut state = self.shared().state.lock();
        if state.ids.contains_key(&update.id) {
            return Ok(());
        }
        let is_there = |state: &State, key: &Sha1| match self.shared().fault {
            Some(Fault::RefsSeeNoBlocks) => false,
            Some(Fault::RefsRememberBlocks) => state.ever_added.contains(key),
            _ => state.blocks.contains_key(key),
        };
        for (name, edit) in &update.edits {
            let tested = match &edit.expected {
                Expected::Exactly(value) if self.0.has(Fault::TestsMustExist) => Some(value),
                _ => None,
            };
            for value in edit.set.iter().chain(tested) {
                if !is_there(&state, value) {
                    return Err(Error::missing(value));
                }
            }
            if self.0.has(Fault::MissingIsAppliedInPart) {
                edit.set.map(|value| state.refs.insert(name.clone(), value));
            }
        }
        Ok(())
    }

    /// Applies an update whose blocks may be absent.
    pub(super) async fn update_unchecked(
        &self,
        update: RefUpdate<Sha1>,
    ) -> Result<RefOutcome<Sha1>> {
        self.send(update, true).await
    }

    pub(super) async fn send(
        &self,
        update: RefUpdate<Sha1>,
        noticed: bool,
    ) -> Result<RefOutcome<Sha1>> {
        self.ensure_open_for(Fault::ClosedRefsWrite)?;
        self.check_limits(&update)?;
        if update.edits.is_empty() && self.0.has(Fault::EmptyUpdatesFail) {
            return Err(Error::invalid_input("an update of nothing"));
        }
        self.wait_for_subscribers().await;
        let alone = {
            let mut state = self.shared().state.lock();
            state.running += 1;
            state.running == 1
        };
        let store = Self(self.0.same());
        let work = async move {
            let decided = store.decide(update, alone, noticed).await;
            store.shared().state.lock().running -= 1;
            decided
        };
        if self.0.has(Fault::DroppedHalfway) {
            return work.await;
        }
        // A task of its own: what the other faults do between two steps is not a matter of drops.
        tokio::spawn(work).await.expect("an update ends")
    }

    async fn wait_for_subscribers(&self) {
        if !self.0.has(Fault::WriterWaitsForSubscribers) {
            return;
        }
        let waiting = self.shared().sender.lock().as_ref().map_or(0, broadcast::Sender::len);
        if waiting > 8 {
            std::future::pending::<()>().await;
        }
    }

    fn check_limits(&self, update: &RefUpdate<Sha1>) -> Result<()> {
        let off = |fault| usize::from(self.0.has(fault));
        let (keys, note) = (update.edits.len(), update.note.len());
        let keys_max = KEYS_MAX - off(Fault::KeyLimitIsOneLess);
        let note_max = Limits::NOTE_MAX - off(Fault::NoteLimitIsOneLess);
        let over_keys = keys > keys_max && !self.0.has(Fault::KeyLimitIsNotKept);
        if over_keys || note > note_max && !self.0.has(Fault::NoteLimitIsNotKept) {
            return Err(Error::new(ErrorKind::Limit, "the update is too large"));
        }
        Ok(())
    }
}

impl ReadOnly for BrokenRefs {
    type Key = RefName;
    type Value = Sha1;

    async fn find(&self, key: &RefName) -> Result<Option<Sha1>> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        let mut state = self.shared().state.lock();
        let found = state.refs.get(key).copied();
        if found.is_none() && self.0.has(Fault::AbsentIsAnError) {
            return Err(Error::missing(key));
        }
        state.reads += 1;
        if self.0.has(Fault::ReadsAreStale) && state.reads.is_multiple_of(3) {
            return Ok(state.refs_before.get(key).copied().or(found));
        }
        Ok(found)
    }

    fn find_now(&self, key: &RefName) -> Option<Result<Option<Sha1>>> {
        if let Err(closed) = self.ensure_open_for(Fault::ClosedRefsFindNow) {
            return Some(Err(closed));
        }
        let state = self.shared().state.lock();
        let seen = if self.0.has(Fault::FindNowRemembers) { &state.ever_set } else { &state.refs };
        Some(Ok(seen.get(key).copied()))
    }

    async fn mem(&self, key: &RefName) -> Result<bool> {
        let found = self.find(key).await?.is_some();
        let remembered = self.0.has(Fault::MemRemembersRemovedKeys)
            && self.shared().state.lock().ever_set.contains_key(key);
        Ok(found || remembered)
    }

    async fn find_many(&self, keys: &[RefName]) -> Result<Vec<Option<Sha1>>> {
        let mut found = Vec::new();
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        for key in keys {
            found.push(self.find(key).await?);
        }
        Ok(spoil_many(&self.0, found))
    }

    fn limits(&self) -> Limits {
        limits(&self.0, |state| state.refs_closed)
    }

    async fn close(&self) -> Result<()> {
        self.0.close(|state| state.refs_closed = true)?;
        if !self.0.has(Fault::SubscriptionsOutliveClose) {
            drop(self.shared().sender.lock().take());
        }
        Ok(())
    }
}

impl AtomicWrite for BrokenRefs {
    async fn update(&self, update: RefUpdate<Sha1>) -> Result<RefOutcome<Sha1>> {
        self.ensure_open_for(Fault::ClosedRefsWrite)?;
        if !self.0.has(Fault::DanglingRefsAreTaken) {
            self.check_missing(&update)?;
        }
        self.send(update, true).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, Sha1>> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        self.take_snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, Sha1>> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        Ok(self.shared().state.lock().after(after, limit, self.shared()))
    }

    async fn position(&self) -> Result<Cursor> {
        self.ensure_open_for(Fault::ClosedStoresRead)?;
        let state = self.shared().state.lock();
        let mut at = state.spoiled_position.unwrap_or(state.end());
        if self.0.has(Fault::PositionLags) {
            at.sequence = at.sequence.saturating_sub(STEP);
        }
        if self.0.has(Fault::PositionIsBeyond) {
            at.sequence += STEP;
        }
        Ok(at)
    }

    fn subscribe(&self) -> Subscription<RefName, Sha1> {
        let sender = self.shared().sender.lock();
        let Some(sender) = sender.as_ref() else {
            return match self.shared().fault {
                Some(Fault::ClosedStoresPromiseNotices) => {
                    Subscription::of_stream(stream::pending())
                }
                _ => Subscription::of_stream(stream::empty()),
            };
        };
        let mut state = self.shared().state.lock();
        state.subscribed = true;
        if self.0.has(Fault::OnlyTheFirstSubscriberIsTold) && sender.receiver_count() > 0 {
            return Subscription::of_stream(stream::pending());
        }
        let notices = Subscription::new(sender.subscribe());
        if self.0.has(Fault::LagIsSwallowed) {
            let told = |notice: &Notice<_, _>| std::future::ready(*notice != Notice::Lagged);
            return Subscription::of_stream(notices.filter(told));
        }
        if self.0.has(Fault::SubscriptionsReplay) && state.log.len() > 1 {
            let last = state.log.last().cloned().map(Notice::Change);
            return Subscription::of_stream(stream::iter(last).chain(notices));
        }
        notices
    }
}
