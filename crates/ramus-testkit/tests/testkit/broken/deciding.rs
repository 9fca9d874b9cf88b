use ramus_core::{
    Cursor, Edit, Error, ErrorKind, Expected, Hash, Outcome, RefName, RefOutcome, RefUpdate,
    Refusal, Result, Sha1, UpdateId,
};

use super::applying::{changed, record};
use super::refs::BrokenRefs;
use super::{Fault, STEP};

impl BrokenRefs {
    /// Judges an update and applies it, in as many steps as the fault says; without one, in one.
    pub(super) async fn decide(
        &self,
        update: RefUpdate<Sha1>,
        alone: bool,
        noticed: bool,
    ) -> Result<RefOutcome<Sha1>> {
        let update = self.spoil_id(update);
        if self.0.has(Fault::RacingNoticesAreLost) || self.needs_others() {
            tokio::task::yield_now().await;
        }
        if let Some(outcome) = self.recall(&update)? {
            return Ok(outcome);
        }
        self.shared().window_if(Fault::CopiesRace).await;
        let judged = self.judge(&update);
        self.shared().window_if(Fault::TestsRace).await;
        if let Some(refusal) = judged {
            return Ok(self.refuse(&update, refusal));
        }
        if self.0.has(Fault::NoticeComesBeforeTheChange) {
            let keys = changed(&self.shared().state.lock(), &update);
            let state = self.shared().state.lock().clone();
            let next = state.at(state.given + STEP);
            self.publish(record(next, state.given, &update, keys));
            self.shared().window().await;
        }
        let change = self.apply(&update, alone).await;
        let Some(change) = change else { return Ok(Outcome::Applied(self.unchanged(&update))) };
        let lost = !alone && self.0.has(Fault::RacingNoticesAreLost);
        if noticed && !lost && !self.0.has(Fault::NoticeComesBeforeTheChange) {
            self.notify(&change)?;
        }
        let mut at = change.cursor;
        if self.0.has(Fault::LateAnswersAreOffByOne) && at.sequence > 2 * STEP {
            at.sequence -= 1;
        }
        Ok(Outcome::Applied(at))
    }

    fn needs_others(&self) -> bool {
        self.0.has(Fault::LogLagsBehindOthers) || self.0.has(Fault::LowerChangesComeLater)
    }

    fn spoil_id(&self, mut update: RefUpdate<Sha1>) -> RefUpdate<Sha1> {
        if self.0.has(Fault::UpdatesAreKnownByContent) {
            let digest = Sha1::of(format!("{:?}", update.edits).as_bytes());
            let bytes = Hash::as_bytes(&digest)[..16].try_into().expect("16 bytes");
            update.id = UpdateId::from_bytes(bytes);
        }
        update
    }

    fn recall(&self, update: &RefUpdate<Sha1>) -> Result<Option<RefOutcome<Sha1>>> {
        let has = |fault| self.0.has(fault);
        if has(Fault::TestsComeBeforeIds)
            && let Some(refusal) = self.judge(update)
        {
            return Ok(Some(Outcome::Refused(refusal)));
        }
        if has(Fault::SeenIsCheckedBeforeIds) {
            self.check_seen(update)?;
        }
        let state = self.shared().state.lock();
        if let Some(outcome) = state.remembered.get(&update.id) {
            return Ok(Some(outcome.clone()));
        }
        let forgotten = |place: &Cursor| {
            let early = has(Fault::IdsAreForgottenEarly);
            place.sequence <= state.floor || early && place.sequence + 8 * STEP < state.given
        };
        let known = state.ids.get(&update.id).filter(|place| !forgotten(place)).copied();
        let end = state.end();
        let made = state.log.iter().find(|change| change.id == update.id).cloned();
        drop(state);
        if let Some(place) = known {
            if let (Some(made), false) = (made, has(Fault::IdsAreTakenOnTrust)) {
                update.place_of(&made)?;
            }
            if has(Fault::SentAgainIsNoticed) {
                self.publish(record(place, place.sequence - STEP, update, Vec::new()));
            }
            let at = if has(Fault::SentAgainAnswersTheEnd) { end } else { place };
            return Ok(Some(Outcome::Applied(at)));
        }
        self.check_seen(update)?;
        Ok(None)
    }

    fn check_seen(&self, update: &RefUpdate<Sha1>) -> Result<()> {
        let (floor, end) = {
            let state = self.shared().state.lock();
            (state.floor, state.end())
        };
        let (has, seen) = (|fault| self.0.has(fault), update.seen);
        let other = seen.incarnation != end.incarnation;
        let edge = has(Fault::EdgeOfTheLogIsAmbiguous) && floor > 0 && seen.sequence == floor;
        let old = !other && (seen.sequence < floor || edge);
        let ambiguous = other && !has(Fault::OtherIncarnationIsBelieved)
            || old && !has(Fault::OldSeenIsBelieved);
        if ambiguous {
            if has(Fault::AmbiguousIsApplied) {
                let mut state = self.shared().state.lock();
                for (key, edit) in &update.edits {
                    edit.set.map(|value| state.refs.insert(key.clone(), value));
                }
            }
            if has(Fault::AmbiguousSpoilsThePosition) {
                self.shared().state.lock().spoiled_position = Some(seen);
            }
            return Err(Error::new(ErrorKind::Ambiguous, "the update may have been applied"));
        }
        let believed = has(Fault::FutureIsBelieved) || has(Fault::PositionIsBeyond);
        if !other && seen.sequence > end.sequence && !believed {
            return Err(Error::invalid_input("the update has seen the future"));
        }
        Ok(())
    }

    fn judge(&self, update: &RefUpdate<Sha1>) -> Option<Refusal<RefName, Sha1>> {
        let state = self.shared().state.lock();
        let has = |fault| self.0.has(fault);
        let fails = |(key, edit): &(&RefName, &Edit<Sha1>)| {
            let holds = state.refs.get(*key);
            let same = holds == edit.set.as_ref();
            let accepted = match &edit.expected {
                _ if same && has(Fault::NoopTestsAreSkipped) => true,
                Expected::Anything if !same => true,
                Expected::Anything if holds.is_some() => !has(Fault::NoopIsRefused),
                Expected::Anything => !has(Fault::RemovalNeedsTheKey),
                Expected::Nothing => holds.is_none() || has(Fault::NothingMeansAnything),
                Expected::Exactly(_) if has(Fault::TestsNeverHold) => false,
                Expected::Exactly(_) if has(Fault::TestsAreIgnored) => true,
                Expected::Exactly(_) if holds.is_none() => has(Fault::AbsenceMeetsEveryTest),
                Expected::Exactly(value) => holds == Some(value),
            };
            !accepted
        };
        let mut failing = update.edits.iter().filter(fails);
        let last = has(Fault::RefusalNamesTheLast);
        let (key, edit) = if last { failing.next_back()? } else { failing.next()? };
        let mut holds = state.refs.get(key).copied();
        if let (Expected::Exactly(test), true) = (&edit.expected, has(Fault::RefusalHoldsTheTest)) {
            holds = Some(*test);
        }
        let at = if has(Fault::RefusalForgetsThePlace) { state.at(0) } else { state.end() };
        Some(Refusal { key: key.clone(), holds, at })
    }

    fn refuse(
        &self,
        update: &RefUpdate<Sha1>,
        refusal: Refusal<RefName, Sha1>,
    ) -> RefOutcome<Sha1> {
        let mut state = self.shared().state.lock();
        if self.0.has(Fault::RefusalsComeTooLate) {
            for (key, edit) in update.edits.iter().take_while(|(key, _)| **key != refusal.key) {
                edit.set.map(|value| state.refs.insert(key.clone(), value));
            }
        }
        if self.0.has(Fault::RefusalsAreRecorded) {
            let keys = changed(&state, update);
            state.append(update, keys, self.shared());
        }
        let keys = changed(&state, update);
        let (end, outcome) = (state.end(), Outcome::Refused(refusal));
        if self.0.has(Fault::RefusedIdsAreRemembered) {
            state.remembered.insert(update.id, outcome.clone());
        }
        drop(state);
        if self.0.has(Fault::RefusalIsNoticed) {
            self.publish(record(end, end.sequence, update, keys));
        }
        outcome
    }

    /// Notes an update that changed nothing, and returns what it is answered with.
    fn unchanged(&self, update: &RefUpdate<Sha1>) -> Cursor {
        let mut state = self.shared().state.lock();
        let mut at = state.end();
        if self.0.has(Fault::NoopAnswersTheNext) {
            at.sequence += STEP;
        }
        if self.0.has(Fault::NoopIdsAreRemembered) {
            state.remembered.insert(update.id, Outcome::Applied(at));
        }
        drop(state);
        if self.0.has(Fault::NoopIsNoticed) {
            self.publish(record(at, at.sequence, update, Vec::new()));
        }
        at
    }
}
