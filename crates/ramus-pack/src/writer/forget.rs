//! How long the changes of sealed segments are kept: as many as `log_changes_max` says, and of those that are
//! more than the fewest none that is older, and none that takes more room, than was asked for. A file of
//! changes goes as a whole, when a segment is sealed.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::format::manifest::{FileEntry, FileKind};
use crate::options::Settings;

/// Returns after which change the log is kept from now on: not before `oldest`, and it ends with `end`.
pub(super) fn keep_after(files: &[FileEntry], oldest: u64, end: u64, settings: &Settings) -> u64 {
    let mut changes: Vec<_> = files.iter().filter(|file| file.kind == FileKind::Changes).collect();
    changes.sort_unstable_by_key(|file| file.first);
    let counts = |file: &&FileEntry| file.last > oldest;
    let mut bytes: u64 = changes.iter().copied().filter(counts).map(|file| file.length).sum();
    let mut after = oldest;
    for file in changes.into_iter().filter(counts) {
        let sealed_s = file.sealed_s();
        let age_s = (settings.now_s)().saturating_sub(sealed_s);
        // Nothing is known of the age of a file that does not tell.
        let is_old = sealed_s > 0 && settings.options.log_age_max_s.is_some_and(|max| age_s > max);
        let is_much = settings.options.log_bytes_max.is_some_and(|max| bytes > max);
        let may_go = end.saturating_sub(file.last) >= settings.log_changes_min;
        if !may_go || !(is_old || is_much) {
            break;
        }
        bytes -= file.length;
        after = after.max(file.last);
    }
    after
}

/// Returns the time, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
