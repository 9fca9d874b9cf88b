//! A small storage that keeps every law, until it is told which one to break.
//!
//! It is plain on purpose: one lock around one state. Its sequences rise by three, so that a law which
//! takes the next number for the next change fails on the sound store. What a fault does between two
//! steps it does at an await, so that a runtime of one thread shows it, every time alike.

mod applying;
mod blocks;
mod deciding;
mod derived;
mod fault;
mod log;
mod refs;
mod snapshots;
mod storage;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use ramus_core::{Change, Cursor, Error, Incarnation, RefName, RefOutcome, Result, Sha1, UpdateId};
use ramus_testkit::StorageSubject;
use tokio::sync::broadcast;

pub(crate) use fault::Fault;
pub(crate) use storage::Broken;

/// How many changes a log keeps.
pub(crate) const LOG_CAPACITY: usize = 64;
/// The most keys of an update.
const KEYS_MAX: usize = 64;
/// The most bytes of a block.
const BLOCK_BYTES_MAX: usize = 1024;
/// How much sequences rise.
const STEP: u64 = 3;

type Record = Arc<Change<RefName, Sha1>>;

/// A handle on one store.
#[derive(Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
    /// Whether this handle was closed: only a fault asks.
    closed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Shared {
    fault: Option<Fault>,
    state: Mutex<State>,
    sender: Mutex<Option<broadcast::Sender<Record>>>,
    /// Of all stores of one subject: only a fault asks.
    closed_everywhere: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that a fault asks for"
)]
struct State {
    blocks_closed: bool,
    refs_closed: bool,

    blocks: BTreeMap<Sha1, Block>,
    adding: BTreeSet<Sha1>,
    ever_added: BTreeSet<Sha1>,
    removed: BTreeSet<Sha1>,
    /// The blocks that were removed: only a fault brings them back.
    lost: BTreeMap<Sha1, Block>,
    /// A collection was finished: only a fault asks.
    finished: bool,
    salt: u32,

    derived: BTreeMap<String, Vec<u8>>,

    refs: BTreeMap<RefName, Sha1>,
    refs_before: BTreeMap<RefName, Sha1>,
    ever_set: BTreeMap<RefName, Sha1>,
    reads: usize,
    log: Vec<Record>,
    incarnation: Incarnation,
    /// The sequence of the newest record that is no longer kept.
    floor: u64,
    /// The highest sequence that was given to an update.
    given: u64,
    ids: HashMap<UpdateId, Cursor>,
    remembered: HashMap<UpdateId, RefOutcome<Sha1>>,
    running: usize,
    /// What `position` tells instead of the end: only a fault sets it.
    spoiled_position: Option<Cursor>,
    subscribed: bool,

    epoch: u64,
    pins: BTreeMap<Sha1, usize>,
    /// In which epoch a pin of each name dropped.
    dropped: BTreeMap<Sha1, u64>,
}

#[derive(Clone, Debug)]
struct Block {
    value: Bytes,
    /// In which epoch it was last added or pinned.
    epoch: u64,
}

/// Opens storages with one fault, or none.
#[derive(Debug)]
pub(crate) struct BrokenSubject {
    fault: Option<Fault>,
    closed_everywhere: Arc<AtomicBool>,
    first: Mutex<Option<Broken>>,
    opened: Mutex<u32>,
}

impl BrokenSubject {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        let closed_everywhere = Arc::new(AtomicBool::new(false));
        Self { fault, closed_everywhere, first: Mutex::new(None), opened: Mutex::new(0) }
    }
}

impl StorageSubject for BrokenSubject {
    type Storage = Broken;

    async fn open(&self) -> Broken {
        let number = {
            let mut opened = self.opened.lock();
            *opened += 1;
            *opened
        };
        let shared = Shared::new(self.fault, number, Arc::clone(&self.closed_everywhere));
        let storage = Broken::new(Arc::new(shared));
        if self.fault == Some(Fault::StoresAreOne) {
            return self.first.lock().get_or_insert(storage).clone();
        }
        storage
    }

    fn log_capacity(&self) -> usize {
        LOG_CAPACITY
    }
}

impl Shared {
    fn new(fault: Option<Fault>, number: u32, closed_everywhere: Arc<AtomicBool>) -> Self {
        let incarnation = match fault {
            Some(Fault::IncarnationIsFixed) => Incarnation::from_bytes([7; 16]),
            _ => Incarnation::random(),
        };
        let state = State {
            blocks_closed: false,
            refs_closed: false,
            blocks: BTreeMap::new(),
            adding: BTreeSet::new(),
            ever_added: BTreeSet::new(),
            removed: BTreeSet::new(),
            lost: BTreeMap::new(),
            finished: false,
            salt: number,
            derived: BTreeMap::new(),
            refs: BTreeMap::new(),
            refs_before: BTreeMap::new(),
            ever_set: BTreeMap::new(),
            reads: 0,
            log: Vec::new(),
            incarnation,
            floor: 0,
            given: 0,
            ids: HashMap::new(),
            remembered: HashMap::new(),
            running: 0,
            spoiled_position: None,
            subscribed: false,
            epoch: 1,
            pins: BTreeMap::new(),
            dropped: BTreeMap::new(),
        };
        let sender = Mutex::new(Some(broadcast::Sender::new(16)));
        Self { fault, state: Mutex::new(state), sender, closed_everywhere }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Lets every other task have a few turns.
    async fn window(&self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }

    /// The same, where this is the fault of the store.
    async fn window_if(&self, fault: Fault) {
        if self.has(fault) {
            self.window().await;
        }
    }
}

impl Handle {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, closed: Arc::new(AtomicBool::new(false)) }
    }

    fn has(&self, fault: Fault) -> bool {
        self.shared.has(fault)
    }

    /// Returns this handle once more, whatever a clone is.
    fn same(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), closed: Arc::clone(&self.closed) }
    }

    /// Refuses a closed half of a store; `closed` says which half is meant.
    fn ensure_open(&self, closed: impl FnOnce(&State) -> bool) -> Result<()> {
        let closed = if self.has(Fault::CloseIsOfOneHandle) {
            self.closed.load(Ordering::SeqCst)
        } else {
            let everywhere = self.shared.closed_everywhere.load(Ordering::SeqCst);
            closed(&self.shared.state.lock()) || everywhere && self.has(Fault::ClosingClosesAll)
        };
        if closed { Err(Error::closed()) } else { Ok(()) }
    }

    fn close(&self, close: impl FnOnce(&mut State)) -> Result<()> {
        if self.has(Fault::ClosingAgainFails) {
            self.ensure_open(|state| state.refs_closed || state.blocks_closed)?;
        }
        self.closed.store(true, Ordering::SeqCst);
        self.shared.closed_everywhere.store(true, Ordering::SeqCst);
        close(&mut self.shared.state.lock());
        Ok(())
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        if self.has(Fault::ClonesAreCopies) {
            let everywhere = Arc::clone(&self.shared.closed_everywhere);
            let copy = Shared::new(self.shared.fault, 0, everywhere);
            *copy.state.lock() = self.shared.state.lock().clone();
            return Self::new(Arc::new(copy));
        }
        if self.has(Fault::CloseIsOfOneHandle) {
            return Self::new(Arc::clone(&self.shared));
        }
        self.same()
    }
}

impl State {
    fn at(&self, sequence: u64) -> Cursor {
        Cursor { incarnation: self.incarnation, sequence }
    }

    /// Returns the end of the log.
    fn end(&self) -> Cursor {
        self.at(self.log.last().map_or(self.floor, |change| change.cursor.sequence))
    }
}
