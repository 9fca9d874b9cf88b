use bytes::Bytes;
use ramus_core::{Hash as _, RefName, Result, Sha1};

use super::{Fault, Handle, State};

/// The derived data of a broken storage.
pub(super) struct BrokenDerived<'a>(pub(super) &'a Handle);

impl BrokenDerived<'_> {
    pub(super) fn load(&self, name: &RefName) -> Result<Option<Bytes>> {
        self.ensure_open()?;
        let state = self.0.shared.state.lock();
        let kept = state.derived.get(&self.key(name)).map(|kept| Bytes::from(kept.clone()));
        Ok(kept.or_else(|| self.0.has(Fault::AbsentDerivedIsEmpty).then(Bytes::new)))
    }

    pub(super) async fn append(&self, name: &RefName, at: u64, bytes: &[u8]) -> Result<bool> {
        self.ensure_open()?;
        if !self.ends_at(name, at) && !self.0.has(Fault::AppendIgnoresThePlace) {
            return Ok(false);
        }
        self.0.shared.window_if(Fault::AppendsRace).await;
        let mut state = self.0.shared.state.lock();
        let kept = state.derived.entry(self.key(name)).or_default();
        if self.0.has(Fault::AppendReplaces) {
            kept.clear();
        }
        kept.extend_from_slice(bytes);
        Ok(true)
    }

    pub(super) fn replace(&self, name: &RefName, bytes: &[u8]) -> Result<bool> {
        self.ensure_open()?;
        let mut state = self.0.shared.state.lock();
        self.tell(&mut state, name);
        let kept = state.derived.entry(self.key(name)).or_default();
        let rest = kept.split_off(kept.len().min(bytes.len()));
        kept.clear();
        kept.extend_from_slice(bytes);
        if self.0.has(Fault::ReplaceLeavesTheRest) {
            kept.extend(rest);
        }
        Ok(true)
    }

    fn ensure_open(&self) -> Result<()> {
        if self.0.has(Fault::ClosedStoragesKeepDerived) {
            return Ok(());
        }
        self.0.ensure_open(|state| state.refs_closed)
    }

    fn ends_at(&self, name: &RefName, at: u64) -> bool {
        let state = self.0.shared.state.lock();
        state.derived.get(&self.key(name)).map_or(0, Vec::len) as u64 == at
    }

    fn key(&self, name: &RefName) -> String {
        if self.0.has(Fault::NamespacesShareDerived) {
            return name.name().to_owned();
        }
        name.to_string()
    }

    fn tell(&self, state: &mut State, name: &RefName) {
        if self.0.has(Fault::DerivedIsARef) {
            state.refs.insert(name.clone(), Sha1::of(b"derived"));
        }
    }
}
