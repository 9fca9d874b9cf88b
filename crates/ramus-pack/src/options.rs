use std::io;

use serde::{Deserialize, Serialize};

use ramus_core::{Error, Result};

use crate::compression::Coding;
use crate::threads;
use crate::writer::forget;

/// How a pack is opened.
///
/// ```
/// use ramus_pack::{Durability, PackOptions};
///
/// let options = PackOptions::default().with_durability(Durability::Os);
/// assert_eq!(options.log_changes_max, 65_536);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PackOptions {
    /// What the directory is opened for: `write` by default.
    pub mode: Mode,
    /// When an update counts as durable: `sync` by default.
    pub durability: Durability,
    /// Who syncs, with `durability=sync`: `pool` by default.
    pub sync_by: SyncBy,
    /// What to do with a directory whose log is damaged: `refuse` by default.
    pub damaged: Damaged,
    /// How many changes the log keeps, in memory and on disk; older ones are forgotten. 65 536 by default; less is
    /// refused. They are read when the directory is opened, and no limit by bytes counts for them in
    /// memory: each holds its note, and of every ref that it changes the name and two digests.
    pub log_changes_max: usize,
    /// How many bytes the changes of sealed segments may take on disk before the oldest are forgotten, though
    /// never one of the newest 65 536. No limit by default.
    pub log_bytes_max: Option<u64>,
    /// How old changes may become before they are forgotten, in seconds, though never one of the newest
    /// 65 536. What is older goes when a segment is sealed. No limit by default.
    pub log_age_max_s: Option<u64>,
    /// How many bytes of blocks that were read are kept in memory: 32 MiB by default; 0 keeps none. (What a
    /// repository keeps of decoded directories is an option of its own.)
    pub cache_bytes: usize,
    /// How many files of segments are kept open, about: 256 by default; 0 is taken for 1. More are opened when they are
    /// read, and those are closed that were not read for long. With `mode=read` all are open, since the process
    /// that writes may remove their names.
    pub open_files_max: usize,
    /// How many notices wait for a subscriber before it is told that it lagged. 64 by default; 1 to
    /// 65 536, and what lies outside is taken for the nearest of these.
    pub notices_max: usize,
    /// With `mode=read`, how often it is looked whether the writer has done something, in milliseconds:
    /// 20 by default; 1 to 60 000, and what lies outside is taken for the nearest of these. What was
    /// written is seen so much later at the most, on a machine that is not overloaded; on Linux, where the
    /// kernel tells of it, in about a millisecond.
    pub follow_ms: u64,
    /// How new blocks are stored; as the directory records it by default, which is `none` in a new one. What
    /// is said here is recorded, and counts from then on. `zstd` needs the feature `zstd`.
    pub compression: Option<Compression>,
    /// With `compression=zstd`, how much time is taken for it: 1 (fast) to 22, and what lies outside is taken
    /// for the nearest of these. As the directory records it by default, which is 3 in a new one.
    pub compression_level: Option<u8>,
    /// How many bytes a second a collection copies of blocks, and reads and writes of indexes, when it is finished.
    /// As many as it can by default; 0 is taken for 1.
    pub reclaim_bytes_per_second: Option<u64>,
    /// How much of a segment has to be lost, in percent, before a collection copies what is left of it.
    /// 30 by default; 100 copies nothing that is left, and more is taken for that.
    pub reclaim_percent: u8,
}

/// What a directory is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// To be read and written: by one process at a time, and a second one is refused.
    #[default]
    Write,
    /// To be read, by any number of processes beside one that writes, or none. They see what becomes
    /// durable, and their watches tell of it. Nothing in the directory is changed, and every write
    /// answers [`Permission`](ramus_core::ErrorKind::Permission).
    ///
    /// What the refs name is there. A collection by the process that writes does not know what readers
    /// keep, so what only a handle of a reader reaches may answer
    /// [`Missing`](ramus_core::ErrorKind::Missing): read the ref again.
    Read,
}

/// How blocks are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// Compressed with zstd, where that makes them smaller by an eighth at least.
    Zstd,
}

/// When an update counts as durable, and may be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Durability {
    /// When it would survive a power cut: after an fsync. Updates that come at the same time share one.
    #[default]
    Sync,
    /// When the operating system has it: it survives the end of the process, however that comes. A
    /// power cut may take the last seconds, and then begins a new incarnation of the change log;
    /// what is left is whole. [`flush`](ramus_core::ContentAddressable::flush) waits for an fsync here,
    /// too.
    Os,
}

/// Who writes and syncs a small batch, while those who wait for it wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SyncBy {
    /// A thread where the runtime allows blocking. Everything else that the runtime has to do goes on.
    #[default]
    Pool,
    /// Whoever waits for it, on the spot: nobody has to be woken, which takes about as long as half a sync.
    /// But the thread of the runtime stands still for as long as the disk takes, be it long, and with it what else
    /// it has to do, timers included. So this is for programs that do one thing at a time.
    Caller,
}

/// What is done with a directory whose log is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Damaged {
    /// It is not opened: [`Corrupt`](ramus_core::ErrorKind::Corrupt), naming the file and the place.
    #[default]
    Refuse,
    /// It is opened to be read, as it was before the damage. Every write answers that error.
    ///
    /// That is for damage in the segment that was written last, the only one whose log is read when a directory
    /// is opened. Where the manifest, the file of the refs, one of changes, the head of an index or a sealed
    /// segment is damaged or missing, it is refused all the same, since nothing tells what it was; then there
    /// is [`repair`](crate::repair()). Blocks in sealed segments and pages of an index are read one by one, and
    /// damage there refuses nothing but what is in them.
    ///
    /// With `mode=write` the lock is taken, and `head` is made if it is lost.
    Read,
}

impl PackOptions {
    /// How many files of segments are kept open by default: a fourth of what a process may open on many systems.
    pub(crate) const OPEN_FILES_MAX: usize = 256;

    /// The fewest changes that a log keeps.
    pub const LOG_CHANGES_MIN: usize = 65_536;

    /// Returns these options for opening a directory for something else.
    #[must_use]
    pub const fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Returns these options with another interval at which a reader follows, in milliseconds.
    #[must_use]
    pub const fn with_follow_ms(mut self, milliseconds: u64) -> Self {
        self.follow_ms = milliseconds;
        self
    }

    /// Returns these options with another moment at which an update is durable.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Returns these options with somebody else who syncs.
    #[must_use]
    pub const fn with_sync_by(mut self, sync_by: SyncBy) -> Self {
        self.sync_by = sync_by;
        self
    }

    /// Returns these options with another answer to damage.
    #[must_use]
    pub const fn with_damaged(mut self, damaged: Damaged) -> Self {
        self.damaged = damaged;
        self
    }

    /// Returns these options with another bound of the change log, in changes.
    #[must_use]
    pub const fn with_log_changes_max(mut self, changes: usize) -> Self {
        self.log_changes_max = changes;
        self
    }

    /// Returns these options with a limit of what changes take on disk, in bytes.
    #[must_use]
    pub const fn with_log_bytes_max(mut self, bytes: u64) -> Self {
        self.log_bytes_max = Some(bytes);
        self
    }

    /// Returns these options with a limit of the age of changes, in seconds.
    #[must_use]
    pub const fn with_log_age_max_s(mut self, seconds: u64) -> Self {
        self.log_age_max_s = Some(seconds);
        self
    }

    /// Returns these options with another size of the cache, in bytes.
    #[must_use]
    pub const fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Returns these options with another bound of the files of segments that are kept open.
    #[must_use]
    pub const fn with_open_files_max(mut self, files: usize) -> Self {
        self.open_files_max = files;
        self
    }

    /// Returns these options with another bound of what waits for a subscriber, in notices.
    #[must_use]
    pub const fn with_notices_max(mut self, notices: usize) -> Self {
        self.notices_max = notices;
        self
    }

    /// Returns these options with another way in which new blocks are stored.
    #[must_use]
    pub const fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Returns these options with another level of compression.
    #[must_use]
    pub const fn with_compression_level(mut self, level: u8) -> Self {
        self.compression_level = Some(level);
        self
    }

    /// Returns these options with a limit on how fast a collection reads and copies, in bytes a second.
    #[must_use]
    pub const fn with_reclaim_bytes_per_second(mut self, bytes: u64) -> Self {
        self.reclaim_bytes_per_second = Some(bytes);
        self
    }

    /// Returns these options with another share of a segment that has to be lost before it is copied, in
    /// percent.
    #[must_use]
    pub const fn with_reclaim_percent(mut self, percent: u8) -> Self {
        self.reclaim_percent = percent;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (changes, min) = (self.log_changes_max, Self::LOG_CHANGES_MIN);
        if changes >= min {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "a change log on disk keeps at least {min} changes, and `log_changes_max` is {changes}"
        )))
    }
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Write,
            durability: Durability::Sync,
            sync_by: SyncBy::Pool,
            damaged: Damaged::Refuse,
            log_changes_max: Self::LOG_CHANGES_MIN,
            log_bytes_max: None,
            log_age_max_s: None,
            cache_bytes: 32 << 20,
            open_files_max: Self::OPEN_FILES_MAX,
            notices_max: 64,
            follow_ms: 20,
            compression: None,
            compression_level: None,
            reclaim_bytes_per_second: None,
            reclaim_percent: 30,
        }
    }
}

/// The options, and sizes that only tests change.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) options: PackOptions,
    /// A segment that has become so large is sealed, in bytes.
    pub(crate) segment_bytes: u64,
    /// The file of a segment is extended by zeros so far ahead at least, in bytes: to write into a file that does not
    /// grow, and to sync it, is cheaper.
    pub(crate) ahead_bytes: u64,
    /// How new blocks are stored.
    pub(crate) coding: Coding,
    /// The log keeps so many changes.
    pub(crate) log_changes: usize,
    /// So many changes are kept, whatever else is asked for.
    pub(crate) log_changes_min: u64,
    /// The time, in seconds since 1970.
    pub(crate) now_s: fn() -> u64,
    /// Begins a thread of this name.
    pub(crate) begin_thread: fn(&str, threads::Work) -> io::Result<()>,
    /// So many bytes of blocks are gathered before they are written.
    pub(crate) write_bytes: usize,
    /// With so many bytes gathered, whoever adds has to wait.
    pub(crate) buffer_bytes: usize,
    /// So many jobs read blocks at once that somebody waits for.
    pub(crate) read_jobs_max: usize,
    /// So many runs may come while older ones are merged; with more the writer merges them itself.
    pub(crate) runs_behind_max: usize,
}

impl Settings {
    pub(crate) const fn new(options: PackOptions) -> Self {
        let log_changes = options.log_changes_max;
        Self {
            options,
            segment_bytes: 64 << 20,
            ahead_bytes: 64 << 10,
            coding: Coding::Plain,
            log_changes,
            log_changes_min: PackOptions::LOG_CHANGES_MIN as u64,
            now_s: forget::now_s,
            begin_thread: threads::begin,
            write_bytes: 1 << 20,
            buffer_bytes: 8 << 20,
            read_jobs_max: 16,
            runs_behind_max: 16,
        }
    }
}
