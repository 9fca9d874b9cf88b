use std::sync::Arc;

use ramus_core::{Epoch, Hash};

use crate::shared::Shared;

/// A collection that has begun. Dropped before somebody knows its epoch, it is over, since nobody will
/// finish it.
#[derive(Debug)]
pub(crate) struct Begun<H: Hash> {
    shared: Arc<Shared<H>>,
    epoch: Epoch,
    is_known: bool,
}

impl<H: Hash> Begun<H> {
    /// Begins one with this segment.
    pub(super) fn new(shared: &Arc<Shared<H>>, segment: u32) -> Self {
        let epoch = shared.begin_collection(segment);
        Self { shared: Arc::clone(shared), epoch, is_known: false }
    }

    pub(crate) fn into_epoch(mut self) -> Epoch {
        self.is_known = true;
        self.epoch
    }
}

impl<H: Hash> Drop for Begun<H> {
    fn drop(&mut self) {
        if !self.is_known {
            self.shared.finish_collection(self.epoch);
        }
    }
}
