use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use parking_lot::{Mutex, MutexGuard};
use ramus_core::{
    AtomicWrite, Change, Changes, Cursor, Error, Key, KeyChange, Limits, Outcome, ReadOnly,
    RefName, Refusal, Result, Sha1, Snapshot, Subscription, Update, Value,
};
use ramus_watch::{Hub, Log};
use rpds::RedBlackTreeMapSync;

use crate::MemOptions;

/// References in memory, with their change log. Clones are one store.
///
/// Every new store begins a new incarnation of the log.
pub struct MemRefs<K = RefName, V = Sha1>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    /// Gone once the store is closed.
    state: Mutex<Option<State<K, V>>>,
    hub: Hub<K, V>,
}

struct State<K, V> {
    entries: Entries<K, V>,
    log: Log<K, V>,
}

/// By canonical bytes. A persistent map: a snapshot is one cheap clone, taken under the lock.
type Entries<K, V> = RedBlackTreeMapSync<Bytes, (K, V)>;

impl<K: Key, V: Value> MemRefs<K, V> {
    /// Returns an empty store.
    pub fn new(options: &MemOptions) -> Self {
        let log = Log::new(options.log_changes_max);
        let state = Mutex::new(Some(State { entries: Entries::new_sync(), log }));
        Self(Arc::new(Shared { state, hub: Hub::new(options.notices_max) }))
    }

    /// Returns the place of the update, if it was applied before.
    pub(crate) fn recall(&self, update: &Update<K, V>) -> Result<Option<Cursor>> {
        self.with_state(|state| state.log.recall(update))?
    }

    fn look(&self, key: &K) -> Result<Option<V>> {
        self.with_state(|state| state.holds(key).cloned())
    }

    /// Calls `read` with the state, under the lock.
    fn with_state<T>(&self, read: impl FnOnce(&mut State<K, V>) -> T) -> Result<T> {
        let mut state: MutexGuard<'_, Option<State<K, V>>> = self.0.state.lock();
        state.as_mut().map(read).ok_or_else(Error::closed)
    }
}

impl<K: Key, V: Value> ReadOnly for MemRefs<K, V> {
    type Key = K;
    type Value = V;

    async fn find(&self, key: &K) -> Result<Option<V>> {
        self.look(key)
    }

    fn find_now(&self, key: &K) -> Option<Result<Option<V>>> {
        Some(self.look(key))
    }

    async fn find_many(&self, keys: &[K]) -> Result<Vec<Option<V>>> {
        self.with_state(|state| keys.iter().map(|key| state.holds(key).cloned()).collect())
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn close(&self) -> Result<()> {
        let state = self.0.state.lock().take();
        drop(state);
        self.0.hub.close();
        Ok(())
    }
}

impl<K: Key, V: Value> AtomicWrite for MemRefs<K, V> {
    async fn update(&self, update: Update<K, V>) -> Result<Outcome<K, V>> {
        let (outcome, change) = self.with_state(|state| {
            update.check(&self.limits())?;
            state.update(update)
        })??;
        if let Some(change) = change {
            self.0.hub.publish(change);
        }
        Ok(outcome)
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<K, V>> {
        let (cursor, entries) =
            self.with_state(|state| (state.log.end(), state.entries.clone()))?;
        Ok(Snapshot::new(cursor, pages(entries, Bytes::copy_from_slice(prefix))))
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<K, V>> {
        self.with_state(|state| state.log.after(after, limit))
    }

    async fn position(&self) -> Result<Cursor> {
        self.with_state(|state| state.log.end())
    }

    fn subscribe(&self) -> Subscription<K, V> {
        self.0.hub.subscribe()
    }
}

/// What was decided on an update, and the record that it made, if it made one.
type Decided<K, V> = (Outcome<K, V>, Option<Arc<Change<K, V>>>);

impl<K: Key, V: Value> State<K, V> {
    fn holds(&self, key: &K) -> Option<&V> {
        self.entries.get::<[u8]>(&key.to_bytes()).map(|(_, value)| value)
    }

    fn update(&mut self, update: Update<K, V>) -> Result<Decided<K, V>> {
        if let Some(place) = self.log.recall(&update)? {
            return Ok((Outcome::Applied(place), None));
        }
        if let Some(refusal) = self.first_refusal(&update) {
            return Ok((Outcome::Refused(refusal), None));
        }
        let change = self.apply(update);
        Ok((Outcome::Applied(self.log.end()), change))
    }

    fn first_refusal(&self, update: &Update<K, V>) -> Option<Refusal<K, V>> {
        update.edits.iter().find_map(|(key, edit)| {
            let holds = self.holds(key);
            (!edit.expected.accepts(holds)).then(|| Refusal {
                key: key.clone(),
                holds: holds.cloned(),
                at: self.log.end(),
            })
        })
    }

    fn apply(&mut self, update: Update<K, V>) -> Option<Arc<Change<K, V>>> {
        let Update { id, seen: _, note, edits } = update;
        // The log keeps it, so it gets no more room than it needs.
        let mut changed: Vec<KeyChange<K, V>> = Vec::with_capacity(edits.len());
        let judged = edits.into_iter().map(|(key, edit)| KeyChange {
            old: self.holds(&key).cloned(),
            new: edit.set,
            key,
        });
        changed.extend(judged.filter(|change| change.old != change.new));
        if changed.is_empty() {
            return None;
        }
        // Changed aside, and put in place when no code of a key or value can panic any more.
        let mut entries = self.entries.clone();
        for change in &changed {
            put(&mut entries, &change.key, change.new.as_ref());
        }
        self.entries = entries;
        Some(self.log.append(id, note, changed))
    }
}

fn put<K: Key, V: Value>(entries: &mut Entries<K, V>, key: &K, value: Option<&V>) {
    let bytes = key.to_bytes();
    match value {
        Some(value) => {
            entries.insert_mut(Bytes::copy_from_slice(&bytes), (key.clone(), value.clone()));
        }
        None => {
            entries.remove_mut::<[u8]>(&bytes);
        }
    }
}

/// Returns the entries under `prefix`, by pages.
fn pages<K: Key, V: Value>(
    entries: Entries<K, V>,
    prefix: Bytes,
) -> BoxStream<'static, Result<Vec<(K, V)>>> {
    const PAGE: usize = 256;
    let begin = Bound::Included(prefix.clone());
    stream::unfold((entries, begin), move |(entries, begin)| {
        let page: Vec<_> = entries
            .range((begin, Bound::Unbounded))
            .take_while(|(bytes, _)| bytes.starts_with(&prefix))
            .take(PAGE)
            .collect();
        let next = page.last().map(|(bytes, _)| Bound::Excluded((*bytes).clone()));
        let page: Vec<_> = page.into_iter().map(|(_, entry)| entry.clone()).collect();
        std::future::ready(next.map(|next| (Ok(page), (entries, next))))
    })
    .boxed()
}

impl<K: Key, V: Value> Default for MemRefs<K, V> {
    fn default() -> Self {
        Self::new(&MemOptions::default())
    }
}

impl<K, V> Clone for MemRefs<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for MemRefs<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemRefs").finish_non_exhaustive()
    }
}
