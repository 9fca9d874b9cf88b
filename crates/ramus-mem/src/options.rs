use serde::{Deserialize, Serialize};

/// How a memory store is set up.
///
/// ```
/// use ramus_mem::{Mem, MemOptions};
///
/// let mem: Mem = Mem::new(&MemOptions::default().with_log_changes_max(1000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MemOptions {
    /// How many changes the log keeps; older ones are forgotten. 65 536 by default; 1 to 2^31, and what lies
    /// outside is taken for the nearest of these.
    pub log_changes_max: usize,
    /// How many notices wait for a subscriber before it is told that it lagged. 64 by default; 1 to
    /// 65 536, and what lies outside is taken for the nearest of these.
    pub notices_max: usize,
}

impl MemOptions {
    /// Returns these options with another bound of the change log, in changes.
    #[must_use]
    pub const fn with_log_changes_max(mut self, changes: usize) -> Self {
        self.log_changes_max = changes;
        self
    }

    /// Returns these options with another bound of what waits for a subscriber, in notices.
    #[must_use]
    pub const fn with_notices_max(mut self, notices: usize) -> Self {
        self.notices_max = notices;
        self
    }
}

impl Default for MemOptions {
    fn default() -> Self {
        Self { log_changes_max: 65_536, notices_max: 64 }
    }
}
