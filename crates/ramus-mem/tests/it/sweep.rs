use std::collections::BTreeSet;

use ramus_core::{Epoch, ErrorKind, Hash as _, Sha1, Storage as _, Sweep as _};
use ramus_mem::{Mem, MemSweep};

fn name(text: &str) -> Sha1 {
    Sha1::of(text.as_bytes())
}

async fn pinned(sweep: &MemSweep<Sha1>, epoch: Epoch) -> BTreeSet<Sha1> {
    let names = sweep.pinned(epoch).await.expect("pinned");
    let unique: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len(), "a name was given twice: {names:?}");
    unique
}

#[tokio::test]
async fn pinned_tells_of_pins_that_dropped_since_the_epoch() {
    let sweep = Mem::<Sha1>::default().sweep().unwrap();
    drop(sweep.pin(vec![name("before")]).await.unwrap());
    let held = sweep.pin(vec![name("held")]).await.unwrap();
    let epoch = sweep.begin().await.unwrap();
    drop(held);
    drop(sweep.pin(vec![name("short")]).await.unwrap());
    let now = sweep.pin(vec![name("now"), name("held")]).await.unwrap();
    let all = BTreeSet::from([name("held"), name("short"), name("now")]);
    assert_eq!(pinned(&sweep, epoch).await, all);
    drop(now);
    assert_eq!(pinned(&sweep, epoch).await, all, "also when all of them have dropped");
}

#[tokio::test]
async fn another_collection_ends_the_one_before() {
    let sweep = Mem::<Sha1>::default().sweep().unwrap();
    let old = sweep.begin().await.unwrap();
    drop(sweep.pin(vec![name("a")]).await.unwrap());
    let new = sweep.begin().await.unwrap();
    assert_eq!(sweep.pinned(old).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(pinned(&sweep, new).await, BTreeSet::new(), "it dropped before");
}
