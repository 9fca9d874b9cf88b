//! A storage backend from nothing: the chapter `docs/writing-a-storage-backend.md`, as a program.
//!
//! ```sh
//! cargo run --release --example custom_backend
//! ```
//!
//! The backend keeps everything in ordinary maps, and is about 150 lines of code. It passes every law of
//! the contracts: `tests/custom_backend.rs` runs them. What is printed is a walk through it, first by
//! its own stores, then as a repository.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ramus_core::erased::Backend;
use ramus_core::open::Location;
use ramus_core::{
    AtomicWrite, AtomicWriteExt as _, Change, Changes, ContentAddressable, Cursor, Error,
    ErrorKind, Hash, Joined, Key, KeyChange, Limits, Outcome, ReadOnly, RefName, Refusal, Result,
    Sha1, Snapshot, Storage as _, Subscription, Update, Value,
};
use ramus_watch::{Event, Hub, Log, WatchExt as _};
use serde::{Deserialize, Serialize};

/// A map that clones share: what both stores are made of.
pub struct Table<K, V, L = ()>(Arc<Mutex<Option<Inside<K, V, L>>>>);

/// What lies behind the lock, until the store is closed.
struct Inside<K, V, L> {
    entries: BTreeMap<K, V>,
    /// What has to change together with the entries.
    beside: L,
}

impl<K: Key, V: Value, L> Table<K, V, L> {
    fn new(beside: L) -> Self {
        Self(Arc::new(Mutex::new(Some(Inside { entries: BTreeMap::new(), beside }))))
    }

    /// Calls `action` with what lies behind the lock, and nothing else: no `await` can be in it.
    fn locked<T>(&self, action: impl FnOnce(&mut Inside<K, V, L>) -> T) -> Result<T> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.as_mut().map(action).ok_or_else(Error::closed)
    }
}

impl<K: Key, V: Value, L: Send + 'static> ReadOnly for Table<K, V, L> {
    type Key = K;
    type Value = V;

    async fn find(&self, key: &K) -> Result<Option<V>> {
        self.locked(|inside| inside.entries.get(key).cloned())
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        let inside = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(inside);
        Ok(())
    }
}

impl<H: Hash> ContentAddressable for Table<H, Bytes> {
    fn name(&self, block: &Bytes) -> Result<H> {
        Ok(H::of(block))
    }

    async fn unsafe_add(&self, key: H, block: Bytes) -> Result<()> {
        let (size, max) = (block.len(), self.limits().block_bytes_max);
        self.locked(|inside| {
            if size > max {
                let message = format!("block {key} has {size} bytes; at most {max} are taken");
                return Err(Error::new(ErrorKind::Limit, message));
            }
            inside.entries.insert(key, block);
            Ok(())
        })?
    }

    async fn flush(&self) -> Result<()> {
        self.locked(|_| ())
    }
}

/// References, their log, and whoever listens. Clones are one store.
#[derive(Clone)]
pub struct Refs<H: Hash> {
    table: Table<RefName, H, Log<RefName, H>>,
    hub: Arc<Hub<RefName, H>>,
}

impl<H: Hash> Refs<H> {
    fn new(options: &Options) -> Self {
        let table = Table::new(Log::new(options.log_changes_max));
        Self { table, hub: Arc::new(Hub::new(64)) }
    }
}

impl<H: Hash> ReadOnly for Refs<H> {
    type Key = RefName;
    type Value = H;

    async fn find(&self, key: &RefName) -> Result<Option<H>> {
        self.table.find(key).await
    }

    fn limits(&self) -> Limits {
        self.table.limits()
    }

    async fn close(&self) -> Result<()> {
        self.table.close().await?;
        self.hub.close();
        Ok(())
    }
}

impl<H: Hash> AtomicWrite for Refs<H> {
    async fn update(&self, update: Update<RefName, H>) -> Result<Outcome<RefName, H>> {
        let limits = self.limits();
        let (outcome, change) = self.table.locked(|inside| {
            update.check(&limits)?;
            inside.update(update)
        })??;
        if let Some(change) = change {
            self.hub.publish(change);
        }
        Ok(outcome)
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, H>> {
        self.table.locked(|inside| {
            let under = |key: &RefName| key.to_bytes().starts_with(prefix);
            let entries = inside.entries.iter().filter(|(key, _)| under(key));
            let entries = entries.map(|(key, value)| (key.clone(), *value)).collect();
            Snapshot::of_entries(inside.beside.end(), entries)
        })
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, H>> {
        self.table.locked(|inside| inside.beside.after(after, limit))
    }

    async fn position(&self) -> Result<Cursor> {
        self.table.locked(|inside| inside.beside.end())
    }

    fn subscribe(&self) -> Subscription<RefName, H> {
        self.hub.subscribe()
    }
}

/// What was decided, and the record of it, if anything changed.
type Decided<K, V> = (Outcome<K, V>, Option<Arc<Change<K, V>>>);

impl<K: Key, V: Value> Inside<K, V, Log<K, V>> {
    fn update(&mut self, update: Update<K, V>) -> Result<Decided<K, V>> {
        if let Some(place) = self.beside.recall(&update)? {
            return Ok((Outcome::Applied(place), None));
        }
        for (key, edit) in &update.edits {
            let holds = self.entries.get(key);
            if !edit.expected.accepts(holds) {
                let (key, holds, at) = (key.clone(), holds.cloned(), self.beside.end());
                return Ok((Outcome::Refused(Refusal { key, holds, at }), None));
            }
        }
        let mut changed = Vec::new();
        for (key, edit) in update.edits {
            let old = match edit.set.clone() {
                Some(value) => self.entries.insert(key.clone(), value),
                None => self.entries.remove(&key),
            };
            if old != edit.set {
                changed.push(KeyChange { key, old, new: edit.set });
            }
        }
        let change =
            (!changed.is_empty()).then(|| self.beside.append(update.id, update.note, changed));
        Ok((Outcome::Applied(self.beside.end()), change))
    }
}

/// How the backend is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How many changes the log keeps.
    pub log_changes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { log_changes_max: 65_536 }
    }
}

/// Blocks and refs in one place.
pub type Tutorial<H = Sha1> = Joined<Table<H, Bytes>, Refs<H>>;

/// Returns a new storage.
pub fn storage<H: Hash>(options: &Options) -> Tutorial<H> {
    Joined::new(Table::new(()), Refs::new(options))
}

/// Opens `tutorial:`, for whoever puts this among their openers.
pub async fn open<H: Hash>(location: Location) -> Result<Backend<H>> {
    if !location.path().is_empty() {
        return Err(Error::invalid_input("`tutorial:` takes no path: it is always new"));
    }
    Ok(Backend::new(storage(&location.options()?)))
}

impl<K, V, L> Clone for Table<K, V, L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V, L> fmt::Debug for Table<K, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

impl<H: Hash> fmt::Debug for Refs<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refs").finish_non_exhaustive()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    blocks_and_refs().await?;
    repository().await
}

/// The two stores, as a backend sees them.
async fn blocks_and_refs() -> Result<()> {
    let storage: Tutorial = storage(&Options::default());
    let hello = storage.blocks().add("hello".into()).await?;
    println!("a block is named by its hash: {hello}");
    let found = storage.blocks().find(&hello).await?;
    println!("and found by it: {found:?}");

    let main = RefName::branch("main")?;
    let mut watch = storage.refs().watch_key(&main).await?;
    storage.refs().set(main.clone(), hello).await?;
    match watch.next().await.transpose()? {
        Some(Event::Changed(changed)) => println!("a new ref is told of: {:?}", changed.keys()),
        other => println!("unexpected: {other:?}"),
    }

    let world = storage.blocks().add("world".into()).await?;
    let lost = storage.refs().test_and_set(main.clone(), None, Some(world)).await?;
    let won = storage.refs().test_and_set(main.clone(), Some(hello), Some(world)).await?;
    println!("tested for nothing, it is refused ({lost}); for what it holds, applied ({won})");

    let nowhere = Sha1::of(b"never added");
    match storage.refs().set(main, nowhere).await {
        Err(error) => println!("a ref to a block that is not there: {error}"),
        Ok(()) => println!("unexpected: a ref to nothing"),
    }
    Ok(())
}

/// The same backend under everything that users know.
async fn repository() -> Result<()> {
    let openers = ramus::openers().with("tutorial", open);
    let options = ramus::RepoOptions::default();
    let location = "tutorial:?log_changes_max=1000";
    let repo = ramus::open_with::<ramus::Kv<String>>(&openers, location, options).await?;
    let main = repo.main().await?;
    main.set("users/ada", "mathematician", "add Ada").await?;
    let draft = main.fork("draft").await?;
    draft.rename("users", "people", "people, not users").await?;
    main.set("motto", "begin", "a motto").await?;
    main.merge(&draft, "merge draft").await?.clean()?;
    println!("\n{location} as a repository:");
    let mut log = main.log().await?;
    while let Some(commit) = log.next().await {
        println!("  {}", commit?.info().message);
    }
    println!("  people/ada: {:?}", main.find("people/ada").await?);
    repo.close().await?;
    match main.find("people/ada").await {
        Err(error) => println!("  closed: {error}"),
        Ok(found) => println!("  unexpected: {found:?} of a closed repository"),
    }
    Ok(())
}
