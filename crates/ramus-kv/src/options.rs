use serde::{Deserialize, Serialize};

/// How a repository is set up: plain data.
///
/// ```
/// use ramus_kv::RepoOptions;
///
/// let options = RepoOptions::default().with_author("billing").with_cache_bytes(16 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RepoOptions {
    /// The author of commits that name none. `ramus` by default.
    pub author: String,
    /// How much of decoded directories is kept, in bytes. 64 MiB by default. (A backend may keep blocks as
    /// they are beside that, by an option of its own.)
    pub cache_bytes: u64,
    /// How often a write is tried when other processes come first, before it ends in
    /// [`Contention`](ramus_core::ErrorKind::Contention). 64 by default.
    pub attempts_max: u32,
    /// How long a transaction that runs again, or a write that is not polled any more, keeps other
    /// writers of its branch waiting, in milliseconds. 1000 by default.
    pub turn_ms: u64,
}

impl RepoOptions {
    /// Returns these options with another author for commits that name none.
    #[must_use]
    pub fn with_author(mut self, author: impl Into<String>) -> Self {
        self.author = author.into();
        self
    }

    /// Returns these options with another size of the cache, in bytes.
    #[must_use]
    pub const fn with_cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Returns these options with another number of attempts; 0 counts as 1.
    #[must_use]
    pub const fn with_attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Returns these options with another length of a turn, in milliseconds.
    #[must_use]
    pub const fn with_turn_ms(mut self, milliseconds: u64) -> Self {
        self.turn_ms = milliseconds;
        self
    }
}

impl Default for RepoOptions {
    fn default() -> Self {
        let author = "ramus".to_owned();
        Self { author, cache_bytes: 64 << 20, attempts_max: 64, turn_ms: 1000 }
    }
}
