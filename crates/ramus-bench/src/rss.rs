/// Returns the largest resident size of this process so far, in bytes; 0 where that is not told.
pub(crate) fn peak_bytes() -> u64 {
    status("VmHWM:")
}

/// Returns the resident size of this process, in bytes; 0 where that is not told.
pub(crate) fn now_bytes() -> u64 {
    status("VmRSS:")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
