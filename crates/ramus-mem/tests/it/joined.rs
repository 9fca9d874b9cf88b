use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ramus_core::{
    AtomicWrite, AtomicWriteExt as _, Changes, ContentAddressable as _, Cursor, Error, ErrorKind,
    Hash as _, Joined, Limits, Outcome, Page, ReadOnly, RefName, RefOutcome, RefUpdate, Result,
    Sha1, Snapshot, Storage as _, Subscription, Update,
};
use ramus_mem::{MemBlocks, MemOptions, MemRefs};

/// How a log is read page by page.
#[derive(Clone, Copy, Debug)]
enum Paging {
    /// As it is.
    Plain,
    /// A writer adds two changes before each page, which holds one, is read.
    Growing,
    /// Every page is empty, does not advance, and is not the last.
    Stuck,
}

/// Refs whose log is read as `paging` says.
#[derive(Clone, Debug)]
struct Refs {
    inner: MemRefs,
    paging: Paging,
    pages: Arc<AtomicUsize>,
}

impl ReadOnly for Refs {
    type Key = RefName;
    type Value = Sha1;

    async fn find(&self, key: &RefName) -> Result<Option<Sha1>> {
        self.inner.find(key).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await?;
        Err(Error::new(ErrorKind::Permission, "the last write of the refs was not allowed"))
    }
}

impl AtomicWrite for Refs {
    async fn update(&self, update: RefUpdate<Sha1>) -> Result<RefOutcome<Sha1>> {
        self.inner.update(update).await
    }

    async fn snapshot(&self, prefix: &[u8]) -> Result<Snapshot<RefName, Sha1>> {
        self.inner.snapshot(prefix).await
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Changes<RefName, Sha1>> {
        let pages = self.pages.fetch_add(1, Ordering::Relaxed);
        assert!(pages < 100, "the log is read without an end");
        match self.paging {
            Paging::Plain => self.inner.changes(after, limit).await,
            Paging::Growing => {
                for change in [2 * pages, 2 * pages + 1] {
                    self.inner.set(branch("other")?, Sha1::of(&change.to_be_bytes())).await?;
                }
                self.inner.changes(after, 1).await
            }
            Paging::Stuck => {
                let end = Cursor { sequence: after.sequence + 1, ..after };
                Ok(Changes::Page(Page { changes: Vec::new(), next: after, end }))
            }
        }
    }

    async fn position(&self) -> Result<Cursor> {
        self.inner.position().await
    }

    fn subscribe(&self) -> Subscription<RefName, Sha1> {
        self.inner.subscribe()
    }
}

fn branch(name: &str) -> Result<RefName> {
    RefName::branch(name)
}

/// Returns a storage, and an update to a block that is not there.
async fn storage(
    options: &MemOptions,
    paging: Paging,
) -> (Joined<MemBlocks, Refs>, RefUpdate<Sha1>) {
    let refs = Refs { inner: MemRefs::new(options), paging, pages: Arc::default() };
    let update = Update::new(refs.position().await.expect("position"));
    let update = update.set(branch("main").expect("a name"), Sha1::of(b"absent"));
    (Joined::new(MemBlocks::new(), refs), update)
}

#[tokio::test]
async fn an_update_to_an_absent_block_is_missing() {
    for paging in [Paging::Plain, Paging::Growing] {
        let (storage, update) = storage(&MemOptions::default(), paging).await;
        let error = storage.refs().update(update).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    }
}

#[tokio::test]
async fn a_log_that_does_not_go_on_is_corrupt() {
    let (storage, update) = storage(&MemOptions::default(), Paging::Stuck).await;
    let error = storage.refs().update(update).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn an_update_that_may_have_been_forgotten_is_ambiguous() {
    let options = MemOptions::default().with_log_changes_max(1);
    let (storage, update) = storage(&options, Paging::Plain).await;
    for text in ["a", "b"] {
        let block = storage.blocks().add(text.into()).await.unwrap();
        storage.refs().set(branch("main").unwrap(), block).await.unwrap();
    }
    let error = storage.refs().update(update).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
}

#[tokio::test]
async fn an_update_that_was_applied_is_known_after_its_block_is_gone() {
    let refs = Refs { inner: MemRefs::default(), paging: Paging::Plain, pages: Arc::default() };
    let applied = Joined::new(MemBlocks::new(), refs.clone());
    let block = applied.blocks().add("a".into()).await.unwrap();
    let update = Update::new(refs.position().await.unwrap()).set(branch("main").unwrap(), block);
    let Outcome::Applied(at) = applied.refs().update(update.clone()).await.unwrap() else {
        panic!("nothing was tested");
    };

    let without_blocks = Joined::new(MemBlocks::new(), refs);
    assert_eq!(without_blocks.refs().update(update.clone()).await.unwrap(), Outcome::Applied(at));
    let other = update.set(branch("other").unwrap(), block).remove(branch("main").unwrap());
    let error = without_blocks.refs().update(other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn both_halves_are_closed_before_a_failure_is_told() {
    let (storage, _) = storage(&MemOptions::default(), Paging::Plain).await;
    let error = storage.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    let error = storage.blocks().flush().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}
