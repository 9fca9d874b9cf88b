//! A disk in memory that records what is done to it, and builds the states that a crash may leave.
//!
//! What a crash leaves, by the rules in [`disk`](crate::disk): of each file everything that was written
//! before its last sync; of what was written later each sector of 512 bytes on its own, as it should be,
//! as it was before, as zeros, or as bytes that something else had left there; any size between that of
//! the last sync and the newest. What was written before a sync that failed is not made durable by a later
//! one, as with Linux, which takes these pages for clean. Of names, those as of the last sync of the directory, and any of the
//! later operations, each on its own.

mod calls;
mod random;
mod recording;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

pub(super) use random::Random;
pub(super) use recording::Recording;

pub(super) const SECTOR: usize = 512;
const EMFILE: i32 = 24;
/// So long a sync is held at the most.
const HELD_MAX: Duration = Duration::from_mins(1);

/// A disk. Clones are one, until [`kill`](SimDisk::kill).
#[derive(Clone, Debug, Default)]
pub(super) struct SimDisk(
    Arc<Mutex<State>>,
    Arc<Condvar>,
    /// How many processes were killed before.
    u64,
);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    log: Vec<Op>,
    /// Whether operations are recorded.
    recording: bool,
    locked: bool,
    /// How many processes were killed.
    kills: u64,
    calls: u64,
    fail: Option<Failure>,
    reads: u64,
    fail_read: Option<Failure>,
    failures: u64,
    /// How often the name of the directory was synced.
    own_name_syncs: usize,
    /// Files whose names end so cannot grow.
    full: Option<&'static str>,
    open: Arc<Open>,
    /// So many files may be open at once.
    open_max: Option<usize>,
    /// The number of the error that the system gives to whoever opens a file.
    no_opening: Option<i32>,
    /// What of files cannot be read.
    unreadable: Vec<(usize, Range<u64>)>,
    /// Where segments were read by calls that may wait, once that is recorded.
    reads_done: Option<Vec<(usize, u64)>>,
    /// No such read ends, but for so many.
    held_reads_but: Option<usize>,
    /// The next one panics.
    read_panics: bool,
    /// How many wait for that.
    reading: usize,
    /// Which syncs do not end.
    held: Held,
    /// How many wait for that.
    syncing: usize,
}

/// Which syncs do not end.
#[derive(Clone, Copy, Debug, Default)]
enum Held {
    #[default]
    None,
    Segments,
    /// The first of an index of so many bytes.
    LongIndex(usize),
    File(usize),
}

/// How many files are open, and were at once.
#[derive(Debug, Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Which call fails, counted over those that change the disk or those that only read, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) at: u64,
    pub(super) kind: io::ErrorKind,
    /// This call and all later ones until it is taken away.
    pub(super) lasts: bool,
}

/// Something that was done.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create {
        name: String,
        file: usize,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    SyncFile {
        file: usize,
    },
    /// A sync that failed: what was written before can still be read, and no later sync writes it.
    FailedSync {
        file: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    /// A file got a second name.
    Link {
        to: String,
        file: usize,
    },
    Unlink {
        name: String,
    },
    SyncDirectory,
    SyncOwnName,
    /// The process was killed; or this stands in place of an operation that is left out.
    Nothing,
}

impl SimDisk {
    pub(super) fn record(&self) -> Recording {
        let mut state = self.0.lock();
        state.recording = true;
        state.log.clear();
        let (names, files) = (state.names.clone(), state.files.clone());
        Recording { names, files, log: Vec::new() }
    }

    /// Returns how many operations were recorded.
    pub(super) fn recorded(&self) -> usize {
        self.0.lock().log.len()
    }

    /// Returns the disk as it is after its process was killed: what that does from now on is refused.
    pub(super) fn kill(&self) -> Self {
        let mut state = self.0.lock();
        state.kills += 1;
        if state.recording {
            state.log.push(Op::Nothing);
        }
        state.locked = false;
        Self(Arc::clone(&self.0), Arc::clone(&self.1), state.kills)
    }

    fn act(&self, state: &mut State, op: impl FnOnce() -> Op) -> io::Result<()> {
        if state.kills == self.2 { state.act(op) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    pub(super) fn log(&self) -> Vec<Op> {
        self.0.lock().log.clone()
    }

    pub(super) fn fail(&self, failure: Option<Failure>) {
        let mut state = self.0.lock();
        state.calls = 0;
        state.fail = failure;
    }

    /// Lets no file grow, as on a full disk; what is there can be written, synced and removed.
    pub(super) fn fill(&self, full: bool) {
        self.0.lock().full = full.then_some("");
    }

    /// Returns whether the name of the directory was synced.
    pub(super) fn has_name(&self) -> bool {
        self.0.lock().own_name_syncs > 0
    }

    /// Lets no segment grow.
    pub(super) fn fill_segments(&self, full: bool) {
        self.0.lock().full = full.then_some(".segment");
    }

    /// Flips a bit of the first of these bytes in a segment, and returns its name.
    pub(super) fn flip(&self, bytes: &[u8]) -> String {
        let mut state = self.0.lock();
        let names = state.names.clone();
        for (name, file) in names.into_iter().filter(|(name, _)| name.ends_with(".segment")) {
            let file = &mut state.files[file];
            if let Some(at) = file.windows(bytes.len()).position(|window| window == bytes) {
                file[at] ^= 1;
                return name;
            }
        }
        panic!("some segment has them")
    }

    /// Lets calls fail that only read.
    pub(super) fn fail_reads(&self, failure: Option<Failure>) {
        let mut state = self.0.lock();
        state.reads = 0;
        state.fail_read = failure;
    }

    /// Lets the process open no more files, or lets it again.
    pub(super) fn open_nothing(&self, opens_nothing: bool) {
        self.0.lock().no_opening = opens_nothing.then_some(EMFILE);
    }

    /// Lets the disk read no more what lies there in a file.
    pub(super) fn break_sectors(&self, name: &str, sectors: Range<u64>) {
        let mut state = self.0.lock();
        let file = state.names[name];
        state.unreadable.push((file, sectors));
    }

    /// Lets so many files be open at once.
    pub(super) fn open_at_most(&self, files: Option<usize>) {
        self.0.lock().open_max = files;
    }

    /// Returns how many files are open.
    pub(super) fn open_now(&self) -> usize {
        self.0.lock().open.now.load(Ordering::SeqCst)
    }

    /// Returns how many files were open at once.
    pub(super) fn open_most(&self) -> usize {
        self.0.lock().open.most.load(Ordering::SeqCst)
    }

    /// Returns whether any call failed.
    pub(super) fn failed(&self) -> bool {
        self.0.lock().failures > 0
    }

    /// Lets no sync of a segment end, until `release`.
    pub(super) fn hold(&self) {
        self.0.lock().held = Held::Segments;
    }

    /// Lets no sync end of the first index that has so many bytes at least, until `release`.
    pub(super) fn hold_a_long_index(&self, bytes: usize) {
        self.0.lock().held = Held::LongIndex(bytes);
    }

    /// Waits until a sync is held.
    pub(super) fn wait_for_sync(&self) {
        let mut state = self.0.lock();
        while state.syncing == 0 {
            self.1.wait(&mut state);
        }
    }

    /// Lets no read of a segment end that may wait, until `release_reads`; from now on these are recorded.
    pub(super) fn hold_reads(&self) {
        let mut state = self.0.lock();
        (state.held_reads_but, state.reads_done) = (Some(0), Some(Vec::new()));
    }

    /// Returns how many reads are held.
    pub(super) fn reads_held(&self) -> usize {
        self.0.lock().reading
    }

    /// Lets one of the reads end that are held, or the next one.
    pub(super) fn release_a_read(&self) {
        self.0.lock().held_reads_but = Some(1);
        self.1.notify_all();
    }

    /// Lets the next read of a segment panic that may wait.
    pub(super) fn panic_in_a_read(&self) {
        self.0.lock().read_panics = true;
    }

    pub(super) fn release_reads(&self) {
        self.0.lock().held_reads_but = None;
        self.1.notify_all();
    }

    /// Returns where segments were read since reads were held, in order: file and offset.
    pub(super) fn reads(&self) -> Vec<(usize, u64)> {
        self.0.lock().reads_done.clone().unwrap_or_default()
    }

    /// Returns whether a sync is held.
    pub(super) fn is_holding(&self) -> bool {
        let state = self.0.lock();
        state.syncing > 0 && !matches!(state.held, Held::None)
    }

    pub(super) fn release(&self) {
        self.0.lock().held = Held::None;
        self.1.notify_all();
    }

    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.0.lock();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].clone())).collect()
    }

    /// Puts a file in place, behind the back of who has the disk open.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.0.lock();
        let file = state.files.len();
        state.files.push(bytes);
        state.names.insert(name.to_owned(), file);
    }

    /// Returns a disk of its own with these files.
    pub(super) fn of_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let disk = Self::default();
        for (name, bytes) in files {
            let mut state = disk.0.lock();
            let file = state.files.len();
            state.files.push(bytes);
            state.names.insert(name, file);
        }
        disk
    }
}

impl Failure {
    const fn meets(&self, call: u64) -> bool {
        call == self.at || (self.lasts && call > self.at)
    }
}

impl State {
    fn is_full(&self, file: usize) -> bool {
        self.full.is_some_and(|end| self.is_named(file, end))
    }

    fn is_named(&self, file: usize, end: &str) -> bool {
        self.names.iter().any(|(name, other)| *other == file && name.ends_with(end))
    }

    fn is_held(&mut self, file: usize) -> bool {
        let is = |end: &str| self.is_named(file, end);
        match self.held {
            Held::None => false,
            Held::Segments => is(".segment"),
            Held::LongIndex(bytes) => {
                let is_long = is(".index") && self.files[file].len() >= bytes;
                if is_long {
                    self.held = Held::File(file);
                }
                is_long
            }
            Held::File(held) => held == file,
        }
    }

    fn ensure_opens(&self) -> io::Result<()> {
        let now = self.open.now.load(Ordering::SeqCst);
        let is_enough = self.open_max.is_some_and(|max| now >= max);
        let code = self.no_opening.or(is_enough.then_some(EMFILE));
        code.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }

    /// Counts a call that only reads.
    fn read(&mut self) -> io::Result<()> {
        self.reads += 1;
        match self.fail_read {
            Some(failure) if failure.meets(self.reads) => {
                self.failures += 1;
                Err(failure.kind.into())
            }
            _ => Ok(()),
        }
    }

    fn act(&mut self, op: impl FnOnce() -> Op) -> io::Result<()> {
        self.calls += 1;
        if let Some(failure @ Failure { kind, .. }) = self.fail
            && failure.meets(self.calls)
        {
            self.failures += 1;
            if self.recording
                && let Op::SyncFile { file } = op()
            {
                self.log.push(Op::FailedSync { file });
            }
            return Err(kind.into());
        }
        if self.recording {
            self.log.push(op());
        }
        Ok(())
    }
}
