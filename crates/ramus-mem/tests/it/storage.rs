use futures::FutureExt as _;
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Hash as _, Outcome,
    ReadOnly as _, RefName, RefOutcome, RefUpdate, Result, Sha1, Storage as _, Sweep as _, Update,
};
use ramus_mem::Mem;

use crate::hooked::{Hooked, when_different};

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

/// Collects the block between the check that it is there and the update that names it: in a
/// collection that began before the update, or begins right then.
async fn check_collection_within(
    began_before: bool,
    send: impl AsyncFnOnce(&Mem<Hooked>, RefUpdate<Hooked>) -> Result<RefOutcome<Hooked>>,
) {
    let mem = Mem::<Hooked>::default();
    let old = mem.blocks().add("old".into()).await.expect("add");
    let new = mem.blocks().add("new".into()).await.expect("add");
    mem.refs().set(main(), old).await.expect("set");
    let update = Update::new(mem.refs().position().await.expect("position")).set(main(), new);

    let sweep = mem.sweep().expect("a sweep");
    let epoch = if began_before { Some(sweep.begin().await.expect("begin")) } else { None };
    let (sender, receiver) = std::sync::mpsc::channel();
    when_different(move || {
        let now = || sweep.begin().now_or_never().expect("memory waits for nothing");
        let epoch = epoch.unwrap_or_else(|| now().expect("begin"));
        let removed = sweep.remove_many(epoch, vec![new]).now_or_never();
        sender.send(removed.expect("memory waits for nothing")).expect("the test waits");
    });
    let outcome = send(&mem, update).await.expect("the block is there");

    assert!(outcome.is_applied());
    let removed = receiver.try_recv().expect("the collection ran within the update");
    assert_eq!(removed.expect("remove_many"), 0, "began before: {began_before}");
    assert!(mem.blocks().mem(&new).await.expect("mem"), "a ref outlived what it names");
}

#[tokio::test]
async fn a_block_that_an_update_names_outlives_a_collection_within_it() {
    for began_before in [true, false] {
        check_collection_within(began_before, async |mem, update| mem.refs().update(update).await)
            .await;
        check_collection_within(began_before, async |mem, update| {
            mem.write(Vec::new(), update).await
        })
        .await;
    }
}

#[tokio::test]
async fn an_update_is_known_after_its_block_was_collected() {
    let mem = Mem::<Sha1>::default();
    let block = mem.blocks().add("a".into()).await.unwrap();
    let update = Update::new(mem.refs().position().await.unwrap()).set(main(), block);
    let Outcome::Applied(at) = mem.refs().update(update.clone()).await.unwrap() else {
        panic!("nothing was tested");
    };
    mem.refs().remove(main()).await.unwrap();
    let sweep = mem.sweep().unwrap();
    let epoch = sweep.begin().await.unwrap();
    assert_eq!(sweep.remove_many(epoch, vec![block]).await.unwrap(), 1);

    assert_eq!(mem.refs().update(update.clone()).await.unwrap(), Outcome::Applied(at));
    let fresh = Update::new(at).set(main(), block);
    assert_eq!(mem.refs().update(fresh).await.unwrap_err().kind(), ErrorKind::Missing);
    let write = mem.write(Vec::new(), Update::new(at).set(main(), Sha1::of(b"b")));
    assert_eq!(write.await.unwrap_err().kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn a_storage_of_which_one_half_is_closed_answers_closed() {
    let mem = Mem::<Sha1>::default();
    let block = mem.blocks().add("a".into()).await.unwrap();
    let update = Update::new(mem.refs().position().await.unwrap()).set(main(), block);
    mem.blocks().close().await.unwrap();
    assert_eq!(mem.refs().update(update).await.unwrap_err().kind(), ErrorKind::Closed);
}
