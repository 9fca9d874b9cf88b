use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io;

use super::Notifier;

/// Is told by the kernel that something in a directory was written or renamed (inotify).
#[derive(Debug)]
pub(super) struct Inotify {
    changes: OwnedFd,
    stop: OwnedFd,
}

impl Inotify {
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let changes = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        add_watch(&changes, directory, flags)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { changes, stop })
    }
}

impl Notifier for Inotify {
    fn wait(&self, timeout: Duration) {
        let readable = |fd| PollFd::new(fd, PollFlags::IN);
        let timeout = Timespec::try_from(timeout).ok();
        // Whoever waited looks, whatever ended it.
        let _: io::Result<usize> =
            poll(&mut [readable(&self.changes), readable(&self.stop)], timeout.as_ref());
    }

    fn clear(&self) {
        let mut events = [0_u8; 4096];
        while io::read(&self.changes, &mut events).is_ok_and(|read| read > 0) {}
    }

    fn stop(&self) {
        // It is readable from now on, also if it was before.
        let _: io::Result<usize> = io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}
