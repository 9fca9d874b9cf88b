use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

/// What tells the time of commits.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the time, in milliseconds since the beginning of 1970 (UTC).
    fn now_ms(&self) -> i64;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = |earlier: SystemTime, later: SystemTime| {
            let duration = later.duration_since(earlier).unwrap_or_default();
            i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
        };
        let now = SystemTime::now();
        if now < UNIX_EPOCH { -since(now, UNIX_EPOCH) } else { since(UNIX_EPOCH, now) }
    }
}
