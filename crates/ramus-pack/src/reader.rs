//! Reading a directory that another process may write.
//!
//! A reader takes no lock and writes nothing. It opens every file of one generation of the manifest, which
//! stay readable when they are unlinked, and then follows: when the kernel tells that something in the
//! directory changed, and at an interval behind that, it looks whether there is another
//! manifest, how far the active segment is durable, and reads the batches up to there.
//!
//! # What is promised
//!
//! - Nothing is shown that is not durable, as the directory is used: with `sync` only what lies before the
//!   largest `durable_end` that the manifest, `head` or a batch tells of; with `os` every whole batch.
//! - What is shown never goes back: blocks can be found before the change that names them is visible, and
//!   changes become visible in order, each batch of them at once.
//! - What the visible refs name is there: the files of before stay open until nothing visible names what
//!   the new ones lack, because it was collected. What a reader keeps besides may be collected.
//! - A reader that cannot follow answers why, for refs and changes, until it can; blocks stay readable.
//!
//! A segment that is sealed is left where it was read up to: the files of its changes and of the refs have
//! the rest. A change log that cannot be gone on with, because it begins anew or was cut off, is taken
//! over as it is; who watches is told by `Resync`.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::stream;
use parking_lot::{Condvar, Mutex};
use ramus_core::{Error, ErrorKind, Hash, Notice, RefName, Result, Subscription};
use tokio::sync::watch;

use crate::derived::Derived;
use crate::disk::{Disk, Notifier};
use crate::index::{Index, Places};
use crate::options::{Damaged, Settings};
use crate::recover::{check_hash, read_manifest};
use crate::shared::Shared;
use crate::writer::core::Core;
use crate::writer::files::MANIFEST;
use crate::writer::tail::Tail;
use generation::{Generation, Opened};

mod generation;

pub(crate) use generation::{newest, peek_generation};

/// What a handle that only reads has in place of the writer.
#[derive(Debug)]
pub(crate) struct Reader<H: Hash> {
    /// Held while the files are looked at.
    generation: Mutex<Generation<H>>,
    /// Why it was not possible to follow the last time.
    failed: Mutex<Option<Error>>,
    /// Told when there is something new; gone once the store is closed.
    news: Mutex<Option<watch::Sender<()>>>,
    stop: Arc<Stop>,
}

#[derive(Debug)]
struct Stop {
    stopped: Mutex<bool>,
    told: Condvar,
    /// Tells that the directory changed, if the system can.
    notifier: Option<Box<dyn Notifier>>,
}

/// Opens a directory to be read.
pub(crate) fn open<H: Hash>(disk: Arc<dyn Disk>, settings: Settings) -> Result<Arc<Shared<H>>> {
    let place = disk.place();
    let manifest = read_manifest(&*disk).map_err(|error| match error.io_kind() {
        Some(io::ErrorKind::NotFound) => Error::invalid_input(format!(
            "{place} is no repository: it has no `{MANIFEST}`; whoever opens it to write makes it one"
        )),
        _ => error.into(),
    })?;
    check_hash::<H>(&*disk, &manifest)?;
    manifest.coding.ensure_known()?;
    let interval = Duration::from_millis(settings.options.follow_ms.clamp(1, 60_000));
    let damaged = settings.options.damaged;
    let (generation, begin) = Generation::open(&disk, manifest)?;
    let visible = begin.visible(settings.log_changes)?;
    let Opened { runs, segments } = generation.files.clone();
    let index = Index::new(Places::default(), runs, segments);
    // Nothing is ever appended, wherever that would be.
    let mut core = Core::new(Tail::new(u32::MAX, u64::from(u32::MAX), 1), &visible);
    core.read_only = true;
    core.failed = Some(refusal(&place));
    let (stopped, told, notifier) = (Mutex::new(false), Condvar::new(), disk.notifier());
    let stop = Stop { stopped, told, notifier };
    let derived = Derived::of_others(disk);
    let mut shared = Shared::new(settings, place, index, core, visible, u32::MAX, derived);
    shared.reader = Some(Reader {
        generation: Mutex::new(generation),
        failed: Mutex::new(None),
        news: Mutex::new(Some(watch::Sender::new(()))),
        stop: Arc::new(stop),
    });
    let shared = Arc::new(shared);
    match shared.follow() {
        Err(error) if error.kind() != ErrorKind::Corrupt || damaged == Damaged::Refuse => {
            Err(error)
        }
        _ => {
            follow_at(interval, &shared)?;
            Ok(shared)
        }
    }
}

/// Returns what every write answers.
fn refusal(place: &str) -> Error {
    let message = format!(
        "cannot write to {place}: it is open with `mode=read`; open it with `mode=write`, or let the process write that has"
    );
    Error::new(ErrorKind::Permission, message)
}

/// Follows at an interval, until the reader is stopped.
fn follow_at<H: Hash>(interval: Duration, shared: &Arc<Shared<H>>) -> Result<()> {
    let Some(reader) = &shared.reader else { return Ok(()) };
    let (stop, weak) = (Arc::clone(&reader.stop), Arc::downgrade(shared));
    let thread = std::thread::Builder::new().name("ramus-pack-reader".to_owned());
    // Nobody joins it: it ends within an interval once the store is closed or dropped.
    thread.spawn(move || follow_until(&stop, interval, &weak)).map(drop).map_err(|cause| {
        Error::new(ErrorKind::Limit, "cannot start a thread to follow the writer")
            .with_source(cause)
    })
}

fn follow_until<H: Hash>(stop: &Stop, interval: Duration, shared: &Weak<Shared<H>>) {
    while !stop.wait(interval) {
        let Some(shared) = shared.upgrade() else { return };
        // It is kept for whoever asks.
        drop(shared.follow());
    }
}

impl Stop {
    /// Waits until it is time to look, and returns whether it is time to stop.
    fn wait(&self, mut interval: Duration) -> bool {
        /// Who writes much is looked at so often at the most.
        const GAP: Duration = Duration::from_millis(1);
        if let Some(notifier) = &self.notifier {
            notifier.wait(interval);
            interval = GAP;
        }
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.told.wait_for(&mut stopped, interval);
        }
        if let Some(notifier) = &self.notifier {
            // What changes from now on is looked at the next time.
            notifier.clear();
        }
        *stopped
    }

    fn stop(&self) {
        *self.stopped.lock() = true;
        self.told.notify_all();
        if let Some(notifier) = &self.notifier {
            notifier.stop();
        }
    }
}

impl<H: Hash> Shared<H> {
    /// Looks for what is new, and shows it. It blocks.
    pub(crate) fn follow(&self) -> Result<()> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let mut generation = reader.generation.lock();
        let followed = generation.follow(self);
        let as_it_was = self.settings.options.damaged == Damaged::Read;
        let failed = followed.as_ref().err().cloned();
        // Who asked for that reads on, as it was before the damage.
        let failed = failed.filter(|error| error.kind() != ErrorKind::Corrupt || !as_it_was);
        let new = {
            let mut before = reader.failed.lock();
            let new = matches!(followed, Ok(true)) || before.is_some() != failed.is_some();
            *before = failed;
            new
        };
        drop(generation);
        if new && let Some(news) = &*reader.news.lock() {
            news.send_replace(());
        }
        followed.map(drop)
    }
}

impl<H: Hash> Reader<H> {
    /// Answers why the refs cannot be followed, if they cannot.
    pub(crate) fn ensure_follows(&self) -> Result<()> {
        self.failed.lock().clone().map_or(Ok(()), Err)
    }

    /// Returns notices that there is something to read.
    pub(crate) fn subscribe(&self) -> Subscription<RefName, H> {
        let news = self.news.lock().as_ref().map(watch::Sender::subscribe);
        let notices = stream::unfold(news, async |news| {
            let mut news = news?;
            news.changed().await.ok()?;
            Some((Notice::Lagged, Some(news)))
        });
        Subscription::of_stream(notices)
    }

    /// Ends the following and the subscriptions.
    pub(crate) fn stop(&self) {
        self.stop.stop();
        drop(self.news.lock().take());
    }
}
