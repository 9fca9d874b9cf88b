/// Returns how many bytes this process has given to writing calls so far; 0 where that is not told.
pub(crate) fn written_bytes() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let count = counts.lines().find_map(|line| line.strip_prefix("wchar:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
