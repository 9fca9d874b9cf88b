use std::fmt::Debug;
use std::sync::Arc;

use tracing::field::{Empty, debug, display};
use tracing::{Instrument as _, Span, debug_span};

use super::{Meters, Operation};
use crate::{ErrorKind, Result};

/// What a metered store counts by, and what its spans say of it.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    part: &'static str,
    meters: Arc<Meters>,
}

/// One call that runs. Dropping it before it is finished is counted.
pub(super) struct Call {
    span: Span,
    operation: Operation,
    meters: Arc<Meters>,
    finished: bool,
}

/// What a call came to: a word for the span, and the bytes that the store gave.
pub(super) type Came = (&'static str, usize);

/// What a call comes to that gives nothing that is counted.
pub(super) fn ok<T>(_: &T) -> Came {
    ("ok", 0)
}

impl Probe {
    pub(super) fn new(part: &'static str) -> Self {
        Self { part, meters: Arc::default() }
    }

    pub(super) const fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Begins a call that concerns one key.
    pub(super) fn call_of(&self, operation: Operation, key: &impl Debug, bytes_in: usize) -> Call {
        self.begin(operation, Some(key), None, bytes_in)
    }

    /// Begins a call that concerns many keys, or none.
    pub(super) fn call(&self, operation: Operation, count: usize, bytes_in: usize) -> Call {
        self.begin(operation, None, Some(count), bytes_in)
    }

    fn begin(
        &self,
        operation: Operation,
        key: Option<&dyn Debug>,
        count: Option<usize>,
        bytes_in: usize,
    ) -> Call {
        self.meters.counters(operation).begun(bytes_in);
        let key = key.map(debug);
        let span = debug_span!(
            "store",
            part = self.part,
            operation = operation.name(),
            key,
            count,
            bytes_in,
            bytes_out = Empty,
            outcome = Empty,
        );
        Call { span, operation, meters: Arc::clone(&self.meters), finished: false }
    }
}

impl Call {
    /// Runs the call in its span, and notes what it came to.
    pub(super) async fn run<T>(
        self,
        work: impl Future<Output = Result<T>>,
        came: impl FnOnce(&T) -> Came,
    ) -> Result<T> {
        let answer = work.instrument(self.span.clone()).await;
        match &answer {
            Ok(answer) => self.succeeded(came(answer)),
            Err(error) => self.failed(error.kind()),
        }
        answer
    }

    /// Does what waits for nothing and cannot fail, in the span of the call.
    pub(super) fn run_now<T>(self, work: impl FnOnce() -> T) -> T {
        let answer = self.span.in_scope(work);
        self.succeeded(("ok", 0));
        answer
    }

    fn succeeded(mut self, (outcome, bytes_out): Came) {
        self.finished = true;
        self.meters.counters(self.operation).gave(bytes_out);
        self.span.record("bytes_out", bytes_out).record("outcome", outcome);
    }

    fn failed(mut self, kind: ErrorKind) {
        self.finished = true;
        self.meters.counters(self.operation).failed();
        self.span.record("outcome", display(kind));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.finished {
            self.meters.counters(self.operation).was_dropped();
            self.span.record("outcome", "dropped");
        }
    }
}
