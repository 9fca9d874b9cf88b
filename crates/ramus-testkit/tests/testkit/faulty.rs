//! The storage that fails on command does what its script says, and nothing else.

use futures::{FutureExt as _, StreamExt as _};
use ramus_core::{
    AtomicWrite as _, AtomicWriteExt as _, ContentAddressable as _, ErrorKind, Notice,
    ReadOnly as _, RefName, Sha1, Storage as _, Update,
};
use ramus_mem::Mem;
use ramus_testkit::{Faults, Faulty, Mishap, OpenStorage, Operation, StorageSubject};
use ramus_watch::{Event, WatchExt as _, WatchOptions};

fn sound() -> impl StorageSubject {
    OpenStorage::new(async || Faulty::new(Mem::<Sha1>::default(), Faults::default()))
}

ramus_testkit::each_law!(storage, [ramus_testkit::law_tests], super::sound);
ramus_testkit::each_law!(sweep, [ramus_testkit::law_tests], super::sound);

fn open() -> (Faulty<Mem>, Faults) {
    let faults = Faults::default();
    (Faulty::new(Mem::default(), faults.clone()), faults)
}

fn main() -> RefName {
    RefName::branch("main").expect("a name")
}

#[tokio::test]
async fn the_nth_call_fails_and_does_nothing() {
    let (storage, faults) = open();
    faults.at(Operation::Add, 2, Mishap::Fail(ErrorKind::Limit));
    let first = storage.blocks().add("first".into()).await.unwrap();
    let error = storage.blocks().add("second".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let second = storage.blocks().name(&"second".into()).unwrap();
    assert!(storage.blocks().mem(&first).await.unwrap());
    assert!(!storage.blocks().mem(&second).await.unwrap());
    storage.blocks().add("second".into()).await.unwrap();
    assert_eq!(faults.calls(Operation::Add), 3);
}

#[tokio::test]
async fn the_nth_call_of_any_operation_fails() {
    let (storage, faults) = open();
    faults.at(None, 3, Mishap::Fail(ErrorKind::Corrupt));
    storage.refs().find(&main()).await.unwrap();
    storage.refs().position().await.unwrap();
    assert_eq!(storage.blocks().flush().await.unwrap_err().kind(), ErrorKind::Corrupt);
    storage.blocks().flush().await.unwrap();
    assert_eq!(faults.calls(None), 4);
}

#[tokio::test]
async fn an_operation_that_always_fails_does_so_until_it_is_cleared() {
    let (storage, faults) = open();
    faults.always(Operation::Position, Mishap::Fail(ErrorKind::Unavailable));
    for _ in 0..3 {
        assert!(storage.refs().position().await.is_err());
    }
    faults.clear();
    storage.refs().position().await.unwrap();
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_was_applied_and_is_not_applied_again() {
    let (storage, faults) = open();
    let [one, two] = ["one", "two"].map(|text| storage.blocks().add(text.into()));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let update = Update::new(storage.refs().position().await.unwrap()).set(main(), one);
    faults.at(Operation::Update, 1, Mishap::LoseAnswer);
    let lost = storage.refs().update(update.clone()).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    assert_eq!(storage.refs().find(&main()).await.unwrap(), Some(one));
    storage.refs().set(main(), two).await.unwrap();
    assert!(storage.refs().update(update).await.unwrap().is_applied());
    assert_eq!(storage.refs().find(&main()).await.unwrap(), Some(two));
}

#[tokio::test]
async fn a_delayed_call_lets_others_come_first() {
    let (storage, faults) = open();
    faults.at(Operation::Add, 1, Mishap::Delay(3));
    let key = storage.blocks().name(&"slow".into()).unwrap();
    let mut adding = Box::pin(storage.blocks().add("slow".into()));
    for _ in 0..3 {
        assert!(adding.as_mut().now_or_never().is_none());
        assert!(!storage.blocks().mem(&key).await.unwrap());
    }
    assert_eq!(adding.now_or_never().unwrap().unwrap(), key);
}

#[tokio::test]
async fn a_held_call_waits_for_its_release() {
    let (storage, faults) = open();
    for (mishap, done) in [(Mishap::Hold, false), (Mishap::HoldAnswer, true)] {
        let block = format!("{mishap:?}");
        let key = storage.blocks().name(&block.clone().into()).unwrap();
        faults.at(Operation::Add, 1, mishap);
        let adder = storage.clone();
        let adding = tokio::spawn(async move { adder.blocks().add(block.into()).await });
        faults.until_held(1).await;
        assert_eq!(storage.blocks().mem(&key).await.unwrap(), done, "{mishap:?}");
        assert!(!adding.is_finished());
        faults.release();
        assert_eq!(adding.await.unwrap().unwrap(), key);
    }
}

#[tokio::test]
async fn a_held_call_that_is_dropped_is_not_held_any_more() {
    let (storage, faults) = open();
    faults.always(Operation::Flush, Mishap::Hold);
    let mut flushing = Box::pin(storage.blocks().flush());
    assert!(flushing.as_mut().now_or_never().is_none());
    drop(flushing);
    assert!(faults.until_held(1).now_or_never().is_none());
}

#[tokio::test]
async fn notices_come_backwards_and_a_watch_is_not_misled() {
    let (storage, faults) = open();
    faults.reorder_notices(3);
    let notices = storage.refs().subscribe();
    let mut watch = storage.refs().watch(WatchOptions::all()).await.unwrap();
    let mut places = Vec::new();
    for number in 0..6 {
        let block = storage.blocks().add(format!("{number}").into()).await.unwrap();
        storage.refs().set(main(), block).await.unwrap();
        places.push(storage.refs().position().await.unwrap());
    }
    let told: Vec<_> = notices
        .take(6)
        .map(|notice| match notice {
            Notice::Change(change) => change.cursor,
            Notice::Lagged => panic!("nothing was dropped"),
        })
        .collect()
        .await;
    let backwards: Vec<_> = [2, 1, 0, 5, 4, 3].map(|number| places[number]).to_vec();
    assert_eq!(told, backwards);
    for place in places {
        assert_eq!(watch.next().await.unwrap().unwrap().cursor(), place);
    }
}

#[tokio::test]
async fn a_dropped_notice_is_told_as_lagged_and_a_watch_misses_nothing() {
    let (storage, faults) = open();
    let mut watch = storage.refs().watch(WatchOptions::all()).await.unwrap();
    assert!(watch.next().now_or_never().is_none(), "nothing has happened");
    let mut notices = storage.refs().subscribe();
    faults.drop_notices(1);
    let block = storage.blocks().add("one".into()).await.unwrap();
    storage.refs().set(main(), block).await.unwrap();
    assert_eq!(notices.next().await, Some(Notice::Lagged));
    faults.drop_notices(1);
    let Event::Changed(changed) = watch.next().await.unwrap().unwrap() else {
        panic!("the log still has the change");
    };
    assert_eq!(changed.keys()[0].new, Some(block));
}
