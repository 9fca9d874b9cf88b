use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use ramus_core::{Error, Result};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::format::manifest::FileKind;

/// What the writer has to leave alone while room is given back.
#[derive(Debug, Default)]
pub(crate) struct Building {
    state: Mutex<BuildingState>,
    /// Told when a worker ends.
    idle: Condvar,
    /// Told when the store is closing.
    closed: Notify,
    /// Told when the runs may be merged again, and when the store is closing.
    thawed: Notify,
}

#[derive(Debug, Default)]
struct BuildingState {
    /// How many of the oldest runs are not merged.
    frozen: usize,
    /// Files that no manifest lists yet, and that are needed.
    files: HashSet<(FileKind, u32)>,
    /// How many write them: the next one may begin before the one before has quite ended.
    workers: usize,
    /// The store is closing.
    closing: bool,
}

/// Keeps runs from being merged, and new files from being removed, until it is dropped.
#[derive(Debug)]
pub(crate) struct Frozen(Arc<Building>);

impl Building {
    /// Keeps so many of the oldest runs; nothing if some are kept already.
    pub(crate) fn freeze(self: &Arc<Self>, runs: usize) -> Option<Frozen> {
        let mut state = self.state.lock();
        if state.frozen > 0 || runs == 0 {
            return None;
        }
        state.frozen = runs;
        Some(Frozen(Arc::clone(self)))
    }

    pub(crate) fn frozen(&self) -> usize {
        self.state.lock().frozen
    }

    pub(crate) fn has(&self, file: (FileKind, u32)) -> bool {
        self.state.lock().files.contains(&file)
    }

    /// Returns the files that no manifest lists yet.
    pub(super) fn files(&self) -> Vec<(FileKind, u32)> {
        self.state.lock().files.iter().copied().collect()
    }

    pub(super) fn add(&self, file: (FileKind, u32)) {
        self.state.lock().files.insert(file);
    }

    /// Lets nobody begin or go on to write files, and waits until nobody does.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.closed.notify_waiters();
        self.thawed.notify_waiters();
        while state.workers > 0 {
            self.idle.wait(&mut state);
        }
    }

    pub(super) fn begin_work(self: &Arc<Self>) -> Result<Working> {
        let mut state = self.state.lock();
        if state.closing {
            return Err(Error::closed());
        }
        state.workers += 1;
        Ok(Working(Arc::clone(self)))
    }

    /// Waits so long, or until the store is closing.
    pub(super) async fn pause(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let mut closed = pin!(self.closed.notified());
        closed.as_mut().enable();
        if !self.is_closing() {
            // Which of the two it was, the next step sees.
            drop(timeout(wait, closed).await);
        }
    }

    /// Waits until no runs are kept, or the store is closing.
    pub(crate) async fn thawed(&self) {
        let mut thawed = pin!(self.thawed.notified());
        thawed.as_mut().enable();
        let waits = {
            let state = self.state.lock();
            state.frozen > 0 && !state.closing
        };
        if waits {
            thawed.await;
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        {
            let mut state = self.0.state.lock();
            state.frozen = 0;
            state.files.clear();
        }
        self.0.thawed.notify_waiters();
    }
}

/// Somebody writes new files; the directory is not let go meanwhile.
pub(super) struct Working(Arc<Building>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.state.lock().workers -= 1;
        self.0.idle.notify_all();
    }
}
