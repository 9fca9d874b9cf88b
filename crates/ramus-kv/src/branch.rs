use std::time::Duration;

use parking_lot::Mutex;
use ramus_core::RefName;

use crate::store::desk::Desk;
use crate::{Commit, Schema};

/// What all handles of one branch in this process share.
pub(crate) struct Branch<S: Schema> {
    pub(crate) name: RefName,
    /// Where its writers meet.
    pub(crate) desk: Desk<S>,
    /// The head that was read last, so that it need not be decoded again.
    pub(crate) head: Mutex<Option<Commit<S>>>,
}

impl<S: Schema> Branch<S> {
    pub(crate) fn new(name: RefName, turn: Duration) -> Self {
        Self { name, desk: Desk::new(turn), head: Mutex::new(None) }
    }
}
