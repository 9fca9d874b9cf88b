use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ramus_core::{
    AtomicWrite as _, Change, Changes, ContentAddressable as _, Cursor, Edit, ErrorKind, Expected,
    Hash, Key as _, KeyChange, Outcome, ReadOnly as _, RefName, RefOutcome, RefUpdate, Result,
    Storage, Update,
};

use crate::campaign::Random;
use crate::subject::{sample_block, sample_ref};
use crate::{Campaign, StorageSubject};

/// How many blocks and refs the operations use.
const BLOCKS: usize = 24;
const REFS: usize = 9;

/// Does random operations on a storage, and compares every answer with that of a plain model: a map of
/// blocks, a map of refs, and a list of changes.
///
/// The operations are adding and finding blocks, updates and writes of up to four refs with and without
/// tests, some of them to blocks that are not there, sending an earlier one again, finds, snapshots, and
/// reading the log from any place.
///
/// # Panics
///
/// Where the storage differs, naming the seed and the operation.
pub async fn follows_the_model<S: StorageSubject>(
    subject: &S,
    campaign: Campaign,
    operations: usize,
) {
    const PER_STORAGE: usize = 2000;
    for (number, start) in (0..campaign.times(operations)).step_by(PER_STORAGE).enumerate() {
        let seed = campaign.seed.wrapping_mul(1 << 32).wrapping_add(number as u64);
        let mut run = Run::begin(subject, seed).await;
        for operation in start..(start + PER_STORAGE).min(campaign.times(operations)) {
            run.context = format!("{campaign}: operation {operation}");
            run.step().await;
        }
    }
}

struct Run<S: Storage> {
    storage: S,
    random: Random,
    /// What to say when something differs.
    context: String,
    log_capacity: usize,
    blocks: BTreeMap<S::Hash, Bytes>,
    refs: BTreeMap<RefName, S::Hash>,
    start: Cursor,
    log: Vec<Change<RefName, S::Hash>>,
    /// Every update that was sent, to send it again.
    sent: Vec<RefUpdate<S::Hash>>,
}

/// What the model says of an update.
enum Verdict<H> {
    /// The record of it that is known, and whether the log must still keep it.
    Known(Cursor, bool),
    Judged(Judged<H>),
}

enum Judged<H> {
    Refused(RefName, Option<H>),
    Missing,
    Changes(Vec<KeyChange<RefName, H>>),
}

impl<S: Storage> Run<S> {
    async fn begin<T: StorageSubject<Storage = S>>(subject: &T, seed: u64) -> Self {
        let storage = subject.open().await;
        let start = storage.refs().position().await.expect("position");
        Self {
            storage,
            random: Random::new(seed),
            context: String::new(),
            log_capacity: subject.log_capacity(),
            blocks: BTreeMap::new(),
            refs: BTreeMap::new(),
            start,
            log: Vec::new(),
            sent: Vec::new(),
        }
    }

    async fn step(&mut self) {
        match self.random.below(16) {
            0..=2 => self.add_block().await,
            3 => self.find_blocks().await,
            4..=8 => {
                let update = self.random_update().await;
                self.send(update).await;
            }
            9 => self.send_again().await,
            10 | 11 => self.find_refs().await,
            12 | 13 => self.take_snapshot().await,
            _ => self.read_log().await,
        }
    }

    async fn add_block(&mut self) {
        let block = sample_block(self.random.below(BLOCKS));
        let key = self.storage.blocks().add(block.clone()).await.expect("add");
        assert_eq!(key, S::Hash::of(&block), "{}: the name of a block", self.context);
        self.blocks.insert(key, block);
    }

    async fn find_blocks(&mut self) {
        let numbers: Vec<_> = (0..4).map(|_| self.random.below(BLOCKS)).collect();
        let keys: Vec<S::Hash> = numbers.into_iter().map(name).collect();
        let found = self.storage.blocks().find_many(&keys).await.expect("find_many");
        let wanted: Vec<_> = keys.iter().map(|key| self.blocks.get(key).cloned()).collect();
        assert_eq!(found, wanted, "{}: blocks", self.context);
    }

    async fn find_refs(&mut self) {
        let key = sample_ref(self.random.below(REFS));
        let wanted = self.refs.get(&key).copied();
        let (refs, context) = (self.storage.refs(), &self.context);
        assert_eq!(refs.find(&key).await.expect("find"), wanted, "{context}: {key}");
        assert_eq!(refs.mem(&key).await.expect("mem"), wanted.is_some(), "{context}: {key}");
    }

    async fn take_snapshot(&mut self) {
        let whole = sample_ref(self.random.below(REFS)).to_bytes().into_owned();
        let prefix = &whole[..self.random.below(whole.len() + 1)];
        let snapshot = self.storage.refs().snapshot(prefix).await.expect("snapshot");
        assert_eq!(snapshot.cursor(), self.end(), "{}: the cursor of a snapshot", self.context);
        let entries = snapshot.collect().await.expect("collect");
        let below = self.refs.iter().filter(|(key, _)| key.to_bytes().starts_with(prefix));
        let wanted: Vec<_> = below.map(|(key, value)| (key.clone(), *value)).collect();
        assert_eq!(entries, wanted, "{}: below {}", self.context, prefix.escape_ascii());
    }

    async fn read_log(&mut self) {
        let from = self.random.below(self.log.len() + 1);
        let limit = self.random.below(8);
        let after = self.place(from);
        let page = match self.storage.refs().changes(after, limit).await.expect("changes") {
            Changes::Page(page) => page,
            Changes::Truncated { oldest } => {
                let kept = self.log.len() - from <= self.log_capacity;
                assert!(!kept, "{}: {after} is truncated, before {oldest}", self.context);
                return;
            }
        };
        let wanted = &self.log[from..(from + page.changes.len()).min(self.log.len())];
        // What a record says is before it may differ, as long as nothing lies between.
        let alike = |(change, wanted): (&Arc<Change<_, _>>, &Change<_, _>)| {
            wanted.previous <= change.previous
                && change.previous < change.cursor.sequence
                && Change { previous: wanted.previous, ..(**change).clone() } == *wanted
        };
        let same = page.changes.len() == wanted.len() && page.changes.iter().zip(wanted).all(alike);
        assert!(same, "{}: {:?} instead of {wanted:?}", self.context, page.changes);
        assert!(page.changes.len() <= limit, "{}: a page of {limit}", self.context);
        assert_eq!(page.end, self.end(), "{}: the end of the log", self.context);
        assert_eq!(page.next, self.place(from + page.changes.len()), "{}: next", self.context);
        let stuck = limit > 0 && page.changes.is_empty() && from < self.log.len();
        assert!(!stuck, "{}: an empty page where there is more", self.context);
    }

    async fn random_update(&mut self) -> RefUpdate<S::Hash> {
        let earlier = self.random.below(self.log.len() + 1);
        let seen = match self.random.below(4) {
            0 => self.place(earlier),
            _ => self.storage.refs().position().await.expect("position"),
        };
        let mut update = Update::new(seen).with_note(format!("note {}", self.sent.len()));
        for _ in 0..self.random.below(5) {
            let key = sample_ref(self.random.below(REFS));
            let holds = self.refs.get(&key).copied();
            let expected = match self.random.below(6) {
                0 => Expected::Nothing,
                1 => Expected::Exactly(name(self.random.below(BLOCKS))),
                2 => Expected::from(holds),
                _ => Expected::Anything,
            };
            let known = self.blocks.keys().copied();
            let set = match self.random.below(8) {
                0 => None,
                1 => holds,
                2 if self.random.once_in(3) => Some(name(BLOCKS + self.random.below(4))),
                _ => known.clone().nth(self.random.below(known.len().max(1))),
            };
            update = update.edit(key, Edit { expected, set });
        }
        update
    }

    async fn send_again(&mut self) {
        if !self.sent.is_empty() {
            let update = self.sent[self.random.below(self.sent.len())].clone();
            self.send(update).await;
        }
    }

    /// Sends an update, by itself or with blocks, and follows it in the model.
    async fn send(&mut self, update: RefUpdate<S::Hash>) {
        self.sent.push(update.clone());
        let sent = if self.random.once_in(3) {
            let numbers: Vec<_> = (0..3).map(|_| self.random.below(BLOCKS)).collect();
            let blocks: Vec<_> =
                numbers.into_iter().map(|number| (name(number), sample_block(number))).collect();
            let outcome = self.storage.write(blocks.clone(), update.clone()).await;
            self.learn(blocks, &outcome).await;
            outcome
        } else {
            self.storage.refs().update(update.clone()).await
        };
        self.follow(&update, sent);
    }

    /// Takes the blocks of a write over into the model. If it was not applied, they may be there.
    async fn learn(
        &mut self,
        blocks: Vec<(S::Hash, Bytes)>,
        outcome: &Result<RefOutcome<S::Hash>>,
    ) {
        let applied = matches!(outcome, Ok(Outcome::Applied(_)));
        for (key, block) in blocks {
            if applied || self.storage.blocks().mem(&key).await.expect("mem") {
                self.blocks.insert(key, block);
            }
        }
    }

    fn follow(&mut self, update: &RefUpdate<S::Hash>, sent: Result<RefOutcome<S::Hash>>) {
        let context = &self.context;
        let may_forget = self.may_have_forgotten(update.seen);
        match (self.verdict(update), sent) {
            (Verdict::Known(place, _), Ok(Outcome::Applied(at))) if at == place => {}
            (Verdict::Known(_, kept), Err(error)) => {
                let forgotten = !kept && error.kind() == ErrorKind::Ambiguous;
                assert!(forgotten, "{context}: an update sent again: {error:?}");
            }
            (Verdict::Judged(_), Err(error)) if error.kind() == ErrorKind::Ambiguous => {
                assert!(may_forget, "{context}: {error:?}");
            }
            (Verdict::Judged(Judged::Missing), Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Missing, "{context}: {error:?}");
            }
            // Which of two reasons is told first is left to the storage.
            (Verdict::Judged(Judged::Refused(..)), Err(error)) => {
                let missing = self.names_missing(update) && error.kind() == ErrorKind::Missing;
                assert!(missing, "{context}: {error:?}");
            }
            (Verdict::Judged(Judged::Refused(key, holds)), Ok(Outcome::Refused(refusal))) => {
                assert_eq!((refusal.key, refusal.holds), (key, holds), "{context}: a refusal");
                assert_eq!(refusal.at, self.end(), "{context}: the place of a refusal");
            }
            (Verdict::Judged(Judged::Changes(keys)), Ok(Outcome::Applied(at))) => {
                if keys.is_empty() {
                    assert_eq!(at, self.end(), "{context}: an update that changes nothing");
                } else {
                    self.apply(update, at, keys);
                }
            }
            (_, answer) => panic!("{context}: {update:?} was answered with {answer:?}"),
        }
    }

    fn verdict(&self, update: &RefUpdate<S::Hash>) -> Verdict<S::Hash> {
        let known = self.log.iter().position(|change| change.id == update.id);
        if let Some(number) = known {
            let kept = self.log.len() - number <= self.log_capacity;
            return Verdict::Known(self.log[number].cursor, kept);
        }
        for (key, edit) in &update.edits {
            let holds = self.refs.get(key);
            if !edit.expected.accepts(holds) {
                return Verdict::Judged(Judged::Refused(key.clone(), holds.copied()));
            }
        }
        if self.names_missing(update) {
            return Verdict::Judged(Judged::Missing);
        }
        let changes = update.edits.iter().map(|(key, edit)| KeyChange {
            key: key.clone(),
            old: self.refs.get(key).copied(),
            new: edit.set,
        });
        Verdict::Judged(Judged::Changes(changes.filter(|key| key.old != key.new).collect()))
    }

    fn names_missing(&self, update: &RefUpdate<S::Hash>) -> bool {
        let mut named = update.edits.values().filter_map(|edit| edit.set.as_ref());
        named.any(|key| !self.blocks.contains_key(key))
    }

    /// Returns whether a log may have forgotten what came after this place.
    fn may_have_forgotten(&self, seen: Cursor) -> bool {
        let later = self.log.iter().filter(|change| change.cursor.sequence > seen.sequence);
        later.count() > self.log_capacity
    }

    fn apply(
        &mut self,
        update: &RefUpdate<S::Hash>,
        cursor: Cursor,
        keys: Vec<KeyChange<RefName, S::Hash>>,
    ) {
        let end = self.end();
        assert_eq!(cursor.incarnation, end.incarnation, "{}: the incarnation", self.context);
        assert!(cursor.sequence > end.sequence, "{}: {cursor} after {end}", self.context);
        for change in &keys {
            match change.new {
                Some(value) => drop(self.refs.insert(change.key.clone(), value)),
                None => drop(self.refs.remove(&change.key)),
            }
        }
        let (id, note, previous) = (update.id, update.note.clone(), end.sequence);
        self.log.push(Change { cursor, previous, id, note, keys });
    }

    fn end(&self) -> Cursor {
        self.place(self.log.len())
    }

    /// Returns the place after this many changes.
    fn place(&self, changes: usize) -> Cursor {
        changes.checked_sub(1).map_or(self.start, |last| self.log[last].cursor)
    }
}

/// Returns the name of the block of a number.
fn name<H: Hash>(number: usize) -> H {
    H::of(&sample_block(number))
}
