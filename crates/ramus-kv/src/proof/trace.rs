use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::hash::DigestHash;
use ramus_core::{Error, Hash};

/// What was read, and whether anything could not be.
#[derive(Debug)]
pub(crate) struct Trace<H> {
    /// The trace of the proof inside which this one is made.
    outer: Option<Arc<Self>>,
    seen: Mutex<Seen<H>>,
}

/// The blocks that were read, by name, and the first failure.
#[derive(Debug)]
pub(crate) struct Seen<H> {
    pub(crate) blocks: HashMap<H, Bytes, DigestHash>,
    pub(crate) failure: Option<Error>,
}

impl<H: Hash> Trace<H> {
    pub(crate) fn new(outer: Option<Arc<Self>>) -> Self {
        let seen = Mutex::new(Seen::default());
        Self { outer, seen }
    }

    /// Notes a block that was read.
    pub(crate) fn note(&self, hash: H, block: &Bytes) {
        self.seen.lock().blocks.entry(hash).or_insert_with(|| block.clone());
        if let Some(outer) = &self.outer {
            outer.note(hash, block);
        }
    }

    /// Notes that something could not be read.
    pub(crate) fn fail(&self, fault: &Error) {
        self.seen.lock().failure.get_or_insert_with(|| fault.clone());
        if let Some(outer) = &self.outer {
            outer.fail(fault);
        }
    }

    /// Returns what was noted, and begins anew.
    pub(crate) fn take(&self) -> Seen<H> {
        std::mem::take(&mut self.seen.lock())
    }
}

impl<H> Default for Seen<H> {
    fn default() -> Self {
        Self { blocks: HashMap::default(), failure: None }
    }
}
