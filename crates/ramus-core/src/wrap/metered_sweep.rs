use std::sync::Arc;

use futures::stream::BoxStream;

use super::probe::{Probe, ok};
use super::{Meters, Operation};
use crate::{Epoch, Pin, Result, Sweep};

/// A sweep whose calls are counted and traced, as those of a [`Metered`](super::Metered) store are.
///
/// `begin`, `keys`, `pinned` and `finish` have a `count` of 0.
#[derive(Clone, Debug)]
pub struct MeteredSweep<S> {
    sweep: S,
    probe: Probe,
}

impl<S: Sweep> MeteredSweep<S> {
    /// Returns `sweep` with its calls measured, as the part `sweep`.
    pub fn new(sweep: S) -> Self {
        Self::with_probe(sweep, Probe::new("sweep"))
    }

    pub(super) const fn with_probe(sweep: S, probe: Probe) -> Self {
        Self { sweep, probe }
    }

    /// Returns the counters.
    pub const fn meters(&self) -> &Arc<Meters> {
        self.probe.meters()
    }
}

#[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded loses its meaning")]
impl<S: Sweep> Sweep for MeteredSweep<S> {
    type Key = S::Key;

    async fn begin(&self) -> Result<Epoch> {
        self.probe.call(Operation::Begin, 0, 0).run(self.sweep.begin(), ok).await
    }

    fn keys(&self) -> BoxStream<'static, Result<S::Key>> {
        self.probe.call(Operation::Keys, 0, 0).run_now(|| self.sweep.keys())
    }

    async fn pinned(&self, epoch: Epoch) -> Result<Vec<S::Key>> {
        self.probe.call(Operation::Pinned, 0, 0).run(self.sweep.pinned(epoch), ok).await
    }

    async fn remove_many(&self, epoch: Epoch, keys: Vec<S::Key>) -> Result<usize> {
        let call = self.probe.call(Operation::RemoveMany, keys.len(), 0);
        call.run(self.sweep.remove_many(epoch, keys), ok).await
    }

    async fn finish(&self, epoch: Epoch) -> Result<()> {
        self.probe.call(Operation::Finish, 0, 0).run(self.sweep.finish(epoch), ok).await
    }

    async fn pin(&self, keys: Vec<S::Key>) -> Result<Pin> {
        let call = self.probe.call(Operation::Pin, keys.len(), 0);
        call.run(self.sweep.pin(keys), ok).await
    }
}
