use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Returns how much processor time this process has used, in user mode and in the kernel, on all threads.
pub(crate) fn used() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or(0))
}
