//! Threads of our own, for what a runtime gives none, or none any more.

use std::io;

/// What such a thread does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// Begins a thread of this name, which nobody joins.
pub(crate) fn begin(name: &str, work: Work) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
