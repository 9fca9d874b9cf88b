use ramus_core::{AtomicWrite, Result, Snapshot};

use crate::{Watch, WatchOptions};

/// Watches, for every atomic-write store.
///
/// # Errors
///
/// [`Closed`](ramus_core::ErrorKind::Closed) of a closed store,
/// [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) for options that no watch can follow, and
/// whatever reading the store gives.
pub trait WatchExt: AtomicWrite {
    /// Returns a watch.
    ///
    /// ```
    /// use ramus_core::{AtomicWrite, Cursor, Result};
    /// use ramus_watch::{Event, Mode, WatchExt as _, WatchOptions};
    ///
    /// /// Goes on where an earlier process was.
    /// async fn follow<S: AtomicWrite<Key = String>>(store: &S, saved: Cursor) -> Result<()> {
    ///     let options = WatchOptions::prefix("users/").with_mode(Mode::Latest).after(saved);
    ///     let mut watch = store.watch(options).await?;
    ///     while let Some(event) = watch.next().await {
    ///         match event? {
    ///             Event::Changed(changed) => println!("{:?}", changed.keys()),
    ///             Event::Resync(snapshot) => println!("{:?}", snapshot.collect().await?),
    ///         }
    ///         println!("go on after {}", watch.cursor());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    fn watch(
        &self,
        options: WatchOptions<Self::Key>,
    ) -> impl Future<Output = Result<Watch<Self::Key, Self::Value>>> + Send {
        Watch::open(self, options)
    }

    /// Returns a watch of every change of one key, from now.
    fn watch_key(
        &self,
        key: &Self::Key,
    ) -> impl Future<Output = Result<Watch<Self::Key, Self::Value>>> + Send {
        self.watch(WatchOptions::key(key.clone()))
    }

    /// Returns what the watched keys hold, and a watch that goes on from there without a gap.
    ///
    /// # Errors
    ///
    /// Besides those above, [`InvalidInput`](ramus_core::ErrorKind::InvalidInput) if the options say
    /// to start [after](WatchOptions::after) a cursor.
    #[expect(clippy::type_complexity, reason = "the pair that the name says")]
    fn snapshot_and_watch(
        &self,
        options: WatchOptions<Self::Key>,
    ) -> impl Future<
        Output = Result<(Snapshot<Self::Key, Self::Value>, Watch<Self::Key, Self::Value>)>,
    > + Send {
        Watch::open_with_snapshot(self, options)
    }
}

impl<S: AtomicWrite> WatchExt for S {}
