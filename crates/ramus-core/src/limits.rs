/// What a store can take, and how far its change log reaches: data, never semantics.
///
/// Within its limits every store behaves the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most keys that one update may hold.
    pub update_keys_max: usize,
    /// The most bytes that one block may have.
    pub block_bytes_max: usize,
    /// How far the change log reaches.
    pub log: LogReach,
}

/// How far a change log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogReach {
    /// It ends with the process, and shows what was done through this store.
    Process,
    /// It outlives the process, and shows what was done through this store.
    Durable,
    /// It outlives the process, and shows what every writer of the place did.
    Shared,
}

impl Limits {
    /// The most bytes of a note, in every store.
    pub const NOTE_MAX: usize = 4096;

    /// Returns these limits with another number of keys in an update.
    #[must_use]
    pub const fn with_update_keys_max(mut self, keys: usize) -> Self {
        self.update_keys_max = keys;
        self
    }

    /// Returns these limits with another size of a block, in bytes.
    #[must_use]
    pub const fn with_block_bytes_max(mut self, bytes: usize) -> Self {
        self.block_bytes_max = bytes;
        self
    }

    /// Returns these limits with another reach of the change log.
    #[must_use]
    pub const fn with_log(mut self, log: LogReach) -> Self {
        self.log = log;
        self
    }

    /// Returns limits within which every store of two works; the log is that of `self`.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            update_keys_max: self.update_keys_max.min(other.update_keys_max),
            block_bytes_max: self.block_bytes_max.min(other.block_bytes_max),
            log: self.log,
        }
    }
}

/// 65 536 keys in an update, 64 MiB in a block, a log of this process.
impl Default for Limits {
    fn default() -> Self {
        Self { update_keys_max: 65_536, block_bytes_max: 64 << 20, log: LogReach::Process }
    }
}
